//! From a source's files to the fleet that they ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::variables::Variables;
use crate::desired::{self, Assets, Context, Environment, Fleet, SecretInputs, Wanted, needed_inputs};
use crate::http::{Token, TokenError};
use crate::policy::Policy;
use crate::resource::{EnvName, OrgSlug, OwnerId, ScopeKey};
use crate::review::Asked;
use crate::secret::SecretText;
use crate::source::Snapshot;
use crate::spec::controller::CredentialSource;
use crate::spec::{ControllerSpec, Diagnostics, ParsedSpecs};

/// The environment variable that the master key is read from unless `Controller` says otherwise.
const MASTER_KEY: &str = "HANGAR_MASTER_KEY";
/// The environment variable that a Fly token is read from unless `Controller` says otherwise.
const FLY_TOKEN: &str = "FLY_API_TOKEN";

/// Everything that the specs say.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What is wanted.
    pub fleet: Fleet,
    /// The guardrails.
    pub policy: Policy,
    /// The controller's settings; defaults where no spec has them.
    pub settings: Option<ControllerSpec>,
    /// The file that has them.
    pub settings_file: Option<std::path::PathBuf>,
    /// What is probably not meant, and what keeps single environments from being evaluated.
    pub diagnostics: Diagnostics,
    /// Names whose values are stand-ins.
    pub stand_ins: BTreeSet<String>,
    /// Why the master key cannot be read, where one is named and that is so.
    pub master_key_problem: Option<String>,
}

/// Why nothing could be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The specs have errors.
    #[error("the specs have errors")]
    Specs {
        /// All of them, and the warnings.
        problems: Box<Diagnostics>,
        /// Why values of secrets are not known on this machine: what a run would find next.
        unavailable: BTreeSet<String>,
    },
    /// No token for an organization.
    #[error(
        "there is no token for Fly organization `{org}`: set `{variable}`, or name another variable in `Controller`, under `spec.fly.organizations.{org}.token`"
    )]
    NoToken {
        /// The organization.
        org: OrgSlug,
        /// The variable that was looked for.
        variable: String,
    },
    /// No token for a scope of another provider.
    #[error(
        "there is no token for {scope}: set `{variable}`, or name another variable in `Controller`, under `{setting}`"
    )]
    NoScopeToken {
        /// The scope.
        scope: ScopeKey,
        /// The variable that was looked for.
        variable: String,
        /// Where the settings may name another one.
        setting: String,
    },
    /// A file that should hold the token of a scope cannot be read.
    #[error("the token of {scope}: {problem}")]
    ScopeTokenFile {
        /// The scope.
        scope: ScopeKey,
        /// What is wrong.
        problem: String,
    },
    /// A token that cannot be one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A file that should hold a token or key cannot be read.
    #[error("the token of Fly organization `{org}`: {problem}")]
    TokenFile {
        /// The organization.
        org: OrgSlug,
        /// What is wrong.
        problem: String,
    },
}

/// Reads the specs of `snapshot` with the values of these surroundings. The error holds all problems of all files: what could be
/// read is looked at to the end, although nothing comes of it.
pub fn load(snapshot: &Snapshot, variables: &dyn Variables) -> Result<Loaded, LoadError> {
    let (specs, mut diagnostics) = crate::spec::parse_all(&snapshot.files);
    let is_unsound = diagnostics.has_errors();
    let mut stand_ins = BTreeSet::new();
    let secrets = secret_inputs(&specs, variables, &mut stand_ins);
    let owner = owner_of(&specs);
    let context = Context {
        owner: &owner,
        secrets: &secrets,
        assets: snapshot,
        source: &snapshot.completeness,
        repos: &snapshot.repos,
        commit: snapshot.commit.as_deref(),
    };
    let built = desired::build(&specs, &context);
    diagnostics.extend(built.diagnostics);
    diagnostics.finish();
    if is_unsound {
        return Err(LoadError::Specs { problems: Box::new(diagnostics), unavailable: built.unavailable });
    }
    Ok(Loaded {
        fleet: built.fleet,
        policy: Policy::from_specs(&specs.policies),
        settings_file: specs.controller.as_ref().map(|controller| controller.origin.path.to_path_buf()),
        settings: specs.controller.map(|controller| controller.spec),
        diagnostics,
        stand_ins,
        master_key_problem: secrets.master_key_problem,
    })
}

/// What the specs of `snapshot` ask for, to be compared with what others ask for: without a single secret or token, and without
/// asking what repositories have. Warnings, and mistakes that are not those of a document, come beside it.
pub fn asked(snapshot: &Snapshot) -> Result<(Asked, Diagnostics), LoadError> {
    let (specs, mut problems) = crate::spec::parse_all(&snapshot.files);
    let is_unsound = problems.has_errors();
    let owner = owner_of(&specs);
    let context = Context {
        owner: &owner,
        secrets: &SecretInputs::default(),
        assets: snapshot,
        source: &snapshot.completeness,
        repos: &snapshot.repos,
        commit: snapshot.commit.as_deref(),
    };
    let built = desired::build(&specs, &context);
    problems.extend(built.diagnostics.clone());
    problems.finish();
    if is_unsound {
        return Err(LoadError::Specs { problems: Box::new(problems), unavailable: BTreeSet::new() });
    }
    Ok((Asked::new(specs, built), problems))
}

impl Assets for Snapshot {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        // A source reads beside one of its spec files; any name in the same folder stands for one.
        let name =
            path.file_name().and_then(|name| name.to_str()).ok_or_else(|| "the path names no file".to_owned())?;
        let beside = path.with_file_name("spec.yaml");
        self.assets.read(&beside, name).map_err(|error| error.to_string())
    }
}

fn owner_of(specs: &ParsedSpecs) -> OwnerId {
    specs.controller.as_ref().map_or_else(|| OwnerId::new("hangar"), |controller| OwnerId::new(&*controller.spec.owner))
}

fn secret_inputs(specs: &ParsedSpecs, variables: &dyn Variables, stand_ins: &mut BTreeSet<String>) -> SecretInputs {
    let needed = needed_inputs(specs);
    let mut or_stand_in = |name: &str, value: Option<SecretText>| {
        value.or_else(|| {
            let value = variables.stand_in(name)?;
            stand_ins.insert(name.to_owned());
            Some(value)
        })
    };
    let env: BTreeMap<String, SecretText> = needed
        .env
        .iter()
        .filter_map(|name| Some((name.clone(), or_stand_in(name, variables.variable(name))?)))
        .collect();
    let mut unreadable = BTreeMap::new();
    let read = |path: &String| match variables.file(path) {
        Ok(content) => Some((path.clone(), content)),
        Err(problem) => {
            unreadable.insert(path.clone(), problem);
            None
        }
    };
    let files = needed.files.iter().filter_map(read).collect();
    let mut master_key_problem = None;
    let master_key = match specs.controller.as_ref().and_then(|controller| controller.spec.master_key.as_ref()) {
        Some(CredentialSource::FromFile(path)) => {
            variables.file(path).map_err(|problem| master_key_problem = Some(problem)).ok()
        }
        Some(CredentialSource::FromEnv(name)) => variables.variable(name),
        None => variables.variable(MASTER_KEY),
    };
    // The key's own stand-in is not worth a word unless something is derived from it.
    let master_key = if needed.master_key {
        or_stand_in(MASTER_KEY, master_key)
    } else {
        master_key.or_else(|| variables.stand_in(MASTER_KEY))
    };
    SecretInputs { env, files, unreadable, master_key, master_key_problem }
}

impl Loaded {
    /// All organizations that matter: those that environments live in, and those that the controller's settings name (something
    /// may be left to collect in one that no environment lives in any more).
    pub fn orgs(&self) -> BTreeSet<OrgSlug> {
        let wanted = self.fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => env.org.clone(),
            Wanted::Broken { .. } => None,
        });
        let named = self.settings.iter().filter_map(|settings| settings.fly.as_ref());
        let named = named.flat_map(|fly| fly.organizations.keys()).map(|slug| OrgSlug::new(slug.as_str()));
        wanted.chain(named).collect()
    }

    /// Environments that end by themselves, and before whose end something is run: it cannot be planned from listings alone.
    pub fn with_end_and_finalizers(&self) -> BTreeSet<EnvName> {
        let ready = self.fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => Some(env.as_ref()),
            Wanted::Broken { .. } => None,
        });
        let ends = |env: &&Environment| env.expires_at.or(env.idle_at).is_some() || env.max_age.is_some();
        let found = ready.filter(ends).filter(|env| env.apps.iter().any(|app| !app.finalizers.is_empty()));
        found.map(|env| env.name.clone()).collect()
    }

    /// The token of an organization: never another organization's.
    pub fn token(&self, org: &OrgSlug, variables: &dyn Variables) -> Result<Token, LoadError> {
        let organizations =
            self.settings.as_ref().and_then(|settings| settings.fly.as_ref()).map(|fly| &fly.organizations);
        let source = organizations.and_then(|all| all.get(org.as_str())).map(|organization| &organization.token);
        let (label, value) = match source {
            Some(CredentialSource::FromFile(path)) => {
                let value =
                    variables.file(path).map_err(|problem| LoadError::TokenFile { org: org.clone(), problem })?;
                (path.clone(), Some(value))
            }
            Some(CredentialSource::FromEnv(name)) => (name.clone(), variables.variable(name)),
            None => (FLY_TOKEN.to_owned(), variables.variable(FLY_TOKEN)),
        };
        if let Some(value) = value {
            return Ok(Token::new(label, value.expose())?);
        }
        if variables.stand_in(&label).is_some() {
            return Ok(Token::new(label, &format!("sim_{org}"))?);
        }
        Err(LoadError::NoToken { org: org.clone(), variable: label })
    }

    /// What is to be done to have a master key, for people.
    pub fn master_key_advice(&self) -> String {
        if let Some(problem) = &self.master_key_problem {
            return problem.clone();
        }
        let place = match self.settings.as_ref().and_then(|settings| settings.master_key.as_ref()) {
            Some(CredentialSource::FromFile(path)) => format!("the file `{path}`"),
            Some(CredentialSource::FromEnv(name)) => format!("`{name}`"),
            None => format!("`{MASTER_KEY}`"),
        };
        format!("make one with `openssl rand -hex 32`, keep it, and put it into {place}")
    }

    /// The sources that did not answer completely: none is that of the specs, the others are sets of previews.
    pub fn incomplete_sources(&self) -> BTreeSet<Option<&str>> {
        let sets = self.fleet.sets.iter().filter(|(_, set)| !set.completeness.is_complete());
        let sets = sets.map(|(name, _)| Some(name.as_str()));
        let specs = (!self.fleet.source.is_complete()).then_some(None);
        sets.chain(specs).collect()
    }
}
