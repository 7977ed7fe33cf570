//! Where others are told how an environment is doing.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where others are told how an environment is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportSpec {
    /// In the pull request that a preview is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubReport>,
}

/// What is said at GitHub of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubReport {
    /// One comment on the pull request that is kept up to date: `true`, `false`, or `onFailure` (only while something does not work).
    /// Needs the permission to write pull requests. Default: `false`.
    #[serde(default)]
    pub comment: CommentOn,
    /// A deployment of the commit to an environment of the preview's name, so that the pull request has “View deployment”. Needs the
    /// permission to write deployments, and that of administration to remove the environment in the end. Default: `false`.
    #[serde(default)]
    pub deployment: bool,
    /// The context of a commit status, for example `preview`. Needs the permission to write commit statuses. Default: none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"preview", length(min = 1, max = 100))]
    pub status: Option<String>,
}

impl GithubReport {
    /// Whether it says nothing at all.
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

/// When there is a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommentOn {
    /// Never.
    #[default]
    Never,
    /// While something does not work.
    Failure,
    /// From the beginning.
    Always,
}

/// How `Failure` is written.
const ON_FAILURE: &str = "onFailure";

impl Serialize for CommentOn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_bool(false),
            Self::Failure => serializer.serialize_str(ON_FAILURE),
            Self::Always => serializer.serialize_bool(true),
        }
    }
}

impl<'de> Deserialize<'de> for CommentOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WhenVisitor;

        impl Visitor<'_> for WhenVisitor {
            type Value = CommentOn;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("`true`, `false` or `onFailure`")
            }

            fn visit_bool<E>(self, value: bool) -> Result<CommentOn, E> {
                Ok(if value { CommentOn::Always } else { CommentOn::Never })
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<CommentOn, E> {
                if value == ON_FAILURE {
                    Ok(CommentOn::Failure)
                } else {
                    Err(E::unknown_variant(value, &["true", "false", ON_FAILURE]))
                }
            }
        }

        deserializer.deserialize_any(WhenVisitor)
    }
}

impl JsonSchema for CommentOn {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommentOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "boolean"}, {"const": ON_FAILURE}]})
    }
}
