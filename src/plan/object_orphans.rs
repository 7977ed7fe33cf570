//! Objects of ours at other providers that no spec asks for.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::budget::{emptied_key, held_key, released_key};
use super::collect::Orphan;
use super::planner::Planner;
use crate::desired::Wanted;
use crate::observed::{Object, ObjectScope};
use crate::resource::marker::PREFIX;
use crate::resource::object::ObjectMarker;
use crate::resource::{EnvName, ScopeKey, Subject};
use crate::rules::Rule;

impl Planner<'_> {
    /// All objects of ours that nobody wants (or that are part of `doomed`, which a person wants to end).
    pub(super) fn object_orphans(&self, doomed: Option<&EnvName>) -> Vec<Orphan> {
        let ours = self.observed.all_objects().filter_map(|object| Some((object, self.marker_of(object)?)));
        ours.filter_map(|(object, marker)| self.object_orphan(object, marker, doomed)).collect()
    }

    /// Our marker on an object.
    fn marker_of<'m>(&self, object: &'m Object) -> Option<&'m ObjectMarker> {
        if self.holds(Rule::MarkerNamesItsObject) {
            return object.owned_by(&self.fleet.owner);
        }
        object.marker.as_ref().filter(|marker| marker.owner == self.fleet.owner)
    }

    fn object_orphan(&self, object: &Object, marker: &ObjectMarker, doomed: Option<&EnvName>) -> Option<Orphan> {
        let env = &marker.env;
        let ended = self.fleet.ended.get(env).filter(|_| doomed.is_none());
        let reason = match doomed {
            Some(doomed) if doomed != env => return None,
            Some(_) => "a person asked for its end".to_owned(),
            None => {
                let reason = self.reason_object_unwanted(object, env)?;
                ended.map_or(reason, |ended| ended.reason.clone())
            }
        };
        let is_marked = |mark: &str| object.marks.contains_key(&format!("{PREFIX}{mark}"));
        let since = |key: &str| {
            object.marks.get(key).map(|at| {
                let at = at.parse().ok().and_then(|at| DateTime::from_timestamp(at, 0));
                at.unwrap_or(DateTime::<Utc>::MIN_UTC)
            })
        };
        let (held_since, emptied_since) = (since(&held_key()), since(&emptied_key()));
        let kept = self.kept(env, &object.key.to_string(), is_marked("protect"), is_marked("retain"), doomed.is_some());
        Some(Orphan {
            org: None,
            subject: Subject::Object(object.key.clone()),
            id: object.id.clone(),
            component: Some(marker.component.clone()),
            created_by_us: true,
            // A note on what a deletion has left would stay where the rest of that deletion comes late.
            tombstone: since(&format!("{PREFIX}tombstone")).or(object.is_remnant().then_some(DateTime::UNIX_EPOCH)),
            held_since,
            emptied_since,
            released: held_since.is_none() && emptied_since.is_none() && object.marks.contains_key(&released_key()),
            bearer: Some(object.id.clone()),
            sets: marker.set.clone().map(|set| BTreeSet::from([set])),
            ended: ended.cloned(),
            foreign: String::new(),
            kept,
            another_writer: None,
            reason,
            env: env.clone(),
        })
    }

    /// Why nobody wants an object of `env`; nothing where somebody does or may.
    fn reason_object_unwanted(&self, object: &Object, env: &EnvName) -> Option<String> {
        let asker = match self.fleet.environments.get(env) {
            Some(Wanted::Ready(wanted)) => wanted.objects.iter().any(|each| each.key == object.key).then_some(wanted),
            _ => None,
        };
        self.reason_unwanted(env, asker.map(AsRef::as_ref))
    }

    /// Which listing of another provider does not show everything, and why.
    pub(super) fn incomplete_objects(&self) -> Option<String> {
        self.observed.objects.iter().find_map(|(scope, seen)| self.gap_of(scope, seen))
    }

    /// What is missing of one scope.
    pub(super) fn incomplete_objects_of(&self, scope: &ScopeKey) -> Option<String> {
        match self.observed.objects.get(scope) {
            Some(seen) => self.gap_of(scope, seen),
            None => Some(format!("{scope} was not listed")),
        }
    }

    fn gap_of(&self, scope: &ScopeKey, seen: &ObjectScope) -> Option<String> {
        let gap = seen.objects.completeness.gap().filter(|_| self.holds(Rule::IncompleteListingStopsCollection))?;
        Some(format!("{scope}: {gap}"))
    }
}
