//! What happened to a pull request.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// Something that happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "EventRow")]
pub struct IssueEvent {
    /// Its id; later ones are higher.
    pub id: u64,
    /// What: `labeled`, `unlabeled`, `closed`, `reopened`, `head_ref_force_pushed` …
    pub event: String,
    /// The login of whoever did it; `ghost` if the account is gone.
    pub actor: String,
    /// The name of the label that it was about, as it was then.
    pub label: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct EventRow {
    id: u64,
    event: String,
    actor: Option<super::Account>,
    label: Option<Label>,
    created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

impl From<EventRow> for IssueEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            event: row.event,
            actor: row.actor.map_or_else(|| "ghost".to_owned(), |actor| actor.login),
            label: row.label.map(|label| label.name),
            created_at: row.created_at,
        }
    }
}
