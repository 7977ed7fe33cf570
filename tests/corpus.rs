//! Replays everything that fuzzing has kept: whatever comes in, nothing panics, and what must always hold does. How to fuzz on is in
//! `docs/testing.md`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test ends where something it relies on is not so")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[expect(unreachable_pub, reason = "the same file is a module of the fuzzing package")]
#[path = "../fuzz/src/targets.rs"]
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
fn observations() {
    replay("observation", targets::observation);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the corpus of `{target}` has {} files", files.len());
    let mut broken = Vec::new();
    for file in files {
        let data = std::fs::read(&file).expect("the file can be read");
        if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
            broken.push(file);
        }
    }
    assert_eq!(broken, Vec::<std::path::PathBuf>::new(), "what each of them said is above");
}
