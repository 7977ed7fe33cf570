//! Fields of documents, compared as they are written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::resource::{Change, FieldChange};

/// Fields whose values may hold credentials.
const SECRET: [&str; 1] = ["source.git.url"];

/// A document's spec as JSON.
pub(super) fn json(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// The same without one field.
pub(super) fn without(mut value: Value, field: &str) -> Value {
    if let Value::Object(map) = &mut value {
        map.remove(field);
    }
    value
}

/// The fields that differ, by path. Lists are compared whole.
pub(super) fn changes(old: &Value, new: &Value) -> Vec<FieldChange> {
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    flatten("", old, &mut was);
    flatten("", new, &mut is);
    let paths: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = paths.into_iter().filter(|path| was.get(*path) != is.get(*path));
    differing
        .map(|path| {
            let change = FieldChange::plain(path.clone(), was.get(path).cloned(), is.get(path).cloned());
            if !SECRET.contains(&path.as_str()) {
                return change;
            }
            FieldChange { old: change.old.map(|_| Change::Secret), new: change.new.map(|_| Change::Secret), ..change }
        })
        .collect()
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) if !map.is_empty() || path.is_empty() => {
            for (key, item) in map {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&below, item, fields);
            }
        }
        Value::Null => {}
        other => drop(fields.insert(path.to_owned(), other.clone())),
    }
}

/// The fields that have a value, as an object.
pub(super) fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<String, Value>>())
}
