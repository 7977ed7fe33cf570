//! Fault files: faults as people write them, in YAML.
//!
//! ```yaml
//! profile: flaky            # the faults of a profile, after those below
//! seed: 7
//! faults:
//!   - matches: {method: POST, path: /v1/apps/*/machines}
//!     probability: 0.1
//!     kind: {status_after: {status: 500}}
//! ```

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_saphyr::{Location, Spanned};

use super::fault::Fault;
use super::profile::Profile;
use crate::sim::Simulator;

/// Faults to begin with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FaultFile {
    /// A profile whose faults are set too. Of those that spoil answers, the ones of the file come first.
    pub profile: Option<Profile>,
    /// Where the faults draw from; `None` for the simulator's seed.
    pub seed: Option<u64>,
    /// The faults, in their order.
    pub faults: Vec<Fault>,
}

/// The same, with the places of the faults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    profile: Option<Profile>,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    faults: Vec<Spanned<Fault>>,
}

/// A fault file that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}; the form of fault files is in docs/simulator.md, section \"Faults\"")]
pub struct FaultFileError {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: String,
}

impl FaultFile {
    /// Largest fault file that is read, in bytes.
    pub const MAX_BYTES: usize = 1024 * 1024;

    /// Reads a fault file.
    ///
    /// # Errors
    ///
    /// [`FaultFileError`] with the place of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, FaultFileError> {
        if text.len() > Self::MAX_BYTES {
            return Err(at(None, format!("the file has more than {} bytes", Self::MAX_BYTES)));
        }
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
        let written: Written = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let problem = error.without_snippet().to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
            at(error.location(), problem)
        })?;
        let mut faults = Vec::new();
        for fault in written.faults {
            fault.value.check().map_err(|error| at(Some(fault.referenced), error.to_string()))?;
            faults.push(fault.value);
        }
        Ok(Self { profile: written.profile, seed: written.seed, faults })
    }

    /// The JSON Schema (draft 7, which editors understand best) of fault files.
    pub fn schema() -> serde_json::Value {
        SchemaSettings::draft07().into_generator().into_root_schema_for::<Self>().to_value()
    }
}

fn at(place: Option<Location>, problem: String) -> FaultFileError {
    let (line, column) = place.map_or((1, 1), |place| (place.line(), place.column()));
    FaultFileError { line, column, problem }
}

impl Simulator {
    /// Sets these faults in place of those that are set.
    pub fn set_faults(&self, file: &FaultFile) {
        self.clear_faults();
        if let Some(seed) = file.seed {
            self.seed_faults(seed);
        }
        for fault in file.faults.iter().cloned().chain(file.profile.into_iter().flat_map(Profile::faults)) {
            self.inject(fault);
        }
        self.lock().faults.profile = file.profile;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Edit, EditAction, FaultKind, Matcher, Only};

    #[test]
    fn a_file_says_all_that_a_fault_can_be() {
        let file = FaultFile::parse(
            "# a bad day\nprofile: flaky\nseed: 7\nfaults:\n\
             - {kind: reset_after}\n\
             - matches: {method: POST, path: /v1/apps/*/machines}\n  skip: 1\n  probability: 0.25\n  times: 2\n  \
             kind: {status_after: {status: 500}}\n\
             - {matches: {only: reads}, starts_seconds: 5, lasts_seconds: 60, kind: {stale: {seconds: 30}}}\n\
             - {kind: {edit: {action: {set_secret: {name: A, value: b}}, app: demo-*}}}\n\
             - {kind: {edit: {action: delete_machine}}}\n\
             - {kind: {rate_limited: {}}}\n",
        );
        let edit = |edit| Fault::always(Matcher::any(), FaultKind::Edit(edit));
        let secret = EditAction::SetSecret { name: "A".to_owned(), value: "b".to_owned() };
        let expected = FaultFile {
            profile: Some(Profile::Flaky),
            seed: Some(7),
            faults: vec![
                Fault::always(Matcher::any(), FaultKind::ResetAfter),
                Fault::sometimes(
                    Matcher::new(crate::http::transport::Method::Post, "/v1/apps/*/machines"),
                    0.25,
                    FaultKind::status_after(500),
                )
                .after(1)
                .times(2),
                Fault::always(Matcher { only: Some(Only::Reads), ..Matcher::any() }, FaultKind::Stale { seconds: 30 })
                    .starting(5)
                    .lasting(60),
                edit(Edit::new(secret).in_app("demo-*")),
                edit(Edit::new(EditAction::DeleteMachine)),
                Fault::always(Matcher::any(), FaultKind::RateLimited { retry_after: None }),
            ],
        };
        assert_eq!(file, Ok(expected));
    }

    #[test]
    fn an_empty_file_has_no_faults() {
        for text in ["", "\n", "# nothing\n", "faults: []\n"] {
            assert_eq!(FaultFile::parse(text), Ok(FaultFile::default()), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, line, said) in [
            ("profile: stormy\n", 1, "stormy"),
            ("faults:\n- {kind: reset_afterwards}\n", 2, "reset_afterwards"),
            ("faults:\n- {kind: reset_after}\n- {kind: reset_after, chance: 1}\n", 3, "chance"),
            ("faults:\n- {probability: 1.5, kind: refused}\n", 2, "`probability`: 1.5 is not a number from 0 to 1"),
            ("faults:\n- {matches: {method: FETCH}, kind: refused}\n", 2, "there is no method `FETCH`"),
            ("faults:\n- {matches: {path: v1/apps}, kind: refused}\n", 2, "does not begin with `/`"),
            ("faults:\n- kind: {status_before: {status: 700}}\n", 2, "700 is not a status"),
            ("faults:\n- kind: {latency_between: {min_ms: 2, max_ms: 1}}\n", 2, "1 is less than min_ms, 2"),
            ("faults:\n- kind: {stale: {seconds: 601}}\n", 2, "more than the 600 seconds"),
            ("faults:\n- kind: {clock_jump: {seconds: -99999999}}\n", 2, "more than a year"),
            ("faults:\n  - {times: 1}\n", 2, "kind"),
            ("faults: {a: [}\n", 1, ""),
        ] {
            let error = FaultFile::parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text}: {error}");
            assert!(error.problem.contains(said), "{text}: {error}");
        }
    }
}
