//! Apps that look like ours and are not: what is in each, and why it is not ours.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::plan_cost::cost_of_app;
use super::style::{Style, Tone};
use super::table::{self, Cell};
use super::text::{clean, paragraph, plural, span, whole};
use super::{RequestCount, gc, json, markdown};
use crate::cost::Cost;
use crate::desired::{Fleet, NamePattern};
use crate::observed::ownership::{Ownership, ownership};
use crate::observed::{AppRow, Machine, Observed, Scope, Volume};
use crate::plan::{Action, Notice, Plan, Step};
use crate::resource::{AppName, OrgSlug};

/// The version of the JSON form. It rises when a field changes its meaning or goes; fields may be added within a version.
const VERSION: u32 = 1;

/// A live app that looks like ours and carries no mark of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Stranger {
    /// Its organization.
    pub org: OrgSlug,
    /// Its name.
    pub app: AppName,
    /// The server's id.
    pub id: String,
    /// The pattern that its name fits.
    pub pattern: String,
    /// Why it is not ours.
    pub reason: String,
    /// When its oldest machine or volume was made.
    pub born_at: Option<DateTime<Utc>>,
    /// How many machines are in it.
    pub machines: usize,
    /// How many volumes are in it.
    pub volumes: usize,
    /// How large those are together.
    pub volumes_gb: u64,
    /// What it costs a month.
    pub cost: Cost,
}

/// All apps whose names fit one of these patterns, and that carry no mark of ours.
pub fn strangers(fleet: &Fleet, observed: &Observed, patterns: &[NamePattern]) -> Vec<Stranger> {
    let mut found = Vec::new();
    for (org, scope) in &observed.scopes {
        for row in &scope.apps.items {
            let Some(pattern) = patterns.iter().find(|pattern| pattern.fits(row.name.as_str())) else { continue };
            let secrets = scope.details.get(&row.name).and_then(|detail| detail.secrets.known());
            let secrets = secrets.map(Vec::as_slice).unwrap_or_default();
            if let Ownership::NotOurs { reason } =
                ownership(&fleet.owner, row, machines(scope, row).into_iter(), secrets)
            {
                found.push(Stranger { reason, ..stranger(org, scope, row, &pattern.to_string(), observed) });
            }
        }
    }
    found
}

fn stranger(org: &OrgSlug, scope: &Scope, row: &AppRow, pattern: &str, observed: &Observed) -> Stranger {
    let (machines, volumes) = (machines(scope, row), volumes(scope, row));
    let made = machines.iter().filter_map(|machine| machine.created_at);
    Stranger {
        org: org.clone(),
        app: row.name.clone(),
        id: row.id.clone(),
        pattern: pattern.to_owned(),
        reason: String::new(),
        born_at: made.chain(volumes.iter().filter_map(|volume| volume.created_at)).min(),
        machines: machines.len(),
        volumes: volumes.len(),
        volumes_gb: volumes.iter().map(|volume| volume.size_gb).fold(0, u64::saturating_add),
        cost: cost_of_app(observed, &row.name),
    }
}

fn machines<'o>(scope: &'o Scope, row: &AppRow) -> Vec<&'o Machine> {
    let read = scope.details.get(&row.name).and_then(|detail| detail.machines.known());
    let of_app = |machine: &&Machine| machine.app == row.name && machine.is_live();
    match read {
        Some(read) => read.iter().filter(of_app).collect(),
        None => scope.machines.items.iter().filter(of_app).collect(),
    }
}

fn volumes<'o>(scope: &'o Scope, row: &AppRow) -> Vec<&'o Volume> {
    scope.volumes.items.iter().filter(|volume| volume.app == row.name && volume.is_live()).collect()
}

/// The apps that `plan` adopts, in its order.
fn adopted(plan: &Plan, observed: &Observed) -> Vec<Stranger> {
    let steps = plan.steps.iter().filter(|step| matches!(step.action, Action::AdoptApp { .. }));
    let of_step = |step: &Step| {
        let (org, app) = (step.org.as_ref()?, step.key.app()?);
        let scope = observed.scopes.get(org)?;
        let row = scope.apps.items.iter().find(|row| row.name == *app)?;
        Some(Stranger { reason: step.reason.clone(), ..stranger(org, scope, row, "", observed) })
    };
    steps.filter_map(of_step).collect()
}

/// The code of the set that `plan` adopts; nothing where it adopts none.
pub fn adoption_code(plan: &Plan) -> Option<&str> {
    plan.steps.iter().find_map(|step| match &step.action {
        Action::AdoptApp { consent, .. } => Some(consent.as_str()),
        _ => None,
    })
}

/// Apps that look like ours, for a terminal.
pub fn unowned_text(all: &[Stranger], now: DateTime<Utc>, style: &Style, requests: RequestCount) -> String {
    let mut lines = table_of(all, now, *style, true);
    lines.push(format!("{} ({})", told(all), requests.to_line()));
    lines.join("\n") + "\n"
}

/// What an adoption is about to mark, for a terminal: the list, what is left alone, and how to consent.
pub fn adoption_text(
    plan: &Plan,
    observed: &Observed,
    pattern: &str,
    now: DateTime<Utc>,
    style: &Style,
    requests: RequestCount,
) -> String {
    let all = adopted(plan, observed);
    let mut lines = table_of(&all, now, *style, false);
    let mut told: Vec<String> = plan.notices.iter().map(|notice: &Notice| notice.message.clone()).collect();
    told.extend(plan.withheld.iter().map(|withheld| format!("{}: {}", withheld.reason, withheld.message)));
    for message in &told {
        for (index, line) in paragraph(message, style.width.saturating_sub(4).max(24)).iter().enumerate() {
            let mark = if index == 0 { style.dot() } else { " " };
            lines.push(format!("  {mark} {line}").trim_end().to_owned());
        }
    }
    if !told.is_empty() {
        lines.push(String::new());
    }
    lines.push(match adoption_code(plan) {
        Some(code) => format!(
            "{} ({}).\n`hangar gc --adopt '{pattern}' --acknowledge {code}` marks exactly {}; collection then takes {} after {} grace.",
            style.paint(Tone::Strong, format!("To adopt: {}", sum(&all))),
            requests.to_line(),
            if all.len() == 1 { "this app".to_owned() } else { format!("these {} apps", all.len()) },
            if all.len() == 1 { "it" } else { "them" },
            if all.len() == 1 { "its" } else { "their" },
        ),
        None => format!("Nothing to adopt: no app that fits `{pattern}` may be ({}).", requests.to_line()),
    });
    lines.join("\n") + "\n"
}

fn table_of(all: &[Stranger], now: DateTime<Utc>, style: Style, with_reason: bool) -> Vec<String> {
    if all.is_empty() {
        return Vec::new();
    }
    let title = ["", "organization", "age", "machines", "volumes", "a month", ""];
    let mut rows = vec![title.map(|title| Cell::toned(Tone::Dim, title)).to_vec()];
    rows.extend(all.iter().map(|app| {
        let age = age(app, now);
        let reason = if with_reason { clean(&app.reason) } else { String::new() };
        vec![
            Cell::toned(Tone::Strong, clean(app.app.as_str())),
            Cell::plain(clean(app.org.as_str())),
            Cell::plain(if age.is_empty() { "-".to_owned() } else { age }),
            Cell::plain(app.machines.to_string()),
            Cell::plain(volumes_of(app)),
            Cell::plain(gc::monthly(app.cost)),
            Cell::toned(Tone::Dim, reason),
        ]
    }));
    let mut lines: Vec<String> = table::lines(&rows, style).into_iter().map(|line| format!("  {line}")).collect();
    lines.push(String::new());
    lines
}

fn age(app: &Stranger, now: DateTime<Utc>) -> String {
    app.born_at.and_then(|born| span(born, now)).map(whole).unwrap_or_default()
}

fn volumes_of(app: &Stranger) -> String {
    if app.volumes == 0 { "0".to_owned() } else { format!("{} ({}GB)", app.volumes, app.volumes_gb) }
}

/// `2 apps with 3 machines and 1 volume, $7.78 a month`.
fn sum(all: &[Stranger]) -> String {
    let total = |count: fn(&Stranger) -> usize| all.iter().map(count).fold(0, usize::saturating_add);
    let cost = all.iter().map(|app| app.cost).fold(Cost::ZERO, Cost::plus);
    format!(
        "{} with {} and {}, {} a month",
        plural(all.len(), "app"),
        plural(total(|app| app.machines), "machine"),
        plural(total(|app| app.volumes), "volume"),
        gc::monthly(cost)
    )
}

fn told(all: &[Stranger]) -> String {
    if all.is_empty() {
        return "No app that is not ours looks like one of ours".to_owned();
    }
    format!("Not ours, and never deleted: {}", sum(all))
}

/// Apps that look like ours, for a pull request or the page of a job.
pub fn unowned_markdown(all: &[Stranger], now: DateTime<Utc>, requests: RequestCount) -> String {
    let mut lines = vec![format!("### {}", told(all)), String::new()];
    if !all.is_empty() {
        lines.push("| app | organization | age | machines | volumes | a month | why it is not ours |".to_owned());
        lines.push("|---|---|---|---|---|---|---|".to_owned());
    }
    for app in all {
        let cells = [
            markdown::code(app.app.as_str()),
            markdown::inline(app.org.as_str()),
            age(app, now),
            app.machines.to_string(),
            volumes_of(app),
            gc::monthly(app.cost),
            markdown::inline(&app.reason),
        ];
        lines.push(format!("| {} |", cells.map(|text| markdown::cell(&text)).join(" | ")));
    }
    lines.push(format!("\n<sub>{}</sub>", requests.to_line()));
    lines.join("\n") + "\n"
}

/// Apps that look like ours, for programs.
pub fn unowned_json(all: &[Stranger], requests: RequestCount) -> String {
    json::pretty(&Document {
        version: VERSION,
        code: None,
        apps: all.iter().map(AppDocument::of).collect(),
        notices: &[],
        requests,
    })
}

/// What an adoption is about to mark, for programs.
pub fn adoption_json(plan: &Plan, observed: &Observed, requests: RequestCount) -> String {
    let all = adopted(plan, observed);
    let apps = all.iter().map(AppDocument::of).collect();
    json::pretty(&Document { version: VERSION, code: adoption_code(plan), apps, notices: &plan.notices, requests })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'d> {
    version: u32,
    /// The code by which a person consents to the adoption of exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'d str>,
    apps: Vec<AppDocument<'d>>,
    #[serde(skip_serializing_if = "<[Notice]>::is_empty")]
    notices: &'d [Notice],
    requests: RequestCount,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppDocument<'d> {
    org: &'d OrgSlug,
    name: &'d AppName,
    id: &'d str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pattern: &'d str,
    reason: &'d str,
    born_at: Option<DateTime<Utc>>,
    machines: usize,
    volumes: usize,
    volumes_gb: u64,
    /// Dollars; nothing where not all of it is known.
    cost_per_month: Option<String>,
}

impl<'d> AppDocument<'d> {
    fn of(app: &'d Stranger) -> Self {
        let cost = app.cost.to_number();
        Self {
            org: &app.org,
            name: &app.app,
            id: &app.id,
            pattern: &app.pattern,
            reason: &app.reason,
            born_at: app.born_at,
            machines: app.machines,
            volumes: app.volumes,
            volumes_gb: app.volumes_gb,
            cost_per_month: app.cost.is_whole.then(|| cost.trim_start_matches('+').to_owned()),
        }
    }
}
