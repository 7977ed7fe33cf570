//! Releases and builds: what flyctl writes down of its deployments. The platform does nothing with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::world::rfc3339;

/// All releases and builds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// By the id of their app, oldest first. An app that is created anew has none.
    releases: BTreeMap<String, Vec<Release>>,
    builds: u64,
}

/// One deployment, as flyctl tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Release {
    pub(super) id: String,
    pub(super) version: u64,
    pub(super) status: Status,
    pub(super) strategy: String,
    pub(super) user: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) image: String,
    /// The fly.toml that was deployed, as JSON.
    pub(super) definition: Value,
}

/// How far a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Pending,
    Running,
    Complete,
    Failed,
    Interrupted,
}

impl Status {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    pub(super) const fn is_in_progress(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl Ledger {
    /// The releases of an app, oldest first.
    pub(super) fn releases(&self, app_id: &str) -> &[Release] {
        self.releases.get(app_id).map(Vec::as_slice).unwrap_or_default()
    }

    /// The newest release of an app.
    pub(super) fn current(&self, app_id: &str) -> Option<&Release> {
        self.releases(app_id).last()
    }

    /// Adds a release and gives it the next version.
    pub(super) fn add(&mut self, app_id: &str, mut release: Release) -> Release {
        let releases = self.releases.entry(app_id.to_owned()).or_default();
        release.version = releases.last().map_or(0, |last| last.version).saturating_add(1);
        releases.push(release.clone());
        release
    }

    /// A release and the id of its app.
    pub(super) fn find(&self, id: &str) -> Option<(&str, &Release)> {
        self.releases.iter().find_map(|(app, list)| Some((app.as_str(), list.iter().find(|release| release.id == id)?)))
    }

    /// Changes a release.
    pub(super) fn set_status(&mut self, id: &str, status: Status) {
        for release in self.releases.values_mut().flatten().filter(|release| release.id == id) {
            release.status = status;
        }
    }

    /// The number of a new build.
    pub(super) fn next_build(&mut self) -> u64 {
        self.builds = self.builds.saturating_add(1);
        self.builds
    }
}

impl Release {
    /// The release as the REST interface shows it.
    pub(super) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "version": self.version,
            "stable": self.status == Status::Complete,
            "in_progress": self.status.is_in_progress(),
            "status": self.status.as_str(),
            "strategy": self.strategy,
            "user": self.user,
            "created_at": rfc3339(self.created_at),
            "image_ref": self.image,
        })
    }
}
