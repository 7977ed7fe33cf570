//! JSON for programs: versioned, ordered, without secrets, and harmless when it is printed on a terminal all the same.

use serde::Serialize;
use serde_json::Value;

use super::text::is_unsafe;
use crate::resource::output;

/// `value` as indented JSON that ends with a newline.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let mut text = harmless(serde_json::to_string_pretty(value));
    text.push('\n');
    text
}

/// `value` as one line of JSON, without a newline.
pub(super) fn line(value: &impl Serialize) -> String {
    harmless(serde_json::to_string(value))
}

/// JSON in which characters that act on a terminal, or cannot be seen, are escaped. They can stand only inside strings.
fn harmless(written: Result<String, serde_json::Error>) -> String {
    let text = match written {
        Ok(text) => text,
        Err(error) => serde_json::json!({"error": error.to_string()}).to_string(),
    };
    if !text.chars().any(|c| c != '\n' && is_unsafe(c)) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_unsafe(c) {
            escaped.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format_unit(*unit));
        }
    }
    escaped
}

fn format_unit(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

/// `value` with every placeholder as people read it.
pub(super) fn displayed(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(output::display(text)),
        Value::Array(items) => items.iter().map(displayed).collect(),
        Value::Object(map) => map.iter().map(|(key, item)| (output::display(key), displayed(item))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_reads_back_as_it_was() {
        let value = serde_json::json!({"a": "x\u{9b}31m\u{202e}\u{7f}\u{e0041}\n"});
        let text = pretty(&value);
        assert_eq!(text, "{\n  \"a\": \"x\\u009b31m\\u202e\\u007f\\udb40\\udc41\\n\"\n}\n");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
