//! The safety rules by name. All of them hold, always: only tests can make a planner for which one does not, to show what it is for.

/// The rules that are in force for one plan. [`Default`] is all of them, and the shipped program can make no other value: what
/// switches a rule off exists only where the feature `ablation` is on, which nothing but this package's own tests turns on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    #[cfg(any(test, feature = "ablation"))]
    off: Option<Rule>,
}

impl Rules {
    /// Whether `rule` holds.
    #[cfg(any(test, feature = "ablation"))]
    pub fn hold(self, rule: Rule) -> bool {
        self.off != Some(rule)
    }

    /// Whether `rule` holds: it does.
    #[cfg(not(any(test, feature = "ablation")))]
    #[expect(clippy::unused_self, reason = "the same form as where tests can switch rules off")]
    pub const fn hold(self, _rule: Rule) -> bool {
        true
    }

    /// All rules but one. Only for tests that show what happens without it.
    #[cfg(any(test, feature = "ablation"))]
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { off: Some(rule) }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident,)+) => {
        /// One safety rule of the planner or the memory.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($(#[doc = $doc])+ $rule,)+
        }

        impl Rule {
            /// Every rule there is.
            pub const ALL: &'static [Self] = &[$(Self::$rule),+];

            /// What it says.
            pub const fn statement(self) -> &'static str {
                match self {
                    $(Self::$rule => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

rules! {
    // Owned means marked.
    /// An app that carries no marker of ours is left alone, unless its spec adopts it.
    OwnedMeansMarked,
    /// An unmarked app counts as ours only while the memory holds evidence of our own attempt, and it is empty.
    EvidenceOfOwnAttempt,
    /// That evidence is of the app with the server's id that we made: what bears its name later may be somebody else's.
    EvidenceNamesTheServersId,
    /// A marker names its object: a clone made by hand, or a copy in another app, is not ours.
    MarkerNamesItsObject,
    /// A marker names its environment: an app of one is not taken over by another.
    MarkerNamesItsEnvironment,
    /// What is created carries our marker from birth.
    MarkedFromBirth,
    /// A newer stamp of another instance under our owner id stops deletions.
    AnotherWriterStopsDeletions,
    /// An adopted app that holds what is not ours is not deleted.
    ForeignContentStays,
    /// A volume that nothing mounts is deleted only if this memory saw us make it.
    UnknownVolumesStay,
    /// An app that says it is another owner's, or may be, is not adopted by a pattern.
    AdoptionLeavesOthersAlone,
    /// An app that a spec asks for, or may ask for, is not adopted by a pattern.
    AdoptionLeavesWantedAlone,
    /// What is adopted by a pattern is exactly what a person has seen and consented to.
    AdoptionIsOfOneSet,

    // Absence must be proven.
    /// Nothing is collected or destroyed while a listing is incomplete.
    IncompleteListingStopsCollection,
    /// Nothing is collected while a source of specs is incomplete.
    IncompleteSourceStopsCollection,
    /// Nothing that a set of previews may want is collected while what the set is made from is not wholly known.
    IncompleteSetHoldsItsPreviews,
    /// Nothing is collected while a spec cannot be evaluated, for its apps are not known.
    BrokenSpecStopsCollection,
    /// An app whose existence is not known is not created.
    PresenceMustBeKnown,
    /// An app of which a part was not read is not changed.
    ReadingsMustBeComplete,
    /// No volume is created while one that would do is bound to a machine that was not seen.
    UnseenMachineKeepsItsVolume,
    /// No place of the network pool is given away by an incomplete listing.
    IncompleteListingGivesNoNetwork,

    // Grace.
    /// An orphan is marked with a tombstone before it is deleted.
    TombstoneFirst,
    /// An orphan is deleted only after grace.
    GraceOfOrphans,
    /// What a closed pull request leaves is deleted only after its set's grace.
    GraceOfPreviews,
    /// A surplus machine is destroyed only after grace.
    GraceOfSurplus,
    /// Of several machines in a slot the oldest stays, for everybody.
    OldestSurvives,

    // What runs before.
    /// Nothing of an environment is deleted before its finalizers have ended, or their time is over.
    FinalizersFirst,
    /// A finalizer that has ended is not run again.
    EndedFinalizersRest,

    // The deletion budget.
    /// No more is deleted than the budget allows.
    Budget,
    /// What was deleted within the window counts.
    BudgetCountsTheWindow,
    /// A set that was held stays held, though it is smaller now.
    BudgetLatches,
    /// Consent to a held set is consent to exactly that set.
    ConsentIsToOneSet,
    /// A source without any environment stops all deletions.
    EmptySourceStopsDeletions,
    /// A set of previews that names none, though several of it are live, stops the deletion of all that nobody has closed.
    EmptySetHoldsItsPreviews,

    // Protected stays.
    /// What is protected, by its spec, the policy or a mark on the live object, is not deleted.
    ProtectedStays,
    /// What is retained is not collected, and its volumes stay.
    RetainedStays,

    // Hands off drift that is not drift.
    /// A field that no spec has set is not changed.
    UnsetFieldsStay,
    /// A machine that may rest is not started.
    RestingMachinesRest,
    /// A machine is put to sleep only when nothing was pushed for as long as its set says, and it has run for that long.
    AwakeRunsOn,
    /// The volume that a slot's machine mounts is the slot's, also under a new id after a migration.
    MountedVolumeIsTheSlots,

    // Open keys and quarantine.
    /// Nothing is created while its key is open.
    OpenKeyStopsCreation,
    /// Nothing is deleted while its key is open.
    OpenKeyStopsDeletion,
    /// A machine is not judged, nor an app's secrets written again, while an earlier write may still take effect.
    OpenKeyStopsUpdate,
    /// An orphan is not marked again while an earlier mark may not show yet.
    OpenKeyStopsMarking,
    /// What we have deleted and is still listed is not counted as an orphan.
    DeletedIsNotCountedAgain,
    /// A place of the network pool that an open creation has taken is not given away.
    OpenCreationKeepsItsNetwork,
    /// A note of a creation outlives the absence of what it creates.
    NoteOutlivesAbsence,
    /// A deletion of unknown outcome keeps its key open, though the object is gone.
    UnansweredDeletionStaysOpen,
    /// Only a reading that began after our deletion was answered proves that its object is gone.
    LaterReadingProvesDeletion,
    /// An update of unknown outcome keeps its key open, whatever is seen.
    UnansweredUpdateStaysOpen,
    /// Nothing is deleted in quarantine.
    QuarantineStopsDeletion,
    /// Nothing whose id the server mints is created in quarantine, except in an app that this memory saw being made.
    QuarantineStopsMinting,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_hold_unless_a_test_takes_one_away() {
        for rule in Rule::ALL {
            assert!(Rules::default().hold(*rule));
            assert!(!Rules::without(*rule).hold(*rule));
            assert!(rule.statement().ends_with('.'), "{rule:?}: {}", rule.statement());
        }
    }
}
