//! What expressions may say of objects at other providers.

use crate::resource::ObjectKind;
use crate::spec::ParsedEnvironment;
use crate::template::Lookup;

/// What is found under a path of another provider.
pub(in crate::desired) enum Found {
    /// A value, known now or once its object exists; with the part that makes it, where one does.
    Value(Lookup, Option<String>),
    /// A value of the spec that has to be filled in, with its JSON pointer.
    Text(String, String),
    /// What is known of a project at Supabase that others use as it is, by its component.
    Project(String),
    /// Nothing: these are known here.
    Nothing(Vec<String>),
}

/// The part that makes the output `name` of `component` at `root`, if one does, and whether it is secret.
fn producer(root: &str, component: &str, name: &str) -> Option<(String, bool)> {
    let parts: &[(ObjectKind, &str)] = match root {
        "neon" => &[(ObjectKind::NeonBranch, "")],
        "postgres" => &[(ObjectKind::PostgresDatabase, "")],
        "supabase" => &[(ObjectKind::SupabaseBranch, "")],
        "vercel" => &[(ObjectKind::VercelDeployment, ".deployment"), (ObjectKind::VercelBypass, ".bypass")],
        _ => &[],
    };
    parts.iter().find_map(|(kind, suffix)| {
        let (_, secret) = kind.outputs().iter().find(|(output, _)| *output == name)?;
        Some((format!("{root}.{component}{suffix}"), *secret))
    })
}

/// The part of the environment that makes the output at `path`, if it is of another provider.
pub(in crate::desired) fn part_of(path: &str) -> Option<String> {
    let mut words = path.split('.');
    let (root, component, name) = (words.next()?, words.next()?, words.next()?);
    producer(root, component, name).map(|(part, _)| part)
}

/// What `root.rest` stands for.
pub(in crate::desired) fn look_up(environment: &ParsedEnvironment, root: &str, rest: &[&str]) -> Found {
    let spec = &environment.spec;
    let components: Vec<String> = match root {
        "neon" => spec.neon.iter().flat_map(|neon| neon.branches.keys()).cloned().collect(),
        "postgres" => {
            let postgres = spec.postgres.iter();
            postgres.flat_map(|all| all.clusters.keys().chain(all.databases.keys())).cloned().collect()
        }
        "supabase" => {
            let supabase = spec.supabase.iter();
            supabase.flat_map(|all| all.branches.keys().chain(all.projects.keys())).cloned().collect()
        }
        _ => spec.vercel.iter().flat_map(|vercel| vercel.projects.keys()).cloned().collect(),
    };
    let [component, name] = rest else { return Found::Nothing(components) };
    if !components.iter().any(|known| known == component) {
        return Found::Nothing(components);
    }
    if root == "supabase" && spec.supabase.as_ref().is_some_and(|all| all.projects.contains_key(*component)) {
        let known = super::supabase_project::OUTPUTS;
        return if known.contains(name) {
            Found::Project((*component).to_owned())
        } else {
            Found::Nothing(known.map(str::to_owned).into())
        };
    }
    if let Some((part, secret)) = producer(root, component, name) {
        let path = format!("{root}.{component}.{name}");
        let lookup = if secret { Lookup::SecretOutput(path) } else { Lookup::Output(path) };
        return Found::Value(lookup, Some(part));
    }
    let known: &[&str] = match root {
        "neon" => &["project", "uri", "pooledUri", "host", "database", "role", "password"],
        "postgres" => &["uri", "pooledUri", "host", "database", "role", "password"],
        "supabase" => {
            &["project", "uri", "pooledUri", "host", "database", "role", "password", "url", "anonKey", "serviceKey"]
        }
        _ => &["project", "domain", "url", "branchUrl", "deploymentId", "bypassSecret"],
    };
    let text = match (root, *name) {
        ("neon", "project") => spec.neon.as_ref().map(|neon| (neon.project.clone(), "/spec/neon/project".to_owned())),
        ("supabase", "project") => {
            let project = spec.supabase.as_ref().and_then(|supabase| supabase.project.clone());
            project.map(|project| (project, "/spec/supabase/project".to_owned()))
        }
        ("vercel", "project") => spec.vercel.as_ref().and_then(|vercel| {
            let project = vercel.projects.get(*component)?;
            Some((project.project.clone(), format!("/spec/vercel/projects/{component}/project")))
        }),
        ("vercel", "domain") => spec.vercel.as_ref().and_then(|vercel| {
            let domain = vercel.projects.get(*component)?.domains.first()?;
            Some((domain.clone(), format!("/spec/vercel/projects/{component}/domains/0")))
        }),
        _ => None,
    };
    match text {
        Some((text, pointer)) => Found::Text(text, pointer),
        None => Found::Nothing(known.iter().map(|name| (*name).to_owned()).collect()),
    }
}
