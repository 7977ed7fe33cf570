//! Status for people at a terminal.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{AppPresence, ComponentStatus, JobStatus, LiveImage, MachineStatus, SecretState, Status, objects};
use crate::plan::Standing;
use crate::report::RequestCount;
use crate::report::held;
use crate::report::style::{Style, Tone};
use crate::report::table::{self, Cell};
use crate::report::text::{clean, columns, duration, memory, moment, pad, paragraph};
use crate::report::view::ip_name;

/// All environments, one line each.
pub fn status_overview_text(all: &[Status], now: DateTime<Utc>, style: &Style, requests: RequestCount) -> String {
    let style = *style;
    let mut lines = Vec::new();
    if all.is_empty() {
        lines.push("There is no environment.".to_owned());
    } else {
        let head = ["ENVIRONMENT", "CLASS", "STANDING", "MACHINES", "AGE", "EXPIRES", "URL"];
        let mut rows = vec![head.into_iter().map(|name| Cell::toned(Tone::Dim, name)).collect::<Vec<_>>()];
        rows.extend(all.iter().map(|status| overview(status, now, style)));
        if all.iter().all(|status| status.expires_at.is_none()) {
            let expires = head.iter().position(|name| *name == "EXPIRES").unwrap_or(head.len());
            rows = rows.into_iter().map(|row| without(row, expires)).collect();
        }
        lines.extend(table::lines(&rows, style));
    }
    lines.push(String::new());
    lines.push(style.paint(Tone::Dim, requests.to_line()));
    lines.join("\n") + "\n"
}

fn without(row: Vec<Cell>, column: usize) -> Vec<Cell> {
    row.into_iter().enumerate().filter(|(index, _)| *index != column).map(|(_, cell)| cell).collect()
}

fn overview(status: &Status, now: DateTime<Utc>, style: Style) -> Vec<Cell> {
    let (tone, word) = standing(status, style);
    let wanted: usize = status.components.iter().map(|component| component.wanted_machines).sum();
    let machines = status.components.iter().flat_map(|component| &component.machines);
    let running = machines.filter(|machine| machine.state == "started").count();
    let expires = status.expires_at.map_or_else(|| "-".to_owned(), |at| moment(at, now));
    let url = status.main_url();
    vec![
        Cell::toned(Tone::Strong, clean(status.name.as_str())),
        Cell::plain(class(status)),
        Cell::toned(tone, word),
        Cell::plain(if status.orphan { running.to_string() } else { format!("{running}/{wanted}") }),
        Cell::plain(age(status).unwrap_or_else(|| "-".to_owned())),
        Cell::plain(expires),
        Cell::toned(Tone::Link, url.map(|url| clean(url)).unwrap_or_default()),
    ]
}

/// Environments with everything in them.
pub fn status_text(all: &[Status], now: DateTime<Utc>, style: &Style, requests: RequestCount) -> String {
    let style = *style;
    let mut lines = Vec::new();
    for status in all {
        environment(status, now, style, &mut lines);
        lines.push(String::new());
    }
    if all.is_empty() {
        lines.push("There is no environment.".to_owned());
        lines.push(String::new());
    }
    lines.push(style.paint(Tone::Dim, requests.to_line()));
    lines.join("\n") + "\n"
}

fn environment(status: &Status, now: DateTime<Utc>, style: Style, lines: &mut Vec<String>) {
    let (tone, word) = standing(status, style);
    let dot = format!(" {} ", style.dot());
    let mut facts = vec![class(status).to_owned()];
    facts.extend(status.preview.as_ref().map(|preview| clean(&preview.subject)));
    facts.extend(status.org.as_ref().map(|org| clean(org.as_str())));
    facts.extend(age(status).map(|age| format!("{age} old")));
    facts.extend(status.expires_at.map(|at| format!("expires {}", moment(at, now))));
    if !status.finalizers.is_empty() {
        facts.push(format!("runs {} before it is deleted", clean(&status.finalizers.join(" and "))));
    }
    facts.extend(status.observed_commit.as_ref().map(|commit| {
        let short: String = commit.chars().take(12).collect();
        format!("commit {}", clean(&short))
    }));
    let name = style.paint(Tone::Strong, clean(status.name.as_str()));
    lines.push(format!("{name}  {}  {}", style.paint(tone, word), style.paint(Tone::Dim, facts.join(&dot))));
    for component in &status.components {
        self::component(component, style, lines);
    }
    lines.extend(objects::lines(&status.objects, style));
    let is_empty = status.components.iter().all(|component| component.machines.is_empty());
    for condition in &status.conditions {
        // That nothing runs where nothing has been made yet was said above.
        if condition.kind == "Converged" || (condition.kind == "Healthy" && is_empty) {
            continue;
        }
        let is_fine = condition.status == super::ConditionStatus::True
            && !matches!(condition.kind.as_str(), "Paused" | "Expired");
        if !is_fine {
            let word = match condition.kind.as_str() {
                "Healthy" => "not healthy",
                "Observed" => "not all seen",
                "Paused" => "paused",
                _ => "expired",
            };
            bullet(word, &condition.message, style, lines);
        }
    }
    for withheld in &status.withheld {
        let component = withheld.component.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        let message = format!("{}: {component}{}", withheld.reason, held::message(withheld, now));
        let stance = if withheld.stance == crate::plan::Stance::Blocked { "blocked" } else { "waiting" };
        bullet(stance, &message, style, lines);
    }
    for notice in &status.notices {
        let component = notice.component.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        bullet("note", &format!("{component}{}", notice.message), style, lines);
    }
}

fn bullet(word: &str, message: &str, style: Style, lines: &mut Vec<String>) {
    let tone = if word == "note" { Tone::Dim } else { Tone::Held };
    let indent = columns(word).saturating_add(4);
    for (index, line) in paragraph(message, style.width.saturating_sub(indent).max(24)).iter().enumerate() {
        let before = if index == 0 { format!("  {}  ", style.paint(tone, word)) } else { " ".repeat(indent) };
        lines.push(format!("{before}{line}").trim_end().to_owned());
    }
}

fn job(job: &JobStatus) -> Vec<Cell> {
    let tone = match job.succeeded {
        Some(true) => Tone::Good,
        Some(false) => Tone::Delete,
        None => Tone::Held,
    };
    vec![Cell::plain(clean(&job.name)), Cell::plain(clean(&job.machine)), Cell::toned(tone, clean(&job.message))]
}

fn component(component: &ComponentStatus, style: Style, lines: &mut Vec<String>) {
    let app = clean(component.app.as_str());
    let name = component.component.as_ref().map_or_else(|| app.clone(), |name| clean(name.as_str()));
    let mut head = vec![style.paint(Tone::Strong, &name)];
    if name != app {
        head.push(style.paint(Tone::Dim, &app));
    }
    match component.presence {
        AppPresence::Live => head.extend(component.urls.iter().map(|url| style.paint(Tone::Link, clean(url)))),
        AppPresence::Absent => head.push(style.paint(Tone::Held, "not created yet")),
        AppPresence::Elsewhere => head.push(style.paint(Tone::Held, "the name is taken in another organization")),
        AppPresence::Unknown => head.push(style.paint(Tone::Held, "cannot be told")),
    }
    lines.push(format!("  {}", head.join("  ")));
    let mut section = |label: &str, rows: Vec<Vec<Cell>>| {
        for (index, line) in table::lines(&rows, style).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            lines.push(format!("    {}  {line}", style.paint(Tone::Dim, pad(label, 8))));
        }
    };
    section("image", images(component));
    if component.presence == AppPresence::Absent {
        // Nothing in it can be there, and saying so line by line helps nobody.
        return;
    }
    section("machines", component.machines.iter().map(|machine| self::machine(machine, style)).collect());
    section("jobs", component.jobs.iter().map(job).collect());
    section(
        "secrets",
        component
            .secrets
            .iter()
            .map(|secret| {
                let (tone, word) = secret_state(secret.state);
                vec![Cell::plain(clean(&secret.name)), Cell::toned(tone, word)]
            })
            .collect(),
    );
    section(
        "volumes",
        component
            .volumes
            .iter()
            .map(|volume| {
                let holder = volume.attached_machine.as_ref().map_or_else(
                    || "not attached".to_owned(),
                    |id| {
                        let machine = component.machines.iter().find(|machine| machine.id == *id);
                        let slot = machine.and_then(|machine| machine.slot.as_ref()).unwrap_or(id);
                        format!("on {}", clean(slot))
                    },
                );
                vec![
                    Cell::plain(clean(&volume.name)),
                    Cell::plain(clean(&volume.id)),
                    Cell::plain(memory(volume.size_gb.saturating_mul(1024))),
                    Cell::plain(clean(&volume.region)),
                    Cell::plain(clean(&volume.state)),
                    Cell::toned(Tone::Dim, holder),
                ]
            })
            .collect(),
    );
    section(
        "ips",
        component
            .ips
            .iter()
            .map(|ip| {
                let kind = ip.kind.map_or("other", ip_name);
                let address = match &ip.address {
                    Some(address) => Cell::plain(clean(address)),
                    None => Cell::toned(Tone::Held, "missing"),
                };
                vec![Cell::plain(kind), address]
            })
            .collect(),
    );
    section(
        "certs",
        component
            .certificates
            .iter()
            .map(|certificate| {
                let tone = if certificate.ready { Tone::Good } else { Tone::Held };
                vec![Cell::plain(clean(&certificate.hostname)), Cell::toned(tone, clean(&certificate.status))]
            })
            .collect(),
    );
}

/// The images that run; and the wanted one, where none or another runs.
fn images(component: &ComponentStatus) -> Vec<Vec<Cell>> {
    let is_live = |wanted: &String| component.live_images.iter().any(|image| image.reference == *wanted);
    let mut rows: Vec<Vec<Cell>> = component
        .live_images
        .iter()
        .map(|LiveImage { reference, digest, machines }| {
            let mut row = vec![Cell::plain(clean(reference))];
            row.push(Cell::toned(Tone::Dim, digest.as_deref().map(short_digest).unwrap_or_default()));
            if component.live_images.len() > 1 {
                row.push(Cell::toned(Tone::Dim, crate::report::text::plural(*machines, "machine")));
            }
            row
        })
        .collect();
    if let Some(wanted) = component.image.as_ref().filter(|wanted| !is_live(wanted)) {
        rows.push(vec![Cell::plain(clean(wanted)), Cell::toned(Tone::Held, "wanted")]);
    }
    rows
}

/// `sha256:` and the 12 characters by which people compare.
pub(super) fn short_digest(digest: &str) -> String {
    clean(&digest.chars().take(19).collect::<String>())
}

fn machine(machine: &MachineStatus, style: Style) -> Vec<Cell> {
    let tone = match machine.state.as_str() {
        "started" => Tone::Good,
        "failed" => Tone::Delete,
        "stopped" | "suspended" | "created" => Tone::Dim,
        _ => Tone::Held,
    };
    let checks = match (machine.checks_total, machine.failing.is_empty()) {
        (0, _) => Cell::toned(Tone::Dim, "no checks"),
        (total, true) => Cell::toned(Tone::Good, format!("{}/{total} checks", machine.checks_passing)),
        (total, false) => {
            let failing = clean(&machine.failing.join(", "));
            Cell::toned(Tone::Delete, format!("{}/{total} checks: {failing}", machine.checks_passing))
        }
    };
    let slot = machine.slot.as_ref().map_or_else(|| "not ours".to_owned(), |slot| clean(slot));
    let mut trouble = Vec::new();
    if !machine.host_reachable {
        trouble.push("its host does not answer".to_owned());
    }
    if let Some(exit) = &machine.last_exit {
        let memory = if exit.oom_killed { ", out of memory" } else { "" };
        trouble.push(format!("exited with {}{memory}", exit.code));
    }
    let dot = format!(" {} ", style.dot());
    vec![
        Cell::plain(slot),
        Cell::plain(clean(&machine.id)),
        Cell::toned(tone, clean(&machine.state)),
        checks,
        Cell::toned(Tone::Dim, clean(&machine.version)),
        Cell::toned(Tone::Delete, trouble.join(&dot)),
    ]
}

/// What a secret's state is called.
pub(super) const fn secret_state(state: SecretState) -> (Tone, &'static str) {
    match state {
        SecretState::Live => (Tone::Good, "live"),
        SecretState::Staged => (Tone::Held, "staged"),
        SecretState::Unset => (Tone::Held, "unset"),
        SecretState::ChangedOutside => (Tone::Delete, "changed outside"),
        SecretState::Unknown => (Tone::Dim, "cannot be told"),
    }
}

fn standing(status: &Status, style: Style) -> (Tone, String) {
    let is_healthy = !status
        .conditions
        .iter()
        .any(|condition| condition.kind == "Healthy" && condition.status == super::ConditionStatus::False);
    match status.standing {
        Standing::Converged if status.orphan => (Tone::Dim, "kept".to_owned()),
        Standing::Converged if is_healthy => (Tone::Good, format!("{} as desired", style.tick())),
        Standing::Converged => (Tone::Held, "as desired, not healthy".to_owned()),
        Standing::Changes => (Tone::Update, "~ changes".to_owned()),
        Standing::Waiting => (Tone::Held, "! waiting".to_owned()),
        Standing::Blocked => (Tone::Held, "! blocked".to_owned()),
    }
}

/// What a class is called; what no spec asks for has none.
pub(super) const fn class(status: &Status) -> &'static str {
    match status.class {
        Some(crate::desired::Class::Preview) => "preview",
        Some(crate::desired::Class::Staging) => "staging",
        Some(crate::desired::Class::Production) => "production",
        None if status.orphan => "no spec",
        None => "broken",
    }
}

/// `1d 2h`.
pub(super) fn age(status: &Status) -> Option<String> {
    status.age_seconds.map(|seconds| match seconds {
        0 => "0s".to_owned(),
        seconds => duration(Duration::from_secs(seconds)),
    })
}
