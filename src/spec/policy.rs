//! Kind `Policy`: guardrails that no environment may cross.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::size::Size;

/// Guardrails for all environments. A limit that is absent does not apply.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// Slugs of the Fly organizations that may be used. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orgs: Vec<String>,
    /// Codes of the regions that may be used. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Images that may run, with `*` for any text, for example `registry.fly.io/acme-*`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Presets that may be used, for example `[shared-cpu-1x]`. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// Most machines of one app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_machines_per_app: Option<u32>,
    /// Most machines of one environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_machines_per_environment: Option<u32>,
    /// Most environments at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_environments: Option<u32>,
    /// Largest volume, for example `10GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_volume_size: Option<Size>,
    /// Most memory of one machine, for example `4GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<Size>,
    /// Names of environments that are never deleted, with `*` for any text, for example `[production, "prod-*"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
    /// Names of environments whose plans a person must approve, with `*` for any text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approval: Vec<String>,
    /// How much may be deleted before a person has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_budget: Option<DeletionBudget>,
    /// How long an orphan is kept before it is deleted, for example `5m`. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// Limits of previews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previews: Option<PreviewLimits>,
}

/// Limits of previews.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewLimits {
    /// The longest that a label (`preview:ttl=`, `preview:keep`), a comment (`/hangar extend`) or `hangar extend` may keep a preview,
    /// for example `14d`. What a set says itself (`ttl`) may be longer. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl: Option<Duration>,
}

/// How much may be deleted within a window before a person has to agree.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeletionBudget {
    /// Most resources. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_deletions: Option<u32>,
    /// Most resources, in percent of those that are owned. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_deletion_percent: Option<u32>,
    /// With no more than this many owned resources the percentage does not apply. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<u32>,
    /// The time over which deletions are counted, for example `1h`. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}
