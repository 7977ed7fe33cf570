//! How long a preview lives: as its set says, or as labels on its pull request do.

use std::time::Duration as StdDuration;

use chrono::{DateTime, TimeDelta, Utc};

use super::select::Subject;
use crate::desired::graph::Sleep;
use crate::spec::Duration;
use crate::spec::preview::{PreviewSleep, PreviewTtl};
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

/// When `subject` goes to sleep; never where nothing says when anything has happened in it.
pub(super) fn sleep(sleep: Option<&PreviewSleep>, subject: &Subject) -> Option<Sleep> {
    let sleep = sleep?;
    let after = sleep.after.to_std();
    Some(Sleep { at: subject.idle_at(after)?, after, mode: sleep.mode })
}

/// A label that is not taken at its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelProblem {
    pub(super) message: String,
    pub(super) help: String,
}

/// The life of `subject`, and what is wrong with labels that were meant to say it. Of several lengths the longest counts, and none
/// counts for more than `most`.
pub(super) fn life(
    ttl: Option<&PreviewTtl>,
    subject: &Subject,
    most: Option<StdDuration>,
) -> (Life, Vec<LabelProblem>) {
    let (mut longest, mut problems): (Option<StdDuration>, Vec<LabelProblem>) = (None, Vec::new());
    for label in &subject.labels {
        let length = match asked(label) {
            None => continue,
            Some(Ok(length)) => length,
            Some(Err(problem)) => {
                let message = format!("the label `{label}` of {} is ignored: {problem}", subject.title);
                let help = "write `preview:keep`, or a length of time as in `preview:ttl=7d`".to_owned();
                problems.push(LabelProblem { message, help });
                continue;
            }
        };
        if let Some(most) = most.filter(|most| length > *most) {
            let limit = Duration::from_secs(most.as_secs());
            problems.push(LabelProblem {
                message: format!(
                    "the label `{label}` of {} counts as `preview:ttl={limit}`: the policy lets nobody keep a preview for longer",
                    subject.title
                ),
                help: "take the label away, or change `previews.maxTtl` of the policy".to_owned(),
            });
        }
        longest = longest.max(Some(length));
    }
    let by_set = Life {
        idle_at: ttl.and_then(|ttl| ttl.idle).and_then(|idle| subject.idle_at(idle.to_std())),
        max_age: ttl.and_then(|ttl| ttl.max).map(Duration::to_std),
    };
    let life = match (longest, most) {
        (None, _) => by_set,
        // What the set gives is not taken away by a label that asks for more than is allowed.
        (Some(length), Some(most)) if length > most => {
            let of_set = ttl.into_iter().flat_map(|ttl| [ttl.idle, ttl.max]).flatten().map(Duration::to_std).max();
            let allowed = of_set.map(|of_set| of_set.max(most));
            Life { idle_at: allowed.and_then(|allowed| subject.idle_at(allowed)), max_age: None }
        }
        (Some(FOR_EVER), _) => Life::default(),
        (Some(length), _) => Life { idle_at: subject.idle_at(length), max_age: None },
    };
    (life, problems)
}

/// As long as its pull request.
const FOR_EVER: StdDuration = StdDuration::MAX;

/// How long `label` asks for, if it does.
fn asked(label: &str) -> Option<Result<StdDuration, String>> {
    let lower = label.to_lowercase();
    if lower == KEEP {
        return Some(Ok(FOR_EVER));
    }
    lower.strip_prefix(TTL).map(length)
}

fn length(text: &str) -> Result<StdDuration, String> {
    let length = Duration::parse(text.trim()).map_err(|problem| problem.replace('\n', "; "))?;
    let (least, most) = TTL_BOUNDS;
    if length.to_std() < least || length.to_std() > most {
        return Err(format!("`{length}` is not between `1m` and `3650d`"));
    }
    Ok(length.to_std())
}

impl Subject {
    /// When it has been idle for `length`.
    fn idle_at(&self, length: StdDuration) -> Option<DateTime<Utc>> {
        self.active_at?.checked_add_signed(TimeDelta::from_std(length).ok()?)
    }
}
