//! What `./test` explores: one environment, and two without accidents, within seconds.

use crate::explore::Search;
use crate::state::{Bounds, Hand};
use crate::{fleet, must_hold, search};

/// An environment with an address only, which is enough where ids that the server mints are what matters.
fn with_an_address() -> fleet::Specs {
    fleet::one_with("ips: {v6: true}")
}

#[test]
fn specs_change() {
    must_hold("specs change", fleet::one(), &search(Bounds { ticks: 6, specs: 2, ..Bounds::default() }));
}

/// More than the deletion budget allows go at once.
#[test]
fn two_environments_whose_specs_change() {
    must_hold(
        "two environments, specs change",
        fleet::two(),
        &search(Bounds { ticks: 5, specs: 1, ..Bounds::default() }),
    );
}

#[test]
fn crashes_and_lost_replies() {
    let bounds = Bounds { ticks: 3, crashes: 1, losses: 1, lost_replies: 1, late_effects: 1, ..Bounds::default() };
    must_hold("crashes and lost replies", fleet::one(), &search(bounds));
}

#[test]
fn deletion_in_spite_of_accidents() {
    let bounds = Bounds { ticks: 5, losses: 1, late_effects: 1, specs: 1, ..Bounds::default() };
    must_hold("deletion in spite of accidents", with_an_address(), &search(bounds));
}

#[test]
fn stale_and_partial_lists() {
    let bounds = Bounds { ticks: 5, stale: 1, partial: 1, specs: 1, ..Bounds::default() };
    must_hold("stale and partial lists", fleet::one(), &search(bounds));
}

#[test]
fn edits_by_hand() {
    let bounds = Bounds { ticks: 4, by_hand: 1, specs: 1, ..Bounds::default() };
    must_hold("edits by hand", fleet::one(), &search(bounds));
}

#[test]
fn protected_by_hand() {
    let bounds = Bounds { ticks: 5, by_hand: 1, specs: 1, ..Bounds::default() };
    let search = Search { hands: vec![Hand::Protect], ..search(bounds) };
    must_hold("protected by hand", with_an_address(), &search);
}

#[test]
fn lease_handover() {
    let bounds = Bounds { ticks: 5, handovers: 1, specs: 1, ..Bounds::default() };
    must_hold("lease handover", with_an_address(), &search(bounds));
}

#[test]
fn second_controller_by_mistake() {
    let bounds = Bounds { ticks: 3, second: 1, specs: 1, ..Bounds::default() };
    must_hold("second controller by mistake", with_an_address(), &search(bounds));
}

/// Nothing but a secret's name says there that an app is ours. An app whose creation was never answered, and not looked for while its
/// note was open, is left to a person: so it is safety that is explored, not convergence.
#[test]
fn names_taken_on_the_shared_network() {
    let bounds = Bounds { ticks: 2, crashes: 1, late_effects: 1, by_hand: 2, ..Bounds::default() };
    let hands = vec![Hand::DeleteApp, Hand::Squat];
    let search = Search { hands, converges: false, ..search(bounds) };
    must_hold("names taken on the shared network", fleet::one_on_the_shared_network(), &search);
}
