//! Health checks of services and machines.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::text::OneOrMany;

/// How a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckType {
    /// By an HTTP request that must be answered with 2xx.
    Http,
    /// By opening a connection.
    Tcp,
}

/// Protocol of an HTTP check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckProtocol {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// What a machine check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CheckKind {
    /// Only reported.
    Informational,
    /// Decides whether the machine gets traffic.
    Readiness,
}

/// A check of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceCheck {
    /// `http` or `tcp`.
    #[serde(rename = "type")]
    pub kind: CheckType,
    /// The port that is asked. Default: the service's internal port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Time between two checks, `1s` to `60s`, for example `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long an answer may take, `1s` to `60s`, for example `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long failures are ignored after a start, for example `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<Duration>,
    /// HTTP method. Default: `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"GET")]
    pub method: Option<String>,
    /// HTTP path, for example `/healthz`. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/healthz")]
    pub path: Option<String>,
    /// `http` or `https`. Default: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<CheckProtocol>,
    /// HTTP request headers: one value or a list of values per name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, OneOrMany>,
    /// Accept any certificate. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_skip_verify: Option<bool>,
    /// Host name that the certificate must be for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// A check of a machine, apart from any service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// `http` or `tcp`.
    #[serde(rename = "type")]
    pub check_type: CheckType,
    /// What it is for: `informational` or `readiness`. Default: `informational`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CheckKind>,
    /// Process groups whose machines are checked. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// The port that is asked, for example `9090`. Default: the internal port of the first service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Time between two checks, at least `2s`, for example `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long an answer may take, at most `60s`, for example `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long failures are ignored after a start, for example `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<Duration>,
    /// HTTP method. Default: `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"GET")]
    pub method: Option<String>,
    /// HTTP path, for example `/healthz`. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/healthz")]
    pub path: Option<String>,
    /// `http` or `https`. Default: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<CheckProtocol>,
    /// HTTP request headers: one value or a list of values per name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, OneOrMany>,
    /// Accept any certificate. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_skip_verify: Option<bool>,
    /// Host name that the certificate must be for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}
