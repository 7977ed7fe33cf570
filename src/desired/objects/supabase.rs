//! Preview branches of a Supabase project.

use serde_json::Value;

use super::supabase_project::project_output;
use super::{blank, is_retained, place};
use crate::desired::app::Defaults;
use crate::desired::graph::Object;
use crate::desired::resolver::{Place, Resolver};
use crate::resource::own_name::own_name;
use crate::resource::{ObjectKind, Provider};
use crate::spec::positions::child;
use crate::spec::supabase::{SupabaseBranch, SupabaseSpec};

/// How many letters the reference of a project has.
const REFERENCE: usize = 20;
/// The longest name of a branch of ours, before what is noted on it.
const LONGEST_NAME: usize = 63;
/// The sizes that Supabase offers for branches, the smallest first.
const SIZES: [&str; 20] = [
    "pico",
    "nano",
    "micro",
    "small",
    "medium",
    "large",
    "xlarge",
    "2xlarge",
    "4xlarge",
    "8xlarge",
    "12xlarge",
    "16xlarge",
    "24xlarge",
    "24xlarge_optimized_memory",
    "24xlarge_optimized_cpu",
    "24xlarge_high_memory",
    "48xlarge",
    "48xlarge_optimized_memory",
    "48xlarge_optimized_cpu",
    "48xlarge_high_memory",
];

/// The branches that the environment asks for.
pub(super) fn build(resolver: &mut Resolver<'_>, defaults: Defaults) -> Vec<Object> {
    let Some(supabase) = resolver.environment.spec.supabase.clone() else { return Vec::new() };
    for component in supabase.projects.keys() {
        check_project(resolver, &supabase, component);
    }
    if supabase.branches.is_empty() {
        return Vec::new();
    }
    let Some(text) = &supabase.project else {
        let help = Some("add `project`, the reference of the project that they are branches of".to_owned());
        resolver.error(&place("supabase", "/spec/supabase/branches"), "of which project are these branches?", help);
        return Vec::new();
    };
    let Some(project) = reference(resolver, text, &place("supabase", "/spec/supabase/project")) else {
        return Vec::new();
    };
    let branches = supabase.branches.iter();
    branches.filter_map(|(component, branch)| build_branch(resolver, &project, component, branch, defaults)).collect()
}

/// The reference of a project, which is known before anything is made.
pub(super) fn reference(resolver: &mut Resolver<'_>, text: &str, at: &Place) -> Option<String> {
    let project = resolver.fill_known(text, at.clone())?;
    if project.len() == REFERENCE && project.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Some(project);
    }
    let message = format!("`{project}` is not the reference of a project, which has {REFERENCE} lower-case letters");
    let help = "it is in the address of the project: https://supabase.com/dashboard/project/<reference>".to_owned();
    resolver.error(at, message, Some(help));
    None
}

/// Reads what is said of a project that is there, so that mistakes show also where nobody uses it.
fn check_project(resolver: &mut Resolver<'_>, supabase: &SupabaseSpec, component: &str) {
    let part = format!("supabase.{component}");
    if supabase.branches.contains_key(component) {
        let message = format!("`{component}` is a branch already, and both would be `{part}`");
        let at = place(&part, child("/spec/supabase/projects", component));
        resolver.error(&at, message, Some("give it another name".to_owned()));
    } else if let Some(project) = supabase.projects.get(component) {
        for output in ["uri", "pooledUri"] {
            // What is wrong is said by itself.
            let _said =
                resolver.once(&format!("{part}.{output}"), |this| project_output(this, component, project, output));
        }
    }
}

fn build_branch(
    resolver: &mut Resolver<'_>,
    project: &str,
    component: &str,
    branch: &SupabaseBranch,
    defaults: Defaults,
) -> Option<Object> {
    let part = format!("supabase.{component}");
    let pointer = child("/spec/supabase/branches", component);
    let at = |field: &str| place(&part, child(&pointer, field));
    let text = |resolver: &mut Resolver<'_>, field: &str, text: &Option<String>| -> Option<Option<String>> {
        match text {
            None => Some(None),
            Some(text) => resolver.fill_known(text, at(field)).map(Some),
        }
    };
    if !component.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        let message = format!("`{component}` becomes part of a name: it may have letters, digits, `-` and `_` only");
        resolver.error(&place(&part, pointer.clone()), message, None);
        return None;
    }
    let given = text(resolver, "name", &branch.name)?;
    let name = match (given, branch.adopt) {
        (Some(name), true) if !name.is_empty() => name,
        (None, false) => own_name(resolver.secrets.owner, &resolver.environment.metadata.name, component, project),
        (Some(_), false) => {
            let help = "Supabase keeps no labels on branches, so the name says whose one is: remove `name`, or take over a branch of this name with `adopt: true`";
            resolver.error(&at("name"), "a branch that Hangar makes is named by it", Some(help.to_owned()));
            return None;
        }
        (_, true) => {
            resolver.error(&at("adopt"), "which branch is taken over?", Some("add its `name`".to_owned()));
            return None;
        }
    };
    if !branch.adopt && name.len() > LONGEST_NAME {
        let message = format!("its name would be `{name}`, which has more than {LONGEST_NAME} characters");
        let help = Some("shorten the component's name, or the environment's".to_owned());
        resolver.error(&place(&part, pointer.clone()), message, help);
        return None;
    }
    let git_branch = text(resolver, "gitBranch", &branch.git_branch)?;
    let region = text(resolver, "region", &branch.region)?;
    let size = text(resolver, "size", &branch.size)?;
    if let Some(unknown) = size.as_ref().filter(|size| !SIZES.contains(&size.as_str())) {
        let message = format!("`size` is one of {}, not `{unknown}`", SIZES.join(", "));
        resolver.error(&at("size"), message, None);
        return None;
    }
    let mut object = blank(Provider::Supabase, project, ObjectKind::SupabaseBranch, &name, &part, &part);
    object.adopt = branch.adopt;
    object.protect = defaults.protect;
    object.retain = is_retained(branch.deletion_policy, defaults);
    let fields: [(&str, Option<Value>); 5] = [
        ("gitBranch", git_branch.map(Value::from)),
        ("persistent", branch.persistent.map(Value::from)),
        ("region", region.map(Value::from)),
        ("size", size.map(Value::from)),
        ("withData", branch.with_data.then_some(Value::Bool(true))),
    ];
    object.fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    object.on_creation = ["region", "size", "withData"].map(str::to_owned).into();
    Some(object)
}
