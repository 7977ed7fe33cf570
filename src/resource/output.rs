//! Values that other resources produce, and the places that wait for them.
//!
//! An expression such as `${{ fly.server.ips.v6 }}` names an *output*. Until its resource exists, the string that needs it holds a
//! placeholder: the output's path between two private-use characters, which no spec value may contain. So configurations stay
//! plain JSON, the difference to what is live can show `(known after create)`, and no text that a user or a pull request controls
//! can turn into a reference.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::secret::SecretText;

/// Opens a placeholder. Spec values that contain this character are refused.
pub const OPEN: char = '\u{E000}';
/// Closes a placeholder. Spec values that contain this character are refused.
pub const CLOSE: char = '\u{E001}';

/// Outputs by path, for example `fly.server.ips.v6`. Some are secret (`neon.main.uri`), so none is ever printed.
pub type Outputs = BTreeMap<String, SecretText>;

/// The placeholder for the output at `path`.
pub fn placeholder(path: &str) -> String {
    format!("{OPEN}{path}{CLOSE}")
}

/// The output path under which the id of a volume is known, for the mount of its machine.
pub fn volume_id_path(component: &str, slot: &super::VolumeSlot) -> String {
    format!("fly.{component}.volumes.{}.{}.id", slot.name, slot.machine)
}

/// The paths of all outputs that `text` waits for, in order of appearance.
pub fn waits_for(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(OPEN) {
        let Some((path, tail)) = after.split_once(CLOSE) else {
            break;
        };
        paths.push(path.to_owned());
        rest = tail;
    }
    paths
}

/// `text` with every placeholder replaced whose output is known.
pub fn resolve_text(text: &str, outputs: &Outputs) -> String {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        resolved.push_str(before);
        let Some((path, tail)) = after.split_once(CLOSE) else {
            resolved.push(OPEN);
            rest = after;
            break;
        };
        match outputs.get(path) {
            Some(value) => resolved.push_str(value.expose()),
            None => resolved.push_str(&placeholder(path)),
        }
        rest = tail;
    }
    resolved.push_str(rest);
    resolved
}

/// `value` with every placeholder in it replaced whose output is known.
pub fn resolve(value: &Value, outputs: &Outputs) -> Value {
    match value {
        Value::String(text) => Value::String(resolve_text(text, outputs)),
        Value::Array(items) => Value::Array(items.iter().map(|item| resolve(item, outputs)).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(key, item)| (key.clone(), resolve(item, outputs))).collect())
        }
        other => other.clone(),
    }
}

/// The paths of all outputs that any string inside `value` waits for, in order and without repeats.
pub fn waits_for_in(value: &Value) -> Vec<String> {
    fn collect(value: &Value, paths: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                for path in waits_for(text) {
                    if !paths.contains(&path) {
                        paths.push(path);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, paths)),
            Value::Object(map) => map.values().for_each(|item| collect(item, paths)),
            _ => {}
        }
    }
    let mut paths = Vec::new();
    collect(value, &mut paths);
    paths
}

/// `text` for people: placeholders read `(known after create)`.
pub fn display(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        shown.push_str(before);
        shown.push_str("(known after create)");
        rest = after.split_once(CLOSE).map_or("", |(_, tail)| tail);
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_placeholder_is_replaced_once_its_output_is_known() {
        let text = format!("http://[{}]:80/{}", placeholder("fly.a.ips.v6"), placeholder("fly.b.x"));
        let outputs = Outputs::from([("fly.a.ips.v6".to_owned(), "fd::1".into())]);
        assert_eq!(resolve_text(&text, &outputs), format!("http://[fd::1]:80/{}", placeholder("fly.b.x")));
        assert_eq!(waits_for(&text), ["fly.a.ips.v6", "fly.b.x"]);
        assert_eq!(display(&text), "http://[(known after create)]:80/(known after create)");
    }

    #[test]
    fn a_resolved_value_that_looks_like_a_placeholder_is_not_resolved_again() {
        let outputs = Outputs::from([("a".to_owned(), placeholder("b").into()), ("b".to_owned(), "never".into())]);
        assert_eq!(resolve(&json!([placeholder("a")]), &outputs), json!([placeholder("b")]));
    }
}
