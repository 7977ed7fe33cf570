//! Wrong input: each kind is refused with its place and what to do, and nothing is sent.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;

use crate::support::{CONTROLLER, Folder, Ran, Server, environment, with_spec};

/// A folder whose runs would reach `server`, if they sent anything.
fn folder(server: &Server, files: &[(&str, &str)]) -> Folder {
    let mut folder = Folder::with(files);
    folder.use_server(server);
    folder
}

/// `hangar validate` and `hangar reconcile --once` of `files` both end with 1 and say these texts; nothing is sent.
#[track_caller]
fn refused(files: &[(&str, &str)], texts: &[&str]) {
    let server = Server::start();
    let folder = folder(&server, files);
    folder.run("validate").ended(1).says(texts);
    folder.run("reconcile --once").ended(1).says(texts);
    assert_eq!(server.sim.requests(), []);
}

/// The same for what only a run can miss.
#[track_caller]
fn refused_before_sending(folder: &Folder, server: &Server, texts: &[&str]) -> Ran {
    let ran = folder.run("reconcile --once").ended(1).says(texts);
    assert_eq!(server.sim.requests(), []);
    ran
}

#[test]
fn files_that_are_no_specs() {
    refused(
        &[("a.yaml", "")],
        &["error: the file has no document", "--> a.yaml", "help: a spec begins with `apiVersion: hangar/v1`"],
    );
    refused(&[("a.txt", "")], &["error: there is no spec in `.`", "`.yaml`"]);
    let binary = "\u{0}\u{1}PNG\u{0}";
    refused(&[("a.yaml", binary)], &["error: the file is not UTF-8 text; it looks like a binary file", "--> a.yaml"]);
    let large = "a".repeat(10_000_000);
    refused(&[("a.yaml", &large)], &["error: the file has 10 MB; spec files may have 1 MB at most", "--> a.yaml"]);
}

#[test]
fn text_that_is_no_yaml() {
    let tab = environment("demo", "env: {A: b}").replace("        env", "\tenv");
    refused(
        &[("a.yaml", &tab)],
        &["error: a tab is used for indentation", "--> a.yaml:11:2", "help: indent with spaces"],
    );
    let twice = environment("demo", "image: again:1");
    refused(
        &[("a.yaml", &twice)],
        &["error: the key `image` stands twice in this map", "--> a.yaml:11:9", "^^^^^", "help: remove all but one"],
    );
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, before) in ('b'..='i').zip('a'..) {
        writeln!(bomb, "{name}: &{name} [{}]", vec![format!("*{before}"); 9].join(",")).unwrap();
    }
    refused(&[("a.yaml", &bomb)], &["its aliases expand to too much", "--> a.yaml:6", "at most 24 levels"]);
}

#[test]
fn fields_and_values_that_are_not_known() {
    refused(
        &[("a.yaml", &environment("demo", "imge: x"))],
        &[
            "error: unknown field `imge`",
            "--> a.yaml:11:9",
            "11 |         imge: x",
            "^^^^",
            "help: did you mean `image`?",
        ],
    );
    refused(
        &[("a.yaml", &environment("demo", "memory: 512 parsecs"))],
        &[
            "error: `parsecs` is not a unit of size",
            "--> a.yaml:11:17",
            "^^^^^^^^^^^",
            "help: sizes look like `512MB` or `1GB`",
        ],
    );
    refused(
        &[("a.yaml", &environment("demo", "name: Demo_web"))],
        &["error: Fly would refuse the app name `Demo_web`", "--> a.yaml:11:15", "^^^^^^^^"],
    );
}

#[test]
fn specs_that_contradict_each_other() {
    refused(
        &[("a.yaml", &environment("one", "name: shared")), ("b.yaml", &environment("two", "name: shared"))],
        &[
            "error: the app `shared` belongs to the environment `one` already",
            "--> b.yaml:11:15",
            "the other one is in a.yaml:11",
        ],
    );
    let cycle = environment(
        "demo",
        "secrets:\n  A: {value: \"${{ fly.web.secrets.B }}\"}\n  B: {value: \"${{ fly.web.secrets.A }}\"}",
    );
    refused(&[("a.yaml", &cycle)], &["--> a.yaml:1", "fly.web.secrets.A", "fly.web.secrets.B", "^^^"]);
    refused(
        &[("a.yaml", &environment("demo", "env: {A: \"${{ fly.nope.name }}\"}"))],
        &[
            "error: `fly.nope.name` is not known: there is no component `nope`",
            "--> a.yaml:11:23",
            "^^^^^^^^^^^^^",
            "known here: web",
        ],
    );
}

#[test]
fn the_errors_of_all_files_come_at_once() {
    refused(
        &[("a.yaml", &environment("one", "imge: x")), ("b.yaml", &environment("two", "memory: lots\ncount: many"))],
        &["--> a.yaml:11:9", "--> b.yaml:11:17", "--> b.yaml:12:16"],
    );
    let server = Server::start();
    let two = folder(&server, &[("a.yaml", "x: 1\n"), ("b.yaml", "")]);
    refused_before_sending(&two, &server, &["a.yaml", "b.yaml", "error: 3 problems in 2 spec files; nothing was sent"]);
    let json = two.run("validate --format json").ended(1).json();
    assert_eq!(json["version"], 1);
    assert!(json["diagnostics"].as_array().unwrap().len() >= 2, "{json:#}");
}

/// One of everything: what does not parse, what no type knows, what breaks a rule, and what refers to nothing.
const ALL_STAGES: &str = r#"apiVersion: hangar/v1
kind: Environment
metadata: {nmae: one}
spec:
  requires: {environments: [two, three, four]}
  fly:
    org: acme
    region: iad
    apps:
      db: 5
      api:
        imag: x:1
        services:
          - ports: [{port: 443, handlers: [http]}]
          - {internalPort: 80, processes: [wb]}
        env:
          A: "${{ fly.db.url }}"
          B: "${{ fly.api.image }}"
          C: "${{ params.x }}"
          D: "${{ env.name }}"
          E: "${{ fly.api.secrets.X }}"
          FLY_REGION: x
        secret: {X: {fromEnv: Y}}
      web:
        image: web:1
        volumes: {data: {size: 1}}
        restart: {maxRetries: 3}
        processes: {web: {count: x}, wrk: {size: shared-cpu-3x}}
        checks: {c: {type: htp, processes: [web, wbe]}}
        env: {U: "${{ fly.api.ips.v6 }}", V: "${{ fly.web.volumes.data.id }}", W: "${{ fly.wbe.url }}"}
        secrets: {S: {fromEnv: NOT_SET}}
---
apiVersion: hangar/v1
kind: Environment
metadata: {name: two}
spec: {fly: [
---
apiVersion: hangar/v1
kind: Environment
metadata: {name: four}
spec: {parms: {x: 1}, fly: {apps: {w: {image: "w:${{ params.x }}", count: 1}}}}
"#;

#[test]
fn errors_of_all_stages_come_at_once_and_without_their_consequences() {
    let server = Server::start();
    let folder = folder(&server, &[("a.yaml", ALL_STAGES)]);
    let json = folder.run("validate --format json").ended(1).json();
    let listed: Vec<String> = json["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| format!("{}:{} {}", each["line"], each["column"], each["message"].as_str().unwrap()))
        .collect();
    assert_eq!(
        listed,
        [
            "3:12 unknown field `nmae`",
            "10:11 expected a map, found the number `5`",
            "12:9 unknown field `imag`",
            "14:13 the field `internalPort` is missing",
            "14:33 port 443 without the handler `tls` speaks plain HTTP",
            "15:44 there is no process group `wb`",
            "19:19 `params.x` is not known: the environment has no `params`",
            "22:11 `FLY_REGION` is reserved: Fly sets it in every machine",
            "23:9 unknown field `secret`",
            "26:19 the field `mount` is missing",
            "26:32 `1` has no unit",
            "27:9 the field `policy` is missing",
            "28:34 expected a whole number from 0, found the string `x`",
            "28:50 the size `shared-cpu-3x` is unknown",
            "29:18 the check `c` has no port",
            "29:28 `htp` is not one of `http`, `tcp`",
            "29:50 there is no process group `wbe`",
            "30:88 `fly.wbe.url` is not known: there is no component `wbe`",
            "36:13 this `[` is not closed",
            "41:8 unknown field `parms`",
            "41:23 the field `org` is missing",
            "41:36 the app `w` has no region",
        ]
    );
    folder.run("validate").ended(1).says(&["error: 21 problems in the specs\n"]);
    // What a run would find next is told as well.
    let further = "note: a run will need one more thing: the environment variable `NOT_SET` is not set";
    let all = ["--> a.yaml:3:12", "--> a.yaml:41:36", further, "21 problems in the specs; nothing was sent"];
    refused_before_sending(&folder, &server, &all);
    folder.run("diff").ended(1).says(&all);
    assert_eq!(server.sim.requests(), []);
}

#[test]
fn values_that_this_machine_does_not_have() {
    let server = Server::start();
    let spec = environment(
        "demo",
        "secrets:\n  A: {fromEnv: NOT_SET}\n  B: {fromFile: b.secret}\n  C: {generate: {length: 32}}",
    );
    let mut folder = folder(&server, &[("a.yaml", &spec)]);
    folder.set("HANGAR_MASTER_KEY", "");
    let all = [
        "the environment variable `NOT_SET` is not set (needed by a.yaml:12)",
        "`b.secret` cannot be read: No such file",
        "(needed by a.yaml:13)",
        "the master key is missing: the environment variable `HANGAR_MASTER_KEY` is not set",
        "openssl rand -hex 32",
        "nothing was sent",
    ];
    refused_before_sending(&folder, &server, &all);
    // Whether specs are sound is not a matter of what this machine has; and a look says what it cannot know.
    folder.run("validate").ended(0);
    folder.run("diff").ended(2).says(&["A: (cannot tell: the environment variable `NOT_SET` is not set"]);
    assert_eq!(server.writes(), Vec::<String>::new());
    server.sim.clear_requests();
    // Only what a run is about has to be there.
    folder.write("other.yaml", environment("other", "processes: {app: {count: 0}}"));
    folder.run("reconcile --once --env other").ended(0);
}

#[test]
fn a_missing_token_is_named_with_the_place_to_put_it() {
    let server = Server::start();
    let mut folder = folder(&server, &[("a.yaml", &environment("demo", ""))]);
    folder.set("FLY_API_TOKEN", "");
    refused_before_sending(
        &folder,
        &server,
        &["error: there is no token for Fly organization `acme`: set `FLY_API_TOKEN`", "`Controller`"],
    );
    folder.run("diff").ended(1).says(&["set `FLY_API_TOKEN`"]);
    folder.write("hangar.yaml", CONTROLLER.replace("fromEnv: FLY_API_TOKEN", "fromFile: fly.token"));
    refused_before_sending(&folder, &server, &["the token of Fly organization `acme`", "`fly.token` cannot be read"]);
}

#[test]
fn files_with_secrets_that_others_can_read_are_refused() {
    let server = Server::start();
    let spec = environment("demo", "secrets:\n  A: {fromFile: a.secret}\n  B: {generate: {length: 32}}");
    let controller = CONTROLLER.replace("  owner: hangar\n", "  owner: hangar\n  masterKey: {fromFile: master.key}\n");
    let folder = folder(&server, &[("a.yaml", &spec), ("hangar.yaml", &controller)]);
    folder.write("a.secret", "planted-file-secret");
    folder.write("master.key", "0123456789abcdef0123456789abcdef");
    let open = |path: &str, mode: u32| {
        std::fs::set_permissions(folder.path(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    open("a.secret", 0o640);
    open("master.key", 0o644);
    refused_before_sending(
        &folder,
        &server,
        &[
            "`a.secret` holds a secret and others can read it (mode 640): run `chmod 600 a.secret`",
            "`master.key` holds a secret and others can read it (mode 644): run `chmod 600 master.key`",
            "nothing was sent",
        ],
    )
    .never_says(&["planted-file-secret"]);
    open("a.secret", 0o600);
    open("master.key", 0o600);
    folder.run("reconcile --once").ended(0);
}

#[test]
fn options_that_name_nothing_are_refused_before_anything_is_sent() {
    let server = Server::start();
    let folder = folder(&server, &[("a.yaml", &environment("demo", "")), ("b.yaml", &environment("other", ""))]);
    folder.write("c.yaml", with_spec("third", "neon: {project: p, branches: {main: {}}}", ""));
    for (options, text) in [
        ("--env dmeo", "there is no environment `dmeo`: did you mean `demo`?"),
        ("--env x", "there is no environment `x`: known are `demo`, `other`, `third`"),
        ("--only wbe", "there is no component `wbe`: did you mean `web`?"),
        ("--env third --only neon.mian", "there is no component `neon.mian`: did you mean `neon.main`?"),
        ("--env demo --only nothing", "there is no component `nothing`: known are `web`"),
        ("--approve dmeo", "there is no environment `dmeo`: did you mean `demo`?"),
        ("--patience soon", "`--patience soon`"),
    ] {
        folder.run(&format!("reconcile --once {options}")).ended(1).says(&[text]);
    }
    assert_eq!(server.sim.requests(), []);
}
