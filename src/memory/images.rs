//! Since when images are missed.

use chrono::{DateTime, TimeDelta, Utc};

use super::Memory;
use crate::observed::{ImageAnswer, Images};

/// What was missed so long ago is missed no more: nobody asks for it, or its time is over anyway.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(30);

impl Memory {
    /// Takes in what registries have said: an image counts as missed from the first time on that one did not have it.
    pub fn note_images(&mut self, images: &Images, now: DateTime<Utc>) {
        for (image, answer) in images {
            match answer {
                ImageAnswer::Here => drop(self.missing_images.remove(image)),
                ImageAnswer::Missing { .. } => drop(self.missing_images.entry(image.clone()).or_insert(now)),
            }
        }
        self.missing_images.retain(|_, since| now.signed_duration_since(*since) < FORGOTTEN_AFTER);
    }
}
