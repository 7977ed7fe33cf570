//! Which commit is in production: a build of it is sent there once it is ready, and an earlier one is gone back to. Nothing is ever deleted
//! here, and no build that is not ready ever gets there.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::client::{DeploymentFilter, VercelError, VercelProblem};
use super::objects::Writes;
use super::reads::{Reads, Seen};
use super::wire::{AliasJob, AliasRequest, Deployment, DeploymentRow, Progress, Project, ReadyState};
use crate::observed::{Object, ObjectState};
use crate::providers::objects::{Class, ObjectError};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};

/// Whether production leads to a build of the wanted commit.
const FIELD: &str = "inProduction";

/// The most builds of one commit that are looked at.
const MOST: usize = 50;

/// The commit that production is to have, if a spec says which.
pub(super) fn wanted_commit(fields: &Fields) -> Option<&str> {
    fields.get("sha").and_then(Value::as_str).filter(|_| fields.contains_key(FIELD))
}

/// How production gets to a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Forward: from then on Vercel sends newer builds there by itself again.
    Promote,
    /// Back to what was there before: from then on it sends none there by itself.
    RollBack,
}

/// Production, and the builds of the commit that is to be there.
pub(super) struct Production {
    project: Project,
    /// The builds of the commit, newest first.
    builds: Vec<DeploymentRow>,
    /// When the environment's variables were changed last: what is older has older values.
    changed: Option<DateTime<Utc>>,
}

impl Production {
    fn is_current(&self, build: &DeploymentRow) -> bool {
        self.project.production().is_some_and(|current| current.id == build.uid)
    }

    fn is_outdated(&self, build: &DeploymentRow) -> bool {
        matches!((self.changed, build.created_at), (Some(changed), Some(made)) if made < changed)
    }

    fn is_up_to_date(&self, build: &DeploymentRow) -> bool {
        build.ready_state == ReadyState::Ready && !self.is_outdated(build)
    }

    fn is_older_than_production(&self, build: &DeploymentRow) -> bool {
        let current = self.project.production().and_then(|current| current.created_at);
        matches!((current, build.created_at), (Some(current), Some(made)) if made < current)
    }

    /// Whether production was there before, and can go back at once.
    fn can_go_back_to(&self, build: &DeploymentRow) -> bool {
        build.ready_state == ReadyState::Ready && build.was_in_production() && self.is_older_than_production(build)
    }

    /// The build that production is to lead to now, if that is another one than it leads to. Going back does not wait for another build:
    /// what was in production comes back as it was. Going forward does.
    fn to_move_to(&self) -> Option<(&DeploymentRow, Way)> {
        let way_to = |build| if self.can_go_back_to(build) { Way::RollBack } else { Way::Promote };
        // What could not be reached is not tried again and again.
        let reachable = || self.builds.iter().filter(|build| !self.has_failed_to_reach(build));
        let up_to_date = reachable().find(|build| self.is_up_to_date(build));
        let found = match self.builds.iter().find(|build| self.is_current(build)) {
            Some(current) if !self.is_outdated(current) => None,
            Some(_) => up_to_date,
            None => up_to_date.or_else(|| reachable().find(|build| self.can_go_back_to(build))),
        };
        found.map(|build| (build, way_to(build)))
    }

    /// The build that is spoken of: the one in production, or on its way there; else the newest.
    fn spoken_of(&self) -> Option<&DeploymentRow> {
        let settled = || self.builds.iter().find(|build| self.is_current(build) && !self.is_outdated(build));
        self.to_move_to().map(|(build, _)| build).or_else(settled).or_else(|| self.builds.first())
    }

    /// The last promotion or rollback, if it is under way.
    fn under_way(&self) -> Option<&AliasRequest> {
        let last = self.project.last_alias_request.as_ref();
        last.filter(|last| matches!(last.job_status, AliasJob::Pending | AliasJob::InProgress))
    }

    /// Whether the last promotion or rollback was to this build and failed, and nothing else came to production since.
    fn has_failed_to_reach(&self, build: &DeploymentRow) -> bool {
        let since = self.project.production().and_then(|current| current.created_at);
        self.project.last_alias_request.as_ref().is_some_and(|last| {
            last.to_deployment_id == build.uid
                && last.job_status == AliasJob::Failed
                && !matches!((last.requested_at, since), (Some(at), Some(since)) if at < since)
        })
    }
}

impl Reads {
    /// Production, and the builds of `sha` for it.
    async fn production(&self, sha: &str, seen: &Seen, marker: &ObjectMarker) -> Result<Production, VercelError> {
        let project = self.reader.project_with_moves(&self.project).await?;
        let filter = DeploymentFilter {
            branch: None,
            sha: Some(sha.to_owned()),
            target: Some("production".to_owned()),
            most: MOST,
        };
        let mut builds = self.reader.deployments(&project.id, &filter).await?;
        builds.retain(|row| {
            row.target.as_deref() == Some("production") && row.commit().sha.is_none_or(|known| known == sha)
        });
        let ours = seen.ours(marker.owner.as_str(), marker.env.as_str());
        let changed = ours.into_iter().filter_map(|(one, _)| one.updated_at.or(one.created_at)).max();
        Ok(Production { project, builds, changed })
    }

    /// Fills in what is to be said of the build that is or should be in production. Returns whether there is one, or there will be.
    pub(super) async fn production_closely(
        &self,
        object: &mut Object,
        wanted: &Fields,
        sha: &str,
        seen: &Seen,
    ) -> Result<bool, ObjectError> {
        let Some(marker) = object.marker.clone() else { return Ok(true) };
        let production = self.production(sha, seen, &marker).await?;
        let Some(build) = production.spoken_of() else {
            let why = self.why_none_comes("a push to the production branch").await?;
            object.state = ObjectState::Changing {
                what: format!("Vercel has made no deployment of the commit {sha} for production yet; {why}"),
            };
            return Ok(super::deployments::is_by_git(wanted));
        };
        let found = self.reader.deployment(&build.uid).await?;
        let Some(deployment) = found else {
            object.state = ObjectState::Changing { what: format!("{} is not seen yet", build.uid) };
            return Ok(true);
        };
        let is_outdated = production.is_outdated(build);
        let variables = if is_outdated { "older" } else { "current" };
        object.fields.extend([
            ("sha".to_owned(), json!(sha)),
            ("variables".to_owned(), json!(variables)),
            // What is not ready cannot be sent there: how it is says its state.
            (FIELD.to_owned(), json!(production.to_move_to().is_none())),
        ]);
        object.created_at = deployment.created_at;
        object.state = self.state_in(&production, build, &deployment).await?;
        if object.state == ObjectState::Ready {
            object.outputs = super::deployments::outputs(&deployment);
        }
        if matches!(object.state, ObjectState::Failed { .. }) {
            // Only another build, or a person, can help.
            object.fields.insert(FIELD.to_owned(), json!(true));
        }
        Ok(true)
    }

    async fn state_in(
        &self,
        production: &Production,
        build: &DeploymentRow,
        deployment: &Deployment,
    ) -> Result<ObjectState, VercelError> {
        let id = &build.uid;
        if let Some(request) = production.under_way().filter(|request| request.to_deployment_id == *id) {
            let what = format!("production is on its way to it ({id}, {})", request.kind);
            return Ok(ObjectState::Changing { what });
        }
        if production.has_failed_to_reach(build) {
            let aliases = self.reader.unmoved_aliases(&production.project.id).await?;
            let aliases = if aliases.is_empty() {
                String::new()
            } else {
                format!(" (these do not lead there: {})", aliases.join(", "))
            };
            let message = format!(
                "production could not be sent to {id}{aliases}; look at its domains, and promote it at Vercel, or ask for another commit"
            );
            return Ok(ObjectState::Failed { message });
        }
        // Where Vercel sends nothing to production by itself, a build that is ready waits to be sent.
        let waits = production.project.auto_assigns == Some(false);
        match deployment.progress() {
            Progress::Built if waits => Ok(ObjectState::Ready),
            _ => self.state(deployment).await,
        }
    }
}

impl Writes {
    /// Sees to it that there is a build of the wanted commit, where that is ours to do. Whether production leads to it is the next thing to be
    /// looked at: that changes what is there.
    pub(super) async fn build_for_production(&self, write: &ObjectWrite, sha: &str) -> Result<(), ObjectError> {
        let seen = self.reads.see(false, false).await?;
        let production = self.reads.production(sha, &seen, &write.marker).await?;
        if production.builds.is_empty() && !super::deployments::is_by_git(&write.fields) {
            self.deploy(write).await?;
        }
        Ok(())
    }

    /// Sees to it that production leads to a build of the wanted commit, as far as one is ready; and that one is made where that is ours to
    /// do. Returns what was done, for people.
    pub(super) async fn settle_production(
        &self,
        write: &ObjectWrite,
        sha: &str,
    ) -> Result<Option<String>, ObjectError> {
        let seen = self.reads.see(false, false).await?;
        let production = self.reads.production(sha, &seen, &write.marker).await?;
        if let Some((build, way)) = production.to_move_to() {
            return self.send(&production, build, way).await.map(Some);
        }
        match production.spoken_of() {
            None if super::deployments::is_by_git(&write.fields) => Ok(None),
            None => self.deploy(write).await.map(|()| None),
            Some(build) if production.is_outdated(build) => {
                let found = self.reads.reader.deployment(&build.uid).await?;
                let Some(deployment) = found else {
                    return Err(ObjectError::overtaken(format!("{} is gone", build.uid)));
                };
                self.deploy_again(&deployment, &write.marker).await?;
                Ok(None)
            }
            Some(_) => Ok(None),
        }
    }

    async fn send(&self, production: &Production, build: &DeploymentRow, way: Way) -> Result<String, ObjectError> {
        let (project, id) = (&production.project.id, build.uid.as_str());
        if let Some(request) = production.under_way() {
            if request.to_deployment_id == id {
                return Ok(format!("production is on its way to {id}"));
            }
            return Err(ObjectError {
                reason: "ProductionMoves".to_owned(),
                message: format!(
                    "{}: production is on its way to {} at this moment; it is tried again",
                    self.reads.scope, request.to_deployment_id
                ),
                class: Class::Transient,
            });
        }
        let sent = match way {
            Way::Promote => self.writer.promote(project, id).await,
            Way::RollBack => self.writer.roll_back(project, id).await,
        };
        let error = match (sent, way) {
            (Ok(()), Way::Promote) => return Ok(format!("production goes to {id}")),
            (Ok(()), Way::RollBack) => {
                return Ok(format!(
                    "production goes back to {id}; from now on Vercel sends nothing there by itself, until something is promoted"
                ));
            }
            (Err(error), _) => error,
        };
        // It may have got there by itself meanwhile.
        if matches!(error.problem(), VercelProblem::Conflict { .. }) {
            let now = self.reads.reader.project(&self.reads.project).await?;
            if now.production().is_some_and(|current| current.id == id) {
                return Ok(format!("production leads to {id}"));
            }
        }
        Err(error.into())
    }
}
