//! Garbage collection: apps of ours that no spec asks for, their grace, the deletion budget, and their end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::EnvironmentKind;
use super::budget::{Judgement, emptied_key, held_key, released_key};
use super::expiry::expired;
use super::planner::{Place, Planner, plural};
use super::proof::{Evidence, Obstacle};
use super::secrets::SecretWrite;
use super::step::{Action, Step};
use super::withheld::Reason;
use crate::desired::{Ended, Environment, Level, Wanted};
use crate::memory::{NoteOutcome, Verb};
use crate::observed::ownership::Ownership;
use crate::observed::{AppRow, Completeness, Machine, Presence, Scope, Secret};
use crate::resource::marker::{PREFIX, PROTECTED_SECRET, RETAINED_SECRET, TOMBSTONE_SECRET};
use crate::resource::{AppName, ComponentName, EnvName, OrgSlug, ResourceKey, Subject};
use crate::rules::Rule;
use crate::secret::SecretText;

/// Something that a collection deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// When.
    pub at: DateTime<Utc>,
    /// The environment it belongs to.
    pub env: EnvName,
    /// Its organization, if it is an app of Fly's machines.
    pub org: Option<OrgSlug>,
    /// What.
    pub subject: Subject,
    /// Why.
    pub reason: String,
}

impl Collected {
    /// What `step` deletes at this moment, if it deletes an app or an object.
    pub fn by(step: &Step, at: DateTime<Utc>) -> Option<Self> {
        matches!(step.action, Action::DeleteApp { .. } | Action::DeleteObject { .. }).then(|| Self {
            at,
            env: step.env.clone(),
            org: step.org.clone(),
            subject: step.key.subject(),
            reason: step.reason.clone(),
        })
    }
}

/// An app or object of ours that no spec asks for.
#[derive(Debug)]
pub(super) struct Orphan {
    /// The organization, if it is an app.
    pub(super) org: Option<OrgSlug>,
    pub(super) subject: Subject,
    /// The server's id of it.
    pub(super) id: String,
    pub(super) env: EnvName,
    pub(super) component: Option<ComponentName>,
    pub(super) created_by_us: bool,
    /// Since when its tombstone stands.
    pub(super) tombstone: Option<DateTime<Utc>>,
    /// Since when its deletion is held because there were too many.
    pub(super) held_since: Option<DateTime<Utc>>,
    /// Since when its deletion is held because its set of previews names none any more.
    pub(super) emptied_since: Option<DateTime<Utc>>,
    /// Whether a person has let its deletion go on all the same.
    pub(super) released: bool,
    /// What carries, or will carry, the tombstone: a machine of the app, or the object itself. None where the app has no machine of ours.
    pub(super) bearer: Option<String>,
    /// What is in it that is not ours, for people; empty where there is nothing.
    pub(super) foreign: String,
    /// Why it is kept all the same.
    pub(super) kept: Option<(Reason, String)>,
    pub(super) another_writer: Option<String>,
    /// Why nobody wants it.
    pub(super) reason: String,
    /// The sets of previews that the machines of ours in it name, each of which names one; nothing where one of them, or there being
    /// none, leaves it open.
    pub(super) sets: Option<BTreeSet<String>>,
    /// The end of what it was a preview of, if a marker in it names that preview: the name of an app proves nothing.
    pub(super) ended: Option<Ended>,
}

impl Orphan {
    pub(super) fn key(&self) -> ResourceKey {
        match &self.subject {
            Subject::App(app) => ResourceKey::App { app: app.clone() },
            Subject::Object(key) => ResourceKey::Object(key.clone()),
        }
    }

    /// The app, if it is one.
    pub(super) const fn app(&self) -> Option<&AppName> {
        match &self.subject {
            Subject::App(app) => Some(app),
            Subject::Object(_) => None,
        }
    }

    /// What it is, for people.
    pub(super) fn what(&self) -> String {
        match &self.subject {
            Subject::App(app) => format!("app `{app}`"),
            Subject::Object(key) => key.to_string(),
        }
    }

    /// Names it within a set that is held or let go. Its id is part of it: what is made anew under the same name is another one.
    pub(super) fn member(&self) -> String {
        format!("{} {}", self.subject, self.id)
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { env: &self.env, component: self.component.as_ref(), org: self.org.as_ref() }
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
        orphans.extend(self.object_orphans(None));
        for orphan in &orphans {
            self.plan.environments.entry(orphan.env.clone()).or_insert(EnvironmentKind::Orphan);
        }
        let mut leaving = Vec::new();
        for orphan in &orphans {
            if let Some((reason, message)) = orphan.kept.clone() {
                self.notice(&orphan.env, orphan.component.as_ref(), reason, message);
            } else if let Some(until) = self.deleted_and_still_listed(orphan) {
                let message = format!("{} is deleted, and the listing may still show it", orphan.what());
                let component = orphan.component.as_ref();
                self.wait(&orphan.env, component, Some(&orphan.key()), Reason::OwnWritePending, message, Some(until));
            } else {
                leaving.push(orphan);
            }
        }
        if let Some((reason, message)) = self.reason_to_wait() {
            for env in leaving.iter().map(|orphan| &orphan.env).collect::<BTreeSet<_>>() {
                self.wait(env, None, None, reason, message.clone(), None);
            }
            return;
        }
        let leaving = self.hold_for_sets(leaving);
        let mut pending = Vec::new();
        for orphan in leaving {
            match self.consent_to(orphan) {
                _ if orphan.released => self.plan_end(orphan, None),
                // Somebody has closed each of these pull requests: however many they are, nothing was concluded from an absence.
                _ if orphan.ended.is_some() => self.plan_end(orphan, None),
                Some(hash) => self.plan_end(orphan, Some(&hash)),
                None => pending.push(orphan),
            }
        }
        let (mut judged, pending) = self.judge_emptied_sets(pending);
        let judgement = self.judge(&pending);
        judged.push((pending, judgement));
        self.plan.acknowledged = Some(self.acknowledged_after(&orphans, &judged));
        for (group, judgement) in judged {
            self.plan_ends(group, judgement);
        }
        self.plan_deletions(&orphans);
    }

    fn plan_ends(&mut self, group: Vec<&Orphan>, judgement: Judgement) {
        match judgement {
            Judgement::Within => group.into_iter().for_each(|orphan| self.plan_end(orphan, None)),
            Judgement::Released { by } => group.into_iter().for_each(|orphan| self.plan_end(orphan, Some(&by))),
            Judgement::Held { reason, message } => {
                for env in group.iter().map(|orphan| &orphan.env).collect::<BTreeSet<_>>() {
                    self.block(env, None, None, reason, message.clone());
                }
                for orphan in group {
                    self.plan_held_mark(orphan, reason);
                }
            }
        }
    }

    /// Until when a listing may show an app that we have deleted.
    fn deleted_and_still_listed(&self, orphan: &Orphan) -> Option<DateTime<Utc>> {
        let note = self.notes.open(&orphan.key(), self.now, self.policy.timing)?;
        let is_done = note.verb == Verb::Delete
            && matches!(note.outcome, NoteOutcome::Done { .. })
            && self.holds(Rule::DeletedIsNotCountedAgain);
        is_done.then(|| note.open_until(self.policy.timing))
    }

    /// Plans the end of one environment because a person asked for it: no grace, and no spec is consulted.
    pub(super) fn destroy(&mut self, env: &EnvName) {
        self.plan.environments.insert(env.clone(), EnvironmentKind::Orphan);
        if let Some(reason) = self.incomplete_listing() {
            let message = format!("nothing is deleted while a listing is incomplete: {reason}");
            self.wait(env, None, None, Reason::ObservationIncomplete, message, None);
            return;
        }
        let mut found = Vec::new();
        for (org, scope) in &self.observed.scopes {
            for row in &scope.apps.items {
                found.extend(self.orphan(org, scope, row, Some(env)));
            }
        }
        found.extend(self.object_orphans(Some(env)));
        for orphan in &found {
            if let Some((reason, message)) = orphan.kept.clone() {
                self.block(&orphan.env, orphan.component.as_ref(), Some(&orphan.key()), reason, message);
            } else {
                self.delete(orphan, Evidence::Requested, true);
            }
        }
        self.plan_deletions(&found);
    }

    /// The app as an orphan, if it is ours and nobody wants it (or a person wants `doomed` to end, and it is part of that).
    fn orphan(&self, org: &OrgSlug, scope: &Scope, row: &AppRow, doomed: Option<&EnvName>) -> Option<Orphan> {
        let detail = scope.details.get(&row.name);
        if detail.is_some_and(|detail| matches!(detail.presence, Presence::Absent { .. })) {
            // The listing lags: a direct request says that it is gone.
            return None;
        }
        let asker = self.environment_asking_for(org, &row.name);
        if doomed.is_none() && asker.is_some_and(|asker| self.reason_not_asked(asker).is_none()) {
            // Most apps are wanted, and whose they are does not matter then.
            return None;
        }
        let direct = detail.and_then(|detail| detail.machines.known());
        let listed = || self.listed.get(org).map(|listed| listed.machines(&row.name)).unwrap_or_default();
        let machines: Vec<&Machine> = match direct {
            Some(machines) => machines.iter().filter(|machine| machine.is_live()).collect(),
            None => listed().iter().filter(|machine| machine.is_live()).copied().collect(),
        };
        let secrets: &[Secret] = detail.and_then(|detail| detail.secrets.known()).map_or(&[], Vec::as_slice);
        let Ownership::Ours { env, component, created_by_us } = self.ownership(row, machines.iter().copied(), secrets)
        else {
            return None;
        };
        let ended = env.as_ref().filter(|_| doomed.is_none()).and_then(|marked| self.fleet.ended.get(marked));
        let env =
            env.or_else(|| asker.map(|asker| asker.name.clone())).unwrap_or_else(|| EnvName::new(row.name.as_str()));
        let reason = match doomed {
            Some(doomed) if *doomed != env => return None,
            Some(_) => "a person asked for its end".to_owned(),
            None => {
                let reason = self.reason_unwanted(&env, asker)?;
                ended.map_or(reason, |ended| ended.reason.clone())
            }
        };
        let mut owned: Vec<&Machine> =
            machines.iter().filter(|machine| self.marker_on(machine).is_some()).copied().collect();
        owned.sort_by_key(|machine| machine.seniority());
        let bearer = owned.first().copied();
        // A surplus machine's tombstone says nothing about the app: only the bearer's does.
        let by_machine = bearer.and_then(|machine| self.marker_on(machine)?.tombstone);
        let by_secret =
            secrets.iter().find(|secret| secret.name == TOMBSTONE_SECRET).and_then(|secret| secret.created_at);
        let says = |key: &str| owned.iter().find_map(|machine| machine.metadata.get(key));
        let since = |key: &str| {
            says(key).map(|at| {
                let at = at.parse().ok().and_then(|at| DateTime::from_timestamp(at, 0));
                at.unwrap_or(DateTime::<Utc>::MIN_UTC)
            })
        };
        let (held_since, emptied_since) = (since(&held_key()), since(&emptied_key()));
        // A protection counts on whatever machine it stands, also beside a marker that cannot be read.
        let is_marked = |key: &str, name: &str| {
            machines.iter().any(|machine| machine.metadata.contains_key(key))
                || secrets.iter().any(|secret| secret.name == name)
        };
        let kept = self.kept(
            &env,
            &format!("app `{}`", row.name),
            is_marked(&format!("{PREFIX}protect"), PROTECTED_SECRET),
            is_marked(&format!("{PREFIX}retain"), RETAINED_SECRET),
            doomed.is_some(),
        );
        Some(Orphan {
            org: Some(org.clone()),
            subject: Subject::App(row.name.clone()),
            id: row.id.clone(),
            component,
            created_by_us,
            tombstone: if bearer.is_some() { by_machine } else { by_secret },
            held_since,
            emptied_since,
            released: held_since.is_none() && emptied_since.is_none() && says(&released_key()).is_some(),
            bearer: bearer.map(|machine| machine.id.clone()),
            sets: self.sets_named_by(owned.iter().copied().chain(listed().iter().copied())),
            ended: ended.cloned(),
            foreign: if created_by_us { String::new() } else { self.foreign_content(org, row, &machines, &owned) },
            kept,
            another_writer: self.another_writer(owned.iter().copied()),
            reason,
            env,
        })
    }

    /// What an adopted app holds that is not ours, for people.
    fn foreign_content(&self, org: &OrgSlug, row: &AppRow, machines: &[&Machine], owned: &[&Machine]) -> String {
        let strangers = machines.len().saturating_sub(owned.len());
        let volumes = self.listed.get(org).map(|listed| listed.volumes(&row.name)).unwrap_or_default();
        let volumes = volumes.iter().filter(|volume| volume.is_live());
        let volumes = volumes.filter(|volume| {
            let by_us = self.memory.volumes.get(&volume.id) == Some(&row.name);
            let holder = volume.attached_machine.as_ref();
            !by_us && !holder.is_some_and(|holder| owned.iter().any(|machine| machine.id == *holder))
        });
        let parts = [(strangers, "machine"), (volumes.count(), "volume")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(count, noun));
        parts.collect::<Vec<_>>().join(" and ")
    }

    /// Why nobody wants an app of `env` that `asker`'s spec names (or no spec does); nothing where somebody may want it.
    pub(super) fn reason_unwanted(&self, env: &EnvName, asker: Option<&Environment>) -> Option<String> {
        if let Some(asker) = asker {
            return self.reason_not_asked(asker);
        }
        match self.fleet.environments.get(env) {
            None => Some("no spec asks for its environment".to_owned()),
            Some(Wanted::Broken { .. }) if self.holds(Rule::BrokenSpecStopsCollection) => None,
            Some(Wanted::Broken { .. }) => Some("its spec names no app".to_owned()),
            Some(Wanted::Ready(wanted)) if wanted.paused || wanted.level != Level::Full => None,
            // An environment that the policy does not allow is left as it is.
            Some(Wanted::Ready(wanted)) if !self.policy.violations(wanted).is_empty() => None,
            Some(Wanted::Ready(_)) => Some("its environment no longer has this component".to_owned()),
        }
    }

    /// Why nobody wants the apps of an environment that the specs have.
    pub(super) fn reason_not_asked(&self, asker: &Environment) -> Option<String> {
        let may_end = !asker.paused && asker.level == Level::Full;
        let expiry = self.expiry(asker).filter(|at| *at <= self.now && may_end)?;
        Some(format!("its environment {}", expired(asker, expiry)))
    }

    /// The environment whose spec names this app.
    fn environment_asking_for(&self, org: &OrgSlug, app: &AppName) -> Option<&Environment> {
        self.askers.get(&(org, app)).copied()
    }

    /// Why `what` of `env` is kept all the same.
    pub(super) fn kept(
        &self,
        env: &EnvName,
        what: &str,
        protect: bool,
        retain: bool,
        requested: bool,
    ) -> Option<(Reason, String)> {
        let by_spec =
            matches!(self.fleet.environments.get(env), Some(Wanted::Ready(wanted)) if self.policy.keeps(wanted));
        if (protect || by_spec || self.policy.protects(env)) && self.holds(Rule::ProtectedStays) {
            let message = format!(
                "{what} of `{env}` is protected and stays; to let it go, set `protect: false` (and its class) in its spec, let that take effect, and then remove it"
            );
            return Some((Reason::Protected, message));
        }
        (retain && !requested && self.holds(Rule::RetainedStays)).then(|| {
            let message = format!("{what} of `{env}` is retained; `hangar destroy --env {env}` deletes it");
            (Reason::Retained, message)
        })
    }

    /// Why nothing at all can be collected in this pass: something was not seen or not understood.
    fn reason_to_wait(&self) -> Option<(Reason, String)> {
        if let Completeness::Incomplete { reason } = &self.fleet.source
            && self.holds(Rule::IncompleteSourceStopsCollection)
        {
            let message = format!("nothing is collected while the specs are incomplete: {reason}");
            return Some((Reason::SourceIncomplete, message));
        }
        if let Some(reason) = self.incomplete_listing() {
            let message = format!("nothing is collected while a listing is incomplete: {reason}");
            return Some((Reason::ObservationIncomplete, message));
        }
        let is_broken =
            |wanted: &Wanted| matches!(wanted, Wanted::Broken { .. }) && self.holds(Rule::BrokenSpecStopsCollection);
        let (name, _) = self.fleet.environments.iter().find(|(_, wanted)| is_broken(wanted))?;
        let message =
            format!("nothing is collected while the spec of `{name}` cannot be evaluated: its apps are not known");
        Some((Reason::SourceIncomplete, message))
    }

    fn plan_end(&mut self, orphan: &Orphan, released_by: Option<&str>) {
        if let Some(ended) = &orphan.ended {
            self.plan_end_of_preview(orphan, ended);
            return;
        }
        let unmarked = (!self.holds(Rule::TombstoneFirst)).then_some(self.now - self.policy.grace);
        let Some(since) = orphan.tombstone.or(unmarked) else {
            self.plan_tombstone(orphan, released_by);
            return;
        };
        if let (Some(by), Some(id)) = (released_by, &orphan.bearer) {
            self.plan_mark(orphan, id, released(by), "a person has let its deletion go on".to_owned());
            return;
        }
        if let (Some(_), Some(id)) = (orphan.emptied_since, &orphan.bearer) {
            let metadata = BTreeMap::from([(emptied_key(), None)]);
            self.plan_mark(orphan, id, metadata, "its set is not empty any more".to_owned());
            return;
        }
        match self.grace_is_over(since, Rule::GraceOfOrphans) {
            Ok(()) => self.delete(orphan, Evidence::Orphan { since }, orphan.released || released_by.is_some()),
            Err(obstacle) => {
                let what = self.deletion_of(orphan);
                self.withhold(&orphan.place(), &orphan.key(), &what, obstacle);
            }
        }
    }

    /// What is to come for an app that waits for its end, for people.
    fn deletion_of(&self, orphan: &Orphan) -> String {
        let before = self.run_before(orphan).map(|names| format!(" after running {names}")).unwrap_or_default();
        format!("delete {}{before} ({})", orphan.what(), orphan.reason)
    }

    /// A closed pull request is a fact that outlives any store: no tombstone has to keep it, and its own moment begins the grace.
    /// It costs nothing of the deletion budget, which guards against wrong conclusions: a person has closed it.
    fn plan_end_of_preview(&mut self, orphan: &Orphan, ended: &Ended) {
        if ended.at <= self.now || !self.holds(Rule::GraceOfPreviews) {
            self.delete(orphan, Evidence::Ended { at: ended.at }, true);
            return;
        }
        let obstacle = Obstacle {
            reason: Reason::Grace,
            message: "the set's grace has not passed".to_owned(),
            until: Some(ended.at),
        };
        let what = self.deletion_of(orphan);
        self.withhold(&orphan.place(), &orphan.key(), &what, obstacle);
    }

    /// The first of two steps: says on the live object itself since when nobody asks for it.
    fn plan_tombstone(&mut self, orphan: &Orphan, released_by: Option<&str>) {
        let before = self.run_before(orphan).map(|names| format!(", and {names} is run before")).unwrap_or_default();
        let grace = self.policy.grace.as_secs();
        let reason = format!("{}: it is deleted after {grace} s of grace{before}", orphan.reason);
        if let Some(id) = &orphan.bearer {
            let mut metadata = self.tombstone_patch();
            if let Some(by) = released_by {
                metadata.extend(released(by));
            }
            self.plan_mark(orphan, id, metadata, reason);
            return;
        }
        let Subject::App(app) = &orphan.subject else { return };
        let key = ResourceKey::Secrets { app: app.clone() };
        let detail = self.observed.detail(orphan.org.as_ref(), app);
        if detail.is_none_or(|detail| detail.secrets.known().is_none()) {
            let message = format!("the secrets of `{app}` were not read, so whether its grace has begun is not known");
            let component = orphan.component.as_ref();
            self.wait(&orphan.env, component, Some(&key), Reason::ObservationIncomplete, message, None);
            return;
        }
        let write = SecretWrite {
            set: BTreeMap::from([(TOMBSTONE_SECRET.to_owned(), SecretText::new("1"))]),
            ..SecretWrite::default()
        };
        self.step(&orphan.place(), key, Action::SetSecrets(write), reason, Vec::new(), &[]);
    }

    /// Plans a mark on the app's bearer, once: a listing that lags behind would have it written, and grace begun, again and again.
    pub(super) fn plan_mark(
        &mut self,
        orphan: &Orphan,
        id: &str,
        metadata: BTreeMap<String, Option<String>>,
        reason: String,
    ) {
        let key = orphan.key();
        if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsMarking) {
            self.withhold(&orphan.place(), &key, &format!("mark {}", orphan.what()), obstacle);
            return;
        }
        let action = match &orphan.subject {
            Subject::App(_) => Action::MarkMachine { id: id.to_owned(), metadata },
            Subject::Object(_) => Action::MarkObject { id: id.to_owned(), marks: metadata },
        };
        self.step(&orphan.place(), key, action, reason, Vec::new(), &[]);
    }

    /// Finds the end of an app due. `consented` says that a person has asked for it or let it go, so that it costs nothing of the budget.
    fn delete(&mut self, orphan: &Orphan, evidence: Evidence, consented: bool) {
        let (place, key) = (orphan.place(), orphan.key());
        if !orphan.foreign.is_empty() && self.holds(Rule::ForeignContentStays) {
            let message = format!(
                "adopted {} holds {} that are not ours, so the app is not deleted; remove them, or delete the app by hand",
                orphan.what(),
                orphan.foreign
            );
            self.block(&orphan.env, orphan.component.as_ref(), Some(&key), Reason::ForeignContent, message);
            return;
        }
        let unit = (!consented).then(|| self.unit(orphan));
        match self.prove(&key, evidence, orphan.created_by_us, orphan.another_writer.as_deref()) {
            Ok(proof) => drop(self.due.insert(orphan.subject.clone(), proof.counted_as(unit))),
            Err(obstacle) => self.withhold(&place, &key, &format!("delete {}", orphan.what()), obstacle),
        }
    }
}

/// The marks of what a person, by the consent `by`, has let go.
fn released(by: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(released_key(), Some(by.to_owned())), (held_key(), None), (emptied_key(), None)])
}
