//! A run that remembers nothing may have a predecessor whose last requests are still under way: what is named is made at once, what
//! Fly mints an id for is not made twice, and nothing is removed until F + S have passed.

use chrono::{DateTime, Utc};
use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::support::{QUARANTINE, created, environment, seconds, small, world_of};
use crate::world::World;

const RICH: &str = "web:
  image: registry.fly.io/demo:v1
  count: 2
  volumes: {data: {mount: /data}}
  ips: {v6: true, sharedV4: true}
  certificates: [demo.example.com]
  secrets: {TOKEN: {generate: {}}}";

async fn rich() -> World {
    let mut world = world_of(&[]);
    world.put("demo.yaml", &environment("demo", "", RICH));
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world
}

/// When each write was sent, in seconds since `began`.
fn writes_since(world: &World, began: DateTime<Utc>) -> Vec<(i64, String)> {
    let requests = world.sim.requests();
    let writes = requests.iter().filter(|request| !request.is_read());
    writes.map(|request| ((request.at - began).num_seconds(), format!("{} {}", request.method, request.path))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_fly_mints_an_id_for_is_not_made_before_quarantine_is_over() {
    let mut world = rich().await;
    let v6 = world.sim.ips("demo-web").into_iter().find(|ip| ip.kind == "v6").unwrap();
    world.sim.release_ip("demo-web", &v6.ip).unwrap();
    world.edit("demo.yaml", "count: 2", "count: 3");
    world.lose_store();
    world.sim.clear_requests();
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    let writes = writes_since(&world, began);
    let volume = writes.iter().find(|(_, write)| write == "POST /v1/apps/demo-web/volumes").unwrap();
    let address = writes.iter().find(|(_, write)| write == "POST /v1/apps/demo-web/ip_assignments").unwrap();
    assert!(volume.0 >= 120 && address.0 >= 120, "{writes:?}");
    assert_eq!(world.sim.volumes("demo-web").len(), 3);
    assert_eq!(world.sim.ips("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_a_name_is_made_at_once() {
    let mut world = rich().await;
    let simple = world_of(&["next"]).files["next.yaml"].clone();
    world.put("next.yaml", &simple.replace("web: {", "web: {certificates: [next.example.com], "));
    world.lose_store();
    world.sim.clear_requests();
    let began = world.clock.now();
    world.reconcile().await;
    let writes = writes_since(&world, began);
    for made in ["POST /v1/apps", "POST /v1/apps/next-web/machines", "POST /v1/apps/next-web/certificates/acme"] {
        let found = writes.iter().find(|(_, write)| write == made);
        assert!(found.is_some_and(|(after, _)| *after < 10), "{made}: {writes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_is_gone_from_its_slot_is_made_at_once() {
    let mut world = created(&["demo"]).await;
    world.pass_time(QUARANTINE).await;
    let id = world.only_machine("demo-web").id;
    world.sim.delete_machine("demo-web", &id).unwrap();
    world.pass_time(seconds(5)).await;
    world.lose_store();
    world.sim.clear_requests();
    let began = world.clock.now();
    world.reconcile().await;
    let writes = writes_since(&world, began);
    assert_eq!(writes.len(), 1);
    assert!(writes[0].0 < 10 && writes[0].1 == "POST /v1/apps/demo-web/machines", "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_in_quarantine() {
    let mut world = rich().await;
    world.put("gone.yaml", &small("gone"));
    world.converge().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    // Everything that can be removed: a machine, its volume, an address, a certificate, a secret, an environment.
    world.put(
        "demo.yaml",
        &environment("demo", "", "web:\n  image: registry.fly.io/demo:v1\n  volumes: {data: {mount: /data}}\n  ips: {v6: false}\n  certificates: []"),
    );
    world.remove("gone.yaml");
    world.lose_store();
    world.sim.clear_requests();
    let began = world.clock.now();
    world.reconcile().await;
    let removals: Vec<(i64, String)> = writes_since(&world, began)
        .into_iter()
        .filter(|(_, write)| (write.starts_with("DELETE") && !write.ends_with("/lease")) || write.ends_with("/stop"))
        .collect();
    assert!(removals.len() >= 3, "{removals:?}");
    assert!(removals.iter().all(|(after, _)| *after >= 120), "{removals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_run_within_the_same_quarantine_goes_on_counting_from_the_first() {
    let mut world = rich().await;
    world.edit("demo.yaml", "count: 2", "count: 1");
    world.lose_store();
    let session = world.session();
    drop(session);
    world.pass_time(seconds(100)).await;
    world.sim.clear_requests();
    let began = world.clock.now();
    world.reconcile().await;
    let writes = writes_since(&world, began);
    let first = writes.iter().find(|(_, write)| write.ends_with("/stop")).unwrap().0;
    assert!((19..30).contains(&first), "{writes:?}");
}

/// Creates `demo` while the request that makes `path` comes late by 55 s, and its run has died; then starts again without a store.
async fn after_a_late(path: &'static str) -> World {
    let mut world = world_of(&[]);
    world.put("demo.yaml", &environment("demo", "", RICH));
    world.sim.inject(Fault::once(Matcher::new(Method::Post, path), FaultKind::Late { after_ms: 55_000 }));
    let session = world.session();
    let run = hangar::controller::Once::new(&session, hangar::plan::Request::default(), seconds(180)).run(|_| ());
    tokio::time::timeout(seconds(20), run).await.expect_err("it waits for what came late");
    drop(session);
    world.lose_store();
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged, "{path}");
    world
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_sent_and_what_comes_late_is_not_there_twice() {
    for path in ["/v1/apps/demo-web/ip_assignments", "/v1/apps/demo-web/volumes", "/v1/apps/demo-web/machines"] {
        let world = after_a_late(path).await;
        assert_eq!(world.sim.ips("demo-web").len(), 2, "{path}");
        assert_eq!(world.sim.volumes("demo-web").len(), 2, "{path}");
        assert_eq!(world.sim.machines("demo-web").len(), 2, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_volumes_of_one_name_whose_creation_was_not_answered_are_told_apart() {
    let mut world = world_of(&[]);
    world.put("demo.yaml", &environment("demo", "", RICH));
    // Both creations get no answer; one has its effect at once, the other late.
    let path = "/v1/apps/demo-web/volumes";
    world.sim.inject(Fault::once(Matcher::new(Method::Post, path), FaultKind::ResetAfter));
    world.sim.inject(Fault::once(Matcher::new(Method::Post, path), FaultKind::Late { after_ms: 55_000 }).after(1));
    assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.sim.volumes("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_app_on_a_shared_network_is_ours_only_by_evidence() {
    // Killed between the creation of the app and its first mark.
    for keep_store in [true, false] {
        let mut world = world_of(&["demo"]);
        world.edit("demo.yaml", "    org: acme", "    org: acme\n    network: shared");
        world.sim.kill_after_writes(1, hangar::sim::CrashPoint::BeforeReply);
        let session = world.session();
        let run = hangar::controller::Once::new(&session, hangar::plan::Request::default(), QUARANTINE).run(|_| ());
        tokio::time::timeout(seconds(1), run).await.expect_err("its connection broke");
        drop(session);
        world.sim.revive();
        assert_eq!(world.app_names(), ["demo-web"]);
        if !keep_store {
            world.lose_store();
        }
        let outcome = world.reconcile().await;
        if keep_store {
            assert_eq!(outcome.worst(), Verdict::Converged);
        } else {
            // Nothing on it says whose it is: a person decides.
            assert_eq!(outcome.last.plan.withheld[0].reason, Reason::NotOurs);
            assert_eq!(world.sim.machines("demo-web").len(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn that_we_once_made_an_app_of_that_name_does_not_make_the_next_one_ours() {
    let mut world = world_of(&["demo"]);
    world.edit("demo.yaml", "    org: acme", "    org: acme\n    network: shared");
    world.converge().await;
    // Somebody deletes it, a pass sees that (and may not write), and somebody else makes an app of that name.
    world.sim.delete_app("demo-web").unwrap();
    world.pass_time(QUARANTINE).await;
    world.edit("demo.yaml", "spec:", "spec:\n  level: observe");
    world.reconcile_without_writes().await;
    world.sim.create_app("acme", "demo-web", "").unwrap();
    world.edit("demo.yaml", "spec:\n  level: observe", "spec:");
    let outcome = world.reconcile_without_writes().await;
    assert_eq!(outcome.last.plan.withheld[0].reason, Reason::NotOurs);
}
