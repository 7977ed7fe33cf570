//! What people ask of Hangar in the comments of a pull request, who of them may, and what is left of it when everything else is lost.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::plan::Reason;
use hangar::sim::{Fault, FaultKind, GithubAccess, Matcher, NewPull, RepositoryHand};

use crate::daemon::Running;
use crate::github::{Github, REPO};
use crate::support::{CONTROLLER, GRACE, policy, seconds, withheld};

const HOUR: u64 = 3600;

/// A set whose previews people command, with these lines under `spec` and in the template's `spec`.
fn set(more: &str, template: &str) -> String {
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: chat}}
spec:
  source: {{github: {{repo: acme/chat, pullRequests: {{commands: true}}}}}}
{more}
  template:
    metadata: {{name: 'pr-${{{{ pr.number }}}}'}}
    spec:
{template}
      fly:
        org: acme
        region: iad
        apps: {{web: {{image: 'registry.fly.io/demo:${{{{ head.shortSha }}}}'}}}}
"
    )
}

/// A world in which `ann` may write and `eve` may not, with a preview of pull request 1.
async fn world_of(set: &str) -> (Github, RepositoryHand) {
    let mut github = Github::of_set(set, GithubAccess::Write).await;
    github.world.tells = true;
    let repo = github.world.sim.repository(REPO);
    repo.set_permission("ann", Some(GithubAccess::Write)).unwrap();
    repo.set_permission("tim", Some(GithubAccess::Triage)).unwrap();
    repo.open_pull(NewPull::from_branch("login")).unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!(github.world.app_names(), ["other-web", "pr-1-web"]);
    (github, repo)
}

async fn world(more: &str) -> (Github, RepositoryHand) {
    world_of(&set(more, "")).await
}

fn is_there(github: &Github) -> bool {
    github.world.app_names().contains(&"pr-1-web".to_owned())
}

/// What the controller has answered to a comment.
fn answers(repo: &RepositoryHand, comment: u64) -> Vec<String> {
    let comments = repo.comments(1);
    let reactions = &comments.iter().find(|one| one.id == comment).unwrap().reactions;
    reactions.iter().filter(|(author, _)| author == "hangar-bot").map(|(_, content)| content.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn destroy_ends_a_preview_until_somebody_pushes_and_no_store_has_to_remember_it() {
    let (mut github, repo) = world("  ttl: {idle: 90d}").await;
    github.world.pass_time(seconds(HOUR)).await;
    let comment = repo.comment(1, "ann", "Not needed any more.\n\n/hangar destroy").unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    assert!(!is_there(&github));
    assert_eq!(answers(&repo, comment), ["+1"]);
    // Neither a new process nor a month of looks brings it back, and nobody is told twice.
    for _ in 0..3 {
        github.world.lose_store();
        github.eyes = Github::eyes(&github.world);
        github.world.pass_time(seconds(10 * 24 * HOUR)).await;
        github.world.sim.clear_requests();
        assert_eq!(github.pass().await, Verdict::Converged);
        assert_eq!(github.world.writes(), Vec::<String>::new());
    }
    repo.push_to_pull(1).unwrap();
    github.pass().await;
    assert!(is_there(&github));
    assert_eq!(answers(&repo, comment), ["+1"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_redeploy_brings_back_what_was_destroyed_and_so_does_taking_the_comment_back() {
    let (mut github, repo) = world("").await;
    for take_back in ["redeploy", "delete", "edit"] {
        github.world.pass_time(seconds(HOUR)).await;
        let comment = repo.comment(1, "ann", "/hangar destroy").unwrap();
        github.pass().await;
        assert!(!is_there(&github), "{take_back}");
        github.world.pass_time(seconds(60)).await;
        match take_back {
            "redeploy" => {
                repo.comment(1, "ann", "/hangar redeploy").unwrap();
            }
            "delete" => repo.delete_comment(comment).unwrap(),
            _ => repo.edit_comment(comment, "I was wrong.").unwrap(),
        }
        // Editing and deleting may show only when comments are read again.
        github.world.pass_time(seconds(700)).await;
        github.pass().await;
        assert!(is_there(&github), "{take_back}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destroyed_preview_is_told_so_in_its_comment() {
    let (mut github, repo) = world_of(&set("", "      report: {github: {comment: true}}")).await;
    repo.comment(1, "ann", "/hangar destroy").unwrap();
    github.pass().await;
    let told = repo.comments(1).into_iter().find(|comment| comment.author == "hangar-bot").unwrap().body;
    assert!(told.contains("### Preview `pr-1`: deleted") && told.contains("`/hangar redeploy`, brings"), "{told}");
    let unclear = repo.comment(1, "ann", "/hangar explode").unwrap();
    github.pass().await;
    assert_eq!(answers(&repo, unclear), ["confused"]);
    let told = repo.comments(1).into_iter().find(|comment| comment.author == "hangar-bot").unwrap().body;
    assert!(told.contains("the command of ann: it is not understood") && !told.contains("explode"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn redeploy_writes_machines_again_exactly_once() {
    let (mut github, repo) = world("").await;
    let before = github.world.only_machine("pr-1-web");
    let comment = repo.comment(1, "ann", "/hangar redeploy").unwrap();
    assert_eq!(github.pass().await, Verdict::Converged);
    let after = github.world.only_machine("pr-1-web");
    assert_eq!((&after.id, &after.config["image"]), (&before.id, &before.config["image"]));
    assert_ne!(after.version, before.version);
    assert_eq!(answers(&repo, comment), ["+1"]);
    // What has asked for it may stay, be taken back, or be forgotten by the store.
    for _ in 0..2 {
        github.world.lose_store();
        github.world.sim.clear_requests();
        github.world.pass_time(seconds(HOUR)).await;
        github.pass().await;
        assert_eq!(github.world.only_machine("pr-1-web").version, after.version);
        assert_eq!(github.world.writes(), Vec::<String>::new());
        drop(repo.delete_comment(comment));
    }
    repo.comment(1, "ann", "/hangar redeploy").unwrap();
    github.pass().await;
    assert_ne!(github.world.only_machine("pr-1-web").version, after.version);
}

#[tokio::test(start_paused = true)]
async fn extend_counts_from_its_comment_and_ends_with_it() {
    let (mut github, repo) = world("  ttl: {idle: 1h}").await;
    repo.comment(1, "ann", "/hangar extend 10h").unwrap();
    let writes = {
        github.world.sim.clear_requests();
        github.pass().await;
        github.world.writes()
    };
    assert!(writes.iter().all(|write| write.contains("/reactions")), "{writes:?}");
    github.world.lose_store();
    for _ in 0..9 {
        github.world.pass_time(seconds(HOUR)).await;
        github.pass().await;
        assert!(is_there(&github));
    }
    github.world.pass_time(seconds(HOUR)).await;
    github.pass().await;
    github.world.pass_time(GRACE).await;
    github.pass().await;
    assert!(!is_there(&github));
}

#[tokio::test(start_paused = true)]
async fn a_command_of_somebody_without_rights_or_that_is_none_does_nothing() {
    let (mut github, repo) = world("").await;
    let before = github.world.only_machine("pr-1-web").version;
    repo.set_permission("bot[bot]", Some(GithubAccess::Admin)).unwrap();
    let mut comments = Vec::new();
    for (author, body, answer) in [
        ("eve", "/hangar destroy", &["-1"][..]),
        ("eve", "/hangar explode", &["-1"]),
        ("tim", "/hangar destroy", &["-1"]),
        ("bot[bot]", "/hangar destroy", &[]),
        ("hangar-bot", "<!-- hangar preview 0123456789abcdef -->\n/hangar destroy", &[]),
        ("ann", "> /hangar destroy", &[]),
        ("ann", "```\n/hangar destroy\n```", &[]),
        ("ann", "Do not `/hangar destroy` it", &[]),
        ("ann", "/hangar extend for ever", &["confused"]),
        ("ann", "/hangar destroy\n/hangar nonsense", &["confused"]),
    ] {
        comments.push((repo.comment(1, author, body).unwrap(), body, answer));
        github.pass().await;
    }
    github.world.pass_time(seconds(HOUR)).await;
    github.pass().await;
    assert_eq!(github.world.only_machine("pr-1-web").version, before);
    for (comment, body, answer) in comments {
        assert_eq!(answers(&repo, comment), *answer, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn status_is_answered_and_who_answers_before_us_answers_nothing() {
    let (mut github, repo) = world_of(&set("", "      report: {github: {comment: true}}")).await;
    let comment = repo.comment(1, "ann", "/hangar status").unwrap();
    repo.react(comment, "eve", "+1").unwrap();
    repo.react(comment, "eve", "-1").unwrap();
    github.pass().await;
    assert_eq!(answers(&repo, comment), ["+1"]);
    github.world.sim.clear_requests();
    github.pass().await;
    assert_eq!(github.world.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_read_neither_deletes_nor_keeps_from_coming_back() {
    for path in ["/repos/acme/chat/issues/1/comments", "/repos/acme/chat/collaborators/ann/permission"] {
        let (mut github, repo) = world("  ttl: {idle: 1h}").await;
        repo.comment(1, "ann", "/hangar extend 10h").unwrap();
        github.pass().await;
        github.eyes = Github::eyes(&github.world);
        for kind in [FaultKind::unavailable(), FaultKind::status_before(403)] {
            github.world.sim.inject(Fault::always(Matcher::new(Method::Get, path), kind));
            github.world.pass_time(seconds(2 * HOUR)).await;
            assert_eq!(github.pass().await, Verdict::Waiting, "{path}");
            github.world.pass_time(GRACE).await;
            github.pass().await;
            assert!(is_there(&github), "{path}");
            github.world.sim.clear_faults();
        }
        assert_eq!(github.pass().await, Verdict::Converged, "{path}");
        assert!(is_there(&github), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_protected_stays_whoever_asks() {
    let (mut github, repo) = world("").await;
    github.world.put("policy.yaml", &policy("{protected: ['pr-*']}"));
    repo.comment(1, "ann", "/hangar destroy").unwrap();
    github.pass().await;
    github.world.pass_time(GRACE).await;
    github.pass().await;
    assert!(is_there(&github));
}

/// Each of them was asked for by a person: many of them are no mistake of ours.
#[tokio::test(start_paused = true)]
async fn many_that_people_end_at_once_are_not_held_by_the_budget() {
    let (mut github, repo) = world("").await;
    for number in 2..=14 {
        repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
    }
    github.pass().await;
    assert_eq!(github.world.app_names().len(), 15);
    for number in 1..=13 {
        repo.comment(number, "ann", "/hangar destroy").unwrap();
    }
    github.pass().await;
    assert_eq!(github.world.app_names(), ["other-web", "pr-14-web"]);
    // The last one too: the set still names pull requests.
    repo.comment(14, "ann", "/hangar destroy").unwrap();
    let outcome = {
        github.world.pass_time(seconds(61)).await;
        github.look().await;
        github.world.reconcile().await
    };
    assert_eq!(withheld(&outcome.last.plan), Vec::<Reason>::new());
    assert_eq!(github.world.app_names(), ["other-web"]);
}

#[tokio::test(start_paused = true)]
async fn comments_are_read_only_where_commands_are_taken_and_something_has_changed() {
    let (mut github, repo) = world("").await;
    repo.comment(1, "ann", "Looks good.").unwrap();
    let asked = |github: &Github| {
        let requests = github.world.sim.requests();
        requests.iter().filter(|request| request.path.contains("/comments")).count()
    };
    for _ in 0..4 {
        github.look().await;
        github.world.pass_time(seconds(61)).await;
    }
    github.world.sim.clear_requests();
    github.look().await;
    assert_eq!(asked(&github), 0);
    repo.comment(1, "ann", "Or does it?").unwrap();
    github.look().await;
    assert_eq!(asked(&github), 1);
    github.world.edit("set.yaml", "commands: true", "");
    github.world.sim.clear_requests();
    repo.comment(1, "ann", "/hangar destroy").unwrap();
    github.pass().await;
    assert_eq!(asked(&github), 0);
    assert!(is_there(&github));
}

#[tokio::test(start_paused = true)]
async fn the_daemon_answers_seconds_after_it_was_told_that_somebody_has_commented() {
    let mut github = Github::of_set(&set("", "      report: {github: {comment: true}}"), GithubAccess::Write).await;
    github.world.tells = true;
    github.world.put("hangar.yaml", &format!("{CONTROLLER}  resync: 6h\n  github: {{interval: 1h}}\n"));
    let repo = github.world.sim.repository(REPO);
    repo.set_permission("ann", Some(GithubAccess::Write)).unwrap();
    repo.open_pull(NewPull::from_branch("login")).unwrap();
    let (daemon, hints) = Running::start_looking(github.world);
    daemon.pass(300).await;
    let is_there = || daemon.world.app_names().contains(&"pr-1-web".to_owned());
    assert!(is_there());
    for (body, answer, there) in [
        ("/hangar status", "+1", true),
        ("/hangar help", "confused", true),
        ("/hangar destroy", "+1", false),
        ("/hangar status", "+1", false),
        ("/hangar redeploy", "+1", true),
    ] {
        let comment = repo.comment(1, "ann", body).unwrap();
        hints.give();
        daemon.pass(40).await;
        assert_eq!((answers(&repo, comment), is_there()), (vec![answer.to_owned()], there), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_extends_by_no_more_than_the_policy_allows() {
    let report = "      report: {github: {comment: true}}";
    let (mut github, repo) = world_of(&set("  ttl: {idle: 1h}", report)).await;
    github.world.put("policy.yaml", &policy("{previews: {maxTtl: 5h}}"));
    let comment = repo.comment(1, "ann", "/hangar extend 6h").unwrap();
    github.pass().await;
    assert_eq!(answers(&repo, comment), ["confused"]);
    let told = repo.comments(1).into_iter().find(|comment| comment.author == "hangar-bot").unwrap().body;
    assert!(told.contains("`6h` is longer than the policy lets anybody keep a preview"), "{told}");
    github.world.pass_time(seconds(HOUR)).await;
    github.pass().await;
    github.world.pass_time(GRACE).await;
    github.pass().await;
    assert!(!is_there(&github));
}
