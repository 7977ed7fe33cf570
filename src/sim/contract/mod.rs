//! Holds requests and answers against the OpenAPI documents that Fly and others publish.
//!
//! ```text
//! document ─> Contract: routes (method, path, query, body, answers) and schemas
//! exchange ─> check ─> violations: where, and why
//! ```
//!
//! The document is not part of this program: it is read from a file. Where the real platform is known to differ from it, `deviations`
//! says so, one line for each difference with its reason; everything else counts. What a server refuses as invalid may be invalid.

mod deviations;
mod document;
mod published;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::Simulator;
use super::vercel;
use super::watch::{Exchange, Watcher};
use crate::http::transport::Method;
use deviations::{ANSWERS, BODILESS, PROPERTIES, QUERIES, UNDOCUMENTED};
use document::{Operation, Parameter};
use published::Published;
use schema::{Schema, Schemas};

/// The name of the file in the folder that [`folder`] names.
pub const FILE: &str = "fly-machines-openapi.json";

/// The environment variable that names the folder with the document.
pub const VARIABLE: &str = "HANGAR_OPENAPI_DIR";

/// The folder with the document: the one that [`VARIABLE`] names, or in a debug build the one beside this repository, if it is there.
pub fn folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        return Some(PathBuf::from(folder));
    }
    if !cfg!(debug_assertions) {
        return None;
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/reference");
    beside.join(FILE).is_file().then_some(beside)
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// The file cannot be read.
    #[error("`{path}` cannot be read: {source}; {VARIABLE} names the folder with the OpenAPI document of the Machines API", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("`{path}` is not a YAML document: {reason}", path = path.display())]
    Yaml {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file is not JSON.
    #[error("`{path}` is not a JSON document: {source}", path = path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// It says something that this checker does not understand: better to stop than to let it pass unchecked.
    #[error("the OpenAPI document cannot be used: {reason} at `{pointer}`")]
    Unsupported {
        /// Where.
        pointer: String,
        /// What.
        reason: String,
    },
}

/// The part of an exchange that breaks the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The path or the method.
    Path,
    /// The query.
    Query,
    /// What was sent.
    Request,
    /// What was answered.
    Answer,
}

/// One way in which an exchange differs from the document. It never holds a value that was sent or answered, for that may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Method and path as they were sent.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// Which part is wrong.
    pub part: Part,
    /// Where in it: a JSON pointer, or the name of a query parameter.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = match self.part {
            Part::Path => "path",
            Part::Query => "query",
            Part::Request => "request",
            Part::Answer => "answer",
        };
        write!(f, "{} ({}): {part} `{}`: {}", self.request, self.status, self.pointer, self.reason)
    }
}

/// A document, ready to check exchanges against.
#[derive(Debug)]
pub struct Contract {
    operations: Vec<Operation>,
    schemas: Schemas,
    /// The schema of every error, if there is one for all of them.
    error: Option<&'static str>,
    /// Documents of other APIs, each for the paths with its prefix.
    others: Vec<Published>,
}

impl Contract {
    /// Reads [`FILE`] in `folder`.
    ///
    /// # Errors
    ///
    /// [`ContractError`] if it is not there, or if it is not a document that can be checked against.
    pub fn read(folder: &Path) -> Result<Self, ContractError> {
        let path = folder.join(FILE);
        let text =
            std::fs::read_to_string(&path).map_err(|source| ContractError::Read { path: path.clone(), source })?;
        let document: Value = serde_json::from_str(&text).map_err(|source| ContractError::Json { path, source })?;
        Ok(Self { others: Published::in_folder(folder), ..Self::of(&document)? })
    }

    /// Takes a document as it is.
    ///
    /// # Errors
    ///
    /// [`ContractError::Unsupported`] if it uses what this checker does not know.
    pub fn of(document: &Value) -> Result<Self, ContractError> {
        let schemas = Schemas::of(document)?;
        let operations = document::operations(document, &schemas, "")?;
        Ok(Self { operations, schemas, error: None, others: Vec::new() })
    }

    /// The operations that the document describes.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the document describes nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// What the platform is known to do differently from the document: where, and how that is known.
    pub fn deviations() -> Vec<(String, &'static str)> {
        let properties = PROPERTIES.iter().map(|known| (format!("{}/{}", known.schema, known.name), known.source));
        let queries = QUERIES.iter().map(|(method, path, name, source)| (method, format!("{path}?{name}"), *source));
        let bodies = BODILESS.iter().map(|(method, path, source)| (method, (*path).to_owned(), *source));
        let answers =
            ANSWERS.iter().map(|known| (&known.method, format!("{} {}", known.path, known.status), known.source));
        let requests = queries.chain(bodies).chain(answers);
        let requests = requests.map(|(method, place, source)| (format!("{} {place}", method.as_str()), source));
        let paths = UNDOCUMENTED.iter().map(|(path, source)| ((*path).to_owned(), *source));
        properties.chain(requests).chain(paths).collect()
    }

    /// Everything in which `exchange` differs from the document that serves its path. Other paths, and Vercel's, are not covered
    /// by any.
    pub fn check(&self, exchange: &Exchange) -> Vec<Violation> {
        if let Some(other) = self.others.iter().find(|other| other.serves(&exchange.path)) {
            return other.check(exchange);
        }
        // Some paths below `/v1` are another platform's.
        let is_elsewhere = super::supabase::has_path(&exchange.path) || vercel::is_its_path(&exchange.path);
        if !exchange.path.starts_with("/v1/") || is_elsewhere {
            return Vec::new();
        }
        self.check_own(exchange)
    }

    fn check_own(&self, exchange: &Exchange) -> Vec<Violation> {
        let mut findings = Findings { exchange, found: Vec::new() };
        let Some(operation) = self.find(exchange.method, &exchange.path) else {
            let known = UNDOCUMENTED.iter().any(|(path, _)| document::matches(path, &exchange.path));
            if exchange.status < 400 && !known {
                findings.add(Part::Path, "", "the document does not have this method and path");
            }
            return findings.found;
        };
        // What is not simulated says so, and looks at nothing.
        if exchange.status == 501 {
            return findings.found;
        }
        // A server that refuses a request as invalid says itself what is wrong with it.
        if !matches!(exchange.status, 400 | 422) {
            check_query(operation, &mut findings);
            self.check_request(operation, &mut findings);
        }
        self.check_answer(operation, &mut findings);
        findings.found
    }

    /// The operation of a path: literal segments win over parameters.
    fn find(&self, method: Method, path: &str) -> Option<&Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.method == method && document::matches(&operation.path, path))
            .min_by_key(|operation| operation.path.matches('{').count())
    }

    fn check_request(&self, operation: &Operation, findings: &mut Findings<'_>) {
        let sent = findings.exchange.request.trim_ascii();
        let Some(body) = &operation.body else {
            if !matches!(sent, b"" | b"null" | b"{}") {
                findings.add(Part::Request, "", "the document has no body for this request");
            }
            return;
        };
        if matches!(sent, b"" | b"null") {
            let excused = BODILESS.iter().any(|(method, path, _)| operation.is(*method, path));
            if body.required && !excused {
                findings.add(Part::Request, "", "a body is required");
            }
            return;
        }
        match serde_json::from_slice::<Value>(sent) {
            Ok(value) => self.schemas.check(&body.schema, &value, &mut |pointer, reason| {
                findings.add(Part::Request, pointer, reason);
            }),
            Err(_not_json) => findings.add(Part::Request, "", "the body is not JSON"),
        }
    }

    fn check_answer(&self, operation: &Operation, findings: &mut Findings<'_>) {
        let (status, reply) = (findings.exchange.status, findings.exchange.reply.as_ref());
        if status >= 400 {
            let Some(reply) = reply else { return findings.add(Part::Answer, "", "an error without a body") };
            if let Some(name) = self.error {
                let schema = Schema::reference(name);
                self.schemas.check(&schema, reply, &mut |pointer, reason| findings.add(Part::Answer, pointer, reason));
                return;
            }
            let schema = match operation.path.starts_with("/v1/postgres") {
                true => Schema::reference("PostgresErrorResponse"),
                false if reply.get("code").is_some() => deviations::conflict(),
                false => Schema::reference("ErrorResponse"),
            };
            self.schemas.check(&schema, reply, &mut |pointer, reason| findings.add(Part::Answer, pointer, reason));
            return;
        }
        let special = ANSWERS.iter().find(|answer| operation.is(answer.method, answer.path) && answer.status == status);
        let documented = operation.answers.get(&status);
        if documented.is_none() && special.is_none() {
            findings.add(Part::Answer, "", &format!("the document does not have the status {status} here"));
            return;
        }
        if matches!(status, 202 | 204) {
            if reply.is_some() {
                findings.add(Part::Answer, "", &format!("a body with the status {status}"));
            }
            return;
        }
        let schema = special.map(|answer| answer.shape.schema()).or_else(|| documented.cloned().flatten());
        match (schema, reply) {
            (None, _) => {}
            (Some(schema), Some(reply)) => self.schemas.check(&schema, reply, &mut |pointer, reason| {
                findings.add(Part::Answer, pointer, reason);
            }),
            (Some(_), None) => findings.add(Part::Answer, "", "a body is required"),
        }
    }
}

fn check_query(operation: &Operation, findings: &mut Findings<'_>) {
    let sent: Vec<(String, String)> =
        url::form_urlencoded::parse(findings.exchange.query.as_bytes()).into_owned().collect();
    for (name, value) in &sent {
        if let Some(parameter) = operation.query.iter().find(|parameter| parameter.is_named(name)) {
            if let Some(reason) = parameter.objection(value) {
                findings.add(Part::Query, name, &reason);
            }
        } else if !QUERIES.iter().any(|(method, path, known, _)| operation.is(*method, path) && known == name) {
            findings.add(Part::Query, name, "the document does not have this parameter here");
        }
    }
    let missing = operation.query.iter().filter(|parameter| parameter.required);
    let missing: Vec<&Parameter> = missing.filter(|known| !sent.iter().any(|(name, _)| known.is_named(name))).collect();
    for parameter in missing {
        findings.add(Part::Query, &parameter.name, "a required parameter is missing");
    }
}

/// What was found about one exchange.
#[derive(Debug)]
struct Findings<'e> {
    exchange: &'e Exchange,
    found: Vec<Violation>,
}

impl Findings<'_> {
    fn add(&mut self, part: Part, pointer: &str, reason: &str) {
        self.found.push(Violation {
            request: format!("{} {}", self.exchange.method.as_str(), self.exchange.path),
            status: self.exchange.status,
            part,
            pointer: pointer.to_owned(),
            reason: reason.to_owned(),
        });
    }
}

/// Logs what differs from the document, for those who try their own client against the simulator.
#[derive(Debug)]
pub struct Reporter {
    contract: Arc<Contract>,
}

impl Reporter {
    /// Checks against `contract`.
    pub const fn new(contract: Arc<Contract>) -> Self {
        Self { contract }
    }
}

impl Watcher for Reporter {
    fn seen(&self, _simulator: &Simulator, exchange: &Exchange) {
        for violation in self.contract.check(exchange) {
            tracing::warn!("differs from the OpenAPI document: {violation}");
        }
    }
}

#[cfg(test)]
mod tests;
