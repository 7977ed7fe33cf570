//! Apps that older tooling has left, adopted by a pattern so that collection takes them: marked as ours, and nothing else.
//!
//! A person sees the list first and consents to exactly that list, by a code over the ids of its apps. From then on they are orphans
//! like others: tombstone, grace, budget, protection and a second look all count.

use std::collections::{BTreeMap, BTreeSet};

use sha2::Digest as _;

use super::EnvironmentKind;
use super::planner::{Place, Planner, plural};
use super::step::Action;
use super::withheld::Reason;
use crate::desired::{NamePattern, Wanted};
use crate::observed::adoptable::{ADOPTED, is_to_stay, mark_of_another};
use crate::observed::ownership::Ownership;
use crate::observed::{AppRow, Machine, Presence, Scope};
use crate::resource::marker::{self, MachineMarker, PREFIX, network_slot};
use crate::resource::{ComponentName, EnvName, FieldChange, MachineSlot, OrgSlug, ResourceKey};
use crate::rules::Rule;

/// Which apps are to be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// The names that they have.
    pub pattern: NamePattern,
    /// The code of the list that a person has seen and consents to.
    pub consent: Option<String>,
}

/// An app that fits, and that may be adopted.
struct Candidate<'o> {
    org: &'o OrgSlug,
    row: &'o AppRow,
    machines: Vec<&'o Machine>,
}

/// What an app that fits comes to.
enum Found<'o> {
    Candidate(Candidate<'o>),
    /// It is ours already.
    Ours,
    /// It is left alone.
    Spared(Reason, String),
    /// What is in it was not read.
    Unread,
    /// It is not there any more, or is an app of an environment of the specs.
    Nothing,
}

impl<'a> Planner<'a> {
    /// Plans the marks by which apps whose names fit the pattern become ours, if a person has consented to exactly these.
    pub(super) fn adopt(&mut self, adoption: &Adoption) {
        let set = EnvName::new(adoption.pattern.to_string());
        if let Some((reason, message)) = self.what_keeps_from_adopting() {
            self.plan.environments.insert(set.clone(), EnvironmentKind::Orphan);
            self.wait(&set, None, None, reason, message, None);
            return;
        }
        let (mut candidates, mut members) = (Vec::new(), BTreeSet::new());
        let observed = self.observed;
        for (org, scope) in &observed.scopes {
            for row in scope.apps.items.iter().filter(|row| adoption.pattern.fits(row.name.as_str())) {
                let member = || format!("{org} {} {}", row.name, row.id);
                let env = EnvName::new(row.name.as_str());
                match self.judge_stranger(org, scope, row) {
                    Found::Nothing => continue,
                    Found::Unread => {
                        let message = format!("what is in app `{}` was not read, so the list is not whole", row.name);
                        self.wait(&env, None, None, Reason::ObservationIncomplete, message, None);
                        self.plan.environments.insert(env, EnvironmentKind::Orphan);
                        return;
                    }
                    Found::Spared(reason, message) => self.notice(&env, None, reason, message),
                    Found::Ours => {
                        members.insert(member());
                        let message = format!("app `{}` is ours: it is collected after its grace", row.name);
                        self.notice(&env, None, Reason::Grace, message);
                    }
                    Found::Candidate(candidate) => {
                        members.insert(member());
                        candidates.push(candidate);
                    }
                }
                self.plan.environments.insert(env, EnvironmentKind::Orphan);
            }
        }
        if candidates.is_empty() {
            return;
        }
        let code = code_of(&members);
        let is_seen = adoption.consent.as_ref() == Some(&code) || (adoption.consent.is_none() && self.request.dry_run);
        if !is_seen && self.holds(Rule::AdoptionIsOfOneSet) {
            let message = format!(
                "{} `{set}` now, and not those that were seen: look at `hangar gc --adopt '{set}'` again",
                if candidates.len() == 1 { "1 app fits".to_owned() } else { format!("{} apps fit", candidates.len()) }
            );
            self.plan.environments.insert(set.clone(), EnvironmentKind::Orphan);
            self.block(&set, None, None, Reason::ApprovalRequired, message);
            return;
        }
        for candidate in candidates {
            self.plan_adoption(&candidate, &code);
        }
    }

    /// Why nothing can be adopted: what is not seen may be wanted, or ours.
    fn what_keeps_from_adopting(&self) -> Option<(Reason, String)> {
        if let Some(reason) = self.incomplete_listing() {
            let message = format!("nothing is adopted while a listing is incomplete: {reason}");
            return Some((Reason::ObservationIncomplete, message));
        }
        if !self.holds(Rule::AdoptionLeavesWantedAlone) {
            return None;
        }
        if let Some(gap) = self.fleet.gaps().next() {
            let message = format!("nothing is adopted while not all that is asked for is known: {gap}");
            return Some((Reason::SourceIncomplete, message));
        }
        let is_broken = |wanted: &Wanted| matches!(wanted, Wanted::Broken { .. });
        let (name, _) = self.fleet.environments.iter().find(|(_, wanted)| is_broken(wanted))?;
        let message =
            format!("nothing is adopted while the spec of `{name}` cannot be evaluated: its apps are not known");
        Some((Reason::SourceIncomplete, message))
    }

    fn judge_stranger(&self, org: &'a OrgSlug, scope: &'a Scope, row: &'a AppRow) -> Found<'a> {
        let Some(detail) = scope.details.get(&row.name) else { return Found::Unread };
        let here = match &detail.presence {
            Presence::Absent { .. } => return Found::Nothing,
            Presence::Here(here) => here,
            Presence::Elsewhere | Presence::Unknown { .. } => return Found::Unread,
        };
        let (Some(machines), Some(secrets)) = (detail.machines.known(), detail.secrets.known()) else {
            return Found::Unread;
        };
        let machines: Vec<&Machine> = machines.iter().filter(|machine| machine.is_live()).collect();
        let env = EnvName::new(row.name.as_str());
        let asker = self.askers.iter().find(|((_, name), _)| **name == row.name).map(|(_, asker)| *asker);
        if let Ownership::Ours { env: marked, component, .. } = self.ownership(here, machines.iter().copied(), secrets)
        {
            let is_adopted = network_slot(&self.fleet.owner, &row.network).is_none()
                && marked.is_none_or(|marked| marked == env)
                && asker.is_none();
            // An attempt that came to an end halfway has marked some of its machines only.
            let is_half = component.is_some_and(|component| component.as_str() == ADOPTED)
                && machines.iter().any(|machine| self.marker_on(machine).is_none());
            if !is_adopted || !is_half {
                return if is_adopted { Found::Ours } else { Found::Nothing };
            }
        }
        let of_another = mark_of_another(here, machines.iter().copied(), secrets, &self.fleet.owner, &env);
        if let Some(problem) = of_another
            && self.holds(Rule::AdoptionLeavesOthersAlone)
        {
            return Found::Spared(Reason::NotOurs, format!("app `{}` stays: {problem}", row.name));
        }
        if self.holds(Rule::AdoptionLeavesWantedAlone) {
            if let Some(asker) = asker {
                let app = asker.apps.iter().find(|app| app.name == row.name);
                let how = if app.is_some_and(|app| app.adopt) { "takes it over by `adopt`" } else { "asks for it" };
                let message = format!("app `{}` stays: the spec of `{}` {how}", row.name, asker.name);
                return Found::Spared(Reason::NotOurs, message);
            }
            if self.fleet.environments.contains_key(&env) || self.fleet.ended.contains_key(&env) {
                let message = format!("app `{}` stays: the specs have an environment of that name", row.name);
                return Found::Spared(Reason::NotOurs, message);
            }
        }
        let is_kept = is_to_stay(machines.iter().copied(), secrets) || self.policy.protects(&env);
        if is_kept && self.holds(Rule::ProtectedStays) {
            return Found::Spared(Reason::Protected, format!("app `{}` stays: it is protected", row.name));
        }
        Found::Candidate(Candidate { org, row: here, machines })
    }

    fn plan_adoption(&mut self, candidate: &Candidate<'_>, code: &str) {
        let Candidate { org, row, machines } = candidate;
        let env = EnvName::new(row.name.as_str());
        let place = Place { env: &env, component: None, org: Some(org) };
        let key = ResourceKey::App { app: row.name.clone() };
        if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsMarking) {
            self.withhold(&place, &key, &format!("adopt app `{}`", row.name), obstacle);
            return;
        }
        let ordinals = 0_u32..;
        let marks = machines.iter().zip(ordinals).map(|(machine, ordinal)| {
            let marker = self.marker_of_adopted(row, machine, ordinal);
            (machine.id.clone(), patch(machine, &marker))
        });
        let marks: BTreeMap<String, BTreeMap<String, Option<String>>> = marks.collect();
        let secret = machines.is_empty().then(|| marker::app_marker_secret(&self.fleet.owner, &row.name));
        let holds = if machines.is_empty() { "no machine".to_owned() } else { plural(machines.len(), "machine") };
        let change = FieldChange::plain("owner", None, Some(self.fleet.owner.as_str().into()));
        let action = Action::AdoptApp { id: row.id.clone(), marks, secret, consent: code.to_owned() };
        let reason = format!("older tooling has left it with {holds}; collection takes it after its grace");
        self.step(&place, key, action, reason, vec![change], &[]);
    }

    fn marker_of_adopted(&self, row: &AppRow, machine: &Machine, ordinal: u32) -> MachineMarker {
        MachineMarker {
            owner: self.fleet.owner.clone(),
            env: EnvName::new(row.name.as_str()),
            set: None,
            app: row.name.clone(),
            component: ComponentName::new(ADOPTED),
            slot: MachineSlot { group: "app".to_owned(), region: machine.region.clone(), ordinal },
            name: machine.name.clone(),
            launch: String::new(),
            writer: None,
            hash: String::new(),
            fields: crate::resource::field::FieldSet::default(),
            secrets: crate::resource::secret_record::SecretRecord::default(),
            secrets_version: None,
            ips: BTreeSet::new(),
            certificates: BTreeSet::new(),
            protect: false,
            retain: false,
            finalizers: Vec::new(),
            keep_until: None,
            redeploy: None,
            generation: None,
            tombstone: None,
        }
    }
}

/// The change of a machine's metadata that leaves nothing of ours on it but `marker`: what a copy has brought along, such as the
/// tombstone of another machine, would say what is not so.
fn patch(machine: &Machine, marker: &MachineMarker) -> BTreeMap<String, Option<String>> {
    let ours = |key: &String| key.starts_with(PREFIX);
    let stale = machine.metadata.keys().filter(|key| ours(key)).map(|key| (key.clone(), None));
    let mut patch: BTreeMap<String, Option<String>> = stale.collect();
    let marks = marker.to_metadata().into_iter().filter(|(key, _)| ours(key));
    patch.extend(marks.map(|(key, value)| (key, Some(value))));
    patch
}

/// The code of exactly this set of apps.
fn code_of(members: &BTreeSet<String>) -> String {
    let all: Vec<&str> = members.iter().map(String::as_str).collect();
    let digest = sha2::Sha256::digest(format!("adopt\n{}", all.join("\n")).as_bytes());
    hex::encode(digest.get(..6).unwrap_or_default())
}
