//! One variable of a request: what is allowed in it, and what it does not go together with.

use serde_json::{Map, Value, json};

use super::super::state::{Project, Variable};
use super::super::{Asked, bad_request, problem, problem_with};
use super::{check_fields, required, text};
use crate::sim::routes::Refusal;

/// Limits of Vercel, in characters and bytes.
const LONGEST_KEY: usize = 256;
const LONGEST_VALUE: usize = 65_536;
const LONGEST_COMMENT: usize = 500;
const LONGEST_BRANCH: usize = 250;
/// Variables of one environment of a project.
const MOST: usize = 1_000;

/// What a variable can have in a request.
pub(super) const FIELDS: [&str; 8] =
    ["key", "value", "type", "target", "gitBranch", "comment", "customEnvironmentIds", "visibility"];

/// A variable that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) kind: String,
    pub(super) target: Vec<String>,
    pub(super) branch: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) environments: Vec<String>,
}

/// Reads a new variable. What is wrong with its form is wrong with the whole request.
pub(super) fn read(asked: &Asked<'_>, value: &Value) -> Result<Item, Refusal> {
    let fields = value.as_object().ok_or_else(|| bad_request("Invalid request: should be object."))?;
    check_fields(fields, &FIELDS)?;
    let target = texts(fields, "target")?.unwrap_or_default();
    let environments = texts(fields, "customEnvironmentIds")?.unwrap_or_default();
    if target.is_empty() && environments.is_empty() {
        return Err(bad_request("Invalid request: missing required property `target`."));
    }
    let mut item = Item {
        key: required(fields, "key")?.to_owned(),
        value: required(fields, "value")?.to_owned(),
        kind: required(fields, "type")?.to_owned(),
        target,
        branch: text(fields, "gitBranch")?.filter(|branch| !branch.is_empty()).map(str::to_owned),
        comment: text(fields, "comment")?.filter(|comment| !comment.is_empty()).map(str::to_owned),
        environments,
    };
    let policy = asked.team.as_ref().and_then(|team| asked.config.vercel_teams.iter().find(|one| one.slug == *team));
    let is_development = item.target.iter().any(|target| target == "development");
    if policy.is_some_and(|team| team.sensitive_policy) && !is_development {
        "sensitive".clone_into(&mut item.kind);
    }
    check_form(&item)?;
    Ok(item)
}

/// A list of texts; a single text counts as a list of one.
pub(super) fn texts(fields: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
        Some(Value::Array(list)) => Ok(Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())),
        Some(_) => Err(bad_request(&format!("Invalid request: `{name}` should be array."))),
    }
}

/// Whether the form of a variable is right.
pub(super) fn check_form(item: &Item) -> Result<(), Refusal> {
    let refuse = |code: &str, text: &str| Err(problem(400, code, text).into());
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if item.key.is_empty() || !item.key.chars().all(fits) || item.key.starts_with(|c: char| c.is_ascii_digit()) {
        let text = format!("The name of the environment variable `{}` contains invalid characters.", item.key);
        return refuse("env_key_invalid_characters", &text);
    }
    if item.key.len() > LONGEST_KEY {
        return refuse("env_key_invalid_length", "The name of the environment variable is too long (256 characters).");
    }
    if item.value.len() > LONGEST_VALUE {
        return refuse("env_value_invalid_length", "The value of the environment variable is too long (65536 bytes).");
    }
    if item.comment.as_ref().is_some_and(|comment| comment.chars().count() > LONGEST_COMMENT) {
        return Err(bad_request("Invalid request: `comment` should NOT be longer than 500 characters."));
    }
    if item.branch.as_ref().is_some_and(|branch| branch.chars().count() > LONGEST_BRANCH) {
        return Err(bad_request("Invalid request: `gitBranch` should NOT be longer than 250 characters."));
    }
    if !["plain", "encrypted", "sensitive"].contains(&item.kind.as_str()) {
        return Err(bad_request("Invalid request: `type` should be equal to one of the allowed values."));
    }
    let known = ["production", "preview", "development"];
    if item.target.iter().any(|target| !known.contains(&target.as_str())) {
        return Err(bad_request("Invalid request: `target` should be equal to one of the allowed values."));
    }
    if item.branch.is_some() && item.target != ["preview"] {
        return Err(bad_request("`gitBranch` is only allowed if `target` is `preview`."));
    }
    if item.kind == "sensitive" && item.target.iter().any(|target| target == "development") {
        return Err(bad_request("You cannot set a Sensitive Environment Variable's target to development."));
    }
    Ok(())
}

/// Whether the project can have the variable: its branch is there, and there is room.
pub(super) fn check_place(asked: &Asked<'_>, project: &Project, item: &Item) -> Result<(), Refusal> {
    let is_unknown = |id: &&String| project.custom.iter().all(|known| known.id != **id);
    if let Some(id) = item.environments.iter().find(is_unknown) {
        return Err(bad_request(&format!("The custom environment `{id}` was not found.")));
    }
    if let Some(branch) = &item.branch {
        check_branch(asked, project, &item.key, branch)?;
    }
    let is_full =
        |target: &String| project.env.iter().filter(|variable| variable.target.contains(target)).count() >= MOST;
    if let Some(target) = item.target.iter().find(|target| is_full(target)) {
        let text = format!("A project can have at most {MOST} environment variables for {target}.");
        return Err(problem(400, "bad_request", &text).into());
    }
    Ok(())
}

/// A branch has to be in the connected repository.
fn check_branch(asked: &Asked<'_>, project: &Project, key: &str, branch: &str) -> Result<(), Refusal> {
    let link = project
        .link
        .as_ref()
        .ok_or_else(|| bad_request("Cannot set a Git branch, the project does not have a connected Git repository."))?;
    let is_there = asked.github.git(&link.repo).is_some_and(|git| git.branch(branch).is_some());
    if asked.config.open_orgs || (is_there && !project.sourceless) {
        return Ok(());
    }
    let text = format!("Branch \"{branch}\" not found in the connected Git repository.");
    Err(problem_with(400, "git_branch_not_found", &text, json!({"gitBranch": branch, "envVarKey": key})).into())
}

/// Whether two variables are for the same place.
pub(super) fn meets(variable: &Variable, item: &Item) -> bool {
    let overlaps = variable.target.iter().any(|target| item.target.contains(target))
        || variable.environments.iter().any(|environment| item.environments.contains(environment));
    variable.key == item.key && overlaps && variable.branch == item.branch
}

/// The refusal of a variable that is there already.
pub(super) fn conflict(variable: &Variable, item: &Item) -> Refusal {
    let branch = item.branch.as_ref().map(|branch| format!(" and Git Branch \"{branch}\"")).unwrap_or_default();
    let text = format!(
        "A variable with the name `{}` already exists for the target {}{branch} on this project",
        item.key,
        item.target.join(", ")
    );
    let mut extra = json!({"envVarKey": item.key, "envVarId": variable.id, "target": item.target});
    if let (Some(branch), Some(extra)) = (&item.branch, extra.as_object_mut()) {
        extra.insert("gitBranch".to_owned(), json!(branch));
    }
    problem_with(400, "ENV_CONFLICT", &text, extra).into()
}
