//! Carries out plans.

pub mod event;
