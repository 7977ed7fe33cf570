//! A plan as people think of it: by environment and component, one entry per resource, with equal entries folded and all counted.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::style::Style;
use super::text::clean;
use super::value::{self, Fate, Line};
use crate::desired::Level;
use crate::plan::{Action, EnvironmentKind, Notice, Plan, Stance, Standing, Step, Withheld};
use crate::resource::{ComponentName, EnvName, FieldChange, IpKind, MachineSlot, ResourceKey, Subject};

/// What happens to a resource, seen as a whole.
pub(super) use crate::plan::Effect as Kind;

/// How many resources something happens to, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Resources that are made.
    pub create: usize,
    /// Resources that are changed and stay themselves.
    pub update: usize,
    /// Resources that are destroyed and made anew.
    pub replace: usize,
    /// Resources that go.
    pub delete: usize,
    /// Changes that wait for time.
    pub waiting: usize,
    /// Changes that wait for a person.
    pub blocked: usize,
}

impl Totals {
    /// Whether any resource changes.
    pub(super) const fn has_changes(&self) -> bool {
        self.create > 0 || self.update > 0 || self.replace > 0 || self.delete > 0
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, more) in [
            (&mut self.create, other.create),
            (&mut self.update, other.update),
            (&mut self.replace, other.replace),
            (&mut self.delete, other.delete),
            (&mut self.waiting, other.waiting),
            (&mut self.blocked, other.blocked),
        ] {
            *mine = mine.saturating_add(more);
        }
    }

    /// `9 to create, 2 to update, 1 to replace, 0 to delete`.
    pub(super) fn to_line(self) -> String {
        let Self { create, update, replace, delete, .. } = self;
        format!("{create} to create, {update} to update, {replace} to replace, {delete} to delete")
    }

    /// `9 to create, 1 to replace`: what there is.
    pub(super) fn to_short_line(self) -> String {
        let parts = [
            (self.create, "to create"),
            (self.update, "to update"),
            (self.replace, "to replace"),
            (self.delete, "to delete"),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        parts.join(", ")
    }
}

/// That a machine is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) timeout: Duration,
    pub(super) has_checks: bool,
}

/// What happens to one resource, or in the same way to several machines or volumes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry<'p> {
    pub(super) kind: Kind,
    /// The action's own word: `create`, `set`, `extend`, …
    pub(super) verb: &'static str,
    pub(super) keys: Vec<&'p ResourceKey>,
    pub(super) reason: &'p str,
    pub(super) changes: Vec<&'p FieldChange>,
    pub(super) health: Option<Health>,
}

/// What happens in one component.
#[derive(Debug, Clone)]
pub(super) struct Group<'p> {
    pub(super) component: Option<&'p ComponentName>,
    pub(super) subject: Subject,
    pub(super) entries: Vec<Entry<'p>>,
}

impl Group<'_> {
    /// Whether what is called `subject` is shown in it: several objects of one name make up one component.
    fn is_of(&self, component: Option<&ComponentName>, subject: &Subject) -> bool {
        let is_beside = match (&self.subject, subject) {
            (Subject::Object(one), Subject::Object(other)) => one.scope == other.scope && one.name == other.name,
            (one, other) => one == other,
        };
        self.component == component && is_beside
    }
}

/// Changes that the level of an environment withholds.
#[derive(Debug, Clone)]
pub(super) struct Held<'p> {
    pub(super) level: Level,
    pub(super) groups: Vec<Group<'p>>,
}

/// What happens in one environment, and what does not.
#[derive(Debug, Clone)]
pub(super) struct EnvView<'p> {
    pub(super) name: &'p EnvName,
    pub(super) is_orphan: bool,
    pub(super) standing: Standing,
    pub(super) groups: Vec<Group<'p>>,
    /// What only the environment's level keeps from being done.
    pub(super) held: Option<Held<'p>>,
    pub(super) waiting: Vec<&'p Withheld>,
    pub(super) blocked: Vec<&'p Withheld>,
    pub(super) notices: Vec<&'p Notice>,
    pub(super) totals: Totals,
}

/// How many resources something happens to in all of `plan`.
pub fn totals(plan: &Plan) -> Totals {
    let mut totals = Totals::default();
    for env in environments(plan) {
        totals.add(&env.totals);
    }
    totals
}

/// The environments of `plan` with what happens in each.
pub(super) fn environments(plan: &Plan) -> Vec<EnvView<'_>> {
    let mut names: BTreeMap<&EnvName, bool> =
        plan.environments.iter().map(|(name, kind)| (name, *kind == EnvironmentKind::Orphan)).collect();
    for name in plan.steps.iter().map(|step| &step.env).chain(plan.withheld.iter().map(|withheld| &withheld.env)) {
        names.entry(name).or_insert(false);
    }
    names.into_iter().map(|(name, is_orphan)| view_of(plan, name, is_orphan)).collect()
}

/// One environment of `plan`, if it is about that.
pub(super) fn environment<'p>(plan: &'p Plan, name: &EnvName) -> Option<EnvView<'p>> {
    let (name, kind) = plan.environments.get_key_value(name)?;
    Some(view_of(plan, name, *kind == EnvironmentKind::Orphan))
}

fn view_of<'p>(plan: &'p Plan, name: &'p EnvName, is_orphan: bool) -> EnvView<'p> {
    let mut groups: Vec<Group<'p>> = Vec::new();
    for step in plan.steps.iter().filter(|step| step.env == *name) {
        let subject = step.key.subject();
        let component = step.component.as_ref();
        if let Some(group) = groups.iter_mut().find(|group| group.is_of(component, &subject)) {
            add(&mut group.entries, step);
        } else {
            let mut group = Group { component, subject, entries: Vec::new() };
            add(&mut group.entries, step);
            groups.push(group);
        }
    }
    groups.retain(|group| !group.entries.is_empty());
    let held = |stance: Stance| -> Vec<&Withheld> {
        plan.withheld.iter().filter(|withheld| withheld.env == *name && withheld.stance == stance).collect()
    };
    let (waiting, mut blocked) = (held(Stance::Waiting), held(Stance::Blocked));
    let mut totals = Totals { waiting: waiting.len(), blocked: blocked.len(), ..Totals::default() };
    for entry in groups.iter().flat_map(|group| &group.entries) {
        let counter = match entry.kind {
            Kind::Create => &mut totals.create,
            Kind::Update => &mut totals.update,
            Kind::Replace => &mut totals.replace,
            Kind::Delete => &mut totals.delete,
        };
        *counter = counter.saturating_add(1);
    }
    for group in &mut groups {
        group.entries = fold(std::mem::take(&mut group.entries));
    }
    let held = held_by_level(&blocked);
    blocked.retain(|withheld| withheld.change.is_none());
    EnvView {
        name,
        is_orphan,
        standing: plan.standing(name),
        groups,
        held,
        waiting,
        blocked,
        notices: plan.notices.iter().filter(|notice| notice.env == *name).collect(),
        totals,
    }
}

/// What the level withholds, as it would be shown if it were done.
fn held_by_level<'p>(blocked: &[&'p Withheld]) -> Option<Held<'p>> {
    let mut groups: Vec<Group<'p>> = Vec::new();
    let mut level = None;
    for withheld in blocked {
        let (Some(change), Some(key)) = (&withheld.change, &withheld.key) else { continue };
        level = Some(change.level);
        let entry = Entry {
            kind: change.effect,
            verb: change.action,
            keys: vec![key],
            reason: &change.reason,
            changes: told(&change.changes, key),
            health: None,
        };
        let (component, subject) = (withheld.component.as_ref(), key.subject());
        match groups.iter_mut().find(|group| group.is_of(component, &subject)) {
            Some(group) => group.entries.push(entry),
            None => groups.push(Group { component, subject, entries: vec![entry] }),
        }
    }
    for group in &mut groups {
        group.entries = fold(std::mem::take(&mut group.entries));
    }
    Some(Held { level: level?, groups })
}

/// Adds a step to the entries of its component: a wait to the machine it waits for, a create to the delete that it follows.
fn add<'p>(entries: &mut Vec<Entry<'p>>, step: &'p Step) {
    let same_key = |entry: &&mut Entry<'p>| entry.keys.first() == Some(&&step.key);
    if let Action::WaitObject { .. } | Action::WaitEnded { .. } = &step.action {
        return;
    }
    if let Action::WaitHealthy { timeout, has_checks, .. } = &step.action {
        if let Some(entry) = entries.iter_mut().rev().find(same_key).filter(|entry| entry.kind != Kind::Delete) {
            entry.health = Some(Health { timeout: *timeout, has_checks: *has_checks });
        }
        return;
    }
    let kind = Kind::of(&step.action);
    if kind == Kind::Create
        && let Some(entry) = entries.iter_mut().rev().find(same_key).filter(|entry| entry.kind == Kind::Delete)
    {
        entry.kind = Kind::Replace;
        entry.verb = "replace";
        return;
    }
    entries.push(Entry {
        kind,
        verb: step.action.name(),
        keys: vec![&step.key],
        reason: &step.reason,
        changes: told(&step.changes, &step.key),
        health: None,
    });
}

/// The changes that are worth a line.
fn told<'p>(changes: &'p [FieldChange], key: &ResourceKey) -> Vec<&'p FieldChange> {
    changes.iter().filter(|change| !is_told_by_key(change, key)).collect()
}

/// Whether a change says only what the resource's name says already.
fn is_told_by_key(change: &FieldChange, key: &ResourceKey) -> bool {
    matches!((key, change.path.as_str()), (ResourceKey::App { .. }, "app"))
        || (change.path == "region" && change.old.is_none() && region(key).is_some())
}

/// Puts machines and volumes together to which the same happens for the same reason.
pub(super) fn fold<'p>(entries: Vec<Entry<'p>>) -> Vec<Entry<'p>> {
    let mut folded: Vec<Entry<'p>> = Vec::new();
    for entry in entries {
        let is_same = |other: &&mut Entry<'p>| {
            let keys = other.keys.first().zip(entry.keys.first());
            keys.is_some_and(|(a, b)| can_fold(a, b))
                && (other.kind, other.verb, other.reason, other.health)
                    == (entry.kind, entry.verb, entry.reason, entry.health)
                && other.changes == entry.changes
        };
        match folded.iter_mut().find(is_same) {
            Some(other) => other.keys.extend(entry.keys),
            None => folded.push(entry),
        }
    }
    folded
}

fn can_fold(a: &ResourceKey, b: &ResourceKey) -> bool {
    match (a, b) {
        (ResourceKey::Machine { .. }, ResourceKey::Machine { .. }) => true,
        (ResourceKey::Volume { slot: a, .. }, ResourceKey::Volume { slot: b, .. }) => a.name == b.name,
        _ => false,
    }
}

fn slot(key: &ResourceKey) -> Option<&MachineSlot> {
    match key {
        ResourceKey::Machine { slot, .. } => Some(slot),
        ResourceKey::Volume { slot, .. } => Some(&slot.machine),
        _ => None,
    }
}

fn region(key: &ResourceKey) -> Option<&str> {
    slot(key).map(|slot| slot.region.as_str())
}

impl Entry<'_> {
    /// The resource's name inside its component: `machines app/iad/0–2`, `volume data@app/iad/0`, `shared IPv4`.
    pub(super) fn resource(&self, style: Style) -> String {
        let Some(first) = self.keys.first() else {
            return "settings".to_owned();
        };
        let slots: Vec<&MachineSlot> = self.keys.iter().filter_map(|key| slot(key)).collect();
        let plural = if self.keys.len() > 1 { "s" } else { "" };
        match first {
            ResourceKey::Machine { .. } => format!("machine{plural} {}", slot_ranges(&slots, style)),
            ResourceKey::Volume { slot, .. } => {
                format!("volume{plural} {}@{}", clean(&slot.name), slot_ranges(&slots, style))
            }
            other => short_name(other),
        }
    }

    /// The regions that new machines or volumes are made in.
    pub(super) fn regions(&self) -> Option<String> {
        if self.kind != Kind::Create {
            return None;
        }
        let mut regions: Vec<&str> = self.keys.iter().filter_map(|key| region(key)).collect();
        regions.dedup();
        (!regions.is_empty()).then(|| clean(&regions.join(", ")))
    }

    /// The fields as they are shown, under the resource's name.
    pub(super) fn lines(&self) -> Vec<Line> {
        let fate = match self.kind {
            Kind::Create => Fate::New,
            Kind::Update | Kind::Replace => Fate::Changed,
            Kind::Delete => Fate::Gone,
        };
        let mut lines: Vec<Line> = self.changes.iter().flat_map(|change| value::lines(change, fate)).collect();
        if matches!(self.keys.first(), Some(ResourceKey::Secrets { .. })) {
            for line in &mut lines {
                if let Some(name) = line.path.strip_prefix("secrets.") {
                    line.path = name.to_owned();
                }
            }
        }
        lines
    }

    /// The reason; the two most frequent ones in the plural where several resources share them.
    fn reason_for_all(&self) -> &str {
        match self.reason {
            "it does not exist" if self.keys.len() > 1 => "they do not exist",
            "it is not as the spec has it" if self.keys.len() > 1 => "they are not as the spec has them",
            reason => reason,
        }
    }

    /// The reason, and what people ask next: whether it restarts, and what is waited for.
    pub(super) fn remark(&self) -> String {
        let is_machine = matches!(self.keys.first(), Some(ResourceKey::Machine { .. }));
        let manner = match (self.kind, self.verb) {
            (Kind::Update, "update") => "in place: ",
            (Kind::Update, "mark") if is_machine => "without a restart: ",
            _ => "",
        };
        let waits = match self.health {
            Some(Health { has_checks: true, .. }) => "; waits until healthy",
            Some(Health { .. }) => "; waits until it runs",
            None => "",
        };
        format!("{manner}{}{waits}", clean(self.reason_for_all()))
    }
}

/// The name of a resource without its app.
pub(super) fn short_name(key: &ResourceKey) -> String {
    clean(&match key {
        ResourceKey::App { app } => format!("app {app}"),
        ResourceKey::Secrets { .. } => "secrets".to_owned(),
        ResourceKey::Volume { slot, .. } => format!("volume {slot}"),
        ResourceKey::Machine { slot, .. } => format!("machine {slot}"),
        ResourceKey::Ip { ip, .. } => ip_name(*ip).to_owned(),
        ResourceKey::Certificate { hostname, .. } => format!("certificate {hostname}"),
        ResourceKey::Object(key) => format!("{} {}", key.scope.provider.label(), key.object.noun()),
    })
}

/// What people call a kind of address.
pub(super) const fn ip_name(kind: IpKind) -> &'static str {
    match kind {
        IpKind::V4 => "IPv4",
        IpKind::V6 => "IPv6",
        IpKind::SharedV4 => "shared IPv4",
        IpKind::PrivateV6 => "Flycast address",
    }
}

/// `app/iad/0–2, app/sjc/0`.
fn slot_ranges(slots: &[&MachineSlot], style: Style) -> String {
    let mut places: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
    for slot in slots {
        places.entry((&slot.group, &slot.region)).or_default().push(slot.ordinal);
    }
    let mut texts = Vec::new();
    for ((group, region), mut ordinals) in places {
        ordinals.sort_unstable();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for ordinal in ordinals {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(ordinal) => *last = ordinal,
                _ => runs.push((ordinal, ordinal)),
            }
        }
        let runs: Vec<String> = runs
            .into_iter()
            .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}{}{to}", style.range()) })
            .collect();
        texts.push(format!("{}/{}/{}", clean(group), clean(region), runs.join(",")));
    }
    texts.join(", ")
}
