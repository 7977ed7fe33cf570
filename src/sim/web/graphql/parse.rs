//! Reads GraphQL documents: operations, fragments, arguments, variables.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Deeper documents are refused: nobody sends them, and reading them must not exhaust the stack.
pub(super) const DEPTH: usize = 32;

/// A document.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Document {
    pub(super) operations: Vec<Operation>,
    /// By name: the type that they are on, and what they select.
    pub(super) fragments: BTreeMap<String, (String, Vec<Selection>)>,
}

/// A query, a mutation or a subscription.
#[derive(Debug, PartialEq)]
pub(super) struct Operation {
    pub(super) kind: String,
    pub(super) name: Option<String>,
    /// Variables and their defaults.
    pub(super) variables: Vec<(String, Option<Argument>)>,
    pub(super) selection: Vec<Selection>,
}

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Selection {
    /// A field.
    Field { alias: Option<String>, name: String, arguments: Vec<(String, Argument)>, selection: Vec<Self> },
    /// `...Name`
    Spread(String),
    /// `... on Type {}`
    Inline { on: Option<String>, selection: Vec<Self> },
}

/// The value of an argument.
#[derive(Debug, PartialEq)]
pub(super) enum Argument {
    Variable(String),
    /// A number, a text, a boolean, null; an enumerator as text.
    Scalar(Value),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Argument {
    /// The value, with variables put in. A variable without a value is null.
    pub(super) fn value(&self, variables: &Map<String, Value>) -> Value {
        match self {
            Self::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
            Self::Scalar(value) => value.clone(),
            Self::List(list) => list.iter().map(|one| one.value(variables)).collect(),
            Self::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value.value(variables))).collect(),
        }
    }
}

/// Reads a document, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let mut parser = Parser { tokens: tokens(text)?, place: 0, depth: 0 };
    let mut document = Document::default();
    while let Some(token) = parser.peek() {
        match token.clone() {
            Token::Sign('{') => {
                let selection = parser.selection()?;
                let kind = "query".to_owned();
                document.operations.push(Operation { kind, name: None, variables: Vec::new(), selection });
            }
            Token::Name(word) if word == "fragment" => {
                parser.next();
                let name = parser.name()?;
                parser.word("on")?;
                let on = parser.name()?;
                let selection = parser.selection()?;
                document.fragments.insert(name, (on, selection));
            }
            Token::Name(kind) if matches!(kind.as_str(), "query" | "mutation" | "subscription") => {
                parser.next();
                let name = matches!(parser.peek(), Some(Token::Name(_))).then(|| parser.name()).transpose()?;
                let variables = parser.variables()?;
                let selection = parser.selection()?;
                document.operations.push(Operation { kind, name, variables, selection });
            }
            other => return Err(other.unexpected()),
        }
    }
    if document.operations.is_empty() { Err("there is no operation".to_owned()) } else { Ok(document) }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Scalar(Value),
    /// Punctuation; `…` stands for three dots.
    Sign(char),
}

impl Token {
    fn unexpected(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}` is unexpected"),
            Self::Scalar(value) => format!("`{value}` is unexpected"),
            Self::Sign(sign) => format!("`{sign}` is unexpected"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut skip = first.len_utf8();
        match first {
            ' ' | '\t' | '\r' | '\n' | ',' | '\u{feff}' => {}
            '#' => skip = rest.find('\n').unwrap_or(rest.len()),
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '$' | '!' | '=' | '@' => tokens.push(Token::Sign(first)),
            '.' if rest.starts_with("...") => {
                tokens.push(Token::Sign('…'));
                skip = 3;
            }
            '"' => {
                let (value, length) = quoted(rest)?;
                tokens.push(Token::Scalar(Value::from(value)));
                skip = length;
            }
            '-' | '0'..='9' => {
                skip = rest.find(|c: char| !matches!(c, '-' | '+' | '.' | 'e' | 'E' | '0'..='9')).unwrap_or(rest.len());
                let number = rest.get(..skip).unwrap_or_default();
                let value: Value =
                    serde_json::from_str(number).map_err(|_not_one| format!("`{number}` is no number"))?;
                tokens.push(Token::Scalar(value));
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                skip = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Name(rest.get(..skip).unwrap_or_default().to_owned()));
            }
            other => return Err(format!("`{other}` is unexpected")),
        }
        rest = rest.get(skip..).unwrap_or_default();
    }
    Ok(tokens)
}

/// A text in quotes, and how long it is with them. Its escapes are those of JSON.
fn quoted(text: &str) -> Result<(String, usize), String> {
    const OPEN: &str = "a text has no end";
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let (inner, _) = block.split_once("\"\"\"").ok_or(OPEN)?;
        return Ok((inner.to_owned(), inner.len().saturating_add(6)));
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    let length = end.map(|(place, _)| place.saturating_add(1)).ok_or(OPEN)?;
    let quoted = text.get(..length).unwrap_or_default();
    let value = serde_json::from_str(quoted).map_err(|error| format!("a text is not valid: {error}"))?;
    Ok((value, length))
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.place)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.place).cloned();
        self.place = self.place.saturating_add(1);
        token
    }

    fn expect(&mut self) -> Result<Token, String> {
        self.next().ok_or_else(|| "the document ends too early".to_owned())
    }

    /// Whether the next token is this sign; then it is taken.
    fn takes(&mut self, sign: char) -> bool {
        let is_it = self.peek() == Some(&Token::Sign(sign));
        if is_it {
            self.place = self.place.saturating_add(1);
        }
        is_it
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        match self.expect()? {
            Token::Sign(found) if found == sign => Ok(()),
            other => Err(format!("{}, `{sign}` should be there", other.unexpected())),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.expect()? {
            Token::Name(name) => Ok(name),
            other => Err(format!("{}, a name should be there", other.unexpected())),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        let name = self.name()?;
        if name == word { Ok(()) } else { Err(format!("`{name}` is unexpected, `{word}` should be there")) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth >= DEPTH {
            return Err(format!("the document is more than {DEPTH} levels deep"));
        }
        self.depth = self.depth.saturating_add(1);
        let read = read(self);
        self.depth = self.depth.saturating_sub(1);
        read
    }

    /// `($name: Type! = default, …)`
    fn variables(&mut self) -> Result<Vec<(String, Option<Argument>)>, String> {
        let mut variables = Vec::new();
        if !self.takes('(') {
            return Ok(variables);
        }
        while !self.takes(')') {
            self.sign('$')?;
            let name = self.name()?;
            self.sign(':')?;
            self.deeper(Self::variable_type)?;
            let default = if self.takes('=') { Some(self.deeper(Self::argument)?) } else { None };
            variables.push((name, default));
        }
        Ok(variables)
    }

    /// Types are not checked.
    fn variable_type(&mut self) -> Result<(), String> {
        if self.takes('[') {
            self.deeper(Self::variable_type)?;
            self.sign(']')?;
        } else {
            self.name()?;
        }
        self.takes('!');
        Ok(())
    }

    fn selection(&mut self) -> Result<Vec<Selection>, String> {
        self.deeper(|parser| {
            parser.sign('{')?;
            let mut selection = Vec::new();
            while !parser.takes('}') {
                selection.push(parser.selected()?);
            }
            Ok(selection)
        })
    }

    fn selected(&mut self) -> Result<Selection, String> {
        if self.takes('…') {
            return match self.peek() {
                Some(Token::Name(name)) if name != "on" => Ok(Selection::Spread(self.name()?)),
                Some(Token::Name(_)) => {
                    self.word("on")?;
                    Ok(Selection::Inline { on: Some(self.name()?), selection: self.selection()? })
                }
                _ => Ok(Selection::Inline { on: None, selection: self.selection()? }),
            };
        }
        let first = self.name()?;
        let (alias, name) = if self.takes(':') { (Some(first), self.name()?) } else { (None, first) };
        let arguments = self.arguments()?;
        let has_more = self.peek() == Some(&Token::Sign('{'));
        let selection = if has_more { self.selection()? } else { Vec::new() };
        Ok(Selection::Field { alias, name, arguments, selection })
    }

    fn arguments(&mut self) -> Result<Vec<(String, Argument)>, String> {
        if !self.takes('(') {
            return Ok(Vec::new());
        }
        self.fields(')')
    }

    /// `name: value` up to a closing sign.
    fn fields(&mut self, end: char) -> Result<Vec<(String, Argument)>, String> {
        let mut fields = Vec::new();
        while !self.takes(end) {
            let name = self.name()?;
            self.sign(':')?;
            fields.push((name, self.deeper(Self::argument)?));
        }
        Ok(fields)
    }

    fn argument(&mut self) -> Result<Argument, String> {
        Ok(match self.expect()? {
            Token::Sign('$') => Argument::Variable(self.name()?),
            Token::Sign('[') => {
                let mut list = Vec::new();
                while !self.takes(']') {
                    list.push(self.deeper(Self::argument)?);
                }
                Argument::List(list)
            }
            Token::Sign('{') => Argument::Object(self.fields('}')?),
            Token::Scalar(value) => Argument::Scalar(value),
            Token::Name(name) => Argument::Scalar(match name.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::from(name),
            }),
            other @ Token::Sign(_) => return Err(other.unexpected()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_clients_write_is_read() {
        let text = r#"
            # a comment
            query Named($name: String!, $first: Int = 5, $tags: [String!]) {
              it: app(name: $name, kind: CONTAINER, at: {a: [1, -2.5], b: "\"x\n"}) { id ...Data ... on App { name } }
            }
            fragment Data on App { organization { slug } }
        "#;
        let document = parse(text).unwrap();
        let operation = &document.operations[0];
        assert_eq!((operation.kind.as_str(), operation.name.as_deref()), ("query", Some("Named")));
        let variables: Vec<&str> = operation.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(variables, ["name", "first", "tags"]);
        let Selection::Field { alias, name, arguments, selection } = &operation.selection[0] else { panic!() };
        assert_eq!((alias.as_deref(), name.as_str(), selection.len()), (Some("it"), "app", 3));
        let known = Map::from_iter([("name".to_owned(), Value::from("demo"))]);
        let values: Vec<String> = arguments.iter().map(|(_, value)| value.value(&known).to_string()).collect();
        assert_eq!(values, [r#""demo""#, r#""CONTAINER""#, r#"{"a":[1,-2.5],"b":"\"x\n"}"#]);
        assert_eq!(document.fragments["Data"].0, "App");
        assert_eq!(parse("{ a }").unwrap().operations[0].kind, "query");
    }

    #[test]
    fn nonsense_is_refused_and_never_panics() {
        for (text, complaint) in [
            ("", "there is no operation"),
            ("query {", "the document ends too early"),
            ("query ($a String) { b }", "`String` is unexpected, `:` should be there"),
            ("{ a(b: \"c) }", "a text has no end"),
            ("{ a(b: \"\"\"c) }", "a text has no end"),
            ("{ a(b: 1-2) }", "`1-2` is no number"),
            ("{ a ? }", "`?` is unexpected"),
            ("{ a @include(if: true) }", "`@` is unexpected, a name should be there"),
        ] {
            assert_eq!(parse(text).unwrap_err(), complaint, "{text}");
        }
        let deep = format!("{}{}", "{ a ".repeat(200_000), "}".repeat(200_000));
        assert_eq!(parse(&deep).unwrap_err(), "the document is more than 32 levels deep");
        let deep = format!("{{ a(b: {}", "[".repeat(200_000));
        assert_eq!(parse(&deep).unwrap_err(), "the document is more than 32 levels deep");
    }
}
