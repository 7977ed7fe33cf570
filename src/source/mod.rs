//! Stub.
use crate::desired::Completeness;
use crate::spec::SourceFile;
use std::path::Path;
/// S.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// f
    pub files: Vec<SourceFile>,
    /// c
    pub commit: Option<String>,
    /// c
    pub completeness: Completeness,
    /// a
    pub assets: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
}
impl Snapshot {
    /// m
    pub fn in_memory(
        files: Vec<SourceFile>,
        assets: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
        completeness: Completeness,
    ) -> Self {
        Self { files, commit: None, completeness, assets }
    }
    /// a
    pub fn asset(&self, _path: &Path) -> Result<Vec<u8>, SourceError> {
        Err(SourceError)
    }
}
/// E
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct SourceError;
/// S
#[async_trait::async_trait]
pub trait Source: std::fmt::Debug + Send + Sync {
    /// l
    async fn load(&self) -> Result<Snapshot, SourceError>;
    /// c
    async fn changed(&self);
}
