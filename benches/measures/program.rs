//! The program as it is shipped: how soon it answers, and how large it is.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::table::Section;

pub(crate) fn section(binary: &Path, runs: usize) -> Section {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/chat-dev");
    let specs = specs.to_str().expect("the path of this repository is UTF-8");
    let commands: [(&str, &[&str], &[i32]); 4] = [
        ("hangar --help", &["--help"], &[0]),
        ("hangar validate specs/chat-dev", &["validate", specs], &[0]),
        ("hangar diff --sim specs/chat-dev, first run", &["diff", "--sim", specs], &[2]),
        ("hangar diff without a token (until it says so)", &["diff", specs], &[1]),
    ];
    let mut rows: Vec<Value> =
        commands.iter().map(|(shown, arguments, codes)| start_up(binary, shown, arguments, codes, runs)).collect();
    let size = std::fs::metadata(binary).expect("the program is there").len();
    rows.push(json!({"what": "size of the program", "megabytes": size as f64 / 1_000_000.0, "bytes": size}));
    Section {
        name: "program",
        about: "the program as it is started by a person: wall time from start to end",
        columns: &[
            ("what", "what"),
            ("medianMilliseconds", "median ms"),
            ("shortestMilliseconds", "shortest ms"),
            ("megabytes", "MB"),
        ],
        rows,
    }
}

fn start_up(binary: &Path, shown: &str, arguments: &[&str], codes: &[i32], runs: usize) -> Value {
    let mut times: Vec<f64> = (0..runs).map(|_| one_run(binary, arguments, codes)).collect();
    times.sort_by(f64::total_cmp);
    json!({
        "what": shown,
        "medianMilliseconds": times[times.len() / 2],
        "shortestMilliseconds": times[0],
        "runs": runs,
    })
}

/// One run in a folder of its own, as on a machine on which Hangar has never run. No account can be reached.
fn one_run(binary: &Path, arguments: &[&str], codes: &[i32]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(&folder).env_clear();
    let began = Instant::now();
    let output = command.output().expect("the program starts");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let code = output.status.code().unwrap_or(-1);
    assert!(codes.contains(&code), "{arguments:?} ended with {code}:\n{}", String::from_utf8_lossy(&output.stderr));
    took
}
