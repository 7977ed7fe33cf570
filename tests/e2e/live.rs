//! The live state in a form in which two runs that took different ways can be compared.

use std::collections::BTreeMap;

use hangar::sim::Simulator;
use serde_json::Value;

/// Metadata that says when and by whom something was written, and so differs between runs.
const VOLATILE: [&str; 3] = ["hangar_launch", "hangar_writer", "hangar_secrets_version"];

/// Everything that is there, one line per object, without ids, moments and versions.
pub(crate) fn live(sim: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    for app in sim.apps() {
        let name = app.name.as_str();
        lines.push(format!("app {name} in {} on {:?} {}", app.org, app.network, app.status));
        let secrets = sim.secret_names(name);
        lines.extend(
            secrets.iter().map(|secret| format!("{name} secret {secret}={:?}", sim.secret_value(name, secret))),
        );
        let volumes = sim.volumes(name);
        let mut of_app: Vec<String> = volumes
            .iter()
            .filter(|volume| volume.state == "created")
            .map(|volume| {
                let attached = volume.attached_machine.is_some();
                format!("{name} volume {} {} {} GB attached={attached}", volume.name, volume.region, volume.size_gb)
            })
            .collect();
        of_app.extend(sim.ips(name).iter().map(|ip| format!("{name} ip {}", ip.kind)));
        of_app.extend(
            sim.certificates(name).iter().map(|certificate| format!("{name} certificate {}", certificate.hostname)),
        );
        // And where a value is minted by Neon, not even they do: two runs get two values.
        let holds_minted =
            |secret: &String| sim.secret_value(name, secret).is_some_and(|value| value.contains("postgresql://"));
        let until = if secrets.iter().any(holds_minted) { '=' } else { '.' };
        for machine in sim.machines(name) {
            let mut config = machine.config.clone();
            if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|key, _| !VOLATILE.contains(&key.as_str()));
                // Fly salts the digests of each app, so only our own fingerprints say something.
                if let Some(record) = metadata.get_mut("hangar_secrets") {
                    let secrets = record.as_str().unwrap().split(',');
                    let secrets: Vec<&str> = secrets.map(|secret| secret.split(until).next().unwrap()).collect();
                    *record = secrets.join(",").into();
                }
            }
            if let Some(mount) = config.pointer_mut("/mounts/0/volume") {
                let is_there = volumes.iter().any(|volume| *mount == *volume.id);
                *mount = format!("a volume, there={is_there}").into();
            }
            let taken: BTreeMap<&String, _> =
                secrets.iter().map(|secret| (secret, sim.live_secret_value(name, &machine.id, secret))).collect();
            of_app.push(format!(
                "{name} machine {} {} {} {} leased={} {config} {taken:?}",
                machine.name, machine.region, machine.state, machine.digest, machine.leased
            ));
        }
        of_app.sort();
        lines.extend(of_app);
    }
    lines.extend(branches(sim));
    let minted = minted(sim);
    let named = |line: String| minted.iter().fold(line, |line, (text, name)| line.replace(text, name));
    lines.into_iter().map(named).collect()
}

/// The branches at Neon, one line each.
fn branches(sim: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    for project in sim.neon_projects() {
        let neon = sim.neon(&project);
        let all = neon.branches();
        for branch in &all {
            let parent = all.iter().find(|other| Some(&other.id) == branch.parent.as_ref()).map(|other| &other.name);
            let computes = neon.endpoints(&branch.id);
            let computes: Vec<_> = computes
                .iter()
                .map(|compute| (&compute.name, &compute.kind, compute.sizes, compute.suspend_seconds))
                .collect();
            lines.push(format!(
                "{project} branch {} of {parent:?} {} protected={} expires={} {:?} {:?} {:?} reset={} {computes:?}",
                branch.name,
                branch.state,
                branch.protected,
                branch.expires_at.is_some(),
                branch.roles,
                branch.databases,
                branch.annotation,
                branch.last_reset_at.is_some(),
            ));
        }
    }
    lines
}

/// What Neon mints, each with words that say what it is.
fn minted(sim: &Simulator) -> Vec<(String, String)> {
    let mut minted = Vec::new();
    for project in sim.neon_projects() {
        let neon = sim.neon(&project);
        for branch in neon.branches() {
            let name = &branch.name;
            minted.extend(
                neon.endpoints(&branch.id)
                    .into_iter()
                    .map(|compute| (compute.id, format!("<{} compute of {name}>", compute.kind))),
            );
            let passwords = branch.roles.iter().filter_map(|role| Some((role, neon.password(&branch.id, role)?)));
            minted.extend(
                passwords
                    .map(|(role, password)| (password.expose().to_owned(), format!("<password of {role} at {name}>"))),
            );
        }
    }
    minted
}
