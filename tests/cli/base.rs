//! Two states of specs compared without anybody being asked.

use std::process::Command;

use hangar::sim::{GithubAccess, NewPull, SimConfig, SimGithubToken};

use crate::support::{CONTROLLER, Folder, Server, environment, policy, with_spec};

const WEB: &str = "\
env: {LOG: info, OLD: 'yes'}
secrets:
  SESSION: {generate: {length: 40}}
  TOKEN: {fromEnv: TOKEN_A}
volumes: {data: {size: 1GB, mount: /data}}
services: [{internalPort: 8080, ports: [{port: 443, handlers: [http, tls]}]}]
";

const PREVIEWS: &str = "\
apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  limit: 5
  source: {github: {repo: acme/chat, pullRequests: {labels: [preview]}}}
  template:
    metadata: {name: 'chat-${{ branch.slug }}'}
    spec: {fly: {org: acme, region: iad, apps: {api: {image: 'registry.fly.io/chat:v1'}}}}
---
apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: people}
spec:
  source: {list: [{name: alice}, {name: bob}]}
  template:
    metadata: {name: 'of-${{ params.name }}'}
    spec: {fly: {org: acme, region: iad, apps: {api: {image: 'registry.fly.io/people:v1'}}}}
";

fn git(folder: &Folder, at: &str, arguments: &str) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]).args(arguments.split(' '));
    let output = git.current_dir(folder.path(at)).env("HOME", folder.path("")).output().unwrap();
    assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository `repo` whose branch `main` has these specs below `specs`.
fn repository(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::with(&[]);
    for (path, text) in files {
        folder.write(&format!("repo/specs/{path}"), text);
    }
    git(&folder, "repo", "init --quiet --initial-branch=main");
    commit(&folder);
    folder
}

fn commit(folder: &Folder) -> String {
    git(folder, "repo", "add --all");
    git(folder, "repo", "commit --quiet --message=change");
    git(folder, "repo", "rev-parse --short=12 HEAD")
}

/// A repository, and changes of all kinds in its work tree.
fn changed() -> (Folder, String) {
    let folder = repository(&[
        ("hangar.yaml", CONTROLLER),
        ("staging.yaml", &with_spec("staging", "class: staging", WEB)),
        ("old.yaml", &environment("old", "")),
        ("kept.yaml", &with_spec("kept", "class: production", "")),
        ("same.yaml", &environment("same", "config: fly.toml")),
        ("fly.toml", "primary_region = 'iad'\n[env]\n  A = 'b'\n"),
        ("chat.yaml", PREVIEWS),
    ]);
    let base = git(&folder, "repo", "rev-parse --short=12 HEAD");
    folder.edit("repo/specs/staging.yaml", "LOG: info, OLD: 'yes'", "LOG: debug, NEW: 'no'");
    folder.edit("repo/specs/staging.yaml", "TOKEN: {fromEnv: TOKEN_A}", "TOKEN: {fromEnv: TOKEN_B}");
    folder.edit("repo/specs/staging.yaml", "size: 1GB", "size: 2GB");
    folder.edit("repo/specs/staging.yaml", "  class: staging", "  class: staging\n  level: noDelete");
    folder.remove("repo/specs/old.yaml");
    folder.remove("repo/specs/kept.yaml");
    folder.write("repo/specs/new.yaml", environment("new", "processes: {app: {count: 2}}"));
    folder.edit("repo/specs/chat.yaml", "chat:v1", "chat:v2");
    folder.edit("repo/specs/chat.yaml", "limit: 5", "limit: 3");
    folder.edit("repo/specs/chat.yaml", ", {name: bob}", "");
    folder.write("repo/specs/policy.yaml", policy("maxMachinesPerApp: 1"));
    (folder, base)
}

#[test]
fn everything_that_differs_is_shown_and_nobody_is_asked() {
    let (mut folder, base) = changed();
    // Whoever asked would fail at these.
    folder.set("FLY_FLAPS_BASE_URL", "http://127.0.0.1:9");
    folder.set("GITHUB_API_URL", "http://127.0.0.1:9");
    for format in ["text", "markdown", "json"] {
        let ran = folder.run(&format!("diff --base main --format {format} repo/specs")).ended(2);
        insta::assert_snapshot!(
            format!("base_{format}"),
            ran.out.replace(&full(&folder), "[full base]").replace(&base, "[base]")
        );
        assert_eq!(ran.err, "");
    }
}

fn full(folder: &Folder) -> String {
    git(folder, "repo", "rev-parse main")
}

#[test]
fn one_environment_or_component_can_be_asked_about() {
    let (folder, _) = changed();
    let ran = folder.run("diff --base main --env staging repo/specs").ended(2).says(&["staging  changed"]);
    ran.never_says(&["preview set", "`old`"]);
    folder
        .run("diff --base main --env same repo/specs")
        .ended(0)
        .says(&["no changes of what is asked for (1 environment)"]);
    folder.run("diff --base main --env staging --only api repo/specs").ended(0);
    folder.run("diff --base main --env stagin repo/specs").ended(1).says(&["did you mean `staging`?"]);
    folder.run("diff --base main repo/specs/same.yaml").ended(0);
    folder.run("diff --base main repo/specs/staging.yaml").ended(2).never_says(&["`old`"]);
}

#[test]
fn what_is_the_same_is_in_sync_and_a_name_may_be_any_commit() {
    let folder = repository(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", WEB))]);
    let first = commit_of(&folder);
    git(&folder, "repo", "tag v1");
    folder.run("diff --base HEAD repo/specs").ended(0).says(&["no changes of what is asked for (1 environment)"]);
    folder.edit("repo/specs/demo.yaml", "demo:v1", "demo:v2");
    commit(&folder);
    folder.run("diff --base HEAD repo/specs").ended(0);
    for base in [first.as_str(), "HEAD~1", "v1", "main~1"] {
        let ran = folder.run(&format!("diff --base {base} repo/specs")).ended(2);
        ran.says(&["image: registry.fly.io/demo:v1 → registry.fly.io/demo:v2", first.get(..12).unwrap()]);
    }
}

fn commit_of(folder: &Folder) -> String {
    git(folder, "repo", "rev-parse HEAD")
}

#[test]
fn a_commit_that_is_not_there_is_told_with_the_way_to_get_it() {
    let folder = repository(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", ""))]);
    let first = commit_of(&folder);
    folder.edit("repo/specs/demo.yaml", "demo:v1", "demo:v2");
    commit(&folder);
    let url = format!("file://{}", folder.path("repo").display());
    git(&folder, "", &format!("clone --quiet --depth=1 {url} shallow"));
    for base in [first.as_str(), "HEAD~1", "nowhere", "--output=x"] {
        let ran = folder.run(&format!("diff --base={base} shallow/specs")).ended(1);
        ran.says(&["this repository has no commit", "git fetch", "fetch-depth: 0"]);
    }
    // Fetched as the message says, it is there.
    git(&folder, "shallow", &format!("fetch --quiet --depth=1 origin {first}"));
    folder.run("diff --base FETCH_HEAD shallow/specs").ended(2).says(&["demo:v2"]);
    folder.write("loose/demo.yaml", environment("demo", ""));
    folder
        .run("diff --base main loose")
        .ended(1)
        .says(&["cannot compare `loose` with another commit", "not a git repository"]);
}

#[test]
fn mistakes_of_either_side_are_told() {
    let folder = repository(&[("hangar.yaml", CONTROLLER), ("demo.yaml", &environment("demo", "memmory: 1GB"))]);
    folder.run("diff --base main repo/specs").ended(1).says(&["error: unknown field `memmory`", "demo.yaml:11:9"]);
    folder.write("repo/specs/demo.yaml", environment("demo", ""));
    let ran = folder.run("diff --base main repo/specs").ended(1);
    ran.says(&["at `main` the specs cannot be read: 1 problem in the specs, the first in repo/specs/demo.yaml:11: unknown field `memmory`"]);
    let folder = repository(&[("hangar.yaml", CONTROLLER)]);
    folder.run("diff --base main --sim repo/specs").ended(2).says(&["cannot be used with"]);
    folder.run("diff --base main elsewhere").ended(1);
}

#[test]
fn a_folder_that_was_not_there_before_has_everything_new() {
    let folder = repository(&[("hangar.yaml", CONTROLLER)]);
    folder.write("repo/more/demo.yaml", environment("demo", ""));
    let ran = folder.run("diff --base main repo/specs repo/more").ended(2);
    ran.says(&["demo  new, 2 to create"]).never_says(&["controller"]);
}

#[test]
fn no_value_of_a_secret_is_read_and_a_workflow_and_its_pull_request_are_told() {
    const VALUE: &str = "planted-value-of-a-variable";
    const TOKEN: &str = "ghs_planted_0123456789abcdef";
    let app = SimGithubToken::new(TOKEN, "github-actions[bot]", "acme/chat", GithubAccess::Write);
    let mut config = SimConfig::default().with_repo("acme/chat", "ghp_of_somebody_else");
    config.github_tokens.push(SimGithubToken { is_app: true, ..app });
    let server = Server::configured(config);
    let pulls = server.sim.create_repository("acme/chat");
    let number = pulls.open_pull(NewPull::from_branch("feature")).unwrap();
    let (mut folder, _) = changed();
    let workspace = folder.path("repo").canonicalize().unwrap();
    for (name, value) in [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKSPACE", workspace.to_str().unwrap()),
        ("GITHUB_REPOSITORY", "acme/chat"),
        ("GITHUB_REF", &format!("refs/pull/{number}/merge")),
        ("GITHUB_API_URL", &server.url),
        ("GITHUB_TOKEN", TOKEN),
        ("TOKEN_A", VALUE),
        ("TOKEN_B", VALUE),
        ("HANGAR_MASTER_KEY", crate::support::MASTER_KEY),
    ] {
        folder.set(name, value);
    }
    for (name, file) in [("GITHUB_STEP_SUMMARY", "summary.md"), ("GITHUB_OUTPUT", "output")] {
        folder.set(name, folder.path(file).to_str().unwrap());
    }
    let ran = folder.run("diff --base main --comment --log trace repo/specs").ended(2);
    let masks: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("::add-mask::")).collect();
    assert_eq!(masks, [format!("::add-mask::{TOKEN}")], "nothing else is read");
    let annotation = "::error file=specs/new.yaml,line=";
    assert!(
        ran.err.lines().any(|line| line.starts_with(annotation) && line.contains("asks for 2 machines")),
        "{}",
        ran.err
    );
    let body = pulls.comments(number).remove(0).body;
    assert!(body.starts_with("<!-- hangar specs hangar -->\n### Hangar specs against `main`: "), "{body}");
    let (summary, output) = (folder.read("summary.md"), folder.read("output"));
    assert!(summary.starts_with("### Hangar specs against `main`: ") && output.contains("has-changes=true\n"));
    for text in [ran.all().replace(masks[0], ""), summary, output, body] {
        for value in [VALUE, TOKEN, crate::support::MASTER_KEY] {
            assert!(!text.contains(value), "`{value}` in {text}");
        }
    }
    folder.run("diff --base main --comment repo/specs").ended(2).says(&["acme/chat#1: left as it is"]);
}
