//! A terminal: one bar per environment with what it is at, and finished steps as lines above.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::words::{self, Columns};
use crate::event::{Event, Observer, Outcome, StepRef, What};
use crate::plan::{Standing, StepId};
use crate::report::style::{Style, Tone};
use crate::report::text::{clean, columns, moment, pad, paragraph};
use crate::resource::EnvName;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// Columns of a bar.
const BAR_COLUMNS: usize = 20;

/// Bars for the environments that are being worked on.
pub struct Bars {
    style: Style,
    all: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    columns: Columns,
    environments: BTreeMap<EnvName, Work>,
}

/// What is going on in one environment.
struct Work {
    bar: ProgressBar,
    /// The steps under way, with what each last said.
    running: BTreeMap<StepId, String>,
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").field("style", &self.style).finish_non_exhaustive()
    }
}

impl Bars {
    /// Draws on `target`; on one that is no terminal nothing is drawn.
    pub fn new(target: ProgressDrawTarget, style: Style, columns: Columns) -> Self {
        let state = State { columns, environments: BTreeMap::new() };
        Self { style, all: MultiProgress::with_draw_target(target), state: Mutex::new(state) }
    }

    /// Runs `print` while no bar is on the screen, so that what it prints stays whole.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    fn begin(&self, state: &mut State, event: &Event, steps: usize) {
        if let Some(work) = state.environments.remove(&event.env) {
            work.bar.finish_and_clear();
        }
        if steps == 0 {
            return;
        }
        let bar = self.all.add(ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX)));
        bar.set_style(self.bar_style());
        bar.set_prefix(pad(&clean(event.env.as_str()), state.columns.environment));
        bar.enable_steady_tick(TICK);
        state.environments.insert(event.env.clone(), Work { bar, running: BTreeMap::new() });
    }

    fn bar_style(&self) -> ProgressStyle {
        let template = if self.style.color {
            format!(
                "{{spinner:.cyan}} {{prefix:.bold}}  {{bar:{BAR_COLUMNS}.green/dim}} {{pos:>3}}/{{len}}  {{wide_msg}}"
            )
        } else {
            format!("{{spinner}} {{prefix}}  {{bar:{BAR_COLUMNS}}} {{pos:>3}}/{{len}}  {{wide_msg}}")
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_wrong| ProgressStyle::default_bar());
        if self.style.unicode {
            style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ").progress_chars("━╸─")
        } else {
            style.tick_chars("-\\|/ ").progress_chars("=>-")
        }
    }

    /// A line above the bars: a mark, the environment, the component, and what there is to say.
    fn line(&self, state: &State, mark: &str, tone: Tone, env: &EnvName, component: &str, text: &str) {
        let style = self.style;
        let name = pad(&clean(env.as_str()), state.columns.environment);
        let component = pad(component, state.columns.component);
        let line = format!("{} {}  {component}  {text}", style.paint(tone, mark), style.paint(Tone::Strong, name));
        // A line that cannot be shown is lost; progress is not worth a failed pass.
        drop(self.all.println(line.trim_end()));
    }

    fn finished(&self, state: &State, env: &EnvName, step: &StepRef, took: Duration, outcome: &Outcome) {
        let style = self.style;
        let (word, tone, detail) = words::outcome(outcome, style);
        let mark = match outcome {
            Outcome::Done { .. } => style.tick(),
            Outcome::Failed { .. } => style.cross(),
            Outcome::Unknown { .. } => "?",
            Outcome::Skipped { .. } => "-",
        };
        let component = component(step);
        let name = if matches!(outcome, Outcome::Done { .. }) { words::done(step) } else { words::step(step) };
        let text = match (outcome, &detail) {
            (Outcome::Done { .. }, Some(detail)) => {
                format!("{name} {}  {}", words::took(took, style), style.paint(Tone::Dim, clean(detail)))
            }
            (Outcome::Done { .. }, None) => format!("{name} {}", words::took(took, style)),
            (Outcome::Skipped { message }, _) => format!("{name} {word}: {}", clean(message)),
            _ => format!("{name} {} {}", style.paint(tone, word), words::took(took, style)),
        };
        self.line(state, mark, tone, env, &component, &text);
        if let (Outcome::Failed { .. } | Outcome::Unknown { .. }, Some(detail)) = (outcome, detail) {
            for line in paragraph(&detail, style.width.saturating_sub(4).max(24)) {
                drop(self.all.println(format!("    {line}").trim_end()));
            }
        }
    }
}

impl Work {
    /// Shows the step that has gone on longest, and how many others there are.
    fn show(&self, style: Style) {
        let others = match self.running.len().saturating_sub(1) {
            0 => String::new(),
            others => style.paint(Tone::Dim, format!(" (and {others} more)")),
        };
        let first = self.running.values().next().map(String::as_str).unwrap_or_default();
        self.bar.set_message(format!("{first}{others}"));
    }
}

impl Observer for Bars {
    fn observe(&self, event: &Event) {
        let style = self.style;
        let mut guard = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let of_step = match &event.what {
            What::StepStarted { step } | What::StepProgress { step, .. } | What::StepFinished { step, .. } => {
                component(step)
            }
            _ => String::new(),
        };
        state.columns.take_in(event.env.as_str(), &of_step);
        let prefix = pad(&clean(event.env.as_str()), state.columns.environment);
        if let Some(work) = state.environments.get(&event.env)
            && columns(&work.bar.prefix()) != columns(&prefix)
        {
            work.bar.set_prefix(prefix);
        }
        match &event.what {
            What::Planned { steps } => self.begin(state, event, *steps),
            What::StepStarted { step } | What::StepProgress { step, .. } => {
                let said = match &event.what {
                    What::StepProgress { message, .. } => format!(": {}", clean(message)),
                    _ if step.action == "wait" => format!(" {}", clean(&step.reason)),
                    _ => String::new(),
                };
                if let Some(work) = state.environments.get_mut(&event.env) {
                    let component = if of_step.is_empty() { of_step } else { format!("{of_step}  ") };
                    work.running.insert(step.id, format!("{component}{}{said}", words::step(step)));
                    work.show(style);
                }
            }
            What::StepFinished { step, took, outcome } => {
                self.finished(state, &event.env, step, *took, outcome);
                if let Some(work) = state.environments.get_mut(&event.env) {
                    work.running.remove(&step.id);
                    work.bar.inc(1);
                    work.show(style);
                }
            }
            What::Waiting { message, until } => {
                let until = until.map(|until| format!(", until {}", moment(until, event.at))).unwrap_or_default();
                if let Some(work) = state.environments.get(&event.env) {
                    work.bar.set_message(format!("waiting: {}{until}", clean(message)));
                } else {
                    let text = format!("waiting: {}{until}", clean(message));
                    self.line(state, "!", Tone::Held, &event.env, "", &text);
                }
            }
            What::Finished { standing, message } => {
                // What is as desired needs no line of its own: the bar goes, and the summary says so.
                if *standing != Standing::Converged {
                    let (word, tone) = words::standing(*standing);
                    let message = message.as_ref().map(|message| format!(": {}", clean(message))).unwrap_or_default();
                    self.line(state, "!", tone, &event.env, "", &format!("{}{message}", style.paint(tone, word)));
                }
                // Last, so that the cursor is left at the beginning of a line.
                if let Some(work) = state.environments.remove(&event.env) {
                    work.bar.finish_and_clear();
                }
            }
        }
    }
}

fn component(step: &StepRef) -> String {
    step.component.as_ref().map(|name| clean(name.as_str())).unwrap_or_default()
}
