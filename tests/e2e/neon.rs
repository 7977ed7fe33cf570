//! Branches at Neon as parts of environments: made, used by others, changed, and gone with their environment; and nothing else touched.

use std::collections::BTreeSet;

use hangar::controller::Verdict;
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request, Withheld};
use hangar::sim::{Fault, FaultKind, Matcher, NeonBranchView, NeonLimits, NeonPlan, SimConfig, SimNeonProject};

use crate::support::{CONTROLLER, GRACE, QUARANTINE, environment, seconds, small, withheld};
use crate::world::World;

pub(crate) const PROJECT: &str = "quiet-sun-123456";

/// `demo`: a branch, and an app that uses it.
pub(crate) fn demo(branch: &str) -> String {
    let neon = format!("neon: {{project: {PROJECT}, branches: {{main: {{{branch}}}}}}}");
    let app = "web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ neon.main.pooledUri }}'}}, env: {DB: '${{ neon.main.host }}'}}";
    environment("demo", &neon, app)
}

pub(crate) fn world(branch: &str) -> World {
    world_on(SimConfig::default(), branch)
}

pub(crate) fn world_on(config: SimConfig, branch: &str) -> World {
    let config = config.with_org("acme", "sim_acme_token");
    let config = config.with_neon(SimNeonProject::new(PROJECT), "sim_neon_key");
    let controller = CONTROLLER.replace("  fly:", &format!("  neon: {{projects: {{{PROJECT}: {{}}}}}}\n  fly:"));
    let mut world = World::configured(&[("hangar.yaml", &controller), ("demo.yaml", &demo(branch))], config);
    world.set("NEON_API_KEY", "sim_neon_key");
    world
}

pub(crate) async fn converged(branch: &str) -> World {
    let mut world = world(branch);
    world.converge().await;
    world
}

impl World {
    pub(crate) fn branch(&self, name: &str) -> Option<NeonBranchView> {
        self.sim.neon(PROJECT).branches().into_iter().find(|branch| branch.name == name)
    }

    /// `acme/chat` has these pull requests, open and closed.
    fn list_pulls(&mut self, open: &[u64], closed: &[u64]) {
        let now = self.clock.now();
        let pull = |number: &u64, closed_at| PullRequest {
            number: *number,
            title: String::new(),
            author: "ada".into(),
            labels: vec![],
            is_draft: false,
            is_fork: false,
            branch: format!("change-{number}"),
            sha: format!("{number}aaaaaaaaaaaaaaa"),
            base: "main".into(),
            url: format!("https://github.com/acme/chat/pull/{number}"),
            created_at: now,
            active_at: now,
            closed_at,
            head_at: None,
            files: None,
            approvals: std::collections::BTreeMap::new(),
            orders: vec![],
        };
        let open = open.iter().map(|number| pull(number, None));
        let pulls = open.chain(closed.iter().map(|number| pull(number, Some(now)))).collect();
        let listing = RepoListing { pulls, branches: vec![], completeness: Completeness::Complete };
        self.repos.insert("acme/chat".parse().unwrap(), listing);
    }

    pub(crate) fn neon_writes(&self) -> Vec<String> {
        self.writes().into_iter().filter(|write| write.contains("/api/v2/")).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_made_and_what_uses_it_gets_its_uri() {
    let world = converged("").await;
    let branch = world.branch("demo-main").unwrap();
    assert_eq!(branch.annotation["hangar_owner"], "hangar");
    assert_eq!(branch.annotation["hangar_env"], "demo");
    assert_eq!(branch.annotation["hangar_name"], "demo-main");
    let endpoint = world.sim.neon(PROJECT).endpoints(&branch.id).remove(0);
    let machine = world.sim.machines("demo-web").remove(0);
    assert_eq!(machine.config["env"]["DB"], endpoint.host.as_str());
    assert!(world.sim.secret_names("demo-web").contains(&"DATABASE_URL".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_writes_nothing_also_without_a_store() {
    let mut world = converged("compute: {min: 0.25, max: 1}, database: neondb").await;
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn no_password_is_in_any_event_plan_or_store() {
    let mut world = world("");
    let diff = world.diff().await;
    world.converge().await;
    let branch = world.branch("demo-main").unwrap();
    let password = world.sim.neon(PROJECT).password(&branch.id, &branch.roles[0]).unwrap();
    let seen = format!("{:?} {:?} {:?}", diff.plan, world.recorder.events(), world.diff().await);
    assert!(!password.expose().is_empty() && !seen.contains(password.expose()));
}

#[tokio::test(start_paused = true)]
async fn what_the_spec_says_of_a_branch_is_so_and_is_changed_back() {
    let mut world = converged("compute: {min: 0.25, max: 1}, database: app, role: app").await;
    let branch = world.branch("demo-main").unwrap();
    assert!(branch.roles.contains(&"app".to_owned()) && branch.databases.contains(&"app".to_owned()));
    let sizes = |world: &World| world.sim.neon(PROJECT).endpoints(&branch.id).remove(0).sizes;
    assert_eq!(sizes(&world), (0.25, 1.0));
    world.put("demo.yaml", &demo("compute: {min: 0.5, max: 2}, database: app, role: app"));
    world.converge().await;
    assert_eq!(sizes(&world), (0.5, 2.0));
    assert_eq!(world.branch("demo-main").unwrap().id, branch.id);
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_ours_is_left_alone() {
    let mut world = world("");
    let id = world.sim.neon(PROJECT).create_branch("demo-main", None).unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Blocked);
    assert!(withheld(&outcome.last.plan).contains(&Reason::NotOurs));
    assert_eq!(world.neon_writes(), Vec::<String>::new());
    // Nor is it when the environment goes, or a person wants its end.
    world.remove("demo.yaml");
    world.reconcile().await;
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    assert_eq!(world.branch("demo-main").unwrap().id, id);
    assert_eq!(world.neon_writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_adopted_by_name_and_never_deleted() {
    let mut world = world("adopt: true, compute: {min: 0.5, max: 2}");
    let id = world.sim.neon(PROJECT).create_branch("demo-main", None).unwrap();
    world.converge().await;
    assert_eq!(world.sim.neon(PROJECT).endpoints(&id).remove(0).sizes, (0.5, 2.0));
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!(world.branch("demo-main").unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn further_databases_and_roles_are_made_and_stay() {
    let mut world = converged("database: app, role: app_owner, databases: [jobs], roles: [reader]").await;
    let seen = |world: &World| {
        let branch = world.branch("demo-main").unwrap();
        (
            branch.databases.iter().cloned().collect::<BTreeSet<_>>(),
            branch.roles.iter().cloned().collect::<BTreeSet<_>>(),
        )
    };
    let has = |(databases, roles): &(BTreeSet<String>, BTreeSet<String>), more: &str| {
        ["app", "jobs", more].iter().all(|name| databases.contains(*name))
            && ["app_owner", "reader"].iter().all(|name| roles.contains(*name))
    };
    assert!(has(&seen(&world), "app"), "{:?}", seen(&world));
    world.reconcile_without_writes().await;
    // One more is made, and what the spec no longer names stays: there may be something in it.
    world.put("demo.yaml", &demo("database: app, role: app_owner, databases: [audit], roles: [reader]"));
    world.converge().await;
    assert!(has(&seen(&world), "audit"), "{:?}", seen(&world));
    world.reconcile_without_writes().await;
    world.put("demo.yaml", &demo("databases: [audit]"));
    let told = world.load().diagnostics.render(false);
    assert!(told.contains("which database do others use, and whose are these?"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_end_that_neon_keeps_is_moved_as_long_as_somebody_looks_after_the_branch() {
    let mut world = converged("expires: 2d").await;
    let left = |world: &World| world.branch("demo-main").unwrap().expires_at.unwrap() - world.clock.now();
    world.pass_time(seconds(11 * 3_600)).await;
    world.reconcile_without_writes().await;
    for _ in 0..3 {
        world.pass_time(seconds(30 * 3_600)).await;
        world.converge().await;
        assert!(left(&world).num_hours() >= 47, "{}", left(&world));
        world.reconcile_without_writes().await;
    }
    // Somebody has taken it away, or the spec has another one.
    world.put("demo.yaml", &demo("expires: 1d"));
    world.converge().await;
    assert_eq!(left(&world).num_hours(), 23);
    // Nobody looks after it any more.
    world.pass_time(seconds(30 * 3_600)).await;
    assert_eq!(world.branch("demo-main"), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_to_stay_gets_no_end_and_loses_the_one_it_has() {
    for stays in ["", "expires: 2d, deletionPolicy: retain", "expires: 2d, protected: true"] {
        let mut world = converged("expires: 2d").await;
        assert!(world.branch("demo-main").unwrap().expires_at.is_some());
        world.put("demo.yaml", &demo(stays));
        world.converge().await;
        assert_eq!(world.branch("demo-main").unwrap().expires_at, None, "{stays}");
        world.reconcile_without_writes().await;
        let born = converged(stays).await;
        assert_eq!(born.branch("demo-main").unwrap().expires_at, None, "{stays}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_end_is_given_to_a_branch_that_is_adopted_or_that_neon_lets_live() {
    let mut adopted = world("adopt: true, expires: 2d");
    adopted.sim.neon(PROJECT).create_branch("demo-main", None).unwrap();
    adopted.converge().await;
    assert_eq!(adopted.branch("demo-main").unwrap().expires_at, None);
    let mut parent = converged("expires: 2d").await;
    let id = parent.branch("demo-main").unwrap().id;
    parent.sim.neon(PROJECT).create_branch("child", Some(&id)).unwrap();
    parent.pass_time(seconds(30 * 3_600)).await;
    parent.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_goes_after_grace_and_after_the_apps_that_use_it() {
    let mut world = converged("").await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    assert!(world.branch("demo-main").is_some());
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world.converge().await;
    assert!(world.branch("demo-main").is_none());
    assert_eq!(world.app_names(), ["other-web"]);
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_within_grace_stays() {
    let mut world = converged("").await;
    let id = world.branch("demo-main").unwrap().id;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.put("demo.yaml", &demo(""));
    world.converge().await;
    world.pass_time(GRACE * 2).await;
    world.reconcile_without_writes().await;
    assert_eq!(world.branch("demo-main").unwrap().id, id);
}

/// A set of previews with a branch each, of the pull requests of `acme/chat`.
const SET: &str = "apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  source: {github: {repo: acme/chat, pullRequests: {}}}
  template:
    metadata: {name: 'pr-${{ pr.number }}'}
    spec:
      neon: {project: quiet-sun-123456, branches: {main: {name: 'preview/${{ branch.name }}'}}}
      fly:
        org: acme
        region: iad
        apps: {web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ neon.main.uri }}'}}}}
";

#[tokio::test(start_paused = true)]
async fn a_closed_pull_request_leaves_no_branch_also_without_a_store_and_without_any_preview_left() {
    let mut world = world("");
    world.remove("demo.yaml");
    world.put("hangar.yaml", CONTROLLER);
    world.put("chat.yaml", SET);
    world.list_pulls(&[7], &[]);
    world.converge().await;
    assert!(world.branch("preview/change-7").is_some());
    let others = world.sim.neon(PROJECT).create_branch("preview/change-8", None).unwrap();
    world.list_pulls(&[], &[7]);
    world.lose_store();
    world.pass_time(QUARANTINE).await;
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    let left: Vec<String> = world.sim.neon(PROJECT).branches().into_iter().map(|branch| branch.name).collect();
    assert_eq!(left, ["main", "preview/change-8"]);
    assert_eq!(world.branch("preview/change-8").unwrap().id, others);
    assert_eq!(world.app_names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_not_all_pull_requests_are_known() {
    let mut world = world("");
    world.remove("demo.yaml");
    world.put("chat.yaml", SET);
    world.list_pulls(&[7], &[]);
    world.converge().await;
    world.repos.insert("acme/chat".parse().unwrap(), RepoListing::unknown("502 Bad Gateway".into()));
    for _ in 0..3 {
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
    }
    assert!(world.branch("preview/change-7").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_paused_begins_its_grace_anew_when_it_goes_again() {
    let mut world = converged("").await;
    world.put("other.yaml", &small("other"));
    world.remove("demo.yaml");
    world.reconcile().await;
    world.put("demo.yaml", &demo("").replace("spec:\n", "spec:\n  pause: true\n"));
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world.reconcile().await;
    // Nothing but the tombstones of the machine and of the branch's compute was taken back.
    assert_eq!(world.writes().len(), 2, "{:#?}", world.writes());
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
    world.remove("demo.yaml");
    world.reconcile().await;
    assert!(world.branch("demo-main").is_some() && world.app_names() == ["demo-web", "other-web"]);
    world.pass_time(GRACE).await;
    world.converge().await;
    assert!(world.branch("demo-main").is_none() && world.app_names() == ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn the_tombstone_outlives_the_store() {
    let mut world = converged("").await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.lose_store();
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert!(world.branch("demo-main").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_neon_does_not_list_everything() {
    let mut world = converged("").await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.pass_time(GRACE).await;
    let list = format!("/api/v2/projects/{PROJECT}/branches");
    world.sim.inject(Fault::always(Matcher::new(Method::Get, &list), FaultKind::unavailable()));
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(world.writes(), Vec::<String>::new());
    assert!(world.branch("demo-main").is_some());
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_protected_environment_keeps_its_branch() {
    let mut world = world("");
    world.edit("demo.yaml", "spec:\n", "spec:\n  protect: true\n");
    world.converge().await;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert!(world.branch("demo-main").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_person_ends_it_at_once() {
    let mut world = converged("").await;
    world.remove("demo.yaml");
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    assert_eq!((world.branch("demo-main"), world.app_names()), (None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_accepted_fails_at_once_and_leaves_other_environments_alone() {
    let mut world = world("");
    world.put("other.yaml", &small("other"));
    world.set("NEON_API_KEY", "sim_wrong_key_of_another");
    let began = world.clock.now();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Failed);
    assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged);
    assert!((world.clock.now() - began).num_seconds() < 30);
    assert_eq!(world.app_names(), ["demo-web", "other-web"]);
    let (place, reason) = outcome.last.out_of_reach().next().unwrap();
    assert_eq!(place.to_string(), "Neon project `quiet-sun-123456`");
    assert!(reason.contains("`NEON_API_KEY`") && !reason.contains("sim_wrong"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn no_room_is_a_queue_and_no_failure() {
    let mut world = world("");
    let neon = world.sim.neon(PROJECT);
    let count = neon.branches().len();
    neon.set_limits(NeonLimits { branches: Some(count), ..NeonPlan::Launch.limits() }).unwrap();
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Waiting, "{:#?}", outcome.failures);
    assert!(withheld(&outcome.last.plan).contains(&Reason::Queued));
    neon.set_limits(NeonLimits { branches: Some(count + 1), ..NeonPlan::Launch.limits() }).unwrap();
    world.pass_time(seconds(600)).await;
    world.converge().await;
    assert!(world.branch("demo-main").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_a_free_plan_has_no_room_for_is_known_before_anything_is_asked_for() {
    let mut world = world("");
    let neon = world.sim.neon(PROJECT);
    neon.set_plan(NeonPlan::Free).unwrap();
    for number in neon.branches().len()..9 {
        neon.create_branch(&format!("theirs-{number}"), None).unwrap();
    }
    world.put("two.yaml", &demo("").replace("name: demo", "name: two"));
    let planned = world.diff().await;
    let queued = |all: &[Withheld]| all.iter().filter(|one| one.reason == Reason::Queued).cloned().collect::<Vec<_>>();
    let [waits] = &queued(&planned.plan.withheld)[..] else { panic!("{:#?}", planned.plan.withheld) };
    assert!(waits.message.contains("allows 10 branches"), "{}", waits.message);
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Converged);
    assert_eq!(outcome.verdicts[&"two".into()], Verdict::Waiting);
    assert_eq!(neon.branches().len(), 10);
    let made = world.writes().iter().filter(|write| write.ends_with("/branches")).count();
    assert_eq!(made, 1, "nothing is asked for that would be refused");
    neon.delete_branch(&world.branch("theirs-8").unwrap().id).unwrap();
    world.pass_time(seconds(600)).await;
    world.converge().await;
    assert!(world.branch("two-main").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_branch() {
    let mut world = world("");
    let list = format!("/api/v2/projects/{PROJECT}/branches");
    world.sim.inject(Fault::always(Matcher::new(Method::Post, &list), FaultKind::lost_in_500()).times(1));
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    let made = world.sim.neon(PROJECT).branches().into_iter().filter(|branch| !branch.annotation.is_empty()).count();
    assert_eq!(made, 1);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_done_once_for_each_time_it_is_asked_for() {
    let mut world = converged("").await;
    assert_eq!(world.branch("demo-main").unwrap().last_reset_at, None);
    world.put("demo.yaml", &demo("reset: 1"));
    world.converge().await;
    let first = world.branch("demo-main").unwrap().last_reset_at;
    assert!(first.is_some());
    world.reconcile_without_writes().await;
    world.put("demo.yaml", &demo("reset: 2"));
    world.converge().await;
    assert!(world.branch("demo-main").unwrap().last_reset_at > first);
}

#[tokio::test(start_paused = true)]
async fn a_branch_without_a_place_for_the_note_is_not_reset() {
    let mut world = converged("").await;
    let branch = world.branch("demo-main").unwrap();
    world.sim.neon(PROJECT).delete_endpoints(&branch.id).unwrap();
    world.put("demo.yaml", &demo("reset: 1"));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Failed);
    assert!(format!("{:?}", outcome.failures).contains("add one in Neon's console"), "{:#?}", outcome.failures);
    assert_eq!(world.branch("demo-main").unwrap().last_reset_at, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_a_branch_is_put_aside_before_it_goes() {
    let mut world = converged("deletionPolicy: snapshot, expires: 7d").await;
    world.reconcile_without_writes().await;
    let id = world.branch("demo-main").unwrap().id;
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    // What is to become of it outlives its spec and the store.
    world.lose_store();
    world.pass_time(GRACE).await;
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert_eq!(world.branch("demo-main"), None);
    let neon = world.sim.neon(PROJECT);
    let kept = neon.branches().into_iter().find(|branch| branch.id == id).unwrap();
    assert!(kept.name.starts_with("demo-main-before-deletion-20260301-"), "{}", kept.name);
    assert_eq!((kept.expires_at, neon.endpoints(&id).len()), (None, 0));
    assert!(format!("{:?}", world.recorder.events()).contains(&kept.name));
    // It is nobody's: it stays, and another one can be made under the former name.
    world.put("demo.yaml", &demo(""));
    world.converge().await;
    assert_ne!(world.branch("demo-main").unwrap().id, id);
    world.pass_time(GRACE).await;
    world.reconcile_without_writes().await;
}
