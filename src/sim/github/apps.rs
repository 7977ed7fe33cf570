//! GitHub Apps: who signs with an App's key gets a token of its installation, good for an hour.

use std::fmt;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::objects::Objects;
use super::problem;
use crate::sim::config::SimConfig;
use crate::sim::routes::{Call, Reply};

/// How long a token of an installation is good.
const GOOD_FOR: TimeDelta = TimeDelta::hours(1);
/// The furthest in the future that a signed token may end, in seconds.
const FURTHEST: i64 = 600;

/// An App, and its installation in some repositories.
#[derive(Clone, PartialEq, Eq)]
pub struct SimGithubApp {
    /// Its id.
    pub id: u64,
    /// The id of its installation.
    pub installation: u64,
    /// Its public key: an `RSAPublicKey` (RFC 8017) in DER.
    pub public_key: Vec<u8>,
    /// The repositories (`owner/name`) that it is installed in.
    pub repos: Vec<String>,
}

impl fmt::Debug for SimGithubApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimGithubApp").field("id", &self.id).field("repos", &self.repos).finish_non_exhaustive()
    }
}

impl SimGithubApp {
    /// A token of the installation that is good until `ends`. It says so itself, as GitHub's newer ones do.
    fn token(&self, ends: i64) -> String {
        let own = (self.installation, ends);
        let seal = Sha256::new().chain_update(&self.public_key).chain_update(format!("{own:?}")).finalize();
        let seal: String = hex::encode(seal).chars().take(32).collect();
        format!("ghs_{}_{ends}_{seal}", self.installation)
    }

    /// Whether `token` is one of the installation's that is good at `now`.
    pub(super) fn has_given(&self, token: &str, now: DateTime<Utc>) -> bool {
        let ends = token.split('_').nth(2).and_then(|ends| ends.parse().ok());
        ends.is_some_and(|ends| ends > now.timestamp() && self.token(ends) == token)
    }
}

/// Answers the request for a token of the installation `id`.
pub(super) fn access_token(config: &SimConfig, call: &Call, id: &str) -> Reply {
    let app = match signer(config, call) {
        Ok(app) => app,
        Err(trouble) => return problem(401, trouble),
    };
    if app.installation.to_string() != id {
        return problem(404, "Not Found");
    }
    let Some(ends) = call.now.checked_add_signed(GOOD_FOR) else { return problem(404, "Not Found") };
    let body = json!({
        "token": app.token(ends.timestamp()),
        "expires_at": ends.to_rfc3339_opts(SecondsFormat::Secs, true),
        "permissions": {"contents": "read", "metadata": "read", "pull_requests": "write", "statuses": "write", "deployments": "write"},
        "repository_selection": "selected",
    });
    Reply::with(201, body)
}

/// Answers who the App is that has signed.
pub(super) fn show(config: &SimConfig, call: &Call) -> Reply {
    let app = match signer(config, call) {
        Ok(app) => app,
        Err(trouble) => return problem(401, trouble),
    };
    let slug = format!("app-{}", app.id);
    let body = json!({
        "id": app.id,
        "slug": slug,
        "node_id": format!("A_{}", app.id),
        "owner": Objects::new(&call.envelope.base).user("acme"),
        "name": slug,
        "description": null,
        "external_url": "https://example.com",
        "html_url": format!("https://github.com/apps/{slug}"),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "permissions": {"contents": "read", "metadata": "read", "pull_requests": "write", "statuses": "write", "deployments": "write"},
        "events": [],
    });
    Reply::ok(body)
}

/// The App that has signed the token of a request, or what is wrong with it.
fn signer<'c>(config: &'c SimConfig, call: &Call) -> Result<&'c SimGithubApp, &'static str> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let header = call.envelope.authorization.as_deref().unwrap_or_default();
    let signed = header.strip_prefix("Bearer ").ok_or(UNREADABLE)?;
    let found = config.github_apps.iter().find_map(|app| Some((app, claims(app, signed)?)));
    let (app, claims) = found.ok_or(UNREADABLE)?;
    trouble(&claims, call.now.timestamp()).map_or(Ok(app), Err)
}

/// What a signed token says, if this App has signed it and names itself.
fn claims(app: &SimGithubApp, signed: &str) -> Option<Value> {
    let (message, signature) = signed.rsplit_once('.')?;
    let (head, claims) = message.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let head: Value = serde_json::from_slice(&decode(head)?).ok()?;
    let claims: Value = serde_json::from_slice(&decode(claims)?).ok()?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.public_key);
    let is_signed = key.verify(message.as_bytes(), &decode(signature)?).is_ok();
    let issuer = claims.get("iss")?;
    let is_named = issuer.as_u64() == Some(app.id) || issuer.as_str() == Some(&app.id.to_string());
    (head.get("alg")? == "RS256" && is_signed && is_named).then_some(claims)
}

/// Why GitHub does not take these claims at `now`.
fn trouble(claims: &Value, now: i64) -> Option<&'static str> {
    let claim = |name: &str| claims.get(name).and_then(Value::as_i64);
    match (claim("iat"), claim("exp")) {
        (Some(issued), _) if issued > now => {
            Some("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
        }
        (Some(_), Some(ends)) if ends <= now => Some(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        ),
        (Some(_), Some(ends)) if ends.saturating_sub(now) > FURTHEST => {
            Some("'Expiration time' claim ('exp') is too far in the future")
        }
        (Some(_), Some(_)) => None,
        _ => Some("A JSON web token could not be decoded"),
    }
}
