//! What environments of ours have in a Vercel project, as objects.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::client::{self, VercelError, VercelProblem, VercelReader};
use super::marks::{self, Kept, Mark, Ours};
use super::wire::{Alias, Project, ProjectDomain, Variable, VariableKind};
use crate::clock::SharedClock;
use crate::observed::{BY_OTHERS, Object, ObjectScope, ObjectState, PLAIN_VALUES, UNPROVED};
use crate::providers::objects::{Class, ObjectError};
use crate::resource::object::{Fields, Marks, ObjectMarker};
use crate::resource::{ComponentName, EnvName, ObjectKey, ObjectKind, OwnerId, ScopeKey};
use crate::secret::SecretText;

/// The component of what is found without a mark that would say more.
const COMPONENT: &str = "vercel";

/// What is known to be ours by the mark alone, with the field of the mark that lists what is wanted of it.
pub(super) const NAMED: [(ObjectKind, &str); 2] =
    [(ObjectKind::VercelDomain, "domains"), (ObjectKind::VercelAlias, "aliases")];

/// The field of a mark that says which domains and aliases it notes and the project does not have. Only a closer look knows which of them
/// are wanted.
const GONE: &str = "gone";

/// How long after the last change of a mark a domain that was noted in it may still come, or the change itself: longer than a request is
/// on its way.
pub(super) const STILL_COMING: TimeDelta = TimeDelta::minutes(2);

/// What reads one project.
#[derive(Debug)]
pub(super) struct Reads {
    pub(super) reader: VercelReader,
    pub(super) scope: ScopeKey,
    /// For whom.
    owner: OwnerId,
    /// Its id or name.
    pub(super) project: String,
    pub(super) clock: SharedClock,
    /// The project as it was when it was read first, for what does not change.
    known: OnceCell<Project>,
    /// The id of the user whose token it is, where Vercel tells.
    user: OnceCell<Option<String>>,
}

/// What was read of a project.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) project: Option<Project>,
    pub(super) variables: Vec<Variable>,
    pub(super) domains: Vec<ProjectDomain>,
    pub(super) aliases: Vec<Alias>,
    pub(super) marks: Vec<Kept>,
}

impl Seen {
    /// The mark of an environment.
    pub(super) fn mark(&self, owner: &str, env: &str) -> Option<&Kept> {
        self.marks.iter().find(|kept| kept.mark.is_of(owner, env))
    }

    /// The variables of an environment, with what their comments say.
    pub(super) fn ours(&self, owner: &str, env: &str) -> Vec<(&Variable, Ours)> {
        let ours = self.variables.iter().filter_map(|variable| Some((variable, Ours::of(variable)?)));
        ours.filter(|(_, ours)| ours.is_of(owner, env)).collect()
    }
}

/// Where the variables of an environment are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target<'f> {
    /// `preview`, `production`, or the slug of a custom environment.
    pub(super) name: &'f str,
    pub(super) branch: Option<&'f str>,
}

impl<'f> Target<'f> {
    pub(super) fn of(fields: &'f Fields) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        Self { name: text("target").unwrap_or("preview"), branch: text("branch") }
    }

    /// The environment of Vercel's own that it is, if it is no custom one.
    pub(super) fn usual(&self) -> Option<client::Target> {
        match self.name {
            "preview" => Some(client::Target::Preview),
            "production" => Some(client::Target::Production),
            _ => None,
        }
    }

    /// Whether a variable is for this place, maybe among others. `custom` is the id of the custom environment.
    pub(super) fn meets(&self, variable: &Variable, custom: Option<&str>) -> bool {
        let is_there = match custom {
            Some(id) => variable.custom_environment_ids.iter().any(|known| known == id),
            None => variable.target.iter().any(|known| known == self.name),
        };
        is_there && variable.git_branch.as_deref() == self.branch
    }
}

impl Reads {
    pub(super) fn new(reader: VercelReader, scope: &ScopeKey, owner: &OwnerId, clock: SharedClock) -> Self {
        let project = scope.name.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            reader,
            scope: scope.clone(),
            owner: owner.clone(),
            project,
            clock,
            known: OnceCell::new(),
            user: OnceCell::new(),
        }
    }

    /// The project, as it was when it was read first.
    pub(super) async fn project(&self) -> Result<&Project, VercelError> {
        self.known.get_or_try_init(|| self.reader.project(&self.project)).await
    }

    /// The id of the user whose token it is; nothing where that cannot be told.
    pub(super) async fn user(&self) -> Option<&str> {
        let ask = || async { self.reader.user().await.ok().map(|user| user.id) };
        self.user.get_or_init(ask).await.as_deref()
    }

    /// The slug of the custom environment of this id, as far as the project was read and had it then.
    pub(super) fn custom_slug(&self, id: &str) -> Option<&str> {
        let known = self.known.get()?.custom_environments.iter().find(|known| known.id == id)?;
        Some(&known.slug)
    }

    /// The id of the custom environment that `target` names; nothing for those that every project has.
    pub(super) async fn custom(&self, target: &Target<'_>) -> Result<Option<String>, ObjectError> {
        if target.usual().is_some() {
            return Ok(None);
        }
        let id_in = |project: &Project| {
            let found = project.custom_environments.iter().find(|known| known.slug == target.name);
            found.map(|found| found.id.clone())
        };
        if let Some(id) = id_in(self.project().await?) {
            return Ok(Some(id));
        }
        // It may have been made since.
        let project = self.reader.project(&self.project).await?;
        id_in(&project).map(Some).ok_or_else(|| ObjectError {
            reason: "NoSuchTarget".to_owned(),
            message: format!(
                "{} has no environment `{}`: write `preview`, `production`, or the slug of a custom environment that it has",
                self.scope, target.name
            ),
            class: Class::Permanent,
        })
    }

    /// Reads the variables, and with them the marks; and what else is needed.
    pub(super) async fn see(&self, with_project: bool, with_names: bool) -> Result<Seen, VercelError> {
        let project =
            async { if with_project { self.reader.project(&self.project).await.map(Some) } else { Ok(None) } };
        let domains = async { if with_names { self.reader.domains(&self.project).await } else { Ok(Vec::new()) } };
        let (project, variables, domains) = futures::try_join!(project, self.reader.variables(&self.project), domains)?;
        let marks = marks::read(&variables);
        let aliases = if with_names { self.noted_aliases(&marks).await? } else { Vec::new() };
        Ok(Seen { project, variables, domains, aliases, marks })
    }

    pub(super) async fn list(&self) -> ObjectScope {
        let started_at = self.clock.now();
        match self.see(true, true).await {
            Ok(seen) => ObjectScope::complete(self.objects(&seen), started_at),
            Err(error) => {
                let advice = (error.class() == client::Class::Permanent).then(|| error.advice().to_string());
                ObjectScope::unreadable(&self.scope, started_at, error.to_string(), advice)
            }
        }
    }

    /// Everything that was seen, as objects. Of the deployments only that an environment has some: which ones is read when it matters.
    pub(super) fn objects(&self, seen: &Seen) -> Vec<Object> {
        let mut objects = Vec::new();
        let mut marked = BTreeSet::new();
        for kept in &seen.marks {
            let mark = &kept.mark;
            if !marked.insert((mark.owner.as_str(), mark.env.as_str())) {
                continue;
            }
            let mut object =
                self.of_mark(ObjectKind::VercelMark, &self.name_of(&mark.owner, &mark.env), &kept.id, mark);
            object.fields = fields_of(mark);
            let gone = NAMED.map(|(kind, field)| (field.to_owned(), json!(self.gone(kind, kept, seen))));
            object.fields.insert(GONE.to_owned(), Value::Object(gone.into_iter().collect()));
            // One that is left of where the environment was before: nothing is as wanted until it is gone.
            let is_left = |other: &&Kept| other.id != kept.id && other.mark.is_of(&mark.owner, &mark.env);
            if let Some(left) = seen.marks.iter().find(is_left) {
                let places = [mark, &left.mark].map(|mark| mark.branch.as_deref().unwrap_or(&mark.target));
                object.fields.insert("target".to_owned(), json!(places.join(" and ")));
            }
            object.bulk = format!("{} {:?}", kept.id, object.fields);
            object.created_at = kept.created_at;
            objects.push(object);
            if mark.deployment {
                let id = whole_name(&mark.owner, &mark.env);
                let name = self.name_of(&mark.owner, &mark.env);
                let mut object = self.of_mark(ObjectKind::VercelDeployment, &name, &id, mark);
                let production = seen.project.as_ref().and_then(Project::production);
                if let Some(current) = production.filter(|_| mark.target == "production") {
                    object.bulk.clone_from(&current.id);
                }
                objects.push(object);
            }
        }
        objects.extend(self.variables_of(seen));
        for domain in &seen.domains {
            let mark = seen.marks.iter().map(|kept| &kept.mark).find(|mark| mark.domains.contains(&domain.name));
            objects.push(self.domain(domain, mark));
        }
        for alias in &seen.aliases {
            let mark = seen.marks.iter().map(|kept| &kept.mark).find(|mark| mark.aliases.contains(&alias.alias));
            objects.push(self.alias_object(alias, mark));
        }
        for secret in seen.project.iter().flat_map(Project::bypass_secrets) {
            let Some((owner, env)) = secret.note.as_deref().and_then(marks::noted) else { continue };
            let mut object = self.of_env(ObjectKind::VercelBypass, seen, owner, env);
            object.outputs.insert("bypassSecret".to_owned(), secret.secret.clone());
            object.created_at = secret.created_at;
            if !objects.iter().any(|known: &Object| known.key == object.key && known.id == object.id) {
                objects.push(object);
            }
        }
        objects
    }

    /// The domains or aliases that a mark has long noted and that the project does not have. `seen` has both.
    pub(super) fn gone(&self, kind: ObjectKind, kept: &Kept, seen: &Seen) -> Vec<String> {
        let settled = kept.updated_at.is_some_and(|at| self.clock.now().signed_duration_since(at) > STILL_COMING);
        let is_there = |name: &String| {
            seen.domains.iter().any(|domain| kind == ObjectKind::VercelDomain && domain.name == *name)
                || seen.aliases.iter().any(|alias| kind == ObjectKind::VercelAlias && alias.alias == *name)
        };
        // What was to be deleted was there: nothing of it comes late.
        let was_going = |name: &String| kept.mark.marks_of(kind, name).contains_key("hangar_tombstone");
        let is_gone = |name: &&String| !is_there(name) && (settled || was_going(name));
        kept.mark.names(kind).into_iter().flatten().filter(is_gone).cloned().collect()
    }

    fn variables_of(&self, seen: &Seen) -> Vec<Object> {
        let ours = seen.variables.iter().filter_map(|variable| Some((variable, Ours::of(variable)?)));
        let mut by_env: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (variable, ours) in ours {
            let texts = by_env.entry((ours.owner, ours.env)).or_default();
            let (comment, kind, at) = (&variable.comment, variable.kind().as_str(), variable.updated_at);
            texts.push(format!("{} {comment:?} {kind} {at:?}", variable.key));
        }
        let objects = by_env.into_iter().map(|((owner, env), texts)| {
            let object = self.of_env(ObjectKind::VercelVariables, seen, &owner, &env);
            Object { bulk: texts.join("\n"), ..object }
        });
        objects.collect()
    }

    fn domain(&self, domain: &ProjectDomain, mark: Option<&Mark>) -> Object {
        let mut object = match mark {
            Some(mark) => self.of_mark(ObjectKind::VercelDomain, &domain.name, &domain.name, mark),
            None => self.object(ObjectKind::VercelDomain, &domain.name, &domain.name, None, Marks::new()),
        };
        object.fields.extend(domain.git_branch.iter().map(|branch| ("branch".to_owned(), json!(branch))));
        let target = match (&domain.custom_environment_id, &domain.git_branch) {
            // Which one that is, only a closer look tells.
            (Some(id), _) => id.as_str(),
            (None, Some(_)) => "preview",
            (None, None) => "production",
        };
        object.fields.insert("target".to_owned(), json!(target));
        if !domain.verified {
            object.fields.insert(UNPROVED.to_owned(), json!(true));
            object.state = ObjectState::Failed { message: domain.how_to_prove() };
        }
        object.bulk = format!("{:?} {target:?} {:?}", domain.git_branch, domain.verified);
        object.created_at = domain.created_at;
        object
    }

    /// An object that says itself which environment it is of, with the marks that stand elsewhere.
    fn of_env(&self, kind: ObjectKind, seen: &Seen, owner: &str, env: &str) -> Object {
        let (id, name) = (whole_name(owner, env), self.name_of(owner, env));
        if let Some(kept) = seen.mark(owner, env) {
            return self.of_mark(kind, &name, &id, &kept.mark);
        }
        let marker = ObjectMarker {
            owner: OwnerId::new(owner),
            env: EnvName::new(env),
            component: ComponentName::new(COMPONENT),
            name: name.clone(),
            set: None,
        };
        self.object(kind, &name, &id, Some(marker), Marks::new())
    }

    /// What the parts of an environment go by. Another owner may have an environment of the same name here, which is not to be taken
    /// for ours.
    fn name_of(&self, owner: &str, env: &str) -> String {
        if owner == self.owner.as_str() { env.to_owned() } else { whole_name(owner, env) }
    }

    pub(super) fn of_mark(&self, kind: ObjectKind, name: &str, id: &str, mark: &Mark) -> Object {
        self.object(kind, name, id, Some(mark.marker(name)), mark.marks_of(kind, name))
    }

    pub(super) fn object(
        &self,
        kind: ObjectKind,
        name: &str,
        id: &str,
        marker: Option<ObjectMarker>,
        marks: Marks,
    ) -> Object {
        Object {
            key: ObjectKey { scope: self.scope.clone(), object: kind, name: name.to_owned() },
            id: id.to_owned(),
            marker,
            made_by: None,
            marks,
            state: ObjectState::Ready,
            fields: Fields::new(),
            bulk: String::new(),
            fingerprints: BTreeMap::new(),
            outputs: BTreeMap::new(),
            is_close: false,
            held_by: None,
            created_at: None,
        }
    }

    pub(super) async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        if wanted.is_empty() {
            return;
        }
        let seen = match self.see(false, false).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(%error, "the variables of a project could not be looked at closely");
                return;
            }
        };
        self.look_for_aliases(scope, wanted).await;
        let looks = scope.objects.items.iter_mut().filter_map(|object| {
            let fields = wanted.get(&object.key)?;
            let seen = &seen;
            Some(async move {
                match self.close_up(object, fields, seen).await {
                    Ok(true) => {
                        not_waited_for(object, fields);
                        None
                    }
                    Ok(false) => Some(object.key.clone()),
                    Err(error) => {
                        tracing::warn!(%error, "something at Vercel could not be looked at closely");
                        object.is_close = false;
                        None
                    }
                }
            })
        });
        let absent: Vec<ObjectKey> = futures::future::join_all(looks).await.into_iter().flatten().collect();
        scope.objects.items.retain(|object| !absent.contains(&object.key));
    }

    /// Looks at one object, as far as it is there.
    pub(super) async fn look(&self, key: &ObjectKey, wanted: &Fields) -> Result<Option<Object>, ObjectError> {
        let with_names = key.object.is_noted_by_mark() || key.object == ObjectKind::VercelMark;
        let with_project = key.object == ObjectKind::VercelBypass;
        let seen = self.see(with_project, with_names).await?;
        let Some(mut object) = self.objects(&seen).into_iter().find(|object| object.key == *key) else {
            return Ok(None);
        };
        let is_there = self.close_up(&mut object, wanted, &seen).await?;
        Ok(is_there.then_some(object))
    }

    /// Fills in what only a closer look shows of an object of which `wanted` is wanted. Returns whether it is there at all.
    async fn close_up(&self, object: &mut Object, wanted: &Fields, seen: &Seen) -> Result<bool, ObjectError> {
        object.is_close = true;
        match object.key.object {
            ObjectKind::VercelMark => names_noted(object, wanted),
            ObjectKind::VercelVariables => self.variables_closely(object, wanted, seen).await?,
            ObjectKind::VercelDomain => {
                let target = Target::of(wanted);
                let custom = self.custom(&target).await?;
                if custom.is_some_and(|id| object.fields.get("target") == Some(&json!(id))) {
                    object.fields.insert("target".to_owned(), json!(target.name));
                }
            }
            ObjectKind::VercelDeployment => return self.deployment_closely(object, wanted, seen).await,
            ObjectKind::VercelBypass => {
                let exposed = object.outputs.get("bypassSecret").map(SecretText::expose).unwrap_or_default();
                object.is_close = !exposed.is_empty();
            }
            _ => {}
        }
        Ok(true)
    }

    async fn variables_closely(&self, object: &mut Object, wanted: &Fields, seen: &Seen) -> Result<(), ObjectError> {
        let Some(marker) = &object.marker else { return Ok(()) };
        let target = Target::of(wanted);
        let custom = self.custom(&target).await?;
        let none = serde_json::Map::new();
        let wanted_types = wanted.get("types").and_then(Value::as_object).unwrap_or(&none);
        let changed_by_others = self.changed_by_others(seen, marker).await;
        let (mut types, mut values, mut by_others) = (none.clone(), none.clone(), none.clone());
        object.fields = wanted.iter().filter(|(name, _)| *name == "target" || *name == "branch").map(owned).collect();
        for (variable, ours) in seen.ours(marker.owner.as_str(), marker.env.as_str()) {
            if !target.meets(variable, custom.as_deref()) {
                // It is where the environment was before: nothing is as wanted until it is gone.
                object.fields.insert("target".to_owned(), json!(variable.target.join(", ")));
                object.fields.insert("branch".to_owned(), json!(variable.git_branch));
                continue;
            }
            let wanted_type = wanted_types.get(&variable.key).and_then(Value::as_str);
            let live_type = match (wanted_type, variable.kind()) {
                // What is kept more safely than asked for is well kept; the policy of a team can make it so.
                (Some(wanted), VariableKind::Sensitive) => wanted,
                (_, kind) => kind.as_str(),
            };
            if let Some(wanted) = wanted_type {
                types.insert(variable.key.clone(), json!(live_type));
                if wanted != live_type {
                    continue;
                }
            }
            if variable.kind() == VariableKind::Plain {
                values.insert(variable.key.clone(), json!(variable.value().map(SecretText::expose)));
            }
            object.fingerprints.insert(variable.key.clone(), ours.fingerprint);
            if changed_by_others.contains(&variable.id) {
                by_others.insert(variable.key.clone(), json!(true));
            }
        }
        object.fields.insert("types".to_owned(), Value::Object(types));
        object.fields.insert(PLAIN_VALUES.to_owned(), Value::Object(values));
        object.fields.insert(BY_OTHERS.to_owned(), Value::Object(by_others));
        Ok(())
    }
}

/// A build that has begun with older variables is not worth waiting for: another one can take its place at once.
fn not_waited_for(object: &mut Object, wanted: &Fields) {
    let is_outdated = wanted.contains_key("variables") && object.fields.get("variables") == Some(&json!("older"));
    if is_outdated && matches!(object.state, ObjectState::Changing { .. }) {
        object.state = ObjectState::Ready;
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Compares the domains and aliases that a mark notes with those that are wanted: one that is neither wanted nor there must not stay
/// noted, because whoever adds it by hand one day would be taken for us.
fn names_noted(object: &mut Object, wanted: &Fields) {
    let gone = object.fields.remove(GONE).unwrap_or_default();
    for (_, field) in NAMED {
        let Some(names) = wanted.get(field).and_then(Value::as_array) else { continue };
        let mut noted = names.clone();
        let gone = gone.get(field).and_then(Value::as_array).into_iter().flatten();
        noted.extend(gone.filter(|name| !names.contains(name)).cloned());
        object.fields.insert(field.to_owned(), Value::Array(noted));
    }
}

/// What the mark itself is compared by.
fn fields_of(mark: &Mark) -> Fields {
    let mut fields =
        Fields::from([("target".to_owned(), json!(mark.target)), ("deployment".to_owned(), json!(mark.deployment))]);
    fields.extend(mark.branch.iter().map(|branch| ("branch".to_owned(), json!(branch))));
    fields
}

/// What an environment's objects go by: environments of several owners can be in one project.
pub(super) fn whole_name(owner: &str, env: &str) -> String {
    format!("{owner}/{env}")
}

/// What a refusal of Vercel means for an object.
impl From<VercelError> for ObjectError {
    fn from(error: VercelError) -> Self {
        let class = match (error.problem(), error.class()) {
            (_, client::Class::Unknown) => Class::Unknown,
            // None of them is over soon: it is asked again later, and nothing has failed.
            (
                VercelProblem::DeploymentLimit { .. }
                | VercelProblem::ProjectFull { .. }
                | VercelProblem::GitBranchNotFound { .. },
                _,
            ) => Class::NoRoom,
            (_, client::Class::Transient) => Class::Transient,
            (_, client::Class::Permanent) => Class::Permanent,
        };
        Self { reason: error.reason().to_owned(), message: format!("{error}; {}", error.advice()), class }
    }
}
