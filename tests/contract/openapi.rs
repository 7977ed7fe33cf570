//! Exchanges held against an OpenAPI document of another platform than Fly.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hangar::sim::Exchange;
use jsonschema::Validator;
use serde_json::{Value, json};

/// A document, and what was made of it.
#[derive(Debug)]
pub(crate) struct Document {
    root: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

impl Document {
    /// Takes a document as it is.
    pub(crate) fn of(mut root: Value) -> Self {
        make_json_schema(&mut root);
        Self { root, validators: Mutex::default() }
    }

    /// Everything in which `exchange` differs, which was at `path`. The statuses `usual` are fine also where the document does not have
    /// them.
    pub(crate) fn check(&self, exchange: &Exchange, path: &str, usual: &[u16]) -> Vec<String> {
        let method = exchange.method.as_str().to_lowercase();
        let place = format!("{} {} ({})", exchange.method.as_str(), exchange.path, exchange.status);
        let Some((template, operation)) = self.operation(&method, path) else {
            return if exchange.status == 404 { Vec::new() } else { vec![format!("{place}: is not in the document")] };
        };
        let pointer = format!("#/paths/{}/{method}", template.replace('~', "~0").replace('/', "~1"));
        let mut found = Vec::new();
        // A server that refuses a request as invalid says itself what is wrong with it.
        if !matches!(exchange.status, 400 | 422) {
            found.extend(self.check_request(exchange, operation, &pointer));
        }
        found.extend(self.check_answer(exchange, operation, &pointer, usual));
        found.into_iter().map(|reason| format!("{place}: {reason}")).collect()
    }

    fn check_request(&self, exchange: &Exchange, operation: &Value, pointer: &str) -> Vec<String> {
        let mut found = Vec::new();
        let parameters: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolve(parameter)).collect();
        for (name, value) in url_pairs(&exchange.query) {
            let Some(known) = parameters.iter().find(|known| known["in"] == "query" && known["name"] == name.as_str())
            else {
                found.push(format!("the query parameter `{name}` is not in the document"));
                continue;
            };
            let values = known["schema"]["enum"].as_array();
            if values.is_some_and(|values| !values.contains(&json!(value))) {
                found.push(format!("`{name}={value}` is not one of the document's values"));
            }
        }
        let has_schema = operation.pointer("/requestBody/content/application~1json/schema").is_some();
        if has_schema && !exchange.request.is_empty() {
            let body: Value = serde_json::from_slice(&exchange.request).unwrap_or_default();
            found.extend(self.validate(&format!("{pointer}/requestBody/content/application~1json/schema"), &body));
        }
        found
    }

    fn check_answer(&self, exchange: &Exchange, operation: &Value, pointer: &str, usual: &[u16]) -> Vec<String> {
        let status = exchange.status.to_string();
        let Some(response) = operation["responses"].get(&status) else {
            return if usual.contains(&exchange.status) {
                Vec::new()
            } else {
                vec![format!("the document has no status {status} here")]
            };
        };
        let pointer = match response["$ref"].as_str() {
            Some(reference) => reference.to_owned(),
            None => format!("{pointer}/responses/{status}"),
        };
        let schema = format!("{pointer}/content/application~1json/schema");
        let is_described = self.root.pointer(schema.trim_start_matches('#')).is_some();
        match &exchange.reply {
            Some(body) if is_described => self.validate(&schema, body),
            None if is_described => vec!["the answer has no body".to_owned()],
            _ => Vec::new(),
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let paths = self.root["paths"].as_object()?;
        let fits = |template: &str| {
            let (mut wanted, mut given) = (template.split('/').peekable(), path.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    // The name of a branch or environment may contain slashes.
                    (Some(part), Some(_)) if wanted.peek().is_none() && takes_in_slashes(template, part) => {
                        return true;
                    }
                    (Some(part), Some(given)) if part.starts_with('{') || part == given => {}
                    _ => return false,
                }
            }
        };
        let fitting = paths.iter().filter(|(template, item)| item.get(method).is_some() && fits(template));
        let by_detail =
            |template: &str| (template.matches('{').count(), std::cmp::Reverse(template.split('/').count()));
        let (template, item) = fitting.min_by_key(|(template, _)| by_detail(template))?;
        Some((template, &item[method]))
    }

    fn resolve<'d>(&'d self, value: &'d Value) -> &'d Value {
        let reference = value["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
        reference.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(value)
    }

    fn validate(&self, pointer: &str, value: &Value) -> Vec<String> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = validators.entry(pointer.to_owned()).or_insert_with(|| {
            let schema = self.root.pointer(pointer.trim_start_matches('#')).unwrap();
            let schema = json!({"allOf": [schema], "components": self.root["components"]});
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        });
        validator.iter_errors(value).map(|error| format!("`{}`: {error}", error.instance_path())).collect()
    }
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decoded = |text: &str| text.replace("%3A", ":").replace("%2F", "/");
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// OpenAPI 3.0 writes some things otherwise than JSON Schema: `nullable` where that has a type.
fn make_json_schema(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(make_json_schema),
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                if name != "example" && name != "examples" {
                    make_json_schema(value);
                }
            }
            // So is a limit that is itself left out.
            if map.get("exclusiveMinimum") == Some(&Value::Bool(true)) {
                let least = map.remove("minimum").unwrap_or_default();
                map.insert("exclusiveMinimum".to_owned(), least);
            }
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
                if let Some(values) = map.get_mut("enum").and_then(Value::as_array_mut) {
                    values.push(Value::Null);
                }
                match map.get_mut("type") {
                    Some(kind) => *kind = json!([kind.take(), "null"]),
                    None => *value = json!({"anyOf": [value.take(), {"type": "null"}]}),
                }
            }
        }
        _ => {}
    }
}

/// Whether the last part of a template may stand for text with slashes: the name of a branch, a reference, or an environment.
fn takes_in_slashes(template: &str, part: &str) -> bool {
    let of_github = template.starts_with("/repos/") && ["{branch}", "{ref}", "{environment_name}"].contains(&part);
    of_github || template.ends_with("/branches/{name}")
}
