//! Every safety rule, switched off once: what goes wrong then.
//!
//! Three makes of the controller are compared for each rule: with all rules nothing goes wrong; without the rule, and with the checker
//! not listened to, something does; and whether the checker, which is never switched off with a rule, objects to such a plan and so
//! would have caught it.

use hangar::rules::{Rule, Rules};

use crate::engine::{Engine, Make};
use crate::explore::{Explorer, Found, Search};
use crate::fleet::{self, Specs};
use crate::property::Property;
use crate::scenarios as told;
use crate::script::Outcome;
use crate::state::{Bounds, Hand};

/// What can be switched off: rules of the planner and the memory, and what the executor does around each write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    Rule(Rule),
    /// A note is made before a write is sent.
    NoteBeforeSending,
    /// Markers are read again before a delete.
    ReadAgainBeforeDeleting,
}

/// What the removal of a rule breaks, and how that is found.
enum By {
    /// The explorer finds a history at whose end this property does not hold.
    Explorer { specs: fn() -> Specs, bounds: Bounds, hands: &'static [Hand], property: Property },
    /// A history written by hand ends in harm.
    Told(fn(Rules) -> Outcome),
}

/// Whether the checker, the second line, objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checker {
    Catches,
    Silent,
}
use Checker::{Catches, Silent};

const NONE: Bounds = Bounds {
    ticks: 0,
    crashes: 0,
    losses: 0,
    handovers: 0,
    lost_replies: 0,
    late_effects: 0,
    stale: 0,
    partial: 0,
    specs: 0,
    by_hand: 0,
    second: 0,
};

fn address() -> Specs {
    fleet::one_with("ips: {v6: true}")
}

/// An app and a machine only, where it is the end of the app that matters.
fn bare() -> Specs {
    fleet::one_with("")
}

fn secret() -> Specs {
    fleet::one_with("secrets: {KEY: {generate: {length: 32}}}")
}

fn table() -> Vec<(Switch, By, Checker)> {
    use Property as P;
    use Rule as R;
    let explorer = |specs, bounds, hands, property| By::Explorer { specs, bounds, hands, property };
    let rule = |rule, by, checker| (Switch::Rule(rule), by, checker);
    let squat = || Bounds { by_hand: 1, ..NONE };
    vec![
        rule(R::OwnedMeansMarked, explorer(address, squat(), &[Hand::Squat], P::NothingUnmarkedTouched), Catches),
        rule(
            R::EvidenceOfOwnAttempt,
            explorer(fleet::one_on_the_shared_network, squat(), &[Hand::Squat], P::NothingUnmarkedTouched),
            Catches,
        ),
        rule(
            R::EvidenceNamesTheServersId,
            explorer(
                fleet::one_on_the_shared_network,
                Bounds { ticks: 2, by_hand: 2, ..NONE },
                &[Hand::DeleteApp, Hand::Squat],
                P::NothingUnmarkedTouched,
            ),
            Catches,
        ),
        rule(
            R::MarkerNamesItsObject,
            explorer(address, Bounds { by_hand: 1, ..NONE }, &[Hand::Clone], P::NothingUnmarkedTouched),
            Catches,
        ),
        rule(R::MarkerNamesItsEnvironment, By::Told(told::another_environment_names_our_app), Catches),
        rule(R::MarkedFromBirth, explorer(address, Bounds { ticks: 4, losses: 1, ..NONE }, &[], P::Converges), Silent),
        rule(
            R::AnotherWriterStopsDeletions,
            explorer(bare, Bounds { ticks: 5, specs: 1, second: 1, ..NONE }, &[], P::NoDeletionBesideAnotherWriter),
            Catches,
        ),
        rule(R::ForeignContentStays, By::Told(told::adopted_app_with_foreign_machines), Silent),
        rule(R::AdoptionLeavesOthersAlone, By::Told(told::left_with_anothers_mark), Catches),
        rule(R::AdoptionLeavesWantedAlone, By::Told(told::left_and_wanted), Catches),
        rule(R::AdoptionIsOfOneSet, By::Told(told::left_and_not_seen), Silent),
        rule(R::UnknownVolumesStay, By::Told(told::volume_made_by_hand), Silent),
        rule(
            R::IncompleteListingStopsCollection,
            explorer(address, Bounds { ticks: 4, specs: 1, partial: 1, ..NONE }, &[], P::NoDeletionOnPartialListing),
            Catches,
        ),
        rule(
            R::IncompleteSourceStopsCollection,
            explorer(address, Bounds { ticks: 4, specs: 1, ..NONE }, &[], P::NothingWantedDeleted),
            Catches,
        ),
        rule(R::IncompleteSetHoldsItsPreviews, By::Told(told::set_not_wholly_listed), Catches),
        rule(
            R::BrokenSpecStopsCollection,
            explorer(address, Bounds { ticks: 4, specs: 1, ..NONE }, &[], P::NothingWantedDeleted),
            Catches,
        ),
        rule(
            R::PresenceMustBeKnown,
            explorer(fleet::one_on_the_shared_network, Bounds { partial: 1, ..NONE }, &[], P::NothingCreatedUnseen),
            Silent,
        ),
        rule(
            R::ReadingsMustBeComplete,
            explorer(address, Bounds { partial: 1, ticks: 3, ..NONE }, &[], P::OneForEachSlot),
            Silent,
        ),
        rule(R::UnseenMachineKeepsItsVolume, By::Told(told::volume_bound_to_an_unseen_machine), Silent),
        rule(R::IncompleteListingGivesNoNetwork, By::Told(told::network_by_an_incomplete_listing), Silent),
        rule(R::TombstoneFirst, explorer(address, Bounds { specs: 1, ticks: 4, ..NONE }, &[], P::Converges), Catches),
        rule(
            R::GraceOfOrphans,
            explorer(address, Bounds { specs: 1, ticks: 4, ..NONE }, &[], P::GraceIsGiven),
            Catches,
        ),
        rule(R::GraceOfPreviews, By::Told(told::pull_request_just_closed), Catches),
        rule(R::GraceOfSurplus, By::Told(told::surplus_in_grace), Silent),
        rule(R::OldestSurvives, By::Told(told::survivors_by_order_of_listing), Silent),
        rule(R::Budget, explorer(fleet::two, Bounds { specs: 1, ticks: 5, ..NONE }, &[], P::BudgetIsKept), Catches),
        rule(
            R::BudgetCountsTheWindow,
            explorer(fleet::two, Bounds { specs: 2, ticks: 8, ..NONE }, &[], P::BudgetIsKept),
            Catches,
        ),
        rule(R::BudgetLatches, By::Told(told::held_set_becomes_smaller), Silent),
        rule(R::ConsentIsToOneSet, By::Told(told::another_set_is_let_go), Silent),
        rule(R::EmptySourceStopsDeletions, By::Told(told::source_without_environments), Silent),
        rule(R::EmptySetHoldsItsPreviews, By::Told(told::set_without_previews), Catches),
        rule(R::ProtectedStays, By::Told(told::protected_and_gone), Catches),
        rule(R::RetainedStays, By::Told(told::retained_and_gone), Catches),
        rule(R::FinalizersFirst, By::Told(told::gone_with_a_finalizer), Catches),
        rule(R::EndedFinalizersRest, By::Told(told::finalizer_has_ended), Catches),
        rule(R::UnsetFieldsStay, By::Told(told::field_set_by_hand), Silent),
        rule(R::RestingMachinesRest, By::Told(told::stopped_for_want_of_traffic), Silent),
        rule(R::AwakeRunsOn, By::Told(told::woken_by_a_request), Catches),
        rule(R::MountedVolumeIsTheSlots, By::Told(told::migrated), Silent),
        rule(
            R::OpenKeyStopsCreation,
            explorer(address, Bounds { late_effects: 1, ..NONE }, &[], P::OneForEachSlot),
            Catches,
        ),
        rule(
            R::OpenKeyStopsDeletion,
            explorer(bare, Bounds { late_effects: 1, specs: 2, ticks: 4, ..NONE }, &[], P::NothingWantedDeleted),
            Catches,
        ),
        rule(
            R::OpenKeyStopsUpdate,
            explorer(secret, Bounds { late_effects: 1, ..NONE }, &[], P::ConvergedIsSettled),
            Silent,
        ),
        rule(
            R::OpenKeyStopsMarking,
            explorer(address, Bounds { specs: 1, stale: 1, ticks: 4, ..NONE }, &[], P::TombstonesStand),
            Silent,
        ),
        rule(R::DeletedIsNotCountedAgain, By::Told(told::listed_after_the_answer), Silent),
        rule(R::OpenCreationKeepsItsNetwork, By::Told(told::network_of_an_open_creation), Silent),
        rule(
            R::NoteOutlivesAbsence,
            explorer(address, Bounds { late_effects: 1, ..NONE }, &[], P::OneForEachSlot),
            Silent,
        ),
        rule(
            R::UnansweredDeletionStaysOpen,
            explorer(
                bare,
                Bounds { late_effects: 1, specs: 2, ticks: 4, by_hand: 1, ..NONE },
                &[Hand::DeleteApp],
                P::NothingWantedDeleted,
            ),
            Silent,
        ),
        rule(R::LaterReadingProvesDeletion, By::Told(told::absent_before_the_answer), Silent),
        rule(
            R::UnansweredUpdateStaysOpen,
            explorer(secret, Bounds { late_effects: 1, ..NONE }, &[], P::ConvergedIsSettled),
            Silent,
        ),
        rule(
            R::QuarantineStopsDeletion,
            explorer(
                bare,
                Bounds { late_effects: 1, losses: 1, specs: 2, ticks: 4, ..NONE },
                &[],
                P::NothingWantedDeleted,
            ),
            Catches,
        ),
        rule(
            R::QuarantineStopsMinting,
            explorer(address, Bounds { late_effects: 1, losses: 1, ..NONE }, &[], P::OneForEachSlot),
            Catches,
        ),
        (
            Switch::NoteBeforeSending,
            explorer(address, Bounds { late_effects: 1, crashes: 1, ..NONE }, &[], P::OneForEachSlot),
            Silent,
        ),
        (
            Switch::ReadAgainBeforeDeleting,
            explorer(
                address,
                Bounds { specs: 1, ticks: 5, by_hand: 1, ..NONE },
                &[Hand::Protect],
                P::NothingProtectedDeleted,
            ),
            Silent,
        ),
    ]
}

impl Switch {
    fn off(self, checker: bool) -> Make {
        let all = Make { checker, ..Make::default() };
        match self {
            Self::Rule(rule) => Make { rules: Rules::without(rule), ..all },
            Self::NoteBeforeSending => Make { notes_first: false, ..all },
            Self::ReadAgainBeforeDeleting => Make { reads_again: false, ..all },
        }
    }
}

fn explore(specs: fn() -> Specs, make: Make, search: &Search) -> Found {
    let mut engine = Engine::new(specs(), make, search.ages());
    Explorer::new(&mut engine, search).run()
}

#[test]
fn every_rule_has_a_counterexample() {
    #[expect(clippy::disallowed_methods, reason = "how long it took is printed, and nothing depends on it")]
    let began = std::time::Instant::now();
    let table = table();
    for rule in Rule::ALL {
        assert!(table.iter().any(|(switch, ..)| *switch == Switch::Rule(*rule)), "{rule:?} has no counterexample");
    }
    let (mut wrong, count, mut caught) = (Vec::new(), table.len(), 0);
    for (switch, by, checker) in table {
        caught += usize::from(checker == Catches);
        if let Err(problem) = show(switch, &by, checker) {
            println!("{switch:?}: WRONG: {problem}");
            wrong.push(format!("{switch:?}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!(
        "\nshown: ablation: {count} rules switched off one by one, each with a counterexample; the checker objects to {caught} of them; {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

/// Shows what happens without the rule, or says what is not as the table has it.
fn show(switch: Switch, by: &By, checker: Checker) -> Result<(), String> {
    let (harm, objects) = match by {
        By::Told(history) => {
            let Switch::Rule(rule) = switch else { return Err("only rules can be told".to_owned()) };
            if let Some(harm) = history(Rules::default()).harm {
                return Err(format!("harm with all rules in force: {harm}"));
            }
            let without = history(Rules::without(rule));
            (format!("told by hand: {}", without.harm.ok_or("no harm without it")?), without.objects)
        }
        By::Explorer { specs, bounds, hands, property } => {
            let search = Search {
                bounds: *bounds,
                hands: hands.to_vec(),
                converges: *property == Property::Converges,
                only: vec![*property],
                most_states: 600_000,
            };
            let all = explore(*specs, Make::default(), &search);
            if let Some(counterexample) = all.counterexample {
                return Err(format!("with all rules in force: {counterexample}"));
            }
            let without = explore(*specs, switch.off(false), &search);
            let found = format!("{} states instead of {}", without.states, all.states);
            let counterexample = without.counterexample.ok_or_else(|| format!("nothing found in {found}"))?;
            (format!("found in {found}: {counterexample}"), without.objects)
        }
    };
    println!("{switch:?}: {harm}\n    the checker {}", if objects { "objects" } else { "is silent" });
    if (checker == Catches) == objects { Ok(()) } else { Err(format!("the checker objects: {objects}")) }
}
