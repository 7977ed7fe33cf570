use serde_json::json;

use super::*;

fn changed(desired: &Value, live: &Value, managed: &FieldSet) -> Vec<String> {
    three_way(&normalise(desired), &normalise(live), None, managed).changes.into_iter().map(|c| c.path).collect()
}

#[test]
fn spellings_of_the_same_configuration_do_not_differ() {
    let desired = json!({
        "image": "alpine:3",
        "size": "shared-cpu-2x",
        "services": [{"protocol": "tcp", "internal_port": 80, "autostop": "stop",
            "ports": [{"port": 443, "handlers": ["tls", "http"]}],
            "checks": [{"type": "http", "interval": "1m", "timeout": "1500ms", "method": "get"}]}],
        "stop_config": {"timeout": "5s"},
        "restart": {"policy": "on-failure"},
    });
    let live = json!({
        "image": "docker.io/library/alpine:3",
        "guest": {"cpu_kind": "shared", "cpus": 2, "memory_mb": 512},
        "services": [{"protocol": "tcp", "internal_port": 80, "autostop": true, "force_instance_key": null,
            "ports": [{"port": 443, "handlers": ["http", "tls"]}],
            "checks": [{"type": "http", "interval": 60_000_000_000_u64, "timeout": "1.5s", "method": "GET"}]}],
        "init": {}, "restart": {"policy": "on-failure", "max_retries": 10}, "metadata": {"a": "b"},
    });
    assert_eq!(changed(&desired, &live, &FieldSet::default()), Vec::<String>::new());
}

#[test]
fn durations_of_a_services_check_are_clamped_as_fly_clamps_them() {
    let service = |interval: &str, timeout: &str| json!({"services": [{"internal_port": 80, "checks": [{"interval": interval, "timeout": timeout}]}]});
    assert_eq!(changed(&service("90s", "10ms"), &service("1m0s", "1s"), &FieldSet::default()), Vec::<String>::new());
    let top_level = |interval: &str| json!({"checks": {"up": {"interval": interval}}});
    assert_eq!(changed(&top_level("90s"), &top_level("60s"), &FieldSet::default()), ["checks.up.interval"]);
}

#[test]
fn a_field_removed_from_the_spec_goes_and_a_field_never_set_stays() {
    let before = json!({"image": "a", "env": {"A": "1", "B": "2"}, "schedule": "daily"});
    let managed = FieldSet::of(&json!({"image": "a", "env": {"A": "1", "B": "2"}}));
    let desired = json!({"image": "a", "env": {"A": "1"}});
    let found = three_way(&desired, &before, None, &managed);
    assert_eq!(found.config, json!({"image": "a", "env": {"A": "1"}, "schedule": "daily"}));
    assert_eq!(found.changes, [FieldChange::plain("env.B", Some(json!("2")), None)]);
}

#[test]
fn removing_a_whole_section_removes_only_what_was_set() {
    let live = json!({"image": "a", "guest": {"cpus": 2, "cpu_kind": "shared"}});
    let managed = FieldSet::of(&json!({"image": "a", "guest": {"cpus": 2}}));
    let found = three_way(&json!({"image": "a"}), &live, None, &managed);
    assert_eq!(found.config, json!({"image": "a", "guest": {"cpu_kind": "shared"}}));
}

#[test]
fn a_service_added_by_hand_to_a_list_of_the_spec_goes() {
    let desired = json!({"services": [{"protocol": "tcp", "internal_port": 80}]});
    let live = json!({"services": [{"protocol": "tcp", "internal_port": 81}, {"protocol": "tcp", "internal_port": 80, "autostart": true}]});
    let found = three_way(&desired, &live, None, &FieldSet::of(&desired));
    assert_eq!(found.config, json!({"services": [{"protocol": "tcp", "internal_port": 80, "autostart": true}]}));
    assert_eq!(found.changes.len(), 1);
    assert_eq!(found.changes[0].path, "services[tcp:81]");
}

#[test]
fn mounts_and_dedicated_hosts_need_a_replacement() {
    use super::super::diff::ChangeKind;
    let desired = json!({"mounts": [{"path": "/data", "volume": "vol_1"}]});
    for live in [
        json!({}),
        json!({"mounts": [{"path": "/data", "volume": "vol_2"}]}),
        json!({"mounts": [{"path": "/x", "volume": "vol_2"}]}),
    ] {
        let found = three_way(&desired, &live, None, &FieldSet::default());
        assert!(found.changes.iter().any(|c| c.kind == ChangeKind::Replace), "{live}");
    }
    let no_mount = json!({"image": "a"});
    let live = json!({"image": "a", "mounts": [{"path": "/data", "volume": "vol_1"}]});
    let found = three_way(&no_mount, &live, None, &FieldSet::of(&live));
    assert!(found.changes.iter().all(|c| c.kind == ChangeKind::Replace) && found.changes.len() == 1);
}

#[test]
fn a_mount_moves_to_another_path_in_place_and_keeps_what_the_server_filled_in() {
    let live = json!({"mounts": [{"path": "/data", "volume": "vol_1", "name": "data", "size_gb": 1}]});
    let desired = json!({"mounts": [{"path": "/x", "volume": "vol_1"}]});
    let managed = FieldSet::of(&json!({"mounts": [{"path": "/data", "volume": "vol_1"}]}));
    let found = three_way(&desired, &live, None, &managed);
    let moved = FieldChange::plain("mounts[/data].path", Some(json!("/data")), Some(json!("/x")));
    assert_eq!(found.changes, [moved]);
    assert_eq!(found.config, json!({"mounts": [{"path": "/x", "volume": "vol_1", "name": "data", "size_gb": 1}]}));
}

#[test]
fn elements_that_share_a_key_are_compared_as_a_whole_list() {
    let services = |first: u16, second: u16| {
        json!({"services": [
            {"protocol": "tcp", "internal_port": 80, "ports": [{"port": first}]},
            {"protocol": "tcp", "internal_port": 80, "ports": [{"port": second}]},
        ]})
    };
    assert_eq!(changed(&services(1, 2), &services(1, 2), &FieldSet::default()), Vec::<String>::new());
    assert_eq!(changed(&services(1, 3), &services(1, 2), &FieldSet::default()), ["services"]);
}

#[test]
fn an_image_named_by_digest_is_compared_with_what_fly_resolved() {
    let desired = json!({"image": "registry.fly.io/a@sha256:aa"});
    let live = json!({"image": "registry.fly.io/a:v1"});
    assert!(three_way(&desired, &live, Some("sha256:aa"), &FieldSet::default()).changes.is_empty());
    assert_eq!(three_way(&desired, &live, Some("sha256:bb"), &FieldSet::default()).changes.len(), 1);
}

#[test]
fn go_durations_are_read_and_written() {
    for (text, nanoseconds) in [
        ("15s", 15_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("1.5s", 1_500_000_000),
        ("250ms", 250_000_000),
        ("0", 0),
    ] {
        assert_eq!(parse_go_duration(text), Some(nanoseconds), "{text}");
    }
    for text in ["", "15", "s", "-5s", "1x", "5 s"] {
        assert_eq!(parse_go_duration(text), None, "{text}");
    }
    assert_eq!(go_duration(5_400_000_000_000), "1h30m");
    assert_eq!(go_duration(0), "0s");
}

#[test]
fn what_is_sent_is_what_is_compared() {
    let desired = normalise(
        &json!({"image": "a", "env": {"X": "1"}, "guest": {"cpus": 2, "cpu_kind": "shared", "memory_mb": 512}}),
    );
    let live = normalise(&json!({"image": "b", "env": {"Y": "1"}, "schedule": "daily"}));
    let sent = three_way(&desired, &live, None, &FieldSet::default()).config;
    assert!(three_way(&desired, &normalise(&sent), None, &FieldSet::of(&desired)).changes.is_empty());
}
