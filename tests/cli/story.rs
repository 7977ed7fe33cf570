//! What a new user does, one command after the other, against the built-in simulator.

use serde_json::Value;

use crate::support::{CONTROLLER, Folder, Ran, environment};

/// The simulated platform as the folder keeps it.
fn world(folder: &Folder) -> Value {
    serde_json::from_str(&folder.read(".hangar/sim/state.json")).unwrap()
}

/// GitHub refuses longer comments.
#[track_caller]
fn fits_a_comment(ran: &Ran) {
    assert!(ran.out.len() < 65_536, "{} bytes", ran.out.len());
}

#[test]
fn create_look_change_remove_and_destroy() {
    let folder = Folder::with(&[
        ("hangar.yaml", CONTROLLER),
        ("demo.yaml", &environment("demo", "env: {GREETING: hello}\nsecrets: {KEY: {generate: {length: 32}}}")),
        ("other.yaml", &environment("other", "")),
    ]);

    let created = folder.run("reconcile --once --sim").ended(0).says(&[
        "note: the simulator has stand-ins for HANGAR_MASTER_KEY",
        "+ create   app demo-web",
        "KEY: (secret, new)",
        "env.GREETING: hello",
        "Plan: 5 to create, 0 to update, 0 to replace, 0 to delete",
        "✓ demo   as desired (3 changes)",
        "✓ other  as desired (2 changes)",
        "Converged: 2 environments are as desired (5 changes,",
        "Try next",
        "hangar diff --sim",
    ]);
    assert!(created.err.contains("create machine app/iad/0 … done"), "{}", created.err);

    // The same again: one line says that there is nothing to do, and what finding out took.
    let again =
        folder.run("reconcile --once --sim").ended(0).says(&["Nothing changed: 2 environments are as desired ("]);
    assert!(again.out.contains("requests, all reads,"), "{}", again.out);
    again.never_says(&["Plan:"]);

    // A look after an edit.
    let before = world(&folder);
    folder.edit("demo.yaml", "hello", "goodbye");
    let text = folder.run("diff --sim").ended(2).says(&[
        "demo  1 to update",
        "~ update   machine app/iad/0  in place",
        "env.GREETING: hello → goodbye",
        "other  ✓ as desired",
        "Plan: 0 to create, 1 to update, 0 to replace, 0 to delete",
        "requests, all reads",
    ]);
    text.never_says(&["of them"]);
    let json = folder.run("diff --sim --format json").ended(2).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["inSync"], false);
    assert_eq!(json["requests"]["writes"], 0);
    assert_eq!(json["totals"]["update"], 1);
    let change = &json["steps"][0]["changes"][0];
    assert_eq!(change["path"], "env.GREETING");
    assert_eq!((&change["old"]["value"], &change["new"]["value"]), (&"hello".into(), &"goodbye".into()));
    let stable = |mut json: Value| {
        json.as_object_mut().unwrap().remove("madeAt");
        json.to_string()
    };
    assert_eq!(
        stable(folder.run("diff --sim --format json").ended(2).json()),
        stable(json),
        "the same look, the same text"
    );
    let markdown = folder.run("diff --sim --format markdown").ended(2).says(&[
        "```diff",
        "-     env.GREETING: hello",
        "+     env.GREETING: goodbye",
    ]);
    fits_a_comment(&markdown);
    folder.run("diff --sim --env other").ended(0).says(&["other  ✓ as desired"]).never_says(&["demo  "]);
    folder.run("diff --sim --env demo --only web").ended(2);
    folder.run("diff --sim --color always").ended(2);
    folder.run("reconcile --sim --dry-run").ended(2).says(&["env.GREETING: hello → goodbye"]);
    assert_eq!(world(&folder), before, "looking changes nothing");

    // It is carried out.
    folder.run("reconcile --once --sim --env demo").ended(0).says(&["✓ demo  as desired (1 change)"]);
    folder.run("diff --sim").ended(0).says(&["Nothing to do: 2 environments are as desired"]);

    // Status in three formats.
    folder.run("status --sim").ended(0).says(&[
        "demo-web",
        "registry.fly.io/demo:v1",
        "started",
        "KEY  live",
        "as desired",
    ]);
    let status = folder.run("status --sim --format json").ended(0).json();
    assert_eq!(status["version"], 1);
    let environments = status["environments"].as_array().unwrap();
    assert_eq!(environments.len(), 2);
    assert_eq!(environments[0]["name"], "demo");
    assert_eq!(environments[0]["standing"], "converged");
    let markdown =
        folder.run("status --sim --env demo --format markdown").ended(0).says(&["demo"]).never_says(&["other"]);
    fits_a_comment(&markdown);
    folder.run("status --sim --env dmeo").ended(1).says(&["there is no environment `dmeo`: did you mean `demo`?"]);

    // No spec asks for it any more: it is marked, and deleted after its grace, or at once by a person.
    folder.remove("demo.yaml");
    folder.run("diff --sim").ended(2).says(&["demo  (no spec asks for it)", "deleted after 300 s of grace"]);
    folder.run("reconcile --once --sim").ended(3).says(&[
        "! demo   waiting (1 change)",
        "Grace",
        "grace lasts until",
        "✓ other  as desired",
    ]);
    folder.run("gc --sim --dry-run").ended(2).says(&["In grace", "demo", "Collect: 1 in grace"]);
    folder.run("gc --sim --at +1h").ended(2).says(&["Deleted by", "demo  app demo-web", "no spec asks", "a month"]);
    let later = folder.run("gc --sim --at +1h --format json").ended(2).json();
    assert_eq!((&later["version"], &later["environments"][0]["name"]), (&1.into(), &"demo".into()));
    assert_eq!(later["environments"][0]["goes"], "at");
    let now = folder.run("gc --sim --dry-run --format json").ended(2).json();
    assert_eq!(now["environments"][0]["apps"], serde_json::json!(["demo-web"]));
    let markdown = folder.run("gc --sim --dry-run --format markdown").ended(2).says(&["| environment | goes | age |"]);
    fits_a_comment(&markdown);
    folder.run("gc --sim --at 1h").ended(1).says(&["`--at 1h`: write how long from now, as in `+48h`"]);
    folder.run("gc --sim --format json").ended(1).says(&["`--format` is for dry runs"]);
    folder.run("status --sim --env demo").ended(0).says(&["no spec", "demo-web"]);
    folder.run("destroy --sim --env other").ended(1).says(&[
        "- delete   app other-web",
        "add `--yes`",
        "nothing was deleted",
    ]);
    folder.run("destroy --sim --env other --yes").ended(0).says(&[
        "- delete   app other-web  a person asked for its end",
        "note: the specs still ask for `other`",
        "✓ other  deleted (1 change)",
        "Converged: 1 environment is deleted",
    ]);
    folder
        .run("destroy --sim --env other --yes")
        .ended(0)
        .says(&["Nothing to delete: there is nothing of environment `other` in acme"]);
    folder.run("destroy --sim --env otter --yes").ended(0).says(&["Nothing to delete", "did you mean `other`?"]);
    folder.run("diff --sim").ended(2).says(&["+ create   app other-web"]);
}

#[test]
fn a_folder_without_any_environment_says_what_it_needs() {
    let folder = Folder::with(&[("demo.yaml", &environment("demo", "processes: {app: {count: 0}}"))]);
    folder.run("reconcile --once --sim").ended(0).says(&["warning: no `Controller` names `acme`"]);
    folder.remove("demo.yaml");
    // What is left cannot be found: that is an error, and not “nothing to do”.
    folder.run("reconcile --once --sim").ended(1).says(&["error: there is no spec in `.`"]);
    folder.write("policy.yaml", crate::support::policy("grace: 1m"));
    // The store remembers where something is left; without it nobody does.
    folder.run("reconcile --once --sim").ended(3).says(&["SourceSuddenlyEmpty", "--acknowledge"]);
    for file in ["hangar.db", "hangar.db-wal", "hangar.db-shm"] {
        drop(std::fs::remove_file(folder.path(".hangar/sim").join(file)));
    }
    folder
        .run("reconcile --once --sim")
        .ended(1)
        .says(&["no Fly organization to look for what is left", "`spec.fly.organizations`"]);
    folder.write("hangar.yaml", CONTROLLER);
    folder.run("destroy --sim --env demo-web --yes").ended(0).says(&["✓ demo-web  deleted"]);
}

#[test]
fn what_is_left_of_an_environment_without_fly_is_looked_for_all_the_same() {
    let environment = "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: demo}\nspec:\n  vercel: {team: acme, projects: \
                       {web: {project: web, branch: login, env: {A: one}}}}\n";
    let controller = "apiVersion: hangar/v1\nkind: Controller\nmetadata: {name: c}\nspec: {owner: us, vercel: {projects: {acme/web: {}}}}\n";
    let folder = Folder::with(&[("demo.yaml", environment), ("hangar.yaml", controller)]);
    folder.run("reconcile --once --sim").ended(0).says(&["Vercel variables ready"]);
    folder.remove("demo.yaml");
    folder.run("gc --sim").ended(3).says(&["Vercel variables", "SourceSuddenlyEmpty"]);
    for file in ["hangar.db", "hangar.db-wal", "hangar.db-shm"] {
        drop(std::fs::remove_file(folder.path(".hangar/sim").join(file)));
    }
    folder.run("gc --sim").ended(3).says(&["SourceSuddenlyEmpty"]);
}

#[test]
fn collecting_says_what_it_deleted_and_what_there_is_not_to_collect() {
    let folder = Folder::with(&[
        ("hangar.yaml", CONTROLLER),
        ("policy.yaml", &crate::support::policy("grace: 1s")),
        ("demo.yaml", &environment("demo", "schedule: daily")),
        ("other.yaml", &environment("other", "schedule: daily")),
    ]);
    folder.run("reconcile --once --sim").ended(0);
    folder.run("gc --sim").ended(0).says(&["Nothing to collect: a spec asks for everything that is ours ("]);
    folder.remove("demo.yaml");
    folder.run("reconcile --once --sim --patience 1s").ended(3).says(&["! demo   waiting (1 change)"]);
    // With the store goes the note of the mark just made, which would be waited for.
    for file in ["hangar.db", "hangar.db-wal", "hangar.db-shm"] {
        drop(std::fs::remove_file(folder.path(".hangar/sim").join(file)));
    }
    folder.run("gc --sim").ended(0).says(&[
        "✓ demo  deleted (1 change)",
        "- deleted app `demo-web`",
        "Converged: 1 environment is deleted (1 change,",
    ]);
    let unknown = folder.run("gc --sim --acknowledge 0123456789ab").ended(0);
    unknown.says(&["no held set of deletions has this hash", "Nothing to collect"]).never_says(&["Nothing changed"]);
}
