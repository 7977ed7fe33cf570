//! Steps that wait for a machine: until it is healthy, or until its run has ended.

use super::run::{Written, step_ref};
use super::step::{Ended, StepRun, failed, lock};
use crate::event::What;
use crate::plan::Action;
use crate::providers::fly::client::{Class, FlyWriter};
use crate::providers::fly::ended::wait_ended;
use crate::providers::fly::health::{Patience, Unhealthy, wait_healthy};

/// The reason of a job that has not ended well.
const JOB_FAILED: &str = "JobFailed";

impl StepRun<'_> {
    pub(super) async fn wait_healthy(&self, writer: &FlyWriter) -> Ended {
        let Action::WaitHealthy { live, timeout, has_checks, may_end, may_sleep, hash } = &self.step.action else {
            return Ended::Done { produced: None };
        };
        let written = lock(&self.shared.machines).get(&self.step.key).cloned();
        let since = self.executor.clock.now();
        let looked_at = || live.as_ref().map(|id| Written { id: id.clone(), version: None, since });
        let Some(written) = written.or_else(looked_at) else {
            return Ended::Done { produced: None };
        };
        let patience = Patience {
            app: self.app,
            id: &written.id,
            version: written.version,
            timeout: *timeout,
            has_checks: *has_checks,
            may_end: *may_end,
            may_sleep: *may_sleep,
            since: written.since,
        };
        let progress = |message| {
            self.executor.tell(&self.step.env, What::StepProgress { step: step_ref(self.step), message });
        };
        let (journal, now) = (&self.executor.journal, || self.executor.clock.now());
        let healthy = wait_healthy(writer.reader(), &self.executor.clock, &patience, &progress);
        let healthy = tokio::select! {
            healthy = healthy => healthy,
            // Waiting changes nothing, so it can be left at any moment: the next run looks at what became of the machine.
            reason = self.executor.stop.asked() => return Ended::Left { message: reason.to_string() },
        };
        match healthy {
            Ok(()) => match journal.accept(&self.step.key) {
                Ok(()) => Ended::Done { produced: None },
                Err(error) => failed("StoreFailed", error.to_string(), true),
            },
            Err(Unhealthy::Fly(error)) => {
                failed(error.reason(), format!("{error}; {}", error.advice()), error.class() != Class::Permanent)
            }
            Err(unhealthy) => {
                let message = unhealthy.to_string();
                if let Err(error) = journal.reject(&self.step.key, hash, unhealthy.reason(), &message, now()) {
                    tracing::warn!(%error, "the rejection was not remembered");
                }
                failed(unhealthy.reason(), message, false)
            }
        }
    }

    /// Waits until a run has ended. How it has ended is read from the machine by the next plan, so nothing is remembered here.
    pub(super) async fn wait_ended(&self, writer: &FlyWriter) -> Ended {
        let Action::WaitEnded { live, timeout } = &self.step.action else { return Ended::Done { produced: None } };
        let written = lock(&self.shared.machines).get(&self.step.key).cloned();
        // Of a run that is under way, any end counts: the plan has seen that it has not ended yet.
        let since = chrono::DateTime::<chrono::Utc>::MIN_UTC;
        let under_way = || live.as_ref().map(|id| Written { id: id.clone(), version: None, since });
        let Some(written) = written.or_else(under_way) else {
            return Ended::Done { produced: None };
        };
        let patience = Patience {
            app: self.app,
            id: &written.id,
            version: written.version,
            timeout: *timeout,
            has_checks: false,
            may_end: true,
            may_sleep: false,
            since: written.since,
        };
        let progress = |message| {
            self.executor.tell(&self.step.env, What::StepProgress { step: step_ref(self.step), message });
        };
        let ended = wait_ended(writer.reader(), &self.executor.clock, &patience, &progress);
        let ended = tokio::select! {
            ended = ended => ended,
            // Waiting changes nothing, so it can be left at any moment: the next run looks at what became of the machine.
            reason = self.executor.stop.asked() => return Ended::Left { message: reason.to_string() },
        };
        match ended {
            Ok(()) => Ended::Done { produced: None },
            Err(Unhealthy::Fly(error)) => {
                failed(error.reason(), format!("{error}; {}", error.advice()), error.class() != Class::Permanent)
            }
            // One that is gone is created again by the next plan.
            Err(gone @ Unhealthy::Gone { .. }) => failed(gone.reason(), gone.to_string(), true),
            Err(unhealthy) => failed(JOB_FAILED, unhealthy.to_string(), false),
        }
    }
}
