//! Kind `PreviewSet`: pull requests and branches that become environments.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::environment::EnvironmentSpec;
use super::text::Text;

/// Which previews there are, how long they live, and what each is made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewSetSpec {
    /// Where previews come from. Exclusive with `sources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PreviewSource>,
    /// Several places that previews come from. A pull request or branch that more than one of them names is one preview.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PreviewSource>,
    /// How long a preview may live. Default: as long as its pull request or branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<PreviewTtl>,
    /// Puts a preview to sleep in which nothing has happened for a while: its machines are stopped, and wake by a request or a push.
    /// Default: they run all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<PreviewSleep>,
    /// Most previews at once; the others wait their turn, the oldest first. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
    /// How long a preview stays after its pull request was closed, for example `1h`. Default: `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// How long images that a preview needs may be missing in their registries, because they are still being built, before that is a
    /// failure; for example `30m`. Default: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_deadline: Option<Duration>,
    /// The environment that each preview becomes.
    pub template: PreviewTemplate,
}

impl PreviewSetSpec {
    /// All places that previews come from, with the JSON pointer of each.
    pub fn all_sources(&self) -> impl Iterator<Item = (String, &PreviewSource)> {
        let single = self.source.iter().map(|source| ("/spec/source".to_owned(), source));
        let several = self.sources.iter().enumerate();
        single.chain(several.map(|(index, source)| (format!("/spec/sources/{index}"), source)))
    }
}

/// Where previews come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PreviewSource {
    /// Pull requests and branches of a GitHub repository.
    Github(GithubSource),
    /// A fixed list: each item has the values of its `${{ params.… }}`.
    List(Vec<IndexMap<String, Text>>),
    /// Path of a YAML or JSON file beside this one that holds such a list, for example `previews.json`.
    File(String),
}

/// Pull requests and branches of a GitHub repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GithubSource {
    /// The repository, for example `acme/chat`.
    #[schemars(example = &"acme/chat", regex(pattern = r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"))]
    pub repo: String,
    /// Which open pull requests get a preview; `{}` means all of the repository's own. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_requests: Option<PullRequestFilter>,
    /// Names of branches that get a preview without a pull request, with `*` for any text without `/` and `**` for any text, for
    /// example `["feature/*"]`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
}

impl GithubSource {
    /// The branches that are named as they are, without a pattern, with the place of each in `branches`.
    pub fn named_branches(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_pattern = |branch: &str| branch.contains(['*', '?', '[', '{', '\\']);
        self.branches.iter().map(String::as_str).enumerate().filter(move |(_, branch)| !is_pattern(branch))
    }
}

/// Which open pull requests get a preview: those to which everything that is written here applies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullRequestFilter {
    /// It has all of these labels (case does not matter).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// It has none of these labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_labels: Vec<String>,
    /// Whether drafts get a preview too. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<bool>,
    /// Its author is one of these logins, with `*` for any text. Default: anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// It is to be merged into one of these branches, with `*` and `**` as in `branches`. Default: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub base: Vec<String>,
    /// It changes a file whose path is one of these, with `*` for any text without `/` and `**` for any text, for example
    /// `["web/**", "*.toml"]`. Default: any. Each pull request that everything else applies to is asked for its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// What happens with pull requests from forks, whose authors need no rights in the repository: they get no preview (`deny`), one
    /// without any secret (`noSecrets`), or one like any other for each commit that somebody with the triage role or more has approved by
    /// a label (`approved`). Default: `deny`.
    #[serde(default)]
    pub forks: Forks,
    /// The label that approves a commit of a fork, where `forks` is `approved`. Default: `preview:approved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    pub approval_label: Option<String>,
    /// Whether people who may write to the repository command its preview by comments: `/hangar status`, `/hangar redeploy`,
    /// `/hangar extend 48h` or `/hangar destroy` as a line of its own. Default: `false`.
    #[serde(default)]
    pub commands: bool,
}

impl PullRequestFilter {
    /// The label that approves a commit of a fork.
    pub fn approval_label(&self) -> &str {
        self.approval_label.as_deref().unwrap_or(APPROVED)
    }
}

/// The label that approves a commit of a fork unless the set names another.
const APPROVED: &str = "preview:approved";

/// What happens with pull requests from forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Forks {
    /// They get no preview.
    #[default]
    Deny,
    /// They get an environment without any secret.
    NoSecrets,
    /// They get an environment for the commit that was approved by a label, and none after the next push.
    Approved,
}

/// Limits of a preview's life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewTtl {
    /// Time since the last push after which it is torn down, for example `72h`. A push brings it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// Time since it was created after which it is torn down, for example `14d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
}

/// When a preview goes to sleep, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewSleep {
    /// Time since the last push, and since the last start of each machine, after which the machine is stopped, for example `2h`.
    pub after: Duration,
    /// Whether machines are stopped (`stop`), or suspended with their memory where Fly allows it (`suspend`). Default: `stop`.
    #[serde(default)]
    pub mode: SleepMode,
}

/// What becomes of the machines of a sleeping preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SleepMode {
    /// They are stopped.
    #[default]
    Stop,
    /// They are suspended, which wakes faster; those that Fly cannot suspend are stopped.
    Suspend,
}

/// The environment that each preview becomes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PreviewTemplate {
    /// Its name and labels.
    pub metadata: TemplateMetadata,
    /// What is wanted, as in a document of kind `Environment`.
    pub spec: EnvironmentSpec,
}

/// Name and labels of each preview.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateMetadata {
    /// Its name, which must differ from preview to preview, for example `chat-pr-${{ pr.number }}` or `${{ branch.slug }}`.
    #[schemars(example = &"chat-pr-${{ pr.number }}")]
    pub name: String,
    /// Labels of your own, for use as `${{ labels.key }}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, Text>,
    /// Notes of your own, which Hangar does not read.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub annotations: IndexMap<String, Text>,
}

/// Reads the list that a file of a set holds, as YAML or JSON. The error says what is wrong with it.
pub fn items(text: &str) -> Result<Vec<IndexMap<String, Text>>, String> {
    super::tree::read(text).map_err(|error| error.message).and_then(|documents| match documents.as_slice() {
        [] => Ok(Vec::new()),
        [list] => {
            let typed = super::typed::read(list, super::typed::Lenience::default());
            match (typed.value, typed.findings.first()) {
                (Some(items), None) => Ok(items),
                (_, Some(finding)) => Err(format!("at `{}`: {}", finding.pointer, finding.message)),
                (None, None) => Err("it is not a list of maps".to_owned()),
            }
        }
        _ => Err("it has more than one document".to_owned()),
    })
}
