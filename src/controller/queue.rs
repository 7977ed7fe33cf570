//! The work queue: environments by name, each at most once, served by priority and time, never two passes of one at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::random::Random;
use crate::resource::EnvName;

/// Who is served first among those that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Something is to be deleted, or is new.
    First,
    /// A spec has changed, or something is being waited for.
    Changed,
    /// It is only time to look again.
    Resync,
}

/// One environment in the queue.
#[derive(Debug, Clone)]
struct Entry {
    due: DateTime<Utc>,
    priority: Priority,
    failures: u32,
}

/// How failures space out: exponentially, with jitter, up to a longest wait.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(5), longest: Duration::from_mins(10) }
    }
}

/// The work queue.
#[derive(Debug)]
pub struct Queue {
    entries: BTreeMap<EnvName, Entry>,
    at_work: BTreeSet<EnvName>,
    /// Being glanced at, which takes no worker.
    glanced: BTreeSet<EnvName>,
    /// Woken while at work: due again as soon as the present pass is over.
    woken: BTreeMap<EnvName, Priority>,
    backoff: Backoff,
    random: Random,
}

impl Queue {
    /// An empty queue.
    pub const fn new(backoff: Backoff, random: Random) -> Self {
        Self {
            entries: BTreeMap::new(),
            at_work: BTreeSet::new(),
            glanced: BTreeSet::new(),
            woken: BTreeMap::new(),
            backoff,
            random,
        }
    }

    /// Makes `env` due now. What it failed at before is forgotten: its input has changed.
    pub fn wake(&mut self, env: &EnvName, priority: Priority, now: DateTime<Utc>) {
        if self.is_taken(env) {
            let entry = self.woken.entry(env.clone()).or_insert(priority);
            *entry = (*entry).min(priority);
            return;
        }
        let entry = self.entries.entry(env.clone()).or_insert(Entry { due: now, priority, failures: 0 });
        entry.due = entry.due.min(now);
        entry.priority = entry.priority.min(priority);
        entry.failures = 0;
    }

    /// Takes up to `room` environments that are due, the most urgent first. They stay out of the queue until they are finished.
    pub fn take_due(&mut self, now: DateTime<Utc>, room: usize) -> Vec<EnvName> {
        let mut due: Vec<(Priority, DateTime<Utc>, EnvName)> = self
            .entries
            .iter()
            .filter(|(env, entry)| entry.due <= now && !self.is_taken(env))
            .map(|(env, entry)| (entry.priority, entry.due, env.clone()))
            .collect();
        due.sort();
        let taken: Vec<EnvName> = due.into_iter().take(room).map(|(_, _, env)| env).collect();
        self.at_work.extend(taken.iter().cloned());
        taken
    }

    /// Takes every environment whose next look is only for the time that has passed, and comes before `until`: one listing serves
    /// them all. They stay out of the queue until they are finished.
    pub fn take_resyncs(&mut self, until: DateTime<Utc>) -> Vec<EnvName> {
        let is_near = |entry: &Entry| entry.priority == Priority::Resync && entry.due <= until && entry.failures == 0;
        let near = self.entries.iter().filter(|(env, entry)| is_near(entry) && !self.is_taken(env));
        let taken: Vec<EnvName> = near.map(|(env, _)| env.clone()).collect();
        self.glanced.extend(taken.iter().cloned());
        taken
    }

    /// Ends a glance at `env` that has shown something: it is looked at closely as soon as there is a worker.
    pub fn look(&mut self, env: &EnvName, now: DateTime<Utc>) {
        self.put_back(env, Entry { due: now, priority: Priority::Changed, failures: 0 }, now);
    }

    /// Ends a pass of `env` that went well: it is looked at again after `wait`, give or take a tenth, so that not everything comes
    /// at once.
    pub fn finished(&mut self, env: &EnvName, wait: Duration, priority: Priority, now: DateTime<Utc>) {
        let spread = wait.mul_f64(0.9 + 0.2 * self.random.fraction());
        self.put_back(env, Entry { due: later(now, spread), priority, failures: 0 }, now);
    }

    /// Ends a pass of `env` that has to wait for a known moment: it is looked at again then, and not before.
    pub fn due_in(&mut self, env: &EnvName, wait: Duration, priority: Priority, now: DateTime<Utc>) {
        self.put_back(env, Entry { due: later(now, wait), priority, failures: 0 }, now);
    }

    /// Ends a pass of `env` that failed: it is tried again after a growing wait with full jitter.
    pub fn failed(&mut self, env: &EnvName, now: DateTime<Utc>) {
        let failures = self.entries.get(env).map_or(0, |entry| entry.failures).saturating_add(1);
        let longest = self.backoff.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
        let wait = longest.min(self.backoff.longest).mul_f64(0.5 + 0.5 * self.random.fraction());
        self.put_back(env, Entry { due: later(now, wait), priority: Priority::Changed, failures }, now);
    }

    /// Takes `env` out for good.
    pub fn forget(&mut self, env: &EnvName) {
        self.entries.remove(env);
        self.at_work.remove(env);
        self.glanced.remove(env);
        self.woken.remove(env);
    }

    /// Whether `env` is in the queue or being worked on.
    pub fn contains(&self, env: &EnvName) -> bool {
        self.entries.contains_key(env)
    }

    /// The names of all that are in the queue or being worked on.
    pub fn names(&self) -> impl Iterator<Item = &EnvName> {
        self.entries.keys()
    }

    /// When the next environment that is not at work is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.entries.iter().filter(|(env, _)| !self.is_taken(env)).map(|(_, entry)| entry.due).min()
    }

    /// How many are being worked on.
    pub fn at_work(&self) -> usize {
        self.at_work.len()
    }

    /// How many are in the queue or being worked on.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_taken(&self, env: &EnvName) -> bool {
        self.at_work.contains(env) || self.glanced.contains(env)
    }

    fn put_back(&mut self, env: &EnvName, entry: Entry, now: DateTime<Utc>) {
        self.at_work.remove(env);
        self.glanced.remove(env);
        let entry = match self.woken.remove(env) {
            Some(priority) => Entry { due: now, priority, failures: 0 },
            None => entry,
        };
        self.entries.insert(env.clone(), entry);
    }
}

fn later(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    now.checked_add_signed(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn queue() -> Queue {
        Queue::new(Backoff::default(), Random::from_seed(1))
    }

    #[test]
    fn an_environment_is_in_the_queue_once_and_never_worked_on_twice_at_a_time() {
        let mut queue = queue();
        let env = EnvName::from("a");
        queue.wake(&env, Priority::Resync, at(0));
        queue.wake(&env, Priority::Changed, at(0));
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.take_due(at(0), 9), std::slice::from_ref(&env));
        assert!(queue.take_due(at(0), 9).is_empty());
        queue.wake(&env, Priority::Changed, at(1));
        assert!(queue.take_due(at(1), 9).is_empty(), "still at work");
        queue.finished(&env, Duration::from_mins(10), Priority::Resync, at(2));
        assert_eq!(queue.take_due(at(2), 9), [env], "woken while at work: due at once");
    }

    #[test]
    fn new_work_and_deletes_come_first_and_resyncs_last() {
        let mut queue = queue();
        queue.wake(&"resync".into(), Priority::Resync, at(0));
        queue.wake(&"changed".into(), Priority::Changed, at(1));
        queue.wake(&"new".into(), Priority::First, at(2));
        assert_eq!(queue.take_due(at(3), 2), ["new".into(), "changed".into()]);
    }

    #[test]
    fn failures_space_out_with_jitter_up_to_a_limit_and_are_forgotten_on_change() {
        let mut queue = queue();
        let env = EnvName::from("a");
        queue.wake(&env, Priority::Changed, at(0));
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert_eq!(queue.take_due(now, 1).len(), 1);
            queue.failed(&env, now);
            let due = queue.next_due().unwrap();
            waits.push((due - now).num_milliseconds());
            now = due;
        }
        assert!((2_500..=5_000).contains(&waits[0]), "{waits:?}");
        assert!((5_000..=10_000).contains(&waits[1]), "{waits:?}");
        assert!((300_000..=600_000).contains(&waits[11]), "{waits:?}");
        queue.wake(&env, Priority::Changed, now);
        assert_eq!(queue.take_due(now, 1).len(), 1);
        queue.failed(&env, now);
        assert!((queue.next_due().unwrap() - now).num_milliseconds() <= 5_000);
    }
}
