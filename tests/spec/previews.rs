//! What is wrong with a set of previews, and where.

use super::support::{problems, sound};

/// A set whose spec begins with these lines; its template stands below.
fn set(lines: &str, template: &str) -> String {
    let indented = |text: &str, by: usize| {
        text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect::<Vec<_>>().concat()
    };
    format!(
        "apiVersion: hangar/v1\nkind: PreviewSet\nmetadata: {{name: chat}}\nspec:\n{}  template:\n{}",
        indented(lines, 2),
        indented(template, 4)
    )
}

const SOURCE: &str = "source: {github: {repo: acme/chat, pullRequests: {}}}";
const TEMPLATE: &str = "metadata: {name: 'pr-${{ pr.number }}'}
spec:
  fly:
    org: acme
    region: iad
    apps: {web: {image: 'registry.fly.io/x:1'}}";

#[test]
fn a_set_with_every_field_is_sound() {
    let specs = sound(&set(
        "sources:
  - github: {repo: acme/chat, branches: ['feature/**'], pullRequests: {labels: [a], excludeLabels: [b], drafts: false, authors: [c], base: [main], paths: ['web/**'], forks: noSecrets}}
  - list: [{a: 1, b: true}]
  - file: more.json
ttl: {idle: 72h, max: 14d}
limit: 20
grace: 1h",
        TEMPLATE,
    ));
    let parsed = &specs.preview_sets[0];
    assert_eq!(parsed.spec.sources.len(), 3);
    assert_eq!(parsed.template.metadata.name, "pr-${{ pr.number }}");
    assert!(parsed.template.app_json.contains_key("web") && specs.environments.is_empty());
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    assert_eq!(
        problems(&set(
            "source: {github: {repo: acme, branches: ['[']}}
sources: [{list: []}]
ttl: {idle: 1s, max: 4000d}
limit: 0
limt: 1",
            "metadata: {name: staging, nmae: x}
spec:
  ttl: {max: 1d}
  checks: {}
  fly:
    org: Acme
    apps: {web: {image: 'registry.fly.io/x:1', coutn: 2}}"
        )),
        [
            "5:3 `source` and `sources` exclude each other (move it into the list `sources`)",
            "5:27 `acme` is not a repository (write its owner and name, for example `acme/chat`)",
            "5:44 `[` is not a pattern: unclosed character class; missing ']'",
            "7:15 `1s` is not between `1m` and `3650d`",
            "7:24 `4000d` is not between `1m` and `3650d`",
            "8:10 a limit of 0 leaves no room for any preview (to stop all of them, set `template.spec.pause: true` or remove the set)",
            "9:3 unknown field `limt` (did you mean `limit`?)",
            "11:22 all previews would have the same name, `staging` (use what differs, for example `chat-pr-${{ pr.number }}` or `${{ branch.slug }}`)",
            "11:31 unknown field `nmae` (did you mean `name`?)",
            "13:7 `ttl` belongs to the set, not to its template (write `ttl: {idle: 72h, max: 14d}` beside `template`)",
            "14:7 the section `checks` is not supported by this version of Hangar yet (remove it; this version reconciles `fly`, `neon`, `postgres`, `supabase` and `vercel`)",
            "16:14 the organization `Acme` contains `A`; only `a` to `z`, `0` to `9` and `-` are allowed (write the slug, as `fly orgs list` shows it)",
            "17:16 the app `web` has no region (add `region: iad` to the app or to `fly`)",
            "17:52 unknown field `coutn` (did you mean `count`?)",
        ]
    );
}

#[test]
fn a_path_that_is_no_pattern_is_refused_at_its_place() {
    let text = set("source: {github: {repo: acme/chat, pullRequests: {paths: ['web/**', '{a']}}}", TEMPLATE);
    let problems = problems(&text);
    assert!(problems.len() == 1 && problems[0].starts_with("5:71 `{a` is not a pattern: "), "{problems:?}");
}

#[test]
fn what_is_missing_is_said_once() {
    assert_eq!(
        problems(&set("limit: 1", TEMPLATE)),
        [
            "4:1 nothing says where the previews come from (add `source: {github: {repo: owner/name, pullRequests: {}}}`)"
        ]
    );
    assert_eq!(
        problems(
            "apiVersion: hangar/v1\nkind: PreviewSet\nmetadata: {name: chat}\nspec: {source: {github: {repo: a/b, branches: [x]}}}"
        ),
        ["4:1 the field `template` is missing"]
    );
    assert_eq!(problems(&set(SOURCE, "metadata: {}\nspec: {}")), ["7:5 the field `name` is missing"]);
}

#[test]
fn a_report_that_nobody_would_get_is_refused() {
    let with = |report: &str| TEMPLATE.replace("spec:\n", &format!("spec:\n  report: {report}\n"));
    let all = with("{github: {comment: onFailure, deployment: true, status: preview}}");
    assert_eq!(sound(&set(SOURCE, &all)).preview_sets.len(), 1);
    let list = "source: {list: [{a: 1}, {a: 2}]}";
    let environment = "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: a}\nspec:\n  report: {github: {comment: true}}\n  fly: {org: acme, region: iad, apps: {web: {image: 'x:1'}}}\n";
    let found: Vec<Vec<String>> = vec![
        problems(&set(SOURCE, &with("{}"))),
        problems(&set(SOURCE, &with("{github: {}}"))),
        problems(&set(SOURCE, &with("{github: {comment: never, status: ' '}}"))),
        problems(&set(list, &with("{github: {comment: true}}").replace("pr.number", "params.a"))),
        problems(environment),
    ];
    assert_eq!(
        found.concat(),
        [
            "9:7 `report` says nothing (write for example `report: {github: {comment: true}}`)",
            "9:16 nothing is reported (write for example `github: {comment: true, deployment: true, status: preview}`)",
            "9:34 `never` is not one of `true`, `false`, `onFailure`",
            "9:49 ` ` is not the context of a status: it has 1 to 100 characters",
            "9:16 these previews come from no GitHub repository (remove it, or add a source `github`)",
            "5:3 this environment is of no pull request that could be told (remove it; `report` belongs into the template of a `PreviewSet`)",
        ]
    );
}

#[test]
fn a_set_of_one_branch_has_a_name_that_others_can_require() {
    let one = |branches: &str, name: &str, requires: &str| {
        let source = format!("source: {{github: {{repo: acme/chat, branches: [{branches}]}}}}");
        let template =
            TEMPLATE.replace("'pr-${{ pr.number }}'", name).replace("spec:", &format!("spec:\n  {requires}"));
        set(&source, &template)
    };
    let two = |requires: &str| {
        let production = one("prod", "production", requires).replace("{name: chat}", "{name: other}");
        problems(&format!("{}---\n{production}", one("main", "staging", "class: staging")))
    };
    assert_eq!(two("requires: {environments: [staging], checks: {names: [test]}}"), Vec::<String>::new());
    assert_eq!(
        two("requires: {environments: [stagin, production]}"),
        [
            "23:33 there is no environment `stagin` (did you mean `staging`?)",
            "23:41 an environment cannot require itself",
        ]
    );
    assert_eq!(
        two("requires: {checks: {names: [test, Prod]}}\n  report: {github: {status: prod}}"),
        [
            "23:41 `Prod` is what this environment reports of itself, so it would wait for itself (name a check of CI, or give `report.github.status` another name)",
        ]
    );
    // What may be the name of a preview is known once there is one; what cannot be is a mistake.
    let with_previews = |required: &str| {
        let production = one("prod", "production", &format!("requires: {{environments: [{required}]}}"));
        let previews = set(SOURCE, TEMPLATE).replace("{name: chat}", "{name: pulls}");
        problems(&format!("{previews}---\n{production}"))
    };
    assert_eq!(with_previews("pr-7"), Vec::<String>::new());
    assert_eq!(with_previews("stagin"), ["22:33 there is no environment `stagin`"]);
    for branches in ["'release/*'", "main, prod"] {
        let found = problems(&one(branches, "staging", "class: staging"));
        assert!(found.len() == 1 && found[0].contains("all previews would have the same name"), "{found:#?}");
    }
}
