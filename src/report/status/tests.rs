//! Status as people and programs see it, and what it says of things that are not right.

use chrono::TimeDelta;

use super::*;
use crate::observed::{MachineState, Presence, Reading};
use crate::report::Style;
use crate::report::fixture::{World, app, environment, now, rich, troubled};

const REQUESTS: RequestCount = RequestCount { reads: 12, writes: 0 };

fn status(world: &World) -> Vec<Status> {
    status_of(&world.fleet, &world.plan(), &world.observed, world.now)
}

fn web() -> World {
    let web = app("web", "staging-web").with_machines(2).with_secret("TOKEN");
    World::new(vec![environment("staging", vec![web])]).converge()
}

fn condition<'s>(status: &'s Status, kind: &str) -> &'s Condition {
    status.conditions.iter().find(|condition| condition.kind == kind).unwrap()
}

#[test]
fn a_fleet_as_text() {
    let all = status(&rich());
    insta::assert_snapshot!(status_overview_text(&all, now(), &Style::PLAIN, REQUESTS));
    insta::assert_snapshot!(status_text(&all, now(), &Style::PLAIN, REQUESTS));
}

#[test]
fn a_fleet_as_markdown() {
    insta::assert_snapshot!(status_markdown(&status(&troubled()), now(), REQUESTS));
}

#[test]
fn an_environment_as_json() {
    insta::assert_snapshot!(status_json(&status(&web()), REQUESTS));
}

#[test]
fn what_is_as_desired_and_well_says_so_in_its_conditions() {
    let status = &status(&web())[0];
    for kind in ["Converged", "Healthy", "Observed"] {
        assert_eq!(condition(status, kind).status, ConditionStatus::True, "{kind}");
    }
    assert_eq!(status.components[0].secrets[0].state, SecretState::Live);
    assert_eq!(status.components[0].urls, ["https://staging-web.fly.dev"]);
    assert_eq!(status.age_seconds, Some(26 * 3600));
}

#[test]
fn a_machine_that_does_not_run_or_pass_is_named() {
    let mut world = web();
    world.machine("staging-web", 0).state = MachineState::Failed;
    world.machine("staging-web", 1).checks[0].passing = false;
    let status = &status(&world)[0];
    let healthy = condition(status, "Healthy");
    assert_eq!((healthy.status, healthy.reason.as_str()), (ConditionStatus::False, "Unhealthy"));
    assert_eq!(healthy.message, "machine app/iad/0 of web is failed; checks of machine app/iad/1 of web do not pass");
}

#[test]
fn what_could_not_be_read_makes_health_unknown_and_never_false() {
    let mut world = web();
    world.detail(&"acme".into(), &"staging-web".into()).machines = Reading::Unknown { reason: "503".into() };
    let status = &status(&world)[0];
    assert_eq!(condition(status, "Healthy").status, ConditionStatus::Unknown);
    assert_eq!(condition(status, "Observed").message, "not read: machines (503) of staging-web");
    assert_eq!(condition(status, "Converged").reason, "ObservationIncomplete");
}

#[test]
fn secrets_tell_live_from_staged_from_unset_from_changed() {
    let app = |world: &mut World| world.detail(&"acme".into(), &"staging-web".into()).clone();
    let state = |world: &World| status(world)[0].components[0].secrets[0].state;
    let with_secrets = |change: &dyn Fn(&mut Vec<crate::observed::Secret>)| {
        let mut world = web();
        let mut detail = app(&mut world);
        let mut secrets = detail.secrets.known().unwrap().clone();
        change(&mut secrets);
        detail.secrets = Reading::Known { value: secrets, started_at: now() };
        *world.detail(&"acme".into(), &"staging-web".into()) = detail;
        world
    };
    assert_eq!(state(&with_secrets(&|secrets| secrets.clear())), SecretState::Unset);
    assert_eq!(state(&with_secrets(&|secrets| secrets[0].digest = "other".into())), SecretState::ChangedOutside);
    let mut world = web();
    if let Some(Ok(marker)) = &mut world.machine("staging-web", 1).marker {
        marker.secrets.0.clear();
        marker.writer = None;
    }
    assert_eq!(state(&world), SecretState::Staged);
    let mut world = web();
    world.detail(&"acme".into(), &"staging-web".into()).secrets = Reading::Unknown { reason: "503".into() };
    assert_eq!(state(&world), SecretState::Unknown);
}

#[test]
fn an_app_that_does_not_exist_yet_has_no_address_to_open() {
    let world = World::new(vec![environment("new", vec![app("web", "new-web")])]);
    let component = &status(&world)[0].components[0];
    assert_eq!((component.presence, component.urls.len()), (AppPresence::Absent, 0));
    assert_eq!(component.ips.iter().filter(|ip| ip.address.is_none()).count(), 2);
    let mut world = world;
    world.detail(&"acme".into(), &"new-web".into()).presence = Presence::Elsewhere;
    assert_eq!(status(&world)[0].components[0].presence, AppPresence::Elsewhere);
}

#[test]
fn a_condition_keeps_its_moment_while_its_status_stays() {
    let mut world = web();
    let before = status(&world)[0].conditions.clone();
    world.now += TimeDelta::hours(1);
    world.machine("staging-web", 0).state = MachineState::Failed;
    let mut after = status(&world).remove(0);
    after.keep_transitions(&before);
    assert_eq!(condition(&after, "Observed").last_transition_time, now());
    assert_eq!(condition(&after, "Healthy").last_transition_time, now() + TimeDelta::hours(1));
}
