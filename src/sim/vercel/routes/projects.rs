//! Projects, and the secrets that go past their protection.

use serde_json::{Map, Value, json};

use super::super::objects::{self, bypasses};
use super::super::pages::page;
use super::super::state::{Bypass, Project, Vercel};
use super::super::{Asked, bad_request, problem};
use super::{change, fields, find, required, text};
use crate::sim::routes::{Answer, Refusal, Reply};
use crate::sim::world::ids::Ids;

/// How long a secret is.
const SECRET: usize = 32;

/// Custom environments. Only people make them: see the hand.
pub(super) fn custom_environments(vercel: &Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let shown: Vec<Value> = project.custom.iter().map(objects::custom_environment).collect();
    Ok(Reply::ok(json!({"accountLimit": {"total": 12}, "environments": shown})))
}

pub(super) fn list(vercel: &Vercel, asked: &Asked<'_>) -> Answer {
    let team = asked.team.as_deref().unwrap_or_default();
    let searched = asked.call.query("search").unwrap_or_default();
    let rows = vercel.of_team(team).filter(|project| project.name.contains(searched));
    let (rows, pagination) = page(asked, rows, |project| project.created_at)?;
    let rows: Vec<Value> = rows.into_iter().map(|project| objects::project(asked, project)).collect();
    Ok(Reply::ok(json!({"projects": rows, "pagination": pagination})))
}

pub(super) fn get(vercel: &Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    Ok(Reply::ok(objects::project(asked, find(vercel, asked, project)?)))
}

/// Makes, changes or revokes a secret. Whenever there are any, exactly one of them is that of the builds' variable.
pub(super) fn bypass(vercel: &mut Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let (project, ids) = change(vercel, asked, project)?;
    let wanted = fields(asked, &["generate", "update", "revoke"])?;
    let part = |name: &str| wanted.get(name).and_then(Value::as_object);
    match (part("generate"), part("update"), part("revoke")) {
        (None, Some(update), None) => update_bypass(project, update)?,
        (None, None, Some(revoke)) => revoke_bypass(asked, project, ids, revoke)?,
        (Some(generate), None, None) => {
            let chosen = text(generate, "secret")?.map(str::to_owned);
            if chosen.as_ref().is_some_and(|secret| secret.len() != SECRET) {
                return Err(bad_request("Invalid request: `secret` should have 32 characters."));
            }
            let note = text(generate, "note")?.map(str::to_owned);
            add(asked, project, ids, chosen, note)?;
        }
        _ => return Err(bad_request("Invalid request: should have exactly one of `generate`, `update`, `revoke`.")),
    }
    Ok(Reply::ok(json!({"protectionBypass": bypasses(project)})))
}

fn add(
    asked: &Asked<'_>,
    project: &mut Project,
    ids: &mut Ids,
    chosen: Option<String>,
    note: Option<String>,
) -> Result<(), Refusal> {
    let secret = chosen.unwrap_or_else(|| ids.alphanumeric(SECRET));
    if project.bypasses.contains_key(&secret) {
        return Err(problem(409, "conflict", "The secret is there already.").into());
    }
    let is_env_var = !project.bypasses.values().any(|bypass| bypass.is_env_var);
    let bypass = Bypass { created_at: asked.now, created_by: asked.caller.user_id(), is_env_var, note };
    project.bypasses.insert(secret, bypass);
    Ok(())
}

fn update_bypass(project: &mut Project, wanted: &Map<String, Value>) -> Result<(), Refusal> {
    let secret = required(wanted, "secret")?;
    if !project.bypasses.contains_key(secret) {
        return Err(no_secret());
    }
    if wanted.get("isEnvVar") == Some(&Value::Bool(true)) {
        project.bypasses.values_mut().for_each(|bypass| bypass.is_env_var = false);
    }
    if let Some(bypass) = project.bypasses.get_mut(secret) {
        bypass.is_env_var |= wanted.get("isEnvVar") == Some(&Value::Bool(true));
        if let Some(note) = text(wanted, "note")? {
            bypass.note = Some(note.to_owned());
        }
    }
    Ok(())
}

fn revoke_bypass(
    asked: &Asked<'_>,
    project: &mut Project,
    ids: &mut Ids,
    wanted: &Map<String, Value>,
) -> Result<(), Refusal> {
    let secret = required(wanted, "secret")?;
    let again = wanted.get("regenerate") == Some(&Value::Bool(true));
    let found = project.bypasses.get(secret).ok_or_else(no_secret)?;
    if found.is_env_var && !again && project.bypasses.len() > 1 {
        let text = "The secret is the one of the environment variable: make another one that first.";
        return Err(problem(409, "conflict", text).into());
    }
    let gone = project.bypasses.remove(secret);
    if again {
        add(asked, project, ids, None, gone.and_then(|gone| gone.note))?;
    }
    Ok(())
}

fn no_secret() -> Refusal {
    problem(404, "not_found", "The secret was not found.").into()
}
