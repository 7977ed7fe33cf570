//! Pull requests from forks that somebody has to approve: a label approves exactly one commit, whatever its author does.

use hangar::http::transport::Method;
use hangar::sim::{Fault, FaultKind, GithubAccess, Matcher, NewPull, RepositoryHand, SimConfig};

use crate::daemon::Running;
use crate::github::{Github, REPO, TOKEN, image_of};
use crate::support::{CONTROLLER, GRACE, seconds};

const LABEL: &str = "preview:approved";

fn set() -> String {
    "apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  source: {github: {repo: acme/chat, pullRequests: {forks: approved}}}
  template:
    metadata: {name: 'pr-${{ pr.number }}'}
    spec:
      report: {github: {comment: true}}
      fly:
        org: acme
        region: iad
        apps:
          web:
            image: 'registry.fly.io/demo:${{ head.shortSha }}'
            secrets: {KEY: {fromEnv: KEY}}
"
    .to_owned()
}

/// A world in which `tim` may set labels and `eve` has a fork, with a pull request of it that has been looked at.
async fn world_of(change: impl FnOnce(&mut SimConfig)) -> (Github, RepositoryHand) {
    let mut github = Github::configured(&set(), |config| {
        config.github_tokens[0].access = GithubAccess::Write;
        change(config);
    })
    .await;
    github.world.tells = true;
    github.world.set("KEY", "planted-value-of-a-secret");
    let repo = github.world.sim.repository(REPO);
    repo.set_permission("tim", Some(GithubAccess::Triage)).unwrap();
    repo.open_pull(NewPull::from_fork("eve", "evil")).unwrap();
    github.pass().await;
    (github, repo)
}

async fn world() -> (Github, RepositoryHand) {
    world_of(|_| {}).await
}

/// The images of the previews that run.
fn running(github: &Github) -> Vec<String> {
    let apps = github.world.app_names().into_iter().filter(|app| app != "other-web");
    apps.flat_map(|app| github.world.sim.machines(&app))
        .map(|machine| machine.config["image"].as_str().unwrap().to_owned())
        .collect()
}

fn head(repo: &RepositoryHand) -> String {
    repo.pull(1).unwrap().sha
}

/// The state and the words of the status by which pull request 1 is approved, on its head.
fn said(repo: &RepositoryHand) -> (String, String) {
    let all = repo.statuses(&head(repo));
    let own = all.into_iter().find(|status| status.context == "preview:approved #1").unwrap();
    (own.state, own.description.unwrap_or_default())
}

/// Looks as often as it takes for an approval to be believed, and asserts what runs at every look.
async fn settle(github: &mut Github, allowed: &[String]) {
    for _ in 0..6 {
        github.pass().await;
        let live = running(github);
        assert!(live.iter().all(|image| allowed.contains(image)), "{live:?} of {allowed:?}");
    }
}

async fn minutes(github: &Github, count: u64) {
    github.world.pass_time(seconds(60 * count)).await;
}

/// Approves what is the head now, and waits until it is believed.
async fn approve(github: &mut Github, repo: &RepositoryHand) {
    repo.unlabel(1, LABEL).unwrap();
    minutes(github, 1).await;
    repo.label_as(1, LABEL, "tim").unwrap();
    settle(github, &[image_of(&head(repo))]).await;
    assert_eq!(running(github), [image_of(&head(repo))], "{:?}", said(repo));
}

#[tokio::test(start_paused = true)]
async fn an_approved_commit_gets_a_preview_with_secrets_and_the_next_push_withdraws_it() {
    let (mut github, repo) = world().await;
    assert_eq!(running(&github), Vec::<String>::new());
    assert_eq!(said(&repo), ("pending".to_owned(), "waiting for the label preview:approved".to_owned()));
    let comment = repo.comments(1).remove(0).body;
    assert!(comment.contains("waiting for approval") && comment.contains("`preview:approved`"), "{comment}");

    approve(&mut github, &repo).await;
    assert_eq!(said(&repo), ("success".to_owned(), "approved by tim".to_owned()));
    assert!(github.world.sim.secret_names("pr-1-web").contains(&"KEY".to_owned()));
    // No store is needed to know it, and it says nothing twice.
    github.world.lose_store();
    github.eyes = Github::eyes(&github.world);
    github.world.sim.clear_requests();
    github.pass().await;
    assert_eq!(github.world.writes(), Vec::<String>::new());

    let approved = image_of(&head(&repo));
    repo.push_to_pull(1).unwrap();
    settle(&mut github, std::slice::from_ref(&approved)).await;
    minutes(&github, 6).await;
    github.pass().await;
    assert_eq!(running(&github), Vec::<String>::new());
    let (state, words) = said(&repo);
    assert_eq!(
        (state.as_str(), words.as_str()),
        ("pending", "set before this commit was seen: take the label off and set it again")
    );
    approve(&mut github, &repo).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_between_the_look_and_the_label_is_not_approved() {
    let (mut github, repo) = world().await;
    repo.push_to_pull(1).unwrap();
    minutes(&github, 1).await;
    repo.label_as(1, LABEL, "tim").unwrap();
    settle(&mut github, &[]).await;
    assert!(
        github.world.load().diagnostics.render(false).contains("take it off, wait for the status, and set it again")
    );
    approve(&mut github, &repo).await;
}

#[tokio::test(start_paused = true)]
async fn a_label_that_is_there_before_the_pull_request_was_seen_approves_nothing() {
    let (mut github, repo) = world().await;
    repo.open_pull(NewPull::from_fork("eve", "second").labelled(LABEL)).unwrap();
    repo.label_as(2, LABEL, "tim").unwrap();
    settle(&mut github, &[]).await;
    repo.unlabel(2, LABEL).unwrap();
    github.pass().await;
    repo.label_as(2, LABEL, "tim").unwrap();
    settle(&mut github, &[image_of(&repo.pull(2).unwrap().sha)]).await;
    assert_eq!(running(&github).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_people_who_may_triage_approve() {
    for (login, access) in
        [("eve", None), ("bob", Some(GithubAccess::Read)), ("labeler[bot]", Some(GithubAccess::Admin))]
    {
        let (mut github, repo) = world().await;
        repo.set_permission(login, access).unwrap();
        minutes(&github, 1).await;
        repo.label_as(1, LABEL, login).unwrap();
        settle(&mut github, &[]).await;
        assert_eq!(said(&repo).1, "whoever set the label may not approve", "{login}");
        // Their label is on it, and nobody may be taken for having set it.
        repo.label_as(1, LABEL, "tim").unwrap();
        settle(&mut github, &[]).await;
        approve(&mut github, &repo).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_moves_the_head_back_and_forth_gets_nothing() {
    // Back to a commit that was seen before, after another one was approved.
    let (mut github, repo) = world().await;
    let first = head(&repo);
    let second = repo.push_to_pull(1).unwrap();
    github.pass().await;
    approve(&mut github, &repo).await;
    repo.move_head(1, &first).unwrap();
    settle(&mut github, &[image_of(&second)]).await;
    minutes(&github, 10).await;
    settle(&mut github, &[]).await;
    // What was moved can be approved anew, some minutes later.
    approve(&mut github, &repo).await;

    // Forward to one that was seen before, with an innocent one between.
    let (mut github, repo) = world().await;
    let innocent = head(&repo);
    let evil = repo.push_to_pull(1).unwrap();
    github.pass().await;
    repo.move_head(1, &innocent).unwrap();
    minutes(&github, 1).await;
    repo.label_as(1, LABEL, "tim").unwrap();
    repo.move_head(1, &evil).unwrap();
    settle(&mut github, &[]).await;
}

/// The status of a commit belongs to the repository: another pull request with the same commit must not stand in for this one.
#[tokio::test(start_paused = true)]
async fn a_commit_that_was_seen_in_another_pull_request_was_not_seen_in_this_one() {
    let (mut github, repo) = world().await;
    let innocent = head(&repo);
    repo.open_pull(NewPull::from_fork("eve", "second")).unwrap();
    repo.move_head(2, &innocent).unwrap();
    let evil = repo.push_to_pull(2).unwrap();
    minutes(&github, 5).await;
    for _ in 0..3 {
        github.pass().await;
    }
    assert!(!repo.statuses(&evil).is_empty());
    repo.label_as(1, LABEL, "tim").unwrap();
    repo.move_head(1, &evil).unwrap();
    settle(&mut github, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn what_others_say_under_our_name_counts_for_nothing() {
    let (mut github, repo) = world().await;
    let evil = repo.push_to_pull(1).unwrap();
    for state in ["pending", "success"] {
        repo.say_status(&evil, "preview:approved #1", state, "mallory").unwrap();
    }
    minutes(&github, 1).await;
    repo.label_as(1, LABEL, "tim").unwrap();
    minutes(&github, 1).await;
    repo.say_status(&evil, "preview:approved #1", "success", "mallory").unwrap();
    settle(&mut github, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_statuses_nothing_is_ever_approved_and_it_is_said_why() {
    let mut github = Github::configured(&set(), |config| config.github_tokens[0].access = GithubAccess::Write).await;
    let refused = Matcher::new(Method::Post, "/repos/acme/chat/statuses/*");
    github.world.sim.inject(Fault::always(refused, FaultKind::status_before(403)));
    github.world.tells = true;
    github.world.set("KEY", "planted-value-of-a-secret");
    let repo = github.world.sim.repository(REPO);
    repo.set_permission("tim", Some(GithubAccess::Triage)).unwrap();
    repo.open_pull(NewPull::from_fork("eve", "evil")).unwrap();
    github.pass().await;
    repo.label_as(1, LABEL, "tim").unwrap();
    settle(&mut github, &[]).await;
    let problems = github.world.load().diagnostics.render(false);
    assert!(problems.contains("the token may not write commit statuses"), "{problems}");
}

#[tokio::test(start_paused = true)]
async fn events_that_lag_behind_let_nothing_through() {
    let (mut github, repo) = world().await;
    let first = head(&repo);
    let second = repo.push_to_pull(1).unwrap();
    github.pass().await;
    repo.label_as(1, LABEL, "tim").unwrap();
    // The list of events does not have the move yet at the first look after it.
    let events = Matcher::new(Method::Get, "/repos/acme/chat/issues/1/events");
    let stale = FaultKind::Stale { seconds: 62 };
    github.world.sim.inject(Fault::always(events, stale).times(2));
    repo.move_head(1, &first).unwrap();
    settle(&mut github, &[]).await;
    assert_ne!(running(&github), [image_of(&second)]);
}

/// Whatever cannot be read: what runs goes on, and nothing is approved meanwhile.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_neither_approves_nor_withdraws() {
    for path in [
        "/repos/acme/chat/issues/1/events",
        "/repos/acme/chat/commits/*/statuses",
        "/repos/acme/chat/collaborators/tim/permission",
    ] {
        let (mut github, repo) = world().await;
        approve(&mut github, &repo).await;
        let approved = running(&github);
        github.eyes = Github::eyes(&github.world);
        github.world.sim.inject(Fault::always(Matcher::new(Method::Get, path), FaultKind::unavailable()));
        repo.push_to_pull(1).unwrap();
        for _ in 0..3 {
            github.pass().await;
            github.world.pass_time(GRACE).await;
            assert_eq!(running(&github), approved, "{path}");
        }
    }
}

/// A workflow's token may not ask whose it is, and shares its account with every other workflow.
#[tokio::test(start_paused = true)]
async fn a_token_whose_account_cannot_be_told_approves_nothing() {
    let (mut github, repo) = world_of(|config| {
        config.github_tokens[0].login = "github-actions[bot]".to_owned();
        config.github_tokens[0].is_app = true;
    })
    .await;
    repo.label_as(1, LABEL, "tim").unwrap();
    settle(&mut github, &[]).await;
    assert!(github.world.load().diagnostics.render(false).contains("GitHub does not tell whose token Hangar has"));
    assert_eq!(repo.statuses(&head(&repo)), []);
}

#[tokio::test(start_paused = true)]
async fn the_daemon_deploys_an_approved_commit_minutes_after_the_label() {
    let (mut github, repo) = world().await;
    github.world.put("hangar.yaml", &format!("{CONTROLLER}  resync: 6h\n  github: {{interval: 6h}}\n"));
    github.world.set("GITHUB_TOKEN", TOKEN);
    github.world.sim.clear_requests();
    let (daemon, hints) = Running::start_looking(github.world);
    daemon.pass(300).await;
    let sha = repo.push_to_pull(1).unwrap();
    hints.give();
    daemon.pass(30).await;
    assert_eq!(said(&repo).0, "pending");
    repo.label_as(1, LABEL, "tim").unwrap();
    hints.give();
    daemon.pass(30).await;
    assert_eq!(said(&repo).0, "success");
    assert_eq!(daemon.world.app_names(), ["other-web"]);
    daemon.pass(240).await;
    assert_eq!(daemon.world.only_machine("pr-1-web").config["image"], image_of(&sha));
}
