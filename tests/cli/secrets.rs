//! No secret leaves the program except to Fly: planted values are looked for in everything that it prints and keeps.

use std::os::unix::fs::PermissionsExt;

use hangar::secret::SecretText;
use hangar::template::{Charset, SecretIdentity, generate};

use crate::support::{CONTROLLER, Folder, Server, environment};

const MASTER_KEY: &str = "planted-master-0123456789abcdef0123456789abcdef";
const TOKEN: &str = crate::support::TOKEN;
const FROM_ENV: &str = "planted-value-of-a-variable";
const FROM_FILE: &str = "planted-value-of-a-file";

const SECRETS: &str = "\
schedule: daily
secrets:
  FROM_ENV: {fromEnv: PLANTED}
  FROM_FILE: {fromFile: planted.secret}
  GENERATED: {generate: {length: 40}}
  JOINED: {value: \"${{ fly.web.secrets.FROM_ENV }}:${{ fly.web.secrets.GENERATED }}\"}
";

const COMMANDS: [&str; 7] = [
    "diff",
    "reconcile --once",
    "reconcile --once",
    "status --format json",
    "diff --format json",
    "gc --dry-run",
    "destroy --env demo --yes",
];

/// The generated value, as the library derives it.
fn generated() -> String {
    let identity =
        SecretIdentity { owner: "hangar", environment: "demo", component: "web", name: "GENERATED", generation: 1 };
    let value = generate(&SecretText::new(MASTER_KEY), &identity, Charset::Alphanumeric, 40).unwrap();
    value.expose().to_owned()
}

fn planted() -> Vec<String> {
    let mut planted: Vec<String> = [MASTER_KEY, TOKEN, FROM_ENV, FROM_FILE].map(str::to_owned).into();
    planted.push(generated());
    planted
}

/// A folder with every source of secrets in its spec.
fn folder() -> Folder {
    let folder = Folder::with(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", SECRETS))]);
    private(&folder, "planted.secret", FROM_FILE);
    folder
}

fn private(folder: &Folder, path: &str, text: &str) {
    folder.write(path, text);
    std::fs::set_permissions(folder.path(path), PermissionsExt::from_mode(0o600)).unwrap();
}

/// No planted value stands in `bytes`.
#[track_caller]
fn clean(what: &str, bytes: &[u8]) {
    for value in planted() {
        let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "`{value}` in {what}");
    }
}

/// Runs every command with all logs, and looks at what is printed.
fn run_all(folder: &Folder, format: &str, options: &str) {
    for command in COMMANDS {
        let command = format!("{command} --log trace --log-format {format} {options}");
        let ran = folder.run(&command);
        assert!(matches!(ran.code, Some(0 | 2)), "{command}: {:?}\n{}", ran.code, ran.all());
        clean(&command, ran.all().as_bytes());
    }
}

#[test]
fn nothing_is_printed_or_kept_by_runs_against_a_socket() {
    for format in ["text", "json"] {
        let server = Server::start();
        let mut folder = folder();
        folder.use_server(&server);
        folder.set("HANGAR_MASTER_KEY", MASTER_KEY);
        folder.set("PLANTED", FROM_ENV);
        let logs = folder.run("diff --log trace").err;
        assert!(logs.contains("TRACE") || logs.contains("DEBUG"), "there are logs to look at:\n{logs}");

        // Up to the end of the environment, and what Fly was given is right.
        let ran = folder.run(&format!("reconcile --once --log trace --log-format {format}")).ended(0);
        clean("the first run", ran.all().as_bytes());
        assert_eq!(server.sim.secret_value("demo-web", "FROM_FILE").unwrap(), FROM_FILE);
        assert_eq!(server.sim.secret_value("demo-web", "GENERATED").unwrap(), generated());
        assert_eq!(server.sim.secret_value("demo-web", "JOINED").unwrap(), format!("{FROM_ENV}:{}", generated()));

        run_all(&folder, format, "");
        let kept = folder.files(".hangar");
        assert!(kept.iter().any(|(path, _)| path.ends_with("hangar.db")), "there is a store to look at");
        for (path, bytes) in kept {
            clean(&path.display().to_string(), &bytes);
        }
    }
}

#[test]
fn with_the_built_in_simulator_only_its_own_state_has_them() {
    let mut folder = folder();
    private(&folder, "master.key", MASTER_KEY);
    folder.edit("hangar.yaml", "  owner: hangar\n", "  owner: hangar\n  masterKey: {fromFile: master.key}\n");
    folder.set("PLANTED", FROM_ENV);
    folder.set("FLY_API_TOKEN", TOKEN.replace("sim_", "sim_planted_").as_str());
    run_all(&folder, "text", "--sim");
    let ran = folder.run("reconcile --once --sim").ended(0);
    clean("the last run", ran.all().as_bytes());
    let kept = folder.files(".hangar");
    let state = kept.iter().find(|(path, _)| path.ends_with("sim/state.json")).unwrap();
    assert!(String::from_utf8_lossy(&state.1).contains(FROM_FILE), "the platform itself has them");
    assert_eq!(std::fs::metadata(&state.0).unwrap().permissions().mode() & 0o077, 0, "and nobody else may read it");
    for (path, bytes) in kept.iter().filter(|(path, _)| !path.ends_with("sim/state.json")) {
        clean(&path.display().to_string(), bytes);
    }
}

#[test]
fn the_command_line_that_everybody_sees_has_none() {
    let server = Server::configured(hangar::sim::SimConfig {
        latency: std::time::Duration::from_millis(200),
        ..Default::default()
    });
    let mut folder = folder();
    folder.use_server(&server);
    folder.set("PLANTED", FROM_ENV);
    let running = folder.start("reconcile --once");
    let shown = running.command_line();
    clean("the command line", shown.as_bytes());
    let (code, all) = running.end_within(crate::support::SILENCE);
    assert_eq!(code, Some(0), "{all}");
}

#[test]
fn an_error_of_the_platform_that_repeats_a_value_is_cleaned() {
    use hangar::http::transport::Method;
    use hangar::sim::{Fault, FaultKind, Matcher};
    let server = Server::start();
    let body = format!("{{\"error\":\"the value {FROM_ENV} is not allowed\"}}");
    let refusal = FaultKind::StatusBefore { status: 422, body };
    server.sim.inject(Fault::always(Matcher::new(Method::Post, "/v1/apps/demo-web/secrets"), refusal));
    let mut folder = folder();
    folder.use_server(&server);
    folder.set("HANGAR_MASTER_KEY", MASTER_KEY);
    folder.set("PLANTED", FROM_ENV);
    let ran = folder.run("reconcile --once --log trace").ended(1).says(&["the value [REDACTED] is not allowed"]);
    clean("the refusal", ran.all().as_bytes());
    for (path, bytes) in folder.files(".hangar") {
        clean(&path.display().to_string(), &bytes);
    }
}
