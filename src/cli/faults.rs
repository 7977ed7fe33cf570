//! Faults of the simulator: from a file, or a profile.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::exit::CliError;
use crate::sim::{FaultFile, Profile, RequestListener, RequestRecord};

/// The names of the profiles, for the arguments.
pub(super) fn profile_names() -> Vec<&'static str> {
    Profile::ALL.into_iter().map(Profile::name).collect()
}

/// What the name of a profile, or else the path of a fault file, stands for.
pub(super) fn chosen(choice: &str) -> Result<FaultFile, CliError> {
    if let Some(profile) = Profile::named(choice) {
        return Ok(FaultFile { profile: Some(profile), ..FaultFile::default() });
    }
    let path = Path::new(choice);
    if !path.exists() {
        let message = format!(
            "`--sim-faults {choice}`: there is no such file, and no such profile; the profiles are {}",
            profile_names().join(", ")
        );
        return Err(CliError::Usage(message));
    }
    read(path)
}

/// Reads a fault file.
pub(super) fn read(path: &Path) -> Result<FaultFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(CliError::io(format!("`{}`", path.display())))?;
    FaultFile::parse(&text).map_err(|source| CliError::Faults { path: path.display().to_string(), source })
}

/// Writes each request as one line of JSON when it has ended.
#[derive(Debug)]
pub(super) struct RequestLog(Mutex<std::fs::File>);

impl RequestLog {
    /// Goes on at the end of `path`.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Self(Mutex::new(file))).map_err(CliError::io(format!("`{}` cannot be written", path.display())))
    }
}

impl RequestListener for RequestLog {
    fn ended(&self, request: &RequestRecord) {
        let Ok(mut line) = serde_json::to_vec(request) else { return };
        line.push(b'\n');
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        if let Err(error) = written {
            tracing::warn!(%error, "a request was not logged");
        }
    }
}
