//! What a command works with: specs, transport, store, and the terminal it writes to.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::actions::Masked;
use super::args::{ColorChoice, Global, Target};
use super::exit::CliError;
use super::faults;
use super::simulator::LocalSimulator;
use crate::clock::{SharedClock, SystemClock};
use crate::controller::{
    GithubAccess, Hints, Loaded, ProcessEnvironment, Variables, WithRepositories, WithStandIns, load,
};
use crate::execute::Journal;
use crate::http::{ReqwestTransport, Shared};
use crate::memory::Memory;
use crate::random::Random;
use crate::report::{RequestCount, Style};
use crate::resource::OrgSlug;
use crate::secret::SecretText;
use crate::source::{DirectorySource, GitSettings, GitSource, Snapshot, Source, WithController};
use crate::spec::controller::SourceSpec;
use crate::store::{SqliteStore, Store, StoreError};

/// Where everything that is kept between runs lives, below the working directory.
const STATE: &str = ".hangar";

/// What a command works with.
pub(super) struct Surroundings {
    /// Where specs come from.
    pub(super) source: Arc<dyn Source>,
    /// What they say.
    pub(super) loaded: Arc<Loaded>,
    /// Lets the source look before it is time.
    pub(super) hints: Hints,
    /// Tokens and secret values.
    pub(super) variables: Arc<dyn Variables>,
    /// Transport, clock, generator, request counter.
    pub(super) shared: Shared,
    /// The simulator, if that is what is spoken to.
    pub(super) simulator: Option<LocalSimulator>,
    /// The pull requests in the simulator that stand in for people's.
    pub(super) pulls: Vec<String>,
    /// The files and folders that were given.
    pub(super) paths: Vec<PathBuf>,
    store: PathBuf,
}

impl Surroundings {
    /// Loads the specs of `target` and prepares to speak to Fly or the simulator. Nothing is sent.
    pub(super) async fn open(target: &Target) -> Result<Self, CliError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let process = Masked::new(ProcessEnvironment { root: PathBuf::new() });
        let faults = target.sim_faults.as_deref().map(faults::chosen).transpose()?;
        let simulator =
            if target.sim { Some(LocalSimulator::open(Path::new(STATE), faults.as_ref(), &clock)?) } else { None };
        let variables: Arc<dyn Variables> = match &simulator {
            Some(simulator) => Arc::new(WithStandIns { real: process, master_key: simulator.master_key()? }),
            None => Arc::new(process),
        };
        let directory = Arc::new(DirectorySource::new(target.paths.clone(), Arc::clone(&clock)));
        let snapshot = directory.load().await?;
        require_files(&snapshot, &target.paths)?;
        let mut loaded = load(&snapshot, &*variables)?;
        let transport = match &simulator {
            Some(simulator) => simulator.transport(),
            None => Arc::new(ReqwestTransport::new()?),
        };
        let shared = Shared::new(transport, Arc::clone(&clock), Random::from_system());
        let elsewhere = specs_elsewhere(&loaded, &snapshot, &clock)?;
        let snapshot = match &elsewhere {
            Some(elsewhere) => elsewhere.load().await?,
            None => snapshot,
        };
        let pulls = match &simulator {
            Some(simulator) => simulator.stand_in_for_people(&snapshot.files)?,
            None => Vec::new(),
        };
        let source = elsewhere.unwrap_or(directory);
        let source = WithRepositories::new(source, shared.clone(), Arc::clone(&variables));
        loaded = load(&source.complete(snapshot).await, &*variables)?;
        let hints = source.hints();
        let source: Arc<dyn Source> = Arc::new(source);
        let owner = loaded.fleet.owner.to_string();
        let set =
            loaded.settings.as_ref().and_then(|settings| settings.store.as_ref()).and_then(|store| store.path.clone());
        let store = match (&simulator, set) {
            (Some(_), _) => Path::new(STATE).join("sim").join(format!("{owner}.db")),
            (None, Some(path)) => PathBuf::from(path),
            (None, None) => Path::new(STATE).join("hangar.db"),
        };
        let around = Self {
            source,
            hints,
            loaded: Arc::new(loaded),
            variables,
            shared,
            simulator,
            pulls,
            paths: target.paths.clone(),
            store,
        };
        around.require_somewhere_to_look()?;
        around.mask_tokens();
        Ok(around)
    }

    /// Reads every token once, so that each is masked before anything is printed. One that is missing is told where it is needed.
    fn mask_tokens(&self) {
        for org in self.loaded.orgs() {
            drop(self.loaded.token(&org, &*self.variables));
        }
        let github = self.loaded.settings.as_ref().and_then(|settings| settings.github.clone()).unwrap_or_default();
        GithubAccess::read_token(&github, &*self.variables);
    }

    /// Where nothing is named there is nowhere to look, not even for what is left of earlier environments.
    fn require_somewhere_to_look(&self) -> Result<(), CliError> {
        let Loaded { fleet, .. } = &*self.loaded;
        let is_named = !self.loaded.orgs().is_empty()
            || !self.loaded.object_scopes().is_empty()
            || !fleet.environments.is_empty()
            || !fleet.sets.is_empty();
        let is_remembered = |memory: Memory| !memory.organizations.is_empty() || !memory.scopes.is_empty();
        if is_named || is_remembered(self.memory_for_looking()) {
            return Ok(());
        }
        let message = "the specs have no environment, and no Fly organization to look for what is left of earlier ones: name it in a \
                       `Controller`, under `spec.fly.organizations`, or a project of another provider, such as `spec.vercel.projects`";
        Err(CliError::Usage(message.to_owned()))
    }

    /// The organizations that only environments name. The store remembers them, and it can be lost.
    pub(super) fn unnamed_orgs(&self) -> Vec<OrgSlug> {
        let fly = self.loaded.settings.as_ref().and_then(|settings| settings.fly.as_ref());
        let is_named = |org: &OrgSlug| fly.is_some_and(|fly| fly.organizations.contains_key(org.as_str()));
        self.loaded.orgs().into_iter().filter(|org| !is_named(org)).collect()
    }

    /// The journal of a run that may write.
    pub(super) fn journal(&self) -> Result<Journal, StoreError> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&self.store)?);
        let instance = format!("{}-{}", std::process::id(), self.shared.random.hex(8));
        let journal = Journal::open(store, &instance, self.shared.clock.now())?;
        if self.simulator.is_some() {
            // The simulator lives in this process: no earlier run can have requests under way in it.
            journal.change(|memory| memory.blank_since = None)?;
        }
        Ok(journal)
    }

    /// The memory for looking only: a store is read if it is there, and never made. Without one a look is not in quarantine,
    /// because it does nothing.
    pub(super) fn memory_for_looking(&self) -> Memory {
        let now = self.shared.clock.now();
        let saved = SqliteStore::open_read_only(&self.store).ok().and_then(|store| store.load().ok().flatten());
        saved.unwrap_or_else(|| Memory { blank_since: None, ..Memory::blank("diff", now) })
    }

    /// How many requests have been sent so far.
    pub(super) fn requests(&self) -> RequestCount {
        RequestCount { reads: self.shared.requests.reads(), writes: self.shared.requests.writes() }
    }
}

/// The source that the controller's settings name, with these settings kept.
fn specs_elsewhere(
    loaded: &Loaded,
    snapshot: &Snapshot,
    clock: &SharedClock,
) -> Result<Option<Arc<dyn Source>>, CliError> {
    let named = loaded.settings.as_ref().and_then(|settings| settings.source.as_ref());
    let file = loaded.settings_file.as_ref();
    let (Some(named), Some(file)) = (named, file) else { return Ok(None) };
    let specs: Arc<dyn Source> = match named {
        SourceSpec::Git(git) => {
            let cache = Path::new(STATE).join("git");
            Arc::new(GitSource::new(git_settings(git, cache), Arc::clone(clock))?)
        }
        SourceSpec::Directory(directory) => {
            let Some(path) = &directory.path else { return Ok(None) };
            let folder = file.parent().unwrap_or_else(|| Path::new(".")).join(path);
            Arc::new(DirectorySource::new([folder], Arc::clone(clock)))
        }
    };
    let controller = snapshot.files.iter().find(|spec| spec.path == *file).cloned();
    Ok(controller.map(|controller| WithController::new(specs, controller).into()))
}

/// A folder without a single spec is a mistake more often than a wish to have nothing.
pub(super) fn require_files(snapshot: &Snapshot, paths: &[PathBuf]) -> Result<(), CliError> {
    if !snapshot.files.is_empty() {
        return Ok(());
    }
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    let message = format!(
        "there is no spec in {}: Hangar reads files whose names end in `.yaml` or `.yml`; give the folder that has them",
        paths.join(", ")
    );
    Err(CliError::Usage(message))
}

/// How often a git source is asked for a new commit unless the settings say otherwise.
const GIT_INTERVAL: Duration = Duration::from_mins(1);

fn git_settings(spec: &crate::spec::controller::GitSource, cache_dir: PathBuf) -> GitSettings {
    GitSettings {
        url: SecretText::new(spec.url.as_str()),
        reference: spec.reference.clone().unwrap_or_else(|| "HEAD".to_owned()),
        path: spec.path.clone().unwrap_or_else(|| ".".to_owned()),
        interval: spec.interval.map_or(GIT_INTERVAL, crate::spec::Duration::to_std),
        cache_dir,
    }
}

/// How text is shown on the standard output.
pub(super) fn style(global: &Global) -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    let color = match global.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none(),
    };
    let width = if is_terminal { terminal_width().clamp(60, 140) } else { 100 };
    Style { color, unicode: true, width }
}

/// The terminal's width as the shell tells it, or what fits everywhere.
fn terminal_width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}
