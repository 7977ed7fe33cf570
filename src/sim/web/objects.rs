//! Organizations and images, as both GraphQL and REST need them.

use std::collections::BTreeSet;

use super::super::routes::{Call, org_name};
use super::super::world::World;
use super::super::world::app::organization_number;

/// The organizations that the caller sees. Where every slug is accepted, those that are in use and `personal` are shown.
pub(super) fn organizations(world: &World, call: &Call) -> Vec<String> {
    let known = world.config.orgs.iter().map(|org| org.slug.as_str());
    let in_use = world.apps.values().filter(|app| !app.deleting).map(|app| app.org.as_str());
    let own = world.config.open_orgs.then_some("personal");
    let slugs: BTreeSet<&str> = known.chain(in_use).chain(own).filter(|slug| call.caller.sees(slug)).collect();
    slugs.into_iter().map(str::to_owned).collect()
}

/// An organization.
pub(super) struct Organization {
    /// The id in GraphQL: opaque, and the same in every run.
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) number: u32,
}

impl Organization {
    pub(super) fn of(world: &World, slug: &str) -> Self {
        Self {
            id: id_of(slug),
            slug: slug.to_owned(),
            name: org_name(world, slug).into_owned(),
            number: organization_number(slug),
        }
    }

    pub(super) fn is_personal(&self) -> bool {
        self.slug == "personal"
    }
}

/// The id of an organization in GraphQL.
pub(super) fn id_of(slug: &str) -> String {
    hex::encode(format!("organization/{slug}"))
}

/// The e-mail address that stands for whoever holds a token.
pub(super) fn email(call: &Call) -> String {
    format!("{}@tokens.fly.io", call.caller.label())
}
