//! The objects of feedback: comments, statuses, deployments, environments.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::feedback::{CheckRun, Comment, Deployment, DeploymentStatus, Reaction, Status};
use super::objects::{Objects, moment};
use super::state::{Event, Repo, number_of};

/// Every reaction that there is.
pub(super) const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

impl Objects<'_> {
    pub(super) fn comment(&self, repo: &Repo, comment: &Comment) -> Value {
        let url = self.repo_url(repo);
        json!({
            "id": comment.id,
            "node_id": format!("IC_{}", comment.id),
            "url": format!("{url}/issues/comments/{}", comment.id),
            "html_url": format!("{}/pull/{}#issuecomment-{}", self.page(repo), comment.pull, comment.id),
            "issue_url": format!("{url}/issues/{}", comment.pull),
            "user": self.user(&comment.author),
            "body": comment.body,
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at),
            "author_association": "NONE",
            "reactions": Self::reactions(&format!("{url}/issues/comments/{}/reactions", comment.id), comment),
        })
    }

    /// How often there is each reaction.
    fn reactions(url: &str, comment: &Comment) -> Value {
        let mut counts = serde_json::Map::new();
        for content in REACTIONS {
            let count = comment.reactions.iter().filter(|reaction| reaction.content == content).count();
            counts.insert(content.to_owned(), Value::from(count));
        }
        counts.insert("url".to_owned(), Value::from(url));
        counts.insert("total_count".to_owned(), Value::from(comment.reactions.len()));
        Value::Object(counts)
    }

    pub(super) fn event(&self, repo: &Repo, event: &Event) -> Value {
        let mut object = json!({
            "id": event.id,
            "node_id": format!("EVE_{}", event.id),
            "url": format!("{}/issues/events/{}", self.repo_url(repo), event.id),
            "actor": self.user(&event.actor),
            "event": event.kind,
            "commit_id": null,
            "commit_url": null,
            "created_at": moment(event.at),
            "performed_via_github_app": null,
        });
        if let (Some(label), Some(object)) = (&event.label, object.as_object_mut()) {
            object.insert("label".to_owned(), json!({"name": label, "color": "ededed"}));
        }
        object
    }

    pub(super) fn reaction(&self, reaction: &Reaction) -> Value {
        json!({
            "id": reaction.id,
            "node_id": format!("REA_{}", reaction.id),
            "user": self.user(&reaction.author),
            "content": reaction.content,
            "created_at": moment(reaction.at),
        })
    }

    pub(super) fn status(&self, repo: &Repo, status: &Status) -> Value {
        json!({
            "url": format!("{}/statuses/{}", self.repo_url(repo), status.sha),
            "avatar_url": null,
            "id": status.id,
            "node_id": format!("SC_{}", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": moment(status.at),
            "updated_at": moment(status.at),
            "creator": self.user(&status.creator),
        })
    }

    pub(super) fn check_run(&self, repo: &Repo, run: &CheckRun) -> Value {
        let url = format!("{}/check-runs/{}", self.repo_url(repo), run.id);
        let page = format!("{}/runs/{}", self.page(repo), run.id);
        let output = json!({
            "title": null,
            "summary": null,
            "text": null,
            "annotations_count": 0,
            "annotations_url": format!("{url}/annotations"),
        });
        json!({
            "id": run.id,
            "node_id": format!("CR_{}", run.id),
            "name": run.name,
            "head_sha": run.sha,
            "external_id": "",
            "url": url,
            "html_url": page,
            "details_url": page,
            "status": if run.conclusion.is_some() { "completed" } else { "in_progress" },
            "conclusion": run.conclusion,
            "started_at": moment(run.started_at),
            "completed_at": run.completed_at.map(moment),
            "output": output,
            "check_suite": {"id": run.id},
            "app": null,
            "pull_requests": [],
        })
    }

    pub(super) fn deployment(&self, repo: &Repo, one: &Deployment) -> Value {
        let url = format!("{}/deployments/{}", self.repo_url(repo), one.id);
        let changed = one.statuses.last().map_or(one.at, |status| status.at);
        json!({
            "url": url,
            "id": one.id,
            "node_id": format!("DE_{}", one.id),
            "sha": one.sha,
            "ref": one.reference,
            "task": one.task,
            "payload": serde_json::from_str::<Value>(&one.payload).unwrap_or_default(),
            "original_environment": one.environment,
            "environment": one.environment,
            "description": one.description,
            "creator": self.user(&one.creator),
            "created_at": moment(one.at),
            "updated_at": moment(changed),
            "statuses_url": format!("{url}/statuses"),
            "repository_url": self.repo_url(repo),
            "transient_environment": one.transient,
            "production_environment": one.production,
        })
    }

    pub(super) fn deployment_status(&self, repo: &Repo, of: &Deployment, status: &DeploymentStatus) -> Value {
        let deployment = format!("{}/deployments/{}", self.repo_url(repo), of.id);
        json!({
            "url": format!("{deployment}/statuses/{}", status.id),
            "id": status.id,
            "node_id": format!("DES_{}", status.id),
            "state": status.state,
            "creator": self.user(&status.creator),
            "description": status.description,
            "environment": of.environment,
            "target_url": status.log_url,
            "log_url": status.log_url,
            "environment_url": status.environment_url,
            "created_at": moment(status.at),
            "updated_at": moment(status.at),
            "deployment_url": deployment,
            "repository_url": self.repo_url(repo),
        })
    }

    pub(super) fn environment(&self, repo: &Repo, name: &str, since: DateTime<Utc>) -> Value {
        let id = number_of("environment", name);
        let encoded = name.replace('/', "%2F");
        json!({
            "id": id,
            "node_id": format!("EN_{id}"),
            "name": name,
            "url": format!("{}/environments/{encoded}", self.repo_url(repo)),
            "html_url": format!("{}/deployments/activity_log?environments_filter={encoded}", self.page(repo)),
            "created_at": moment(since),
            "updated_at": moment(since),
            "protection_rules": [],
            "deployment_branch_policy": null,
        })
    }
}
