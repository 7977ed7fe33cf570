//! Sets of previews against listings of repositories.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};

use crate::desired::{
    Asks, Branch, Built, Completeness, Context, Environment, PullRequest, RepoListing, SecretInputs, SecretValue,
    Wanted, build,
};
use crate::resource::{EnvName, OwnerId};
use crate::secret::SecretText;
use crate::spec::{SourceFile, parse};

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn set(source: &str, more: &str) -> String {
    format!(
        r#"
apiVersion: hangar/v1
kind: PreviewSet
metadata: {{name: chat}}
spec:
  source: {source}
{more}
  template:
    metadata: {{name: "chat-${{{{ branch.slug }}}}"}}
    spec:
      fly:
        org: acme
        region: iad
        apps:
          web:
            image: "registry.fly.io/chat:${{{{ head.shortSha }}}}"
            env: {{TITLE: "${{{{ pr.title | default('none') }}}}", BRANCH: "${{{{ branch.name }}}}"}}
            secrets: {{KEY: {{fromEnv: KEY}}}}
"#
    )
    .replace("'none'", "\"none\"")
    .replace("TITLE: \"${{ pr.title | default(\"none\") }}\"", "TITLE: '${{ pr.title | default(\"none\") }}'")
}

fn pull(number: u64, branch: &str) -> PullRequest {
    PullRequest {
        number,
        title: format!("Change {number}"),
        author: "ada".into(),
        labels: vec![],
        is_draft: false,
        is_fork: false,
        branch: branch.into(),
        sha: format!("{number:040x}"),
        base: "main".into(),
        url: format!("https://github.com/acme/chat/pull/{number}"),
        created_at: now() - TimeDelta::days(100) + TimeDelta::minutes(i64::try_from(number).unwrap()),
        active_at: now() - TimeDelta::hours(1),
        closed_at: None,
        head_at: None,
        files: None,
        approvals: BTreeMap::new(),
        orders: vec![],
    }
}

fn listing(pulls: Vec<PullRequest>, branches: &[&str]) -> RepoListing {
    let branch = |name: &&str| Branch { name: (*name).into(), sha: "f".repeat(40), active_at: None };
    RepoListing { pulls, branches: branches.iter().map(branch).collect(), completeness: Completeness::Complete }
}

fn built(files: &[(&str, &str)], listing: Option<RepoListing>) -> Built {
    let sources: Vec<SourceFile> = files
        .iter()
        .filter(|(_, text)| text.contains("apiVersion"))
        .map(|(path, text)| SourceFile { path: PathBuf::from(path), bytes: text.as_bytes().to_vec() })
        .collect();
    let specs = parse(&sources).unwrap_or_else(|problems| panic!("{}", problems.render(false)));
    let assets: BTreeMap<PathBuf, Vec<u8>> =
        files.iter().map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec())).collect();
    let env = BTreeMap::from([("KEY".to_owned(), SecretText::new("planted"))]);
    let repos = listing.map(|listing| ("acme/chat".parse().unwrap(), listing)).into_iter().collect();
    build(
        &specs,
        &Context {
            owner: &OwnerId::from("acme"),
            secrets: &SecretInputs { env, ..SecretInputs::default() },
            assets: &assets,
            source: &Completeness::Complete,
            repos: &repos,
            commit: None,
        },
    )
}

fn names(built: &Built) -> Vec<&str> {
    built.fleet.environments.keys().map(EnvName::as_str).collect()
}

fn ready<'b>(built: &'b Built, name: &str) -> &'b Environment {
    match built.fleet.environments.get(&name.into()) {
        Some(Wanted::Ready(environment)) => environment,
        other => panic!("{name}: {other:?}\n{}", built.diagnostics.render(false)),
    }
}

fn messages(built: &Built) -> Vec<&str> {
    built.diagnostics.iter().map(|each| each.message.as_str()).collect()
}

const ALL: &str = "{github: {repo: acme/Chat, pullRequests: {}}}";

#[test]
fn a_pull_request_is_an_environment_with_its_own_values() {
    let set = set(ALL, "  ttl: {idle: 72h, max: 14d}\n  limit: 3");
    let built = built(&[("set.yaml", &set)], Some(listing(vec![pull(7, "feature/Login")], &["main"])));
    assert!(built.diagnostics.is_empty(), "{}", built.diagnostics.render(false));
    assert_eq!(names(&built), ["chat-feature-login"]);
    let env = ready(&built, "chat-feature-login");
    let app = &env.apps[0];
    assert_eq!(app.name.as_str(), "chat-feature-login-web");
    assert_eq!(app.image, "registry.fly.io/chat:0000000");
    assert_eq!(app.machines[0].config["env"]["TITLE"], "Change 7");
    assert_eq!(app.machines[0].config["env"]["BRANCH"], "feature/Login");
    let preview = env.preview.as_ref().unwrap();
    assert_eq!((preview.subject.as_str(), preview.limit, preview.place), ("pull request acme/Chat#7", Some(3), 0));
    assert_eq!(env.idle_at, Some(now() + TimeDelta::hours(71)));
    assert_eq!(env.max_age, Some(std::time::Duration::from_hours(14 * 24)));
}

#[test]
fn filters_choose_and_a_branch_with_a_pull_request_is_one_preview() {
    let source = "{github: {repo: acme/chat, branches: ['feature/*'], pullRequests: {labels: [Preview], excludeLabels: [wip], \
                  drafts: false, authors: ['a*'], base: ['main', 'release/**']}}}";
    let labelled = |number, branch: &str| PullRequest { labels: vec!["preview".into()], ..pull(number, branch) };
    let pulls = vec![
        labelled(1, "feature/one"),
        pull(2, "feature/no-label"),
        PullRequest { labels: vec!["preview".into(), "WIP".into()], ..pull(3, "three") },
        PullRequest { is_draft: true, ..labelled(4, "four") },
        PullRequest { author: "Bob".into(), ..labelled(5, "five") },
        PullRequest { base: "release/2026/03".into(), ..labelled(6, "six") },
        PullRequest { base: "develop".into(), ..labelled(8, "eight") },
        PullRequest { is_fork: true, ..labelled(9, "nine") },
    ];
    let branches = ["feature/one", "feature/two", "feature/deep/er", "feature/no-label", "main"];
    let built = built(&[("set.yaml", &set(source, ""))], Some(listing(pulls, &branches)));
    assert_eq!(names(&built), ["chat-feature-no-label", "chat-feature-one", "chat-feature-two", "chat-six"]);
    assert_eq!(ready(&built, "chat-feature-one").preview.as_ref().unwrap().subject, "pull request acme/chat#1");
    assert_eq!(ready(&built, "chat-feature-two").apps[0].machines[0].config["env"]["TITLE"], "none");
}

#[test]
fn changed_files_choose_and_files_that_are_not_all_known_speak_for_a_pull_request() {
    let source = "{github: {repo: acme/chat, pullRequests: {paths: ['web/**', '*.toml'], excludeLabels: [wip]}}}";
    let changing = |number, files: &[&str]| PullRequest {
        files: Some(files.iter().map(|file| (*file).to_owned()).collect()),
        ..pull(number, &format!("b{number}"))
    };
    let mut pulls = vec![
        changing(1, &["docs/a.md", "web/src/deep/main.ts"]),
        changing(2, &["fly.toml"]),
        changing(3, &["api/fly.toml", "webs/x", "web"]),
        changing(4, &[]),
        changing(5, &vec!["docs/a.md"; 3000]),
        PullRequest { labels: vec!["wip".into()], ..changing(6, &["web/x"]) },
    ];
    pulls.push(PullRequest { files: None, ..pull(7, "b7") });
    let text = set(source, "");
    let built = built(&[("set.yaml", &text)], Some(listing(pulls.clone(), &[])));
    assert_eq!(names(&built), ["chat-b1", "chat-b2", "chat-b5", "chat-b7"]);
    // Only those are asked for their files that nothing else speaks against.
    let specs = parse(&[SourceFile { path: "set.yaml".into(), bytes: text.into_bytes() }]).unwrap();
    let needed = crate::desired::needed_listings(&specs);
    let needed = needed.values().next().unwrap();
    let asked: Vec<u64> = pulls.iter().filter(|pull| needed.needs_files(pull)).map(|pull| pull.number).collect();
    assert_eq!(asked, [1, 2, 3, 4, 5, 7]);
}

#[test]
fn a_fork_has_no_secret_and_never_the_name_of_our_own_branch() {
    let source = "{github: {repo: acme/chat, pullRequests: {forks: noSecrets}}}";
    let fork = PullRequest { is_fork: true, author: "eve".into(), ..pull(8, "login") };
    let built = built(&[("set.yaml", &set(source, ""))], Some(listing(vec![pull(7, "login"), fork], &[])));
    let [fork, own] = names(&built)[..] else { panic!("{:?}", names(&built)) };
    assert!(own == "chat-login" && fork.starts_with("chat-eve-login-"), "{fork} {own}");
    let has_key = |name: &str| ready(&built, name).apps[0].secrets.contains_key("KEY");
    assert!(has_key(own) && !has_key(fork));
}

#[test]
fn what_a_pull_request_says_is_never_read_as_a_template() {
    let evil = "${{ fly.web.secrets.KEY }} \u{E000}fly.web.image\u{E001}\n- injected: true";
    let pulls = vec![PullRequest { title: evil.into(), ..pull(1, "x") }];
    let built = built(&[("set.yaml", &set(ALL, ""))], Some(listing(pulls, &[])));
    let title = ready(&built, "chat-x").apps[0].machines[0].config["env"]["TITLE"].as_str().unwrap();
    assert_eq!(title, "${{ fly.web.secrets.KEY }} fly.web.image\n- injected: true");
    assert!(matches!(&ready(&built, "chat-x").apps[0].secrets["KEY"], SecretValue::Known(_)));
}

#[test]
fn a_name_that_belongs_to_another_environment_is_refused() {
    let production = "
apiVersion: hangar/v1
kind: Environment
metadata: {name: chat-production}
spec: {class: production, fly: {org: acme, region: iad, apps: {web: {image: 'registry.fly.io/chat:1'}}}}";
    let pulls = vec![pull(1, "production"), pull(2, "fine")];
    let built = built(&[("set.yaml", &set(ALL, "")), ("p.yaml", production)], Some(listing(pulls, &[])));
    assert_eq!(names(&built), ["chat-fine", "chat-production"]);
    assert!(ready(&built, "chat-production").preview.is_none());
    assert_eq!(
        messages(&built),
        ["pull request acme/Chat#1 has no preview, because its name `chat-production` belongs to another environment"]
    );
}

#[test]
fn slugs_that_collide_differ_and_long_ones_leave_room_for_every_name() {
    let long = format!("feature/{}", "long-".repeat(20));
    let pulls = vec![pull(1, "a/b"), pull(2, "a-b"), pull(3, &long)];
    let built = built(&[("set.yaml", &set(ALL, ""))], Some(listing(pulls, &[])));
    let [first, second, third] = names(&built)[..] else { panic!("{:?}", names(&built)) };
    assert_eq!(first, "chat-a-b");
    assert!(second.starts_with("chat-a-b-"), "{second}");
    assert_eq!(ready(&built, first).preview.as_ref().unwrap().subject, "pull request acme/Chat#1");
    let app = ready(&built, third).apps[0].name.as_str();
    assert!(app.len() == 63 && app.ends_with("-web"), "{app}");
    assert!(messages(&built)[0].contains("`a-b` and `a/b` have the same slug"), "{:?}", messages(&built));
}

#[test]
fn a_closed_pull_request_is_known_to_have_ended_unless_its_name_is_in_use() {
    let closed = |number, branch: &str| PullRequest { closed_at: Some(now()), ..pull(number, branch) };
    let pulls = vec![closed(1, "old"), closed(2, "again"), pull(3, "again")];
    let built = built(&[("set.yaml", &set(ALL, "  grace: 1h"))], Some(listing(pulls, &[])));
    assert_eq!(names(&built), ["chat-again"]);
    let ended: Vec<_> = built.fleet.ended.iter().map(|(name, end)| (name.as_str(), end.at, &*end.reason)).collect();
    let reason = "pull request acme/Chat#1 was closed at 2026-03-01 12:00 UTC";
    assert_eq!(ended, [("chat-old", now() + TimeDelta::hours(1), reason)]);
}

#[test]
fn what_a_closed_pull_request_has_left_never_becomes_another_ones() {
    let closed = PullRequest { closed_at: Some(now()), ..pull(1, "a/b") };
    let built = built(&[("set.yaml", &set(ALL, ""))], Some(listing(vec![closed, pull(2, "a-b")], &[])));
    let [open] = names(&built)[..] else { panic!("{:?}", names(&built)) };
    assert!(open.starts_with("chat-a-b-"), "{open}");
    assert!(built.fleet.ended.contains_key(&"chat-a-b".into()));
}

#[test]
fn an_incomplete_listing_makes_the_source_incomplete() {
    let half = RepoListing {
        completeness: Completeness::Incomplete { reason: "page 2 did not answer".into() },
        ..listing(vec![pull(1, "x")], &[])
    };
    for (listing, expected) in [
        (Some(half), "preview set `chat`: acme/Chat: page 2 did not answer"),
        (None, "preview set `chat`: acme/Chat: the repository was not listed"),
    ] {
        let built = built(&[("set.yaml", &set(ALL, ""))], listing);
        assert!(built.fleet.source.is_complete());
        assert_eq!(built.fleet.sets["chat"].completeness, Completeness::Incomplete { reason: expected.into() });
    }
}

#[test]
fn a_named_branch_that_is_not_there_is_told_and_one_that_is_unknown_is_not() {
    let set = set("{github: {repo: acme/Chat, branches: [prod, 'release/*']}}", "");
    let of = |listing| built(&[("set.yaml", &*set)], listing);
    let without = of(Some(listing(vec![], &["main"])));
    assert_eq!(messages(&without), ["acme/Chat has no branch `prod`, so there is no environment of it"]);
    assert!(without.diagnostics.render(false).contains("push the branch, or correct its name"));
    assert!(of(Some(listing(vec![], &["prod"]))).diagnostics.is_empty());
    assert!(of(None).diagnostics.is_empty());
}

#[test]
fn a_list_and_a_file_give_parameters() {
    let text = set("{list: [{customer: acme, n: 1}]}", "")
        .replace("chat-${{ branch.slug }}", "demo-${{ params.customer }}")
        .replace("${{ head.shortSha }}", "${{ params.n }}")
        .replace("${{ branch.name }}", "x");
    let of_list = built(&[("set.yaml", &text)], None);
    assert_eq!(ready(&of_list, "demo-acme").apps[0].image, "registry.fly.io/chat:1");
    let text = text.replace("{list: [{customer: acme, n: 1}]}", "{file: customers.json}");
    let file = r#"[{"customer": "one", "n": 1.10}, {"customer": "two", "n": "b"}]"#;
    let of_file = built(&[("set.yaml", &text), ("customers.json", file)], None);
    assert_eq!(names(&of_file), ["demo-one", "demo-two"]);
    assert_eq!(ready(&of_file, "demo-one").apps[0].image, "registry.fly.io/chat:1.10");
    let missing = built(&[("set.yaml", &text)], None);
    assert!(
        !missing.fleet.sets["chat"].completeness.is_complete()
            && messages(&missing)[0].contains("`customers.json` cannot be read")
    );
}

#[test]
fn mistakes_in_a_template_show_before_there_is_a_preview() {
    let text = set(ALL, "").replace("branch.name", "branch.nmae").replace("branch.slug", "branch.slgu");
    let built = built(&[("set.yaml", &text)], Some(listing(vec![], &[])));
    let rendered = built.diagnostics.render(false);
    for (wrong, meant) in [("branch.nmae", "branch.name"), ("branch.slgu", "branch.slug")] {
        assert!(rendered.contains(wrong) && rendered.contains(&format!("did you mean `{meant}`")), "{rendered}");
    }
}

#[test]
fn an_audience_is_that_of_a_preview_or_of_what_was_one() {
    let source = "{github: {repo: acme/chat, pullRequests: {labels: [preview]}}}";
    let text = set(source, "").replace("    spec:", "    spec:\n      report: {github: {comment: true}}");
    let labelled = |number, branch: &str| PullRequest { labels: vec!["preview".into()], ..pull(number, branch) };
    let closed = |number, branch: &str| PullRequest { closed_at: Some(now()), ..labelled(number, branch) };
    let pulls = vec![
        closed(1, "again"),
        labelled(2, "again"),
        closed(3, "over"),
        pull(4, "unlabelled"),
        PullRequest { is_fork: true, ..labelled(5, "fork") },
    ];
    let built = built(&[("set.yaml", &text)], Some(listing(pulls, &[])));
    let audiences: Vec<_> =
        built.fleet.audiences.iter().map(|(name, audience)| (name.as_str(), audience.pull, &audience.asks)).collect();
    let over = Asks::NoneSince { closed_at: now() };
    assert_eq!(names(&built).len(), 1);
    let again = names(&built)[0];
    assert!(audiences.contains(&(again, Some(2), &Asks::Preview)), "{audiences:?}");
    assert!(audiences.contains(&("chat-over", Some(3), &over)), "{audiences:?}");
    assert!(audiences.contains(&("chat-unlabelled", Some(4), &Asks::None)), "{audiences:?}");
    assert!(!audiences.iter().any(|(_, pull, _)| *pull == Some(5)), "{audiences:?}");
}
