//! What happens inside a machine: commands, processes, signals, memory. Nothing runs there; what is shown follows from the config
//! and from what was said by hand.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::world::World;
use super::super::super::world::lifecycle::Exit;
use super::super::super::world::machine::{Machine, State};
use super::super::{Answer, Call, Refusal, Reply};

#[derive(Deserialize)]
struct Exec {
    #[serde(default)]
    command: Vec<String>,
    /// Deprecated.
    cmd: Option<String>,
    container: Option<String>,
    timeout: Option<u64>,
}

#[derive(Deserialize)]
struct Signal {
    signal: Value,
}

#[derive(Deserialize)]
struct MemoryLimit {
    limit_mb: u64,
}

#[derive(Deserialize)]
struct Reclaim {
    #[serde(default)]
    amount_mb: u64,
}

/// What the guest's own processes take, in MiB.
const OWN_MEMORY_MB: u64 = 64;

fn invalid(text: &str) -> Refusal {
    Refusal::from(Reply::error(400, &format!("invalid_argument: {text}")))
}

/// The machine, if it runs and its host answers.
fn running<'w>(world: &'w World, call: &Call, app: &str, id: &str) -> Result<&'w Machine, Refusal> {
    let machine = call.machine(world, app, id)?;
    if machine.unreachable {
        return Err(Refusal::from(Reply::error(408, "deadline_exceeded: the machine's host did not answer in time")));
    }
    if machine.state != State::Started {
        let text = format!("failed_precondition: machine is not running, its state is '{}'", machine.state.as_str());
        return Err(Refusal::from(Reply::error(412, &text)));
    }
    Ok(machine)
}

/// A command answers what was said by hand, else what it is known to answer everywhere; other commands are not found.
pub(in super::super) fn exec(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let wanted: Exec = call.body()?;
    let command = match wanted.cmd {
        Some(cmd) if wanted.command.is_empty() => cmd.split_whitespace().map(str::to_owned).collect(),
        _ => wanted.command,
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err(invalid("command: a command is required"));
    };
    if wanted.timeout.is_some_and(|seconds| seconds > 3600) {
        return Err(invalid("timeout: must be at most 3600 seconds"));
    }
    let machine = running(world, call, app, id)?;
    if let Some(name) = wanted.container.filter(|name| !machine.container_behaviours.contains_key(name)) {
        return Err(invalid(&format!("container: the machine has no container {name}")));
    }
    let line = command.join(" ");
    let known = world.commands.iter().rev().find(|known| known.app == app && line.contains(&known.words));
    let (exit_code, stdout, stderr) = match known {
        Some(known) => (known.exit_code, known.stdout.clone(), known.stderr.clone()),
        None => answer(world, machine, program, arguments),
    };
    Ok(Reply::ok(json!({"exit_code": exit_code, "exit_signal": 0, "stdout": stdout, "stderr": stderr})))
}

/// What a few commands answer in every image.
fn answer(world: &World, machine: &Machine, program: &str, arguments: &[String]) -> (i32, String, String) {
    let good = |stdout: String| (0, stdout, String::new());
    match program.rsplit('/').next().unwrap_or_default() {
        "true" => good(String::new()),
        "false" => (1, String::new(), String::new()),
        "echo" => good(format!("{}\n", arguments.join(" "))),
        "hostname" => good(format!("{}\n", machine.id)),
        "printenv" => match arguments.first().and_then(|name| variable(world, machine, name)) {
            Some(value) => good(format!("{value}\n")),
            None => (1, String::new(), String::new()),
        },
        _ => (127, String::new(), format!("{program}: not found\n")),
    }
}

/// An environment variable as the machine's processes see it. Secrets win over the config.
fn variable(world: &World, machine: &Machine, name: &str) -> Option<String> {
    let app = world.apps.get(&machine.app)?;
    let secret = machine.vault_version.and_then(|version| app.vault.value_at(version, name));
    let plain = || machine.config.get("env")?.get(name)?.as_str();
    let own = match name {
        "FLY_APP_NAME" => Some(machine.app.as_str()),
        "FLY_MACHINE_ID" | "FLY_ALLOC_ID" => Some(machine.id.as_str()),
        "FLY_MACHINE_VERSION" => Some(machine.version.as_str()),
        "FLY_PRIVATE_IP" => Some(machine.private_ip.as_str()),
        "FLY_REGION" => Some(machine.region.as_str()),
        "FLY_PROCESS_GROUP" => machine.metadata("fly_process_group"),
        _ => None,
    };
    own.or(secret).or_else(plain).map(str::to_owned)
}

/// The init process, and the main process of the machine or one of each container, listening where the services expect it.
pub(in super::super) fn processes(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let key = match call.query("sort_by").filter(|key| !key.is_empty()).unwrap_or("pid") {
        key @ ("pid" | "command" | "directory" | "cpu" | "rss" | "rtime" | "stime") => key,
        other => return Err(invalid(&format!("sort_by: cannot sort by {other}"))),
    };
    let order = call.query("order").unwrap_or_default();
    if !matches!(order, "" | "asc" | "desc") {
        return Err(invalid("order: must be asc or desc"));
    }
    let machine = running(world, call, app, id)?;
    let services = machine.config.get("services").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let sockets: Vec<Value> = services
        .iter()
        .filter_map(|service| {
            let port = service.get("internal_port")?.as_u64()?;
            Some(json!({"proto": service.get("protocol")?, "address": format!("0.0.0.0:{port}")}))
        })
        .collect();
    let process = |pid: usize, command: &str, sockets: &[Value]| {
        json!({
            "pid": pid, "command": command, "directory": "/", "cpu": 0, "rss": 16_777_216, "rtime": 0, "stime": 0,
            "listen_sockets": sockets,
        })
    };
    let mut shown = vec![process(1, "/fly/init", &[])];
    let mains: Vec<String> = if machine.container_behaviours.is_empty() {
        vec![command_line(&machine.config)]
    } else {
        machine.container_behaviours.keys().cloned().collect()
    };
    for (place, main) in mains.iter().enumerate() {
        let listening = if place == 0 { sockets.as_slice() } else { &[] };
        shown.push(process(place.saturating_add(300), main, listening));
    }
    shown.sort_by(|one, other| {
        let text = |process: &Value| process.get(key).map(Value::to_string).unwrap_or_default();
        let number = |process: &Value| process.get(key).and_then(Value::as_u64);
        number(one).cmp(&number(other)).then_with(|| text(one).cmp(&text(other)))
    });
    if order == "desc" {
        shown.reverse();
    }
    Ok(Reply::ok(Value::Array(shown)))
}

/// The command line of the main process, as far as the config tells it.
fn command_line(config: &Value) -> String {
    let words = ["exec", "entrypoint", "cmd"].iter().filter_map(|key| config.get("init")?.get(key)?.as_array());
    let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
    if words.is_empty() { "/app".to_owned() } else { words.join(" ") }
}

/// Signals that end a process do so here; the restart policy decides what comes next. The others do nothing.
pub(in super::super) fn signal(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let Signal { signal } = call.body()?;
    let number = match &signal {
        Value::Number(number) => number.as_u64().and_then(|number| u8::try_from(number).ok()),
        Value::String(name) => SIGNALS.iter().find(|(of, _)| of == name).map(|(_, number)| *number),
        _ => None,
    };
    let number = number.filter(|number| SIGNALS.iter().any(|(_, known)| known == number));
    let number = number.ok_or_else(|| invalid("signal: there is no such signal"))?;
    running(world, call, app, id)?;
    let ends = !matches!(number, 1 | 10 | 12 | 13 | 14);
    if let Some((app, mut stage)) = world.stage(app)
        && let Some(machine) = app.machines.get_mut(id).filter(|_| ends)
    {
        let exit = Exit { signal: Some(number), ..Exit::with(128_i32.saturating_add(i32::from(number))) };
        machine.exited(exit, call.now, &mut stage);
    }
    Ok(Reply::ok(json!({"ok": true})))
}

/// The signals that can be sent.
const SIGNALS: [(&str, u8); 14] = [
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGILL", 4),
    ("SIGTRAP", 5),
    ("SIGABRT", 6),
    ("SIGFPE", 8),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGPIPE", 13),
    ("SIGALRM", 14),
    ("SIGTERM", 15),
];

fn shown_memory(machine: &Machine) -> Value {
    let limit = machine.memory_limit_mb.unwrap_or_else(|| machine.memory_mb());
    json!({"limit_mb": limit, "available_mb": limit.saturating_sub(OWN_MEMORY_MB)})
}

pub(in super::super) fn memory(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    Ok(Reply::ok(shown_memory(running(world, call, app, id)?)))
}

/// The limit holds until the machine goes over to another version.
pub(in super::super) fn limit_memory(world: &mut World, call: &Call, app: &str, id: &str) -> Answer {
    let MemoryLimit { limit_mb } = call.body()?;
    let machine = running(world, call, app, id)?;
    let most = machine.config.pointer("/guest/max_memory_mb").and_then(Value::as_u64).unwrap_or(machine.memory_mb());
    if !(OWN_MEMORY_MB..=most).contains(&limit_mb) {
        return Err(invalid(&format!("limit_mb: must be from {OWN_MEMORY_MB} to {most}")));
    }
    let machine = world.apps.get_mut(app).and_then(|app| app.machines.get_mut(id));
    let machine = machine.ok_or_else(|| Refusal::from(Reply::machine_not_found()))?;
    machine.memory_limit_mb = Some(limit_mb);
    Ok(Reply::ok(shown_memory(machine)))
}

/// What is not in use is given back.
pub(in super::super) fn reclaim_memory(world: &World, call: &Call, app: &str, id: &str) -> Answer {
    let Reclaim { amount_mb } = call.body()?;
    let machine = running(world, call, app, id)?;
    let limit = machine.memory_limit_mb.unwrap_or_else(|| machine.memory_mb());
    Ok(Reply::ok(json!({"actual_mb": amount_mb.min(limit.saturating_sub(OWN_MEMORY_MB))})))
}
