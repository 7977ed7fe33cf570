//! Random lives, by the thousand, each made from a seed.
//!
//! `HANGAR_SEEDS` says how many (1,000 unless set), `HANGAR_SEED` which single one. A seed that fails is made as small as possible, and
//! the line that plays it again is printed.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::life::{Ended, Life, any_life};

/// How often a failing life is lived again to make it smaller.
const SHRINKS: u32 = 60;

/// The life that a seed stands for, and the smaller ones that it can be made into.
fn tree(seed: u64) -> impl ValueTree<Value = Life> {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    any_life().new_tree(&mut runner).unwrap()
}

/// Lives a life; how it ended, or what went wrong.
fn lived(life: &Life, seed: u64) -> Result<Ended, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(life.live(seed)))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

/// Lets only the last panic of a failing seed be printed: making a life smaller takes dozens of them.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let done = work();
    std::panic::set_hook(usual);
    done
}

/// The smallest life that was found to fail, and how.
fn smallest(seed: u64, first: String) -> (Life, String) {
    let mut tree = tree(seed);
    let mut found = (tree.current(), first);
    for _ in 0..SHRINKS {
        if !tree.simplify() {
            break;
        }
        let life = tree.current();
        match lived(&life, seed) {
            Err(problem) => found = (life, problem),
            Ok(_) => {
                if !tree.complicate() {
                    break;
                }
            }
        }
    }
    found
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[test]
fn no_seed_confuses_the_controller() {
    let (first, count) = match number("HANGAR_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number("HANGAR_SEEDS").unwrap_or(1_000)),
    };
    let next = AtomicU64::new(first);
    let requests = AtomicUsize::new(0);
    let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count || failed.lock().unwrap().is_some() {
                        return;
                    }
                    match lived(&tree(seed).current(), seed) {
                        Ok(ended) => drop(requests.fetch_add(ended.requests, Ordering::SeqCst)),
                        Err(problem) => drop(failed.lock().unwrap().get_or_insert((seed, problem))),
                    }
                }
            });
        }
    });
    if let Some((seed, problem)) = failed.into_inner().unwrap() {
        let (life, problem) = quietly(|| smallest(seed, problem));
        panic!(
            "{problem}\n\nthe smallest life that was found to end like this:\n{life:#?}\n\nseed {seed} fails; to play it again:\n  \
             HANGAR_SEED={seed} cargo test --profile proof --test proof seeds\n"
        );
    }
    println!("shown: {count} seeds, {} requests", requests.load(Ordering::SeqCst));
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in 0..5 {
        let life = tree(seed).current();
        let (one, other) = (lived(&life, seed).unwrap(), lived(&tree(seed).current(), seed).unwrap());
        assert_eq!(one, other, "seed {seed}");
    }
}
