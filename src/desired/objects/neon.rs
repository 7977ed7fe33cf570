//! Branches of a Neon project.

use chrono::SecondsFormat;
use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{blank, keep_data, place};
use crate::desired::app::Defaults;
use crate::desired::graph::Object;
use crate::desired::resolver::{Place, Resolver};
use crate::resource::object::Fields;
use crate::resource::{ObjectKind, Provider};
use crate::spec::neon::{NeonBranch, NeonRestore};

/// The longest name of a branch.
const LONGEST_NAME: usize = 256;

/// What a restore needs to know, beside the sentence about it that a plan shows.
const HOW_RESTORED: &str = "howRestored";

/// The branches that the environment asks for.
pub(super) fn build(resolver: &mut Resolver<'_>, defaults: Defaults) -> Vec<Object> {
    let Some(neon) = resolver.environment.spec.neon.clone() else { return Vec::new() };
    let Some(project) = resolver.fill_plain(&neon.project, place("neon", "/spec/neon/project")) else {
        return Vec::new();
    };
    let branches = neon.branches.iter();
    branches.filter_map(|(component, branch)| build_branch(resolver, &project, component, branch, defaults)).collect()
}

fn build_branch(
    resolver: &mut Resolver<'_>,
    project: &str,
    component: &str,
    branch: &NeonBranch,
    defaults: Defaults,
) -> Option<Object> {
    let part = format!("neon.{component}");
    let pointer = |field: &str| format!("/spec/neon/branches/{component}/{field}");
    let text = |resolver: &mut Resolver<'_>, field: &str, text: &Option<String>| -> Option<Option<String>> {
        match text {
            None => Some(None),
            Some(text) => resolver.fill_known(text, place(&part, pointer(field))).map(Some),
        }
    };
    let name = text(resolver, "name", &branch.name)?
        .unwrap_or_else(|| format!("{}-{component}", resolver.environment.metadata.name));
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        let message =
            format!("Neon would refuse the branch name `{name}`: it has between 1 and {LONGEST_NAME} characters");
        resolver.error(&place(&part, pointer("name")), message, None);
        return None;
    }
    let parent = text(resolver, "parent", &branch.parent)?;
    let database = text(resolver, "database", &branch.database)?;
    let role = text(resolver, "role", &branch.role)?;
    let databases = names(resolver, &branch.databases, &part, &pointer("databases"))?;
    let roles = names(resolver, &branch.roles, &part, &pointer("roles"))?;
    if !databases.is_empty() && (database.is_none() || role.is_none()) {
        let help = "add `database: …`, which may be one of them, and `role: …`, whose all of them are".to_owned();
        let message = "which database do others use, and whose are these?";
        resolver.error(&place(&part, pointer("databases")), message, Some(help));
        return None;
    }
    let mut object = blank(Provider::Neon, project, ObjectKind::NeonBranch, &name, &part, &part);
    object.adopt = branch.adopt;
    object.protect = defaults.protect;
    keep_data(&mut object, branch.deletion_policy, defaults);
    let compute = branch.compute.clone().unwrap_or_default();
    let fields: [(&str, Option<Value>); 10] = [
        ("databases", (!databases.is_empty()).then(|| json!(databases))),
        ("roles", (!roles.is_empty()).then(|| json!(roles))),
        ("parent", parent.map(Value::from)),
        ("schemaOnly", branch.schema_only.then_some(Value::Bool(true))),
        ("database", database.map(Value::from)),
        ("role", role.map(Value::from)),
        ("minCu", compute.min.map(Value::from)),
        ("maxCu", compute.max.map(Value::from)),
        ("suspendSeconds", compute.suspend.map(|suspend| json!(suspend.to_std().as_secs()))),
        ("protected", branch.protected.map(Value::from)),
    ];
    object.fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if let Some(restore) = &branch.restore {
        object.fields.extend(restored(resolver, restore, &name, &place(&part, pointer("restore")))?);
        object.on_creation.insert(HOW_RESTORED.to_owned());
    }
    if let Some(reset) = &branch.reset {
        let filled = resolver.fill_known(reset.as_str(), place(&part, pointer("reset")))?;
        if let Some(reset) = which_reset(&filled) {
            object.fields.insert("reset".to_owned(), json!(reset));
        }
    }
    object.on_creation.extend(["parent", "schemaOnly"].map(str::to_owned));
    if !branch.adopt {
        // Neon deletes it then. What is to stay gets no end, and loses one that it has; when others' branches end is for others to say.
        let stays = object.retain || object.protect || branch.protected == Some(true);
        let expires = branch.expires.filter(|_| !stays).map(|expires| json!(expires.to_std().as_secs()));
        object.fields.insert("expiresSeconds".to_owned(), expires.unwrap_or_default());
    }
    Some(object)
}

/// What further things of a branch are called.
fn names(resolver: &mut Resolver<'_>, texts: &[String], part: &str, pointer: &str) -> Option<BTreeSet<String>> {
    let texts = texts.iter().enumerate();
    texts.map(|(index, text)| resolver.fill_known(text, place(part, format!("{pointer}/{index}")))).collect()
}

/// The number that a reset is marked by: there is no room for more where branches are marked. 0, or an empty text, asks for none.
fn which_reset(text: &str) -> Option<u32> {
    match text.trim() {
        "" => None,
        text => text.parse().map_or_else(|_no_number| Some(hashed(text)), |number| (number > 0).then_some(number)),
    }
}

fn hashed(text: &str) -> u32 {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

/// The fields of a restore: what a plan says of it, and what it is done with.
fn restored(resolver: &mut Resolver<'_>, written: &NeonRestore, name: &str, at: &Place) -> Option<Fields> {
    let backup = resolver
        .fill_known(&written.backup_name, Place { pointer: format!("{}/backupName", at.pointer), ..at.clone() })?;
    let mut wrong = |message: &str| {
        resolver.error(at, message, None);
        None
    };
    if backup.is_empty() || backup.chars().count() > LONGEST_NAME {
        return wrong(&format!(
            "Neon would refuse the `backupName` `{backup}`: it has between 1 and {LONGEST_NAME} characters"
        ));
    }
    if backup == name {
        return wrong("`backupName` has to be another name than the branch has: both are there afterwards");
    }
    let (moment, how) = match (written.to, &written.lsn) {
        (Some(to), None) => {
            let to = to.to_rfc3339_opts(SecondsFormat::Secs, true);
            (to.clone(), json!({"to": to}))
        }
        (None, Some(lsn)) if is_lsn(lsn) => (format!("LSN {lsn}"), json!({"lsn": lsn})),
        (None, Some(_)) => {
            return wrong("`lsn` is two hexadecimal numbers with a slash between them, for example `0/1E88A40`");
        }
        _ => return wrong("a branch is restored to a moment: write either `to` or `lsn`"),
    };
    let mut how = how;
    if let Some(how) = how.as_object_mut() {
        how.insert("backupName".to_owned(), json!(backup));
        how.insert("reparentChildren".to_owned(), json!(written.reparent_children));
    }
    let children = if written.reparent_children { "; branches made from it move there" } else { "" };
    let said = format!(
        "as it was at {moment}; what it is now goes on as branch `{backup}`, from which it hangs then, and which Hangar never deletes{children}"
    );
    Some(Fields::from([("restore".to_owned(), json!(said)), (HOW_RESTORED.to_owned(), how)]))
}

/// Whether a text is a place in a log.
fn is_lsn(text: &str) -> bool {
    let is_hex = |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit());
    text.split_once('/').is_some_and(|(high, low)| is_hex(high) && is_hex(low))
}
