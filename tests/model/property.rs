//! What must hold in every state.

use std::fmt;

/// A safety property, or convergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Property {
    /// Nothing that somebody else made is changed or deleted.
    NothingUnmarkedTouched,
    /// Nothing that the specs want, or may want as far as is known, is deleted.
    NothingWantedDeleted,
    /// Nothing protected is deleted.
    NothingProtectedDeleted,
    /// No app is deleted by a listing that is incomplete.
    NoDeletionOnPartialListing,
    /// Nothing is deleted where another instance has just written.
    NoDeletionBesideAnotherWriter,
    /// Nothing is created of which it is not known whether it is there.
    NothingCreatedUnseen,
    /// A tombstone is set once: setting it again would begin grace anew, and again.
    TombstonesStand,
    /// No app is deleted before its grace has passed.
    GraceIsGiven,
    /// One machine, one volume and one address for each slot, as long as one controller runs.
    OneForEachSlot,
    /// An environment that is wanted is not said to be converged while a write of ours to it may still take effect.
    ConvergedIsSettled,
    /// No more deletions within the window than the budget allows.
    BudgetIsKept,
    /// The checker finds nothing to object to in the planner's plans.
    NothingToObjectTo,
    /// Undisturbed, it converges within bounds, to what the specs want, and stays so.
    Converges,
}

/// A property that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) property: Property,
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn new(property: Property, what: impl Into<String>) -> Self {
        Self { property, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.property, self.what)
    }
}
