//! The organization-wide listings: pages with a cursor, possibly stale, possibly without the regions that did not answer.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::world::World;
use super::super::world::rfc3339;
use super::{Answer, Call, Refusal, Reply, check_org};

/// An object that can be listed.
struct Entry<'a, T> {
    id: &'a str,
    region: &'a str,
    state: &'a str,
    updated_at: DateTime<Utc>,
    object: T,
}

pub(super) fn machines(world: &World, call: &Call, org: &str) -> Answer {
    check_org(world, call, org)?;
    let deleted = call.flag("include_deleted");
    let summary = call.flag("summary");
    let listed = world.listed_apps(call.now);
    let apps = listed.values().filter(|app| app.org == org && !app.deleting);
    let machines = apps.flat_map(|app| app.machines.values()).filter(|machine| deleted || !machine.is_destroyed());
    let entries = machines.map(|machine| Entry {
        id: &machine.id,
        region: &machine.region,
        state: machine.state.as_str(),
        updated_at: machine.updated_at,
        object: machine,
    });
    page(world, call, entries.collect(), "machine", |machine| {
        let mut shown = machine.render_overview();
        if summary && let Some(map) = shown.as_object_mut() {
            map.remove("config");
        }
        shown
    })
}

pub(super) fn volumes(world: &World, call: &Call, org: &str) -> Answer {
    check_org(world, call, org)?;
    let listed = world.listed_apps(call.now);
    let apps = listed.values().filter(|app| app.org == org && !app.deleting);
    let volumes = apps.flat_map(|app| app.volumes.values().map(move |volume| (app, volume)));
    let entries = volumes.map(|(app, volume)| Entry {
        id: &volume.id,
        region: &volume.region,
        state: volume.state.as_str(),
        updated_at: volume.updated_at,
        object: (app, volume),
    });
    page(world, call, entries.collect(), "volume", |(app, volume)| volume.render_overview(&app.name))
}

/// One page of `entries`, in order of their ids.
fn page<T>(
    world: &World,
    call: &Call,
    mut entries: Vec<Entry<'_, T>>,
    noun: &str,
    show: impl Fn(&T) -> Value,
) -> Answer {
    let limit = match call.query("limit").map(str::parse::<usize>) {
        None => 1000,
        Some(Ok(limit)) if (1..=1000).contains(&limit) => limit,
        Some(_) => {
            return Err(Refusal::from(Reply::error(400, "invalid_argument: limit must be from 1 to 1000")));
        }
    };
    // Advisory: a page can be shorter, or even empty, while more remain.
    let limit = limit.min(world.config.org_page);
    let kept = call.listing.page.unwrap_or(limit).min(limit);
    let states = call.query_list("state");
    let region = call.query("region").filter(|region| !region.is_empty());
    let since = match call.query("updated_after").map(str::parse::<DateTime<Utc>>) {
        None => None,
        Some(Ok(since)) => Some(since),
        Some(Err(_)) => {
            return Err(Refusal::from(Reply::error(400, "invalid_argument: updated_after must be RFC 3339")));
        }
    };
    let cursor = match call.query("cursor").filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(text) => {
            Some(decode(text).ok_or_else(|| Refusal::from(Reply::error(400, "invalid_argument: invalid cursor")))?)
        }
    };
    entries.sort_by(|one, other| one.id.cmp(other.id));
    let mut rest = entries
        .into_iter()
        .filter(|entry| region.is_none_or(|region| entry.region == region))
        .filter(|entry| !call.listing.error_regions.iter().any(|region| region == entry.region))
        .filter(|entry| states.is_empty() || states.contains(&entry.state))
        .filter(|entry| match &cursor {
            Some(last) => entry.id > last.as_str(),
            None => since.is_none_or(|since| entry.updated_at > since),
        })
        .peekable();
    let start = cursor.clone().unwrap_or_default();
    let shown: Vec<Entry<'_, T>> = rest.by_ref().take(kept).collect();
    let mut body = Map::new();
    let last = shown.last().map_or(start, |entry| entry.id.to_owned());
    if rest.peek().is_some() {
        body.insert("next_cursor".to_owned(), Value::from(encode(&last)));
    }
    if let Some(newest) = shown.iter().map(|entry| entry.updated_at).max() {
        body.insert("last_updated_at".to_owned(), Value::from(rfc3339(newest)));
        body.insert(format!("last_{noun}_id"), Value::from(last));
    }
    if noun == "machine" || !call.listing.error_regions.is_empty() {
        body.insert("error_regions".to_owned(), json!(call.listing.error_regions));
    }
    body.insert(format!("{noun}s"), shown.iter().map(|entry| show(&entry.object)).collect());
    Ok(Reply::ok(Value::Object(body)))
}

/// Cursors are opaque to callers.
fn encode(id: &str) -> String {
    hex::encode(format!("after:{id}"))
}

fn decode(cursor: &str) -> Option<String> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    text.strip_prefix("after:").map(str::to_owned)
}
