//! A collection for a terminal.

use chrono::{DateTime, Utc};

use super::{Collection, Departure, Goes};
use crate::cost::Cost;
use crate::plan::{Action, Notice, Reason, Step, Withheld};
use crate::report::RequestCount;
use crate::report::held;
use crate::report::style::{Style, Tone};
use crate::report::table::{self, Cell};
use crate::report::text::{clean, moment, paragraph, span, whole};
use crate::report::view::short_name;
use crate::resource::{ResourceKey, Subject};

/// What is collected: apps by what happens to them, and the environments that they are, with their age, owner and cost.
pub fn gc_text(collection: &Collection<'_>, style: &Style, requests: RequestCount) -> String {
    let (style, plan) = (*style, collection.plan);
    let (before, steps): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| runs_before(step));
    let (deleted, marked): (Vec<&Step>, Vec<&Step>) = steps.into_iter().partition(|step| step.action.proof().is_some());
    let (grace, held): (Vec<&Withheld>, Vec<&Withheld>) =
        plan.withheld.iter().partition(|withheld| withheld.reason == Reason::Grace);
    let mut text = Text { style, lines: Vec::new() };
    text.gone(collection);
    text.steps("Deleted now", Tone::Delete, &deleted);
    text.steps("Run now, deleted then", Tone::Update, &before);
    text.steps("Marked now, deleted after grace", Tone::Update, &marked);
    text.grace(&grace, collection.seen_at);
    text.held(&held, plan.made_at);
    text.kept(&plan.notices);
    text.departures(collection);
    text.lines.push(if nothing_in(collection) {
        style.paint(Tone::Good, format!("{} ({}).", total(collection), requests.to_line()))
    } else {
        format!(
            "{} {} {}",
            style.paint(Tone::Strong, "Collect:"),
            total(collection),
            style.paint(Tone::Dim, format!("({})", requests.to_line()))
        )
    });
    text.lines.join("\n") + "\n"
}

/// Whether a step is part of what is run before a deletion.
const fn runs_before(step: &Step) -> bool {
    matches!(step.action, Action::Finalize { .. })
}

fn nothing_in(collection: &Collection<'_>) -> bool {
    let plan = collection.plan;
    collection.gone.is_empty() && plan.steps.is_empty() && plan.withheld.is_empty() && plan.notices.is_empty()
}

/// What it comes to: `2 to delete, 1 held; all of it costs $3.89 a month`.
pub(super) fn total(collection: &Collection<'_>) -> String {
    let plan = collection.plan;
    let until = || format!(" until {}", moment(plan.made_at, collection.seen_at));
    let until = if collection.is_forecast() { until() } else { String::new() };
    if nothing_in(collection) {
        return format!("Nothing to collect{until}: a spec asks for everything that is ours");
    }
    let before = plan.steps.iter().filter(|step| runs_before(step)).count();
    let deleted = plan.steps.iter().filter(|step| step.action.proof().is_some()).count().saturating_sub(before);
    let grace = plan.withheld.iter().filter(|withheld| withheld.reason == Reason::Grace).count();
    let counts: Vec<String> = [
        (collection.gone.len(), "deleted"),
        (deleted, "to delete"),
        (before, "to run before"),
        (plan.steps.len().saturating_sub(deleted).saturating_sub(before), "to mark"),
        (grace, "in grace"),
        (plan.withheld.len().saturating_sub(grace), "held"),
        (plan.notices.len(), "kept"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let cost = collection.cost();
    let cost = if cost.is_whole && cost.to_number() == "0.00" {
        String::new()
    } else {
        format!("; all of it costs {} a month", monthly(cost))
    };
    let others = collection.cost().not_counted().map_or_else(String::new, |others| format!("; not counted: {others}"));
    format!("{}{until}{cost}{others}", counts.join(", "))
}

/// How long ago something was; nothing where that is not known.
pub(super) fn age(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.and_then(|at| span(at, now)).map(whole).unwrap_or_default()
}

/// `$3.89`, or the part of it that is known.
pub(in crate::report) fn monthly(cost: Cost) -> String {
    let known = cost.to_string().trim_start_matches('+').to_owned();
    match (cost.is_whole, known.as_str()) {
        (true, _) => known,
        (false, "$0.00") => "?".to_owned(),
        (false, _) => format!("{known} or more"),
    }
}

struct Text {
    style: Style,
    lines: Vec<String>,
}

impl Text {
    fn section(&mut self, title: &str, tone: Tone, rows: &[Vec<Cell>]) {
        if rows.is_empty() {
            return;
        }
        self.lines.push(self.style.paint(tone, title));
        self.lines.extend(table::lines(rows, self.style).into_iter().map(|line| format!("  {line}")));
        self.lines.push(String::new());
    }

    fn gone(&mut self, collection: &Collection<'_>) {
        let now = collection.seen_at;
        let row = |app: &crate::plan::Collected| {
            vec![
                Cell::toned(Tone::Strong, clean(app.env.as_str())),
                Cell::plain(clean(&match &app.subject {
                    Subject::App(app) => format!("app {app}"),
                    Subject::Object(key) => key.to_string(),
                })),
                Cell::plain(moment(app.at, now)),
                Cell::toned(Tone::Dim, clean(&app.reason)),
            ]
        };
        let rows: Vec<Vec<Cell>> = collection.gone.iter().map(row).collect();
        self.section(&format!("Deleted by {}", moment(collection.plan.made_at, now)), Tone::Delete, &rows);
    }

    fn departures(&mut self, collection: &Collection<'_>) {
        let title = ["", "goes", "age", "owner", "last push", "a month"];
        let mut rows = vec![title.map(|title| Cell::toned(Tone::Dim, title)).to_vec()];
        rows.extend(collection.departures.iter().map(|departure| departure_row(departure, collection)));
        if rows.len() > 1 {
            self.section("Environments", Tone::Strong, &rows);
        }
    }

    fn steps(&mut self, title: &str, tone: Tone, steps: &[&Step]) {
        let rows: Vec<Vec<Cell>> = steps
            .iter()
            .map(|step| {
                vec![
                    Cell::toned(Tone::Strong, clean(step.env.as_str())),
                    Cell::plain(name(&step.key)),
                    Cell::toned(Tone::Dim, clean(&step.reason)),
                ]
            })
            .collect();
        self.section(title, tone, &rows);
    }

    fn grace(&mut self, grace: &[&Withheld], now: DateTime<Utc>) {
        let rows: Vec<Vec<Cell>> = grace
            .iter()
            .map(|withheld| {
                let name = withheld.key.as_ref().map(name).unwrap_or_default();
                let until = withheld.until.map(|until| moment(until, now)).unwrap_or_default();
                vec![
                    Cell::toned(Tone::Strong, clean(withheld.env.as_str())),
                    Cell::plain(name),
                    Cell::toned(Tone::Dim, format!("deleted at {until}")),
                ]
            })
            .collect();
        self.section("In grace", Tone::Held, &rows);
    }

    fn held(&mut self, all: &[&Withheld], now: DateTime<Utc>) {
        if all.is_empty() {
            return;
        }
        self.lines.push(self.style.paint(Tone::Held, "Held"));
        for withheld in all {
            self.bullet(&format!("{}: {}: {}", withheld.env, withheld.reason, held::message(withheld, now)));
        }
        self.lines.push(String::new());
    }

    fn kept(&mut self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        self.lines.push(self.style.paint(Tone::Dim, "Kept"));
        for notice in notices {
            self.bullet(&notice.message);
        }
        self.lines.push(String::new());
    }

    fn bullet(&mut self, message: &str) {
        for (index, line) in paragraph(message, self.style.width.saturating_sub(4).max(24)).iter().enumerate() {
            let mark = if index == 0 { self.style.dot() } else { " " };
            self.lines.push(format!("  {mark} {line}").trim_end().to_owned());
        }
    }
}

fn departure_row(departure: &Departure, collection: &Collection<'_>) -> Vec<Cell> {
    let now = collection.seen_at;
    let goes = match departure.goes {
        Goes::Now => Cell::toned(Tone::Delete, "now"),
        Goes::At(at) => Cell::plain(moment(at, now)),
        Goes::Held => Cell::toned(Tone::Held, "held"),
    };
    let or_dash = |text: String| Cell::plain(if text.is_empty() { "-".to_owned() } else { text });
    let pushed = age(departure.pushed_at, now);
    vec![
        Cell::toned(Tone::Strong, clean(departure.env.as_str())),
        goes,
        or_dash(age(departure.born_at, now)),
        or_dash(departure.owner.as_deref().map(clean).unwrap_or_default()),
        or_dash(if pushed.is_empty() { pushed } else { format!("{pushed} ago") }),
        Cell::plain(monthly(departure.cost)),
    ]
}

/// The resource with its app; what is at another provider goes by its own name.
fn name(key: &ResourceKey) -> String {
    let short = short_name(key);
    let app = clean(&key.name());
    if key.object().is_some() {
        return format!("{short} {app}");
    }
    if short.contains(&app) { short } else { format!("{short} of {app}") }
}
