//! Machines that are there for one run of a command: of a job, or of a finalizer.

use serde_json::{Map, Value, json};

/// What of another machine's configuration the machine of a command takes over. Whatever else there is would bring it traffic or
/// volumes, start it again, or make it last.
const TAKEN_OVER: [&str; 7] = ["image", "env", "guest", "files", "init", "rootfs", "stop_config"];

/// The configuration of the machine that `command` is run in, made from that of another machine of its
/// app: what that serves, keeps and repeats is left out.
pub fn config(like: &Value, command: &[String]) -> Value {
    let taken = TAKEN_OVER.iter().filter_map(|key| Some(((*key).to_owned(), like.get(*key)?.clone())));
    let mut config: Map<String, Value> = taken.collect();
    let init = config.entry("init").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(init) = init {
        // It would take the place of both.
        init.remove("exec");
        init.insert("cmd".to_owned(), json!(command));
    }
    config.insert("restart".to_owned(), json!({"policy": "no"}));
    config.insert("dns".to_owned(), json!({"skip_registration": true}));
    Value::Object(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_takes_over_what_its_command_needs_and_nothing_that_makes_it_last() {
        let live = json!({
            "image": "demo:v1", "env": {"A": "b"}, "guest": {"memory_mb": 512}, "files": [{"guest_path": "/f", "raw_value": "eA=="}],
            "init": {"cmd": ["serve"], "exec": ["run"], "entrypoint": ["/entry"], "swap_size_mb": 512},
            "services": [{"internal_port": 80}], "checks": {"up": {"type": "http"}}, "mounts": [{"volume": "vol_1", "path": "/data"}],
            "schedule": "daily", "auto_destroy": true, "standbys": ["m"], "restart": {"policy": "always"}, "statics": [],
        });
        let job = config(&live, &["/bin/dump".to_owned(), "--all".to_owned()]);
        assert_eq!(
            job,
            json!({
                "image": "demo:v1", "env": {"A": "b"}, "guest": {"memory_mb": 512},
                "files": [{"guest_path": "/f", "raw_value": "eA=="}],
                "init": {"cmd": ["/bin/dump", "--all"], "entrypoint": ["/entry"], "swap_size_mb": 512},
                "restart": {"policy": "no"}, "dns": {"skip_registration": true},
            })
        );
        assert_eq!(config(&json!({"image": "demo:v1"}), &["x".to_owned()])["init"], json!({"cmd": ["x"]}));
    }
}
