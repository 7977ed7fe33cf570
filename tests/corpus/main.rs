//! Replays everything that fuzzing has kept: whatever comes in, nothing panics, and what must always hold does. How to fuzz on is in
//! `docs/testing.md`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test ends where something it relies on is not so")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hangar::random::Random;

#[expect(unreachable_pub, clippy::unwrap_used, reason = "the same file is a module of the fuzzing package")]
#[path = "../../fuzz/src/answers.rs"]
mod answers;
mod mutation;
#[expect(unreachable_pub, reason = "the same file is a module of the fuzzing package")]
#[path = "../../fuzz/src/targets.rs"]
mod targets;

#[test]
fn spec_files() {
    replay("spec", targets::spec);
}

#[test]
fn expressions() {
    replay("expression", targets::expression);
}

#[test]
fn fly_tomls() {
    replay("fly_toml", targets::fly_toml);
}

#[test]
fn answers_of_fly() {
    replay("answer", targets::answer);
}

#[test]
fn answers_of_neon() {
    replay("neon_answer", answers::neon_answer);
}

#[test]
fn answers_of_vercel() {
    replay("vercel_answer", answers::vercel_answer);
}

#[test]
fn observations() {
    replay("observation", targets::observation);
}

/// Runs `run` over the corpus of `target`, and, where `HANGAR_MUTANTS` says how many, over mutants of each of its files.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the corpus of `{target}` has {} files", files.len());
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).expect("the file can be read")).collect();
    let broken = |data: &[u8]| catch_unwind(AssertUnwindSafe(|| run(data))).is_err();
    let mut found: Vec<PathBuf> =
        files.iter().zip(&corpus).filter(|(_, data)| broken(data)).map(|(file, _)| file.clone()).collect();
    let mutants: u64 = std::env::var("HANGAR_MUTANTS").map_or(0, |count| count.parse().expect("a number of mutants"));
    for number in 0..mutants {
        let mutant = mutation::mutant(&corpus, &Random::from_seed(number));
        if broken(&mutant) {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{target}-{number}"));
            std::fs::write(&file, mutant).expect("the folder of built things can be written");
            found.push(file);
        }
    }
    assert_eq!(found, Vec::<PathBuf>::new(), "what each of them said is above");
}
