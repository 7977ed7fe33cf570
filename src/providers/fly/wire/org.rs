//! The pages of an organization's machines and volumes.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::machine::MachineState;
use super::volume::Volume;
use crate::providers::lenient::{moment, or_default};

/// A machine in the list of an organization.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct OrgMachine {
    /// Fly's id for it.
    pub id: String,
    /// The app it belongs to.
    pub app_name: String,
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Where it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub region: String,
    /// What it is doing.
    #[serde(default)]
    pub state: MachineState,
    /// Its version: changes with every update.
    #[serde(default, deserialize_with = "or_default")]
    pub version: String,
    /// Its address in the private network.
    #[serde(default)]
    pub private_ip: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Only `image`, `guest` and `metadata` of its configuration.
    #[serde(default)]
    pub config: Option<Value>,
}

impl OrgMachine {
    /// The value of the metadata key, if the configuration is known and has it.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.get("metadata")?.get(key)?.as_str()
    }
}

/// A volume in the list of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrgVolume {
    /// The app it belongs to.
    pub app_name: String,
    /// When it was last changed.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The volume.
    #[serde(flatten)]
    pub volume: Volume,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct OrgMachinesPage {
    /// `null` is an empty page; missing is an answer to something else.
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) machines: Vec<OrgMachine>,
    #[serde(default)]
    pub(in crate::providers::fly) next_cursor: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) error_regions: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct OrgVolumesPage {
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) volumes: Vec<OrgVolume>,
    #[serde(default)]
    pub(in crate::providers::fly) next_cursor: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) error_regions: Vec<String>,
}
