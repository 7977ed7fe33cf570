//! Garbage collection: apps of ours that no spec asks for, their grace, the deletion budget, and their end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sha2::Digest as _;

use super::EnvironmentKind;
use super::planner::{Place, Planner, plural};
use super::proof::Evidence;
use super::secrets::SecretWrite;
use super::step::Action;
use super::withheld::Reason;
use crate::desired::{Environment, Level, Wanted};
use crate::observed::ownership::{Ownership, ownership};
use crate::observed::{AppRow, Machine, Presence, Scope, Secret};
use crate::resource::marker::TOMBSTONE_SECRET;
use crate::resource::{AppName, ComponentName, EnvName, FieldChange, OrgSlug, ResourceKey};
use crate::secret::SecretText;

/// An app of ours that no spec asks for.
#[derive(Debug)]
struct Orphan {
    org: OrgSlug,
    app: AppName,
    env: EnvName,
    component: Option<ComponentName>,
    created_by_us: bool,
    /// Since when its tombstone stands.
    tombstone: Option<DateTime<Utc>>,
    /// The machine that carries, or will carry, the tombstone; none where the app has no machine of ours.
    bearer: Option<String>,
    /// Live machines that are not ours.
    foreign: usize,
    /// Why it is kept all the same.
    kept: Option<(Reason, String)>,
    another_writer: Option<String>,
    /// Why nobody wants it.
    reason: String,
}

impl Orphan {
    const fn key_of(app: AppName) -> ResourceKey {
        ResourceKey::App { app }
    }

    /// What counts once towards the budget: an environment, or an app that its environment no longer has.
    fn unit(&self, wanted: bool) -> String {
        if wanted { format!("{}/{}", self.env, self.app) } else { self.env.to_string() }
    }
}

impl Planner<'_> {
    /// Plans the collection of everything that is ours and that no spec asks for.
    pub(super) fn collect(&mut self) {
        let mut orphans = Vec::new();
        for (org, scope) in &self.observed.scopes {
            for row in &scope.apps.items {
                orphans.extend(self.orphan(org, scope, row, None));
            }
        }
        for orphan in &orphans {
            self.plan.environments.entry(orphan.env.clone()).or_insert(EnvironmentKind::Orphan);
        }
        let (kept, leaving): (Vec<Orphan>, Vec<Orphan>) = orphans.into_iter().partition(|orphan| orphan.kept.is_some());
        for orphan in &kept {
            if let Some((reason, message)) = orphan.kept.clone() {
                self.notice(&orphan.env, orphan.component.as_ref(), reason, message);
            }
        }
        if leaving.is_empty() {
            return;
        }
        if let Some((reason, message)) = self.reason_to_hold(&leaving) {
            for env in leaving.iter().map(|orphan| &orphan.env).collect::<BTreeSet<_>>() {
                match reason {
                    Reason::SourceIncomplete | Reason::ObservationIncomplete => {
                        self.wait(env, None, None, reason, message.clone(), None);
                    }
                    _ => self.block(env, None, None, reason, message.clone()),
                }
            }
            return;
        }
        for orphan in &leaving {
            self.plan_end(orphan);
        }
    }

    /// Plans the end of one environment because a person asked for it: no grace, and no spec is consulted.
    pub(super) fn destroy(&mut self, env: &EnvName) {
        self.plan.environments.insert(env.clone(), EnvironmentKind::Orphan);
        let mut found = Vec::new();
        for (org, scope) in &self.observed.scopes {
            for row in &scope.apps.items {
                found.extend(self.orphan(org, scope, row, Some(env)));
            }
        }
        for orphan in &found {
            if let Some((reason, message)) = orphan.kept.clone() {
                self.block(
                    &orphan.env,
                    orphan.component.as_ref(),
                    Some(&Orphan::key_of(orphan.app.clone())),
                    reason,
                    message,
                );
            } else {
                self.delete(orphan, Evidence::Requested);
            }
        }
        for scope in self.observed.scopes.values() {
            let listings = [&scope.apps.completeness, &scope.machines.completeness];
            if let Some(crate::observed::Completeness::Incomplete { reason }) =
                listings.into_iter().find(|completeness| !completeness.is_complete())
            {
                let message =
                    format!("the listing is incomplete ({reason}), so something of `{env}` may not have been seen");
                self.wait(env, None, None, Reason::ObservationIncomplete, message, None);
            }
        }
    }

    /// The app as an orphan, if it is ours and nobody wants it (or a person wants `doomed` to end, and it is part of that).
    fn orphan(&self, org: &OrgSlug, scope: &Scope, row: &AppRow, doomed: Option<&EnvName>) -> Option<Orphan> {
        let detail = scope.details.get(&row.name);
        if detail.is_some_and(|detail| matches!(detail.presence, Presence::Absent { .. })) {
            // The listing lags: a direct request says that it is gone.
            return None;
        }
        let direct = detail.and_then(|detail| detail.machines.known());
        let machines: Vec<&Machine> = match direct {
            Some(machines) => machines.iter().filter(|machine| machine.is_live()).collect(),
            None => {
                scope.machines.items.iter().filter(|machine| machine.app == row.name && machine.is_live()).collect()
            }
        };
        let secrets: &[Secret] = detail.and_then(|detail| detail.secrets.known()).map_or(&[], Vec::as_slice);
        let Ownership::Ours { env, component, created_by_us } =
            ownership(&self.fleet.owner, row, machines.iter().copied(), secrets)
        else {
            return None;
        };
        let asker = self.environment_asking_for(org, &row.name);
        let env =
            env.or_else(|| asker.map(|asker| asker.name.clone())).unwrap_or_else(|| EnvName::new(row.name.as_str()));
        let reason = match doomed {
            Some(doomed) if *doomed != env => return None,
            Some(_) => "a person asked for its end".to_owned(),
            None => self.reason_unwanted(&env, asker)?,
        };
        let mut owned: Vec<&&Machine> =
            machines.iter().filter(|machine| machine.owned_by(&self.fleet.owner).is_some()).collect();
        owned.sort_by_key(|machine| machine.seniority());
        let markers: Vec<_> = owned.iter().filter_map(|machine| machine.owned_by(&self.fleet.owner)).collect();
        let by_secret =
            secrets.iter().find(|secret| secret.name == TOMBSTONE_SECRET).and_then(|secret| secret.created_at);
        let tombstone = markers.iter().filter_map(|marker| marker.tombstone).min().or(by_secret);
        let kept = self.kept(
            &env,
            row,
            markers.iter().any(|marker| marker.protect),
            markers.iter().any(|marker| marker.retain),
            doomed.is_some(),
        );
        Some(Orphan {
            org: org.clone(),
            app: row.name.clone(),
            component,
            created_by_us,
            tombstone,
            bearer: owned.first().map(|machine| machine.id.clone()),
            foreign: machines.len().saturating_sub(owned.len()),
            kept,
            another_writer: self.another_writer(owned.iter().map(|machine| **machine)),
            reason,
            env,
        })
    }

    /// Why nobody wants an app of `env` that `asker`'s spec names (or no spec does); nothing where somebody may want it.
    fn reason_unwanted(&self, env: &EnvName, asker: Option<&Environment>) -> Option<String> {
        if let Some(asker) = asker {
            let expiry = self.expiry(asker).filter(|at| *at <= self.now && !asker.paused)?;
            return Some(format!("its environment expired at {}", expiry.format("%Y-%m-%d %H:%M UTC")));
        }
        match self.fleet.environments.get(env) {
            None => Some("no spec asks for its environment".to_owned()),
            Some(Wanted::Broken { .. }) => None,
            Some(Wanted::Ready(wanted)) if wanted.paused || wanted.level != Level::Full => None,
            Some(Wanted::Ready(_)) => Some("its environment no longer has this component".to_owned()),
        }
    }

    /// The environment whose spec names this app.
    fn environment_asking_for(&self, org: &OrgSlug, app: &AppName) -> Option<&Environment> {
        self.fleet.environments.values().find_map(|wanted| match wanted {
            Wanted::Ready(env) if env.org == *org && env.apps.iter().any(|wanted| wanted.name == *app) => {
                Some(env.as_ref())
            }
            _ => None,
        })
    }

    fn kept(
        &self,
        env: &EnvName,
        row: &AppRow,
        protect: bool,
        retain: bool,
        requested: bool,
    ) -> Option<(Reason, String)> {
        let by_spec =
            matches!(self.fleet.environments.get(env), Some(Wanted::Ready(wanted)) if self.policy.keeps(wanted));
        if protect || by_spec || self.policy.protects(env) {
            let message = format!(
                "app `{}` of `{env}` is protected and stays; to let it go, set `protect: false` (and its class) in its spec, let that take effect, and then remove it",
                row.name
            );
            return Some((Reason::Protected, message));
        }
        (retain && !requested).then(|| {
            let message = format!("app `{}` of `{env}` is retained; `hangar destroy --env {env}` deletes it", row.name);
            (Reason::Retained, message)
        })
    }

    /// Why nothing at all may be collected in this pass.
    fn reason_to_hold(&self, leaving: &[Orphan]) -> Option<(Reason, String)> {
        if let crate::desired::Completeness::Incomplete { reason } = &self.fleet.source {
            return Some((
                Reason::SourceIncomplete,
                format!("nothing is collected while the specs are incomplete: {reason}"),
            ));
        }
        for (org, scope) in &self.observed.scopes {
            for completeness in [&scope.apps.completeness, &scope.machines.completeness] {
                if let crate::observed::Completeness::Incomplete { reason } = completeness {
                    let message = format!("nothing is collected while the listing of `{org}` is incomplete: {reason}");
                    return Some((Reason::ObservationIncomplete, message));
                }
            }
        }
        let broken: Vec<&EnvName> = self
            .fleet
            .environments
            .iter()
            .filter(|(_, wanted)| matches!(wanted, Wanted::Broken { .. }))
            .map(|(name, _)| name)
            .collect();
        if let Some(name) = broken.first() {
            let message =
                format!("nothing is collected while the spec of `{name}` cannot be evaluated: its apps are not known");
            return Some((Reason::SourceIncomplete, message));
        }
        if self.request.allow_mass_delete {
            return None;
        }
        let units: BTreeSet<String> = leaving.iter().map(|orphan| self.unit(orphan)).collect();
        let hash = hash_of(&units);
        if self.memory.acknowledged.contains(&hash) {
            return None;
        }
        let how = format!("`hangar gc --acknowledge {hash}` lets exactly this set go: {}", join(&units));
        if self.fleet.environments.is_empty() {
            let message =
                format!("the source has no environment at all, so {} held. {how}", plural(units.len(), "deletion"));
            return Some((Reason::SourceSuddenlyEmpty, message));
        }
        let done = self.memory.deletions.len();
        let owned = self.owned_units();
        let budget = self.policy.budget;
        budget.is_exceeded(units.len(), done, owned).then(|| {
            let message = format!(
                "{} of {owned} owned ({done} done within the last {} min) exceed the budget of {} or {} %: all deletions are held. {how}",
                plural(units.len(), "deletion"),
                budget.window.as_secs().checked_div(60).unwrap_or(0),
                budget.max_deletions,
                budget.max_percent,
            );
            (Reason::BudgetExceeded, message)
        })
    }

    fn unit(&self, orphan: &Orphan) -> String {
        orphan.unit(self.fleet.environments.contains_key(&orphan.env))
    }

    /// How many environments have something live that is ours.
    fn owned_units(&self) -> usize {
        let mut environments = BTreeSet::new();
        for scope in self.observed.scopes.values() {
            for machine in &scope.machines.items {
                environments.extend(machine.owned_by(&self.fleet.owner).map(|marker| &marker.env));
            }
        }
        environments.len()
    }

    fn plan_end(&mut self, orphan: &Orphan) {
        let Some(since) = orphan.tombstone else {
            self.plan_tombstone(orphan);
            return;
        };
        match self.grace_is_over(since) {
            Ok(()) => self.delete(orphan, Evidence::Orphan { since }),
            Err(obstacle) => {
                let place = Place { env: &orphan.env, component: orphan.component.as_ref(), org: &orphan.org };
                let what = format!("delete app `{}` ({})", orphan.app, orphan.reason);
                self.withhold(&place, &Orphan::key_of(orphan.app.clone()), &what, obstacle);
            }
        }
    }

    /// The first of two steps: says on the live object itself since when nobody asks for it.
    fn plan_tombstone(&mut self, orphan: &Orphan) {
        let place = Place { env: &orphan.env, component: orphan.component.as_ref(), org: &orphan.org };
        let key = Orphan::key_of(orphan.app.clone());
        let reason = format!("{}: it is deleted after {} s of grace", orphan.reason, self.policy.grace.as_secs());
        if let Some(id) = &orphan.bearer {
            let action = Action::MarkMachine { id: id.clone(), metadata: self.tombstone_patch() };
            self.step(&place, key, action, reason, Vec::new(), &[]);
        } else {
            let write = SecretWrite {
                set: BTreeMap::from([(TOMBSTONE_SECRET.to_owned(), SecretText::new("1"))]),
                ..SecretWrite::default()
            };
            let key = ResourceKey::Secrets { app: orphan.app.clone() };
            self.step(&place, key, Action::SetSecrets(write), reason, Vec::new(), &[]);
        }
    }

    fn delete(&mut self, orphan: &Orphan, evidence: Evidence) {
        let place = Place { env: &orphan.env, component: orphan.component.as_ref(), org: &orphan.org };
        let key = Orphan::key_of(orphan.app.clone());
        if !orphan.created_by_us && orphan.foreign > 0 {
            let message = format!(
                "adopted app `{}` holds {} that are not ours, so the app is not deleted; remove them, or delete the app by hand",
                orphan.app,
                plural(orphan.foreign, "machine")
            );
            self.block(&orphan.env, orphan.component.as_ref(), Some(&key), Reason::ForeignContent, message);
            return;
        }
        match self.prove(&key, evidence, orphan.created_by_us, orphan.another_writer.as_deref()) {
            Ok(proof) => {
                let change = FieldChange::plain("app", Some(orphan.app.as_str().into()), None);
                let reason = orphan.reason.clone();
                self.step(&place, key, Action::DeleteApp { proof }, reason, vec![change], &[]);
            }
            Err(obstacle) => self.withhold(&place, &key, &format!("delete app `{}`", orphan.app), obstacle),
        }
    }
}

/// The hash that names exactly this set of deletions.
fn hash_of(units: &BTreeSet<String>) -> String {
    let digest = sha2::Sha256::digest(join(units).as_bytes());
    hex::encode(digest.get(..6).unwrap_or_default())
}

fn join(units: &BTreeSet<String>) -> String {
    units.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
