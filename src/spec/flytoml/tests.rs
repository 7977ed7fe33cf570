use super::*;
use crate::spec::app_from_json;

fn read_file(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "local.conf" => Ok(b"local".to_vec()),
        "machine.json" => Ok(br#"{"dns": {"skip_registration": true}}"#.to_vec()),
        _ => Err("there is no such file".to_owned()),
    }
}

fn read(text: &str) -> Result<FlyToml, Diagnostics> {
    to_app_json(text, Path::new("fly.toml"), &read_file)
}

fn messages(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics.iter().map(|item| format!("{}:{} {}", item.line, item.column, item.message)).collect()
}

/// The app of a fly.toml without warnings; it must also be a valid app.
fn app(text: &str) -> Value {
    let read = read(text).unwrap();
    assert_eq!(messages(&read.warnings), Vec::<String>::new());
    app_from_json(&read.app).unwrap();
    read.app
}

#[test]
fn every_section_has_its_place_in_the_app() {
    insta::assert_json_snapshot!(app(include_str!("testdata/every-section.toml")));
}

#[test]
fn a_small_file_is_a_small_app() {
    assert_eq!(
        app("app = 'x'\n[http_service]\ninternal_port = 80\n[[vm]]\nmemory = 512"),
        json!({
            "name": "x",
            "services": [{"protocol": "tcp", "internalPort": 80, "ports": [
                {"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["http", "tls"]}]}],
            "size": "shared-cpu-1x", "memory": "512MB",
        })
    );
}

#[test]
fn old_spellings_are_understood() {
    for (old, new) in [
        (
            "[mount]\nsource = 'd'\ndestination = '/d'",
            "[[mounts]]\nsource = 'd'\ndestination = '/d'\ninitial_size = '1'",
        ),
        ("[[compute]]\nsize = 'shared-cpu-1x'", "[[vm]]\nsize = 'shared-cpu-1x'"),
        ("[metric]\nport = 1\npath = '/m'", "[[metrics]]\nport = 1\npath = '/m'"),
        ("[[service]]\ninternal_port = '80'", "[[services]]\ninternal_port = 80\nprotocol = 'tcp'"),
        ("[[env]]\nA = 1\n[[env]]\nB = true", "[env]\nA = '1'\nB = 'true'"),
        ("processes = []", ""),
        ("[[checks]]\nname = 'a'\ntype = 'tcp'\nport = '80'", "[checks.a]\ntype = 'tcp'\nport = 80"),
        ("[restart]\npolicy = 'always'", "[[restart]]\npolicy = 'always'"),
        ("kill_timeout = '30'", "kill_timeout = '30s'"),
        ("kill_timeout = 90", "kill_timeout = '1m30s'"),
        (
            "[http_service]\ninternal_port = 1\nauto_stop_machines = false",
            "[http_service]\ninternal_port = 1\nauto_stop_machines = 'off'",
        ),
    ] {
        assert_eq!(app(old), app(new), "{old}");
    }
}

#[test]
fn sections_without_processes_belong_to_the_default_group() {
    let services = "[[services]]\ninternal_port = 80";
    let of =
        |processes: &str| app(&format!("[processes]\n{processes}\n{services}"))["services"][0]["processes"].clone();
    assert_eq!(of("worker = 'w'\nweb = 'b'"), json!(["web"]));
    assert_eq!(of("app = 'a'\n aardvark = 'b'"), json!(["app"]));
    assert_eq!(app(services)["services"][0].get("processes"), None);
}

#[test]
fn a_raw_machine_config_keeps_its_names_and_the_chosen_container_runs_the_image() {
    let text = r#"
        container = "web"
        machine_config = '{"image": "i:1", "containers": [{"name": "proxy", "image": "p"}, {"name": "web", "image": "w"}]}'
    "#;
    let expected = json!({
        "image": "i:1",
        "machine": {"containers": [{"name": "proxy", "image": "p"}, {"name": "web"}]},
    });
    assert_eq!(read(text).unwrap().app, expected);
    assert_eq!(
        app("[experimental]\nmachine_config = 'machine.json'"),
        json!({"machine": {"dns": {"skip_registration": true}}})
    );
}

#[test]
fn what_cannot_be_expressed_is_a_warning_with_its_place() {
    let text = "\
[deploy]
release_command = 'bin/migrate'
strategy = 'bluegreen'
[http_service]
internal_port = 80
nonsense = 1
[[http_service.machine_checks]]
command = ['x']
[[statics]]
guest_path = 'public'
url_prefix = '/'
[experimental]
enable_consul = true
";
    assert_eq!(
        messages(&read(text).unwrap().warnings),
        [
            "3:12 strategy `bluegreen` is ignored: Hangar updates machines one at a time",
            "2:19 `release_command` is not taken over",
            "13:17 `enable_consul` has no counterpart in the Machines API; it is ignored",
            "7:1 `machine_checks` are not run by this version of Hangar",
            "6:12 `nonsense` is not a setting that Hangar knows here; it is ignored",
            "9:1 a relative `guest_path` asks flyctl to upload files to a bucket; Hangar does not, and leaves it out",
        ]
    );
}

#[test]
fn mistakes_are_errors_with_their_place() {
    for (text, expected) in [
        ("a = ", "1:5 this is not TOML: string values must be quoted, expected literal string"),
        ("app = 1", "1:7 this must be a string"),
        ("[env]\nFLY_X = '1'", "2:9 names that begin with `FLY_` are Fly's own"),
        (
            "[http_service]\nauto_stop_machines = 'maybe'",
            "2:22 this must be `off`, `stop`, `suspend`, `true` or `false`",
        ),
        ("[[services]]\nprotocol = 'tcp'", "1:1 a service needs `internal_port`"),
        (
            "[processes]\nweb = 'w'\n[[services]]\ninternal_port = 1\nprocesses = ['wbe']",
            "5:13 there is no process group `wbe`",
        ),
        ("[checks.a]\ntype = 'tcp'", "1:1 this check needs a `port`: there is no `http_service` to take it from"),
        ("[[mounts]]\nsource = 'a'", "1:1 a mount needs `source` and `destination`"),
        ("[[files]]\nguest_path = '/a'\nlocal_path = 'gone'", "3:14 `gone` cannot be read: there is no such file"),
        ("kill_timeout = 'soon'", "1:16 this must be a duration such as `15s`, or a whole number"),
        ("[[vm]]\nmemory = '1 parsec'", "2:10 this must be a size such as `512mb` or `1gb`"),
        (
            "machine_config = '{'",
            "1:18 `machine_config` cannot be read: EOF while parsing an object at line 1 column 1",
        ),
    ] {
        let diagnostics = read(text).unwrap_err();
        assert!(messages(&diagnostics).contains(&expected.to_owned()), "{text}: {:?}", messages(&diagnostics));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[|\\]|\n|=|\\.|\"|'|[a-z_0-9{},]|http_service|processes|services|mounts| )*") {
        drop(read(&text));
    }
}
