//! The rooms of the house do not lead in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rooms that each room's shipped code names.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![source.clone()];
    while let Some(path) = open.pop() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name.ends_with("tests") || name == "fixture" || name == "fake" {
            continue;
        }
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let room = path.strip_prefix(&source).unwrap().components().next().unwrap();
        let room = Path::new(room.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let named = shipped.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            rest.split_at(end).0.to_owned()
        });
        uses.entry(room.clone()).or_default().extend(named.filter(|other| *other != room));
    }
    uses.retain(|room, _| !matches!(room.as_str(), "lib" | "main" | "rooms"));
    let rooms: BTreeSet<String> = uses.keys().cloned().collect();
    for named in uses.values_mut() {
        named.retain(|other| rooms.contains(other));
    }
    uses
}

#[test]
fn the_rooms_form_a_graph_without_circles() {
    let mut left = uses();
    assert!(left["controller"].contains("plan") && left["plan"].contains("memory"), "{left:?}");
    // Take away whatever uses nothing that is left, until nothing is left.
    while let Some(room) = left.iter().find(|(_, named)| named.is_empty()).map(|(room, _)| room.clone()) {
        left.remove(&room);
        for named in left.values_mut() {
            named.retain(|other| *other != room);
        }
    }
    assert!(left.is_empty(), "these rooms use each other in a circle: {left:#?}");
}
