//! Registries of images, as far as telling whether an image is there: whatever host is asked.
//!
//! `registry.fly.io` wants the user `x` with a Fly token at once (`Basic`). Every other one wants a token that it gives to anybody, as
//! public ones do (`Bearer`); what is in one that the set-up names is shown only to the user named there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::auth::identify;
use super::config::SimConfig;
use super::routes::{Call, Reply};
use super::world::World;
use super::world::image::Behaviour;
use crate::http::transport::Method;

/// Fly's own registry, and the user whose password is a Fly token.
const FLY: (&str, &str) = ("registry.fly.io", "x");
/// Where registries give tokens. Each real one has a place of its own for that.
const TOKENS: [&str; 2] = ["_registry", "token"];

/// Whether this path is a registry's.
pub(crate) fn serves(path: &str) -> bool {
    is_served(&path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>())
}

/// The same, by its segments.
pub(crate) fn is_served(segments: &[&str]) -> bool {
    matches!(segments, ["v2", _, .., "manifests", _]) || segments == TOKENS
}

/// Answers a request.
pub(crate) fn answer(world: &World, call: &Call) -> Reply {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let host = host(&call.envelope.base);
    match (call.method, segments.as_slice()) {
        (Method::Get, _) if segments == TOKENS => token(&world.config, call, host),
        (Method::Get | Method::Head, ["v2", name @ .., "manifests", reference]) => {
            manifest(world, call, host, &name.join("/"), reference)
        }
        _ => Reply::empty(405),
    }
}

/// The host that was asked, as image references name it.
fn host(base: &str) -> &str {
    match base.split_once("://").map_or(base, |(_, host)| host) {
        "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

fn manifest(world: &World, call: &Call, host: &str, name: &str, reference: &str) -> Reply {
    let header = call.envelope.authorization.as_deref();
    if host == FLY.0 {
        let token = credentials(header).filter(|(user, _)| user == FLY.1).map(|(_, token)| format!("Bearer {token}"));
        if identify(&world.config, &world.tokens, token.as_deref(), call.now).is_err() {
            return challenge(&format!("Basic realm=\"{host}\""));
        }
    } else {
        let scope = format!("repository:{name}:pull");
        let given = header.and_then(|header| header.strip_prefix("Bearer "));
        let is_private = user_of(&world.config, host).is_some();
        if given != Some(&*pass(&scope, true)) && (is_private || given != Some(&*pass(&scope, false))) {
            let realm = format!("{}/{}", call.envelope.base, TOKENS.join("/"));
            return challenge(&format!("Bearer realm=\"{realm}\",service=\"{host}\",scope=\"{scope}\""));
        }
    }
    let separator = if reference.contains(':') { '@' } else { ':' };
    if world.images.behaviour(&format!("{host}/{name}{separator}{reference}")) == Behaviour::Missing {
        let error = json!({"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"});
        return Reply::with(404, json!({"errors": [error]}));
    }
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut reply = Reply::ok(json!({"schemaVersion": 2, "mediaType": media_type, "manifests": []}));
    reply.headers.push(("content-type".to_owned(), media_type.to_owned()));
    reply
}

/// A token for whoever asks; one that opens what is private for the user whom the registry knows.
fn token(config: &SimConfig, call: &Call, host: &str) -> Reply {
    let scope = call.query("scope").unwrap_or_default();
    let is_known = match credentials(call.envelope.authorization.as_deref()) {
        None => false,
        Some((user, password)) => {
            if user_of(config, host).is_none_or(|known| known != (&user, &password)) {
                return Reply::with(401, json!({"details": "incorrect username or password"}));
            }
            true
        }
    };
    Reply::ok(json!({"token": pass(scope, is_known), "expires_in": 300}))
}

fn user_of<'c>(config: &'c SimConfig, host: &str) -> Option<(&'c String, &'c String)> {
    let found = config.registries.iter().find(|registry| registry.host == host);
    found.map(|registry| (&registry.username, &registry.password))
}

/// The token for `scope`.
fn pass(scope: &str, is_known: bool) -> String {
    STANDARD.encode(format!("{scope} {}", if is_known { "known" } else { "anybody" }))
}

/// The name and password of a `Basic` header.
fn credentials(header: Option<&str>) -> Option<(String, String)> {
    let pair = STANDARD.decode(header?.strip_prefix("Basic ")?).ok()?;
    let (user, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn challenge(text: &str) -> Reply {
    let error = json!({"code": "UNAUTHORIZED", "message": "authentication required"});
    let mut reply = Reply::with(401, json!({"errors": [error]}));
    reply.headers.push(("www-authenticate".to_owned(), text.to_owned()));
    reply
}
