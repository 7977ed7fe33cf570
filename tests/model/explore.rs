//! The explorer: every state that bounded disturbances can lead to, breadth first, each one checked.

use std::fmt;
use std::time::Duration;

use hangar::memory::{NoteOutcome, Verb};
use hangar::resource::ResourceKey;
use indexmap::IndexSet;

use crate::engine::{End, Engine};
use crate::property::{Property, Violation};
use crate::rest::Rest;
use crate::state::{Act, Bounds, Controller, Flight, Hand, State, WANTED};
use crate::view::Missing;
use crate::world::{Ages, LiveMachine, Request};

/// What is explored.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    pub(crate) bounds: Bounds,
    /// What may be done by hand.
    pub(crate) hands: Vec<Hand>,
    /// Whether convergence is checked from every state.
    pub(crate) converges: bool,
    /// The properties that end the search when they do not hold; all where empty.
    pub(crate) only: Vec<Property>,
    /// After so many states the search ends.
    pub(crate) most_states: usize,
}

impl Search {
    pub(crate) const fn ages(&self) -> Ages {
        Ages::of(self.bounds.second > 0, self.bounds.ticks)
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) depth: u32,
    pub(crate) took: Duration,
    pub(crate) is_complete: bool,
    /// The most passes that any state needed to converge.
    pub(crate) most_passes: u32,
    pub(crate) counterexample: Option<Counterexample>,
    /// Whether the checker objected to a plan.
    pub(crate) objects: bool,
}

/// A property that does not hold, and how that comes about.
#[derive(Debug, Clone)]
pub(crate) struct Counterexample {
    pub(crate) violation: Violation,
    pub(crate) trace: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        self.trace.iter().enumerate().try_for_each(|(index, line)| writeln!(f, "{:>4}. {line}", index + 1))
    }
}

pub(crate) struct Explorer<'e> {
    engine: &'e mut Engine,
    search: &'e Search,
    rest: Rest,
    states: IndexSet<State>,
    /// How each state was first reached.
    origins: Vec<(u32, Act, u32)>,
    transitions: usize,
}

/// A state that a transition leads to, or what must not have happened on the way.
type Next = Result<State, Violation>;

impl<'e> Explorer<'e> {
    pub(crate) fn new(engine: &'e mut Engine, search: &'e Search) -> Self {
        let rest = Rest::new(engine);
        let (states, origins) = (IndexSet::new(), Vec::new());
        Self { engine, search, rest, states, origins, transitions: 0 }
    }

    pub(crate) fn run(mut self) -> Found {
        #[expect(clippy::disallowed_methods, reason = "how long it took is printed, and nothing depends on it")]
        let began = std::time::Instant::now();
        let first = self.first();
        self.states.insert(first);
        self.origins.push((0, Act::Tick, 0));
        let mut counterexample = None;
        let mut next = 0;
        'search: while next < self.states.len() && self.states.len() < self.search.most_states {
            let state = self.states[next].clone();
            let id = u32::try_from(next).unwrap();
            if self.search.converges
                && let Err(violation) = self.rest.check(self.engine, &state)
                && self.is_looked_for(violation.property)
            {
                counterexample = Some(self.told(id, None, violation));
                break;
            }
            for act in self.acts(&state) {
                self.transitions += 1;
                match self.act(&state, act) {
                    Ok(after) => {
                        let depth = self.origins[next].2 + 1;
                        if self.states.insert(after) {
                            self.origins.push((id, act, depth));
                        }
                    }
                    Err(violation) if self.is_looked_for(violation.property) => {
                        counterexample = Some(self.told(id, Some(act), violation));
                        break 'search;
                    }
                    Err(_) => {}
                }
            }
            next += 1;
        }
        Found {
            states: self.states.len(),
            transitions: self.transitions,
            depth: self.origins.last().map_or(0, |origin| origin.2),
            took: began.elapsed(),
            is_complete: next == self.states.len(),
            most_passes: self.rest.most_passes,
            counterexample,
            objects: self.engine.objects,
        }
    }

    fn is_looked_for(&self, property: Property) -> bool {
        self.search.only.is_empty() || self.search.only.contains(&property)
    }

    /// Nothing is live, and a controller with an empty store begins.
    fn first(&mut self) -> State {
        let memory = self.engine.blank_memory("a");
        let mut state = State {
            world: self.engine.worlds.id(crate::world::World::default()),
            past: [None; 2],
            spec: 0,
            controllers: [Some(Controller { memory, run: None }), None],
            flights: [None; 2],
            unwanted: [WANTED; 2],
            deleted: [WANTED; 2],
            had_second: false,
            left: self.search.bounds,
        };
        self.want(&mut state);
        state
    }

    /// Everything that can happen next.
    fn acts(&mut self, state: &State) -> Vec<Act> {
        let mut acts = Vec::new();
        let left = state.left;
        for by in 0..2_u8 {
            let Some(controller) = state.controllers[usize::from(by)] else { continue };
            match controller.run {
                None => self.passes(state, by, &mut acts),
                Some(_) => {
                    let free = state.flights.contains(&None);
                    acts.push(Act::Step { by, end: End::Answered });
                    if left.lost_replies > 0 {
                        acts.push(Act::Step { by, end: End::LostReply });
                    }
                    if left.late_effects > 0 && free {
                        acts.push(Act::Step { by, end: End::Late });
                    }
                    if left.handovers > 0 && free && by == 0 {
                        acts.push(Act::Crash { by, keeps_store: true, in_step: Some(End::Late) });
                    }
                }
            }
            for keeps_store in [true, false] {
                if if keeps_store { left.crashes } else { left.losses } > 0 {
                    acts.push(Act::Crash { by, keeps_store, in_step: None });
                    if controller.run.is_some() {
                        acts.push(Act::Crash { by, keeps_store, in_step: Some(End::LostReply) });
                    }
                }
            }
        }
        if left.ticks > 0 {
            acts.push(Act::Tick);
        }
        acts.extend(
            (0..2_u8).filter(|flight| state.flights[usize::from(*flight)].is_some()).map(|flight| Act::Land { flight }),
        );
        if left.by_hand > 0 {
            // Whoever takes a name in the middle of a run is not seen before the next pass, and whoever makes an empty app of a name
            // that we are trying to make cannot be told from us, whatever the controller does.
            let runs = state.controllers.iter().flatten().any(|controller| controller.run.is_some());
            for env in 0..u8::try_from(self.rest.names.len()).unwrap() {
                let tries = state.controllers.iter().flatten().any(|controller| self.tries_to_create(controller, env));
                let hands = self.search.hands.iter().filter(|hand| **hand != Hand::Squat || !(runs || tries));
                acts.extend(hands.map(|hand| Act::Hand { env, hand: *hand }));
            }
        }
        if left.specs > 0 {
            let variants = u8::try_from(self.engine.specs.variants.len()).unwrap();
            acts.extend((0..variants).filter(|to| *to != state.spec).map(|to| Act::Spec { to }));
        }
        if left.second > 0 && state.controllers[1].is_none() {
            acts.push(Act::SecondBegins);
        }
        if state.controllers[1].is_some() {
            acts.push(Act::SecondEnds);
        }
        acts
    }

    fn tries_to_create(&self, controller: &Controller, env: u8) -> bool {
        let app = self.rest.app_of(&self.rest.names[usize::from(env)]);
        self.engine.memory(controller.memory).notes.iter().any(|note| {
            note.verb == Verb::Create
                && note.outcome == NoteOutcome::Unknown
                && matches!(&note.key, ResourceKey::App { app: noted } if *noted.as_str() == *app)
        })
    }

    fn passes(&self, state: &State, by: u8, acts: &mut Vec<Act>) {
        let missing = Missing::Nothing;
        acts.push(Act::Pass { by, listed: None, missing });
        if state.left.stale > 0 {
            for index in (0..2_u8).filter(|index| state.past[usize::from(*index)].is_some()) {
                acts.push(Act::Pass { by, listed: Some(index), missing });
            }
        }
        if state.left.partial > 0 {
            acts.extend(Missing::SOMETHING.map(|missing| Act::Pass { by, listed: None, missing }));
        }
    }

    fn act(&mut self, state: &State, act: Act) -> Next {
        let mut after = state.clone();
        match act {
            Act::Pass { by, listed, missing } => {
                after.left.stale -= u8::from(listed.is_some());
                after.left.partial -= u8::from(missing != Missing::Nothing);
                self.pass(&mut after, by, listed, missing)?;
            }
            Act::Step { by, end } => {
                after.left.lost_replies -= u8::from(end == End::LostReply);
                after.left.late_effects -= u8::from(end == End::Late);
                self.step(&mut after, by, end)?;
            }
            Act::Crash { by, keeps_store, in_step } => {
                match (in_step, keeps_store) {
                    (Some(End::Late), _) => after.left.handovers -= 1,
                    (_, true) => after.left.crashes -= 1,
                    (_, false) => after.left.losses -= 1,
                }
                if let Some(end) = in_step {
                    self.step(&mut after, by, end)?;
                }
                self.restart(&mut after, by, keeps_store);
            }
            Act::Tick => {
                after.left.ticks -= 1;
                self.tick(&mut after);
            }
            Act::Land { flight } => {
                let landing = after.flights[usize::from(flight)].take().unwrap();
                let mut world = self.engine.worlds.get(after.world).clone();
                let request = self.engine.requests.get(landing.request);
                let target = world.apps.get(request.app());
                let is_anew = target.is_some_and(|app| app.id != landing.app);
                if is_anew && matches!(request, Request::DeleteApp { .. }) && !state.had_second {
                    let what = format!("a late request deletes app {}, which was made anew meanwhile", request.app());
                    return Err(Violation::new(Property::NothingWantedDeleted, what));
                }
                // Whoever makes an app of this name meanwhile is hit by a late request, whatever the controller does.
                if target.is_none_or(|app| !app.stranger) {
                    let _refused_or_not = world.apply(request);
                }
                let world = self.engine.worlds.id(world);
                self.change_world(&mut after, world);
            }
            Act::Hand { env, hand } => {
                after.left.by_hand -= 1;
                self.by_hand(&mut after, env, hand);
            }
            Act::Spec { to } => {
                after.left.specs -= 1;
                after.spec = to;
                self.want(&mut after);
                // A changed spec overtakes the plans that are being carried out.
                for controller in after.controllers.iter_mut().flatten() {
                    controller.run = None;
                }
            }
            Act::SecondBegins => {
                after.left.second -= 1;
                after.had_second = true;
                let memory = self.engine.blank_memory("b");
                after.controllers[1] = Some(Controller { memory, run: None });
            }
            Act::SecondEnds => {
                after.controllers[1] = None;
                for flight in after.flights.iter_mut().flatten().filter(|flight| flight.known_by == Some(1)) {
                    flight.known_by = None;
                }
            }
        }
        after.flights.sort_unstable();
        self.rest.is_one_for_each_slot(self.engine, &after)?;
        Ok(after)
    }

    fn pass(&mut self, state: &mut State, by: u8, listed: Option<u8>, missing: Missing) -> Result<(), Violation> {
        let listed = listed.map_or(state.world, |index| state.past[usize::from(index)].unwrap().0);
        let controller = state.controllers[usize::from(by)].as_mut().unwrap();
        let passed = self.engine.pass(controller.memory, listed, state.world, missing, state.spec);
        if let Some(violation) = &passed.violation
            && (self.search.only.is_empty() || self.search.only.contains(&violation.property))
        {
            return Err(violation.clone());
        }
        controller.memory = passed.memory;
        let is_refused = passed.objection.is_some() && self.engine.make.checker;
        let run = passed.plan.filter(|_| !is_refused).map(|plan| (plan, passed.progress));
        controller.run = run.filter(|(plan, progress)| self.engine.next_step(*plan, *progress).is_some());
        for flight in state.flights.iter().flatten().filter(|flight| flight.known_by == Some(by)) {
            let request = self.engine.requests.get(flight.request);
            let wanted = &self.engine.specs.variants[usize::from(state.spec)].fleet.environments;
            let converged = passed.converged.iter().filter(|env| wanted.contains_key(&env.as_str().into()));
            if let Some(env) = converged.into_iter().find(|env| self.rest.app_of(env) == request.app()) {
                let what = format!("`{env}` is said to be converged, and {request:?} may still take effect");
                return Err(Violation::new(Property::ConvergedIsSettled, what));
            }
        }
        Ok(())
    }

    fn step(&mut self, state: &mut State, by: u8, end: End) -> Result<(), Violation> {
        let controller = state.controllers[usize::from(by)].as_mut().unwrap();
        let (plan, progress) = controller.run.unwrap();
        let stepped = self.engine.step(plan, progress, state.world, controller.memory, end);
        if let Some(violation) = &stepped.violation
            && !is_excused(violation, state.had_second)
        {
            return Err(violation.clone());
        }
        controller.memory = stepped.memory;
        controller.run = Some((plan, stepped.progress));
        if self.engine.next_step(plan, stepped.progress).is_none() {
            controller.run = None;
        }
        if let Some(env) = stepped.deletes.as_ref().and_then(|env| self.rest.index_of(env)) {
            if state.unwanted[env] < self.rest.grace {
                let what = format!("{} ticks after nobody wants it any more", state.unwanted[env]);
                return Err(Violation::new(Property::GraceIsGiven, what));
            }
            state.deleted[env] = 0;
            let lately = state.deleted.iter().filter(|age| **age < self.rest.window).count();
            if lately > self.engine.specs.policy.budget.max_deletions && !state.had_second {
                let what = format!("{lately} deletions within the window");
                return Err(Violation::new(Property::BudgetIsKept, what));
            }
        }
        if let Some(request) = stepped.flight {
            let free = state.flights.iter().position(Option::is_none).unwrap();
            let app = self.engine.requests.get(request).app();
            let app = self.engine.worlds.get(state.world).apps.get(app).map_or(0, |app| app.id);
            state.flights[free] = Some(Flight { request, age: 0, app, known_by: Some(by) });
        }
        self.change_world(state, stepped.world);
        Ok(())
    }

    fn restart(&mut self, state: &mut State, by: u8, keeps_store: bool) {
        let controller = state.controllers[usize::from(by)].as_mut().unwrap();
        controller.run = None;
        if keeps_store {
            controller.memory = self.engine.reopened(controller.memory);
            return;
        }
        controller.memory = self.engine.blank_memory(if by == 0 { "a" } else { "b" });
        state.deleted = [WANTED; 2];
        // As for deletions by hand: nobody knows any more of a late request to an app that somebody has deleted meanwhile.
        let apps = &self.engine.worlds.get(state.world).apps;
        for flight in state.flights.iter_mut().filter(|flight| flight.is_some_and(|flight| flight.known_by == Some(by)))
        {
            let is_gone = |flight: &Flight| {
                let request = self.engine.requests.get(flight.request);
                !matches!(request, Request::CreateApp { .. })
                    && apps.get(request.app()).is_none_or(|app| app.id != flight.app)
            };
            *flight = flight.filter(|flight| !is_gone(flight)).map(|flight| Flight { known_by: None, ..flight });
        }
    }

    fn tick(&mut self, state: &mut State) {
        state.world = self.engine.later_world(state.world);
        for past in &mut state.past {
            // What was true longer ago than S is not seen any more.
            *past = past.filter(|(_, age)| *age == 0).map(|(world, age)| (self.engine.later_world(world), age + 1));
        }
        for controller in state.controllers.iter_mut().flatten() {
            controller.memory = self.engine.later_memory(controller.memory);
            controller.run = controller.run.map(|run| self.engine.later_run(run));
        }
        for flight in &mut state.flights {
            // What has not taken effect within F never does.
            *flight = flight.filter(|flight| flight.age == 0).map(|flight| Flight {
                request: self.engine.later_request(flight.request),
                age: flight.age + 1,
                ..flight
            });
        }
        for ages in [&mut state.unwanted, &mut state.deleted] {
            for age in ages.iter_mut().filter(|age| **age != WANTED) {
                *age = (*age + 1).min(self.rest.grace.max(self.rest.window));
            }
        }
    }

    fn change_world(&mut self, state: &mut State, world: u32) {
        if world == state.world {
            return;
        }
        if self.search.bounds.stale > 0 {
            // Of several earlier worlds the newest and the oldest are kept: they differ most in what they lack.
            match state.past[1] {
                None if state.past[0].is_some() => state.past = [Some((state.world, 0)), state.past[0]],
                _ => state.past[0] = Some((state.world, 0)),
            }
        }
        state.world = world;
    }

    fn want(&self, state: &mut State) {
        let fleet = &self.engine.specs.variants[usize::from(state.spec)].fleet;
        for (env, name) in self.rest.names.iter().enumerate() {
            let is_wanted = fleet.environments.contains_key(&name.as_str().into()) || !fleet.source.is_complete();
            state.unwanted[env] = match (is_wanted, state.unwanted[env]) {
                (true, _) => WANTED,
                (false, WANTED) => 0,
                (false, age) => age,
            };
        }
    }

    fn by_hand(&mut self, state: &mut State, env: u8, hand: Hand) {
        let name = self.rest.app_of(&self.rest.names[usize::from(env)]);
        let mut world = self.engine.worlds.get(state.world).clone();
        if hand == Hand::Squat && !world.apps.contains_key(&name) {
            let made = world.new_app("", true);
            world.apps.insert(name.clone(), made);
        }
        let clone = if hand == Hand::Clone { format!("m{}", world.mint()) } else { String::new() };
        if let Some(app) = world.apps.get_mut(&name).filter(|app| !app.stranger) {
            let ours = app.machines.iter_mut().find(|machine| !machine.stranger);
            match (hand, ours) {
                (Hand::DestroyMachine, Some(machine)) => {
                    let id = machine.id.clone();
                    app.destroy(&id);
                }
                (Hand::StopMachine, Some(machine)) => machine.started = false,
                (Hand::EditMachine, Some(machine)) => {
                    machine.version += 1;
                    machine.config = machine.config.replace("\"x:", "\"edited:");
                }
                (Hand::Protect, Some(machine)) => {
                    machine.metadata.insert("hangar_protect".to_owned(), "true".to_owned());
                }
                (Hand::Clone, Some(machine)) => {
                    let config = without_mounts(&machine.config);
                    let copy =
                        LiveMachine { id: clone, name: "copy".to_owned(), config, stranger: true, ..machine.clone() };
                    if app.machines.iter().all(|machine| machine.name != "copy") {
                        app.machines.push(copy);
                    }
                }
                (Hand::SetSecret, _) => {
                    if let Some((digest, _)) = app.secrets.get_mut("KEY") {
                        "set by hand".clone_into(digest);
                    }
                }
                (Hand::ReleaseIp, _) => app.ips.clear(),
                (Hand::DeleteApp, _) => {
                    let delete = Request::DeleteApp { app: name };
                    let _refused_or_not = world.apply(&delete);
                    // Who deletes an app by hand and wants it again at once meets a late request of ours to the one that was, if
                    // nobody knows of that request any more. That is not for the controller to prevent.
                    for flight in &mut state.flights {
                        *flight = flight.filter(|flight| {
                            flight.known_by.is_some() || self.engine.requests.get(flight.request).app() != delete.app()
                        });
                    }
                }
                _ => {}
            }
        }
        let world = self.engine.worlds.id(world);
        self.change_world(state, world);
    }

    /// How a state was reached, and what was found there.
    fn told(&mut self, state: u32, last: Option<Act>, violation: Violation) -> Counterexample {
        let mut acts: Vec<Act> = last.into_iter().collect();
        let mut at = state as usize;
        while at != 0 {
            acts.push(self.origins[at].1);
            at = self.origins[at].0 as usize;
        }
        acts.reverse();
        let mut state = self.states[0].clone();
        let mut trace = Vec::new();
        for act in acts {
            let run = |by: u8| state.controllers[usize::from(by)].and_then(|controller| controller.run);
            let more = match act {
                Act::Step { by, .. } | Act::Crash { by, in_step: Some(_), .. } => {
                    let (plan, progress) = run(by).unwrap();
                    format!(": {}", self.engine.next_step_text(plan, progress))
                }
                Act::Land { flight } => {
                    let flight = state.flights[usize::from(flight)].unwrap();
                    format!(": {:?}", self.engine.requests.get(flight.request))
                }
                Act::Spec { to } => format!(" ({})", self.engine.specs.variants[usize::from(to)].name),
                _ => String::new(),
            };
            trace.push(format!("{act}{more}"));
            match self.act(&state, act) {
                Ok(after) => state = after,
                Err(_) => break,
            }
        }
        Counterexample { violation, trace }
    }
}

/// Two controllers at once, which is a mistake, may each set the tombstone once.
pub(crate) fn is_excused(violation: &Violation, had_second: bool) -> bool {
    had_second && violation.property == Property::TombstonesStand
}

fn without_mounts(config: &str) -> String {
    let mut config: serde_json::Value = serde_json::from_str(config).unwrap();
    config.as_object_mut().unwrap().remove("mounts");
    config.to_string()
}
