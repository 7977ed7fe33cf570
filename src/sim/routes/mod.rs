//! The routes of the Machines API. Each one is a plain function from the world and a call to a reply.

mod addresses;
mod apps;
mod certificates;
mod keys;
mod machines;
mod orgs;
mod platform;
mod policies;
mod postgres;
mod secrets;
mod tokens;
mod volumes;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::auth::Caller;
use super::github;
use super::neon;
use super::registry;
use super::supabase;
use super::vercel;
use super::web;
use super::world::World;
use super::world::app::App;
use super::world::machine::Machine;
use crate::http::transport::Method;
pub(crate) use machines::wait::Wait;

/// A request that passed authentication.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The segments of the path, decoded.
    pub(crate) segments: Vec<String>,
    /// The query, decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    /// The lease nonce that was sent, if any.
    pub(crate) nonce: Option<String>,
    /// The node of the affinity cookie that was sent, if any.
    pub(crate) node: Option<String>,
    pub(crate) envelope: Envelope,
    pub(crate) body: bytes::Bytes,
    pub(crate) caller: Caller,
    pub(crate) now: DateTime<Utc>,
    /// What a fault does to listings.
    pub(crate) listing: ListingFault,
}

impl std::fmt::Debug for Call {
    /// Leaves out the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("method", &self.method).field("segments", &self.segments).finish_non_exhaustive()
    }
}

/// What GitHub, Vercel and Neon look at besides: where the request went, and some of its headers.
#[derive(Clone, Default)]
pub(crate) struct Envelope {
    /// Scheme and host that the request was sent to.
    pub(crate) base: String,
    pub(crate) authorization: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) if_none_match: Option<String>,
    /// Its number in the log.
    pub(crate) number: u64,
    /// How many requests had arrived when this one was carried out: those with lower numbers were under way with it.
    pub(crate) arrived: u64,
    /// The id that the caller gives to its request.
    pub(crate) request_id: Option<String>,
    /// The moment that a read is answered from, if it is not the present.
    pub(crate) as_of: Option<DateTime<Utc>>,
}

/// What a fault does to organization-wide listings.
#[derive(Debug, Clone, Default)]
pub(crate) struct ListingFault {
    /// Regions that do not answer.
    pub(crate) error_regions: Vec<String>,
    /// The most objects on a page.
    pub(crate) page: Option<usize>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// `None` for an empty body.
    pub(crate) body: Option<Value>,
}

impl Reply {
    /// 200 with a body.
    pub(crate) const fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(crate) const fn with(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    /// An answer without a body.
    pub(crate) const fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    /// An error in the usual shape.
    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self::with(status, json!({"error": text}))
    }

    /// An error with one of the few words of the platform for what went wrong.
    pub(crate) fn coded(status: u16, text: &str, word: &str) -> Self {
        Self::with(status, json!({"error": text, "status": word}))
    }

    pub(crate) fn app_not_found() -> Self {
        Self::error(404, "app not found")
    }

    pub(crate) fn machine_not_found() -> Self {
        Self::error(404, "machine not found")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::error(403, "unauthorized")
    }

    pub(crate) fn rate_limited() -> Self {
        Self::error(429, "resource_exhausted: rate limit exceeded")
    }
}

/// An answer that says no. It is an answer like any other; the difference lets routes use `?`.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Reply>);

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Self {
        Self(Box::new(reply))
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        *refusal.0
    }
}

/// What a route returns.
pub(crate) type Answer = Result<Reply, Refusal>;

/// An answer now, or a wait for one.
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    Wait(Wait),
}

impl Call {
    /// The body as `T`; 400 if it is not. An empty body and `null` count as `{}`, as they do for Go.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let bytes: &[u8] = match self.body.trim_ascii() {
            b"" | b"null" => b"{}",
            body => body,
        };
        serde_json::from_slice(bytes)
            .map_err(|error| Refusal::from(Reply::error(400, &format!("invalid_argument: invalid JSON: {error}"))))
    }

    /// The first value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter, which may be repeated or separated by commas.
    pub(crate) fn query_list(&self, name: &str) -> Vec<&str> {
        let values = self.query.iter().filter(|(key, _)| key == name);
        values.flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    /// Whether a query parameter is set: `true`, `1` or empty.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.query(name).is_some_and(|value| matches!(value, "" | "1" | "true"))
    }

    /// The app `name`, if the caller can see it from the node that it reaches.
    pub(crate) fn app<'w>(&self, world: &'w World, name: &str) -> Result<&'w App, Refusal> {
        let app =
            world.apps.get(name).filter(|app| !app.deleting).ok_or_else(|| Refusal::from(Reply::app_not_found()))?;
        if !self.caller.sees(&app.org) || !self.caller.sees_app(&app.id) {
            return Err(Refusal::from(Reply::unauthorized()));
        }
        if app.visible_from > self.now && !self.is_near(app) {
            return Err(Refusal::from(Reply::app_not_found()));
        }
        Ok(app)
    }

    /// Whether the request reaches the node that knew the app first.
    pub(crate) fn is_near(&self, app: &App) -> bool {
        self.node.as_deref() == Some(app.node.as_str())
    }

    /// The machine `id` of the app, destroyed or not.
    pub(crate) fn machine<'w>(&self, world: &'w World, app: &str, id: &str) -> Result<&'w Machine, Refusal> {
        let app = self.app(world, app)?;
        let machine = app.machines.get(id).filter(|machine| machine.visible_from <= self.now || self.is_near(app));
        machine.ok_or_else(|| Refusal::from(Reply::machine_not_found()))
    }
}

/// Carries out `call`.
pub(crate) fn dispatch(world: &mut World, call: &Call) -> Outcome {
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    if github::is_served(&segments) {
        return Outcome::Reply(github::answer(world, call));
    }
    if neon::is_served(&segments) {
        return Outcome::Reply(neon::answer(world, call));
    }
    if registry::is_served(&segments) {
        return Outcome::Reply(registry::answer(world, call));
    }
    // A token says for certain whose a path is that several platforms have.
    if supabase::serves(&segments.join("/"), call.envelope.authorization.as_deref()) {
        return Outcome::Reply(supabase::answer(world, call));
    }
    if vercel::is_served(&world.config, &segments, call.envelope.authorization.as_deref()) {
        return Outcome::Reply(vercel::answer(world, call));
    }
    if let (Method::Get, ["v1", "apps", app, "machines", id, "wait"]) = (call.method, segments.as_slice()) {
        return match machines::wait::begin(world, call, app, id) {
            Ok(wait) => Outcome::Wait(wait),
            Err(refusal) => Outcome::Reply(*refusal.0),
        };
    }
    Outcome::Reply(route(world, call, &segments).unwrap_or_else(|refusal| *refusal.0))
}

/// The documented operations that are not simulated, by method and path; they answer 501. `docs/simulator.md` lists the same.
pub(crate) const NOT_SIMULATED: [(&str, &str); 9] = [
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/decrypt"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/encrypt"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/generate"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/sign"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/verify"),
    ("POST", "/v1/tokens/authenticate"),
    ("POST", "/v1/tokens/authorize"),
    ("POST", "/v1/tokens/kms"),
    ("POST", "/v1/tokens/oidc"),
];

fn route(world: &mut World, call: &Call, segments: &[&str]) -> Answer {
    use Method::{Get, Post};
    let answer = match (call.method, segments) {
        (Get, ["v1", "apps"]) => Some(apps::list(world, call)),
        (Post, ["v1", "apps"]) => Some(apps::create(world, call)),
        (_, ["v1", "apps", app, rest @ ..]) => route_app(world, call, app, rest),
        (Get, ["v1", "orgs", org, "machines"]) => Some(orgs::machines(world, call, org)),
        (Get, ["v1", "orgs", org, "volumes"]) => Some(orgs::volumes(world, call, org)),
        (Get, ["v1", "platform", "regions"]) => Some(Ok(platform::regions(world))),
        (Post, ["v1", "platform", "placements"]) => Some(platform::placements(world, call)),
        (_, ["v1", "postgres", rest @ ..]) => postgres::route(world, call, rest),
        (Get, ["v1", "tokens", "current"]) => Some(Ok(tokens::current(world, call))),
        (_, path) if web::serves(path) => Some(web::route(world, call, path)),
        _ => None,
    };
    answer.unwrap_or_else(|| Err(Refusal::from(no_such_route(call, segments))))
}

/// What is below `/v1/apps/{app}`; `None` if there is no such path.
fn route_app(world: &mut World, call: &Call, app: &str, segments: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Post, Put};
    Some(match (call.method, segments) {
        (Get, []) => apps::get(world, call, app),
        (Delete, []) => apps::delete(world, call, app),
        (_, ["machines", rest @ ..]) => return route_machines(world, call, app, rest),
        (Post, ["deploy_token"]) => tokens::deploy(world, call, app),

        (Get, ["volumes"]) => volumes::list(world, call, app),
        (Post, ["volumes"]) => volumes::create(world, call, app),
        (Get, ["volumes", id]) => volumes::get(world, call, app, id),
        (Put, ["volumes", id]) => volumes::update(world, call, app, id),
        (Delete, ["volumes", id]) => volumes::delete(world, call, app, id),
        (Put, ["volumes", id, "extend"]) => volumes::extend(world, call, app, id),
        (Get, ["volumes", id, "snapshots"]) => volumes::snapshots(world, call, app, id),
        (Post, ["volumes", id, "snapshots"]) => volumes::snapshot(world, call, app, id),

        (Get, ["secrets"]) => secrets::list(world, call, app),
        (Post, ["secrets"]) => secrets::write(world, call, app),
        (Get, ["secrets", name]) => secrets::get(world, call, app, name),
        (Post, ["secrets", name]) => secrets::set(world, call, app, name),
        (Delete, ["secrets", name]) => secrets::delete(world, call, app, name),

        (Get, ["secretkeys"]) => keys::list(world, call, app),
        (Get, ["secretkeys", name]) => keys::get(world, call, app, name),
        (Post, ["secretkeys", name]) => keys::set(world, call, app, name),
        (Delete, ["secretkeys", name]) => keys::delete(world, call, app, name),

        (Get, ["ip_assignments"]) => addresses::list(world, call, app),
        (Post, ["ip_assignments"]) => addresses::assign(world, call, app),
        (Delete, ["ip_assignments", ip]) => addresses::release(world, call, app, ip),

        (Get, ["certificates"]) => certificates::list(world, call, app),
        (Post, ["certificates", "acme"]) => certificates::request(world, call, app),
        (Post, ["certificates", "custom"]) => certificates::bring(world, call, app),
        (Get, ["certificates", hostname]) => certificates::get(world, call, app, hostname),
        (Delete, ["certificates", hostname]) => certificates::delete(world, call, app, hostname),
        (Delete, ["certificates", hostname, "acme"]) => certificates::delete_acme(world, call, app, hostname),
        (Delete, ["certificates", hostname, "custom"]) => certificates::delete_custom(world, call, app, hostname),
        (Post, ["certificates", hostname, "check"]) => certificates::check(world, call, app, hostname),

        (Get, ["network_policies"]) => policies::list(world, call, app),
        (Post, ["network_policies"]) => policies::write(world, call, app),
        (Get, ["network_policies", id]) => policies::get(world, call, app, id),
        (Delete, ["network_policies", id]) => policies::delete(world, call, app, id),
        _ => return None,
    })
}

/// What is below `/v1/apps/{app}/machines`; `None` if there is no such path.
fn route_machines(world: &mut World, call: &Call, app: &str, segments: &[&str]) -> Option<Answer> {
    use Method::{Delete, Get, Patch, Post, Put};
    use machines::{actions, inside, lease, metadata, update};
    Some(match (call.method, segments) {
        (Get, []) => machines::list(world, call, app),
        (Post, []) => machines::create(world, call, app),
        (Get, [id]) => machines::get(world, call, app, id),
        (Post, [id]) => update::update(world, call, app, id),
        (Delete, [id]) => machines::delete(world, call, app, id),
        (Get, [id, "events"]) => actions::events(world, call, app, id),
        (Get, [id, "versions"]) => actions::versions(world, call, app, id),
        (Get, [id, "lease"]) => lease::get(world, call, app, id),
        (Post, [id, "lease"]) => lease::acquire(world, call, app, id),
        (Delete, [id, "lease"]) => lease::release(world, call, app, id),
        (Get, [id, "metadata"]) => metadata::get(world, call, app, id),
        (Put, [id, "metadata"]) => metadata::put(world, call, app, id, false),
        (Patch, [id, "metadata"]) => metadata::put(world, call, app, id, true),
        (Get, [id, "metadata", key]) => metadata::get_key(world, call, app, id, key),
        (Post, [id, "metadata", key]) => metadata::set_key(world, call, app, id, key),
        (Delete, [id, "metadata", key]) => metadata::delete_key(world, call, app, id, key),
        (Post, [id, "exec"]) => inside::exec(world, call, app, id),
        (Get, [id, "ps"]) => inside::processes(world, call, app, id),
        (Post, [id, "signal"]) => inside::signal(world, call, app, id),
        (Get, [id, "memory"]) => inside::memory(world, call, app, id),
        (Put, [id, "memory"]) => inside::limit_memory(world, call, app, id),
        (Post, [id, "memory", "reclaim"]) => inside::reclaim_memory(world, call, app, id),
        (Post, [id, action]) => actions::act(world, call, app, id, actions::Action::named(action)?),
        _ => return None,
    })
}

/// 501 below `/v1`, whether Fly has such a path or not: a client must never take an answer of the simulator's ignorance for one of
/// the platform. Other paths answer 404.
fn no_such_route(call: &Call, segments: &[&str]) -> Reply {
    if segments.first() != Some(&"v1") {
        return Reply::error(404, "not found");
    }
    let method = call.method.as_str();
    let known = NOT_SIMULATED.iter().find(|(of, path)| *of == method && is_path(path, segments));
    if let Some((_, path)) = known {
        return Reply::error(501, &format!("not implemented: {method} {path} is not simulated"));
    }
    not_implemented(call)
}

/// The answer to what a real server would know.
pub(crate) fn not_implemented(call: &Call) -> Reply {
    let text = format!("not implemented: the simulator has no {} /{}", call.method.as_str(), call.segments.join("/"));
    Reply::error(501, &text)
}

/// Whether the segments are those of `path`, where names in braces stand for any segment.
fn is_path(path: &str, segments: &[&str]) -> bool {
    let mut wanted = path.split('/').skip(1);
    let mut given = segments.iter();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted.starts_with('{') || wanted == *given => {}
            _ => return false,
        }
    }
}

/// The display name of an organization.
pub(crate) fn org_name<'a>(world: &'a World, slug: &'a str) -> Cow<'a, str> {
    world
        .config
        .orgs
        .iter()
        .find(|org| org.slug == slug)
        .map_or(Cow::Borrowed(slug), |org| Cow::Borrowed(org.name.as_str()))
}

/// Whether the organization exists and the caller sees it.
pub(crate) fn check_org(world: &World, call: &Call, slug: &str) -> Result<(), Refusal> {
    let exists = world.config.open_orgs || world.config.orgs.iter().any(|org| org.slug == slug);
    if !exists {
        return Err(Refusal::from(Reply::error(404, "organization not found")));
    }
    if call.caller.sees(slug) { Ok(()) } else { Err(Refusal::from(Reply::unauthorized())) }
}

/// The same, and the caller is not bound to one app of it.
pub(crate) fn check_whole_org(world: &World, call: &Call, slug: &str) -> Result<(), Refusal> {
    check_org(world, call, slug)?;
    if call.caller.app.is_none() { Ok(()) } else { Err(Refusal::from(Reply::unauthorized())) }
}
