//! The simulator of `--sim`: in process, and kept in a file so that the next command goes on where this one ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::exit::CliError;
use super::standins;
use crate::clock::SharedClock;
use crate::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use crate::random::Random;
use crate::secret::SecretText;
use crate::sim::contract::{self, Contract, Reporter};
use crate::sim::{FaultFile, SimConfig, Simulator};
use crate::spec::SourceFile;

/// How long a command that is run once takes in a simulator where nobody is there to end it.
pub(super) const COMMAND: Duration = Duration::from_secs(2);

/// A simulator whose state is saved after every write.
#[derive(Debug, Clone)]
pub(super) struct LocalSimulator {
    simulator: Simulator,
    folder: PathBuf,
}

impl LocalSimulator {
    /// Goes on from the state below `state`, or starts with an empty platform.
    pub(super) fn open(state: &Path, faults: Option<&FaultFile>, clock: &SharedClock) -> Result<Self, CliError> {
        let folder = state.join("sim");
        std::fs::create_dir_all(&folder).map_err(CliError::io(format!("`{}` cannot be made", folder.display())))?;
        let config = SimConfig { open_orgs: true, command: Some(COMMAND), ..SimConfig::default() };
        let simulator = restore(&folder.join("state.json"), config, clock)?;
        if let Some(faults) = faults {
            simulator.set_faults(faults);
        }
        Ok(Self { simulator, folder })
    }

    /// A transport that saves the state after every write.
    pub(super) fn transport(&self) -> SharedTransport {
        let inner = self.simulator.transport();
        Arc::new(Saving { inner, simulator: self.simulator.clone(), file: self.folder.join("state.json") })
    }

    /// Gives the repositories that these specs name pull requests and branches that stand in for people's; returns the open ones.
    pub(super) fn stand_in_for_people(&self, files: &[SourceFile]) -> Result<Vec<String>, CliError> {
        let before = self.simulator.repositories();
        let pulls = standins::open(&self.simulator, files);
        if self.simulator.repositories() != before {
            let file = self.folder.join("state.json");
            save(&self.simulator, &file).map_err(CliError::io(format!("`{}` cannot be written", file.display())))?;
        }
        Ok(pulls)
    }

    /// The stand-in for the master key: made once, readable only by its owner.
    pub(super) fn master_key(&self) -> Result<SecretText, CliError> {
        let path = self.folder.join("master.key");
        if let Ok(key) = std::fs::read_to_string(&path) {
            return Ok(SecretText::new(key.trim()));
        }
        let key = Random::from_system().hex(64);
        write_private(&path, key.as_bytes())
            .map_err(CliError::io(format!("`{}` cannot be written", path.display())))?;
        Ok(SecretText::new(key))
    }
}

/// The simulator saved in `file`, or an empty one.
pub(super) fn restore(file: &Path, config: SimConfig, clock: &SharedClock) -> Result<Simulator, CliError> {
    let simulator = match std::fs::read_to_string(file) {
        Err(_not_there) => Simulator::new(config, Arc::clone(clock)),
        Ok(text) => {
            let saved = serde_json::from_str(&text).unwrap_or_default();
            Simulator::restore(&saved, config, Arc::clone(clock))
                .map_err(|source| CliError::Snapshot { path: file.display().to_string(), source })?
        }
    };
    hold_to_contract(&simulator)?;
    Ok(simulator)
}

/// Logs every request and answer that differs from Fly's OpenAPI document, if that is there.
pub(super) fn hold_to_contract(simulator: &Simulator) -> Result<(), CliError> {
    if let Some(folder) = contract::folder() {
        simulator.watch(Arc::new(Reporter::new(Arc::new(Contract::read(&folder)?))));
    }
    Ok(())
}

/// Writes the simulator's whole state. It holds secret values, so nobody else may read it.
pub(super) fn save(simulator: &Simulator, file: &Path) -> std::io::Result<()> {
    write_private(file, simulator.snapshot().to_string().as_bytes())
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let partial = path.with_extension("partial");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&partial)?.write_all(bytes)?;
    std::fs::rename(&partial, path)
}

#[derive(Debug)]
struct Saving {
    inner: SharedTransport,
    simulator: Simulator,
    file: PathBuf,
}

#[async_trait::async_trait]
impl Transport for Saving {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let is_read = request.method == Method::Get;
        let response = self.inner.send(request).await;
        if !is_read && let Err(error) = save(&self.simulator, &self.file) {
            tracing::warn!(file = %self.file.display(), %error, "the simulator's state was not saved");
        }
        response
    }
}
