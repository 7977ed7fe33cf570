//! Reads every plan with independent eyes, for contradictions and broken rules, in all tests and before every execution.
//!
//! It shares no code with the planner: it knows only what a plan must never contain.

mod finalizers;
mod gates;
mod jobs;
mod objects;

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Fleet, Level, Wanted};
use crate::memory::{Memory, NoteOutcome, NotesByKey, Verb};
use crate::observed::{AppDetail, AppRow, ByApp, Observed, Presence};
use crate::plan::{Action, Evidence, Finalization, Plan, Step, StepId};
use crate::policy::Policy;
use crate::resource::marker::{self, network_slot};
use crate::resource::output;
use crate::resource::{AppName, EnvName, OrgSlug};

/// A rule that a plan breaks. A plan with one is never executed; it means that the planner has a defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plan breaks a rule, so nothing of it is carried out: {rule} (step {step}: {what})")]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// The step's place in the plan.
    pub step: usize,
    /// The step, for people.
    pub what: String,
}

/// All rules that `plan` breaks.
pub fn check(plan: &Plan, fleet: &Fleet, observed: &Observed, memory: &Memory, policy: &Policy) -> Vec<Violation> {
    let checker = Checker { plan, fleet, observed, memory, policy, tables: Tables::of(plan, fleet, observed, memory) };
    let mut broken = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        for rule in checker.rules_broken_by(index, step) {
            broken.push(Violation { rule, step: index, what: format!("{} {}", step.action.name(), step.key) });
        }
    }
    broken
}

struct Checker<'c> {
    plan: &'c Plan,
    fleet: &'c Fleet,
    observed: &'c Observed,
    memory: &'c Memory,
    policy: &'c Policy,
    tables: Tables<'c>,
}

/// What the rules look up for every step, found once.
struct Tables<'c> {
    /// The steps that do something to an object, in order.
    by_object: BTreeMap<String, Vec<usize>>,
    /// The steps that act on an app or something in it, in order.
    by_app: BTreeMap<&'c AppName, Vec<&'c Step>>,
    /// The environments that are given a pool place by a step.
    given: BTreeMap<(&'c OrgSlug, u32), BTreeSet<&'c EnvName>>,
    /// The listed apps that live in a pool place.
    living: BTreeMap<(&'c OrgSlug, u32), Vec<&'c AppRow>>,
    listed: BTreeMap<&'c OrgSlug, ByApp<'c>>,
    notes: NotesByKey<'c>,
}

impl<'c> Tables<'c> {
    fn of(plan: &'c Plan, fleet: &'c Fleet, observed: &'c Observed, memory: &'c Memory) -> Self {
        let mut tables = Self {
            by_object: BTreeMap::new(),
            by_app: BTreeMap::new(),
            given: BTreeMap::new(),
            living: BTreeMap::new(),
            listed: ByApp::of_all(observed),
            notes: NotesByKey::of(memory),
        };
        for (index, step) in plan.steps.iter().enumerate() {
            if let Some(object) = object(step) {
                tables.by_object.entry(object).or_default().push(index);
            }
            if let Some(app) = step.key.app() {
                tables.by_app.entry(app).or_default().push(step);
            }
            if let (Some(place), Some(org)) = (place(fleet, step), &step.org) {
                tables.given.entry((org, place)).or_default().insert(&step.env);
            }
        }
        for (org, scope) in &observed.scopes {
            for row in &scope.apps.items {
                if let Some(place) = network_slot(&fleet.owner, &row.network) {
                    tables.living.entry((org, place)).or_default().push(row);
                }
            }
        }
        tables
    }

    fn steps_of(&self, app: &AppName) -> &[&'c Step] {
        self.by_app.get(app).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The marks that speak of an end to come.
const ENDS: [&str; 6] =
    ["hangar_tombstone", "hangar_held", "hangar_emptied", "hangar_released", "hangar_finalizing", "hangar_finalized"];

/// What holds of every step, wherever.
const BEHIND_GATES: &str = "nothing is brought about behind a closed gate";

/// A step in an app of Fly's machines.
struct OnFly<'s> {
    step: &'s Step,
    app: &'s AppName,
    org: &'s OrgSlug,
}

impl std::ops::Deref for OnFly<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        self.step
    }
}

/// The object that a step does something to, where no other step may.
fn object(step: &Step) -> Option<String> {
    match &step.action {
        Action::UpdateMachine { id, .. }
        | Action::StartMachine { id }
        | Action::StopMachine { id, .. }
        | Action::MarkMachine { id, .. }
        | Action::DestroyMachine { id, .. }
        | Action::DeleteVolume { id, .. } => Some(format!("id {id}")),
        Action::WaitHealthy { .. }
        | Action::WaitEnded { .. }
        | Action::ExtendVolume { .. }
        | Action::UpdateVolume { .. } => None,
        _ => Some(step.key.to_string()),
    }
}

/// The pool place that a step gives to a new app.
fn place(fleet: &Fleet, step: &Step) -> Option<u32> {
    match &step.action {
        Action::CreateApp { network: Some(network) } => network_slot(&fleet.owner, network),
        _ => None,
    }
}

impl Checker<'_> {
    fn rules_broken_by(&self, index: usize, step: &Step) -> Vec<&'static str> {
        let (Some(app), Some(org)) = (step.key.app(), &step.org) else {
            return self.rules_broken_at_object(index, step);
        };
        let step = &OnFly { step, app, org };
        let mut broken = Vec::new();
        let mut rule = |holds: bool, rule: &'static str| {
            if !holds {
                broken.push(rule);
            }
        };
        rule(step.id == StepId(index), "a step's id is its place");
        rule(step.after.iter().all(|id| id.0 < index), "a step comes after every step it waits for");
        rule(self.plan.environments.contains_key(&step.env), "a step belongs to an environment of the plan");
        rule(
            self.is_alone(index, step),
            "one plan does not do two things to one object, except destroy and then create",
        );
        rule(self.outputs_are_produced(step), "an output that a step uses is known, or produced by a step before it");
        rule(self.level_allows(step), "a step is within the level of its environment");
        rule(self.is_at_rest(step), "nothing is done in an environment that is paused, broken or not allowed");
        rule(
            self.is_idle(step),
            "a machine is put to sleep only in a sleeping preview, and when it has run for as long as that takes",
        );
        rule(self.gates_are_open(step), BEHIND_GATES);
        rule(self.job_rests(step), "the run of a job is not interrupted by another");
        rule(self.network_is_free(step), "an isolated environment gets a network of its own");
        if let Action::AdoptApp { consent, .. } = &step.action {
            rule(
                self.is_nobodys(step),
                "nothing is adopted by a pattern that says it is somebody's, or that is protected",
            );
            rule(self.nobody_may_want(step), "nothing is adopted by a pattern that a spec may ask for");
            rule(self.consents_to_one_set(consent), "what is adopted by a pattern is one set that a person has seen");
        } else if !matches!(step.action, Action::CreateApp { .. }) {
            rule(self.is_ours(step), "nothing is written where no evidence says that it is ours, except to adopt it");
        }
        if step.action.verb() == Some(Verb::Delete) || matches!(step.action, Action::Finalize { .. }) {
            rule(
                step.action.proof().is_some_and(|proof| *proof.subject() == step.key.subject()),
                "a delete carries the proof for its own app",
            );
            rule(
                self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none(),
                "nothing is deleted in quarantine",
            );
            rule(self.is_closed(step), "nothing is deleted while its key is open");
            rule(self.has_no_other_writer(step), "nothing is deleted while another instance writes there");
            rule(self.is_unprotected(step), "nothing protected is deleted");
            rule(
                self.orphan_rules_hold(step),
                "an orphan is deleted only on complete listings, complete specs and after grace from its tombstone",
            );
            rule(
                self.is_no_incomplete_sets(step),
                "nothing is deleted that a set of previews may want of which not everything is known",
            );
            rule(
                self.is_not_suddenly_gone(step),
                "what a set of previews leaves that suddenly names none is deleted only when a person has let it go",
            );
            rule(self.is_within_budget(step), "no more is deleted than the budget allows or a person has let go");
            rule(
                self.is_finalized(step),
                "nothing of an environment is deleted before what is to be run before has ended, or its time is over",
            );
            rule(
                self.runs_once(step),
                "what runs before a deletion is begun once, after it was noted since when it is due",
            );
        }
        if step.action.verb() == Some(Verb::Create) {
            let open = self.tables.notes.open(&step.key, self.plan.made_at, self.policy.timing).is_some();
            rule(!open, "nothing is created while its key is open");
            rule(
                self.is_minted_once(step),
                "what Fly mints an id for is not made in quarantine, except in an app that this memory saw being made",
            );
        }
        broken
    }

    fn is_alone(&self, index: usize, step: &OnFly<'_>) -> bool {
        let Some(same) = object(step).and_then(|object| self.tables.by_object.get(&object)) else { return true };
        let verb = step.action.verb();
        let before = same.iter().take_while(|other| **other < index);
        before.filter_map(|other| self.plan.steps.get(*other)).all(|other| {
            // A machine may be marked and started or stopped in one plan: neither touches what the other does.
            matches!(
                (&other.action, &step.action),
                (Action::MarkMachine { .. }, Action::StartMachine { .. } | Action::StopMachine { .. })
            ) || (other.action.verb() == Some(Verb::Delete)
                && verb == Some(Verb::Create)
                && step.after.contains(&other.id))
        })
    }

    fn outputs_are_produced(&self, step: &OnFly<'_>) -> bool {
        let paths: BTreeSet<String> = match &step.action {
            Action::CreateMachine(write) | Action::UpdateMachine { write, .. } => {
                output::waits_for_in(&write.config).into_iter().collect()
            }
            Action::SetSecrets(write) => {
                write.set.values().flat_map(|value| output::waits_for(value.expose())).collect()
            }
            _ => return true,
        };
        paths.is_empty() || self.waits_for_a_producer(step)
    }

    /// Whether a step waits for one that produces an output.
    fn waits_for_a_producer(&self, step: &Step) -> bool {
        step.after.iter().filter_map(|id| self.plan.steps.get(id.0)).any(|step| {
            matches!(step.action, Action::CreateVolume { .. } | Action::AllocateIp(_) | Action::WaitObject { .. })
        })
    }

    fn level_allows(&self, step: &OnFly<'_>) -> bool {
        let Some(Wanted::Ready(env)) = self.fleet.environments.get(&step.env) else {
            return true;
        };
        if step.action.proof().is_some_and(|proof| *proof.evidence() == Evidence::Requested) {
            return true;
        }
        match env.level {
            Level::Full => true,
            Level::NoDelete => step.action.verb() != Some(Verb::Delete),
            Level::CreateOnly => {
                matches!(step.action.verb(), None | Some(Verb::Create)) || matches!(step.action, Action::SetSecrets(_))
            }
            Level::Observe => false,
        }
    }

    /// Whether something on the live object says that it is ours, read anew from what was observed, or its spec adopts it, or we are
    /// about to make it.
    fn is_ours(&self, step: &OnFly<'_>) -> bool {
        let app = step.app;
        let owner = &self.fleet.owner;
        let has_our_machine = |id: Option<&str>| {
            self.machines_of(app)
                .filter(|machine| machine.owned_by(owner).is_some_and(|marker| marker.env == step.env))
                .any(|machine| id.is_none_or(|id| machine.id == id))
        };
        let of_others = self.machines_of(app).any(|machine| {
            matches!(&machine.marker, Some(Ok(marker)) if marker.owner != *owner)
                || matches!(&machine.marker, Some(Err(_)))
        });
        let by_name = marker::app_marker_secret(owner, app);
        let born_ours = self.rows_of(app).any(|row| network_slot(owner, &row.network).is_some())
            || self.details_of(app).any(|detail| {
                detail.secrets.known().is_some_and(|secrets| secrets.iter().any(|secret| secret.name == by_name))
            })
            || self.is_made_by_us(app);
        let is_made_here = || {
            step.after.iter().filter_map(|id| self.plan.steps.get(id.0)).any(|other| {
                matches!(other.action, Action::CreateApp { .. }) && other.key.app() == Some(app)
                    || matches!(other.action, Action::CreateMachine(_))
            })
        };
        let is_adopted = || match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) => env.apps.iter().any(|wanted| wanted.name == *app && wanted.adopt),
            _ => false,
        };
        let of_another =
            self.machines_of(app).filter_map(|machine| machine.owned_by(owner)).any(|marker| marker.env != step.env);
        let app_is_ours = !of_another && (has_our_machine(None) || (born_ours && !of_others));
        match &step.action {
            Action::DestroyMachine { id, .. } => has_our_machine(Some(id)),
            action if action.verb() == Some(Verb::Delete) => app_is_ours,
            // A clone by hand in our app is not ours.
            Action::UpdateMachine { id, .. }
            | Action::MarkMachine { id, .. }
            | Action::StopMachine { id, .. }
            | Action::Finalize { act: Finalization::Note { id, .. }, .. }
            | Action::StartMachine { id } => has_our_machine(Some(id)) || is_adopted(),
            _ => app_is_ours || is_made_here() || is_adopted(),
        }
    }

    /// Whether no write to the object may still take effect. At a person's word, one that was answered is no obstacle.
    fn is_closed(&self, step: &OnFly<'_>) -> bool {
        let is_requested = step.action.proof().is_some_and(|proof| *proof.evidence() == Evidence::Requested);
        self.tables.notes.about(&step.key).iter().all(|note| {
            let is_over = note.open_until(self.policy.timing) <= self.plan.made_at;
            let is_answered = note.verb == Verb::Update && note.outcome != NoteOutcome::Unknown;
            is_over || (is_requested && is_answered)
        })
    }

    /// Whether nothing on an app says that it is a controller's, ours included, or that it is to stay.
    fn is_nobodys(&self, step: &OnFly<'_>) -> bool {
        let app = step.app;
        let own_network = |row: &AppRow| !row.network.starts_with("hangar-");
        let is_copy = |marker: &marker::MachineMarker, name: &str| {
            // A copy names another machine; what names the app itself is an attempt of ours that did not come to its end.
            marker.owner == self.fleet.owner
                && (marker.app != *app || marker.name != name || marker.env.as_str() == app.as_str())
        };
        let machines_say_nothing = self.machines_of(app).filter(|machine| machine.is_live()).all(|machine| {
            let is_nobodys = match &machine.marker {
                None => true,
                Some(Ok(marker)) => is_copy(marker, &machine.name),
                Some(Err(_)) => false,
            };
            is_nobodys && !["hangar_protect", "hangar_retain"].iter().any(|key| machine.metadata.contains_key(*key))
        });
        let were_read = self.details_of(app).any(|detail| detail.machines.known().is_some());
        let mut secrets = self.details_of(app).map(|detail| detail.secrets.known());
        let secrets_say_nothing = secrets.all(|secrets| {
            secrets.is_some_and(|secrets| {
                !secrets.iter().any(|secret| {
                    secret.name.starts_with("HANGAR_OWNED_")
                        || [marker::PROTECTED_SECRET, marker::RETAINED_SECRET].contains(&secret.name.as_str())
                })
            })
        });
        were_read
            && machines_say_nothing
            && secrets_say_nothing
            && self.rows_of(app).all(own_network)
            && !self.policy.protects(&step.env)
    }

    /// Whether everything that is asked for is known, and this app and its environment are not in it.
    fn nobody_may_want(&self, step: &OnFly<'_>) -> bool {
        let is_apart = |wanted: &Wanted| match wanted {
            Wanted::Ready(env) => !env.apps.iter().any(|app| app.name == *step.app),
            Wanted::Broken { .. } => false,
        };
        let scopes_are_whole = self.observed.scopes.values().all(|scope| {
            scope.apps.completeness.is_complete()
                && scope.machines.completeness.is_complete()
                && scope.volumes.completeness.is_complete()
        });
        self.fleet.gaps().next().is_none()
            && scopes_are_whole
            && self.fleet.environments.values().all(is_apart)
            && !self.fleet.environments.contains_key(&step.env)
            && !self.fleet.ended.contains_key(&step.env)
    }

    fn consents_to_one_set(&self, consent: &str) -> bool {
        let mut others = self.plan.steps.iter().filter_map(|step| match &step.action {
            Action::AdoptApp { consent, .. } => Some(consent),
            _ => None,
        });
        !consent.is_empty() && others.all(|other| other == consent)
    }

    fn has_no_other_writer(&self, step: &OnFly<'_>) -> bool {
        let app = step.app;
        let owned = self.machines_of(app).filter_map(|machine| machine.owned_by(&self.fleet.owner));
        let newest = owned.filter_map(|marker| marker.writer.as_ref()).max_by_key(|writer| writer.at);
        newest.is_none_or(|writer| writer.instance == self.memory.instance || writer.at <= self.memory.started_at)
    }

    fn is_unprotected(&self, step: &OnFly<'_>) -> bool {
        let (Action::DeleteApp { proof } | Action::Finalize { proof, .. }) = &step.action else {
            return true;
        };
        let app = step.app;
        let is_marked = |key: &str, name: &str| {
            self.machines_of(app).any(|machine| machine.metadata.contains_key(&format!("{}{key}", marker::PREFIX)))
                || self.details_of(app).any(|detail| {
                    detail.secrets.known().is_some_and(|secrets| secrets.iter().any(|secret| secret.name == name))
                })
        };
        let by_spec =
            matches!(self.fleet.environments.get(&step.env), Some(Wanted::Ready(env)) if self.policy.keeps(env));
        let is_retained = *proof.evidence() != Evidence::Requested && is_marked("retain", marker::RETAINED_SECRET);
        !by_spec && !is_retained && !self.policy.protects(&step.env) && !is_marked("protect", marker::PROTECTED_SECRET)
    }

    fn orphan_rules_hold(&self, step: &OnFly<'_>) -> bool {
        let evidence = step.action.proof().map(crate::plan::Proof::evidence);
        if !matches!(evidence, Some(Evidence::Orphan { .. } | Evidence::Ended { .. })) {
            return true;
        }
        let complete = self.fleet.source.is_complete()
            && !self.fleet.environments.values().any(|wanted| matches!(wanted, Wanted::Broken { .. }))
            && self
                .observed
                .scopes
                .values()
                .all(|scope| scope.apps.completeness.is_complete() && scope.machines.completeness.is_complete());
        let Some(Evidence::Orphan { since }) = evidence else {
            let ended = self.fleet.ended.get(&step.env).filter(|ended| ended.at <= self.plan.made_at);
            // The name of an app proves nothing: a marker in it has to name the preview.
            let mut markers = self.machines_of(step.app).filter_map(|machine| machine.owned_by(&self.fleet.owner));
            let is_named = markers.any(|marker| marker.env == step.env);
            return complete && is_named && ended.is_some() && !self.fleet.environments.contains_key(&step.env);
        };
        let app = step.app;
        let stands = self
            .machines_of(app)
            .any(|machine| machine.owned_by(&self.fleet.owner).is_some_and(|marker| marker.tombstone == Some(*since)))
            || self
                .details_of(app)
                .filter_map(|detail| detail.secrets.known())
                .flatten()
                .any(|secret| secret.name == marker::TOMBSTONE_SECRET && secret.created_at == Some(*since));
        let grace = chrono::TimeDelta::from_std(self.policy.grace).unwrap_or(chrono::TimeDelta::MAX);
        complete && stands && since.checked_add_signed(grace).is_some_and(|until| until <= self.plan.made_at)
    }

    /// Whether no set of previews may want an orphan without its being known: a marker in it says that it is of another set, and its
    /// environment has no name of theirs.
    fn is_no_incomplete_sets(&self, step: &OnFly<'_>) -> bool {
        let evidence = step.action.proof().map(crate::plan::Proof::evidence);
        if !matches!(evidence, Some(Evidence::Orphan { .. } | Evidence::Ended { .. })) {
            return true;
        }
        let machines = self.machines_of(step.app).filter(|machine| machine.is_live());
        let marked: BTreeSet<Option<&str>> = machines
            .filter_map(|machine| machine.owned_by(&self.fleet.owner))
            .map(|marker| marker.set.as_deref())
            .collect();
        let is_whole = |name: &str| self.fleet.sets.get(name).is_some_and(|set| set.completeness.is_complete());
        let is_of_a_whole_set = !marked.is_empty() && marked.iter().all(|name| name.is_some_and(is_whole));
        let mut incomplete = self.fleet.sets.values().filter(|set| !set.completeness.is_complete());
        incomplete.all(|set| is_of_a_whole_set && !set.names.can_be(&step.env))
    }

    /// Whether an orphan that nobody has let go is not one of several that a set has left which names no preview any more.
    fn is_not_suddenly_gone(&self, step: &OnFly<'_>) -> bool {
        let Some(proof) = step.action.proof().filter(|proof| proof.unit().is_some()) else { return true };
        let machines: Vec<_> = self.machines_of(step.app).filter(|machine| machine.is_live()).collect();
        let markers = machines.iter().filter_map(|machine| machine.owned_by(&self.fleet.owner));
        let sets: BTreeSet<&String> = markers.filter_map(|marker| marker.set.as_ref()).collect();
        let mut emptied = sets.into_iter().filter(|name| self.fleet.sets.get(*name).is_some_and(|set| set.is_empty));
        let is_held = machines.iter().any(|machine| machine.metadata.contains_key("hangar_emptied"));
        !matches!(proof.evidence(), Evidence::Orphan { .. })
            || !emptied.any(|set| is_held || self.left_by(set).len() >= 3)
    }

    /// The environments of a set that are live, though nobody asks for them or has closed what they show.
    fn left_by(&self, set: &String) -> BTreeSet<&EnvName> {
        let listed = self.observed.scopes.values().flat_map(|scope| &scope.machines.items);
        let live = listed.filter(|machine| machine.is_live());
        let marked = live.filter_map(|machine| machine.owned_by(&self.fleet.owner));
        let envs = marked.filter(|marker| marker.set.as_ref() == Some(set)).map(|marker| &marker.env);
        let objects = self.observed.all_objects().filter_map(|object| object.owned_by(&self.fleet.owner));
        let envs = envs.chain(objects.filter(|marker| marker.set.as_ref() == Some(set)).map(|marker| &marker.env));
        envs.filter(|env| !self.fleet.environments.contains_key(*env) && !self.fleet.ended.contains_key(*env)).collect()
    }

    /// Whether the deletions that nobody has let go are no more than the budget's absolute limit, within its window.
    fn is_within_budget(&self, step: &Step) -> bool {
        if step.action.proof().and_then(crate::plan::Proof::unit).is_none() {
            return true;
        }
        let planned = self.plan.steps.iter().filter_map(|step| step.action.proof()?.unit());
        let done = self.memory.deletions.iter().map(|(unit, _)| unit.as_str());
        let all: BTreeSet<&str> = planned.chain(done).collect();
        all.len() <= self.policy.budget.max_deletions
    }

    fn is_minted_once(&self, step: &OnFly<'_>) -> bool {
        let app = step.app;
        let is_made_here =
            || self.tables.steps_of(app).iter().any(|other| matches!(other.action, Action::CreateApp { .. }));
        !step.key.is_minted()
            || self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none()
            || self.is_made_by_us(app)
            || is_made_here()
    }

    /// Whether nothing is done where nothing is to be done, but for what takes back that something is on its way out.
    fn is_at_rest(&self, step: &Step) -> bool {
        if step.action.proof().is_some_and(|proof| *proof.evidence() == Evidence::Requested) {
            return true;
        }
        if let Action::MarkMachine { metadata: marks, .. } | Action::MarkObject { marks, .. } = &step.action
            && marks.iter().all(|(mark, value)| value.is_none() && ENDS.contains(&mark.as_str()))
        {
            return true;
        }
        match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) => !env.paused && self.policy.violations(env).is_empty(),
            Some(Wanted::Broken { .. }) => false,
            None => true,
        }
    }

    fn is_idle(&self, step: &OnFly<'_>) -> bool {
        let Action::StopMachine { id, .. } = &step.action else { return true };
        let Some(Wanted::Ready(env)) = self.fleet.environments.get(&step.env) else { return false };
        if let Some(job) = jobs::of_step(env, step) {
            return self.has_run_for(step.app, id, job.timeout);
        }
        let Some(sleep) = env.sleep.filter(|sleep| sleep.at <= self.plan.made_at) else { return false };
        self.has_run_for(step.app, id, sleep.after)
    }

    /// Whether no other environment lives in the pool place that a new app is given, or is given it in the same plan.
    fn network_is_free(&self, step: &OnFly<'_>) -> bool {
        let Some(wanted) = place(self.fleet, step) else { return true };
        let own: BTreeSet<&AppName> = match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) => env.apps.iter().map(|app| &app.name).collect(),
            _ => BTreeSet::new(),
        };
        let given = self.tables.given.get(&(step.org, wanted));
        let is_given = given.is_some_and(|envs| envs.iter().any(|env| **env != step.env));
        let rows = self.tables.living.get(&(step.org, wanted)).map(Vec::as_slice).unwrap_or_default();
        let is_lived_in = rows.iter().any(|row| !own.contains(&row.name));
        let marked_ours = |row: &AppRow| {
            self.machines_of(&row.name)
                .any(|machine| machine.owned_by(&self.fleet.owner).is_some_and(|marker| marker.env == step.env))
        };
        let shared_with_itself = rows.iter().any(|row| marked_ours(row));
        !is_given && (!is_lived_in || shared_with_itself)
    }

    fn details_of<'m>(&'m self, app: &'m AppName) -> impl Iterator<Item = &'m AppDetail> {
        self.observed.scopes.values().filter_map(move |scope| scope.details.get(app))
    }

    fn machines_of<'m>(&'m self, app: &'m AppName) -> impl Iterator<Item = &'m crate::observed::Machine> {
        self.observed.scopes.iter().flat_map(move |(org, scope)| {
            let direct = scope.details.get(app).and_then(|detail| detail.machines.known()).into_iter().flatten();
            let listed = self.tables.listed.get(org).map(|listed| listed.machines(app)).unwrap_or_default();
            direct.chain(listed.iter().copied())
        })
    }

    /// Whether this memory saw us make one of the apps that were seen under this name.
    fn is_made_by_us(&self, app: &AppName) -> bool {
        self.rows_of(app).any(|row| self.memory.has_created(app, &row.id))
    }

    fn rows_of<'m>(&'m self, app: &'m AppName) -> impl Iterator<Item = &'m AppRow> {
        self.observed.scopes.iter().flat_map(move |(org, scope)| {
            let direct = scope.details.get(app).and_then(|detail| match &detail.presence {
                Presence::Here(row) => Some(row),
                _ => None,
            });
            let listed = self.tables.listed.get(org).map(|listed| listed.rows(app)).unwrap_or_default();
            direct.into_iter().chain(listed.iter().copied())
        })
    }
}

#[cfg(test)]
mod tests;
