//! Which private network an environment's apps live in.
//!
//! Fly keeps a network for ever once it was named, so isolated environments share a bounded pool: each takes the lowest place
//! that no live app of the organization uses. The place is planned from what is live and from our own notes, and stored nowhere.

use std::collections::BTreeSet;

use super::planner::Planner;
use crate::desired::{Environment, Network};
use crate::memory::Verb;
use crate::observed::{Presence, Scope};
use crate::resource::ResourceKey;
use crate::resource::marker::{network_name, network_slot};
use crate::rules::Rule;

impl Planner<'_> {
    /// The network for the new apps of `env`. An error where it cannot be chosen yet.
    pub(super) fn network_of(&mut self, env: &Environment) -> Result<Option<String>, String> {
        match &env.network {
            Network::Shared => Ok(None),
            Network::Named(name) => Ok(Some(name.clone())),
            Network::Isolated if !self.holds(Rule::MarkedFromBirth) => Ok(None),
            Network::Isolated => self.isolated_network(env).map(Some),
        }
    }

    fn isolated_network(&mut self, env: &Environment) -> Result<String, String> {
        let owner = &self.fleet.owner;
        let Some(org) = &env.org else { return Err("its organization is not known".to_owned()) };
        let assigned = self.networks.get(org).and_then(|given| given.get(&env.name)).copied();
        if let Some(slot) = assigned.or_else(|| self.network_in_use_by(env)) {
            self.networks.entry(org.clone()).or_default().insert(env.name.clone(), slot);
            return Ok(network_name(owner, slot));
        }
        let scope = self.observed.scopes.get(org).ok_or_else(|| format!("organization `{org}` was not listed"))?;
        if !scope.apps.completeness.is_complete() && self.holds(Rule::IncompleteListingGivesNoNetwork) {
            return Err(format!(
                "the apps of organization `{org}` were not listed completely, so no free network is known"
            ));
        }
        // The same for every environment of the organization: one with a note of its own has its place already.
        let (taken, from) = match self.pools.remove(org) {
            Some(pool) => pool,
            None => (self.places_taken(scope), 0),
        };
        // What was given away lies below: to begin at the first place again would take longer with every environment.
        let slot = (from..=u32::MAX).find(|slot| !taken.contains(slot)).unwrap_or(0);
        self.pools.insert(org.clone(), (taken, slot.saturating_add(1)));
        self.networks.entry(org.clone()).or_default().insert(env.name.clone(), slot);
        Ok(network_name(owner, slot))
    }

    /// The pool places of an organization in which something lives, is being created, or is planned to be.
    fn places_taken(&self, scope: &Scope) -> BTreeSet<u32> {
        let owner = &self.fleet.owner;
        let listed = scope.apps.items.iter().filter_map(|app| network_slot(owner, &app.network));
        let read = scope.details.values().filter_map(|detail| match &detail.presence {
            Presence::Here(row) => network_slot(owner, &row.network),
            _ => None,
        });
        let creations = self.memory.notes.iter().filter(|_| self.holds(Rule::OpenCreationKeepsItsNetwork));
        let creations =
            creations.filter(|note| note.verb == Verb::Create && matches!(note.key, ResourceKey::App { .. }));
        let noted = creations.filter_map(|note| network_slot(owner, &note.detail));
        listed.chain(read).chain(noted).collect()
    }

    /// The pool place that `env` already lives in: that of its live apps, or of an app that is being created for it.
    fn network_in_use_by(&self, env: &Environment) -> Option<u32> {
        let owner = &self.fleet.owner;
        let live = env.apps.iter().find_map(|app| match &self.observed.detail(env.org.as_ref(), &app.name)?.presence {
            Presence::Here(row) => network_slot(owner, &row.network),
            _ => None,
        });
        let noted = || {
            self.memory
                .notes
                .iter()
                .filter(|note| {
                    note.env == env.name && note.verb == Verb::Create && matches!(note.key, ResourceKey::App { .. })
                })
                .find_map(|note| network_slot(owner, &note.detail))
        };
        live.or_else(noted)
    }
}
