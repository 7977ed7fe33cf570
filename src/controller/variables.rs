//! Environment variables and files of the machine that the controller runs on: the only place where they are read.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;

use crate::secret::SecretText;

/// Where values come from that are not in any spec.
pub trait Variables: Debug + Send + Sync {
    /// The environment variable `name`, if it is set and not empty.
    fn variable(&self, name: &str) -> Option<SecretText>;

    /// The content of the file at `path`, without a line break at its end.
    fn file(&self, path: &str) -> Result<SecretText, String>;

    /// What stands in for the value of `name` where there is none: only the simulator's surroundings have stand-ins.
    fn stand_in(&self, _name: &str) -> Option<SecretText> {
        None
    }
}

/// The environment of this process, and files below a root.
#[derive(Debug, Clone, Default)]
pub struct ProcessEnvironment {
    /// Relative paths start here.
    pub root: PathBuf,
}

impl Variables for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<SecretText> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).map(SecretText::new)
    }

    fn file(&self, path: &str) -> Result<SecretText, String> {
        let path = self.root.join(path);
        refuse_open_permissions(&path)?;
        let text =
            std::fs::read_to_string(&path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
        Ok(SecretText::new(text.trim_end_matches(['\n', '\r'])))
    }
}

/// A secret that others on the machine can read is no secret.
#[cfg(unix)]
fn refuse_open_permissions(path: &std::path::Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(format!("`{0}` holds a secret and others can read it (mode {mode:o}): run `chmod 600 {0}`", path.display()))
}

#[cfg(not(unix))]
fn refuse_open_permissions(_path: &std::path::Path) -> Result<(), String> {
    Ok(())
}

/// Fixed values, for tests and for the simulator.
#[derive(Debug, Clone, Default)]
pub struct FixedVariables {
    /// Environment variables by name.
    pub variables: BTreeMap<String, SecretText>,
    /// Files by path.
    pub files: BTreeMap<String, SecretText>,
}

impl Variables for FixedVariables {
    fn variable(&self, name: &str) -> Option<SecretText> {
        self.variables.get(name).cloned()
    }

    fn file(&self, path: &str) -> Result<SecretText, String> {
        self.files.get(path).cloned().ok_or_else(|| format!("`{path}` cannot be read: there is no such file"))
    }
}

/// The surroundings of a demonstration: what is not set has a stand-in, so that the simulator works without any account.
#[derive(Debug, Clone)]
pub struct WithStandIns<V> {
    /// What is asked first.
    pub real: V,
    /// The stand-in for the master key: made once, and kept with the simulator's state.
    pub master_key: SecretText,
}

impl<V: Variables> Variables for WithStandIns<V> {
    fn variable(&self, name: &str) -> Option<SecretText> {
        self.real.variable(name)
    }

    fn file(&self, path: &str) -> Result<SecretText, String> {
        self.real.file(path)
    }

    fn stand_in(&self, name: &str) -> Option<SecretText> {
        if name == "HANGAR_MASTER_KEY" {
            return Some(self.master_key.clone());
        }
        Some(SecretText::new(format!("stand-in-for-{name}")))
    }
}
