//! Writing the variables of an environment, and the mark, which is one of them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::{NewVariable, VariableChange, VercelProblem};
use super::marks::{Kept, Mark, Ours};
use super::objects::Writes;
use super::reads::{NAMED, Reads, STILL_COMING, Seen, Target, whole_name};
use super::wire::{FailedVariable, Variable, VariableKind};
use crate::providers::objects::{Class, ObjectError, Written};
use crate::resource::ObjectKey;
use crate::resource::object::{ObjectMarker, ObjectWrite};
use crate::secret::SecretText;

impl Reads {
    /// The ids of those variables of an environment that somebody else wrote last. A value that is not kept in plain cannot be read here,
    /// so who wrote it is what tells that it may be another one. It is said, and not written again: whether Vercel then says that it was us
    /// is not documented, and each time means a new build.
    pub(super) async fn changed_by_others(&self, seen: &Seen, marker: &ObjectMarker) -> BTreeSet<String> {
        let ours = seen.ours(marker.owner.as_str(), marker.env.as_str());
        let handed_on: Vec<&Variable> = ours
            .iter()
            .filter(|(_, ours)| !ours.adopted)
            .map(|(variable, _)| *variable)
            .filter(|variable| variable.updated_by.is_some() && variable.updated_by != variable.created_by)
            .collect();
        if handed_on.is_empty() {
            return BTreeSet::new();
        }
        // A token that may not ask who it is says nothing of others.
        let Some(own) = self.user().await else { return BTreeSet::new() };
        let others = handed_on.into_iter().filter(|variable| variable.updated_by.as_deref() != Some(own));
        others.map(|variable| variable.id.clone()).collect()
    }
}

impl Writes {
    /// Writes the variables that are to be written, and removes those that are not wanted any more, or are in another place.
    pub(super) async fn write_variables(
        &self,
        write: &ObjectWrite,
        gone: &BTreeSet<String>,
    ) -> Result<Written, ObjectError> {
        let seen = self.reads.see(false, false).await?;
        let (owner, env) = (write.marker.owner.as_str(), write.marker.env.as_str());
        let target = Target::of(&write.fields);
        let custom = self.reads.custom(&target).await?;
        let adopts = write.fields.get("adopt") == Some(&Value::Bool(true));
        let types = write.fields.get("types").and_then(Value::as_object);
        let mut wanted = Vec::new();
        let mut refused = Vec::new();
        for (key, value) in &write.secrets {
            let there = seen.variables.iter().find(|one| one.key == *key && target.meets(one, custom.as_deref()));
            let ours = there.and_then(Ours::of).filter(|ours| ours.is_of(owner, env));
            if let (Some(there), None, false) = (there, &ours, adopts) {
                refused.push(conflict(there));
                continue;
            }
            let comment = Ours {
                owner: owner.to_owned(),
                env: env.to_owned(),
                fingerprint: write.fingerprints.get(key).cloned().unwrap_or_else(|| "-".to_owned()),
                adopted: ours.map_or(there.is_some(), |ours| ours.adopted),
            };
            let kind = match types.and_then(|types| types.get(key)).and_then(Value::as_str) {
                Some("plain") => VariableKind::Plain,
                Some("encrypted") => VariableKind::Encrypted,
                _ => VariableKind::Sensitive,
            };
            wanted.push(NewVariable {
                key: key.clone(),
                value: value.clone(),
                kind,
                comment: Some(comment.comment()),
                ..place(&target, custom.as_deref())
            });
        }
        let written = self.writer.upsert_variables(&self.reads.project, &wanted).await;
        refused.extend(written?.failed.iter().map(refusal));
        for (variable, ours) in seen.ours(owner, env) {
            let is_here = target.meets(variable, custom.as_deref());
            if !is_here || gone.contains(&variable.key) {
                self.remove_variable(variable, &ours).await?;
            }
        }
        match together(write, &refused) {
            Some(error) => Err(error),
            None => Ok(Written { id: Some(whole_name(owner, env)), shown: None }),
        }
    }

    /// Removes a variable of ours. One that was there before us stays, and is nobody's again.
    async fn remove_variable(&self, variable: &Variable, ours: &Ours) -> Result<(), ObjectError> {
        let project = &self.reads.project;
        let removed = if ours.adopted {
            let change = VariableChange { comment: Some(String::new()), ..VariableChange::default() };
            self.writer.update_variable(project, &variable.id, &change).await.map(drop)
        } else {
            self.writer.delete_variable(project, &variable.id).await.map(drop)
        };
        removed.map_err(ObjectError::from)
    }

    pub(super) async fn remove_variables(&self, seen: &Seen, owner: &str, env: &str) -> Result<(), ObjectError> {
        for (variable, ours) in seen.ours(owner, env) {
            self.remove_variable(variable, &ours).await?;
        }
        Ok(())
    }

    /// Makes the mark, or gives it what differs.
    pub(super) async fn write_mark(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let (owner, env) = (write.marker.owner.as_str(), write.marker.env.as_str());
        let seen = self.reads.see(false, true).await?;
        let known = seen.mark(owner, env);
        let target = Target::of(&write.fields);
        let mut mark = Mark {
            owner: owner.to_owned(),
            env: env.to_owned(),
            component: write.marker.component.to_string(),
            set: write.marker.set.clone(),
            target: target.name.to_owned(),
            branch: target.branch.map(str::to_owned),
            deployment: write.fields.get("deployment") == Some(&Value::Bool(true)),
            domains: known.map(|kept| kept.mark.domains.clone()).unwrap_or_default(),
            aliases: known.map(|kept| kept.mark.aliases.clone()).unwrap_or_default(),
            marks: known.map(|kept| kept.mark.marks.clone()).unwrap_or_default(),
        };
        let marks = write.marks.iter().map(|(mark, value)| (mark.clone(), Some(value.clone()))).collect();
        mark.change(&write.key, &marks);
        for (object, field) in NAMED {
            let wanted = write.fields.get(field).and_then(Value::as_array);
            let is_wanted = |name: &String| wanted.is_none_or(|wanted| wanted.iter().any(|one| *one == **name));
            for name in known.map(|kept| self.reads.gone(object, kept, &seen)).unwrap_or_default() {
                if !is_wanted(&name) {
                    mark.forget(&ObjectKey { object, name, ..write.key.clone() });
                }
            }
        }
        let is_here = |kept: &&Kept| kept.mark.target == mark.target && kept.mark.branch == mark.branch;
        // An earlier run may have come as far as to make the one that is wanted, and no further.
        let here = seen.marks.iter().filter(|kept| kept.mark.is_of(owner, env)).find(is_here);
        let id = match here {
            Some(kept) => {
                self.keep_mark(kept, &mark).await?;
                kept.id.clone()
            }
            None => self.make_mark(&seen, &mark).await?,
        };
        for old in seen.marks.iter().filter(|kept| kept.mark.is_of(owner, env) && kept.id != id) {
            let removed = self.writer.delete_variable(&self.reads.project, &old.id).await;
            removed?;
        }
        Ok(Written { id: Some(id), shown: None })
    }

    /// Writes the variable of a new mark; returns its id.
    pub(super) async fn make_mark(&self, seen: &Seen, mark: &Mark) -> Result<String, ObjectError> {
        let target = Target { name: &mark.target, branch: mark.branch.as_deref() };
        let custom = self.reads.custom(&target).await?;
        let key = Mark::variable(&mark.owner, &mark.env);
        let there = seen.variables.iter().find(|one| one.key == key && target.meets(one, custom.as_deref()));
        if let Some(there) = there.filter(|there| seen.marks.iter().all(|kept| kept.id != there.id)) {
            return Err(self.error(&conflict(there)));
        }
        let variable = NewVariable {
            key,
            value: SecretText::new(mark.text()),
            kind: VariableKind::Plain,
            comment: Some(mark.comment()),
            ..place(&target, custom.as_deref())
        };
        let written = self.writer.add_variable(&self.reads.project, &variable).await;
        let is_conflict = |problem: &VercelProblem| matches!(problem, VercelProblem::EnvConflict { .. });
        let made = match written {
            Ok(written) => match written.failed.first() {
                None => written.created.into_iter().next(),
                Some(refused) if is_conflict(&refused.problem) => Some(self.mark_there(mark).await?),
                Some(refused) => return Err(self.error(&refusal(refused))),
            },
            Err(error) if is_conflict(error.problem()) => Some(self.mark_there(mark).await?),
            Err(error) => return Err(error.into()),
        };
        if let Some(made) = made.as_ref().filter(|made| made.kind() != VariableKind::Plain) {
            let removed = self.writer.delete_variable(&self.reads.project, &made.id).await;
            removed?;
            return Err(ObjectError {
                reason: "SensitivePolicy".to_owned(),
                message: format!(
                    "the policy of the team makes every variable of {} sensitive, so that what Hangar notes there could not be read again: allow plain ones",
                    self.reads.scope
                ),
                class: Class::Permanent,
            });
        }
        Ok(made.map(|made| made.id).unwrap_or_default())
    }

    /// The variable of a new mark that is there already, from an attempt that had no answer.
    async fn mark_there(&self, mark: &Mark) -> Result<Variable, ObjectError> {
        let (key, text) = (Mark::variable(&mark.owner, &mark.env), mark.text());
        let variables = self.reads.reader.variables(&self.reads.project).await?;
        // Where the team makes every variable sensitive, its value is not shown: then its comment says that it is the one.
        let is_it = |one: &Variable| {
            let is_same = one.value().map(|value| value.expose() == text);
            one.key == key && is_same.unwrap_or_else(|| one.comment.as_deref() == Some(&mark.comment()))
        };
        variables
            .into_iter()
            .find(is_it)
            .ok_or_else(|| ObjectError::overtaken(format!("a mark of the environment `{}` is there by now", mark.env)))
    }

    /// Fails where an earlier write to the variable of a mark may still take effect: it would take back what is written now.
    pub(super) fn may_write(&self, kept: &Kept) -> Result<(), ObjectError> {
        let Some(until) = self.lane.unanswered(&kept.id, self.reads.clock.now()) else { return Ok(()) };
        Err(ObjectError::overtaken(format!(
            "the mark of the environment `{}` in {} is written again after {}: an earlier write to it had no answer and may still take effect",
            kept.mark.env,
            self.reads.scope,
            until.format("%H:%M:%S UTC")
        )))
    }

    /// Gives the variable of a mark another value, if it is another one.
    pub(super) async fn keep_mark(&self, kept: &Kept, mark: &Mark) -> Result<(), ObjectError> {
        if *mark == kept.mark {
            return Ok(());
        }
        self.may_write(kept)?;
        let (project, id) = (self.reads.project.as_str(), kept.id.as_str());
        let text = SecretText::new(mark.text());
        let Err(error) = self.writer.rewrite_variable(project, id, text.clone()).await else { return Ok(()) };
        if error.may_have_had_effect() {
            let found = self.reads.reader.variable(project, id).await;
            // It was another value before, and there was one attempt: nothing of it is to come once it is seen to have had its effect.
            let seen = found.as_ref().ok().and_then(Option::as_ref).and_then(Variable::value);
            if seen.is_some_and(|seen| seen.expose() == text.expose()) {
                return Ok(());
            }
            self.lane.note_unanswered(id, self.reads.clock.now() + STILL_COMING);
        }
        Err(error.into())
    }

    /// Changes the mark of an environment, if that changes anything.
    pub(super) async fn change_mark(
        &self,
        seen: &Seen,
        (owner, env): (&str, &str),
        change: impl FnOnce(&mut Mark),
    ) -> Result<(), ObjectError> {
        let Some(kept) = seen.mark(owner, env) else {
            return Err(ObjectError::overtaken(format!(
                "the mark of the environment `{env}` in {} is gone",
                self.reads.scope
            )));
        };
        let mut mark = kept.mark.clone();
        change(&mut mark);
        self.keep_mark(kept, &mark).await
    }

    fn error(&self, refused: &Refused) -> ObjectError {
        ObjectError {
            reason: refused.reason.clone(),
            message: format!("{}: {}", self.reads.scope, refused.message),
            class: refused.class,
        }
    }
}

/// A variable at this place, with nothing in it.
fn place(target: &Target<'_>, custom: Option<&str>) -> NewVariable {
    NewVariable {
        key: String::new(),
        value: SecretText::default(),
        kind: VariableKind::Sensitive,
        target: target.usual().into_iter().collect(),
        git_branch: target.branch.map(str::to_owned),
        custom_environment_ids: custom.into_iter().map(str::to_owned).collect(),
        comment: None,
    }
}

/// Why one variable was not written.
struct Refused {
    reason: String,
    message: String,
    class: Class,
}

/// What there is to say of a variable that somebody else has made.
fn conflict(there: &Variable) -> Refused {
    let by = there.updated_by.as_ref().or(there.created_by.as_ref());
    let by = by.map(|by| format!(" by the user {by}")).unwrap_or_default();
    let at = there.updated_at.or(there.created_at);
    let at = at.map(|at| format!(" at {}", at.format("%Y-%m-%d %H:%M:%S UTC"))).unwrap_or_default();
    Refused {
        reason: "EnvConflict".to_owned(),
        message: format!(
            "`{}` is there already and is not ours (written last{by}{at}); it is left alone: remove it, take it out of the spec, or set `adopt: true`",
            there.key
        ),
        class: Class::Permanent,
    }
}

fn refusal(failed: &FailedVariable) -> Refused {
    let class = match &failed.problem {
        VercelProblem::GitBranchNotFound { .. } | VercelProblem::ProjectFull { .. } => Class::NoRoom,
        VercelProblem::BusyProject { .. } => Class::Transient,
        _ => Class::Permanent,
    };
    let message = format!("`{}`: {}; {}", failed.key, failed.problem, failed.problem.advice());
    Refused { reason: failed.problem.reason().to_owned(), message, class }
}

/// Several refusals as one: what is worst decides, and each is told.
fn together(write: &ObjectWrite, refused: &[Refused]) -> Option<ObjectError> {
    let rank = |class: Class| match class {
        Class::Permanent => 3,
        Class::Unknown => 2,
        Class::NoRoom => 1,
        Class::Transient => 0,
    };
    let worst = refused.iter().max_by_key(|refused| rank(refused.class))?;
    let (reason, class) = (worst.reason.clone(), worst.class);
    let messages: Vec<&str> = refused.iter().map(|refused| refused.message.as_str()).collect();
    let messages = messages.join("; ");
    Some(ObjectError { reason, message: format!("{}: {messages}", write.key), class })
}
