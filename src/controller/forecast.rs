//! What is collected by a moment to come, if nothing else happens until then: passes that are planned one after the other and carried
//! out on paper only. Nothing is sent, and nothing here reads a clock.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::load::Loaded;
use super::pass::{BrokenPlan, Planned, plan_checked};
use crate::desired::Wanted;
use crate::memory::Memory;
use crate::observed::{Machine, Observed, Reading, Secret};
use crate::plan::{Action, Births, Collected, Request, SecretWrite, Step};
use crate::resource::marker::MachineMarker;

/// How often a moment is planned at most: a mark, what follows from it, and the end of it.
const PASSES: usize = 8;

/// What is collected by a moment to come.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// What goes until then, in order.
    pub collected: Vec<Collected>,
    /// The plan for that moment, when all of that has gone.
    pub last: Planned,
}

/// What a controller that starts at `now` from `observed` has collected by `until`.
pub fn forecast(
    loaded: &Loaded,
    observed: Observed,
    memory: &Memory,
    request: &Request,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Forecast, BrokenPlan> {
    let (mut observed, mut memory) = (observed, memory.clone());
    let (mut at, mut collected) = (now, Vec::new());
    loop {
        let mut planned = pass(loaded, observed, &mut memory, request, at)?;
        for _ in 0..PASSES {
            let steps = std::mem::take(&mut planned.plan.steps);
            let carried_out = steps.iter().filter(|step| carry_out(step, at, &mut planned.observed, &mut memory));
            let carried_out: Vec<&Step> = carried_out.collect();
            if carried_out.is_empty() {
                break;
            }
            collected.extend(carried_out.into_iter().filter_map(|step| Collected::by(step, at)));
            planned = pass(loaded, planned.observed, &mut memory, request, at)?;
        }
        if at >= until {
            return Ok(Forecast { collected, last: planned });
        }
        at = next(loaded, &planned, at).map_or(until, |next| next.min(until));
        observed = planned.observed;
    }
}

fn pass(
    loaded: &Loaded,
    observed: Observed,
    memory: &mut Memory,
    request: &Request,
    at: DateTime<Utc>,
) -> Result<Planned, BrokenPlan> {
    let window = TimeDelta::from_std(loaded.policy.budget.window).unwrap_or(TimeDelta::MAX);
    memory.deletions.retain(|(_, done)| done.checked_add_signed(window).is_none_or(|until| at < until));
    let planned = plan_checked(loaded, observed, memory, request, at)?;
    if let Some(acknowledged) = &planned.plan.acknowledged {
        memory.acknowledged.clone_from(acknowledged);
    }
    Ok(planned)
}

/// The next moment after `at` at which something may be due: what waits goes on, or an environment expires.
fn next(loaded: &Loaded, planned: &Planned, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let Planned { plan, observed } = planned;
    let births = Births::of(observed, &loaded.fleet.owner);
    let expiries = loaded.fleet.environments.values().filter_map(|wanted| match wanted {
        Wanted::Ready(env) => births.expiry(env),
        Wanted::Broken { .. } => None,
    });
    let waits = plan.withheld.iter().filter_map(|withheld| withheld.until);
    waits.chain(expiries).filter(|moment| *moment > at).min()
}

/// Does on paper what a step of a collection does. Returns whether it is one.
fn carry_out(step: &Step, at: DateTime<Utc>, observed: &mut Observed, memory: &mut Memory) -> bool {
    let (Some(app), Some(org)) = (step.key.app(), &step.org) else {
        return carry_out_at_object(step, at, observed, memory);
    };
    let Some(scope) = observed.scopes.get_mut(org) else { return false };
    match &step.action {
        Action::MarkMachine { id, metadata } => {
            let listed = scope.machines.items.iter_mut();
            let read = scope.details.get_mut(app).into_iter().flat_map(|detail| match &mut detail.machines {
                Reading::Known { value, .. } => value.as_mut_slice(),
                Reading::Unknown { .. } => &mut [],
            });
            listed.chain(read).filter(|machine| machine.id == *id).for_each(|machine| mark(machine, metadata));
        }
        Action::SetSecrets(write) => {
            if let Some(Reading::Known { value, .. }) = scope.details.get_mut(app).map(|detail| &mut detail.secrets) {
                set_secrets(value, write, at);
            }
        }
        Action::DeleteApp { proof } => {
            scope.apps.items.retain(|row| row.name != *app);
            scope.machines.items.retain(|machine| machine.app != *app);
            scope.volumes.items.retain(|volume| volume.app != *app);
            scope.details.remove(app);
            memory.deletions.extend(proof.unit().map(|unit| (unit.to_owned(), at)));
        }
        _ => return false,
    }
    true
}

/// The same for an object at another provider.
fn carry_out_at_object(step: &Step, at: DateTime<Utc>, observed: &mut Observed, memory: &mut Memory) -> bool {
    let Some(key) = step.key.object() else { return false };
    let Some(scope) = observed.objects.get_mut(&key.scope) else { return false };
    let objects = &mut scope.objects.items;
    match &step.action {
        Action::MarkObject { marks, .. } => {
            for object in objects.iter_mut().filter(|object| object.key == *key) {
                for (mark, value) in marks {
                    match value {
                        Some(value) => drop(object.marks.insert(mark.clone(), value.clone())),
                        None => drop(object.marks.remove(mark)),
                    }
                }
            }
        }
        Action::DeleteObject { proof, .. } => {
            objects.retain(|object| object.key != *key);
            memory.deletions.extend(proof.unit().map(|unit| (unit.to_owned(), at)));
        }
        _ => return false,
    }
    true
}

fn mark(machine: &mut Machine, metadata: &BTreeMap<String, Option<String>>) {
    for (key, value) in metadata {
        match value {
            Some(value) => drop(machine.metadata.insert(key.clone(), value.clone())),
            None => drop(machine.metadata.remove(key)),
        }
    }
    machine.marker = MachineMarker::parse(&machine.metadata);
}

fn set_secrets(secrets: &mut Vec<Secret>, write: &SecretWrite, at: DateTime<Utc>) {
    secrets.retain(|secret| !write.unset.contains(&secret.name));
    for name in write.set.keys().chain(&write.markers) {
        if !secrets.iter().any(|secret| secret.name == *name) {
            secrets.push(Secret { name: name.clone(), digest: String::new(), created_at: Some(at) });
        }
    }
}
