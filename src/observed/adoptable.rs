//! What keeps an app that somebody else has left from being marked as ours: read when it is planned, and again just before it is done.

use super::{AppRow, Machine, Secret};
use crate::resource::marker::{PREFIX, PROTECTED_SECRET, RETAINED_SECRET, app_marker_secret};
use crate::resource::{EnvName, OwnerId};

/// The component that the marks on adopted machines name.
pub const ADOPTED: &str = "adopted";

/// How the names of networks and secrets begin by which a controller marks an app, whoever's it is.
const NETWORKS: &str = "hangar-";
const MARKS: &str = "HANGAR_OWNED_";

/// What keeps an app, as it was read just now, from being adopted for `owner` as environment `env`.
pub fn problem_with_adopting(
    app: &AppRow,
    machines: &[Machine],
    secrets: &[Secret],
    owner: &OwnerId,
    env: &EnvName,
) -> Option<String> {
    let problem = mark_of_another(app, machines.iter(), secrets, owner, env);
    problem.or_else(|| is_to_stay(machines.iter(), secrets).then(|| "it is protected".to_owned()))
}

/// What on an app says that it is a controller's, or may be. An earlier attempt to adopt it does not count, nor does a mark of ours
/// that a copy of a machine has brought along: it names another machine.
pub fn mark_of_another<'m>(
    app: &AppRow,
    machines: impl Iterator<Item = &'m Machine>,
    secrets: &[Secret],
    owner: &OwnerId,
    env: &EnvName,
) -> Option<String> {
    if app.network.starts_with(NETWORKS) {
        return Some(format!("its network `{}` is a controller's", app.network));
    }
    let own = app_marker_secret(owner, &app.name);
    if let Some(secret) = secrets.iter().find(|secret| secret.name.starts_with(MARKS) && secret.name != own) {
        return Some(format!("its secret `{}` is another owner's mark", secret.name));
    }
    machines.into_iter().filter(|machine| machine.is_live()).find_map(|machine| match &machine.marker {
        Some(Ok(marker)) if marker.owner != *owner => {
            Some(format!("machine {} carries the mark of owner {}", machine.id, marker.owner))
        }
        Some(Err(error)) => Some(format!("machine {}: {error}", machine.id)),
        Some(Ok(_)) => {
            let marker = machine.owned_by(owner)?;
            let is_attempt = marker.env == *env && marker.component.as_str() == ADOPTED;
            (!is_attempt).then(|| format!("machine {} is of environment `{}`", machine.id, marker.env))
        }
        None => None,
    })
}

/// Whether something on an app says that it is to stay.
pub fn is_to_stay<'m>(mut machines: impl Iterator<Item = &'m Machine>, secrets: &[Secret]) -> bool {
    let keys = [format!("{PREFIX}protect"), format!("{PREFIX}retain")];
    machines.any(|machine| keys.iter().any(|key| machine.metadata.contains_key(key)))
        || secrets.iter().any(|secret| [PROTECTED_SECRET, RETAINED_SECRET].contains(&secret.name.as_str()))
}
