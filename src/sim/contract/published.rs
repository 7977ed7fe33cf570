//! Documents of other APIs than Fly's. Each is read when the first exchange with its API is seen: they are large, and most runs see none.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::document;
use super::schema::Schemas;
use super::{Contract, ContractError, Findings, Part, Violation};
use crate::sim::watch::Exchange;

/// A document, and which paths it is about.
#[derive(Debug)]
pub(super) struct Published {
    about: &'static About,
    file: PathBuf,
    contract: OnceLock<Result<Contract, ContractError>>,
}

/// What has to be known of a document beside what it says.
#[derive(Debug)]
struct About {
    /// Where it is in the folder with the documents.
    file: &'static str,
    /// What the API's paths begin with; the document leaves it out.
    prefix: &'static str,
    /// The schema of all errors.
    error: &'static str,
    /// Schemas that say more than is checked, of what is not simulated. Anything fits them.
    unread: &'static [&'static str],
}

static KNOWN: [About; 1] = [About {
    file: "openapi/neon.yaml",
    prefix: "/api/v2",
    error: "GeneralError",
    unread: &["NeonAuthEmailServerConfig"],
}];

impl Published {
    /// Those that are in `folder`.
    pub(super) fn in_folder(folder: &Path) -> Vec<Self> {
        let there = KNOWN.iter().map(|about| (about, folder.join(about.file))).filter(|(_, file)| file.is_file());
        there.map(|(about, file)| Self { about, file, contract: OnceLock::new() }).collect()
    }

    pub(super) fn serves(&self, path: &str) -> bool {
        path.strip_prefix(self.about.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(super) fn check(&self, exchange: &Exchange) -> Vec<Violation> {
        match self.contract.get_or_init(|| read(self.about, &self.file)) {
            Ok(contract) => contract.check_own(exchange),
            Err(error) => {
                let mut findings = Findings { exchange, found: Vec::new() };
                findings.add(Part::Path, "", &error.to_string());
                findings.found
            }
        }
    }
}

fn read(about: &About, file: &Path) -> Result<Contract, ContractError> {
    let path = || file.to_owned();
    let text = std::fs::read_to_string(file).map_err(|source| ContractError::Read { path: path(), source })?;
    let mut document: Value = if file.extension().is_some_and(|kind| kind == "json") {
        serde_json::from_str(&text).map_err(|source| ContractError::Json { path: path(), source })?
    } else {
        serde_saphyr::from_str(&text)
            .map_err(|error| ContractError::Yaml { path: path(), reason: error.to_string() })?
    };
    for name in about.unread {
        if let Some(schema) = document.pointer_mut(&format!("/components/schemas/{name}")) {
            *schema = json!({});
        }
    }
    let schemas = Schemas::of(&document)?;
    let operations = document::operations(&document, &schemas, about.prefix)?;
    Ok(Contract { operations, schemas, error: Some(about.error), others: Vec::new() })
}
