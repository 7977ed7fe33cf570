//! What was not planned, and why: as typed as what was.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::step::Action;
use crate::desired::Level;
use crate::memory::Verb;
use crate::resource::{ComponentName, EnvName, FieldChange, ResourceKey};

/// Whether time will help, or only a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Stance {
    /// Goes on by itself.
    Waiting,
    /// Needs a person, or a changed spec.
    Blocked,
}

/// Why something is withheld or noticed: the reason of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Reason {
    /// A part of the provider's answer is missing.
    ObservationIncomplete,
    /// A source of specs did not answer completely.
    SourceIncomplete,
    /// A source that had environments has none.
    SourceSuddenlyEmpty,
    /// A set of previews that had several has none.
    PreviewsSuddenlyGone,
    /// A write of our own may still take effect, or may not show yet.
    OwnWritePending,
    /// The store was empty, so an earlier run may still have requests under way.
    Quarantine,
    /// The object is on its way from one state to another.
    InTransition,
    /// The host does not answer.
    HostUnreachable,
    /// Another organization has the name.
    NameTaken,
    /// An object of this name is not ours.
    NotOurs,
    /// Another instance writes under our owner id.
    AnotherWriter,
    /// The policy does not allow it.
    PolicyViolation,
    /// A person has to consent.
    ApprovalRequired,
    /// Another environment must be converged first.
    GateClosed,
    /// Checks of a commit have not ended, or are not known at the moment.
    ChecksPending,
    /// Checks of a commit did not succeed.
    ChecksFailed,
    /// Nobody may or can tell how checks of a commit stand.
    ChecksUnknown,
    /// The level of the environment does not allow it.
    Level,
    /// The set of previews has no room for it yet.
    Queued,
    /// An image is not there yet.
    ImagePending,
    /// An image is still not there.
    ImageMissing,
    /// The environment is paused.
    Paused,
    /// The spec of the environment cannot be evaluated.
    SpecBroken,
    /// A secret's value is not known on this machine.
    SecretUnavailable,
    /// The same change was tried and failed.
    RolloutRejected,
    /// A provider says that an object does not work.
    ObjectFailed,
    /// A component that this one uses is not as wanted.
    DependencyBlocked,
    /// A machine's checks do not pass, or it keeps exiting.
    Unhealthy,
    /// Grace has not passed.
    Grace,
    /// It is protected.
    Protected,
    /// It is kept when its environment goes.
    Retained,
    /// More would be deleted than the budget allows.
    BudgetExceeded,
    /// An adopted app holds what is not ours.
    ForeignContent,
    /// Something live is not as wanted, and cannot be changed in place.
    Immutable,
    /// Something is there that no spec asks for and that is not provably ours.
    Unmanaged,
    /// Whether it is as wanted cannot be told here.
    CannotCompare,
    /// Something is run before it is deleted.
    Finalizing,
    /// What was run before it is deleted has failed, or has not ended in its time.
    FinalizerFailed,
    /// A job runs as it was before its change.
    JobRunning,
    /// A job has failed, or has not ended in its time.
    JobFailed,
    /// The environment has reached its end.
    Expired,
    /// Nothing has happened in the preview for so long that its machines are stopped.
    Asleep,
    /// The environment is about to reach its end.
    ExpiresSoon,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Something that would be done and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withheld {
    /// The environment.
    pub env: EnvName,
    /// The component, where it is about one.
    pub component: Option<ComponentName>,
    /// The resource, where it is about one.
    pub key: Option<ResourceKey>,
    /// Whether time will help.
    pub stance: Stance,
    /// Why.
    pub reason: Reason,
    /// What is withheld, why, and what to do, for people.
    pub message: String,
    /// When it may go on, where that is known.
    pub until: Option<DateTime<Utc>>,
    /// The change itself, where it is planned in full and only the level of its environment keeps it from being made.
    #[serde(skip)]
    pub change: Option<Box<HeldChange>>,
}

/// A change that would be made, were it not for the level of its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldChange {
    /// The level.
    pub level: Level,
    /// The action's word: `create`, `update`, `set`, …
    pub action: &'static str,
    /// What it comes to for the resource.
    pub effect: Effect,
    /// Why it would be made.
    pub reason: String,
    /// The fields that would change.
    pub changes: Vec<FieldChange>,
}

/// What an action comes to for its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// It is made.
    Create,
    /// It is changed and stays itself.
    Update,
    /// It is destroyed and made anew.
    Replace,
    /// It goes.
    Delete,
}

impl Effect {
    /// What a single action comes to.
    pub fn of(action: &Action) -> Self {
        match (action, action.verb()) {
            (Action::SetSecrets(write), _) if write.is_first => Self::Create,
            (_, Some(Verb::Create)) => Self::Create,
            (_, Some(Verb::Delete)) => Self::Delete,
            (_, Some(Verb::Update) | None) => Self::Update,
        }
    }
}

/// Something that people should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// The environment.
    pub env: EnvName,
    /// The component, where it is about one.
    pub component: Option<ComponentName>,
    /// Why.
    pub reason: Reason,
    /// For people.
    pub message: String,
}
