//! Variables of a project.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::lenient::{moment, one_or_many};
use crate::providers::vercel::client::VercelProblem;
use crate::secret::SecretText;

/// How a variable is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VariableKind {
    /// Everybody who sees the project sees its value.
    Plain,
    /// Encrypted; whoever may do so can read it.
    Encrypted,
    /// Nobody can read it again: whether it has drifted can be told only by a fingerprint.
    Sensitive,
    /// Given by Vercel itself, or of an older kind.
    Other,
}

impl VariableKind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Encrypted => "encrypted",
            Self::Sensitive => "sensitive",
            Self::Other => "system",
        }
    }
}

/// A variable.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Its name.
    pub key: String,
    /// What stands for its value: the value itself of a plain one or where it was decrypted, otherwise something that cannot be read.
    #[serde(default)]
    value: Hidden,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    decrypted: bool,
    /// The environments that it is for: `production`, `preview`, `development`.
    #[serde(default, deserialize_with = "one_or_many")]
    pub target: Vec<String>,
    /// The branch that it is for; `None` for all.
    #[serde(default)]
    pub git_branch: Option<String>,
    /// The ids of the custom environments that it is for.
    #[serde(default, deserialize_with = "one_or_many")]
    pub custom_environment_ids: Vec<String>,
    /// What somebody wrote beside it.
    #[serde(default)]
    pub comment: Option<String>,
    /// The id of the user who made it.
    #[serde(default)]
    pub created_by: Option<String>,
    /// The id of the user who changed it last, if anybody did.
    #[serde(default)]
    pub updated_by: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "moment")]
    pub updated_at: Option<DateTime<Utc>>,
}

/// A text that is taken out of sight as it is read.
#[derive(Debug, Clone, Default)]
struct Hidden(SecretText);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(input).map(|text| Self(SecretText::new(text.unwrap_or_default())))
    }
}

impl Variable {
    /// How it is kept.
    pub fn kind(&self) -> VariableKind {
        match self.kind.as_str() {
            "plain" => VariableKind::Plain,
            "encrypted" => VariableKind::Encrypted,
            "sensitive" => VariableKind::Sensitive,
            _ => VariableKind::Other,
        }
    }

    /// Its value, where Vercel has shown it.
    pub fn value(&self) -> Option<&SecretText> {
        let is_shown = self.kind() != VariableKind::Sensitive && (self.decrypted || self.kind() == VariableKind::Plain);
        is_shown.then_some(&self.value.0)
    }
}

/// What came of writing several variables: each can fail for itself.
#[derive(Debug, Clone, Default)]
pub struct Upserted {
    /// Those that were made or changed.
    pub created: Vec<Variable>,
    /// Those that were refused.
    pub failed: Vec<FailedVariable>,
}

/// A variable that was refused.
#[derive(Debug, Clone)]
pub struct FailedVariable {
    /// Its name; empty if Vercel did not say.
    pub key: String,
    /// The branch that it was for.
    pub git_branch: Option<String>,
    /// Vercel's word for the reason.
    pub code: String,
    /// Why.
    pub problem: VercelProblem,
}

/// The answers to a list of variables: some are a single record.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::providers::vercel) enum VariablesAnswer {
    Many {
        envs: Vec<Variable>,
        #[serde(default)]
        pagination: super::Pagination,
    },
    One(Box<Variable>),
}

/// The answer to writing variables.
#[derive(Deserialize)]
pub(in crate::providers::vercel) struct UpsertAnswer {
    #[serde(default)]
    pub(in crate::providers::vercel) created: Option<OneOrMany>,
    #[serde(default)]
    pub(in crate::providers::vercel) failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::providers::vercel) enum OneOrMany {
    Many(Vec<Variable>),
    One(Box<Variable>),
}

impl OneOrMany {
    pub(in crate::providers::vercel) fn into_list(self) -> Vec<Variable> {
        match self {
            Self::Many(list) => list,
            Self::One(one) => vec![*one],
        }
    }
}

#[derive(Deserialize)]
pub(in crate::providers::vercel) struct Failed {
    pub(in crate::providers::vercel) error: FailedReason,
}

/// Why one variable was refused. A value that Vercel repeats is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::providers::vercel) struct FailedReason {
    #[serde(default)]
    pub(in crate::providers::vercel) code: String,
    #[serde(default)]
    pub(in crate::providers::vercel) message: String,
    #[serde(default)]
    pub(in crate::providers::vercel) key: Option<String>,
    #[serde(default)]
    pub(in crate::providers::vercel) env_var_key: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(in crate::providers::vercel) target: Vec<String>,
    #[serde(default)]
    pub(in crate::providers::vercel) git_branch: Option<String>,
}
