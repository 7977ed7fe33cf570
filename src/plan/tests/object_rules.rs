//! Each rule that is about objects at other providers, switched off once: then something of somebody else's is changed or deleted, one
//! of ours goes that should not, or one is made twice.

use super::objects::{NEON, alone, key, listing, mark, standing};
use super::rules::only_without;
use super::world::{World, at, incomplete};
use crate::desired::{Completeness, Ended, NamePattern, PreviewSet, Wanted};
use crate::memory::Verb;
use crate::rules::Rule;

/// What is about apps, machines, volumes and networks only, or what all keys have in common and is shown with them.
const NOT_OF_OBJECTS: [Rule; 28] = [
    Rule::EvidenceOfOwnAttempt,
    Rule::EvidenceNamesTheServersId,
    Rule::MarkedFromBirth,
    Rule::AnotherWriterStopsDeletions,
    Rule::ForeignContentStays,
    Rule::UnknownVolumesStay,
    Rule::AdoptionLeavesOthersAlone,
    Rule::AdoptionLeavesWantedAlone,
    Rule::AdoptionIsOfOneSet,
    Rule::ReadingsMustBeComplete,
    Rule::UnseenMachineKeepsItsVolume,
    Rule::IncompleteListingGivesNoNetwork,
    Rule::GraceOfSurplus,
    Rule::OldestSurvives,
    Rule::FinalizersFirst,
    Rule::EndedFinalizersRest,
    Rule::BudgetCountsTheWindow,
    Rule::ConsentIsToOneSet,
    Rule::UnsetFieldsStay,
    Rule::RestingMachinesRest,
    Rule::AwakeRunsOn,
    Rule::MountedVolumeIsTheSlots,
    Rule::OpenCreationKeepsItsNetwork,
    Rule::NoteOutlivesAbsence,
    Rule::UnansweredDeletionStaysOpen,
    Rule::LaterReadingProvesDeletion,
    Rule::UnansweredUpdateStaysOpen,
    Rule::DeletedIsNotCountedAgain,
];

/// The branch of `e` is not as its spec has it, and more has changed.
fn differing(change: impl FnOnce(&mut World)) -> World {
    alone(|world| {
        world.object("e-main").fields.clear();
        change(world);
    })
}

/// The branch of `e`, which nobody wants, has had its tombstone for long, and more has changed.
fn due(change: impl FnOnce(&mut World)) -> World {
    standing(-400).with(change)
}

/// `e` is the preview of a pull request that was closed at this second.
fn closed(second: i64) -> World {
    standing(0).with(|world| {
        world.object("e-main").marks.clear();
        let ended = Ended { set: "set".to_owned(), at: at(second), reason: "pull request 1 was closed".to_owned() };
        world.fleet.ended.insert("e".into(), ended);
    })
}

/// A set of previews that may have made `e`.
fn set(world: &mut World, set: PreviewSet) {
    world.object("e-main").marker.as_mut().unwrap().set = Some("set".to_owned());
    world.fleet.sets.insert("set".to_owned(), set);
}

fn emptied(world: &mut World) {
    set(world, PreviewSet { completeness: Completeness::Complete, is_empty: true, names: NamePattern::of("e") });
    mark(world, "emptied", "1799999000");
}

/// A cluster is wanted, and this memory has begun empty just now.
fn minting() -> World {
    let postgres = "postgres: {clusters: {main: {plan: basic}}},";
    World::wanting(&[("e", postgres, "")]).with(|world| world.memory.blank_since = Some(world.now))
}

/// A write of ours to the branch has had no answer yet.
fn noted(world: &mut World, verb: Verb) {
    world.note(key("e-main"), verb, "");
}

const UPDATE: &str = "update Neon branch e-main of p";
const DELETE: &str = "delete Neon branch e-main of p: no spec asks for its environment";

/// What happens without each rule, and only then.
fn trials() -> Vec<(Rule, World, &'static str)> {
    use Rule as R;
    vec![
        // Somebody else's is changed or deleted.
        (R::OwnedMeansMarked, differing(|world| world.object("e-main").marker = None), UPDATE),
        (
            R::MarkerNamesItsEnvironment,
            differing(|world| {
                world.fleet.environments.insert("other".into(), Wanted::Broken { reason: String::new() });
                world.object("e-main").marker.as_mut().unwrap().env = "other".into();
            }),
            UPDATE,
        ),
        (
            R::MarkerNamesItsObject,
            due(|world| world.object("e-main").marker.as_mut().unwrap().name = "original".to_owned()),
            DELETE,
        ),
        // One of ours goes that is or may be wanted, or is to stay.
        (R::IncompleteListingStopsCollection, due(|world| *listing(world) = incomplete()), DELETE),
        (R::IncompleteSourceStopsCollection, due(|world| world.fleet.source = incomplete()), DELETE),
        (
            R::BrokenSpecStopsCollection,
            due(|world| drop(world.fleet.environments.insert("e".into(), Wanted::Broken { reason: String::new() }))),
            "delete Neon branch e-main of p",
        ),
        (
            R::IncompleteSetHoldsItsPreviews,
            due(|world| {
                set(world, PreviewSet { completeness: incomplete(), is_empty: false, names: NamePattern::of("e") });
            }),
            DELETE,
        ),
        // What holds it is taken away; the next pass would delete it.
        (R::EmptySetHoldsItsPreviews, due(emptied), "mark Neon branch e-main of p: its set is not empty any more"),
        (R::EmptySourceStopsDeletions, due(|world| world.fleet.environments.clear()), DELETE),
        (R::TombstoneFirst, due(|world| world.object("e-main").marks.clear()), DELETE),
        (R::GraceOfOrphans, standing(-10), DELETE),
        (R::GraceOfPreviews, closed(60), "delete Neon branch e-main of p: pull request 1 was closed"),
        (R::Budget, due(|world| world.policy.budget.max_deletions = 0), DELETE),
        (R::BudgetLatches, due(|world| mark(world, "held", "1799999000")), DELETE),
        (R::ProtectedStays, due(|world| mark(world, "protect", "1")), DELETE),
        (R::RetainedStays, due(|world| mark(world, "retain", "1")), DELETE),
        (R::OpenKeyStopsDeletion, due(|world| noted(world, Verb::Update)), DELETE),
        (R::QuarantineStopsDeletion, due(|world| world.memory.blank_since = Some(world.now)), DELETE),
        // One is made, changed or marked once more than is asked for.
        (
            R::PresenceMustBeKnown,
            World::wanting(&[("e", NEON, "")]).with(|world| *listing(world) = incomplete()),
            "create Neon branch e-main of p",
        ),
        (
            R::OpenKeyStopsCreation,
            World::wanting(&[("e", NEON, "")]).with(|world| noted(world, Verb::Create)),
            "create Neon branch e-main of p",
        ),
        (R::QuarantineStopsMinting, minting(), "create Fly Managed Postgres cluster"),
        (R::OpenKeyStopsUpdate, differing(|world| noted(world, Verb::Update)), UPDATE),
        (
            R::OpenKeyStopsMarking,
            due(|world| {
                world.object("e-main").marks.clear();
                noted(world, Verb::Update);
            }),
            "mark Neon branch e-main of p",
        ),
    ]
}

#[test]
fn without_a_rule_something_happens_to_an_object_that_must_not() {
    for (rule, world, harm) in trials() {
        only_without(rule, &world, harm);
    }
}

#[test]
fn every_rule_is_tried_or_is_not_about_objects() {
    let trials = trials();
    for rule in Rule::ALL {
        let is_tried = trials.iter().any(|(tried, ..)| tried == rule);
        assert!(is_tried != NOT_OF_OBJECTS.contains(rule), "{rule:?}");
    }
}
