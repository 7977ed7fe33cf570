//! Plain lines: for logs, pipes and CI. One line per step when it ends, and one when a wait begins, so that silence never means
//! that nothing happens.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::words::{self, Columns};
use crate::event::{Event, Observer, Outcome, What};
use crate::report::style::{Style, Tone};
use crate::report::text::{clean, clean_lines, moment, pad, plural};

/// Writes `12:01:03  staging  server  create machine app/iad/0 … done (2.1s)`.
pub struct PlainLines {
    style: Style,
    state: Mutex<State>,
}

struct State {
    out: Box<dyn Write + Send>,
    columns: Columns,
}

impl fmt::Debug for PlainLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainLines").field("style", &self.style).finish_non_exhaustive()
    }
}

impl PlainLines {
    /// Writes to `out`. A line that cannot be written is lost; progress is not worth a failed pass.
    pub fn new(out: Box<dyn Write + Send>, style: Style, columns: Columns) -> Self {
        Self { style, state: Mutex::new(State { out, columns }) }
    }

    fn text(&self, event: &Event) -> Option<(String, String)> {
        let style = self.style;
        let in_env = |text: String| Some((String::new(), text));
        match &event.what {
            What::Planned { steps: 0 } => None,
            What::Planned { steps } => in_env(format!("{} planned", plural(*steps, "step"))),
            What::StepStarted { step } if step.action == "wait" => {
                Some((component(step), format!("{} {}", words::step(step), clean(&step.reason))))
            }
            What::StepStarted { .. } => None,
            What::StepProgress { step, message } => {
                Some((component(step), format!("{} {} {}", words::step(step), style.ellipsis(), clean(message))))
            }
            What::StepFinished { step, took, outcome } => {
                let text = match outcome {
                    Outcome::Done { produced: None } if step.action == "wait" => {
                        format!("{} {}", words::done(step), words::took(*took, style))
                    }
                    _ => format!("{} {} {}", words::step(step), style.ellipsis(), self.end(*took, outcome)),
                };
                Some((component(step), text))
            }
            What::Waiting { message, until } => {
                let until = until.map(|until| format!(", until {}", moment(until, event.at))).unwrap_or_default();
                in_env(format!("{} {}{until}", style.paint(Tone::Held, "waiting:"), clean(message)))
            }
            What::Finished { standing, message } => {
                let (word, tone) = words::standing(*standing);
                let message = message.as_ref().map(|message| format!(": {}", clean(message))).unwrap_or_default();
                in_env(format!("{}{message}", style.paint(tone, word)))
            }
        }
    }

    /// How a step ended. What it produced stands beside it; what went wrong may take lines of its own.
    fn end(&self, took: Duration, outcome: &Outcome) -> String {
        let (word, tone, detail) = words::outcome(outcome, self.style);
        let word = self.style.paint(tone, word);
        let took = words::took(took, self.style);
        match (outcome, detail) {
            (Outcome::Skipped { .. }, detail) => format!("{word}: {}", clean(&detail.unwrap_or_default())),
            (Outcome::Done { .. }, Some(detail)) => {
                format!("{word} {took}  {}", self.style.paint(Tone::Dim, clean(&detail)))
            }
            (_, Some(detail)) => format!("{word} {took}\n          {}", clean_lines(&detail).join("\n          ")),
            (_, None) => format!("{word} {took}"),
        }
    }
}

fn component(step: &crate::event::StepRef) -> String {
    step.component.as_ref().map(|name| clean(name.as_str())).unwrap_or_default()
}

impl Observer for PlainLines {
    fn observe(&self, event: &Event) {
        let Some((component, text)) = self.text(event) else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.columns.take_in(event.env.as_str(), &component);
        let time = self.style.paint(Tone::Dim, event.at.format("%H:%M:%S").to_string());
        let env = self.style.paint(Tone::Strong, pad(&clean(event.env.as_str()), state.columns.environment));
        let component = pad(&component, state.columns.component);
        let line = format!("{time}  {env}  {component}  {}\n", text.trim_end());
        // Nobody can be told that the place where things are told is gone.
        drop(state.out.write_all(line.as_bytes()));
        drop(state.out.flush());
    }
}
