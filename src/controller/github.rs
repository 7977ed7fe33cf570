//! How GitHub is reached: the address of its API, and the token, from the controller's settings and the surroundings.

use sha2::{Digest, Sha256};

use super::variables::Variables;
use crate::http::{Connection, Shared, Token};
use crate::providers::github::client::{DEFAULT_BASE_URL, connection};
use crate::spec::controller::{ControllerGithub, CredentialSource};

/// The environment variable that a GitHub token is read from unless `Controller` says otherwise.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// Where the API is, by the word of the runner of GitHub Actions: on an Enterprise server it is not the public one.
const GITHUB_API_URL: &str = "GITHUB_API_URL";

/// Where GitHub's API is, and with which token it is asked.
#[derive(Debug, Clone)]
pub struct GithubAccess {
    /// The address of the API.
    pub base_url: String,
    token: Token,
    digest: String,
}

impl GithubAccess {
    /// The access that `settings` and the surroundings give. The error says what is missing, and what to do.
    pub fn find(settings: &ControllerGithub, variables: &dyn Variables) -> Result<Self, String> {
        let (label, value) = match &settings.token {
            Some(CredentialSource::FromFile(path)) => (path.clone(), Some(variables.file(path)?)),
            Some(CredentialSource::FromEnv(name)) => (name.clone(), variables.variable(name)),
            None => (GITHUB_TOKEN.to_owned(), variables.variable(GITHUB_TOKEN)),
        };
        let value = match value {
            Some(value) => value,
            None => variables.stand_in(&label).map(|_| "sim_github_token".into()).ok_or_else(|| {
                format!(
                    "there is no GitHub token: set `{label}`, or name another variable in `Controller`, under `spec.github.token`"
                )
            })?,
        };
        let token = Token::new(&label, value.expose()).map_err(|error| error.to_string())?;
        let from_runner = || variables.variable(GITHUB_API_URL).map(|url| url.expose().to_owned());
        let base_url = settings.base_url.clone().or_else(from_runner).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
        Ok(Self { base_url, token, digest: hex::encode(Sha256::digest(value.expose())) })
    }

    /// The connection. Nothing is sent.
    pub fn connect(&self, shared: Shared) -> Connection {
        connection(&self.base_url, self.token.clone(), shared)
    }

    /// What is equal for equal addresses and tokens: a token that was renewed in place is another one.
    pub(super) fn key(&self) -> (String, String) {
        (self.base_url.clone(), self.digest.clone())
    }
}
