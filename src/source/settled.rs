//! A source whose specs are elsewhere than the controller's own settings.

use std::sync::Arc;

use super::{SharedSource, Snapshot, Source, SourceError};
use crate::spec::SourceFile;

/// Specs from one place, with the `Controller` document from another: who names a repository in the controller's settings keeps these
/// settings where the controller runs. A `Controller` among the specs themselves takes precedence.
#[derive(Debug)]
pub struct WithController {
    specs: SharedSource,
    controller: SourceFile,
}

impl WithController {
    /// The specs of `specs`, under the settings in the file `controller`.
    pub fn new(specs: SharedSource, controller: SourceFile) -> Self {
        Self { specs, controller }
    }
}

#[async_trait::async_trait]
impl Source for WithController {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        let mut snapshot = self.specs.load().await?;
        // Specs with errors are reported by whoever loads them next.
        let has_own = crate::spec::parse(&snapshot.files).is_ok_and(|specs| specs.controller.is_some());
        if !has_own && !snapshot.files.contains(&self.controller) {
            snapshot.files.push(self.controller.clone());
        }
        Ok(snapshot)
    }

    async fn changed(&self) {
        self.specs.changed().await;
    }

    fn describe(&self) -> String {
        self.specs.describe()
    }
}

impl From<WithController> for SharedSource {
    fn from(source: WithController) -> Self {
        Arc::new(source)
    }
}
