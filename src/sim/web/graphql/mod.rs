//! GraphQL, as far as flyctl needs it: what it asks to list, show and deploy. Nothing can be changed through it.

mod fields;
mod parse;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::routes::{Call, Reply};
use super::super::world::World;
use fields::{Node, Source};
use parse::{Document, Operation, Selection};

#[derive(Deserialize)]
struct Body {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default, rename = "operationName")]
    operation: Option<String>,
}

/// What goes wrong comes with status 200, as an entry of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    message: String,
    code: &'static str,
    /// Where in the answer.
    path: Vec<String>,
}

impl Problem {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { message: message.into(), code, path: Vec::new() }
    }

    fn render(&self) -> Value {
        json!({"message": self.message, "path": self.path, "extensions": {"code": self.code}})
    }
}

/// Answers a request to `/graphql`.
pub(super) fn answer(world: &World, call: &Call) -> Reply {
    let body: Body = match call.body() {
        Ok(body) => body,
        Err(refusal) => return refusal.into(),
    };
    Reply::ok(match carry_out(world, call, &body) {
        Ok((data, problems)) if problems.is_empty() => json!({"data": data}),
        Ok((data, problems)) => {
            json!({"data": data, "errors": problems.iter().map(Problem::render).collect::<Vec<_>>()})
        }
        Err(problem) => json!({"errors": [problem.render()]}),
    })
}

fn carry_out(world: &World, call: &Call, body: &Body) -> Result<(Value, Vec<Problem>), Problem> {
    let document =
        parse::parse(&body.query).map_err(|text| Problem::new("parseError", format!("Parse error: {text}")))?;
    let operation = chosen(&document, body.operation.as_deref())?;
    if operation.kind != "query" {
        let text = format!("the simulator has no GraphQL {}; the Machines API can do it", operation.kind);
        return Err(Problem::new("notImplemented", text));
    }
    let mut variables = Map::new();
    for (name, default) in &operation.variables {
        let given = body.variables.as_ref().and_then(|variables| variables.get(name)).cloned();
        let value = given.or_else(|| default.as_ref().map(|default| default.value(&Map::new())));
        variables.insert(name.clone(), value.unwrap_or_default());
    }
    let mut run = Run { source: Source { world, call }, document: &document, variables, problems: Vec::new() };
    let data = run.object(&Node::Root, &operation.selection, 0)?;
    Ok((Value::Object(data), run.problems))
}

/// The operation of that name, or the only one.
fn chosen<'d>(document: &'d Document, name: Option<&str>) -> Result<&'d Operation, Problem> {
    let name = name.filter(|name| !name.is_empty());
    let mut matching =
        document.operations.iter().filter(|operation| name.is_none_or(|name| operation.name.as_deref() == Some(name)));
    match (matching.next(), matching.next()) {
        (Some(operation), None) => Ok(operation),
        (None, _) => Err(Problem::new("operationNotFound", "there is no operation of this name")),
        (Some(_), Some(_)) => Err(Problem::new("operationNotFound", "an operation name is required")),
    }
}

/// One operation being carried out.
struct Run<'w> {
    source: Source<'w>,
    document: &'w Document,
    variables: Map<String, Value>,
    problems: Vec<Problem>,
}

impl Run<'_> {
    /// What `selection` selects of an object.
    fn object(
        &mut self,
        node: &Node<'_>,
        selection: &[Selection],
        depth: usize,
    ) -> Result<Map<String, Value>, Problem> {
        let mut shown = Map::new();
        self.collect(node, selection, depth, &mut shown)?;
        Ok(shown)
    }

    fn collect(
        &mut self,
        node: &Node<'_>,
        selection: &[Selection],
        depth: usize,
        shown: &mut Map<String, Value>,
    ) -> Result<(), Problem> {
        if depth > parse::DEPTH {
            return Err(Problem::new("queryTooDeep", "the selection is too deep, or a fragment includes itself"));
        }
        let kind = node.kind();
        for selected in selection {
            match selected {
                Selection::Spread(name) => {
                    let (on, selection) = self.document.fragments.get(name).ok_or_else(|| {
                        Problem::new("useAndDefineFragment", format!("Fragment {name} is not defined"))
                    })?;
                    if on == kind {
                        self.collect(node, selection, depth.saturating_add(1), shown)?;
                    }
                }
                Selection::Inline { on, selection } => {
                    if on.as_deref().is_none_or(|on| on == kind) {
                        self.collect(node, selection, depth.saturating_add(1), shown)?;
                    }
                }
                Selection::Field { alias, name, arguments, selection } => {
                    let key = alias.as_ref().unwrap_or(name);
                    let arguments =
                        arguments.iter().map(|(name, value)| (name.clone(), value.value(&self.variables))).collect();
                    let value = match self.source.field(node, name, &arguments) {
                        Ok(found) => self.value(&found, name, selection, depth)?,
                        // What is not there is null; what cannot be asked for fails the whole operation.
                        Err(problem) if problem.code == "NOT_FOUND" => {
                            self.problems.push(Problem { path: vec![key.clone()], ..problem });
                            Value::Null
                        }
                        Err(problem) => return Err(problem),
                    };
                    merge(shown, key, value);
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, node: &Node<'_>, name: &str, selection: &[Selection], depth: usize) -> Result<Value, Problem> {
        match node {
            Node::Leaf(value) if selection.is_empty() || value.is_null() => Ok(value.clone()),
            Node::Leaf(_) => {
                Err(Problem::new("selectionMismatch", format!("Selections can't be made on scalars (field '{name}')")))
            }
            Node::List(list) => list
                .iter()
                .map(|node| self.value(node, name, selection, depth))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            _ if selection.is_empty() => {
                let text = format!("Field must have selections (field '{name}' returns {})", node.kind());
                Err(Problem::new("selectionMismatch", text))
            }
            _ => self.object(node, selection, depth.saturating_add(1)).map(Value::Object),
        }
    }
}

/// Adds a field; two selections of the same object become one.
fn merge(shown: &mut Map<String, Value>, key: &str, value: Value) {
    match (shown.get_mut(key), value) {
        (Some(Value::Object(before)), Value::Object(more)) => {
            for (key, value) in more {
                merge(before, &key, value);
            }
        }
        (_, value) => {
            shown.insert(key.to_owned(), value);
        }
    }
}
