//! Managed Postgres, as tests see it and as people change it beside the requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};

use super::Simulator;
use super::edits::EditError;
use crate::http::transport::Method;

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// `creating`, `initializing`, `ready`, `deleting` or `failed`.
    pub status: String,
    /// The names of its databases.
    pub databases: Vec<String>,
    /// The names of its users.
    pub users: Vec<String>,
    /// What each user may do.
    pub roles: BTreeMap<String, String>,
    /// The names of the apps that are attached to it.
    pub attached_apps: Vec<String>,
    /// How many backups of it there are, running ones included.
    pub backups: usize,
}

impl Simulator {
    /// The slugs of the organizations that have or had a cluster.
    pub fn cluster_orgs(&self) -> BTreeSet<String> {
        self.present().world.clusters.orgs()
    }

    /// The clusters of an organization that are not gone, in order of their ids.
    pub fn clusters(&self, org: &str) -> Vec<ClusterView> {
        let (now, takes) = (self.now(), self.inner.config.postgres);
        let state = self.present();
        let views = state.world.clusters.of_org(org).map(|cluster| ClusterView {
            id: cluster.id.clone(),
            name: cluster.name.clone(),
            region: cluster.region.clone(),
            status: cluster.status(now, takes).as_str().to_owned(),
            databases: cluster.content.databases.keys().cloned().collect(),
            users: cluster.content.users.keys().cloned().collect(),
            roles: cluster.content.users.iter().map(|(name, user)| (name.clone(), user.role.clone())).collect(),
            attached_apps: cluster.attachments.keys().cloned().collect(),
            backups: cluster.backups.len(),
        });
        views.filter(|view| view.status != "deleted").collect()
    }

    /// The password of a user of a cluster.
    pub fn cluster_password(&self, id: &str, user: &str) -> Option<String> {
        let state = self.present();
        Some(state.world.clusters.get(id)?.content.users.get(user)?.password.0.clone())
    }

    /// A person asks for a cluster of the plan `basic`; returns its id.
    pub fn create_cluster(&self, org: &str, name: &str, region: &str) -> Result<String, EditError> {
        let body = json!({"org_slug": org, "name": name, "plan": "basic", "region": region});
        let answer = self.by_hand(Method::Post, &["postgres"], &body)?;
        Ok(answer.pointer("/data/id").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// A person makes a database in a cluster that is ready, and a user of the same name.
    pub fn create_cluster_database(&self, cluster: &str, name: &str) -> Result<(), EditError> {
        self.by_hand(Method::Post, &["postgres", cluster, "databases"], &json!({"name": name}))?;
        let user = json!({"username": name, "role": "schema_admin"});
        self.by_hand(Method::Post, &["postgres", cluster, "users"], &user).map(drop)
    }

    /// A person deletes a database from a cluster; its user stays.
    pub fn delete_cluster_database(&self, cluster: &str, name: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["postgres", cluster, "databases", name], &Value::Null).map(drop)
    }

    /// A person deletes a user from a cluster.
    pub fn delete_cluster_user(&self, cluster: &str, name: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["postgres", cluster, "users", name], &Value::Null).map(drop)
    }

    /// A person notes that an app uses a cluster.
    pub fn attach_cluster(&self, cluster: &str, app: &str) -> Result<(), EditError> {
        self.by_hand(Method::Post, &["postgres", cluster, "attachments"], &json!({"app_name": app})).map(drop)
    }

    /// A person removes that note.
    pub fn detach_cluster(&self, cluster: &str, app: &str) -> Result<(), EditError> {
        self.by_hand(Method::Delete, &["postgres", cluster, "attachments", app], &Value::Null).map(drop)
    }

    /// A cluster cannot be made: it stays `failed` until it is deleted.
    pub fn fail_cluster(&self, id: &str) -> Result<(), EditError> {
        let mut state = self.present();
        let cluster = state.world.clusters.get_mut(id);
        cluster.ok_or_else(|| EditError::NotFound { what: format!("cluster `{id}`") })?.failed = true;
        Ok(())
    }
}
