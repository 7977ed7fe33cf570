//! How GitHub is reached: the address of its API, and the token, from the controller's settings and the surroundings.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::credentials::{self, AppTokens};
use super::repos::lock;
use super::variables::Variables;
use crate::http::{Connection, ReadClient, Shared, Token};
use crate::providers::github::client::{DEFAULT_BASE_URL, GithubReader, connection};
use crate::spec::controller::ControllerGithub;

/// Where the API is, by the word of the runner of GitHub Actions: on an Enterprise server it is not the public one.
const GITHUB_API_URL: &str = "GITHUB_API_URL";

/// Where GitHub's API is, and with which token it is asked.
#[derive(Debug, Clone)]
pub struct GithubAccess {
    /// The address of the API.
    pub base_url: String,
    token: Token,
}

impl GithubAccess {
    /// The access that `settings` and the surroundings give; an App is given its token by GitHub, and `tokens` keeps it for as long as
    /// it is good. The error says what is missing, and what to do.
    pub async fn find(
        settings: &ControllerGithub,
        variables: &dyn Variables,
        shared: &Shared,
        tokens: &AppTokens,
    ) -> Result<Self, String> {
        let from_runner = || variables.variable(GITHUB_API_URL).map(|url| url.expose().to_owned());
        let base_url = settings.base_url.clone().or_else(from_runner).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        let token = tokens.token(settings, &base_url, variables, shared).await?;
        Ok(Self { base_url, token })
    }

    /// Reads the token that the surroundings have, for whoever watches what is read. One that is missing is told where it is needed.
    pub fn read_token(settings: &ControllerGithub, variables: &dyn Variables) {
        drop(credentials::read(settings.token.as_ref(), "", variables));
    }

    /// The connection. Nothing is sent.
    pub fn connect(&self, shared: Shared) -> Connection {
        connection(&self.base_url, self.token.clone(), shared)
    }

    /// What is equal for equal addresses and tokens: a token that was renewed is another one.
    pub(super) fn key(&self) -> (String, String) {
        (self.base_url.clone(), self.token.fingerprint())
    }
}

/// What reads from GitHub, kept because readers keep what they were answered: one for each address and token.
#[derive(Debug, Default)]
pub(super) struct GithubReaders {
    pub(super) tokens: AppTokens,
    readers: Mutex<BTreeMap<(String, String), GithubReader>>,
}

impl GithubReaders {
    /// What reads by these settings. The error says what is missing, and what to do.
    pub(super) async fn reader(
        &self,
        settings: &ControllerGithub,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<GithubReader, String> {
        let access = GithubAccess::find(settings, variables, shared, &self.tokens).await?;
        // A token that was renewed needs a new reader.
        let make = || GithubReader::new(ReadClient::new(access.connect(shared.clone())));
        let key = access.key();
        let mut readers = lock(&self.readers);
        // The one before will not be asked again, with all that it was answered: an App has a new token each hour.
        readers.retain(|known, _| *known == key);
        Ok(readers.entry(key).or_insert_with(make).clone())
    }
}
