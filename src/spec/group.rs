//! Process groups: machines of one app that run the same command on the same size.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::size::Size;
use super::text::{StringList, Text};

/// Machines that run the same command on the same size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessGroup {
    /// Machines per region. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub count: Option<u32>,
    /// Region codes that each get `count` machines. Default: the app's primary region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// A preset of processors and memory, for example `shared-cpu-1x`; `cpu` and `memory` refine it. Default: `shared-cpu-1x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::preset::size_schema")]
    pub size: Option<String>,
    /// Processors, where the preset does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory, a multiple of 256 MB: 256 to 2048 MB per shared processor, 2048 to 8192 MB per performance processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Graphics processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<Gpu>,
    /// Id of the dedicated host that the machines must run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_dedication_id: Option<String>,
    /// Arguments for the machine's kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_args: Option<Vec<String>>,
    /// The command, as a list or as a string that is split like a shell does, for example `bin/worker`. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<StringList>,
    /// The entrypoint, as a list or a string. Default: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<StringList>,
    /// Replaces entrypoint and command together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<StringList>,
    /// Give the process a terminal. Default: `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Swap space, for example `512MB`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Size>,
    /// Ids of machines of this app that the machines of this group stand by for: they are made stopped, and Fly starts one when the
    /// host of a machine that it stands by for fails. Only for groups without services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("examples" = [["3d8d9014b32d68"]]))]
    pub standbys: Vec<String>,
    /// Environment variables of this group only; they win over the app's.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, Text>,
}

/// Processors of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cpu {
    /// `shared` or `performance`. Default: as the preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CpuKind>,
    /// How many. Default: as the preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub count: Option<u32>,
}

/// How a machine's processors are shared with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CpuKind {
    /// Shared with other machines, with a small guaranteed part.
    Shared,
    /// Exclusive to the machine.
    Performance,
}

/// Graphics processors of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gpu {
    /// The model: `a10`, `l40s`, `a100-pcie-40gb` or `a100-sxm4-80gb`.
    #[schemars(example = &"a10")]
    pub kind: String,
    /// How many. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub count: Option<u32>,
}
