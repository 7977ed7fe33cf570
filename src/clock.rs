//! Time as a value that is passed in.
//!
//! Nothing in Hangar asks the operating system for the time except [`SystemClock`]. Tests use [`VirtualClock`], which follows
//! tokio's paused clock, so that a month passes in milliseconds and the controller and the simulator agree on "now".

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Where the present moment and waiting come from.
#[async_trait::async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> DateTime<Utc>;

    /// Returns after `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration) {
        #[expect(clippy::disallowed_methods, reason = "the one place where waiting reaches the runtime")]
        tokio::time::sleep(duration).await;
    }
}

/// A clock that is shared by everything in one run.
pub type SharedClock = Arc<dyn Clock>;

/// The operating system's clock, for production.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place where the operating system is asked for the time")]
        Utc::now()
    }
}

/// A clock that starts at a given moment and then follows tokio's clock, which tests pause.
#[derive(Debug, Clone, Copy)]
pub struct VirtualClock {
    epoch: DateTime<Utc>,
    started: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that reads `epoch` at this moment. Must be called inside a tokio runtime.
    pub fn starting_at(epoch: DateTime<Utc>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the virtual clock is defined by tokio's paused clock")]
        let started = tokio::time::Instant::now();
        Self { epoch, started }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        let elapsed = TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX);
        self.epoch.checked_add_signed(elapsed).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}
