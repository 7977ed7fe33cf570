//! What keeps an environment from being changed or deleted: protection, levels, pauses, gates, consent and policies.

use std::collections::BTreeSet;

use hangar::controller::Verdict;
use hangar::plan::{Reason, Request};
use hangar::report::{self, RequestCount, Style};
use hangar::resource::EnvName;

use crate::support::{GRACE, QUARANTINE, created, environment, notices, policy, seconds, small, withheld, world_of};
use crate::world::World;

const WEB: &str = "web: {image: 'registry.fly.io/demo:v1'}";

/// An environment `demo` with `more` in its spec next to `other`, created.
async fn with(more: &str) -> World {
    let mut world = created(&["other"]).await;
    world.put("demo.yaml", &environment("demo", more, WEB));
    world.converge().await;
    world
}

/// Asserts that nothing of `demo` goes, however long nobody asks for it, with and without a store.
async fn assert_stays(world: &mut World, reason: Reason) {
    for round in 0..3 {
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(notices(&outcome.last.plan), [reason], "round {round}: {:#?}", outcome.last.plan.withheld);
        world.pass_time(GRACE).await;
        world.lose_store();
        world.pass_time(QUARANTINE).await;
    }
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_stays_also_when_the_lines_that_protect_it_are_gone() {
    for more in ["protect: true", "class: production"] {
        let mut world = with(more).await;
        world.remove("demo.yaml");
        assert_stays(&mut world, Reason::Protected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn protection_is_lifted_by_a_change_of_its_own() {
    let mut world = with("protect: true").await;
    world.put("demo.yaml", &small("demo"));
    let id = world.only_machine("demo-web").id;
    let mut writes = world.reconcile_writing().await;
    writes.sort();
    let mark = format!("PATCH /v1/apps/demo-web/machines/{id}/metadata");
    assert_eq!(writes, [mark, "POST /v1/apps/demo-web/secrets".to_owned()]);
    assert_eq!(world.sim.secret_names("demo-web"), Vec::<String>::new());
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_protects_stays_with_its_mark_also_when_the_policy_is_gone() {
    let mut world = with("").await;
    world.put("policy.yaml", &policy("{protected: ['de*']}"));
    world.reconcile().await;
    assert_eq!(world.only_machine("demo-web").metadata("hangar_protect"), Some("true"));
    world.remove("demo.yaml");
    assert_stays(&mut world, Reason::Protected).await;
    world.remove("policy.yaml");
    assert_stays(&mut world, Reason::Protected).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_policy_protects_stays_also_where_no_mark_could_be_set_before() {
    let mut world = with("").await;
    world.remove("demo.yaml");
    world.put("policy.yaml", &policy("{protected: [demo]}"));
    assert_stays(&mut world, Reason::Protected).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_retained_stays() {
    let mut world = with("deletionPolicy: retain").await;
    world.remove("demo.yaml");
    assert_stays(&mut world, Reason::Retained).await;
}

#[tokio::test(start_paused = true)]
async fn an_app_with_a_retained_volume_stays() {
    let mut world = created(&["other"]).await;
    let web = "web: {image: 'registry.fly.io/demo:v1', volumes: {data: {mount: /data, deletionPolicy: retain}}}";
    world.put("demo.yaml", &environment("demo", "", web));
    world.converge().await;
    world.remove("demo.yaml");
    assert_stays(&mut world, Reason::Retained).await;
}

#[tokio::test(start_paused = true)]
async fn a_protected_app_whose_machines_are_gone_stays() {
    let mut world = with("protect: true").await;
    let id = world.only_machine("demo-web").id;
    world.sim.delete_machine("demo-web", &id).unwrap();
    world.remove("demo.yaml");
    world.pass_time(GRACE).await;
    assert_stays(&mut world, Reason::Protected).await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_whose_level_forbids_deletion_stays_when_its_spec_goes() {
    let mut world = with("level: noDelete").await;
    world.remove("demo.yaml");
    assert_stays(&mut world, Reason::Retained).await;
    let mut world = created(&["other"]).await;
    world.put("demo.yaml", &environment("demo", "level: createOnly", WEB));
    world.reconcile().await;
    world.remove("demo.yaml");
    world.pass_time(GRACE).await;
    assert_stays(&mut world, Reason::Retained).await;
}

/// Everything that could be deleted in one environment: a component, a machine too many, an address, a certificate.
const RICH: &str = "web:
  image: registry.fly.io/demo:v1
  count: 2
  ips: {v6: true, sharedV4: true}
  certificates: [demo.example.com]
api: {image: 'registry.fly.io/demo:v1'}";
const POOR: &str = "web:
  image: registry.fly.io/demo:v1
  count: 1
  ips: {v6: false, sharedV4: true}
  certificates: []";

#[tokio::test(start_paused = true)]
async fn levels_below_full_and_pauses_delete_nothing_that_the_spec_no_longer_has() {
    for more in ["level: noDelete", "level: createOnly", "level: observe", "pause: true"] {
        let mut world = created(&[]).await;
        world.put("demo.yaml", &environment("demo", "", RICH));
        world.converge().await;
        world.put("demo.yaml", &environment("demo", more, POOR));
        for _ in 0..2 {
            world.reconcile().await;
            world.pass_time(GRACE).await;
        }
        let deletes: Vec<String> = world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect();
        assert_eq!(deletes, Vec::<String>::new(), "{more}");
        assert_eq!(world.app_names(), ["demo-api", "demo-web"]);
        assert_eq!((world.sim.machines("demo-web").len(), world.sim.ips("demo-web").len()), (2, 2), "{more}");
        // It was only this that kept them.
        world.put("demo.yaml", &environment("demo", "", POOR));
        world.reconcile().await;
        world.pass_time(GRACE).await;
        world.reconcile().await;
        assert_eq!(world.app_names(), ["demo-web"], "{more}");
        assert_eq!((world.sim.machines("demo-web").len(), world.sim.ips("demo-web").len()), (1, 1), "{more}");
        assert_eq!(world.sim.certificates("demo-web"), []);
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn levels_and_pauses_write_no_more_than_they_say() {
    // (in the spec, writes that create, writes for a changed image)
    for (more, creates, updates) in [
        ("level: observe", false, false),
        ("pause: true", false, false),
        ("level: createOnly", true, false),
        ("level: noDelete", true, true),
    ] {
        let mut world = world_of(&[]);
        world.put("demo.yaml", &environment("demo", more, WEB));
        assert_eq!(!world.reconcile_writing().await.is_empty(), creates, "{more}");
        world.put("demo.yaml", &environment("demo", "", WEB));
        world.converge().await;
        world.put("demo.yaml", &environment("demo", more, "web: {image: 'registry.fly.io/demo:v2'}"));
        assert_eq!(!world.reconcile_writing().await.is_empty(), updates, "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_diff_shows_the_changes_that_a_level_withholds() {
    for (level, apps, action, field) in [
        ("observe", "web: {image: 'registry.fly.io/demo:v2'}", "update", ("image", "registry.fly.io/demo:v2")),
        ("createOnly", "web: {image: 'registry.fly.io/demo:v2'}", "update", ("image", "registry.fly.io/demo:v2")),
        ("noDelete", "web: {image: 'registry.fly.io/demo:v1', count: 0}", "destroy", ("state", "started")),
    ] {
        let mut world = with("").await;
        world.put("demo.yaml", &environment("demo", &format!("level: {level}"), apps));
        world.reconcile().await;
        world.pass_time(GRACE).await;

        let plan = world.diff().await.plan;

        assert_eq!(withheld(&plan), [Reason::Level], "{level}: {:#?}", plan.withheld);
        let change = plan.withheld[0].change.as_ref().unwrap();
        assert_eq!((change.level.to_string().as_str(), change.action), (level, action));
        let requests = RequestCount { reads: 7, writes: 0 };
        let json: serde_json::Value = serde_json::from_str(&report::diff_json(&plan, requests)).unwrap();
        assert_eq!(json["withheld"][0]["change"]["level"], level);
        for shown in [
            report::diff_text(&plan, &Style::default(), requests),
            report::diff_markdown(&plan, hangar::cost::Cost::ZERO, requests),
        ] {
            for text in [&format!("`level: {level}`"), action, "machine app/iad/0", field.0, field.1] {
                assert!(shown.contains(text), "{level}: no `{text}` in\n{shown}");
            }
            assert!(!shown.contains("wait "), "waiting is no change:\n{shown}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_environment_whose_level_or_pause_forbids_deletion_stays() {
    for more in ["level: noDelete", "level: createOnly", "level: observe", "pause: true", "protect: true"] {
        let mut world = created(&["other"]).await;
        world.put("demo.yaml", &environment("demo", "", WEB));
        world.converge().await;
        let more = format!("{more}\nexpiresAt: '2026-03-01T13:00:00Z'");
        world.put("demo.yaml", &environment("demo", &more, WEB));
        world.reconcile().await;
        world.pass_time(seconds(7200)).await;
        world.reconcile_without_writes().await;
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
        assert_eq!(world.app_names(), ["demo-web", "other-web"], "{more}");
    }
}

// Gates.

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_environments_that_are_required_are_converged() {
    let mut world = world_of(&[]);
    world.put("staging.yaml", &environment("staging", "", "web: {image: 'registry.fly.io/demo:crash'}"));
    world.put("demo.yaml", &environment("demo", "requires: {environments: [staging]}", WEB));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"staging".into()], Verdict::Failed);
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Waiting);
    assert_eq!(world.app_names(), ["staging-web"]);
    world.put("staging.yaml", &small("staging"));
    world.converge().await;
    assert_eq!(world.app_names(), ["demo-web", "staging-web"]);
    // Later changes wait too, the end of a component included.
    world.put("staging.yaml", &environment("staging", "", "web: {image: 'registry.fly.io/demo:crash2'}"));
    world.put("demo.yaml", &environment("demo", "requires: {environments: [staging]}", &WEB.replace("web", "api")));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    let touched: Vec<String> = world.writes().into_iter().filter(|write| write.contains("demo-")).collect();
    assert_eq!(touched, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_a_person_has_consented() {
    for by_policy in [false, true] {
        let mut world = created(&["other"]).await;
        let more = if by_policy { "" } else { "requires: {approval: true}" };
        if by_policy {
            world.put("policy.yaml", &policy("{approval: ['d*']}"));
        }
        world.put("demo.yaml", &environment("demo", more, WEB));
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(withheld(&outcome.last.plan), [Reason::ApprovalRequired]);
        assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged);
        let consent = Request { approved: BTreeSet::from([EnvName::from("demo")]), ..Request::default() };
        assert_eq!(world.run(consent.clone()).await.worst(), Verdict::Converged);
        world.reconcile_without_writes().await;
        // The end of a component is a change too.
        world.put("demo.yaml", &environment("demo", more, &WEB.replace("web:", "api:")));
        for _ in 0..2 {
            let outcome = world.reconcile_without_writes().await;
            assert_eq!(withheld(&outcome.last.plan), [Reason::ApprovalRequired]);
            world.pass_time(GRACE).await;
        }
        world.run(consent.clone()).await;
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
        world.run(consent).await;
        assert_eq!(world.app_names(), ["demo-api", "other-web"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_environment_whose_changes_need_consent_by_policy_needs_it_too() {
    let mut world = with("").await;
    world.put("policy.yaml", &policy("{approval: [demo]}"));
    world.remove("demo.yaml");
    for _ in 0..2 {
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(withheld(&outcome.last.plan), [Reason::ApprovalRequired]);
        world.pass_time(GRACE).await;
    }
}

// Policies.

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_an_environment_that_the_policy_does_not_allow() {
    for spec in [
        "{orgs: [elsewhere]}",
        "{regions: [ams]}",
        "{images: ['registry.fly.io/blessed*']}",
        "{sizes: [performance-1x]}",
        "{maxMemory: 128MB}",
        "{maxMachinesPerApp: 1}",
        "{maxMachinesPerEnvironment: 1}",
        "{maxVolumeSize: 1GB}",
    ] {
        let mut world = world_of(&[]);
        let web = "web: {image: 'registry.fly.io/demo:v1', count: 2, volumes: {data: {mount: /data, size: 2GB}}}";
        world.put("demo.yaml", &environment("demo", "", web));
        world.put("policy.yaml", &policy(spec));
        let outcome = world.reconcile_without_writes().await;
        assert_eq!(outcome.worst(), Verdict::Blocked, "{spec}");
        assert_eq!(withheld(&outcome.last.plan), [Reason::PolicyViolation], "{spec}");
        // Also not in what is already there, and also not the end of a component.
        world.remove("policy.yaml");
        world.put("demo.yaml", &environment("demo", "", &format!("{web}\napi: {{image: 'registry.fly.io/demo:v1'}}")));
        world.converge().await;
        world.put("policy.yaml", &policy(spec));
        world.put("demo.yaml", &environment("demo", "", &web.replace("v1", "v2")));
        world.reconcile_without_writes().await;
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_environments_than_the_policy_allows_are_created_and_those_that_live_are_kept_up() {
    let mut world = world_of(&["b", "c"]);
    world.put("policy.yaml", &policy("{maxEnvironments: 2}"));
    world.converge().await;
    world.put("a.yaml", &small("a"));
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::PolicyViolation]);
    assert_eq!(outcome.verdicts[&"a".into()], Verdict::Blocked);
    // Not by asking for it alone either, where the others are not looked at.
    let outcome = world.run(Request { env: Some("a".into()), ..Request::default() }).await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    world.edit("b.yaml", "demo:v1", "demo:v2");
    assert!(!world.reconcile_writing().await.is_empty());
    // When one has gone there is room.
    world.remove("c.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["a-web", "b-web"]);
}
