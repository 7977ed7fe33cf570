//! Managed Postgres, as tests see it and as people change it beside the requests.

use serde::Serialize;
use serde_json::json;

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
    /// The names of the apps that are attached to it.
    pub attached_apps: Vec<String>,
    /// How many backups of it there are, running ones included.
    pub backups: usize,
}

impl Simulator {
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
        Ok(answer.pointer("/data/id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
    }

    /// A cluster cannot be made: it stays `failed` until it is deleted.
    pub fn fail_cluster(&self, id: &str) -> Result<(), EditError> {
        let mut state = self.present();
        let cluster = state.world.clusters.get_mut(id);
        cluster.ok_or_else(|| EditError::NotFound { what: format!("cluster `{id}`") })?.failed = true;
        Ok(())
    }
}
