//! Convergence, as a property of every state: from here, undisturbed, it comes to rest within so many passes, as the specs want it,
//! and stays so. Undisturbed means: the second controller has ended, requests under way never take effect, and every answer comes.

use std::collections::BTreeSet;

use hangar::desired::Wanted;
use hangar::plan::Reason;
use indexmap::IndexMap;

use crate::engine::{End, Engine};
use crate::explore::is_excused;
use crate::property::{Property, Violation};
use crate::state::State;
use crate::view::Missing;
use crate::world::{LiveApp, TICK, World};

/// The most passes and waits that any state may need.
const MOST_PASSES: u32 = 40;

/// What convergence depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Core {
    world: u32,
    memory: u32,
    run: Option<(u32, u32)>,
    spec: u8,
    had_second: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It comes to rest after so many passes.
    Leads(u32),
    Rests,
}

#[derive(Debug)]
pub(crate) struct Rest {
    /// The environments of the model.
    pub(crate) names: Vec<String>,
    /// In ticks.
    pub(crate) grace: u8,
    pub(crate) window: u8,
    pub(crate) most_passes: u32,
    known: IndexMap<Core, Known>,
    /// What each environment looks like when the specs have it from the beginning, by variant and name.
    shapes: IndexMap<(u8, String), Option<Shape>>,
    doubles: IndexMap<u32, Option<String>>,
}

/// An app as people compare it: no ids, nothing of others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    machines: BTreeSet<(String, String, bool)>,
    volumes: usize,
    ips: Vec<String>,
    secrets: BTreeSet<(String, String)>,
}

impl Rest {
    pub(crate) fn new(engine: &Engine) -> Self {
        let fleets = engine.specs.variants.iter().flat_map(|variant| variant.fleet.environments.keys());
        let names: BTreeSet<String> = fleets.map(ToString::to_string).filter(|name| name != "keeper").collect();
        let ticks = |duration: std::time::Duration| u8::try_from(duration.as_secs() / TICK.unsigned_abs()).unwrap();
        Self {
            names: names.into_iter().collect(),
            grace: ticks(engine.specs.policy.grace),
            window: ticks(engine.specs.policy.budget.window),
            most_passes: 0,
            known: IndexMap::new(),
            shapes: IndexMap::new(),
            doubles: IndexMap::new(),
        }
    }

    pub(crate) fn app_of(&self, env: &str) -> String {
        format!("{env}-web")
    }

    pub(crate) fn index_of(&self, env: &str) -> Option<usize> {
        self.names.iter().position(|name| name == env)
    }

    /// Whether the state comes to rest, and as it should.
    pub(crate) fn check(&mut self, engine: &mut Engine, state: &State) -> Result<(), Violation> {
        let controller = state.controllers[0].unwrap();
        let mut at = Core {
            world: state.world,
            memory: controller.memory,
            run: controller.run,
            spec: state.spec,
            had_second: state.had_second,
        };
        let (mut chain, mut passes, mut rests, mut restarted) = (Vec::new(), 0, None, false);
        let more = loop {
            match self.known.get(&at) {
                Some(Known::Leads(more)) if rests.is_none() => break *more,
                Some(Known::Rests) => {
                    rests.get_or_insert(chain.len());
                    break 0;
                }
                _ => {}
            }
            chain.push((at, passes));
            if let Some((plan, progress)) = at.run {
                let stepped = engine.step(plan, progress, at.world, at.memory, End::Answered);
                if let Some(violation) = &stepped.violation
                    && !is_excused(violation, at.had_second)
                {
                    return Err(violation.clone());
                }
                at = Core { world: stepped.world, memory: stepped.memory, run: Some((plan, stepped.progress)), ..at };
                at.run = at.run.filter(|(plan, progress)| engine.next_step(*plan, *progress).is_some());
                continue;
            }
            passes += 1;
            let passed = engine.pass(at.memory, at.world, at.world, Missing::Nothing, at.spec);
            if let Some(violation) = &passed.violation {
                return Err(violation.clone());
            }
            let is_refused = passed.objection.is_some() && engine.make.checker;
            if is_refused || passes > MOST_PASSES {
                let what =
                    format!("not after {passes} passes: waits {}, blocked by {:?}", passed.waits, passed.blocked);
                return Err(Violation::new(Property::Converges, what));
            }
            at.memory = passed.memory;
            if let Some(plan) = passed.plan {
                if rests.is_some() {
                    let what = format!("it was at rest, and then: {}", engine.next_step_text(plan, passed.progress));
                    return Err(Violation::new(Property::Converges, what));
                }
                at.run = Some((plan, passed.progress));
                continue;
            }
            if passed.blocked.contains(&Reason::AnotherWriter) && at.had_second && !restarted {
                // Once the mistake is over, somebody starts the one that stays anew.
                restarted = true;
                at = later(engine, at);
                at.memory = engine.reopened(at.memory);
                continue;
            }
            let later = later(engine, at);
            if !passed.waits {
                self.is_as_wanted(engine, at, &passed.converged, &passed.blocked)?;
                rests.get_or_insert(chain.len() - 1);
            } else if later == at && self.is_complete(engine, at.spec) {
                let what = "it waits for ever".to_owned();
                return Err(Violation::new(Property::Converges, what));
            }
            if later == at {
                rests.get_or_insert(chain.len() - 1);
                break 0;
            }
            at = later;
        };
        let total = passes + more;
        let first_at_rest = rests.unwrap_or(chain.len());
        for (index, (core, before)) in chain.into_iter().enumerate() {
            let known = if index >= first_at_rest { Known::Rests } else { Known::Leads(total - before) };
            self.known.insert(core, known);
        }
        self.most_passes = self.most_passes.max(total);
        Ok(())
    }

    /// Whether the specs of a variant say everything.
    fn is_complete(&self, engine: &Engine, spec: u8) -> bool {
        let fleet = &engine.specs.variants[usize::from(spec)].fleet;
        fleet.source.is_complete() && !fleet.environments.values().any(|wanted| matches!(wanted, Wanted::Broken { .. }))
    }

    fn is_as_wanted(
        &mut self,
        engine: &mut Engine,
        at: Core,
        converged: &[String],
        blocked: &BTreeSet<Reason>,
    ) -> Result<(), Violation> {
        if !self.is_complete(engine, at.spec) {
            return Ok(());
        }
        for env in self.names.clone() {
            let app = self.app_of(&env);
            let is_wanted = self.is_wanted(engine, at.spec, &env);
            let expected = if is_wanted { self.shape(engine, at.spec, &env) } else { None };
            let live = engine.worlds.get(at.world).apps.get(&app);
            if live.is_some_and(|live| live.stranger) {
                continue;
            }
            let is_protected = live.is_some_and(|live| {
                live.machines.iter().any(|machine| machine.metadata.contains_key("hangar_protect"))
            });
            let is_held = blocked.contains(&Reason::BudgetExceeded);
            if !is_wanted && live.is_some() && (is_protected || is_held) {
                continue;
            }
            let found = live.map(shape_of);
            let fits = match (&found, &expected) {
                // Two controllers may each have made what the server mints an id for; the rest is shown and left alone.
                (Some(found), Some(expected)) if at.had_second => {
                    found.machines == expected.machines && found.secrets == expected.secrets
                }
                _ => found == expected,
            };
            if !fits || (is_wanted && !converged.contains(&env)) {
                let what = format!("`{env}` rests as {found:?}, not as {expected:?}; blocked by {blocked:?}");
                return Err(Violation::new(Property::Converges, what));
            }
        }
        Ok(())
    }

    fn is_wanted(&self, engine: &Engine, spec: u8, env: &str) -> bool {
        engine.specs.variants[usize::from(spec)].fleet.environments.contains_key(&env.into())
    }

    /// What an environment looks like when nothing has ever disturbed it.
    fn shape(&mut self, engine: &mut Engine, spec: u8, env: &str) -> Option<Shape> {
        let key = (spec, env.to_owned());
        if let Some(shape) = self.shapes.get(&key) {
            return shape.clone();
        }
        let mut world = engine.worlds.id(World::default());
        let mut memory = engine.blank_memory("a");
        for _ in 0..MOST_PASSES {
            let passed = engine.pass(memory, world, world, Missing::Nothing, spec);
            memory = passed.memory;
            let Some(plan) = passed.plan else { break };
            let mut progress = passed.progress;
            while engine.next_step(plan, progress).is_some() {
                let stepped = engine.step(plan, progress, world, memory, End::Answered);
                (world, memory, progress) = (stepped.world, stepped.memory, stepped.progress);
            }
        }
        let shape = engine.worlds.get(world).apps.get(&self.app_of(env)).map(shape_of);
        self.shapes.insert(key, shape.clone());
        shape
    }

    /// One object for each slot, as long as there was never a second controller.
    pub(crate) fn is_one_for_each_slot(&mut self, engine: &Engine, state: &State) -> Result<(), Violation> {
        if state.had_second {
            return Ok(());
        }
        let doubles = self
            .doubles
            .entry(state.world)
            .or_insert_with(|| engine.worlds.get(state.world).apps.values().find_map(double));
        match doubles {
            Some(what) => Err(Violation::new(Property::OneForEachSlot, what.clone())),
            None => Ok(()),
        }
    }
}

fn later(engine: &mut Engine, at: Core) -> Core {
    Core { world: engine.later_world(at.world), memory: engine.later_memory(at.memory), ..at }
}

/// What an app of ours has twice.
fn double(app: &LiveApp) -> Option<String> {
    fn first_twice<T: Ord>(mut all: Vec<T>) -> Option<usize> {
        all.sort();
        all.windows(2).position(|pair| pair[0] == pair[1])
    }
    if app.stranger {
        return None;
    }
    let machines = app.machines.iter().filter(|machine| !machine.stranger);
    let slots = machines.filter_map(|machine| machine.metadata.get("hangar_slot")).collect();
    let volumes = app.volumes.iter().map(|volume| (&volume.name, &volume.region)).collect();
    let ips = app.ips.iter().map(|(_, kind)| *kind).collect();
    first_twice(slots)
        .map(|_| format!("two machines in one slot: {:?}", app.machines))
        .or_else(|| first_twice(volumes).map(|_| format!("two volumes for one slot: {:?}", app.volumes)))
        .or_else(|| first_twice(ips).map(|_| format!("two addresses of one kind: {:?}", app.ips)))
}

fn shape_of(app: &LiveApp) -> Shape {
    let machines = app.machines.iter().filter(|machine| !machine.stranger).map(|machine| {
        let mut config: serde_json::Value = serde_json::from_str(&machine.config).unwrap();
        if let Some(volume) = config.pointer_mut("/mounts/0/volume") {
            *volume = "its volume".into();
        }
        (machine.name.clone(), config.to_string(), machine.started)
    });
    let mut ips: Vec<String> = app.ips.iter().map(|(_, kind)| kind.to_string()).collect();
    ips.sort();
    Shape {
        machines: machines.collect(),
        volumes: app.volumes.len(),
        ips,
        secrets: app.secrets.iter().map(|(name, (digest, _))| (name.clone(), digest.clone())).collect(),
    }
}
