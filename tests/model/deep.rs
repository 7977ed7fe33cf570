//! What `./test --model deep` explores besides: two environments, and more accidents in one.

use crate::explore::Search;
use crate::state::{Bounds, Hand};
use crate::{fleet, must_hold, search};

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn two_environments_with_crashes() {
    let bounds = Bounds { ticks: 5, crashes: 1, losses: 1, lost_replies: 1, specs: 1, ..Bounds::default() };
    must_hold("two environments with crashes", fleet::two(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn two_environments_with_late_effects() {
    let bounds = Bounds { ticks: 5, crashes: 1, late_effects: 1, specs: 1, ..Bounds::default() };
    must_hold("two environments with late effects", fleet::two(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn two_environments_with_stale_and_partial_lists() {
    let bounds = Bounds { ticks: 5, stale: 1, partial: 1, specs: 1, ..Bounds::default() };
    must_hold("two environments with stale and partial lists", fleet::two(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn two_environments_edited_by_hand() {
    let bounds = Bounds { ticks: 5, by_hand: 1, specs: 1, ..Bounds::default() };
    must_hold("two environments edited by hand", fleet::two(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn one_environment_with_all_accidents() {
    let bounds =
        Bounds { ticks: 5, crashes: 1, losses: 1, lost_replies: 1, late_effects: 1, specs: 1, ..Bounds::default() };
    must_hold("one environment with all accidents", fleet::one(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn one_environment_with_a_second_controller() {
    let bounds = Bounds { ticks: 5, second: 1, specs: 1, ..Bounds::default() };
    must_hold("one environment with a second controller", fleet::one(), &search(bounds));
}

#[test]
#[ignore = "a longer run: ./test --model deep"]
fn one_environment_edited_by_hand_and_seen_late() {
    let bounds = Bounds { ticks: 5, by_hand: 1, stale: 1, late_effects: 1, specs: 1, ..Bounds::default() };
    let hands = vec![Hand::Protect, Hand::Clone, Hand::DestroyMachine, Hand::DeleteApp];
    let search = Search { hands, ..search(bounds) };
    must_hold("one environment edited by hand and seen late", fleet::one_with("ips: {v6: true}"), &search);
}
