//! A short history, told step by step: what explorers find by themselves for most rules is written by hand for the others.

use hangar::desired::Fleet;
use hangar::memory::Memory;
use hangar::observed::Observed;
use hangar::plan::{Action, Plan, Purpose, Request, Step, plan};
use hangar::resource::OrgSlug;
use hangar::rules::Rules;

use crate::engine::{End, Engine, Make, settle};
use crate::fleet::{Specs, Variant, fleet, policy};
use crate::view::{Missing, ORG, now, observe};
use crate::world::{Ages, World};

/// A controller on the abstract platform.
pub(crate) struct Script {
    engine: Engine,
    pub(crate) world: u32,
    pub(crate) memory: u32,
    spec: u8,
}

impl Script {
    /// Specs in variants; the first is converged, and so long ago that no key is open and quarantine is over.
    pub(crate) fn converged(rules: Rules, variants: &[&str]) -> Self {
        Self::converged_in(rules, variants, World::default())
    }

    /// The same where something is live before.
    pub(crate) fn converged_in(rules: Rules, variants: &[&str], world: World) -> Self {
        let variants = variants.iter().map(|yaml| Variant { name: "variant", fleet: fleet(yaml) }).collect();
        // What is told is how things are with the rule until it matters: nothing is held back but by the rule itself.
        let make = Make { rules, checker: false, ..Make::default() };
        let mut engine = Engine::new(Specs { variants, policy: policy() }, make, Ages::of(false, 0));
        let (world, memory) = (engine.worlds.id(world), engine.blank_memory("a"));
        let mut script = Self { engine, world, memory, spec: 0 };
        for _ in 0..5 {
            script.pass();
            script.tick(1);
        }
        script
    }

    pub(crate) fn spec(&mut self, variant: u8) {
        self.spec = variant;
    }

    /// Says more in the specs of now than a file can: what sources say of pull requests.
    pub(crate) fn tell(&mut self, change: impl FnOnce(&mut Fleet)) {
        change(&mut self.engine.specs.variants[usize::from(self.spec)].fleet);
    }

    /// Raises the deletion budget.
    pub(crate) const fn allow(&mut self, deletions: usize) {
        self.engine.specs.policy.budget.max_deletions = deletions;
    }

    pub(crate) fn tick(&mut self, count: usize) {
        for _ in 0..count {
            self.world = self.engine.later_world(self.world);
            self.memory = self.engine.later_memory(self.memory);
        }
    }

    /// Changes what is live, by hand.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut World)) {
        let mut world = self.engine.worlds.get(self.world).clone();
        change(&mut world);
        self.world = self.engine.worlds.id(world);
    }

    /// Changes what the controller remembers.
    pub(crate) fn remember(&mut self, change: impl FnOnce(&mut Memory)) {
        let mut memory = self.engine.memory(self.memory).clone();
        change(&mut memory);
        self.memory = self.engine.memory_id(memory);
    }

    /// A pass, carried out.
    pub(crate) fn pass(&mut self) -> Plan {
        let passed = self.engine.pass(self.memory, self.world, self.world, Missing::Nothing, self.spec);
        self.memory = passed.memory;
        let Some(plan) = passed.plan else { return self.look(Rules::default(), |_| ()).plan };
        let mut progress = passed.progress;
        while self.engine.next_step(plan, progress).is_some() {
            let stepped = self.engine.step(plan, progress, self.world, self.memory, End::Answered);
            (self.world, self.memory, progress) = (stepped.world, stepped.memory, stepped.progress);
        }
        self.engine.plans.get(plan).plan.clone()
    }

    /// A plan that is only looked at, made from an observation changed by `see`.
    pub(crate) fn look(&self, rules: Rules, see: impl FnOnce(&mut Observed)) -> Looked {
        self.look_from(self.world, rules, see)
    }

    /// The same where the listings show an earlier world.
    pub(crate) fn look_from(&self, listed: u32, rules: Rules, see: impl FnOnce(&mut Observed)) -> Looked {
        let Specs { variants, policy } = &self.engine.specs;
        let fleet = &variants[usize::from(self.spec)].fleet;
        let (listed, direct) = (self.engine.worlds.get(listed), self.engine.worlds.get(self.world));
        let mut observed = observe(listed, direct, Missing::Nothing, fleet);
        see(&mut observed);
        let mut memory = self.engine.memory(self.memory).clone();
        settle(&mut memory, rules, &observed, fleet, policy);
        self.plan_of(observed, &memory, &Request { rules, ..Request::default() })
    }

    /// A plan for something else than to reconcile.
    pub(crate) fn look_for(&self, purpose: Purpose, dry_run: bool, rules: Rules) -> Looked {
        let Specs { variants, policy } = &self.engine.specs;
        let fleet = &variants[usize::from(self.spec)].fleet;
        let world = self.engine.worlds.get(self.world);
        let observed = observe(world, world, Missing::Nothing, fleet);
        let mut memory = self.engine.memory(self.memory).clone();
        settle(&mut memory, rules, &observed, fleet, policy);
        self.plan_of(observed, &memory, &Request { purpose, dry_run, rules, ..Request::default() })
    }

    fn plan_of(&self, observed: Observed, memory: &Memory, request: &Request) -> Looked {
        let Specs { variants, policy } = &self.engine.specs;
        let fleet = &variants[usize::from(self.spec)].fleet;
        let plan = plan(fleet, &observed, memory, policy, request, now());
        let objections = hangar::check::check(&plan, fleet, &observed, memory, policy);
        Looked { plan, objects: !objections.is_empty() }
    }
}

/// A plan, and whether the checker objects to it.
pub(crate) struct Looked {
    pub(crate) plan: Plan,
    pub(crate) objects: bool,
}

impl Looked {
    /// The first step that `is_harm` says is harm.
    pub(crate) fn harm(self, is_harm: impl Fn(&Step) -> bool) -> Outcome {
        let harm = self.plan.steps.iter().find(|step| is_harm(step));
        let harm = harm.map(|step| format!("{} {}: {}", step.action.name(), step.key, step.reason));
        Outcome { harm, objects: self.objects }
    }
}

/// What came of a history.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What must not be.
    pub(crate) harm: Option<String>,
    /// Whether the checker objects to the plan.
    pub(crate) objects: bool,
}

pub(crate) fn scope(observed: &mut Observed) -> &mut hangar::observed::Scope {
    observed.scopes.get_mut(&OrgSlug::from(ORG)).unwrap()
}

pub(crate) fn deletes_app(step: &Step) -> bool {
    matches!(step.action, Action::DeleteApp { .. })
}
