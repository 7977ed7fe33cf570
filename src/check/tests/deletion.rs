//! What a deletion needs: complete listings, grace, no protection, no open key, and room in the budget.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::case::{Case, at, fleet, machine, marker, observed, scope};
use crate::desired::{Completeness, Wanted};
use crate::memory::{Note, NoteOutcome, Verb};
use crate::observed::Reading;
use crate::plan::{Purpose, Request};
use crate::resource::ResourceKey;
use crate::resource::marker::{self, network_name};

#[test]
fn an_orphan_is_not_deleted_on_incomplete_listings_or_specs_or_within_grace() {
    let rule = "an orphan is deleted only on complete listings";
    let incomplete = || Completeness::Incomplete { reason: "no answer".to_owned() };
    Case::orphan().breaks(rule, |case| scope(&mut case.observed).apps.completeness = incomplete());
    Case::orphan().breaks(rule, |case| scope(&mut case.observed).machines.completeness = incomplete());
    Case::orphan().breaks(rule, |case| case.fleet.source = incomplete());
    Case::orphan().breaks(rule, |case| {
        case.fleet.environments.insert("broken".into(), Wanted::Broken { reason: String::new() });
    });
    Case::orphan().breaks(rule, |case| case.policy.grace = std::time::Duration::from_secs(401));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.tombstone = None));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.tombstone = Some(at(-10))));
}

#[test]
fn nothing_is_deleted_that_is_protected_or_retained() {
    let rule = "nothing protected is deleted";
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.protect = true));
    Case::orphan().breaks(rule, |case| case.mark(|marker| marker.retain = true));
    Case::orphan().breaks(rule, |case| case.policy.protected = vec!["go*".to_owned()]);
    // Also beside a marker that cannot be read, and in the name of a secret.
    Case::orphan().breaks(rule, |case| {
        let mut other = machine(&marker("gone"));
        other.id = "another".to_owned();
        other.metadata = BTreeMap::from([("hangar_protect".to_owned(), "true".to_owned())]);
        other.marker = None;
        scope(&mut case.observed).machines.items.push(other);
    });
}

#[test]
fn nothing_is_deleted_in_quarantine_or_while_its_key_is_open() {
    Case::orphan().breaks("nothing is deleted in quarantine", |case| case.memory.blank_since = Some(at(-119)));
    Case::orphan().breaks("nothing is deleted while its key is open", |case| {
        let key = case.plan.steps[0].key.clone();
        case.memory.note(Note {
            key,
            env: "gone".into(),
            verb: Verb::Update,
            detail: String::new(),
            sent_at: at(-100),
            outcome: NoteOutcome::Unknown,
        });
    });
}

#[test]
fn no_more_is_deleted_than_the_budget_allows() {
    Case::orphan().breaks("no more is deleted than the budget", |case| case.policy.budget.max_deletions = 0);
    Case::orphan().breaks("no more is deleted than the budget", |case| {
        case.policy.budget.max_deletions = 1;
        case.memory.deletions.push(("another".to_owned(), at(-60)));
    });
    // The same deletion is counted once, and one that a person asked for not at all.
    let mut case = Case::orphan();
    case.policy.budget.max_deletions = 1;
    case.memory.deletions.push(("gone".to_owned(), at(-60)));
    assert_eq!(case.broken(), Vec::<&str>::new());
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let mut case = Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &request);
    case.policy.budget.max_deletions = 0;
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn what_a_person_destroys_must_not_be_protected_either() {
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let case = || Case::of(fleet(&["gone"], ""), observed(&[marker("gone")]), &request);
    case().breaks("nothing protected is deleted", |case| case.fleet = fleet(&["gone"], "class: production,"));
    case().breaks("nothing protected is deleted", |case| case.policy.protected = vec!["gone".to_owned()]);
}

#[test]
fn an_own_write_that_is_long_past_opens_nothing() {
    let mut case = Case::orphan();
    case.memory.note(Note {
        key: case.plan.steps[0].key.clone(),
        env: "gone".into(),
        verb: Verb::Update,
        detail: String::new(),
        sent_at: at(0) - TimeDelta::seconds(121),
        outcome: NoteOutcome::Unknown,
    });
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn a_tombstone_in_the_name_of_a_secret_is_judged_as_one_on_a_machine() {
    let rule = "an orphan is deleted only on complete listings";
    let network = network_name(&"us".into(), 0);
    Case::orphan().breaks(rule, |case| case.leave_only(&["OTHER"], &network));
    Case::orphan().breaks(rule, |case| {
        case.leave_only(&[marker::TOMBSTONE_SECRET], &network);
        let detail = scope(&mut case.observed).details.values_mut().next().unwrap();
        let Reading::Known { value, .. } = &mut detail.secrets else { panic!() };
        value[0].created_at = Some(at(-401));
    });
    // Somebody else's tombstone is none.
    Case::orphan().breaks("", |case| case.mark(|marker| marker.owner = "them".into()));
    // At the very end of grace it may go.
    let mut case = Case::orphan();
    case.policy.grace = std::time::Duration::from_secs(400);
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn a_person_may_end_what_was_just_changed_and_nothing_that_may_still_change() {
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    let rule = "nothing is deleted while its key is open";
    let note = |case: &mut Case, verb, outcome| {
        let (key, env, detail) = (case.plan.steps[0].key.clone(), "gone".into(), String::new());
        case.memory.note(Note { key, env, verb, detail, sent_at: at(-10), outcome });
    };
    let done = || NoteOutcome::Done { at: at(-5) };
    let requested = || Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &request);
    let mut case = requested();
    note(&mut case, Verb::Update, done());
    assert_eq!(case.broken(), Vec::<&str>::new());
    requested().breaks(rule, |case| note(case, Verb::Update, NoteOutcome::Unknown));
    requested().breaks(rule, |case| note(case, Verb::Create, done()));
    // Where no person has asked, an answered change is an obstacle as well: a listing may not show it yet.
    Case::orphan().breaks(rule, |case| note(case, Verb::Update, done()));
    // What is noted of another object says nothing.
    let mut case = Case::orphan();
    note(&mut case, Verb::Update, NoteOutcome::Unknown);
    case.memory.notes[0].key = ResourceKey::App { app: "kept-web".into() };
    assert_eq!(case.broken(), Vec::<&str>::new());
}
