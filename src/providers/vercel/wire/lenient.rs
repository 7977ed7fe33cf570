//! Reading what may be `null`, missing, or in another form than documented.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A moment: milliseconds since 1970 or, of an alias, a text. Anything else is "not known".
pub(super) fn moment<'de, D: Deserializer<'de>>(input: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().and_then(DateTime::from_timestamp_millis),
        _ => None,
    })
}

/// One text, or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => vec![text],
        Value::Array(list) => list.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    })
}

/// Whether something is so; a moment (since when) says that it is.
pub(super) fn truthy<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::Bool(so) => so,
        Value::Number(since) => since.as_i64() != Some(0),
        _ => false,
    })
}

/// Where the next page begins.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(in crate::providers::vercel) struct Pagination {
    #[serde(default)]
    pub(in crate::providers::vercel) next: Option<i64>,
}
