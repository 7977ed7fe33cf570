//! What one set of previews does not know holds what that set may want, and nothing else.

use chrono::{DateTime, TimeDelta, Utc};
use hangar::desired::{Completeness, PullRequest, RepoListing};
use hangar::plan::{Plan, Reason};

use crate::support::{CONTROLLER, GRACE, deletes, environment, seconds, small, withheld};
use crate::world::World;

/// A set of previews of all pull requests of `acme/<name>`, each of them an environment `<prefix><number>`.
fn set(name: &str, prefix: &str) -> String {
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: {name}}}
spec:
  source: {{github: {{repo: acme/{name}, pullRequests: {{}}}}}}
  template:
    metadata: {{name: '{prefix}${{{{ pr.number }}}}'}}
    spec:
      fly:
        org: acme
        region: iad
        apps: {{web: {{image: 'registry.fly.io/demo:${{{{ head.shortSha }}}}'}}}}
"
    )
}

fn pull(world: &World, number: u64) -> PullRequest {
    let created_at: DateTime<Utc> = "2026-02-01T00:00:00Z".parse().unwrap();
    PullRequest {
        number,
        title: String::new(),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: format!("change-{number}"),
        sha: format!("{number}aaaaaaaaaaaaaaa"),
        base: "main".into(),
        url: format!("https://github.com/acme/chat/pull/{number}"),
        created_at: created_at + TimeDelta::minutes(i64::try_from(number).unwrap()),
        active_at: world.clock.now(),
        closed_at: None,
        head_at: None,
        files: None,
        orders: vec![],
    }
}

fn open(world: &World, numbers: &[u64]) -> Vec<PullRequest> {
    numbers.iter().map(|number| pull(world, *number)).collect()
}

fn closed(world: &World, numbers: &[u64]) -> Vec<PullRequest> {
    let closed_at = Some(world.clock.now());
    open(world, numbers).into_iter().map(|pull| PullRequest { closed_at, ..pull }).collect()
}

/// `acme/<repo>` has these pull requests, and no others.
fn list(world: &mut World, repo: &str, pulls: Vec<PullRequest>) {
    let listing = RepoListing { pulls, branches: vec![], completeness: Completeness::Complete };
    world.repos.insert(format!("acme/{repo}").parse().unwrap(), listing);
}

/// The listing of `acme/<repo>` fails.
fn fail(world: &mut World, repo: &str) {
    world.repos.insert(format!("acme/{repo}").parse().unwrap(), RepoListing::unknown("502 Bad Gateway".into()));
}

/// A world with set `chat` (`chat-1`, `chat-2`) and set `docs` (`docs-1`, `docs-2`), next to an environment `other`.
async fn two_sets() -> World {
    let files = [
        ("hangar.yaml", CONTROLLER),
        ("other.yaml", &small("other")),
        ("chat.yaml", &set("chat", "chat-")),
        ("docs.yaml", &set("docs", "docs-")),
    ];
    let mut world = World::with(&files);
    for repo in ["chat", "docs"] {
        let pulls = open(&world, &[1, 2]);
        list(&mut world, repo, pulls);
    }
    world.converge().await;
    world
}

const ALL: [&str; 5] = ["chat-1-web", "chat-2-web", "docs-1-web", "docs-2-web", "other-web"];

/// Lets twice the grace pass, with a run before, between and after.
async fn reconcile_for_long(world: &mut World) {
    for _ in 0..3 {
        world.reconcile().await;
        world.pass_time(GRACE).await;
    }
}

fn mark(world: &World, app: &str, value: Option<&str>) {
    let id = world.only_machine(app).id;
    world.edit_metadata(app, &id, &[("hangar_set", value)]);
}

#[tokio::test(start_paused = true)]
async fn every_machine_of_a_preview_names_its_set_from_birth() {
    let world = two_sets().await;
    let created = world.sim.machines("chat-1-web")[0].config["metadata"]["hangar_set"].clone();
    assert_eq!(created, "chat");
    assert!(world.only_machine("other-web").config["metadata"].get("hangar_set").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_one_set_does_not_know_holds_its_own_previews_only() {
    let mut world = two_sets().await;
    fail(&mut world, "chat");
    let mut pulls = closed(&world, &[1]);
    // Number 2 is merely listed no longer: an orphan with tombstone and grace.
    list(&mut world, "docs", pulls.clone());
    let outcome = world.reconcile().await;
    assert_eq!(deletes(&world), ["DELETE /v1/apps/docs-1-web"]);
    let held: Vec<_> =
        outcome.last.plan.withheld.iter().filter(|held| held.reason == Reason::SourceIncomplete).collect();
    let names: Vec<_> = held.iter().map(|held| held.env.as_str()).collect();
    assert_eq!(names, ["chat-1", "chat-2"]);
    assert!(held[0].message.contains("preview set `chat`: acme/chat: 502 Bad Gateway"), "{held:#?}");
    reconcile_for_long(&mut world).await;
    assert_eq!(world.app_names(), ["chat-1-web", "chat-2-web", "other-web"]);
    // It answers again: what it wants has never been touched.
    pulls = open(&world, &[2]);
    pulls.extend(closed(&world, &[1]));
    list(&mut world, "chat", pulls);
    world.sim.clear_requests();
    world.reconcile().await;
    assert_eq!(world.writes(), ["DELETE /v1/apps/chat-1-web"]);
}

#[tokio::test(start_paused = true)]
async fn what_no_set_made_waits_for_all_sets() {
    let mut world = two_sets().await;
    fail(&mut world, "chat");
    world.remove("other.yaml");
    let apps = "web: {name: nothing, image: 'registry.fly.io/demo:v1', processes: {app: {count: 0}}}";
    world.put("empty.yaml", &environment("empty", "", apps));
    world.reconcile().await;
    world.remove("empty.yaml");
    world.sim.clear_requests();
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
    let chat = open(&world, &[1, 2]);
    list(&mut world, "chat", chat);
    reconcile_for_long(&mut world).await;
    assert_eq!(world.app_names(), ALL[..4]);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_left_the_specs_or_has_another_name_waits_for_all_sets() {
    let mut world = two_sets().await;
    // `docs` is renamed, its repository and its previews are the same, and do not answer just now.
    world.remove("docs.yaml");
    world.put("pages.yaml", &set("docs", "docs-").replace("{name: docs}", "{name: pages}"));
    fail(&mut world, "docs");
    world.sim.clear_requests();
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
    // The same with a new prefix: it can only be told by the set's name that they are nobody's, and that is not known any more.
    world.put("pages.yaml", &set("docs", "pages-").replace("{name: docs}", "{name: pages}"));
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
    // Deleted for good, while another one does not answer.
    world.remove("pages.yaml");
    fail(&mut world, "chat");
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
    let chat = open(&world, &[1, 2]);
    list(&mut world, "chat", chat);
    reconcile_for_long(&mut world).await;
    assert_eq!(world.app_names(), ["chat-1-web", "chat-2-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_set_marks_its_previews_anew_and_touches_nothing_else() {
    let mut world = two_sets().await;
    world.remove("docs.yaml");
    world.put("pages.yaml", &set("docs", "docs-").replace("{name: docs}", "{name: pages}"));
    world.sim.clear_requests();
    world.reconcile().await;
    let writes = world.writes();
    assert!(
        writes.len() == 2 && writes.iter().all(|write| write.contains("docs-") && write.contains("metadata")),
        "{writes:?}"
    );
    assert_eq!(world.only_machine("docs-1-web").config["metadata"]["hangar_set"], "pages");
    fail(&mut world, "chat");
    let pages = closed(&world, &[1, 2]);
    list(&mut world, "docs", pages);
    world.reconcile().await;
    assert_eq!(world.app_names(), ["chat-1-web", "chat-2-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn no_mark_that_somebody_has_edited_frees_what_a_set_may_want() {
    for (mark_1, mark_2) in
        [(Some("docs"), None), (None, Some("docs")), (Some("nonsense"), Some("")), (Some("docs"), Some("docs"))]
    {
        let mut world = two_sets().await;
        fail(&mut world, "chat");
        mark(&world, "chat-1-web", mark_1);
        mark(&world, "chat-2-web", mark_2);
        world.pass_time(seconds(60)).await;
        world.sim.clear_requests();
        reconcile_for_long(&mut world).await;
        assert_eq!(world.writes(), Vec::<String>::new(), "{mark_1:?} {mark_2:?}");
        // With an answer the marks are set right again.
        let chat = open(&world, &[1, 2]);
        list(&mut world, "chat", chat);
        world.reconcile().await;
        assert_eq!(world.app_names(), ALL);
        for app in ["chat-1-web", "chat-2-web"] {
            assert_eq!(world.only_machine(app).config["metadata"]["hangar_set"], "chat");
        }
    }
    // The other way round: what is said to be the silent set's is held, though its own set does not want it.
    let mut world = two_sets().await;
    fail(&mut world, "chat");
    mark(&world, "docs-1-web", Some("chat"));
    let docs = closed(&world, &[1, 2]);
    list(&mut world, "docs", docs);
    world.pass_time(seconds(60)).await;
    reconcile_for_long(&mut world).await;
    assert_eq!(world.app_names(), ["chat-1-web", "chat-2-web", "docs-1-web", "other-web"]);
}

/// Two sets may be told to make environments of any name: then the name cannot say whose they are, and what moves from one set to
/// another stays while the other one does not answer.
#[tokio::test(start_paused = true)]
async fn what_could_have_the_name_of_a_silent_sets_preview_is_kept_whatever_its_mark_says() {
    let mut world = two_sets().await;
    world.put("chat.yaml", &set("chat", ""));
    fail(&mut world, "chat");
    let docs = closed(&world, &[1, 2]);
    list(&mut world, "docs", docs);
    world.sim.clear_requests();
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_template_whose_name_cannot_be_evaluated_deletes_nothing() {
    let mut world = two_sets().await;
    let file = "chat.yaml";
    world.edit(file, "chat-${{ pr.number }}", "chat-${{ labels.missing }}-${{ pr.number }}");
    world.sim.clear_requests();
    reconcile_for_long(&mut world).await;
    assert_eq!(world.writes(), Vec::<String>::new());
}

/// A world in which `chat` has these pull requests, and `docs` its two.
async fn with_chat(numbers: &[u64]) -> World {
    let mut world = two_sets().await;
    let chat = open(&world, numbers);
    list(&mut world, "chat", chat);
    world.converge().await;
    world
}

fn chat_apps(world: &World) -> Vec<String> {
    world.app_names().into_iter().filter(|app| app.starts_with("chat")).collect()
}

/// The hash by which what is held is acknowledged, as the message tells it.
fn hash_in(plan: &Plan) -> String {
    let held = plan.withheld.iter().find(|held| held.reason == Reason::PreviewsSuddenlyGone).unwrap();
    let (_, rest) = held.message.split_once("--acknowledge ").unwrap();
    rest.split('`').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_set_that_suddenly_names_no_preview_loses_none_until_somebody_has_looked() {
    let mut world = with_chat(&[1, 2, 3]).await;
    list(&mut world, "chat", vec![]);
    let docs = closed(&world, &[1, 2]);
    list(&mut world, "docs", docs);
    let outcome = world.reconcile().await;
    assert_eq!(withheld(&outcome.last.plan), [Reason::PreviewsSuddenlyGone]);
    let message = &outcome.last.plan.withheld[0].message;
    let expected = "preview set `chat` suddenly names no preview at all, though 3 of its environments are live that nobody has closed; ";
    assert!(
        message.starts_with(expected) && message.ends_with("lets exactly this set go: chat-1, chat-2, chat-3"),
        "{message}"
    );
    // What another set has closed goes all the same, and what is held stays, for as long as it takes and without a store.
    assert_eq!(deletes(&world), ["DELETE /v1/apps/docs-1-web", "DELETE /v1/apps/docs-2-web"]);
    world.lose_store();
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world), ["chat-1-web", "chat-2-web", "chat-3-web"]);
    // Also what is left when somebody has ended two of them by hand.
    for app in ["chat-1-web", "chat-2-web"] {
        world.sim.delete_app(app).unwrap();
    }
    world.pass_time(seconds(60)).await;
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world), ["chat-3-web"]);
    // They are back: nothing is held any more, and nothing reminds of it.
    let chat = open(&world, &[1, 2, 3]);
    list(&mut world, "chat", chat);
    world.converge().await;
    assert_eq!(world.only_machine("chat-3-web").metadata("hangar_emptied"), None);
}

#[tokio::test(start_paused = true)]
async fn closed_ones_of_a_suddenly_empty_set_go_and_the_others_stay() {
    let mut world = with_chat(&[1, 2, 3, 4, 5]).await;
    let chat = closed(&world, &[1, 2]);
    list(&mut world, "chat", chat);
    world.reconcile().await;
    assert_eq!(deletes(&world), ["DELETE /v1/apps/chat-1-web", "DELETE /v1/apps/chat-2-web"]);
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world), ["chat-3-web", "chat-4-web", "chat-5-web"]);
    // Once they are listed as closed, these go too.
    let chat = closed(&world, &[3, 4, 5]);
    list(&mut world, "chat", chat);
    world.reconcile().await;
    assert_eq!(chat_apps(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn one_or_two_may_be_the_last_ones() {
    let mut world = with_chat(&[1, 2]).await;
    list(&mut world, "chat", vec![]);
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_among_those_that_came_back_is_an_orphan_like_any_other() {
    let mut world = with_chat(&[1, 2, 3]).await;
    list(&mut world, "chat", vec![]);
    world.reconcile().await;
    world.lose_store();
    let chat = open(&world, &[1, 2]);
    list(&mut world, "chat", chat);
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "grace comes first");
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world), ["chat-1-web", "chat-2-web"]);
}

#[tokio::test(start_paused = true)]
async fn acknowledging_what_an_empty_set_has_left_lets_exactly_that_go() {
    let mut world = with_chat(&[1, 2, 3]).await;
    list(&mut world, "chat", vec![]);
    let outcome = world.reconcile().await;
    let hash = hash_in(&outcome.last.plan);
    world.session().journal.change(|memory| memory.acknowledge(&hash)).unwrap();
    world.reconcile().await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "grace begins with the consent");
    world.lose_store();
    world.pass_time(GRACE).await;
    world.reconcile().await;
    assert_eq!(world.app_names(), ["docs-1-web", "docs-2-web", "other-web"]);
}

#[tokio::test(start_paused = true)]
async fn no_mark_that_somebody_has_edited_frees_what_an_empty_set_has_left() {
    let mut world = with_chat(&[1, 2, 3, 4]).await;
    list(&mut world, "chat", vec![]);
    world.reconcile().await;
    for (app, value) in [("chat-1-web", None), ("chat-2-web", Some("nonsense"))] {
        let id = world.only_machine(app).id;
        world.edit_metadata(app, &id, &[("hangar_set", value), ("hangar_emptied", None)]);
    }
    world.pass_time(seconds(60)).await;
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world).len(), 4);
}

/// An app without a machine does not say which set it is of.
#[tokio::test(start_paused = true)]
async fn an_app_that_lost_its_machine_waits_with_what_an_empty_set_has_left() {
    let mut world = with_chat(&[1, 2, 3, 4]).await;
    let id = world.only_machine("chat-1-web").id;
    world.sim.delete_machine("chat-1-web", &id).unwrap();
    list(&mut world, "chat", vec![]);
    world.pass_time(seconds(60)).await;
    reconcile_for_long(&mut world).await;
    assert_eq!(chat_apps(&world).len(), 4);
}
