//! What the server makes of a machine config: defaults filled in, forms changed, nonsense refused.

use serde_json::{Map, Value, json};

use super::container::check_containers;
use super::timetable::Rhythm;
use super::volume::Volume;

/// Turns the config that a user sent into the one that the server keeps and returns. `volume` is the volume of its mount.
pub(crate) fn normalise(mut config: Map<String, Value>, volume: Option<&Volume>) -> Result<Value, String> {
    if config.get("image").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("invalid_argument: config.image: an image is required".to_owned());
    }
    drop_empty(&mut config);
    check_texts(&config, "env")?;
    check_texts(&config, "metadata")?;
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| value.as_str() != Some(""));
    }
    let guest = guest(&config)?;
    config.insert("guest".to_owned(), guest);
    config.remove("size");
    config.entry("init").or_insert_with(|| json!({}));
    for check in objects(config.get_mut("checks")) {
        durations(check, &["interval", "timeout", "grace_period"], None)?;
    }
    for service in elements(config.get_mut("services")) {
        normalise_service(service)?;
    }
    if let Some(stop) = config.get_mut("stop_config").and_then(Value::as_object_mut) {
        durations(stop, &["timeout"], None)?;
    }
    for mount in elements(config.get_mut("mounts")) {
        if let Some(volume) = volume {
            mount.insert("name".to_owned(), Value::from(volume.name.clone()));
            mount.insert("encrypted".to_owned(), Value::from(volume.encrypted));
            mount.insert("size_gb".to_owned(), Value::from(volume.size_gb));
        }
    }
    if let Some(schedule) = config.get("schedule").and_then(Value::as_str)
        && Rhythm::named(schedule).is_none()
    {
        return Err(format!("invalid_argument: config.schedule: {schedule} is not hourly, daily, weekly or monthly"));
    }
    let config = Value::Object(config);
    check_containers(&config)?;
    Ok(config)
}

/// Leaves out what Go leaves out: nulls everywhere, and empty collections and `false` at the top.
fn drop_empty(config: &mut Map<String, Value>) {
    drop_nulls(config);
    config.retain(|key, value| match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => key == "init" || !map.is_empty(),
        Value::Bool(flag) => *flag,
        _ => true,
    });
}

fn drop_nulls(map: &mut Map<String, Value>) {
    map.retain(|_, value| !value.is_null());
    for value in map.values_mut() {
        match value {
            Value::Object(inner) => drop_nulls(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(drop_nulls),
            _ => {}
        }
    }
}

fn check_texts(config: &Map<String, Value>, key: &str) -> Result<(), String> {
    let Some(value) = config.get(key) else { return Ok(()) };
    let texts = value.as_object().is_some_and(|map| map.values().all(Value::is_string));
    if texts { Ok(()) } else { Err(format!("invalid_argument: config.{key}: must be a map of strings to strings")) }
}

fn normalise_service(service: &mut Map<String, Value>) -> Result<(), String> {
    match service.get("protocol").and_then(Value::as_str) {
        Some("tcp" | "udp") => {}
        _ => return Err("invalid_argument: config.services: protocol must be tcp or udp".to_owned()),
    }
    if service.get("internal_port").and_then(Value::as_u64).is_none_or(|port| port == 0 || port > 65_535) {
        return Err("invalid_argument: config.services: internal_port must be from 1 to 65535".to_owned());
    }
    // Sent as a word, returned as a boolean, except for suspend.
    match service.get("autostop").and_then(Value::as_str) {
        Some("off") => service.insert("autostop".to_owned(), Value::Bool(false)),
        Some("stop") => service.insert("autostop".to_owned(), Value::Bool(true)),
        Some("suspend") | None => None,
        Some(other) => return Err(format!("invalid_argument: config.services: autostop cannot be {other}")),
    };
    service.entry("force_instance_key").or_insert(Value::Null);
    for check in elements(service.get_mut("checks")) {
        const SECOND: u64 = 1_000_000_000;
        durations(check, &["interval", "timeout"], Some((SECOND, 60 * SECOND)))?;
        durations(check, &["grace_period"], None)?;
    }
    Ok(())
}

/// The guest in full, from the guest that was sent, else from the preset, else the smallest.
fn guest(config: &Map<String, Value>) -> Result<Value, String> {
    let mut guest = match (config.get("guest").and_then(Value::as_object), config.get("size").and_then(Value::as_str)) {
        (Some(guest), _) => guest.clone(),
        (None, Some(size)) => {
            preset(size).ok_or_else(|| format!("invalid_argument: config.size: unknown machine size: {size}"))?
        }
        (None, None) => Map::new(),
    };
    let kind = guest.entry("cpu_kind").or_insert_with(|| json!("shared")).as_str().unwrap_or_default().to_owned();
    let cpus = guest.entry("cpus").or_insert_with(|| json!(1)).as_u64().unwrap_or(0);
    let (least, most, allowed): (u64, u64, &[u64]) = match kind.as_str() {
        "shared" => (256, 2048, &[1, 2, 4, 6, 8]),
        "performance" => (2048, 8192, &[1, 2, 4, 6, 8, 10, 12, 14, 16]),
        _ => {
            return Err(format!("invalid config.guest.cpu_kind, {kind} is neither shared nor performance"));
        }
    };
    if !allowed.contains(&cpus) {
        return Err(format!("invalid config.guest.cpus, {cpus} is not a possible number of {kind} CPUs"));
    }
    let (least, most) = (least.saturating_mul(cpus), most.saturating_mul(cpus));
    let memory = guest.entry("memory_mb").or_insert_with(|| json!(least)).as_u64().unwrap_or(0);
    if memory < least {
        return Err(format!("invalid config.guest.memory_mb, minimum required {least} MiB"));
    }
    if memory > most {
        return Err(format!("invalid config.guest.memory_mb, maximum allowed {most} MiB"));
    }
    if !memory.is_multiple_of(256) {
        return Err("invalid config.guest.memory_mb, must be a multiple of 256 MiB".to_owned());
    }
    Ok(Value::Object(guest))
}

/// The guest of a preset such as `shared-cpu-2x`.
fn preset(size: &str) -> Option<Map<String, Value>> {
    let (kind, count, per_cpu) = if let Some(count) = size.strip_prefix("shared-cpu-") {
        ("shared", count, 256_u64)
    } else {
        ("performance", size.strip_prefix("performance-")?, 2048)
    };
    let cpus: u64 = count.strip_suffix('x')?.parse().ok()?;
    let guest = json!({"cpu_kind": kind, "cpus": cpus, "memory_mb": per_cpu.checked_mul(cpus)?});
    if let Value::Object(map) = guest { Some(map) } else { None }
}

/// Writes durations as Go does, whatever form they came in, and clamps them to `limits` (in nanoseconds).
fn durations(map: &mut Map<String, Value>, keys: &[&str], limits: Option<(u64, u64)>) -> Result<(), String> {
    for key in keys {
        let Some(value) = map.get_mut(*key) else { continue };
        let nanos = match &*value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => parse_go_duration(text),
            _ => None,
        };
        let nanos = nanos.ok_or_else(|| format!("invalid_argument: {key}: time: invalid duration {value}"))?;
        let nanos = limits.map_or(nanos, |(least, most)| nanos.clamp(least, most));
        *value = Value::from(go_duration(nanos));
    }
    Ok(())
}

/// Nanoseconds of a Go duration such as `1m30s` or `1.5h`.
pub(crate) fn parse_go_duration(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let scale: u64 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        if !fraction.is_empty() {
            let digits = u32::try_from(fraction.len()).ok()?;
            total =
                total.checked_add(fraction.parse::<u64>().ok()?.checked_mul(scale)? / 10_u64.checked_pow(digits)?)?;
        }
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// A duration as Go writes it: `1m0s`, `500ms`, `1.5s`.
fn go_duration(nanos: u64) -> String {
    let decimal = |value: u64, scale: u64, digits: usize| {
        let fraction = format!("{:0digits$}", value % scale);
        let fraction = fraction.trim_end_matches('0');
        let whole = value / scale;
        if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000 {
        return format!("{nanos}ns");
    }
    if nanos < 1_000_000 {
        return format!("{}µs", decimal(nanos, 1_000, 3));
    }
    if nanos < 1_000_000_000 {
        return format!("{}ms", decimal(nanos, 1_000_000, 6));
    }
    let seconds = decimal(nanos % 60_000_000_000, 1_000_000_000, 9);
    let minutes = nanos / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// The objects in a list.
fn elements(value: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    value.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The objects in a map.
fn objects(value: Option<&mut Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    value.and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()).filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(config: &Value) -> Value {
        normalise(config.as_object().unwrap().clone(), None).unwrap()
    }

    #[test]
    fn defaults_are_filled_in() {
        assert_eq!(
            normalised(&json!({"image": "a/b:c", "env": {}, "auto_destroy": false, "services": null})),
            json!({"image": "a/b:c", "init": {}, "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": 256}}),
        );
    }

    #[test]
    fn a_size_becomes_a_guest() {
        let config = normalised(&json!({"image": "a", "size": "performance-2x"}));
        assert_eq!(config["guest"], json!({"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096}));
        assert_eq!(config.get("size"), None);
    }

    #[test]
    fn impossible_guests_are_refused() {
        let refusal = |guest: Value| {
            normalise(json!({"image": "a", "guest": guest}).as_object().unwrap().clone(), None).unwrap_err()
        };
        assert_eq!(
            refusal(json!({"cpu_kind": "performance", "cpus": 1, "memory_mb": 1024})),
            "invalid config.guest.memory_mb, minimum required 2048 MiB"
        );
        assert_eq!(refusal(json!({"memory_mb": 300})), "invalid config.guest.memory_mb, must be a multiple of 256 MiB");
    }

    #[test]
    fn autostop_comes_back_in_another_form() {
        for (sent, kept) in
            [(json!("off"), json!(false)), (json!("stop"), json!(true)), (json!("suspend"), json!("suspend"))]
        {
            let config = normalised(
                &json!({"image": "a", "services": [{"protocol": "tcp", "internal_port": 80, "autostop": sent}]}),
            );
            assert_eq!(config["services"][0]["autostop"], kept);
            assert_eq!(config["services"][0]["force_instance_key"], Value::Null);
        }
    }

    #[test]
    fn durations_come_back_as_go_writes_them_and_service_checks_are_clamped() {
        let config = normalised(&json!({
            "image": "a",
            "checks": {"up": {"type": "tcp", "interval": "60s", "timeout": 1_500_000_000_u64, "grace_period": "1.5h"}},
            "services": [{"protocol": "tcp", "internal_port": 80, "checks": [{"interval": "10ms", "timeout": "5m"}]}],
            "stop_config": {"timeout": 250_000_000},
        }));
        assert_eq!(
            config["checks"]["up"],
            json!({"type": "tcp", "interval": "1m0s", "timeout": "1.5s", "grace_period": "1h30m0s"})
        );
        assert_eq!(config["services"][0]["checks"][0], json!({"interval": "1s", "timeout": "1m0s"}));
        assert_eq!(config["stop_config"]["timeout"], "250ms");
    }
}
