//! What is fuzzed. The same functions are replayed over the corpus by `tests/corpus` of the main package.

mod answers;
mod targets;

pub use answers::{neon_answer, vercel_answer};
pub use targets::{answer, expression, fly_toml, observation, spec};
