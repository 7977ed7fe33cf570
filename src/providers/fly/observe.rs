//! How Fly is observed: bulk listings of an organization, and details app by app. Reads only.

use std::collections::BTreeMap;

use futures::StreamExt as _;

use super::client::{AppLookup, Class, FlyError, FlyProblem, FlyReader};
use super::convert;
use crate::clock::SharedClock;
use crate::desired::Completeness;
use crate::observed::{AppDetail, AppRow, ByApp, Listing, Machine, Presence, Reading, Scope};
use crate::resource::marker::network_slot;
use crate::resource::{AppName, OrgSlug, OwnerId};

/// How many apps are read at the same time. Fly's limits are per app, so this only bounds our own sockets.
const APPS_AT_ONCE: usize = 8;

/// What is to be read of an app beyond the listings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// Its certificates too: one or more pages.
    pub certificates: bool,
    /// Its secrets at this vault version or later: the newest that a marker on one of its machines speaks of.
    pub secrets_version: Option<u64>,
}

/// Lists one organization in bulk: its apps, machines and volumes, in as many requests as there are pages.
pub async fn list(reader: &FlyReader, clock: &SharedClock, org: &OrgSlug) -> Scope {
    let started_at = clock.now();
    let (apps, machines, volumes) =
        futures::join!(reader.apps(org.as_str()), reader.org_machines(org.as_str()), reader.org_volumes(org.as_str()));
    let out_of_reach = apps.as_ref().err().filter(|error| !is_worth_waiting(error));
    let out_of_reach = out_of_reach.map(|error| format!("{error}; {}", error.advice()));
    let apps = match apps {
        Ok(apps) => Listing {
            items: apps.into_iter().map(convert::app).collect(),
            completeness: Completeness::Complete,
            started_at,
        },
        Err(error) => failed(&error, started_at),
    };
    let machines = match machines {
        Ok(listing) => convert::listing(listing, convert::org_machine),
        Err(error) => failed(&error, started_at),
    };
    let volumes = match volumes {
        Ok(listing) => convert::listing(listing, |volume| {
            let app = AppName::new(volume.app_name);
            convert::volume(&app, volume.volume)
        }),
        Err(error) => failed(&error, started_at),
    };
    Scope { apps, machines, volumes, details: BTreeMap::new(), out_of_reach }
}

/// Whether the same request may be answered in some seconds. No connection has been tried several times by now.
fn is_worth_waiting(error: &FlyError) -> bool {
    matches!(error.class(), Class::Transient | Class::Unknown)
        && !matches!(error.problem(), FlyProblem::NoConnection { .. })
}

/// Reads the details of every app in `wanted`, and of every app that only its details can show to be ours: no machine in it carries
/// our marker.
pub async fn read_details(
    reader: &FlyReader,
    clock: &SharedClock,
    owner: &OwnerId,
    scope: &mut Scope,
    wanted: &BTreeMap<AppName, Wish>,
) {
    let mut wishes = wanted.clone();
    let listed = ByApp::of(scope);
    for row in &scope.apps.items {
        let machines = listed.machines(&row.name);
        let has_none = machines.is_empty();
        let has_ours = machines.iter().any(|machine| machine.owned_by(owner).is_some());
        let has_our_network = network_slot(owner, &row.network).is_some();
        if !has_ours && (has_our_network || (has_none && scope.machines.completeness.is_complete())) {
            wishes.entry(row.name.clone()).or_default();
        }
    }
    for machine in &scope.machines.items {
        // Certificates that the spec no longer has are still to be removed.
        if let (Some(wish), Some(marker)) = (wishes.get_mut(&machine.app), machine.owned_by(owner)) {
            wish.certificates |= !marker.certificates.is_empty();
            wish.secrets_version = wish.secrets_version.max(version_taken(machine, owner));
        }
    }
    let (apps, listed) = (&scope.apps, &listed);
    let details = futures::stream::iter(wishes)
        .map(|(app, wish)| async move {
            let row = listed.rows(&app).first().copied();
            let detail = detail(reader, clock, owner, &app, row, apps.completeness.is_complete(), wish).await;
            (app, detail)
        })
        .buffered(APPS_AT_ONCE)
        .collect()
        .await;
    scope.details = details;
}

/// Reads one app. `sees_org` says whether the token is known to see the organization, without which a 404 proves nothing.
async fn detail(
    reader: &FlyReader,
    clock: &SharedClock,
    owner: &OwnerId,
    app: &AppName,
    row: Option<&AppRow>,
    sees_org: bool,
    wish: Wish,
) -> AppDetail {
    let presence = match row {
        Some(row) => Presence::Here(row.clone()),
        None => presence(reader, clock, app, sees_org).await,
    };
    if !matches!(presence, Presence::Here(_)) {
        return unread(presence);
    }
    let started_at = clock.now();
    let name = app.as_str();
    let certificates = async { if wish.certificates { Some(reader.certificates(name).await) } else { None } };
    let (machines, volumes, secrets, ips, certificates) = futures::join!(
        reader.machines(name),
        reader.volumes(name),
        reader.secrets(name, wish.secrets_version),
        reader.ips(name),
        certificates
    );
    if machines.as_ref().is_err_and(FlyError::is_not_found) && row.is_some() {
        // The listing showed it, and it is not there: it was deleted a moment ago, and only a direct request can tell.
        return unread(self::presence(reader, clock, app, sees_org).await);
    }
    let machines: Result<Vec<Machine>, FlyError> =
        machines.map(|all| all.into_iter().map(|machine| convert::machine(app, machine)).collect());
    let newest = machines.iter().flatten().filter_map(|machine| version_taken(machine, owner)).max();
    // The organization's listing was behind, and so the list of secrets may be.
    let secrets = if newest > wish.secrets_version { reader.secrets(name, newest).await } else { secrets };
    let known = |value| Reading::Known { value, started_at };
    AppDetail {
        presence,
        machines: machines.map_or_else(|error| unknown(&error), |value| Reading::Known { value, started_at }),
        volumes: volumes.map_or_else(
            |error| unknown(&error),
            |all| Reading::Known {
                value: all.into_iter().map(|volume| convert::volume(app, volume)).collect(),
                started_at,
            },
        ),
        secrets: secrets.map_or_else(
            |error| unknown(&error),
            |all| Reading::Known { value: all.into_iter().map(convert::secret).collect(), started_at },
        ),
        ips: ips.map_or_else(
            |error| unknown(&error),
            |all| Reading::Known { value: all.into_iter().filter_map(convert::ip).collect(), started_at },
        ),
        certificates: match certificates {
            None => Reading::Unknown { reason: "not asked for".to_owned() },
            Some(Err(error)) => unknown(&error),
            Some(Ok(all)) => known(all.into_iter().map(convert::certificate).collect()),
        },
    }
}

/// The vault version that a machine of ours was last given. A clone may have brought the marker of another app, whose vault has
/// versions of its own.
fn version_taken(machine: &Machine, owner: &OwnerId) -> Option<u64> {
    let marker = machine.owned_by(owner)?;
    marker.secrets_version.filter(|_| marker.app == machine.app)
}

async fn presence(reader: &FlyReader, clock: &SharedClock, app: &AppName, sees_org: bool) -> Presence {
    let started_at = clock.now();
    match reader.app(app.as_str()).await {
        Ok(AppLookup::Ours(found)) => Presence::Here(convert::app(found)),
        Ok(AppLookup::Elsewhere) => Presence::Elsewhere,
        Ok(AppLookup::Free) if sees_org => Presence::Absent { started_at },
        Ok(AppLookup::Free) => Presence::Unknown {
            reason: "Fly says that it does not exist, but whether the token sees the organization is not known"
                .to_owned(),
        },
        Err(error) => Presence::Unknown { reason: error.to_string() },
    }
}

fn unread(presence: Presence) -> AppDetail {
    fn none<T>(presence: &Presence) -> Reading<T> {
        let reason = match presence {
            Presence::Unknown { .. } => "whether the app is there cannot be told",
            Presence::Here(_) | Presence::Elsewhere | Presence::Absent { .. } => "the app is not there",
        };
        Reading::Unknown { reason: reason.to_owned() }
    }
    AppDetail {
        machines: none(&presence),
        volumes: none(&presence),
        secrets: none(&presence),
        ips: none(&presence),
        certificates: none(&presence),
        presence,
    }
}

fn unknown<T>(error: &FlyError) -> Reading<T> {
    Reading::Unknown { reason: error.to_string() }
}

fn failed<T>(error: &FlyError, started_at: chrono::DateTime<chrono::Utc>) -> Listing<T> {
    Listing { items: Vec::new(), completeness: Completeness::Incomplete { reason: error.to_string() }, started_at }
}
