//! From what a spec asks for at other providers to objects in normal form.

mod neon;
mod outputs;
mod postgres;
mod supabase;
mod supabase_project;
mod vercel;

use std::collections::BTreeSet;
use std::time::Duration;

use super::app::Defaults;
use super::graph::Object;
use super::resolver::{Place, Resolver};
use crate::resource::object::Fields;
use crate::resource::{ComponentName, ObjectKey, ObjectKind, Provider, ScopeKey};
use crate::spec::ParsedPreviewSet;
use crate::spec::environment::{DataDeletionPolicy, DeletionPolicy};
use crate::template::has_expression;

pub(super) use outputs::{Found, look_up, part_of};
pub(super) use postgres::{Used, attachments};
pub(super) use supabase_project::project_output;

/// How long an object may take to be ready where nothing says otherwise.
const READY: Duration = Duration::from_mins(10);

/// Everything that the environment asks for at other providers.
pub(super) fn build(resolver: &mut Resolver<'_>, defaults: Defaults) -> Vec<Object> {
    let mut objects = neon::build(resolver, defaults);
    objects.extend(postgres::build(resolver, defaults));
    objects.extend(supabase::build(resolver, defaults));
    objects.extend(vercel::build(resolver, defaults));
    objects
}

/// The scopes that the template of a set names without an expression: something may be left there when the set has no preview.
pub(super) fn named_scopes(set: &ParsedPreviewSet) -> Vec<ScopeKey> {
    let spec = &set.template.spec;
    let is_plain = |text: &&str| !has_expression(text);
    let neon = spec.neon.iter().map(|neon| neon.project.as_str()).filter(is_plain);
    let neon = neon.map(|project| ScopeKey::new(Provider::Neon, project));
    let supabase = spec.supabase.iter().filter_map(|supabase| supabase.project.as_deref()).filter(is_plain);
    let supabase = supabase.map(|project| ScopeKey::new(Provider::Supabase, project));
    let vercel = spec.vercel.iter().flat_map(|vercel| {
        let team = vercel.team.as_deref();
        let projects = vercel.projects.values().map(|project| project.project.as_str());
        projects.filter(move |project| is_plain(project) && team.iter().all(is_plain)).map(move |project| {
            let scope = team.map_or_else(|| project.to_owned(), |team| format!("{team}/{project}"));
            ScopeKey::new(Provider::Vercel, scope)
        })
    });
    let org = spec.fly.iter().filter(|_| spec.postgres.is_some()).map(|fly| fly.org.as_str()).filter(is_plain);
    let postgres = org.map(|org| ScopeKey::new(Provider::Postgres, org));
    neon.chain(postgres).chain(supabase).chain(vercel).collect()
}

/// The place of a value of the object `part`.
fn place(part: &str, pointer: impl Into<String>) -> Place {
    Place { component: Some(part.to_owned()), pointer: pointer.into() }
}

/// An object without anything yet.
fn blank(provider: Provider, scope: &str, object: ObjectKind, name: &str, component: &str, part: &str) -> Object {
    Object {
        key: ObjectKey { scope: ScopeKey::new(provider, scope), object, name: name.to_owned() },
        component: ComponentName::new(component),
        part: ComponentName::new(part),
        adopt: false,
        protect: false,
        retain: false,
        snapshot: false,
        fields: Fields::new(),
        on_creation: BTreeSet::new(),
        secrets: std::collections::BTreeMap::new(),
        after: BTreeSet::new(),
        timeout: READY,
    }
}

/// Whether an object is kept when its spec goes.
fn is_retained(own: Option<DeletionPolicy>, defaults: Defaults) -> bool {
    own.map_or(defaults.retain, |policy| policy == DeletionPolicy::Retain)
}

/// Notes on `object` what becomes of its data when its spec goes.
fn keep_data(object: &mut Object, own: Option<DataDeletionPolicy>, defaults: Defaults) {
    object.retain = own.map_or(defaults.retain, |policy| policy == DataDeletionPolicy::Retain);
    object.snapshot = own == Some(DataDeletionPolicy::Snapshot);
}
