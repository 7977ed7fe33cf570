//! What must hold beyond types.

use hangar::spec::{Scope, app_from_json, validate_app};
use serde_json::json;

use super::support::{app_problems, document, file, listed, problems, sound, with_app};

#[test]
fn names_follow_the_rules_of_those_who_own_them() {
    assert_eq!(
        app_problems(
            "name: My_App\nregion: iad1\nenv: {FLY_REGION: a, FLY_WORKER_APP: b, 1A: b}\nsecrets: {a-b: {fromEnv: 'a b'}}\ncertificates: [nope, '*.example.com']\n\
             volumes: {Data: {mount: data}}\nmetadata: {hangar_owner: x, fly_y: z, fine: 1}\nregions: [iad, iad]"
        ),
        [
            "11:15 Fly would refuse the app name `My_App`: it contains `M`; only `a` to `z`, `0` to `9` and `-` are allowed",
            "12:17 `iad1` is not a region code; they have three lower case letters, for example `iad`",
            "13:15 `FLY_REGION` is reserved: Fly sets it in every machine (choose another name)",
            "13:49 `1A` is not a variable name; it may have letters, digits and `_`, and no digit first",
            "14:19 `a-b` is not a variable name; it may have letters, digits and `_`, and no digit first",
            "14:34 this is not the name of an environment variable (write the variable's name, not its value)",
            "15:24 `nope` is not a host name, for example `www.example.com`",
            "16:19 the volume name `Data` may have only `a` to `z`, `0` to `9` and `_`",
            "16:33 `data` is not an absolute path; begin it with `/`",
            "17:20 the metadata key `hangar_owner` is reserved (keys that begin with `hangar_` and `fly_` belong to Hangar and Fly)",
            "17:37 the metadata key `fly_y` is reserved (keys that begin with `hangar_` and `fly_` belong to Hangar and Fly)",
            "18:24 the region `iad` stands twice (raise `count` for more machines)",
        ]
    );
}

#[test]
fn a_text_with_an_expression_is_checked_once_it_is_evaluated() {
    let text = with_app("name: '${{ env.name }}_X'\nregion: '${{ params.r }}'\nregions: ['${{ params.r }}']\ncertificates: ['${{ env.name }}']")
        .replace("registry.fly.io/acme:1", "'${{ params.image | lower }}'");
    assert_eq!(sound(&text).warnings.iter().count(), 0);
}

#[test]
fn image_references_have_a_form() {
    for image in [
        "nginx:1",
        "registry.fly.io/a/b:deployment-01HX",
        "localhost:5000/x:1",
        "Registry.Example.com:5000/x:y",
        &format!("x@sha256:{}", "0a".repeat(32)),
        &format!("x:1@sha256:{}", "0a".repeat(32)),
    ] {
        assert_eq!(problems(&with_app("").replace("registry.fly.io/acme:1", image)), Vec::<String>::new(), "{image}");
    }
    for image in ["Nginx:1", "a b", "x:", "x@sha256:12", "https://x/y:1", "/x:1", "x/:1", "x:-a"] {
        let problems = problems(&with_app("").replace("registry.fly.io/acme:1", &format!("{image:?}")));
        assert_eq!(problems.len(), 1, "{image}: {problems:?}");
    }
    let untagged = sound(&with_app("").replace("acme:1", "acme")).warnings;
    assert_eq!(
        listed(&untagged),
        ["10:16 `registry.fly.io/acme` has no tag: whatever `latest` is at the time will run (add a tag or a digest)"]
    );
    assert_eq!(
        problems(&with_app("count: 1").replace("        image: registry.fly.io/acme:1\n", "")),
        ["9:7 the app has no image (add `image: registry.fly.io/…`, or a `config` that names one)"]
    );
}

#[test]
fn machines_have_sizes_that_fly_offers() {
    let cases = [
        ("size: shared-cpu-1", "11:15 the size `shared-cpu-1` is unknown (did you mean `shared-cpu-1x`?)"),
        ("memory: 300MB", "11:17 `300MB` is not a multiple of 256 MB (write `256MB` or `512MB`)"),
        (
            "size: shared-cpu-2x\nmemory: 8GB",
            "12:17 `8GB` does not fit 2 shared processors (they allow 512MB to 4096MB; choose another `size`, or add processors)",
        ),
        (
            "cpu: {kind: performance}\nmemory: 1GB",
            "12:17 `1GB` does not fit 1 performance processors (they allow 2048MB to 8192MB; choose another `size`, or add processors)",
        ),
        ("cpu: {count: 3}", "11:22 Fly has no machines with 3 such processors (possible are 1, 2, 4, 6, 8)"),
        ("count: 5000", "11:16 more than 1000 machines per region"),
        ("regions: []", "11:9 `regions` is empty (leave it out for the primary region; `count: 0` for no machines)"),
    ];
    for (lines, expected) in cases {
        assert_eq!(app_problems(lines), [expected]);
    }
    assert_eq!(app_problems("size: a10\nmemory: 128GB\nswap: 512MB\ncount: 0"), Vec::<String>::new());
}

#[test]
fn groups_and_the_short_form_exclude_each_other_and_references_to_groups_must_exist() {
    assert_eq!(
        app_problems(
            "count: 2\ncommand: x\nprocesses: {web: {}, fly_x: {}}\nvolumes: {data: {mount: /data, processes: [wbe]}}\n\
             checks: {c: {type: tcp, port: 1, processes: [other]}}"
        ),
        [
            "11:9 `count` is not allowed together with `processes` (move it into the groups that it is for)",
            "12:9 `command` is not allowed together with `processes` (move it into the groups that it is for)",
            "13:30 the group name `fly_x` is reserved: names that begin with `fly_` are Fly's own",
            "14:52 there is no process group `wbe` (did you mean `web`?)",
            "15:54 there is no process group `other` (known are `fly_x`, `web`)",
        ]
    );
}

#[test]
fn services_and_checks_are_consistent() {
    assert_eq!(
        app_problems(
            "ips: {public: true}\n\
             services:\n\
             - internalPort: 0\n\
             \x20 concurrency: {softLimit: 20, hardLimit: 10}\n\
             \x20 ports:\n\
             \x20   - {port: 80, startPort: 1, endPort: 2}\n\
             \x20   - {startPort: 9, endPort: 3}\n\
             \x20   - {port: 443, handlers: [tls], forceHttps: true, proxyProto: v2}\n\
             \x20   - {port: 443, handlers: [pg_tls, tls], tlsOptions: {versions: [TLSv1.1]}}\n\
             \x20 checks:\n\
             \x20   - {type: tcp, path: /x}\n\
             \x20   - {type: http, path: x, method: GETT, interval: 500ms, timeout: 2m}\n\
             - {protocol: udp, internalPort: 53, ports: [{port: 53, handlers: [http]}]}\n\
             checks: {slow: {type: http, port: 1, interval: 1s}}"
        ),
        [
            "11:9 UDP needs a dedicated IPv4 address (add `v4: true`)",
            "13:25 `0` is not a port; ports are 1 to 65535",
            "14:36 the soft limit is above the hard limit (at most 10)",
            "16:16 a public port is either `port`, or `startPort` with `endPort` (write for example `port: 443`)",
            "17:39 the range of ports ends before it begins",
            "18:44 `forceHttps` needs the handler `http` (add `http` to `handlers`)",
            "18:62 `proxyProto` needs the handler `proxy_proto` (add `proxy_proto` to `handlers`)",
            "19:16 the public port 443 is taken by another entry of this app",
            "19:27 `pg_tls` excludes `tls` and `http`",
            "19:76 `TLSv1.1` is unknown (did you mean `TLSv1.2`?)",
            "21:27 `path` needs `type: http`",
            "22:34 `x` is not an absolute path; begin it with `/`",
            "22:45 `GETT` is not an HTTP method (did you mean `GET`?)",
            "22:61 `500ms` is not between `1s` and `1m` (Fly takes the nearest of them)",
            "22:77 `2m` is not between `1s` and `1m` (Fly takes the nearest of them)",
            "23:64 UDP ports have no handlers (remove `handlers`)",
            "24:56 `1s` is not between `2s` and `1h`",
        ]
    );
}

#[test]
fn a_machine_mounts_one_volume_and_volumes_have_whole_sizes() {
    assert_eq!(
        app_problems(
            "volumes:\n  a: {mount: /a, size: 512MB}\n  b: {mount: b, snapshotRetention: 90, fromSnapshot: x}\n  \
             c: {mount: /c, size: 9GB, autoExtend: {threshold: 10, increment: 200GB, limit: 5GB}}"
        ),
        [
            "12:32 `512MB` is not a whole number of GB from 1 to 500 (write for example `1GB`)",
            "13:11 machines of the group `app` have the volume `a` already (a Fly machine mounts one volume: use `processes` to give it to another group)",
            "13:22 `b` is not an absolute path; begin it with `/`",
            "13:44 snapshots are kept 1 to 60 days",
            "13:62 `x` is not the id of a snapshot (ids of snapshots begin with `vs_`)",
            "14:11 machines of the group `app` have the volume `a` already (a Fly machine mounts one volume: use `processes` to give it to another group)",
            "14:61 the threshold is not between 50 and 99 percent",
            "14:76 `200GB` is not a whole number of GB from 1 to 100 (write for example `1GB`)",
            "14:90 the limit is below the volume's size",
        ]
    );
}

#[test]
fn files_have_one_source() {
    assert_eq!(
        app_problems(
            "secrets: {CERT: {fromEnv: CERT}}\nfiles:\n  - {path: etc/x, content: a, base64: Yg==}\n  - {path: /a, base64: '%'}\n  \
             - {path: /b, secret: CRET, mode: 99999}\n  - {path: /c}"
        ),
        [
            "13:14 the file needs exactly one source of its content (one of `content`, `base64`, `fromFile`, `secret`)",
            "13:20 `etc/x` is not an absolute path; begin it with `/`",
            "14:32 this is not base64",
            "15:32 `secrets` has no `CRET` (did you mean `CERT`?)",
            "15:44 these are no permission bits (write them in octal, for example `0o644`)",
            "16:14 the file needs exactly one source of its content (one of `content`, `base64`, `fromFile`, `secret`)",
        ]
    );
}

#[test]
fn stand_by_groups_name_machines_and_have_no_services() {
    assert_eq!(
        app_problems(
            "processes:\n  web: {}\n  spare: {standbys: [3d8d9014b32d68]}\n  idle: {standbys: [worker-0]}\n\
             services: [{internalPort: 1, processes: [web]}, {internalPort: 2, processes: [idle]}]"
        ),
        [
            "14:18 the group `idle` has services, so it cannot stand by (name the groups that each service is for in its `processes`)",
            "14:29 `worker-0` is not the id of a machine (`fly machine list` shows ids, for example `3d8d9014b32d68`)",
        ]
    );
}

#[test]
fn containers_refer_to_each_other_without_circles() {
    assert_eq!(
        app_problems(
            "containers:\n  - {name: a, dependsOn: [{name: b, condition: healthy}]}\n  - {name: b, dependsOn: [{name: a}, {name: c}]}\n  \
             - {name: b, restart: {policy: spot-price}, healthchecks: [{name: x, interval: 1500ms}]}"
        ),
        [
            "12:23 containers wait for each other: a → b → a",
            "12:42 `b` has no health checks, so it never becomes healthy (add `healthchecks` to `b`, or wait for `started`)",
            "13:53 there is no container `c` (known are `a`)",
            "14:20 there is another container `b`",
            "14:41 containers have no policy `spot-price`",
            "14:70 a health check is exactly one of `http`, `tcp`, `exec`",
            "14:89 `1s500ms` is not a whole number of seconds",
        ]
    );
}

#[test]
fn variables_and_secrets_of_one_name_are_a_warning() {
    let warnings = sound(&with_app("env: {A: 1}\nsecrets: {A: {value: clear}}")).warnings;
    assert_eq!(
        listed(&warnings),
        [
            "11:15 `A` is a variable and a secret; the secret wins (remove one of them)",
            "12:30 this secret's value stands in the spec for all to read (use `fromEnv`, `fromFile` or `generate`, or move it to `env` if it is no secret)",
        ]
    );
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    assert_eq!(
        app_problems(
            "exec: [a]\ncommand: [b]\nrestart: {policy: always, maxRetries: 3}\nstop: {timeout: 10m}\nips: {public: true, v6: false}\n\
             spot: {maxPriceFraction: 1.5}\nrootfs: {size: 512MB}\nhealth: {timeout: 1s}"
        ),
        [
            "11:9 `exec` replaces `command` and `entrypoint` (keep `exec`, or the other two)",
            "13:35 `maxRetries` needs `policy: on-failure`",
            "14:25 `10m` is more than Fly allows (at most `5m`)",
            "15:33 `public: true` includes `v6: true`",
            "16:34 the fraction is not above 0 and at most 1",
            "17:24 `512MB` is not a whole number of GB",
            "18:27 `1s` is not between `10s` and `2h`",
        ]
    );
}

#[test]
fn an_overlay_over_a_config_may_refer_to_what_the_config_has() {
    let overlay = "config: fly.toml\nservices: [{internalPort: 1, processes: [web]}]\nmemory: 4GB\nfiles: [{path: /x, secret: S}]";
    let text = with_app(overlay).replace("        image: registry.fly.io/acme:1\n", "");
    assert_eq!(sound(&text).warnings.iter().count(), 0);
    let merged =
        app_from_json(&json!({"image": "x:1", "services": [{"internalPort": 1, "processes": ["web"]}]})).unwrap();
    let findings = validate_app(&merged, Scope::Whole);
    assert_eq!(findings[0].pointer, "/services/0/processes/0");
}

#[test]
fn an_environment_has_a_plain_name_one_end_of_life_and_an_organization() {
    let spec = "{ttl: {max: 10s}, expiresAt: 2026-12-01T00:00:00Z, params: {a b: 1}, fly: {org: Acme, network: {name: hangar-x}, apps: {X: {image: 'a:1'}}}}";
    assert_eq!(
        problems(&document("Environment", "'${{ env.name }}'", spec)),
        [
            "4:18 the name of a document may not contain expressions (write the name out, for example `staging`)",
            "5:19 `10s` is not between `1m` and `3650d`",
            "5:25 `ttl` and `expiresAt` exclude each other (keep one of them)",
            "5:67 the parameter name `a b` may have only letters, digits, `_` and `-`",
            "5:87 the organization `Acme` contains `A`; only `a` to `z`, `0` to `9` and `-` are allowed (write the slug, as `fly orgs list` shows it)",
            "5:109 network names that begin with `hangar-` mark what Hangar owns (choose another name, or `network: isolated`)",
            "5:127 the component name `X` contains `X`; only `a` to `z`, `0` to `9` and `-` are allowed",
            "5:127 the app `X` has no region (add `region: iad` to the app or to `fly`)",
        ]
    );
    assert_eq!(
        problems(&document("Environment", "Staging", "{expiresAt: tomorrow}")),
        [
            "4:18 the name `Staging` contains `S`; only `a` to `z`, `0` to `9` and `-` are allowed",
            "5:19 `tomorrow` is not a moment (premature end of input) (moments look like `2026-12-01T00:00:00Z`)",
        ]
    );
}

#[test]
fn documents_do_not_claim_the_same_thing() {
    let app = |name: &str| format!("{{fly: {{org: o, region: iad, apps: {{web: {{image: 'a:1', name: '{name}'}}}}}}}}");
    let files = [
        file("a.yaml", &(document("Environment", "one", &app("shop")) + &document("Controller", "c", "{owner: a}"))),
        file(
            "b.yaml",
            &(document("Environment", "one", "{}")
                + &document("Controller", "d", "{owner: Loooooooooooooooooooooooong}")),
        ),
        file(
            "c.yaml",
            &(document("Environment", "two", &app("shop"))
                + &document("Environment", "three", &app("${{ env.name }}-x"))),
        ),
        file("d.yaml", &document("Environment", "four", &app("three-x"))),
    ];
    assert_eq!(
        listed(&hangar::spec::parse(&files).unwrap_err()),
        [
            "4:18 there is another Environment `one` (the other one is in a.yaml:4)",
            "8:7 there is more than one Controller (the other one is in a.yaml:8)",
            "10:15 the owner `Loooooooooooooooooooooooong` contains `L`; only `a` to `z`, `0` to `9` and `-` are allowed",
            "5:68 the app `shop` belongs to the environment `one` already (the other one is in a.yaml:5)",
            "5:68 the app `three-x` belongs to the environment `three` already (the other one is in c.yaml:10)",
        ]
    );
}

#[test]
fn required_environments_exist_and_do_not_wait_for_each_other() {
    let requires = |names: &str| format!("{{requires: {{environments: [{names}]}}, fly: {{org: o}}}}");
    let text = document("Environment", "staging", &requires("qa"))
        + &document("Environment", "qa", &requires("staging, production"))
        + &document("Environment", "production", &requires("stagin, production"));
    assert_eq!(
        problems(&text),
        [
            "10:19 environments require each other: qa → staging → qa",
            "15:34 there is no environment `stagin` (did you mean `staging`?)",
            "15:42 an environment cannot require itself",
        ]
    );
}

#[test]
fn a_reference_to_an_environment_that_has_other_problems_is_no_problem() {
    let text = document("Environment", "staging", "{clas: x, fly: {org: o}}")
        + &document("Environment", "production", "{requires: {environments: [staging]}, fly: {org: o}}");
    assert_eq!(problems(&text), ["5:8 unknown field `clas` (did you mean `class`?)"]);
}

#[test]
fn policies_and_controllers_have_rules_too() {
    let text = document(
        "Policy",
        "p",
        "{orgs: [A], regions: [x], sizes: [big], images: [''], deletionBudget: {maxDeletionPercent: 101}}",
    ) + &document(
        "Controller",
        "c",
        "{owner: a, resync: 1s, workers: 0, masterKey: {fromEnv: 'FlyV1 fm2_x'}, source: {git: {url: ''}}, \
           fly: {baseUrl: 'ftp://x', organizations: {a: {token: {}}}}}",
    );
    assert_eq!(
        problems(&text),
        [
            "5:15 the organization `A` contains `A`; only `a` to `z`, `0` to `9` and `-` are allowed",
            "5:29 `x` is not a region code; they have three lower case letters, for example `iad`",
            "5:41 the size `big` is unknown",
            "5:56 an empty pattern matches nothing",
            "5:98 more than 100 percent",
            "10:26 `1s` is too short (at least `10s`)",
            "10:39 the number of workers is not between 1 and 64",
            "10:63 this is not the name of an environment variable (write the variable's name, not the token, for example `fromEnv: FLY_API_TOKEN`)",
            "10:99 the address is empty",
            "10:120 `ftp://x` is not an address (begin it with `https://` or `http://`)",
            "10:151 expected one of `fromEnv`, `fromFile`, found none",
        ]
    );
}

#[test]
fn a_github_app_and_a_token_exclude_each_other_and_its_key_comes_from_elsewhere() {
    let text = "apiVersion: hangar/v1
kind: Controller
metadata: {name: acme}
spec:
  owner: acme
  github:
    token: {fromEnv: GITHUB_TOKEN}
    app: {id: 7, installation: 11, privateKey: {fromEnv: '-----BEGIN'}}
";
    let problems = problems(text);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("8:5 `app` and `token` exclude each other"), "{problems:?}");
    assert!(problems[1].starts_with("8:58 this is not the name of an environment variable"), "{problems:?}");
}

#[test]
fn required_checks_are_named_and_say_whose_they_are() {
    let checks = |checks: &str| {
        let spec = format!("{{requires: {{checks: {{{checks}}}}}, fly: {{org: o}}}}");
        problems(&document("Environment", "staging", &spec))
    };
    let sha = "0123456789012345678901234567890123456789";
    // All digits, and no number.
    assert_eq!(checks(&format!("names: [test], repo: acme/chat, commit: {sha}")), Vec::<String>::new());
    assert_eq!(
        checks("names: []"),
        [
            "5:19 this environment is of no branch, so it is not known whose checks are meant: `repo` is missing (add for example `repo: acme/chat`)",
            "5:19 this environment is of no branch, so it is not known whose checks are meant: `commit` is missing (add for example `commit: ${{ params.sha }}`)",
            "5:28 no check is named, so nothing is required (write for example `names: [test]`, as a pull request shows the check)",
        ]
    );
    assert_eq!(
        checks("names: [test, '', test], repo: chat, commit: main"),
        [
            "5:42 the name of the check is empty",
            "5:46 `test` is named twice",
            "5:59 `chat` is not the name of a repository: write `owner/name`, as in its address on GitHub",
            "5:73 `main` is not the whole hash of a commit (a branch moves, and what is green today may be red tomorrow: write all 40 characters)",
        ]
    );
}
