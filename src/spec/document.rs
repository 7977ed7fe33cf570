//! What every spec document has in common.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::controller::ControllerSpec;
use super::environment::EnvironmentSpec;
use super::policy::PolicySpec;
use super::preview::PreviewSetSpec;
use super::text::Text;

/// The one `apiVersion` that this version of Hangar reads.
pub const API_VERSION: &str = "hangar/v1";

/// The kinds of documents that this version of Hangar reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An environment.
    Environment,
    /// Pull requests and branches that become environments.
    PreviewSet,
    /// Guardrails.
    Policy,
    /// The controller's own settings.
    Controller,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Environment, Self::PreviewSet, Self::Policy, Self::Controller];

    /// The kind of this name, as documents have it in `kind`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name, as documents have it in `kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "Environment",
            Self::PreviewSet => "PreviewSet",
            Self::Policy => "Policy",
            Self::Controller => "Controller",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A spec document of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// An environment.
    Environment(Box<Manifest<EnvironmentSpec>>),
    /// Pull requests and branches that become environments.
    PreviewSet(Box<Manifest<PreviewSetSpec>>),
    /// Guardrails.
    Policy(Box<Manifest<PolicySpec>>),
    /// The controller's own settings.
    Controller(Box<Manifest<ControllerSpec>>),
}

/// A document: who it is, and its spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest<S> {
    /// Version of the format: `hangar/v1`.
    pub api_version: String,
    /// What the document describes.
    pub kind: String,
    /// Name and labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: S,
}

/// Name and labels of a document.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name, unique among documents of its kind: lower case letters, digits and dashes, for example `staging`.
    #[schemars(example = &"staging", length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Labels of your own, for use as `${{ labels.key }}` and to select documents.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, Text>,
    /// Notes of your own, which Hangar does not read.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub annotations: IndexMap<String, Text>,
}
