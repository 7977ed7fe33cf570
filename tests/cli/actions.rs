//! As a step of a workflow: annotations, summary, outputs, masks, and the comment on the pull request.

use hangar::sim::{GithubAccess, NewPull, RepositoryHand, SimConfig, SimGithubToken};

use crate::support::{CONTROLLER, Folder, Server, environment, policy};

const GITHUB_TOKEN: &str = "ghs_planted_0123456789abcdef";

/// A folder with these specs below `specs`, as the runner leaves a repository for a step.
fn checkout(files: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::with(&[]);
    for (path, text) in files {
        folder.write(&format!("specs/{path}"), text);
    }
    let workspace = folder.path("").canonicalize().unwrap();
    folder.set("GITHUB_ACTIONS", "true");
    folder.set("GITHUB_WORKSPACE", workspace.to_str().unwrap());
    for (variable, file) in [("GITHUB_STEP_SUMMARY", "runner/summary.md"), ("GITHUB_OUTPUT", "runner/output")] {
        folder.write(file, "");
        folder.set(variable, folder.path(file).to_str().unwrap());
    }
    folder
}

/// The commands to the runner, in order.
fn commands(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| line.starts_with("::")).collect()
}

/// The outputs as the runner reads them.
fn outputs(folder: &Folder) -> std::collections::BTreeMap<String, String> {
    let text = folder.read("runner/output");
    let (mut outputs, mut lines) = (std::collections::BTreeMap::new(), text.lines());
    while let Some(line) = lines.next() {
        if let Some((name, delimiter)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            outputs.insert(name.to_owned(), value.join("\n"));
        } else {
            let (name, value) = line.split_once('=').unwrap();
            outputs.insert(name.to_owned(), value.to_owned());
        }
    }
    outputs
}

#[test]
fn mistakes_and_warnings_stand_beside_their_lines() {
    let spec = environment("demo", "memmory: 512MB").replace("iad", "'ia,d: 100%'");
    let folder = checkout(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &spec)]);
    for command in ["validate specs", "validate --format json specs", "diff --sim specs", "diff --sim specs/../specs"] {
        folder.write("runner/summary.md", "");
        let ran = folder.run(command).ended(1);
        let shown = commands(&ran.err);
        assert_eq!(shown.len(), 2, "{command}: {}", ran.all());
        assert!(shown[0].starts_with("::error file=specs/demo.yaml,line=7,col=13,title=Hangar spec::"), "{shown:#?}");
        assert!(shown[0].contains("100%25"), "{shown:#?}");
        let field = "::error file=specs/demo.yaml,line=11,col=9,title=Hangar spec::unknown field `memmory`%0Adid you mean `memory`?";
        assert_eq!(shown[1], field);
        assert!(commands(&ran.out).is_empty(), "{}", ran.out);
        let summary = folder.read("runner/summary.md");
        assert!(summary.starts_with("### Hangar specs: 2 errors\n"), "{summary}");
        assert!(summary.contains("demo.yaml:11:9`: unknown field `memmory` (did you mean `memory`?)"), "{summary}");
    }
}

#[test]
fn outside_of_a_workflow_nobody_is_told() {
    let mut folder = checkout(&[("demo.yaml", &environment("demo", "memmory: 512MB"))]);
    folder.set("GITHUB_ACTIONS", "");
    let ran = folder.run("validate specs").ended(1);
    assert!(commands(&ran.all()).is_empty(), "{}", ran.all());
    assert_eq!(folder.read("runner/summary.md"), "");
}

#[test]
fn what_the_policy_forbids_is_an_error_at_the_environment() {
    let folder = checkout(&[
        ("hangar.yaml", CONTROLLER),
        ("policy.yaml", &policy("regions: [fra]")),
        ("demo.yaml", &environment("demo", "")),
    ]);
    let message = "region `iad` is not allowed (allowed: fra)";
    let ran = folder.run("validate specs").ended(1).says(&["the policy does not allow this", message]);
    let shown = commands(&ran.err);
    assert_eq!(shown.len(), 1, "{shown:#?}");
    assert!(shown[0].starts_with("::error file=specs/demo.yaml,line=3,col="), "{shown:#?}");
    assert!(shown[0].contains(message), "{shown:#?}");
    let ran = folder.run("diff --sim specs").ended(2).says(&["PolicyViolation"]);
    let shown = commands(&ran.err);
    assert_eq!(shown.len(), 1, "{shown:#?}");
    assert!(shown[0].starts_with("::error file=specs/demo.yaml,line="), "{shown:#?}");
    assert!(shown[0].contains("title=Hangar policy::`demo`: ") && shown[0].contains(message), "{shown:#?}");
    assert_eq!(outputs(&folder)["blocked"], "1");
}

#[test]
fn a_look_leaves_a_summary_and_outputs() {
    let folder = checkout(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", ""))]);
    let ran = folder.run("diff --sim --format json specs").ended(2);
    assert!(commands(&ran.all()).is_empty(), "{}", ran.all());
    ran.json();
    let summary = folder.read("runner/summary.md");
    assert!(summary.starts_with("### Hangar plan: 2 to create, 0 to update, 0 to replace, 0 to delete\n"), "{summary}");
    let found = outputs(&folder);
    let counts = ["has-changes", "creates", "updates", "replaces", "deletes", "waiting", "blocked"];
    assert_eq!(counts.map(|name| found[name].as_str()), ["true", "2", "0", "0", "0", "0", "0"]);
    assert!(found["markdown"].contains("+ create app demo-web"), "{found:#?}");
    assert_eq!(found["cost-delta"], "+1.94");
    folder.run("reconcile --once --sim specs").ended(0);
    folder.write("runner/output", "");
    folder.run("diff --sim specs").ended(0);
    let found = outputs(&folder);
    assert_eq!((found["has-changes"].as_str(), found["cost-delta"].as_str()), ("false", "0.00"));
    // More memory, and an address of its own.
    folder.edit("specs/demo.yaml", "demo:v1\n", "demo:v1\n        memory: 512MB\n        ips: {v4: true}\n");
    folder.run("diff --sim --format markdown specs").ended(2).says(&[r"Cost: +\$3.25 a month at list prices"]);
}

#[test]
fn no_text_of_a_spec_is_a_command() {
    let spec = environment("demo", "env: {A: '##[error]x', B: \"a\\n::stop-commands::x\"}");
    let folder = checkout(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &spec)]);
    for format in ["text", "markdown"] {
        let ran = folder.run(&format!("diff --sim --format {format} specs")).ended(2).says(&["stop-commands"]);
        assert!(!ran.all().contains("##["), "{}", ran.all());
        assert!(!ran.all().lines().any(|line| line.trim_start().starts_with("::")), "{}", ran.all());
    }
}

#[test]
fn every_value_is_masked_before_anything_else_is_said_and_stands_nowhere_else() {
    const FROM_ENV: &str = "planted-50%-value\nof-two-lines";
    let server = Server::configured(SimConfig::default().with_repo("acme/chat", GITHUB_TOKEN));
    let repo = server.sim.create_repository("acme/chat");
    let number = repo.open_pull(NewPull::from_branch("feature")).unwrap();
    let secrets = "secrets: {A: {fromEnv: PLANTED}, SHORT: {fromEnv: SHORT}, G: {generate: {length: 40}}}";
    let mut folder = checkout(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", secrets))]);
    folder.use_server(&server);
    folder.set("PLANTED", FROM_ENV);
    folder.set("SHORT", "abc");
    folder.set("GITHUB_TOKEN", GITHUB_TOKEN);
    folder.set("GITHUB_API_URL", &server.url);
    let ran = folder.run(&format!("diff --log trace --comment=acme/chat#{number} specs")).ended(2);
    let mut masked = Vec::new();
    let mut rest = String::new();
    for line in ran.all().lines() {
        match line.strip_prefix("::add-mask::") {
            Some(value) => {
                // Logs say nothing of values, and are switched on here to be searched as well.
                masked.push(value.to_owned());
            }
            None => rest.push_str(line),
        }
    }
    masked.sort();
    let mut expected = vec![
        "planted-50%25-value%0Aof-two-lines".to_owned(),
        crate::support::TOKEN.to_owned(),
        crate::support::MASTER_KEY.to_owned(),
        GITHUB_TOKEN.to_owned(),
    ];
    expected.sort();
    assert_eq!(masked, expected);
    let comment = repo.comments(number);
    let written = [rest, folder.read("runner/summary.md"), folder.read("runner/output"), comment[0].body.clone()];
    for text in written {
        for value in expected.iter().map(String::as_str).chain(["of-two-lines", "planted-50"]) {
            assert!(!text.contains(value), "`{value}` in {text}");
        }
    }
    // Without logs, the masks are the first lines of all.
    let ran = folder.run("diff specs").ended(2);
    let first: Vec<&str> = ran.err.lines().take(4).collect();
    assert!(first.iter().all(|line| line.starts_with("::add-mask::")), "{}", ran.err);
}

/// A folder in a workflow for a pull request of `acme/chat`, whose platforms are at the server; with the token of a workflow.
fn pull_request() -> (Folder, Server, RepositoryHand, u64) {
    let app = SimGithubToken::new(GITHUB_TOKEN, "github-actions[bot]", "acme/chat", GithubAccess::Write);
    let mut config = SimConfig::default().with_repo("acme/chat", "ghp_of_somebody_else");
    config.github_tokens.push(SimGithubToken { is_app: true, ..app });
    let server = Server::configured(config);
    let repo = server.sim.create_repository("acme/chat");
    let number = repo.open_pull(NewPull::from_branch("feature")).unwrap();
    let mut folder = checkout(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", ""))]);
    folder.use_server(&server);
    folder.set("GITHUB_TOKEN", GITHUB_TOKEN);
    folder.set("GITHUB_API_URL", &server.url);
    folder.set("GITHUB_REPOSITORY", "acme/chat");
    folder.set("GITHUB_REF", &format!("refs/pull/{number}/merge"));
    (folder, server, repo, number)
}

#[test]
fn one_comment_is_kept_and_edited_only_when_it_says_something_else() {
    let (folder, server, repo, number) = pull_request();
    repo.comment(number, "mallory", "<!-- hangar diff hangar -->\nNothing to see").unwrap();
    folder.run("diff --comment specs").ended(2).says(&["comment on acme/chat#1: written"]);
    let first = repo.comments(number).remove(1);
    assert_eq!(first.author, "github-actions[bot]");
    insta::assert_snapshot!("comment", first.body);

    folder.run("diff --comment specs").ended(2).says(&["comment on acme/chat#1: left as it is"]);
    assert_eq!(repo.comments(number).remove(1), first);

    folder.edit("specs/demo.yaml", "demo:v1", "demo:v2");
    folder.run("diff --comment specs").ended(2).says(&["comment on acme/chat#1: brought up to date"]);
    let comments = repo.comments(number);
    assert_eq!((comments.len(), comments[1].id), (2, first.id));
    assert!(comments[1].body.contains("demo:v2") && comments[0].body.contains("Nothing to see"));

    // What looks writes words, and nothing else.
    let writes = server.writes();
    let is_word = |write: &String| write.contains("/repos/acme/chat/issues/");
    assert!(writes.len() == 2 && writes.iter().all(is_word), "{writes:?}");
}

#[test]
fn the_pull_request_is_found_in_the_event_or_named() {
    let (mut folder, _server, repo, number) = pull_request();
    folder.set("GITHUB_REF", "refs/heads/main");
    let ran = folder.run("diff --comment specs").ended(1);
    ran.says(&["cannot tell the pull request", "`--comment=owner/repo#42`"]);
    folder.set("GITHUB_EVENT_PATH", folder.path("runner/event.json").to_str().unwrap());
    folder.write("runner/event.json", format!("{{\"issue\": {{\"number\": {number}}}}}"));
    folder.run("diff --comment specs").ended(1).says(&["cannot tell the pull request"]);
    folder.write("runner/event.json", format!("{{\"pull_request\": {{\"number\": {number}}}}}"));
    folder.run("diff --comment specs").ended(2).says(&["acme/chat#1: written"]);
    folder.run(&format!("diff --comment=ACME/chat#{number} --env demo specs")).ended(2).says(&["chat#1: written"]);
    assert_eq!(repo.comments(number).len(), 2, "a part of the specs has a comment of its own");
    folder.run("diff --comment=chat specs").ended(1).says(&["write `owner/repo#42`"]);
}

#[test]
fn a_token_that_may_not_write_is_told_after_the_result() {
    let (mut folder, _server, repo, number) = pull_request();
    folder.set("GITHUB_TOKEN", "ghp_revoked_0123456789");
    let ran = folder.run("diff --comment specs").ended(1);
    ran.says(&["2 to create", "the comment was not written", "GitHub does not accept the token in `GITHUB_TOKEN`"])
        .never_says(&["::error"]);
    assert!(repo.comments(number).is_empty());
}
