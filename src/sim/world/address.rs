//! The IP addresses of an app.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app::network_prefix;
use super::ids::Ids;
use super::rfc3339;

/// An address that is assigned to an app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) ip: String,
    pub(crate) kind: Kind,
    pub(crate) region: String,
    pub(crate) service_name: String,
    pub(crate) created_at: DateTime<Utc>,
    /// The network that may reach a Flycast address: its name and its organization.
    pub(crate) network: Option<(String, String)>,
}

/// The kinds of address that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    V4,
    V6,
    SharedV4,
    PrivateV6,
    EgressV4,
    EgressV6,
}

impl Kind {
    /// The kind's name in requests.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
            Self::SharedV4 => "shared_v4",
            Self::PrivateV6 => "private_v6",
            Self::EgressV4 => "egress_v4",
            Self::EgressV6 => "egress_v6",
        }
    }

    const fn is_egress(self) -> bool {
        matches!(self, Self::EgressV4 | Self::EgressV6)
    }

    /// A free address of this kind. `network` is the number of the network of a Flycast address.
    pub(crate) fn mint(self, network: u32, ids: &mut Ids) -> String {
        let number = ids.number();
        let [a, b, c, d] = number.to_be_bytes();
        let (high, low) = (number >> 16, number & 0xffff);
        match self {
            Self::V4 => format!("137.66.{c}.{d}"),
            Self::SharedV4 => format!("66.241.{}.{d}", 124 + (c & 1)),
            Self::EgressV4 => format!("209.71.{c}.{d}"),
            Self::V6 => format!("2a09:8280:1::{high:x}:{low:x}:0"),
            Self::EgressV6 => format!("2605:4c40:{a:x}{b:02x}:{low:x}:0:1:0:1"),
            Self::PrivateV6 => format!("{}:0:1::{:x}", network_prefix(network), low.max(2)),
        }
    }
}

impl Address {
    /// The address as the API shows it. Its kind is not shown: clients derive it.
    pub(crate) fn render(&self) -> Value {
        json!({
            "ip": self.ip,
            "region": self.region,
            "service_name": self.service_name,
            "shared": self.kind == Kind::SharedV4,
            "egress": self.kind.is_egress(),
            "created_at": rfc3339(self.created_at),
            "network": self.network.as_ref().map(|(name, org)| json!({"name": name, "org_slug": org})),
        })
    }
}
