//! What a pass came to, for people: where each environment stands, where to look, what to do next.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::RequestCount;
use super::held;
use super::style::{Style, Tone};
use super::text::{clean, columns, duration, pad, paragraph, plural};
use crate::desired::{App, Environment, Fleet, Wanted};
use crate::plan::{Plan, Purpose, Stance, Standing, Withheld};
use crate::resource::{EnvName, IpKind, ObjectKind, ResourceKey, Subject};

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PassSummary {
    /// The end of the pass; moments are told from here.
    pub at: DateTime<Utc>,
    /// What it was for.
    #[serde(skip)]
    pub purpose: Purpose,
    /// The environments, in the order they are shown.
    pub environments: Vec<EnvironmentSummary>,
    /// What it took.
    pub requests: RequestCount,
    /// How long it took.
    pub took: Duration,
    /// Whole lines for “Try next”: a command, or a command and what it does after two spaces and `#`. Nothing where empty.
    pub try_next: Vec<String>,
}

/// Where one environment stands after a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSummary {
    /// Its name.
    pub name: EnvName,
    /// Where it stands.
    pub standing: Standing,
    /// Whether no spec asks for it.
    pub is_orphan: bool,
    /// How many changes were carried out.
    pub changes: usize,
    /// The apps that were deleted.
    pub deleted: Vec<Subject>,
    /// What is kept although no spec asks for it, and why.
    pub kept: Vec<String>,
    /// What went wrong in this pass, as complete messages.
    pub failures: Vec<String>,
    /// What is withheld.
    pub withheld: Vec<Withheld>,
    /// Addresses to open.
    pub urls: Vec<String>,
}

impl EnvironmentSummary {
    /// What the plan `last`, made after everything was carried out, says about each of its environments.
    pub fn all(fleet: &Fleet, last: &Plan) -> Vec<Self> {
        super::view::environments(last)
            .into_iter()
            .map(|view| Self {
                name: view.name.clone(),
                standing: view.standing,
                is_orphan: view.is_orphan,
                changes: 0,
                deleted: Vec::new(),
                kept: if view.is_orphan {
                    view.notices.iter().map(|notice| notice.message.clone()).collect()
                } else {
                    Vec::new()
                },
                failures: Vec::new(),
                withheld: last.withheld.iter().filter(|withheld| withheld.env == *view.name).cloned().collect(),
                urls: match fleet.environments.get(view.name) {
                    Some(Wanted::Ready(env)) => {
                        let apps = env.apps.iter().filter(|app| has_address(last, view.name, app));
                        let of_apps = apps.flat_map(|app| urls_of(app, |hostname| is_ready(last, view.name, hostname)));
                        of_apps.chain(urls_elsewhere(env, last)).collect()
                    }
                    _ => Vec::new(),
                },
            })
            .collect()
    }
}

impl EnvironmentSummary {
    /// An environment of which nothing is left after `changes` changes.
    pub fn gone(name: EnvName, changes: usize) -> Self {
        Self {
            name,
            standing: Standing::Converged,
            is_orphan: true,
            changes,
            deleted: Vec::new(),
            kept: Vec::new(),
            failures: Vec::new(),
            withheld: Vec::new(),
            urls: Vec::new(),
        }
    }

    /// The last word on an environment, where there is one.
    fn end(&self) -> Option<End> {
        if !self.failures.is_empty() || self.standing != Standing::Converged {
            return None;
        }
        Some(match (self.is_orphan, self.kept.is_empty(), self.deleted.is_empty()) {
            (false, _, _) => End::AsDesired,
            (true, false, _) => End::Kept,
            (true, true, false) => End::Deleted,
            (true, true, true) => End::Gone,
        })
    }
}

/// How things ended for an environment to which nothing is left to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    AsDesired,
    Kept,
    Deleted,
    /// Nothing is left of it, and somebody else has seen to that.
    Gone,
}

impl End {
    const fn word(self) -> &'static str {
        match self {
            Self::AsDesired => "as desired",
            Self::Kept => "kept",
            Self::Deleted => "deleted",
            Self::Gone => "gone",
        }
    }
}

/// Whether the plan knows a public address of `app`: until then there is nothing to open.
fn has_address(plan: &Plan, env: &EnvName, app: &App) -> bool {
    let public = app.ips.keys().filter(|kind| **kind != IpKind::PrivateV6);
    let mut paths = public.map(|kind| format!("fly.{}.ips.{}", app.component, kind.expression_name()));
    plan.outputs.get(env).is_some_and(|outputs| paths.any(|path| outputs.contains_key(&path)))
}

/// Whether nothing in the plan says that the certificate for `hostname` is missing or not issued yet.
fn is_ready(plan: &Plan, env: &EnvName, hostname: &str) -> bool {
    let is_it =
        |key: &ResourceKey| matches!(key, ResourceKey::Certificate { hostname: other, .. } if other == hostname);
    let in_code = format!("`{hostname}`");
    !plan.steps_of(env).any(|step| is_it(&step.key))
        && !plan.withheld.iter().any(|withheld| withheld.env == *env && withheld.key.as_ref().is_some_and(is_it))
        && !plan.notices.iter().any(|notice| notice.env == *env && notice.message.contains(&in_code))
}

/// The addresses of an environment's deployments at other providers, as far as they were known when `last` was planned.
fn urls_elsewhere<'e>(env: &'e Environment, last: &'e Plan) -> impl Iterator<Item = String> + 'e {
    let known = last.outputs.get(&env.name);
    let deployments = env.objects.iter().filter(|object| object.key.object == ObjectKind::VercelDeployment);
    deployments.filter_map(move |object| {
        let output = |name: &str| known?.get(&format!("{}.{name}", object.component));
        output("branchUrl").or_else(|| output("url")).map(|url| url.expose().to_owned())
    })
}

/// The addresses under which an app is open to the public: it has a public address, and a service behind it. A host
/// name counts once its certificate `is_ready`.
pub(super) fn urls_of(app: &App, is_ready: impl Fn(&str) -> bool) -> Vec<String> {
    let is_public = app.ips.keys().any(|kind| *kind != IpKind::PrivateV6);
    let serves = app.machines.iter().any(|machine| machine.config.get("services").is_some());
    if !is_public || !serves {
        return Vec::new();
    }
    let own = std::iter::once(format!("https://{}.fly.dev", app.name));
    let hostnames = app.certificates.iter().filter(|name| !name.contains('*') && is_ready(name));
    own.chain(hostnames.map(|name| format!("https://{name}"))).collect()
}

/// The end of a pass at a terminal.
pub fn summary_text(summary: &PassSummary, style: &Style) -> String {
    let style = *style;
    let mut lines = Vec::new();
    let width = summary.environments.iter().map(|env| columns(&clean(env.name.as_str()))).max().unwrap_or(0);
    for env in &summary.environments {
        environment(env, summary.at, width, style, &mut lines);
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(conclusion(summary, style));
    if !summary.try_next.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Strong, "Try next"));
        lines.extend(try_next(&summary.try_next, style));
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn environment(env: &EnvironmentSummary, at: DateTime<Utc>, width: usize, style: Style, lines: &mut Vec<String>) {
    let name = style.paint(Tone::Strong, pad(&clean(env.name.as_str()), width));
    let (mark, word, tone) = match env.standing {
        _ if !env.failures.is_empty() => (style.cross(), "failed", Tone::Delete),
        Standing::Converged => (style.tick(), env.end().map_or("as desired", End::word), Tone::Good),
        Standing::Changes => ("~", "not done yet", Tone::Update),
        Standing::Waiting => ("!", "waiting", Tone::Held),
        Standing::Blocked => ("!", "blocked", Tone::Held),
    };
    let changes = match env.changes {
        0 => String::new(),
        count => style.paint(Tone::Dim, format!(" ({})", plural(count, "change"))),
    };
    lines.push(format!("{} {name}  {}{changes}", style.paint(tone, mark), style.paint(tone, word)));
    let indent = columns(mark).saturating_add(1);
    for url in &env.urls {
        lines.push(format!("{}{}", " ".repeat(indent.saturating_add(2)), style.paint(Tone::Link, clean(url))));
    }
    if !env.deleted.is_empty() {
        let apps = env.deleted.iter().filter_map(|subject| match subject {
            Subject::App(app) => Some(format!("`{app}`")),
            Subject::Object(_) => None,
        });
        let apps: Vec<String> = apps.collect();
        let objects = env.deleted.iter().filter_map(|subject| match subject {
            Subject::App(_) => None,
            Subject::Object(key) => {
                Some(format!("{} {} `{}`", key.scope.provider.label(), key.object.noun(), key.name))
            }
        });
        let noun = if apps.len() == 1 { "app" } else { "apps" };
        let apps = (!apps.is_empty()).then(|| format!("{noun} {}", apps.join(", ")));
        let all: Vec<String> = apps.into_iter().chain(objects).collect();
        bullet(&format!("deleted {}", all.join(", ")), "-", Tone::Delete, indent, style, lines);
    }
    for kept in &env.kept {
        bullet(kept, style.dot(), Tone::Dim, indent, style, lines);
    }
    let mut told: Vec<String> = Vec::new();
    for failure in &env.failures {
        bullet(failure, style.cross(), Tone::Delete, indent, style, lines);
        told.push(failure.clone());
    }
    let (blocked, waiting): (Vec<&Withheld>, Vec<&Withheld>) =
        env.withheld.iter().partition(|withheld| withheld.stance == Stance::Blocked);
    for withheld in blocked.into_iter().chain(waiting) {
        let component = withheld.component.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let message = format!("{}: {component}{}", withheld.reason, held::message(withheld, at));
        if !told.contains(&message) {
            bullet(&message, style.dot(), Tone::Held, indent, style, lines);
            told.push(message);
        }
    }
}

fn bullet(message: &str, mark: &str, tone: Tone, indent: usize, style: Style, lines: &mut Vec<String>) {
    let indent = indent.saturating_add(2);
    let below = indent.saturating_add(columns(mark)).saturating_add(1);
    for (index, line) in paragraph(message, style.width.saturating_sub(below).max(24)).iter().enumerate() {
        if index == 0 {
            lines.push(format!("{}{} {line}", " ".repeat(indent), style.paint(tone, mark)));
        } else {
            lines.push(format!("{}{line}", " ".repeat(below)).trim_end().to_owned());
        }
    }
}

/// `Converged: 3 environments are as desired. 42 changes, 120 requests, 61 of them writes, 12.3s.`
fn conclusion(summary: &PassSummary, style: Style) -> String {
    let changes: usize = summary.environments.iter().map(|env| env.changes).sum();
    let failed = summary.environments.iter().filter(|env| !env.failures.is_empty()).count();
    let count = |standing: Standing| {
        summary.environments.iter().filter(|env| env.failures.is_empty() && env.standing == standing).count()
    };
    let ends = |end: End| summary.environments.iter().filter(|env| env.end() == Some(end)).count();
    let parts: Vec<String> = [
        (failed, "failed"),
        (count(Standing::Blocked), "blocked"),
        (count(Standing::Waiting), "waiting"),
        (count(Standing::Changes), "not done yet"),
    ]
    .into_iter()
    .chain([End::AsDesired, End::Kept, End::Deleted, End::Gone].map(|end| (ends(end), end.word())))
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let all = summary.environments.len();
    let (tone, head) = if failed > 0 {
        (Tone::Delete, "Failed")
    } else if count(Standing::Converged) == all {
        (Tone::Good, if changes == 0 { nothing_changed(summary) } else { "Converged" })
    } else {
        (Tone::Held, "Not converged")
    };
    let environments = plural(all, "environment");
    let the_end = [End::AsDesired, End::Kept, End::Deleted, End::Gone].into_iter().find(|end| ends(*end) == all);
    let standing = match the_end {
        _ if all == 0 && summary.purpose == Purpose::Collect => "a spec asks for everything that is ours".to_owned(),
        _ if all == 0 => "there is no environment".to_owned(),
        Some(end) => format!("{environments} {} {}", if all == 1 { "is" } else { "are" }, end.word()),
        None => format!("{environments}: {}", parts.join(", ")),
    };
    let changes = if changes == 0 { String::new() } else { format!("{}, ", plural(changes, "change")) };
    let cost = format!("{changes}{}, {}", summary.requests.to_line(), duration(summary.took));
    format!("{} {standing} {}", style.paint(tone, format!("{head}:")), style.paint(Tone::Dim, format!("({cost})")))
}

/// Nothing was done: for a collection that means that there was nothing to collect.
fn nothing_changed(summary: &PassSummary) -> &'static str {
    match summary.purpose {
        Purpose::Collect => "Nothing to collect",
        _ => "Nothing changed",
    }
}

/// The lines with their explanations aligned.
fn try_next(all: &[String], style: Style) -> Vec<String> {
    let split: Vec<(String, Option<String>)> = all
        .iter()
        .map(|line| match line.split_once("  #") {
            Some((command, why)) => (clean(command.trim_end()), Some(clean(why.trim()))),
            None => (clean(line), None),
        })
        .collect();
    let explained = split.iter().filter(|(_, why)| why.is_some());
    let width = explained.map(|(command, _)| columns(command)).max().unwrap_or(0);
    split
        .into_iter()
        .map(|(command, why)| match why {
            Some(why) => format!(
                "  {}  {}",
                style.paint(Tone::Link, pad(&command, width)),
                style.paint(Tone::Dim, format!("# {why}"))
            ),
            None => format!("  {}", style.paint(Tone::Link, command)),
        })
        .collect()
}
