//! Small helpers for JSON in the Machines API's spelling.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::resource::machine::go_duration;
use crate::spec::Duration;
use crate::spec::text::OneOrMany;

/// The fields that have a value.
pub(super) fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Sets a field, if it has a value.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

/// A part of a spec with its keys in snake_case. Keys below `headers` are people's own.
pub(super) fn renamed(part: &impl Serialize) -> Value {
    fn rename(value: Value) -> Value {
        match value {
            Value::Object(map) => map
                .into_iter()
                .map(|(key, item)| if key == "headers" { (key, item) } else { (snake_case(&key), rename(item)) })
                .collect(),
            Value::Array(items) => items.into_iter().map(rename).collect(),
            other => other,
        }
    }
    serde_json::to_value(part).map_or(Value::Null, rename)
}

fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len().saturating_add(4));
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A duration as the Machines API writes it.
pub(super) fn go(duration: Option<Duration>) -> Option<Value> {
    let nanoseconds = u64::try_from(duration?.to_std().as_nanos()).unwrap_or(u64::MAX);
    Some(Value::from(go_duration(nanoseconds)))
}

/// Request headers as the Machines API lists them.
pub(super) fn headers(headers: &IndexMap<String, OneOrMany>) -> Option<Value> {
    let list: Vec<Value> = headers.iter().map(|(name, values)| json!({"name": name, "values": values.0})).collect();
    (!list.is_empty()).then(|| Value::from(list))
}
