//! What environments have in a Vercel project, as objects: a mark that says what is ours, variables, domains, deployments, and a secret
//! that passes the protection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::client::{Added, Deleted, DomainChange, NewDomain, VercelError, VercelReader, VercelScope, VercelWriter};
use super::marks::{Mark, note};
use super::reads::{Reads, Seen, Target, whole_name};
use super::wire::ProjectDomain;
use crate::http::{Lane, ReadClient, Shared, WriteClient};
use crate::observed::{Object, ObjectScope};
use crate::providers::objects::{
    Changed, Class, Expected, ObjectError, ObjectReader, ObjectWriter, ReadObjects, WriteObjects, Written,
};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};
use crate::resource::{ObjectKey, ObjectKind, OwnerId, ScopeKey};

/// What reads the project that `scope` names, as `team/project` or `project`, for `owner`.
pub fn reader(http: ReadClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectReader {
    Arc::new(Reads::new(VercelReader::new(http, team_of(scope)), scope, owner, Arc::clone(&shared.clock)))
}

/// What writes to the project that `scope` names, as `team/project` or `project`, for `owner`.
pub fn writer(http: WriteClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectWriter {
    let writer = VercelWriter::new(http, team_of(scope));
    let reads = Reads::new(writer.reader().clone(), scope, owner, Arc::clone(&shared.clock));
    Arc::new(Writes { writer, reads, lane: shared.lanes.of(&scope.to_string()) })
}

fn team_of(scope: &ScopeKey) -> VercelScope {
    scope.name.split_once('/').map_or(VercelScope::OfToken, |(team, _)| VercelScope::of(team))
}

/// What writes to one project.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) writer: VercelWriter,
    pub(super) reads: Reads,
    /// A project is one document, and the mark in it is read before it is written: one change after the other.
    pub(super) lane: Arc<Lane>,
}

impl Writes {
    /// Whether there is a domain or an alias of this name.
    async fn is_there(&self, key: &ObjectKey) -> Result<bool, VercelError> {
        match key.object {
            ObjectKind::VercelDomain => {
                self.reads.reader.domain(&self.reads.project, &key.name).await.map(|found| found.is_some())
            }
            ObjectKind::VercelAlias => self.reads.reader.alias(&key.name).await.map(|found| found.is_some()),
            _ => Ok(false),
        }
    }

    async fn add_domain(
        &self,
        write: &ObjectWrite,
        custom: Option<String>,
        was_ours: bool,
    ) -> Result<Written, ObjectError> {
        let target = Target::of(&write.fields);
        let domain = NewDomain {
            name: write.key.name.clone(),
            git_branch: target.branch.map(str::to_owned),
            custom_environment_id: custom,
            redirect: None,
        };
        let added = self.writer.add_domain(&self.reads.project, &domain).await;
        let is_in_vain = match &added {
            Ok(Added::New(_)) => false,
            Ok(Added::AlreadyHere(_)) => !was_ours,
            // What may have had its effect stays noted: it is ours if it is there.
            Err(error) => !error.may_have_had_effect(),
        };
        if is_in_vain {
            let marker = &write.marker;
            let seen = self.reads.see(false, false).await?;
            self.change_mark(&seen, (marker.owner.as_str(), marker.env.as_str()), |mark| mark.forget(&write.key))
                .await?;
        }
        match added {
            Ok(_) if is_in_vain => {
                Err(ObjectError::overtaken(format!("{} is there by now, and is not ours", write.key)))
            }
            Ok(_) => Ok(Written { id: Some(write.key.name.clone()), shown: None }),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets a domain show what it is to show, and lets Vercel look whether it is proved by now.
    async fn change_domain(&self, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError> {
        let (project, name) = (self.reads.project.as_str(), write.key.name.as_str());
        let target = Target::of(&write.fields);
        let custom = self.reads.custom(&target).await?;
        let found = self.reads.reader.domain(project, name).await?;
        let Some(found) = found else { return Err(ObjectError::overtaken(format!("{} has just gone", write.key))) };
        if found.custom_environment_id != custom {
            return self.move_domain(write, custom, found).await;
        }
        if ["branch", "target"].iter().any(|field| changed.names.contains(*field)) {
            let change = DomainChange { git_branch: target.branch.map(str::to_owned), ..DomainChange::default() };
            self.writer.update_domain(project, name, &change).await?;
        }
        if found.verified {
            return Ok(Written::default());
        }
        match self.writer.verify_domain(project, name).await {
            Ok(proved) if proved.verified => Ok(Written::default()),
            Err(error) if error.may_have_had_effect() => Err(error.into()),
            Ok(_) | Err(_) => Err(ObjectError {
                reason: "DomainNotVerified".to_owned(),
                message: format!("{}: {}", write.key, found.how_to_prove()),
                class: Class::Permanent,
            }),
        }
    }

    /// Takes a domain to another environment, or from one: Vercel changes the branch of a domain, and not its environment. One that is
    /// ours is removed and added again; meanwhile the mark says whose it is.
    async fn move_domain(
        &self,
        write: &ObjectWrite,
        custom: Option<String>,
        found: ProjectDomain,
    ) -> Result<Written, ObjectError> {
        let project = self.reads.project.as_str();
        let seen = self.reads.see(false, false).await?;
        let kept = seen.mark(write.marker.owner.as_str(), write.marker.env.as_str());
        let adopts = write.fields.get("adopt") == Some(&serde_json::Value::Bool(true));
        if adopts || !kept.is_some_and(|kept| kept.mark.notes(&write.key)) || found.redirect.is_some() {
            return Err(ObjectError {
                reason: "DomainElsewhere".to_owned(),
                message: format!(
                    "{} shows another environment, and Vercel moves no domain between them: remove it from the project, and it is added where the spec has it",
                    write.key
                ),
                class: Class::Permanent,
            });
        }
        let target = Target::of(&write.fields);
        let wanted = NewDomain {
            name: write.key.name.clone(),
            git_branch: target.branch.map(str::to_owned),
            custom_environment_id: custom,
            redirect: None,
        };
        let _: Deleted = self.writer.remove_domain(project, &wanted.name).await?;
        let Err(error) = self.writer.add_domain(project, &wanted).await else { return Ok(Written::default()) };
        if !error.may_have_had_effect() {
            // Where it was it is of more use than nowhere.
            let before = NewDomain {
                git_branch: found.git_branch,
                custom_environment_id: found.custom_environment_id,
                ..wanted
            };
            if let Err(error) = self.writer.add_domain(project, &before).await {
                tracing::warn!(%error, domain = before.name, "a domain could not be brought back to where it was");
            }
        }
        Err(error.into())
    }

    async fn create_bypass(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let (owner, env) = (write.marker.owner.as_str(), write.marker.env.as_str());
        let note = note(owner, env);
        let project = self.reads.reader.project(&self.reads.project).await?;
        // One may be there from an attempt whose answer was lost.
        if !project.bypass_secrets().iter().any(|known| known.note.as_ref() == Some(&note)) {
            let made = self.writer.generate_bypass(&self.reads.project, None, &note).await;
            made?;
        }
        Ok(Written { id: Some(whole_name(owner, env)), shown: None })
    }

    /// Deletes the mark, once nothing is left that it speaks of.
    async fn delete_mark(
        &self,
        seen: &Seen,
        objects: &[Object],
        expected: &Expected<'_>,
    ) -> Result<Written, ObjectError> {
        let is_left = |object: &&Object| {
            object.key.object != ObjectKind::VercelMark && object.is_of(expected.owner, expected.env)
        };
        if let Some(left) = objects.iter().find(is_left) {
            return Err(ObjectError::overtaken(format!("{} is still there", left.key)));
        }
        for kept in seen.marks.iter().filter(|kept| kept.mark.is_of(expected.owner.as_str(), expected.env.as_str())) {
            let deleted = self.writer.delete_variable(&self.reads.project, &kept.id).await;
            deleted?;
        }
        Ok(Written::default())
    }

    async fn revoke_bypass(&self, seen: &Seen, owner: &str, env: &str) -> Result<(), ObjectError> {
        let note = note(owner, env);
        let secrets = seen.project.iter().flat_map(super::wire::Project::bypass_secrets);
        let (ours, others): (Vec<_>, Vec<_>) = secrets.partition(|secret| secret.note.as_ref() == Some(&note));
        for secret in ours {
            // The one that builds get can only go last.
            if let Some(other) = others.first().filter(|_| secret.is_env_var) {
                let preferred = self.writer.prefer_bypass(&self.reads.project, &other.secret).await;
                preferred.map(drop)?;
            }
            let revoked = self.writer.revoke_bypass(&self.reads.project, &secret.secret).await;
            revoked.map(drop)?;
        }
        Ok(())
    }
}

#[async_trait]
impl ReadObjects for Reads {
    async fn list(&self) -> ObjectScope {
        self.list().await
    }

    async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        self.look_closely(scope, wanted).await;
    }
}

#[async_trait]
impl WriteObjects for Writes {
    async fn create(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        if write.key.object == ObjectKind::VercelMark {
            return self.write_mark(write).await;
        }
        let marks: BTreeMap<String, Option<String>> =
            write.marks.iter().map(|(mark, value)| (mark.clone(), Some(value.clone()))).collect();
        let (owner, env) = (write.marker.owner.as_str(), write.marker.env.as_str());
        let seen = self.reads.see(false, false).await?;
        // What is known to be ours by the mark alone is noted there before it is added.
        let was_ours = seen.mark(owner, env).is_some_and(|kept| kept.mark.notes(&write.key));
        let is_domain = write.key.object == ObjectKind::VercelDomain;
        let custom = if is_domain { self.reads.custom(&Target::of(&write.fields)).await? } else { None };
        if !was_ours && self.is_there(&write.key).await? {
            return Err(ObjectError::overtaken(format!("{} is there by now, and is not ours", write.key)));
        }
        self.change_mark(&seen, (owner, env), |mark| {
            mark.change(&write.key, &marks);
            mark.note(&write.key);
        })
        .await?;
        match write.key.object {
            ObjectKind::VercelVariables => self.write_variables(write, &BTreeSet::new()).await,
            ObjectKind::VercelDomain => self.add_domain(write, custom, was_ours).await,
            ObjectKind::VercelAlias => self.add_alias(write).await,
            ObjectKind::VercelDeployment => self.create_deployment(write).await,
            _ => self.create_bypass(write).await,
        }
    }

    async fn update(&self, _id: &str, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        match write.key.object {
            ObjectKind::VercelMark => self.write_mark(write).await,
            ObjectKind::VercelVariables => self.write_variables(write, &changed.gone).await,
            ObjectKind::VercelDomain => self.change_domain(write, changed).await,
            ObjectKind::VercelAlias => self.lead_alias(write).await,
            ObjectKind::VercelDeployment => self.update_deployment(write, changed.names.contains("sha")).await,
            _ => Ok(Written::default()),
        }
    }

    async fn mark(
        &self,
        key: &ObjectKey,
        id: &str,
        change: &BTreeMap<String, Option<String>>,
    ) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let seen = self.reads.see(false, false).await?;
        let of_mark = |mark: &Mark| (mark.owner.clone(), mark.env.clone());
        let whose = match key.object {
            ObjectKind::VercelMark => seen.marks.iter().find(|kept| kept.id == id).map(|kept| of_mark(&kept.mark)),
            kind if kind.is_noted_by_mark() => {
                seen.marks.iter().map(|kept| &kept.mark).find(|mark| mark.notes(key)).map(of_mark)
            }
            _ => id.rsplit_once('/').map(|(owner, env)| (owner.to_owned(), env.to_owned())),
        };
        let Some((owner, env)) = whose else {
            return Err(ObjectError::overtaken(format!("the mark that {key} belongs to is gone")));
        };
        if seen.mark(&owner, &env).is_none()
            && let Some((variable, _)) = seen.ours(&owner, &env).first()
        {
            // Somebody has removed the mark, and its variables are left: without one, nothing could be noted of them.
            self.reads.project().await?;
            let custom = variable.custom_environment_ids.first().and_then(|id| self.reads.custom_slug(id));
            let mut mark = Mark {
                owner,
                env,
                component: "vercel".to_owned(),
                set: None,
                target: custom.map(str::to_owned).or_else(|| variable.target.first().cloned()).unwrap_or_default(),
                branch: variable.git_branch.clone(),
                deployment: false,
                domains: BTreeSet::new(),
                aliases: BTreeSet::new(),
                marks: BTreeMap::new(),
            };
            mark.change(key, change);
            self.make_mark(&seen, &mark).await?;
            return Ok(Written::default());
        }
        self.change_mark(&seen, (&owner, &env), |mark| mark.change(key, change)).await?;
        Ok(Written::default())
    }

    async fn delete(&self, key: &ObjectKey, id: &str, expected: Expected<'_>) -> Result<Written, ObjectError> {
        let mut alone = self.lane.lock().await;
        let with_names = key.object.is_noted_by_mark() || key.object == ObjectKind::VercelMark;
        let with_project = matches!(key.object, ObjectKind::VercelBypass | ObjectKind::VercelMark);
        let mut seen = self.reads.see(with_project, with_names).await?;
        let objects = self.reads.objects(&seen);
        let (owner, env) = (expected.owner.as_str(), expected.env.as_str());
        // What is deleted is forgotten in the mark afterwards.
        seen.mark(owner, env).map_or(Ok(()), |kept| self.may_write(kept))?;
        let Some(object) = objects.iter().find(|object| object.key == *key && object.id == id) else {
            // A domain that is gone may still be noted.
            if seen.mark(owner, env).is_some() && key.object != ObjectKind::VercelMark {
                self.change_mark(&seen, (owner, env), |mark| mark.forget(key)).await?;
            }
            return Ok(Written::default());
        };
        expected.check(object)?;
        match key.object {
            ObjectKind::VercelMark => return self.delete_mark(&seen, &objects, &expected).await,
            ObjectKind::VercelVariables => self.remove_variables(&seen, owner, env).await?,
            ObjectKind::VercelDomain => {
                let removed = self.writer.remove_domain(&self.reads.project, &key.name).await;
                removed.map(drop)?;
            }
            ObjectKind::VercelAlias => {
                let removed = self.writer.remove_alias(&key.name).await;
                removed.map(drop)?;
            }
            ObjectKind::VercelDeployment => {
                // They are no part of the project's document, and there may be hundreds: nobody waits for that.
                drop(alone);
                self.delete_deployments(&seen, owner, env).await?;
                alone = self.lane.lock().await;
                seen = self.reads.see(false, false).await?;
            }
            _ => self.revoke_bypass(&seen, owner, env).await?,
        }
        if seen.mark(owner, env).is_some() {
            self.change_mark(&seen, (owner, env), |mark| mark.forget(key)).await?;
        }
        drop(alone);
        Ok(Written::default())
    }

    async fn look(
        &self,
        key: &ObjectKey,
        wanted: &Fields,
        _marker: Option<&ObjectMarker>,
    ) -> Result<Option<Object>, ObjectError> {
        self.reads.look(key, wanted).await
    }
}
