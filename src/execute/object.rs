//! One step at an object of another provider, carried out: noted, sent, and concluded.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::journal::Intent;
use super::run::{Executor, Shared, step_ref};
use super::step::Ended;
use crate::event::What;
use crate::memory::{Conclusion, Verb};
use crate::observed::{Object, ObjectState};
use crate::plan::{Action, Evidence, NO_ROOM, ObjectChange, Proof, Step};
use crate::providers::objects::{Changed, Class, Expected, ObjectError, ObjectWriter, Written};
use crate::resource::ObjectKey;
use crate::resource::object::{Fields, ObjectWrite, is_plain, recorded_as};
use crate::resource::output::{self, Outputs};
use crate::secret::SecretText;

/// How long something that certainly had no effect is tried again within one step.
const PATIENCE: Duration = Duration::from_secs(45);

/// A step at an object.
pub(super) struct ObjectRun<'s> {
    pub(super) executor: &'s Executor,
    pub(super) step: &'s Step,
    pub(super) shared: &'s Shared,
    pub(super) key: &'s ObjectKey,
}

impl ObjectRun<'_> {
    pub(super) async fn run(&self) -> Ended {
        let Some(writer) = self.executor.objects.get(&self.key.scope) else {
            return failed("NoToken", format!("there is no token for {}", self.key.scope), false);
        };
        let Some(verb) = self.step.action.verb() else { return self.wait_ready(writer).await };
        let detail = self.detail();
        let intent = Intent { key: &self.step.key, env: &self.step.env, verb, detail: &detail };
        // Without the note a crash would leave nothing that tells of this write: so no note, no write.
        if let Err(error) = self.executor.journal.note(intent, self.executor.clock.now()) {
            return failed("StoreFailed", error.to_string(), true);
        }
        let result = self.send_with_patience(writer).await;
        self.conclude(verb, result)
    }

    /// What helps to recognise the effect of the write: the server's id, where it names one.
    fn detail(&self) -> String {
        match &self.step.action {
            Action::UpdateObject { id, .. } | Action::MarkObject { id, .. } | Action::DeleteObject { id, .. } => {
                id.clone()
            }
            _ => String::new(),
        }
    }

    async fn send_with_patience(&self, writer: &ObjectWriter) -> Result<Written, ObjectError> {
        let clock = &self.executor.clock;
        let began = clock.now();
        let mut wait = Duration::from_secs(1);
        let mut is_told = false;
        loop {
            let error = match self.send(writer).await {
                Ok(written) => return Ok(written),
                Err(error) => error,
            };
            let elapsed = (clock.now() - began).to_std().unwrap_or_default();
            let is_worth_it = error.class == Class::Transient && error.reason != "Overtaken";
            if !is_worth_it || elapsed >= PATIENCE || self.executor.stop.requested().is_some() {
                return Err(error);
            }
            if !is_told {
                is_told = true;
                let message = format!("{error}; trying again for up to {} s", PATIENCE.as_secs());
                self.executor.tell(&self.step.env, What::StepProgress { step: step_ref(self.step), message });
            }
            clock.sleep(wait).await;
            wait = wait.saturating_mul(2).min(Duration::from_secs(8));
        }
    }

    async fn send(&self, writer: &ObjectWriter) -> Result<Written, ObjectError> {
        match &self.step.action {
            Action::CreateObject(change) => writer.create(&self.write(change)).await,
            Action::UpdateObject { id, change } => {
                let names = change.changes.iter().map(|change| change.path.clone()).collect();
                let changed = Changed { names, gone: change.gone.clone() };
                writer.update(id, &self.write(change), &changed).await
            }
            Action::MarkObject { id, marks } => writer.mark(self.key, id, marks).await,
            Action::DeleteObject { id, proof } => {
                let expected = Expected {
                    owner: &self.executor.owner,
                    env: &self.step.env,
                    needs_tombstone: matches!(proof.evidence(), Evidence::Orphan { .. }),
                };
                let written = writer.delete(self.key, id, expected).await?;
                self.count(proof);
                Ok(written)
            }
            // The planner pairs each action with the kind of key that it acts on.
            _ => Ok(Written::default()),
        }
    }

    /// Counts a deletion towards the budget.
    fn count(&self, proof: &Proof) {
        let Some(unit) = proof.unit() else { return };
        let (unit, at) = (unit.to_owned(), self.executor.clock.now());
        let counted = self.executor.journal.change(|memory| {
            memory.deletions.retain(|(counted, _)| *counted != unit);
            memory.deletions.push((unit, at));
        });
        if let Err(error) = counted {
            tracing::warn!(%error, "the deletion was not counted");
        }
    }

    /// The change with every output filled in.
    fn write(&self, change: &ObjectChange) -> ObjectWrite {
        let outputs = lock(&self.shared.outputs).clone();
        let fill = |text: &SecretText| SecretText::new(output::resolve_text(text.expose(), &outputs));
        let secrets: BTreeMap<String, SecretText> =
            change.secrets.iter().map(|(name, text)| (name.clone(), fill(text))).collect();
        let fingerprints = self.executor.fingerprinter.iter().flat_map(|fingerprinter| {
            secrets.iter().map(|(name, text)| {
                let recorded = recorded_as(name, is_plain(&change.fields, name));
                (name.clone(), fingerprinter.of_object(self.key, &recorded, text))
            })
        });
        ObjectWrite {
            key: self.key.clone(),
            marker: change.marker.clone(),
            marks: change.marks.clone(),
            fields: filled(&change.fields, &outputs),
            fingerprints: fingerprints.collect(),
            secrets,
        }
    }

    fn conclude(&self, verb: Verb, result: Result<Written, ObjectError>) -> Ended {
        let (key, journal, now) = (&self.step.key, &self.executor.journal, self.executor.clock.now());
        let (conclusion, ended) = match result {
            Ok(written) => (Conclusion::Done { at: now, id: written.id }, Ended::Done { produced: written.shown }),
            // It may have waited for its turn before it was sent.
            Err(error) if error.class == Class::Unknown => {
                (Conclusion::NoAnswer { at: now }, Ended::Unknown { message: error.message })
            }
            Err(error) => (Conclusion::NoEffect, self.refused(error)),
        };
        match journal.conclude(key, verb, conclusion) {
            Ok(()) => ended,
            Err(error) => failed("StoreFailed", error.to_string(), true),
        }
    }

    /// Remembers what was refused, so that it is not asked for again and again.
    fn refused(&self, error: ObjectError) -> Ended {
        let hash = match &self.step.action {
            Action::CreateObject(change) | Action::UpdateObject { change, .. } => Some(&change.hash),
            _ => None,
        };
        let is_no_room = error.class == Class::NoRoom;
        let reason = if is_no_room { NO_ROOM.to_owned() } else { error.reason };
        if let Some(hash) = hash.filter(|_| error.class != Class::Transient) {
            let (journal, now) = (&self.executor.journal, self.executor.clock.now());
            if let Err(error) = journal.reject(&self.step.key, hash, &reason, &error.message, now) {
                tracing::warn!(%error, "the rejection was not remembered");
            }
        }
        failed(&reason, error.message, error.class == Class::Transient || is_no_room)
    }

    async fn wait_ready(&self, writer: &ObjectWriter) -> Ended {
        let Action::WaitObject { timeout, fields } = &self.step.action else { return Ended::Done { produced: None } };
        let fields = filled(fields, &lock(&self.shared.outputs).clone());
        let ready = self.until_ready(writer, &fields, *timeout);
        tokio::select! {
            ended = ready => ended,
            // Waiting changes nothing, so it can be left at any moment: the next run looks at what became of the object.
            reason = self.executor.stop.asked() => Ended::Left { message: reason.to_string() },
        }
    }

    async fn until_ready(&self, writer: &ObjectWriter, fields: &Fields, timeout: Duration) -> Ended {
        let clock = &self.executor.clock;
        let began = clock.now();
        let mut told = None;
        loop {
            let elapsed = (clock.now() - began).to_std().unwrap_or_default();
            // Whoever has waited so long for what was seen all the time waits no second time in the same run.
            let (state, was_seen) = match writer.look(self.key, fields, None).await {
                Ok(Some(object)) => match self.judge(object) {
                    Ok(ended) => return ended,
                    Err(state) => (state, true),
                },
                // What was just made may not be seen at once.
                Ok(None) => ("it is not seen yet".to_owned(), false),
                Err(error) if error.class == Class::Permanent => return failed(&error.reason, error.message, false),
                Err(error) => (error.message, false),
            };
            if elapsed >= timeout {
                let message = format!("{} is not ready after {} s: {state}", self.key, timeout.as_secs());
                return failed("NotReady", message, !was_seen);
            }
            if told.as_ref() != Some(&state) {
                let message = format!("waiting: {state}");
                self.executor.tell(&self.step.env, What::StepProgress { step: step_ref(self.step), message });
                told = Some(state);
            }
            clock.sleep(pause(elapsed)).await;
        }
    }

    /// The end of waiting, or what is waited for.
    fn judge(&self, object: Object) -> Result<Ended, String> {
        match object.state {
            ObjectState::Ready => {
                let component = self.step.component.as_ref().map_or("", |component| component.as_str());
                let mut outputs = lock(&self.shared.outputs);
                for (name, value) in object.outputs {
                    outputs.insert(format!("{component}.{name}"), value);
                }
                Ok(Ended::Done { produced: None })
            }
            ObjectState::Failed { message } => Ok(failed("ObjectFailed", format!("{}: {message}", self.key), false)),
            ObjectState::Changing { what } => Err(what),
        }
    }
}

/// How long to wait before looking again: the schedule that Vercel's own client keeps, which suits the others as well.
const fn pause(elapsed: Duration) -> Duration {
    match elapsed.as_secs() {
        0..=15 => Duration::from_secs(1),
        16..=60 => Duration::from_secs(5),
        61..=300 => Duration::from_secs(15),
        _ => Duration::from_secs(30),
    }
}

fn filled(fields: &Fields, outputs: &Outputs) -> Fields {
    fields.iter().map(|(name, value)| (name.clone(), output::resolve(value, outputs))).collect()
}

fn failed(reason: &str, message: String, transient: bool) -> Ended {
    Ended::Failed { reason: reason.to_owned(), message, transient }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
