//! Edits of whole specs, made without knowing what they are about: an update of every class of field, and a teardown.

use serde_json::{Map, Value, json};

type Files = Vec<(String, String)>;

/// Every document of every YAML file, changed by `change`; a file whose documents are all dropped is removed.
fn each_document(files: &mut Files, change: impl Fn(&mut Value) -> bool) {
    for (path, text) in files.iter_mut().filter(|(path, _)| path.ends_with(".yaml")) {
        let mut documents: Vec<Value> =
            serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        documents.retain_mut(|document| change(document));
        let documents: Vec<String> = documents.iter().map(ToString::to_string).collect();
        *text = documents.join("\n---\n");
    }
    files.retain(|(_, text)| !text.is_empty());
}

fn is_kind(document: &Value, kind: &str) -> bool {
    document["kind"] == kind
}

/// Changes every class of field that the apps of every environment have: image, environment variables (one added, one changed), memory,
/// secrets (one rotated, one added), addresses, certificates, a volume's size, a service's checks, metadata.
pub(crate) fn update(files: &mut Files) {
    each_document(files, |document| {
        if is_kind(document, "Environment") {
            let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if let Some(params) = document.pointer_mut("/spec/params").and_then(Value::as_object_mut) {
                params.values_mut().filter(|value| value.is_string()).for_each(|value| *value = "v9".into());
            }
            let apps = document.pointer_mut("/spec/fly/apps").and_then(Value::as_object_mut);
            for (component, app) in apps.into_iter().flatten() {
                update_app(&name, component, app);
            }
        }
        true
    });
}

fn update_app(env: &str, component: &str, app: &mut Value) {
    if let Some(image) = app["image"].as_str().filter(|image| !image.contains("${{")) {
        let bare = image.rsplit_once(':').map_or(image, |(bare, _)| bare);
        app["image"] = format!("{bare}:v9").into();
    }
    let variables = object(app, "env");
    variables.insert("NODE_ENV".to_owned(), "changed".into());
    variables.insert("ADDED".to_owned(), "yes".into());
    app["memory"] = "1GB".into();
    let secrets = object(app, "secrets");
    for secret in secrets.values_mut() {
        if let Some(generate) = secret.get_mut("generate") {
            generate["generation"] = 2.into();
        }
    }
    secrets.insert("ADDED_SECRET".to_owned(), json!({"generate": {"length": 24}}));
    object(app, "ips").insert("v4".to_owned(), true.into());
    object(app, "metadata").insert("team".to_owned(), "blue".into());
    app["certificates"] = json!([format!("{component}.{env}.example.com")]);
    for volume in app.get_mut("volumes").and_then(Value::as_object_mut).into_iter().flatten() {
        volume.1["size"] = "2GB".into();
    }
    if let Some(check) = app.pointer_mut("/services/0/checks/0") {
        check["interval"] = "20s".into();
    }
}

/// The map `key` of `value`, made where there is none.
fn object<'a>(value: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !value[key].is_object() {
        value[key] = json!({});
    }
    value[key].as_object_mut().expect("it was made just now")
}

/// Removes every environment that may be deleted, opens the gates that waited for them, and lets that many go at once.
pub(crate) fn teardown(files: &mut Files) {
    each_document(files, |document| {
        if let Some(spec) = document["spec"].as_object_mut() {
            spec.remove("requires");
        }
        !(is_kind(document, "Environment") && document["spec"]["class"] != "production")
    });
    ready_for_teardown(files);
}

/// Lets many objects go at once, and soon. This is done long before a teardown, so that it is no part of it.
pub(crate) fn ready_for_teardown(files: &mut Files) {
    each_document(files, |document| {
        if is_kind(document, "Policy") {
            document["spec"]["deletionBudget"] =
                json!({"maxDeletions": 100, "maxDeletionPercent": 100, "window": "1h"});
            document["spec"]["grace"] = "30s".into();
        }
        true
    });
}
