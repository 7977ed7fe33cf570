//! Lays the fields of a spec over those of its fly.toml.

use serde_json::Value;

/// The fields that describe the one group of an app without `processes`.
const SHORT_FORM: [&str; 13] = [
    "count",
    "regions",
    "size",
    "cpu",
    "memory",
    "gpu",
    "hostDedicationId",
    "kernelArgs",
    "command",
    "entrypoint",
    "exec",
    "tty",
    "swap",
];

/// The app `base` of a fly.toml with the fields `over` of a spec laid over it, as [`merge`] does.
///
/// A spec that names `processes` over a fly.toml without them describes its groups itself: the fly.toml's command and size go.
pub fn merge_app(mut base: Value, over: Value) -> Value {
    let groups = |value: &Value| value.get("processes").is_some_and(|processes| !processes.is_null());
    if groups(&over)
        && !groups(&base)
        && let Value::Object(base) = &mut base
    {
        base.retain(|key, _| !SHORT_FORM.contains(&key.as_str()));
    }
    merge(base, over)
}

/// `base` with `over` laid over it: maps merge key by key at every depth, lists and scalars are replaced.
pub fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match base.remove(&key) {
                    Some(below) => merge(below, value),
                    None => value,
                };
                base.insert(key, merged);
            }
            Value::Object(base)
        }
        (_, over) => over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn maps_merge_deeply_and_everything_else_is_replaced() {
        let base = json!({"env": {"A": "1", "B": "2"}, "services": [{"internalPort": 1}], "region": "iad",
            "volumes": {"data": {"size": "1GB", "mount": "/data"}}});
        let over = json!({"env": {"B": "3"}, "services": [], "volumes": {"data": {"size": "5GB"}}});
        assert_eq!(
            merge_app(base, over),
            json!({"env": {"A": "1", "B": "3"}, "services": [], "region": "iad",
                "volumes": {"data": {"size": "5GB", "mount": "/data"}}})
        );
    }

    #[test]
    fn groups_of_the_spec_replace_the_single_group_of_the_fly_toml() {
        let base = json!({"command": ["a"], "size": "shared-cpu-1x", "env": {"A": "1"}});
        let over = json!({"processes": {"web": {}}});
        assert_eq!(merge_app(base, over), json!({"env": {"A": "1"}, "processes": {"web": {}}}));
    }
}
