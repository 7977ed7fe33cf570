//! Kind `Controller`: who this controller is, where specs come from and which tokens it uses.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::de::{Error, MapAccess};
use serde::{Deserialize, Deserializer, Serialize};

use super::duration::Duration;
use super::source::{self, Source};

/// Settings of one controller. There is at most one such document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerSpec {
    /// Identity that is stamped on everything the controller creates: a DNS label of at most 20 characters, for example `acme`.
    /// Two controllers must never share one.
    #[schemars(example = &"acme", length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub owner: String,
    /// Where specs come from. Default: the directory of this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// Where the key that generated secrets are derived from comes from. Default: environment variable `HANGAR_MASTER_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<CredentialSource>,
    /// How Fly.io is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fly: Option<ControllerFly>,
    /// How Neon is reached. Default: with the token in environment variable `NEON_API_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neon: Option<ControllerProvider>,
    /// How Supabase is reached. Default: with the token in environment variable `SUPABASE_ACCESS_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supabase: Option<ControllerProvider>,
    /// How Vercel is reached. Default: with the token in environment variable `VERCEL_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vercel: Option<ControllerProvider>,
    /// How GitHub is reached, where sets of previews come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<ControllerGithub>,
    /// Who asks registries whether images are there, by the host of each, for example `ghcr.io`. Default: nobody in particular, and
    /// `registry.fly.io` by the token of the Fly organization.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub registries: IndexMap<String, RegistryLogin>,
    /// What the daemon serves over HTTP. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerSpec>,
    /// Where history is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSpec>,
    /// How often every environment is looked at even when nothing happened, for example `10m`. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resync: Option<Duration>,
    /// How often everything is read anew, also what listings leave out, for example `1h`. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deep_resync: Option<Duration>,
    /// How many environments are worked on at once. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub workers: Option<u32>,
}

/// Where specs come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SourceSpec {
    /// A directory on this machine, watched for changes.
    Directory(DirectorySource),
    /// A git repository, fetched at intervals.
    Git(GitSource),
}

/// A directory of specs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectorySource {
    /// Its path, relative to this file, for example `specs`. Default: `.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A git repository with specs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// Where it is fetched from, for example `https://github.com/acme/deploy.git`.
    pub url: String,
    /// Branch, tag or commit. Default: the repository's default branch.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Directory of the specs in it, for example `specs`. Default: `.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often it is fetched, for example `1m`. Default: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
}

/// Where a token or key comes from; a spec never holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialSource {
    /// Name of an environment variable, for example `{fromEnv: FLY_API_TOKEN}`.
    FromEnv(String),
    /// Path of a file that only its owner may read (mode 0600), for example `{fromFile: /run/secrets/token}`.
    FromFile(String),
}

impl<'de> Deserialize<'de> for CredentialSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        source::deserialize(deserializer)
    }
}

impl Source for CredentialSource {
    const NAMES: &'static [&'static str] = &["fromEnv", "fromFile"];
    const EXPECTED: &'static str = "one of `fromEnv`, `fromFile`";
    const HELP: &'static str = "say where the value comes from: `{fromEnv: NAME}` or `{fromFile: path}`";

    fn read<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Self, A::Error> {
        match name {
            "fromEnv" => Ok(Self::FromEnv(map.next_value()?)),
            "fromFile" => Ok(Self::FromFile(map.next_value()?)),
            other => Err(A::Error::unknown_field(other, Self::NAMES)),
        }
    }
}

/// How Fly.io is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerFly {
    /// Address of the Machines API. Default: `https://api.machines.dev`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://api.machines.dev")]
    pub base_url: Option<String>,
    /// Organizations by slug, each with its token. Default: environment variable `FLY_API_TOKEN` for all.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub organizations: IndexMap<String, FlyOrganization>,
}

/// How a provider with projects is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerProvider {
    /// Address of its API. Default: the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Where the token of projects comes from that are not named below. Default: the provider's usual environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CredentialSource>,
    /// Projects by id or name (of Vercel also `team/project`), each with its token. What is named here is looked at also when no
    /// environment has anything in it any more.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub projects: IndexMap<String, ProviderProject>,
}

/// One project of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderProject {
    /// Where its token comes from, for example `{fromEnv: NEON_API_KEY_STAGING}`. Default: that of the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CredentialSource>,
}

/// One Fly organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlyOrganization {
    /// Where its token comes from, for example `{fromEnv: FLY_API_TOKEN_PROD}`.
    pub token: CredentialSource,
    /// Whether its Managed Postgres is looked at also when no environment has anything there any more, so that what is left of one is
    /// found on a machine that remembers nothing. Default: `false`.
    #[serde(default, skip_serializing_if = "super::environment::is_false")]
    pub postgres: bool,
}

/// Who asks a registry whether an image is there; he must be allowed to pull it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryLogin {
    /// The user.
    pub username: String,
    /// Where the password or token comes from, for example `{fromEnv: GHCR_TOKEN}`.
    pub password: CredentialSource,
}

/// What the daemon serves over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServerSpec {
    /// Address and port that it listens on, for example `0.0.0.0:8080`; without TLS, which a proxy in front of it adds.
    #[schemars(example = &"0.0.0.0:8080")]
    pub listen: String,
}

/// What GitHub tells by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubWebhook {
    /// Where the secret comes from that deliveries are signed with, for example `{fromEnv: GITHUB_WEBHOOK_SECRET}`.
    pub secret: CredentialSource,
}

/// How GitHub is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControllerGithub {
    /// Address of the REST API; of an Enterprise server `https://HOST/api/v3`. Default: `https://api.github.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://api.github.com")]
    pub base_url: Option<String>,
    /// Where the token comes from. It needs to read pull requests and contents. Default: environment variable `GITHUB_TOKEN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CredentialSource>,
    /// The GitHub App that asks, instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<GithubApp>,
    /// How often the daemon asks for pull requests and branches, for example `1m`. Default: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Takes webhooks at `/webhooks/github` of `server`, so that pull requests are looked at at once. Default: they are not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<GithubWebhook>,
}

/// A GitHub App that is installed in the repositories. It needs to read pull requests and contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubApp {
    /// The App's id, as its settings show it.
    pub id: u64,
    /// The id of the installation: the number at the end of the installation's address.
    pub installation: u64,
    /// Where the App's private key comes from: the text of the `.pem` file.
    pub private_key: CredentialSource,
}

/// Where history is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreSpec {
    /// Path of the SQLite database, relative to the working directory. Default: `.hangar/hangar.db`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
