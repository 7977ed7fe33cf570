//! What we may have left somewhere, and what is certainly gone.
//!
//! An organization that only a removed environment has named would not be looked at any more, and what is left in it would stay for
//! ever: so it is remembered until nothing of ours is there. And what is known of single apps and volumes is forgotten once they are
//! certainly gone, so that a memory does not grow with everything that ever was.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{Birth, Memory, Timing, Verb, add, delta};
use crate::observed::{Listing, Observed, Presence, Scope};
use crate::resource::marker::{app_marker_secret, network_slot};
use crate::resource::{AppName, OrgSlug, OwnerId, ScopeKey};

impl Memory {
    /// Takes in where something of `owner` may be: where environments are wanted (`lived_in`), and where `observed` shows something. An
    /// organization is forgotten when all of it was seen, nothing of ours is in it, and no write of ours is open anywhere.
    pub fn remember_organizations(&mut self, observed: &Observed, owner: &OwnerId, lived_in: &BTreeSet<OrgSlug>) {
        self.organizations.extend(lived_in.iter().cloned());
        for (org, scope) in &observed.scopes {
            if may_hold_ours(scope, owner) {
                self.organizations.insert(org.clone());
            } else if is_complete(scope) && self.notes.is_empty() && !lived_in.contains(org) {
                self.organizations.remove(org);
            }
        }
    }

    /// The same for scopes of other providers.
    pub fn remember_scopes(&mut self, observed: &Observed, owner: &OwnerId, lived_in: &BTreeSet<ScopeKey>) {
        self.scopes.extend(lived_in.iter().cloned());
        for (scope, seen) in &observed.objects {
            if seen.objects.items.iter().any(|object| object.owned_by(owner).is_some()) {
                self.scopes.insert(scope.clone());
            } else if seen.objects.completeness.is_complete() && self.notes.is_empty() && !lived_in.contains(scope) {
                self.scopes.remove(scope);
            }
        }
    }

    /// Forgets apps and volumes that are certainly gone. Call it when the organizations are remembered: what was made in one that
    /// `observed` does not show may be there still.
    pub fn forget_what_is_gone(&mut self, observed: &Observed, timing: Timing) {
        let gone = self.apps_gone(observed, timing);
        for app in gone {
            self.forget_app(&app);
        }
        let made = self.notes.iter().filter(|note| note.verb == Verb::Create);
        let made: BTreeSet<&str> = made.map(|note| note.detail.as_str()).collect();
        let gone =
            self.volumes.iter().filter(|(id, app)| !made.contains(id.as_str()) && is_volume_gone(id, app, observed));
        for id in gone.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.volumes.remove(&id);
        }
    }

    /// Apps of which no complete listing of any organization that matters shows anything, and each began so late that it would.
    fn apps_gone(&self, observed: &Observed, timing: Timing) -> Vec<AppName> {
        let scopes = || observed.scopes.values();
        let Some(earliest) = scopes().map(began).min() else { return Vec::new() };
        if !self.organizations.iter().all(|org| observed.scopes.contains_key(org)) || !scopes().all(is_complete) {
            return Vec::new();
        }
        let mut there: BTreeSet<&AppName> = self.notes.iter().filter_map(|note| note.key.app()).collect();
        for scope in scopes() {
            there.extend(scope.apps.items.iter().map(|row| &row.name));
            there.extend(scope.machines.items.iter().map(|machine| &machine.app));
            there.extend(scope.volumes.items.iter().map(|volume| &volume.app));
            there.extend(scope.details.keys());
        }
        let is_gone = |(app, birth): &(&AppName, &Birth)| {
            !there.contains(app) && earliest > add(birth.at, delta(timing.listing_lag))
        };
        self.born.iter().filter(is_gone).map(|(app, _)| app.clone()).collect()
    }
}

/// Whether neither a direct request nor a complete listing shows the volume. Fly lists a deleted volume for a day, so absence from both
/// is no lag; and right after its creation, which a listing may not show, the direct request does.
fn is_volume_gone(id: &str, app: &AppName, observed: &Observed) -> bool {
    observed.scopes.values().any(|scope| {
        let direct = scope.details.get(app).and_then(|detail| detail.volumes.known());
        direct.is_some_and(|all| all.iter().all(|volume| volume.id != id))
            && scope.volumes.absent(|volume| volume.id == id)
    })
}

/// Whether something in an organization is ours, or cannot be told not to be.
fn may_hold_ours(scope: &Scope, owner: &OwnerId) -> bool {
    if scope.machines.items.iter().any(|machine| machine.is_live() && machine.owned_by(owner).is_some()) {
        return true;
    }
    let with_machines: BTreeSet<&AppName> = scope.machines.items.iter().map(|machine| &machine.app).collect();
    scope.apps.items.iter().any(|row| {
        let detail = scope.details.get(&row.name);
        if detail.is_some_and(|detail| matches!(detail.presence, Presence::Absent { .. })) {
            return false;
        }
        if network_slot(owner, &row.network).is_some() {
            return true;
        }
        let marker = app_marker_secret(owner, &row.name);
        match detail.and_then(|detail| detail.secrets.known()) {
            Some(secrets) => secrets.iter().any(|secret| secret.name == marker),
            // What has machines, and none of them ours, is somebody else's.
            None => !with_machines.contains(&row.name),
        }
    })
}

fn is_complete(scope: &Scope) -> bool {
    [&scope.apps.completeness, &scope.machines.completeness, &scope.volumes.completeness]
        .iter()
        .all(|completeness| completeness.is_complete())
}

/// When the first of an organization's listings began.
fn began(scope: &Scope) -> DateTime<Utc> {
    fn at<T>(listing: &Listing<T>) -> DateTime<Utc> {
        listing.started_at
    }
    at(&scope.apps).min(at(&scope.machines)).min(at(&scope.volumes))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::desired::Completeness;
    use crate::memory::{Birth, Conclusion, Note, NoteOutcome};
    use crate::observed::fixture::machine;
    use crate::observed::{AppDetail, AppRow, Machine, MachineState, Reading, Secret, Volume};
    use crate::resource::ResourceKey;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn listing<T>(items: Vec<T>, started: i64) -> Listing<T> {
        Listing { items, completeness: Completeness::Complete, started_at: at(started) }
    }

    fn row(network: &str) -> AppRow {
        AppRow { id: "1".to_owned(), name: "a".into(), network: network.to_owned(), status: String::new() }
    }

    fn volume(id: &str) -> Volume {
        Volume {
            app: "a".into(),
            id: id.to_owned(),
            name: "data".to_owned(),
            region: "iad".to_owned(),
            state: "created".to_owned(),
            size_gb: 1,
            attached_machine: None,
            snapshot_retention: None,
            auto_backup: None,
            host_ok: true,
            created_at: None,
        }
    }

    /// A whole organization in which these are listed from this second on.
    fn scope(apps: Vec<AppRow>, volumes: Vec<Volume>, started: i64) -> Scope {
        Scope {
            apps: listing(apps, started),
            machines: listing(Vec::new(), started),
            volumes: listing(volumes, started),
            details: BTreeMap::new(),
            out_of_reach: None,
        }
    }

    fn detail(secrets: &[&str], volumes: Vec<Volume>) -> AppDetail {
        let secret = |name: &&str| Secret { name: (*name).to_owned(), digest: String::new(), created_at: None };
        AppDetail {
            presence: Presence::Here(row("")),
            machines: Reading::Known { value: Vec::new(), started_at: at(0) },
            volumes: Reading::Known { value: volumes, started_at: at(0) },
            secrets: Reading::Known { value: secrets.iter().map(secret).collect(), started_at: at(0) },
            ips: Reading::Unknown { reason: "not read".to_owned() },
            certificates: Reading::Unknown { reason: "not read".to_owned() },
        }
    }

    fn seen(scopes: Vec<(&str, Scope)>) -> Observed {
        Observed {
            scopes: scopes.into_iter().map(|(org, scope)| (OrgSlug::from(org), scope)).collect(),
            ..Observed::default()
        }
    }

    /// A memory of app `a`, made at 0 in `o`, with volume `v`.
    fn memory() -> Memory {
        let mut memory = Memory::blank("i", at(-1000));
        memory.born.insert("a".into(), Birth { at: at(0), id: None });
        memory.volumes.insert("v".to_owned(), "a".into());
        memory.organizations.insert("o".into());
        memory
    }

    fn app() -> ResourceKey {
        ResourceKey::App { app: "a".into() }
    }

    fn note(memory: &mut Memory, verb: Verb, detail: &str) {
        let (key, env, detail) = (app(), "e".into(), detail.to_owned());
        memory.note(Note { key, env, verb, detail, sent_at: at(0), outcome: NoteOutcome::Unknown });
    }

    fn keeps_app(memory: &Memory, observed: &Observed) -> bool {
        let mut memory = memory.clone();
        memory.forget_what_is_gone(observed, Timing::FLY);
        assert_eq!(memory.born.is_empty(), memory.volumes.is_empty(), "its volumes go with it");
        !memory.born.is_empty()
    }

    #[test]
    fn an_app_is_forgotten_when_nothing_of_it_shows_anywhere_and_not_before() {
        let nothing = |started| scope(Vec::new(), Vec::new(), started);
        assert!(!keeps_app(&memory(), &seen(vec![("o", nothing(61)), ("other", nothing(61))])));

        assert!(keeps_app(&memory(), &seen(vec![("o", nothing(60))])), "the listing may lag");
        assert!(keeps_app(&memory(), &seen(vec![("o", scope(vec![row("")], Vec::new(), 61))])));
        assert!(keeps_app(&memory(), &seen(vec![("o", scope(Vec::new(), vec![volume("x")], 61))])));
        let partial = Completeness::Incomplete { reason: "iad does not answer".to_owned() };
        let mut incomplete = [nothing(61), nothing(61), nothing(61)];
        incomplete[0].apps.completeness.clone_from(&partial);
        incomplete[1].machines.completeness.clone_from(&partial);
        incomplete[2].volumes.completeness.clone_from(&partial);
        for scope in incomplete {
            assert!(keeps_app(&memory(), &seen(vec![("o", scope)])));
        }
        assert!(keeps_app(&memory(), &seen(vec![])), "nothing was looked at");
        assert!(keeps_app(&memory(), &seen(vec![("other", nothing(61))])), "it may be where nobody looks");
        let mut read = nothing(61);
        read.details.insert("a".into(), AppDetail { presence: Presence::Elsewhere, ..detail(&[], vec![volume("v")]) });
        assert!(keeps_app(&memory(), &seen(vec![("o", read)])), "a direct request knows better than a listing");
        let mut open = memory();
        note(&mut open, Verb::Update, "m");
        assert!(keeps_app(&open, &seen(vec![("o", nothing(61))])), "a write of ours is open");
    }

    #[test]
    fn a_volume_is_forgotten_when_neither_its_app_nor_its_organization_shows_it() {
        let keeps = |memory: &Memory, direct: Option<Vec<Volume>>, listed: Vec<Volume>| {
            let mut memory = memory.clone();
            let mut scope = scope(vec![row("")], listed, 61);
            if let Some(direct) = direct {
                scope.details.insert("a".into(), detail(&[], direct));
            }
            memory.forget_what_is_gone(&seen(vec![("o", scope)]), Timing::FLY);
            assert!(!memory.born.is_empty());
            memory.volumes.contains_key("v")
        };
        let gone = Volume { state: "pending_destroy".to_owned(), ..volume("v") };
        assert!(!keeps(&memory(), Some(vec![volume("other")]), vec![volume("other")]));
        assert!(keeps(&memory(), Some(vec![volume("v")]), vec![]), "a listing lags");
        assert!(keeps(&memory(), Some(vec![]), vec![gone.clone()]), "it can be restored");
        assert!(keeps(&memory(), Some(vec![gone]), vec![]));
        assert!(keeps(&memory(), None, vec![]), "its app was not looked at");
        let mut open = memory();
        note(&mut open, Verb::Create, "v");
        assert!(keeps(&open, Some(vec![]), vec![]), "it was made a moment ago");
        for (verb, detail) in [(Verb::Create, "other"), (Verb::Update, "v")] {
            let mut open = memory();
            note(&mut open, verb, detail);
            assert!(!keeps(&open, Some(vec![]), vec![]), "{verb:?} {detail}");
        }
    }

    #[test]
    fn an_organization_is_remembered_while_something_of_ours_may_be_in_it() {
        let owner = OwnerId::from("us");
        let remembers = |memory: &Memory, scope: Scope, lived_in: &[&str]| {
            let mut memory = memory.clone();
            let lived_in = lived_in.iter().map(|org| OrgSlug::from(*org)).collect();
            memory.remember_organizations(&seen(vec![("o", scope)]), &owner, &lived_in);
            memory.organizations.contains(&OrgSlug::from("o"))
        };
        let (known, blank) = (memory(), Memory::blank("i", at(0)));
        let nothing = || scope(Vec::new(), Vec::new(), 0);
        let with = |secrets: &[&str]| {
            let mut scope = scope(vec![row("")], Vec::new(), 0);
            scope.details.insert("a".into(), detail(secrets, Vec::new()));
            scope
        };
        assert!(!remembers(&known, nothing(), &[]) && !remembers(&blank, nothing(), &[]));
        assert!(remembers(&blank, nothing(), &["o"]), "an environment lives there");
        assert!(remembers(&blank, scope(vec![row("hangar-us-1")], Vec::new(), 0), &[]), "on our network");
        assert!(remembers(&blank, with(&[&app_marker_secret(&owner, &"a".into())]), &[]), "with our secret");
        assert!(!remembers(&known, with(&["OTHER"]), &[]), "somebody else's");
        assert!(remembers(&blank, scope(vec![row("")], Vec::new(), 0), &[]), "whose it is cannot be told");
        let mut partial = nothing();
        partial.volumes.completeness = Completeness::Incomplete { reason: "iad does not answer".to_owned() };
        assert!(remembers(&known, partial, &[]));
        let mut open = known.clone();
        note(&mut open, Verb::Create, "");
        assert!(remembers(&open, nothing(), &[]), "a write of ours may still take effect");
        open.conclude(&app(), Verb::Create, Conclusion::NoEffect);
        assert!(!remembers(&open, nothing(), &[]));
    }

    #[test]
    fn what_machines_are_in_an_organization_says_whether_something_of_ours_is() {
        let owner = OwnerId::from("us");
        let remembers = |rows: Vec<AppRow>, machines: Vec<Machine>| {
            let mut memory = Memory::blank("i", at(0));
            let mut scope = scope(rows, Vec::new(), 0);
            scope.machines.items = machines;
            memory.remember_organizations(&seen(vec![("o", scope)]), &owner, &BTreeSet::new());
            !memory.organizations.is_empty()
        };
        let stranger = || machine(&[("hangar_owner", "")]);
        let gone = || Machine { state: MachineState::parse("destroyed"), ..machine(&[]) };
        assert!(remembers(vec![], vec![machine(&[])]) && remembers(vec![row("")], vec![stranger(), machine(&[])]));
        assert!(!remembers(vec![], vec![stranger()]) && !remembers(vec![], vec![gone()]));
        assert!(!remembers(vec![row("")], vec![stranger()]), "somebody else's app");
        let elsewhere = Machine { app: "b".into(), ..stranger() };
        assert!(remembers(vec![row("")], vec![elsewhere]), "whose an app without machines is cannot be told");
    }
}
