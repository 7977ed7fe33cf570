//! Volumes and files of an app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::DeletionPolicy;
use super::size::Size;

/// A persistent volume; every machine of the groups gets one of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    /// Size in whole GB, `1GB` to `500GB`. Can grow, never shrink. Default: `1GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Absolute path in the machine, for example `/data`.
    pub mount: String,
    /// Process groups whose machines get it. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
    /// Days that a snapshot is kept, 1 to 60. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub snapshot_retention: Option<u32>,
    /// Take a snapshot every day. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_backup: Option<bool>,
    /// Encrypt at rest. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Place volumes of the same name on different hardware. Default: `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_zone: Option<bool>,
    /// Id of a snapshot to start from, for example `vs_1a2b3c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_snapshot: Option<String>,
    /// Grow when the volume fills up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_extend: Option<AutoExtend>,
    /// What happens once no spec asks for the volume: `delete` or `retain`. Default: as the app.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::deletion::of_volume")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// The volume's name at Fly: at most 30 lower case letters, digits and underscores. Default: the key, with `_` for `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_name: Option<String>,
}

/// When and how a volume grows by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AutoExtend {
    /// Grow when this much is used, in percent, 50 to 99.
    #[schemars(range(min = 50, max = 99))]
    pub threshold: u32,
    /// Grow by this much, `1GB` to `100GB`.
    pub increment: Size,
    /// Never grow beyond this, at most `500GB`. Default: no limit of your own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Size>,
}

/// A file that is written into the machines before they start; exactly one of `content`, `base64`, `fromFile`, `secret`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    /// Absolute path in the machine, for example `/etc/app.conf`.
    pub path: String,
    /// Content as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Content in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// Local file with the content, relative to this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_file: Option<String>,
    /// Name of an app secret that holds the content in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Permission bits as an integer; YAML reads `0o644` as octal. Default: `0o644`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Process groups whose machines get it. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<String>,
}

impl File {
    /// Where the content comes from, if exactly one source is given.
    pub fn source(&self) -> Option<FileSource<'_>> {
        FileSource::only([
            self.content.as_deref().map(FileSource::Content),
            self.base64.as_deref().map(FileSource::Base64),
            self.from_file.as_deref().map(FileSource::FromFile),
            self.secret.as_deref().map(FileSource::Secret),
        ])
    }
}

/// Where a file's content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSource<'a> {
    /// Text of the spec.
    Content(&'a str),
    /// Base64 in the spec.
    Base64(&'a str),
    /// A local file, relative to the spec.
    FromFile(&'a str),
    /// A secret of the app.
    Secret(&'a str),
    /// The OCI config of an image.
    ImageConfig(&'a str),
}

impl<'a> FileSource<'a> {
    /// The only source that is given; `None` when there is none or more than one.
    pub(super) fn only<const N: usize>(candidates: [Option<Self>; N]) -> Option<FileSource<'a>> {
        let mut given = candidates.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(source), None) => Some(source),
            _ => None,
        }
    }
}
