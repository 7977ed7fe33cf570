//! Apps, their addresses, and the regions they can be in.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::lenient::{moment, or_default, words};

words! {
    /// How far an app has come.
    AppStatus {
        /// Nothing was ever deployed in it.
        Pending = "pending",
        /// Something was.
        Deployed = "deployed",
        /// Switched off as a whole.
        Suspended = "suspended",
    }
}

/// An app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Fly's id for it. Two apps that had the same name one after the other have different ids.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// Its name, unique over all of Fly.
    pub name: String,
    /// Its private network; empty for the organization's default network.
    #[serde(default, deserialize_with = "or_default")]
    pub network: String,
    /// How far it has come.
    #[serde(default)]
    pub status: AppStatus,
    /// How many machines it has, where Fly says so.
    #[serde(default)]
    pub machine_count: Option<u64>,
    /// How many volumes it has, where Fly says so.
    #[serde(default)]
    pub volume_count: Option<u64>,
    /// Whose it is.
    #[serde(default, deserialize_with = "or_default")]
    pub organization: AppOrganization,
}

/// An app's organization.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AppOrganization {
    /// Its name for people.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its slug.
    #[serde(default, deserialize_with = "or_default")]
    pub slug: String,
}

/// An address of an app.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct IpAssignment {
    /// The address; `None` for a pair.
    #[serde(default)]
    pub ip: Option<String>,
    /// Where it is, if it is bound to a region.
    #[serde(default)]
    pub region: Option<String>,
    /// The service it is for.
    #[serde(default)]
    pub service_name: Option<String>,
    /// Whether it is shared with other apps.
    #[serde(default, deserialize_with = "or_default")]
    pub shared: bool,
    /// Whether it is for connections that the app makes.
    #[serde(default, deserialize_with = "or_default")]
    pub egress: bool,
    /// When it was assigned.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
    /// The private network that can reach it, for Flycast.
    #[serde(default)]
    pub network: Option<IpNetwork>,
    /// Both addresses of a pair.
    #[serde(default)]
    pub ip_pair: Option<IpPair>,
}

impl IpAssignment {
    /// Whether it is a Flycast address. Entries have no type; the prefix tells.
    pub fn is_flycast(&self) -> bool {
        self.ip.as_deref().is_some_and(|ip| ip.starts_with("fdaa:"))
    }

    /// Whether it is an IPv6 address.
    pub fn is_v6(&self) -> bool {
        self.ip.as_deref().is_some_and(|ip| ip.contains(':'))
    }
}

/// The private network that can reach a Flycast address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct IpNetwork {
    /// Its name; empty for the default network.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Its organization.
    #[serde(default, deserialize_with = "or_default")]
    pub org_slug: String,
}

/// A pair of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct IpPair {
    /// The IPv4 address.
    #[serde(default)]
    pub v4: Option<String>,
    /// The IPv6 address.
    #[serde(default)]
    pub v6: Option<String>,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Region {
    /// Its three letters.
    pub code: String,
    /// Its name for people.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Whether Fly is giving it up.
    #[serde(default, deserialize_with = "or_default")]
    pub deprecated: bool,
    /// Whether it needs a paid plan.
    #[serde(default, deserialize_with = "or_default")]
    pub requires_paid_plan: bool,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct AppsAnswer {
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) apps: Vec<App>,
}

/// What the creation of an app answers: a whole app, or just its id.
#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct CreatedApp {
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) network: String,
    #[serde(default)]
    pub(in crate::providers::fly) status: AppStatus,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::fly) organization: AppOrganization,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct IpsAnswer {
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) ips: Vec<IpAssignment>,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct RegionsAnswer {
    pub(in crate::providers::fly) regions: Vec<Region>,
}
