//! What Hangar costs, as a table and as JSON: `cargo bench`. What the numbers mean, and what they are measured against, is in
//! `docs/performance.md`.
//!
//! ```text
//! cargo bench                         everything (many minutes)
//! cargo bench -- --only planner       one part: passes, convergence, planner, program
//! cargo bench -- --most 1000          nothing larger than this
//! cargo bench -- --binary PATH        start-up and size of this program instead of the one built for the measures
//! cargo bench -- --smoke              tiny sizes, once each: shows that all of it still runs
//! ```
//!
//! Each row is measured in a process of its own, so that its peak of memory is its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a measure ends where something it relies on is not so; it prints, and it reads the real clock"
)]

mod convergence;
mod fleet;
mod meter;
mod passes;
mod planner;
mod program;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use table::Section;

/// Counts what is allocated, so that peaks can be told apart from what was there before.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// What was asked for.
struct Asked {
    smoke: bool,
    only: Option<String>,
    most: usize,
    binary: PathBuf,
    child: Option<(String, Vec<String>)>,
}

fn main() {
    let asked = Asked::from_arguments(std::env::args().skip(1));
    if let Some((measure, arguments)) = &asked.child {
        println!("{}", child(measure, arguments));
        return;
    }
    let mut sections = Vec::new();
    let wanted = |name: &str| asked.only.as_deref().is_none_or(|only| only == name);
    if wanted("passes") {
        sections.push(passes::section(&asked.sizes(&[10, 100, 1_000, 10_000], &[2])));
    }
    if wanted("convergence") {
        sections.push(convergence::section(&asked.sizes(&[1, 10, 100], &[1])));
    }
    if wanted("planner") {
        sections.push(planner::section(&asked.sizes(&[10, 100, 1_000, 10_000], &[2])));
    }
    if wanted("program") {
        sections.push(program::section(&asked.binary, if asked.smoke { 1 } else { 30 }));
    }
    assert!(!sections.is_empty(), "there is no such measure");
    for section in &sections {
        println!("\n{section}");
    }
    let name = if asked.smoke { "measures-smoke.json" } else { "measures.json" };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(name);
    let sections: Vec<Value> = sections.iter().map(Section::to_json).collect();
    let all = json!({"machine": meter::machine(), "smoke": asked.smoke, "sections": sections});
    std::fs::write(&file, format!("{all:#}\n")).expect("the folder of built things can be written");
    println!("\nmeasured on {}\nwritten to {}", meter::machine(), file.display());
}

impl Asked {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Self {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_hangar"));
        let mut asked = Self { smoke: false, only: None, most: usize::MAX, binary, child: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("`{argument}` needs a value"));
            match argument.as_str() {
                "--bench" => {} // Cargo says it to every benchmark.
                "--smoke" => asked.smoke = true,
                "--only" => asked.only = Some(value()),
                "--most" => asked.most = value().parse().expect("a number of environments"),
                "--binary" => asked.binary = PathBuf::from(value()),
                "--child" => asked.child = Some((value(), arguments.by_ref().collect())),
                other => panic!("there is no argument `{other}`; see the head of benches/measures/main.rs"),
            }
        }
        asked
    }

    fn sizes(&self, all: &[usize], smoke: &[usize]) -> Vec<usize> {
        let sizes = if self.smoke { smoke } else { all };
        sizes.iter().copied().filter(|size| *size <= self.most).collect()
    }
}

/// Measures in a new process.
fn in_child(measure: &str, arguments: &[&str]) -> Value {
    eprintln!("measuring {measure} {}", arguments.join(" "));
    let this = std::env::current_exe().expect("this program has a path");
    let output = Command::new(this).arg("--child").arg(measure).args(arguments).output().expect("it can be started");
    assert!(output.status.success(), "{measure} {arguments:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a measure is JSON")
}

fn child(measure: &str, arguments: &[String]) -> Value {
    let size = || arguments[1].parse().expect("a size");
    match measure {
        "pass" => passes::measure(&arguments[0], size()),
        "convergence" => convergence::measure(&arguments[0], size()),
        "planner" => planner::measure(&arguments[0], size()),
        other => panic!("there is no measure `{other}`"),
    }
}
