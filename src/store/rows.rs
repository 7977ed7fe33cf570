//! A memory as rows, so that only what differs is written.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::memory::Memory;
use crate::resource::{AppName, EnvName, OrgSlug};

/// Which part of a memory a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Run,
    Note,
    Organization,
    Scope,
    Born,
    Volume,
    Freed,
    Deletion,
    Acknowledged,
    Expired,
    MissingImage,
    Rejection,
}

impl Part {
    pub(super) const ALL: [Self; 12] = [
        Self::Run,
        Self::Note,
        Self::Organization,
        Self::Scope,
        Self::Born,
        Self::Volume,
        Self::Freed,
        Self::Deletion,
        Self::Acknowledged,
        Self::Expired,
        Self::MissingImage,
        Self::Rejection,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Note => "note",
            Self::Organization => "organization",
            Self::Scope => "scope",
            Self::Born => "born",
            Self::Volume => "volume",
            Self::Freed => "freed",
            Self::Deletion => "deletion",
            Self::Acknowledged => "acknowledged",
            Self::Expired => "expired",
            Self::MissingImage => "missingImage",
            Self::Rejection => "rejection",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// Names a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowKey {
    pub(super) part: Part,
    pub(super) key: String,
}

/// What a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Order within a part that is a list, from 1; 0 in the others.
    pub(super) position: i64,
    /// JSON.
    pub(super) value: String,
}

/// A whole memory.
pub(super) type Rows = BTreeMap<RowKey, Row>;

/// The row of a memory's fields that are one each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    instance: String,
    started_at: DateTime<Utc>,
    blank_since: Option<DateTime<Utc>>,
}

/// The parts in which two memories differ. Most of a memory stays as it is from one save to the next, and there is one for each write.
pub(super) fn parts_that_differ(before: &Memory, after: &Memory) -> BTreeSet<Part> {
    let differs = |part: &Part| match part {
        Part::Run => {
            before.instance != after.instance
                || before.started_at != after.started_at
                || before.blank_since != after.blank_since
        }
        Part::Note => before.notes != after.notes,
        Part::Organization => before.organizations != after.organizations,
        Part::Scope => before.scopes != after.scopes,
        Part::Born => before.born != after.born,
        Part::Volume => before.volumes != after.volumes,
        Part::Freed => before.freed != after.freed,
        Part::Deletion => before.deletions != after.deletions,
        Part::Acknowledged => before.acknowledged != after.acknowledged,
        Part::Expired => before.expired != after.expired,
        Part::MissingImage => before.missing_images != after.missing_images,
        Part::Rejection => before.rejections != after.rejections,
    };
    Part::ALL.into_iter().filter(differs).collect()
}

/// Makes `parts` of `memory` like those of `other`.
pub(super) fn take_over(memory: &mut Memory, other: &Memory, parts: &BTreeSet<Part>) {
    for part in parts {
        match part {
            Part::Run => {
                memory.instance.clone_from(&other.instance);
                memory.started_at = other.started_at;
                memory.blank_since = other.blank_since;
            }
            Part::Note => memory.notes.clone_from(&other.notes),
            Part::Organization => memory.organizations.clone_from(&other.organizations),
            Part::Scope => memory.scopes.clone_from(&other.scopes),
            Part::Born => memory.born.clone_from(&other.born),
            Part::Volume => memory.volumes.clone_from(&other.volumes),
            Part::Freed => memory.freed.clone_from(&other.freed),
            Part::Deletion => memory.deletions.clone_from(&other.deletions),
            Part::Acknowledged => memory.acknowledged.clone_from(&other.acknowledged),
            Part::Expired => memory.expired.clone_from(&other.expired),
            Part::MissingImage => memory.missing_images.clone_from(&other.missing_images),
            Part::Rejection => memory.rejections.clone_from(&other.rejections),
        }
    }
}

/// The rows of `parts` of `memory`. Rows that are in `before` keep their position where they can.
pub(super) fn rows_of(memory: &Memory, parts: &BTreeSet<Part>, before: &Rows) -> serde_json::Result<Rows> {
    // Named one by one, so that a new field cannot be forgotten here.
    let Memory {
        instance,
        started_at,
        blank_since,
        notes,
        organizations,
        scopes,
        born,
        volumes,
        freed,
        deletions,
        acknowledged,
        expired,
        missing_images,
        rejections,
    } = memory;
    let mut rows = Builder::new(before);
    let run = Run { instance: instance.clone(), started_at: *started_at, blank_since: *blank_since };
    if parts.contains(&Part::Run) {
        rows.put(Part::Run, String::new(), &run)?;
    }
    for note in notes.iter().filter(|_| parts.contains(&Part::Note)) {
        rows.push(Part::Note, &serde_json::to_string(&(&note.key, note.verb))?, note)?;
    }
    for org in organizations.iter().filter(|_| parts.contains(&Part::Organization)) {
        rows.put(Part::Organization, org.as_str().to_owned(), &true)?;
    }
    for scope in scopes.iter().filter(|_| parts.contains(&Part::Scope)) {
        rows.put(Part::Scope, serde_json::to_string(scope)?, scope)?;
    }
    for (app, birth) in born.iter().filter(|_| parts.contains(&Part::Born)) {
        rows.put(Part::Born, app.as_str().to_owned(), birth)?;
    }
    for (id, app) in volumes.iter().filter(|_| parts.contains(&Part::Volume)) {
        rows.put(Part::Volume, id.clone(), app)?;
    }
    for (app, at) in freed.iter().filter(|_| parts.contains(&Part::Freed)) {
        rows.put(Part::Freed, app.as_str().to_owned(), at)?;
    }
    for deletion in deletions.iter().filter(|_| parts.contains(&Part::Deletion)) {
        rows.push(Part::Deletion, &serde_json::to_string(deletion)?, deletion)?;
    }
    for (hash, members) in acknowledged.iter().filter(|_| parts.contains(&Part::Acknowledged)) {
        rows.put(Part::Acknowledged, hash.clone(), members)?;
    }
    for (env, stamp) in expired.iter().filter(|_| parts.contains(&Part::Expired)) {
        rows.put(Part::Expired, env.as_str().to_owned(), stamp)?;
    }
    for (image, since) in missing_images.iter().filter(|_| parts.contains(&Part::MissingImage)) {
        rows.put(Part::MissingImage, image.clone(), since)?;
    }
    for (what, rejection) in rejections.iter().filter(|_| parts.contains(&Part::Rejection)) {
        rows.put(Part::Rejection, what.clone(), rejection)?;
    }
    Ok(rows.rows)
}

/// The rows of one part.
fn of_part(rows: &Rows, part: Part) -> impl Iterator<Item = (&RowKey, &Row)> {
    rows.range(RowKey { part, key: String::new() }..).take_while(move |(key, _)| key.part == part)
}

struct Builder<'a> {
    before: &'a Rows,
    rows: Rows,
    /// The position of the item added last, by list.
    last_position: BTreeMap<Part, i64>,
    next_position: i64,
}

impl<'a> Builder<'a> {
    fn new(before: &'a Rows) -> Self {
        let lists = [Part::Note, Part::Deletion].into_iter().flat_map(|part| of_part(before, part));
        let highest = lists.map(|(_, row)| row.position).max().unwrap_or(0);
        Self { before, rows: Rows::new(), last_position: BTreeMap::new(), next_position: highest.saturating_add(1) }
    }

    /// Adds an entry of a map or set.
    fn put(&mut self, part: Part, key: String, value: &impl Serialize) -> serde_json::Result<()> {
        let row = Row { position: 0, value: serde_json::to_string(value)? };
        self.rows.insert(RowKey { part, key }, row);
        Ok(())
    }

    /// Adds the next item of a list. A position is kept as long as that keeps the order, so that a list that lost an item at its
    /// front and got one at its end costs two rows.
    fn push(&mut self, part: Part, key: &str, value: &impl Serialize) -> serde_json::Result<()> {
        let value = serde_json::to_string(value)?;
        let key = self.free_key(part, key);
        let last = self.last_position.get(&part).copied().unwrap_or(0);
        let kept = self.before.get(&key).map(|row| row.position).filter(|position| *position > last);
        let position = kept.unwrap_or(self.next_position);
        if kept.is_none() {
            self.next_position = self.next_position.saturating_add(1);
        }
        self.last_position.insert(part, position);
        self.rows.insert(key, Row { position, value });
        Ok(())
    }

    /// A list may hold the same item twice, for example two deletions of one thing at one moment.
    fn free_key(&self, part: Part, key: &str) -> RowKey {
        let mut free = RowKey { part, key: key.to_owned() };
        let mut copies = 1_u32;
        while self.rows.contains_key(&free) {
            copies = copies.saturating_add(1);
            free.key = format!("{key} #{copies}");
        }
        free
    }
}

/// A row that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("the {} row `{key}` cannot be read: {source}", .part.name())]
pub(super) struct BadRow {
    part: Part,
    key: String,
    source: serde_json::Error,
}

/// The memory that `rows` hold; `None` when no memory was ever saved.
pub(super) fn memory_of(rows: &Rows) -> Result<Option<Memory>, BadRow> {
    let Some((key, row)) = rows.first_key_value().filter(|(key, _)| key.part == Part::Run) else {
        return Ok(None);
    };
    let Run { instance, started_at, blank_since } = read(key, row)?;
    let mut memory = Memory { blank_since, ..Memory::blank(instance, started_at) };
    let mut ordered: Vec<_> = rows.iter().collect();
    ordered.sort_by_key(|(_, row)| row.position);
    for (key, row) in ordered {
        match key.part {
            Part::Run => {}
            Part::Note => memory.notes.push(read(key, row)?),
            Part::Organization => drop(memory.organizations.insert(OrgSlug::new(&key.key))),
            Part::Scope => drop(memory.scopes.insert(read(key, row)?)),
            Part::Born => drop(memory.born.insert(AppName::new(&key.key), read(key, row)?)),
            Part::Volume => drop(memory.volumes.insert(key.key.clone(), read(key, row)?)),
            Part::Freed => drop(memory.freed.insert(AppName::new(&key.key), read(key, row)?)),
            Part::Deletion => memory.deletions.push(read(key, row)?),
            Part::Acknowledged => drop(memory.acknowledged.insert(key.key.clone(), read(key, row)?)),
            Part::Expired => drop(memory.expired.insert(EnvName::new(&key.key), read(key, row)?)),
            Part::MissingImage => drop(memory.missing_images.insert(key.key.clone(), read(key, row)?)),
            Part::Rejection => drop(memory.rejections.insert(key.key.clone(), read(key, row)?)),
        }
    }
    Ok(Some(memory))
}

fn read<T: DeserializeOwned>(key: &RowKey, row: &Row) -> Result<T, BadRow> {
    serde_json::from_str(&row.value).map_err(|source| BadRow { part: key.part, key: key.key.clone(), source })
}

/// What leads from one set of rows to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes<'a> {
    pub(super) put: Vec<(&'a RowKey, &'a Row)>,
    pub(super) remove: Vec<&'a RowKey>,
}

impl<'a> Changes<'a> {
    /// Within `parts`, of which `after` has all rows.
    pub(super) fn between(parts: &BTreeSet<Part>, before: &'a Rows, after: &'a Rows) -> Self {
        let before_of_parts = parts.iter().flat_map(|part| of_part(before, *part));
        Self {
            put: after.iter().filter(|(key, row)| before.get(key) != Some(row)).collect(),
            remove: before_of_parts.map(|(key, _)| key).filter(|key| !after.contains_key(key)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }
}
