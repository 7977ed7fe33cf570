//! A collection for a pull request or the page of a job.

use super::text::{age, monthly, total};
use super::{Collection, Departure, Goes};
use crate::report::RequestCount;
use crate::report::held;
use crate::report::markdown::{cell, code, inline, item};
use crate::report::text::moment;

/// A collection as Markdown.
pub fn gc_markdown(collection: &Collection<'_>, requests: RequestCount) -> String {
    let plan = collection.plan;
    let mut lines = vec![format!("### Collection: {}", total(collection)), String::new()];
    if !collection.departures.is_empty() {
        lines.push("| environment | goes | age | owner | last push | a month | why |".to_owned());
        lines.push("|---|---|---|---|---|---|---|".to_owned());
        lines.extend(collection.departures.iter().map(|departure| row(departure, collection)));
        lines.push(String::new());
    }
    for withheld in plan.withheld.iter().filter(|withheld| withheld.until.is_none()) {
        let label = format!("**held** {} of {}:", code(&withheld.reason.to_string()), code(withheld.env.as_str()));
        lines.push(item(&label, &held::message(withheld, plan.made_at)).trim_end().to_owned());
    }
    for notice in &plan.notices {
        lines.push(item("kept:", &notice.message).trim_end().to_owned());
    }
    if lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(String::new());
    }
    lines.push(format!("<sub>{}</sub>", requests.to_line()));
    lines.join("\n") + "\n"
}

fn row(departure: &Departure, collection: &Collection<'_>) -> String {
    let goes = match departure.goes {
        Goes::Now => "now".to_owned(),
        Goes::At(at) => moment(at, collection.seen_at),
        Goes::Held => "held".to_owned(),
    };
    let cells = [
        code(departure.env.as_str()),
        goes,
        age(departure.born_at, collection.seen_at),
        departure.owner.as_deref().map(inline).unwrap_or_default(),
        age(departure.pushed_at, collection.seen_at),
        monthly(departure.cost),
        inline(&departure.reason),
    ];
    format!("| {} |", cells.map(|text| cell(&text)).join(" | "))
}
