//! What cannot be put aside before it is deleted, and why: `deletionPolicy: snapshot` is refused there with the reason.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::environment::{DataDeletionPolicy, DeletionPolicy};

/// What to do instead.
const INSTEAD: &str = "use `retain`, or a finalizer that copies the data somewhere else";

/// The policy of a volume.
pub(super) fn of_volume<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeletionPolicy>, D::Error> {
    read(
        deserializer,
        "Fly deletes the snapshots of a volume with its app, so one that is taken before would be lost with it",
    )
}

/// The policy of a cluster of Managed Postgres.
pub(super) fn of_cluster<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeletionPolicy>, D::Error> {
    read(
        deserializer,
        "a backup is restored from the cluster that it was made of, so one that is made before goes with it",
    )
}

/// The policy of a branch at Supabase.
pub(super) fn of_supabase<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeletionPolicy>, D::Error> {
    read(deserializer, "Supabase has no call that would keep what is in a branch without the branch")
}

fn read<'de, D: Deserializer<'de>>(deserializer: D, why: &str) -> Result<Option<DeletionPolicy>, D::Error> {
    let given = Option::<DataDeletionPolicy>::deserialize(deserializer)?;
    given
        .map(DataDeletionPolicy::without_snapshot)
        .transpose()
        .map_err(|NoSnapshot| D::Error::custom(format!("`snapshot` is not possible here: {why}\n{INSTEAD}")))
}

/// That it asks for data to be put aside.
struct NoSnapshot;

impl DataDeletionPolicy {
    fn without_snapshot(self) -> Result<DeletionPolicy, NoSnapshot> {
        match self {
            Self::Delete => Ok(DeletionPolicy::Delete),
            Self::Retain => Ok(DeletionPolicy::Retain),
            Self::Snapshot => Err(NoSnapshot),
        }
    }
}
