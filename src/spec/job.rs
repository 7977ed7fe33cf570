//! `spec.jobs`: commands that run to their end while an environment is brought about.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::size::Size;
use super::text::{StringList, Text};

/// A command that runs to its end while the environment is brought about: a migration, a seed, a smoke test.
///
/// It runs in a machine of its own in the app of `app`, with that component's image, size, environment, files and secrets, and without
/// its services, checks and volumes. The machine stays, stopped, and remembers how the run has ended. What comes after a job that
/// has failed is not changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Job {
    /// The Fly component in whose app it runs, for example `worker`.
    #[schemars(example = &"worker")]
    pub app: String,
    /// The command, as a list or as a string that is split like a shell does, for example `bin/migrate --all`. It takes the place of the
    /// component's command; an entrypoint stays.
    pub command: StringList,
    /// The image. Default: the component's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Environment variables besides the component's.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Text>,
    /// A preset of processors and memory, for example `shared-cpu-2x`. Default: the component's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::preset::size_schema")]
    pub size: Option<String>,
    /// Memory. Default: the preset's of `size`, or the component's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// When it runs: `onChange` (again whenever its image, command, environment or secrets have changed) or `once` in the life of the
    /// environment. Default: `onChange`.
    #[serde(default)]
    pub run: Run,
    /// Another text here lets it run again, also one that runs `once` and one that has failed. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Text>,
    /// What is changed only when it has ended well: components (`worker`, `neon.main`, `vercel.web`) and other jobs (`seed`).
    /// Default: nothing, and the job itself comes after its own component.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["worker", "vercel.web"]]))]
    pub before: Vec<String>,
    /// What has to be as wanted before it runs: components and other jobs. What its values refer to need not be named. Default: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["db", "migrate"]]))]
    pub after: Vec<String>,
    /// How long a run may take, from `1s` to `24h`. Then it is stopped and has failed. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How often Fly starts it again when it fails, before it has failed for good, from 0 to 10. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub retries: Option<u32>,
}

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Run {
    /// Whenever what it runs has changed.
    #[default]
    OnChange,
    /// Once.
    Once,
}
