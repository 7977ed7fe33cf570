//! How a preview is doing, for the pull request that it is made from.
//!
//! The text is edited only when it says something new: so it has moments and no ages, and nothing that comes and goes by itself.

use super::held;
use super::markdown::{address, cell, code, fenced, inline, item};
use super::status::{AppPresence, ComponentStatus, ObjectStanding, ObjectStatus, Status};
use super::text::clean_lines;
use crate::cost::Cost;
use crate::plan::Stance;
use crate::resource::EnvName;

/// The longest quotation of what failed, in lines: GitHub takes 65,536 characters in all.
const LONGEST_QUOTATION: usize = 60;
/// The most problems that are told; one is usually the cause of the others.
const MOST_PROBLEMS: usize = 5;

/// How far a preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewPhase {
    /// Its set has no room for it yet.
    Queued,
    /// Something is being done.
    Deploying,
    /// It goes on by itself, later.
    Waiting,
    /// Live is as desired.
    Ready,
    /// Something does not work, or needs a person.
    Failed,
    /// It is on its way out.
    Deleting,
    /// Nothing of it is left.
    Deleted,
    /// It is from a fork, and nobody has approved its commit.
    Unapproved,
    /// Nobody asks for it, and something keeps it.
    Kept,
}

impl PreviewPhase {
    /// One word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "waiting for room",
            Self::Deploying => "deploying",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "being deleted",
            Self::Deleted => "deleted",
            Self::Unapproved => "waiting for approval",
            Self::Kept => "kept",
        }
    }

    /// What whoever works on the pull request can do.
    const fn advice(self) -> &'static str {
        match self {
            Self::Deleting | Self::Deleted => "Reopening the pull request brings the preview back.",
            Self::Unapproved => "Each commit is approved for itself: a push withdraws the approval.",
            Self::Kept => "Whoever runs the controller can delete it.",
            Self::Failed => "A push deploys the new commit; closing the pull request deletes the preview.",
            Self::Queued | Self::Deploying | Self::Waiting | Self::Ready => {
                "A push deploys the new commit; closing the pull request deletes the preview."
            }
        }
    }
}

/// Something that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewProblem {
    /// What was to be done: `create machine app/iad/0 of acme-web`.
    pub step: String,
    /// Why not, as one word.
    pub reason: String,
    /// What failed, where, why, and what to do.
    pub message: String,
}

/// What there is to say of a preview.
#[derive(Debug, Clone)]
pub struct PreviewNews<'a> {
    /// Its environment.
    pub name: &'a EnvName,
    /// The commit that it is to show.
    pub sha: &'a str,
    /// What it costs a month, if that is known.
    pub cost: Option<Cost>,
    /// How far it is.
    pub phase: PreviewPhase,
    /// Where it stands; nothing where nothing of it is left.
    pub status: Option<&'a Status>,
    /// What did not work.
    pub problems: &'a [PreviewProblem],
    /// What else there is to know.
    pub notes: &'a [String],
    /// What whoever works on the pull request can do, where that is not what its phase says.
    pub advice: Option<&'a str>,
}

/// The comment on the pull request, in Markdown. No value can break out of it, and no secret is in it: the parts have none.
pub fn preview_comment(news: &PreviewNews<'_>) -> String {
    let mut blocks = vec![format!("### Preview {}: {}", code(news.name.as_str()), news.phase.word())];
    if let Some(status) = news.status {
        let is_empty = status.components.is_empty() && status.objects.is_empty();
        if !(status.orphan || is_empty) {
            blocks.push(table(status));
        }
        if !status.orphan {
            blocks.push(facts(status, news));
        }
    }
    for problem in news.problems.iter().take(MOST_PROBLEMS) {
        blocks.push(told(problem));
    }
    if let more @ 1.. = news.problems.len().saturating_sub(MOST_PROBLEMS) {
        blocks.push(format!("… and {more} more."));
    }
    for withheld in news.status.iter().flat_map(|status| &status.withheld) {
        let stance = if withheld.stance == Stance::Blocked { "blocked" } else { "waiting" };
        // Without how long it still takes, which would be new every time.
        blocks.push(item(&format!("**{stance}** {}:", code(&withheld.reason.to_string())), &held::named(withheld)));
    }
    for note in
        news.notes.iter().chain(news.status.iter().flat_map(|status| &status.notices).map(|notice| &notice.message))
    {
        blocks.push(item("note:", note));
    }
    blocks.push(format!("<sub>{}</sub>", news.advice.unwrap_or_else(|| news.phase.advice())));
    let blocks: Vec<&str> = blocks.iter().map(|block| block.trim_end()).collect();
    blocks.join("\n\n")
}

fn table(status: &Status) -> String {
    let mut rows = vec!["| component | state | open |".to_owned(), "|---|---|---|".to_owned()];
    for component in &status.components {
        let name = component.component.as_ref().map_or_else(|| component.app.to_string(), ToString::to_string);
        let urls: Vec<String> = component.urls.iter().map(|url| address(url)).collect();
        rows.push(format!("| {} | {} | {} |", cell(&code(&name)), cell(&state(component)), urls.join("<br>")));
    }
    for object in &status.objects {
        let name = format!("{} {}", code(object.component.as_str()), object.kind);
        let urls: Vec<String> = object.urls.iter().map(|url| address(url)).collect();
        rows.push(format!("| {} | {} | {} |", cell(&name), cell(object_state(object)), urls.join("<br>")));
    }
    rows.join("\n")
}

/// How an object at another provider is. Why it is so is said below the table.
const fn object_state(object: &ObjectStatus) -> &'static str {
    match object.state {
        ObjectStanding::Absent => "not there yet",
        ObjectStanding::Unknown => "could not be read",
        ObjectStanding::Changing => "not ready yet",
        ObjectStanding::Failed => "does not work",
        ObjectStanding::Ready => "✓",
    }
}

/// How a component is. A machine that has gone to sleep is as it should be: it wakes by a request.
fn state(component: &ComponentStatus) -> String {
    let (live, wanted) = (component.machines.len(), component.wanted_machines);
    let failing: Vec<String> =
        component.machines.iter().flat_map(|machine| &machine.failing).map(|check| code(check)).collect();
    match component.presence {
        AppPresence::Absent => "not there yet".to_owned(),
        AppPresence::Elsewhere => "its name is taken".to_owned(),
        AppPresence::Unknown => "could not be read".to_owned(),
        AppPresence::Live if live < wanted => format!("{live} of {wanted} machines"),
        AppPresence::Live if !failing.is_empty() => format!("check {} does not pass", failing.join(", ")),
        AppPresence::Live => "✓".to_owned(),
    }
}

fn facts(status: &Status, news: &PreviewNews<'_>) -> String {
    let sha = news.sha;
    let mut facts = vec![format!("Commit {}", code(sha.get(..7).unwrap_or(sha)))];
    let moment = |at: &chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M UTC");
    facts.extend(status.created_at.iter().map(|at| format!("created {}", moment(at))));
    facts.extend(status.expires_at.iter().map(|at| format!("expires {}", moment(at))));
    if !status.finalizers.is_empty() {
        let names: Vec<String> = status.finalizers.iter().map(|name| code(name)).collect();
        facts.push(format!("runs {} before it is deleted", names.join(" and ")));
    }
    if let Some(cost) = news.cost.filter(|cost| !cost.is_nothing()) {
        let more = if cost.is_whole { "" } else { " and what has no known price" };
        let others = cost.not_counted().map_or_else(String::new, |others| format!("; not counted: {others}"));
        facts.push(format!("at most {}{more} a month{others}", cost.to_string().trim_start_matches('+')));
    }
    facts.join(" · ")
}

fn told(problem: &PreviewProblem) -> String {
    let mut lines = clean_lines(&problem.message);
    let left_out = lines.len().saturating_sub(LONGEST_QUOTATION);
    lines.truncate(LONGEST_QUOTATION);
    if left_out > 0 {
        lines.push(format!("… and {left_out} more lines"));
    }
    format!(
        "**{}** failed: {}\n\n<details><summary>What happened</summary>\n\n{}\n\n</details>",
        inline(&problem.step),
        code(&problem.reason),
        fenced("text", &lines)
    )
}
