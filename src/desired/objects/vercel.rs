//! What an environment has in Vercel projects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::{blank, place};
use crate::desired::app::Defaults;
use crate::desired::graph::{Object, SecretValue};
use crate::desired::resolver::{Place, Resolver};
use crate::resource::{ComponentName, ObjectKind, Provider};
use crate::spec::environment::Class;
use crate::spec::positions::child;
use crate::spec::secret::SecretSource;
use crate::spec::validate::gate::not_a_commit;
use crate::spec::validate::names;
use crate::spec::vercel::{DeployedBy, VercelDeployment, VercelProject, VercelVariable};
use crate::template::{Destination, Text, has_expression};

/// How long a deployment may take where nothing says otherwise.
const DEPLOYMENT: Duration = Duration::from_mins(15);

/// What one project is, once its expressions are filled in.
struct Project<'p> {
    written: &'p VercelProject,
    component: String,
    pointer: String,
    /// `team/project`, or the project alone.
    scope: String,
    env: String,
    /// The branch that variables and domains are for: previews have one.
    branch: Option<String>,
    /// The branch that the spec names.
    git_branch: Option<String>,
    target: String,
    defaults: Defaults,
}

impl Project<'_> {
    /// Whether it is for an environment that the team has made.
    fn is_custom(&self) -> bool {
        !matches!(self.target.as_str(), "preview" | "production")
    }

    fn part(&self, what: &str) -> String {
        format!("vercel.{}.{what}", self.component)
    }

    fn object(&self, kind: ObjectKind, name: &str, what: &str) -> Object {
        let component = format!("vercel.{}", self.component);
        let mut object = blank(Provider::Vercel, &self.scope, kind, name, &component, &self.part(what));
        object.adopt = self.written.adopt;
        object.protect = self.defaults.protect;
        object.retain = self.defaults.retain;
        object.fields.insert("target".to_owned(), Value::from(self.target.as_str()));
        if let Some(branch) = &self.branch {
            object.fields.insert("branch".to_owned(), Value::from(branch.as_str()));
        }
        if self.written.adopt {
            object.fields.insert("adopt".to_owned(), Value::Bool(true));
            object.on_creation.insert("adopt".to_owned());
        }
        object
    }

    fn after(&self, parts: &[&str]) -> BTreeSet<ComponentName> {
        parts.iter().map(|part| ComponentName::new(self.part(part))).collect()
    }
}

/// What the environment asks for in Vercel projects.
pub(super) fn build(resolver: &mut Resolver<'_>, defaults: Defaults) -> Vec<Object> {
    let Some(vercel) = resolver.environment.spec.vercel.clone() else { return Vec::new() };
    let team = match &vercel.team {
        Some(team) => match resolver.fill_known(team, place("vercel", "/spec/vercel/team")) {
            Some(team) => Some(team),
            None => return Vec::new(),
        },
        None => None,
    };
    let mut objects = Vec::new();
    for (component, written) in &vercel.projects {
        objects.extend(build_project(resolver, team.as_deref(), component, written, defaults).unwrap_or_default());
    }
    objects
}

fn build_project(
    resolver: &mut Resolver<'_>,
    team: Option<&str>,
    component: &str,
    written: &VercelProject,
    defaults: Defaults,
) -> Option<Vec<Object>> {
    let pointer = child("/spec/vercel/projects", component);
    let part = format!("vercel.{component}");
    let at = |field: &str| place(&part, child(&pointer, field));
    let project = resolver.fill_known(&written.project, at("project"))?;
    let mut optional = |text: &Option<String>, field: &str| match text {
        Some(text) => resolver.fill_known(text, at(field)).map(Some),
        None => Some(None),
    };
    let branch = optional(&written.branch, "branch")?;
    let target = optional(&written.target, "target")?.unwrap_or_else(|| "preview".to_owned());
    if branch.is_none() && target == "preview" {
        let help = "add `branch`, for example `branch: \"${{ branch.name }}\"`; without one, every preview of the project would be changed";
        resolver.error(&at("project"), "a preview needs the git branch that it is of", Some(help.to_owned()));
        return None;
    }
    let project = Project {
        written,
        component: component.to_owned(),
        scope: team.map_or_else(|| project.clone(), |team| format!("{team}/{project}")),
        pointer,
        env: resolver.environment.metadata.name.clone(),
        branch: branch.clone().filter(|_| target == "preview"),
        git_branch: branch,
        target,
        defaults,
    };
    let domains = domains(resolver, &project)?;
    let mut mark = project.object(ObjectKind::VercelMark, &project.env, "mark");
    mark.adopt = false;
    mark.fields.remove("adopt");
    mark.fields.insert("deployment".to_owned(), Value::Bool(written.deployment.is_some()));
    let names: Vec<&str> = domains.iter().map(|domain| domain.key.name.as_str()).collect();
    mark.fields.insert("domains".to_owned(), json!(names));
    let aliases = aliases(resolver, &project)?;
    let names: Vec<&str> = aliases.iter().map(|alias| alias.key.name.as_str()).collect();
    mark.fields.insert("aliases".to_owned(), json!(names));
    let mut objects = vec![mark];
    if !written.env.is_empty() {
        objects.push(variables(resolver, &project)?);
    }
    objects.extend(domains);
    if let Some(wanted) = &written.deployment {
        objects.push(deployment(resolver, &project, wanted)?);
    }
    objects.extend(aliases);
    if written.bypass {
        let mut bypass = project.object(ObjectKind::VercelBypass, &project.env, "bypass");
        bypass.after = project.after(&["mark"]);
        bypass.on_creation.extend(["target", "branch"].map(str::to_owned));
        objects.push(bypass);
    }
    Some(objects)
}

fn domains(resolver: &mut Resolver<'_>, project: &Project<'_>) -> Option<Vec<Object>> {
    let mut objects = Vec::new();
    for (index, domain) in project.written.domains.iter().enumerate() {
        let what = format!("domains.{index}");
        let at = place(&project.part(&what), format!("{}/domains/{index}", project.pointer));
        let name = host(resolver, domain, &at)?;
        let mut object = project.object(ObjectKind::VercelDomain, &name, &what);
        object.after = project.after(&["mark"]);
        objects.push(object);
    }
    Some(objects)
}

/// The host name that `text` stands for.
fn host(resolver: &mut Resolver<'_>, text: &str, at: &Place) -> Option<String> {
    let name = resolver.fill_known(text, at.clone())?.to_lowercase();
    // What somebody else's branch makes of it concerns this domain alone, and is told there: nothing else of the environment waits.
    if has_expression(text) {
        return Some(name);
    }
    match names::host(&name) {
        None => Some(name),
        Some(problem) => {
            resolver.error(at, format!("`{name}` {problem}"), None);
            None
        }
    }
}

fn aliases(resolver: &mut Resolver<'_>, project: &Project<'_>) -> Option<Vec<Object>> {
    let mut objects = Vec::new();
    for (index, alias) in project.written.aliases.iter().enumerate() {
        let what = format!("aliases.{index}");
        let at = place(&project.part(&what), format!("{}/aliases/{index}", project.pointer));
        if project.written.deployment.is_none() {
            let help = "add `deployment: {}`, or write the host under `domains`".to_owned();
            resolver.error(&at, "an alias leads to a deployment, and none is asked for", Some(help));
            return None;
        }
        let name = host(resolver, alias, &at)?;
        let mut object = project.object(ObjectKind::VercelAlias, &name, &what);
        let deployment = format!("${{{{ vercel.{}.deploymentId }}}}", project.component);
        object.fields.insert("deployment".to_owned(), Value::from(resolver.fill_plain(&deployment, at)?));
        object.on_creation.extend(["target", "branch"].map(str::to_owned));
        object.after = project.after(&["mark", "deployment"]);
        objects.push(object);
    }
    Some(objects)
}

fn variables(resolver: &mut Resolver<'_>, project: &Project<'_>) -> Option<Object> {
    let mut object = project.object(ObjectKind::VercelVariables, &project.env, "variables");
    object.after = project.after(&["mark"]);
    let mut types = BTreeMap::new();
    for (name, variable) in &project.written.env {
        let at = place(&project.part("variables"), child(&child(&project.pointer, "env"), name));
        let (text, usual) = match variable {
            VercelVariable::Text(text) => (resolver.fill(text, at, Destination::Secret)?, "encrypted"),
            VercelVariable::Plain(text) => {
                let at = Place { pointer: child(&at.pointer, "plain"), ..at };
                (resolver.fill(&text.plain, at, Destination::Plain)?, "plain")
            }
            VercelVariable::Secret(source) => (resolver.variable(&project.component, name, source, &at)?, "sensitive"),
        };
        let (value, kind) = match text {
            Text::Plain(text) => (SecretValue::Known(text.into()), usual),
            Text::Secret(text) => (SecretValue::Known(text), "sensitive"),
            Text::Unavailable(reason) => (SecretValue::Unavailable { reason }, "sensitive"),
        };
        types.insert(name.clone(), Value::from(kind));
        object.secrets.insert(name.clone(), value);
    }
    object.fields.insert("types".to_owned(), json!(types));
    Some(object)
}

fn deployment(resolver: &mut Resolver<'_>, project: &Project<'_>, written: &VercelDeployment) -> Option<Object> {
    let mut object = project.object(ObjectKind::VercelDeployment, &project.env, "deployment");
    object.after = project.after(&["mark"]);
    if !project.written.env.is_empty() {
        object.after.extend(project.after(&["variables"]));
        // A deployment keeps the values that were there when it was made.
        object.fields.insert("variables".to_owned(), Value::from("current"));
    }
    let is_preview = resolver.environment.spec.class == Class::Preview;
    if let Some(written) = &written.sha {
        let at = place(&project.part("deployment"), format!("{}/deployment/sha", project.pointer));
        if project.target == "production" && is_preview {
            let help = "set `class: staging` or `class: production`, or leave `sha` out".to_owned();
            resolver.error(&at, "a preview does not decide what is in production", Some(help));
            return None;
        }
        let sha = resolver.fill_known(written, at.clone())?;
        if let Some(problem) = not_a_commit(&sha).filter(|_| !has_expression(written)) {
            let help = "a branch moves, and an abbreviation may become another commit's: write all 40 characters";
            resolver.error(&at, problem, Some(help.to_owned()));
            return None;
        }
        object.fields.insert("sha".to_owned(), Value::from(sha));
        if project.target == "production" {
            object.fields.insert("inProduction".to_owned(), Value::Bool(true));
        }
    }
    if let Some(branch) = project.git_branch.as_ref().filter(|_| project.is_custom()) {
        object.fields.insert("branch".to_owned(), Value::from(branch.as_str()));
    }
    let by = match written.by {
        DeployedBy::Git => "git",
        DeployedBy::Hangar => "hangar",
    };
    object.fields.insert("by".to_owned(), Value::from(by));
    object.on_creation.extend(["target", "branch", "by"].map(str::to_owned));
    object.timeout = written.timeout.map_or(DEPLOYMENT, crate::spec::Duration::to_std);
    Some(object)
}

impl Resolver<'_> {
    /// The value of a variable that comes from the source of a secret.
    fn variable(&mut self, component: &str, name: &str, source: &SecretSource, at: &Place) -> Option<Text> {
        let source = serde_json::to_value(source).ok()?;
        self.secret_from(&format!("vercel.{component}"), name, source, at)
    }
}
