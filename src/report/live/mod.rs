//! A pass as it happens: observers of [`crate::event::Event`]s for a terminal, for plain lines and for programs.
//!
//! Each takes the place that it writes to. Whether that is a terminal, and which of the three is right for it, is the caller's to
//! find out.

mod bars;
mod json_lines;
mod lines;
mod words;

#[cfg(test)]
mod tests;

pub use bars::Bars;
pub use json_lines::JsonLines;
pub use lines::PlainLines;
pub use words::Columns;
