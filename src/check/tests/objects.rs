//! Each rule of what is done to objects at other providers, broken once.

use std::collections::BTreeMap;

use super::case::{Case, at, fleet, listing, observed};
use crate::desired::{Completeness, Ended, Fleet, Level, NamePattern, PreviewSet, Wanted};
use crate::memory::{Note, NoteOutcome, Verb};
use crate::observed::{Object, ObjectScope, ObjectState, Observed};
use crate::plan::{Action, Purpose, Request, StepId};
use crate::resource::object::{Fields, Marks, ObjectMarker};
use crate::resource::output::placeholder;
use crate::resource::{ObjectKey, ObjectKind, Provider, ResourceKey, ScopeKey};

const BRANCH: &str = "neon: {project: p, branches: {main: {compute: {min: 0.5}}}},";

fn key(env: &str) -> ObjectKey {
    let scope = ScopeKey::new(Provider::Neon, "p");
    ObjectKey { scope, object: ObjectKind::NeonBranch, name: format!("{env}-main") }
}

/// The branch of `env`, ready, with these marks.
fn branch(env: &str, marks: &[(&str, String)]) -> Object {
    let key = key(env);
    let marker = ObjectMarker {
        owner: "us".into(),
        env: env.into(),
        component: "neon.main".into(),
        name: key.name.clone(),
        set: None,
    };
    Object {
        id: format!("br-{env}"),
        key,
        marker: Some(marker),
        made_by: None,
        marks: marks.iter().map(|(mark, value)| ((*mark).to_owned(), value.clone())).collect(),
        state: ObjectState::Ready,
        fields: Fields::from([("minCu".to_owned(), serde_json::json!(0.5))]),
        bulk: String::new(),
        fingerprints: BTreeMap::new(),
        outputs: BTreeMap::new(),
        is_close: true,
        held_by: None,
        created_at: Some(at(-1000)),
    }
}

/// What is live: these branches, and no app.
fn with(branches: Vec<Object>) -> Observed {
    let mut observed = observed(&[]);
    let scope = ObjectScope { objects: listing(branches), out_of_reach: None, room: None };
    observed.objects.insert(ScopeKey::new(Provider::Neon, "p"), scope);
    observed
}

fn neon(case: &mut Case) -> &mut ObjectScope {
    case.observed.objects.values_mut().next().unwrap()
}

fn the_branch(case: &mut Case) -> &mut Object {
    &mut neon(case).objects.items[0]
}

fn marks(case: &mut Case) -> &mut Marks {
    &mut the_branch(case).marks
}

/// The environment `kept` without its app, which is not what these tests are about.
fn kept() -> Fleet {
    let mut fleet = fleet(&["kept"], BRANCH);
    env(&mut fleet).apps.clear();
    fleet
}

fn env(fleet: &mut Fleet) -> &mut crate::desired::Environment {
    let Some(Wanted::Ready(env)) = fleet.environments.get_mut(&"kept".into()) else { panic!() };
    env
}

fn case(branches: Vec<Object>, request: &Request) -> Case {
    let case = Case::of(kept(), with(branches), request);
    assert!(matches!(case.plan.steps[0].key, ResourceKey::Object(_)), "{:#?}", case.plan.steps);
    case
}

/// A branch is made, and waited for.
fn creation() -> Case {
    let case = case(vec![], &Request::default());
    assert!(matches!(case.plan.steps[0].action, Action::CreateObject(_)));
    case
}

/// A branch is as it should not be.
fn update() -> Case {
    let mut live = branch("kept", &[]);
    live.fields.insert("minCu".to_owned(), serde_json::json!(2.0));
    let case = case(vec![live], &Request::default());
    assert!(matches!(case.plan.steps[0].action, Action::UpdateObject { .. }));
    case
}

/// A branch bears a tombstone though it is wanted.
fn marking() -> Case {
    let case =
        case(vec![branch("kept", &[("hangar_tombstone", at(-10).timestamp().to_string())])], &Request::default());
    assert!(matches!(case.plan.steps[0].action, Action::MarkObject { .. }));
    case
}

/// The branch of `gone` goes, next to that of `kept`.
fn deletion(fleet: Fleet, tombstone: Option<i64>, request: &Request) -> Case {
    let marks: Vec<_> =
        tombstone.iter().map(|second| ("hangar_tombstone", at(*second).timestamp().to_string())).collect();
    let case = Case::of(fleet, with(vec![branch("gone", &marks), branch("kept", &[])]), request);
    assert!(matches!(case.plan.steps[0].action, Action::DeleteObject { .. }));
    case
}

fn orphan() -> Case {
    deletion(kept(), Some(-400), &Request::default())
}

fn ended() -> Case {
    let mut fleet = kept();
    let ended = Ended { set: "set".to_owned(), at: at(-1), reason: "pull request a/b#1 was closed".to_owned() };
    fleet.ended.insert("gone".into(), ended);
    deletion(fleet, None, &Request::default())
}

fn destruction() -> Case {
    deletion(kept(), None, &Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() })
}

fn note(case: &mut Case, verb: Verb, outcome: NoteOutcome, second: i64) {
    let (key, env) = (case.plan.steps[0].key.clone(), case.plan.steps[0].env.clone());
    case.memory.note(Note { key, env, verb, detail: String::new(), sent_at: at(second), outcome });
}

fn incomplete() -> Completeness {
    Completeness::Incomplete { reason: "no answer".to_owned() }
}

#[test]
fn a_step_is_in_its_place_and_alone_with_its_object() {
    creation().breaks("a step's id is its place", |case| case.plan.steps[0].id = StepId(7));
    creation().breaks("a step comes after every step it waits for", |case| case.plan.steps[0].after = vec![StepId(0)]);
    creation().breaks("a step belongs to an environment of the plan", |case| case.plan.environments.clear());
    creation().breaks("a step names an app and its organization, or an object", |case| {
        case.plan.steps[0].key = ResourceKey::App { app: "x".into() };
        case.plan.steps.truncate(1);
    });
    orphan().breaks("one plan does not do two things to one object", |case| {
        let mut again = case.plan.steps[0].clone();
        again.id = StepId(1);
        case.plan.steps.insert(1, again);
    });
}

#[test]
fn a_step_is_within_the_level_of_its_environment_and_of_one_at_work() {
    let rule = "a step is within the level of its environment";
    creation().breaks(rule, |case| env(&mut case.fleet).level = Level::Observe);
    update().breaks(rule, |case| env(&mut case.fleet).level = Level::CreateOnly);
    let mut created = creation();
    env(&mut created.fleet).level = Level::CreateOnly;
    assert_eq!(created.broken(), Vec::<&str>::new());
    let rule = "nothing is done in an environment that is paused";
    update().breaks(rule, |case| env(&mut case.fleet).paused = true);
    update().breaks(rule, |case| {
        case.fleet.environments.insert("kept".into(), Wanted::Broken { reason: String::new() });
    });
}

#[test]
fn an_output_that_a_step_uses_is_produced_before_it() {
    creation().breaks("an output that a step uses is known", |case| {
        let Action::CreateObject(change) = &mut case.plan.steps[0].action else { panic!() };
        change.fields.insert("role".to_owned(), placeholder("fly.web.image").into());
    });
}

#[test]
fn an_object_is_made_only_where_it_is_known_not_to_be_and_is_ours_from_birth() {
    let rule = "an object is created only where a whole listing does not show it";
    creation().breaks(rule, |case| neon(case).objects.items.push(branch("kept", &[])));
    creation().breaks(rule, |case| neon(case).objects.completeness = incomplete());
    creation().breaks(rule, |case| case.observed.objects.clear());
    creation().breaks("nothing is created while its key is open", |case| {
        note(case, Verb::Create, NoteOutcome::Unknown, -10);
    });
    let changes: [fn(&mut ObjectMarker); 3] =
        [|marker| marker.owner = "them".into(), |marker| marker.env = "other".into(), |marker| marker.name.clear()];
    for change in changes {
        creation().breaks("what is created is marked as ours from birth", |case| {
            let Action::CreateObject(created) = &mut case.plan.steps[0].action else { panic!() };
            change(&mut created.marker);
        });
    }
    // What the provider mints an id for could be made twice.
    creation().breaks("what a provider mints an id for is not made in quarantine", |case| {
        let key = ObjectKey { object: ObjectKind::PostgresCluster, ..key("kept") };
        case.plan.steps[0].key = ResourceKey::Object(key);
        case.memory.blank_since = Some(at(-119));
    });
}

#[test]
fn nothing_is_made_beside_a_mark_while_an_earlier_write_there_may_come_late() {
    let scope = ScopeKey::new(Provider::Vercel, "p");
    let key = |object, name: &str| ObjectKey { scope: scope.clone(), object, name: name.to_owned() };
    let about_domain = |case: &mut Case, with_mark: bool| {
        let domain = key(ObjectKind::VercelDomain, "kept.example.com");
        let Action::CreateObject(created) = &mut case.plan.steps[0].action else { panic!() };
        created.marker.name.clone_from(&domain.name);
        case.plan.steps[0].key = ResourceKey::Object(domain);
        let mut mark = Object { key: key(ObjectKind::VercelMark, "kept"), ..branch("kept", &[]) };
        mark.marker.as_mut().unwrap().name = "kept".to_owned();
        let items = if with_mark { vec![mark] } else { vec![] };
        let seen = ObjectScope { objects: listing(items), out_of_reach: None, room: None };
        case.observed.objects.insert(scope.clone(), seen);
    };
    let another = |case: &mut Case, outcome| {
        note(case, Verb::Update, outcome, -119);
        case.memory.notes[0].key = ResourceKey::Object(key(ObjectKind::VercelVariables, "kept"));
    };
    let rule = "nothing is made beside a mark while an earlier write there may come late";
    creation().breaks(rule, |case| {
        about_domain(case, true);
        case.memory.blank_since = Some(at(-119));
    });
    creation().breaks(rule, |case| {
        about_domain(case, true);
        another(case, NoteOutcome::Unknown);
    });
    // One that was answered is past, one of another environment is in a mark of its own, and none can be in a mark that is not there.
    let harmless: [fn(&mut Note); 2] =
        [|note| note.outcome = NoteOutcome::Done { at: at(-1) }, |note| note.env = "other".into()];
    for change in harmless {
        let mut case = creation();
        about_domain(&mut case, true);
        another(&mut case, NoteOutcome::Unknown);
        change(&mut case.memory.notes[0]);
        assert!(!case.broken().contains(&rule));
    }
    let mut case = creation();
    about_domain(&mut case, false);
    another(&mut case, NoteOutcome::Unknown);
    case.memory.blank_since = Some(at(-119));
    assert!(!case.broken().contains(&rule));
}

#[test]
fn nothing_is_written_to_what_is_not_ours_except_to_adopt_it() {
    let rule = "nothing is written where no evidence says that it is ours";
    for case in [update, marking] {
        case().breaks(rule, |case| the_branch(case).marker = None);
        case().breaks(rule, |case| the_branch(case).marker.as_mut().unwrap().owner = "them".into());
        case().breaks(rule, |case| the_branch(case).marker.as_mut().unwrap().env = "other".into());
        // A marker that was copied names its original.
        case().breaks(rule, |case| the_branch(case).marker.as_mut().unwrap().name = "other-main".to_owned());
    }
    let mut adopted = update();
    the_branch(&mut adopted).marker = None;
    env(&mut adopted.fleet).objects[0].adopt = true;
    assert_eq!(adopted.broken(), Vec::<&str>::new());
}

#[test]
fn nothing_is_deleted_that_is_not_ours_or_not_what_was_seen() {
    let rule = "nothing is deleted that is not marked as ours, under the id that was seen";
    destruction().breaks(rule, |case| the_branch(case).marker = None);
    destruction().breaks(rule, |case| the_branch(case).marker.as_mut().unwrap().name = "other-main".to_owned());
    destruction().breaks(rule, |case| the_branch(case).id = "br-another".to_owned());
    orphan().breaks("a delete carries the proof for its own object", |case| {
        let other = case.plan.steps[0].clone();
        let Action::DeleteObject { proof, .. } = other.action else { panic!() };
        let mut other = branch("kept", &[("hangar_tombstone", at(-400).timestamp().to_string())]);
        other.id = "br-gone".to_owned();
        other.marker.as_mut().unwrap().env = "gone".into();
        case.plan.steps[0].key = ResourceKey::Object(other.key.clone());
        case.plan.steps[0].action = Action::DeleteObject { id: "br-gone".to_owned(), proof };
        neon(case).objects.items = vec![other];
    });
}

#[test]
fn nothing_is_deleted_on_an_incomplete_listing_in_quarantine_or_while_its_key_is_open() {
    for case in [orphan, ended, destruction] {
        let rule = "nothing is deleted while a listing is incomplete";
        case().breaks(rule, |case| neon(case).objects.completeness = incomplete());
        case().breaks("nothing is deleted in quarantine", |case| case.memory.blank_since = Some(at(-119)));
        case().breaks("nothing is deleted while its key is open", |case| {
            note(case, Verb::Update, NoteOutcome::Unknown, -10);
        });
    }
    let mut past = orphan();
    note(&mut past, Verb::Update, NoteOutcome::Unknown, -121);
    assert_eq!(past.broken(), Vec::<&str>::new());
    let mut answered = destruction();
    note(&mut answered, Verb::Update, NoteOutcome::Done { at: at(-5) }, -10);
    assert_eq!(answered.broken(), Vec::<&str>::new());
}

#[test]
fn nothing_protected_or_retained_is_deleted() {
    let put = |case: &mut Case, mark: &str| drop(marks(case).insert(mark.to_owned(), "1".to_owned()));
    for case in [orphan, ended, destruction] {
        case().breaks("nothing protected is deleted", |case| put(case, "hangar_protect"));
        case().breaks("nothing protected is deleted", |case| case.policy.protected = vec!["go*".to_owned()]);
    }
    for case in [orphan, ended] {
        case().breaks("nothing retained is deleted", |case| put(case, "hangar_retain"));
    }
    let mut destroyed = destruction();
    put(&mut destroyed, "hangar_retain");
    assert_eq!(destroyed.broken(), Vec::<&str>::new());
}

#[test]
fn an_orphan_goes_only_on_complete_specs_and_after_grace_from_its_tombstone() {
    let rule = "an orphan is deleted only on complete specs";
    orphan().breaks(rule, |case| case.fleet.source = incomplete());
    orphan().breaks(rule, |case| case.policy.grace = std::time::Duration::from_secs(401));
    orphan().breaks(rule, |case| marks(case).clear());
    orphan().breaks(rule, |case| {
        marks(case).insert("hangar_tombstone".to_owned(), at(-10).timestamp().to_string());
    });
    orphan().breaks(rule, |case| {
        let mut again = env(&mut case.fleet).clone();
        again.name = "gone".into();
        again.objects[0].key = key("gone");
        case.fleet.environments.insert("gone".into(), Wanted::Ready(again.into()));
    });
    let mut last = orphan();
    last.policy.grace = std::time::Duration::from_secs(400);
    assert_eq!(last.broken(), Vec::<&str>::new());
}

#[test]
fn an_ended_preview_goes_only_while_its_end_is_known_and_nobody_asks_for_it() {
    let rule = "an orphan is deleted only on complete specs";
    ended().breaks(rule, |case| case.fleet.ended.clear());
    ended().breaks(rule, |case| case.fleet.source = incomplete());
    ended().breaks(rule, |case| case.fleet.ended.values_mut().for_each(|ended| ended.at = at(1)));
    ended().breaks(rule, |case| {
        let mut again = env(&mut case.fleet).clone();
        again.name = "gone".into();
        case.fleet.environments.insert("gone".into(), Wanted::Ready(again.into()));
    });
}

/// A set of previews whose names begin like this.
fn set(completeness: Completeness, is_empty: bool, names: &str) -> PreviewSet {
    PreviewSet { completeness, is_empty, names: NamePattern::of(names) }
}

fn is_of(case: &mut Case, name: Option<&str>) {
    the_branch(case).marker.as_mut().unwrap().set = name.map(str::to_owned);
}

#[test]
fn nothing_is_deleted_that_a_set_may_want_of_which_not_everything_is_known() {
    let rule = "nothing is deleted that a set of previews may want";
    for case in [orphan, ended] {
        for name in [None, Some("silent"), Some("renamed")] {
            case().breaks(rule, |case| {
                is_of(case, name);
                case.fleet.sets.insert("silent".to_owned(), set(incomplete(), false, "pr-${{ pr.number }}"));
            });
        }
        case().breaks(rule, |case| {
            is_of(case, Some("whole"));
            case.fleet.sets.insert("whole".to_owned(), set(Completeness::Complete, false, "x"));
            case.fleet.sets.insert("silent".to_owned(), set(incomplete(), false, "go${{ pr.number }}"));
        });
        let mut other = case();
        is_of(&mut other, Some("whole"));
        other.fleet.sets.insert("whole".to_owned(), set(Completeness::Complete, false, "x"));
        other.fleet.sets.insert("silent".to_owned(), set(incomplete(), false, "pr-${{ pr.number }}"));
        assert_eq!(other.broken(), Vec::<&str>::new());
    }
    let mut destroyed = destruction();
    destroyed.fleet.sets.insert("silent".to_owned(), set(incomplete(), false, "go${{ pr.number }}"));
    assert_eq!(destroyed.broken(), Vec::<&str>::new());
}

#[test]
fn what_a_set_leaves_that_suddenly_names_no_preview_stays() {
    let rule = "what a set of previews leaves that suddenly names none";
    let emptied = |case: &mut Case| {
        is_of(case, Some("set"));
        case.fleet.sets.insert("set".to_owned(), set(Completeness::Complete, true, "x"));
    };
    orphan().breaks(rule, |case| {
        emptied(case);
        marks(case).insert("hangar_emptied".to_owned(), "1".to_owned());
    });
    let more = |case: &mut Case| {
        for env in ["two", "three"] {
            let mut other = branch(env, &[]);
            other.marker.as_mut().unwrap().set = Some("set".to_owned());
            neon(case).objects.items.push(other);
        }
    };
    orphan().breaks(rule, |case| {
        emptied(case);
        more(case);
    });
    // One or two may end together.
    let mut one = orphan();
    emptied(&mut one);
    assert_eq!(one.broken(), Vec::<&str>::new());
}

#[test]
fn no_more_is_deleted_than_the_budget_allows() {
    orphan().breaks("no more is deleted than the budget", |case| case.policy.budget.max_deletions = 0);
    let mut destroyed = destruction();
    destroyed.policy.budget.max_deletions = 0;
    assert_eq!(destroyed.broken(), Vec::<&str>::new());
}
