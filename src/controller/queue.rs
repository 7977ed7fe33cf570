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
    /// It was never looked at, or a glance has shown something: there may be nothing to do.
    Look,
    /// It is only time to look again.
    Resync,
}

impl Priority {
    /// The most urgent first.
    const ALL: [Self; 4] = [Self::First, Self::Changed, Self::Look, Self::Resync];
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
    /// Those that are not taken, in the order in which they are: what is found by going through all of them would be found once for
    /// each of them.
    waiting: BTreeSet<(Priority, DateTime<Utc>, EnvName)>,
    at_work: BTreeSet<EnvName>,
    /// Being glanced at, which takes no worker.
    glanced: BTreeSet<EnvName>,
    /// Being looked at closely together, which takes no worker either.
    surveyed: BTreeSet<EnvName>,
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
            waiting: BTreeSet::new(),
            at_work: BTreeSet::new(),
            glanced: BTreeSet::new(),
            surveyed: BTreeSet::new(),
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
        let before = self.entries.get(env);
        let due = before.map_or(now, |entry| entry.due.min(now));
        let priority = before.map_or(priority, |entry| entry.priority.min(priority));
        self.enter(env, Entry { due, priority, failures: 0 });
    }

    /// Takes up to `room` environments that are due, the most urgent first. They stay out of the queue until they are finished. While
    /// several are looked at together, those that are only to be looked at wait for the next time.
    pub fn take_due(&mut self, now: DateTime<Utc>, room: usize) -> Vec<EnvName> {
        let due = Priority::ALL.into_iter().filter(|priority| self.is_served(*priority));
        let taken: Vec<EnvName> = due.flat_map(|priority| self.due(priority, now)).take(room).cloned().collect();
        self.take_out(&taken);
        self.at_work.extend(taken.iter().cloned());
        taken
    }

    /// Takes up to `most` environments that are due only to be looked at closely: one listing serves them all. Nothing while others
    /// are looked at in this way. They stay out of the queue until they are finished.
    pub fn take_looks(&mut self, now: DateTime<Utc>, most: usize) -> Vec<EnvName> {
        if !self.surveyed.is_empty() {
            return Vec::new();
        }
        let taken: Vec<EnvName> = self.due(Priority::Look, now).take(most).cloned().collect();
        self.take_out(&taken);
        self.surveyed.extend(taken.iter().cloned());
        taken
    }

    /// Takes every environment whose next look is only for the time that has passed, and comes before `until`: one listing serves
    /// them all. They stay out of the queue until they are finished.
    pub fn take_resyncs(&mut self, until: DateTime<Utc>) -> Vec<EnvName> {
        let taken: Vec<EnvName> = self.due(Priority::Resync, until).cloned().collect();
        self.take_out(&taken);
        self.glanced.extend(taken.iter().cloned());
        taken
    }

    /// Ends a glance at `env` that has shown something: it is looked at closely as soon as may be.
    pub fn look(&mut self, env: &EnvName, now: DateTime<Utc>) {
        self.put_back(env, Entry { due: now, priority: Priority::Look, failures: 0 }, now);
    }

    /// Whether `env` was woken since it was taken, so that what was seen of it is not what there is to be seen now.
    pub fn is_woken(&self, env: &EnvName) -> bool {
        self.woken.contains_key(env)
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
        self.take_out(std::slice::from_ref(env));
        self.entries.remove(env);
        self.give_back(env);
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

    /// When the next environment is due that is not taken, and that would be taken then.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        let served = Priority::ALL.into_iter().filter(|priority| self.is_served(*priority));
        served.filter_map(|priority| self.of(priority).next()).map(|(_, due, _)| *due).min()
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
        self.at_work.contains(env) || self.glanced.contains(env) || self.surveyed.contains(env)
    }

    fn give_back(&mut self, env: &EnvName) {
        self.at_work.remove(env);
        self.glanced.remove(env);
        self.surveyed.remove(env);
    }

    /// Whether environments of this priority can be taken now.
    fn is_served(&self, priority: Priority) -> bool {
        priority != Priority::Look || self.surveyed.is_empty()
    }

    /// Those of one priority that are not taken, the earliest first.
    fn of(&self, priority: Priority) -> impl Iterator<Item = &(Priority, DateTime<Utc>, EnvName)> {
        let first = (priority, DateTime::<Utc>::MIN_UTC, EnvName::new(""));
        self.waiting.range(first..).take_while(move |(other, _, _)| *other == priority)
    }

    /// Those of them that are due at `now`.
    fn due(&self, priority: Priority, now: DateTime<Utc>) -> impl Iterator<Item = &EnvName> {
        self.of(priority).take_while(move |(_, due, _)| *due <= now).map(|(_, _, env)| env)
    }

    fn take_out(&mut self, taken: &[EnvName]) {
        for env in taken {
            if let Some(entry) = self.entries.get(env) {
                self.waiting.remove(&(entry.priority, entry.due, env.clone()));
            }
        }
    }

    /// Has `env`, which nobody has taken, wait like this.
    fn enter(&mut self, env: &EnvName, entry: Entry) {
        self.take_out(std::slice::from_ref(env));
        self.waiting.insert((entry.priority, entry.due, env.clone()));
        self.entries.insert(env.clone(), entry);
    }

    fn put_back(&mut self, env: &EnvName, entry: Entry, now: DateTime<Utc>) {
        self.give_back(env);
        let entry = match self.woken.remove(env) {
            Some(priority) => Entry { due: now, priority, failures: 0 },
            None => entry,
        };
        self.enter(env, entry);
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
    fn what_is_only_to_be_looked_at_is_looked_at_together_and_takes_no_worker_meanwhile() {
        let mut queue = queue();
        for name in ["a", "b", "c", "d", "e"] {
            queue.wake(&name.into(), Priority::Look, at(0));
        }
        assert_eq!(queue.take_due(at(0), 1), ["a".into()], "a worker that is free does it alone");
        assert_eq!(queue.take_looks(at(0), 2), ["b".into(), "c".into()]);
        assert!(queue.take_looks(at(0), 9).is_empty() && queue.take_due(at(0), 9).is_empty());
        assert_eq!(queue.next_due(), None, "the others wait until these are through, not until a time");
        queue.wake(&"z".into(), Priority::Changed, at(1));
        assert_eq!(queue.take_due(at(1), 9), ["z".into()], "whatever has changed does not wait for them");
        // There is something to do about the one, and nothing about the other.
        queue.finished(&"b".into(), Duration::ZERO, Priority::Changed, at(2));
        queue.finished(&"c".into(), Duration::from_mins(10), Priority::Resync, at(2));
        assert_eq!(queue.take_due(at(2), 1), ["b".into()]);
        assert_eq!(queue.take_looks(at(2), 9), ["d".into(), "e".into()]);
        assert_eq!(queue.at_work(), 3, "a, z and b");
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
