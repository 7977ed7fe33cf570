//! The parts of an environment (apps, jobs, objects at other providers), each planned after those that it uses.

use std::collections::{BTreeMap, BTreeSet};

use super::jobs::Prepared;
use super::planner::Planner;
use super::step::{Action, Step, StepId};
use crate::desired::{App, Environment, Job, Object};
use crate::resource::output::Outputs;
use crate::resource::{ComponentName, ResourceKey};

/// How far the components planned so far got: what a component that uses them has to wait for.
#[derive(Default)]
pub(super) struct Progress<'v> {
    /// Components of which something is withheld.
    stuck: BTreeSet<ComponentName>,
    /// The steps after which a component's machines are as wanted.
    machines: BTreeMap<ComponentName, Vec<StepId>>,
    /// The step that produces an output.
    pub(super) producers: BTreeMap<String, StepId>,
    /// Outputs that are known, and that steps of this plan change.
    outdated: Vec<String>,
    /// The apps in which something can run.
    pub(super) prepared: BTreeMap<&'v ComponentName, Prepared<'v>>,
    /// The steps that write secrets.
    pub(super) writes_secrets: Vec<(&'v App, StepId)>,
}

impl Progress<'_> {
    /// Whether something of a component is withheld.
    pub(super) fn is_stuck(&self, component: &ComponentName) -> bool {
        self.stuck.contains(component)
    }

    /// The steps after which a component is as wanted.
    pub(super) fn steps_of(&self, component: &ComponentName) -> &[StepId] {
        self.machines.get(component).map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes the steps after which a part is as wanted, and whether something of it is withheld.
    pub(super) fn has_planned(&mut self, part: &ComponentName, steps: Vec<StepId>, is_stuck: bool) {
        if is_stuck {
            self.stuck.insert(part.clone());
        }
        self.machines.entry(part.clone()).or_default().extend(steps);
    }

    /// Notes that what others use of an object will be another one's.
    pub(super) fn renews(&mut self, object: &Object) {
        let outputs = object.key.object.renewed_outputs().iter();
        self.outdated.extend(outputs.map(|name| format!("{}.{name}", object.component)));
    }

    /// Notes that `step` produces what others may use of an object.
    pub(super) fn produces(&mut self, object: &Object, step: StepId) {
        for (name, _) in object.key.object.outputs() {
            self.producers.insert(format!("{}.{name}", object.component), step);
        }
    }
}

/// What an environment is made of.
#[derive(Clone, Copy)]
enum Part<'e> {
    App(&'e App),
    /// A job that comes after the machines of its app. The others are planned with their app.
    Job(&'e App, &'e Job),
    Object(&'e Object),
}

impl<'e> Part<'e> {
    /// Its own name among all parts.
    const fn name(self) -> &'e ComponentName {
        match self {
            Self::App(app) => &app.component,
            Self::Job(_, job) => &job.part,
            Self::Object(object) => &object.part,
        }
    }

    /// The jobs that are planned with it.
    fn jobs(self) -> impl Iterator<Item = &'e Job> {
        let jobs = match self {
            Self::App(app) => app.jobs.as_slice(),
            Self::Job(..) | Self::Object(_) => &[],
        };
        jobs.iter().filter(|job| job.is_first)
    }

    /// The parts that it comes after.
    fn after(self) -> impl Iterator<Item = &'e ComponentName> {
        let own = match self {
            Self::App(app) => &app.after,
            Self::Job(_, job) => &job.after,
            Self::Object(object) => &object.after,
        };
        own.iter().chain(self.jobs().flat_map(|job| &job.after))
    }
}

impl<'a> Planner<'a> {
    pub(super) fn plan_parts(&mut self, env: &'a Environment, outputs: &Outputs) {
        let mut progress = Progress::default();
        let mut outputs = outputs.clone();
        let first_step = self.plan.steps.len();
        for part in in_reference_order(env) {
            let steps_before = self.plan.steps.len();
            let withheld_before = self.plan.withheld.len();
            match part {
                Part::App(app) => self.plan_app(env, app, &outputs, &mut progress),
                Part::Object(object) => self.plan_object(env, object, &outputs, &mut progress),
                Part::Job(app, job) => {
                    // Where nothing can run in the app, that is said of the app.
                    if let Some(prepared) = progress.prepared.remove(&app.component) {
                        self.plan_job(&prepared, job, &outputs, &mut progress);
                        progress.prepared.insert(&app.component, prepared);
                    } else {
                        progress.stuck.insert(job.part.clone());
                    }
                    continue;
                }
            }
            // Whatever comes after it uses what it will be, not what it was.
            for path in std::mem::take(&mut progress.outdated) {
                outputs.remove(&path);
            }
            let is_stuck = self.plan.withheld.len() > withheld_before;
            let planned = self.plan.steps.get(steps_before..).unwrap_or_default().iter();
            // What is only noted on it is nothing to wait for.
            let is_noted = |step: &Step| matches!(step.action, Action::MarkMachine { .. } | Action::MarkObject { .. });
            let of_machines = planned.filter(|step| {
                let is_made = matches!(step.action, Action::CreateApp { .. });
                (is_made || matches!(step.key, ResourceKey::Machine { .. } | ResourceKey::Object(_))) && !is_noted(step)
            });
            progress.has_planned(part.name(), of_machines.map(|step| step.id).collect(), is_stuck);
        }
        // From the end, so that the places of those before stay.
        for (app, step) in std::mem::take(&mut progress.writes_secrets).into_iter().rev() {
            self.drop_unrecorded_secrets(app, step, first_step);
        }
    }
}

/// The parts of `env`, each after those whose outputs order it. The graph has no cycle: `desired` refuses those.
fn in_reference_order(env: &Environment) -> Vec<Part<'_>> {
    fn visit<'e>(parts: &[Part<'e>], at: usize, order: &mut Vec<Part<'e>>, seen: &mut BTreeSet<usize>) {
        let Some(part) = parts.get(at).filter(|_| seen.insert(at)) else { return };
        let comes_before =
            |used: &Part<'_>, name: &ComponentName| used.name() == name || used.jobs().any(|job| job.part == *name);
        for (used, _) in parts.iter().enumerate().filter(|(_, used)| part.after().any(|name| comes_before(used, name)))
        {
            visit(parts, used, order, seen);
        }
        order.push(*part);
    }
    let later = |app| App::jobs_after(app).map(move |job| Part::Job(app, job));
    let parts = env.apps.iter().map(Part::App).chain(env.objects.iter().map(Part::Object));
    let parts: Vec<Part<'_>> = parts.chain(env.apps.iter().flat_map(later)).collect();
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for at in 0..parts.len() {
        visit(&parts, at, &mut order, &mut seen);
    }
    order
}
