//! What the pure side needs from the machine that it runs on, and the values of it that the rim passes in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::secret::SecretText;
use crate::spec::ParsedSpecs;
use crate::spec::secret::SecretSource;
use crate::spec::vercel::VercelVariable;

/// Values of secrets that this machine has. Only what [`needed_inputs`] names has to be in here.
#[derive(Debug, Clone, Default)]
pub struct SecretInputs {
    /// Environment variables by name; one that is not set is absent.
    pub env: BTreeMap<String, SecretText>,
    /// Contents of files by path as the spec writes it; one that cannot be read is absent.
    pub files: BTreeMap<String, SecretText>,
    /// Why files cannot be read, by path, for people.
    pub unreadable: BTreeMap<String, String>,
    /// The key that generated secrets are derived from.
    pub master_key: Option<SecretText>,
    /// Why there is none, where it is not just that none is set.
    pub master_key_problem: Option<String>,
}

/// Names of the inputs that the secrets of specs ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NeededInputs {
    /// Environment variables.
    pub env: BTreeSet<String>,
    /// Files, by path as the spec writes it.
    pub files: BTreeSet<String>,
    /// Whether a secret is generated, so that the master key is needed.
    pub master_key: bool,
}

/// What the secrets of `specs` ask for, so that nothing else has to be read.
pub fn needed_inputs(specs: &ParsedSpecs) -> NeededInputs {
    let mut needed = NeededInputs::default();
    let templates = specs.preview_sets.iter().map(|set| &set.template);
    let apps = specs.environments.iter().chain(templates).flat_map(|environment| environment.app_json.values());
    let secrets = apps.filter_map(|app| app.get("secrets")?.as_object()).flat_map(serde_json::Map::values);
    needed.add_variables(specs);
    needed.add_passwords(specs);
    for source in secrets {
        let text = |key: &str| source.get(key).and_then(Value::as_str).map(str::to_owned);
        needed.env.extend(text("fromEnv"));
        needed.files.extend(text("fromFile"));
        needed.master_key |= source.get("generate").is_some();
    }
    needed
}

impl NeededInputs {
    /// Adds what the variables of Vercel projects ask for.
    fn add_variables(&mut self, specs: &ParsedSpecs) {
        let templates = specs.preview_sets.iter().map(|set| &set.template);
        let environments = specs.environments.iter().chain(templates);
        let projects = environments
            .filter_map(|environment| environment.spec.vercel.as_ref())
            .flat_map(|vercel| vercel.projects.values());
        for variable in projects.flat_map(|project| project.env.values()) {
            if let VercelVariable::Secret(source) = variable {
                self.add(source);
            }
        }
    }

    /// Adds what the passwords of projects at Supabase ask for.
    fn add_passwords(&mut self, specs: &ParsedSpecs) {
        let templates = specs.preview_sets.iter().map(|set| &set.template);
        let environments = specs.environments.iter().chain(templates);
        let all = environments.filter_map(|environment| environment.spec.supabase.as_ref());
        for project in all.flat_map(|supabase| supabase.projects.values()) {
            self.add(&project.password);
        }
    }

    fn add(&mut self, source: &SecretSource) {
        match source {
            SecretSource::FromEnv(name) => drop(self.env.insert(name.clone())),
            SecretSource::FromFile(path) => drop(self.files.insert(path.clone())),
            SecretSource::Generate(_) => self.master_key = true,
            SecretSource::Value(_) => {}
        }
    }
}

/// Local files that specs name: a `config: fly.toml` and the contents of `files`.
pub trait Assets {
    /// The content of the file at `path`, which is relative to where the spec files' own paths are. What lies outside the specs'
    /// directory is refused. The error says why, for people.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;
}

/// Files held in memory.
impl Assets for BTreeMap<PathBuf, Vec<u8>> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self.get(path).cloned().ok_or_else(|| "there is no such file".to_owned())
    }
}

/// The path of the file that `base` calls `relative`.
pub(super) fn beside(base: &Path, relative: &str) -> Result<PathBuf, String> {
    let mut path = base.parent().map(Path::to_path_buf).unwrap_or_default();
    for part in Path::new(relative).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => return Err("the path must be relative and stay inside the directory of the specs".to_owned()),
        }
    }
    Ok(path)
}
