use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::desired::{Environment, SecretValue, needed_inputs};
use crate::secret::SecretText;
use crate::spec::{SourceFile, parse};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A fleet built from `yaml`, with a fly.toml beside it and the secret `SET`.
fn built(yaml: &str) -> Built {
    let file = SourceFile { path: "specs/a.yaml".into(), bytes: yaml.as_bytes().to_vec() };
    let specs = parse(&[file]).unwrap_or_else(|problems| panic!("{problems}"));
    let secrets = SecretInputs {
        env: [("SET".to_owned(), "s3cret".into()), ("EMPTY".to_owned(), "".into())].into(),
        master_key: Some(KEY.into()),
        ..SecretInputs::default()
    };
    let toml = "app = 'from-toml'\n[env]\nA = 'toml'\nB = 'toml'\n[http_service]\ninternal_port = 80\n[[vm]]\nsize = 'shared-cpu-2x'";
    let assets: BTreeMap<PathBuf, Vec<u8>> = [
        (PathBuf::from("specs/fly.toml"), toml.into()),
        (PathBuf::from("specs/broken.toml"), b"kill_timeout = 'soon'".to_vec()),
        (
            PathBuf::from("specs/full.toml"),
            b"[mounts]\nsource = 'data'\ndestination = '/data'\n[checks.alive]\ntype = 'tcp'\nport = 80\ninterval = '15s'".to_vec(),
        ),
        (PathBuf::from("specs/motd"), b"hello".to_vec()),
    ]
    .into();
    let context = Context {
        owner: &OwnerId::from("acme"),
        secrets: &secrets,
        assets: &assets,
        source: &Completeness::Complete,
        repos: &BTreeMap::new(),
        commit: None,
    };
    build(&specs, &context)
}

fn environment(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}, labels: {{team: core}}}}\nspec: {spec}\n"
    )
}

/// An environment `e` with these apps.
fn apps(apps: &str) -> String {
    environment("e", &format!("{{params: {{tier: gold, up: Up}}, fly: {{org: o, region: iad, apps: {{{apps}}}}}}}"))
}

fn ready(built: &Built, name: &str) -> Environment {
    match &built.fleet.environments[&EnvName::from(name)] {
        Wanted::Ready(environment) => (**environment).clone(),
        Wanted::Broken { reason } => panic!("{reason}"),
    }
}

/// The environment `e` with these apps, which must be without problems.
fn good(spec: &str) -> Environment {
    let built = built(&apps(spec));
    assert!(built.diagnostics.is_empty(), "{}", built.diagnostics);
    ready(&built, "e")
}

/// Where the caret points (the next word), and the message with its advice, of every problem of these apps.
fn bad(spec: &str) -> Vec<(String, String)> {
    let yaml = apps(spec);
    let built = built(&yaml);
    assert!(matches!(built.fleet.environments[&EnvName::from("e")], Wanted::Broken { .. }), "{spec} is not refused");
    let word = |line: usize, column: usize| -> String {
        let line = yaml.lines().nth(line - 1).unwrap_or_default();
        line.chars().skip(column - 1).skip_while(|c| *c == '\'').take_while(|c| !" ,'}".contains(*c)).collect()
    };
    let places = built.diagnostics.iter().map(|each| word(each.line, each.column));
    let messages = messages(&built).into_iter().map(|message| message.split_once(' ').unwrap().1.to_owned());
    places.zip(messages).collect()
}

fn messages(built: &Built) -> Vec<String> {
    built
        .diagnostics
        .iter()
        .map(|each| {
            let help = each.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{}:{} {}{help}", each.line, each.column, each.message)
        })
        .collect()
}

fn config(environment: &Environment, component: usize, machine: usize) -> &Value {
    &environment.apps[component].machines[machine].config
}

fn secret(environment: &Environment, component: usize, name: &str) -> Result<String, String> {
    match &environment.apps[component].secrets[name] {
        SecretValue::Known(text) => Ok(text.expose().to_owned()),
        SecretValue::Unavailable { reason } => Err(reason.clone()),
    }
}

#[test]
fn a_small_app_becomes_one_machine() {
    let environment = good("web: {image: nginx, env: {PORT: 80}}");
    assert_eq!(environment.org, Some("o".into()));
    assert_eq!(environment.origin, "specs/a.yaml:3");
    let web = &environment.apps[0];
    assert_eq!((web.name.as_str(), web.image.as_str()), ("e-web", "nginx"));
    assert_eq!(
        web.machines[0].config,
        json!({"image": "nginx", "env": {"PORT": "80", "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "iad"}})
    );
    assert_eq!(web.machines[0].slot.to_string(), "app/iad/0");
    assert!(web.machines[0].always_on && !web.machines[0].has_checks && web.ips.is_empty());
}

#[test]
fn groups_regions_and_counts_make_slots_and_each_slot_of_a_group_has_its_volume() {
    let environment = good(
        "db: {image: pg, processes: {main: {count: 2, regions: [iad, lhr]}, idle: {count: 0}, job: {}},
              volumes: {pg-data: {size: 3GB, mount: /data, processes: [main], snapshotRetention: 9}}}",
    );
    let db = &environment.apps[0];
    let slots: Vec<String> = db.machines.iter().map(|machine| machine.slot.to_string()).collect();
    assert_eq!(slots, ["job/iad/0", "main/iad/0", "main/iad/1", "main/lhr/0", "main/lhr/1"]);
    let volumes: Vec<String> = db.volumes.iter().map(|volume| volume.slot.to_string()).collect();
    assert_eq!(volumes, ["pg_data@main/iad/0", "pg_data@main/iad/1", "pg_data@main/lhr/0", "pg_data@main/lhr/1"]);
    assert_eq!((db.volumes[0].size_gb, db.volumes[0].snapshot_retention), (3, Some(9)));
    assert_eq!(db.machines[0].volume, None);
    assert_eq!(db.machines[2].volume.as_ref(), Some(&db.volumes[1].slot));
    assert_eq!(
        db.machines[2].config["mounts"],
        json!([{"path": "/data", "volume": "\u{E000}fly.db.volumes.pg_data.main/iad/1.id\u{E001}"}])
    );
}

#[test]
fn what_is_known_beforehand_is_filled_in_and_only_images_addresses_and_volumes_make_an_order() {
    let environment = good(
        "worker: {image: 'registry.fly.io/i:w-${{ params.tier }}', env: {HOME: '${{ fly.server.url }}/${{ labels.team }}'}},
         server: {name: '${{ env.name }}-${{ params.tier | upper | lower }}', image: s, ips: {v6: true},
           command: 'run --as \"${{ env.class }} x\" ${{ params.tier }}', volumes: {data: {mount: /d}},
           env: {IMAGE: '${{ fly.worker.image }}', NAME: '${{ fly.worker.name }}', I: '${{ fly.worker.internal }}'}},
         web: {image: w, env: {V6: '[${{ fly.server.ips.v6 }}]', VOL: '${{ fly.server.volumes.data.id }}', R: '${{ fly.server.region }}'}}",
    );
    let after: Vec<Vec<&str>> = environment
        .apps
        .iter()
        .map(|app| app.after.iter().map(crate::resource::ComponentName::as_str).collect())
        .collect();
    assert_eq!(after, [vec![], vec!["worker"], vec!["server"]]);
    assert_eq!(config(&environment, 0, 0)["env"]["HOME"], "https://e-gold.fly.dev/core");
    assert_eq!(config(&environment, 1, 0)["init"]["cmd"], json!(["run", "--as", "preview x", "gold"]));
    assert_eq!(
        config(&environment, 1, 0)["env"],
        json!({"IMAGE": "registry.fly.io/i:w-gold", "NAME": "e-worker", "I": "e-worker.internal",
            "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "iad"})
    );
    assert_eq!(
        config(&environment, 2, 0)["env"],
        json!({"V6": "[\u{E000}fly.server.ips.v6\u{E001}]", "VOL": "\u{E000}fly.server.volumes.data.app/iad/0.id\u{E001}",
            "R": "iad", "FLY_PROCESS_GROUP": "app", "PRIMARY_REGION": "iad"})
    );
}

#[test]
fn numbers_become_text_as_they_are_written() {
    let environment = good("a: {image: i, env: {A: 1.10, B: true, C: 007, D: 1e3}}");
    let env = &config(&environment, 0, 0)["env"];
    assert_eq!([&env["A"], &env["B"], &env["C"], &env["D"]], ["1.10", "true", "007", "1e3"]);
}

#[test]
fn a_value_with_spaces_stays_one_argument() {
    let yaml = environment(
        "e",
        "{params: {x: 'a b; rm'}, fly: {org: o, region: iad, apps: {a: {image: i, command: 'run ${{ params.x }}'}}}}",
    );
    let built = built(&yaml);
    assert_eq!(config(&ready(&built, "e"), 0, 0)["init"]["cmd"], json!(["run", "a b; rm"]));
}

#[test]
fn apps_that_wait_for_each_other_are_refused_with_the_circle() {
    let circle = bad(
        "a: {image: a, env: {B: '${{ fly.b.image }}'}}, b: {image: b, ips: {v6: true}, env: {C: '${{ fly.c.name }}'}},
         c: {image: c, env: {A: '${{ fly.a.image }}'}}, d: {image: d, env: {E: '${{ fly.e.image }}'}},
         e: {image: e, secrets: {S: {value: '${{ fly.f.secrets.S }}'}}}, f: {image: f, ips: {v6: true}, env: {D: '${{ fly.d.image }}'},
           secrets: {S: {value: '${{ fly.f.ips.v6 }}'}}}",
    );
    assert_eq!(
        circle,
        [(
            "${{".to_owned(),
            "these parts wait for each other in a circle: d -> e -> f -> d (names and URLs \
             of apps (`.name`, `.url`, `.hostname`, `.internal`) and domains (`vercel.<component>.domain`) do not count, because they are known beforehand)"
                .to_owned()
        )]
    );
}

#[test]
fn secrets_come_from_their_sources_and_are_shared_by_reference() {
    let environment = good(
        "a: {image: i, secrets: {ENV: {fromEnv: SET}, GEN: {generate: {length: 20, charset: hex}}, NO: {fromEnv: UNSET}, EMPTY: {fromEnv: EMPTY}, F: {fromFile: /gone}}},
         b: {image: i, secrets: {GEN: {value: '${{ fly.a.secrets.GEN }}'}, URL: {value: 'pg://u:${{ fly.a.secrets.ENV }}@${{ fly.a.internal }}'}, NO: {value: 'x${{ fly.a.secrets.NO }}'}, OWN: {generate: {length: 20, charset: hex}}}}",
    );
    assert_eq!(secret(&environment, 0, "ENV").unwrap(), "s3cret");
    assert_eq!(secret(&environment, 1, "URL").unwrap(), "pg://u:s3cret@e-a.internal");
    let generated = secret(&environment, 0, "GEN").unwrap();
    assert_eq!(generated.len(), 20);
    assert_eq!(secret(&environment, 1, "GEN").unwrap(), generated);
    assert_ne!(secret(&environment, 1, "OWN").unwrap(), generated);
    let unset = "the environment variable `UNSET` is not set (needed by specs/a.yaml:4)";
    assert_eq!(secret(&environment, 0, "NO").unwrap_err(), unset);
    assert_eq!(secret(&environment, 1, "NO").unwrap_err(), unset);
    assert_eq!(
        secret(&environment, 0, "EMPTY").unwrap_err(),
        "the environment variable `EMPTY` is empty (needed by specs/a.yaml:4)"
    );
    assert_eq!(secret(&environment, 0, "F").unwrap_err(), "the file `/gone` cannot be read (needed by specs/a.yaml:4)");
    assert!(!format!("{environment:?}").contains("s3cret"));
}

#[test]
fn without_a_master_key_generated_secrets_are_unavailable_and_the_rest_is_as_ever() {
    let yaml = apps("a: {image: i, secrets: {G: {generate: {}}}}");
    let specs = parse(&[SourceFile { path: "a.yaml".into(), bytes: yaml.into_bytes() }]).unwrap();
    for (master_key, reason) in [
        (
            None,
            "the master key is missing: the environment variable `HANGAR_MASTER_KEY` is not set; make one with `openssl rand -hex 32`, and keep it",
        ),
        (
            Some(SecretText::from("short")),
            "the master key has 5 characters, at least 32 are needed; make one with `openssl rand -hex 32` (the environment variable `HANGAR_MASTER_KEY`)",
        ),
    ] {
        let secrets = SecretInputs { master_key, ..SecretInputs::default() };
        let assets = BTreeMap::new();
        let context = Context {
            owner: &"acme".into(),
            secrets: &secrets,
            assets: &assets,
            source: &Completeness::Complete,
            repos: &BTreeMap::new(),
            commit: None,
        };
        let built = build(&specs, &context);
        assert!(built.diagnostics.is_empty() && built.fleet.fingerprinter.is_none());
        assert_eq!(secret(&ready(&built, "e"), 0, "G").unwrap_err(), reason);
    }
}

#[test]
fn only_the_inputs_that_are_needed_are_named() {
    let yaml = apps("a: {image: i, secrets: {A: {fromEnv: X}, B: {fromFile: /f}, C: {generate: {}}, D: {value: 'x'}}}");
    let specs = parse(&[SourceFile { path: "a.yaml".into(), bytes: yaml.into_bytes() }]).unwrap();
    let needed = needed_inputs(&specs);
    assert_eq!(
        (needed.env, needed.files, needed.master_key),
        (["X".to_owned()].into(), ["/f".to_owned()].into(), true)
    );
}

#[test]
fn mistakes_are_errors_at_their_place() {
    for (spec, place, message) in [
        (
            "a: {image: i, secrets: {S: {fromEnv: '${{ params.up }}'}}}",
            "S:",
            "`fromEnv` and `fromFile` cannot hold expressions",
        ),
        (
            "a: {image: i, env: {X: 'see ${{ env.nam }}'}}",
            "env.nam",
            "`env.nam` is not known (did you mean `env.name`?)",
        ),
        (
            "a: {image: i, env: {X: '${{ fly.aa.url }}'}}",
            "fly.aa.url",
            "`fly.aa.url` is not known: there is no component `aa` (did you mean `fly.a.url`?)",
        ),
        (
            "server: {image: i, env: {X: '${{ fly.servr.url }}'}}",
            "fly.servr.url",
            "`fly.servr.url` is not known: there is no component `servr` (did you mean `fly.server.url`?)",
        ),
        (
            "a: {image: i, env: {X: '${{ fly.a.hostnam }}'}}",
            "fly.a.hostnam",
            "`fly.a.hostnam` is not known (did you mean `fly.a.hostname`?)",
        ),
        (
            "a: {image: i, env: {X: '${{ params.teir }}'}}",
            "params.teir",
            "`params.teir` is not known (did you mean `params.tier`?)",
        ),
        (
            "a: {image: i, env: {X: '${{ pr.number }}'}}",
            "pr.number",
            "`pr` is known only in a PreviewSet (in an Environment, use `env.name`, `params.<key>` or `labels.<key>`)",
        ),
        (
            "a: {image: i, secrets: {S: {fromEnv: SET}}, env: {X: '${{ fly.a.secrets.S }}'}}",
            "fly.a.secrets.S",
            "`fly.a.secrets.S` is a secret and may not be used here (a secret may be used only in the `value` of a secret)",
        ),
        (
            "a: {image: i, secrets: {S: {fromEnv: SET}}, env: {X: '${{ fly.a.secrets.T }}'}}",
            "fly.a.secrets.T",
            "`fly.a.secrets.T` is not known (known here: S)",
        ),
        (
            "a: {image: i, env: {X: '${{ fly.a.ips.v6 }}'}}",
            "${{",
            "`a` has no `v6` address (ask for one with `ips: {v6: true}` in `a`)",
        ),
        (
            "a: {image: i, env: {X: '${{ fly.a.ips.v7 }}'}}",
            "fly.a.ips.v7",
            "`fly.a.ips.v7` is not known (known here: v4, v6, sharedV4, flycast)",
        ),
        (
            "a: {image: i, count: 2, volumes: {d: {mount: /d}}, env: {X: '${{ fly.a.volumes.d.id }}'}}",
            "${{",
            "`a` has 2 volumes `d`, one for each machine (only the id of a single volume can be used)",
        ),
        (
            "a: {image: i, name: '${{ params.up }}'}",
            "${{",
            "Fly would refuse the app name `Up`: it contains `U`; only `a` to `z`, `0` to `9` and `-` are allowed",
        ),
        (
            "a: {image: i, name: '${{ fly.b.ips.v6 }}'}, b: {image: i, ips: {v6: true}}",
            "${{",
            "Fly would refuse the app name `(known after create)`: it must be known before anything is created",
        ),
        (
            "a: {image: i, name: '${{ fly.b.name }}'}, b: {image: i, name: '${{ fly.a.name }}x'}",
            "fly.a.name",
            "these values refer to each other in a circle: fly.a.name -> fly.b.name -> fly.a.name",
        ),
        (
            "a: {config: fly.toml}",
            "a:",
            "the app has no image (add `image: registry.fly.io/…`, or a `config` that names one)",
        ),
        ("a: {image: i, config: gone.toml}", "gone.toml", "`gone.toml` cannot be read: there is no such file"),
        (
            "a: {image: i, config: ../../../etc/passwd}",
            "../../../etc/passwd",
            "`../../../etc/passwd` cannot be read: the path must be relative and stay inside the directory of the specs",
        ),
        ("a: {image: i, config: broken.toml}", "gar/v1", "this must be a duration such as `15s`, or a whole number"),
        (
            "a: {image: 'i:1', config: fly.toml, checks: {c: {type: tcp, processes: [b]}}}",
            "b]",
            "there is no process group `b` (known are `app`)",
        ),
        (
            "a: {image: i, regions: ['${{ params.tier }}']}",
            "${{",
            "`gold` is not a region code; they have three lower case letters, for example `iad`",
        ),
        (
            "a: {image: i, region: '${{ params.tier }}'}",
            "${{",
            "`gold` is not a region code; they have three lower case letters, for example `iad`",
        ),
        (
            "a: {image: '${{ params.up }}'}",
            "${{",
            "`Up` is not an image reference such as `registry.fly.io/acme-images:server-1f3c`",
        ),
        (
            "a: {image: i, files: [{path: /x, content: '${{ fly.a.ips.v6 }}'}], ips: {v6: true}}",
            "${{",
            "a file's content cannot hold values that are known only after something is created",
        ),
        (
            "a: {image: i, secrets: {S: {value: '${{ fly.b.secrets.S }}'}}}, b: {image: i, secrets: {S: {value: '${{ fly.a.secrets.S }}'}}}",
            "fly.a.secrets.S",
            "these values refer to each other in a circle: fly.a.secrets.S -> fly.b.secrets.S -> fly.a.secrets.S",
        ),
    ] {
        assert_eq!(bad(spec), [(place.to_owned(), message.to_owned())], "{spec}");
    }
}

#[test]
fn what_vercel_would_refuse_is_an_error_before_it_is_asked() {
    let project = |more: &str| format!("{{vercel: {{projects: {{web: {{project: p, branch: b, {more}}}}}}}}}");
    for (more, message) in [
        ("domains: [acme]", "`acme` is not a host name, for example `www.example.com`"),
        (
            "deployment: {}, aliases: [ok.acme.dev, 'https://acme.dev']",
            "`https://acme.dev` is not a host name, for example `www.example.com`",
        ),
        (
            "deployment: {sha: 4f2a9c1}",
            "`4f2a9c1` is not the whole hash of a commit (a branch moves, and an abbreviation may become another commit's: write all 40 characters)",
        ),
    ] {
        let built = built(&environment("e", &project(more)));
        let told = messages(&built);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0].split_once(' ').unwrap().1, message);
    }
}

#[test]
fn names_are_shortened_only_where_that_was_asked_for() {
    let long = "e".repeat(60);
    let fly = |apps: &str| format!("{{fly: {{org: o, region: iad, apps: {{{apps}}}}}}}");
    let by_default = built(&environment(&long, &fly("worker: {image: i}")));
    let name = &ready(&by_default, &long).apps[0].name;
    assert_eq!(name.as_str().len(), 63);
    assert!(name.as_str().starts_with(&"e".repeat(54)));
    let stated = built(&environment(&long, &fly("worker: {image: i, name: '${{ env.name }}-worker'}")));
    assert_eq!(
        messages(&stated)[0].split_once(' ').unwrap().1,
        format!(
            "Fly would refuse the app name `{long}-worker`: it has 67 characters; at most 63 are allowed (shorten it with `| truncate(63)`, which keeps it unique with a hash)"
        )
    );
}

#[test]
fn an_app_that_two_environments_claim_breaks_both_and_nobody_else() {
    let fly = |name: &str| {
        format!(
            "{{params: {{n: {name}}}, fly: {{org: o, region: iad, apps: {{a: {{image: i, name: '${{{{ params.n }}}}'}}}}}}}}"
        )
    };
    let yaml =
        [environment("one", &fly("x")), environment("two", &fly("x")), environment("three", &fly("y"))].join("---\n");
    let built = built(&yaml);
    let states: Vec<bool> =
        built.fleet.environments.values().map(|wanted| matches!(wanted, Wanted::Ready(_))).collect();
    assert_eq!(states, [false, true, false], "one, three, two");
    assert_eq!(messages(&built).len(), 2);
    assert!(messages(&built)[0].contains("the app `x` is claimed more than once: by `a` of `one` and by `a` of `two`"));
}

#[test]
fn a_mistake_in_one_environment_leaves_the_others_alone() {
    let fly = |image: &str| format!("{{fly: {{org: o, region: iad, apps: {{a: {{image: '{image}'}}}}}}}}");
    let built = built(&[environment("bad", &fly("${{ nope }}")), environment("good", &fly("i"))].join("---\n"));
    assert!(
        matches!(&built.fleet.environments[&"bad".into()], Wanted::Broken { reason } if reason.contains("`nope` is not known"))
    );
    ready(&built, "good");
}

#[test]
fn the_fields_of_a_spec_lie_over_those_of_its_fly_toml() {
    let environment = good(
        "a: {config: fly.toml, image: 'i:1', env: {B: spec}, memory: 1GB}, b: {config: ./fly.toml, name: b, image: 'j:1'}",
    );
    let (a, b) = (&environment.apps[0], &environment.apps[1]);
    assert_eq!((a.name.as_str(), b.name.as_str()), ("from-toml", "b"));
    let a = &a.machines[0].config;
    assert_eq!(
        (&a["env"]["A"], &a["env"]["B"], &b.machines[0].config["env"]["B"]),
        (&json!("toml"), &json!("spec"), &json!("toml"))
    );
    assert_eq!(a["guest"], json!({"cpu_kind": "shared", "cpus": 2, "memory_mb": 1024}));
    assert_eq!(a["services"][0]["ports"][1], json!({"port": 443, "handlers": ["http", "tls"]}));
}

#[test]
fn a_spec_may_name_a_part_of_what_the_fly_toml_has_and_the_whole_is_judged() {
    let over = |fields: &str| format!("a: {{config: full.toml, image: 'i:1', {fields}}}");
    let merged = good(&over("volumes: {data: {deletionPolicy: retain}}, checks: {alive: {interval: 30s}}"));
    let app = &merged.apps[0];
    assert!(app.volumes[0].retain);
    assert_eq!(app.machines[0].config["mounts"][0]["path"], "/data");
    assert_eq!(app.machines[0].config["checks"]["alive"]["type"], "tcp");
    assert_eq!(
        bad(&over("volumes: {dta: {deletionPolicy: retain}}, env: {X: '${{ fly.a.volumes.dta.id }}'}")),
        [
            ("dta:".to_owned(), "the field `mount` is missing".to_owned()),
            (
                "dta:".to_owned(),
                "machines of the group `app` have the volume `data` already (a Fly machine mounts one volume: use `processes` to give it to another group)".to_owned()
            )
        ]
    );
}

#[test]
fn groups_that_stand_by_name_their_machines() {
    let environment =
        good("a: {image: 'i:1', processes: {work: {}, spare: {standbys: [3d8d9014b32d68, e784079b449483]}}}");
    let spare = &environment.apps[0].machines[0];
    assert_eq!(spare.slot.group, "spare");
    assert_eq!(spare.config["standbys"], json!(["3d8d9014b32d68", "e784079b449483"]));
    assert_eq!(spare.config["env"]["FLY_STANDBY_FOR"], "3d8d9014b32d68,e784079b449483");
    assert!(!spare.always_on && environment.apps[0].machines[1].always_on);
}

#[test]
fn an_app_with_public_ports_has_addresses_unless_the_spec_says_otherwise() {
    let of = |rest: &str| -> Vec<&str> {
        let environment = good(&format!("a: {{image: i, {rest}}}"));
        environment.apps[0].ips.keys().map(|kind| kind.expression_name()).collect()
    };
    let service = "services: [{internalPort: 80, ports: [{port: 80}]}]";
    assert_eq!(of("services: [{internalPort: 80}]"), Vec::<&str>::new());
    assert_eq!(of(service), ["v6", "sharedV4"]);
    assert_eq!(of(&format!("{service}, ips: {{}}")), Vec::<&str>::new());
    assert_eq!(of("ips: {public: true, flycast: true}"), ["v6", "sharedV4", "flycast"]);
    assert_eq!(of("ips: {v4: true, flycast: {network: n, org: p}}"), ["v4", "flycast"]);
}

#[test]
fn protection_and_gates_come_from_the_environment_its_class_and_the_policy() {
    let fly =
        "fly: {org: o, region: iad, apps: {a: {image: i, protect: false}, b: {image: i, deletionPolicy: retain}}}";
    let policy =
        "apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: p}\nspec: {protected: ['keep-*'], approval: [live]}\n";
    let yaml = [
        policy.to_owned(),
        environment("live", &format!("{{class: production, requires: {{environments: [test]}}, {fly}}}")),
        environment(
            "test",
            &format!(
                "{{class: staging, protect: true, pause: true, level: noDelete, {}}}",
                fly.replace("a:", "c:").replace("b:", "d:")
            ),
        ),
        environment("keep-1", &format!("{{ttl: {{max: 14d}}, {}}}", fly.replace("a:", "f:"))),
        environment(
            "pr",
            "{expiresAt: 2026-12-01T00:00:00Z, deletionPolicy: retain, fly: {org: o, network: {name: n}}}",
        ),
    ]
    .join("---\n");
    let built = built(&yaml);
    assert!(built.diagnostics.is_empty(), "{}", built.diagnostics);
    let protected = |name: &str| ready(&built, name).apps.iter().map(|app| app.protect).collect::<Vec<_>>();
    let live = ready(&built, "live");
    assert_eq!((live.requires.approval, live.requires.environments.as_slice()), (true, &["test".into()][..]));
    assert_eq!(
        (protected("live"), protected("test"), protected("keep-1")),
        (vec![true, true], vec![false, true], vec![true, true])
    );
    assert!(!live.apps[0].retain && live.apps[1].retain);
    let test = ready(&built, "test");
    assert!(test.paused && test.protect && test.level == crate::desired::Level::NoDelete);
    assert_eq!(ready(&built, "keep-1").max_age, Some(std::time::Duration::from_hours(14 * 24)));
    let pr = ready(&built, "pr");
    assert!(pr.retain && pr.expires_at.is_some() && pr.network == crate::desired::Network::Named("n".into()));
}
