//! Case 1, `specs/chat-dev`: what its specs ask for, line by line.

use std::path::PathBuf;

use super::*;
use crate::desired::{Class, Environment, Network, SecretValue};
use crate::spec::{SourceFile, parse};

macro_rules! spec_files {
    ($($name:literal),*) => {
        [$((concat!("specs/chat-dev/", $name), include_str!(concat!("../../specs/chat-dev/", $name)))),*]
    };
}

fn fleet() -> Fleet {
    let files = spec_files!["hangar.yaml", "policy.yaml", "production.yaml", "staging.yaml", "preview.yaml"];
    let files = files.map(|(path, text)| SourceFile { path: path.into(), bytes: text.into() });
    let specs = parse(&files).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(specs.warnings.is_empty(), "{}", specs.warnings);
    let tomls = spec_files!["fly.worker.toml", "fly.server.toml", "fly.web.toml"];
    let assets: BTreeMap<PathBuf, Vec<u8>> = tomls.map(|(path, text)| (path.into(), text.into())).into();
    let env =
        ["PRODUCTION", "STAGING", "PREVIEWS"].map(|suffix| (format!("CHAT_DEV_WORKER_TOKEN_{suffix}"), suffix.into()));
    let secrets = SecretInputs {
        env: env.into(),
        master_key: Some("0123456789abcdef0123456789abcdef".into()),
        ..SecretInputs::default()
    };
    let context = Context {
        owner: &"chat-dev".into(),
        secrets: &secrets,
        assets: &assets,
        source: &Completeness::Complete,
        repos: &BTreeMap::new(),
        commit: None,
    };
    let built = build(&specs, &context);
    assert!(built.diagnostics.is_empty(), "{}", built.diagnostics);
    built.fleet
}

fn environments() -> [(Environment, &'static str); 3] {
    let fleet = fleet();
    assert_eq!(fleet.environments.len(), 3);
    [("production", "PRODUCTION"), ("staging", "STAGING"), ("login", "PREVIEWS")].map(|(name, suffix)| {
        match &fleet.environments[&EnvName::from(name)] {
            Wanted::Ready(environment) => ((**environment).clone(), suffix),
            Wanted::Broken { reason } => panic!("{reason}"),
        }
    })
}

fn value(environment: &Environment, app: usize, name: &str) -> String {
    match &environment.apps[app].secrets[name] {
        SecretValue::Known(text) => text.expose().to_owned(),
        SecretValue::Unavailable { reason } => panic!("{reason}"),
    }
}

#[test]
fn three_apps_per_environment_with_the_names_that_the_team_knows() {
    let names = environments()
        .map(|(environment, _)| environment.apps.iter().map(|app| app.name.to_string()).collect::<Vec<_>>());
    assert_eq!(
        names,
        [
            ["chat-dev-worker", "chat-dev-server", "chat-dev-web"].map(str::to_owned).to_vec(),
            ["chat-dev-worker-dev", "chat-dev-server-dev", "chat-dev-web-dev"].map(str::to_owned).to_vec(),
            ["login-chat-dev-worker-dev", "login-chat-dev-server-dev", "login-chat-dev-web-dev"]
                .map(str::to_owned)
                .to_vec(),
        ]
    );
}

#[test]
fn the_server_is_wired_to_its_own_worker_and_follows_its_image() {
    for (environment, _) in environments() {
        let [worker, server, web] = environment.apps.as_slice() else { panic!("three apps") };
        let env = &server.machines[0].config["env"];
        assert_eq!(env["FLY_WORKER_APP"], worker.name.as_str());
        assert_eq!(env["FLY_WORKER_IMAGE"], worker.image.as_str());
        assert_eq!(env["WORKER_CALLBACK_URL"], format!("https://{}.fly.dev/internal/worker-callback", server.name));
        assert_eq!(web.machines[0].config["env"]["NEXT_PUBLIC_API_URL"], format!("https://{}.fly.dev", server.name));
        assert_eq!(server.after, ["worker".into()].into());
        assert!(worker.after.is_empty() && web.after.is_empty());
    }
}

#[test]
fn secrets_are_shared_inside_an_environment_and_differ_between_them() {
    let environments = environments();
    for (environment, suffix) in &environments {
        assert_eq!(value(environment, 0, "WORKER_SECRET"), value(environment, 1, "WORKER_SECRET"));
        assert_eq!(value(environment, 1, "FLY_API_TOKEN"), *suffix);
        assert_eq!(value(environment, 1, "CHAT_DEV_ENCRYPTION_KEY").len(), 64);
    }
    for name in ["WORKER_SECRET", "CHAT_DEV_ENCRYPTION_KEY"] {
        let values: BTreeSet<String> =
            environments.iter().map(|(environment, _)| value(environment, 1, name)).collect();
        assert_eq!(values.len(), 3, "{name}");
    }
}

#[test]
fn every_server_has_a_volume_of_its_own() {
    let names = environments().map(|(environment, _)| {
        let [worker, server, web] = environment.apps.as_slice() else { panic!("three apps") };
        assert!(worker.volumes.is_empty() && web.volumes.is_empty());
        assert_eq!((server.volumes.len(), server.machines.len()), (1, 1));
        assert_eq!(server.machines[0].volume.as_ref(), Some(&server.volumes[0].slot));
        assert_eq!(server.machines[0].config["mounts"][0]["path"], "/data");
        (server.volumes[0].slot.name.clone(), server.volumes[0].size_gb, server.volumes[0].retain)
    });
    assert_eq!(
        names,
        [
            ("chat_dev_data".to_owned(), 1, true),
            ("chat_dev_data_dev".to_owned(), 1, false),
            ("chat_dev_data_dev".to_owned(), 1, false)
        ]
    );
}

#[test]
fn production_is_protected_always_on_and_waits_for_staging() {
    let [(production, _), (staging, _), (preview, _)] = environments();
    assert_eq!(
        (production.class, production.protect, production.requires.environments.as_slice()),
        (Class::Production, true, &["staging".into()][..])
    );
    assert!(production.apps.iter().all(|app| app.protect && app.machines.iter().all(|machine| machine.always_on)));
    for environment in [&staging, &preview] {
        assert!(!environment.protect && environment.requires.environments.is_empty());
        let always_on: Vec<bool> = environment.apps.iter().map(|app| app.machines[0].always_on).collect();
        assert_eq!(always_on, [true, false, false], "the worker stays on, server and web sleep when idle");
    }
    assert_eq!(preview.max_age, Some(std::time::Duration::from_hours(14 * 24)));
}

#[test]
fn every_machine_has_checks_and_only_server_and_web_are_public() {
    for (environment, _) in environments() {
        assert_eq!(environment.network, Network::Isolated);
        assert!(environment.apps.iter().all(|app| app.machines.iter().all(|machine| machine.has_checks)));
        let addresses: Vec<usize> = environment.apps.iter().map(|app| app.ips.len()).collect();
        assert_eq!(addresses, [0, 2, 2]);
    }
}

#[test]
fn analytics_are_off_everywhere_but_in_production() {
    let flags = environments().map(|(environment, _)| {
        environment.apps[2].machines[0].config["env"].get("NEXT_PUBLIC_ENABLE_MIXPANEL").cloned()
    });
    assert_eq!(flags, [None, Some("0".into()), Some("0".into())]);
}
