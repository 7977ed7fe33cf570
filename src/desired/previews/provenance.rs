//! Where previews come from, for people.

use chrono::{DateTime, Utc};

use super::select::Subject;

/// Where a preview comes from: told where people have to know whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The login of the author of its pull request.
    pub author: Option<String>,
    /// The newest push, as far as it was asked for.
    pub pushed_at: Option<DateTime<Utc>>,
}

impl Provenance {
    pub(super) fn of(subject: &Subject) -> Self {
        Self { author: subject.facts.get("pr.author").map(str::to_owned), pushed_at: subject.active_at }
    }
}
