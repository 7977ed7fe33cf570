//! Variables, domains and projects as the API shows them.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Asked;
use super::access::team_id;
use super::objects_deployment;
use super::state::{CustomEnvironment, Domain, Project, Variable};

/// How a variable's value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// As it is kept.
    Kept,
    /// In the clear, where it can be.
    Decrypted,
}

/// A variable. What is sensitive is never shown again.
pub(super) fn variable(variable: &Variable, values: Values) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        shown.insert(name.to_owned(), value);
    };
    let is_readable = variable.kind == "plain" || (variable.kind == "encrypted" && values == Values::Decrypted);
    let value = match variable.kind.as_str() {
        "sensitive" => String::new(),
        _ if is_readable => variable.value.clone(),
        _ => ciphertext(&variable.value),
    };
    put("id", json!(variable.id));
    put("key", json!(variable.key));
    put("value", json!(value));
    put("type", json!(variable.kind));
    put("target", json!(variable.target));
    put("configurationId", Value::Null);
    put("createdAt", millis(variable.created_at));
    put("updatedAt", millis(variable.updated_at));
    put("createdBy", json!(variable.created_by));
    put("updatedBy", json!(variable.updated_by));
    if let Some(branch) = &variable.branch {
        put("gitBranch", json!(branch));
    }
    if let Some(comment) = &variable.comment {
        put("comment", json!(comment));
    }
    if !variable.environments.is_empty() {
        put("customEnvironmentIds", json!(variable.environments));
    }
    if is_readable && values == Values::Decrypted {
        put("decrypted", json!(true));
    }
    Value::Object(shown)
}

/// A variable in a list.
pub(super) fn listed_variable(one: &Variable, values: Values) -> Value {
    let mut shown = variable(one, values);
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("securityIssues".to_owned(), json!([]));
    }
    shown
}

/// What stands for a value that is kept encrypted.
fn ciphertext(value: &str) -> String {
    format!("eyJ2IjoidjIi{}", hex::encode(Sha256::digest(value)))
}

/// A domain of a project.
pub(super) fn domain(project: &Project, domain: &Domain) -> Value {
    let apex = apex(&domain.name);
    let mut shown = json!({
        "name": domain.name,
        "apexName": apex,
        "projectId": project.id,
        "verified": domain.verified,
        "gitBranch": domain.branch,
        "redirect": domain.redirect,
        "redirectStatusCode": domain.redirect_status,
        "createdAt": millis(domain.created_at),
        "updatedAt": millis(domain.updated_at),
    });
    if let (Some(environment), Some(shown)) = (&domain.environment, shown.as_object_mut()) {
        shown.insert("customEnvironmentId".to_owned(), json!(environment));
    }
    if !domain.verified
        && let Some(shown) = shown.as_object_mut()
    {
        let proof = json!([{
            "type": "TXT",
            "domain": format!("_vercel.{apex}"),
            "value": format!("vc-domain-verify={},{}", domain.name, short_hash(&domain.name)),
            "reason": "pending_domain_verification",
        }]);
        shown.insert("verification".to_owned(), proof);
    }
    shown
}

/// The part of a domain that is registered.
pub(super) fn apex(name: &str) -> String {
    let mut labels: Vec<&str> = name.rsplit('.').take(2).collect();
    labels.reverse();
    labels.join(".")
}

/// A project, with the secrets that go past its protection as the keys of a map.
pub(super) fn project(asked: &Asked<'_>, project: &Project) -> Value {
    let now = asked.now;
    let mut shown = json!({
        "id": project.id,
        "name": project.name,
        "accountId": team_id(&project.team),
        "createdAt": millis(project.created_at),
        "updatedAt": millis(project.created_at),
        "framework": null,
        "nodeVersion": "22.x",
        "directoryListing": false,
        "alias": [],
        "autoAssignCustomDomains": project.assigns_domains,
        "autoExposeSystemEnvs": true,
        "defaultResourceConfig": {"functionDefaultRegions": ["iad1"]},
        "resourceConfig": {"functionDefaultRegions": ["iad1"]},
        "deploymentExpiration": {},
        "gitForkProtection": project.fork_protection,
        "gitProviderOptions": {"createDeployments": if project.creates_deployments { "enabled" } else { "disabled" }},
        "ssoProtection": {"deploymentType": "all_except_custom_domains"},
        "passwordProtection": null,
        "customEnvironments": project.custom.iter().map(custom_environment).collect::<Vec<_>>(),
    });
    let Some(fields) = shown.as_object_mut() else { return shown };
    if let Some(link) = &project.link {
        let (org, repo) = link.repo.split_once('/').unwrap_or_default();
        let repo_id = asked.github.git(&link.repo).map(|git| git.id);
        let mut shown = json!({
            "type": "github",
            "org": org,
            "repo": repo,
            "productionBranch": link.production_branch,
            "gitCredentialId": format!("cred_{}", short_hash(&link.repo)),
            "deployHooks": [],
            "sourceless": project.sourceless,
            "createdAt": millis(project.created_at),
            "updatedAt": millis(project.created_at),
        });
        if let (Some(id), Some(shown)) = (repo_id, shown.as_object_mut()) {
            shown.insert("repoId".to_owned(), json!(id));
        }
        fields.insert("link".to_owned(), shown);
    }
    let production = project.production(now).map(|one| objects_deployment::target(asked, project, one));
    fields.insert("targets".to_owned(), production.map_or_else(|| json!({}), |one| json!({"production": one})));
    fields.insert("protectionBypass".to_owned(), bypasses(project));
    let request = project.alias_request.as_ref().map(|request| {
        let status = match now {
            now if now < request.requested_at + chrono::TimeDelta::seconds(1) => "pending",
            now if now < request.ends_at => "in-progress",
            _ if request.fails => "failed",
            _ => "succeeded",
        };
        json!({
            "type": request.kind,
            "jobStatus": status,
            "fromDeploymentId": request.from,
            "toDeploymentId": request.to,
            "requestedAt": millis(request.requested_at),
        })
    });
    fields.insert("lastAliasRequest".to_owned(), request.unwrap_or_default());
    shown
}

/// An environment that the team has made.
pub(super) fn custom_environment(custom: &CustomEnvironment) -> Value {
    let mut shown = json!({
        "id": custom.id,
        "slug": custom.slug,
        "type": "preview",
        "createdAt": millis(custom.created_at),
        "updatedAt": millis(custom.created_at),
    });
    if let (Some(branch), Some(shown)) = (&custom.branch, shown.as_object_mut()) {
        shown.insert("branchMatcher".to_owned(), json!({"type": "equals", "pattern": branch}));
    }
    shown
}

/// The secrets that go past the protection.
pub(super) fn bypasses(project: &Project) -> Value {
    let shown = project.bypasses.iter().map(|(secret, bypass)| {
        let mut shown = json!({
            "scope": "automation-bypass",
            "createdAt": millis(bypass.created_at),
            "createdBy": bypass.created_by,
            "isEnvVar": bypass.is_env_var,
        });
        if let (Some(note), Some(shown)) = (&bypass.note, shown.as_object_mut()) {
            shown.insert("note".to_owned(), json!(note));
        }
        (secret.clone(), shown)
    });
    Value::Object(shown.collect())
}

/// A moment as the API writes it.
pub(super) fn millis(at: DateTime<Utc>) -> Value {
    json!(at.timestamp_millis())
}

/// 20 characters that follow from a text.
pub(super) fn short_hash(text: &str) -> String {
    hex::encode(Sha256::digest(text)).chars().take(20).collect()
}
