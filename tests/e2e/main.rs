//! Hangar as a whole against its simulator, in process, on a paused clock: exact live state, exact requests.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test ends where something it relies on is not so"
)]

mod changes;
mod chat_dev;
mod create;
mod given;
mod structure;
mod world;
