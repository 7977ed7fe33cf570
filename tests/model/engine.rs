//! One transition at a time: a pass and a step of a controller, and the passing of time. Each distinct one is computed once.

use std::collections::BTreeSet;
use std::rc::Rc;

use hangar::check::check;
use hangar::desired::{Fleet, Wanted};
use hangar::memory::{Conclusion, Memory, Note, NoteOutcome, Verb};
use hangar::observed::{Observed, Presence};
use hangar::plan::{Action, Evidence, Finalization, Plan, Reason, Request as PlanRequest, Standing, Step, plan};
use hangar::policy::Policy;
use hangar::rules::Rules;
use indexmap::IndexMap;

use crate::fleet::Specs;
use crate::intern::{Keyed, Table};
use crate::property::{Property, Violation};
use crate::request::{Hands, Prepared, Progress};
use crate::view::{Missing, moment, now, observe};
use crate::world::{Ages, Request, World, earlier};

/// How the controller under test is made. All rules hold, except where a test shows what one is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make {
    pub(crate) rules: Rules,
    /// A note is made before a write is sent.
    pub(crate) notes_first: bool,
    /// Markers are read again before a delete.
    pub(crate) reads_again: bool,
    /// A plan to which the checker objects is not carried out.
    pub(crate) checker: bool,
}

impl Default for Make {
    fn default() -> Self {
        Self { rules: Rules::default(), notes_first: true, reads_again: true, checker: true }
    }
}

/// What a pass came to.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) memory: u32,
    /// The plan, if there is something to do in it.
    pub(crate) plan: Option<u32>,
    pub(crate) progress: u32,
    /// Whether something waits for time to pass.
    pub(crate) waits: bool,
    /// What waits for a person.
    pub(crate) blocked: BTreeSet<Reason>,
    /// Environments that are said to be converged.
    pub(crate) converged: Vec<String>,
    pub(crate) violation: Option<Violation>,
    /// The rule by which the checker objects.
    pub(crate) objection: Option<&'static str>,
}

/// How a request of a step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Answered,
    /// It takes effect, and the answer is lost.
    LostReply,
    /// There is no answer, and it takes effect later or never.
    Late,
}

/// What a step came to.
#[derive(Debug, Clone)]
pub(crate) struct Stepped {
    pub(crate) world: u32,
    pub(crate) memory: u32,
    pub(crate) progress: u32,
    /// The request that is still under way.
    pub(crate) flight: Option<u32>,
    /// The environment whose app was asked to be deleted.
    pub(crate) deletes: Option<String>,
    pub(crate) violation: Option<Violation>,
}

/// A plan that is carried out.
#[derive(Debug)]
pub(crate) struct Planned {
    spec: u8,
    pub(crate) plan: Plan,
    /// Whether what an earlier run was doing was not known when it was made.
    in_quarantine: bool,
    /// Whether it says the moment at which it was made.
    says_when: bool,
}

type PassKey = (u32, u32, u32, Missing, u8);
type StepKey = (u32, u32, u32, u32, End);

#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) specs: Specs,
    pub(crate) make: Make,
    ages: Ages,
    /// Whether the checker has objected to a plan.
    pub(crate) objects: bool,
    pub(crate) worlds: Table<World>,
    memories: Keyed<Memory>,
    pub(crate) plans: Keyed<Planned>,
    progress: Table<Progress>,
    pub(crate) requests: Table<Request>,
    passes: IndexMap<PassKey, Rc<Passed>>,
    steps: IndexMap<StepKey, Rc<Stepped>>,
    later_worlds: IndexMap<u32, u32>,
    later_memories: IndexMap<u32, u32>,
}

impl Engine {
    pub(crate) fn new(specs: Specs, make: Make, ages: Ages) -> Self {
        Self {
            specs,
            make,
            ages,
            objects: false,
            worlds: Table::new(),
            memories: Keyed::new(),
            plans: Keyed::new(),
            progress: Table::new(),
            requests: Table::new(),
            passes: IndexMap::new(),
            steps: IndexMap::new(),
            later_worlds: IndexMap::new(),
            later_memories: IndexMap::new(),
        }
    }

    /// How many different worlds, memories, plans and passes there were.
    pub(crate) fn sizes(&self) -> String {
        format!(
            "{} worlds, {} memories, {} plans, {} passes, {} steps",
            self.worlds.len(),
            self.memories.len(),
            self.plans.len(),
            self.passes.len(),
            self.steps.len()
        )
    }

    pub(crate) fn memory_id(&mut self, mut memory: Memory) -> u32 {
        forget_what_is_over(&mut memory, &self.specs.policy);
        self.memories.id(serde_json::to_string(&memory).unwrap(), memory)
    }

    pub(crate) fn blank_memory(&mut self, instance: &str) -> u32 {
        self.memory_id(Memory::blank(instance, now()))
    }

    /// The memory of a run that begins now, by what the store has.
    pub(crate) fn reopened(&mut self, memory: u32) -> u32 {
        let mut memory = self.memories.get(memory).clone();
        memory.started_at = now();
        self.memory_id(memory)
    }

    pub(crate) fn memory(&self, id: u32) -> &Memory {
        self.memories.get(id)
    }

    /// Observes, settles the memory, plans and checks.
    pub(crate) fn pass(&mut self, memory: u32, listed: u32, direct: u32, missing: Missing, spec: u8) -> Rc<Passed> {
        let key = (memory, listed, direct, missing, spec);
        if let Some(passed) = self.passes.get(&key) {
            return Rc::clone(passed);
        }
        let passed = Rc::new(self.new_pass(key));
        self.passes.insert(key, Rc::clone(&passed));
        passed
    }

    fn new_pass(&mut self, (memory, listed, direct, missing, spec): PassKey) -> Passed {
        let (fleet, policy) = (&self.specs.variants[usize::from(spec)].fleet, &self.specs.policy);
        let observed = observe(self.worlds.get(listed), self.worlds.get(direct), missing, fleet);
        let mut memory = self.memories.get(memory).clone();
        settle(&mut memory, self.make.rules, &observed, fleet, policy);
        let request = PlanRequest { rules: self.make.rules, ..PlanRequest::default() };
        let plan = plan(fleet, &observed, &memory, policy, &request, now());
        let objection = check(&plan, fleet, &observed, &memory, policy).first().map(|violation| violation.rule);
        self.objects |= objection.is_some();
        let mut violation = violation_in(&plan, &observed, &memory, missing);
        if let Some(rule) = objection.filter(|_| self.make.checker) {
            violation = Some(Violation::new(Property::NothingToObjectTo, rule));
        }
        let waits = plan.withheld.iter().any(|withheld| withheld.stance == hangar::plan::Stance::Waiting);
        let blocked = plan.withheld.iter().filter(|withheld| withheld.stance == hangar::plan::Stance::Blocked);
        let blocked = blocked.map(|withheld| withheld.reason).collect();
        let converged = plan.environments.keys().filter(|env| plan.standing(env) == Standing::Converged);
        let converged = converged.map(ToString::to_string).collect();
        let outputs = plan.outputs.iter().filter(|_| !plan.steps.is_empty()).map(|(env, known)| {
            let known = known.iter().map(|(path, value)| (path.clone(), value.expose().to_owned()));
            (env.to_string(), known.collect())
        });
        let mut progress = Progress { outputs: outputs.collect(), ..Progress::default() };
        skip_waits(&plan, &mut progress);
        let progress = self.progress.id(progress);
        let in_quarantine = memory.blank_since.is_some();
        let memory = self.memory_id(memory);
        let has_steps = !plan.steps.is_empty();
        let says_when = plan.steps.iter().any(|step| matches!(step.action, Action::MarkMachine { .. }));
        // Values of secrets are not shown, and follow from the spec.
        let key = format!("{spec} {} {:?}", in_quarantine && says_when, plan.steps);
        let plan = has_steps.then(|| self.plans.id(key, Planned { spec, plan, in_quarantine, says_when }));
        Passed { memory, plan, progress, waits, blocked, converged, violation, objection }
    }

    /// The next step of a run, if one can begin.
    pub(crate) fn next_step(&self, plan: u32, progress: u32) -> Option<usize> {
        let (plan, progress) = (&self.plans.get(plan).plan, self.progress.get(progress));
        plan.steps
            .iter()
            .position(|step| is_open(progress, step) && step.after.iter().all(|id| is(progress.done, id.0)))
    }

    /// Carries out the next step of a run.
    pub(crate) fn step(&mut self, plan: u32, progress: u32, world: u32, memory: u32, end: End) -> Rc<Stepped> {
        // What is written depends on who writes, which the memory says.
        let key = (plan, progress, world, memory, end);
        if let Some(stepped) = self.steps.get(&key) {
            return Rc::clone(stepped);
        }
        let stepped = Rc::new(self.new_step(key));
        self.steps.insert(key, Rc::clone(&stepped));
        stepped
    }

    fn new_step(&mut self, (plan_id, progress, world_id, memory, end): StepKey) -> Stepped {
        let index = self.next_step(plan_id, progress).unwrap();
        let Planned { spec, plan, in_quarantine, .. } = self.plans.get(plan_id);
        let step = &plan.steps[index];
        let fleet = &self.specs.variants[usize::from(*spec)].fleet;
        let mut progress = self.progress.get(progress).clone();
        let mut memory = self.memories.get(memory).clone();
        let instance = memory.instance.clone();
        let hands = Hands { fleet, instance: &instance, read_again: self.make.reads_again, ages: self.ages };
        let world = self.worlds.get(world_id);
        let verb = step.action.verb().unwrap();
        if self.make.notes_first {
            memory.note(note(step, verb));
        }
        let mut after = None;
        let (mut flight, mut deletes, mut violation) = (None, None, None);
        let mut is_done = false;
        match hands.prepare(step, &progress, world) {
            Prepared::Nothing => {
                is_done = true;
                memory.conclude(&step.key, verb, Conclusion::Done { at: now(), id: None });
            }
            Prepared::NoLongerProven => memory.conclude(&step.key, verb, Conclusion::NoEffect),
            Prepared::Send(request) => {
                violation = violation_by(step, &request, world, fleet, *in_quarantine);
                deletes = matches!(request, Request::DeleteApp { .. }).then(|| step.env.to_string());
                if end == End::Late {
                    flight = Some(self.requests.id(request));
                } else {
                    let mut changed = world.clone();
                    let answer = changed.apply(&request);
                    match (end, answer) {
                        (End::Answered, Ok(id)) => {
                            is_done = true;
                            hands.learn(&mut progress, step, &request, id.as_ref());
                            if !self.make.notes_first {
                                memory.note(note(step, verb));
                            }
                            remember(&mut memory, step, id.as_ref());
                            memory.conclude(&step.key, verb, Conclusion::Done { at: now(), id });
                        }
                        (End::Answered, Err(_)) => memory.conclude(&step.key, verb, Conclusion::NoEffect),
                        _ => {}
                    }
                    after = Some(changed);
                }
            }
        }
        set(if is_done { &mut progress.done } else { &mut progress.not_done }, index);
        skip_waits(plan, &mut progress);
        Stepped {
            progress: self.progress.id(progress),
            world: after.map_or(world_id, |after| self.worlds.id(after)),
            memory: self.memory_id(memory),
            flight,
            deletes,
            violation,
        }
    }

    /// What the next step of a run would do, for people.
    pub(crate) fn next_step_text(&self, plan: u32, progress: u32) -> String {
        let step = self.next_step(plan, progress).map(|index| &self.plans.get(plan).plan.steps[index]);
        step.map_or_else(String::new, |step| format!("{} {} ({})", step.action.name(), step.key, step.reason))
    }

    pub(crate) fn later_world(&mut self, world: u32) -> u32 {
        if let Some(later) = self.later_worlds.get(&world) {
            return *later;
        }
        let later = self.worlds.get(world).later(self.ages);
        let later = self.worlds.id(later);
        self.later_worlds.insert(world, later);
        later
    }

    /// A run of a plan, a tick later.
    pub(crate) fn later_run(&mut self, (plan, progress): (u32, u32)) -> (u32, u32) {
        if !self.plans.get(plan).says_when {
            return (plan, progress);
        }
        let mut later = self.progress.get(progress).clone();
        later.age = (later.age + 1).min(u8::try_from(self.ages.oldest).unwrap());
        (plan, self.progress.id(later))
    }

    pub(crate) fn later_request(&mut self, request: u32) -> u32 {
        let later = self.requests.get(request).later(self.ages);
        self.requests.id(later)
    }

    pub(crate) fn later_memory(&mut self, memory: u32) -> u32 {
        if let Some(later) = self.later_memories.get(&memory) {
            return *later;
        }
        let mut aged = self.memories.get(memory).clone();
        age(&mut aged, self.ages);
        let later = self.memory_id(aged);
        self.later_memories.insert(memory, later);
        later
    }
}

/// What a session does with a memory before it plans.
pub(crate) fn settle(memory: &mut Memory, rules: Rules, observed: &Observed, fleet: &Fleet, policy: &Policy) {
    memory.settle_by(rules, observed, now(), policy.timing, policy.budget.window);
    let lived_in = fleet.environments.values().filter_map(|wanted| match wanted {
        Wanted::Ready(env) => env.org.clone(),
        Wanted::Broken { .. } => None,
    });
    memory.remember_organizations(observed, &fleet.owner, &lived_in.collect());
    memory.forget_what_is_gone(observed, policy.timing);
}

/// The same memory a tick later.
fn age(memory: &mut Memory, ages: Ages) {
    let back = |at: &mut chrono::DateTime<chrono::Utc>, oldest: i64| *at = moment(earlier(at.timestamp(), oldest));
    back(&mut memory.started_at, ages.writers);
    if let Some(at) = &mut memory.blank_since {
        back(at, ages.oldest);
    }
    for note in &mut memory.notes {
        back(&mut note.sent_at, ages.oldest);
        if let NoteOutcome::Done { at } = &mut note.outcome {
            back(at, ages.oldest);
        }
    }
    // Whether a listing that began now would show it is all that is asked of it.
    memory.born.values_mut().for_each(|birth| back(&mut birth.at, 2));
    memory.deletions.iter_mut().for_each(|(_, at)| back(at, ages.oldest));
}

/// Takes away what every pass takes away before it plans, so that memories that make no difference are one.
fn forget_what_is_over(memory: &mut Memory, policy: &Policy) {
    let (now, timing) = (now(), policy.timing);
    memory.notes.retain(|note| now < note.open_until(timing));
    for note in &mut memory.notes {
        if let NoteOutcome::Done { at } = note.outcome {
            // How long an answered note is open depends on the answer alone.
            note.sent_at = at;
        }
    }
    memory.deletions.retain(|(_, at)| now < *at + policy.budget.window);
    // That a name was just given up only says how a refusal to make it anew is to be reported.
    memory.freed.clear();
    if memory.quarantined_until(now, timing).is_none() {
        memory.blank_since = None;
    }
}

fn note(step: &Step, verb: Verb) -> Note {
    let detail = match &step.action {
        Action::CreateApp { network } => network.clone().unwrap_or_default(),
        Action::UpdateMachine { id, .. }
        | Action::MarkMachine { id, .. }
        | Action::Finalize { act: Finalization::Note { id, .. }, .. }
        | Action::StartMachine { id }
        | Action::StopMachine { id, .. }
        | Action::DestroyMachine { id, .. }
        | Action::DeleteVolume { id, .. } => id.clone(),
        Action::ReleaseIp { address, .. } => address.clone(),
        _ => String::new(),
    };
    Note { key: step.key.clone(), env: step.env.clone(), verb, detail, sent_at: now(), outcome: NoteOutcome::Unknown }
}

/// What the executor remembers of a success besides its note.
fn remember(memory: &mut Memory, step: &Step, id: Option<&String>) {
    if let (Action::CreateVolume { .. }, Some(id)) = (&step.action, id) {
        memory.volumes.insert(id.clone(), step.key.app().unwrap().clone());
    }
    if let Action::DeleteApp { proof } = &step.action
        && let Some(unit) = proof.unit()
    {
        memory.deletions.retain(|(counted, _)| counted != unit);
        memory.deletions.push((unit.to_owned(), now()));
    }
}

/// Machines are healthy at once here, and steps after one that did not work are not begun.
fn skip_waits(plan: &Plan, progress: &mut Progress) {
    for step in &plan.steps {
        if step.after.iter().any(|id| is(progress.not_done, id.0)) {
            set(&mut progress.not_done, step.id.0);
        } else if step.action.verb().is_none() && step.after.iter().all(|id| is(progress.done, id.0)) {
            set(&mut progress.done, step.id.0);
        }
    }
}

fn is_open(progress: &Progress, step: &Step) -> bool {
    !is(progress.done | progress.not_done, step.id.0)
}

const fn is(bits: u64, index: usize) -> bool {
    bits & (1 << index) != 0
}

const fn set(bits: &mut u64, index: usize) {
    *bits |= 1 << index;
}

/// What must not be in a plan made from this.
fn violation_in(plan: &Plan, observed: &Observed, memory: &Memory, missing: Missing) -> Option<Violation> {
    let owner = hangar::resource::OwnerId::from("us");
    plan.steps.iter().find_map(|step| {
        let app = step.key.app().unwrap();
        let scope = &observed.scopes[step.org.as_ref().unwrap()];
        let machines =
            scope.details.get(app).and_then(|detail| detail.machines.known()).unwrap_or(&scope.machines.items);
        let stamps = machines.iter().filter(|machine| machine.app == *app);
        let newest =
            stamps.filter_map(|machine| machine.owned_by(&owner)?.writer.as_ref()).max_by_key(|stamp| stamp.at);
        let another = newest.filter(|stamp| stamp.instance != memory.instance && stamp.at > memory.started_at);
        let is_delete = step.action.verb() == Some(Verb::Delete);
        let broken = if is_delete && another.is_some() {
            Property::NoDeletionBesideAnotherWriter
        } else if matches!(step.action, Action::DeleteApp { .. }) && missing.is_of_listing() {
            Property::NoDeletionOnPartialListing
        } else if let (Action::CreateApp { .. }, Some(Presence::Unknown { .. })) =
            (&step.action, scope.details.get(app).map(|detail| &detail.presence))
        {
            Property::NothingCreatedUnseen
        } else {
            return None;
        };
        Some(Violation::new(broken, format!("{} {}", step.action.name(), step.key)))
    })
}

/// What must not be sent in this world.
fn violation_by(
    step: &Step,
    request: &Request,
    world: &World,
    fleet: &Fleet,
    in_quarantine: bool,
) -> Option<Violation> {
    let app = world.apps.get(request.app())?;
    let machine = request.machine().and_then(|id| app.machines.iter().find(|machine| machine.id == id));
    let what = format!("{} {}", step.action.name(), step.key);
    let (step_app, slot) = (
        step.key.app().unwrap(),
        match &step.key {
            hangar::resource::ResourceKey::Machine { slot, .. } => Some(slot),
            _ => None,
        },
    );
    let is_creation = matches!(request, Request::CreateApp { .. });
    if !is_creation && (app.stranger || machine.is_some_and(|machine| machine.stranger)) {
        return Some(Violation::new(Property::NothingUnmarkedTouched, what));
    }
    let wanted = fleet.environments.values().any(|wanted| match wanted {
        Wanted::Ready(env) => env.apps.iter().any(|app| {
            app.name == *step_app && slot.is_none_or(|slot| app.machines.iter().any(|machine| machine.slot == *slot))
        }),
        Wanted::Broken { .. } => fleet.environments.contains_key(&step.env),
    });
    let is_unknown = !fleet.source.is_complete();
    let is_unwanted_by = step
        .action
        .proof()
        .is_some_and(|proof| matches!(proof.evidence(), Evidence::Orphan { .. } | Evidence::NotWanted));
    let removes = matches!(request, Request::DeleteApp { .. } | Request::DestroyMachine { .. });
    if removes && is_unwanted_by && (wanted || is_unknown) {
        return Some(Violation::new(Property::NothingWantedDeleted, what));
    }
    if let (Request::MarkMachine { patch, .. }, Some(machine)) = (request, machine)
        && patch.get("hangar_tombstone").is_some_and(Option::is_some)
        && machine.metadata.contains_key("hangar_tombstone")
        // What an earlier run was doing when the store was lost is not known.
        && !in_quarantine
    {
        return Some(Violation::new(Property::TombstonesStand, what));
    }
    if matches!(request, Request::DeleteApp { .. })
        && app.machines.iter().any(|machine| machine.metadata.contains_key("hangar_protect"))
    {
        return Some(Violation::new(Property::NothingProtectedDeleted, what));
    }
    None
}
