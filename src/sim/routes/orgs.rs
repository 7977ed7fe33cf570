//! The organization-wide listings: pages with a cursor, possibly stale, possibly without the regions that did not answer.
//!
//! Objects come in order of app and id, so that a page is read from where the one before ended, and no other organization is looked at.

use std::collections::BTreeMap;
use std::ops::Bound;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::world::World;
use super::super::world::app::App;
use super::super::world::machine::Machine;
use super::super::world::rfc3339;
use super::super::world::volume::Volume;
use super::{Answer, Call, Refusal, Reply, check_whole_org};

/// An object that can be listed.
struct Entry<'a, T> {
    app: &'a str,
    id: &'a str,
    region: &'a str,
    state: &'a str,
    updated_at: DateTime<Utc>,
    object: &'a T,
}

/// What a caller wants to see.
struct Wanted<'c> {
    limit: usize,
    states: Vec<&'c str>,
    region: Option<&'c str>,
    since: Option<DateTime<Utc>>,
    /// App and id of the last object that the caller has seen.
    cursor: Option<(String, String)>,
}

pub(super) fn machines(world: &World, call: &Call, org: &str) -> Answer {
    check_whole_org(world, call, org)?;
    let wanted = wanted(world, call)?;
    let (deleted, summary) = (call.flag("include_deleted"), call.flag("summary"));
    let entries = objects(world, call, org, &wanted, |app| &app.machines);
    let entries = entries.filter(|(_, machine)| deleted || !machine.is_destroyed()).map(|(app, machine)| Entry {
        app,
        id: &machine.id,
        region: &machine.region,
        state: machine.state.as_str(),
        updated_at: machine.updated_at,
        object: machine,
    });
    let show = |_: &str, machine: &Machine| {
        let mut shown = machine.render_overview();
        if summary && let Some(map) = shown.as_object_mut() {
            map.remove("config");
        }
        shown
    };
    Ok(page(call, &wanted, entries, "machine", show))
}

pub(super) fn volumes(world: &World, call: &Call, org: &str) -> Answer {
    check_whole_org(world, call, org)?;
    let wanted = wanted(world, call)?;
    let copying = world.config.volume_copy;
    let entries = objects(world, call, org, &wanted, |app| &app.volumes).map(|(app, volume)| Entry {
        app,
        id: &volume.id,
        region: &volume.region,
        state: volume.state(call.now, copying),
        updated_at: volume.updated_at,
        object: volume,
    });
    let show = |app: &str, volume: &Volume| volume.render_overview(app, call.now, copying);
    Ok(page(call, &wanted, entries, "volume", show))
}

/// Reads the query.
fn wanted<'c>(world: &World, call: &'c Call) -> Result<Wanted<'c>, Refusal> {
    let refuse = |text: &str| Refusal::from(Reply::error(400, &format!("invalid_argument: {text}")));
    let limit = match call.query("limit").map(str::parse::<usize>) {
        None => 1000,
        Some(Ok(limit)) if (1..=1000).contains(&limit) => limit,
        Some(_) => return Err(refuse("limit must be from 1 to 1000")),
    };
    let since = match call.query("updated_after").map(str::parse::<DateTime<Utc>>) {
        None => None,
        Some(Ok(since)) => Some(since),
        Some(Err(error)) => return Err(refuse(&format!("updated_after must be RFC 3339: {error}"))),
    };
    let cursor = match call.query("cursor").filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(text) => Some(decode(text).ok_or_else(|| refuse("invalid cursor"))?),
    };
    Ok(Wanted {
        // Advisory: a page can be shorter, or even empty, while more remain.
        limit: limit.min(world.config.org_page),
        states: call.query_list("state"),
        region: call.query("region").filter(|region| !region.is_empty()),
        since,
        cursor,
    })
}

/// The objects of all apps of an organization, each with the name of its app, from the cursor on.
fn objects<'w, T: 'w>(
    world: &'w World,
    call: &Call,
    org: &'w str,
    wanted: &Wanted<'_>,
    of: impl Fn(&'w App) -> &'w BTreeMap<String, T> + 'w,
) -> impl Iterator<Item = (&'w str, &'w T)> {
    let (first, seen) = wanted.cursor.clone().unwrap_or_default();
    let apps = world.listed_apps(org, &first, call.now).filter(|app| !app.deleting);
    apps.flat_map(move |app| {
        let from = if app.name == first { Bound::Excluded(seen.clone()) } else { Bound::Unbounded };
        of(app).range((from, Bound::Unbounded)).map(|(_, object)| (app.name.as_str(), object))
    })
}

/// One page of `entries`.
fn page<'w, T: 'w>(
    call: &Call,
    wanted: &Wanted<'_>,
    entries: impl Iterator<Item = Entry<'w, T>>,
    noun: &str,
    show: impl Fn(&str, &T) -> Value,
) -> Reply {
    let mut rest = entries
        .filter(|entry| wanted.region.is_none_or(|region| entry.region == region))
        .filter(|entry| !call.listing.error_regions.iter().any(|region| region == entry.region))
        .filter(|entry| wanted.states.is_empty() || wanted.states.contains(&entry.state))
        .filter(|entry| wanted.cursor.is_some() || wanted.since.is_none_or(|since| entry.updated_at > since))
        .peekable();
    let shown: Vec<Entry<'_, T>> =
        rest.by_ref().take(call.listing.page.unwrap_or(wanted.limit).min(wanted.limit)).collect();
    let mut body = Map::new();
    let start = wanted.cursor.clone().unwrap_or_default();
    let (app, id) = shown.last().map_or(start, |entry| (entry.app.to_owned(), entry.id.to_owned()));
    if rest.peek().is_some() {
        body.insert("next_cursor".to_owned(), Value::from(encode(&app, &id)));
    }
    if let Some(newest) = shown.iter().map(|entry| entry.updated_at).max() {
        body.insert("last_updated_at".to_owned(), Value::from(rfc3339(newest)));
        body.insert(format!("last_{noun}_id"), Value::from(id));
    }
    if noun == "machine" || !call.listing.error_regions.is_empty() {
        body.insert("error_regions".to_owned(), json!(call.listing.error_regions));
    }
    body.insert(format!("{noun}s"), shown.iter().map(|entry| show(entry.app, entry.object)).collect());
    Reply::ok(Value::Object(body))
}

/// Cursors are opaque to callers.
fn encode(app: &str, id: &str) -> String {
    hex::encode(format!("{app}/{id}"))
}

fn decode(cursor: &str) -> Option<(String, String)> {
    let text = String::from_utf8(hex::decode(cursor).ok()?).ok()?;
    let (app, id) = text.split_once('/')?;
    Some((app.to_owned(), id.to_owned()))
}
