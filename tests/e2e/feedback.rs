//! What people see in a pull request: the comment, the commit status, the deployment.

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::sim::{DeploymentView, Fault, FaultKind, GithubAccess, Matcher, NewPull, RepositoryHand, SimConfig};

use crate::daemon::Running;
use crate::github::{Github, REPO};
use crate::support::seconds;

/// A set whose previews are reported like this.
fn set(report: &str, image: &str) -> String {
    format!(
        "apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: chat}}
spec:
  source: {{github: {{repo: acme/chat, pullRequests: {{labels: [preview]}}}}}}
  template:
    metadata: {{name: 'pr-${{{{ pr.number }}}}'}}
    spec:
      report: {{github: {report}}}
      fly:
        org: acme
        region: iad
        apps:
          web:
            image: 'registry.fly.io/demo:{image}${{{{ head.shortSha }}}}'
            ips: {{sharedV4: true}}
            services: [{{internalPort: 8080, ports: [{{port: 443, handlers: [http, tls]}}]}}]
"
    )
}

const ALL: &str = "{comment: true, deployment: true, status: preview}";

async fn world(report: &str, access: GithubAccess) -> (Github, RepositoryHand) {
    world_with_image(report, access, "v1-").await
}

async fn world_with_image(report: &str, access: GithubAccess, image: &str) -> (Github, RepositoryHand) {
    let mut github = Github::of_set(&set(report, image), access).await;
    github.world.tells = true;
    let repo = github.world.sim.repository(REPO);
    (github, repo)
}

/// The same with an image that is not there, which the registry does not say, so that it is Fly that finds out.
async fn world_without_image(report: &str) -> (Github, RepositoryHand) {
    let (github, repo) = world_with_image(report, GithubAccess::Write, "missing-").await;
    let silent = FaultKind::StatusBefore { status: 500, body: String::new() };
    github.world.sim.inject(Fault::always(Matcher::new(Method::Head, "/v2/demo/manifests/*"), silent));
    (github, repo)
}

fn open(repo: &RepositoryHand, branch: &str) -> u64 {
    repo.open_pull(NewPull::from_branch(branch).labelled("preview")).unwrap()
}

/// The one comment of a pull request, without its marker and commit, so that snapshots hold.
fn comment(repo: &RepositoryHand, number: u64) -> String {
    let comments = repo.comments(number);
    assert_eq!(comments.len(), 1, "{comments:#?}");
    let (marker, body) = comments[0].body.split_once('\n').unwrap();
    assert!(marker.starts_with("<!-- hangar preview ") && marker.ends_with(" -->"), "{marker}");
    let sha = repo.pull(number).unwrap().sha;
    body.replace(sha.get(..7).unwrap(), "COMMIT")
}

fn states(deployments: &[DeploymentView]) -> Vec<(&str, &str)> {
    deployments.iter().map(|one| (one.environment.as_str(), one.state.as_str())).collect()
}

/// The writes to GitHub since the log was cleared.
fn said(github: &Github) -> Vec<String> {
    github.world.writes().into_iter().filter(|write| write.contains(" /repos/")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_is_told_how_its_preview_is_from_beginning_to_end() {
    let (mut github, repo) = world(ALL, GithubAccess::Admin).await;
    let number = open(&repo, "login");
    assert_eq!(github.pass().await, Verdict::Converged);
    insta::assert_snapshot!("ready", comment(&repo, number));
    let first = repo.pull(number).unwrap().sha;
    let status = &repo.statuses(&first)[0];
    assert_eq!((status.context.as_str(), status.state.as_str()), ("preview", "success"));
    assert_eq!(status.target_url.as_deref(), Some("https://pr-1-web.fly.dev"));
    assert_eq!(states(&repo.deployments()), [("pr-1", "success")]);
    assert_eq!(repo.deployments()[0].url, "https://pr-1-web.fly.dev");

    // Nothing new: nothing is written, by a process that knows nothing of what was said.
    github.world.sim.clear_requests();
    github.pass().await;
    assert_eq!(said(&github), Vec::<String>::new());

    // A push: the same comment, the status of the new commit, a deployment that replaces the first.
    let comment_id = repo.comments(number)[0].id;
    let second = repo.push_to_pull(number).unwrap();
    github.pass().await;
    assert_eq!(repo.comments(number)[0].id, comment_id);
    assert_eq!(repo.statuses(&second)[0].state, "success");
    assert_eq!(states(&repo.deployments()), [("pr-1", "inactive"), ("pr-1", "success")]);

    // The end.
    repo.merge(number).unwrap();
    github.pass().await;
    assert_eq!(github.world.app_names(), ["other-web"]);
    insta::assert_snapshot!("deleted", comment(&repo, number));
    assert_eq!(states(&repo.deployments()), [("pr-1", "inactive"), ("pr-1", "inactive")]);
    assert_eq!(repo.environments(), Vec::<String>::new());

    // And nothing after that, by whoever comes later.
    github.world.sim.clear_requests();
    github.pass().await;
    assert_eq!(said(&github), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_work_is_told_with_the_step_and_the_reason() {
    let (mut github, repo) = world_without_image(ALL).await;
    let number = open(&repo, "login");
    assert_eq!(github.pass().await, Verdict::Failed);
    insta::assert_snapshot!("failed", comment(&repo, number));
    let sha = repo.pull(number).unwrap().sha;
    assert_eq!(repo.statuses(&sha)[0].state, "failure");
    assert_eq!(states(&repo.deployments()), [("pr-1", "failure")]);
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_waited_for_is_told_and_one_that_does_not_come_is_a_failure() {
    let (mut github, repo) = world_with_image(ALL, GithubAccess::Write, "missing-").await;
    let number = open(&repo, "login");
    let sha = repo.pull(number).unwrap().sha;
    assert_eq!(github.pass().await, Verdict::Waiting);
    insta::assert_snapshot!("image_pending", comment(&repo, number));
    let status = &repo.statuses(&sha)[0];
    assert_eq!((status.state.as_str(), status.description.as_deref()), ("pending", Some("waiting (ImagePending)")));
    github.world.pass_time(seconds(1800)).await;
    assert_eq!(github.pass().await, Verdict::Failed);
    let comment = comment(&repo, number);
    assert!(comment.contains("ImageMissing") && comment.contains("demo:missing-COMMIT"), "{comment}");
    assert_eq!(repo.statuses(&sha)[0].state, "failure");
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_delete_the_environment_that_is_said() {
    let (mut github, repo) = world(ALL, GithubAccess::Write).await;
    let number = open(&repo, "login");
    github.pass().await;
    repo.close(number).unwrap();
    github.pass().await;
    assert_eq!(repo.environments(), ["pr-1"]);
    assert_eq!(states(&repo.deployments()), [("pr-1", "inactive")]);
    let comment = comment(&repo, number);
    assert!(comment.contains("needs a token that may administer the repository"), "{comment}");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_asked_for_is_said() {
    for (report, comments, statuses, deployments) in [
        ("{comment: true}", 1, 0, 0),
        ("{status: preview}", 0, 1, 0),
        ("{deployment: true}", 0, 0, 1),
        ("{comment: onFailure}", 0, 0, 0),
    ] {
        let (mut github, repo) = world(report, GithubAccess::Admin).await;
        let number = open(&repo, "login");
        let unlabelled = repo.open_pull(NewPull::from_branch("other")).unwrap();
        github.pass().await;
        let sha = repo.pull(number).unwrap().sha;
        let counts = (repo.comments(number).len(), repo.statuses(&sha).len(), repo.deployments().len());
        assert_eq!(counts, (comments, statuses, deployments), "{report}");
        assert_eq!(repo.comments(unlabelled), [], "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_on_failure_goes_when_it_works_again() {
    let (mut github, repo) = world_without_image("{comment: onFailure}").await;
    let number = open(&repo, "login");
    github.pass().await;
    assert!(comment(&repo, number).starts_with("### Preview `pr-1`: failed"));
    github.world.edit("set.yaml", "missing-", "v1-");
    assert_eq!(github.pass().await, Verdict::Converged);
    assert_eq!(repo.comments(number), []);
}

#[tokio::test(start_paused = true)]
async fn a_preview_that_lost_its_label_is_told_to_be_gone() {
    let (mut github, repo) = world(ALL, GithubAccess::Admin).await;
    let number = open(&repo, "login");
    github.pass().await;
    repo.unlabel(number, "preview").unwrap();
    github.pass().await;
    assert!(comment(&repo, number).starts_with("### Preview `pr-1`: being deleted"), "{}", comment(&repo, number));
    github.world.pass_time(seconds(301)).await;
    github.pass().await;
    assert_eq!(github.world.app_names(), ["other-web"]);
    assert!(comment(&repo, number).starts_with("### Preview `pr-1`: deleted"), "{}", comment(&repo, number));
    assert_eq!(states(&repo.deployments()), [("pr-1", "inactive")]);
}

/// The comment is the controller's even where somebody has copied its marker, and it comes back when it was deleted.
#[tokio::test(start_paused = true)]
async fn comments_of_others_are_left_alone_and_a_deleted_one_comes_back() {
    let (mut github, repo) = world("{comment: true}", GithubAccess::Write).await;
    let number = open(&repo, "login");
    github.pass().await;
    let own = repo.comments(number).remove(0);
    repo.delete_comment(own.id).unwrap();
    repo.comment(number, "eve", &own.body).unwrap();
    github.pass().await;
    let all = repo.comments(number);
    let authors: Vec<&str> = all.iter().map(|comment| comment.author.as_str()).collect();
    assert_eq!(authors, ["eve", "hangar-bot"]);
}

/// No pass waits for GitHub or fails because of it; what could not be said is said later.
#[tokio::test(start_paused = true)]
async fn a_github_that_takes_nothing_keeps_no_preview_from_converging() {
    for kind in [FaultKind::unavailable(), FaultKind::ResetAfter, FaultKind::ResetBefore] {
        let (mut github, repo) = world(ALL, GithubAccess::Admin).await;
        let number = open(&repo, "login");
        for method in [Method::Post, Method::Patch] {
            github.world.sim.inject(Fault::always(Matcher::new(method, "/repos/**"), kind.clone()));
        }
        assert_eq!(github.pass().await, Verdict::Converged);
        github.world.sim.clear_faults();
        github.pass().await;
        assert!(comment(&repo, number).starts_with("### Preview `pr-1`: ready"), "{kind:?}");
        let live = repo.deployments().iter().filter(|one| one.state != "inactive").count();
        assert_eq!(live, 1, "{kind:?}: {:#?}", repo.deployments());
        repo.close(number).unwrap();
        github.pass().await;
        assert!(repo.deployments().iter().all(|one| one.state == "inactive"), "{kind:?}");
    }
}

/// Whoever may write the title of a pull request must not be able to write into the comment.
#[tokio::test(start_paused = true)]
async fn no_secret_and_no_markup_of_others_is_in_what_is_said() {
    let (mut github, repo) = world(ALL, GithubAccess::Admin).await;
    github.world.edit("set.yaml", "ips: {sharedV4", "secrets: {KEY: {fromEnv: KEY}}\n            ips: {sharedV4");
    github.world.set("KEY", "planted-value-of-a-secret");
    let number = open(&repo, "feature/<img-src=x>");
    repo.retitle(number, "</details> @everyone").unwrap();
    github.pass().await;
    repo.close(number).unwrap();
    github.pass().await;
    let said = format!(
        "{:?} {:?} {:?}",
        repo.comments(number),
        repo.deployments(),
        repo.pull(number).map(|pull| repo.statuses(&pull.sha))
    );
    assert!(said.contains("pr-1"), "{said}");
    for planted in ["planted", "<img", "@everyone", "ghp_"] {
        assert!(!said.contains(planted), "{said}");
    }
}

/// The daemon says at once that it has begun, and again when it is done.
#[tokio::test(start_paused = true)]
async fn the_daemon_tells_what_happens_as_it_happens() {
    let (mut github, repo) = world(ALL, GithubAccess::Admin).await;
    let number = open(&repo, "login");
    github.look().await;
    let Github { world, eyes } = github;
    world.sim.clear_requests();
    let mut daemon = Running::start(world);
    daemon.pass(600).await;
    let status = format!("POST /repos/acme/chat/statuses/{}", repo.pull(number).unwrap().sha);
    let statuses = daemon.world.writes().into_iter().filter(|write| *write == status).count();
    assert_eq!(statuses, 2, "pending, then success");
    assert!(comment(&repo, number).starts_with("### Preview `pr-1`: ready"));

    let sha = repo.push_to_pull(number).unwrap();
    daemon.world.repos = eyes.complete(daemon.world.snapshot()).await.repos;
    daemon.publish();
    daemon.pass(120).await;
    assert_eq!(repo.statuses(&sha)[0].state, "success");

    daemon.world.sim.clear_requests();
    daemon.pass(3600).await;
    let said = daemon.world.writes().into_iter().filter(|write| write.contains(" /repos/"));
    assert_eq!(said.collect::<Vec<_>>(), Vec::<String>::new());

    repo.close(number).unwrap();
    daemon.world.repos = eyes.complete(daemon.world.snapshot()).await.repos;
    daemon.publish();
    daemon.pass(300).await;
    assert_eq!(daemon.world.app_names(), ["other-web"]);
    assert!(comment(&repo, number).starts_with("### Preview `pr-1`: deleted"), "{}", comment(&repo, number));
    assert_eq!(repo.environments(), Vec::<String>::new());
}

/// An app's token may not ask who it is.
#[tokio::test(start_paused = true)]
async fn an_app_finds_its_own_comment_again() {
    let config = |config: &mut SimConfig| {
        config.github_tokens[0].login = "hangar[bot]".to_owned();
        config.github_tokens[0].is_app = true;
    };
    let mut github = Github::configured(&set("{comment: true}", "v1-"), config).await;
    github.world.tells = true;
    let repo = github.world.sim.repository(REPO);
    let number = open(&repo, "login");
    github.pass().await;
    let first = repo.comments(number).remove(0);
    repo.comment(number, "eve", &first.body).unwrap();
    repo.push_to_pull(number).unwrap();
    github.pass().await;
    let all = repo.comments(number);
    assert_eq!((all.len(), all[0].id, &*all[0].author), (2, first.id, "hangar[bot]"));
    assert_ne!(all[0].body, first.body);
}
