//! Saving the whole world and going on from it in another process.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Simulator;
use super::config::SimConfig;
use super::world::World;
use crate::clock::SharedClock;

/// The version of the form in which a world is saved.
const VERSION: u64 = 2;

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u64,
    world: World,
}

/// Why a saved world cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It was saved by another version of the simulator.
    #[error(
        "the simulator's saved state has version {found}, this is version {VERSION}; remove the file to start afresh"
    )]
    Version {
        /// The version that was found.
        found: u64,
    },
    /// It is not a saved world, or it was damaged.
    #[error("the simulator's saved state cannot be read: {source}; remove the file to start afresh")]
    Damaged {
        /// What is wrong with it.
        #[from]
        source: serde_json::Error,
    },
}

impl Simulator {
    /// The whole world, secrets included. Requests, faults and limits are not part of it, and of the past only what listings lag behind.
    pub fn snapshot(&self) -> Value {
        let mut state = self.present();
        let past = std::mem::take(&mut state.world.index);
        let mut world = serde_json::to_value(&state.world).unwrap_or_default();
        if !self.inner.config.listing_lag.is_zero()
            && let Some(world) = world.as_object_mut()
        {
            world.insert("index".to_owned(), serde_json::to_value(&past).unwrap_or_default());
        }
        state.world.index = past;
        json!({"version": VERSION, "world": world})
    }

    /// A simulator that goes on from a saved world: machines that were booting have booted if their time has come.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if `saved` is not a saved world of this version.
    pub fn restore(saved: &Value, config: SimConfig, clock: SharedClock) -> Result<Self, SnapshotError> {
        if let Some(found) = saved.get("version").and_then(Value::as_u64).filter(|found| *found != VERSION) {
            return Err(SnapshotError::Version { found });
        }
        let Saved { mut world, .. } = Saved::deserialize(saved)?;
        let config = Arc::new(config);
        world.config = Arc::clone(&config);
        Ok(Self::of_world(world, config, clock))
    }
}
