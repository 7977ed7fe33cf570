//! How GitHub is reached, as the controller's settings have it.

use sha2::{Digest, Sha256};

use super::variables::Variables;
use crate::http::{Connection, Shared, Token};
use crate::providers::github::client::{DEFAULT_BASE_URL, connection};
use crate::spec::controller::{ControllerGithub, CredentialSource};

/// The environment variable that a GitHub token is read from unless `Controller` says otherwise.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";

/// What tells connections apart: the address, and a hash of the token, so that one that was renewed in place makes a new connection.
pub(super) type Key = (String, String);

/// A connection with the token of these settings. The error says what to do.
pub(super) fn connect(
    settings: &ControllerGithub,
    variables: &dyn Variables,
    shared: &Shared,
) -> Result<(Key, Connection), String> {
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
    let base_url = settings.base_url.clone().unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
    let key = (base_url.clone(), hex::encode(Sha256::digest(value.expose())));
    Ok((key, connection(&base_url, token, shared.clone())))
}
