use super::*;
use crate::desired::Completeness;
use crate::observed::machine::{Machine, MachineState};
use crate::observed::{AppDetail, AppRow, Listing, Presence, Reading, Scope, Volume};
use crate::resource::{IpKind, MachineSlot, ObjectKey, ObjectKind, Provider, VolumeSlot};

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn slot(ordinal: u32) -> MachineSlot {
    MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal }
}

fn app() -> ResourceKey {
    ResourceKey::App { app: "a".into() }
}

fn volume_key(ordinal: u32) -> ResourceKey {
    ResourceKey::Volume { app: "a".into(), slot: VolumeSlot { name: "data".to_owned(), machine: slot(ordinal) } }
}

fn machine_key() -> ResourceKey {
    ResourceKey::Machine { app: "a".into(), slot: slot(0) }
}

/// A memory with one note, sent at 0.
fn noted(key: ResourceKey, verb: Verb, detail: &str) -> Memory {
    let mut memory = Memory::blank("i", at(-1000));
    add_note(&mut memory, key, verb, detail);
    memory
}

fn add_note(memory: &mut Memory, key: ResourceKey, verb: Verb, detail: &str) {
    let (env, detail, outcome) = ("e".into(), detail.to_owned(), NoteOutcome::Unknown);
    memory.note(Note { key, env, verb, detail, sent_at: at(0), outcome });
}

fn unread(presence: Presence) -> AppDetail {
    fn none<T>() -> Reading<T> {
        Reading::Unknown { reason: "not read".to_owned() }
    }
    AppDetail { presence, machines: none(), volumes: none(), secrets: none(), ips: none(), certificates: none() }
}

fn here() -> AppDetail {
    let row = AppRow { id: "1".to_owned(), name: "a".into(), network: String::new(), status: String::new() };
    unread(Presence::Here(row))
}

fn observed(detail: AppDetail) -> Observed {
    fn nothing<T>() -> Listing<T> {
        Listing { items: Vec::new(), completeness: Completeness::Complete, started_at: at(0) }
    }
    let details = BTreeMap::from([("a".into(), detail)]);
    let scope = Scope { apps: nothing(), machines: nothing(), volumes: nothing(), details, out_of_reach: None };
    Observed { scopes: BTreeMap::from([("o".into(), scope)]), ..Observed::default() }
}

fn known<T>(value: T, started: i64) -> Reading<T> {
    Reading::Known { value, started_at: at(started) }
}

fn volume(id: &str, attached: bool) -> Volume {
    Volume {
        app: "a".into(),
        id: id.to_owned(),
        name: "data".to_owned(),
        region: "iad".to_owned(),
        state: "created".to_owned(),
        size_gb: 1,
        attached_machine: attached.then(|| "m".to_owned()),
        snapshot_retention: None,
        auto_backup: None,
        host_ok: true,
        created_at: None,
    }
}

fn machine(id: &str) -> Machine {
    Machine {
        app: "a".into(),
        id: id.to_owned(),
        name: slot(0).machine_name(),
        region: "iad".to_owned(),
        state: MachineState::Started,
        version: String::new(),
        config: None,
        metadata: BTreeMap::new(),
        marker: None,
        image: String::new(),
        image_digest: None,
        host_ok: true,
        checks: Vec::new(),
        last_exit: None,
        started_at: None,
        created_at: None,
    }
}

fn settle(memory: &mut Memory, detail: AppDetail, now: i64) {
    memory.settle(&observed(detail), at(now), Timing::FLY, Duration::from_hours(1));
}

#[test]
fn a_write_of_unknown_outcome_keeps_its_key_open_for_f_and_s() {
    let memory = noted(app(), Verb::Create, "");
    assert!(memory.open_note(&app(), at(119), Timing::FLY).is_some());
    assert!(memory.open_note(&app(), at(120), Timing::FLY).is_none());
}

#[test]
fn a_write_that_was_answered_keeps_its_key_open_for_s_from_the_answer() {
    let mut memory = noted(app(), Verb::Create, "");
    memory.conclude(&app(), Verb::Create, Conclusion::Done { at: at(20), id: None });
    assert!(memory.open_note(&app(), at(79), Timing::FLY).is_some());
    assert!(memory.open_note(&app(), at(80), Timing::FLY).is_none());
}

#[test]
fn a_write_without_effect_opens_nothing() {
    let mut memory = noted(app(), Verb::Create, "");
    memory.conclude(&app(), Verb::Create, Conclusion::NoEffect);
    assert!(memory.open_note(&app(), at(0), Timing::FLY).is_none());
    assert!(!memory.has_created(&"a".into(), "1"));
}

#[test]
fn a_blank_memory_is_in_quarantine_for_f_and_s_and_then_as_good_as_any() {
    let mut memory = Memory::blank("i", at(0));
    assert_eq!(memory.quarantined_until(at(119), Timing::FLY), Some(at(120)));
    assert_eq!(memory.quarantined_until(at(120), Timing::FLY), None);
    settle(&mut memory, here(), 119);
    assert!(memory.blank_since.is_some());
    settle(&mut memory, here(), 120);
    assert_eq!(memory.blank_since, None);
}

#[test]
fn a_creation_is_settled_by_what_it_made_and_not_by_absence() {
    let mut memory = noted(machine_key(), Verb::Create, "launch");
    settle(&mut memory, AppDetail { machines: known(Vec::new(), 50), ..here() }, 60);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, here(), 60);
    assert_eq!(memory.notes.len(), 1, "what was not read settles nothing");
    settle(&mut memory, AppDetail { machines: known(vec![machine("m")], 50), ..here() }, 60);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn the_creation_of_what_is_made_anew_each_time_is_not_settled_by_one_that_was_there() {
    let scope = ScopeKey::new(Provider::Vercel, "p");
    let of = |object| ObjectKey { scope: scope.clone(), object, name: "e".to_owned() };
    for (object, is_settled) in [(ObjectKind::VercelDeployment, false), (ObjectKind::VercelBypass, true)] {
        let key = ResourceKey::Object(of(object));
        let mut memory = noted(key.clone(), Verb::Create, "");
        let items = vec![crate::observed::Object {
            key: of(object),
            id: "1".to_owned(),
            marker: None,
            made_by: None,
            marks: BTreeMap::new(),
            state: crate::observed::ObjectState::Ready,
            fields: BTreeMap::new(),
            bulk: String::new(),
            fingerprints: BTreeMap::new(),
            outputs: BTreeMap::new(),
            is_close: true,
            held_by: None,
            created_at: None,
        }];
        let seen = crate::observed::ObjectScope::complete(items, at(5));
        let observed = Observed { objects: BTreeMap::from([(scope.clone(), seen)]), ..Observed::default() };
        memory.settle(&observed, at(10), Timing::FLY, Duration::from_secs(1));
        assert_eq!(memory.open_note(&key, at(10), Timing::FLY).is_none(), is_settled, "{key}");
        memory.settle(&observed, at(120), Timing::FLY, Duration::from_secs(1));
        assert_eq!(memory.notes, []);
    }
}

#[test]
fn the_evidence_of_an_unanswered_creation_is_kept_when_its_app_is_seen() {
    let mut memory = noted(app(), Verb::Create, "");
    settle(&mut memory, here(), 10);
    assert!(memory.notes.is_empty());
    assert!(memory.has_created(&"a".into(), "1"));
}

#[test]
fn an_app_that_somebody_else_makes_under_the_same_name_is_not_taken_for_ours() {
    let mut answered = noted(app(), Verb::Create, "");
    answered.conclude(&app(), Verb::Create, Conclusion::Done { at: at(1), id: Some("1".to_owned()) });
    let mut unanswered = noted(app(), Verb::Create, "");
    settle(&mut unanswered, here(), 10);
    for memory in [answered, unanswered] {
        assert!(memory.has_created(&"a".into(), "1"));
        assert!(!memory.has_created(&"a".into(), "2"));
    }
}

#[test]
fn that_we_made_an_app_is_forgotten_when_it_is_deleted_or_seen_to_be_gone() {
    let born = || {
        let mut memory = noted(app(), Verb::Create, "");
        memory.conclude(&app(), Verb::Create, Conclusion::Done { at: at(1), id: None });
        memory.volumes.insert("v".to_owned(), "a".into());
        settle(&mut memory, here(), 2);
        assert!(memory.has_created(&"a".into(), "1"));
        memory
    };
    let mut memory = born();
    add_note(&mut memory, app(), Verb::Delete, "");
    memory.conclude(&app(), Verb::Delete, Conclusion::Done { at: at(5), id: None });
    assert!(!memory.has_created(&"a".into(), "1") && memory.volumes.is_empty());
    let mut memory = born();
    settle(&mut memory, unread(Presence::Unknown { reason: String::new() }), 100);
    settle(&mut memory, unread(Presence::Elsewhere), 100);
    settle(&mut memory, unread(Presence::Absent { started_at: at(0) }), 100);
    assert!(memory.has_created(&"a".into(), "1"), "only a look that began after it was made says that it is gone");
    settle(&mut memory, unread(Presence::Absent { started_at: at(90) }), 100);
    assert!(!memory.has_created(&"a".into(), "1"));
}

#[test]
fn a_deletion_is_settled_by_an_absence_that_was_seen_after_the_answer() {
    let mut memory = noted(machine_key(), Verb::Delete, "m");
    let gone = |started| AppDetail { machines: known(Vec::new(), started), ..here() };
    settle(&mut memory, gone(10), 11);
    assert_eq!(memory.notes.len(), 1, "without an answer it stays open");
    memory.conclude(&machine_key(), Verb::Delete, Conclusion::Done { at: at(20), id: None });
    settle(&mut memory, gone(19), 21);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, AppDetail { machines: known(vec![machine("m")], 30), ..here() }, 31);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, gone(20), 31);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn one_unattached_volume_settles_one_of_two_unanswered_creations() {
    let two = || {
        let mut memory = noted(volume_key(0), Verb::Create, "");
        add_note(&mut memory, volume_key(1), Verb::Create, "");
        memory
    };
    for (volumes, left) in [
        (vec![], 2),
        (vec![volume("v1", true)], 2),
        (vec![volume("v1", false)], 1),
        (vec![volume("v1", false), volume("v2", false)], 0),
    ] {
        let mut memory = two();
        settle(&mut memory, AppDetail { volumes: known(volumes, 5), ..here() }, 6);
        assert_eq!(memory.notes.len(), left);
    }
    // An answer with an id is settled by that volume alone.
    let mut memory = two();
    memory.conclude(&volume_key(0), Verb::Create, Conclusion::Done { at: at(1), id: Some("v9".to_owned()) });
    settle(&mut memory, AppDetail { volumes: known(vec![volume("v1", false)], 5), ..here() }, 6);
    assert_eq!(memory.notes.len(), 1);
    assert_eq!(memory.notes[0].key, volume_key(0));
}

#[test]
fn an_update_is_settled_by_its_answer_and_not_before() {
    let mut memory = noted(machine_key(), Verb::Update, "m");
    let seen = || AppDetail { machines: known(vec![machine("m")], 50), ..here() };
    settle(&mut memory, seen(), 60);
    assert_eq!(memory.notes.len(), 1);
    memory.conclude(&machine_key(), Verb::Update, Conclusion::Done { at: at(61), id: None });
    settle(&mut memory, seen(), 62);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn notes_of_one_key_are_kept_apart_by_what_they_do() {
    let mut memory = noted(app(), Verb::Update, "");
    add_note(&mut memory, app(), Verb::Delete, "");
    add_note(&mut memory, app(), Verb::Delete, "again");
    assert_eq!(memory.notes.len(), 2);
    memory.conclude(&app(), Verb::Delete, Conclusion::NoEffect);
    assert_eq!(memory.notes[0].verb, Verb::Update);
}

#[test]
fn an_address_is_settled_by_its_kind() {
    let key = ResourceKey::Ip { app: "a".into(), ip: IpKind::V6 };
    let seen = |kind| {
        let ip = crate::observed::Ip { address: "x".to_owned(), kind: Some(kind) };
        AppDetail { ips: known(vec![ip], 5), ..here() }
    };
    let mut memory = noted(key, Verb::Create, "");
    settle(&mut memory, seen(IpKind::V4), 6);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, seen(IpKind::V6), 6);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn deletions_count_for_the_window_of_the_budget() {
    let mut memory = Memory::blank("i", at(0));
    memory.deletions.push(("e".to_owned(), at(0)));
    settle(&mut memory, here(), 3599);
    assert_eq!(memory.deletions.len(), 1);
    settle(&mut memory, here(), 3600);
    assert_eq!(memory.deletions.len(), 0);
}

#[test]
fn a_mark_on_an_app_stays_open_while_listings_may_not_show_it() {
    let mut memory = noted(app(), Verb::Update, "m");
    memory.conclude(&app(), Verb::Update, Conclusion::Done { at: at(1), id: None });
    settle(&mut memory, here(), 60);
    assert!(
        memory.open_note(&app(), at(60), Timing::FLY).is_some(),
        "a direct request shows it earlier than a listing"
    );
    settle(&mut memory, here(), 61);
    assert!(memory.open_note(&app(), at(61), Timing::FLY).is_none());
}

#[test]
fn a_persons_end_waits_for_what_may_still_happen_and_not_for_what_has() {
    let end = |memory: &Memory, now: i64| memory.open_note_for_end(&app(), at(now), Timing::FLY).map(|note| note.verb);
    for verb in [Verb::Create, Verb::Update, Verb::Delete] {
        let mut memory = noted(app(), verb, "");
        assert_eq!((end(&memory, 119), end(&memory, 120)), (Some(verb), None), "no answer");
        memory.conclude(&app(), verb, Conclusion::Done { at: at(20), id: None });
        let open = (verb != Verb::Update).then_some(verb);
        assert_eq!((end(&memory, 79), end(&memory, 80)), (open, None), "answered");
        assert!(memory.open_note(&app(), at(79), Timing::FLY).is_some(), "for everything else its key is open");
    }
    // A note of another object says nothing of this one, and of several the one counts that lasts longest.
    assert_eq!(end(&noted(machine_key(), Verb::Create, "launch"), 10), None);
    let mut memory = noted(app(), Verb::Update, "");
    add_note(&mut memory, app(), Verb::Delete, "");
    memory.conclude(&app(), Verb::Delete, Conclusion::Done { at: at(1), id: None });
    assert_eq!((end(&memory, 60), end(&memory, 61)), (Some(Verb::Update), Some(Verb::Update)));
}

#[test]
fn only_an_attempt_to_make_an_app_that_had_no_answer_is_evidence_that_we_made_it() {
    assert!(noted(app(), Verb::Create, "").has_created(&"a".into(), "1"));
    for verb in [Verb::Update, Verb::Delete] {
        assert!(!noted(app(), verb, "").has_created(&"a".into(), "1"), "{verb:?}");
    }
    assert!(!noted(app(), Verb::Create, "").has_created(&"b".into(), "1"));
    assert!(!noted(machine_key(), Verb::Create, "").has_created(&"a".into(), "1"));
}

#[test]
fn the_name_of_an_app_that_we_deleted_is_known_for_as_long_as_a_request_may_take_effect() {
    let mut memory = noted(app(), Verb::Delete, "");
    memory.conclude(&app(), Verb::Delete, Conclusion::Done { at: at(10), id: None });
    let freed = |memory: &mut Memory, now| {
        settle(memory, unread(Presence::Elsewhere), now);
        memory.freed.len()
    };
    assert_eq!((freed(&mut memory, 129), freed(&mut memory, 130)), (1, 0));
}

#[test]
fn a_note_is_cleared_in_the_moment_that_its_time_is_over() {
    let mut memory = noted(app(), Verb::Delete, "");
    settle(&mut memory, here(), 119);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, here(), 120);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn the_deletion_of_an_app_is_settled_by_a_later_look_that_finds_none() {
    let deleted = || {
        let mut memory = noted(app(), Verb::Delete, "");
        memory.conclude(&app(), Verb::Delete, Conclusion::Done { at: at(20), id: None });
        memory
    };
    for (started_at, left) in [(19, 1), (20, 0)] {
        let mut memory = deleted();
        settle(&mut memory, unread(Presence::Absent { started_at: at(started_at) }), 30);
        assert_eq!(memory.notes.len(), left, "{started_at}");
    }
    let mut memory = deleted();
    settle(&mut memory, here(), 30);
    assert_eq!(memory.notes.len(), 1);
}

#[test]
fn a_certificate_is_settled_by_its_hostname() {
    let key = ResourceKey::Certificate { app: "a".into(), hostname: "a.example".to_owned() };
    let seen = |hostname: &str| {
        let (hostname, status) = (hostname.to_owned(), String::new());
        let certificate = crate::observed::Certificate { hostname, configured: true, status };
        AppDetail { certificates: known(vec![certificate], 5), ..here() }
    };
    let mut memory = noted(key, Verb::Create, "");
    settle(&mut memory, seen("b.example"), 6);
    assert_eq!(memory.notes.len(), 1);
    settle(&mut memory, seen("a.example"), 6);
    assert_eq!(memory.notes.len(), 0);
}

#[test]
fn that_we_made_an_app_is_not_forgotten_while_a_write_to_it_is_open() {
    let born = || {
        let mut memory = noted(app(), Verb::Create, "");
        memory.conclude(&app(), Verb::Create, Conclusion::Done { at: at(1), id: None });
        settle(&mut memory, here(), 2);
        memory
    };
    let absent = || unread(Presence::Absent { started_at: at(90) });
    let mut open = born();
    add_note(&mut open, machine_key(), Verb::Update, "m");
    settle(&mut open, absent(), 100);
    assert!(open.has_created(&"a".into(), "1"));
    let mut elsewhere = born();
    add_note(&mut elsewhere, ResourceKey::App { app: "b".into() }, Verb::Update, "");
    settle(&mut elsewhere, absent(), 100);
    assert!(!elsewhere.has_created(&"a".into(), "1"));
}

#[test]
fn what_is_made_anew_by_each_write_stays_open_until_every_listing_shows_it() {
    use crate::resource::{ObjectKey, ObjectKind, Provider, ScopeKey};
    let of = |object| {
        let scope = ScopeKey { provider: Provider::Vercel, name: "acme/web".to_owned() };
        ResourceKey::Object(ObjectKey { scope, object, name: "e".to_owned() })
    };
    let timing = Timing::FLY;
    for (kind, stays) in [(ObjectKind::VercelDeployment, true), (ObjectKind::VercelDomain, false)] {
        let mut memory = noted(of(kind), Verb::Update, "");
        memory.conclude(&of(kind), Verb::Update, Conclusion::Done { at: at(1), id: None });
        settle(&mut memory, here(), 2);
        assert_eq!(memory.open_note(&of(kind), at(2), timing).is_some(), stays, "{kind:?}");
        assert_eq!(memory.open_note_for_end(&of(kind), at(2), timing).is_some(), stays, "{kind:?}");
        assert!(memory.open_note(&of(kind), at(62), timing).is_none());
    }
}
