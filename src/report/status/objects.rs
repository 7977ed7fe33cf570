//! What an environment has at providers other than Fly's machines.

use super::super::style::{Style, Tone};
use super::super::text::clean;
use super::{ObjectStanding, ObjectStatus};
use crate::desired::{Environment, Fleet};
use crate::observed::{Object, ObjectState, Observed};
use crate::resource::{ComponentName, EnvName, ObjectKey};

/// The objects of an environment: those that are wanted, and those of ours that are left.
pub(super) fn of(fleet: &Fleet, observed: &Observed, env: &EnvName, wanted: Option<&Environment>) -> Vec<ObjectStatus> {
    let wanted = wanted.map(|env| env.objects.as_slice()).unwrap_or_default();
    let mut found: Vec<ObjectStatus> = wanted
        .iter()
        .map(|object| {
            let scope = observed.objects.get(&object.key.scope);
            let is_whole = scope.is_some_and(|scope| scope.objects.completeness.is_complete());
            let absent = if is_whole { ObjectStanding::Absent } else { ObjectStanding::Unknown };
            status(&object.key, &object.component, observed.object(&object.key), absent)
        })
        .collect();
    let left = observed.all_objects().filter(|object| object.is_of(&fleet.owner, env));
    for object in left.filter(|object| !wanted.iter().any(|wanted| wanted.key == object.key)) {
        let component = object.marker.as_ref().map(|marker| marker.component.clone());
        let component = component.unwrap_or_else(|| ComponentName::new(object.key.scope.provider.name()));
        found.push(status(&object.key, &component, Some(object), ObjectStanding::Absent));
    }
    found
}

fn status(key: &ObjectKey, component: &ComponentName, live: Option<&Object>, absent: ObjectStanding) -> ObjectStatus {
    let (state, message) = match live.map(|live| &live.state) {
        None => (absent, None),
        Some(ObjectState::Ready) => (ObjectStanding::Ready, None),
        Some(ObjectState::Changing { what }) => (ObjectStanding::Changing, Some(what.clone())),
        Some(ObjectState::Failed { message }) => (ObjectStanding::Failed, Some(message.clone())),
    };
    // Addresses are no secrets; what else there is may be.
    let outputs = live.map(|live| &live.outputs);
    let url = |name: &str| outputs.and_then(|outputs| outputs.get(name)).map(|url| url.expose().to_owned());
    ObjectStatus {
        component: component.clone(),
        provider: key.scope.provider,
        kind: key.object.noun(),
        name: key.name.clone(),
        scope: key.scope.name.clone(),
        id: live.map(|live| live.id.clone()),
        state,
        message,
        urls: ["branchUrl", "url"].into_iter().filter_map(url).collect(),
    }
}

impl ObjectStatus {
    /// What is wrong with it, for people.
    pub(super) fn problem(&self) -> Option<String> {
        let what = format!("{} {} {}", self.provider.label(), self.kind, self.name);
        match (self.state, &self.message) {
            (ObjectStanding::Ready | ObjectStanding::Unknown, _) => None,
            (ObjectStanding::Absent, _) => Some(format!("{what} is not created yet")),
            (ObjectStanding::Changing | ObjectStanding::Failed, Some(message)) => Some(format!("{what}: {message}")),
            (ObjectStanding::Changing, None) => Some(format!("{what} is not ready yet")),
            (ObjectStanding::Failed, None) => Some(format!("{what} does not work")),
        }
    }
}

/// One line for each.
pub(super) fn lines(objects: &[ObjectStatus], style: Style) -> Vec<String> {
    let line = |object: &ObjectStatus| {
        let (tone, word) = match object.state {
            ObjectStanding::Ready => (Tone::Good, "ready"),
            ObjectStanding::Changing => (Tone::Held, "not ready yet"),
            ObjectStanding::Failed => (Tone::Held, "does not work"),
            ObjectStanding::Absent => (Tone::Held, "not created yet"),
            ObjectStanding::Unknown => (Tone::Held, "cannot be told"),
        };
        let what = format!("{} {} {}", object.provider.label(), object.kind, object.name);
        let mut parts = vec![
            style.paint(Tone::Strong, clean(object.component.as_str())),
            style.paint(Tone::Dim, clean(&what)),
            style.paint(tone, word),
        ];
        parts.extend(object.urls.iter().map(|url| style.paint(Tone::Link, clean(url))));
        parts.extend(object.message.iter().map(|message| style.paint(Tone::Dim, clean(message))));
        format!("  {}", parts.join("  "))
    };
    objects.iter().map(line).collect()
}
