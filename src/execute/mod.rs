//! Carries out plans: steps as a graph, as parallel as they allow, each noted before it is sent and concluded when it is answered.
//!
//! The executor decides nothing about *what* happens. It fills in outputs, repeats what certainly had no effect, reads the proof of
//! a delete once more, and reports how each step ended. Whatever did not end well is the next plan's business.

mod journal;
mod object;
mod run;
mod step;
mod wait;

pub use journal::{Intent, Journal};
pub(crate) use run::step_ref;
pub use run::{Executor, Failure, Report, Stop, StopReason};
