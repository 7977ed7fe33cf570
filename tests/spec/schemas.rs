//! The JSON Schemas under `schemas/`: up to date, explained, and of one mind with the reader.

use std::fs;
use std::path::Path;

use hangar::spec::{Kind, schema};
use serde_json::{Value, json};

use super::support::{document, read, with_app};

#[test]
fn the_schemas_on_disk_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let renew = std::env::var_os("HANGAR_BLESS").is_some();
    for kind in Kind::ALL {
        let path = folder.join(schema::schema_file(kind));
        let current = format!("{}\n", serde_json::to_string_pretty(&schema(kind)).unwrap());
        if renew {
            fs::write(&path, &current).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == current,
            "{} is stale; renew it with: HANGAR_BLESS=1 cargo test --test spec schemas",
            path.display()
        );
    }
}

#[test]
fn every_field_is_explained() {
    fn undescribed(value: &Value, path: &str, found: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                if property.get("description").is_none() {
                    found.push(format!("{path}.{name}"));
                }
            }
        }
        match value {
            Value::Object(entries) => {
                entries.iter().for_each(|(key, value)| undescribed(value, &format!("{path}/{key}"), found));
            }
            Value::Array(items) => items.iter().for_each(|item| undescribed(item, path, found)),
            _ => {}
        }
    }
    for kind in Kind::ALL {
        let mut found = Vec::new();
        undescribed(&schema(kind), kind.name(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

/// Documents that the reader and the schema must judge alike; `true` is sound.
#[test]
fn the_schema_and_the_reader_agree() {
    let cases = [
        (Kind::Environment, with_app(""), true),
        (Kind::Environment, with_app("command: bin/x\nenv: {A: 1, B: true, C: x}\nips: {flycast: {network: n}}"), true),
        (
            Kind::Environment,
            with_app("command: [bin/x]\nsize: '${{ params.size }}'\nips: {public: true, flycast: false}"),
            true,
        ),
        (
            Kind::Environment,
            with_app("secrets: {A: {generate: {}}, B: {fromEnv: X}}\nstop: {signal: SIGTERM, timeout: 30s}"),
            true,
        ),
        (
            Kind::Environment,
            with_app("volumes: {d: {mount: /d, size: 1GB}}\nschedule: daily\nmachine: {any: [thing]}"),
            true,
        ),
        (
            Kind::Environment,
            with_app("config: fly.toml\nvolumes: {d: {deletionPolicy: retain}}\nmetrics: {port: 1}"),
            true,
        ),
        (Kind::Environment, with_app("volumes: {d: {deletionPolicy: retain}}"), false),
        (Kind::Environment, with_app("metrics: {port: 1}"), false),
        (Kind::Environment, with_app("coutn: 1"), false),
        (Kind::Environment, with_app("size: huge"), false),
        (Kind::Environment, with_app("memory: 512"), false),
        (Kind::Environment, with_app("memory: 512KB"), false),
        (Kind::Environment, with_app("stop: {timeout: 30}"), false),
        (Kind::Environment, with_app("stop: {timeout: 1month}"), false),
        (Kind::Environment, with_app("stop: {signal: TERM}"), false),
        (Kind::Environment, with_app("secrets: {A: plain}"), false),
        (Kind::Environment, with_app("secrets: {A: {fromEnv: X, value: y}}"), false),
        (Kind::Environment, with_app("services: [{ports: []}]"), false),
        (Kind::Environment, with_app("services: [{internalPort: 70000}]"), false),
        (Kind::Environment, with_app("image: 5").replace("        image: registry.fly.io/acme:1\n", ""), false),
        (Kind::Environment, with_app("").replace("hangar/v1", "hangar/v2"), false),
        (Kind::Policy, document("Policy", "p", "{maxMemory: 4GB, deletionBudget: {window: 1h}}"), true),
        (Kind::Policy, document("Policy", "p", "{maxMemory: 4}"), false),
        (
            Kind::Controller,
            document("Controller", "c", "{owner: acme, masterKey: {fromFile: k}, source: {directory: {}}}"),
            true,
        ),
        (Kind::Controller, document("Controller", "c", "{owner: Acme}"), false),
        (Kind::Controller, document("Controller", "c", "{owner: acme, source: {svn: {}}}"), false),
    ];
    for (kind, text, sound) in cases {
        let validator = jsonschema::validator_for(&schema(kind)).unwrap();
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: Value = serde_saphyr::from_str_with_options(&text, options).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), sound, "schema: {errors:?}\n{text}");
        assert_eq!(read(&text).is_ok(), sound, "reader:\n{text}");
    }
}

#[test]
fn the_examples_of_the_schema_follow_the_schema() {
    fn check(value: &Value, root: &Value, path: &str) {
        if let (Some(examples), Some(_)) = (value.get("examples").and_then(Value::as_array), value.as_object()) {
            let mut alone = value.clone();
            alone["definitions"] = root["definitions"].clone();
            let validator = jsonschema::validator_for(&alone).unwrap();
            for example in examples {
                assert!(validator.is_valid(example), "{path}: {example}");
            }
        }
        match value {
            Value::Object(entries) => {
                entries.iter().for_each(|(key, value)| check(value, root, &format!("{path}/{key}")));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, root, path)),
            _ => {}
        }
    }
    for kind in Kind::ALL {
        let root = schema(kind);
        check(&root, &root, kind.name());
    }
    assert_ne!(schema(Kind::Policy), json!({}));
}
