//! Managed Postgres: clusters with their users, databases, backups and attachments. No database runs; what is kept is what the API
//! shows. What a cluster is at a moment follows from when things were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ids::Ids;
use super::rfc3339;
use super::schedule::after;
use super::vault::SecretText;

/// All clusters of all organizations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Clusters {
    by_id: BTreeMap<String, Cluster>,
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) org: String,
    pub(crate) region: String,
    pub(crate) plan: Plan,
    pub(crate) disk_size_gb: u64,
    pub(crate) pg_major_version: String,
    pub(crate) postgis_enabled: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) deleted_at: Option<DateTime<Utc>>,
    /// Whether it could not be made.
    pub(crate) failed: bool,
    /// When each app was attached.
    pub(crate) attachments: BTreeMap<String, DateTime<Utc>>,
    pub(crate) backups: Vec<Backup>,
    pub(crate) content: Content,
}

/// What is in a cluster, and is copied with it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) databases: BTreeMap<String, Database>,
    pub(crate) users: BTreeMap<String, User>,
}

/// The sizes in which clusters come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Plan {
    Basic,
    Starter,
    Launch,
    Scale,
    // The one plan that is written with a capital.
    #[serde(rename = "Performance")]
    Performance,
}

/// A backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) finished_at: DateTime<Utc>,
    /// What was in the cluster when it began.
    pub(crate) content: Content,
}

/// A database in a cluster: the schema of each extension that is switched on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) extensions: BTreeMap<String, String>,
}

/// A user of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) role: String,
    pub(crate) password: SecretText,
}

/// Where a cluster is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Creating,
    Initializing,
    Ready,
    Deleting,
    Deleted,
    Failed,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Initializing => "initializing",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }
}

impl Plan {
    /// Its name, the kind and number of its CPUs, and its memory in MiB.
    const fn shape(self) -> (&'static str, &'static str, u64, u64) {
        match self {
            Self::Basic => ("basic", "shared", 2, 1024),
            Self::Starter => ("starter", "shared", 2, 2048),
            Self::Launch => ("launch", "performance", 2, 8192),
            Self::Scale => ("scale", "performance", 4, 33_792),
            Self::Performance => ("Performance", "performance", 8, 65_536),
        }
    }
}

impl Clusters {
    pub(crate) fn get(&self, id: &str) -> Option<&Cluster> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Cluster> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn orgs(&self) -> BTreeSet<String> {
        self.by_id.values().map(|cluster| cluster.org.clone()).collect()
    }

    pub(crate) fn of_org(&self, org: &str) -> impl Iterator<Item = &Cluster> {
        self.by_id.values().filter(move |cluster| cluster.org == org)
    }

    pub(crate) fn insert(&mut self, cluster: Cluster) {
        self.by_id.insert(cluster.id.clone(), cluster);
    }

    /// The app is gone, and with it its attachments.
    pub(super) fn forget_app(&mut self, app: &str) {
        for cluster in self.by_id.values_mut() {
            cluster.attachments.remove(app);
        }
    }
}

impl Cluster {
    /// The first user and the first database, which every cluster is made with.
    pub(crate) fn furnish(&mut self, ids: &mut Ids) {
        let user = User { role: "schema_admin".to_owned(), password: password(ids) };
        self.content.users.insert("fly-user".to_owned(), user);
        self.content.databases.insert("fly-db".to_owned(), Database::default());
    }

    /// Where it is in its life at `now`; `takes` is how long it takes to be made, and to be removed.
    pub(crate) fn status(&self, now: DateTime<Utc>, takes: Duration) -> Status {
        match self.deleted_at {
            Some(at) if after(at, takes) <= now => Status::Deleted,
            Some(_) => Status::Deleting,
            None if self.failed => Status::Failed,
            None if after(self.created_at, takes) <= now => Status::Ready,
            None if after(self.created_at, takes / 2) <= now => Status::Initializing,
            None => Status::Creating,
        }
    }

    fn attached_apps(&self) -> Value {
        self.attachments.keys().map(|name| json!({"name": name})).collect()
    }

    /// One line of the list.
    pub(crate) fn render_summary(&self, now: DateTime<Utc>, takes: Duration) -> Value {
        let mut shown = json!({
            "id": self.id, "name": self.name, "region": self.region, "plan": self.plan.shape().0,
            "status": self.status(now, takes).as_str(), "created_at": rfc3339(self.created_at),
            "attached_apps": self.attached_apps(),
        });
        if let (Some(at), Some(map)) = (self.deleted_at, shown.as_object_mut()) {
            map.insert("deleted_at".to_owned(), Value::from(rfc3339(at)));
        }
        shown
    }

    /// The cluster as the API shows it. It has no endpoints until it is ready.
    pub(crate) fn render(&self, org_name: &str, now: DateTime<Utc>, takes: Duration) -> Value {
        let (plan, cpu_kind, cpus, memory_mb) = self.plan.shape();
        let status = self.status(now, takes);
        let endpoint = |kind: &str| json!({"host": format!("{kind}.{}.flympg.net", self.id), "port": 5432});
        let endpoints = if status == Status::Ready {
            json!({"primary": {"direct": endpoint("direct"), "pooler": endpoint("pgbouncer")}})
        } else {
            json!({})
        };
        json!({
            "id": self.id, "name": self.name, "organization": {"name": org_name, "slug": self.org},
            "region": self.region, "plan": plan, "cpu_kind": cpu_kind, "cpus": cpus, "memory_mb": memory_mb,
            "disk_size_gb": self.disk_size_gb, "replicas": 1, "pg_major_version": self.pg_major_version,
            "postgis_enabled": self.postgis_enabled, "status": status.as_str(),
            "created_at": rfc3339(self.created_at), "attached_apps": self.attached_apps(), "endpoints": endpoints,
        })
    }
}

impl Backup {
    pub(crate) fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.finished_at > now
    }

    pub(crate) fn render(&self, now: DateTime<Utc>) -> Value {
        let running = self.is_running(now);
        let mut shown = json!({
            "id": self.id, "type": self.kind, "status": if running { "running" } else { "completed" },
            "started_at": rfc3339(self.started_at), "size_bytes": 0,
        });
        if let (false, Some(map)) = (running, shown.as_object_mut()) {
            map.insert("finished_at".to_owned(), Value::from(rfc3339(self.finished_at)));
        }
        shown
    }
}

/// A fresh password.
pub(crate) fn password(ids: &mut Ids) -> SecretText {
    SecretText(ids.alphanumeric(24))
}

/// The extensions that there are: name, version, what it is, and whether it is always there.
pub(crate) const EXTENSIONS: [(&str, &str, &str, bool); 10] = [
    ("btree_gin", "1.3", "GIN operator classes for common types", false),
    ("citext", "1.6", "case-insensitive text", false),
    ("hstore", "1.8", "sets of keys and values", false),
    ("pg_stat_statements", "1.10", "statistics of statements", false),
    ("pg_trgm", "1.6", "similarity of texts by trigrams", false),
    ("pgcrypto", "1.3", "cryptographic functions", false),
    ("plpgsql", "1.0", "the procedural language", true),
    ("postgis", "3.4.0", "geometry and geography", false),
    ("uuid-ossp", "1.1", "universally unique identifiers", false),
    ("vector", "0.7.0", "vectors and their nearest neighbours", false),
];

impl Database {
    /// The extensions as the API shows them.
    pub(crate) fn render_extensions(&self) -> Value {
        let shown = EXTENSIONS.iter().map(|(name, version, description, system)| {
            let mut shown = json!({
                "name": name, "default_version": version, "description": description, "system": system,
            });
            let schema = if *system { Some("pg_catalog") } else { self.extensions.get(*name).map(String::as_str) };
            if let (Some(schema), Some(map)) = (schema, shown.as_object_mut()) {
                map.insert("installed".to_owned(), json!({"schema": schema, "version": version}));
            }
            shown
        });
        shown.collect()
    }
}
