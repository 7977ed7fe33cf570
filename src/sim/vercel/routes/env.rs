//! Variables. They are all in the one document of their project, which only one request can write at a time.

use serde_json::{Map, Value, json};

use super::super::objects::{Values, listed_variable, variable};
use super::super::pages::whole;
use super::super::state::{Project, Variable, Vercel};
use super::super::{Asked, bad_request, problem};
use super::env_item::{self, Item, check_form, check_place, conflict, meets, texts};
use super::{body, change, fields, find, text};
use crate::sim::routes::{Answer, Refusal, Reply};
use crate::sim::world::ids::Ids;

/// All of them, always: this list has no pages.
pub(super) fn list(vercel: &Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let is = |name: &str| asked.call.query(name).filter(|text| !text.is_empty());
    let values = if asked.call.flag("decrypt") { Values::Decrypted } else { Values::Kept };
    let rows = project.env.iter().filter(|one| {
        is("gitBranch").is_none_or(|branch| one.branch.as_deref() == Some(branch))
            && is("target").is_none_or(|target| one.target.iter().any(|known| known == target))
            && is("customEnvironmentId").is_none_or(|id| one.environments.iter().any(|known| known == id))
    });
    let rows: Vec<Value> = rows.map(|one| listed_variable(one, values)).collect();
    let pagination = whole(rows.len());
    Ok(Reply::ok(json!({"envs": rows, "pagination": pagination})))
}

/// One, with its value unless it is sensitive.
pub(super) fn get(vercel: &Vercel, asked: &Asked<'_>, project: &str, id: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let found = project.env.iter().find(|one| one.id == id).ok_or_else(no_variable)?;
    let mut shown = variable(found, Values::Decrypted);
    if found.kind == "sensitive"
        && let Some(shown) = shown.as_object_mut()
    {
        shown.remove("value");
        shown.insert("decrypted".to_owned(), json!(false));
    }
    Ok(Reply::ok(shown))
}

/// One variable, or many: each can be refused for itself.
pub(super) fn create(vercel: &mut Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let (project, ids) = change(vercel, asked, project)?;
    let sent = body(asked)?;
    let is_list = sent.is_array();
    let sent = if let Value::Array(list) = sent { list } else { vec![sent] };
    let items = sent.iter().map(|value| env_item::read(asked, value)).collect::<Result<Vec<Item>, Refusal>>()?;
    write_document(asked, project, "created")?;
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for item in items {
        match put(asked, project, ids, item) {
            Ok(id) => {
                created.extend(project.env.iter().find(|one| one.id == id).map(|one| variable(one, Values::Kept)));
            }
            Err(refusal) => failed.push(refusal),
        }
    }
    let errors: Vec<Value> = failed.into_iter().filter_map(|refusal| Reply::from(refusal).body).collect();
    if let (true, Some(first)) = (created.is_empty(), errors.first()) {
        let error = first.get("error").cloned().unwrap_or_default();
        return Ok(Reply::with(400, json!({"error": error, "failed": errors})));
    }
    let created = if is_list { Value::Array(created) } else { created.pop().unwrap_or_default() };
    Ok(Reply::with(201, json!({"created": created, "failed": errors})))
}

/// Makes a variable, or with `upsert` gives the one that is there another value. Returns its id.
fn put(asked: &Asked<'_>, project: &mut Project, ids: &mut Ids, item: Item) -> Result<String, Refusal> {
    if let Some(known) = project.env.iter_mut().find(|known| meets(known, &item)) {
        if !asked.call.flag("upsert") {
            return Err(conflict(known, &item));
        }
        known.value = item.value;
        known.kind = item.kind;
        known.comment = item.comment;
        known.updated_at = asked.now;
        known.updated_by = Some(asked.caller.user_id());
        return Ok(known.id.clone());
    }
    check_place(asked, project, &item)?;
    let id = ids.alphanumeric(16);
    project.env.push(Variable {
        id: id.clone(),
        key: item.key,
        value: item.value,
        kind: item.kind,
        target: item.target,
        branch: item.branch,
        comment: item.comment,
        environments: item.environments,
        created_at: asked.now,
        updated_at: asked.now,
        created_by: asked.caller.user_id(),
        updated_by: None,
    });
    Ok(id)
}

pub(super) fn edit(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, id: &str) -> Answer {
    let (project, _) = change(vercel, asked, project)?;
    let wanted = fields(asked, &env_item::FIELDS)?;
    let known = project.env.iter().find(|one| one.id == id).ok_or_else(no_variable)?;
    let item = edited(known, &wanted)?;
    if known.kind == "sensitive" && item.kind != "sensitive" {
        return Err(bad_request("You cannot change the type of a Sensitive Environment Variable."));
    }
    check_form(&item)?;
    let is_moved = known.branch != item.branch || known.target != item.target;
    if let Some(other) = project.env.iter().find(|other| other.id != id && meets(other, &item)) {
        return Err(conflict(other, &item));
    }
    if is_moved {
        check_place(asked, project, &item)?;
    }
    write_document(asked, project, "updated")?;
    let found = project.env.iter_mut().find(|one| one.id == id).ok_or_else(no_variable)?;
    found.key = item.key;
    found.value = item.value;
    found.kind = item.kind;
    found.target = item.target;
    found.branch = item.branch;
    found.comment = item.comment;
    found.environments = item.environments;
    found.updated_at = asked.now;
    found.updated_by = Some(asked.caller.user_id());
    Ok(Reply::ok(variable(found, Values::Kept)))
}

/// A variable with what an edit says: what is left out stays, `null` clears.
fn edited(known: &Variable, wanted: &Map<String, Value>) -> Result<Item, Refusal> {
    let kept = |name: &str, kept: Option<&String>| -> Result<Option<String>, Refusal> {
        if wanted.contains_key(name) {
            return Ok(text(wanted, name)?.filter(|text| !text.is_empty()).map(str::to_owned));
        }
        Ok(kept.cloned())
    };
    Ok(Item {
        key: kept("key", Some(&known.key))?.unwrap_or_default(),
        value: text(wanted, "value")?.map_or_else(|| known.value.clone(), str::to_owned),
        kind: kept("type", Some(&known.kind))?.unwrap_or_default(),
        target: texts(wanted, "target")?.unwrap_or_else(|| known.target.clone()),
        branch: kept("gitBranch", known.branch.as_ref())?,
        comment: kept("comment", known.comment.as_ref())?,
        environments: texts(wanted, "customEnvironmentIds")?.unwrap_or_else(|| known.environments.clone()),
    })
}

/// Answers with what was deleted.
pub(super) fn delete(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, id: &str) -> Answer {
    let (project, _) = change(vercel, asked, project)?;
    let place = project.env.iter().position(|one| one.id == id).ok_or_else(no_variable)?;
    write_document(asked, project, "deleted")?;
    let gone = project.env.remove(place);
    Ok(Reply::ok(variable(&gone, Values::Kept)))
}

pub(super) fn delete_many(vercel: &mut Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let (project, _) = change(vercel, asked, project)?;
    let wanted = texts(&fields(asked, &["ids"])?, "ids")?.unwrap_or_default();
    write_document(asked, project, "deleted")?;
    let gone: Vec<String> = project.env.iter().map(|one| one.id.clone()).filter(|id| wanted.contains(id)).collect();
    project.env.retain(|one| !wanted.contains(&one.id));
    Ok(Reply::ok(json!({"deleted": gone.len(), "ids": gone})))
}

/// What a developer's machine gets: the values of an environment, those of a branch before those of all.
pub(super) fn pull(vercel: &Vercel, asked: &Asked<'_>, project: &str, environment: &str, branch: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let mut values = Map::new();
    for of_branch in [false, true] {
        for one in &project.env {
            let fits = one.target.iter().any(|target| target == environment)
                && one.branch.is_some() == of_branch
                && (!of_branch || one.branch.as_deref() == Some(branch));
            if fits {
                let value = if one.kind == "sensitive" { "" } else { &one.value };
                values.insert(one.key.clone(), json!(value));
            }
        }
    }
    Ok(Reply::ok(json!({"env": values.clone(), "buildEnv": values})))
}

/// The project's document is about to be written, which fails if somebody else has written it since this request was sent.
fn write_document(asked: &Asked<'_>, project: &mut Project, what: &str) -> Result<(), Refusal> {
    let envelope = &asked.call.envelope;
    let is_busy = project.busy_until.is_some_and(|until| until > asked.now) || envelope.number < project.written_after;
    if is_busy {
        let text = format!(
            "The environment variable couldn't be {what} because an ongoing update env update is already happening."
        );
        return Err(bad_request(&text));
    }
    project.written_after = envelope.arrived;
    Ok(())
}

fn no_variable() -> Refusal {
    problem(404, "not_found", "The environment variable was not found.").into()
}
