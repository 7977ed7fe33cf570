//! Managed Postgres: clusters, and what is in them.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::json;

use super::error::{FlyError, Place};
use super::reader::FlyReader;
use super::request::Deleted;
use super::writer::FlyWriter;
use crate::http::Call;
use crate::http::transport::Method;
use crate::providers::fly::wire::{
    Cluster, ClusterBackup, ClusterCredentials, ClusterDatabase, ClusterSummary, ClusterUser, Data,
};

/// A new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CreateCluster {
    /// The organization's slug.
    pub org_slug: String,
    /// Its name; Fly makes one up if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its size: `basic`, `starter`, `launch`, `scale` or `Performance`.
    pub plan: String,
    /// Where its primary runs.
    pub region: String,
    /// The size of its disk in GB, from 10 to 1000 (Fly's default: 10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_size_gb: Option<u64>,
    /// The major version of Postgres, `16` (Fly's default) or `17`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pg_major_version: Option<String>,
    /// How its pooler pools: `session` (Fly's default) or `transaction`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool_mode: Option<String>,
    /// Whether PostGIS may be switched on in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgis_enabled: Option<bool>,
}

/// What a cluster is restored to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// What a backup holds.
    Backup(String),
    /// What it was at a moment.
    Moment(DateTime<Utc>),
}

/// What a user of a cluster may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, tables included.
    SchemaAdmin,
    /// Read and write rows.
    Writer,
    /// Read rows.
    Reader,
}

/// How much a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum BackupKind {
    /// Everything.
    #[serde(rename = "full")]
    Full,
    /// What has changed since the last backup.
    #[serde(rename = "incr")]
    Incremental,
    /// What has changed since the last full backup.
    #[serde(rename = "diff")]
    Differential,
}

impl FlyReader {
    /// All clusters of an organization but deleted ones.
    pub async fn clusters(&self, org: &str) -> Result<Vec<ClusterSummary>, FlyError> {
        let call = Call::new("list Postgres clusters", org, &["v1", "postgres"]).query("org_slug", org);
        self.listed(call, &Place::org(org)).await
    }

    /// One cluster, with its endpoints once it is ready; `None` on a 404.
    pub async fn cluster(&self, id: &str) -> Result<Option<Cluster>, FlyError> {
        let call = cluster_call("read Postgres cluster", id, &[]);
        let answer = self.maybe::<Data<Cluster>>(call, &Place::cluster(id)).await?;
        Ok(answer.map(|answer| answer.data))
    }

    /// The databases of a cluster.
    pub async fn cluster_databases(&self, id: &str) -> Result<Vec<ClusterDatabase>, FlyError> {
        self.listed(cluster_call("list databases of cluster", id, &["databases"]), &Place::cluster(id)).await
    }

    /// The users of a cluster.
    pub async fn cluster_users(&self, id: &str) -> Result<Vec<ClusterUser>, FlyError> {
        self.listed(cluster_call("list users of cluster", id, &["users"]), &Place::cluster(id)).await
    }

    /// What a user of a cluster logs in with; `None` on a 404.
    pub async fn cluster_credentials(&self, id: &str, user: &str) -> Result<Option<ClusterCredentials>, FlyError> {
        let call = cluster_call("read credentials of cluster", id, &["users", user, "credentials"]);
        let answer = self.maybe::<Data<ClusterCredentials>>(call, &Place::in_cluster(id, user)).await?;
        Ok(answer.map(|answer| answer.data))
    }

    /// The backups of a cluster, running ones included.
    pub async fn cluster_backups(&self, id: &str) -> Result<Vec<ClusterBackup>, FlyError> {
        self.listed(cluster_call("list backups of cluster", id, &["backups"]), &Place::cluster(id)).await
    }

    async fn listed<T: serde::de::DeserializeOwned>(&self, call: Call, place: &Place) -> Result<Vec<T>, FlyError> {
        self.get::<Data<Option<Vec<T>>>>(call, place).await.map(|answer| answer.data.unwrap_or_default())
    }
}

impl FlyWriter {
    /// Asks for a cluster; it is ready after minutes. After an unknown outcome, look for it before another attempt: names are not
    /// unique.
    pub async fn create_cluster(&self, cluster: &CreateCluster) -> Result<Cluster, FlyError> {
        let call = Call::new("create Postgres cluster", &cluster.org_slug, &["v1", "postgres"]).json(cluster);
        let place = Place { name: cluster.name.clone(), region: Some(cluster.region.clone()), ..Place::default() };
        self.made(call, &place.in_org(&cluster.org_slug)).await
    }

    /// Copies a cluster with everything in it to a new one, called `name`. After an unknown outcome, look for it before another attempt.
    pub async fn fork_cluster(&self, id: &str, name: &str) -> Result<Cluster, FlyError> {
        let call = cluster_call("fork Postgres cluster", id, &["fork"]).json(&json!({"name": name}));
        self.made(call, &Place::in_cluster(id, name)).await
    }

    /// Makes a new cluster, called `name`, of what a cluster was. After an unknown outcome, look for it before another attempt.
    pub async fn restore_cluster(&self, id: &str, to: &Restore, name: &str) -> Result<Cluster, FlyError> {
        let body = match to {
            Restore::Backup(backup) => json!({"backup_id": backup, "name": name}),
            Restore::Moment(at) => json!({"pitr_time": at.to_rfc3339_opts(SecondsFormat::Secs, true), "name": name}),
        };
        let call = cluster_call("restore Postgres cluster", id, &["restore"]).json(&body);
        self.made(call, &Place::in_cluster(id, name)).await
    }

    /// Deletes a cluster with everything in it.
    pub async fn delete_cluster(&self, id: &str) -> Result<Deleted, FlyError> {
        self.delete(cluster_call("delete Postgres cluster", id, &[]).replay_safe(), &Place::cluster(id)).await
    }

    /// Creates a database in a cluster.
    pub async fn create_cluster_database(&self, id: &str, name: &str) -> Result<(), FlyError> {
        let call = cluster_call("create database in cluster", id, &["databases"]).json(&json!({"name": name}));
        self.tell(Method::Post, call, &Place::in_cluster(id, name)).await
    }

    /// Deletes a database of a cluster with everything in it.
    pub async fn delete_cluster_database(&self, id: &str, name: &str) -> Result<Deleted, FlyError> {
        let call = cluster_call("delete database of cluster", id, &["databases", name]).replay_safe();
        self.delete(call, &Place::in_cluster(id, name)).await
    }

    /// Creates a user of a cluster. Fly chooses the password.
    pub async fn create_cluster_user(&self, id: &str, user: &str, role: Role) -> Result<(), FlyError> {
        let call = cluster_call("create user of cluster", id, &["users"]);
        let call = call.json(&json!({"username": user, "role": role}));
        self.tell(Method::Post, call, &Place::in_cluster(id, user)).await
    }

    /// Changes what a user of a cluster may do.
    pub async fn set_cluster_role(&self, id: &str, user: &str, role: Role) -> Result<(), FlyError> {
        let call = cluster_call("change user of cluster", id, &["users", user]);
        let call = call.json(&json!({"role": role})).replay_safe();
        self.tell(Method::Patch, call, &Place::in_cluster(id, user)).await
    }

    /// Deletes a user of a cluster.
    pub async fn delete_cluster_user(&self, id: &str, user: &str) -> Result<Deleted, FlyError> {
        let call = cluster_call("delete user of cluster", id, &["users", user]).replay_safe();
        self.delete(call, &Place::in_cluster(id, user)).await
    }

    /// Gives a user of a cluster another password; `kill_sessions` ends its connections. May be sent twice: the password in the answer
    /// is the one that counts.
    pub async fn rotate_cluster_password(
        &self,
        id: &str,
        user: &str,
        kill_sessions: bool,
    ) -> Result<ClusterCredentials, FlyError> {
        let call = cluster_call("rotate password of cluster", id, &["users", user, "rotate_password"]);
        let call = call.json(&json!({"kill_sessions": kill_sessions})).replay_safe();
        let answer: Data<ClusterCredentials> = self.send(Method::Post, call, &Place::in_cluster(id, user)).await?;
        Ok(answer.data)
    }

    /// Begins a backup of a cluster. The answer does not say which: it is in the list, and may take long.
    pub async fn start_cluster_backup(&self, id: &str, kind: BackupKind) -> Result<(), FlyError> {
        let call = cluster_call("back up Postgres cluster", id, &["backups"]).json(&json!({"type": kind}));
        self.tell(Method::Post, call, &Place::cluster(id)).await
    }

    /// Notes that an app uses a cluster. The secret with the address is for the caller to write.
    pub async fn attach_cluster(&self, id: &str, app: &str) -> Result<(), FlyError> {
        let call = cluster_call("attach to cluster", id, &["attachments"]);
        let call = call.json(&json!({"app_name": app})).replay_safe();
        self.tell(Method::Post, call, &Place { app: Some(app.to_owned()), ..Place::cluster(id) }).await
    }

    /// Removes that note. The app's secret stays.
    pub async fn detach_cluster(&self, id: &str, app: &str) -> Result<Deleted, FlyError> {
        let call = cluster_call("detach from cluster", id, &["attachments", app]).replay_safe();
        self.delete(call, &Place { app: Some(app.to_owned()), ..Place::cluster(id) }).await
    }

    async fn made(&self, call: Call, place: &Place) -> Result<Cluster, FlyError> {
        let answer: Data<Cluster> = self.send(Method::Post, call, place).await?;
        Ok(answer.data)
    }
}

fn cluster_call(action: &'static str, id: &str, below: &[&str]) -> Call {
    let mut segments = vec!["v1", "postgres", id];
    segments.extend_from_slice(below);
    Call::new(action, id, &segments)
}
