//! What Neon is asked for.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::endpoint::EndpointKind;

/// What a new branch holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BranchData {
    /// What its parent holds now.
    #[default]
    Parent,
    /// What its parent held at that moment.
    At(DateTime<Utc>),
    /// What its parent held at that place of its log.
    AtLsn(String),
    /// Only the schema of its parent. Such a branch is a root, and cannot be reset.
    SchemaOnly,
}

/// A new branch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateBranch {
    /// Its name, unique in the project.
    pub name: String,
    /// The id of its parent; the project's default branch without it.
    pub parent_id: Option<String>,
    /// What it holds.
    pub data: BranchData,
    /// Whether it is protected.
    pub protected: bool,
    /// When Neon is to delete it by itself: within 30 days, in whole seconds.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its computes. Without one nobody can connect to it.
    pub endpoints: Vec<CreateEndpoint>,
    /// What is noted of it, at most 50 words. It cannot be changed later.
    pub annotation: BTreeMap<String, String>,
}

/// A new compute. What is not said is left to the project's defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreateEndpoint {
    /// What it is for.
    pub kind: EndpointKind,
    /// Its sizes and when it is suspended.
    pub sizes: UpdateEndpoint,
}

impl CreateEndpoint {
    /// One that reads and writes, as the project's defaults want it.
    pub fn read_write() -> Self {
        Self { kind: EndpointKind::ReadWrite, sizes: UpdateEndpoint::default() }
    }
}

/// A change of a compute. What is not said stays.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct UpdateEndpoint {
    /// The least compute units, in steps of a quarter.
    #[serde(rename = "autoscaling_limit_min_cu", skip_serializing_if = "Option::is_none")]
    pub min_cu: Option<f64>,
    /// The most compute units.
    #[serde(rename = "autoscaling_limit_max_cu", skip_serializing_if = "Option::is_none")]
    pub max_cu: Option<f64>,
    /// After how many seconds without use it is suspended: 0 for Neon's default, -1 for never, else from 60 to 604800.
    #[serde(rename = "suspend_timeout_seconds", skip_serializing_if = "Option::is_none")]
    pub suspend_seconds: Option<i64>,
}

/// A change of a branch. What is not said stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateBranch {
    /// Another name.
    pub name: Option<String>,
    /// Whether it is protected.
    pub protected: Option<bool>,
    /// When Neon is to delete it; `Some(None)` for never.
    pub expires_at: Option<Option<DateTime<Utc>>>,
}

/// The moment that a branch is restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestorePoint {
    /// As the source is now.
    Now,
    /// As it was at that moment.
    At(DateTime<Utc>),
    /// As it was at that place of its log.
    AtLsn(String),
}

/// What a branch is to become. Afterwards its parent is the source, or, restored from its own past, the branch under the preserved name;
/// neither can be deleted as long as it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The id of the branch whose data it gets; its own for its past.
    pub source_id: String,
    /// As of when.
    pub point: RestorePoint,
    /// The name under which what it was goes on. Needed for its own past, and if it has children, which move there.
    pub preserve_under_name: Option<String>,
}

fn moment(at: &DateTime<Utc>) -> Value {
    Value::from(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Serialize for CreateBranch {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut branch = json!({"name": self.name});
        if let Some(branch) = branch.as_object_mut() {
            let mut set = |name: &str, value: Value| branch.insert(name.to_owned(), value);
            if let Some(parent) = &self.parent_id {
                set("parent_id", Value::from(parent.as_str()));
            }
            match &self.data {
                BranchData::Parent => None,
                BranchData::At(at) => set("parent_timestamp", moment(at)),
                BranchData::AtLsn(lsn) => set("parent_lsn", Value::from(lsn.as_str())),
                BranchData::SchemaOnly => set("init_source", Value::from("schema-only")),
            };
            if self.protected {
                set("protected", Value::from(true));
            }
            if let Some(at) = &self.expires_at {
                set("expires_at", moment(at));
            }
        }
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("branch", &branch)?;
        if !self.endpoints.is_empty() {
            map.serialize_entry("endpoints", &self.endpoints)?;
        }
        if !self.annotation.is_empty() {
            map.serialize_entry("annotation_value", &self.annotation)?;
        }
        map.end()
    }
}

impl Serialize for CreateEndpoint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            #[serde(flatten)]
            sizes: UpdateEndpoint,
        }
        Flat { kind: self.kind.as_str(), sizes: self.sizes }.serialize(to)
    }
}

impl Serialize for UpdateBranch {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(protected) = &self.protected {
            map.serialize_entry("protected", protected)?;
        }
        if let Some(expires_at) = &self.expires_at {
            map.serialize_entry("expires_at", &expires_at.as_ref().map(moment))?;
        }
        map.end()
    }
}

impl Serialize for Restore {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("source_branch_id", &self.source_id)?;
        match &self.point {
            RestorePoint::Now => {}
            RestorePoint::At(at) => map.serialize_entry("source_timestamp", &moment(at))?,
            RestorePoint::AtLsn(lsn) => map.serialize_entry("source_lsn", lsn)?,
        }
        if let Some(name) = &self.preserve_under_name {
            map.serialize_entry("preserve_under_name", name)?;
        }
        map.end()
    }
}
