//! Webhooks on their way to an address: signed, and lost, doubled or late as often as somebody wants.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::hand::RepositoryHand;
use super::hook::WebhookDelivery;
use crate::http::transport::{Method, Request, SharedTransport};
use crate::random::Random;
use crate::sim::Simulator;
use crate::sim::edits::EditError;

/// How often it is looked whether there is something to deliver.
const EVERY: Duration = Duration::from_millis(200);
/// How long GitHub waits for an answer ("Best practices for using webhooks": respond within 10 seconds).
const PATIENCE: Duration = Duration::from_secs(10);
/// How late a delivery is that others overtake.
const LATE: TimeDelta = TimeDelta::seconds(3);
/// How many deliveries are remembered.
const REMEMBERED: usize = 50;

/// Where a webhook goes to, and how often that fails. Fractions are between 0 and 1.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTarget {
    /// The address, on this machine.
    pub url: String,
    /// What deliveries are signed with.
    pub secret: String,
    /// How many deliveries never arrive.
    #[serde(default)]
    pub lost: f64,
    /// How many arrive twice.
    #[serde(default)]
    pub doubled: f64,
    /// How many arrive some seconds late, so that others overtake them.
    #[serde(default)]
    pub reordered: f64,
}

impl std::fmt::Debug for WebhookTarget {
    /// Leaves out the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTarget").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SentWebhook {
    /// `x-github-delivery`.
    pub id: String,
    /// `x-github-event`.
    pub event: String,
    /// When it was sent, or lost.
    pub at: DateTime<Utc>,
    /// The status that it was answered with, `lost`, or why there was no answer.
    pub outcome: String,
}

/// What a webhook with an address has besides its deliveries.
#[derive(Debug, Clone)]
pub(super) struct Way {
    target: WebhookTarget,
    sent: VecDeque<SentWebhook>,
}

/// A delivery under way.
struct Parcel {
    repo: String,
    url: String,
    due: DateTime<Utc>,
    delivery: WebhookDelivery,
}

impl WebhookTarget {
    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let host =
            url::Url::parse(&self.url).ok().filter(|url| url.scheme() == "http").and_then(|url| match url.host() {
                Some(url::Host::Domain(name)) => Some(name == "localhost"),
                Some(url::Host::Ipv4(address)) => Some(address.is_loopback()),
                Some(url::Host::Ipv6(address)) => Some(address.is_loopback()),
                None => None,
            });
        if host != Some(true) {
            return Some(
                "`url` is no `http://` address of this machine, such as http://127.0.0.1:8080/webhooks/github"
                    .to_owned(),
            );
        }
        let fractions = [("lost", self.lost), ("doubled", self.doubled), ("reordered", self.reordered)];
        let wrong = fractions.into_iter().find(|(_, fraction)| !(0.0..=1.0).contains(fraction));
        wrong.map(|(name, _)| format!("`{name}` is not between 0 and 1"))
    }
}

impl RepositoryHand {
    /// Somebody adds a webhook for all events, which [`Simulator::deliver_webhooks`] sends to an address.
    pub fn add_webhook_to(&self, target: WebhookTarget) -> Result<(), EditError> {
        self.add_webhook(&target.secret)?;
        self.change(|repo, _, _| {
            if let Some(hook) = &mut repo.hook {
                hook.way = Some(Way { target, sent: VecDeque::new() });
            }
            Ok(())
        })
    }

    /// Somebody takes the webhook away.
    pub fn remove_webhook(&self) -> Result<(), EditError> {
        self.change(|repo, _, _| {
            repo.hook = None;
            Ok(())
        })
    }

    /// The address of the webhook and what became of its newest deliveries, oldest first.
    pub fn sent_webhooks(&self) -> Option<(String, Vec<SentWebhook>)> {
        let way = self.look(|repo| repo.hook.as_ref()?.way.clone()).flatten()?;
        Some((way.target.url, way.sent.into()))
    }
}

impl Simulator {
    /// Sends what webhooks have to deliver to their addresses, for as long as it is polled. Like GitHub, it sends nothing again by itself.
    pub async fn deliver_webhooks(&self, transport: SharedTransport) {
        let random = Random::from_seed(self.inner.config.seed);
        let mut parcels: Vec<Parcel> = Vec::new();
        loop {
            parcels.extend(self.collect_parcels(&random));
            let now = self.now();
            let (due, later): (Vec<Parcel>, Vec<Parcel>) = parcels.into_iter().partition(|parcel| parcel.due <= now);
            parcels = later;
            for parcel in due {
                self.send_parcel(&transport, parcel).await;
            }
            self.inner.clock.sleep(EVERY).await;
        }
    }

    fn collect_parcels(&self, random: &Random) -> Vec<Parcel> {
        let now = self.now();
        let mut parcels = Vec::new();
        for name in self.repositories() {
            let repo = self.repository(&name);
            let Some(target) = repo.look(|repo| Some(repo.hook.as_ref()?.way.as_ref()?.target.clone())).flatten()
            else {
                continue;
            };
            for delivery in repo.take_deliveries().unwrap_or_default() {
                if random.fraction() < target.lost {
                    repo.remember(&delivery, now, "lost".to_owned());
                    continue;
                }
                let late = random.fraction() < target.reordered;
                let due = if late { now.checked_add_signed(LATE).unwrap_or(now) } else { now };
                let copies = if random.fraction() < target.doubled { 2 } else { 1 };
                let parcel = || Parcel { repo: name.clone(), url: target.url.clone(), due, delivery: delivery.clone() };
                parcels.extend(std::iter::repeat_with(parcel).take(copies));
            }
        }
        parcels
    }

    async fn send_parcel(&self, transport: &SharedTransport, parcel: Parcel) {
        let Parcel { repo, url, delivery, .. } = parcel;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: Method::Post,
            url,
            headers: vec![
                header("content-type", "application/json"),
                header("user-agent", "GitHub-Hookshot/simulated"),
                header("x-github-event", &delivery.event),
                header("x-github-delivery", &delivery.id),
                header("x-hub-signature-256", &delivery.signature),
            ],
            body: Bytes::from(delivery.body.clone()),
            timeout: PATIENCE,
        };
        let outcome = match transport.send(request).await {
            Ok(answer) => answer.status.to_string(),
            Err(error) => error.to_string(),
        };
        self.repository(&repo).remember(&delivery, self.now(), outcome);
    }
}

impl RepositoryHand {
    fn remember(&self, delivery: &WebhookDelivery, at: DateTime<Utc>, outcome: String) {
        let sent = SentWebhook { id: delivery.id.clone(), event: delivery.event.clone(), at, outcome };
        let remembered = self.change(|repo, _, _| {
            if let Some(way) = repo.hook.as_mut().and_then(|hook| hook.way.as_mut()) {
                way.sent.push_back(sent);
                while way.sent.len() > REMEMBERED {
                    way.sent.pop_front();
                }
            }
            Ok(())
        });
        if let Err(error) = remembered {
            tracing::debug!(%error, "the repository of a delivery is gone");
        }
    }
}
