//! Garbage collection for people: what goes now, what goes later, what is held, and what is kept.

use chrono::{DateTime, Utc};

use super::RequestCount;
use super::held;
use super::style::{Style, Tone};
use super::table::{self, Cell};
use super::text::{clean, moment, paragraph};
use super::view::short_name;
use crate::plan::{Notice, Plan, Reason, Step, Withheld};

/// What `plan`, made only to collect (or to destroy one environment), does.
pub fn gc_text(plan: &Plan, style: &Style, requests: RequestCount) -> String {
    let style = *style;
    let (deleted, marked): (Vec<&Step>, Vec<&Step>) = plan.steps.iter().partition(|step| step.action.proof().is_some());
    let (grace, held): (Vec<&Withheld>, Vec<&Withheld>) =
        plan.withheld.iter().partition(|withheld| withheld.reason == Reason::Grace);
    let mut text = Text { style, lines: Vec::new() };
    text.steps("Deleted now", Tone::Delete, &deleted);
    text.steps("Marked now, deleted after grace", Tone::Update, &marked);
    text.grace(&grace, plan.made_at);
    text.held(&held, plan.made_at);
    text.kept(&plan.notices);
    let counts: Vec<String> = [
        (deleted.len(), "to delete"),
        (marked.len(), "to mark"),
        (grace.len(), "in grace"),
        (held.len(), "held"),
        (plan.notices.len(), "kept"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let requests = requests.to_line();
    text.lines.push(if counts.is_empty() {
        style.paint(Tone::Good, format!("Nothing to collect: a spec asks for everything that is ours ({requests})."))
    } else {
        format!(
            "{} {} {}",
            style.paint(Tone::Strong, "Collect:"),
            counts.join(", "),
            style.paint(Tone::Dim, format!("({requests})"))
        )
    });
    text.lines.join("\n") + "\n"
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

    fn steps(&mut self, title: &str, tone: Tone, steps: &[&Step]) {
        let rows: Vec<Vec<Cell>> = steps
            .iter()
            .map(|step| {
                vec![
                    Cell::toned(Tone::Strong, clean(step.env.as_str())),
                    Cell::plain(name(step)),
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
                let name = withheld.key.as_ref().map(short_name).unwrap_or_default();
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

/// The resource with its app.
fn name(step: &Step) -> String {
    let short = short_name(&step.key);
    let app = clean(step.key.app().as_str());
    if short.contains(&app) { short } else { format!("{short} of {app}") }
}
