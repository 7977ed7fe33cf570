//! Registries of images, as far as knowing whether an image is there (OCI distribution specification; Docker Registry HTTP API v2).
//!
//! ```text
//! HEAD /v2/NAME/manifests/REFERENCE ──> 200, 404
//!        └─ 401 with a challenge: Basic, or Bearer with a realm ──> GET realm ──> the same again, with what that gave
//! ```

mod client;

pub use client::{RegistryError, RegistryReader};

#[cfg(test)]
mod tests;
