//! Managed Postgres: clusters, and what is in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use crate::providers::lenient::{moment, or_default, words};
use crate::secret::SecretText;

words! {
    /// Where a cluster is in its life.
    ClusterStatus {
        /// Asked for.
        Creating = "creating",
        /// Being set up.
        Initializing = "initializing",
        /// It can be used.
        Ready = "ready",
        /// On its way out.
        Deleting = "deleting",
        /// Gone.
        Deleted = "deleted",
        /// It could not be made.
        Failed = "failed",
    }
}

impl ClusterStatus {
    /// Whether the cluster is deleted, or about to be.
    pub const fn is_gone(&self) -> bool {
        matches!(self, Self::Deleting | Self::Deleted)
    }
}

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct Data<T> {
    pub(in crate::providers::fly) data: T,
}

/// One line of the list of clusters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterSummary {
    /// Fly's id for it.
    pub id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// Where its primary runs.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    /// Its size: `basic`, `starter`, `launch`, `scale` or `Performance`.
    #[serde(default, deserialize_with = "or_default")]
    pub plan: String,
    /// Where it is in its life.
    #[serde(default)]
    pub status: ClusterStatus,
    /// When it was asked for.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When its deletion was asked for, if it was.
    #[serde(default, deserialize_with = "moment")]
    pub deleted_at: Option<DateTime<Utc>>,
    /// The apps that are attached to it.
    #[serde(default, deserialize_with = "or_default")]
    pub attached_apps: Vec<ClusterApp>,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cluster {
    /// Fly's id for it.
    pub id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// Where its primary runs.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    /// Its size: `basic`, `starter`, `launch`, `scale` or `Performance`.
    #[serde(default, deserialize_with = "or_default")]
    pub plan: String,
    /// Where it is in its life.
    #[serde(default)]
    pub status: ClusterStatus,
    /// The size of its disk in GB.
    #[serde(default, deserialize_with = "or_default")]
    pub disk_size_gb: u64,
    /// The major version of Postgres, `16` or `17`.
    #[serde(default, deserialize_with = "or_default")]
    pub pg_major_version: String,
    /// Whether PostGIS may be switched on in it.
    #[serde(default, deserialize_with = "or_default")]
    pub postgis_enabled: bool,
    /// When it was asked for.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// The apps that are attached to it. Only a note: it says nothing about their secrets.
    #[serde(default, deserialize_with = "or_default")]
    pub attached_apps: Vec<ClusterApp>,
    /// Where it is reached; empty until it is ready.
    #[serde(default, deserialize_with = "or_default")]
    pub endpoints: ClusterEndpoints,
}

/// An app that is attached to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterApp {
    /// Its name.
    pub name: String,
}

/// Where a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ClusterEndpoints {
    /// The node that takes writes.
    #[serde(default, deserialize_with = "or_default")]
    pub primary: ClusterNode,
}

/// Where a node of a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ClusterNode {
    /// Postgres itself.
    #[serde(default)]
    pub direct: Option<ClusterEndpoint>,
    /// Through the pooler.
    #[serde(default)]
    pub pooler: Option<ClusterEndpoint>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterEndpoint {
    /// The host; only seen inside the organization's private network.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A database in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterDatabase {
    /// Its name.
    pub name: String,
}

/// A user of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterUser {
    /// Its name.
    pub username: String,
    /// What it may do: `schema_admin`, `writer` or `reader`.
    #[serde(default, deserialize_with = "or_default")]
    pub role: String,
}

/// What a user of a cluster logs in with.
#[derive(Debug, Clone, Deserialize)]
pub struct ClusterCredentials {
    /// The name.
    pub username: String,
    /// The password.
    #[serde(deserialize_with = "hidden")]
    pub password: SecretText,
}

/// A backup of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterBackup {
    /// Fly's id for it.
    pub id: String,
    /// `full`, `incr` or `diff`.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub kind: String,
    /// `completed` once it can be restored.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// When it began.
    #[serde(default, deserialize_with = "moment")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, if it has.
    #[serde(default, deserialize_with = "moment")]
    pub finished_at: Option<DateTime<Utc>>,
    /// Its size in bytes.
    #[serde(default, deserialize_with = "or_default")]
    pub size_bytes: u64,
}

impl ClusterBackup {
    /// Whether it can be restored.
    pub fn is_complete(&self) -> bool {
        self.status == "completed"
    }
}

fn hidden<'de, D: Deserializer<'de>>(input: D) -> Result<SecretText, D::Error> {
    String::deserialize(input).map(SecretText::new)
}
