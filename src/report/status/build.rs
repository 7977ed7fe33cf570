//! Status from what a plan is made of.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{
    AppPresence, CertificateStatus, ComponentStatus, Condition, ConditionStatus, IpStatus, JobStatus, LiveImage,
    MachineStatus, ObjectStanding, ObjectStatus, PreviewOf, Status, VolumeStatus, objects, secrets,
};
use crate::desired::{App, Environment, Fleet, Wanted};
use crate::observed::ownership::{Ownership, ownership};
use crate::observed::{AppDetail, Check, Machine, MachineState, Observed, Presence, Reading};
use crate::plan::{Births, Plan, Reason, Stance, Standing, Withheld, newest_run};
use crate::report::summary::urls_of;
use crate::report::text::{plural, span};
use crate::report::view::{self, EnvView};
use crate::resource::marker::JOB_GROUP;
use crate::resource::{AppName, ComponentName, EnvName, OrgSlug, OwnerId};

/// Where every environment of `plan` stands, by name. `fleet` and `observed` are what the plan was made of, `now` is the moment
/// that ages count to and, for conditions without a past, the moment since when they hold.
pub fn status_of(fleet: &Fleet, plan: &Plan, observed: &Observed, now: DateTime<Utc>) -> Vec<Status> {
    let births = &Births::of(observed, &fleet.owner);
    view::environments(plan).iter().map(|view| Builder { fleet, plan, observed, births, now }.status(view)).collect()
}

/// The same of one environment; nothing if the plan is not about it.
pub fn status_of_one(
    fleet: &Fleet,
    plan: &Plan,
    observed: &Observed,
    name: &EnvName,
    now: DateTime<Utc>,
) -> Option<Status> {
    let view = view::environment(plan, name)?;
    let births = &Births::of(observed, &fleet.owner);
    Some(Builder { fleet, plan, observed, births, now }.status(&view))
}

struct Builder<'a> {
    fleet: &'a Fleet,
    plan: &'a Plan,
    observed: &'a Observed,
    births: &'a Births<'a>,
    now: DateTime<Utc>,
}

impl Builder<'_> {
    fn status(&self, view: &EnvView<'_>) -> Status {
        let wanted = match self.fleet.environments.get(view.name) {
            Some(Wanted::Ready(env)) => Some(env.as_ref()),
            _ => None,
        };
        let mut components: Vec<ComponentStatus> =
            wanted.map(|env| env.apps.iter().map(|app| self.wanted_app(env, app)).collect()).unwrap_or_default();
        let known: Vec<AppName> = components.iter().map(|component| component.app.clone()).collect();
        let left_over = self.left_over(view, &known);
        let org = wanted.and_then(|env| env.org.clone()).or_else(|| left_over.first().map(|(org, _)| org.clone()));
        components.extend(left_over.into_iter().map(|(_, component)| component));
        let objects = objects::of(self.fleet, self.observed, view.name, wanted);
        let created_at = self.created_at(view);
        let withheld: Vec<Withheld> = view.blocked.iter().chain(&view.waiting).map(|held| (*held).clone()).collect();
        Status {
            name: view.name.clone(),
            orphan: view.is_orphan,
            class: wanted.map(|env| env.class),
            preview: wanted.and_then(|env| env.preview.as_ref()).map(|preview| PreviewOf {
                set: preview.set.clone(),
                subject: preview.subject.clone(),
                url: preview.url.clone(),
                sha: preview.sha.clone(),
            }),
            org,
            standing: view.standing,
            conditions: self.conditions(view, wanted, &components, &objects),
            observed_commit: self.plan.commit.clone(),
            created_at,
            age_seconds: created_at.and_then(|created| span(created, self.now)).map(|age| age.as_secs()),
            expires_at: wanted.and_then(|env| self.births.expiry(env)),
            finalizers: wanted.map(finalizers).unwrap_or_default(),
            components,
            objects,
            withheld,
            notices: view.notices.iter().map(|notice| (*notice).clone()).collect(),
        }
    }

    /// When the environment's oldest machine was made.
    fn created_at(&self, view: &EnvView<'_>) -> Option<DateTime<Utc>> {
        let scopes = self.observed.scopes.values();
        let machines = scopes.flat_map(|scope| {
            let details = scope.details.values().filter_map(|detail| detail.machines.known()).flatten();
            scope.machines.items.iter().chain(details)
        });
        let machines = machines
            .filter(|machine| machine.owned_by(&self.fleet.owner).is_some_and(|marker| marker.env == *view.name))
            .filter_map(|machine| machine.created_at);
        let objects = self.observed.all_objects().filter(|object| object.is_of(&self.fleet.owner, view.name));
        machines.chain(objects.filter_map(|object| object.created_at)).min()
    }

    fn wanted_app(&self, env: &Environment, app: &App) -> ComponentStatus {
        let detail = self.observed.detail(env.org.as_ref(), &app.name);
        let mut status = self.app(env.org.as_ref(), &app.name, Some(app.component.clone()), detail);
        let markers: Vec<_> = self
            .machines(env.org.as_ref(), &app.name)
            .into_iter()
            .filter_map(|machine| machine.owned_by(&self.fleet.owner))
            .collect();
        status.image = Some(app.image.clone());
        status.wanted_machines = app.machines.len();
        status.secrets = secrets::states(app, detail, &markers);
        if status.ips.iter().any(|ip| ip.address.is_some()) {
            let certificates = &status.certificates;
            let is_ready = |name: &str| certificates.iter().any(|found| found.hostname == name && found.ready);
            status.urls = urls_of(app, is_ready);
        }
        let is_read = detail.is_some_and(|detail| detail.ips.known().is_some());
        for kind in app.ips.keys().filter(|_| is_read) {
            if !status.ips.iter().any(|ip| ip.kind == Some(*kind)) {
                status.ips.push(IpStatus { kind: Some(*kind), address: None });
            }
        }
        if !app.certificates.is_empty() {
            let detail = detail.filter(|detail| !is_absent(detail));
            status.unread.extend(detail.and_then(|detail| problem("certificates", &detail.certificates)));
        }
        for hostname in &app.certificates {
            if !status.certificates.iter().any(|certificate| certificate.hostname == *hostname) {
                let status_text = "missing".to_owned();
                status.certificates.push(CertificateStatus {
                    hostname: hostname.clone(),
                    ready: false,
                    status: status_text,
                });
            }
        }
        status
    }

    /// Apps of ours that belong to the environment and that its spec does not have.
    fn left_over(&self, view: &EnvView<'_>, known: &[AppName]) -> Vec<(OrgSlug, ComponentStatus)> {
        let mut found = Vec::new();
        for (org, scope) in &self.observed.scopes {
            for row in scope.apps.items.iter().filter(|row| !known.contains(&row.name)) {
                let detail = scope.details.get(&row.name);
                let secrets = detail.and_then(|detail| detail.secrets.known()).map_or(&[][..], Vec::as_slice);
                let machines = self.machines(Some(org), &row.name);
                let Ownership::Ours { env, component, .. } =
                    ownership(&self.fleet.owner, row, machines.into_iter(), secrets)
                else {
                    continue;
                };
                // An app without a marked machine stands for itself, as in collection.
                let is_part = match env {
                    Some(env) => env == *view.name,
                    None => row.name.as_str() == view.name.as_str(),
                };
                if is_part {
                    found.push((org.clone(), self.app(Some(org), &row.name, component, detail)));
                }
            }
        }
        found
    }

    /// The live machines of an app: read directly, or else as the organization's listing has them.
    fn machines(&self, org: Option<&OrgSlug>, app: &AppName) -> Vec<&Machine> {
        let Some(scope) = org.and_then(|org| self.observed.scopes.get(org)) else {
            return Vec::new();
        };
        let direct = scope.details.get(app).and_then(|detail| detail.machines.known());
        let listed = scope.machines.items.iter().filter(|machine| machine.app == *app);
        let mut machines: Vec<&Machine> = direct.map_or_else(|| listed.collect(), |direct| direct.iter().collect());
        machines.retain(|machine| machine.is_live());
        machines.sort_by_key(|machine| (slot_of(machine, &self.fleet.owner), machine.id.as_str()));
        machines
    }

    fn app(
        &self,
        org: Option<&OrgSlug>,
        app: &AppName,
        component: Option<ComponentName>,
        detail: Option<&AppDetail>,
    ) -> ComponentStatus {
        let all = self.machines(org, app);
        let job_of = |machine: &Machine| {
            let marker = machine.owned_by(&self.fleet.owner)?;
            marker.slot.group.strip_prefix(JOB_GROUP).map(str::to_owned)
        };
        let (jobs, machines): (Vec<&Machine>, Vec<&Machine>) =
            all.into_iter().partition(|machine| job_of(machine).is_some());
        let mut images: BTreeMap<(String, Option<String>), usize> = BTreeMap::new();
        for machine in &machines {
            let count = images.entry((machine.image.clone(), machine.image_digest.clone())).or_default();
            *count = count.saturating_add(1);
        }
        let volumes = detail.and_then(|detail| detail.volumes.known()).into_iter().flatten();
        let ips = detail.and_then(|detail| detail.ips.known()).into_iter().flatten();
        let certificates = detail.and_then(|detail| detail.certificates.known()).into_iter().flatten();
        ComponentStatus {
            component,
            app: app.clone(),
            presence: match detail.map(|detail| &detail.presence) {
                Some(Presence::Here(_)) => AppPresence::Live,
                Some(Presence::Absent { .. }) => AppPresence::Absent,
                Some(Presence::Elsewhere) => AppPresence::Elsewhere,
                None if !machines.is_empty() => AppPresence::Live,
                Some(Presence::Unknown { .. }) | None => AppPresence::Unknown,
            },
            urls: Vec::new(),
            image: None,
            live_images: images
                .into_iter()
                .map(|((reference, digest), machines)| LiveImage { reference, digest, machines })
                .collect(),
            machines: machines.iter().map(|machine| machine_status(machine, &self.fleet.owner)).collect(),
            wanted_machines: 0,
            jobs: jobs
                .into_iter()
                .filter_map(|machine| {
                    let (succeeded, message) = newest_run(machine);
                    Some(JobStatus { name: job_of(machine)?, machine: machine.id.clone(), succeeded, message })
                })
                .collect(),
            secrets: Vec::new(),
            volumes: volumes
                .filter(|volume| volume.is_live())
                .map(|volume| VolumeStatus {
                    id: volume.id.clone(),
                    name: volume.name.clone(),
                    region: volume.region.clone(),
                    state: volume.state.clone(),
                    size_gb: volume.size_gb,
                    attached_machine: volume.attached_machine.clone(),
                })
                .collect(),
            ips: ips.map(|ip| IpStatus { kind: ip.kind, address: Some(ip.address.clone()) }).collect(),
            certificates: certificates
                .map(|certificate| CertificateStatus {
                    hostname: certificate.hostname.clone(),
                    ready: certificate.configured,
                    status: certificate.status.clone(),
                })
                .collect(),
            unread: detail.filter(|detail| !is_absent(detail)).map(unread).unwrap_or_default(),
        }
    }

    fn conditions(
        &self,
        view: &EnvView<'_>,
        wanted: Option<&Environment>,
        components: &[ComponentStatus],
        objects: &[ObjectStatus],
    ) -> Vec<Condition> {
        let condition = |kind: &str, (status, reason, message): (ConditionStatus, String, String)| Condition {
            kind: kind.to_owned(),
            status,
            reason,
            message,
            last_transition_time: self.now,
            observed_commit: self.plan.commit.clone(),
        };
        let mut conditions = vec![condition("Converged", converged(view))];
        if let Some(env) = wanted {
            conditions.push(condition("Healthy", self.healthy(env, components, objects)));
        }
        conditions.push(condition("Observed", self.seen(components)));
        for (kind, reason) in [("Paused", Reason::Paused), ("Expired", Reason::Expired)] {
            if let Some(notice) = view.notices.iter().find(|notice| notice.reason == reason) {
                let found = (ConditionStatus::True, reason.to_string(), notice.message.clone());
                conditions.push(condition(kind, found));
            }
        }
        conditions
    }

    /// Whether every machine that should be running runs, and every running machine passes its checks.
    fn healthy(
        &self,
        env: &Environment,
        components: &[ComponentStatus],
        objects: &[ObjectStatus],
    ) -> (ConditionStatus, String, String) {
        let mut problems: Vec<String> = objects.iter().filter_map(ObjectStatus::problem).collect();
        let mut is_unknown = objects.iter().any(|object| object.state == ObjectStanding::Unknown);
        for (app, status) in env.apps.iter().zip(components) {
            is_unknown |= status.presence == AppPresence::Unknown
                || status.unread.iter().any(|part| part.starts_with("machines"));
            if status.presence == AppPresence::Absent {
                problems.push(format!("{} is not created yet", app.component));
                continue;
            }
            let live = self.machines(env.org.as_ref(), &app.name);
            for wanted in &app.machines {
                let holder =
                    live.iter().find(|machine| slot_of(machine, &self.fleet.owner) == Some(wanted.slot.to_string()));
                match holder {
                    None => problems.push(format!("machine {} of {} is missing", wanted.slot, app.component)),
                    Some(machine)
                        if wanted.always_on && !env.is_asleep(self.now) && machine.state != MachineState::Started =>
                    {
                        problems.push(format!(
                            "machine {} of {} is {}",
                            wanted.slot,
                            app.component,
                            machine.state.as_str()
                        ));
                    }
                    Some(machine) if checks_of(machine).iter().any(|check| !check.passing) => {
                        problems.push(format!("checks of machine {} of {} do not pass", wanted.slot, app.component));
                    }
                    Some(_) => {}
                }
            }
        }
        match problems.len() {
            _ if is_unknown => (
                ConditionStatus::Unknown,
                Reason::ObservationIncomplete.to_string(),
                "not everything could be read".to_owned(),
            ),
            0 => (ConditionStatus::True, "Healthy".to_owned(), "every machine is as it should be".to_owned()),
            _ => (ConditionStatus::False, Reason::Unhealthy.to_string(), problems.join("; ")),
        }
    }

    fn seen(&self, components: &[ComponentStatus]) -> (ConditionStatus, String, String) {
        let mut missing: Vec<String> = components
            .iter()
            .flat_map(|status| status.unread.iter().map(|part| format!("{} of {}", part, status.app)))
            .collect();
        for (org, scope) in &self.observed.scopes {
            for completeness in [&scope.apps.completeness, &scope.machines.completeness] {
                if let crate::observed::Completeness::Incomplete { reason } = completeness {
                    missing.push(format!("the listing of {org} ({reason})"));
                }
            }
        }
        for (scope, seen) in &self.observed.objects {
            missing.extend(seen.objects.completeness.gap().map(|gap| format!("{scope} ({gap})")));
        }
        if missing.is_empty() {
            (ConditionStatus::True, "Complete".to_owned(), "everything was read".to_owned())
        } else {
            let message = format!("not read: {}", missing.join(", "));
            (ConditionStatus::False, Reason::ObservationIncomplete.to_string(), message)
        }
    }
}

/// The names of what is run before `env` is deleted, in order.
fn finalizers(env: &Environment) -> Vec<String> {
    let mut all: Vec<_> = env.apps.iter().flat_map(|app| &app.finalizers).collect();
    all.sort();
    all.into_iter().map(|finalizer| finalizer.name.clone()).collect()
}

fn converged(view: &EnvView<'_>) -> (ConditionStatus, String, String) {
    let held = |all: &[&Withheld], stance: Stance| {
        let first = all.first();
        let reason = first.map_or_else(|| format!("{stance:?}"), |held| held.reason.to_string());
        let more = match all.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        (reason, format!("{}{more}", first.map(|held| held.message.as_str()).unwrap_or_default()))
    };
    match view.standing {
        Standing::Converged => {
            let message =
                if view.is_orphan { "nothing of it is collected" } else { "everything is as the spec has it" };
            (ConditionStatus::True, "AsDesired".to_owned(), message.to_owned())
        }
        Standing::Changes => {
            let message = match view.totals.to_short_line() {
                line if line.is_empty() => plural(view.groups.len(), "component") + " to go on with",
                line => line,
            };
            (ConditionStatus::False, "ChangesPlanned".to_owned(), message)
        }
        Standing::Waiting => {
            let (reason, message) = held(&view.waiting, Stance::Waiting);
            (ConditionStatus::False, reason, message)
        }
        Standing::Blocked => {
            let (reason, message) = held(&view.blocked, Stance::Blocked);
            (ConditionStatus::False, reason, message)
        }
    }
}

/// The checks that say something of a machine: what rests passes none, and is none the worse for it.
fn checks_of(machine: &Machine) -> &[Check] {
    match machine.state {
        MachineState::Stopped | MachineState::Suspended => &[],
        _ => &machine.checks,
    }
}

fn slot_of(machine: &Machine, owner: &OwnerId) -> Option<String> {
    machine.owned_by(owner).map(|marker| marker.slot.to_string())
}

fn machine_status(machine: &Machine, owner: &OwnerId) -> MachineStatus {
    let checks = checks_of(machine);
    let failing: Vec<String> = checks.iter().filter(|check| !check.passing).map(|check| check.name.clone()).collect();
    MachineStatus {
        slot: slot_of(machine, owner),
        id: machine.id.clone(),
        name: machine.name.clone(),
        region: machine.region.clone(),
        state: machine.state.as_str().to_owned(),
        host_reachable: machine.host_ok,
        version: machine.version.clone(),
        checks_passing: checks.len().saturating_sub(failing.len()),
        checks_total: checks.len(),
        failing,
        last_exit: machine.last_exit.clone().filter(|exit| !exit.requested),
    }
}

fn problem<T>(name: &str, reading: &Reading<T>) -> Option<String> {
    match reading {
        Reading::Known { .. } => None,
        Reading::Unknown { reason } => Some(format!("{name} ({reason})")),
    }
}

/// What could not be read of an app. Certificates are read only where the spec asks for some.
/// Of an app that is not there, nothing is left to be read.
fn is_absent(detail: &AppDetail) -> bool {
    matches!(detail.presence, Presence::Absent { .. })
}

fn unread(detail: &AppDetail) -> Vec<String> {
    let problems = [
        problem("machines", &detail.machines),
        problem("volumes", &detail.volumes),
        problem("secrets", &detail.secrets),
        problem("addresses", &detail.ips),
    ];
    problems.into_iter().flatten().collect()
}
