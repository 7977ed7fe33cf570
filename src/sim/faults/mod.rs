//! Faults that are injected on purpose, and the point at which everything ends.
//!
//! ```text
//! Fault (matcher, probability, count, window, kind) ─> Faults (what is set) ─> Struck (what happens to one request)
//! Profile, FaultFile ─┘                                                          ├─ spoil: answers
//!                                                                                └─ meddle: edits
//! ```
//!
//! Each fault draws from a generator of its own, derived from the seed and its place among the faults: what it hits depends on the
//! requests that it matches, and on nothing else.

mod crash;
mod edit;
mod fault;
mod file;
mod kind;
mod matcher;
pub(super) mod meddle;
mod profile;
pub(super) mod spoil;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use crash::CrashPoint;
pub(super) use crash::KillPoint;
pub use edit::{Edit, EditAction, EditRecord};
pub use fault::{Fault, FaultError};
pub use file::{FaultFile, FaultFileError};
use kind::Class;
pub use kind::FaultKind;
pub use matcher::{Matcher, Only};
pub use profile::Profile;

use super::world::schedule::after;
use crate::http::transport::Method;
use crate::random::Random;

/// The faults that are set, and whether the caller is dead.
#[derive(Debug)]
pub(super) struct Faults {
    set: Vec<Armed>,
    seed: u64,
    /// How many were set since the last clearing: each draws from its own sequence.
    armed: u64,
    pub(super) profile: Option<Profile>,
    /// The edits that took place.
    pub(super) edits: Vec<EditRecord>,
    kill: Option<KillPoint>,
    pub(super) dead: bool,
}

/// A fault that is set.
#[derive(Debug)]
struct Armed {
    fault: Fault,
    random: Random,
    /// When the first request came.
    since: Option<DateTime<Utc>>,
}

/// What hits one request.
#[derive(Debug, Default)]
pub(super) struct Struck {
    /// How much slower it is.
    pub(super) delay: Duration,
    /// What happens to its answer.
    pub(super) spoil: Option<FaultKind>,
    /// What happens beside it, each with a number that was drawn for it.
    pub(super) edits: Vec<(Edit, u64)>,
    /// By how many seconds the platform's clock jumps.
    pub(super) jump: i64,
    /// All of this in words, for the log.
    pub(super) names: Vec<String>,
}

impl Faults {
    pub(super) const fn from_seed(seed: u64) -> Self {
        Self { set: Vec::new(), seed, armed: 0, profile: None, edits: Vec::new(), kill: None, dead: false }
    }

    pub(super) fn inject(&mut self, fault: Fault) {
        let seed = self.seed.wrapping_add(self.armed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.armed = self.armed.wrapping_add(1);
        self.set.push(Armed { fault, random: Random::from_seed(seed), since: None });
    }

    /// Removes all faults. Whatever is set afterwards draws as if it were the first.
    pub(super) fn clear(&mut self) {
        self.set.clear();
        self.armed = 0;
        self.profile = None;
    }

    /// Where everything that is set from now on draws from.
    pub(super) const fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.armed = 0;
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.set.iter().map(|armed| armed.fault.clone()).collect()
    }

    /// How far back reads can be answered from.
    pub(super) fn longest_stale(&self) -> Duration {
        let seconds = self.set.iter().map(|armed| match armed.fault.kind {
            FaultKind::Stale { seconds } => seconds.min(FaultKind::MAX_STALE_SECONDS),
            _ => 0,
        });
        Duration::from_secs(seconds.max().unwrap_or_default())
    }

    pub(super) const fn kill_at(&mut self, point: KillPoint) {
        self.kill = Some(point);
    }

    pub(super) const fn revive(&mut self) {
        self.kill = None;
        self.dead = false;
    }

    /// What hits a request that arrives at `at`. All faults that match count it.
    pub(super) fn strike(&mut self, method: Method, path: &str, at: DateTime<Utc>) -> Struck {
        let mut struck = Struck::default();
        for armed in &mut self.set {
            let since = *armed.since.get_or_insert(at);
            // Requests that come at once may be taken in another order than that of their moments.
            let at = at.max(since);
            let fault = &mut armed.fault;
            let (start, end) = fault.window();
            if end.is_some_and(|end| after(since, end) <= at) {
                fault.times = Some(0);
            }
            let is_there = fault.times != Some(0) && after(since, start) <= at;
            if !is_there || !fault.matches.hits(method, path) || !fault.kind.concerns(method, path) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip = fault.skip.saturating_sub(1);
                continue;
            }
            if fault.probability.is_some_and(|probability| armed.random.fraction() >= probability) {
                continue;
            }
            if fault.kind.class() == Class::Spoil && struck.spoil.is_some() {
                continue;
            }
            fault.times = fault.times.map(|times| times.saturating_sub(1));
            struck.add(&fault.kind, &armed.random);
        }
        self.set.retain(|armed| armed.fault.times != Some(0));
        struck
    }

    /// Counts the request towards the kill point, and says where in this request it lies, if it does.
    pub(super) fn approach(&mut self, is_read: bool) -> Option<CrashPoint> {
        let kill = self.kill.as_mut()?;
        if kill.writes_only && is_read {
            return None;
        }
        kill.remaining = kill.remaining.saturating_sub(1);
        let point = kill.point;
        if kill.remaining > 0 {
            return None;
        }
        self.kill = None;
        Some(point)
    }
}

impl Struck {
    fn add(&mut self, kind: &FaultKind, random: &Random) {
        self.names.push(kind.name());
        let mut slower = |ms| self.delay = self.delay.saturating_add(Duration::from_millis(ms));
        match kind {
            FaultKind::Latency { ms } => slower(*ms),
            FaultKind::LatencyBetween { min_ms, max_ms } => {
                let choices = max_ms.saturating_sub(*min_ms).saturating_add(1);
                slower(min_ms.saturating_add(random.next_u64() % choices));
            }
            FaultKind::Edit(edit) => self.edits.push((edit.clone(), random.next_u64())),
            FaultKind::ClockJump { seconds } => self.jump = self.jump.saturating_add(*seconds),
            other => self.spoil = Some(other.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(faults: &mut Faults, count: usize) -> Vec<bool> {
        let mut hit = || faults.strike(Method::Get, "/v1/apps", DateTime::UNIX_EPOCH).spoil.is_some();
        (0..count).map(|_| hit()).collect()
    }

    #[test]
    fn a_fault_skips_then_hits_a_number_of_times() {
        let mut faults = Faults::from_seed(1);
        faults.inject(Fault::always(Matcher::any(), FaultKind::Truncated).after(1).times(2));
        assert_eq!(hits(&mut faults, 4), [false, true, true, false]);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn probability_is_kept_to_and_repeats_from_the_seed() {
        let run = |seed| {
            let mut faults = Faults::from_seed(seed);
            faults.inject(Fault::sometimes(Matcher::any(), 0.25, FaultKind::Truncated));
            hits(&mut faults, 1_000)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let share = run(1).into_iter().filter(|hit| *hit).count();
        assert!((200..300).contains(&share), "{share}");
    }

    #[test]
    fn one_fault_draws_independently_of_the_others() {
        let run = |other: f64| {
            let mut faults = Faults::from_seed(1);
            faults.inject(Fault::sometimes(Matcher::any(), other, FaultKind::Latency { ms: 1 }));
            faults.inject(Fault::sometimes(Matcher::any(), 0.5, FaultKind::Truncated));
            hits(&mut faults, 100)
        };
        assert_eq!(run(0.1), run(0.9));
    }

    #[test]
    fn a_request_that_was_overtaken_on_its_way_is_hit_as_well() {
        let mut faults = Faults::from_seed(1);
        faults.inject(Fault::always(Matcher::any(), FaultKind::Truncated));
        let later = after(DateTime::UNIX_EPOCH, Duration::from_secs(1));
        let hits = [later, DateTime::UNIX_EPOCH].map(|at| faults.strike(Method::Get, "/v1/apps", at).spoil.is_some());
        assert_eq!(hits, [true, true]);
    }

    #[test]
    fn a_window_is_counted_from_the_first_request() {
        let mut faults = Faults::from_seed(1);
        faults.inject(Fault::always(Matcher::any(), FaultKind::Truncated).starting(10).lasting(5));
        let mut at = |seconds: u64| {
            let at = after(DateTime::UNIX_EPOCH, Duration::from_secs(1_000 + seconds));
            faults.strike(Method::Get, "/v1/apps", at).spoil.is_some()
        };
        assert_eq!([at(0), at(9), at(10), at(14), at(15)], [false, false, true, true, false]);
    }

    #[test]
    fn latency_and_edits_go_together_with_one_spoiled_answer() {
        let mut faults = Faults::from_seed(1);
        for kind in [
            FaultKind::Latency { ms: 10 },
            FaultKind::LatencyBetween { min_ms: 5, max_ms: 7 },
            FaultKind::ResetAfter,
            FaultKind::Truncated,
            FaultKind::Edit(Edit::new(EditAction::StopMachine)),
            FaultKind::ClockJump { seconds: -3 },
        ] {
            faults.inject(Fault::once(Matcher::any(), kind));
        }
        let struck = faults.strike(Method::Get, "/v1/apps", DateTime::UNIX_EPOCH);
        assert!((15..=17).contains(&struck.delay.as_millis()), "{struck:?}");
        assert_eq!((struck.spoil, struck.jump, struck.edits.len()), (Some(FaultKind::ResetAfter), -3, 1));
        assert_eq!(struck.names, ["latency", "latency", "reset_after", "edit stop_machine", "clock_jump -3s"]);
        // The other fault that spoils answers waits for the next request.
        assert_eq!(faults.list(), [Fault::once(Matcher::any(), FaultKind::Truncated)]);
    }

    #[test]
    fn listing_faults_pass_over_other_requests() {
        let mut faults = Faults::from_seed(1);
        faults.inject(Fault::once(Matcher::any(), FaultKind::ShortPage { keep: 0 }));
        for (method, path) in [(Method::Get, "/v1/apps"), (Method::Post, "/v1/orgs/acme/machines")] {
            assert_eq!(faults.strike(method, path, DateTime::UNIX_EPOCH).spoil, None);
        }
        let struck = faults.strike(Method::Get, "/v1/orgs/acme/machines", DateTime::UNIX_EPOCH);
        assert_eq!(struck.spoil, Some(FaultKind::ShortPage { keep: 0 }));
    }
}
