//! What a change is: one field's old and new value, and what it takes to make it so.

use serde::Serialize;
use serde_json::Value;

use super::output;

/// What it takes to apply a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    /// The object is updated and keeps its identity.
    InPlace,
    /// The object must be destroyed and made anew.
    Replace,
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// A value that may be shown. Placeholders in it read `(known after create)`.
    Plain(Value),
    /// A secret value: that it is there or changes may be shown, never what it is.
    Secret,
    /// Cannot be known here, for the reason given (for example, an environment variable that is not set on this machine).
    Unknown(String),
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// The field, as the spec's readers know it: `env.PORT`, `services[tcp:8080].autostop`.
    pub path: String,
    /// What is live; absent where the field is new.
    pub old: Option<Change>,
    /// What is wanted; absent where the field goes.
    pub new: Option<Change>,
    /// What it takes.
    pub kind: ChangeKind,
}

impl FieldChange {
    /// A field whose old and new values may be shown.
    pub fn plain(path: impl Into<String>, old: Option<Value>, new: Option<Value>) -> Self {
        Self { path: path.into(), old: old.map(Change::Plain), new: new.map(Change::Plain), kind: ChangeKind::InPlace }
    }

    /// The same change, needing a replacement.
    #[must_use]
    pub fn replacing(mut self) -> Self {
        self.kind = ChangeKind::Replace;
        self
    }
}

impl Change {
    /// The value as one line of text for people.
    pub fn to_line(&self) -> String {
        match self {
            Self::Plain(Value::String(text)) => {
                let shown = output::display(text);
                if shown == *text { format!("{text:?}") } else { shown }
            }
            Self::Plain(other) => output::display(&other.to_string()),
            Self::Secret => "(secret)".to_owned(),
            Self::Unknown(why) => format!("(cannot tell: {why})"),
        }
    }
}
