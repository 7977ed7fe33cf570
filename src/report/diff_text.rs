//! A plan for people at a terminal.

use chrono::{DateTime, Utc};

use super::RequestCount;
use super::held;
use super::style::{Style, Tone};
use super::text::{clean, columns, pad, paragraph, plural, shorten, shorten_pair, wrap};
use super::value::{Line, Side};
use super::view::{Entry, EnvView, Group, Kind, Totals, environments};
use crate::plan::{Notice, Plan, Standing, Withheld};
use crate::resource::ComponentName;

/// Columns that verbs are filled up to: the longest are `allocate`.
const VERB_COLUMNS: usize = 8;
/// The widest column of field paths; a longer path pushes its value to the right.
const MOST_PATH_COLUMNS: usize = 36;
/// The widest column of resource names before the reason.
const MOST_RESOURCE_COLUMNS: usize = 34;
/// How far a resource's fields are indented.
const FIELD_INDENT: usize = 8;

/// The whole plan: what happens, what does not and why, and how many requests finding out took.
pub fn diff_text(plan: &Plan, style: &Style, requests: RequestCount) -> String {
    let style = *style;
    let environments = environments(plan);
    let mut totals = Totals::default();
    let mut out = Text { style, now: plan.made_at, lines: Vec::new() };
    for env in &environments {
        totals.add(&env.totals);
        out.environment(env);
    }
    if out.lines.last().is_some_and(|line| !line.is_empty()) {
        out.lines.push(String::new());
    }
    out.totals(&environments, totals, requests);
    let mut text = out.lines.join("\n");
    text.push('\n');
    text
}

/// What happens in an app or more, as lines.
pub(super) fn group_lines(groups: &[Group<'_>], style: Style) -> Vec<String> {
    let mut out = Text { style, now: DateTime::<Utc>::MIN_UTC, lines: Vec::new() };
    out.groups(groups);
    out.lines
}

struct Text {
    style: Style,
    now: DateTime<Utc>,
    lines: Vec<String>,
}

impl Text {
    fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    fn environment(&mut self, env: &EnvView<'_>) {
        let style = self.style;
        let is_quiet = env.groups.is_empty()
            && env.held.is_none()
            && env.waiting.is_empty()
            && env.blocked.is_empty()
            && env.notices.is_empty();
        // Quiet environments stand together, one line each; what has more to say is set apart.
        if !is_quiet && self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.line("");
        }
        let name = style.paint(Tone::Strong, clean(env.name.as_str()));
        let orphan = if env.is_orphan { style.paint(Tone::Dim, "  (no spec asks for it)") } else { String::new() };
        self.line(format!("{name}{orphan}  {}", self.standing(env)));
        self.groups(&env.groups);
        if let Some(held) = &env.held {
            let head = format!("! blocked  Level: withheld by `level: {}`, and otherwise done", held.level);
            self.line(format!("  {}", style.paint(Tone::Held, head)));
            self.groups(&held.groups);
        }
        self.withheld("blocked", &env.blocked);
        self.withheld("waiting", &env.waiting);
        self.notices(&env.notices);
        if !is_quiet && self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.line("");
        }
    }

    fn standing(&self, env: &EnvView<'_>) -> String {
        let style = self.style;
        let held = held_line(env.totals);
        match env.standing {
            Standing::Converged if env.is_orphan => style.paint(Tone::Dim, "kept"),
            Standing::Converged => style.paint(Tone::Good, format!("{} as desired", style.tick())),
            Standing::Changes if held.is_empty() => env.totals.to_short_line(),
            Standing::Changes => {
                format!("{} {} {}", env.totals.to_short_line(), style.dot(), style.paint(Tone::Held, held))
            }
            Standing::Waiting | Standing::Blocked => style.paint(Tone::Held, held),
        }
    }

    fn groups(&mut self, groups: &[Group<'_>]) {
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                self.line("");
            }
            self.group(group);
        }
        if !groups.is_empty() {
            self.line("");
        }
    }

    fn group(&mut self, group: &Group<'_>) {
        let style = self.style;
        let app = clean(&group.subject.to_string());
        match group.component {
            Some(component) => {
                let component = style.paint(Tone::Strong, clean(component.as_str()));
                self.line(format!("  {component}  {}", style.paint(Tone::Dim, app)));
            }
            None => self.line(format!("  {}", style.paint(Tone::Strong, app))),
        }
        let names: Vec<String> = group.entries.iter().map(|entry| entry.resource(style)).collect();
        let widest = names.iter().map(|name| columns(name)).filter(|width| *width <= MOST_RESOURCE_COLUMNS).max();
        for (entry, name) in group.entries.iter().zip(&names) {
            self.entry(entry, name, widest.unwrap_or(0));
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, name: &str, name_columns: usize) {
        let style = self.style;
        let (symbol, tone) = symbol(entry.kind, style);
        let symbol_columns = if style.unicode { 1 } else { 3 };
        let head = style.paint(tone, format!("{} {}", pad(symbol, symbol_columns), pad(entry.verb, VERB_COLUMNS)));
        let remark = entry.remark();
        let before = 4_usize.saturating_add(symbol_columns).saturating_add(VERB_COLUMNS).saturating_add(2);
        let name_columns = name_columns.max(columns(name));
        let room = style.width.saturating_sub(before.saturating_add(name_columns).saturating_add(2)).max(24);
        let mut remarks = wrap(&remark, room).into_iter();
        let first = remarks.next().unwrap_or_default();
        self.line(format!("    {head} {}  {}", pad(name, name_columns), style.paint(Tone::Dim, first)).trim_end());
        for more in remarks {
            let indent = " ".repeat(before.saturating_add(name_columns).saturating_add(2));
            self.line(format!("{indent}{}", style.paint(Tone::Dim, more)));
        }
        self.fields(entry);
    }

    fn fields(&mut self, entry: &Entry<'_>) {
        let mut lines = entry.lines();
        if let Some(regions) = entry.regions() {
            let new = Side { text: regions, is_remark: false };
            lines.insert(0, Line { path: "region".to_owned(), old: None, new, forces_replacement: false });
        }
        let widths = lines.iter().map(|line| columns(&line.path).saturating_add(1));
        let path_columns = widths.filter(|width| *width <= MOST_PATH_COLUMNS).max().unwrap_or(0);
        for line in &lines {
            self.field(line, path_columns);
        }
    }

    fn field(&mut self, line: &Line, path_columns: usize) {
        let style = self.style;
        let path = shorten(&line.path, style.width.saturating_div(2), style);
        let path = pad(&format!("{path}:"), path_columns);
        let indent = " ".repeat(FIELD_INDENT);
        let start = FIELD_INDENT.saturating_add(columns(&path)).saturating_add(1);
        let room = style.width.saturating_sub(start).max(24);
        let forces = if line.forces_replacement { "  (forces replacement)" } else { "" };
        let painted_forces = style.paint(Tone::Replace, forces);
        let Some(old) = &line.old else {
            let room = if line.new.is_remark { usize::MAX } else { room.saturating_sub(columns(forces)) };
            let new = shorten(&line.new.text, room, style);
            self.line(format!("{indent}{path} {}{painted_forces}", self.side(&line.new, &new, None)));
            return;
        };
        let arrow = style.paint(Tone::Dim, style.arrow());
        let arrow_columns = columns(style.arrow()).saturating_add(1);
        let needed = columns(&old.text)
            .saturating_add(columns(&line.new.text))
            .saturating_add(arrow_columns.saturating_add(1))
            .saturating_add(columns(forces));
        if needed <= room {
            let (old, new) = (
                self.side(old, &old.text, Some(Tone::Delete)),
                self.side(&line.new, &line.new.text, Some(Tone::Create)),
            );
            self.line(format!("{indent}{path} {old} {arrow} {new}{painted_forces}"));
            return;
        }
        let room = room.saturating_sub(arrow_columns).saturating_sub(columns(forces));
        let (short_old, short_new) = shorten_pair(&old.text, &line.new.text, room, style);
        let gap = " ".repeat(arrow_columns);
        self.line(format!("{indent}{path} {gap}{}", self.side(old, &short_old, Some(Tone::Delete))));
        let below = " ".repeat(start);
        self.line(format!("{below}{arrow} {}{painted_forces}", self.side(&line.new, &short_new, Some(Tone::Create))));
    }

    fn side(&self, side: &Side, text: &str, tone: Option<Tone>) -> String {
        match tone {
            _ if side.is_remark => self.style.paint(Tone::Dim, text),
            Some(tone) => self.style.paint(tone, text),
            None => text.to_owned(),
        }
    }

    /// What is held, with equal reasons together: the reason once, then each thing that it holds.
    fn withheld(&mut self, stance: &str, all: &[&Withheld]) {
        let mut rest: Vec<&Withheld> = all.to_vec();
        while let Some(first) = rest.first().copied() {
            let (same, other): (Vec<&Withheld>, Vec<&Withheld>) =
                rest.into_iter().partition(|withheld| withheld.reason == first.reason);
            rest = other;
            let head = self.style.paint(Tone::Held, format!("! {stance}  {}", first.reason));
            self.line(format!("  {head}"));
            for withheld in same {
                let component = withheld.component.as_ref().map(ComponentName::as_str);
                self.bullet(&held::message(withheld, self.now), component);
            }
        }
    }

    fn notices(&mut self, notices: &[&Notice]) {
        if notices.is_empty() {
            return;
        }
        self.line(format!("  {}", self.style.paint(Tone::Dim, "notes")));
        for notice in notices {
            self.bullet(&notice.message, notice.component.as_ref().map(ComponentName::as_str));
        }
    }

    fn bullet(&mut self, message: &str, component: Option<&str>) {
        let style = self.style;
        let message = match component {
            Some(component) => format!("{component}: {message}"),
            None => message.to_owned(),
        };
        for (index, line) in paragraph(&message, style.width.saturating_sub(6).max(24)).iter().enumerate() {
            let mark = if index == 0 { style.dot() } else { " " };
            self.line(format!("    {mark} {line}").trim_end());
        }
    }

    fn totals(&mut self, environments: &[EnvView<'_>], totals: Totals, requests: RequestCount) {
        let style = self.style;
        let requests = requests.to_line();
        if !totals.has_changes() {
            self.nothing_to_do(environments, &requests);
            return;
        }
        for warning in warnings(environments, style) {
            for (index, line) in wrap(&warning, style.width.saturating_sub(2).max(24)).into_iter().enumerate() {
                let mark = if index == 0 { "! " } else { "  " };
                self.line(style.paint(Tone::Delete, format!("{mark}{line}")));
            }
        }
        let counts = [
            (totals.create, "to create", Tone::Create),
            (totals.update, "to update", Tone::Update),
            (totals.replace, "to replace", Tone::Replace),
            (totals.delete, "to delete", Tone::Delete),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(count, what, tone)| {
                let text = format!("{count} {what}");
                if count == 0 { text } else { style.paint(tone, text) }
            })
            .collect();
        let held = held_line(totals);
        let held =
            if held.is_empty() { String::new() } else { format!(" {} {}", style.dot(), style.paint(Tone::Held, held)) };
        self.line(format!("{} {}{held}", style.paint(Tone::Strong, "Plan:"), counts.join(", ")));
        self.line(style.paint(Tone::Dim, requests));
    }

    fn nothing_to_do(&mut self, environments: &[EnvView<'_>], requests: &str) {
        let text = nothing_to_do(environments, Some(requests));
        let is_good = environments.iter().all(|env| env.standing == Standing::Converged);
        self.line(self.style.paint(if is_good { Tone::Good } else { Tone::Held }, text));
    }
}

/// `Nothing to do: 3 environments are as desired (12 requests, all reads).`
pub(super) fn nothing_to_do(environments: &[EnvView<'_>], requests: Option<&str>) -> String {
    let requests = requests.map(|requests| format!(" ({requests})")).unwrap_or_default();
    let count = |standing: Standing| environments.iter().filter(|env| env.standing == standing).count();
    let are = |count: usize, singular: &str, many: &str| {
        format!("{} {}", plural(count, "environment"), if count == 1 { singular } else { many })
    };
    if environments.is_empty() {
        return format!("Nothing to do: there is no environment{requests}.");
    }
    let mut parts = Vec::new();
    for (standing, singular, many) in [
        (Standing::Converged, "is as desired", "are as desired"),
        (Standing::Waiting, "waits", "wait"),
        (Standing::Blocked, "is blocked", "are blocked"),
    ] {
        let count = count(standing);
        if count > 0 {
            parts.push(are(count, singular, many));
        }
    }
    let now = if count(Standing::Converged) == environments.len() { "" } else { " now" };
    format!("Nothing to do{now}: {}{requests}.", parts.join(", "))
}

/// What a reader must not miss: what is deleted and what is made anew.
pub(super) fn warnings(environments: &[EnvView<'_>], style: Style) -> Vec<String> {
    let affected = |kind: Kind| -> Vec<String> {
        let mut names = Vec::new();
        for env in environments {
            for group in &env.groups {
                for entry in group.entries.iter().filter(|entry| entry.kind == kind) {
                    let name = entry.resource(style);
                    let of = if name.starts_with("app ") {
                        String::new()
                    } else {
                        format!(" of {}", clean(&group.subject.to_string()))
                    };
                    names.push(format!("{name}{of} ({})", clean(env.name.as_str())));
                }
            }
        }
        names
    };
    let mut warnings = Vec::new();
    for (kind, what) in [(Kind::Delete, "deletes"), (Kind::Replace, "destroys and makes anew")] {
        let names = affected(kind);
        if !names.is_empty() {
            warnings.push(format!("This {what} {}", names.join(", ")));
        }
    }
    warnings
}

/// `2 blocked, 1 waiting`: what there is.
pub(super) fn held_line(totals: Totals) -> String {
    let parts: Vec<String> = [(totals.blocked, "blocked"), (totals.waiting, "waiting")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    parts.join(", ")
}

/// The symbol of a kind of change.
pub(super) const fn symbol(kind: Kind, style: Style) -> (&'static str, Tone) {
    match kind {
        Kind::Create => ("+", Tone::Create),
        Kind::Update => ("~", Tone::Update),
        Kind::Replace => (style.replaced(), Tone::Replace),
        Kind::Delete => ("-", Tone::Delete),
    }
}
