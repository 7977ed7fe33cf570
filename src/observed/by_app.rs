//! What the listings show, by app, for whoever looks at many apps: found once instead of for each of them.

use std::collections::BTreeMap;

use super::{AppRow, Machine, Observed, Scope, Volume};
use crate::resource::{AppName, OrgSlug};

/// The listings of one organization, by app.
#[derive(Debug, Default)]
pub struct ByApp<'o> {
    rows: BTreeMap<&'o AppName, Vec<&'o AppRow>>,
    machines: BTreeMap<&'o AppName, Vec<&'o Machine>>,
    volumes: BTreeMap<&'o AppName, Vec<&'o Volume>>,
}

impl<'o> ByApp<'o> {
    /// The listings of `scope`.
    pub fn of(scope: &'o Scope) -> Self {
        let mut listed = Self::default();
        for row in &scope.apps.items {
            listed.rows.entry(&row.name).or_default().push(row);
        }
        for machine in &scope.machines.items {
            listed.machines.entry(&machine.app).or_default().push(machine);
        }
        for volume in &scope.volumes.items {
            listed.volumes.entry(&volume.app).or_default().push(volume);
        }
        listed
    }

    /// The listings of every organization.
    pub fn of_all(observed: &'o Observed) -> BTreeMap<&'o OrgSlug, Self> {
        observed.scopes.iter().map(|(org, scope)| (org, Self::of(scope))).collect()
    }

    /// What the list of apps shows under this name: one row, or none.
    pub fn rows(&self, app: &AppName) -> &[&'o AppRow] {
        self.rows.get(app).map(Vec::as_slice).unwrap_or_default()
    }

    /// The listed machines of an app, in the order of the listing.
    pub fn machines(&self, app: &AppName) -> &[&'o Machine] {
        self.machines.get(app).map(Vec::as_slice).unwrap_or_default()
    }

    /// The listed volumes of an app, in the order of the listing.
    pub fn volumes(&self, app: &AppName) -> &[&'o Volume] {
        self.volumes.get(app).map(Vec::as_slice).unwrap_or_default()
    }
}
