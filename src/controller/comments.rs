//! Reads what people ask of Hangar in the comments of pull requests, and who of them may.

use std::collections::BTreeMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};

use super::repos::lock;
use crate::clock::SharedClock;
use crate::desired::{Command, Order, commands};
use crate::providers::github::client::{GithubError, GithubReader};
use crate::providers::github::wire;
use crate::resource::RepoName;

/// How long what somebody may do is believed.
const RIGHTS_KEPT: TimeDelta = TimeDelta::minutes(5);
/// For how long after a pull request was last seen to change its comments are read at every look: listings may lag behind each other,
/// and GitHub tells whole seconds.
const UNSETTLED: TimeDelta = TimeDelta::minutes(2);
/// How often they are read although nothing seems to have changed: editing and deleting may not show.
const READ_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// The comments that ask something, and who may.
#[derive(Debug, Default)]
pub(super) struct Comments {
    read: Mutex<BTreeMap<(RepoName, u64), Read>>,
    rights: Mutex<BTreeMap<(RepoName, String), (wire::Rights, DateTime<Utc>)>>,
}

/// The comments of one pull request, as they were last read.
#[derive(Debug, Clone)]
struct Read {
    /// The pull request's last change, and since when it has been the last one, by our clock.
    updated_at: DateTime<Utc>,
    since: DateTime<Utc>,
    at: DateTime<Utc>,
    /// Those that ask something of Hangar, with what.
    asking: Vec<(wire::Comment, Option<Vec<Command>>)>,
}

impl Comments {
    /// What is asked of Hangar in the comments of an open pull request about which something changed last at `updated_at`. The list is
    /// whole, or an error: a command that is not seen would be taken for one that was taken back.
    pub(super) async fn orders(
        &self,
        reader: &GithubReader,
        clock: &SharedClock,
        repo: &RepoName,
        (number, updated_at): (u64, DateTime<Utc>),
    ) -> Result<Vec<Order>, GithubError> {
        let asking = self.asking(reader, clock, repo, (number, updated_at)).await?;
        let mut orders = Vec::new();
        for (comment, asks) in asking {
            let is_allowed = self.rights(reader, clock, repo, &comment.author).await?.write;
            orders.push(Order {
                comment: comment.id,
                author: comment.author,
                at: comment.created_at,
                is_allowed,
                asks,
            });
        }
        Ok(orders)
    }

    async fn asking(
        &self,
        reader: &GithubReader,
        clock: &SharedClock,
        repo: &RepoName,
        (number, updated_at): (u64, DateTime<Utc>),
    ) -> Result<Vec<(wire::Comment, Option<Vec<Command>>)>, GithubError> {
        let now = clock.now();
        let key = (repo.clone(), number);
        let known = lock(&self.read).get(&key).cloned().filter(|read| read.updated_at == updated_at);
        let since = known.as_ref().map_or(now, |read| read.since);
        let is_settled = |read: &Read| {
            read.at.signed_duration_since(since) > UNSETTLED && now.signed_duration_since(read.at) < READ_AGAIN
        };
        if let Some(read) = known.filter(is_settled) {
            return Ok(read.asking);
        }
        let comments = reader.comments(repo, number).await?;
        // What bots write may be made of what anybody has written.
        let people = comments.into_iter().filter(|comment| !comment.author.ends_with("[bot]"));
        let asking: Vec<_> = people.filter_map(|comment| commands(&comment.body).map(|asks| (comment, asks))).collect();
        lock(&self.read).insert(key, Read { updated_at, since, at: now, asking: asking.clone() });
        Ok(asking)
    }

    /// What somebody may do in a repository.
    pub(super) async fn rights(
        &self,
        reader: &GithubReader,
        clock: &SharedClock,
        repo: &RepoName,
        login: &str,
    ) -> Result<wire::Rights, GithubError> {
        let now = clock.now();
        let key = (repo.clone(), login.to_owned());
        let known = lock(&self.rights).get(&key).cloned();
        if let Some((rights, _)) = known.filter(|(_, at)| now.signed_duration_since(at) < RIGHTS_KEPT) {
            return Ok(rights);
        }
        let rights = reader.rights(repo, login).await?;
        let mut all = lock(&self.rights);
        all.retain(|_, (_, at)| now.signed_duration_since(at) < RIGHTS_KEPT);
        all.insert(key, (rights.clone(), now));
        Ok(rights)
    }

    /// Forgets the pull requests of `repo` that are not among `open`.
    pub(super) fn keep_only(&self, repo: &RepoName, open: impl Fn(u64) -> bool) {
        lock(&self.read).retain(|(of, number), _| of != repo || open(*number));
    }
}
