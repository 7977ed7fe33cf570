//! How long previews live: as their set says, as labels say, and as a person says with `hangar extend`.

use chrono::{DateTime, TimeDelta, Utc};
use hangar::controller::{Outcome, Verdict};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::plan::{Purpose, Reason, Request};

use crate::previews::set;
use crate::support::{CONTROLLER, GRACE, environment, notices, policy, seconds, small};
use crate::world::World;

const HOUR: u64 = 3600;

/// A world with an hour of idleness allowed, a pull request 1 with these labels, and an environment `other` that does not end.
async fn world(labels: &[&str]) -> World {
    let set = set("  ttl: {idle: 1h, max: 3h}");
    let files = [("hangar.yaml", CONTROLLER), ("other.yaml", &small("other")), ("set.yaml", &set)];
    let mut world = World::with(&files);
    list(&mut world, labels, false);
    world.converge().await;
    world
}

fn list(world: &mut World, labels: &[&str], is_closed: bool) {
    let began: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
    let pull = PullRequest {
        number: 1,
        title: String::new(),
        author: "ada".into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        is_draft: false,
        is_fork: false,
        branch: "change".into(),
        sha: "aaaaaaaaaaaaaaa".into(),
        base: "main".into(),
        url: "https://github.com/acme/chat/pull/1".into(),
        created_at: began,
        active_at: began,
        closed_at: is_closed.then(|| world.clock.now()),
        head_at: None,
        files: None,
        approvals: std::collections::BTreeMap::new(),
        orders: vec![],
    };
    let listing = RepoListing { pulls: vec![pull], branches: vec![], completeness: Completeness::Complete };
    world.repos.insert("acme/chat".parse().unwrap(), listing);
}

async fn extend(world: &mut World, env: &str, hours: i64) -> Outcome {
    let until = world.clock.now() + TimeDelta::hours(hours);
    world.run(Request { purpose: Purpose::Extend(env.into(), until), ..Request::default() }).await
}

/// Whether the preview is there after a run, the grace, and another run.
async fn is_there_after_grace(world: &mut World) -> bool {
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.app_names().contains(&"pr-1-web".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_label_keeps_a_preview_for_as_long_as_it_is_there() {
    let mut world = world(&["Preview:Keep"]).await;
    world.pass_time(seconds(100 * HOUR)).await;
    assert!(is_there_after_grace(&mut world).await);
    list(&mut world, &[], false);
    assert!(!is_there_after_grace(&mut world).await);
}

#[tokio::test(start_paused = true)]
async fn a_label_says_how_long_a_preview_lives_and_the_longest_counts() {
    let mut world = world(&["preview:ttl=2h", "preview:ttl=10h", "bug"]).await;
    world.pass_time(seconds(9 * HOUR)).await;
    assert!(is_there_after_grace(&mut world).await);
    world.pass_time(seconds(HOUR)).await;
    assert!(!is_there_after_grace(&mut world).await);
}

#[tokio::test(start_paused = true)]
async fn a_label_can_make_a_life_shorter() {
    let mut world = world(&["preview:ttl=10m"]).await;
    world.pass_time(seconds(601)).await;
    assert!(!is_there_after_grace(&mut world).await);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_cannot_be_read_is_a_warning_and_changes_nothing() {
    for label in
        ["preview:ttl=", "preview:ttl=soon", "preview:ttl=7", "preview:ttl=0s", "preview:ttl=99999d", "preview:ttl=-1h"]
    {
        let mut world = world(&[label]).await;
        let problems = world.load().diagnostics.render(false);
        assert!(problems.contains("warning") && problems.contains(label), "{problems}");
        world.pass_time(seconds(HOUR / 2)).await;
        assert!(is_there_after_grace(&mut world).await, "{label}");
        world.pass_time(seconds(HOUR / 2)).await;
        assert!(!is_there_after_grace(&mut world).await, "{label}");
    }
}

#[tokio::test(start_paused = true)]
async fn extending_keeps_a_preview_that_long_without_any_store_and_no_longer() {
    let mut world = world(&[]).await;
    world.sim.clear_requests();
    let outcome = extend(&mut world, "pr-1", 10).await;
    assert_eq!(outcome.worst(), Verdict::Converged, "{:#?}", outcome.last.plan);
    let writes = world.writes();
    assert!(writes.len() == 1 && writes[0].contains("pr-1-web") && writes[0].contains("metadata"), "{writes:?}");
    world.reconcile_without_writes().await;
    world.lose_store();
    world.pass_time(seconds(9 * HOUR)).await;
    assert!(is_there_after_grace(&mut world).await);
    // Less than what was said before changes nothing.
    extend(&mut world, "pr-1", 0).await;
    world.pass_time(seconds(HOUR / 2)).await;
    assert!(is_there_after_grace(&mut world).await);
    world.pass_time(seconds(HOUR / 2)).await;
    assert!(!is_there_after_grace(&mut world).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_extended_lives_on_in_new_machines_and_ends_with_its_pull_request() {
    let mut world = world(&[]).await;
    extend(&mut world, "pr-1", 10).await;
    world.edit("set.yaml", "web: {", "web: {count: 2, ");
    world.reconcile().await;
    let first = world.sim.machines("pr-1-web").into_iter().find(|machine| machine.name == "app-iad-0").unwrap();
    world.sim.delete_machine("pr-1-web", &first.id).unwrap();
    world.edit("set.yaml", "count: 2, ", "");
    world.pass_time(seconds(121)).await;
    world.reconcile().await;
    assert!(world.only_machine("pr-1-web").metadata("hangar_keep_until").is_some());
    world.pass_time(seconds(5 * HOUR)).await;
    assert!(is_there_after_grace(&mut world).await);
    list(&mut world, &[], true);
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_preview_whose_grace_has_not_passed_can_be_kept() {
    let mut world = world(&[]).await;
    world.pass_time(seconds(HOUR)).await;
    world.reconcile().await;
    assert!(world.only_machine("pr-1-web").metadata("hangar_tombstone").is_some());
    extend(&mut world, "pr-1", 5).await;
    assert!(is_there_after_grace(&mut world).await);
    assert_eq!(world.only_machine("pr-1-web").metadata("hangar_tombstone"), None);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_cannot_be_read_keeps_nothing() {
    let mut world = world(&[]).await;
    let id = world.only_machine("pr-1-web").id;
    world.edit_metadata("pr-1-web", &id, &[("hangar_keep_until", Some("for ever"))]);
    world.pass_time(seconds(HOUR)).await;
    assert!(!is_there_after_grace(&mut world).await);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_extended_that_no_spec_asks_for_or_that_is_left_alone() {
    let mut world = world(&[]).await;
    world.put("left.yaml", &environment("left", "pause: true", "web: {image: 'registry.fly.io/demo:v1'}"));
    world.sim.clear_requests();
    let outcome = extend(&mut world, "nobodys", 5).await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    extend(&mut world, "left", 5).await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_its_age_has_ended_does_not_begin_anew_as_the_same() {
    let mut world = world(&[]).await;
    world.edit("set.yaml", "{idle: 1h, max: 3h}", "{max: 3h}");
    let budget = "{deletionBudget: {maxDeletions: 9, maxDeletionPercent: 100, window: 1h}}";
    world.put("policy.yaml", &policy(budget));
    world.put("short.yaml", &environment("short", "ttl: {max: 3h}", "web: {image: 'registry.fly.io/demo:v1'}"));
    world.converge().await;
    world.pass_time(seconds(3 * HOUR)).await;
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
    for _ in 0..3 {
        world.pass_time(seconds(24 * HOUR)).await;
        let plan = world.reconcile_without_writes().await.last.plan;
        let messages: Vec<&str> = plan.notices.iter().map(|notice| notice.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "it was as old as it may be; a push to pull request acme/chat#1 brings it back",
                "it was as old as its `ttl` lets it be; a change of its spec brings it back"
            ]
        );
    }
    // Somebody pushes, and somebody changes the spec.
    for listing in world.repos.values_mut() {
        listing.pulls[0].sha = "bbbbbbbbbbbbbbbb".to_owned();
    }
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web"]);
    world.edit("short.yaml", "demo:v1", "demo:v2");
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web", "short-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_hour_before_its_end_an_environment_says_so() {
    let mut world = world(&["preview:ttl=2h"]).await;
    world.put("short.yaml", &environment("short", "ttl: {max: 3h}", "web: {image: 'registry.fly.io/demo:v1'}"));
    assert_eq!(notices(&world.reconcile().await.last.plan), []);
    world.pass_time(seconds(HOUR)).await;
    let plan = world.reconcile_without_writes().await.last.plan;
    let messages: Vec<&str> = plan.notices.iter().map(|notice| notice.message.as_str()).collect();
    assert_eq!(notices(&plan), [Reason::ExpiresSoon]);
    assert_eq!(
        messages,
        [
            "expires at 2026-03-01 14:00 UTC; `hangar extend pr-1 48h`, or the label `preview:keep` on pull request acme/chat#1, keeps it"
        ]
    );
    extend(&mut world, "pr-1", 5).await;
    world.pass_time(seconds(HOUR)).await;
    let plan = world.reconcile().await.last.plan;
    assert_eq!(plan.notices.iter().map(|notice| notice.env.as_str()).collect::<Vec<_>>(), ["short"]);
}

const CAP: &str = "{previews: {maxTtl: 5h}}";

#[tokio::test(start_paused = true)]
async fn no_label_keeps_a_preview_for_longer_than_the_policy_allows() {
    for label in ["preview:keep", "preview:ttl=10h"] {
        let mut world = world(&[label]).await;
        world.put("policy.yaml", &policy(CAP));
        let problems = world.load().diagnostics.render(false);
        let expected = format!("the label `{label}` of pull request acme/chat#1 counts as `preview:ttl=5h`");
        assert!(problems.contains("warning") && problems.contains(&expected), "{problems}");
        world.pass_time(seconds(4 * HOUR)).await;
        assert!(is_there_after_grace(&mut world).await, "{label}");
        world.pass_time(seconds(HOUR)).await;
        assert!(!is_there_after_grace(&mut world).await, "{label}");
    }
}

/// What the set itself gives is the team's word, and no label takes it away by asking for more than is allowed.
#[tokio::test(start_paused = true)]
async fn a_label_that_asks_for_too_much_takes_nothing_away() {
    for (ttl, hours) in [("{idle: 1h, max: 3h}", 2), ("{idle: 9h}", 8), ("{}", 100)] {
        let mut world = world(&["preview:keep"]).await;
        world.edit("set.yaml", "{idle: 1h, max: 3h}", ttl);
        world.put("policy.yaml", &policy("{previews: {maxTtl: 2h}}"));
        world.pass_time(seconds(hours * HOUR)).await;
        assert!(is_there_after_grace(&mut world).await, "{ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_extends_a_preview_by_more_than_the_policy_allows() {
    let mut world = world(&[]).await;
    world.put("policy.yaml", &policy(CAP));
    world.put("short.yaml", &environment("short", "ttl: {max: 3h}", "web: {image: 'registry.fly.io/demo:v1'}"));
    world.converge().await;
    let outcome = extend(&mut world, "pr-1", 6).await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert_eq!(
        outcome.last.plan.withheld.iter().map(|held| held.reason).collect::<Vec<_>>(),
        [Reason::PolicyViolation]
    );
    assert!(outcome.last.plan.withheld[0].message.contains("longer than `5h`"), "{:#?}", outcome.last.plan.withheld);
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(extend(&mut world, "pr-1", 5).await.worst(), Verdict::Converged);
    // What is no preview has an end of its own spec's making.
    assert_eq!(extend(&mut world, "short", 50).await.worst(), Verdict::Converged);
    assert!(world.only_machine("short-web").metadata("hangar_keep_until").is_some());
}
