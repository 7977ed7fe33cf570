//! A set of previews from the command line, against a GitHub on a socket.

use hangar::sim::{NewPull, SimConfig};

use crate::support::{Folder, Server};

const GITHUB_TOKEN: &str = "ghp_planted_0123456789abcdef";

const SET: &str = "apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  source: {github: {repo: acme/chat, pullRequests: {labels: [preview]}}}
  template:
    metadata: {name: 'chat-${{ branch.slug }}'}
    spec:
      fly:
        org: acme
        region: iad
        apps: {web: {image: 'registry.fly.io/demo:${{ head.shortSha }}'}}
";

/// A folder with a set of previews of `acme/chat`, both of whose platforms are at `server`.
fn folder(server: &Server) -> Folder {
    let url = &server.url;
    let controller = format!(
        "apiVersion: hangar/v1\nkind: Controller\nmetadata: {{name: hangar}}\nspec:\n  owner: hangar\n  github: {{baseUrl: '{url}'}}\n  fly: {{organizations: {{acme: {{token: {{fromEnv: FLY_API_TOKEN}}}}}}}}\n"
    );
    let mut folder = Folder::with(&[("hangar.yaml", &controller), ("chat.yaml", SET)]);
    folder.use_server(server);
    folder
}

#[test]
fn in_the_simulator_a_pull_request_stands_in_for_peoples() {
    let gated = SET.replace("      fly:\n", "      requires: {checks: {names: [ci]}}\n      fly:\n");
    let folder = Folder::with(&[("chat.yaml", &gated)]);
    let note = "in the simulator acme/chat#1 stands in for people's pull requests";
    folder.run("diff --sim").ended(2).says(&[note, "chat-example  2 to create"]);
    folder.run("reconcile --once --sim").ended(0).says(&[note, "✓ chat-example  as desired"]);
    folder.run("diff --sim").ended(0).says(&[note, "Nothing to do"]);
}

#[test]
fn a_pull_request_becomes_an_environment_and_its_end_takes_it_away() {
    let server = Server::configured(SimConfig::default().with_repo("acme/chat", GITHUB_TOKEN));
    let repo = server.sim.create_repository("acme/chat");
    let number = repo.open_pull(NewPull::from_branch("feature/login").labelled("preview")).unwrap();
    repo.open_pull(NewPull::from_branch("unlabelled")).unwrap();
    let mut folder = folder(&server);
    folder.run("validate").ended(0).says(&["2 files with 0 environments and 1 preview set: valid"]);
    // Without a token nothing is known, and nobody is told that all is well.
    let ran = folder.run("diff").ended(1);
    ran.says(&["not all that is asked for is known", "preview set `chat`", "set `GITHUB_TOKEN`", "spec.github.token"]);
    folder.set("GITHUB_TOKEN", "ghp_revoked");
    let ran = folder.run("diff").ended(1);
    ran.says(&["acme/chat", "GitHub does not accept the token in `GITHUB_TOKEN`"]).never_says(&["ghp_revoked"]);
    folder.set("GITHUB_TOKEN", GITHUB_TOKEN);
    folder.run("diff").ended(2).says(&["chat-feature-login  2 to create"]).never_says(&["unlabelled"]);
    assert!(server.writes().is_empty());
    folder.run("reconcile --once").ended(0).says(&["chat-feature-login", "as desired"]);
    let shown = folder.run("status").ended(0);
    shown.says(&["chat-feature-login", "pull request acme/chat#1"]).never_says(&["ghp_"]);
    let json = folder.run("status --format json").ended(0).json();
    assert_eq!(json["environments"][0]["preview"]["subject"], "pull request acme/chat#1");
    let extended = folder.run("extend chat-feature-login 48h").ended(0);
    extended.says(&["chat-feature-login is to be kept until ", "Converged: 1 environment is as desired (1 change"]);
    let marks = &server.sim.machines("chat-feature-login-web")[0];
    assert!(marks.metadata("hangar_keep_until").is_some() && marks.metadata("hangar_set") == Some("chat"));
    folder.run("extend chat-feature-logon 48h").ended(1).says(&["did you mean `chat-feature-login`"]);
    let limit = "apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: limits}\nspec: {previews: {maxTtl: 3d}}\n";
    folder.write("policy.yaml", limit);
    folder
        .run("extend chat-feature-login 4d")
        .ended(1)
        .says(&["`4d` is longer than the policy", "`previews.maxTtl: 3d`"]);
    folder.run("extend chat-feature-login 48").ended(1).says(&["write `48s` for seconds"]);
    repo.merge(number).unwrap();
    // The store is younger than the quarantine, so that is all that can be seen here.
    folder.run("gc --dry-run").says(&["delete app `chat-feature-login-web`", "Quarantine"]);
}
