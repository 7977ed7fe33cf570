//! Clusters and databases of Fly Managed Postgres.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{blank, is_retained, keep_data, place};
use crate::desired::app::{BuiltApp, Defaults};
use crate::desired::graph::Object;
use crate::desired::resolver::Resolver;
use crate::resource::own_name::own_name;
use crate::resource::{ComponentName, ObjectKey, ObjectKind, Provider};
use crate::spec::positions::child;
use crate::spec::postgres::{PostgresCluster, PostgresDatabase};

/// The longest name of a database or a user: Postgres cuts off what is longer.
const LONGEST_NAME: usize = 63;
/// The sizes that Fly offers.
const PLANS: [&str; 5] = ["basic", "starter", "launch", "scale", "Performance"];
/// What users may do.
const ROLES: [&str; 3] = ["schema_admin", "writer", "reader"];

/// That something is wrong with a value, which was said.
struct Wrong;

/// Where a component of it stands.
struct At<'a> {
    org: &'a str,
    component: &'a str,
    part: String,
    pointer: String,
}

impl<'a> At<'a> {
    fn new(org: &'a str, component: &'a str, section: &str) -> Self {
        let pointer = child(&format!("/spec/postgres/{section}"), component);
        Self { org, component, part: format!("postgres.{component}"), pointer }
    }

    fn place(&self, field: &str) -> crate::desired::resolver::Place {
        place(&self.part, child(&self.pointer, field))
    }

    fn text(&self, resolver: &mut Resolver<'_>, field: &str, text: Option<&String>) -> Result<Option<String>, Wrong> {
        match text {
            None => Ok(None),
            Some(text) => resolver.fill_known(text, self.place(field)).map(Some).ok_or(Wrong),
        }
    }

    /// The name that says whose it is.
    fn own_name(&self, resolver: &mut Resolver<'_>, within: &str) -> Result<String, Wrong> {
        let name = own_name(resolver.secrets.owner, &resolver.environment.metadata.name, self.component, within);
        if name.len() > LONGEST_NAME {
            let message = format!("its name would be `{name}`, which has more than {LONGEST_NAME} characters");
            let help = Some("shorten the component's name, or the environment's".to_owned());
            resolver.error(&place(&self.part, self.pointer.clone()), message, help);
            return Err(Wrong);
        }
        Ok(name)
    }

    /// One of the words that Fly knows.
    fn word(
        &self,
        resolver: &mut Resolver<'_>,
        field: &str,
        text: Option<&String>,
        words: &[&str],
    ) -> Result<Option<String>, Wrong> {
        let word = self.text(resolver, field, text)?;
        if let Some(unknown) = word.as_ref().filter(|word| !words.contains(&word.as_str())) {
            let message = format!("`{field}` is one of {}, not `{unknown}`", words.join(", "));
            resolver.error(&self.place(field), message, None);
            return Err(Wrong);
        }
        Ok(word)
    }
}

/// What the environment asks for.
pub(super) fn build(resolver: &mut Resolver<'_>, defaults: Defaults) -> Vec<Object> {
    let Some(postgres) = resolver.environment.spec.postgres.clone() else { return Vec::new() };
    if resolver.environment.spec.fly.is_none() {
        let help = Some("add `fly` with `org`: clusters and databases are in its organization".to_owned());
        resolver.error(&place("postgres", "/spec/postgres"), "there is no Fly organization to have it in", help);
        return Vec::new();
    }
    let Ok(org) = resolver.org() else { return Vec::new() };
    for component in postgres.databases.keys().filter(|component| postgres.clusters.contains_key(*component)) {
        let at = At::new(&org, component, "databases");
        let message = format!("`{component}` is a cluster already, and both would be `postgres.{component}`");
        resolver.error(&place(&at.part, at.pointer.clone()), message, Some("give it another name".to_owned()));
    }
    let mut objects = Vec::new();
    for (component, cluster) in &postgres.clusters {
        objects.extend(build_cluster(resolver, &At::new(&org, component, "clusters"), cluster, defaults));
    }
    for (component, database) in &postgres.databases {
        objects.extend(build_database(resolver, &At::new(&org, component, "databases"), database, defaults));
    }
    objects
}

fn build_cluster(
    resolver: &mut Resolver<'_>,
    at: &At<'_>,
    cluster: &PostgresCluster,
    defaults: Defaults,
) -> Result<Object, Wrong> {
    let given = at.text(resolver, "name", cluster.name.as_ref())?;
    let name = match (given, cluster.adopt) {
        (Some(name), true) => name,
        (None, false) => at.own_name(resolver, at.org)?,
        (Some(_), false) => {
            let help = "Fly keeps no labels on clusters, so the name says whose one is: remove `name`, or take over a cluster of this name with `adopt: true`";
            resolver.error(&at.place("name"), "a cluster that Hangar makes is named by it", Some(help.to_owned()));
            return Err(Wrong);
        }
        (None, true) => {
            resolver.error(&at.place("adopt"), "which cluster is taken over?", Some("add its `name`".to_owned()));
            return Err(Wrong);
        }
    };
    let fork_of = at.text(resolver, "forkOf", cluster.fork_of.as_ref())?;
    let usual_region = resolver.environment.spec.fly.as_ref().and_then(|fly| fly.region.clone());
    let region = cluster.region.clone().or_else(|| usual_region.filter(|_| fork_of.is_none()));
    let region = at.text(resolver, "region", region.as_ref())?;
    if region.is_none() && fork_of.is_none() && !cluster.adopt {
        resolver.error(&place(&at.part, at.pointer.clone()), "it has no `region`, nor has `fly`", None);
        return Err(Wrong);
    }
    let plan = at.word(resolver, "plan", cluster.plan.as_ref(), &PLANS)?;
    let version = at.word(resolver, "version", cluster.version.as_ref(), &["16", "17"])?;
    if fork_of.is_some() && [&cluster.plan, &cluster.region, &cluster.version].iter().any(|given| given.is_some()) {
        let help = Some("remove `plan`, `region` and `version`".to_owned());
        resolver.error(&at.place("forkOf"), "a copy is as what it is copied from is", help);
        return Err(Wrong);
    }
    let mut object = blank(Provider::Postgres, at.org, ObjectKind::PostgresCluster, &name, &at.part, &at.part);
    object.adopt = cluster.adopt;
    object.protect = defaults.protect;
    object.retain = is_retained(cluster.deletion_policy, defaults);
    object.timeout = std::time::Duration::from_mins(20);
    let fields: [(&str, Option<Value>); 8] = [
        ("plan", plan.map(Value::from)),
        ("region", region.map(Value::from)),
        ("diskGb", cluster.disk_gb.map(Value::from)),
        ("version", version.map(Value::from)),
        ("forkOf", fork_of.map(Value::from)),
        ("database", at.text(resolver, "database", cluster.database.as_ref())?.map(Value::from)),
        ("user", at.text(resolver, "user", cluster.user.as_ref())?.map(Value::from)),
        ("rotate", rotate(cluster.rotate)),
    ];
    object.fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    object.on_creation = ["plan", "region", "diskGb", "version", "forkOf"].map(str::to_owned).into();
    Ok(object)
}

fn build_database(
    resolver: &mut Resolver<'_>,
    at: &At<'_>,
    database: &PostgresDatabase,
    defaults: Defaults,
) -> Result<Object, Wrong> {
    let cluster = at.text(resolver, "cluster", Some(&database.cluster))?.ok_or(Wrong)?;
    let role = at.word(resolver, "role", database.role.as_ref(), &ROLES)?;
    let name = at.own_name(resolver, &cluster)?;
    let mut object = blank(Provider::Postgres, at.org, ObjectKind::PostgresDatabase, &name, &at.part, &at.part);
    object.protect = defaults.protect;
    keep_data(&mut object, database.deletion_policy, defaults);
    object.fields = [
        ("cluster", Value::from(cluster)),
        ("database", Value::from(name.as_str())),
        ("user", Value::from(name)),
        ("role", Value::from(role.unwrap_or_else(|| "schema_admin".to_owned()))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    object.fields.extend(rotate(database.rotate).map(|rotate| ("rotate".to_owned(), rotate)));
    object.on_creation = ["cluster".to_owned()].into();
    Ok(object)
}

/// What each component of an app uses of other parts: itself, or a job in it.
pub(in crate::desired) type Used = BTreeMap<String, BTreeSet<String>>;

/// Fly's records of which apps use which of `objects`, each written once both are there.
pub(in crate::desired) fn attachments(objects: &[Object], apps: &[BuiltApp], used: &Used) -> Vec<Object> {
    // One app may use two databases of one cluster.
    let mut records: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    for app in apps.iter().map(|built| &built.app) {
        let parts: BTreeSet<&String> = std::iter::once(&app.component)
            .chain(app.jobs.iter().map(|job| &job.part))
            .filter_map(|part| used.get(part.as_str()))
            .flatten()
            .collect();
        for object in objects.iter().filter(|object| parts.contains(&object.part.to_string())) {
            let cluster = match object.key.object {
                ObjectKind::PostgresCluster => Some(object.key.name.as_str()),
                ObjectKind::PostgresDatabase => object.fields.get("cluster").and_then(Value::as_str),
                _ => None,
            };
            let Some(cluster) = cluster else { continue };
            let (org, name) = (&object.key.scope.name, format!("{cluster}/{}", app.name));
            let part = format!("{}.attachments.{}", object.part, app.component);
            let component = app.component.as_str();
            let mut record = blank(Provider::Postgres, org, ObjectKind::PostgresAttachment, &name, component, &part);
            // One that is there already is as good, whoever has made it.
            record.adopt = true;
            let fields = [("cluster", cluster), ("app", app.name.as_str())];
            record.fields = fields.map(|(name, value)| (name.to_owned(), Value::from(value))).into();
            record.on_creation = fields.map(|(name, _)| name.to_owned()).into();
            let record = records.entry(record.key.clone()).or_insert(record);
            record.after.extend([app.component.clone(), ComponentName::new(object.part.as_str())]);
        }
    }
    records.into_values().collect()
}

fn rotate(rotate: Option<u32>) -> Option<Value> {
    rotate.filter(|rotate| *rotate > 0).map(|rotate| json!(rotate))
}
