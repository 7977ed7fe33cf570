//! A pass as it happens: observers of [`crate::execute::event::Event`]s for a terminal, for plain lines and for JSON lines.

mod lines;
mod words;

pub use lines::PlainLines;
pub use words::Columns;
