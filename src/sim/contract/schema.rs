//! The schemas of a document, as far as OpenAPI 3.0 documents of this kind use them. A property that no schema names counts as wrong.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ContractError;
use super::deviations::{Kind, PROPERTIES};
use super::document::unsupported;

/// What is only there for readers, and the forms of texts, which are not looked at.
const REMARKS: [&str; 7] = ["description", "example", "title", "default", "deprecated", "format", "pattern"];

/// The named schemas of a document.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    named: BTreeMap<String, Schema>,
}

/// What a value has to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Schema {
    /// Where deviations look it up: the name of the schema that it is part of, and the way from there.
    place: String,
    kind: Option<Kind>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    items: Option<Box<Schema>>,
    /// What properties without a name have to be.
    others: Option<Box<Schema>>,
    values: Vec<Value>,
    least: Option<f64>,
    most: Option<f64>,
    /// The fewest and the most characters, items or properties.
    shortest: Option<u64>,
    longest: Option<u64>,
    /// Whether it may be null as well.
    nullable: bool,
    /// All of these as well.
    all: Vec<Schema>,
    /// And the schema of this name.
    reference: Option<String>,
}

impl Schemas {
    pub(super) fn of(document: &Value) -> Result<Self, ContractError> {
        let mut named = BTreeMap::new();
        for (name, schema) in document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten() {
            named.insert(name.clone(), Schema::of(schema, name, None)?);
        }
        let schemas = Self { named };
        for schema in schemas.named.values() {
            schema.check_references(&schemas)?;
        }
        Ok(schemas)
    }

    /// Whether a deviation at this place can ever count.
    #[cfg(test)]
    pub(super) fn has(&self, place: &str) -> bool {
        let mut way = place.split('/');
        let mut schema = way.next().and_then(|name| self.named.get(name));
        for name in way {
            schema = schema.and_then(|schema| schema.properties.get(name));
        }
        schema.is_some()
    }

    /// Tells `objection` of everything in which `value` is not as `schema` wants it, with a JSON pointer.
    pub(super) fn check(&self, schema: &Schema, value: &Value, objection: &mut dyn FnMut(&str, &str)) {
        self.visit(schema, value, &mut String::new(), objection);
    }

    fn visit(&self, schema: &Schema, value: &Value, pointer: &mut String, objection: &mut dyn FnMut(&str, &str)) {
        let mut parts = Vec::new();
        self.flatten(schema, &mut parts);
        for part in &parts {
            if let Some(reason) = part.objection(value) {
                objection(pointer, &reason);
                return;
            }
        }
        match value {
            Value::Array(list) => {
                for (place, item) in list.iter().enumerate() {
                    for items in parts.iter().filter_map(|part| part.items.as_deref()) {
                        within(pointer, &place.to_string(), |pointer| self.visit(items, item, pointer, objection));
                    }
                }
            }
            Value::Object(map) => {
                for name in parts.iter().flat_map(|part| &part.required).filter(|name| !map.contains_key(*name)) {
                    objection(pointer, &format!("the required property `{name}` is missing"));
                }
                for (name, value) in map {
                    within(pointer, name, |pointer| self.visit_property(&parts, name, value, pointer, objection));
                }
            }
            _ => {}
        }
    }

    fn visit_property(
        &self,
        parts: &[&Schema],
        name: &str,
        value: &Value,
        pointer: &mut String,
        objection: &mut dyn FnMut(&str, &str),
    ) {
        let excused = parts.iter().any(|part| {
            PROPERTIES.iter().any(|known| {
                known.schema == part.place
                    && (known.name == name || known.name == "*")
                    && known.also.iter().any(|kind| kind.fits(value))
            })
        });
        if excused {
            return;
        }
        let mut known = false;
        for schema in parts.iter().filter_map(|part| part.properties.get(name)) {
            known = true;
            self.visit(schema, value, pointer, objection);
        }
        if known {
            return;
        }
        for schema in parts.iter().filter_map(|part| part.others.as_deref()) {
            known = true;
            self.visit(schema, value, pointer, objection);
        }
        let is_open = parts.iter().all(|part| part.properties.is_empty());
        if !known && !is_open {
            objection(pointer, "the document does not have this property");
        }
    }

    /// The schema itself, what it refers to, and what it includes.
    fn flatten<'s>(&'s self, schema: &'s Schema, parts: &mut Vec<&'s Schema>) {
        parts.push(schema);
        if let Some(named) = schema.reference.as_ref().and_then(|name| self.named.get(name)) {
            self.flatten(named, parts);
        }
        for part in &schema.all {
            self.flatten(part, parts);
        }
    }
}

impl Schema {
    /// The schema of that name.
    pub(super) fn reference(name: &str) -> Self {
        Self { reference: Some(name.to_owned()), ..Self::default() }
    }

    /// An object with these properties.
    pub(super) fn object<const N: usize>(place: &str, properties: [(&str, Self); N]) -> Self {
        Self {
            place: place.to_owned(),
            kind: Some(Kind::Object),
            required: properties.iter().map(|(name, _)| (*name).to_owned()).collect(),
            properties: properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect(),
            ..Self::default()
        }
    }

    /// Any value of this kind.
    pub(super) fn kind(kind: Kind) -> Self {
        Self { kind: Some(kind), ..Self::default() }
    }

    /// Reads a schema. `place` is where it is; with `schemas`, what it refers to has to be among them.
    pub(super) fn of(value: &Value, place: &str, schemas: Option<&Schemas>) -> Result<Self, ContractError> {
        let map = value.as_object().ok_or_else(|| unsupported(place, "a schema that is not an object"))?;
        let mut schema = Self { place: place.to_owned(), ..Self::default() };
        let at = |name: &str| format!("{place}/{name}");
        for (keyword, value) in map {
            let wrong = || unsupported(place, &format!("`{keyword}` of an unknown form"));
            match keyword.as_str() {
                "type" => schema.kind = Some(value.as_str().and_then(Kind::named).ok_or_else(wrong)?),
                "properties" => {
                    for (name, value) in value.as_object().ok_or_else(wrong)? {
                        schema.properties.insert(name.clone(), Self::of(value, &at(name), schemas)?);
                    }
                }
                "required" => {
                    let names = value.as_array().ok_or_else(wrong)?.iter();
                    schema.required = names.filter_map(Value::as_str).map(str::to_owned).collect();
                }
                "items" => schema.items = Some(Box::new(Self::of(value, &at("[]"), schemas)?)),
                "additionalProperties" if value == true => schema.others = Some(Box::default()),
                "additionalProperties" => schema.others = Some(Box::new(Self::of(value, &at("*"), schemas)?)),
                "enum" => schema.values.clone_from(value.as_array().ok_or_else(wrong)?),
                "minimum" => schema.least = Some(value.as_f64().ok_or_else(wrong)?),
                "maximum" => schema.most = Some(value.as_f64().ok_or_else(wrong)?),
                "minLength" | "minItems" | "minProperties" => schema.shortest = Some(value.as_u64().ok_or_else(wrong)?),
                "maxLength" | "maxItems" | "maxProperties" => schema.longest = Some(value.as_u64().ok_or_else(wrong)?),
                "nullable" => schema.nullable = value.as_bool().ok_or_else(wrong)?,
                "allOf" => {
                    for part in value.as_array().ok_or_else(wrong)? {
                        schema.all.push(Self::of(part, place, schemas)?);
                    }
                }
                "$ref" => {
                    let name = value.as_str().and_then(|text| text.strip_prefix("#/components/schemas/"));
                    schema.reference = Some(name.ok_or_else(wrong)?.to_owned());
                }
                remark if REMARKS.contains(&remark) || remark.starts_with("x-") => {}
                other => return Err(unsupported(place, &format!("the unknown keyword `{other}`"))),
            }
        }
        if let Some(schemas) = schemas {
            schema.check_references(schemas)?;
        }
        Ok(schema)
    }

    fn check_references(&self, schemas: &Schemas) -> Result<(), ContractError> {
        if let Some(name) = self.reference.as_ref().filter(|name| !schemas.named.contains_key(*name)) {
            return Err(unsupported(&self.place, &format!("a reference to `{name}`, which is not there")));
        }
        let mut inner =
            self.properties.values().chain(&self.all).chain(self.items.as_deref()).chain(self.others.as_deref());
        inner.try_for_each(|schema| schema.check_references(schemas))
    }

    /// What is wrong with the value itself, without what is in it.
    fn objection(&self, value: &Value) -> Option<String> {
        if self.nullable && value.is_null() {
            return None;
        }
        let length = match value {
            Value::String(text) => Some(text.chars().count()),
            Value::Array(list) => Some(list.len()),
            Value::Object(map) => Some(map.len()),
            _ => None,
        };
        let length = length.and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| {
            self.shortest.is_some_and(|least| length < least) || self.longest.is_some_and(|most| length > most)
        }) {
            return Some("is too short or too long".to_owned());
        }
        if let Some(kind) = self.kind.filter(|kind| !kind.fits(value)) {
            return Some(format!("is {}, not {}", Kind::of(value).as_str(), kind.as_str()));
        }
        if !self.values.is_empty() && !self.values.contains(value) {
            let names: Vec<String> = self.values.iter().map(Value::to_string).collect();
            return Some(format!("is not one of {}", names.join(", ")));
        }
        let number = value.as_f64()?;
        if self.least.is_some_and(|least| number < least) || self.most.is_some_and(|most| number > most) {
            return Some("is out of range".to_owned());
        }
        None
    }
}

/// Does something one level deeper in a JSON pointer.
fn within(pointer: &mut String, name: &str, act: impl FnOnce(&mut String)) {
    let before = pointer.len();
    pointer.push('/');
    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    act(pointer);
    pointer.truncate(before);
}
