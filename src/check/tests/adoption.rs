//! Adoption of what older tooling has left.

use std::collections::BTreeMap;

use super::case::{Case, at, fleet, machine, marker, observed, row, scope, unread};
use crate::desired::{Completeness, NamePattern, Wanted};
use crate::observed::{AppDetail, AppRow, Machine, Presence, Reading, Secret};
use crate::plan::{Action, Purpose, Request};
use crate::resource::marker::{self as marks, MachineMarker};

/// `left-web`, which older tooling has left with one machine, is adopted by a pattern.
fn adoption() -> Case {
    let mut observed = observed(&[marker("kept")]);
    let left = AppRow { network: String::new(), ..row("left", 0) };
    let machine = Machine { marker: None, metadata: BTreeMap::new(), ..machine(&marker("left")) };
    let detail = AppDetail {
        machines: Reading::Known { value: vec![machine.clone()], started_at: at(0) },
        secrets: Reading::Known { value: Vec::new(), started_at: at(0) },
        ..unread(Presence::Here(left.clone()))
    };
    let scope = scope(&mut observed);
    scope.details.insert(left.name.clone(), detail);
    scope.apps.items.push(left);
    scope.machines.items.push(machine);
    let pattern = NamePattern::written("left-*").unwrap();
    let purpose = Purpose::Adopt(crate::plan::Adoption { pattern, consent: None });
    Case::of(fleet(&["kept"], ""), observed, &Request { purpose, dry_run: true, ..Request::default() })
}

#[test]
fn nothing_is_adopted_that_says_it_is_somebodys() {
    let rule = "nothing is adopted by a pattern that says it is somebody's";
    let mark = |case: &mut Case, key: &str, marker: Option<&str>| {
        let machine = scope(&mut case.observed).machines.items.last_mut().unwrap();
        machine.metadata.insert(key.to_owned(), marker.unwrap_or("true").to_owned());
        machine.marker = MachineMarker::parse(&machine.metadata);
    };
    for key in ["hangar_protect", "hangar_retain"] {
        adoption().breaks(rule, |case| mark(case, key, None));
    }
    adoption().breaks(rule, |case| mark(case, "hangar_owner", Some("them")));
    adoption().breaks(rule, |case| {
        let theirs = MachineMarker { owner: "them".into(), ..marker("left") };
        *scope(&mut case.observed).machines.items.last_mut().unwrap() = machine(&theirs);
    });
    adoption().breaks(rule, |case| scope(&mut case.observed).apps.items[1].network = "hangar-them-0".to_owned());
    adoption().breaks(rule, |case| case.policy.protected.push("left-*".to_owned()));
    for name in ["HANGAR_OWNED_0123456789ABCDEF", marks::PROTECTED_SECRET, marks::RETAINED_SECRET] {
        adoption().breaks(rule, |case| {
            let detail = scope(&mut case.observed).details.values_mut().next().unwrap();
            let Reading::Known { value, .. } = &mut detail.secrets else { panic!() };
            value.push(Secret { name: name.to_owned(), digest: String::new(), created_at: None });
        });
    }
    adoption().breaks(rule, |case| scope(&mut case.observed).details.clear());
}

#[test]
fn nothing_is_adopted_that_may_be_wanted_and_nothing_but_one_set() {
    let rule = "nothing is adopted by a pattern that a spec may ask for";
    let gap = || Completeness::Incomplete { reason: String::new() };
    adoption().breaks(rule, |case| case.fleet.source = gap());
    adoption().breaks(rule, |case| scope(&mut case.observed).volumes.completeness = gap());
    adoption().breaks(rule, |case| case.fleet = fleet(&["left"], ""));
    adoption().breaks(rule, |case| {
        let broken = Wanted::Broken { reason: String::new() };
        case.fleet.environments.insert("broken".into(), broken);
    });
    adoption().breaks("what is adopted by a pattern is one set", |case| {
        if let Action::AdoptApp { consent, .. } = &mut case.plan.steps[0].action {
            consent.clear();
        }
    });
}
