//! What events are called, the same in every live view.

use crate::desired::{Fleet, Wanted};
use crate::event::{Outcome, StepRef};
use crate::plan::Standing;
use crate::report::style::{Style, Tone};
use crate::report::text::{clean, columns, duration};
use crate::report::view::short_name;
use crate::resource::ResourceKey;
use crate::resource::marker::runs_to_its_end;

use std::time::Duration;

/// How wide the columns of names are, so that lines of different environments stand under each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Columns {
    /// Environments.
    pub environment: usize,
    /// Components.
    pub component: usize,
}

impl Columns {
    /// Wide enough for every name that `fleet` knows.
    pub fn of(fleet: &Fleet) -> Self {
        let mut widths = Self::default();
        for (name, wanted) in &fleet.environments {
            widths.take_in(name.as_str(), "");
            if let Wanted::Ready(env) = wanted {
                for app in &env.apps {
                    widths.take_in("", app.component.as_str());
                }
            }
        }
        widths
    }

    /// Makes room for a name that was not known before.
    pub(super) fn take_in(&mut self, environment: &str, component: &str) {
        self.environment = self.environment.max(columns(&clean(environment)));
        self.component = self.component.max(columns(&clean(component)));
    }
}

/// `create machine app/iad/0`, `wait for machine app/iad/0`.
pub(super) fn step(step: &StepRef) -> String {
    let name = short_name(&step.key);
    if step.action == "wait" { format!("wait for {name}") } else { format!("{} {name}", clean(&step.action)) }
}

/// What a step that is done has brought about: the same words, but what was waited for is healthy, or has ended.
pub(super) fn done(done: &StepRef) -> String {
    let runs_once = matches!(&done.key, ResourceKey::Machine { slot, .. } if runs_to_its_end(&slot.group));
    match done.action.as_str() {
        "wait" if runs_once => format!("{} has ended well", short_name(&done.key)),
        "wait" if matches!(done.key, ResourceKey::Object(_)) => format!("{} ready", short_name(&done.key)),
        "wait" => format!("{} is healthy", short_name(&done.key)),
        _ => step(done),
    }
}

/// How a step ended, in a word or two, with what it means; and what there is to say about it.
pub(super) fn outcome(outcome: &Outcome, style: Style) -> (&'static str, Tone, Option<String>) {
    match outcome {
        Outcome::Done { produced } => ("done", Tone::Good, produced.clone()),
        Outcome::Failed { reason, message, transient } => {
            let again = if *transient { " (will be tried again)" } else { "" };
            ("failed", Tone::Delete, Some(format!("{reason}{again}: {message}")))
        }
        Outcome::Unknown { message } => {
            let dash = style.dot();
            ("unknown", Tone::Held, Some(format!("{message} {dash} the next look at it tells")))
        }
        Outcome::Skipped { message } => ("skipped", Tone::Dim, Some(message.clone())),
    }
}

/// Where an environment stands at the end of its part of a pass.
pub(super) const fn standing(standing: Standing) -> (&'static str, Tone) {
    match standing {
        Standing::Converged => ("as desired", Tone::Good),
        Standing::Changes => ("not done yet", Tone::Update),
        Standing::Waiting => ("waiting", Tone::Held),
        Standing::Blocked => ("blocked", Tone::Held),
    }
}

/// `(2.1s)`.
pub(super) fn took(time: Duration, style: Style) -> String {
    style.paint(Tone::Dim, format!("({})", duration(time)))
}
