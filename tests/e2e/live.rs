//! The live state in a form in which two runs that took different ways can be compared.

use std::collections::BTreeMap;

use hangar::sim::Simulator;
use serde_json::Value;

/// Metadata that says when and by whom something was written, and so differs between runs.
const VOLATILE: [&str; 3] = ["hangar_launch", "hangar_writer", "hangar_secrets_version"];

/// Everything that is there, one line per object, without ids, moments and versions.
pub(crate) fn live(sim: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    let minted = minted(sim);
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
        // And where a value is minted by another provider, not even they do: two runs get two values.
        let holds_minted = |secret: &String| {
            let value = sim.secret_value(name, secret);
            value.is_some_and(|value| minted.iter().any(|(text, _)| value.contains(text.as_str())))
        };
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
    lines.extend(projects(sim, &minted));
    lines.extend(clusters(sim));
    lines.extend(previews_at_supabase(sim));
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
            // What was put aside is named after the moment, and is nobody's: a compute that a killed run has left there sleeps.
            let put_aside = branch.name.split_once("-before-deletion-");
            let name = put_aside.map_or(branch.name.as_str(), |(name, _moment)| name);
            let aside = if put_aside.is_some() { " put aside" } else { "" };
            let computes = neon.endpoints(&branch.id);
            let computes: Vec<_> = computes
                .iter()
                .filter(|_| put_aside.is_none())
                .map(|compute| (&compute.name, &compute.kind, compute.sizes, compute.suspend_seconds))
                .collect();
            lines.push(format!(
                "{project} branch {name}{aside} of {parent:?} {} protected={} expires={} {:?} {:?} {:?} reset={} {computes:?}",
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

/// What is in Vercel projects: variables, domains and secrets, one line each, and of the deployments of each branch the newest. How many
/// there were before it depends on when variables were written; that none is doubled is an invariant.
fn projects(sim: &Simulator, minted: &[(String, String)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (team, project) in sim.vercel_projects() {
        let vercel = sim.vercel(&team, &project);
        let mut of_project: Vec<String> = Vec::new();
        for one in vercel.variables() {
            let place = (&one.kind, &one.target, &one.branch);
            // Where a value is minted by another provider, its fingerprint says nothing: two runs get two values.
            let is_minted = minted.iter().any(|(text, _)| one.value.contains(text.as_str()));
            let comment = one.comment.as_deref().unwrap_or_default();
            let comment = comment.rsplit_once(' ').filter(|_| is_minted).map_or(comment, |(said, _)| said);
            of_project.push(format!("variable {} {place:?} {:?} {comment:?}", one.key, one.value));
        }
        let domains = vercel.domains();
        of_project.extend(domains.iter().map(|one| format!("domain {} {:?} {}", one.name, one.branch, one.verified)));
        of_project.extend(vercel.bypasses().values().map(|note| format!("bypass {note:?}")));
        let deployments = vercel.deployments().into_iter().filter(|one| one.state != "DELETED");
        let newest: BTreeMap<_, _> = deployments.map(|one| (one.branch.clone(), one)).collect();
        let production = vercel.production();
        let live = vercel.deployments().into_iter().find(|one| Some(&one.id) == production.as_ref());
        of_project.push(format!("production has {:?}", live.and_then(|one| one.sha)));
        for (alias, id) in vercel.aliases() {
            let leads_to = newest.values().find(|one| one.id == id).map(|one| &one.branch);
            of_project.push(format!("alias {alias} leads to the newest of {leads_to:?}"));
        }
        for (branch, one) in newest {
            let named = |host: &&String| domains.iter().any(|domain| domain.name == **host);
            let shown: std::collections::BTreeSet<&String> = one.hosts.iter().filter(named).collect();
            // What it was built with, of what there still is; marks say something else each time.
            let of_branch = vercel.variables().into_iter().filter(|variable| variable.branch == branch);
            let known: std::collections::BTreeSet<String> = of_branch.map(|variable| variable.key).collect();
            let is_shown = |key: &String| known.contains(key) && !key.starts_with("HANGAR_");
            let env: BTreeMap<_, _> = one.env.iter().filter(|(key, _)| is_shown(key)).collect();
            of_project.push(format!("deployment of {branch:?} {} {} {shown:?} {env:?}", one.state, one.production));
        }
        of_project.sort();
        lines.extend(of_project.into_iter().map(|line| format!("{team}/{project} {line}")));
    }
    lines
}

/// The clusters of Managed Postgres, one line each.
fn clusters(sim: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    for org in sim.cluster_orgs() {
        let clusters = sim.clusters(&org).into_iter().filter(|cluster| cluster.status != "deleting");
        let mut of_org: Vec<String> = Vec::new();
        for one in clusters {
            // A line for each thing: of what several share, each has its own.
            let within = |what: String| format!("cluster {} in {org}: {what}", one.name);
            // A run that is killed after a backup begins another one.
            of_org.push(within(format!("{} {} backups={}", one.region, one.status, one.backups > 0)));
            of_org.extend(one.attached_apps.iter().map(|app| within(format!("{app} is attached"))));
            of_org.extend(one.databases.iter().map(|database| within(format!("database {database}"))));
            of_org.extend(one.roles.iter().map(|(user, role)| within(format!("user {user} {role}"))));
        }
        of_org.sort();
        lines.extend(of_org);
    }
    lines
}

/// The branches at Supabase, one line each. What follows their names says when something was noted, and so differs between runs.
fn previews_at_supabase(sim: &Simulator) -> Vec<String> {
    let mut lines = Vec::new();
    for project in sim.supabase_projects() {
        for branch in sim.supabase_branches(&project) {
            let mut parts = branch.name.split('.');
            let name = parts.next().unwrap_or_default();
            let marks: Vec<_> = parts.filter_map(|mark| mark.chars().next()).collect();
            // How far it is once it can be used is a matter of time alone.
            let is_up = ["MIGRATIONS_PASSED", "FUNCTIONS_DEPLOYED"].contains(&branch.status.as_str());
            let (git, status) = (&branch.git_branch, if is_up { "up" } else { branch.status.as_str() });
            lines.push(format!("{project} branch {name} {marks:?} of {git:?} {status} {}", branch.persistent));
        }
    }
    lines.sort();
    lines
}

/// What Neon, Vercel, Supabase and Managed Postgres mint, each with words that say what it is.
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
    for (team, project) in sim.vercel_projects() {
        let vercel = sim.vercel(&team, &project);
        minted
            .extend(vercel.bypasses().into_iter().map(|(secret, note)| (secret, format!("<bypass secret {note:?}>"))));
        let deployments = vercel.deployments();
        let deployments: Vec<_> = deployments.iter().filter(|one| one.state != "DELETED").collect();
        for (index, one) in deployments.iter().enumerate() {
            let is_newest = deployments.iter().skip(index + 1).all(|later| later.branch != one.branch);
            let which = if is_newest { "newest" } else { "former" };
            minted.push((one.host.clone(), format!("<host of the {which} deployment of {:?}>", one.branch)));
        }
    }
    for project in sim.supabase_projects() {
        for branch in sim.supabase_branches(&project) {
            let name = branch.name.split('.').next().unwrap_or_default().to_owned();
            let password = sim.supabase_password(&branch.reference);
            minted.extend(password.map(|password| (password, format!("<password of {name}>"))));
            minted.push((branch.reference, format!("<reference of {name}>")));
        }
    }
    for org in sim.cluster_orgs() {
        for cluster in sim.clusters(&org) {
            for user in cluster.roles.keys() {
                let password = sim.cluster_password(&cluster.id, user);
                minted.extend(password.map(|password| (password, format!("<password of {user} at {}>", cluster.name))));
            }
            minted.push((cluster.id, format!("<cluster {}>", cluster.name)));
        }
    }
    minted
}
