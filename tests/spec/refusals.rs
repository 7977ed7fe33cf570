//! Files that cannot be read as specs, and the words in which that is said.

use hangar::spec::{SourceFile, parse};

use super::support::{app_problems, document, file, listed, problems, read, with_app};

#[test]
fn a_problem_shows_its_line_with_a_caret_and_what_to_do() {
    let problems = read(&with_app("services:\n  - internal_port: 8080")).unwrap_err();
    insta::assert_snapshot!(problems.render(false), @"
    error: unknown field `internal_port`
      --> envs/demo.yaml:12:13
       |
    12 |           - internal_port: 8080
       |             ^^^^^^^^^^^^^
       |
       = help: did you mean `internalPort`?
    ");
}

#[test]
fn problems_are_also_available_as_json() {
    let problems = read("apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: p}\nspec: {grace: 5}\n").unwrap_err();
    insta::assert_json_snapshot!(problems, @r#"
    [
      {
        "severity": "error",
        "file": "envs/demo.yaml",
        "line": 4,
        "column": 15,
        "pointer": "/spec/grace",
        "message": "`5` has no unit of time",
        "help": "write `5s` for seconds; durations look like `90s`, `5m`, `72h`, `14d`"
      }
    ]
    "#);
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let first =
        "apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: p}\nspec: {gracee: 5m, workers: 1, maxMemory: 4GiB}\n";
    let second = with_app("count: two\ntty: 'yes'\nenv: {A: [1], B: null}\nports: 1\nregion: IAD");
    let problems = parse(&[file("a.yaml", first), file("b.yaml", &second), file("c.yaml", "")]).unwrap_err();
    assert_eq!(
        listed(&problems),
        [
            "4:8 unknown field `gracee` (did you mean `grace`?)",
            "4:20 unknown field `workers`",
            "4:43 `GiB` is not a unit of size (sizes look like `512MB` or `1GB`)",
            "11:16 expected a whole number from 0, found the string `two`",
            "12:14 expected a boolean, found the string `yes` (write `true` or `false`)",
            "13:15 expected a string, number or boolean, found a list",
            "13:23 expected a string, number or boolean, found nothing (write `\"\"` for an empty string)",
            "14:9 unknown field `ports`",
            "15:17 `IAD` is not a region code; they have three lower case letters, for example `iad`",
            "0:0 the file has no document (a spec begins with `apiVersion: hangar/v1` and `kind: Environment`)",
        ]
    );
}

#[test]
fn a_variable_at_vercel_says_what_it_can_be() {
    let spec = "apiVersion: hangar/v1
kind: Environment
metadata: {name: demo}
spec:
  vercel:
    projects:
      web:
        project: web
        branch: x
        alias: [a.acme.dev]
        env:
          A: {plain: {fromEnv: X}}
          B: {plian: x}
          C: {}
";
    assert_eq!(
        listed(&read(spec).unwrap_err()),
        [
            "10:9 unknown field `alias` (did you mean `aliases`?)",
            "12:11 `plain` holds a text that everybody may read; a secret goes without it: `{fromEnv: …}`",
            "13:11 unknown field `plian`, expected one of `plain`, `fromEnv`, `fromFile`, `value`, `generate`, or a text",
            "14:11 expected one of `plain`, `fromEnv`, `fromFile`, `value`, `generate`, or a text",
        ]
    );
}

#[test]
fn files_that_are_no_text_are_refused_before_they_are_read() {
    let large = SourceFile { path: "x".into(), bytes: vec![b' '; 10 * 1024 * 1024] };
    let binary = SourceFile { path: "x".into(), bytes: b"\x7fELF\x02\x01\x01\0\0\xff".to_vec() };
    let refusal = |file: SourceFile| listed(&parse(&[file]).unwrap_err());
    assert_eq!(
        refusal(large),
        [
            "0:0 the file has 10 MB; spec files may have 1 MB at most (split it, or move it out of the directory of specs)"
        ]
    );
    let binary_refusal = "0:0 the file is not UTF-8 text; it looks like a binary file (move it out of the directory of specs, or save it as UTF-8)";
    assert_eq!(refusal(binary), [binary_refusal]);
    assert_eq!(refusal(file("x", "a: \0")), [binary_refusal]);
}

#[test]
fn what_is_no_yaml_is_refused_at_its_place() {
    let cases = [
        ("", "0:0 the file has no document (a spec begins with `apiVersion: hangar/v1` and `kind: Environment`)"),
        (
            "# nothing\n---\n",
            "0:0 the file has no document (a spec begins with `apiVersion: hangar/v1` and `kind: Environment`)",
        ),
        ("a:\n\tb: 1\n", "2:2 a tab is used for indentation (indent with spaces, two per level)"),
        ("a: [1, 2\nb: 3\n", "2:2 a `:` cannot stand here (is a `[` or `{` before it not closed?)"),
        (
            "a: b: c\n",
            "1:5 a `:` cannot stand here (put a text that contains `: ` in quotes; or a `: ` is missing in the line above)",
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "3:2 this line does not fit the map that it stands in (the keys of one map begin in the same column, each followed by `: `)",
        ),
        (
            "a:\n  - 1\n  b: 2\n",
            "3:3 this line does not fit the list that it stands in (the items of one list begin with `- `, in the same column)",
        ),
        ("a: [b}\n", "1:4 this `[` is closed by `}` (close it with its own bracket)"),
        ("a: {b: 1}}\n", "1:10 this bracket closes nothing (remove it, or open it before)"),
        ("a: @b\n", "1:4 a text cannot begin with @ (put it in quotes)"),
        ("a: \"b\" c\n", "1:8 nothing may follow a text in quotes (put all of it in one pair of quotes)"),
        (
            "a:\n  b: \"c\n  d: 1\n",
            "3:3 a text in quotes that begins before this line is not closed (close it with the same quote in the line where it begins)",
        ),
        (
            "a: *b\n",
            "1:4 the alias refers to an anchor that does not exist (put a text that begins with `*` in quotes)",
        ),
        ("a: &a [*a]\n", "1:8 an alias refers to the value that contains it (remove the alias)"),
        ("a: .inf\n", "1:4 `.inf` is not a finite number"),
        (
            "é: ü: x\n",
            "1:5 a `:` cannot stand here (put a text that contains `: ` in quotes; or a `: ` is missing in the line above)",
        ),
        ("just text\n", "1:1 a spec document must be a map (begin with `apiVersion: hangar/v1`)"),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), [expected], "{text:?}");
    }
}

#[test]
fn aliases_that_expand_to_too_much_and_deep_nesting_are_refused() {
    let bomb = (b'b'..=b'i').fold("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, name| {
        let (name, before) = (char::from(name), char::from(name - 1));
        format!("{text}{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(","))
    });
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    for text in [bomb, deep] {
        let problems = problems(&text);
        let message = "nested too deeply, or its aliases expand to too much (at most 24 levels and 100000 values";
        assert!(problems.len() == 1 && problems[0].contains(message), "{problems:?}");
    }
}

#[test]
fn keys_that_stand_twice_are_refused() {
    assert_eq!(
        app_problems("count: 1\nenv: {A: 1, B: 2, A: 3}\ncount: 2"),
        [
            "12:27 the key `A` stands twice in this map (remove all but one)",
            "13:9 the key `count` stands twice in this map (remove all but one)",
        ]
    );
    assert_eq!(
        problems("apiVersion: hangar/v1\nkind: Policy\nmetadata: {name: a, labels: {1: a, 1: b}}\nspec: {}"),
        ["3:36 the key `1` stands twice in this map (remove all but one)"]
    );
}

#[test]
fn documents_of_other_kinds_and_versions_are_refused() {
    assert_eq!(
        problems(
            "apiVersion: hangar/v2\nkind: Enviroment\n---\napiVersion: hangar/v1\nkind: PreviewsSet\n---\nspec: {}\n---\napiVersion: [1]\nkind: 3\n"
        ),
        [
            "1:13 the apiVersion `hangar/v2` is unknown (this version of Hangar reads `hangar/v1`)",
            "2:7 the kind `Enviroment` is unknown (did you mean `Environment`?)",
            "5:7 the kind `PreviewsSet` is unknown (did you mean `PreviewSet`?)",
            "7:1 the field `apiVersion` is missing (begin the document with `apiVersion: hangar/v1`)",
            "7:1 the field `kind` is missing (add `kind: Environment`, `kind: PreviewSet`, `kind: Policy` or `kind: Controller`)",
            "9:1 `apiVersion` must be a string (begin the document with `apiVersion: hangar/v1`)",
            "10:7 `kind` must be a string (add `kind: Environment`, `kind: PreviewSet`, `kind: Policy` or `kind: Controller`)",
        ]
    );
}

#[test]
fn jobs_name_what_there_is_and_what_they_run() {
    let jobs = "  jobs:\n    server: {app: server, command: x}\n    one: {app: sever, command: ''}\n    two: {app: server, command: x, before: [three, two], after: [onn]}\n    three: {app: server, command: x, timeout: 48h, retries: 11}\n  fly:";
    assert_eq!(
        problems(&with_app("").replace("  fly:", jobs)),
        [
            "6:5 the job `server` has the name of a component (give one of them another name)",
            "7:16 there is no component `sever` on Fly for a job to run in (did you mean `server`?)",
            "7:32 the command is empty (write what is to be run, for example `bin/migrate`)",
            "8:52 `two` cannot come before itself (remove it)",
            "8:66 there is nothing named `onn` in this environment (did you mean `one`?)",
            "9:47 `2d` is not between `1s` and `24h`",
            "9:61 11 new starts are too many: at most 10",
        ]
    );
}

#[test]
fn sections_that_are_not_built_yet_are_named_as_such() {
    let text = with_app("").replace("  fly:", "  checks: {}\n  fly:");
    assert_eq!(
        problems(&text),
        [
            "5:3 the section `checks` is not supported by this version of Hangar yet (remove it; this version reconciles `fly`, `neon`, `postgres`, `supabase` and `vercel`)",
        ]
    );
}

#[test]
fn wrong_units_and_forms_say_what_to_write() {
    assert_eq!(
        app_problems(
            "memory: 512\nswap: 1KB\nstop: {timeout: 30}\nhealth: {timeout: 1 month}\nfiles: [{path: /x, content: a, mode: 0644}]\n\
             schedule: dayly\ncommand: 'a \"b'\nname: 5\nprocesses: [a]\ncpu: [shared]"
        ),
        [
            "11:17 `512` has no unit (write `512MB` or `512GB`)",
            "12:15 `KB` is not a unit of size (sizes look like `512MB` or `1GB`)",
            "13:25 `30` has no unit of time (write `30s` for seconds; durations look like `90s`, `5m`, `72h`, `14d`)",
            "14:27 `1 month` is not a fixed length of time (write days, for example `30d`)",
            "15:46 `0644` may be octal or decimal (write `0o644`, or `644`)",
            "16:19 `dayly` is not one of `hourly`, `daily`, `weekly`, `monthly` (did you mean `daily`?)",
            "17:18 the quote `\"` in the command is never closed",
            "18:15 expected a string, found the number `5` (put it in quotes)",
            "19:9 expected a map, found a list",
            "20:9 expected a map, found a list",
        ]
    );
}

#[test]
fn a_secret_has_exactly_one_source_and_no_value() {
    assert_eq!(
        app_problems(
            "secrets:\n  A: hunter2\n  B: {fromEnv: X, value: y}\n  C: {fromenv: X}\n  D: {}\n  E: {generate: {charset: emoji}}"
        ),
        [
            "12:14 a secret's value does not belong into a spec (say where the value comes from: `{fromEnv: NAME}`, \
             `{fromFile: path}`, `{generate: {}}` or `{value: \"${{ … }}\"}`)",
            "13:11 there are two sources, `fromEnv` and `value` (keep exactly one of them)",
            "14:15 unknown field `fromenv` (did you mean `fromEnv`?)",
            "15:11 expected one of `fromEnv`, `fromFile`, `value`, `generate`, found none",
            "16:35 `emoji` is not one of `alphanumeric`, `hex`, `base64url`, `lowercase`",
        ]
    );
}

#[test]
fn a_wrong_value_is_not_also_called_missing() {
    let text = document("Controller", "a", "{ownr: acme, fly: {organizations: {acme: {token: {fromEnv: [X]}}}}}");
    assert_eq!(
        problems(&text),
        ["5:8 unknown field `ownr` (did you mean `owner`?)", "5:57 expected a string, found a list"]
    );
}

#[test]
fn a_problem_inside_an_alias_is_shown_where_the_alias_is_used() {
    let text = with_app("env: {X: a}\ncount: *c").replace("  fly:", "  params: {x: &c three}\n  fly:");
    assert_eq!(problems(&text), ["13:16 expected a whole number from 0, found the string `three`"]);
}

#[test]
fn a_secret_that_was_written_into_a_spec_is_not_repeated() {
    let text = with_app(
        "secrets:\n  A: hunter2\n  B: {value: hunter2}\n  C: {fromEnv: 'hunter2 x', value: \"hunter2\"}\n  D: {vaule: hunter2, generate: {}}",
    ) + &document(
        "Controller",
        "c",
        "{owner: a, masterKey: hunter2, fly: {organizations: {a: {token: {fromEnv: FlyV1 hunter2}}}}}",
    );
    let problems = read(&text).unwrap_err();
    assert!(problems.iter().count() >= 5);
    for output in [
        problems.render(false),
        problems.render(true),
        serde_json::to_string(&problems).unwrap(),
        format!("{problems:?}"),
    ] {
        assert!(!output.contains("hunter2"), "{output}");
    }
}

#[test]
fn of_very_many_problems_the_first_hundred_are_shown() {
    let text = format!("apiVersion: hangar/v1\nkind: Policy\n{}", "a: b\n".repeat(5000));
    let problems = problems(&text);
    assert_eq!(problems.len(), 101);
    assert!(problems[0].contains("more problems of this file are left out"), "{}", problems[0]);
}

#[test]
fn finalizers_name_a_component_and_a_command_and_stay_within_bounds() {
    let with = |finalizers: &str| {
        let text = format!(
            "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: demo}}\nspec:\n  finalizers: [{finalizers}]\n  fly: {{org: acme, region: iad, apps: {{server: {{image: 'x:1'}}}}}}\n"
        );
        match read(&text) {
            Ok(_) => Vec::new(),
            Err(problems) => listed(&problems),
        }
    };
    let one = |fields: &str| with(&format!("{{name: dump, component: server, command: /bin/dump, {fields}}}"));
    assert_eq!(one("timeout: 1s"), Vec::<String>::new());
    assert_eq!(one("timeout: 24h"), Vec::<String>::new());
    for (finalizers, problem) in [
        ("{name: dump, component: sever, command: d}", "there is no component `sever` (did you mean `server`?)"),
        ("{name: Dump, component: server, command: d}", "the name `Dump` contains `D`"),
        ("{name: dump, component: server, command: []}", "the command is empty"),
        ("{name: dump, component: server, command: d, timeout: 25h}", "`1d1h` is not between `1s` and `24h`"),
        ("{name: dump, component: server, command: d, timeout: 0s}", "`0s` is not between `1s` and `24h`"),
        (
            "{name: d, component: server, command: d}, {name: d, component: server, command: d}",
            "there are two finalizers `d`",
        ),
    ] {
        let found = with(finalizers);
        assert!(found.len() == 1 && found[0].contains(problem), "{finalizers}: {found:?}");
    }
    let long = with(&format!("{{name: dump, component: server, command: [{}]}}", "d".repeat(1001)));
    assert!(long.len() == 1 && long[0].contains("1001 bytes"), "{long:?}");
    let many: Vec<String> = (0..9).map(|n| format!("{{name: d{n}, component: server, command: d}}")).collect();
    let many = with(&many.join(", "));
    assert!(many.len() == 1 && many[0].contains("at most 8"), "{many:?}");
    let reserved = app_problems("processes: {finalizer-dump: {command: d}}");
    assert!(format!("{reserved:?}").contains("reserved for what runs before"), "{reserved:?}");
}

#[test]
fn data_is_not_said_to_be_put_aside_where_nothing_would_outlive_the_deletion() {
    let of = |spec: &str| {
        let text = format!("apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: demo}}\nspec:\n  {spec}\n");
        listed(&read(&text).unwrap_err())
    };
    let instead = "(use `retain`, or a finalizer that copies the data somewhere else)";
    assert_eq!(
        app_problems("volumes: {data: {mount: /data, deletionPolicy: snapshot}}"),
        [format!(
            "11:56 `snapshot` is not possible here: Fly deletes the snapshots of a volume with its app, so one that is taken before would be lost with it {instead}"
        )]
    );
    assert_eq!(
        of("postgres: {clusters: {main: {deletionPolicy: snapshot}}}"),
        [format!(
            "5:48 `snapshot` is not possible here: a backup is restored from the cluster that it was made of, so one that is made before goes with it {instead}"
        )]
    );
    assert_eq!(
        of("supabase: {project: abcdefghijklmnopqrst, branches: {main: {deletionPolicy: snapshot}}}"),
        [format!(
            "5:79 `snapshot` is not possible here: Supabase has no call that would keep what is in a branch without the branch {instead}"
        )]
    );
}
