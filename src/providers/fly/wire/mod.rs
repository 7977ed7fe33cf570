//! What the Machines API sends, as types.
//!
//! Lenient on purpose: unknown fields are ignored, `null` and missing mean the same, an unknown state is kept as text. Only what a
//! decision hangs on (ids, names of machines and volumes) must be there, so that a strange answer is an error and not an empty list.

mod app;
mod certificate;
mod lease;
mod machine;
mod org;
mod postgres;
mod secrets;
mod volume;

pub use app::{App, AppOrganization, AppStatus, IpAssignment, IpNetwork, IpPair, Region};
pub(in crate::providers::fly) use app::{AppsAnswer, CreatedApp, IpsAnswer, RegionsAnswer};
pub(in crate::providers::fly) use certificate::CertificatesAnswer;
pub use certificate::{
    AcmeChallenge, Certificate, CertificateSummary, CertificateValidation, DnsRequirements, Ownership, ValidationError,
};
pub(in crate::providers::fly) use lease::LeaseAnswer;
pub use lease::{Lease, LeaseHolder};
pub use machine::{
    CheckState, CheckStatus, ExitEvent, HostStatus, ImageRef, Machine, MachineEvent, MachineState, WaitResponse,
};
pub use org::{OrgMachine, OrgVolume};
pub(in crate::providers::fly) use org::{OrgMachinesPage, OrgVolumesPage};
pub(in crate::providers::fly) use postgres::Data;
pub use postgres::{
    Cluster, ClusterApp, ClusterBackup, ClusterCredentials, ClusterDatabase, ClusterEndpoint, ClusterEndpoints,
    ClusterNode, ClusterStatus, ClusterSummary, ClusterUser,
};
pub use secrets::{SecretDigest, SecretsVersion};
pub(in crate::providers::fly) use secrets::{SecretsAnswer, SecretsChanged};
pub(in crate::providers::fly) use volume::ExtendAnswer;
pub use volume::{Volume, VolumeSnapshot, VolumeState};

#[cfg(test)]
mod tests;
