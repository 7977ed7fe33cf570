//! The planner: what happens to each environment, in what order.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::adopt::Adoption;
use super::expiry::{Births, SOON, expired, expires_soon, had_its_time};
use super::proof::{Obstacle, Proof};
use super::step::{Action, Step, StepId};
use super::withheld::{Effect, HeldChange, Notice, Reason, Stance, Withheld};
use super::{EnvironmentKind, Plan, outputs};
use crate::desired::{Environment, Fleet, Level, Wanted};
use crate::memory::{Memory, NotesByKey, Verb};
use crate::observed::{ByApp, Observed, Presence};
use crate::policy::Policy;
use crate::resource::{AppName, ComponentName, EnvName, FieldChange, OrgSlug, ResourceKey, Subject};
use crate::rules::{Rule, Rules};

/// What a plan is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What the plan is for.
    pub purpose: Purpose,
    /// Only this environment.
    pub env: Option<EnvName>,
    /// Only this component of each environment.
    pub component: Option<ComponentName>,
    /// Environments to whose changes a person has consented.
    pub approved: BTreeSet<EnvName>,
    /// A person has allowed more deletions than the budget does.
    pub allow_mass_delete: bool,
    /// The plan is only looked at, so values that are not at hand do not stop it.
    pub dry_run: bool,
    /// The safety rules in force: all of them, except where a test shows what one is for.
    pub rules: Rules,
}

/// What a plan is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Bring everything wanted to its desired state, and collect what nobody wants.
    #[default]
    Reconcile,
    /// Only collect what nobody wants.
    Collect,
    /// Tear down one environment because a person asked for it.
    Destroy(EnvName),
    /// Mark apps that older tooling has left as ours, so that they are collected.
    Adopt(Adoption),
    /// Keep one environment until a moment, whatever its time to live, because a person asked for it.
    Extend(EnvName, DateTime<Utc>),
}

/// Makes the plan. Pure: the same arguments yield the same plan.
pub fn plan(
    fleet: &Fleet,
    observed: &Observed,
    memory: &Memory,
    policy: &Policy,
    request: &Request,
    now: DateTime<Utc>,
) -> Plan {
    let mut planner = Planner {
        fleet,
        observed,
        memory,
        policy,
        request,
        now,
        notes: NotesByKey::of(memory),
        listed: ByApp::of_all(observed),
        births: Births::of(observed, &fleet.owner),
        askers: askers(fleet),
        pools: BTreeMap::new(),
        networks: BTreeMap::new(),
        due: BTreeMap::new(),
        plan: Plan {
            made_at: now,
            commit: fleet.commit.clone(),
            steps: Vec::new(),
            withheld: Vec::new(),
            notices: Vec::new(),
            outputs: BTreeMap::new(),
            environments: BTreeMap::new(),
            acknowledged: None,
        },
    };
    match &request.purpose {
        Purpose::Reconcile => {
            planner.plan_wanted();
            planner.collect();
            planner.hold_by_gates();
        }
        Purpose::Collect => {
            planner.collect();
            planner.hold_by_gates();
        }
        Purpose::Destroy(env) => planner.destroy(env),
        Purpose::Adopt(adoption) => planner.adopt(adoption),
        Purpose::Extend(env, until) => planner.extend(env, *until),
    }
    planner.select();
    planner.plan
}

/// The environment whose spec names an app, by organization and name.
fn askers(fleet: &Fleet) -> BTreeMap<(&OrgSlug, &AppName), &Environment> {
    let mut askers = BTreeMap::new();
    for wanted in fleet.environments.values() {
        if let Wanted::Ready(env) = wanted {
            for app in &env.apps {
                if let Some(org) = &env.org {
                    askers.entry((org, &app.name)).or_insert(env.as_ref());
                }
            }
        }
    }
    askers
}

/// The planner at work: its input, and the plan so far.
pub(super) struct Planner<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) observed: &'a Observed,
    pub(super) memory: &'a Memory,
    pub(super) policy: &'a Policy,
    pub(super) request: &'a Request,
    pub(super) now: DateTime<Utc>,
    /// What we ourselves did lately.
    pub(super) notes: NotesByKey<'a>,
    /// The listings by app.
    pub(super) listed: BTreeMap<&'a OrgSlug, ByApp<'a>>,
    pub(super) births: Births<'a>,
    /// The environment whose spec names an app.
    pub(super) askers: BTreeMap<(&'a OrgSlug, &'a AppName), &'a Environment>,
    /// Pool places of private networks that were taken before this plan, by organization, and from which on none is given away yet.
    pub(super) pools: BTreeMap<OrgSlug, (BTreeSet<u32>, u32)>,
    /// Pool places of private networks given away so far, by organization and environment.
    pub(super) networks: BTreeMap<OrgSlug, BTreeMap<EnvName, u32>>,
    /// What is due to be deleted, but for what is run before.
    pub(super) due: BTreeMap<Subject, Proof>,
    pub(super) plan: Plan,
}

impl<'a> Planner<'a> {
    fn plan_wanted(&mut self) {
        let mut excess = self.environments_beyond_limit();
        let mut queue = self.previews_in_queue();
        for name in self.in_gate_order() {
            let Some(wanted) = self.fleet.environments.get(&name) else {
                continue;
            };
            self.plan.environments.insert(name.clone(), EnvironmentKind::Wanted);
            match wanted {
                Wanted::Broken { reason } => self.block(&name, None, None, Reason::SpecBroken, reason.clone()),
                Wanted::Ready(_) if excess.remove(&name) => {
                    let most = self.policy.max_environments.unwrap_or_default();
                    self.block(
                        &name,
                        None,
                        None,
                        Reason::PolicyViolation,
                        format!(
                            "the policy allows {most} environments at once; this one is created when another has gone"
                        ),
                    );
                }
                Wanted::Ready(env) => match queue.remove(&name) {
                    Some(message) => self.wait(&name, None, None, Reason::Queued, message, None),
                    None => self.plan_environment(env),
                },
            }
        }
    }

    fn plan_environment(&mut self, env: &'a Environment) {
        if env.paused {
            self.notice(&env.name, None, Reason::Paused, "paused: nothing in it is changed".to_owned());
            self.lift_tombstones(env);
            return;
        }
        if let Some(at) = self.expiry(env).filter(|at| *at <= self.now) {
            // The end of its life is collection's business.
            self.notice(&env.name, None, Reason::Expired, expired(env, at));
            return;
        }
        if self.has_had_its_time(env) {
            self.notice(&env.name, None, Reason::Expired, had_its_time(env));
            return;
        }
        if let Some(at) = self.expiry(env).filter(|at| at.signed_duration_since(self.now) <= SOON) {
            self.notice(&env.name, None, Reason::ExpiresSoon, expires_soon(env, at));
        }
        let violations = self.policy.violations(env);
        if !violations.is_empty() {
            self.block(&env.name, None, None, Reason::PolicyViolation, violations.join("; "));
            return;
        }
        let first_step = self.plan.steps.len();
        let known = outputs::of_environment(env, self.observed, &self.fleet.owner);
        self.plan.outputs.insert(env.name.clone(), known.clone());
        if self.waits_for_image(env) {
            return;
        }
        self.plan_parts(env, &known);
        self.hold_by_level(env, first_step);
        self.notice_sleep(env);
    }

    /// The order in which gates can be judged: an environment after those that it requires.
    pub(super) fn in_gate_order(&self) -> Vec<EnvName> {
        fn visit(fleet: &Fleet, name: &EnvName, order: &mut Vec<EnvName>, seen: &mut BTreeSet<EnvName>) {
            if !seen.insert(name.clone()) {
                return;
            }
            if let Some(Wanted::Ready(env)) = fleet.environments.get(name) {
                for required in &env.requires.environments {
                    visit(fleet, required, order, seen);
                }
            }
            order.push(name.clone());
        }
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        for name in self.fleet.environments.keys() {
            visit(self.fleet, name, &mut order, &mut seen);
        }
        order
    }

    /// Environments that have nothing live yet and for which the policy's limit leaves no room.
    fn environments_beyond_limit(&self) -> BTreeSet<EnvName> {
        let Some(most) = self.policy.max_environments else {
            return BTreeSet::new();
        };
        let ready: Vec<&Environment> = self
            .fleet
            .environments
            .values()
            .filter_map(|wanted| match wanted {
                Wanted::Ready(env) => Some(env.as_ref()),
                Wanted::Broken { .. } => None,
            })
            .collect();
        let (live, new): (Vec<&Environment>, Vec<&Environment>) = ready.into_iter().partition(|env| self.is_live(env));
        let room = most.saturating_sub(live.len());
        new.into_iter().skip(room).map(|env| env.name.clone()).collect()
    }

    /// Whether anything of the environment is there, also where this pass does not look at it in detail.
    pub(super) fn is_live(&self, env: &Environment) -> bool {
        env.apps.iter().any(|app| {
            let detail = self.observed.detail(env.org.as_ref(), &app.name);
            let listed = env
                .org
                .as_ref()
                .and_then(|org| self.listed.get(org))
                .is_some_and(|listed| !listed.rows(&app.name).is_empty());
            matches!(detail.map(|detail| &detail.presence), Some(Presence::Here(_))) || listed
        }) || env.objects.iter().any(|object| self.observed.object(&object.key).is_some())
    }

    fn hold_by_level(&mut self, env: &Environment, first_step: usize) {
        let allowed = |step: &Step| match (env.level, step.action.verb()) {
            (Level::Full, _) => true,
            (Level::NoDelete, verb) => verb != Some(Verb::Delete),
            (Level::CreateOnly, verb) => matches!(verb, None | Some(Verb::Create)) || is_part_of_creating(&step.action),
            (Level::Observe, _) => false,
        };
        let mut refused: BTreeSet<StepId> = BTreeSet::new();
        for step in self.plan.steps.get(first_step..).unwrap_or_default() {
            // Whatever waits for something that is not done is not done either.
            if !allowed(step) || step.after.iter().any(|id| refused.contains(id)) {
                refused.insert(step.id);
            }
        }
        refused.extend(self.unrecorded_secrets(first_step, &refused));
        if refused.is_empty() {
            // To renumber every step once for each environment is what would make many of them slow.
            return;
        }
        let held: Vec<Step> = self.plan.steps.iter().filter(|step| refused.contains(&step.id)).cloned().collect();
        self.remove_steps(&refused);
        for step in &held {
            let (component, key) = (step.component.as_ref(), &step.key);
            if step.action.verb().is_none() {
                // To wait changes nothing. What would be waited for is told with its change.
                if !held.iter().any(|other| other.key == *key && other.id != step.id) {
                    let message = format!("it is not known whether {key} is healthy: {}", step.reason);
                    self.wait(&env.name, component, Some(key), Reason::Unhealthy, message, None);
                }
                continue;
            }
            let (action, effect) = (step.action.name(), Effect::of(&step.action));
            let (reason, changes) = (step.reason.clone(), step.changes.clone());
            self.hold_change(env, component, key, HeldChange { level: env.level, action, effect, reason, changes });
        }
    }

    /// The writes of secrets that only machines would record which are not written either: each pass would write them once more.
    fn unrecorded_secrets(&self, first_step: usize, refused: &BTreeSet<StepId>) -> Vec<StepId> {
        let steps = self.plan.steps.get(first_step..).unwrap_or_default();
        let is_in_vain = |step: &&Step| {
            let machines = steps.iter().filter(|other| {
                other.key.app() == step.key.app()
                    && matches!(other.action, Action::CreateMachine(_) | Action::UpdateMachine { .. })
            });
            let (held, written): (Vec<&Step>, Vec<&Step>) = machines.partition(|machine| refused.contains(&machine.id));
            written.is_empty() && !held.is_empty()
        };
        let writes = steps.iter().filter(|step| matches!(step.action, Action::SetSecrets(_)));
        writes.filter(is_in_vain).map(|step| step.id).collect()
    }

    /// Takes steps out and renumbers the rest.
    pub(super) fn remove_steps(&mut self, gone: &BTreeSet<StepId>) {
        let mut renamed = BTreeMap::new();
        let mut kept = Vec::new();
        for mut step in std::mem::take(&mut self.plan.steps) {
            if gone.contains(&step.id) {
                continue;
            }
            let id = StepId(kept.len());
            renamed.insert(step.id, id);
            step.id = id;
            step.after = step.after.iter().filter_map(|old| renamed.get(old).copied()).collect();
            kept.push(step);
        }
        self.plan.steps = kept;
    }

    /// Whether a safety rule holds: always, except where a test shows what it is for.
    pub(super) fn holds(&self, rule: Rule) -> bool {
        self.request.rules.hold(rule)
    }

    /// When `env` ends.
    pub(super) fn expiry(&self, env: &Environment) -> Option<DateTime<Utc>> {
        self.births.expiry(env)
    }

    /// Adds a step and returns its id.
    pub(super) fn step(
        &mut self,
        at: &Place<'_>,
        key: ResourceKey,
        action: Action,
        reason: impl Into<String>,
        changes: Vec<FieldChange>,
        after: &[StepId],
    ) -> StepId {
        let id = StepId(self.plan.steps.len());
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        self.plan.steps.push(Step {
            id,
            env: at.env.clone(),
            component: at.component.cloned(),
            org: at.org.cloned(),
            key,
            action,
            reason: reason.into(),
            changes,
            after,
        });
        id
    }

    /// Withholds something that goes on by itself.
    pub(super) fn wait(
        &mut self,
        env: &EnvName,
        component: Option<&ComponentName>,
        key: Option<&ResourceKey>,
        reason: Reason,
        message: String,
        until: Option<DateTime<Utc>>,
    ) {
        self.plan.withheld.push(Withheld {
            env: env.clone(),
            component: component.cloned(),
            key: key.cloned(),
            stance: Stance::Waiting,
            reason,
            message,
            until,
            change: None,
        });
    }

    /// Withholds something that needs a person.
    pub(super) fn block(
        &mut self,
        env: &EnvName,
        component: Option<&ComponentName>,
        key: Option<&ResourceKey>,
        reason: Reason,
        message: String,
    ) {
        self.plan.withheld.push(Withheld {
            env: env.clone(),
            component: component.cloned(),
            key: key.cloned(),
            stance: Stance::Blocked,
            reason,
            message,
            until: None,
            change: None,
        });
    }

    /// Withholds a change that is planned in full because of the level of its environment.
    pub(super) fn hold_change(
        &mut self,
        env: &Environment,
        component: Option<&ComponentName>,
        key: &ResourceKey,
        change: HeldChange,
    ) {
        let HeldChange { level, action, reason, .. } = &change;
        self.plan.withheld.push(Withheld {
            env: env.name.clone(),
            component: component.cloned(),
            key: Some(key.clone()),
            stance: Stance::Blocked,
            reason: Reason::Level,
            message: format!("{action} {key}, because {reason}: withheld by `level: {level}`"),
            until: None,
            change: Some(Box::new(change)),
        });
    }

    /// Withholds something because of an obstacle: waiting where its end is known, blocked otherwise.
    #[expect(clippy::needless_pass_by_value, reason = "an obstacle is dealt with once")]
    pub(super) fn withhold(&mut self, at: &Place<'_>, key: &ResourceKey, what: &str, obstacle: Obstacle) {
        let stance = match obstacle.reason {
            Reason::AnotherWriter => Stance::Blocked,
            _ => Stance::Waiting,
        };
        self.plan.withheld.push(Withheld {
            env: at.env.clone(),
            component: at.component.cloned(),
            key: Some(key.clone()),
            stance,
            reason: obstacle.reason,
            message: format!("{what}: {}", obstacle.message),
            until: obstacle.until,
            change: None,
        });
    }

    /// Tells people something.
    pub(super) fn notice(&mut self, env: &EnvName, component: Option<&ComponentName>, reason: Reason, message: String) {
        self.plan.notices.push(Notice { env: env.clone(), component: component.cloned(), reason, message });
    }
}

/// Where a step belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) env: &'p EnvName,
    pub(super) component: Option<&'p ComponentName>,
    pub(super) org: Option<&'p OrgSlug>,
}

/// Steps that change something which exists only because it is being created.
const fn is_part_of_creating(action: &Action) -> bool {
    matches!(action, Action::SetSecrets(write) if write.is_first)
}

/// `1 step`, `2 steps`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
