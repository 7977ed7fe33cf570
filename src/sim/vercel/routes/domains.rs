//! Domains of projects.

use serde_json::{Map, Value, json};

use super::super::deployment::ReadyState;
use super::super::objects::{apex, domain, millis};
use super::super::pages::{page, whole};
use super::super::state::{Domain, Project, Vercel};
use super::super::{Asked, bad_request, problem, problem_with};
use super::{change, fields, find, required, text};
use crate::sim::routes::{Answer, Refusal, Reply};

pub(super) fn list(vercel: &Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let is = |name: &str| asked.call.query(name).filter(|text| !text.is_empty());
    let rows = project.domains.iter().filter(|one| {
        is("gitBranch").is_none_or(|branch| one.branch.as_deref() == Some(branch))
            && is("verified").is_none_or(|verified| one.verified == (verified == "true"))
            && is("redirect").is_none_or(|redirect| one.redirect.as_deref() == Some(redirect))
            && is("target").is_none_or(|target| one.branch.is_none() == (target == "production"))
            && (!asked.call.flag("production") || one.branch.is_none())
    });
    let (mut rows, pagination) = page(asked, rows, |one| one.created_at)?;
    if asked.call.query("order") == Some("ASC") {
        rows.reverse();
    }
    let rows: Vec<Value> = rows.into_iter().map(|one| domain(project, one)).collect();
    Ok(Reply::ok(json!({"domains": rows, "pagination": pagination})))
}

pub(super) fn get(vercel: &Vercel, asked: &Asked<'_>, project: &str, name: &str) -> Answer {
    let project = find(vercel, asked, project)?;
    let found = project.domains.iter().find(|one| one.name == name).ok_or_else(no_domain)?;
    Ok(Reply::ok(domain(project, found)))
}

pub(super) fn add(vercel: &mut Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let wanted = fields(asked, &["name", "gitBranch", "customEnvironmentId", "redirect", "redirectStatusCode"])?;
    let added = attach(vercel, asked, project, &wanted)?;
    let project = find(vercel, asked, project)?;
    let found = project.domains.iter().find(|one| one.name == added).ok_or_else(no_domain)?;
    Ok(Reply::ok(domain(project, found)))
}

/// The old way, which the command line still goes; it answers with all targets.
pub(super) fn add_old(vercel: &mut Vercel, asked: &Asked<'_>, project: &str) -> Answer {
    let wanted = fields(asked, &["target", "domain", "redirect"])?;
    let name = required(&wanted, "domain")?;
    attach(vercel, asked, project, &Map::from_iter([("name".to_owned(), json!(name))]))?;
    let project = find(vercel, asked, project)?;
    let targets = project.domains.iter().map(|one| {
        json!({"domain": one.name, "target": "PRODUCTION", "createdAt": millis(one.created_at), "configuredBy": "CNAME"})
    });
    Ok(Reply::ok(targets.collect()))
}

fn attach(
    vercel: &mut Vercel,
    asked: &Asked<'_>,
    project: &str,
    wanted: &Map<String, Value>,
) -> Result<String, Refusal> {
    let name = required(wanted, "name")?.to_owned();
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let labels: Vec<&str> = name.strip_prefix("*.").unwrap_or(&name).split('.').collect();
    if labels.len() < 2 || !labels.into_iter().all(is_label) {
        return Err(problem(400, "invalid_domain", &format!("The domain name \"{name}\" is not valid.")).into());
    }
    let mine = find(vercel, asked, project)?.id.clone();
    if let Some(owner) = vercel.projects.iter().find(|one| one.domains.iter().any(|known| known.name == name)) {
        let (code, text) = if owner.id == mine {
            ("domain_already_in_use", format!("The domain \"{name}\" is already assigned to this project."))
        } else {
            ("domain_already_in_use", format!("Cannot add {name} since it's already in use by one of your projects."))
        };
        let extra = json!({"projectId": owner.id, "domain": {"name": name}});
        return Err(problem_with(409, code, &text, extra).into());
    }
    let is_taken = vercel.taken.contains(&apex(&name));
    let (project, _) = change(vercel, asked, project)?;
    let mut new = Domain {
        name: name.clone(),
        branch: None,
        environment: None,
        redirect: None,
        redirect_status: None,
        verified: !is_taken,
        created_at: asked.now,
        updated_at: asked.now,
    };
    settle(asked, project, &mut new, wanted)?;
    project.domains.push(new);
    Ok(name)
}

/// Gives a domain what a request says of it, if it goes together.
fn settle(
    asked: &Asked<'_>,
    project: &Project,
    domain: &mut Domain,
    wanted: &Map<String, Value>,
) -> Result<(), Refusal> {
    if wanted.contains_key("gitBranch") {
        domain.branch = text(wanted, "gitBranch")?.map(str::to_owned);
    }
    if let Some(id) = text(wanted, "customEnvironmentId")? {
        let known = project.custom.iter().find(|known| known.id == id);
        let known = known.ok_or_else(|| bad_request("The custom environment was not found."))?;
        domain.environment = Some(known.id.clone());
    }
    if wanted.contains_key("redirect") {
        domain.redirect = text(wanted, "redirect")?.map(str::to_owned);
    }
    if wanted.contains_key("redirectStatusCode") {
        domain.redirect_status = wanted.get("redirectStatusCode").and_then(Value::as_u64);
    }
    if domain.redirect.as_ref() == Some(&domain.name) {
        return Err(bad_request("A domain cannot redirect to itself."));
    }
    let newest = project.deployments.iter().rev().find(|one| one.is_production());
    let Some(branch) = &domain.branch else {
        if domain.environment.is_none() && newest.is_some_and(|one| one.state(asked.now) == ReadyState::Error) {
            return Err(bad_request("The domain can not be assigned because the latest production deployment failed."));
        }
        return Ok(());
    };
    if domain.redirect.is_some() {
        return Err(bad_request("The domain can not have both a Git branch and a redirect."));
    }
    if branch == project.production_branch() {
        return Err(bad_request("The domain can not be assigned to the production branch explicitly."));
    }
    Ok(())
}

pub(super) fn edit(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, name: &str) -> Answer {
    let wanted = fields(asked, &["gitBranch", "redirect", "redirectStatusCode"])?;
    let (project, _) = change(vercel, asked, project)?;
    let place = project.domains.iter().position(|one| one.name == name).ok_or_else(no_domain)?;
    let mut edited = project.domains.get(place).cloned().ok_or_else(no_domain)?;
    settle(asked, project, &mut edited, &wanted)?;
    edited.updated_at = asked.now;
    if let Some(known) = project.domains.get_mut(place) {
        *known = edited.clone();
    }
    Ok(Reply::ok(domain(project, &edited)))
}

pub(super) fn remove(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, name: &str) -> Answer {
    let (project, _) = change(vercel, asked, project)?;
    let place = project.domains.iter().position(|one| one.name == name).ok_or_else(no_domain)?;
    project.domains.remove(place);
    Ok(Reply::ok(json!({})))
}

/// Looks whether the owner has proved it by now.
pub(super) fn verify(vercel: &mut Vercel, asked: &Asked<'_>, project: &str, name: &str) -> Answer {
    let is_taken = vercel.taken.contains(&apex(name));
    let (project, _) = change(vercel, asked, project)?;
    let found = project.domains.iter_mut().find(|one| one.name == name).ok_or_else(no_domain)?;
    if is_taken {
        let text = "There is no TXT record that proves that the domain is yours.";
        return Err(problem(400, "missing_txt_record", text).into());
    }
    found.verified = true;
    let shown = found.clone();
    Ok(Reply::ok(domain(project, &shown)))
}

/// The domains of a team: those that its projects' domains are below.
pub(super) fn registered(vercel: &Vercel, asked: &Asked<'_>) -> Reply {
    let shown: Vec<Value> = names(vercel, asked).into_iter().map(|(name, at)| registered_object(&name, &at)).collect();
    let pagination = whole(shown.len());
    Reply::ok(json!({"domains": shown, "pagination": pagination}))
}

pub(super) fn registered_one(vercel: &Vercel, asked: &Asked<'_>, name: &str) -> Answer {
    let found = names(vercel, asked).into_iter().find(|(known, _)| known == name);
    let (name, at) = found.ok_or_else(|| problem(404, "not_found", "The domain was not found."))?;
    Ok(Reply::ok(json!({"domain": registered_object(&name, &at)})))
}

/// The domains of projects below a domain of the team.
pub(super) fn in_projects(vercel: &Vercel, asked: &Asked<'_>, name: &str) -> Answer {
    registered_one(vercel, asked, name)?;
    let projects = vercel.of_team(asked.team.as_deref().unwrap_or_default());
    let shown = projects.flat_map(|project| {
        let below = project.domains.iter().filter(|one| apex(&one.name) == name);
        below.map(|one| domain(project, one)).collect::<Vec<_>>()
    });
    let shown: Vec<Value> = shown.collect();
    let pagination = whole(shown.len());
    Ok(Reply::ok(json!({"projectDomains": shown, "pagination": pagination})))
}

/// Takes a domain from the team, and with it those of projects below it.
pub(super) fn remove_registered(vercel: &mut Vercel, asked: &Asked<'_>, name: &str) -> Answer {
    registered_one(vercel, asked, name)?;
    let projects = vercel.of_team(asked.team.as_deref().unwrap_or_default());
    let ids: Vec<String> = projects.map(|project| project.id.clone()).collect();
    for id in ids {
        let (project, _) = change(vercel, asked, &id)?;
        project.domains.retain(|one| apex(&one.name) != name);
    }
    Ok(Reply::ok(json!({"uid": name})))
}

pub(super) fn no_price(name: &str) -> Refusal {
    problem(400, "tld_not_supported", &format!("The price of {name} is not known.")).into()
}

fn names(vercel: &Vercel, asked: &Asked<'_>) -> Vec<(String, Value)> {
    let mut names: Vec<(String, Value)> = Vec::new();
    for project in vercel.of_team(asked.team.as_deref().unwrap_or_default()) {
        for one in project.domains.iter().filter(|one| one.verified) {
            let name = apex(&one.name);
            if !names.iter().any(|(known, _)| *known == name) {
                names.push((name, millis(one.created_at)));
            }
        }
    }
    names
}

fn registered_object(name: &str, created_at: &Value) -> Value {
    json!({
        "id": name,
        "name": name,
        "verified": true,
        "nameservers": [],
        "intendedNameservers": ["ns1.vercel-dns.com", "ns2.vercel-dns.com"],
        "serviceType": "external",
        "createdAt": created_at,
        "boughtAt": null,
        "expiresAt": null,
        "renew": false,
        "creator": {"id": "", "username": "", "email": ""},
    })
}

/// Whether DNS leads here. It does, unless the domain is somebody else's.
pub(super) fn config(vercel: &Vercel, name: &str) -> Reply {
    let is_taken = vercel.taken.contains(&apex(name));
    Reply::ok(json!({
        "configuredBy": if is_taken { Value::Null } else { json!("CNAME") },
        "misconfigured": is_taken,
        "acceptedChallenges": ["http-01"],
        "recommendedIPv4": [{"rank": 1, "value": ["76.76.21.21"]}],
        "recommendedCNAME": [{"rank": 1, "value": "cname.vercel-dns.com."}],
    }))
}

fn no_domain() -> Refusal {
    problem(404, "not_found", "The domain was not found on this project.").into()
}
