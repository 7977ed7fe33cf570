//! The newest deployment of a branch as an object.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::client::{DeployedTo, DeploymentFilter, GitSource, NewDeployment, VercelError};
use super::marks::note;
use super::objects::Writes;
use super::production::wanted_commit;
use super::reads::{Reads, Seen, Target, whole_name};
use super::wire::{Deployment, DeploymentRow, EnvironmentOf, Progress, ReadyState};
use crate::http::Quota;
use crate::observed::{Object, ObjectState};
use crate::providers::objects::{Class, ObjectError, Written};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};
use crate::secret::SecretText;

/// How many lines of a build log are shown.
const LOG_LINES: usize = 8;

/// The most deployments among which the newest is looked for.
const RECENT: usize = 20;

/// One of so many deployments of a day is kept for production.
const KEPT: u64 = 20;

/// A window that ends within this time is no reason to wait for its end here: requests are spaced out in any case.
const SOON: TimeDelta = TimeDelta::minutes(15);

/// The most deployments of one branch that are deleted.
const MOST: usize = 5_000;

/// Whether Vercel's own integration makes the deployments.
pub(super) fn is_by_git(fields: &Fields) -> bool {
    fields.get("by").and_then(Value::as_str) != Some("hangar")
}

impl Reads {
    /// The newest deployment that is wanted: where Vercel makes them by itself, of the commit that is asked for.
    pub(super) async fn newest(&self, wanted: &Fields) -> Result<Option<Deployment>, VercelError> {
        let target = Target::of(wanted);
        let sha = wanted.get("sha").and_then(Value::as_str).filter(|_| is_by_git(wanted));
        let filter = DeploymentFilter {
            branch: target.branch.map(str::to_owned),
            sha: sha.map(str::to_owned),
            target: Some(target.name.to_owned()),
            most: RECENT,
        };
        let rows = self.rows(&target, &filter).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let found = self.reader.deployment(&row.uid).await?;
        match found {
            Some(found) if found.progress() == (Progress::Canceled { skipped: true }) => {
                self.built_before(&target, filter, found).await.map(Some)
            }
            found => Ok(found),
        }
    }

    /// The deployments at a target, newest first.
    async fn rows(&self, target: &Target<'_>, filter: &DeploymentFilter) -> Result<Vec<DeploymentRow>, VercelError> {
        let project = self.project().await?.id.clone();
        let mut rows = self.reader.deployments(&project, filter).await?;
        // Those of custom environments count as previews, too.
        rows.retain(|row| match (&row.custom_environment, target.usual()) {
            (found, Some(_)) => found.is_none(),
            (found, None) => found.as_ref().is_some_and(|found| self.is_named(found, target.name)),
        });
        Ok(rows)
    }

    /// What was built of the branch before a commit of which the project itself says that there is nothing to build: that stands for the
    /// commit, as the hosts of the branch go on leading to it. Where nothing was built before, what was skipped.
    async fn built_before(
        &self,
        target: &Target<'_>,
        filter: DeploymentFilter,
        skipped: Deployment,
    ) -> Result<Deployment, VercelError> {
        let mut rows = self.rows(target, &DeploymentFilter { sha: None, ..filter }).await?;
        rows.retain(|row| row.ready_state != ReadyState::Canceled);
        let Some(before) = rows.iter().find(|row| row.created_at <= skipped.created_at).map(DeploymentRow::commit)
        else {
            return Ok(skipped);
        };
        // It may have been built again since.
        let Some(row) = rows.iter().find(|row| row.commit().sha == before.sha) else { return Ok(skipped) };
        let found = self.reader.deployment(&row.uid).await?;
        Ok(found.map_or_else(|| skipped.clone(), |found| found.standing_for(&skipped)))
    }

    /// Whether this is the custom environment of that slug.
    fn is_named(&self, found: &EnvironmentOf, slug: &str) -> bool {
        let by_id = || self.custom_slug(&found.id);
        found.slug.as_deref().or_else(by_id) == Some(slug)
    }

    /// Whether variables of the environment have changed since the deployment was made: it has the older values.
    pub(super) fn is_outdated(deployment: &Deployment, seen: &Seen, owner: &str, env: &str) -> bool {
        let changed = seen.ours(owner, env).into_iter().filter_map(|(one, _)| one.updated_at.or(one.created_at)).max();
        matches!((changed, deployment.created_at), (Some(changed), Some(made)) if made < changed)
    }

    /// Fills in what is to be said of the newest deployment. Returns whether there is one, or there will be.
    pub(super) async fn deployment_closely(
        &self,
        object: &mut Object,
        wanted: &Fields,
        seen: &Seen,
    ) -> Result<bool, ObjectError> {
        let Some(marker) = object.marker.clone() else { return Ok(true) };
        let place = ["target", "branch", "by"];
        let taken = wanted.iter().filter(|(name, _)| place.contains(&name.as_str()));
        object.fields = taken.map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(sha) = wanted_commit(wanted) {
            return self.production_closely(object, wanted, sha, seen).await;
        }
        let Some(deployment) = self.newest(wanted).await? else {
            if !is_by_git(wanted) {
                return Ok(false);
            }
            let of = match (wanted.get("sha").and_then(Value::as_str), Target::of(wanted).branch) {
                (Some(sha), _) => format!("the commit {sha}"),
                (None, Some(branch)) => format!("the branch `{branch}`"),
                (None, None) => target_text(wanted),
            };
            let why = self.why_none_comes("a push").await?;
            object.state = ObjectState::Changing { what: format!("Vercel has made no deployment of {of} yet; {why}") };
            return Ok(true);
        };
        if let Some(sha) = deployment.commit().sha {
            object.fields.insert("sha".to_owned(), json!(sha));
        }
        let is_outdated = Self::is_outdated(&deployment, seen, marker.owner.as_str(), marker.env.as_str());
        let variables = if is_outdated { "older" } else { "current" };
        object.fields.insert("variables".to_owned(), json!(variables));
        object.created_at = deployment.created_at;
        object.state = self.state(&deployment).await?;
        if object.state == ObjectState::Ready {
            object.outputs = outputs(&deployment);
        }
        Ok(true)
    }

    /// Why Vercel has made no deployment by itself, as far as the project tells, and what helps.
    pub(super) async fn why_none_comes(&self, push: &str) -> Result<String, VercelError> {
        let project = self.project().await?;
        Ok(if project.link.is_none() {
            "the project is not connected with a repository: connect it at Vercel".to_owned()
        } else if project.ignores_pushes() {
            "the project makes none of what is pushed (`createDeployments` is off): switch that on at Vercel, or set `deployment: {by: hangar}`".to_owned()
        } else {
            format!(
                "it does so by itself after {push}, unless the project's `git.deploymentEnabled` leaves the branch out"
            )
        })
    }

    pub(super) async fn state(&self, deployment: &Deployment) -> Result<ObjectState, VercelError> {
        let id = &deployment.id;
        let message = match deployment.progress() {
            Progress::Routed => return Ok(ObjectState::Ready),
            Progress::UnderWay(state) => {
                return Ok(ObjectState::Changing { what: format!("Vercel is building it ({id}, {state:?})") });
            }
            Progress::Built => {
                return Ok(ObjectState::Changing {
                    what: format!("it is built, and its hosts do not lead to it yet ({id})"),
                });
            }
            Progress::AliasFailed { code, message } => {
                format!(
                    "{id} is built, but its hosts cannot lead to it ({code}): {message}; see to that at Vercel, and deploy it again there"
                )
            }
            Progress::Failed { code, step, message } => {
                let at = step.map(|step| format!(" in {step}")).unwrap_or_default();
                let lines = self.reader.build_log(id, LOG_LINES).await?;
                let lines: String = lines.iter().map(|line| format!("\n  {}", line.text)).collect();
                format!("the build of {id} failed{at} ({code}): {message}; its log ends with:{lines}")
            }
            Progress::Canceled { skipped: true } => {
                format!(
                    "{id} was skipped: the project's ignored build step said that there is nothing to build, and nothing was built of the branch before; push a commit that it lets through, or change that step (`ignoreCommand`)"
                )
            }
            Progress::Canceled { skipped: false } => format!(
                "{id} was canceled (CANCELED), by somebody or because a newer commit came while it waited; deploy it again at Vercel, or push another commit"
            ),
            Progress::Blocked { message } => {
                format!("{id} waits for somebody of the team to authorize it at Vercel (BLOCKED): {message}")
            }
            Progress::Deleted => format!("{id} was deleted; push another commit"),
        };
        Ok(ObjectState::Failed { message })
    }
}

impl Writes {
    /// Sees to it that there is a deployment with the variables as they are now. Where Vercel makes deployments by itself none is made
    /// here, except for one in the place of one that began before its variables were there.
    pub(super) async fn create_deployment(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        if let Some(sha) = wanted_commit(&write.fields) {
            self.build_for_production(write, sha).await?;
            let marker = &write.marker;
            return Ok(Written { id: Some(whole_name(marker.owner.as_str(), marker.env.as_str())), shown: None });
        }
        let newest = self.reads.newest(&write.fields).await?;
        match newest {
            Some(newest) => {
                let seen = self.reads.see(false, false).await?;
                let marker = &write.marker;
                if Reads::is_outdated(&newest, &seen, marker.owner.as_str(), marker.env.as_str()) {
                    self.deploy_again(&newest, marker).await?;
                }
            }
            None if is_by_git(&write.fields) => {}
            None => self.deploy(write).await?,
        }
        let marker = &write.marker;
        Ok(Written { id: Some(whole_name(marker.owner.as_str(), marker.env.as_str())), shown: None })
    }

    pub(super) async fn update_deployment(&self, write: &ObjectWrite, sha: bool) -> Result<Written, ObjectError> {
        if let Some(sha) = wanted_commit(&write.fields) {
            return Ok(Written { id: None, shown: self.settle_production(write, sha).await? });
        }
        if sha && !is_by_git(&write.fields) {
            self.deploy(write).await?;
        } else if let Some(newest) = self.reads.newest(&write.fields).await? {
            self.deploy_again(&newest, &write.marker).await?;
        }
        Ok(Written::default())
    }

    /// The last deployments of a window that does not end soon are left for production.
    fn has_room_for(&self, place: &DeployedTo) -> Result<(), ObjectError> {
        let Some(quota) = self.writer.deployments_left().filter(|_| *place != DeployedTo::Production) else {
            return Ok(());
        };
        let ends_soon = quota.resets_at.signed_duration_since(self.reads.clock.now()) <= SOON;
        if ends_soon || quota.left > quota.limit / KEPT {
            return Ok(());
        }
        let Quota { limit, left, resets_at } = quota;
        let message = format!(
            "Vercel lets the team make {left} of {limit} more deployments until {}: they are kept for production, and this one is made then",
            resets_at.format("%Y-%m-%d %H:%M UTC")
        );
        Err(ObjectError { reason: "DeploymentLimit".to_owned(), message, class: Class::NoRoom })
    }

    pub(super) async fn deploy_again(&self, deployment: &Deployment, marker: &ObjectMarker) -> Result<(), ObjectError> {
        let project = self.reads.project().await?;
        let place = match (&deployment.custom_environment, deployment.target.as_deref()) {
            (Some(custom), _) => DeployedTo::Custom(custom.id.clone()),
            (None, Some("production")) => DeployedTo::Production,
            (None, _) => DeployedTo::Preview,
        };
        self.has_room_for(&place)?;
        let made = self.writer.redeploy(&project.name, &deployment.id, &place, &meta(marker)).await;
        made.map(drop).map_err(ObjectError::from)
    }

    pub(super) async fn deploy(&self, write: &ObjectWrite) -> Result<(), ObjectError> {
        let project = self.reads.project().await?;
        let target = Target::of(&write.fields);
        let permanent =
            |reason: &str, message: String| ObjectError { reason: reason.to_owned(), message, class: Class::Permanent };
        let Some(link) = &project.link else {
            let message = format!("{} is not connected with a repository: connect it at Vercel", self.reads.scope);
            return Err(permanent("NoRepository", message));
        };
        let place = match self.reads.custom(&target).await? {
            Some(custom) => DeployedTo::Custom(custom),
            None if target.name == "production" => DeployedTo::Production,
            None => DeployedTo::Preview,
        };
        self.has_room_for(&place)?;
        let new = NewDeployment {
            name: project.name.clone(),
            project: project.id.clone(),
            place,
            git: GitSource {
                org: link.org.clone(),
                repo: link.repo.clone(),
                branch: target.branch.unwrap_or(&link.production_branch).to_owned(),
                sha: write.fields.get("sha").and_then(Value::as_str).map(str::to_owned),
            },
            meta: meta(&write.marker),
        };
        self.writer.create_deployment(&new).await.map(drop).map_err(ObjectError::from)
    }

    /// Deletes the previews of the branch, with the aliases that lead to them. What is or was in production stays; and so do all if
    /// another environment has the branch as well.
    pub(super) async fn delete_deployments(&self, seen: &Seen, owner: &str, env: &str) -> Result<(), ObjectError> {
        let Some(kept) = seen.mark(owner, env) else { return Ok(()) };
        let Some(branch) = kept.mark.branch.as_deref().filter(|_| kept.mark.target == "preview") else { return Ok(()) };
        let has_it = |other: &super::marks::Mark| {
            other.branch.as_deref() == Some(branch) && other.deployment && !other.is_of(owner, env)
        };
        if seen.marks.iter().any(|other| has_it(&other.mark)) {
            return Ok(());
        }
        let project = self.reads.project().await?.id.clone();
        let filter = DeploymentFilter {
            branch: Some(branch.to_owned()),
            sha: None,
            target: Some("preview".to_owned()),
            most: MOST,
        };
        // Whatever it was made for: what production leads to stays.
        let live = self.reads.reader.project(&self.reads.project).await?;
        let in_production = live.production().map(|current| current.id.clone());
        let is_one = |row: &DeploymentRow| {
            row.target.as_deref().is_none_or(|target| target == "preview")
                && row.custom_environment.is_none()
                && in_production.as_ref() != Some(&row.uid)
                && row.commit().branch.as_deref() == Some(branch)
        };
        let mut deleted = BTreeSet::new();
        // The second look finds what has begun during the first.
        for _ in 0..2 {
            let rows = self.reads.reader.deployments(&project, &filter).await?;
            for row in rows.iter().filter(|row| is_one(row)) {
                if deleted.insert(row.uid.clone()) {
                    self.writer.delete_deployment(&row.uid).await?;
                }
            }
            if deleted.is_empty() {
                return Ok(());
            }
        }
        // Their aliases go with them; one that does not would lead to nothing, for as long as nobody takes it away.
        for alias in self.reads.reader.aliases(&project).await? {
            if alias.deployment_id.is_some_and(|id| deleted.contains(&id)) {
                self.writer.remove_alias(&alias.alias).await?;
            }
        }
        Ok(())
    }
}

/// Where a deployment is wanted, for people.
fn target_text(wanted: &Fields) -> String {
    match Target::of(wanted).name {
        "production" => "production".to_owned(),
        name => format!("the environment `{name}`"),
    }
}

/// What others may use of a deployment.
pub(super) fn outputs(deployment: &Deployment) -> BTreeMap<String, SecretText> {
    let url = |host: &String| SecretText::new(format!("https://{host}"));
    let branch_url = deployment.automatic_aliases.iter().find(|host| deployment.alias.contains(host));
    let known = [
        ("url", deployment.url.as_ref().map(url)),
        ("branchUrl", branch_url.map(url)),
        ("deploymentId", Some(SecretText::new(deployment.id.as_str()))),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// What is noted beside a deployment that Hangar has made.
fn meta(marker: &ObjectMarker) -> Vec<(String, String)> {
    vec![("hangar".to_owned(), note(marker.owner.as_str(), marker.env.as_str()))]
}
