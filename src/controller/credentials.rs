//! What GitHub is asked with: a token from the surroundings, or one that an App gets for an hour.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::variables::Variables;
use crate::http::{ReadClient, Shared, Token, WriteClient};
use crate::providers::github::client::{AppKey, GithubReader, GithubWriter, connection};
use crate::secret::SecretText;
use crate::spec::controller::{ControllerGithub, CredentialSource, GithubApp};

/// The environment variable that a GitHub token is read from unless `Controller` says otherwise.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// How long before its end an App's token is renewed: longer than a look at all repositories takes.
const RENEWED_BEFORE: TimeDelta = TimeDelta::minutes(10);

/// The tokens of Apps that are still good, by the App, its installation and its key.
#[derive(Debug, Default)]
pub struct AppTokens(Mutex<BTreeMap<String, (SecretText, DateTime<Utc>)>>);

impl AppTokens {
    /// The token by which GitHub at `base_url` is asked. The error says what to do.
    pub async fn token(
        &self,
        settings: &ControllerGithub,
        base_url: &str,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<Token, String> {
        let (label, value) = match &settings.app {
            Some(app) => {
                let (label, key) = read(Some(&app.private_key), "spec.github.app.privateKey", variables)?;
                let label = format!("GitHub App {} with the key in {label}", app.id);
                match key {
                    Value::Own(key) => {
                        let token = self.of_app(app, &label, &key, base_url, shared).await?;
                        (label, token)
                    }
                    Value::StandIn => (label, stand_in()),
                }
            }
            None => match read(settings.token.as_ref(), "spec.github.token", variables)? {
                (label, Value::Own(token)) => (label, token),
                (label, Value::StandIn) => (label, stand_in()),
            },
        };
        Token::new(label, value.expose()).map_err(|error| error.to_string())
    }

    /// The login of the account that an App acts by, where the settings name an App. The error says what to do.
    pub(super) async fn app_login(
        &self,
        settings: &ControllerGithub,
        base_url: &str,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<Option<String>, String> {
        let Some(app) = &settings.app else { return Ok(None) };
        let (label, key) = read(Some(&app.private_key), "spec.github.app.privateKey", variables)?;
        // Whoever stands in for an App is a person's account.
        let Value::Own(key) = key else { return Ok(None) };
        let label = format!("GitHub App {} with the key in {label}", app.id);
        let signed = signed(app, &label, &key, shared)?;
        let reader = GithubReader::new(ReadClient::new(connection(base_url, signed, shared.clone())));
        let app = reader.app().await.map_err(|error| format!("{label}: {error}"))?;
        Ok(Some(format!("{}[bot]", app.slug)))
    }

    /// The token of an App's installation, a new one where the last one is about to end.
    async fn of_app(
        &self,
        app: &GithubApp,
        label: &str,
        key: &SecretText,
        base_url: &str,
        shared: &Shared,
    ) -> Result<SecretText, String> {
        let now = shared.clock.now();
        let hash = hex::encode(Sha256::digest(key.expose()));
        let place = format!("{base_url} {} {} {hash}", app.id, app.installation);
        let is_good = |ends: &DateTime<Utc>| ends.signed_duration_since(now) > RENEWED_BEFORE;
        let known = self.lock().get(&place).filter(|(_, ends)| is_good(ends)).map(|(token, _)| token.clone());
        if let Some(token) = known {
            return Ok(token);
        }
        let signed = signed(app, label, key, shared)?;
        let writer = GithubWriter::new(WriteClient::new(connection(base_url, signed, shared.clone())));
        let given = writer
            .installation_token(app.installation)
            .await
            .map_err(|error| format!("{label}: {error}; check the App's id, its key and the installation"))?;
        let mut known = self.lock();
        known.retain(|_, (_, ends)| is_good(ends));
        known.insert(place, (given.token.clone(), given.expires_at));
        Ok(given.token)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (SecretText, DateTime<Utc>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token by which an App says who it is. The error says what is wrong with its key.
fn signed(app: &GithubApp, label: &str, key: &SecretText, shared: &Shared) -> Result<Token, String> {
    let wrong = |problem: &dyn std::fmt::Display| format!("{label}: {problem}");
    let now = shared.clock.now();
    let signed = AppKey::read(key).and_then(|key| key.sign(app.id, now)).map_err(|problem| wrong(&problem))?;
    Token::new(label, signed.expose()).map_err(|problem| wrong(&problem))
}

/// A credential from the surroundings.
pub(super) enum Value {
    Own(SecretText),
    /// There is none, and the simulator takes a stand-in.
    StandIn,
}

/// What every simulator with open doors accepts.
fn stand_in() -> SecretText {
    SecretText::new("sim_github_token")
}

/// The credential in `source`, and where it is, for people. `field` is where another place can be named.
pub(super) fn read(
    source: Option<&CredentialSource>,
    field: &str,
    variables: &dyn Variables,
) -> Result<(String, Value), String> {
    let (label, value) = match source {
        Some(CredentialSource::FromFile(path)) => {
            return Ok((path.clone(), Value::Own(variables.file(path)?)));
        }
        Some(CredentialSource::FromEnv(name)) => (name.clone(), variables.variable(name)),
        None => (GITHUB_TOKEN.to_owned(), variables.variable(GITHUB_TOKEN)),
    };
    match value {
        Some(value) => Ok((label, Value::Own(value))),
        None if variables.stand_in(&label).is_some() => Ok((label, Value::StandIn)),
        None => Err(format!(
            "there is no GitHub token: set `{label}`, or name another variable in `Controller`, under `{field}`"
        )),
    }
}
