//! What registries say of images that nothing of ours runs yet.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// What a registry said of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageAnswer {
    /// It has it.
    Here,
    /// It does not have it (yet).
    Missing {
        /// When it is asked again.
        ask_again: DateTime<Utc>,
    },
}

/// Answers by image reference, written out. Images of which no registry has said anything are not among them.
pub type Images = BTreeMap<String, ImageAnswer>;
