//! Sets of previews: what a listing of pull requests comes to on the platform.

use chrono::{DateTime, TimeDelta, Utc};
use hangar::controller::Verdict;
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::plan::Reason;

use crate::support::{CONTROLLER, deletes, environment, seconds, small};
use crate::world::World;

/// A set of previews of `acme/chat` with these lines under `spec`.
pub(crate) fn set(more: &str) -> String {
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: chat}}
spec:
  source: {{github: {{repo: acme/chat, pullRequests: {{}}}}}}
{more}
  template:
    metadata: {{name: 'pr-${{{{ pr.number }}}}'}}
    spec:
      fly:
        org: acme
        region: iad
        apps: {{web: {{image: 'registry.fly.io/demo:${{{{ head.shortSha }}}}'}}}}
"
    )
}

/// A world whose repository `acme/chat` has no pull request, beside an environment `other` that is no preview.
async fn world(more: &str) -> World {
    let files = [("hangar.yaml", CONTROLLER), ("other.yaml", &small("other")), ("set.yaml", &set(more))];
    let mut world = World::with(&files);
    list(&mut world, &[]);
    world.converge().await;
    world
}

pub(crate) fn pull(now: DateTime<Utc>, number: u64) -> PullRequest {
    PullRequest {
        number,
        title: format!("Change {number}"),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: format!("change-{number}"),
        sha: format!("{number}aaaaaaaaaaaaaaa"),
        base: "main".into(),
        url: format!("https://github.com/acme/chat/pull/{number}"),
        created_at: epoch() + TimeDelta::minutes(i64::try_from(number).unwrap()),
        active_at: now,
        closed_at: None,
        head_at: None,
        files: None,
        orders: vec![],
    }
}

fn epoch() -> DateTime<Utc> {
    "2026-02-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn list(world: &mut World, pulls: &[PullRequest]) {
    let listing = RepoListing { pulls: pulls.to_vec(), branches: vec![], completeness: Completeness::Complete };
    world.repos.insert("acme/chat".parse().unwrap(), listing);
}

fn close(pull: &PullRequest, world: &World) -> PullRequest {
    PullRequest { closed_at: Some(world.clock.now()), ..pull.clone() }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_has_its_environment_until_it_is_closed() {
    let mut world = world("").await;
    let now = world.clock.now();
    let one = pull(now, 1);
    list(&mut world, &[one.clone(), pull(now, 2)]);
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web", "pr-2-web"]);
    assert_eq!(world.only_machine("pr-1-web").config["image"], "registry.fly.io/demo:1aaaaaa");
    world.reconcile_without_writes().await;
    // A push.
    let pushed = PullRequest { sha: "bbbbbbbbbbbbb".into(), ..one.clone() };
    list(&mut world, &[pushed.clone(), pull(now, 2)]);
    world.converge().await;
    assert_eq!(world.only_machine("pr-1-web").config["image"], "registry.fly.io/demo:bbbbbbb");
    // Closed: deleted at once, with no mark before and no grace.
    let closed = close(&pushed, &world);
    list(&mut world, &[closed, pull(now, 2)]);
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Converged);
    assert_eq!(world.writes(), ["DELETE /v1/apps/pr-1-web"]);
    world.reconcile_without_writes().await;
    // Opened again: back.
    list(&mut world, &[pushed, pull(now, 2)]);
    world.pass_time(seconds(61)).await;
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web", "pr-2-web"]);
}

#[tokio::test(start_paused = true)]
async fn grace_begins_when_the_pull_request_was_closed_and_needs_no_store() {
    let mut world = world("  grace: 1h").await;
    let now = world.clock.now();
    let one = pull(now, 1);
    list(&mut world, std::slice::from_ref(&one));
    world.converge().await;
    let closed = close(&one, &world);
    list(&mut world, &[closed]);
    world.pass_time(seconds(1800)).await;
    world.lose_store();
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert_eq!((world.writes(), outcome.verdicts[&"pr-1".into()].clone()), (vec![], Verdict::Waiting));
    world.pass_time(seconds(1800)).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_not_whole_deletes_nothing() {
    let mut world = world("").await;
    let now = world.clock.now();
    let one = pull(now, 1);
    list(&mut world, &[one.clone(), pull(now, 2)]);
    world.converge().await;
    let reason = "page 2: 502 Bad Gateway";
    for pulls in [vec![], vec![close(&one, &world)], vec![one.clone()]] {
        let completeness = Completeness::Incomplete { reason: reason.into() };
        world.repos.insert("acme/chat".parse().unwrap(), RepoListing { pulls, branches: vec![], completeness });
        world.pass_time(seconds(3600)).await;
        world.sim.clear_requests();
        let outcome = world.reconcile().await;
        assert_eq!(world.writes(), Vec::<String>::new());
        let withheld = &outcome.last.plan.withheld;
        assert!(withheld.iter().all(|withheld| withheld.reason == Reason::SourceIncomplete), "{withheld:#?}");
        assert!(withheld.iter().any(|withheld| withheld.message.contains(reason)), "{withheld:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_is_simply_no_longer_listed_has_the_usual_grace() {
    let mut world = world("").await;
    let now = world.clock.now();
    list(&mut world, &[pull(now, 1), pull(now, 2)]);
    world.converge().await;
    list(&mut world, &[pull(now, 2)]);
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!((deletes(&world).len(), world.writes().len()), (0, 1), "{:?}", world.writes());
    world.pass_time(seconds(301)).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web", "pr-2-web"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_deleted_for_the_name_of_a_closed_pull_request() {
    let mut world = world("").await;
    let now = world.clock.now();
    // An environment that a spec asks for, and another controller's app, have the names of closed pull requests.
    world.put("pr-1.yaml", &small("pr-1"));
    world.converge().await;
    world.sim.create_app("acme", "pr-2-web", "").unwrap();
    let closed: Vec<_> = [1, 2].iter().map(|number| close(&pull(now, *number), &world)).collect();
    list(&mut world, &closed);
    world.pass_time(seconds(3600)).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web", "pr-2-web"]);
}

/// Of an app of ours without a machine nothing says which environment it is of. That it has the name of a closed preview proves
/// nothing: it goes the way of every orphan.
#[tokio::test(start_paused = true)]
async fn an_app_that_only_has_the_name_of_a_closed_preview_has_its_tombstone_and_grace() {
    let mut world = world("").await;
    let now = world.clock.now();
    let apps = "web: {name: pr-1, image: 'registry.fly.io/demo:v1', processes: {app: {count: 0}}}";
    world.put("empty.yaml", &environment("empty", "", apps));
    world.converge().await;
    world.remove("empty.yaml");
    let closed = close(&pull(now, 1), &world);
    list(&mut world, &[closed]);
    world.pass_time(seconds(3600)).await;
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(world.app_names(), ["other-web", "pr-1"]);
    world.pass_time(seconds(301)).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_makes_a_queue_in_the_order_of_age() {
    let mut world = world("  limit: 2").await;
    let now = world.clock.now();
    let pulls: Vec<_> = [4, 3, 2, 1].iter().map(|number| pull(now, *number)).collect();
    list(&mut world, &pulls);
    let outcome = world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web", "pr-2-web"]);
    let messages: Vec<_> = outcome.last.plan.withheld.iter().map(|withheld| withheld.message.as_str()).collect();
    let place = |place: u32| {
        format!(
            "waits in the queue of preview set `chat`, at place {place} of 2: the set has room for 2 previews at once"
        )
    };
    assert_eq!(messages, [place(1), place(2)]);
    // What is live is not pushed out, and what is being deleted counts until it is gone.
    let closed = close(&pulls[3], &world);
    list(&mut world, &[pulls[0].clone(), pulls[1].clone(), pulls[2].clone(), closed]);
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(world.writes(), ["DELETE /v1/apps/pr-1-web", "POST /v1/apps", "POST /v1/apps/pr-3-web/machines"]);
    assert_eq!(world.app_names(), ["other-web", "pr-2-web", "pr-3-web"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_preview_expires_and_a_push_brings_it_back() {
    let mut world = world("  ttl: {idle: 1h, max: 3d}").await;
    let now = world.clock.now();
    let one = pull(now, 1);
    list(&mut world, std::slice::from_ref(&one));
    world.converge().await;
    world.pass_time(seconds(3600)).await;
    world.reconcile().await;
    world.pass_time(seconds(301)).await;
    let outcome = world.reconcile().await;
    assert_eq!(world.app_names(), ["other-web"]);
    let notices: Vec<_> = outcome.last.plan.notices.iter().map(|notice| notice.message.as_str()).collect();
    let expected = "expired at 2026-03-01 13:00 UTC, because nothing had happened in pull request acme/chat#1 for long; a push brings it back";
    assert_eq!(notices, [expected]);
    let pushed = PullRequest { active_at: world.clock.now(), ..one };
    list(&mut world, &[pushed]);
    world.pass_time(seconds(61)).await;
    world.converge().await;
    assert_eq!(world.app_names(), ["other-web", "pr-1-web"]);
}
