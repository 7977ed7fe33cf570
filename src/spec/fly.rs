//! `spec.fly`: what an environment runs on Fly.io.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::app::AppSpec;

/// What runs on Fly.io, in one organization.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlySpec {
    /// Slug of the Fly organization, for example `acme-previews`.
    pub org: String,
    /// The private network of the apps: `isolated` (one of its own per environment), `shared` (the organization's default network)
    /// or `{name: my-net}`. Default: `isolated`.
    #[serde(default)]
    pub network: Network,
    /// Region code of apps that name none, for example `iad`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"iad")]
    pub region: Option<String>,
    /// The apps by component name (lower case letters, digits and dashes). The component name is how other values refer to the
    /// app: `${{ fly.<component>.url }}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub apps: IndexMap<String, AppSpec>,
}

/// Which private network the apps of an environment join.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Network {
    /// A network of the environment's own; its name also marks the apps as owned.
    #[default]
    Isolated,
    /// The organization's default network.
    Shared,
    /// The network of this name, which other environments may share.
    Name(String),
}
