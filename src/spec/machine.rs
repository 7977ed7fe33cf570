//! Settings of machines beyond what they run and serve.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::size::Size;

/// What happens when the process exits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// `no`, `always`, `on-failure` or `spot-price`.
    pub policy: RestartPolicy,
    /// How often it is restarted before it stays stopped; only with `on-failure`. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// The highest price for GPU capacity; only with `spot-price`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_bid_price: Option<f64>,
}

/// When a process is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Whenever it exits.
    Always,
    /// When it exits with a code other than 0.
    OnFailure,
    /// When capacity is available below a price.
    SpotPrice,
}

/// How a machine is asked to stop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// The signal. Default: `SIGINT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// How long it may take before it is killed, at most `5m`, for example `30s`. Default: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the operating system's")]
pub enum Signal {
    SigHup,
    SigInt,
    SigQuit,
    SigKill,
    SigUsr1,
    SigUsr2,
    SigTerm,
}

/// Where Fly collects Prometheus metrics from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics {
    /// The port, for example `9091`.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The path, for example `/metrics`.
    pub path: String,
    /// Ask with TLS. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<bool>,
    /// Process groups that have them. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
}

/// Files that the Fly proxy serves itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Static {
    /// Path in the image, or in the bucket, for example `/app/public`.
    pub path: String,
    /// Where requests find them, for example `/public`.
    pub url_prefix: String,
    /// Name of a Tigris bucket that holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// File that answers for a folder, for example `index.html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
}

/// Name resolution inside the machines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Leave the machines out of `<app>.internal`. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_registration: Option<bool>,
    /// Addresses of name servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nameservers: Option<Vec<String>>,
    /// Search domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searches: Option<Vec<String>>,
    /// Options of the resolver, for example `[{name: ndots, value: "2"}]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<DnsOption>>,
    /// Domains that are asked elsewhere, for example `[{basename: corp.example, addr: "fd00::53"}]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_rules: Option<Vec<DnsForwardRule>>,
    /// Host name of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Full host name of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname_fqdn: Option<String>,
}

/// An option of the resolver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsOption {
    /// Its name, for example `ndots`.
    pub name: String,
    /// Its value. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<super::text::Text>,
}

/// A domain that is asked elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DnsForwardRule {
    /// The domain.
    pub basename: String,
    /// Address of the name server.
    pub addr: String,
}

/// The root file system of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rootfs {
    /// Whether changes survive: `never`, `always`, or only a `restart`. Default: `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persist: Option<RootfsPersist>,
    /// Size in whole GB, for example `20GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
}

/// Whether changes of the root file system survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RootfsPersist {
    /// They are lost when the machine stops.
    Never,
    /// They survive everything but a new image.
    Always,
    /// They survive a restart.
    Restart,
}

/// A local drive for caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CacheDrive {
    /// Its size, for example `1GB`.
    pub size: Size,
}

/// Spare capacity at a reduced price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spot {
    /// The highest price, as a fraction of the normal one: above 0, at most 1, for example `0.5`.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub max_price_fraction: f64,
}
