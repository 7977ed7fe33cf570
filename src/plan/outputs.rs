//! The outputs of an environment that are known from what was observed.

use serde_json::Value;

use crate::desired::Environment;
use crate::observed::Observed;
use crate::resource::output::{Outputs, volume_id_path};
use crate::resource::{IpKind, OwnerId};

/// The outputs of everything in `env` that already exists: addresses, and the ids of volumes that are mounted in their slots.
pub(super) fn of_environment(env: &Environment, observed: &Observed, owner: &OwnerId) -> Outputs {
    let mut outputs = Outputs::new();
    for app in &env.apps {
        let Some(detail) = observed.detail(env.org.as_ref(), &app.name) else {
            continue;
        };
        for ip in detail.ips.known().into_iter().flatten() {
            if let Some(kind) = ip.kind {
                outputs.entry(ip_path(app.component.as_str(), kind)).or_insert_with(|| ip.address.as_str().into());
            }
        }
        for machine in detail.machines.known().into_iter().flatten().filter(|machine| machine.is_live()) {
            let Some(marker) = machine.owned_by(owner) else {
                continue;
            };
            let mounts =
                machine.config.as_ref().and_then(|config| config.get("mounts")).and_then(|mounts| mounts.as_array());
            let Some(mount) = mounts.and_then(|mounts| mounts.first()) else { continue };
            let Some(id) = mount.get("volume").and_then(Value::as_str) else { continue };
            // A mount of another name is another volume: what the slot wants is still to be made.
            let is_it = |name: &str| mount.get("name").is_none_or(|mounted| mounted.as_str() == Some(name));
            let wanted = app.volumes.iter().filter(|volume| volume.slot.machine == marker.slot);
            for volume in wanted.filter(|volume| is_it(&volume.slot.name)) {
                outputs.insert(volume_id_path(app.component.as_str(), &volume.slot), id.into());
                outputs
                    .entry(format!("fly.{}.volumes.{}.id", app.component, volume.slot.name))
                    .or_insert_with(|| id.into());
            }
        }
    }
    for object in &env.objects {
        let live = observed.object(&object.key).filter(|live| object.adopt || live.is_of(owner, &env.name));
        for (name, value) in live.into_iter().flat_map(|live| &live.outputs) {
            outputs.insert(format!("{}.{name}", object.component), value.clone());
        }
    }
    outputs
}

/// The path of an address.
pub(super) fn ip_path(component: &str, kind: IpKind) -> String {
    format!("fly.{component}.ips.{}", kind.expression_name())
}
