//! Roles and databases, and how to connect to them.

use serde::Deserialize;

use super::operation::Operation;
use super::{maybe_secret, secret};
use crate::providers::lenient::or_default;
use crate::secret::SecretText;

/// A role of Postgres in a branch.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    /// The id of the branch.
    pub branch_id: String,
    /// Its name.
    pub name: String,
    /// Its password, where it was made by this request.
    #[serde(default, deserialize_with = "maybe_secret")]
    pub password: Option<SecretText>,
    /// Whether Neon made it for its own use.
    #[serde(default)]
    pub protected: bool,
}

/// A database in a branch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Database {
    /// The id of the branch.
    pub branch_id: String,
    /// Its name.
    pub name: String,
    /// The role that owns it.
    pub owner_name: String,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct RoleAnswer {
    pub(in crate::providers::neon) role: Role,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) operations: Vec<Operation>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct RolesAnswer {
    pub(in crate::providers::neon) roles: Vec<Role>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct DatabaseAnswer {
    pub(in crate::providers::neon) database: Database,
    #[serde(default, deserialize_with = "or_default")]
    pub(in crate::providers::neon) operations: Vec<Operation>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct DatabasesAnswer {
    pub(in crate::providers::neon) databases: Vec<Database>,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct PasswordAnswer {
    #[serde(deserialize_with = "secret")]
    pub(in crate::providers::neon) password: SecretText,
}

#[derive(Deserialize)]
pub(in crate::providers::neon) struct UriAnswer {
    #[serde(deserialize_with = "secret")]
    pub(in crate::providers::neon) uri: SecretText,
}
