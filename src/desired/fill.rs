//! Fills in the expressions of a whole app.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::resolver::{Place, Resolver, app_place};
use crate::resource::output;
use crate::spec::StringList;
use crate::spec::positions::child;
use crate::template::{Segment, has_expression, parse};

/// Fields that are filled in one by one when somebody asks for them.
const ASKED_FOR: [&str; 5] = ["name", "image", "region", "secrets", "config"];
/// Fields whose string is split into words.
const COMMANDS: [&str; 3] = ["command", "entrypoint", "exec"];

impl Resolver<'_> {
    /// The fields of a component with their expressions filled in, apart from those that are asked for one by one. Problems are
    /// noted, and their texts left as they are.
    pub(super) fn fill_app(&mut self, component: &str) -> Map<String, Value> {
        let fields = self.components.get(component).map(|component| component.json.clone()).unwrap_or_default();
        fields
            .into_iter()
            .filter(|(key, _)| !ASKED_FOR.contains(&key.as_str()))
            .map(|(key, value)| {
                let filled = self.fill_value(&key, &value, &app_place(component, &key));
                (key, filled)
            })
            .collect()
    }

    fn fill_value(&mut self, key: &str, value: &Value, place: &Place) -> Value {
        let below = |key: &str| Place { pointer: child(&place.pointer, key), ..place.clone() };
        match value {
            Value::String(text) if COMMANDS.contains(&key) && has_expression(text) => {
                self.fill_command(text, place).unwrap_or_else(|| value.clone())
            }
            Value::String(text) => self.fill_plain(text, place.clone()).map_or_else(|| value.clone(), Value::String),
            Value::Array(items) => {
                let each = items.iter().enumerate();
                each.map(|(index, item)| self.fill_value("", item, &below(&index.to_string()))).collect()
            }
            Value::Object(map) => {
                map.iter().map(|(key, item)| (key.clone(), self.fill_value(key, item, &below(key)))).collect()
            }
            other => other.clone(),
        }
    }

    /// Splits a command into words before its expressions are filled in, so that no value becomes two arguments.
    fn fill_command(&mut self, text: &str, place: &Place) -> Option<Value> {
        let filled = self.fill_plain(text, place.clone())?;
        let template = parse(text).ok()?;
        let mut masked = String::new();
        let mut values = BTreeMap::new();
        for (index, segment) in template.segments.iter().enumerate() {
            match segment {
                Segment::Literal(literal) => masked.push_str(literal),
                Segment::Expression(expression) => {
                    let source = text.get(expression.span.clone())?;
                    let value = self.fill_plain(source, place.clone())?;
                    masked.push_str(&output::placeholder(&index.to_string()));
                    values.insert(index.to_string(), value.into());
                }
            }
        }
        match serde_json::from_value::<StringList>(Value::String(masked)) {
            Ok(words) => Some(words.as_slice().iter().map(|word| output::resolve_text(word, &values)).collect()),
            // The reader of the app says what is wrong with the command.
            Err(_) => Some(Value::String(filled)),
        }
    }
}
