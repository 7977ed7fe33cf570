//! Machines with a schedule: they rest, run when their time comes, and end by themselves.

use chrono::{DateTime, Datelike, Days, DurationRound, Months, TimeDelta, Utc};
use serde_json::Value;

use super::lifecycle::Stage;
use super::machine::{Machine, State};
use super::schedule::Due;

/// How often a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rhythm {
    Hourly,
    Daily,
    Weekly,
    Monthly,
}

impl Rhythm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hourly" => Self::Hourly,
            "daily" => Self::Daily,
            "weekly" => Self::Weekly,
            "monthly" => Self::Monthly,
            _ => return None,
        })
    }

    /// The next beginning of an hour, a day, a week (Monday) or a month in UTC. The platform promises no exact time.
    fn next(self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let hour = after.duration_trunc(TimeDelta::hours(1)).ok()?;
        let day = after.duration_trunc(TimeDelta::days(1)).ok()?;
        match self {
            Self::Hourly => hour.checked_add_signed(TimeDelta::hours(1)),
            Self::Daily => day.checked_add_days(Days::new(1)),
            Self::Weekly => {
                let past = u64::from(day.weekday().num_days_from_monday());
                day.checked_add_days(Days::new(7_u64.saturating_sub(past)))
            }
            Self::Monthly => day.with_day(1)?.checked_add_months(Months::new(1)),
        }
    }
}

impl Machine {
    /// How often it runs, if it has a schedule.
    pub(crate) fn rhythm(&self) -> Option<Rhythm> {
        self.config.get("schedule").and_then(Value::as_str).and_then(Rhythm::named)
    }

    /// Notes when it runs next, if it has a schedule.
    pub(super) fn plan_run(&mut self, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        let next = self.rhythm().and_then(|rhythm| rhythm.next(at));
        if let Some(next) = next.filter(|next| self.next_run != Some(*next)) {
            stage.schedule.push(next, Due::Run { app: self.app.clone(), id: self.id.clone() });
        }
        self.next_run = next;
    }

    /// Runs, if this is the time, and it rests.
    pub(super) fn run_by_schedule(&mut self, at: DateTime<Utc>, stage: &mut Stage<'_>) {
        if self.next_run != Some(at) || self.is_destroyed() {
            return;
        }
        let rests = matches!(self.state, State::Created | State::Stopped) && self.is_settled();
        if rests && !self.unreachable {
            self.restarts = 0;
            self.start("flyd", at, stage);
        }
        self.plan_run(at, stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_the_beginning_of_something() {
        // A Saturday.
        let now: DateTime<Utc> = "2026-11-21T08:15:30Z".parse().unwrap();
        for (name, next) in [
            ("hourly", "2026-11-21T09:00:00Z"),
            ("daily", "2026-11-22T00:00:00Z"),
            ("weekly", "2026-11-23T00:00:00Z"),
            ("monthly", "2026-12-01T00:00:00Z"),
        ] {
            let rhythm = Rhythm::named(name).unwrap();
            assert_eq!(rhythm.next(now), Some(next.parse().unwrap()), "{name}");
            let second = rhythm.next(next.parse().unwrap()).unwrap();
            assert!(second > next.parse::<DateTime<Utc>>().unwrap(), "{name}");
        }
        assert_eq!(Rhythm::named("yearly"), None);
    }
}
