//! An app and all that belongs to it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::address::Address;
use super::certificate::Certificate;
use super::ids::Ids;
use super::machine::Machine;
use super::policy::Policy;
use super::vault::{SecretKeys, Vault};
use super::volume::Volume;

/// An app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) org: String,
    pub(crate) network: String,
    pub(crate) network_number: u32,
    /// Such as `postgres_cluster`; mostly empty.
    pub(crate) role: String,
    pub(crate) created_at: DateTime<Utc>,
    /// Until then only the node that created the app knows it.
    pub(crate) visible_from: DateTime<Utc>,
    /// That node, as its affinity cookie names it.
    pub(crate) node: String,
    /// Set once its deletion was asked for.
    pub(crate) deleting: bool,
    /// Whether it ever had a machine.
    pub(crate) deployed: bool,
    pub(crate) vault: Vault,
    pub(crate) keys: SecretKeys,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) certificates: BTreeMap<String, Certificate>,
    /// Network policies, by id.
    pub(crate) policies: BTreeMap<String, Policy>,
}

impl App {
    /// A new, empty app on the network with the given number.
    pub(crate) fn new(
        name: &str,
        org: &str,
        network: &str,
        network_number: u32,
        at: DateTime<Utc>,
        ids: &mut Ids,
    ) -> Self {
        Self {
            id: ids.alphanumeric(16),
            number: ids.number(),
            name: name.to_owned(),
            org: org.to_owned(),
            network: network.to_owned(),
            network_number,
            role: String::new(),
            created_at: at,
            visible_from: at,
            node: ids.hex(12),
            deleting: false,
            deployed: false,
            vault: Vault::new(ids.hex(32)),
            keys: SecretKeys::default(),
            machines: BTreeMap::new(),
            volumes: BTreeMap::new(),
            addresses: Vec::new(),
            certificates: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }

    /// `pending` until the first machine, then `deployed`.
    pub(crate) const fn status(&self) -> &'static str {
        if self.deployed { "deployed" } else { "pending" }
    }

    /// The app as the API shows it. `org_name` is the display name of its organization.
    pub(crate) fn render(&self, org_name: &str) -> Value {
        let machines = self.machines.values().filter(|machine| !machine.is_destroyed()).count();
        let volumes = self.volumes.values().filter(|volume| !volume.is_deleted()).count();
        json!({
            "id": self.id,
            "internal_numeric_id": self.number,
            "name": self.name,
            "network": self.network,
            "network_cidr": format!("{}::/48", network_prefix(self.network_number)),
            "status": self.status(),
            "machine_count": machines,
            "volume_count": volumes,
            "cname_target": format!("{}.{}.fly.dev", self.id, self.name),
            "app_role": self.role,
            "organization": {"name": org_name, "slug": self.org, "internal_numeric_id": organization_number(&self.org)},
        })
    }
}

/// The first 48 bits of the addresses of a private network.
pub(crate) fn network_prefix(number: u32) -> String {
    format!("fdaa:{:x}:{:x}", number >> 16, number & 0xffff)
}

/// The numeric id of an organization: the same in every run.
pub(crate) fn organization_number(slug: &str) -> u32 {
    slug.bytes().fold(1_000, |number: u32, byte| number.wrapping_mul(31).wrapping_add(u32::from(byte))) % 1_000_000
}

/// Whether `name` may be the name of an app, else what the server says.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("Validation failed: Name can't be blank".to_owned());
    }
    if name.len() > 63 {
        return Err("Validation failed: Name is too long (maximum is 63 characters)".to_owned());
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err("Validation failed: Name may only contain numbers, lowercase letters and dashes".to_owned());
    }
    Ok(())
}

/// Whether `name` may be the name of a network: letters, digits and dashes, a letter first.
pub(crate) fn is_network_name(name: &str) -> bool {
    name.bytes().next().is_none_or(|byte| byte.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
