//! The objects of Vercel's API, as far as Hangar looks at them. What is not known is passed over.

mod alias;
mod deployment;
mod domain;
mod lenient;
mod project;
mod variable;

pub(super) use alias::AssignedAnswer;
pub use alias::{Alias, AssignedAlias};
pub use deployment::{Deployment, DeploymentRow, EnvironmentOf, GitCommit, LogLine, Progress, ReadyState};
pub use domain::{DomainProof, ProjectDomain};
pub(super) use lenient::Pagination;
pub(super) use project::BypassAnswer;
pub use project::{AliasJob, AliasRequest, BypassSecret, CustomEnvironment, ProductionTarget, Project, RepoLink, User};
pub use variable::{FailedVariable, Upserted, Variable, VariableKind};
pub(super) use variable::{OneOrMany, UpsertAnswer, VariablesAnswer};
