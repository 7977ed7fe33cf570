//! What happens, as data. Renderers turn it into a live view, lines, JSON or history; nothing else in this room is shown.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::plan::{Standing, StepId};
use crate::resource::{ComponentName, EnvName, ResourceKey};

/// Something that happened in a pass.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// In which environment.
    pub env: EnvName,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum What {
    /// A plan with this many steps is about to be carried out.
    Planned {
        /// How many.
        steps: usize,
    },
    /// A step began.
    StepStarted {
        /// The step.
        step: StepRef,
    },
    /// A step has something to say while it goes on (a wait, a retry).
    StepProgress {
        /// The step.
        step: StepRef,
        /// For people.
        message: String,
    },
    /// A step ended.
    StepFinished {
        /// The step.
        step: StepRef,
        /// How long it took.
        took: Duration,
        /// How it ended.
        outcome: Outcome,
    },
    /// Nothing can be done before a moment.
    Waiting {
        /// For what.
        message: String,
        /// Until when, where that is known.
        until: Option<DateTime<Utc>>,
    },
    /// The environment's part of the pass is over.
    Finished {
        /// Where it stands.
        standing: Standing,
        /// For people, where something keeps it from being converged.
        message: Option<String>,
    },
}

/// A step as events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRef {
    /// Its place in the plan.
    pub id: StepId,
    /// The component.
    pub component: Option<ComponentName>,
    /// The resource.
    pub key: ResourceKey,
    /// `create`, `update`, `wait`, …
    pub action: String,
    /// Why.
    pub reason: String,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "result")]
pub enum Outcome {
    /// Its effect is there.
    Done {
        /// What it produced, for people (an id, a digest, an address), where it produced something.
        produced: Option<String>,
    },
    /// It was refused, or did not work.
    Failed {
        /// A condition's reason.
        reason: String,
        /// What failed, where, why, and what to do.
        message: String,
        /// Whether trying again later may help.
        transient: bool,
    },
    /// Whether it had an effect is not known; the next observation tells.
    Unknown {
        /// What happened.
        message: String,
    },
    /// It was not tried, because a step before it did not end well, or the plan has been overtaken.
    Skipped {
        /// Why.
        message: String,
    },
}

/// Receives events as they happen.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// Takes one event. Must not block.
    fn observe(&self, event: &Event);
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event) {}
}
