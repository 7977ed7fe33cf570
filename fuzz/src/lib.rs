//! What is fuzzed. The same functions are replayed over the corpus by `tests/corpus` of the main package.

mod targets;

pub use targets::{answer, expression, fly_toml, observation, spec};
