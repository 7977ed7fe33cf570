//! Asks GitHub how the checks stand that environments require.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::github::GithubReaders;
use super::load::Loaded;
use super::variables::Variables;
use crate::desired::Wanted;
use crate::http::Shared;
use crate::observed::{CheckState, CommitChecks, Observed};
use crate::providers::github::client::{GithubError, GithubReader};
use crate::providers::github::wire::{CheckRun, StatusState};
use crate::resource::{Commit, EnvName};

/// Asks how checks stand. Clones share what they remember, so that asking again costs little.
#[derive(Debug, Clone)]
pub struct CheckAsker {
    variables: Arc<dyn Variables>,
    readers: Arc<GithubReaders>,
}

impl CheckAsker {
    /// Asks with the tokens in `variables`.
    pub fn new(variables: Arc<dyn Variables>) -> Self {
        Self { variables, readers: Arc::default() }
    }

    /// Adds to `observed` how the checks stand that `environments` require.
    pub(super) async fn look(
        &self,
        observed: &mut Observed,
        loaded: &Loaded,
        environments: &BTreeSet<EnvName>,
        shared: &Shared,
    ) {
        let mut asked: BTreeMap<&Commit, BTreeSet<&str>> = BTreeMap::new();
        for env in environments {
            if let Some(Wanted::Ready(env)) = loaded.fleet.environments.get(env)
                && let Some(gate) = &env.requires.checks
            {
                asked.entry(&gate.commit).or_default().extend(gate.names.iter().map(String::as_str));
            }
        }
        if asked.is_empty() {
            return;
        }
        let settings = loaded.settings.as_ref().and_then(|settings| settings.github.clone()).unwrap_or_default();
        let reader = &self.readers.reader(&settings, &*self.variables, shared).await;
        let answers = asked.into_iter().map(|(commit, names)| async move {
            let answer = match reader {
                Ok(reader) => {
                    ask(reader, commit, &names).await.map_or_else(|error| unknown(&error), CommitChecks::Known)
                }
                Err(reason) => CommitChecks::Unknown { reason: reason.clone(), may_pass: false },
            };
            (commit.clone(), answer)
        });
        observed.checks.extend(futures::future::join_all(answers).await);
    }
}

fn unknown(error: &GithubError) -> CommitChecks {
    CommitChecks::Unknown { reason: format!("{error}; {}", error.advice()), may_pass: error.is_transient() }
}

/// How checks of these names stand at a commit: check runs and commit statuses alike.
async fn ask(
    reader: &GithubReader,
    commit: &Commit,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, CheckState>, GithubError> {
    let mut states: BTreeMap<String, CheckState> = BTreeMap::new();
    let mut note = |name: &str, state: CheckState| {
        let known = states.entry(name.to_owned()).or_insert(CheckState::Passed);
        *known = state.max(known.clone());
    };
    for name in names {
        for run in reader.check_runs(&commit.repo, &commit.sha, name).await? {
            note(name, state_of(&run));
        }
    }
    for status in reader.statuses(&commit.repo, &commit.sha).await? {
        for name in names.iter().filter(|name| name.eq_ignore_ascii_case(&status.context)) {
            note(
                name,
                match status.state {
                    StatusState::Success => CheckState::Passed,
                    StatusState::Pending => CheckState::Pending,
                    StatusState::Failure => CheckState::Failed { how: "failure".to_owned() },
                    StatusState::Error => CheckState::Failed { how: "error".to_owned() },
                },
            );
        }
    }
    Ok(states)
}

/// GitHub lets a pull request be merged by the same words.
fn state_of(run: &CheckRun) -> CheckState {
    match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passed,
        ("completed", how) => CheckState::Failed { how: how.unwrap_or("no conclusion").to_owned() },
        _ => CheckState::Pending,
    }
}
