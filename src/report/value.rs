//! One field's change as text: `path: old → new`, with every value readable and harmless.

use serde_json::{Map, Value};

use super::text::{clean, columns, memory};
use crate::resource::output::OPEN;
use crate::resource::{Change, ChangeKind, FieldChange};

/// A map or list that takes no more columns than this stays on one line; a longer one is shown field by field.
const MOST_COLUMNS_IN_ONE_PIECE: usize = 60;

/// One side of a change as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    /// The text, clean.
    pub(super) text: String,
    /// Whether it is a remark (`(known after create)`) and not a value.
    pub(super) is_remark: bool,
}

impl Side {
    fn value(text: String) -> Self {
        Self { text, is_remark: false }
    }

    fn remark(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_remark: true }
    }
}

/// One field as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The field's path, clean.
    pub(super) path: String,
    /// What is live, where both sides are shown.
    pub(super) old: Option<Side>,
    /// What is wanted, or the only thing there is to say.
    pub(super) new: Side,
    /// Whether this field is why the object must be made anew.
    pub(super) forces_replacement: bool,
}

/// What happens to the object whose fields are shown: for a new one, "not set before" goes without saying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is made.
    New,
    /// It stays, or is made anew.
    Changed,
    /// It goes.
    Gone,
}

/// The lines that show `change`; several where a whole map is set or removed.
pub(super) fn lines(change: &FieldChange, fate: Fate) -> Vec<Line> {
    let mut lines = Vec::new();
    let forces = change.kind == ChangeKind::Replace && fate == Fate::Changed;
    match (&change.old, &change.new) {
        (None, Some(Change::Plain(value))) => flatten(&change.path, value, &mut |path, text| {
            let old = (fate == Fate::Changed).then(|| Side::remark("(not set)"));
            lines.push(Line { path, old, new: text, forces_replacement: forces });
        }),
        (Some(Change::Plain(value)), None) => flatten(&change.path, value, &mut |path, text| {
            let (old, new) = if fate == Fate::Gone { (None, text) } else { (Some(text), Side::remark("(removed)")) };
            lines.push(Line { path, old, new, forces_replacement: forces });
        }),
        (old, new) => {
            let (old, new) = sides(&change.path, old.as_ref(), new.as_ref());
            lines.push(Line { path: clean(&change.path), old, new, forces_replacement: forces });
        }
    }
    lines
}

fn sides(path: &str, old: Option<&Change>, new: Option<&Change>) -> (Option<Side>, Side) {
    match (old, new) {
        (None, Some(Change::Secret)) => (None, Side::remark("(secret, new)")),
        (Some(Change::Secret), Some(Change::Secret)) => (None, Side::remark("(secret, changed)")),
        (Some(Change::Secret), None) => (None, Side::remark("(secret, removed)")),
        (None, Some(new)) => (None, side(path, new)),
        (Some(old), Some(new)) => (Some(side(path, old)), side(path, new)),
        (Some(old), None) => (Some(side(path, old)), Side::remark("(removed)")),
        (None, None) => (None, Side::remark("(nothing)")),
    }
}

fn side(path: &str, change: &Change) -> Side {
    match change {
        Change::Plain(value) => plain(path, value),
        Change::Secret => Side::remark("(secret)"),
        Change::Unknown(reason) => Side::remark(format!("(cannot tell: {})", clean(reason))),
    }
}

/// A value that may be shown, on one line.
pub(super) fn plain(path: &str, value: &Value) -> Side {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            let text = clean(text);
            let is_remark = text == "(known after create)";
            Side { text, is_remark }
        }
        Value::String(text) if is_bare(text) => Side::value(text.clone()),
        Value::String(text) => Side::value(format!("\"{}\"", clean(&text.replace('\\', "\\\\").replace('"', "\\\"")))),
        Value::Object(map) if is_guest(path) => Side::value(guest(map)),
        other => Side::value(clean(&other.to_string())),
    }
}

/// Whether a string reads as nothing but itself without quotes: neither a number, nor a word of JSON, nor one of our remarks.
fn is_bare(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:@+=%,~".contains(c);
    !text.is_empty()
        && text.chars().all(is_plain)
        && !matches!(text, "true" | "false" | "null" | "-")
        && text.parse::<f64>().is_err()
}

/// Calls `show` for `value`, or for each field in it where it is too long for one line.
fn flatten(path: &str, value: &Value, show: &mut impl FnMut(String, Side)) {
    match value {
        Value::Object(map)
            if !is_guest(path) && !map.is_empty() && columns(&value.to_string()) > MOST_COLUMNS_IN_ONE_PIECE =>
        {
            for (key, item) in map {
                flatten(&format!("{path}.{key}"), item, show);
            }
        }
        Value::Array(items) if columns(&value.to_string()) > MOST_COLUMNS_IN_ONE_PIECE => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), item, show);
            }
        }
        value => show(clean(path), plain(path, value)),
    }
}

fn is_guest(path: &str) -> bool {
    path == "guest"
}

/// A machine's size as people say it: `shared-cpu-1x 256MB`; what has no short form follows as `field=value`.
pub(super) fn guest(guest: &Map<String, Value>) -> String {
    let kind = guest.get("cpu_kind").and_then(Value::as_str).unwrap_or("shared");
    let kind = if kind == "shared" { "shared-cpu" } else { kind };
    let number = |field: &str, default: u64| guest.get(field).and_then(Value::as_u64).unwrap_or(default);
    let mut text = format!("{}-{}x {}", clean(kind), number("cpus", 1), memory(number("memory_mb", 256)));
    for (field, value) in guest {
        if !matches!(field.as_str(), "cpu_kind" | "cpus" | "memory_mb") {
            text.push(' ');
            text.push_str(&clean(field));
            text.push('=');
            text.push_str(&plain("", value).text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::output::placeholder;
    use serde_json::json;

    fn shown(change: &FieldChange, fate: Fate) -> Vec<String> {
        lines(change, fate)
            .into_iter()
            .map(|line| match line.old {
                Some(old) => format!("{}: {} -> {}", line.path, old.text, line.new.text),
                None => format!("{}: {}", line.path, line.new.text),
            })
            .collect()
    }

    #[test]
    fn a_value_is_quoted_only_where_it_could_be_taken_for_something_else() {
        for (value, text) in [
            (json!("registry.fly.io/a:v1"), "registry.fly.io/a:v1"),
            (json!("8080"), "\"8080\""),
            (json!(8080), "8080"),
            (json!("true"), "\"true\""),
            (json!(""), "\"\""),
            (json!("a b"), "\"a b\""),
            (json!("say \"hi\"\n"), "\"say \\\"hi\\\"\\n\""),
            (json!("(secret, changed)"), "\"(secret, changed)\""),
            (json!(["a", "b"]), "[\"a\",\"b\"]"),
            (json!("\u{1b}]8;;http://evil\u{7}"), "\"\\u{1b}]8;;http://evil\\u{7}\""),
        ] {
            assert_eq!(plain("env.A", &value).text, text);
        }
    }

    #[test]
    fn a_placeholder_reads_known_after_create() {
        let whole = plain("env.A", &json!(placeholder("fly.a.ips.v6")));
        assert_eq!((whole.text.as_str(), whole.is_remark), ("(known after create)", true));
        assert_eq!(
            plain("env.A", &json!(format!("http://[{}]/\u{1b}", placeholder("fly.a.ips.v6")))).text,
            "http://[(known after create)]/\\u{1b}"
        );
        assert_eq!(plain("a", &json!([placeholder("x")])).text, "[\"(known after create)\"]");
    }

    #[test]
    fn both_sides_are_named_for_what_stays_and_one_for_what_is_new_or_goes() {
        let added = FieldChange::plain("env.A", None, Some(json!("x")));
        assert_eq!(shown(&added, Fate::Changed), ["env.A: (not set) -> x"]);
        assert_eq!(shown(&added, Fate::New), ["env.A: x"]);
        let removed = FieldChange::plain("env.A", Some(json!("x")), None);
        assert_eq!(shown(&removed, Fate::Changed), ["env.A: x -> (removed)"]);
        assert_eq!(shown(&removed, Fate::Gone), ["env.A: x"]);
    }

    #[test]
    fn a_size_is_said_as_people_say_it() {
        let text = |value: Value| plain("guest", &value).text;
        assert_eq!(text(json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 256})), "shared-cpu-1x 256MB");
        assert_eq!(text(json!({"cpu_kind": "performance", "cpus": 2, "memory_mb": 4096})), "performance-2x 4GB");
        assert_eq!(text(json!({"cpus": 1, "gpu_kind": "a10"})), "shared-cpu-1x 256MB gpu_kind=a10");
    }

    #[test]
    fn a_long_map_is_shown_field_by_field() {
        let service =
            json!({"protocol": "tcp", "internal_port": 8080, "ports": [{"port": 443, "handlers": ["http", "tls"]}]});
        let change = FieldChange::plain("services[tcp:8080]", None, Some(service));
        assert_eq!(
            shown(&change, Fate::New),
            [
                "services[tcp:8080].internal_port: 8080",
                "services[tcp:8080].ports: [{\"handlers\":[\"http\",\"tls\"],\"port\":443}]",
                "services[tcp:8080].protocol: tcp",
            ]
        );
    }
}
