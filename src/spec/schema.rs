//! JSON Schemas of the kinds, for editors and for checks without Hangar.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::controller::ControllerSpec;
use super::document::{API_VERSION, Kind, Manifest};
use super::environment::EnvironmentSpec;
use super::policy::PolicySpec;
use super::preview::PreviewSetSpec;

/// The JSON Schema (draft 7, which editors understand best) of one kind.
pub fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Environment => document_schema::<EnvironmentSpec>(kind, "A set of resources that live and die together."),
        Kind::PreviewSet => {
            document_schema::<PreviewSetSpec>(kind, "Pull requests and branches that become environments.")
        }
        Kind::Policy => document_schema::<PolicySpec>(kind, "Guardrails that no environment may cross."),
        Kind::Controller => document_schema::<ControllerSpec>(kind, "Settings of a controller."),
    }
}

/// Name of the file with the schema of one kind, for example `environment.schema.json`.
pub fn schema_file(kind: Kind) -> String {
    format!("{}.schema.json", kind.name().to_lowercase())
}

fn document_schema<S: JsonSchema>(kind: Kind, description: &str) -> Value {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<Manifest<S>>().to_value();
    let fixed = |value: &str, description: &str| json!({"description": description, "const": value});
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!(format!("Hangar {kind}")));
        root.insert("description".to_owned(), json!(description));
        if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("apiVersion".to_owned(), fixed(API_VERSION, "Version of the format."));
            properties.insert("kind".to_owned(), fixed(kind.name(), "What the document describes."));
        }
    }
    describe_choices(&mut schema);
    relax_overlays(&mut schema);
    schema
}

/// What an app has by name or as a single map, with the definition of it: a `config` may have the rest of what is written here.
const MERGED: [(&str, &str, bool); 5] = [
    ("volumes", "Volume", true),
    ("checks", "Check", true),
    ("metrics", "Metrics", false),
    ("spot", "Spot", false),
    ("cacheDrive", "CacheDrive", false),
];

/// Fields that are required in an app of its own may be missing in one that is laid over a `config`.
fn relax_overlays(schema: &mut Value) {
    let Some(definitions) = schema.get_mut("definitions").and_then(Value::as_object_mut) else { return };
    let mut required = Map::new();
    for (field, definition, is_by_name) in MERGED {
        let definition = definitions.get_mut(definition).and_then(Value::as_object_mut);
        let Some(fields) = definition.and_then(|definition| definition.remove("required")) else { continue };
        let fields = json!({ "required": fields });
        let mut fields = if is_by_name { json!({ "additionalProperties": fields }) } else { fields };
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("description".to_owned(), json!("Without a `config` that has the rest, it must be whole."));
        }
        required.insert(field.to_owned(), fields);
    }
    if let Some(app) = definitions.get_mut("AppSpec").and_then(Value::as_object_mut) {
        app.insert("if".to_owned(), json!({"not": {"required": ["config"]}}));
        app.insert("then".to_owned(), json!({ "properties": required }));
    }
}

/// Gives the one property of a choice (`{fromEnv: …}`) the choice's own description, because editors show that of properties.
fn describe_choices(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            let description = entries.get("description").cloned();
            if let (Some(description), Some(Value::Object(properties))) = (description, entries.get_mut("properties"))
                && properties.len() == 1
            {
                for property in properties.values_mut().filter_map(Value::as_object_mut) {
                    if let Some(reference) = property.remove("$ref") {
                        // Draft 7 ignores what stands beside a reference.
                        property.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
                    }
                    property.entry("description").or_insert_with(|| description.clone());
                }
            }
            entries.values_mut().for_each(describe_choices);
        }
        Value::Array(items) => items.iter_mut().for_each(describe_choices),
        _ => {}
    }
}
