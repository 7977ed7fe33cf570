//! What a machine configuration has shown in practice: that it failed, or that it has not proved itself yet.
//!
//! A configuration that one machine of a group fails with is not given to the others, and not to that one again before its time. Nor
//! is it given to the others while the machine that has it is not healthy: a rollout goes on only behind a machine that is.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::machines::{Hashed, Rolling, asked_again};
use super::planner::Planner;
use super::withheld::{Reason, Stance, Withheld};
use crate::desired;
use crate::observed::{Machine, MachineState};
use crate::resource::{MachineSlot, ResourceKey};

/// An exit of its own accord so short a while ago is a sign that a machine keeps exiting.
const LATELY: TimeDelta = TimeDelta::seconds(60);

/// Why a configuration is not given to further machines of its group.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    stance: Stance,
    reason: Reason,
    message: String,
    until: Option<DateTime<Utc>>,
}

/// What failures are remembered by: the configuration, the secrets that it was tried with, and who has asked for it again.
pub(super) fn trial_of(rolling: &Rolling<'_>, wanted: &desired::Machine) -> String {
    let fingerprints: BTreeMap<&String, &String> =
        rolling.secrets.record.0.iter().map(|(name, secret)| (name, &secret.fingerprint)).collect();
    let redeploy = asked_again(rolling.view.env);
    Hashed { redeploy, secrets: Some(fingerprints), ..Hashed::of(wanted) }.short()
}

/// How a machine is not healthy, as far as one look tells.
pub(super) fn ailment(live: &Machine, now: DateTime<Utc>) -> Option<String> {
    if live.state != MachineState::Started {
        return None;
    }
    let failing: Vec<&str> =
        live.checks.iter().filter(|check| !check.passing).map(|check| check.name.as_str()).collect();
    if !failing.is_empty() {
        return Some(format!("runs, but {} does not pass", failing.join(", ")));
    }
    let exit = live.last_exit.as_ref().filter(|exit| !exit.requested && (exit.code != 0 || exit.oom_killed))?;
    let was_lately = now.signed_duration_since(exit.at) < LATELY;
    (was_lately && live.checks.is_empty()).then(|| {
        let why =
            if exit.oom_killed { "ran out of memory".to_owned() } else { format!("exited with code {}", exit.code) };
        format!("runs again, but {why} at {}", exit.at.format("%H:%M:%S UTC"))
    })
}

impl Planner<'_> {
    /// The doubts about what is wanted of an app's machines, by the slot that gives rise to them.
    pub(super) fn doubts(
        &self,
        rolling: &Rolling<'_>,
        holders: &BTreeMap<MachineSlot, &Machine>,
    ) -> BTreeMap<MachineSlot, Doubt> {
        let wanted = rolling.view.app.machines.iter();
        wanted
            .filter_map(|wanted| {
                let live = holders.get(&wanted.slot).copied();
                Some((wanted.slot.clone(), self.doubt(rolling, wanted, live)?))
            })
            .collect()
    }

    fn doubt(&self, rolling: &Rolling<'_>, wanted: &desired::Machine, live: Option<&Machine>) -> Option<Doubt> {
        let key = ResourceKey::Machine { app: rolling.view.app.name.clone(), slot: wanted.slot.clone() };
        let rejection = self.memory.rejections.get(&key.to_string());
        if let Some(rejection) =
            rejection.filter(|rejection| rejection.hash == trial_of(rolling, wanted) && self.now < rejection.retry_at)
            && !live.is_some_and(has_recovered)
        {
            return Some(Doubt {
                stance: Stance::Blocked,
                reason: Reason::RolloutRejected,
                message: format!("{key} was tried and failed: {}", rejection.message),
                until: Some(rejection.retry_at),
            });
        }
        let live = live?;
        let problem = match &live.state {
            MachineState::Passing(state) => format!("is {state}"),
            _ => ailment(live, self.now)?,
        };
        if !self.is_as_wanted(rolling, wanted, live) {
            return None;
        }
        Some(Doubt {
            stance: Stance::Waiting,
            reason: Reason::Unhealthy,
            message: format!("machine {} ({}) has the same configuration already and {problem}", wanted.slot, live.id),
            until: None,
        })
    }

    /// Withholds a change of the machine in `slot` because that failed, or because another machine of its group is in doubt at least
    /// as much as `least` says.
    pub(super) fn is_doubted(
        &mut self,
        rolling: &Rolling<'_>,
        slot: &MachineSlot,
        key: &ResourceKey,
        least: Stance,
    ) -> bool {
        if self.has_just_failed(rolling, slot, key) {
            return true;
        }
        let others = rolling.doubts.iter().filter(|(other, _)| other.group == slot.group && *other != slot);
        let worst =
            others.map(|(_, doubt)| doubt).filter(|doubt| doubt.stance >= least).max_by_key(|doubt| doubt.stance);
        let Some(doubt) = worst else { return false };
        let message = format!("machine {slot} is left as it is, because {}", doubt.message);
        self.hold(rolling, key, doubt, message);
        true
    }

    /// Withholds whatever would be done to the machine in `slot`, because it was done and failed.
    pub(super) fn has_just_failed(&mut self, rolling: &Rolling<'_>, slot: &MachineSlot, key: &ResourceKey) -> bool {
        let Some(doubt) = rolling.doubts.get(slot).filter(|doubt| doubt.stance == Stance::Blocked) else {
            return false;
        };
        self.hold(rolling, key, doubt, doubt.message.clone());
        true
    }

    fn hold(&mut self, rolling: &Rolling<'_>, key: &ResourceKey, doubt: &Doubt, message: String) {
        self.plan.withheld.push(Withheld {
            env: rolling.view.env.name.clone(),
            component: Some(rolling.view.app.component.clone()),
            key: Some(key.clone()),
            stance: doubt.stance,
            reason: doubt.reason,
            message,
            until: doubt.until,
            change: None,
        });
    }

    /// Whether a machine failed with what is wanted of it now, and has not been seen healthy since.
    pub(super) fn has_failed_before(
        &self,
        rolling: &Rolling<'_>,
        wanted: &desired::Machine,
        key: &ResourceKey,
    ) -> bool {
        let rejection = self.memory.rejections.get(&key.to_string());
        rejection.is_some_and(|rejection| rejection.hash == trial_of(rolling, wanted))
    }
}

/// Whether a machine that failed shows by its checks that it is well now.
fn has_recovered(live: &Machine) -> bool {
    live.state == MachineState::Started && !live.checks.is_empty() && live.checks.iter().all(|check| check.passing)
}
