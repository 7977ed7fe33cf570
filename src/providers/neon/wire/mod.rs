//! What Neon answers, as far as it is read, and what it is sent. Fields that are not named here are passed over.

mod branch;
mod endpoint;
mod operation;
mod project;
mod request;
mod role;

pub use branch::{Annotated, Branch, BranchState};
pub(super) use branch::{BranchAnswer, BranchesPage, CountAnswer, CreatedAnswer};
pub use endpoint::{Endpoint, EndpointKind, EndpointState};
pub(super) use endpoint::{EndpointAnswer, EndpointsAnswer};
pub use operation::{Operation, OperationStatus};
pub(super) use operation::{OperationAnswer, OperationsPage};
pub(super) use project::ProjectAnswer;
pub use project::{Project, ProjectOwner};
pub use request::{BranchData, CreateBranch, CreateEndpoint, Restore, RestorePoint, UpdateBranch, UpdateEndpoint};
pub use role::{Database, Role};
pub(super) use role::{DatabaseAnswer, DatabasesAnswer, PasswordAnswer, RoleAnswer, RolesAnswer, UriAnswer};

use serde::{Deserialize, Deserializer};

use crate::secret::SecretText;

/// A text that must not be seen.
fn secret<'de, D: Deserializer<'de>>(input: D) -> Result<SecretText, D::Error> {
    String::deserialize(input).map(SecretText::new)
}

/// The same, where it may be missing.
fn maybe_secret<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SecretText>, D::Error> {
    Ok(Option::<String>::deserialize(input)?.map(SecretText::new))
}
