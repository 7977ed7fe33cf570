//! Steps in their order, within their level, once for each object, and in networks of their own.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, at, fleet, machine, marker, observed, row, scope};
use crate::desired::Wanted;
use crate::memory::{Note, NoteOutcome, Verb};
use crate::observed::AppRow;
use crate::plan::{Action, Purpose, Request, Step, StepId};
use crate::resource::ResourceKey;
use crate::resource::marker::{MachineMarker, network_name};

#[test]
fn steps_are_within_the_level_and_only_in_environments_that_are_at_work() {
    Case::creation().breaks("a step is within the level", |case| {
        case.fleet = fleet(&["one", "two"], "level: observe,");
    });
    let at_rest = "nothing is done in an environment that is paused";
    Case::creation().breaks(at_rest, |case| case.fleet = fleet(&["one", "two"], "pause: true,"));
    Case::creation().breaks(at_rest, |case| case.policy.regions = BTreeSet::from(["ams".to_owned()]));
    Case::creation().breaks(at_rest, |case| {
        case.fleet.environments.insert("one".into(), Wanted::Broken { reason: String::new() });
    });
}

#[test]
fn isolated_environments_do_not_share_a_network() {
    Case::creation().breaks("an isolated environment gets a network of its own", |case| {
        for step in &mut case.plan.steps {
            if let Action::CreateApp { network } = &mut step.action {
                *network = Some(network_name(&"us".into(), 5));
            }
        }
    });
    Case::creation().breaks("an isolated environment gets a network of its own", |case| {
        scope(&mut case.observed).apps.items.push(row("other", 1));
    });
}

#[test]
fn nothing_is_created_while_its_key_is_open_and_nothing_minted_twice() {
    Case::creation().breaks("nothing is created while its key is open", |case| {
        case.memory.note(Note {
            key: case.plan.steps[0].key.clone(),
            env: "one".into(),
            verb: Verb::Create,
            detail: String::new(),
            sent_at: at(-100),
            outcome: NoteOutcome::Unknown,
        });
    });
    Case::creation().breaks("what Fly mints an id for is not made in quarantine", |case| {
        case.memory.blank_since = Some(at(-1));
        // Without the creation of its app in the same plan nothing shows that no earlier run has made the address.
        let minted = case.plan.steps.iter().find(|step| step.key.is_minted()).unwrap().clone();
        let network = network_name(&"us".into(), 0);
        scope(&mut case.observed).apps.items.push(AppRow { network, ..row("one", 0) });
        case.plan.steps = vec![Step { id: StepId(0), after: Vec::new(), ..minted }];
    });
}

#[test]
fn the_order_of_steps_is_sound() {
    Case::creation().breaks("a step's id is its place", |case| case.plan.steps.last_mut().unwrap().id = StepId(77));
    Case::creation().breaks("a step comes after every step", |case| case.plan.steps[0].after = vec![StepId(3)]);
    Case::creation().breaks("a step belongs to an environment of the plan", |case| {
        case.plan.environments.remove(&"one".into());
    });
    Case::creation().breaks("one plan does not do two things to one object", |case| {
        let mut twice = case.plan.steps[0].clone();
        twice.id = StepId(case.plan.steps.len());
        case.plan.steps.push(twice);
    });
    Case::orphan().breaks("a delete carries the proof for its own app", |case| {
        let mut observed = observed(&[
            MachineMarker { tombstone: Some(at(-400)), ..marker("gone") },
            MachineMarker { tombstone: Some(at(-400)), env: "gone".into(), ..marker("kept") },
        ]);
        std::mem::swap(&mut observed, &mut case.observed);
        case.plan.steps[0].key = ResourceKey::App { app: "kept-web".into() };
    });
}

#[test]
fn a_level_holds_back_what_it_says_and_nothing_of_what_a_person_asks_for() {
    let rule = "a step is within the level";
    // What is no longer asked for of an environment that is still wanted.
    let component = || {
        let part = MachineMarker { app: "kept-old".into(), tombstone: Some(at(-400)), ..marker("kept") };
        let mut observed = observed(&[marker("kept"), part]);
        scope(&mut observed).apps.items[1].name = "kept-old".into();
        let case = Case::of(fleet(&["kept"], ""), observed, &Request::default());
        assert!(case.plan.steps.iter().any(|step| matches!(step.action, Action::DeleteApp { .. })));
        case
    };
    for level in ["level: noDelete,", "level: createOnly,", "level: observe,"] {
        component().breaks(rule, |case| case.fleet = fleet(&["kept"], level));
    }
    // Creating is what `createOnly` and `noDelete` are for.
    for level in ["level: noDelete,", "level: createOnly,"] {
        let mut case = Case::creation();
        case.fleet = fleet(&["one", "two"], level);
        assert_eq!(case.broken(), Vec::<&str>::new(), "{level}");
    }
    let request = Request { purpose: Purpose::Destroy("gone".into()), ..Request::default() };
    for more in ["level: observe,", "pause: true,"] {
        let mut case = Case::of(fleet(&["gone"], ""), observed(&[marker("gone")]), &request);
        case.fleet = fleet(&["gone"], more);
        assert_eq!(case.broken(), Vec::<&str>::new(), "{more}");
    }
}

#[test]
fn an_output_that_a_step_uses_is_produced_by_a_step_before_it() {
    let rule = "an output that a step uses is known";
    let waits = crate::resource::output::placeholder("fly.web.ips.v6");
    let of = |case: &Case, is_it: fn(&Action) -> bool| {
        let step = case.plan.steps.iter().find(|step| step.env == "one".into() && is_it(&step.action)).unwrap();
        step.id.0
    };
    let producer = |case: &Case| StepId(of(case, |action| matches!(action, Action::AllocateIp(_))));
    let machine = |case: &mut Case, is_after: bool| {
        let (producer, index) = (producer(case), of(case, |action| matches!(action, Action::CreateMachine(_))));
        let step = &mut case.plan.steps[index];
        let Action::CreateMachine(write) = &mut step.action else { panic!() };
        write.config["env"] = serde_json::json!({"ADDRESS": waits});
        step.after.retain(|id| *id != producer);
        step.after.extend(is_after.then_some(producer));
    };
    // The same step, as one that writes secrets.
    let secrets = |case: &mut Case, is_after: bool| {
        let (producer, index) = (producer(case), of(case, |action| matches!(action, Action::CreateMachine(_))));
        case.plan.steps.truncate(index + 1);
        let mut write = crate::plan::SecretWrite::default();
        write.set.insert("ADDRESS".to_owned(), waits.as_str().into());
        let step = &mut case.plan.steps[index];
        step.action = Action::SetSecrets(write);
        step.key = ResourceKey::Secrets { app: "one-web".into() };
        step.after.retain(|id| *id != producer);
        step.after.extend(is_after.then_some(producer));
    };
    Case::creation().breaks(rule, |case| machine(case, false));
    Case::creation().breaks(rule, |case| secrets(case, false));
    let (mut by_machine, mut by_secrets) = (Case::creation(), Case::creation());
    machine(&mut by_machine, true);
    secrets(&mut by_secrets, true);
    for case in [by_machine, by_secrets] {
        assert_eq!(case.broken(), Vec::<&str>::new());
    }
}

#[test]
fn a_step_does_not_wait_for_itself() {
    Case::creation().breaks("a step comes after every step", |case| case.plan.steps[0].after = vec![StepId(0)]);
}

#[test]
fn one_object_is_marked_and_started_or_destroyed_and_made_anew_and_nothing_else_twice() {
    let rule = "one plan does not do two things to one object";
    let marking = || Case::of(fleet(&["kept"], ""), observed(&[marker("gone"), marker("kept")]), &Request::default());
    let then = |case: &mut Case, action: Action, key: ResourceKey, after: Vec<StepId>| {
        let id = StepId(case.plan.steps.len());
        let step = Step { id, key, action, after, ..case.plan.steps[0].clone() };
        case.plan.steps.push(step);
    };
    let marked = |case: &Case| match &case.plan.steps[0].action {
        Action::MarkMachine { id, .. } => id.clone(),
        other => panic!("{other:?}"),
    };
    let key = || ResourceKey::Machine { app: "gone-web".into(), slot: marker("gone").slot };
    let mut case = marking();
    let id = marked(&case);
    then(&mut case, Action::StartMachine { id: id.clone() }, key(), Vec::new());
    assert_eq!(case.broken(), Vec::<&str>::new());
    // A machine is one object under whatever name a step has for it.
    marking().breaks(rule, |case| {
        let id = marked(case);
        then(case, Action::MarkMachine { id, metadata: BTreeMap::new() }, key(), Vec::new());
    });
    marking().breaks(rule, |case| {
        then(case, Action::StartMachine { id: id.clone() }, key(), Vec::new());
        then(case, Action::StartMachine { id: id.clone() }, key(), Vec::new());
    });
    // An app is made anew only after its end.
    let anew = |case: &mut Case, action: fn() -> Action, after: Vec<StepId>| {
        let key = case.plan.steps[0].key.clone();
        then(case, action(), key, after);
    };
    let create = || Action::CreateApp { network: None };
    let mut case = Case::orphan();
    anew(&mut case, create, vec![StepId(0)]);
    assert_eq!(case.broken(), Vec::<&str>::new());
    Case::orphan().breaks(rule, |case| anew(case, create, Vec::new()));
    Case::creation().breaks(rule, |case| anew(case, create, vec![StepId(0)]));
    Case::orphan().breaks(rule, |case| {
        let again = case.plan.steps[0].action.clone();
        let key = case.plan.steps[0].key.clone();
        then(case, again, key, vec![StepId(0)]);
    });
}

#[test]
fn an_environment_may_live_where_its_own_apps_live() {
    let rule = "an isolated environment gets a network of its own";
    // Its own app is listed there already, with nothing in it that says so.
    let mut case = Case::creation();
    scope(&mut case.observed).apps.items.push(row("one", 0));
    assert_eq!(case.broken(), Vec::<&str>::new());
    // An app that no spec names lives there, and a machine in it says whose it is.
    let beside = |case: &mut Case, env: &str| {
        let name: crate::resource::AppName = "old-web".into();
        scope(&mut case.observed).apps.items.push(AppRow { name: name.clone(), ..row("old", 0) });
        let marker = MachineMarker { app: name, ..marker(env) };
        scope(&mut case.observed).machines.items.push(machine(&marker));
    };
    let mut case = Case::creation();
    beside(&mut case, "one");
    assert_eq!(case.broken(), Vec::<&str>::new());
    Case::creation().breaks(rule, |case| beside(case, "other"));
}
