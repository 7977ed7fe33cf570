//! What two states of specs ask for, compared with each other and with nothing that is live.
//!
//! ```text
//! specs at a commit ──> Asked ─┐
//!                              ├─> compare ─> Comparison (environments, sets of previews, policies, settings: added, removed, changed)
//! specs as they are ──> Asked ─┘
//! ```
//!
//! Nobody is asked, and no secret is read: a secret counts as changed when its spec is another one. The environments of pull requests
//! and branches are not known here, so that a set which makes them is compared by its template, with invented values.

mod environment;
mod settings;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cost::Cost;
use crate::desired::{Built, Environment, Fleet, Wanted};
use crate::plan::Effect;
use crate::policy::Policy;
use crate::resource::{ComponentName, FieldChange, ResourceKey};
use crate::spec::preview::PreviewSource;
use crate::spec::{ParsedEnvironment, ParsedPreviewSet, ParsedSpecs};

/// What the specs of one state ask for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The documents.
    pub specs: ParsedSpecs,
    /// The environments.
    pub fleet: Fleet,
    /// The template of each set that has a repository as a source, by the name of the set.
    pub templates: BTreeMap<String, Wanted>,
}

impl Asked {
    /// What `specs` ask for, as it was built from them.
    pub fn new(specs: ParsedSpecs, built: Built) -> Self {
        Self { specs, fleet: built.fleet, templates: built.templates }
    }

    fn set(&self, name: &str) -> Option<&ParsedPreviewSet> {
        self.specs.preview_sets.iter().find(|set| set.metadata.name == name)
    }

    /// The document that an environment of the fleet comes from.
    fn written(&self, environment: &Environment) -> Option<&ParsedEnvironment> {
        match &environment.preview {
            Some(preview) => self.set(&preview.set).map(|set| &set.template),
            None => self.specs.environments.iter().find(|one| one.metadata.name == environment.name.as_str()),
        }
    }
}

/// What differs between two states.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Everything that there is in one of them or in both: environments first, each kind by name.
    pub subjects: Vec<Subject>,
    /// What a reader must not miss, for people.
    pub warnings: Vec<String>,
    /// What is not compared, and why, for people.
    pub notes: Vec<String>,
    /// What changes about the monthly cost of environments, those of pull requests and branches apart.
    pub cost: Cost,
    /// Environments that are kept when they are no longer asked for.
    kept: BTreeSet<String>,
}

/// What is compared as one thing. The order is that in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An environment.
    Environment,
    /// A set of previews: its own fields, and its template with invented values.
    PreviewSet,
    /// A policy.
    Policy,
    /// The controller's settings.
    Controller,
}

/// What becomes of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Only the later state has it.
    Added,
    /// Only the earlier state has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
    /// Both have it, and it is the same.
    Same,
    /// It cannot be evaluated in one of them, for the reason given.
    Unknown(String),
}

/// One environment, set of previews, policy or controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// The fields of its own that differ.
    pub settings: Vec<FieldChange>,
    /// What differs in its apps, and in what it has at other providers.
    pub objects: Vec<ObjectChange>,
    /// What it asks for and the policy does not allow.
    pub violations: Vec<String>,
    /// What changes about its monthly cost.
    pub cost: Cost,
}

/// What differs in one object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectChange {
    /// The component.
    pub component: ComponentName,
    /// The object.
    pub key: ResourceKey,
    /// What it comes to.
    pub effect: Effect,
    /// The fields that differ.
    pub changes: Vec<FieldChange>,
}

impl Comparison {
    /// Makes the warnings and the sum of costs anew, once subjects have been left out.
    pub fn warn(&mut self) {
        self.warnings = warnings(&self.subjects, &self.kept);
        self.cost = self.subjects.iter().map(|subject| subject.cost).fold(Cost::ZERO, Cost::plus);
    }

    /// Whether anything differs, or cannot be told.
    pub fn has_changes(&self) -> bool {
        self.subjects.iter().any(|subject| subject.fate != Fate::Same || !subject.violations.is_empty())
    }
}

/// Compares what `base` asks for with what `head` asks for.
pub fn compare(base: &Asked, head: &Asked) -> Comparison {
    let mut comparison = Comparison {
        subjects: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        cost: Cost::ZERO,
        kept: kept(base),
    };
    let policy = Policy::from_specs(&head.specs.policies);
    for name in names(base.fleet.environments.keys(), head.fleet.environments.keys()) {
        let (old, new) = (base.fleet.environments.get(&name), head.fleet.environments.get(&name));
        let mut subject = Subject::of_wanted(Kind::Environment, name.as_str(), (base, old), (head, new));
        if let Some(Wanted::Ready(environment)) = new {
            subject.violations = policy.violations(environment);
        }
        let is_kept = subject.fate == Fate::Removed && comparison.kept.contains(&subject.name);
        subject.cost = if is_kept { Cost::ZERO } else { price(new).minus(price(old)) };
        comparison.subjects.push(subject);
    }
    comparison.subjects.extend(sets(base, head, &policy));
    let policies = |asked: &Asked| -> BTreeMap<String, Value> {
        asked.specs.policies.iter().map(|one| (one.metadata.name.clone(), settings::json(&one.spec))).collect()
    };
    comparison.subjects.extend(documents(Kind::Policy, &policies(base), &policies(head)));
    let controller = |asked: &Asked| -> BTreeMap<String, Value> {
        let one = asked.specs.controller.iter();
        one.map(|one| (one.metadata.name.clone(), settings::json(&one.spec))).collect()
    };
    comparison.subjects.extend(documents(Kind::Controller, &controller(base), &controller(head)));
    // Nothing is deleted of what is kept, although nobody asks for it.
    for subject in comparison.subjects.iter_mut().filter(|subject| subject.kind == Kind::Environment) {
        if subject.fate == Fate::Removed && comparison.kept.contains(&subject.name) {
            subject.objects.clear();
        }
    }
    comparison.notes = notes(base, head);
    comparison.warn();
    comparison
}

fn price(wanted: Option<&Wanted>) -> Cost {
    match wanted {
        Some(Wanted::Ready(environment)) => crate::cost::environment(environment),
        Some(Wanted::Broken { .. }) => Cost::UNKNOWN,
        None => Cost::ZERO,
    }
}

/// The environments whose live objects stay when no spec asks for them any more.
fn kept(asked: &Asked) -> BTreeSet<String> {
    let is_kept = |wanted: &Wanted| match wanted {
        Wanted::Ready(environment) => environment.protect || environment.retain,
        Wanted::Broken { .. } => false,
    };
    let kept = asked.fleet.environments.iter().filter(|(_, wanted)| is_kept(wanted));
    kept.map(|(name, _)| name.to_string()).collect()
}

fn names<'n, N: Ord + Clone + 'n>(old: impl Iterator<Item = &'n N>, new: impl Iterator<Item = &'n N>) -> BTreeSet<N> {
    old.chain(new).cloned().collect()
}

impl Subject {
    fn new(kind: Kind, name: &str, is_old: bool, is_new: bool) -> Self {
        let fate = match (is_old, is_new) {
            (false, true) => Fate::Added,
            (true, false) => Fate::Removed,
            _ => Fate::Same,
        };
        let name = name.to_owned();
        Self { kind, name, fate, settings: Vec::new(), objects: Vec::new(), violations: Vec::new(), cost: Cost::ZERO }
    }

    /// What becomes of an environment, or of the template of a set.
    fn of_wanted(kind: Kind, name: &str, old: (&Asked, Option<&Wanted>), new: (&Asked, Option<&Wanted>)) -> Self {
        let mut subject = Self::new(kind, name, old.1.is_some(), new.1.is_some());
        let ready = |(asked, wanted): (&Asked, Option<&Wanted>)| match wanted {
            Some(Wanted::Ready(environment)) => {
                let written = asked.written(environment).or_else(|| asked.set(name).map(|set| &set.template)).cloned();
                Ok(Some(((**environment).clone(), written)))
            }
            Some(Wanted::Broken { reason }) => Err(reason.clone()),
            None => Ok(None),
        };
        match (ready(old), ready(new)) {
            (Err(reason), _) => subject.fate = Fate::Unknown(format!("before: {reason}")),
            (_, Err(reason)) => subject.fate = Fate::Unknown(reason),
            (Ok(old), Ok(new)) => {
                if let (Some((old, _)), Some((new, _))) = (&old, &new) {
                    subject.settings = settings::changes(&environment::own_fields(old), &environment::own_fields(new));
                }
                subject.objects = environment::objects(old.as_ref(), new.as_ref());
                subject.settle();
            }
        }
        subject
    }

    fn settle(&mut self) {
        if self.fate == Fate::Same && !(self.settings.is_empty() && self.objects.is_empty()) {
            self.fate = Fate::Changed;
        }
    }
}

/// The sets of previews: their own fields, and their templates.
fn sets(base: &Asked, head: &Asked, policy: &Policy) -> Vec<Subject> {
    let of = |asked: &Asked| -> BTreeMap<String, Value> {
        let sets = asked.specs.preview_sets.iter();
        sets.map(|set| (set.metadata.name.clone(), settings::without(settings::json(&set.spec), "template"))).collect()
    };
    let (old, new) = (of(base), of(head));
    let subject = |name: String| {
        let templates = (base.templates.get(&name), head.templates.get(&name));
        let mut subject = Subject::of_wanted(Kind::PreviewSet, &name, (base, templates.0), (head, templates.1));
        let is_unknown = matches!(subject.fate, Fate::Unknown(_));
        let (was, is) = (old.get(&name), new.get(&name));
        if !is_unknown {
            subject.fate = Subject::new(Kind::PreviewSet, &name, was.is_some(), is.is_some()).fate;
        }
        if let (Some(was), Some(is)) = (was, is) {
            subject.settings.splice(0..0, settings::changes(was, is));
        }
        if let Some(Wanted::Ready(environment)) = templates.1 {
            subject.violations = policy.violations(environment);
        }
        subject.settle();
        subject
    };
    names(old.keys(), new.keys()).into_iter().map(subject).collect()
}

/// Documents that are nothing but their fields.
fn documents(kind: Kind, old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<Subject> {
    let subject = |name: String| {
        let (was, is) = (old.get(&name), new.get(&name));
        let mut subject = Subject::new(kind, &name, was.is_some(), is.is_some());
        let none = Value::Object(serde_json::Map::new());
        subject.settings = settings::changes(was.unwrap_or(&none), is.unwrap_or(&none));
        subject.settle();
        subject
    };
    names(old.keys(), new.keys()).into_iter().map(subject).collect()
}

/// What goes, or is made anew.
fn warnings(subjects: &[Subject], kept: &BTreeSet<String>) -> Vec<String> {
    let mut warnings = Vec::new();
    for subject in subjects {
        let name = &subject.name;
        let of = match subject.kind {
            Kind::Environment => format!("environment `{name}`"),
            Kind::PreviewSet => format!("preview set `{name}`"),
            Kind::Policy => format!("policy `{name}`"),
            Kind::Controller => format!("controller `{name}`"),
        };
        if subject.fate == Fate::Removed {
            let kept = subject.kind == Kind::Environment && kept.contains(name);
            let kept = if kept { "; what is live of it is kept" } else { "" };
            warnings.push(format!("{of} is no longer asked for{kept}"));
            continue;
        }
        for object in &subject.objects {
            let what = match object.effect {
                Effect::Delete => "is no longer asked for",
                Effect::Replace => "is destroyed and made anew",
                Effect::Create | Effect::Update => continue,
            };
            warnings.push(format!("{} of {of} {what}", object.key));
        }
        warnings.extend(subject.violations.iter().map(|violation| format!("{of} breaks the policy: {violation}")));
        if subject.kind == Kind::Controller && subject.settings.iter().any(|change| change.path == "owner") {
            warnings.push(format!("{of} becomes another owner, who owns nothing of what is live"));
        }
    }
    warnings
}

/// What could not be compared.
fn notes(base: &Asked, head: &Asked) -> Vec<String> {
    let mut notes = Vec::new();
    let is_github =
        |set: &&ParsedPreviewSet| set.spec.all_sources().any(|(_, source)| matches!(source, PreviewSource::Github(_)));
    let sets: BTreeSet<&str> = [base, head]
        .into_iter()
        .flat_map(|asked| asked.specs.preview_sets.iter())
        .filter(is_github)
        .map(|set| set.metadata.name.as_str())
        .collect();
    if !sets.is_empty() {
        let sets: Vec<String> = sets.into_iter().map(|name| format!("`{name}`")).collect();
        notes.push(format!(
            "GitHub was not asked which pull requests and branches there are: {} {} compared by the template, with invented values",
            sets.join(", "),
            if sets.len() == 1 { "is" } else { "are" }
        ));
    }
    notes
}
