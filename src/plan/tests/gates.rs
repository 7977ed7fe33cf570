//! What keeps a whole environment from being changed: pause, policy, levels, gates, limits, and what a person selected.

use super::world::{World, at, fleet, is_quiet, tells, tells_of, tells_one};
use crate::observed::{CheckState, CommitChecks};
use crate::plan::{Effect, EnvironmentKind, Standing};
use crate::resource::Commit;

const ONE: &str = "web: {image: 'x:1'}";
const NEXT: &str = "web: {image: 'x:2'}";

/// The environments as they are, and then wanted so.
fn changed(before: &[(&str, &str, &str)], after: &[(&str, &str, &str)]) -> World {
    let mut world = World::living(before);
    world.fleet = fleet(after);
    world.look();
    world
}

#[test]
fn a_paused_or_broken_environment_or_one_that_breaks_the_policy_is_not_changed() {
    let paused = changed(&[("e", "", ONE)], &[("e", "pause: true,", NEXT)]);
    tells(&paused, &["notice Paused: paused: nothing in it is changed"]);
    assert_eq!(paused.plan().standing(&"e".into()), Standing::Converged);
    let forbidden = changed(&[("e", "", ONE)], &[("e", "", NEXT)]).with(|world| {
        world.policy.regions = ["ams".to_owned()].into();
        world.policy.orgs = ["p".to_owned()].into();
    });
    let text = "blocked PolicyViolation: organization `o` is not allowed (allowed: p); `web`: region `iad` is not allowed (allowed: ams)";
    tells(&forbidden, &[text]);
    let broken = changed(&[("e", "", ONE)], &[("e", "", NEXT)]).with(|world| {
        let wanted = crate::desired::Wanted::Broken { reason: "it cannot be read".to_owned() };
        world.fleet.environments.insert("e".into(), wanted);
    });
    tells_of(&broken, &["blocked SpecBroken: it cannot be read"]);
    assert_eq!(broken.plan().standing(&"e".into()), Standing::Blocked);
}

#[test]
fn an_environment_beyond_the_limit_is_not_begun_and_what_is_there_counts() {
    let three = [("a", "", ONE), ("b", "", ONE), ("c", "", ONE)];
    let limited = |live: &[(&str, &str, &str)], most| {
        changed(live, &three).with(|world| world.policy.max_environments = Some(most)).told()
    };
    let begun = |told: &[String]| {
        let made = told.iter().filter(|line| line.starts_with("create app"));
        made.map(|line| line.chars().nth(11).unwrap()).collect::<String>()
    };
    assert_eq!(begun(&limited(&[], 3)), "abc");
    assert_eq!(begun(&limited(&[], 2)), "ab");
    assert_eq!(begun(&limited(&[("c", "", ONE)], 2)), "a");
    let full = limited(&[("b", "", ONE), ("c", "", ONE)], 2);
    let text =
        "blocked PolicyViolation: the policy allows 2 environments at once; this one is created when another has gone";
    assert_eq!(full, [text]);
    assert_eq!(limited(&[("b", "", ONE), ("c", "", ONE)], 1), [text.replace("allows 2", "allows 1")]);
    // What is listed counts, also where this pass has not looked at it in detail.
    let mut unseen = changed(&[("c", "", ONE)], &three).with(|world| world.policy.max_environments = Some(1));
    let detail = unseen.scope.details.remove(&"c-web".into()).unwrap();
    let crate::observed::Presence::Here(row) = detail.presence else { panic!() };
    unseen.scope.apps.items.push(row);
    assert_eq!(begun(&unseen.told()), "");
}

#[test]
fn a_level_says_what_is_done_and_the_rest_is_told() {
    let two = "web: {image: 'x:1', count: 2, env: {A: '1'}}";
    let more = "web: {image: 'x:2', count: 3}, next: {image: 'x:1', secrets: {KEY: {generate: {}}}}";
    let at_level = |level: &str, apps: &str| {
        let more = format!("level: {level},");
        let world = changed(&[("e", "", two)], &[("e", "", two)]);
        let mut world = world;
        world.fleet = fleet(&[("e", &more, apps)]);
        world.look();
        world
    };
    let starts = |world: &World, start: &str| world.told().iter().filter(|line| line.starts_with(start)).count();
    // Everything is held at `observe`, and told with its change.
    let observe = at_level("observe", more);
    assert!(observe.plan().steps.is_empty());
    for parts in [
        ["blocked Level: update machine app/iad/0 of e-web, because", "withheld by `level: observe`"],
        ["blocked Level: create machine app/iad/2 of e-web", "withheld by `level: observe`"],
        ["blocked Level: create app e-next", "withheld by `level: observe`"],
        ["blocked Level: set secrets of e-next", "withheld by `level: observe`"],
    ] {
        tells_of(&observe, &parts);
    }
    assert_eq!(starts(&observe, "waits Unhealthy"), 0, "{:#?}", observe.told());
    // What waits for something that is held is held with it: the rollout stops before it begins.
    let create = at_level("createOnly", more);
    tells_of(&create, &["create app e-next"]);
    tells_of(&create, &["set secrets of e-next", "first"]);
    tells_of(&create, &["create machine app/iad/0 of e-next"]);
    tells_of(&create, &["blocked Level: update machine app/iad/0 of e-web"]);
    assert_eq!(starts(&create, "update"), 0);
    let later = changed(
        &[("e", "", "next: {image: 'x:1', secrets: {KEY: {generate: {}}}}")],
        &[("e", "level: createOnly,", "next: {image: 'x:1', secrets: {KEY: {generate: {generation: 2}}}}")],
    );
    tells_of(&later, &["blocked Level: set secrets of e-next"]);
    tells_of(&later, &["blocked Level: update machine app/iad/0 of e-next"]);
    let fewer = at_level("noDelete", "web: {image: 'x:2', env: {A: '1'}}");
    tells_of(&fewer, &["update machine app/iad/0 of e-web"]);
    tells_of(&fewer, &["blocked Level: destroy machine app/iad/1 of e-web"]);
    assert_eq!(starts(&fewer, "destroy"), 0);
    let of_secrets = |world: &World| {
        let plan = world.plan();
        let held = plan.withheld.iter().find(|held| held.message.starts_with("set secrets"));
        held.unwrap().change.as_ref().unwrap().effect
    };
    assert_eq!((of_secrets(&observe), of_secrets(&later)), (Effect::Create, Effect::Update));
    let effects: Vec<_> = observe.plan().withheld.iter().map(|held| held.change.as_ref().unwrap().effect).collect();
    assert!(effects.contains(&Effect::Create) && effects.contains(&Effect::Update), "{effects:?}");
}

#[test]
fn to_wait_changes_nothing_and_is_told_only_where_nothing_else_is() {
    let mut world = World::living(&[("e", "level: noDelete,", ONE)]);
    let wanted = world.clone().with(|world| world.machines("e-web")[0].state = crate::observed::MachineState::Stopped);
    let hash = wanted.plan().steps.iter().find_map(|step| match &step.action {
        crate::plan::Action::WaitHealthy { hash, .. } => Some(hash.clone()),
        _ => None,
    });
    let rejection = crate::memory::Rejection {
        hash: hash.unwrap(),
        reason: String::new(),
        message: String::new(),
        at: at(-60),
        retry_at: at(-1),
        attempts: 1,
    };
    world.memory.rejections.insert("machine app/iad/0 of e-web".to_owned(), rejection);
    tells_one(&world, &["wait machine app/iad/0 of e-web: until it runs"]);
    world.fleet = fleet(&[("e", "level: observe,", ONE)]);
    let text = "waits Unhealthy: it is not known whether machine app/iad/0 of e-web is healthy: until it runs";
    tells_of(&world, &[text]);
    // What is held of another machine says nothing of this one.
    world.fleet = fleet(&[("e", "level: observe,", "web: {image: 'x:1'}, api: {image: 'x:1'}")]);
    world.look();
    tells_of(&world, &["blocked Level: create app e-api"]);
    tells_of(&world, &[text]);
}

#[test]
fn a_gate_is_closed_until_what_it_requires_is_converged() {
    let gated = |first: &str| {
        changed(
            &[("base", "", ONE), ("e", "", ONE)],
            &[("base", "", first), ("e", "requires: {environments: [base]},", NEXT)],
        )
    };
    tells_of(&gated(ONE), &["update machine app/iad/0 of e-web"]);
    let closed = gated(NEXT);
    tells_of(&closed, &["waits GateClosed: 2 steps held until `base` is converged"]);
    assert!(!closed.told().iter().any(|line| line.contains("update machine app/iad/0 of e-web")));
    tells_of(&closed, &["update machine app/iad/0 of base-web"]);
    let stuck = gated(ONE).with(|world| world.machines("base-web")[0].host_ok = false);
    tells_of(&stuck, &["waits GateClosed: 2 steps held until `base` is converged"]);
    // Nothing is held where there is nothing to do.
    let idle = changed(
        &[("base", "", ONE), ("e", "", ONE)],
        &[("base", "", NEXT), ("e", "requires: {environments: [base]},", ONE)],
    );
    assert!(!idle.told().iter().any(|line| line.contains("GateClosed")), "{:#?}", idle.told());
}

#[test]
fn what_is_required_has_to_be_compared_and_not_only_quiet() {
    let gated = |more: &str, now: i64| {
        let before = [("base", "", ONE), ("e", "", ONE)];
        let world = changed(&before, &[("base", more, ONE), ("e", "requires: {environments: [base]},", NEXT)]);
        world.with(|world| world.now = at(now))
    };
    tells_of(&gated("", 1), &["update machine app/iad/0 of e-web"]);
    let paused = gated("pause: true,", 1);
    tells_of(&paused, &["waits GateClosed: 2 steps held until `base`, which is paused, is converged"]);
    let over = gated("ttl: {max: 1m},", 4000);
    tells_of(&over, &["waits GateClosed: 2 steps held until `base`, which has come to its end, is converged"]);
}

/// `e` is to be changed, and requires two checks.
fn checked(said: Option<CommitChecks>) -> World {
    let sha = "a".repeat(40);
    let gate = format!("requires: {{checks: {{names: [test, build], repo: acme/chat, commit: {sha}}}}},");
    changed(&[("e", "", ONE)], &[("e", &gate, NEXT)]).with(|world| {
        let commit = Commit { repo: "acme/chat".parse().unwrap(), sha };
        world.checks.extend(said.map(|said| (commit, said)));
    })
}

fn known(states: &[(&str, CheckState)]) -> CommitChecks {
    CommitChecks::Known(states.iter().map(|(name, state)| ((*name).to_owned(), state.clone())).collect())
}

#[test]
fn checks_keep_a_gate_closed_until_each_of_them_has_succeeded() {
    use CheckState::{Failed, Passed, Pending};
    let failed = |how: &str| Failed { how: how.to_owned() };
    let waits = |said: Option<CommitChecks>, text: &str| {
        let world = checked(said);
        tells(&world, &[&format!("waits ChecksPending: 2 steps held: {text} (until 15)")]);
        assert_eq!(world.plan().next_due(&"e".into()), Some(at(15)));
    };
    waits(Some(known(&[("test", Passed)])), "waits for `build` (nothing of this name yet) at acme/chat@aaaaaaa");
    waits(Some(known(&[("test", Pending), ("build", Pending)])), "waits for `test` and `build` at acme/chat@aaaaaaa");
    waits(None, "the checks of acme/chat@aaaaaaa were not looked at");
    let unknown = |may_pass| CommitChecks::Unknown { reason: "no answer".to_owned(), may_pass };
    let text = "whether the checks of acme/chat@aaaaaaa have passed is not known: no answer";
    waits(Some(unknown(true)), text);
    let refused = checked(Some(unknown(false)));
    tells(&refused, &[&format!("blocked ChecksUnknown: 2 steps held: {text}")]);
    // One that failed is told before those that may still end well.
    let text = "blocked ChecksFailed: 2 steps held: `build` (timed_out) did not succeed at acme/chat@aaaaaaa: push a commit that mends it, or run it again";
    tells(&checked(Some(known(&[("build", failed("timed_out"))]))), &[text]);
    assert_eq!(checked(Some(known(&[("build", failed("x"))]))).plan().standing(&"e".into()), Standing::Blocked);
    tells_of(&checked(Some(known(&[("test", Passed), ("build", Passed)]))), &["update machine app/iad/0 of e-web"]);
    // What somebody else's commit is good for counts for nothing.
    let other = checked(Some(known(&[("test", Passed), ("build", Passed)]))).with(|world| {
        let commit = Commit { repo: "acme/chat".parse().unwrap(), sha: "b".repeat(40) };
        let (_, said) = world.checks.pop_first().unwrap();
        world.checks.insert(commit, said);
    });
    tells_of(&other, &["waits ChecksPending"]);
}

#[test]
fn no_gate_but_consent_keeps_an_environment_from_its_end() {
    let gates = |more: &str| {
        let sha = "a".repeat(40);
        let checks = format!("checks: {{names: [test], repo: acme/chat, commit: {sha}}}");
        let requires = format!("ttl: {{max: 1m}}, requires: {{environments: [base], {checks}{more}}},");
        let before = [("base", "", ONE), ("e", "", ONE)];
        let world = changed(&before, &[("base", "", NEXT), ("e", &requires, ONE)]).with(|world| world.now = at(4000));
        world.told()
    };
    let goes = |told: &[String]| {
        told.iter().any(|line| line.contains("e-web") && line.contains("app") && !line.starts_with("waits"))
    };
    let told = gates("");
    assert!(!told.iter().any(|line| line.contains("GateClosed") || line.contains("Checks")), "{told:#?}");
    assert!(goes(&told), "{told:#?}");
    let told = gates(", approval: true");
    assert!(told.iter().any(|line| line.starts_with("blocked ApprovalRequired")), "{told:#?}");
}

#[test]
fn what_needs_a_persons_consent_is_held_until_it_is_given() {
    let asking = || changed(&[("e", "", ONE)], &[("e", "requires: {approval: true},", NEXT)]);
    let text = "blocked ApprovalRequired: 2 steps held until a person consents: look at `hangar diff --env e`, then run `hangar reconcile --once --env e --approve e`";
    tells(&asking(), &[text]);
    let goes_on = |world: World| tells_of(&world, &["update machine app/iad/0 of e-web"]);
    goes_on(asking().with(|world| world.request.approved = ["e".into()].into()));
    goes_on(asking().with(|world| world.request.dry_run = true));
    tells(&asking().with(|world| world.request.approved = ["other".into()].into()), &[text]);
    let by_policy =
        || changed(&[("e", "", ONE)], &[("e", "", NEXT)]).with(|world| world.policy.approval = vec!["e".to_owned()]);
    tells(&by_policy(), &[text]);
    goes_on(by_policy().with(|world| world.policy.approval = vec!["other".to_owned()]));
    is_quiet(&changed(&[("e", "", ONE)], &[("e", "requires: {approval: true},", ONE)]));
    // Also the end of what no spec asks for any more.
    let mut gone = changed(&[("e", "", ONE), ("kept", "", ONE)], &[("kept", "", ONE)]);
    gone.policy.approval = vec!["e".to_owned()];
    tells_one(&gone, &["blocked ApprovalRequired: 1 step held"]);
}

#[test]
fn only_what_a_person_selects_is_planned() {
    let apps = |image: &str| format!("one: {{image: '{image}'}}, two: {{image: '{image}'}}");
    let (old, new) = (apps("x:1"), apps("x:2"));
    let world = changed(&[("e", "", &old), ("f", "", &old)], &[("e", "", &new), ("f", "", &new)]);
    let keys = |env: Option<&str>, component: Option<&str>| {
        let world = world.clone().with(|world| {
            world.request.env = env.map(Into::into);
            world.request.component = component.map(Into::into);
        });
        let plan = world.plan();
        let mut apps: Vec<String> = plan.steps.iter().map(|step| step.key.name()).collect();
        apps.dedup();
        (apps.join(" "), plan.environments.len(), plan.outputs.len())
    };
    assert_eq!(keys(None, None), ("e-one e-two f-one f-two".to_owned(), 2, 2));
    assert_eq!(keys(Some("e"), None), ("e-one e-two".to_owned(), 1, 1));
    assert_eq!(keys(None, Some("one")), ("e-one f-one".to_owned(), 2, 2));
    assert_eq!(keys(Some("f"), Some("two")), ("f-two".to_owned(), 1, 1));
    // What is withheld and noticed is selected too; what concerns a whole environment counts for each of its components.
    let told = world.clone().with(|world| {
        world.machines("e-one")[0].host_ok = false;
        world.machines("f-one")[0].host_ok = false;
        world.request.env = Some("e".into());
        world.request.component = Some("one".into());
    });
    tells_one(&told, &["waits HostUnreachable", "(m1)"]);
    let mut paused = world.with(|world| world.request.component = Some("one".into()));
    paused.fleet = fleet(&[("e", "pause: true,", &new), ("f", "", &old)]);
    tells_one(&paused, &["notice Paused"]);
    paused.request.env = Some("f".into());
    is_quiet(&paused);
}

#[test]
fn a_plan_names_the_environments_that_it_is_about() {
    let world = changed(&[("e", "", ONE), ("gone", "", ONE)], &[("e", "", ONE)]);
    let plan = world.plan();
    assert_eq!(plan.environments[&"e".into()], EnvironmentKind::Wanted);
    assert_eq!(plan.environments[&"gone".into()], EnvironmentKind::Orphan);
    assert_eq!((plan.standing(&"e".into()), plan.standing(&"gone".into())), (Standing::Converged, Standing::Changes));
}

#[test]
fn what_is_there_can_be_used_by_other_apps() {
    let spec = "web: {image: 'x:1', count: 2, ips: {v6: true}, volumes: {data: {mount: /data}}}, db: {image: 'x:1', volumes: {data: {mount: /data}}}";
    let plan = World::of(spec).plan();
    let outputs = &plan.outputs[&"e".into()];
    let mut paths: Vec<&str> = outputs.keys().map(String::as_str).collect();
    paths.retain(|path| path.starts_with("fly.web"));
    let first = "fly.web.volumes.data.app/iad/0.id";
    assert_eq!(paths, ["fly.web.ips.v6", first, "fly.web.volumes.data.app/iad/1.id", "fly.web.volumes.data.id"]);
    let output = |path: &str| outputs[path].expose();
    assert_eq!(output("fly.web.ips.v6"), "address-v6");
    assert_eq!(output("fly.web.volumes.data.id"), output(first));
    let volumes = [output(first), output("fly.web.volumes.data.app/iad/1.id"), output("fly.db.volumes.data.id")];
    let distinct: std::collections::BTreeSet<&str> = volumes.into_iter().collect();
    assert_eq!(distinct.len(), 3, "{outputs:#?}");
}
