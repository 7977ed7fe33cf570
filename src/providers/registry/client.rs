//! Asks a registry whether an image is there.

use std::time::Duration;

use http_auth::{ChallengeRef, parse_challenges};
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::http::transport::Response;
use crate::http::{Call, Connection, HttpError, ReadClient, RetryPolicy, Shared, Token, TokenError};
use crate::resource::image::ImageReference;
use crate::secret::SecretText;

/// Docker Hub is called `docker.io`, and answers elsewhere.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
/// Every form that a manifest has: a registry answers `404` for one that is there in a form that was not asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
const HEADERS: [(&str, &str); 2] =
    [("accept", MANIFESTS), ("user-agent", concat!("hangar/", env!("CARGO_PKG_VERSION")))];
/// How long one answer may take, and how long it is tried: a pass waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks registries. Sends nothing but reads.
#[derive(Debug, Clone)]
pub struct RegistryReader {
    shared: Shared,
}

/// Why a registry has not said whether an image is there.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// It does not let us see the image.
    #[error(
        "`{host}` does not say whether `{image}` is there, because {reason}; name a user who may pull it in `Controller`, under `spec.registries`"
    )]
    Denied {
        /// The registry.
        host: String,
        /// The image.
        image: String,
        /// What it said.
        reason: String,
    },
    /// It asks for a kind of login that is not known, or over a connection that others could read.
    #[error("`{host}` asks for a login that cannot be given: {reason}")]
    Challenge {
        /// The registry.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The password cannot be sent.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It did not answer, or in a way that makes no sense.
    #[error(transparent)]
    Http(#[from] Box<HttpError>),
}

/// What a registry gives for a login.
#[derive(Deserialize)]
struct Given {
    #[serde(default, deserialize_with = "secret")]
    token: Option<SecretText>,
    /// What OAuth 2 calls it; registries have either or both.
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<SecretText>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretText>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(SecretText::new))
}

impl RegistryReader {
    /// Asks through `shared`.
    pub const fn new(shared: Shared) -> Self {
        Self { shared }
    }

    /// The host at which the registry of `image` is known, such as `ghcr.io`.
    pub fn host(image: &ImageReference) -> &str {
        image.repository.split_once('/').map_or(image.repository.as_str(), |(host, _)| host)
    }

    /// Whether `image` is there, asked as nobody where that is enough, and else by `login`, a [basic](Token::basic) one.
    pub async fn has(&self, image: &ImageReference, login: Option<&Token>) -> Result<bool, RegistryError> {
        let (host, name) = image.repository.split_once('/').unwrap_or((&image.repository, ""));
        let base_url = base_url(host);
        let reference = image.digest.as_deref().or(image.tag.as_deref()).unwrap_or("latest");
        // Not encoded: neither name nor reference may have a character that needs it, and registries compare `:` as it is.
        let call = Call::following("look for image", &image.repository, &format!("/v2/{name}/manifests/{reference}"))
            .accepting(&[401, 403, 404]);
        let answer = self.connect(&base_url, Token::anonymous(host)).probe(&call).await.map_err(Box::new)?;
        if answer.status != 401 {
            return judge(host, image, &answer);
        }
        let token = self.token(host, &base_url, &answer, login).await?;
        let answer = self.connect(&base_url, token).probe(&call).await.map_err(Box::new)?;
        judge(host, image, &answer)
    }

    /// What to ask with, after the registry has said by `refusal` what it wants.
    async fn token(
        &self,
        host: &str,
        base_url: &str,
        refusal: &Response,
        login: Option<&Token>,
    ) -> Result<Token, RegistryError> {
        let odd = |reason: String| RegistryError::Challenge { host: host.to_owned(), reason };
        let header = refusal.header("www-authenticate").unwrap_or_default();
        let challenges = parse_challenges(header).map_err(|error| odd(format!("it cannot be read ({error})")))?;
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        if let Some(bearer) = of("Bearer") {
            let asker = login.map_or_else(|| Token::anonymous(host), Token::clone);
            return self.bearer(host, base_url, bearer, asker).await;
        }
        match (of("Basic"), login) {
            (Some(_), Some(login)) => Ok(login.clone()),
            // It is asked once more, and says what it lacks.
            (Some(_), None) => Ok(Token::anonymous(host)),
            (None, _) => Err(odd("it is neither `Basic` nor `Bearer`".to_owned())),
        }
    }

    async fn bearer(
        &self,
        host: &str,
        base_url: &str,
        challenge: &ChallengeRef<'_>,
        asker: Token,
    ) -> Result<Token, RegistryError> {
        let odd = |reason: &str| RegistryError::Challenge { host: host.to_owned(), reason: reason.to_owned() };
        let param = |wanted: &str| {
            let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.to_unescaped())
        };
        let realm = param("realm").and_then(|realm| Url::parse(&realm).ok());
        let realm = realm.ok_or_else(|| odd("it names no address to log in at"))?;
        if base_url.starts_with("https:") && realm.scheme() != "https" {
            return Err(odd("the password would be sent where others can read it"));
        }
        let target = match realm.query() {
            Some(query) => format!("{}?{query}", realm.path()),
            None => realm.path().to_owned(),
        };
        let mut call = Call::following("log in to registry", host, &target).accepting(&[401, 403]);
        for name in ["service", "scope"] {
            if let Some(value) = param(name) {
                call = call.query(name, value);
            }
        }
        let label = asker.label().to_owned();
        let client = self.connect(&realm.origin().ascii_serialization(), asker);
        let answer = client.fetch(&call).await.map_err(Box::new)?;
        if answer.status != 200 {
            // The registry then says by itself what it does not show to nobody.
            return Ok(Token::anonymous(host));
        }
        let given: Given = client.decode(&call, &answer).map_err(Box::new)?;
        let token = given.token.or(given.access_token).ok_or_else(|| odd("logging in gave no token"))?;
        Ok(Token::new(label, token.expose())?)
    }

    fn connect(&self, base_url: &str, token: Token) -> ReadClient {
        let retry = RetryPolicy { deadline: PATIENCE, ..RetryPolicy::default() };
        let connection = Connection::new(base_url, token, self.shared.clone());
        ReadClient::new(Connection { headers: HEADERS.to_vec(), read_timeout: PATIENCE, retry, ..connection })
    }
}

fn judge(host: &str, image: &ImageReference, answer: &Response) -> Result<bool, RegistryError> {
    match answer.status {
        404 => Ok(false),
        401 | 403 => Err(RegistryError::Denied {
            host: host.to_owned(),
            image: image.to_string(),
            reason: format!("it refuses to show it (HTTP {})", answer.status),
        }),
        _ => Ok(true),
    }
}

/// Where the registry known as `host` answers. One on this machine has no certificate, as every container runtime assumes.
fn base_url(host: &str) -> String {
    let (name, _) = host.split_once(':').unwrap_or((host, ""));
    let scheme = if matches!(name, "localhost" | "127.0.0.1") { "http" } else { "https" };
    let host = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host };
    format!("{scheme}://{host}")
}
