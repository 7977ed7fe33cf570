//! The reads of the Machines API.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;

use super::error::{FlyError, Place};
use super::problem::FlyProblem;
use super::request::WaitFor;
use crate::http::{Answer, Call, HttpError, Rate, ReadClient};
use crate::providers::fly::wire::{
    App, AppsAnswer, Certificate, CertificateSummary, CertificatesAnswer, IpAssignment, IpsAnswer, Lease, LeaseAnswer,
    Machine, MachineEvent, OrgMachine, OrgMachinesPage, OrgVolume, OrgVolumesPage, Region, RegionsAnswer, SecretDigest,
    SecretsAnswer, Volume, VolumeSnapshot, WaitResponse,
};

/// Fly's documented exception for reading one machine: five per second, ten at once.
const GET_MACHINE_RATE: Rate = Rate::new(Duration::from_millis(200), 10);

/// How long the network may take on top of a wait's own time.
const WAIT_MARGIN: Duration = Duration::from_secs(10);

/// The most pages of one list that are read: a million objects. More means that the cursor does not end.
const MOST_PAGES: usize = 1000;

/// Reads one organization's part of Fly.
#[derive(Debug, Clone)]
pub struct FlyReader {
    http: ReadClient,
}

/// Whose an app name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppLookup {
    /// The token sees it.
    Ours(App),
    /// It belongs to another organization (403).
    Elsewhere,
    /// Nobody has it (404).
    Free,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitOutcome {
    /// The state was reached.
    Reached(WaitResponse),
    /// Not within the time (408); what Fly says about the present state.
    NotYet(String),
    /// It cannot be reached from the present state (409).
    Impossible(String),
    /// There is no such machine, or none yet (404).
    Missing,
}

/// A list over a whole organization, with how much it can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// What was found, by id.
    pub items: Vec<T>,
    /// Whether every page and every region answered. If not, nothing may be concluded from absence.
    pub complete: bool,
    /// Regions that did not answer.
    pub error_regions: BTreeSet<String>,
    /// When the first page was asked for; a write after this moment need not be in it.
    pub started_at: DateTime<Utc>,
}

/// One page of a list.
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
    error_regions: Vec<String>,
}

impl FlyReader {
    /// Reads through `http`; see [`connection`](super::connection).
    pub const fn new(http: ReadClient) -> Self {
        Self { http }
    }

    /// What it reads through.
    pub const fn http(&self) -> &ReadClient {
        &self.http
    }

    /// Whose the app name is.
    pub async fn app(&self, name: &str) -> Result<AppLookup, FlyError> {
        let place = Place::app(name);
        let call = Call::new("read app", name, &["v1", "apps", name]).accepting(&[403, 404]);
        Ok(match self.find::<App>(call, &place).await? {
            Answer::Given(app) => AppLookup::Ours(app),
            Answer::Refused { status: 403, .. } => AppLookup::Elsewhere,
            Answer::Refused { .. } => AppLookup::Free,
        })
    }

    /// All apps of the organization.
    pub async fn apps(&self, org: &str) -> Result<Vec<App>, FlyError> {
        let call = Call::new("list apps", org, &["v1", "apps"]).query("org_slug", org);
        self.get::<AppsAnswer>(call, &Place::org(org)).await.map(|answer| answer.apps)
    }

    /// All machines of an app, with their whole configurations.
    pub async fn machines(&self, app: &str) -> Result<Vec<Machine>, FlyError> {
        let call = Call::new("list machines", app, &["v1", "apps", app, "machines"]);
        self.get::<Option<Vec<Machine>>>(call, &Place::app(app)).await.map(Option::unwrap_or_default)
    }

    /// One machine; `None` on a 404. A destroyed machine may go on being there as [`MachineState::Destroyed`].
    ///
    /// [`MachineState::Destroyed`]: crate::providers::fly::wire::MachineState::Destroyed
    pub async fn machine(&self, app: &str, id: &str) -> Result<Option<Machine>, FlyError> {
        let call = machine_call("read machine", app, id, &[]).rate(GET_MACHINE_RATE);
        self.maybe(call, &Place::machine(app, id)).await
    }

    /// The newest events of a machine, newest first. Fly gives at most 50.
    pub async fn machine_events(&self, app: &str, id: &str, limit: u8) -> Result<Vec<MachineEvent>, FlyError> {
        let limit = limit.clamp(1, 50).to_string();
        let call = machine_call("list events of machine", app, id, &["events"]).query("limit", limit);
        let place = Place::machine(app, id);
        self.get::<Option<Vec<MachineEvent>>>(call, &place).await.map(Option::unwrap_or_default)
    }

    /// Waits on the server's side until a machine is in a state.
    pub async fn wait(&self, app: &str, id: &str, wanted: &WaitFor) -> Result<WaitOutcome, FlyError> {
        let seconds = wanted.timeout.as_secs().clamp(1, 60);
        let mut call = machine_call("wait for machine", app, id, &["wait"])
            .query("state", wanted.state.as_str())
            .query("timeout", seconds.to_string())
            .timeout(Duration::from_secs(seconds).saturating_add(WAIT_MARGIN))
            .accepting(&[404, 408, 409]);
        if let Some(version) = &wanted.version {
            call = call.query("version", version.as_str());
        }
        Ok(match self.find(call, &Place::machine(app, id)).await? {
            Answer::Given(response) => WaitOutcome::Reached(response),
            Answer::Refused { status: 408, message } => WaitOutcome::NotYet(message),
            Answer::Refused { status: 409, message } => WaitOutcome::Impossible(message),
            Answer::Refused { .. } => WaitOutcome::Missing,
        })
    }

    /// The lease on a machine; `None` if nobody holds one.
    pub async fn lease(&self, app: &str, id: &str) -> Result<Option<Lease>, FlyError> {
        let call = machine_call("read lease of machine", app, id, &["lease"]);
        let answer = self.maybe::<LeaseAnswer>(call, &Place::machine(app, id)).await?;
        Ok(answer.map(Lease::from))
    }

    /// A machine's metadata.
    pub async fn metadata(&self, app: &str, id: &str) -> Result<BTreeMap<String, String>, FlyError> {
        let call = machine_call("read metadata of machine", app, id, &["metadata"]);
        let place = Place::machine(app, id);
        self.get::<Option<BTreeMap<String, String>>>(call, &place).await.map(Option::unwrap_or_default)
    }

    /// All volumes of an app, deleted ones included for as long as Fly lists them.
    pub async fn volumes(&self, app: &str) -> Result<Vec<Volume>, FlyError> {
        let call = Call::new("list volumes", app, &["v1", "apps", app, "volumes"]);
        self.get::<Option<Vec<Volume>>>(call, &Place::app(app)).await.map(Option::unwrap_or_default)
    }

    /// One volume; `None` on a 404.
    pub async fn volume(&self, app: &str, id: &str) -> Result<Option<Volume>, FlyError> {
        let call = Call::new("read volume", id, &["v1", "apps", app, "volumes", id]);
        self.maybe(call, &Place::volume(app, id)).await
    }

    /// The snapshots of a volume.
    pub async fn snapshots(&self, app: &str, id: &str) -> Result<Vec<VolumeSnapshot>, FlyError> {
        let call = Call::new("list snapshots", id, &["v1", "apps", app, "volumes", id, "snapshots"]);
        let place = Place::volume(app, id);
        self.get::<Option<Vec<VolumeSnapshot>>>(call, &place).await.map(Option::unwrap_or_default)
    }

    /// Names and digests of an app's secrets, as they are at vault version `at_least` or later: without one, the list may be from
    /// before a write that has been answered.
    pub async fn secrets(&self, app: &str, at_least: Option<u64>) -> Result<Vec<SecretDigest>, FlyError> {
        let mut call = Call::new("list secrets", app, &["v1", "apps", app, "secrets"]);
        if let Some(version) = at_least {
            call = call.query("min_version", version.to_string());
        }
        self.get::<SecretsAnswer>(call, &Place::app(app)).await.map(|answer| answer.secrets)
    }

    /// An app's addresses.
    pub async fn ips(&self, app: &str) -> Result<Vec<IpAssignment>, FlyError> {
        let call = Call::new("list IPs", app, &["v1", "apps", app, "ip_assignments"]);
        self.get::<IpsAnswer>(call, &Place::app(app)).await.map(|answer| answer.ips)
    }

    /// All certificates of an app.
    pub async fn certificates(&self, app: &str) -> Result<Vec<CertificateSummary>, FlyError> {
        let place = Place::app(app);
        let listing = self
            .pages(|cursor| {
                let call = Call::new("list certificates", app, &["v1", "apps", app, "certificates"]);
                let call = with_cursor(call.query("limit", "500"), cursor);
                let http = &self.http;
                async move {
                    let answer = http.get::<CertificatesAnswer>(call).await?;
                    Ok(Page { items: answer.certificates, next: answer.next_cursor, error_regions: Vec::new() })
                }
            })
            .await
            .map_err(|error| FlyError::from_http(error, place.clone()))?;
        if !listing.complete {
            return Err(FlyError::new(FlyProblem::EndlessList, place));
        }
        let by_name: BTreeMap<_, _> = listing.items.into_iter().map(|item| (item.hostname.clone(), item)).collect();
        Ok(by_name.into_values().collect())
    }

    /// One certificate with what is still missing for it; `None` on a 404.
    pub async fn certificate(&self, app: &str, host: &str) -> Result<Option<Certificate>, FlyError> {
        let call = Call::new("read certificate", app, &["v1", "apps", app, "certificates", host]);
        self.maybe(call, &Place::certificate(app, host)).await
    }

    /// All machines of the organization, with only image, guest and metadata of their configurations. The index behind it lags:
    /// confirm with a direct read before acting on it.
    pub async fn org_machines(&self, org: &str) -> Result<Listing<OrgMachine>, FlyError> {
        let listing = self
            .pages(|cursor| {
                let call = Call::new("list machines of organization", org, &["v1", "orgs", org, "machines"]);
                let call = with_cursor(call.query("limit", "1000"), cursor);
                let http = &self.http;
                async move {
                    let page = http.get::<OrgMachinesPage>(call).await?;
                    Ok(Page { items: page.machines, next: page.next_cursor, error_regions: page.error_regions })
                }
            })
            .await;
        listing
            .map(|listing| listing.by_id(|item| &item.id))
            .map_err(|error| FlyError::from_http(error, Place::org(org)))
    }

    /// All volumes of the organization, deleted ones included for as long as Fly lists them. Lags like
    /// [`org_machines`](Self::org_machines).
    pub async fn org_volumes(&self, org: &str) -> Result<Listing<OrgVolume>, FlyError> {
        let listing = self
            .pages(|cursor| {
                let call = Call::new("list volumes of organization", org, &["v1", "orgs", org, "volumes"]);
                let call = with_cursor(call.query("limit", "1000"), cursor);
                let http = &self.http;
                async move {
                    let page = http.get::<OrgVolumesPage>(call).await?;
                    Ok(Page { items: page.volumes, next: page.next_cursor, error_regions: page.error_regions })
                }
            })
            .await;
        listing
            .map(|listing| listing.by_id(|item| &item.volume.id))
            .map_err(|error| FlyError::from_http(error, Place::org(org)))
    }

    /// All regions.
    pub async fn regions(&self) -> Result<Vec<Region>, FlyError> {
        let call = Call::new("list regions", "", &["v1", "platform", "regions"]);
        self.get::<RegionsAnswer>(call, &Place::default()).await.map(|answer| answer.regions)
    }

    /// Reads pages until there is no next cursor: a page may be short or empty while more remain. A cursor that comes a second time
    /// ends the list as incomplete.
    async fn pages<T, F>(&self, read: impl Fn(Option<String>) -> F) -> Result<Listing<T>, HttpError>
    where
        F: Future<Output = Result<Page<T>, HttpError>>,
    {
        let started_at = self.http.connection().shared.clock.now();
        let mut items = Vec::new();
        let mut error_regions = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = read(cursor).await?;
            items.extend(page.items);
            error_regions.extend(page.error_regions);
            let Some(next) = page.next.filter(|next| !next.is_empty()) else {
                let complete = error_regions.is_empty();
                return Ok(Listing { items, complete, error_regions, started_at });
            };
            if !seen.insert(next.clone()) {
                break;
            }
            cursor = Some(next);
        }
        Ok(Listing { items, complete: false, error_regions, started_at })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, call: Call, place: &Place) -> Result<T, FlyError> {
        self.http.get(call).await.map_err(|error| FlyError::from_http(error, place.clone()))
    }

    async fn find<T: DeserializeOwned>(&self, call: Call, place: &Place) -> Result<Answer<T>, FlyError> {
        self.http.find(call).await.map_err(|error| FlyError::from_http(error, place.clone()))
    }

    /// `None` on a 404.
    pub(super) async fn maybe<T: DeserializeOwned>(&self, call: Call, place: &Place) -> Result<Option<T>, FlyError> {
        Ok(match self.find(call.accepting(&[404]), place).await? {
            Answer::Given(value) => Some(value),
            Answer::Refused { .. } => None,
        })
    }
}

impl<T> Listing<T> {
    /// The same with each id once, in order of ids. An object that changes while pages are read can be on two of them; the later one
    /// counts.
    fn by_id(self, id: impl Fn(&T) -> &String) -> Self {
        let by_id: BTreeMap<String, T> = self.items.into_iter().map(|item| (id(&item).clone(), item)).collect();
        Self { items: by_id.into_values().collect(), ..self }
    }
}

/// A call about one machine.
pub(super) fn machine_call(action: &'static str, app: &str, id: &str, below: &[&str]) -> Call {
    let mut segments = vec!["v1", "apps", app, "machines", id];
    segments.extend_from_slice(below);
    Call::new(action, id, &segments)
}

fn with_cursor(call: Call, cursor: Option<String>) -> Call {
    match cursor {
        Some(cursor) => call.query("cursor", cursor),
        None => call,
    }
}
