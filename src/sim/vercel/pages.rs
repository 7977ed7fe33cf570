//! How lists are cut into pages: newest first, the next page by the time of the last object on this one.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{Asked, bad_request};
use crate::sim::routes::Refusal;

/// The most objects on a page, and how many there are if nobody says.
const MOST: usize = 100;
const USUAL: usize = 20;

/// The page that was asked for, newest first, and its `pagination`. Objects of one millisecond can be lost between two pages, as the
/// page after this one begins before the last object of this one.
pub(super) fn page<T>(
    asked: &Asked<'_>,
    objects: impl Iterator<Item = T>,
    at: impl Fn(&T) -> DateTime<Utc>,
) -> Result<(Vec<T>, Value), Refusal> {
    let number = |name: &str| match asked.call.query(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse::<i64>()
            .map(Some)
            .map_err(|_not_a_number| bad_request(&format!("Invalid request: `{name}` should be a number."))),
    };
    let limit = number("limit")?.map_or(USUAL, |limit| usize::try_from(limit).unwrap_or(0));
    if limit == 0 || limit > MOST {
        return Err(bad_request(&format!("Invalid request: `limit` should be <= {MOST} and >= 1.")));
    }
    let (until, since) = (number("until")?, number("since")?);
    let millis = |object: &T| at(object).timestamp_millis();
    let mut rows: Vec<T> = objects
        .filter(|object| until.is_none_or(|until| millis(object) < until))
        .filter(|object| since.is_none_or(|since| millis(object) > since))
        .collect();
    rows.sort_by_key(|object| std::cmp::Reverse(at(object)));
    let is_cut = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().map(millis).filter(|_| is_cut);
    let prev = rows.first().map(millis);
    let pagination = json!({"count": rows.len(), "next": next, "prev": prev});
    Ok((rows, pagination))
}

/// The `pagination` of a list that is always whole.
pub(super) fn whole(count: usize) -> Value {
    json!({"count": count, "next": null, "prev": null})
}
