//! Branches of a Neon project.

use serde_json::{Value, json};

use super::{blank, keep_data, place};
use crate::desired::app::Defaults;
use crate::desired::graph::Object;
use crate::desired::resolver::Resolver;
use crate::resource::{ObjectKind, Provider};
use crate::spec::neon::NeonBranch;

/// The longest name of a branch.
const LONGEST_NAME: usize = 256;

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
    let mut object = blank(Provider::Neon, project, ObjectKind::NeonBranch, &name, &part, &part);
    object.adopt = branch.adopt;
    object.protect = defaults.protect;
    keep_data(&mut object, branch.deletion_policy, defaults);
    let compute = branch.compute.clone().unwrap_or_default();
    let fields: [(&str, Option<Value>); 9] = [
        ("parent", parent.map(Value::from)),
        ("schemaOnly", branch.schema_only.then_some(Value::Bool(true))),
        ("expiresSeconds", branch.expires.map(|expires| json!(expires.to_std().as_secs()))),
        ("database", database.map(Value::from)),
        ("role", role.map(Value::from)),
        ("minCu", compute.min.map(Value::from)),
        ("maxCu", compute.max.map(Value::from)),
        ("suspendSeconds", compute.suspend.map(|suspend| json!(suspend.to_std().as_secs()))),
        ("protected", branch.protected.map(Value::from)),
    ];
    object.fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if let Some(reset) = branch.reset.filter(|reset| *reset > 0) {
        object.fields.insert("reset".to_owned(), json!(reset));
    }
    object.on_creation = ["parent", "schemaOnly", "expiresSeconds"].map(str::to_owned).into();
    Some(object)
}
