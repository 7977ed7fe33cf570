//! From a tree of values to typed specs, with every problem and not only the first.
//!
//! Serde stops at its first error. So each attempt reports one wrong value and all unknown fields on its way; the wrong value is
//! then hidden, something stands in for a required field that is missing, and the next attempt finds the next problem:
//!
//! ```text
//! tree ──> attempt ──> T                               (done)
//!   ^         │
//!   └─ hide ──┴──> problem at a JSON pointer           (again)
//!      or stand in
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use super::finding::{Finding, did_you_mean};
use super::positions::child;
use super::problem::{Absent, Found, Problem, list, unexpected};
use super::standin::{Refused, StandIns};
use super::text::TEXT_MARKER;
use super::tree::{Entry, Node, Shape};

/// More problems of one document are not reported at once.
const MAX_ATTEMPTS: usize = 200;

/// What a tree became.
#[derive(Debug)]
pub(super) struct Typed<T> {
    /// The typed value without what was wrong, if that is possible at all.
    pub(super) value: Option<T>,
    /// All problems.
    pub(super) findings: Vec<Finding>,
    /// Values that were wrong, and required fields that are missing.
    pub(super) broken: BTreeSet<String>,
    /// Fields that are missing where they may be, and for which something stands in.
    pub(super) made_up: BTreeSet<String>,
    /// Items of lists that were left out because they are wrong.
    pub(super) left_out: BTreeSet<String>,
}

/// What to pass over on the way.
#[derive(Debug, Default)]
pub(super) struct Lenience<'a> {
    /// Pointers of values that count as absent.
    pub(super) hidden: BTreeSet<String>,
    /// Pointers of values whose required fields may be missing, because they are laid over something that has them.
    pub(super) partial: &'a [String],
}

impl Lenience<'_> {
    fn allows_missing(&self, pointer: &str) -> bool {
        let is_within = |base: &String| pointer.strip_prefix(base.as_str()).is_some_and(|rest| rest.starts_with('/'));
        self.partial.iter().any(is_within)
    }
}

/// Reads a typed value.
pub(super) fn read<T: DeserializeOwned>(root: &Node, mut lenience: Lenience<'_>) -> Typed<T> {
    let findings = RefCell::new(BTreeMap::new());
    let left_out = RefCell::new(BTreeSet::new());
    let mut stand_ins = StandIns::default();
    let (mut broken, mut made_up) = (BTreeSet::new(), BTreeSet::new());
    let mut value = None;
    for _ in 0..MAX_ATTEMPTS {
        let run =
            Run { hidden: &lenience.hidden, findings: &findings, left_out: &left_out, stand_ins: stand_ins.entries() };
        let problem = match T::deserialize(Reader { node: root, pointer: String::new(), run: &run }) {
            Ok(read) => {
                value = Some(read);
                break;
            }
            Err(problem) => problem,
        };
        let pointer = problem.pointer.clone().unwrap_or_default();
        match stand_ins.refuse(&pointer, problem.absent) {
            Some(Refused::NextTried) => continue,
            // The value that lacks the field is then as good as absent.
            Some(Refused::NothingFits { parent }) if !parent.is_empty() && lenience.hidden.insert(parent.clone()) => {
                let affected = if lenience.allows_missing(&parent) { &mut made_up } else { &mut broken };
                affected.insert(parent);
                continue;
            }
            Some(Refused::NothingFits { .. }) => break,
            None => {}
        }
        let missing = match problem.absent {
            Some(Absent::Field(field)) => Some(field),
            _ => None,
        };
        let may_be_missing = missing.is_some() && lenience.allows_missing(&pointer);
        let is_known = stand_ins.covers(&pointer)
            || may_be_missing
            || problem.follows_from(&pointer, &lenience.hidden, &findings.borrow());
        if !is_known {
            let finding = Finding::error(&pointer, problem.message).maybe_help(problem.help);
            let finding = finding.relies_on(missing.map(|field| child(&pointer, field)));
            findings.borrow_mut().insert((pointer.clone(), false), finding);
        }
        let affected = if may_be_missing { &mut made_up } else { &mut broken };
        match missing {
            Some(field) if stand_ins.add(&pointer, field) => {
                affected.insert(child(&pointer, field));
            }
            _ if !pointer.is_empty() && lenience.hidden.insert(pointer.clone()) => {
                affected.insert(pointer);
            }
            _ => break,
        }
    }
    Typed {
        value,
        findings: findings.into_inner().into_values().collect(),
        broken,
        made_up,
        left_out: left_out.into_inner(),
    }
}

struct Run<'a> {
    hidden: &'a BTreeSet<String>,
    findings: &'a RefCell<Found>,
    left_out: &'a RefCell<BTreeSet<String>>,
    /// What stands in for missing fields, by the pointer of the map that lacks them.
    stand_ins: &'a BTreeMap<String, Vec<Entry>>,
}

/// One value on the way into a type.
#[derive(Clone)]
struct Reader<'a> {
    node: &'a Node,
    pointer: String,
    run: &'a Run<'a>,
}

impl<'a> Reader<'a> {
    fn child(&self, key: &str, node: &'a Node) -> Self {
        Self { node, pointer: child(&self.pointer, key), run: self.run }
    }

    fn place<T>(&self, result: Result<T, Problem>) -> Result<T, Problem> {
        result.map_err(|problem| problem.at(&self.pointer))
    }

    /// The entries that count: not hidden, of duplicates the last, and without those that are null where null means absent.
    fn entries(&self, entries: &'a [Entry], null_is_absent: bool) -> Vec<(&'a Entry, Reader<'a>)> {
        let mut last: indexmap::IndexMap<&str, &'a Entry> = indexmap::IndexMap::new();
        for entry in entries {
            last.insert(&entry.key, entry);
        }
        last.into_values()
            .filter(|entry| !(null_is_absent && entry.value.shape == Shape::Null))
            .map(|entry| (entry, self.child(&entry.key, &entry.value)))
            .filter(|(_, reader)| !self.run.hidden.contains(&reader.pointer))
            .collect()
    }

    fn report_unknown(&self, key: &str, fields: &[&str]) {
        let pointer = child(&self.pointer, key);
        let finding = Finding::error(&pointer, format!("unknown field `{key}`"))
            .at_key()
            .maybe_help(did_you_mean(key, fields.iter().copied()));
        self.run.findings.borrow_mut().insert((pointer, true), finding);
    }

    fn map<V: Visitor<'a>>(&self, entries: Vec<(&'a Entry, Reader<'a>)>, visitor: V) -> Result<V::Value, Problem> {
        let mut access = Entries { entries: entries.into_iter(), value: None };
        self.place(visitor.visit_map(&mut access))
    }

    fn number<V: Visitor<'a>>(
        &self,
        number: &serde_json::Number,
        written: &str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if written.len() > 1 && written.starts_with('0') && written.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = written.trim_start_matches('0');
            let problem = Problem::new(format!("`{written}` may be octal or decimal"));
            return Err(problem.with_help(format!("write `0o{digits}`, or `{digits}`")).at(&self.pointer));
        }
        let result = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => visitor.visit_u64(value),
            (_, Some(value), _) => visitor.visit_i64(value),
            (.., Some(value)) => visitor.visit_f64(value),
            _ => Err(de::Error::custom("the number is out of range")),
        };
        self.place(result)
    }
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.shape {
            Shape::Null => self.place(visitor.visit_unit()),
            Shape::Bool(value) => self.place(visitor.visit_bool(*value)),
            Shape::Number(number, written) => self.number(number, written, visitor),
            Shape::Text(text) => self.place(visitor.visit_str(text)),
            Shape::List(items) => {
                let mut access = Items { parent: &self, items: items.iter().enumerate() };
                self.place(visitor.visit_seq(&mut access))
            }
            Shape::Map(entries) => self.map(self.entries(entries, false), visitor),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.node.shape {
            Shape::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.shape {
            Shape::Number(_, written) if name == TEXT_MARKER => self.place(visitor.visit_str(written)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let entries = match &self.node.shape {
            Shape::Map(entries) => entries,
            // Derived types would also take a list of their fields in order; nobody means that in YAML.
            Shape::List(_) => return self.place(Err(de::Error::invalid_type(Unexpected::Seq, &visitor))),
            _ => return self.deserialize_any(visitor),
        };
        let (known, unknown): (Vec<_>, Vec<_>) =
            self.entries(entries, true).into_iter().partition(|(entry, _)| fields.contains(&entry.key.as_str()));
        for (entry, _) in unknown {
            self.report_unknown(&entry.key, fields);
        }
        let stand_ins = self.run.stand_ins.get(&self.pointer).into_iter().flatten();
        let stand_ins = stand_ins.map(|entry| (entry, self.child(&entry.key, &entry.value)));
        self.map(known.into_iter().chain(stand_ins).collect(), visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.node.shape {
            Shape::Text(text) => {
                let access = Variant { name: text, variants, content: None, own: self.clone() };
                self.place(visitor.visit_enum(access))
            }
            Shape::Map(entries) => match self.entries(entries, true).as_slice() {
                [(entry, content)] => {
                    let access =
                        Variant { name: &entry.key, variants, content: Some(content.clone()), own: self.clone() };
                    self.place(visitor.visit_enum(access))
                }
                given => {
                    let found = if given.is_empty() { "none" } else { "several" };
                    let problem = Problem::new(format!("exactly one of {} is needed, found {found}", list(variants)));
                    let absent = given.is_empty().then_some(Absent::Everything);
                    Err(Problem { absent, ..problem }.at(&self.pointer))
                }
            },
            _ => self.place(Err(de::Error::invalid_type(
                unexpected(self.node),
                &format!("one of {}", list(variants)).as_str(),
            ))),
        }
    }

    serde::forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'p, 'a> {
    parent: &'p Reader<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'a> SeqAccess<'a> for &mut Items<'_, 'a> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        for (index, item) in self.items.by_ref() {
            let reader = self.parent.child(&index.to_string(), item);
            if reader.run.hidden.contains(&reader.pointer) {
                reader.run.left_out.borrow_mut().insert(reader.pointer);
                continue;
            }
            let pointer = reader.pointer.clone();
            return seed.deserialize(reader).map(Some).map_err(|problem| problem.at(&pointer));
        }
        Ok(None)
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<(&'a Entry, Reader<'a>)>,
    value: Option<Reader<'a>>,
}

impl<'a> MapAccess<'a> for &mut Entries<'a> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((entry, reader)) = self.entries.next() else {
            return Ok(None);
        };
        let pointer = reader.pointer.clone();
        self.value = Some(reader);
        let key: StrDeserializer<'a, Problem> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|problem| problem.at(&pointer))
    }

    fn next_value_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<T::Value, Problem> {
        let reader = self.value.take().ok_or_else(|| Problem::new("a value was asked for before its key"))?;
        let pointer = reader.pointer.clone();
        seed.deserialize(reader).map_err(|problem| problem.at(&pointer))
    }
}

/// A choice: a bare word, or a map with one entry.
struct Variant<'a> {
    name: &'a str,
    variants: &'static [&'static str],
    content: Option<Reader<'a>>,
    own: Reader<'a>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<(T::Value, Self), Problem> {
        let name: StrDeserializer<'a, Problem> = self.name.into_deserializer();
        Ok((self.own.place(seed.deserialize(name))?, self))
    }
}

impl<'a> Variant<'a> {
    fn content(self) -> Result<Reader<'a>, Problem> {
        let problem = Problem::new(format!("`{}` needs a value", self.name))
            .with_help(format!("write a map with one of {}", list(self.variants)));
        self.content.ok_or_else(|| problem.at(&self.own.pointer))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        match self.content {
            None => Ok(()),
            Some(content) => Err(Problem::new(format!("`{}` takes no value", self.name)).at(&content.pointer)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, Problem> {
        let content = self.content()?;
        let pointer = content.pointer.clone();
        seed.deserialize(content).map_err(|problem| problem.at(&pointer))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Result<V::Value, Problem> {
        self.content()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Problem> {
        self.content()?.deserialize_struct("", fields, visitor)
    }
}
