//! The operations of a document: what may be asked, and what is answered.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ContractError;
use super::schema::{Schema, Schemas};
use crate::http::transport::Method;

/// A method on a path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    /// The path with its parameters in braces.
    pub(super) path: String,
    pub(super) query: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// By status; `None` where the document does not say what the body is.
    pub(super) answers: BTreeMap<u16, Option<Schema>>,
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) required: bool,
    pub(super) schema: Schema,
}

/// A parameter in the query.
#[derive(Debug)]
pub(super) struct Parameter {
    /// It may end in `{key}`, which stands for anything.
    pub(super) name: String,
    pub(super) required: bool,
    kind: String,
    values: Vec<String>,
}

impl Operation {
    pub(super) fn is(&self, method: Method, path: &str) -> bool {
        self.method == method && self.path == path
    }
}

impl Parameter {
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self.name.strip_suffix("{key}") {
            Some(prefix) => name.strip_prefix(prefix).is_some_and(|key| !key.is_empty()),
            None => self.name == name,
        }
    }

    /// What is wrong with a value, if anything is.
    pub(super) fn objection(&self, value: &str) -> Option<String> {
        let fits = match self.kind.as_str() {
            "integer" => value.parse::<i64>().is_ok(),
            "boolean" => matches!(value, "true" | "false"),
            _ => true,
        };
        if !fits {
            return Some(format!("is not of type {}", self.kind));
        }
        // Several values of an enumeration are separated by commas.
        let known = |part: &str| self.values.iter().any(|value| value == part);
        (!self.values.is_empty() && !value.split(',').all(known))
            .then(|| format!("is not one of {}", self.values.join(", ")))
    }
}

/// Whether `path` is one that the template stands for.
pub(super) fn matches(template: &str, path: &str) -> bool {
    let mut wanted = template.split('/');
    let mut given = path.split('/');
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("**"), _) => return true,
            (Some(wanted), Some(given)) if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
            _ => return false,
        }
    }
}

/// All operations of the document, whose paths are below `prefix`.
pub(super) fn operations(document: &Value, schemas: &Schemas, prefix: &str) -> Result<Vec<Operation>, ContractError> {
    let paths = document.get("paths").and_then(Value::as_object).ok_or_else(|| unsupported("/paths", "no paths"))?;
    let mut found = Vec::new();
    for (path, item) in paths {
        let shared = parameters(document, item);
        for (name, description) in item.as_object().into_iter().flatten().filter(|(name, _)| *name != "parameters") {
            let pointer = format!("/paths{path}/{name}");
            let method = method(name).ok_or_else(|| unsupported(&pointer, "not a method"))?;
            let mut operation = operation(document, method, description, &pointer, schemas)?;
            operation.path = format!("{prefix}{path}");
            operation.query.extend(shared.iter().filter(|one| is_in_query(one)).map(|one| parameter(one)));
            found.push(operation);
        }
    }
    Ok(found)
}

/// What `value` stands for, if it only names something else in the document.
fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let named = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    named.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

/// The parameters of a path or of an operation.
fn parameters<'d>(document: &'d Value, description: &'d Value) -> Vec<&'d Value> {
    let named = description.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    named.iter().map(|parameter| resolve(document, parameter)).collect()
}

fn is_in_query(parameter: &Value) -> bool {
    parameter.get("in").is_some_and(|place| place == "query")
}

fn operation(
    document: &Value,
    method: Method,
    description: &Value,
    pointer: &str,
    schemas: &Schemas,
) -> Result<Operation, ContractError> {
    let in_query = parameters(document, description).into_iter().filter(|parameter| is_in_query(parameter));
    let body = match description.get("requestBody") {
        None => None,
        Some(body) => {
            let schema = content(body, &format!("{pointer}/requestBody"), schemas)?;
            let required = body.get("required").and_then(Value::as_bool).unwrap_or(false);
            schema.map(|schema| Body { required, schema })
        }
    };
    let mut answers = BTreeMap::new();
    let responses = description.get("responses").and_then(Value::as_object).into_iter().flatten();
    // What an answer of any other status is follows from the document as a whole.
    for (status, answer) in responses.filter(|(status, _)| *status != "default") {
        let pointer = format!("{pointer}/responses/{status}");
        let number = status.parse().map_err(|_not_a_number| unsupported(&pointer, "not a status"))?;
        answers.insert(number, content(resolve(document, answer), &pointer, schemas)?);
    }
    Ok(Operation { method, path: String::new(), query: in_query.map(parameter).collect(), body, answers })
}

fn parameter(description: &Value) -> Parameter {
    let text = |pointer: &str| description.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let values = description.pointer("/schema/enum").and_then(Value::as_array).into_iter().flatten();
    Parameter {
        name: text("/name"),
        required: description.get("required").and_then(Value::as_bool).unwrap_or(false),
        kind: text("/schema/type"),
        values: values.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

/// The schema of a body: as JSON if there is a choice.
fn content(body: &Value, pointer: &str, schemas: &Schemas) -> Result<Option<Schema>, ContractError> {
    let Some(content) = body.get("content").and_then(Value::as_object) else { return Ok(None) };
    let chosen = content.get_key_value("application/json").or_else(|| content.iter().next());
    let Some((kind, schema)) = chosen.and_then(|(kind, media)| Some((kind, media.get("schema")?))) else {
        return Ok(None);
    };
    Schema::of(schema, &format!("{pointer}/content/{kind}"), Some(schemas)).map(Some)
}

fn method(name: &str) -> Option<Method> {
    Some(match name {
        "get" => Method::Get,
        "post" => Method::Post,
        "put" => Method::Put,
        "patch" => Method::Patch,
        "delete" => Method::Delete,
        _ => return None,
    })
}

pub(super) fn unsupported(pointer: &str, reason: &str) -> ContractError {
    ContractError::Unsupported { pointer: pointer.to_owned(), reason: reason.to_owned() }
}
