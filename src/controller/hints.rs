//! Hints from outside that something may have changed. They carry nothing, and one that is lost costs only time.

use std::sync::Arc;

use tokio::sync::Notify;

/// Where hints are given and waited for. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Hints(Arc<Notify>);

impl Hints {
    /// Gives a hint. Several before anybody waits are one.
    pub fn give(&self) {
        self.0.notify_one();
    }

    /// Returns once there is a hint.
    pub async fn given(&self) {
        self.0.notified().await;
    }
}
