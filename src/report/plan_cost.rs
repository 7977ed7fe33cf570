//! What carrying out a plan changes about the monthly cost.

use std::collections::BTreeSet;

use crate::cost::{self, Cost};
use crate::observed::{Machine, Observed, Volume};
use crate::plan::{Action, Plan, Step};
use crate::resource::marker::runs_to_its_end;
use crate::resource::{AppName, ResourceKey};

/// The difference between what `observed` costs and what it will cost after `plan`. It is not whole where something goes whose
/// size was not read.
pub fn cost_delta(plan: &Plan, observed: &Observed) -> Cost {
    let known = Known { observed };
    let deleted: BTreeSet<&AppName> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::DeleteApp { .. }))
        .filter_map(|step| step.key.app())
        .collect();
    let mut delta = Cost::ZERO;
    for step in &plan.steps {
        // An app goes with everything in it, which counts once.
        let is_within =
            step.key.app().is_some_and(|app| deleted.contains(app)) && !matches!(step.action, Action::DeleteApp { .. });
        if !is_within {
            delta = delta.plus(of_step(step, &known));
        }
    }
    delta
}

/// What an app costs with everything in it. It is not whole where something in it was not read.
pub(super) fn cost_of_app(observed: &Observed, app: &AppName) -> Cost {
    Known { observed }.app(app)
}

fn of_step(step: &Step, known: &Known<'_>) -> Cost {
    if let ResourceKey::Object(key) = &step.key {
        return match step.action {
            Action::CreateObject(_) => cost::object(key.object),
            Action::DeleteObject { .. } => Cost::ZERO.minus(cost::object(key.object)),
            _ => Cost::ZERO,
        };
    }
    let Some(app) = step.key.app() else { return Cost::ZERO };
    if matches!(&step.key, ResourceKey::Machine { slot, .. } if runs_to_its_end(&slot.group)) {
        // What runs for minutes costs nothing a month.
        return Cost::ZERO;
    }
    match &step.action {
        Action::CreateMachine(write) => cost::machine(&write.config),
        Action::UpdateMachine { id, write, .. } => cost::machine(&write.config).minus(known.machine(app, id)),
        Action::DestroyMachine { id, .. } => Cost::ZERO.minus(known.machine(app, id)),
        Action::CreateVolume { volume, .. } => cost::volume(volume.size_gb),
        Action::ExtendVolume { id, size_gb } => cost::volume(*size_gb).minus(known.volume(app, id)),
        Action::DeleteVolume { id, .. } => Cost::ZERO.minus(known.volume(app, id)),
        Action::AllocateIp(_) => address(&step.key),
        Action::ReleaseIp { .. } => Cost::ZERO.minus(address(&step.key)),
        Action::DeleteApp { .. } => Cost::ZERO.minus(known.app(app)),
        Action::CreateApp { .. }
        | Action::CreateObject(_)
        | Action::UpdateObject { .. }
        | Action::MarkObject { .. }
        | Action::WaitObject { .. }
        | Action::DeleteObject { .. }
        | Action::SetSecrets(_)
        | Action::UpdateVolume { .. }
        | Action::AddCertificate
        | Action::RemoveCertificate { .. }
        | Action::MarkMachine { .. }
        | Action::AdoptApp { .. }
        | Action::StartMachine { .. }
        | Action::StopMachine { .. }
        | Action::Finalize { .. }
        | Action::WaitEnded { .. }
        | Action::WaitHealthy { .. } => Cost::ZERO,
    }
}

fn address(key: &ResourceKey) -> Cost {
    match key {
        ResourceKey::Ip { ip, .. } => cost::address(*ip),
        _ => Cost::ZERO,
    }
}

/// What was seen of what there is.
struct Known<'o> {
    observed: &'o Observed,
}

impl Known<'_> {
    /// The machines of an app, with their sizes where they were read one by one.
    fn machines(&self, app: &AppName) -> Vec<&Machine> {
        let detailed = self.observed.scopes.values().find_map(|scope| scope.details.get(app)?.machines.known());
        let detailed = detailed.map(|machines| machines.iter().collect());
        let listed = || self.observed.scopes.values().flat_map(|scope| &scope.machines.items);
        detailed.unwrap_or_else(|| listed().filter(|machine| machine.app == *app).collect())
    }

    fn volumes(&self, app: &AppName) -> impl Iterator<Item = &Volume> {
        let listed = self.observed.scopes.values().flat_map(|scope| &scope.volumes.items);
        listed.filter(move |volume| volume.app == *app)
    }

    fn machine(&self, app: &AppName, id: &str) -> Cost {
        let found = self.machines(app).into_iter().find(|machine| machine.id == id);
        found.map_or(Cost::UNKNOWN, price)
    }

    fn volume(&self, app: &AppName, id: &str) -> Cost {
        self.volumes(app).find(|volume| volume.id == id).map_or(Cost::UNKNOWN, |volume| cost::volume(volume.size_gb))
    }

    /// An app with everything in it.
    fn app(&self, app: &AppName) -> Cost {
        let machines = self.machines(app).into_iter().map(price);
        let volumes = self.volumes(app).map(|volume| cost::volume(volume.size_gb));
        let details = self.observed.scopes.values().find_map(|scope| scope.details.get(app));
        let addresses = details.and_then(|detail| detail.ips.known()).map_or(Cost::UNKNOWN, |ips| {
            ips.iter().filter_map(|ip| ip.kind).map(cost::address).fold(Cost::ZERO, Cost::plus)
        });
        machines.chain(volumes).fold(addresses, Cost::plus)
    }
}

fn price(machine: &Machine) -> Cost {
    if matches!(&machine.marker, Some(Ok(marker)) if runs_to_its_end(&marker.slot.group)) {
        return Cost::ZERO;
    }
    machine.config.as_ref().map_or(Cost::UNKNOWN, cost::machine)
}

/// The sentence for people: nothing where nothing changes.
pub(super) fn sentence(delta: Cost) -> Option<String> {
    if delta.is_nothing() {
        return None;
    }
    let rest = if delta.is_whole { "" } else { ", without things whose size or price is not known here" };
    let others = delta.not_counted().map_or_else(String::new, |others| format!("; not counted: {others}"));
    Some(format!("Cost: {delta} a month at list prices, if everything runs all the time{rest}{others}"))
}
