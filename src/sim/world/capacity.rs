//! What there is no room for, and how much organizations may have. The platform has a form of refusal of its own for each.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::config::{Quotas, Shortage, SimConfig};
use super::World;
use super::machine::Machine;

/// Shortages by region, and quotas by organization.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Capacity {
    shortages: BTreeSet<(Shortage, String)>,
    /// Where an organization has quotas of its own.
    quotas: BTreeMap<String, Quotas>,
}

impl Capacity {
    /// The shortages that a simulator begins with.
    pub(super) fn of(config: &SimConfig) -> Self {
        Self { shortages: config.shortages.iter().cloned().collect(), quotas: BTreeMap::new() }
    }

    /// Lets a shortage in `region` begin or end.
    pub(crate) fn set(&mut self, shortage: Shortage, region: &str, short: bool) {
        let key = (shortage, region.to_owned());
        if short {
            self.shortages.insert(key);
        } else {
            self.shortages.remove(&key);
        }
    }

    /// Whether there is this shortage in `region`.
    pub(crate) fn lacks(&self, shortage: Shortage, region: &str) -> bool {
        !self.shortages.is_empty() && self.shortages.contains(&(shortage, region.to_owned()))
    }

    /// Gives an organization quotas of its own.
    pub(crate) fn set_quotas(&mut self, org: &str, quotas: Quotas) {
        self.quotas.insert(org.to_owned(), quotas);
    }
}

impl World {
    /// What an organization may have.
    pub(crate) fn quotas(&self, org: &str) -> &Quotas {
        self.capacity.quotas.get(org).unwrap_or(&self.config.quotas)
    }

    /// How many apps an organization has.
    pub(crate) fn count_apps(&self, org: &str) -> usize {
        self.apps.of_org(org, "").filter(|app| !app.deleting).count()
    }

    /// How many machines an organization has.
    pub(crate) fn count_machines(&self, org: &str) -> usize {
        let machines = self.apps.of_org(org, "").flat_map(|app| app.machines.values());
        machines.filter(|machine| !machine.is_destroyed()).count()
    }

    /// How many volumes an organization has.
    pub(crate) fn count_volumes(&self, org: &str) -> usize {
        let volumes = self.apps.of_org(org, "").flat_map(|app| app.volumes.values());
        volumes.filter(|volume| !volume.is_deleted()).count()
    }

    /// How much memory the machines of an organization have in a region, in MiB.
    pub(crate) fn memory_mb(&self, org: &str, region: &str) -> u64 {
        let machines = self.apps.of_org(org, "").flat_map(|app| app.machines.values());
        machines
            .filter(|machine| !machine.is_destroyed() && machine.region == region)
            .map(Machine::memory_mb)
            .fold(0, u64::saturating_add)
    }
}
