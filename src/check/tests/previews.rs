//! What is said of previews: their end is known, and no set of theirs wants them or has suddenly lost all.

use std::collections::BTreeMap;

use super::case::{Case, at, machine, marker, scope};
use crate::desired::{Completeness, NamePattern, PreviewSet};
use crate::resource::marker::MachineMarker;

#[test]
fn an_ended_preview_is_deleted_only_while_its_end_is_known_and_nobody_asks_for_it() {
    let rule = "an orphan is deleted only on complete listings";
    Case::ended().breaks(rule, |case| case.fleet.ended.clear());
    Case::ended().breaks(rule, |case| case.leave_only(&[], "hangar-us-0"));
    Case::ended().breaks(rule, |case| case.fleet.ended.values_mut().for_each(|ended| ended.at = at(1)));
    Case::ended().breaks(rule, |case| case.fleet.source = Completeness::Incomplete { reason: String::new() });
    Case::ended().breaks(rule, |case| {
        let kept = case.fleet.environments.values().next().cloned().unwrap();
        case.fleet.environments.insert("gone".into(), kept);
    });
}

#[test]
fn nothing_is_deleted_that_a_set_may_want_of_which_not_everything_is_known() {
    let rule = "nothing is deleted that a set of previews may want";
    let is_of = |case: &mut Case, set: Option<&str>, silent_names: &str| {
        case.mark(|marker| marker.set = set.map(str::to_owned));
        let set = |completeness, names| PreviewSet { completeness, is_empty: false, names: NamePattern::of(names) };
        let incomplete = Completeness::Incomplete { reason: "no answer".to_owned() };
        let silent = set(incomplete, silent_names);
        let whole = set(Completeness::Complete, "go${{ pr.number }}");
        case.fleet.sets = BTreeMap::from([("silent".to_owned(), silent), ("whole".to_owned(), whole)]);
    };
    for case in [Case::orphan, Case::ended] {
        case().breaks(rule, |case| is_of(case, None, "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("silent"), "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("unknown"), "pr-${{ pr.number }}"));
        case().breaks(rule, |case| is_of(case, Some("whole"), "${{ pr.number }}"));
        let mut case = case();
        is_of(&mut case, Some("whole"), "pr-${{ pr.number }}");
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn several_previews_of_a_set_that_names_none_are_deleted_only_when_a_person_has_let_them_go() {
    let rule = "what a set of previews leaves that suddenly names none";
    let of_set = |case: &mut Case, is_empty: bool, others: &[&str]| {
        let names = NamePattern::of("${{ branch.slug }}");
        case.fleet.sets =
            BTreeMap::from([("chat".to_owned(), PreviewSet { completeness: Completeness::Complete, is_empty, names })]);
        case.mark(|marker| marker.set = Some("chat".to_owned()));
        for env in others {
            let more = machine(&MachineMarker { set: Some("chat".to_owned()), ..marker(env) });
            scope(&mut case.observed).machines.items.push(more);
        }
    };
    Case::orphan().breaks(rule, |case| of_set(case, true, &["pr-1", "pr-2"]));
    Case::orphan().breaks(rule, |case| {
        of_set(case, true, &[]);
        let held = ("hangar_emptied".to_owned(), "1".to_owned());
        scope(&mut case.observed).machines.items[0].metadata.extend([held]);
    });
    for (is_empty, others) in [(true, &["pr-1"][..]), (true, &["pr-1", "pr-1"]), (false, &["pr-1", "pr-2"])] {
        let mut case = Case::orphan();
        of_set(&mut case, is_empty, others);
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
    // What somebody has closed or asks for was not left.
    let mut case = Case::orphan();
    of_set(&mut case, true, &["pr-1", "pr-2"]);
    let ended = crate::desired::Ended { set: "chat".to_owned(), at: at(0), reason: "it was closed".to_owned() };
    case.fleet.ended.insert("pr-1".into(), ended);
    assert_eq!(case.broken(), Vec::<&str>::new());
    let mut case = Case::orphan();
    of_set(&mut case, true, &["pr-1", "kept"]);
    assert_eq!(case.broken(), Vec::<&str>::new());
}
