//! Where each environment stands: what is live, whether it is as wanted, and what keeps it from being so.
//!
//! [`status_of`] reads only what a plan is made of, so that status never costs a request more, and never disagrees with the plan.

mod build;
mod markdown;
mod objects;
mod secrets;
mod text;

#[cfg(test)]
mod tests;

pub use build::{status_of, status_of_one};
pub use markdown::status_markdown;
pub use text::{status_overview_text, status_text};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{RequestCount, json};
use crate::desired::Class;
use crate::observed::Exit;
use crate::plan::{Notice, Standing, Withheld};
use crate::resource::{AppName, ComponentName, EnvName, IpKind, OrgSlug, Provider};

/// The version of the JSON form.
pub const VERSION: u32 = 1;

/// Where one environment stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its name.
    pub name: EnvName,
    /// Whether no spec asks for it.
    pub orphan: bool,
    /// Its class; absent where no spec says so.
    pub class: Option<Class>,
    /// What it is a preview of, if it is one of a set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewOf>,
    /// Its organization; absent where nothing says so.
    pub org: Option<OrgSlug>,
    /// Where it stands.
    pub standing: Standing,
    /// The same for programs, in Kubernetes' form.
    pub conditions: Vec<Condition>,
    /// The commit that its spec comes from.
    pub observed_commit: Option<String>,
    /// When its oldest machine was made.
    pub created_at: Option<DateTime<Utc>>,
    /// How old that makes it, in seconds.
    pub age_seconds: Option<u64>,
    /// When it ends.
    pub expires_at: Option<DateTime<Utc>>,
    /// What is run before it is deleted, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Its components.
    pub components: Vec<ComponentStatus>,
    /// What it has at other providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectStatus>,
    /// What is withheld, and why.
    pub withheld: Vec<Withheld>,
    /// What people should know.
    pub notices: Vec<Notice>,
}

/// What an environment is a preview of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewOf {
    /// Name of its set.
    pub set: String,
    /// What it shows, for people: `pull request acme/chat#42`.
    pub subject: String,
    /// The page of that.
    pub url: Option<String>,
    /// The commit that it shows.
    pub sha: Option<String>,
}

/// A condition, as Kubernetes has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: `Converged`, `Healthy`, `Observed`, and where it is so, `Paused` and `Expired`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, as one word for programs.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// Since when `status` is what it is, as far as that is known.
    pub last_transition_time: DateTime<Utc>,
    /// The commit that it was found out for.
    pub observed_commit: Option<String>,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown,
}

/// One object at a provider other than Fly's machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The component it belongs to: `neon.main`.
    pub component: ComponentName,
    /// The provider: `neon`, `vercel`, …
    pub provider: Provider,
    /// What it is there: `branch`, `domain`, …
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The project or organization that it is in.
    pub scope: String,
    /// The server's id; absent where it is not there.
    pub id: Option<String>,
    /// How it is.
    pub state: ObjectStanding,
    /// The same for people, where there is more to say.
    pub message: Option<String>,
    /// Addresses to open.
    pub urls: Vec<String>,
}

/// How an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectStanding {
    /// It can be used.
    Ready,
    /// It is on its way from one state to another.
    Changing,
    /// It does not work.
    Failed,
    /// It is not there.
    Absent,
    /// It cannot be told.
    Unknown,
}

/// The newest run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// The job's name.
    pub name: String,
    /// The machine that it runs in.
    pub machine: String,
    /// Whether it has ended well; nothing while it runs.
    pub succeeded: Option<bool>,
    /// How it has ended, for people.
    pub message: String,
}

/// One component: a Fly app.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// The component; absent where only the app is known.
    pub component: Option<ComponentName>,
    /// The app.
    pub app: AppName,
    /// Whether it is there.
    pub presence: AppPresence,
    /// Addresses to open.
    pub urls: Vec<String>,
    /// The image that the spec asks for.
    pub image: Option<String>,
    /// The images that its machines run, each with the digest that Fly resolved it to.
    pub live_images: Vec<LiveImage>,
    /// Its live machines.
    pub machines: Vec<MachineStatus>,
    /// How many machines the spec asks for.
    pub wanted_machines: usize,
    /// The jobs that have run or run in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobStatus>,
    /// Its secrets.
    pub secrets: Vec<SecretStatus>,
    /// Its live volumes.
    pub volumes: Vec<VolumeStatus>,
    /// Its addresses.
    pub ips: Vec<IpStatus>,
    /// Its certificates.
    pub certificates: Vec<CertificateStatus>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

/// Whether an app is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AppPresence {
    /// It is.
    Live,
    /// It is not.
    Absent,
    /// Its name is taken in another organization.
    Elsewhere,
    /// It cannot be told.
    Unknown,
}

/// An image that machines run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveImage {
    /// The reference as configured.
    pub reference: String,
    /// What Fly resolved it to.
    pub digest: Option<String>,
    /// How many machines run it.
    pub machines: usize,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineStatus {
    /// Its slot, `group/region/ordinal`; absent where it is not ours.
    pub slot: Option<String>,
    /// The server's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its state, in the API's word.
    pub state: String,
    /// Whether its host answers.
    pub host_reachable: bool,
    /// Its version.
    pub version: String,
    /// How many of its checks pass.
    pub checks_passing: usize,
    /// How many checks it has.
    pub checks_total: usize,
    /// The names of checks that do not pass.
    pub failing: Vec<String>,
    /// How it ended last, where nobody had asked for that.
    pub last_exit: Option<Exit>,
}

/// One secret: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: SecretState,
}

/// Where a secret stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// All machines have taken what is stored.
    Live,
    /// It is stored, and not every machine has taken it.
    Staged,
    /// The spec asks for it and it is not there.
    Unset,
    /// It was changed by someone else since it was last written.
    ChangedOutside,
    /// The app's secrets were not read.
    Unknown,
}

/// One volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// The server's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its state, in the API's word.
    pub state: String,
    /// Its size in GB.
    pub size_gb: u64,
    /// The id of the machine that it is attached to.
    pub attached_machine: Option<String>,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IpStatus {
    /// Its kind; absent for kinds that no spec manages.
    pub kind: Option<IpKind>,
    /// The address; absent while the spec asks for it and it is not there.
    pub address: Option<String>,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// The host name.
    pub hostname: String,
    /// Whether it is issued and its DNS is right.
    pub ready: bool,
    /// Its state, in the API's words; `missing` where it is not there.
    pub status: String,
}

impl Status {
    /// The address that people open: that of the last deployment at Vercel, or else of the last app that has one. What comes last uses
    /// the others.
    pub fn main_url(&self) -> Option<&String> {
        let elsewhere = self.objects.iter().rev().find_map(|object| object.urls.first());
        elsewhere.or_else(|| self.components.iter().rev().find_map(|component| component.urls.first()))
    }

    /// Keeps since when each condition holds: where `previous` has the same condition in the same status, its moment stays.
    pub fn keep_transitions(&mut self, previous: &[Condition]) {
        for condition in &mut self.conditions {
            let before =
                previous.iter().find(|before| before.kind == condition.kind && before.status == condition.status);
            if let Some(before) = before {
                condition.last_transition_time = before.last_transition_time;
            }
        }
    }
}

/// The environments as JSON: `{"version": 1, "environments": […], "requests": …}`.
pub fn status_json(environments: &[Status], requests: RequestCount) -> String {
    #[derive(Serialize)]
    struct Document<'s> {
        version: u32,
        environments: &'s [Status],
        requests: RequestCount,
    }
    json::pretty(&Document { version: VERSION, environments, requests })
}
