//! Randomness as a value that is passed in, so that a run repeats exactly from its seed.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// A seeded generator that is shared by everything in one run.
#[derive(Debug, Clone)]
pub struct Random(Arc<Mutex<StdRng>>);

impl Random {
    /// A generator that always yields the same sequence for the same `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A generator seeded by the operating system, for production.
    pub fn from_system() -> Self {
        Self::from_seed(rand::random())
    }

    /// The next 64 random bits.
    pub fn next_u64(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random::<f64>()
    }

    /// `count` random lower-case hexadecimal characters.
    pub fn hex(&self, count: usize) -> String {
        let mut text = String::with_capacity(count.saturating_add(16));
        while text.len() < count {
            let chunk = format!("{:016x}", self.next_u64());
            text.push_str(&chunk);
        }
        text.truncate(count);
        text
    }
}
