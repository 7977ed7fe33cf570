//! Branches at Supabase as parts of environments: made, used by others, changed, and gone with their environment; and nothing else touched.

use std::collections::BTreeSet;

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::{Purpose, Reason, Request};
use hangar::report::{self, RequestCount};
use hangar::sim::{Fault, FaultKind, Matcher, SimConfig, SupabaseBranchView};

use crate::supabase_document::hold_to_supabase;
use crate::support::{CONTROLLER, GRACE, QUARANTINE, environment, small, withheld};
use crate::world::World;

const PROJECT: &str = "abcdefghijklmnopqrst";
const TOKEN: &str = "sbp_0123456789abcdef";

/// `demo`: a branch, and an app that uses it.
fn demo(branch: &str) -> String {
    let supabase = format!("supabase: {{project: {PROJECT}, branches: {{main: {{{branch}}}}}}}");
    let app = "web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ supabase.main.pooledUri }}'}, DIRECT_URL: {value: '${{ supabase.main.uri }}'}, ANON: {value: '${{ supabase.main.anonKey }}'}}, env: {DB: '${{ supabase.main.host }}', URL: '${{ supabase.main.url }}'}}";
    environment("demo", &supabase, app)
}

fn configured(branch: &str, config: SimConfig) -> World {
    let controller = CONTROLLER.replace("  fly:", &format!("  supabase: {{projects: {{{PROJECT}: {{}}}}}}\n  fly:"));
    let mut world = World::configured(&[("hangar.yaml", &controller), ("demo.yaml", &demo(branch))], config);
    hold_to_supabase(&world.sim);
    world.set("SUPABASE_ACCESS_TOKEN", TOKEN);
    world
}

fn config() -> SimConfig {
    SimConfig::default().with_org("acme", "sim_acme_token").with_supabase(PROJECT, TOKEN)
}

fn world(branch: &str) -> World {
    configured(branch, config())
}

async fn converged(branch: &str) -> World {
    let mut world = world(branch);
    world.converge().await;
    world
}

impl World {
    /// The branches whose names begin so.
    fn supabase(&self, begin: &str) -> Vec<SupabaseBranchView> {
        self.sim.supabase_branches(PROJECT).into_iter().filter(|branch| branch.name.starts_with(begin)).collect()
    }

    fn supabase_writes(&self) -> Vec<String> {
        let is_supabase = |write: &&String| write.contains("/v1/branches/") || write.ends_with("/branches");
        self.writes().iter().filter(is_supabase).cloned().collect()
    }

    /// The spec goes, another environment stays, and its grace passes.
    async fn orphan(&mut self) {
        self.remove("demo.yaml");
        self.put("other.yaml", &small("other"));
        self.reconcile().await;
        self.pass_time(GRACE).await;
        self.sim.clear_requests();
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_made_and_what_uses_it_gets_its_connection_strings() {
    let mut world = world("gitBranch: change-4, persistent: true, size: micro, withData: true");
    world.reconcile().await;
    let branch = world.supabase("demo-main-").remove(0);
    assert_eq!(branch.name.len(), "demo-main-".len() + 10);
    assert_eq!((branch.git_branch.as_deref(), branch.persistent), (Some("change-4"), true));
    assert_eq!(world.supabase_writes(), [format!("POST /v1/projects/{PROJECT}/branches")]);
    let reference = &branch.reference;
    let password = world.sim.supabase_password(reference).unwrap();
    let secret = |name: &str| world.sim.secret_value("demo-web", name).unwrap();
    let direct = format!("postgresql://postgres:{password}@db.{reference}.supabase.co:5432/postgres");
    assert_eq!(secret("DIRECT_URL"), direct);
    let pooled = format!("postgresql://postgres.{reference}:{password}@us-east-1.pooler.supabase.com:6543/postgres");
    assert_eq!(secret("DATABASE_URL"), pooled);
    assert!(secret("ANON").starts_with("eyJ"));
    let machine = world.sim.machines("demo-web").remove(0);
    assert_eq!(machine.config["env"]["DB"], format!("db.{reference}.supabase.co"));
    assert_eq!(machine.config["env"]["URL"], format!("https://{reference}.supabase.co"));
}

#[tokio::test(start_paused = true)]
async fn a_second_pass_writes_nothing_also_without_a_store() {
    let mut world = converged("persistent: true").await;
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    world.pass_time(QUARANTINE).await;
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn no_password_or_key_is_in_any_event_plan_or_store() {
    let mut world = world("");
    let diff = world.diff().await;
    world.converge().await;
    let password = world.sim.supabase_password(&world.supabase("demo-main-")[0].reference).unwrap();
    let anon = world.sim.secret_value("demo-web", "ANON").unwrap();
    let seen = format!("{:?} {:?} {:?}", diff.plan, world.recorder.events(), world.diff().await);
    assert!(!password.is_empty() && !seen.contains(&password) && !seen.contains(&anon));
}

#[tokio::test(start_paused = true)]
async fn what_the_spec_says_of_a_branch_is_so_and_is_changed_back() {
    let mut world = converged("persistent: true, gitBranch: one").await;
    let first = world.supabase("demo-main-").remove(0);
    world.put("demo.yaml", &demo("persistent: false, gitBranch: two"));
    world.sim.clear_requests();
    world.reconcile().await;
    let branch = world.supabase("demo-main-").remove(0);
    assert_eq!((branch.git_branch.as_deref(), branch.persistent), (Some("two"), false));
    assert_eq!((&branch.reference, &branch.name), (&first.reference, &first.name));
    assert_eq!(world.supabase_writes(), [format!("PATCH /v1/branches/{}", first.reference)]);
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_ours_and_is_not_stays_when_ours_goes() {
    let mut world = converged("").await;
    let own = world.supabase("demo-main-").remove(0).name;
    // Another digest, more behind the name, marks on a name that is nobody's, and one that Supabase has made for a pull request.
    let copies = ["demo-main-0123456789".to_owned(), format!("{own}-copy"), "demo-main-0123456789.t1".to_owned()];
    for (number, copy) in copies.iter().enumerate() {
        world.sim.create_supabase_branch(PROJECT, copy, u64::try_from(number).unwrap()).unwrap();
    }
    world.sim.create_supabase_branch(PROJECT, "change-4", 4).unwrap();
    world.orphan().await;
    world.reconcile().await;
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    let left: BTreeSet<String> = world.supabase("").into_iter().map(|branch| branch.name).collect();
    assert_eq!(left, copies.into_iter().chain(["change-4".to_owned()]).collect());
    assert_eq!(world.supabase_writes().len(), 1, "{:#?}", world.supabase_writes());
}

#[tokio::test(start_paused = true)]
async fn a_branch_with_the_name_and_the_tombstone_of_ours_is_not_ours() {
    let mut world = converged("").await;
    let own = world.supabase("demo-main-").remove(0);
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    // Somebody copies what he sees: names are unique, so he changes what is noted.
    let noted = world.supabase("demo-main-").remove(0).name;
    let (name, _) = noted.split_once(".t").unwrap();
    world.pass_time(GRACE).await;
    let copies = [".t1", ".t1.p1", ".x0123456789ab.t69a42a40"]
        .map(|marks| world.sim.create_supabase_branch(PROJECT, &format!("{name}{marks}"), 7).unwrap());
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(world.supabase_writes(), [format!("DELETE /v1/branches/{}", own.reference)]);
    for _ in 0..3 {
        world.pass_time(GRACE).await;
        world.reconcile_without_writes().await;
    }
    let left: BTreeSet<String> = world.supabase("").into_iter().map(|branch| branch.reference).collect();
    assert_eq!(left, copies.into());
}

#[tokio::test(start_paused = true)]
async fn a_branch_of_the_integration_is_adopted_by_name_and_never_deleted() {
    let mut world = world("adopt: true, name: change-4, persistent: true");
    let outcome = world.reconcile().await;
    assert_eq!(outcome.worst(), Verdict::Waiting);
    assert!(withheld(&outcome.last.plan).contains(&Reason::DependencyBlocked));
    assert_eq!(world.supabase_writes(), Vec::<String>::new());
    let reference = world.sim.create_supabase_branch(PROJECT, "change-4", 4).unwrap();
    world.converge().await;
    let adopted = world.supabase("change-4").remove(0);
    assert_eq!((&adopted.reference, adopted.persistent, adopted.name.as_str()), (&reference, true, "change-4"));
    world.orphan().await;
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
    assert_eq!(world.app_names(), ["other-web"]);
    assert_eq!((world.supabase("").len(), world.supabase_writes()), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_branch_goes_after_grace_and_after_the_apps_that_use_it() {
    let mut world = converged("").await;
    let own = world.supabase("demo-main-").remove(0);
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    let marked = world.supabase("demo-main-").remove(0);
    assert!(marked.reference == own.reference && marked.name.starts_with(&format!("{}.t", own.name)), "{marked:?}");
    world.pass_time(GRACE).await;
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!((world.supabase("").len(), world.app_names()), (0, vec!["other-web".to_owned()]));
    let deletions: Vec<String> = world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect();
    assert_eq!(deletions.last(), Some(&format!("DELETE /v1/branches/{}", own.reference)));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wanted_again_within_grace_stays_and_has_its_name_back() {
    let mut world = converged("").await;
    let own = world.supabase("demo-main-").remove(0);
    world.remove("demo.yaml");
    world.put("other.yaml", &small("other"));
    world.reconcile().await;
    world.put("demo.yaml", &demo(""));
    world.converge().await;
    assert_eq!(world.supabase("demo-main-"), [own]);
    world.pass_time(GRACE * 2).await;
    world.reconcile_without_writes().await;
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
    assert_eq!(world.supabase(""), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_supabase_does_not_list_everything() {
    let mut world = converged("").await;
    world.orphan().await;
    let list = format!("/v1/projects/{PROJECT}/branches");
    world.sim.inject(Fault::always(Matcher::new(Method::Get, &list), FaultKind::unavailable()));
    world.reconcile().await;
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!((world.supabase("demo-main-").len(), world.app_names().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_protected_environment_keeps_its_branch_and_a_person_ends_another_at_once() {
    let mut world = world("");
    world.edit("demo.yaml", "spec:\n", "spec:\n  protect: true\n");
    world.converge().await;
    assert!(world.supabase("demo-main-")[0].name.ends_with(".p1"));
    world.orphan().await;
    world.reconcile().await;
    assert_eq!(world.supabase("demo-main-").len(), 1);
    let mut world = converged("").await;
    world.remove("demo.yaml");
    world.run(Request { purpose: Purpose::Destroy("demo".into()), ..Request::default() }).await;
    assert_eq!((world.supabase(""), world.app_names()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_branch() {
    let mut world = world("");
    let list = format!("/v1/projects/{PROJECT}/branches");
    world.sim.inject(Fault::always(Matcher::new(Method::Post, &list), FaultKind::lost_in_500()).times(1));
    world.reconcile().await;
    world.pass_time(QUARANTINE).await;
    world.converge().await;
    assert_eq!(world.supabase("").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_may_not_write_fails_with_what_it_lacks_and_leaves_other_environments_alone() {
    let mut config = config();
    config.supabase_tokens[0].read_only = true;
    let mut world = configured("", config);
    world.put("other.yaml", &small("other"));
    let outcome = world.reconcile().await;
    assert_eq!(outcome.verdicts[&"demo".into()], Verdict::Failed);
    assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged);
    let said = format!("{:?}", world.recorder.events());
    assert!(said.contains("the token in `SUPABASE_ACCESS_TOKEN` may not do this"), "{said}");
    assert!(said.contains("may change branches (`environment:write`)") && !said.contains(TOKEN), "{said}");
    assert_eq!(world.supabase(""), []);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_accepted_is_named() {
    let mut world = world("");
    world.set("SUPABASE_ACCESS_TOKEN", "sbp_wrong_of_another");
    let outcome = world.reconcile().await;
    let (place, reason) = outcome.last.out_of_reach().next().unwrap();
    assert_eq!(place.to_string(), format!("Supabase project `{PROJECT}`"));
    assert!(reason.contains("`SUPABASE_ACCESS_TOKEN`") && !reason.contains("sbp_wrong"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_branch_whose_migrations_fail_is_said_and_not_made_again() {
    let mut world = converged("").await;
    let own = world.supabase("demo-main-").remove(0);
    world.sim.fail_supabase_migrations(&own.reference).unwrap();
    world.sim.clear_requests();
    let outcome = world.reconcile().await;
    assert!(withheld(&outcome.last.plan).contains(&Reason::ObjectFailed));
    assert_eq!(world.supabase_writes(), Vec::<String>::new());
}

/// `demo`: an app that uses a project that is there.
fn shared(project: &str) -> World {
    let supabase = format!("supabase: {{projects: {{main: {{{project}}}}}}}");
    let app = "web: {image: 'registry.fly.io/demo:v1', secrets: {DATABASE_URL: {value: '${{ supabase.main.pooledUri }}'}, DIRECT_URL: {value: '${{ supabase.main.uri }}'}}, env: {DB: '${{ supabase.main.host }}', URL: '${{ supabase.main.url }}'}}";
    let demo = environment("demo", &supabase, app);
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &demo)], config());
    world.set("DB_PASSWORD", "pa/ss:w@rd");
    world
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_there_gives_connection_strings_and_is_neither_asked_nor_changed() {
    let project = format!("project: {PROJECT}, password: {{fromEnv: DB_PASSWORD}}, pooler: eu.pooler.supabase.com");
    let mut world = shared(&project);
    world.converge().await;
    let secret = |name: &str| world.sim.secret_value("demo-web", name).unwrap();
    let direct = format!("postgresql://postgres:pa%2Fss%3Aw%40rd@db.{PROJECT}.supabase.co:5432/postgres");
    assert_eq!(secret("DIRECT_URL"), direct);
    let pooled = format!("postgresql://postgres.{PROJECT}:pa%2Fss%3Aw%40rd@eu.pooler.supabase.com:6543/postgres");
    assert_eq!(secret("DATABASE_URL"), pooled);
    let machine = world.sim.machines("demo-web").remove(0);
    assert_eq!(machine.config["env"]["DB"], format!("db.{PROJECT}.supabase.co"));
    assert_eq!(machine.config["env"]["URL"], format!("https://{PROJECT}.supabase.co"));
    let paths: Vec<String> = world.sim.requests().into_iter().map(|request| request.path).collect();
    assert!(!paths.iter().any(|path| path.contains("/branches") || path.starts_with("/v1/projects")), "{paths:#?}");
    assert!(!format!("{:?}", world.recorder.events()).contains("pa/ss"));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_branch_costs_is_said_not_to_be_counted() {
    let mut world = converged("").await;
    let planned = world.diff().await;
    assert!(report::cost_delta(&planned.plan, &planned.observed).is_nothing());
    world.orphan().await;
    let planned = world.diff().await;
    let cost = report::cost_delta(&planned.plan, &planned.observed);
    let said = report::diff_markdown(&planned.plan, cost, RequestCount { reads: 0, writes: 0 });
    assert!(said.contains("; not counted: branches at Supabase"), "{said}");
}
