//! Containers and processes inside one machine.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::CheckProtocol;
use super::duration::Duration;
use super::machine::{Restart, Stop};
use super::storage::FileSource;
use super::text::{OneOrMany, StringList, Text};

/// A container that runs in each machine beside others. All containers of a machine share its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// Name, unique in the machine, for example `proxy`.
    pub name: String,
    /// The image, by tag or digest. Default: the app's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The command, as a list or a string. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<StringList>,
    /// The entrypoint, as a list or a string. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StringList>,
    /// Replaces entrypoint and command together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<StringList>,
    /// User that runs the process. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment variables of this container only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Text>,
    /// Environment variables that take their value from the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// The app's secrets that this container sees. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<SecretUse>>,
    /// Files that are written into the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<ContainerFile>,
    /// What happens when its process exits; `spot-price` is not possible here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// How it is asked to stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Containers that must be ready first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<ContainerDependency>,
    /// Health checks of the container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healthchecks: Vec<ContainerHealthcheck>,
}

/// One of several processes inside a machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MachineProcess {
    /// The command, as a list or a string. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<StringList>,
    /// The entrypoint, as a list or a string. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StringList>,
    /// Replaces entrypoint and command together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<StringList>,
    /// User that runs the process. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Environment variables of this process only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Text>,
    /// Environment variables that take their value from the machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFrom>,
    /// The app's secrets that this process sees in addition, or alone with `ignoreAppSecrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<SecretUse>>,
    /// See only the secrets listed here. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_app_secrets: Option<bool>,
}

/// An environment variable that takes its value from the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvFrom {
    /// Name of the variable, for example `MACHINE_REGION`.
    pub env_var: String,
    /// What it is set to.
    pub field_ref: FieldRef,
}

/// A fact about a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldRef {
    /// The machine's id.
    Id,
    /// The version of its config.
    Version,
    /// The app's name.
    AppName,
    /// Its private IPv6 address.
    PrivateIp,
    /// Its region.
    Region,
    /// Its image.
    Image,
}

/// A secret of the app that a container or process sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretUse {
    /// Name of the environment variable.
    pub env_var: String,
    /// Name of the app's secret. Default: as the variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A file in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerFile {
    /// Absolute path in the container, for example `/etc/proxy.conf`.
    pub path: String,
    /// Content as text. Exactly one of `content`, `base64`, `fromFile`, `secret`, `imageConfig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Content in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Local file with the content, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// Name of an app secret that holds the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Name of an image whose OCI config is the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_config: Option<String>,
    /// Permission bits as an integer; YAML reads `0o644` as octal. Default: `0o644`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl ContainerFile {
    /// Where the content comes from, if exactly one source is given.
    pub fn source(&self) -> Option<FileSource<'_>> {
        FileSource::only([
            self.content.as_deref().map(FileSource::Content),
            self.base64.as_deref().map(FileSource::Base64),
            self.from_file.as_deref().map(FileSource::FromFile),
            self.secret.as_deref().map(FileSource::Secret),
            self.image_config.as_deref().map(FileSource::ImageConfig),
        ])
    }
}

/// A container that must be ready first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerDependency {
    /// Name of the other container.
    pub name: String,
    /// What must have happened to it. Default: `started`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<DependencyCondition>,
}

/// What must have happened to a container before another starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyCondition {
    /// It was started.
    Started,
    /// Its own health checks pass.
    Healthy,
    /// It ended with exit code 0.
    ExitedSuccessfully,
}

/// A health check of a container; exactly one of `http`, `tcp`, `exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerHealthcheck {
    /// Name, unique in the container.
    pub name: String,
    /// `readiness` or `liveness`. Default: `readiness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<HealthcheckKind>,
    /// Time between two checks, in whole seconds, for example `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long an answer may take, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long to wait after a start, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<Duration>,
    /// Successes in a row that make it healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<u32>,
    /// Failures in a row that make it unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u32>,
    /// What is done when it is unhealthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<UnhealthyPolicy>,
    /// Ask by HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpHealthcheck>,
    /// Ask by opening a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpHealthcheck>,
    /// Ask by running a command that must exit with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecHealthcheck>,
}

/// What a container's health check is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthcheckKind {
    /// Whether others may depend on it.
    Readiness,
    /// Whether it still lives.
    Liveness,
}

/// What is done with an unhealthy container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UnhealthyPolicy {
    /// It is stopped, and its restart policy decides what follows.
    Stop,
}

/// A container's health check by HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHealthcheck {
    /// The port that is asked.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// HTTP path, for example `/healthz`. Default: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// HTTP method. Default: `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `http` or `https`. Default: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<CheckProtocol>,
    /// Request headers: one value or a list of values per name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, OneOrMany>,
    /// Accept any certificate. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_skip_verify: Option<bool>,
    /// Host name that the certificate must be for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

/// A container's health check by opening a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpHealthcheck {
    /// The port that is opened.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// A container's health check by a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecHealthcheck {
    /// The command, as a list or a string.
    pub command: StringList,
}
