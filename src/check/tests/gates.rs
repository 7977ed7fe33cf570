//! Nothing is brought about before the checks that it requires, and no run of a job is interrupted.

use super::case::{Case, at, fleet, fleet_of, machine, marker, row, scope, unread};
use crate::observed::{CheckState, CommitChecks, MachineState, Presence, Reading};
use crate::plan::{Action, Step, StepId};
use crate::resource::{Commit, MachineSlot, ResourceKey};

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn gated() -> crate::desired::Fleet {
    let gate = format!("requires: {{checks: {{names: [test, build], repo: acme/chat, commit: {COMMIT}}}}},");
    fleet(&["one", "two"], &gate)
}

fn said(case: &mut Case, sha: &str, states: &[(&str, CheckState)]) {
    let known = states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect();
    let commit = Commit { repo: "acme/chat".parse().unwrap(), sha: sha.to_owned() };
    case.observed.checks.insert(commit, CommitChecks::Known(known));
}

#[test]
fn nothing_is_brought_about_before_the_checks_that_its_environment_requires_have_passed() {
    use CheckState::{Failed, Passed, Pending};
    let rule = "nothing is brought about behind a closed gate";
    let broken = |sha: &str, states: &[(&str, CheckState)]| {
        Case::creation().breaks(rule, |case| {
            case.fleet = gated();
            said(case, sha, states);
        });
    };
    broken(COMMIT, &[("test", Passed)]);
    broken(COMMIT, &[("test", Passed), ("build", Pending)]);
    broken(COMMIT, &[("test", Passed), ("build", Failed { how: "failure".to_owned() })]);
    broken(&COMMIT.replace('0', "1"), &[("test", Passed), ("build", Passed)]);
    Case::creation().breaks(rule, |case| case.fleet = gated());
    Case::creation().breaks(rule, |case| {
        case.fleet = gated();
        let commit = Commit { repo: "acme/chat".parse().unwrap(), sha: COMMIT.to_owned() };
        case.observed.checks.insert(commit, CommitChecks::Unknown { reason: String::new(), may_pass: true });
    });
    let mut case = Case::creation();
    case.fleet = gated();
    said(&mut case, COMMIT, &[("test", Passed), ("build", Passed)]);
    assert_eq!(case.broken(), Vec::<&str>::new());
}

#[test]
fn nothing_is_brought_about_while_what_is_required_is_not_at_rest() {
    let rule = "nothing is brought about behind a closed gate";
    let two_requires_one = |more: &str| fleet_of(&[("one", more), ("two", "requires: {environments: [one]},")]);
    // The plan makes both, and `one` has to be there first.
    Case::creation().breaks(rule, |case| case.fleet = two_requires_one(""));
    let alone = |more: &str| {
        let mut case = Case::creation();
        case.fleet = two_requires_one(more);
        case.plan.steps.retain(|step| step.env == "two".into());
        for (index, step) in case.plan.steps.iter_mut().enumerate() {
            let shift = step.id.0 - index;
            step.after = step.after.iter().map(|id| StepId(id.0 - shift)).collect();
            step.id = StepId(index);
        }
        case
    };
    assert_eq!(alone("").broken(), Vec::<&str>::new());
    alone("pause: true,").breaks(rule, |_| ());
    alone("").breaks(rule, |case| drop(case.fleet.environments.remove(&"one".into())));
}

/// The machine of a job of `one`, in this state, is about to run again.
fn running_again(state: MachineState) -> Case {
    let mut case = Case::creation();
    case.fleet = fleet(&["one", "two"], "jobs: {migrate: {app: web, command: bin/migrate}},");
    let slot = MachineSlot { group: "job-migrate".to_owned(), region: "iad".to_owned(), ordinal: 0 };
    let mut of_job = marker("one");
    (of_job.name, of_job.slot) = (slot.machine_name(), slot.clone());
    let mut live = machine(&of_job);
    live.state = state;
    let scope = scope(&mut case.observed);
    scope.apps.items.push(row("one", 0));
    scope.machines.items.push(live.clone());
    let mut detail = unread(Presence::Here(row("one", 0)));
    detail.machines = Reading::Known { value: vec![live.clone()], started_at: at(0) };
    scope.details.insert("one-web".into(), detail);
    let made = case.plan.steps.iter().find(|step| matches!(step.action, Action::CreateMachine(_))).unwrap().clone();
    let Action::CreateMachine(write) = &made.action else { panic!() };
    let action = Action::UpdateMachine { id: live.id.clone(), version: live.version.clone(), write: write.clone() };
    let key = ResourceKey::Machine { app: "one-web".into(), slot };
    case.plan.steps = vec![Step { id: StepId(0), key, action, after: Vec::new(), ..made }];
    case
}

#[test]
fn the_run_of_a_job_is_not_interrupted_by_another() {
    for state in [MachineState::Stopped, MachineState::Suspended, MachineState::Failed] {
        assert_eq!(running_again(state.clone()).broken(), Vec::<&str>::new(), "{state:?}");
    }
    for state in [MachineState::Started, MachineState::Passing("starting".to_owned())] {
        running_again(state).breaks("the run of a job is not interrupted", |_| ());
    }
    // Where its machine was not read nobody knows whether it runs.
    running_again(MachineState::Stopped).breaks("the run of a job is not interrupted", |case| {
        let detail = scope(&mut case.observed).details.get_mut(&"one-web".into()).unwrap();
        detail.machines = Reading::Unknown { reason: "not read".to_owned() };
    });
}
