//! How long a preview lives: as its set says, or as labels on its pull request do.

use std::time::Duration as StdDuration;

use chrono::{DateTime, TimeDelta, Utc};

use super::select::Subject;
use crate::spec::Duration;
use crate::spec::preview::PreviewTtl;
use crate::spec::validate::TTL_BOUNDS;

/// The label of a preview that lives as long as its pull request.
const KEEP: &str = "preview:keep";
/// The beginning of a label that says how long a preview lives after anything has happened in its pull request.
const TTL: &str = "preview:ttl=";

/// When a preview ends, if its pull request does not end before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Life {
    /// When it expires for lack of activity.
    pub(super) idle_at: Option<DateTime<Utc>>,
    /// How long after its creation it ends.
    pub(super) max_age: Option<StdDuration>,
}

/// The life of `subject`, and what is wrong with labels that were meant to say it. Of several lengths the longest counts.
pub(super) fn life(ttl: Option<&PreviewTtl>, subject: &Subject) -> (Life, Vec<String>) {
    let (mut longest, mut is_kept, mut problems): (Option<StdDuration>, bool, Vec<String>) = (None, false, Vec::new());
    for label in &subject.labels {
        let lower = label.to_lowercase();
        if lower == KEEP {
            is_kept = true;
        } else if let Some(text) = lower.strip_prefix(TTL) {
            match length(text) {
                Ok(length) => longest = longest.max(Some(length)),
                Err(problem) => {
                    problems.push(format!("the label `{label}` of {} is ignored: {problem}", subject.title));
                }
            }
        }
    }
    let since_active = |length: StdDuration| subject.active_at?.checked_add_signed(TimeDelta::from_std(length).ok()?);
    let life = match longest {
        _ if is_kept => Life::default(),
        Some(length) => Life { idle_at: since_active(length), max_age: None },
        None => Life {
            idle_at: ttl.and_then(|ttl| ttl.idle).map(Duration::to_std).and_then(since_active),
            max_age: ttl.and_then(|ttl| ttl.max).map(Duration::to_std),
        },
    };
    (life, problems)
}

fn length(text: &str) -> Result<StdDuration, String> {
    let length = Duration::parse(text.trim()).map_err(|problem| problem.replace('\n', "; "))?;
    let (least, most) = TTL_BOUNDS;
    if length.to_std() < least || length.to_std() > most {
        return Err(format!("`{length}` is not between `1m` and `3650d`"));
    }
    Ok(length.to_std())
}
