//! Services: what the Fly proxy forwards to an app's machines.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::ServiceCheck;
use super::text::HeaderRule;

/// One internal port and the public ports in front of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Transport protocol. Default: `tcp`.
    #[serde(default)]
    pub protocol: Protocol,
    /// The port that the process listens on, on all interfaces, for example `8080`.
    #[schemars(range(min = 1, max = 65535))]
    pub internal_port: u16,
    /// Process groups that serve it. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Public ports. None: reachable only through Flycast or not at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// When a machine counts as busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// What the proxy does with idle machines: `off`, `stop` or `suspend`. Default: `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostop: Option<Autostop>,
    /// Whether a request starts a stopped machine. Default: `true` at Fly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autostart: Option<bool>,
    /// How many machines of the primary region autostop leaves running. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_machines_running: Option<u32>,
    /// Health checks; a machine that fails them gets no traffic.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<ServiceCheck>,
}

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP; needs a dedicated IPv4 address.
    Udp,
}

/// What the proxy does with machines that have nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Autostop {
    /// Leaves them running.
    Off,
    /// Stops them.
    Stop,
    /// Suspends them with their memory, or stops them where that is impossible.
    Suspend,
}

/// When a machine counts as busy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Concurrency {
    /// What is counted: `connections` or `requests`. Default: `connections`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ConcurrencyKind>,
    /// Above this, other machines are preferred. Default: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_limit: Option<u32>,
    /// Above this, nothing more is sent to the machine. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_limit: Option<u32>,
}

/// What concurrency counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ConcurrencyKind {
    /// Open connections.
    Connections,
    /// Running requests.
    Requests,
}

/// A public port, or a range of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// The public port, for example `443`. Exclusive with `startPort` and `endPort`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// First port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub start_port: Option<u16>,
    /// Last port of a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<u16>,
    /// How the proxy treats the connection: `http`, `tls`, `pg_tls`, `proxy_proto`. HTTPS is `[http, tls]`; none is raw TCP or UDP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<Handler>,
    /// Redirect HTTP to HTTPS; only with the `http` handler. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_https: Option<bool>,
    /// TLS settings of the `tls` handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_options: Option<TlsOptions>,
    /// HTTP settings of the `http` handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_options: Option<HttpOptions>,
    /// Version of the PROXY protocol; only with the `proxy_proto` handler. Default: `v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_proto: Option<ProxyProto>,
}

/// How the proxy treats a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Handler {
    /// Understands HTTP/1 and HTTP/2.
    Http,
    /// Terminates TLS.
    Tls,
    /// Terminates TLS as PostgreSQL negotiates it.
    PgTls,
    /// Prepends the client's address in the PROXY protocol.
    ProxyProto,
}

/// Version of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProto {
    /// The text form.
    V1,
    /// The binary form.
    V2,
}

/// TLS settings of a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsOptions {
    /// Application protocols that are offered, for example `[h2, http/1.1]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Vec<String>>,
    /// TLS versions that are accepted, for example `[TLSv1.2, TLSv1.3]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Vec<String>>,
    /// Answer with a self-signed certificate where there is no other. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_self_signed: Option<bool>,
}

/// HTTP settings of a port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpOptions {
    /// Compress responses. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<bool>,
    /// Speak HTTP/2 without TLS to the machine. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h2_backend: Option<bool>,
    /// Close an idle connection after this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u32>,
    /// Give up on a request whose headers take longer than this many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_read_timeout: Option<u32>,
    /// What the proxy does to responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HttpResponse>,
    /// Where the proxy remembers which machine asked for a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_cache: Option<Vec<ReplayCache>>,
}

/// What the proxy does to responses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpResponse {
    /// Headers to set by name; a list sets several, `false` removes one.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, HeaderRule>,
    /// Leave out the headers that Fly adds. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pristine: Option<bool>,
}

/// Where the proxy remembers which machine asked for a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayCache {
    /// Requests whose path begins like this, for example `/api`.
    pub path_prefix: String,
    /// How many seconds the choice is remembered.
    pub ttl_seconds: u32,
    /// What identifies the client: `cookie` or `header`.
    #[serde(rename = "type")]
    pub kind: ReplayCacheKind,
    /// Name of the cookie or header.
    pub name: String,
    /// Whether a client may bypass it. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_bypass: Option<bool>,
}

/// What identifies a client in a replay cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplayCacheKind {
    /// A cookie.
    Cookie,
    /// A request header.
    Header,
}
