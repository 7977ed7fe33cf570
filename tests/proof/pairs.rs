//! Two blows instead of one, and two controllers where there should be one.
//!
//! Where the second blow falls is sampled: every pair of chat-dev would be a hundred thousand runs.

use hangar::sim::CrashPoint;

use crate::every_spec::{created, taken_down, updated};
use crate::scene::Scene;

/// Every how many requests the first run is killed, and the one after it.
const FIRST: usize = 11;
const SECOND: usize = 13;

async fn in_pairs(scene: &Scene, what: &str) {
    let pairs = scene.every_pair(FIRST, SECOND, &[CrashPoint::BeforeEffect, CrashPoint::BeforeReply]).await;
    println!("shown: chat-dev, {what}: {pairs} pairs");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_killed_twice_ends_as_if_it_had_not_been() {
    in_pairs(&created(), "creation").await;
}

#[tokio::test(start_paused = true)]
async fn an_update_that_is_killed_twice_ends_as_if_it_had_not_been() {
    in_pairs(&updated().await, "update").await;
}

#[tokio::test(start_paused = true)]
async fn a_teardown_that_is_killed_twice_ends_as_if_it_had_not_been() {
    in_pairs(&taken_down().await, "teardown").await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_by_two_controllers_at_once_ends_as_if_by_one() {
    created().by_two_at_once().await;
}

#[tokio::test(start_paused = true)]
async fn an_update_by_two_controllers_at_once_ends_as_if_by_one() {
    updated().await.by_two_at_once().await;
}

#[tokio::test(start_paused = true)]
async fn a_teardown_by_two_controllers_at_once_ends_as_if_by_one() {
    taken_down().await.by_two_at_once().await;
}
