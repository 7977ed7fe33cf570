//! A plan as a comment on a pull request.

use super::RequestCount;
use super::diff_text::{held_line, nothing_to_do, warnings};
use super::held;
use super::markdown::{code, fenced, html, inline, item};
use super::plan_cost;
use super::style::Style;
use super::text::{clean, plural, shorten};
use super::value::Line;
use super::view::{Entry, EnvView, Group, Kind, Totals, environments};
use crate::cost::Cost;
use crate::plan::{Plan, Standing};
use crate::resource::ComponentName;

/// The most characters that a comment has. GitHub refuses a body of more than 65,536.
pub(super) const MOST_CHARACTERS: usize = 65_000;
/// The end of an environment's block.
const FOOT: &str = "\n</details>\n";
/// What is kept free for the notes at the end.
const RESERVE: usize = 1_000;
/// The most columns of one value.
const MOST_VALUE_COLUMNS: usize = 400;

/// The whole plan as Markdown of at most 65,000 characters: counts, cost, warnings, then each environment to unfold. Whatever a spec
/// or a provider says in it stays text.
pub fn diff_markdown(plan: &Plan, cost: Cost, requests: RequestCount) -> String {
    let made_at = plan.made_at.format("%Y-%m-%d %H:%M UTC");
    markdown(plan, cost, &format!("{} · {made_at}", requests.to_line()))
}

/// The same for a comment that is edited only when it says something else: without what differs from one look to the next, the
/// moment and the number of requests.
pub fn diff_comment(plan: &Plan, cost: Cost) -> String {
    markdown(plan, cost, "")
}

/// `look` says what it took to find out.
fn markdown(plan: &Plan, cost: Cost, look: &str) -> String {
    let environments = environments(plan);
    let mut totals = Totals::default();
    for env in &environments {
        totals.add(&env.totals);
    }
    let mut page = Page::new();
    let held = held_line(totals);
    let held = if held.is_empty() { held } else { format!(" · {held}") };
    if totals.has_changes() {
        page.put(&format!("### Hangar plan: {}{held}\n", totals.to_line()));
    } else {
        let sentence = inline(&nothing_to_do(&environments, None));
        page.put(&format!("### Hangar plan: no changes{held}\n\n{sentence}\n"));
    }
    page.cost(cost);
    let warnings = warnings(&environments, Style::PLAIN);
    if !warnings.is_empty() {
        let lines: Vec<String> = warnings.iter().map(|warning| format!("> - {}", inline(warning))).collect();
        page.put(&format!("\n> [!WARNING]\n{}\n", lines.join("\n")));
    }
    let (quiet, loud): (Vec<&EnvView<'_>>, Vec<&EnvView<'_>>) = environments.iter().partition(|env| is_quiet(env));
    let is_open = loud.len() == 1;
    for env in loud {
        page.environment(env, plan, is_open);
    }
    if !quiet.is_empty() {
        let names: Vec<String> = quiet.iter().map(|env| code(env.name.as_str())).collect();
        page.put(&format!("\n✓ As desired: {}\n", names.join(", ")));
    }
    page.foot(plan, look);
    page.text
}

/// A page that is not allowed to grow beyond its limit.
pub(super) struct Page {
    pub(super) text: String,
    left: usize,
    /// How many things did not fit.
    cut: usize,
}

impl Page {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self { text: String::new(), left: MOST_CHARACTERS.saturating_sub(RESERVE), cut: 0 }
    }

    /// Adds `text` if it fits.
    pub(super) fn put(&mut self, text: &str) -> bool {
        let length = text.chars().count();
        if length > self.left {
            self.cut = self.cut.saturating_add(1);
            return false;
        }
        self.left = self.left.saturating_sub(length);
        self.text.push_str(text);
        true
    }

    fn environment(&mut self, env: &EnvView<'_>, plan: &Plan, is_open: bool) {
        let open = if is_open { " open" } else { "" };
        let orphan = if env.is_orphan { " (no spec asks for it)" } else { "" };
        let head = format!(
            "\n<details{open}><summary><b><code>{}</code></b>{orphan}: {}</summary>\n\n",
            html(env.name.as_str()),
            standing(env)
        );
        if !self.begin_block(&head) {
            return;
        }
        self.changes(&env.groups);
        if let Some(held) = &env.held {
            let level = code(&format!("level: {}", held.level));
            self.put(&format!("\n**blocked** {}: withheld by {level}, and otherwise done:\n\n", code("Level")));
            self.changes(&held.groups);
        }
        let has_items = !env.waiting.is_empty() || !env.blocked.is_empty() || !env.notices.is_empty();
        if has_items && !(env.groups.is_empty() && env.held.is_none()) {
            self.put("\n");
        }
        for (stance, all) in [("blocked", &env.blocked), ("waiting", &env.waiting)] {
            for withheld in all {
                let component = component_label(withheld.component.as_ref());
                let label = format!("**{stance}** {}{component}:", code(&withheld.reason.to_string()));
                self.put(&item(&label, &held::message(withheld, plan.made_at)));
            }
        }
        for notice in &env.notices {
            let label = format!("note{}:", component_label(notice.component.as_ref()));
            self.put(&item(&label, &notice.message));
        }
        self.end_block();
    }

    /// What changes about the monthly cost, where something does.
    pub(super) fn cost(&mut self, delta: Cost) {
        if let Some(sentence) = plan_cost::sentence(delta) {
            self.put(&format!("\n{}\n", inline(&sentence)));
        }
    }

    /// Begins a block to unfold, if it fits. The end of the block is paid for first: a cut must not leave it open.
    pub(super) fn begin_block(&mut self, head: &str) -> bool {
        if self.left < head.chars().count().saturating_add(FOOT.len()).saturating_add(100) {
            self.cut = self.cut.saturating_add(1);
            return false;
        }
        self.left = self.left.saturating_sub(FOOT.len());
        self.put(head)
    }

    pub(super) fn end_block(&mut self) {
        self.text.push_str(FOOT);
    }

    /// The changes in one fence, as many lines of it as fit.
    pub(super) fn changes(&mut self, groups: &[Group<'_>]) {
        let mut lines = Vec::new();
        for group in groups {
            let component = group.component.map(|name| format!("{} ", clean(name.as_str()))).unwrap_or_default();
            lines.push(format!("@@ {component}{} @@", clean(&group.subject.to_string())));
            for entry in &group.entries {
                entry_lines(entry, &mut lines);
            }
        }
        if lines.is_empty() {
            return;
        }
        let mut room = self.left.saturating_sub(100);
        let fitting = lines
            .iter()
            .take_while(|line| {
                let length = line.chars().count().saturating_add(1);
                let fits = length <= room;
                room = room.saturating_sub(length);
                fits
            })
            .count();
        if fitting < lines.len() {
            let rest = lines.len().saturating_sub(fitting);
            lines.truncate(fitting);
            lines.push(format!("# … {} left out", plural(rest, "line")));
            self.cut = self.cut.saturating_add(1);
        }
        self.put(&format!("{}\n", fenced("diff", &lines)));
    }

    /// The note that says that something did not fit, where that is so.
    pub(super) fn note_cut(&mut self) {
        if self.cut > 0 {
            self.text.push_str(
                "\n> [!NOTE]\n> This plan is longer than a comment can be, and has been cut. `hangar diff` shows all of it.\n",
            );
        }
    }

    fn foot(&mut self, plan: &Plan, look: &str) {
        self.note_cut();
        let commit = plan.commit.as_ref().map(|commit| {
            let short: String = commit.chars().take(12).collect();
            format!("commit {}", code(&short))
        });
        let parts: Vec<&str> = commit.as_deref().into_iter().chain([look]).filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return;
        }
        let foot = format!("\n<sub>{}</sub>\n", parts.join(" · "));
        self.text.push_str(&foot);
    }
}

/// One resource: a line in the colour of what happens to it, and its fields, old and new each on a line of its own.
fn entry_lines(entry: &Entry<'_>, lines: &mut Vec<String>) {
    let style = Style::PLAIN;
    // GitHub paints `+` green, `-` red and `!` orange.
    let mark = match entry.kind {
        Kind::Create => "+",
        Kind::Update | Kind::Replace => "!",
        Kind::Delete => "-",
    };
    lines.push(format!("{mark} {} {}  ({})", entry.verb, entry.resource(style), entry.remark()));
    if let Some(regions) = entry.regions() {
        lines.push(format!("+     region: {regions}"));
    }
    for Line { path, old, new, forces_replacement } in entry.lines() {
        let forces = if forces_replacement { "  (forces replacement)" } else { "" };
        let short = |text: &str| shorten(text, MOST_VALUE_COLUMNS, style);
        if let Some(old) = old.filter(|old| !old.is_remark) {
            lines.push(format!("-     {path}: {}", short(&old.text)));
        }
        let is_removed = new.is_remark && new.text == "(removed)";
        if !is_removed {
            let mark = match entry.kind {
                Kind::Delete => "-",
                Kind::Create => "+",
                _ if new.text == "(secret, removed)" => "-",
                _ if new.is_remark && new.text != "(known after create)" => "!",
                _ => "+",
            };
            lines.push(format!("{mark}     {path}: {}{forces}", short(&new.text)));
        }
    }
}

fn component_label(component: Option<&ComponentName>) -> String {
    component.map(|name| format!(" {}", code(name.as_str()))).unwrap_or_default()
}

fn is_quiet(env: &EnvView<'_>) -> bool {
    env.standing == Standing::Converged && env.notices.is_empty()
}

fn standing(env: &EnvView<'_>) -> String {
    let Totals { waiting, blocked, .. } = env.totals;
    let mut parts = Vec::new();
    let changes = env.totals.to_short_line();
    if !changes.is_empty() {
        parts.push(changes);
    }
    if blocked > 0 {
        parts.push(format!("{blocked} blocked"));
    }
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    if parts.is_empty() {
        parts.push("as desired, with notes".to_owned());
    }
    parts.join(", ")
}
