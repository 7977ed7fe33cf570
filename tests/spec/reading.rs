//! What specs mean once they are read.

use hangar::spec::network::Flycast;
use hangar::spec::secret::SecretSource;
use hangar::spec::service::Handler;
use hangar::spec::text::HeaderRule;
use hangar::spec::{AppSpec, Duration, Network, Size, app_from_json};
use serde_json::json;

use super::support::{app, sound, with_app};

#[test]
fn every_kind_is_read_from_one_file() {
    let specs = sound(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: staging, labels: {team: chat, shard: 3}}\n\
         spec: {class: staging, ttl: {max: 14d}, fly: {org: acme, network: {name: office}, region: iad}}\n\
         ---\napiVersion: hangar/v1\nkind: Policy\nmetadata: {name: default}\nspec: {maxVolumeSize: 10GB, grace: 5m}\n\
         ---\napiVersion: hangar/v1\nkind: Controller\nmetadata: {name: acme}\n\
         spec: {owner: acme, source: {git: {url: 'https://example.com/x.git', ref: '12e4'}}, resync: 10m}\n",
    );
    let environment = &specs.environments[0];
    assert_eq!(environment.metadata.labels["shard"].as_str(), "3");
    assert_eq!(environment.spec.ttl.as_ref().unwrap().max, Some(Duration::from_secs(14 * 86_400)));
    assert_eq!(environment.spec.fly.as_ref().unwrap().network, Network::Name("office".to_owned()));
    assert_eq!(specs.policies[0].spec.max_volume_size, Some(Size::from_gb(10)));
    assert_eq!(specs.controller.unwrap().spec.owner, "acme");
}

#[test]
fn values_of_variables_are_taken_as_they_are_written() {
    let app = app(
        "env: {VERSION: 1.10, PORT: 8080, DEBUG: true, OCTAL: 017, EXP: 1e3, NORWAY: no, QUOTED: '3', BIG: 18446744073709551616}",
    );
    let values: Vec<&str> = app.env.values().map(hangar::spec::Text::as_str).collect();
    assert_eq!(values, ["1.10", "8080", "true", "017", "1e3", "no", "3", "18446744073709551616"]);
}

#[test]
fn things_that_are_written_in_more_than_one_way_mean_the_same() {
    assert_eq!(app("command: bin/serve --name 'a b'").command, app("command: [bin/serve, --name, a b]").command);
    assert_eq!(app("ips: {flycast: true}").ips.unwrap().flycast, Some(Flycast::On));
    let Some(Flycast::In(network)) = app("ips: {flycast: {network: office}}").ips.unwrap().flycast else { panic!() };
    assert_eq!(network.network.as_deref(), Some("office"));
    let app =
        app("ips: {public: true}\nservices:\n  - internalPort: 8080\n    ports: [{port: 443, handlers: [http, tls], \
                   httpOptions: {response: {headers: {Server: false, X-A: [a, b], X-V: 1.10}}}}]");
    let port = &app.services.as_ref().unwrap()[0].ports[0];
    assert_eq!(port.handlers, [Handler::Http, Handler::Tls]);
    let headers = &port.http_options.as_ref().unwrap().response.as_ref().unwrap().headers;
    assert_eq!(headers["Server"], HeaderRule::Remove);
    assert_eq!(headers["X-V"], HeaderRule::Set(vec!["1.10".to_owned()]));
}

#[test]
fn a_field_without_a_value_counts_as_absent() {
    assert_eq!(app("services:\nenv:\ncount: ~"), app(""));
}

#[test]
fn anchors_aliases_and_merge_keys_are_expanded() {
    let specs = sound(&with_app("env: &common {A: 1}\n  \n").replace("  fly:", "  params: &p {x: '1'}\n  fly:"));
    assert_eq!(specs.environments[0].spec.params["x"].as_str(), "1");
    let specs = sound(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: s}\nspec: {fly: {org: o, region: iad, apps: {\
         a: &a {image: 'x:1', env: {A: '1'}}, b: {<<: *a, count: 2}}}}",
    );
    let apps = &specs.environments[0].spec.fly.as_ref().unwrap().apps;
    assert_eq!((apps["b"].image.as_deref(), apps["b"].count), (Some("x:1"), Some(2)));
}

#[test]
fn an_app_without_groups_has_one_made_of_its_short_form() {
    let groups = app("count: 2\nsize: performance-2x\nmemory: 8GB").groups();
    assert_eq!(groups["app"].count, Some(2));
    assert_eq!(groups["app"].memory, Some(Size::from_mb(8192)));
    assert_eq!(app("processes: {web: {}, worker: {}}").groups().into_keys().collect::<Vec<_>>(), ["web", "worker"]);
}

#[test]
fn app_json_has_only_what_was_written_with_text_as_the_type_reads_it() {
    let specs = sound(&with_app(
        "config: fly.toml\nenv: {V: 1.10, P: 5}\nmachine: {x: 1.50}\nservices: []\nrestart: null\nvolumes: {d: {mount: /d, size: 1GB}}",
    ));
    assert_eq!(
        specs.environments[0].app_json["server"],
        json!({
            "image": "registry.fly.io/acme:1", "config": "fly.toml", "env": {"V": "1.10", "P": "5"}, "machine": {"x": 1.5},
            "services": [], "restart": null, "volumes": {"d": {"mount": "/d", "size": "1GB"}}
        })
    );
}

#[test]
fn an_app_survives_the_way_through_json() {
    let app = app(
        "count: 2\nenv: {A: 1.10}\nsecrets: {S: {generate: {length: 40, charset: base64url}}, T: {fromEnv: T}}\n\
         stop: {signal: SIGTERM, timeout: 90s}\nips: {flycast: {network: n}}\nrestart: {policy: on-failure, maxRetries: 3}\n\
         containers: [{name: a, image: 'x:1', envFrom: [{envVar: R, fieldRef: private_ip}], \
         healthchecks: [{name: h, interval: 10s, exec: {command: bin/ok -v}}]}]\nschedule: daily\nmachine: {init: {tty: true}}",
    );
    let value = serde_json::to_value(&app).unwrap();
    assert_eq!(app_from_json(&value), Ok(app.clone()));
    assert_eq!(serde_json::from_value::<AppSpec>(value).unwrap(), app);
}

#[test]
fn problems_of_an_app_in_json_come_with_pointers() {
    let merged = json!({"image": "x:1", "coutn": 2, "services": [{"internalPort": "8080"}], "env": {"PORT": 8080}});
    let findings = app_from_json(&merged).unwrap_err();
    let listed: Vec<_> = findings.iter().map(|f| (f.pointer.as_str(), f.message.as_str(), f.help.as_deref())).collect();
    assert_eq!(
        listed,
        [
            ("/coutn", "unknown field `coutn`", Some("did you mean `count`?")),
            (
                "/services/0/internalPort",
                "expected a whole number from 0 to 65535, found the string `8080`",
                Some("remove the quotes")
            ),
        ]
    );
}

#[test]
fn a_secret_is_not_shown_when_a_spec_is_printed() {
    let app = app("secrets: {S: {value: 'hunter2 ${{ env.name }}'}}");
    assert_eq!(app.secrets["S"], SecretSource::Value("hunter2 ${{ env.name }}".to_owned()));
    assert!(!format!("{app:?}").contains("hunter2"));
}

#[test]
fn durations_and_sizes_are_written_as_they_are_read() {
    for text in ["90s", "5m", "72h", "14d", "1h30m", "500ms", "2w", "0s"] {
        let duration = Duration::parse(text).unwrap();
        assert_eq!(Duration::parse(&duration.to_string()).unwrap(), duration, "{text}");
    }
    assert_eq!(Duration::parse("90s").unwrap().to_string(), "1m30s");
    for (text, shown) in [("512MB", "512MB"), ("1 GB", "1GB"), ("1024MB", "1GB"), ("0MB", "0MB")] {
        assert_eq!(Size::parse(text).unwrap().to_string(), shown);
    }
    for text in ["1month", "2 years", "1M", "5 fortnights", "", "-1s", "s", "99999999999999999999s", "1.5h"] {
        assert!(Duration::parse(text).is_err(), "{text}");
    }
    for text in ["1.5GB", "GB", "-1GB", "1KB", "1gb", "", "99999999999999999999GB", "999999999999999GB"] {
        assert!(Size::parse(text).is_err(), "{text}");
    }
}
