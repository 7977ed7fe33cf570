//! What is read again of an app just before it is deleted: whether everything that the plan relied on still holds.

use chrono::{DateTime, TimeDelta, Utc};

use super::ownership::{Ownership, ownership};
use super::{AppRow, Machine, Secret};
use crate::resource::marker::{
    FINALIZED, FINALIZER_GROUP, FINALIZING, MachineMarker, PREFIX, PROTECTED_SECRET, RETAINED_SECRET, TOMBSTONE_SECRET,
};
use crate::resource::{EnvName, OwnerId};

/// What an app must still be like to be deleted.
#[derive(Debug, Clone, Copy)]
pub struct Deletable<'d> {
    /// The owner that the app must still belong to.
    pub owner: &'d OwnerId,
    /// Whether a tombstone must still stand, because nobody in person asked for the deletion.
    pub needs_tombstone: bool,
    /// Whether we created it, so that what is in it goes with it.
    pub created_by_us: bool,
    /// The environment that it must still belong to, where its machines say one.
    pub env: &'d EnvName,
    /// What is run before it is deleted must have ended by then, or its time be over.
    pub now: DateTime<Utc>,
}

/// What keeps an app, as it was read just now, from being deleted.
pub fn problem_with_deleting(
    app: &AppRow,
    machines: &[Machine],
    secrets: &[Secret],
    expected: Deletable<'_>,
) -> Option<String> {
    match ownership(expected.owner, app, machines.iter(), secrets) {
        Ownership::NotOurs { reason } => return Some(reason),
        Ownership::Ours { env: Some(env), .. } if env != *expected.env => {
            return Some(format!("it belongs to environment `{env}` now"));
        }
        Ownership::Ours { .. } => {}
    }
    let owned: Vec<_> = machines.iter().filter_map(|machine| machine.owned_by(expected.owner)).collect();
    let is_marked = |key: &str| machines.iter().any(|machine| machine.metadata.contains_key(&format!("{PREFIX}{key}")));
    let is_named = |name: &str| secrets.iter().any(|secret| secret.name == name);
    if is_marked("protect") || is_named(PROTECTED_SECRET) {
        return Some("it has been protected since".to_owned());
    }
    if expected.needs_tombstone && (is_marked("retain") || is_named(RETAINED_SECRET)) {
        return Some("it is to be retained".to_owned());
    }
    if expected.needs_tombstone && is_marked("held") {
        return Some("its deletion is held, because there were too many".to_owned());
    }
    if expected.needs_tombstone && is_marked("emptied") {
        return Some("its deletion is held, because its set suddenly names no preview".to_owned());
    }
    let has_tombstone = owned.iter().any(|marker| marker.tombstone.is_some()) || is_named(TOMBSTONE_SECRET);
    if expected.needs_tombstone && !has_tombstone {
        return Some("its tombstone has been taken away, so somebody wants it again".to_owned());
    }
    if let Some(name) = not_run(&owned, machines, expected.now) {
        return Some(format!("finalizer `{name}` is to be run before"));
    }
    if !expected.created_by_us && owned.len() < machines.len() {
        return Some("it holds machines that are not ours".to_owned());
    }
    None
}

/// What is to be run before the app is deleted, has not ended, and may still do so in its time.
fn not_run<'m>(owned: &[&'m MachineMarker], machines: &[Machine], now: DateTime<Utc>) -> Option<&'m str> {
    let texts = |key: &'static str| machines.iter().filter_map(move |machine| machine.metadata.get(key));
    let moments = texts(FINALIZING).filter_map(|text| text.parse().ok());
    let since = moments.filter_map(|at| DateTime::from_timestamp(at, 0)).min();
    let has_ended = |name: &str| {
        texts(FINALIZED).flat_map(|text| text.split(',')).any(|text| text.starts_with(&format!("{name}=")))
    };
    let is_over = |within: u64| {
        let within = i64::try_from(within).ok().and_then(TimeDelta::try_seconds);
        within.zip(since).and_then(|(within, since)| since.checked_add_signed(within)).is_some_and(|over| over <= now)
    };
    let markers = owned.iter().filter(|marker| !marker.slot.group.starts_with(FINALIZER_GROUP));
    let newest = markers.max_by_key(|marker| (marker.writer.as_ref().map(|writer| writer.at), &marker.slot));
    let mut all = newest.into_iter().flat_map(|marker| &marker.finalizers);
    let open = all.find(|finalizer| !has_ended(&finalizer.name) && !is_over(finalizer.within))?;
    Some(&open.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::fixture::machine;
    use crate::resource::marker::{app_marker_secret, network_name};

    /// What keeps an app from being deleted whose orphaned end was planned (or, where `requested`, which a person wants to end).
    fn problem(
        network: &str,
        machines: &[Machine],
        secrets: &[&str],
        requested: bool,
        created: bool,
    ) -> Option<String> {
        let app = AppRow { id: "1".to_owned(), name: "a".into(), network: network.to_owned(), status: String::new() };
        let secret = |name: &&str| Secret { name: (*name).to_owned(), digest: String::new(), created_at: None };
        let secrets: Vec<Secret> = secrets.iter().map(secret).collect();
        let expected = Deletable {
            owner: &"us".into(),
            needs_tombstone: !requested,
            created_by_us: created,
            env: &"e".into(),
            now: now(),
        };
        problem_with_deleting(&app, machines, &secrets, expected)
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_600, 0).unwrap()
    }

    #[test]
    fn nothing_goes_before_what_is_to_be_run_has_ended_or_its_time_is_over() {
        let network = network_name(&"us".into(), 3);
        let dump = ("hangar_finalizers", r#"[{"within":600,"name":"dump","command":["d"]}]"#);
        let after = |marks: &[(&str, &str)]| {
            let marks: Vec<(&str, &str)> = marks.iter().copied().chain([TOMBSTONE, dump]).collect();
            problem(&network, &[machine(&marks)], &[], false, true)
        };
        for marks in [
            &[][..],
            &[("hangar_finalizing", "1800000001")],
            &[("hangar_finalizing", "nonsense")],
            &[("hangar_finalizing", "1800000500"), ("hangar_finalized", "dumped=0,other=1")],
        ] {
            assert!(after(marks).unwrap().contains("`dump`"), "{marks:?}");
        }
        assert_eq!(after(&[("hangar_finalizing", "1800000000")]), None, "its time is over");
        assert_eq!(after(&[("hangar_finalizing", "1800000500"), ("hangar_finalized", "other=1,dump=3")]), None);
    }

    const TOMBSTONE: (&str, &str) = ("hangar_tombstone", "1800000000");

    #[test]
    fn an_orphan_may_go_while_its_tombstone_stands_on_a_machine_or_as_a_secret() {
        let network = network_name(&"us".into(), 3);
        assert_eq!(problem(&network, &[machine(&[TOMBSTONE])], &[], false, true), None);
        assert_eq!(problem(&network, &[], &[TOMBSTONE_SECRET], false, true), None);
        assert_eq!(problem(&network, &[machine(&[]), machine(&[TOMBSTONE])], &[], false, true), None);
        let own = app_marker_secret(&"us".into(), &"a".into());
        assert_eq!(problem("default", &[], &[&own, TOMBSTONE_SECRET], false, true), None);
        for machines in [vec![machine(&[])], vec![]] {
            let problem = problem(&network, &machines, &["OTHER"], false, true).unwrap();
            assert!(problem.contains("tombstone"), "{problem}");
        }
        // Somebody else's mark is no tombstone of ours.
        let theirs = machine(&[TOMBSTONE, ("hangar_owner", "them")]);
        assert!(problem(&network, &[machine(&[]), theirs], &[], false, true).unwrap().contains("tombstone"));
    }

    #[test]
    fn nothing_goes_that_is_protected_retained_or_held_since() {
        let network = network_name(&"us".into(), 3);
        let stranger = |mark: &str| machine(&[("hangar_owner", ""), (mark, "true")]);
        for (mark, secret, word, also_requested) in [
            ("hangar_protect", PROTECTED_SECRET, "protected", true),
            ("hangar_retain", RETAINED_SECRET, "retained", false),
        ] {
            let marked = [machine(&[TOMBSTONE, (mark, "true")])];
            let beside = [machine(&[TOMBSTONE]), stranger(mark)];
            let named = [machine(&[TOMBSTONE])];
            for (machines, secrets) in [(&marked[..], &[][..]), (&beside[..], &[][..]), (&named[..], &[secret][..])] {
                let problem_of = |requested| problem(&network, machines, secrets, requested, true);
                assert!(problem_of(false).unwrap().contains(word), "{mark}");
                assert_eq!(problem_of(true).is_some(), also_requested, "{mark}");
            }
        }
        for (mark, word) in [("hangar_held", "too many"), ("hangar_emptied", "names no preview")] {
            let held = [machine(&[TOMBSTONE, (mark, "1800000000")])];
            assert!(problem(&network, &held, &[], false, true).unwrap().contains(word), "{mark}");
            assert_eq!(problem(&network, &held, &[], true, true), None, "a person wants it gone");
        }
    }

    #[test]
    fn nothing_goes_that_is_another_ones_now() {
        let network = network_name(&"us".into(), 3);
        for requested in [false, true] {
            let elsewhere = machine(&[TOMBSTONE, ("hangar_env", "other")]);
            assert!(problem(&network, &[elsewhere], &[], requested, true).unwrap().contains("`other`"));
            let theirs = machine(&[TOMBSTONE, ("hangar_owner", "them")]);
            assert!(problem(&network, &[theirs], &[TOMBSTONE_SECRET], requested, true).unwrap().contains("owner them"));
            let unmarked = problem("default", &[], &[TOMBSTONE_SECRET], requested, true);
            assert!(unmarked.unwrap().contains("no marker of ours"));
        }
    }

    #[test]
    fn an_adopted_app_goes_only_when_everything_in_it_is_ours() {
        let (ours, unmarked) = (machine(&[TOMBSTONE]), machine(&[("hangar_owner", "")]));
        assert_eq!(problem("default", std::slice::from_ref(&ours), &[], false, false), None);
        let mixed = [ours, unmarked];
        for requested in [false, true] {
            assert!(problem("default", &mixed, &[], requested, false).unwrap().contains("not ours"));
        }
        // What is in an app that we made goes with it.
        assert_eq!(problem(&network_name(&"us".into(), 3), &mixed, &[], false, true), None);
    }
}
