//! What GitHub tells of a repository by itself.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use super::deliver::Way;
use super::hand::RepositoryHand;
use super::objects::moment;
use super::state::{Pull, Repo};
use crate::sim::edits::EditError;
use crate::sim::world::ids::Ids;

/// A webhook of a repository, with what it has not delivered yet.
#[derive(Clone, Default)]
pub(super) struct Hook {
    secret: String,
    deliveries: VecDeque<WebhookDelivery>,
    /// Where they go by themselves.
    pub(super) way: Option<Way>,
}

impl std::fmt::Debug for Hook {
    /// Leaves out the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hook").field("deliveries", &self.deliveries.len()).finish_non_exhaustive()
    }
}

/// What GitHub sends by a webhook: to be sent on, lost, doubled or reordered by whoever has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// `x-github-delivery`.
    pub id: String,
    /// `x-github-event`.
    pub event: String,
    /// `x-hub-signature-256`.
    pub signature: String,
    /// The body.
    pub body: String,
}

/// What a repository was before somebody did something in it.
pub(super) struct Before {
    pulls: BTreeMap<u64, Pull>,
    branches: BTreeMap<String, String>,
    comments: usize,
}

impl Before {
    pub(super) fn of(repo: &Repo) -> Self {
        let comments = repo.feedback.comments.len();
        Self { pulls: repo.pulls.clone(), branches: repo.branches.clone(), comments }
    }

    /// Tells the webhook what has become different.
    pub(super) fn tell_changes(&self, repo: &mut Repo, ids: &mut Ids, now: DateTime<Utc>) {
        let mut events: Vec<(&str, &str, String)> = Vec::new();
        for (branch, sha) in &repo.branches {
            if self.branches.get(branch) != Some(sha) {
                events.push(("push", "", branch.clone()));
            }
        }
        for branch in self.branches.keys().filter(|branch| !repo.branches.contains_key(*branch)) {
            events.push(("delete", "", branch.clone()));
        }
        for (number, pull) in &repo.pulls {
            events.extend(self.action(pull).map(|action| ("pull_request", action, number.to_string())));
        }
        if repo.feedback.comments.len() > self.comments {
            events.push(("issue_comment", "created", String::new()));
        }
        for (event, action, subject) in events {
            tell(repo, ids, (event, action, &subject), now);
        }
    }

    /// What was done with a pull request.
    fn action(&self, pull: &Pull) -> Option<&'static str> {
        let Some(before) = self.pulls.get(&pull.number) else { return Some("opened") };
        if before.is_open() != pull.is_open() {
            return Some(if pull.is_open() { "reopened" } else { "closed" });
        }
        if before.head.sha != pull.head.sha {
            return Some("synchronize");
        }
        if before.labels.len() != pull.labels.len() {
            return Some(if before.labels.len() < pull.labels.len() { "labeled" } else { "unlabeled" });
        }
        if before.draft != pull.draft {
            return Some(if pull.draft { "converted_to_draft" } else { "ready_for_review" });
        }
        ((&before.title, &before.base) != (&pull.title, &pull.base)).then_some("edited")
    }
}

/// Lets the webhook, if there is one, tell of an event: its name, what was done, and with what.
fn tell(repo: &mut Repo, ids: &mut Ids, (event, action, subject): (&str, &str, &str), now: DateTime<Utc>) {
    let body = json!({
        "action": action,
        "subject": subject,
        "at": moment(now),
        "repository": {"id": repo.id, "full_name": repo.full_name()},
    });
    let Some(hook) = &mut repo.hook else { return };
    let body = body.to_string();
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(hook.secret.as_bytes()) else { return };
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let id = format!("{:08x}-0000-4000-8000-{:012x}", ids.number(), ids.number());
    hook.deliveries.push_back(WebhookDelivery { id, event: event.to_owned(), signature, body });
}

impl RepositoryHand {
    /// Somebody adds a webhook for all events, whose deliveries are signed with `secret`.
    pub fn add_webhook(&self, secret: &str) -> Result<(), EditError> {
        self.change(|repo, ids, now| {
            repo.hook = Some(Hook { secret: secret.to_owned(), ..Hook::default() });
            tell(repo, ids, ("ping", "", ""), now);
            Ok(())
        })
    }

    /// What the webhook has to deliver since this was asked last, oldest first.
    pub fn take_deliveries(&self) -> Result<Vec<WebhookDelivery>, EditError> {
        self.change(|repo, _, _| Ok(repo.hook.iter_mut().flat_map(|hook| hook.deliveries.drain(..)).collect()))
    }
}
