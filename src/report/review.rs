//! Two states of specs compared, as text, Markdown and JSON.

use serde::Serialize;

use super::diff_json::ChangeDocument;
use super::diff_markdown::Page;
use super::diff_text::{group_lines, held_line};
use super::json;
use super::markdown::{code, html, inline};
use super::plan_cost;
use super::style::{Style, Tone};
use super::text::{clean, plural, wrap};
use super::view::{Entry, Group, Kind as Effect, Totals, fold};
use crate::resource::{self, AppName, FieldChange, ResourceKey};
use crate::review::{Comparison, Fate, Kind, Subject};

/// The version of the JSON form. It rises when a field changes its meaning or goes; fields may be added within a version.
const VERSION: u32 = 1;

/// What is compared with what, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The earlier state, as it was named.
    pub base: String,
    /// Its commit.
    pub commit: String,
}

impl Compared {
    fn short(&self) -> String {
        self.commit.chars().take(12).collect()
    }
}

/// How many objects something happens to, and what the policy forbids.
pub fn review_totals(comparison: &Comparison) -> Totals {
    let mut totals = Totals::default();
    for subject in &comparison.subjects {
        totals.add(&totals_of(subject));
    }
    totals
}

fn totals_of(subject: &Subject) -> Totals {
    let is_unknown = matches!(subject.fate, Fate::Unknown(_));
    let blocked = subject.violations.len().saturating_add(usize::from(is_unknown));
    let mut totals = Totals { blocked, ..Totals::default() };
    let own = (!subject.settings.is_empty()).then_some(own_effect(subject));
    for effect in subject.objects.iter().map(|object| object.effect).chain(own) {
        let counter = match effect {
            Effect::Create => &mut totals.create,
            Effect::Update => &mut totals.update,
            Effect::Replace => &mut totals.replace,
            Effect::Delete => &mut totals.delete,
        };
        *counter = counter.saturating_add(1);
    }
    totals
}

const fn own_effect(subject: &Subject) -> Effect {
    match subject.fate {
        Fate::Added => Effect::Create,
        Fate::Removed => Effect::Delete,
        Fate::Changed | Fate::Same | Fate::Unknown(_) => Effect::Update,
    }
}

/// The objects of a subject as entries of a plan, its own fields first.
fn groups<'c>(subject: &'c Subject, own: &'c AppName) -> Vec<Group<'c>> {
    let mut groups: Vec<Group<'c>> = Vec::new();
    if !subject.settings.is_empty() {
        let entry = entry(own_effect(subject), None, &subject.settings);
        groups.push(Group { component: None, subject: resource::Subject::App(own.clone()), entries: vec![entry] });
    }
    for object in &subject.objects {
        let entry = entry(object.effect, Some(&object.key), &object.changes);
        let about = object.key.subject();
        match groups.iter_mut().find(|group| group.subject == about && group.component.is_some()) {
            Some(group) => group.entries.push(entry),
            None => {
                groups.push(Group { component: Some(&object.component), subject: about, entries: vec![entry] });
            }
        }
    }
    for group in &mut groups {
        group.entries = fold(std::mem::take(&mut group.entries));
    }
    groups
}

fn entry<'c>(kind: Effect, key: Option<&'c ResourceKey>, changes: &'c [FieldChange]) -> Entry<'c> {
    let (verb, reason) = match kind {
        Effect::Create => ("create", "new in the specs"),
        Effect::Update => ("change", "changed in the specs"),
        Effect::Replace => ("replace", "changed in the specs"),
        Effect::Delete => ("remove", "no longer in the specs"),
    };
    Entry { kind, verb, keys: key.into_iter().collect(), reason, changes: changes.iter().collect(), health: None }
}

fn own_name(kind: Kind) -> AppName {
    AppName::new(match kind {
        Kind::Environment => "environment",
        Kind::PreviewSet => "preview set",
        Kind::Policy => "policy",
        Kind::Controller => "controller",
    })
}

/// What a subject is called before its name; environments are what it is about.
const fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Environment => "",
        Kind::PreviewSet => "preview set ",
        Kind::Policy => "policy ",
        Kind::Controller => "controller ",
    }
}

fn standing(subject: &Subject) -> String {
    let fate = match &subject.fate {
        Fate::Added => "new",
        Fate::Removed => "removed",
        Fate::Changed => "changed",
        Fate::Same => "",
        Fate::Unknown(_) => "cannot be told",
    };
    let totals = totals_of(subject);
    let parts = [fate.to_owned(), totals.to_short_line(), held_line(totals)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn is_quiet(subject: &Subject) -> bool {
    subject.fate == Fate::Same && subject.violations.is_empty()
}

fn conclusion(comparison: &Comparison) -> String {
    if !comparison.has_changes() {
        let count = comparison.subjects.iter().filter(|subject| subject.kind == Kind::Environment).count();
        return format!("no changes of what is asked for ({})", plural(count, "environment"));
    }
    let totals = review_totals(comparison);
    let held = held_line(totals);
    let held = if held.is_empty() { held } else { format!(" · {held}") };
    format!("{}{held}", totals.to_line())
}

/// What follows the changes of a subject: why it cannot be told, and what the policy does not allow.
fn remarks(subject: &Subject) -> Vec<String> {
    let unknown = match &subject.fate {
        Fate::Unknown(reason) => Some(format!("it cannot be evaluated: {reason}")),
        _ => None,
    };
    let violations = subject.violations.iter().map(|violation| format!("the policy does not allow it: {violation}"));
    unknown.into_iter().chain(violations).collect()
}

/// The comparison for a terminal.
pub fn review_text(comparison: &Comparison, compared: &Compared, style: &Style) -> String {
    let style = *style;
    let mut lines: Vec<String> = Vec::new();
    for subject in comparison.subjects.iter().filter(|subject| !is_quiet(subject)) {
        let name = style.paint(Tone::Strong, format!("{}{}", label(subject.kind), clean(&subject.name)));
        lines.push(format!("{name}  {}", standing(subject)));
        lines.extend(group_lines(&groups(subject, &own_name(subject.kind)), style));
        for remark in remarks(subject) {
            lines.push(format!("  {}", style.paint(Tone::Held, format!("! blocked  {}", clean(&remark)))));
        }
        if lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
    }
    let mut paragraph = |mark: &str, tone: Tone, text: &str| {
        for (index, line) in wrap(&clean(text), style.width.saturating_sub(2).max(24)).into_iter().enumerate() {
            let mark = if index == 0 { mark } else { "  " };
            lines.push(style.paint(tone, format!("{mark}{line}")));
        }
    };
    for warning in &comparison.warnings {
        paragraph("! ", Tone::Delete, warning);
    }
    for note in &comparison.notes {
        paragraph("  ", Tone::Dim, note);
    }
    let base = clean(&compared.base);
    let label = style.paint(Tone::Strong, format!("Specs against {base}:"));
    lines.push(format!("{label} {}", conclusion(comparison)));
    if let Some(sentence) = plan_cost::sentence(comparison.cost) {
        lines.push(sentence);
    }
    let foot = format!("commit {}; no provider was asked", compared.short());
    lines.push(style.paint(Tone::Dim, foot));
    format!("{}\n", lines.join("\n"))
}

/// The comparison for a pull request, as Markdown of at most 65,000 characters. It is the same whenever the specs are.
pub fn review_markdown(comparison: &Comparison, compared: &Compared) -> String {
    let mut page = Page::new();
    page.put(&format!("### Hangar specs against {}: {}\n", code(&compared.base), conclusion(comparison)));
    page.cost(comparison.cost);
    if !comparison.warnings.is_empty() {
        let lines: Vec<String> = comparison.warnings.iter().map(|text| format!("> - {}", inline(text))).collect();
        page.put(&format!("\n> [!WARNING]\n{}\n", lines.join("\n")));
    }
    let loud: Vec<&Subject> = comparison.subjects.iter().filter(|subject| !is_quiet(subject)).collect();
    let open = if loud.len() == 1 { " open" } else { "" };
    for subject in loud {
        let name = html(&subject.name);
        let (label, standing) = (label(subject.kind), standing(subject));
        let head = format!("\n<details{open}><summary><b>{label}<code>{name}</code></b>: {standing}</summary>\n\n");
        if page.begin_block(&head) {
            page.changes(&groups(subject, &own_name(subject.kind)));
            for remark in remarks(subject) {
                page.put(&format!("\n- **blocked**: {}\n", inline(&remark)));
            }
            page.end_block();
        }
    }
    let quiet = comparison.subjects.iter().filter(|subject| is_quiet(subject));
    let same: Vec<String> =
        quiet.filter(|subject| subject.kind == Kind::Environment).map(|subject| code(&subject.name)).collect();
    if !same.is_empty() {
        page.put(&format!("\n✓ The same: {}\n", same.join(", ")));
    }
    for note in &comparison.notes {
        page.put(&format!("\n{}\n", inline(note)));
    }
    page.note_cut();
    page.text.push_str(&format!("\n<sub>base commit {} · no provider was asked</sub>\n", code(&compared.short())));
    page.text
}

/// The comparison for programs.
pub fn review_json(comparison: &Comparison, compared: &Compared) -> String {
    json::pretty(&ReviewDocument {
        version: VERSION,
        base: &compared.base,
        base_commit: &compared.commit,
        in_sync: !comparison.has_changes(),
        subjects: comparison.subjects.iter().map(SubjectDocument::of).collect(),
        totals: review_totals(comparison),
        cost_delta: comparison.cost.is_whole.then(|| comparison.cost.to_number()),
        warnings: &comparison.warnings,
        notes: &comparison.notes,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewDocument<'c> {
    version: u32,
    base: &'c str,
    base_commit: &'c str,
    in_sync: bool,
    subjects: Vec<SubjectDocument<'c>>,
    totals: Totals,
    /// In dollars a month; absent where a price is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_delta: Option<String>,
    warnings: &'c [String],
    notes: &'c [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectDocument<'c> {
    kind: Kind,
    name: &'c str,
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'c str>,
    settings: Vec<ChangeDocument>,
    objects: Vec<ObjectDocument<'c>>,
    violations: &'c [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectDocument<'c> {
    component: &'c str,
    resource: &'c ResourceKey,
    name: String,
    effect: Effect,
    changes: Vec<ChangeDocument>,
}

impl<'c> SubjectDocument<'c> {
    fn of(subject: &'c Subject) -> Self {
        let (fate, reason) = match &subject.fate {
            Fate::Added => ("added", None),
            Fate::Removed => ("removed", None),
            Fate::Changed => ("changed", None),
            Fate::Same => ("same", None),
            Fate::Unknown(reason) => ("unknown", Some(reason.as_str())),
        };
        let object = |object: &'c crate::review::ObjectChange| ObjectDocument {
            component: object.component.as_str(),
            resource: &object.key,
            name: object.key.to_string(),
            effect: object.effect,
            changes: object.changes.iter().map(ChangeDocument::of).collect(),
        };
        Self {
            kind: subject.kind,
            name: &subject.name,
            fate,
            reason,
            settings: subject.settings.iter().map(ChangeDocument::of).collect(),
            objects: subject.objects.iter().map(object).collect(),
            violations: &subject.violations,
        }
    }
}
