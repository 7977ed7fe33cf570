//! The limit of a set of previews, and who waits for room.

use std::collections::BTreeMap;

use super::planner::{Planner, plural};
use crate::desired::{Environment, Preview, Wanted};
use crate::resource::EnvName;

/// One set of previews at this moment.
#[derive(Default)]
struct Set<'f> {
    /// How many of its previews are there, those that are being deleted included.
    live: usize,
    /// Those that have nothing live and would be made.
    new: Vec<(&'f Preview, &'f Environment)>,
}

impl Planner<'_> {
    /// Previews that have nothing live yet and for which the limit of their set leaves no room, each with its place in the queue. What
    /// is being deleted counts until it is gone.
    pub(super) fn previews_in_queue(&self) -> BTreeMap<EnvName, String> {
        let mut queue = BTreeMap::new();
        for (name, Set { live, mut new }) in self.preview_sets() {
            new.sort_by_key(|(preview, _)| preview.place);
            let Some(limit) = new.iter().find_map(|(preview, _)| preview.limit) else { continue };
            let waiting = new.iter().skip(limit.saturating_sub(live));
            let count = waiting.len();
            for (index, (_, env)) in waiting.enumerate() {
                let message = format!(
                    "waits in the queue of preview set `{name}`, at place {} of {count}: the set has room for {} at once",
                    index.saturating_add(1),
                    plural(limit, "preview")
                );
                queue.insert(env.name.clone(), message);
            }
        }
        queue
    }

    fn preview_sets(&self) -> BTreeMap<&str, Set<'_>> {
        let mut sets: BTreeMap<&str, Set<'_>> = BTreeMap::new();
        for wanted in self.fleet.environments.values() {
            let Wanted::Ready(env) = wanted else { continue };
            let Some(preview) = &env.preview else { continue };
            let set = sets.entry(&preview.set).or_default();
            if self.is_live(env) {
                set.live = set.live.saturating_add(1);
            } else if self.births.expiry(env).is_none_or(|at| at > self.now) && !self.has_had_its_time(env) {
                set.new.push((preview, env));
            }
        }
        for (name, ended) in &self.fleet.ended {
            if let Some(set) = sets.get_mut(ended.set.as_str())
                && self.births.has(name)
            {
                set.live = set.live.saturating_add(1);
            }
        }
        sets
    }
}
