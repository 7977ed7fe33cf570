//! Nothing is touched without evidence that it is ours, nor deleted while another instance writes.

use super::case::{Case, at, fleet, machine, marker, observed, scope, unread};
use crate::observed::machine::Machine;
use crate::observed::{AppDetail, Presence, Reading};
use crate::plan::{Action, Request, Step};
use crate::resource::marker::{self, MachineMarker, WriterStamp, app_marker_secret, network_name};

#[test]
fn nothing_is_deleted_without_evidence_that_it_is_ours() {
    let rule = "nothing is written where no evidence says that it is ours";
    let ours = app_marker_secret(&"us".into(), &"gone-web".into());
    // Neither a machine nor the network nor a secret's name says so; then a secret's name does.
    Case::orphan().breaks(rule, |case| case.leave_only(&[marker::TOMBSTONE_SECRET], ""));
    let mut case = Case::orphan();
    case.leave_only(&[marker::TOMBSTONE_SECRET, &ours], "");
    assert_eq!(case.broken(), Vec::<&str>::new());
    // The network does, and somebody else's marker or one that cannot be read speaks against it.
    let mut case = Case::orphan();
    case.leave_only(&[marker::TOMBSTONE_SECRET], &network_name(&"us".into(), 0));
    assert_eq!(case.broken(), Vec::<&str>::new());
    for damage in [("hangar_owner", "them"), ("hangar_slot", "nonsense")] {
        Case::orphan().breaks(rule, |case| {
            case.leave_only(&[marker::TOMBSTONE_SECRET], &network_name(&"us".into(), 0));
            let mut theirs = machine(&marker("gone"));
            theirs.metadata.insert(damage.0.to_owned(), damage.1.to_owned());
            theirs.marker = MachineMarker::parse(&theirs.metadata);
            scope(&mut case.observed).machines.items.push(theirs);
        });
    }
}

#[test]
fn nothing_is_deleted_while_another_instance_writes() {
    let stamp = |instance: &str, second| Some(WriterStamp { instance: instance.to_owned(), at: at(second) });
    Case::orphan().breaks("nothing is deleted while another instance", |case| {
        case.mark(|marker| marker.writer = stamp("that", -10));
    });
    for writer in [stamp("this", -10), stamp("that", -700)] {
        let mut case = Case::orphan();
        case.mark(|marker| marker.writer = writer);
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn the_newest_stamp_is_what_counts_of_other_writers() {
    let rule = "nothing is deleted while another instance";
    let stamp = |instance: &str, second| Some(WriterStamp { instance: instance.to_owned(), at: at(second) });
    let beside = |case: &mut Case, first: Option<WriterStamp>, second: Option<WriterStamp>| {
        case.mark(|marker| marker.writer = first);
        let mut other = machine(&MachineMarker { writer: second, ..marker("gone") });
        other.id = "another".to_owned();
        scope(&mut case.observed).machines.items.push(other);
    };
    Case::orphan().breaks(rule, |case| beside(case, stamp("this", -20), stamp("that", -10)));
    let mut case = Case::orphan();
    beside(&mut case, stamp("this", -10), stamp("that", -20));
    assert_eq!(case.broken(), Vec::<&str>::new());
    // Stamped in the moment that this run began: it was before.
    let mut case = Case::orphan();
    case.mark(|marker| marker.writer = stamp("that", -600));
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn what_carries_the_mark_of_another_environment_is_not_deleted() {
    let rule = "nothing is written where no evidence says that it is ours";
    Case::orphan().breaks(rule, |case| {
        let mut other = machine(&MachineMarker { app: "gone-web".into(), ..marker("kept") });
        other.id = "another".to_owned();
        scope(&mut case.observed).machines.items.push(other);
    });
    // A marker that names another app is a copy, and no evidence.
    Case::orphan().breaks("", |case| {
        case.mark(|marker| marker.app = "kept-web".into());
        let scope = scope(&mut case.observed);
        scope.machines.items[0].app = "gone-web".into();
        scope.apps.items[0].network = String::new();
    });
}

#[test]
fn machines_are_destroyed_marked_and_started_only_by_their_own_marker() {
    let rule = "nothing is written where no evidence says that it is ours";
    // A surplus machine of a wanted environment.
    let surplus = || {
        let mut second = marker("kept");
        second.slot.ordinal = 1;
        second.name = second.slot.machine_name();
        let mut observed = observed(&[marker("kept")]);
        let scope = scope(&mut observed);
        scope.machines.items.push(Machine { id: "m-extra".to_owned(), ..machine(&second) });
        let detail = AppDetail {
            machines: Reading::Known { value: scope.machines.items.clone(), started_at: at(0) },
            volumes: Reading::Known { value: Vec::new(), started_at: at(0) },
            secrets: Reading::Known { value: Vec::new(), started_at: at(0) },
            ips: Reading::Known { value: Vec::new(), started_at: at(0) },
            certificates: Reading::Known { value: Vec::new(), started_at: at(0) },
            ..unread(Presence::Here(scope.apps.items[0].clone()))
        };
        scope.details.insert("kept-web".into(), detail);
        let case = Case::of(fleet(&["kept"], ""), observed, &Request::default());
        let is_destroyed = |step: &Step| matches!(&step.action, Action::DestroyMachine { id, .. } if id == "m-extra");
        assert!(case.plan.steps.iter().any(is_destroyed), "{:#?}", case.plan);
        case
    };
    let change = |case: &mut Case, change: fn(&mut Vec<Machine>)| {
        let scope = scope(&mut case.observed);
        change(&mut scope.machines.items);
        let detail = scope.details.values_mut().next().unwrap();
        let Reading::Known { value, .. } = &mut detail.machines else { panic!() };
        change(value);
    };
    surplus().breaks(rule, |case| change(case, |machines| machines.truncate(1)));
    surplus().breaks(rule, |case| change(case, |machines| machines[1].marker = None));
    // Marks of an orphan, on a machine that lost its marker.
    let marking = || {
        let case = Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &Request::default());
        assert!(matches!(case.plan.steps[0].action, Action::MarkMachine { .. }));
        case
    };
    marking().breaks(rule, |case| scope(&mut case.observed).machines.items[0].marker = None);
}

/// A wanted app of which everything was read, with two machines of ours in one slot: the younger is marked.
fn doubled() -> Case {
    let mut observed = observed(&[marker("kept")]);
    let scope = scope(&mut observed);
    let mut double = machine(&marker("kept"));
    double.id = "m-double".to_owned();
    double.created_at = Some(at(-10));
    scope.machines.items.push(double);
    let detail = AppDetail {
        machines: Reading::Known { value: scope.machines.items.clone(), started_at: at(0) },
        volumes: Reading::Known { value: Vec::new(), started_at: at(0) },
        secrets: Reading::Known { value: Vec::new(), started_at: at(0) },
        ips: Reading::Known { value: Vec::new(), started_at: at(0) },
        certificates: Reading::Known { value: Vec::new(), started_at: at(0) },
        ..unread(Presence::Here(scope.apps.items[0].clone()))
    };
    scope.details.insert("kept-web".into(), detail);
    let case = Case::of(fleet(&["kept"], ""), observed, &Request::default());
    let is_marked = |step: &Step| matches!(&step.action, Action::MarkMachine { id, .. } if id == "m-double");
    assert!(case.plan.steps.iter().any(is_marked), "{:#?}", case.plan);
    case
}

fn adopt(case: &mut Case) {
    for wanted in case.fleet.environments.values_mut() {
        let crate::desired::Wanted::Ready(env) = wanted else { panic!() };
        env.apps.iter_mut().for_each(|app| app.adopt = true);
    }
}

#[test]
fn what_is_not_ours_is_written_to_only_where_its_spec_adopts_it_and_is_never_deleted() {
    let rule = "nothing is written where no evidence says that it is ours";
    let unmark = |case: &mut Case| {
        let scope = scope(&mut case.observed);
        scope.machines.items.iter_mut().for_each(|machine| machine.marker = None);
        let detail = scope.details.values_mut().next().unwrap();
        let Reading::Known { value, .. } = &mut detail.machines else { panic!() };
        for machine in value {
            machine.marker = None;
        }
    };
    doubled().breaks(rule, unmark);
    let mut case = doubled();
    unmark(&mut case);
    adopt(&mut case);
    assert_eq!(case.broken(), Vec::<&str>::new());
    // Of a second app in the spec, adoption says nothing about this one.
    doubled().breaks(rule, |case| {
        unmark(case);
        case.plan.steps.iter_mut().for_each(|step| step.env = "kept".into());
        let crate::desired::Wanted::Ready(env) = case.fleet.environments.values_mut().next().unwrap() else { panic!() };
        let other = crate::desired::App { name: "other".into(), adopt: true, ..env.apps[0].clone() };
        env.apps.push(other);
    });
    let request = Request { purpose: crate::plan::Purpose::Destroy("gone".into()), ..Request::default() };
    Case::of(fleet(&["gone"], ""), observed(&[marker("gone")]), &request).breaks(rule, |case| {
        adopt(case);
        case.leave_only(&[], "");
    });
}

#[test]
fn an_app_that_the_same_plan_makes_is_ours_and_another_one_is_not() {
    Case::creation().breaks("nothing is written where no evidence says that it is ours", |case| {
        let step = |env: &str, is_it: fn(&Action) -> bool| {
            let mut steps = case.plan.steps.iter();
            steps.find(|step| step.env == env.into() && is_it(&step.action)).unwrap().id
        };
        let other = step("one", |action| matches!(action, Action::CreateApp { .. }));
        let written = step("two", |action| matches!(action, Action::AllocateIp(_)));
        case.plan.steps[written.0].after = vec![other];
    });
}

#[test]
fn an_app_that_was_only_read_directly_is_judged_by_its_network() {
    let mut case = Case::orphan();
    case.leave_only(&[marker::TOMBSTONE_SECRET], &network_name(&"us".into(), 0));
    scope(&mut case.observed).apps.items.remove(0);
    assert_eq!(case.broken(), Vec::<&str>::new());
}
