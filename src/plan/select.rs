//! A plan of which only a part was asked for.

use std::collections::BTreeSet;

use super::planner::Planner;
use super::step::{Step, StepId};
use super::withheld::Reason;
use crate::resource::{ComponentName, EnvName, ResourceKey};

impl Planner<'_> {
    /// Leaves only what was asked for, and of that only what waits for nothing else that would change: a job that comes before the
    /// machines of an app is not skipped because another component was asked for.
    pub(super) fn select(&mut self) {
        if self.request.env.is_none() && self.request.component.is_none() {
            return;
        }
        let (only_env, only_component) = (self.request.env.clone(), self.request.component.clone());
        let wants = |env: &EnvName, component: Option<&ComponentName>| {
            only_env.as_ref().is_none_or(|only| only == env)
                && (only_component.is_none() || component.is_none() || component == only_component.as_ref())
        };
        let mut gone: BTreeSet<StepId> = BTreeSet::new();
        let mut held: Vec<(Step, Step)> = Vec::new();
        for step in &self.plan.steps {
            let waits_for = || step.after.iter().find(|id| gone.contains(id)).and_then(|id| self.plan.steps.get(id.0));
            if !wants(&step.env, step.component.as_ref()) {
                gone.insert(step.id);
            } else if let Some(other) = waits_for() {
                held.push((step.clone(), other.clone()));
                gone.insert(step.id);
            }
        }
        // An app of which something waits waits as a whole: half of one would have no machine that says whose it is, and cost money.
        while let Some((step, other)) = self.beside_what_waits(&gone, &held) {
            gone.insert(step.id);
            held.push((step, other));
        }
        self.plan.withheld.retain(|withheld| wants(&withheld.env, withheld.component.as_ref()));
        self.plan.notices.retain(|notice| wants(&notice.env, notice.component.as_ref()));
        self.plan.environments.retain(|env, _| wants(env, None));
        self.plan.outputs.retain(|env, _| wants(env, None));
        self.remove_steps(&gone);
        self.say_what_waits(&held);
    }

    /// A step that is left, and is about an app of which something waits, or comes after what is not done; with what is waited for.
    fn beside_what_waits(&self, gone: &BTreeSet<StepId>, held: &[(Step, Step)]) -> Option<(Step, Step)> {
        let mut left = self.plan.steps.iter().filter(|step| !gone.contains(&step.id));
        left.find_map(|step| {
            let is_beside = |(waits, _): &&(Step, Step)| {
                let is_of_app = step.key.app().is_some() && step.key.app() == waits.key.app() && step.env == waits.env;
                is_of_app || step.after.contains(&waits.id)
            };
            held.iter().find(is_beside).map(|(_, other)| (step.clone(), other.clone()))
        })
    }

    /// Says of each resource once what it waits for, which was not asked for.
    fn say_what_waits(&mut self, held: &[(Step, Step)]) {
        let mut said: BTreeSet<&ResourceKey> = BTreeSet::new();
        for (step, other) in held {
            let is_of_another = other.component != step.component;
            if !is_of_another || !said.insert(&step.key) {
                continue;
            }
            let component = other.component.as_ref().map(|component| format!(" of `{component}`")).unwrap_or_default();
            let message = format!(
                "{} comes after {}{component}, which was not asked for: run that first, or all at once without `--only`",
                step.key, other.key
            );
            self.wait(&step.env, step.component.as_ref(), Some(&step.key), Reason::DependencyBlocked, message, None);
        }
    }
}
