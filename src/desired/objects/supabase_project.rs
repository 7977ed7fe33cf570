//! What is known of projects at Supabase that others use as they are: nothing of it has to be asked for.

use super::place;
use super::supabase::reference;
use crate::desired::resolver::{Place, Resolver};
use crate::resource::output;
use crate::spec::positions::child;
use crate::spec::supabase::SupabaseProject;
use crate::template::{Text, url_encode};

/// What others may use of such a project.
pub(super) const OUTPUTS: [&str; 8] = ["uri", "pooledUri", "host", "database", "role", "password", "url", "project"];

/// The output `name` of the project `component`; nothing where it has none, or where something is wrong, which is said.
pub(in crate::desired) fn project_output(
    resolver: &mut Resolver<'_>,
    component: &str,
    project: &SupabaseProject,
    name: &str,
) -> Option<Text> {
    let part = format!("supabase.{component}");
    let at = |field: &str| place(&part, child(&child("/spec/supabase/projects", component), field));
    let read = resolver
        .once(&format!("{part} reference"), |this| reference(this, &project.project, &at("project")).map(Text::Plain));
    let Ok(Text::Plain(reference)) = read else { return None };
    let host = format!("db.{reference}.supabase.co");
    let (user, address) = match name {
        "project" => return Some(Text::Plain(reference)),
        "url" => return Some(Text::Plain(format!("https://{reference}.supabase.co"))),
        "host" => return Some(Text::Plain(host)),
        "database" | "role" => return Some(Text::Plain("postgres".to_owned())),
        "uri" => ("postgres".to_owned(), format!("{host}:5432")),
        "pooledUri" => {
            let pooler = resolver.fill_known(project.pooler.as_ref()?, at("pooler"))?;
            (format!("postgres.{reference}"), format!("{pooler}:6543"))
        }
        _ => {
            return resolver
                .once(&format!("{part} secret"), |this| password(this, &part, project, &at("password")))
                .ok();
        }
    };
    let password =
        match resolver.once(&format!("{part} secret"), |this| password(this, &part, project, &at("password"))) {
            Ok(Text::Plain(password)) => password,
            Ok(Text::Secret(password)) => password.expose().to_owned(),
            Ok(Text::Unavailable(reason)) => return Some(Text::Unavailable(reason)),
            Err(_said) => return None,
        };
    Some(Text::Secret(format!("postgresql://{user}:{}@{address}/postgres", url_encode(&password)).into()))
}

/// The password, which has to be known here: it becomes a part of addresses.
fn password(resolver: &mut Resolver<'_>, part: &str, project: &SupabaseProject, at: &Place) -> Option<Text> {
    let source = serde_json::to_value(&project.password).ok()?;
    let text = resolver.secret_from(part, "password", source, at)?;
    let text = match text {
        Text::Plain(text) => Text::Secret(text.into()),
        other => other,
    };
    if let Text::Secret(secret) = &text
        && !output::waits_for(secret.expose()).is_empty()
    {
        resolver.error(at, "it must be known before anything is created", None);
        return None;
    }
    Some(text)
}
