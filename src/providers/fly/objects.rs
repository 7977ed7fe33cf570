//! Clusters of Managed Postgres, databases in them, and which apps use them, as objects. Whose the first two are is in their names, and
//! what is noted on them in the names of empty databases beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::client::{self, Deleted, FlyError, FlyProblem, FlyReader, FlyWriter};
use super::marks;
use super::wire::{Cluster, ClusterEndpoint, ClusterStatus, ClusterSummary};
use crate::clock::SharedClock;
use crate::http::{Lane, ReadClient, Shared, WriteClient};
use crate::observed::{Object, ObjectScope, ObjectState, REMNANT};
use crate::providers::objects::{
    Changed, Class, Expected, ObjectError, ObjectReader, ObjectWriter, ReadObjects, WriteObjects, Written,
};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};
use crate::resource::own_name;
use crate::resource::{ObjectKey, ObjectKind, OwnerId, ScopeKey};
use crate::secret::SecretText;

mod change;

/// The user and the database that every cluster begins with.
const FIRST_USER: &str = "fly-user";
const FIRST_DATABASE: &str = "fly-db";
/// The section of specs.
const SECTION: &str = "postgres";

/// What reads the clusters of the organization that `scope` names, and says of them what `owner` has made.
pub fn reader(http: ReadClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectReader {
    Arc::new(Reads {
        reader: FlyReader::new(http),
        scope: scope.clone(),
        owner: owner.clone(),
        clock: SharedClock::clone(&shared.clock),
    })
}

/// What writes to them.
pub fn writer(http: WriteClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectWriter {
    let writer = FlyWriter::new(http);
    let reader = writer.reader().clone();
    let reads = Reads { reader, scope: scope.clone(), owner: owner.clone(), clock: SharedClock::clone(&shared.clock) };
    Arc::new(Writes { writer, reads, lane: shared.lanes.of(&scope.to_string()) })
}

#[derive(Debug)]
struct Reads {
    reader: FlyReader,
    scope: ScopeKey,
    owner: OwnerId,
    clock: SharedClock,
}

#[derive(Debug)]
struct Writes {
    writer: FlyWriter,
    reads: Reads,
    /// What is noted is read and written: one after the other.
    lane: Arc<Lane>,
}

/// What is in a cluster.
#[derive(Debug, Default)]
struct Content {
    databases: BTreeSet<String>,
    /// Users, each with its role.
    users: BTreeMap<String, String>,
}

/// A cluster with what is in it, as far as it can be read.
#[derive(Debug)]
struct Found {
    cluster: ClusterSummary,
    content: Content,
}

impl Reads {
    fn org(&self) -> &str {
        &self.scope.name
    }

    /// Whose a cluster of this name is.
    fn marker(&self, name: &str) -> Option<ObjectMarker> {
        own_name::marker(&self.owner, SECTION, name, self.org())
    }

    /// All clusters that are not on their way out, the oldest first.
    async fn clusters(&self) -> Result<Vec<Found>, FlyError> {
        let mut clusters = self.reader.clusters(self.org()).await?;
        clusters.retain(|cluster| !cluster.status.is_gone());
        clusters.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let found = clusters.into_iter().map(|cluster| async move {
            let content = match cluster.status {
                ClusterStatus::Ready => self.content(&cluster.id).await?,
                _ => Content::default(),
            };
            Ok(Found { cluster, content })
        });
        futures::future::try_join_all(found).await
    }

    async fn content(&self, cluster: &str) -> Result<Content, FlyError> {
        let read = futures::try_join!(self.reader.cluster_databases(cluster), self.reader.cluster_users(cluster));
        match read {
            Ok((databases, users)) => Ok(Content {
                databases: databases.into_iter().map(|database| database.name).collect(),
                users: users.into_iter().map(|user| (user.username, user.role)).collect(),
            }),
            // It went between the two looks.
            Err(error) if error.is_not_found() => Ok(Content::default()),
            Err(error) => Err(error),
        }
    }

    fn cluster_object(&self, found: &Found) -> Object {
        let Found { cluster, content } = found;
        let state = match &cluster.status {
            ClusterStatus::Ready => ObjectState::Ready,
            ClusterStatus::Failed => {
                ObjectState::Failed { message: "Fly could not make it; delete it, and it is made anew".to_owned() }
            }
            other => ObjectState::Changing { what: format!("it is {other}") },
        };
        let marker = self.marker(&cluster.name);
        let mut object = self.object(ObjectKind::PostgresCluster, &cluster.name, &cluster.id, marker, content);
        object.fields.insert("plan".to_owned(), Value::from(cluster.plan.as_str()));
        object.fields.insert("region".to_owned(), Value::from(cluster.region.as_str()));
        object.state = state;
        object.created_at = cluster.created_at;
        object
    }

    /// The databases of ours in a cluster. One whose user is left alone, or the user without it, is still one.
    fn database_objects(&self, found: &Found) -> Vec<Object> {
        let Found { cluster, content } = found;
        let names: BTreeSet<&String> = content.databases.iter().chain(content.users.keys()).collect();
        let marked = names.into_iter().filter_map(|name| {
            let within = [cluster.name.as_str(), cluster.id.as_str()];
            let marker = within.iter().find_map(|within| own_name::marker(&self.owner, SECTION, name, within))?;
            Some((name, marker))
        });
        marked
            .map(|(name, marker)| {
                let id = format!("{}/{name}", cluster.id);
                let kind = ObjectKind::PostgresDatabase;
                let mut object = self.object(kind, name, &id, Some(marker), content);
                if content.databases.contains(name) {
                    object.fields.insert("database".to_owned(), Value::from(name.as_str()));
                } else if !content.databases.is_empty() && object.marks.is_empty() {
                    // A user alone, on which nothing is noted, is what a deletion has left, or a creation that ended early. Where no database at
                    // all is listed, what is noted is not seen either.
                    object.fields.insert(REMNANT.to_owned(), Value::Bool(true));
                }
                if let Some(role) = content.users.get(name) {
                    object.fields.insert("user".to_owned(), Value::from(name.as_str()));
                    object.fields.insert("role".to_owned(), Value::from(role.as_str()));
                }
                object
            })
            .collect()
    }

    /// Which apps are noted as users of a cluster, under its name and under its id: specs may have either.
    fn attachment_objects(&self, found: &Found) -> Vec<Object> {
        let Found { cluster, .. } = found;
        let kind = ObjectKind::PostgresAttachment;
        let named = |within: &str, app: &str| {
            let name = format!("{within}/{app}");
            let id = format!("{}/{app}", cluster.id);
            let mut object = self.object(kind, &name, &id, None, &Content::default());
            object.is_close = true;
            object
        };
        let apps = cluster.attached_apps.iter();
        apps.flat_map(|app| [&cluster.name, &cluster.id].map(|within| named(within, &app.name))).collect()
    }

    /// Everything that a listing shows of a cluster.
    fn objects_of(&self, found: &Found) -> Vec<Object> {
        let mut objects = vec![self.cluster_object(found)];
        objects.extend(self.database_objects(found));
        objects.extend(self.attachment_objects(found));
        objects
    }

    fn object(
        &self,
        kind: ObjectKind,
        name: &str,
        id: &str,
        marker: Option<ObjectMarker>,
        content: &Content,
    ) -> Object {
        let marks = marks::read(name, &content.databases);
        let mut fields = Fields::new();
        // Two of them are left where a change was not finished: then nothing is as wanted until one is gone.
        let is_one = marks::said(name, Some(marks::ROTATE), &content.databases).len() == 1;
        let rotate = marks.get(marks::ROTATE).filter(|_| is_one);
        if let Some(rotate) = rotate.and_then(|text| text.parse::<u32>().ok()) {
            fields.insert("rotate".to_owned(), json!(rotate));
        }
        let mut bulk = String::new();
        // Writing to a string does not fail.
        let _infallible = write!(bulk, "{id} {content:?}");
        Object {
            key: ObjectKey { scope: self.scope.clone(), object: kind, name: name.to_owned() },
            id: id.to_owned(),
            marker,
            made_by: None,
            marks,
            state: ObjectState::Ready,
            fields,
            bulk,
            fingerprints: BTreeMap::new(),
            outputs: BTreeMap::new(),
            is_close: false,
            held_by: None,
            created_at: None,
        }
    }

    /// Reads how to connect to one that is ready.
    async fn look_at(&self, object: &mut Object, wanted: &Fields) -> Result<(), FlyError> {
        if object.state != ObjectState::Ready || object.key.object == ObjectKind::PostgresAttachment {
            return Ok(());
        }
        let (cluster_id, inside) =
            object.id.split_once('/').map_or((object.id.as_str(), None), |(id, name)| (id, Some(name)));
        let (cluster_id, inside) = (cluster_id.to_owned(), inside.map(str::to_owned));
        let Some(cluster) = self.reader.cluster(&cluster_id).await? else { return Ok(()) };
        let text = |name: &str| wanted.get(name).and_then(Value::as_str);
        let database = inside.clone().unwrap_or_else(|| text("database").unwrap_or(FIRST_DATABASE).to_owned());
        let user = inside.clone().unwrap_or_else(|| text("user").unwrap_or(FIRST_USER).to_owned());
        if inside.is_none() {
            object.fields.insert("diskGb".to_owned(), json!(cluster.disk_size_gb));
            object.fields.insert("version".to_owned(), Value::from(cluster.pg_major_version.as_str()));
            let content = self.content(&cluster_id).await?;
            if content.databases.contains(&database) {
                object.fields.insert("database".to_owned(), Value::from(database.as_str()));
            }
            if content.users.contains_key(&user) {
                object.fields.insert("user".to_owned(), Value::from(user.as_str()));
            }
        }
        object.is_close = true;
        if !["database", "user"].iter().all(|field| object.fields.contains_key(*field)) {
            return Ok(());
        }
        let Some(credentials) = self.reader.cluster_credentials(&cluster_id, &user).await? else { return Ok(()) };
        let mut know = |name: &str, value: SecretText| drop(object.outputs.insert(name.to_owned(), value));
        know("database", SecretText::new(database.as_str()));
        know("role", SecretText::new(user.as_str()));
        know("password", credentials.password.clone());
        let node = cluster.endpoints.primary;
        if let Some(direct) = &node.direct {
            know("host", SecretText::new(direct.host.as_str()));
        }
        let uris = [("uri", &node.direct), ("pooledUri", &node.pooler)];
        for (name, endpoint) in uris {
            if let Some(uri) = endpoint.as_ref().and_then(|at| uri(at, &user, &credentials.password, &database)) {
                know(name, uri);
            }
        }
        Ok(())
    }

    /// The object by its key, as a listing shows it.
    async fn find(&self, key: &ObjectKey) -> Result<Option<Object>, FlyError> {
        let clusters = self.clusters().await?;
        let mut objects = clusters.iter().flat_map(|found| self.objects_of(found));
        Ok(objects.find(|object| object.key == *key))
    }

    /// The id of a cluster that is there: of several of a name the oldest, which is the one that can be ours.
    async fn id_of(&self, named: &str) -> Result<String, ObjectError> {
        let mut clusters = self.reader.clusters(self.org()).await?;
        clusters.retain(|cluster| !cluster.status.is_gone() && (cluster.name == named || cluster.id == named));
        let oldest = clusters.into_iter().min_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let gone = || ObjectError::overtaken(format!("cluster `{named}` of {} has just gone", self.scope));
        oldest.map(|cluster| cluster.id).ok_or_else(gone)
    }

    /// The cluster that a spec names, by name or id.
    async fn named(&self, named: &str) -> Result<Cluster, ObjectError> {
        let mut clusters = self.reader.clusters(self.org()).await?;
        clusters.retain(|cluster| !cluster.status.is_gone() && (cluster.name == named || cluster.id == named));
        let by_id = clusters.iter().find(|cluster| cluster.id == named);
        let found = match (by_id, clusters.as_slice()) {
            (Some(found), _) | (None, [found]) => found,
            (None, []) => {
                let message = format!("there is no cluster `{named}` in {}", self.scope);
                return Err(permanent("ClusterMissing", message));
            }
            (None, _) => {
                let message = format!("{} has {} clusters named `{named}`; write the id", self.scope, clusters.len());
                return Err(permanent("ClusterAmbiguous", message));
            }
        };
        if found.status != ClusterStatus::Ready {
            let message = format!("cluster `{named}` of {} is not ready: it is {}", self.scope, found.status);
            return Err(ObjectError { reason: "ClusterNotReady".to_owned(), message, class: Class::Transient });
        }
        let whole = self.reader.cluster(&found.id).await?;
        whole.ok_or_else(|| ObjectError::overtaken(format!("cluster `{named}` of {} has just gone", self.scope)))
    }
}

/// How to connect.
fn uri(at: &ClusterEndpoint, user: &str, password: &SecretText, database: &str) -> Option<SecretText> {
    let mut url = url::Url::parse(&format!("postgresql://{}:{}", at.host, at.port)).ok()?;
    url.set_username(user).ok()?;
    url.set_password(Some(password.expose())).ok()?;
    url.path_segments_mut().ok()?.push(database);
    Some(SecretText::new(url.as_str()))
}

fn permanent(reason: &str, message: String) -> ObjectError {
    ObjectError { reason: reason.to_owned(), message, class: Class::Permanent }
}

impl From<FlyError> for ObjectError {
    fn from(error: FlyError) -> Self {
        let class = match (error.problem(), error.class()) {
            (_, client::Class::Unknown) => Class::Unknown,
            (FlyProblem::RegionFull { .. } | FlyProblem::RegionQuotaExceeded { .. }, _) => Class::NoRoom,
            (_, client::Class::Transient) => Class::Transient,
            (_, client::Class::Permanent | client::Class::Blocked) => Class::Permanent,
        };
        Self { reason: error.reason().to_owned(), message: format!("{error}; {}", error.advice()), class }
    }
}

#[async_trait]
impl ReadObjects for Reads {
    async fn list(&self) -> ObjectScope {
        let started_at = self.clock.now();
        let clusters = match self.clusters().await {
            Ok(clusters) => clusters,
            Err(error) => {
                let is_permanent = matches!(error.class(), client::Class::Permanent | client::Class::Blocked);
                let advice = is_permanent.then(|| error.advice().to_string());
                return ObjectScope::unreadable(&self.scope, started_at, error.to_string(), advice);
            }
        };
        let mut items: Vec<Object> = clusters.iter().flat_map(|found| self.objects_of(found)).collect();
        // Names of clusters are not unique, and copies have what is in them: only the first one of a name can be ours.
        let mut seen = BTreeSet::new();
        for object in &mut items {
            if !seen.insert(object.key.clone()) {
                object.marker = None;
            }
        }
        ObjectScope::complete(items, started_at)
    }

    async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        let looks = scope.objects.items.iter_mut().filter_map(|object| {
            let fields = wanted.get(&object.key)?;
            Some(async move {
                if let Err(error) = self.look_at(object, fields).await {
                    tracing::warn!(%error, "what is in a cluster could not be looked at closely");
                    object.is_close = false;
                }
            })
        });
        let _all_looked: Vec<()> = futures::future::join_all(looks).await;
    }
}
