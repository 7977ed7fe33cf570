//! Branches of a Neon project as objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::client::{self, BranchRef, Deleted, NeonError, NeonProblem, NeonReader, NeonWriter};
use super::wire::{
    Annotated, BranchData, BranchState, CreateBranch, CreateEndpoint, Endpoint, EndpointKind, Operation, ProjectOwner,
    UpdateBranch, UpdateEndpoint,
};
use super::{marks, restore};
use crate::clock::SharedClock;
use crate::http::{Lane, ReadClient, Shared, WriteClient};
use crate::observed::{Object, ObjectScope, ObjectState, Room};
use crate::providers::objects::{
    Changed, Class, Expected, ObjectError, ObjectReader, ObjectWriter, ReadObjects, WriteObjects, Written,
};
use crate::resource::object::{Fields, ObjectMarker, ObjectWrite};
use crate::resource::{ObjectKey, ObjectKind, ScopeKey};
use crate::secret::SecretText;

/// How long what Neon has begun may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// The field that says when Neon deletes a branch.
const EXPIRES_AT: &str = "expiresAt";
/// The field that says that it is the project's default one.
const IS_DEFAULT: &str = "isDefault";

/// What reads the project that `scope` names.
pub fn reader(http: ReadClient, scope: &ScopeKey, shared: &Shared) -> ObjectReader {
    Arc::new(Reads { reader: NeonReader::new(http), scope: scope.clone(), clock: SharedClock::clone(&shared.clock) })
}

/// What writes to the project that `scope` names.
pub fn writer(http: WriteClient, scope: &ScopeKey, shared: &Shared) -> ObjectWriter {
    let writer = NeonWriter::new(http);
    let reads =
        Reads { reader: writer.reader().clone(), scope: scope.clone(), clock: SharedClock::clone(&shared.clock) };
    Arc::new(Writes { writer, reads, lane: shared.lanes.of(&scope.to_string()) })
}

#[derive(Debug)]
pub(super) struct Reads {
    pub(super) reader: NeonReader,
    scope: ScopeKey,
    pub(super) clock: SharedClock,
}

#[derive(Debug)]
pub(super) struct Writes {
    pub(super) writer: NeonWriter,
    pub(super) reads: Reads,
    /// A project takes one write after the other.
    lane: Arc<Lane>,
}

impl Reads {
    pub(super) fn project(&self) -> &str {
        &self.scope.name
    }

    fn at<'a>(&'a self, branch: &'a str) -> BranchRef<'a> {
        BranchRef { project: self.project(), branch }
    }

    /// A branch as an object, with its compute among `endpoints` and its children among `all`.
    fn object(&self, annotated: &Annotated, endpoints: &[Endpoint], all: &[Annotated]) -> Object {
        let branch = &annotated.branch;
        let compute = writing(endpoints, &branch.id);
        let marks = marks::read(compute.and_then(|compute| compute.name.as_deref()));
        let mut fields = Fields::from([("protected".to_owned(), Value::Bool(branch.protected))]);
        if let Some(compute) = compute {
            fields.insert("minCu".to_owned(), json!(compute.autoscaling_limit_min_cu));
            fields.insert("maxCu".to_owned(), json!(compute.autoscaling_limit_max_cu));
            fields.insert("suspendSeconds".to_owned(), json!(compute.suspend_timeout_seconds));
        }
        // What a branch was born with is in its annotation, which cannot change; what it was reset to later is a mark.
        let reset = marks.get(marks::RESET).or_else(|| annotated.annotation.get(marks::RESET));
        if let Some(reset) = reset.and_then(|text| text.parse::<u32>().ok()) {
            fields.insert("reset".to_owned(), json!(reset));
        }
        let state = match branch.pending_state.as_ref().unwrap_or(&branch.current_state) {
            _ if branch.pending_state.is_some() => {
                ObjectState::Changing { what: format!("Neon is at work on it ({})", branch.current_state) }
            }
            BranchState::Ready | BranchState::Archived => ObjectState::Ready,
            other => ObjectState::Changing { what: format!("it is {other}") },
        };
        let children: Vec<&str> = restore::children(branch, all).collect();
        let held_by = (!children.is_empty()).then(|| format!("branches were made from it: {}", children.join(", ")));
        let mut bulk = String::new();
        // Writing to a string does not fail.
        let _infallible = write!(bulk, "{:?} {:?} {fields:?} {:?}", branch.id, branch.expires_at, branch.last_reset_at);
        fields.extend(restore::facts(branch, all));
        fields.extend(branch.expires_at.map(|at| (EXPIRES_AT.to_owned(), json!(at))));
        fields.insert(IS_DEFAULT.to_owned(), Value::Bool(branch.default));
        Object {
            key: self.key(&branch.name),
            id: branch.id.clone(),
            marker: ObjectMarker::from_texts(&annotated.annotation),
            made_by: None,
            marks,
            state,
            fields,
            bulk,
            fingerprints: BTreeMap::new(),
            outputs: BTreeMap::new(),
            is_close: false,
            held_by,
            created_at: Some(branch.created_at),
        }
    }

    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey { scope: self.scope.clone(), object: ObjectKind::NeonBranch, name: name.to_owned() }
    }

    /// Reads how to connect to a branch that is ready.
    async fn look_at(&self, object: &mut Object, wanted: &Fields) -> Result<(), NeonError> {
        if object.state != ObjectState::Ready {
            return Ok(());
        }
        let at = BranchRef { project: &self.scope.name, branch: &object.id };
        let (endpoints, roles, databases) =
            futures::try_join!(self.reader.endpoints(at), self.reader.roles(at), self.reader.databases(at))?;
        object.is_close = true;
        if let Some(wanted) = wanted.get("expiresSeconds") {
            object.fields.insert("expiresSeconds".to_owned(), time_left(object, wanted, self.clock.now()));
        }
        let mut further = |field: &str, is_there: &dyn Fn(&str) -> bool| {
            if let Some(names) = wanted.get(field).and_then(Value::as_array) {
                let there = names.iter().filter(|name| name.as_str().is_some_and(is_there)).cloned();
                object.fields.insert(field.to_owned(), there.collect());
            }
        };
        further("databases", &|name| databases.iter().any(|database| database.name == name));
        further("roles", &|name| roles.iter().any(|role| role.name == name));
        let text = |name: &str| wanted.get(name).and_then(Value::as_str);
        let database = match text("database") {
            Some(name) => databases.iter().find(|database| database.name == name),
            None => databases.first().filter(|_| databases.len() == 1),
        };
        let role = match (text("role"), database) {
            (Some(name), _) => roles.iter().find(|role| role.name == name),
            (None, Some(database)) => roles.iter().find(|role| role.name == database.owner_name),
            (None, None) => None,
        };
        let mut know = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                object.fields.insert(name.to_owned(), Value::from(value));
                object.outputs.insert(name.to_owned(), SecretText::new(value));
            }
        };
        know("database", database.map(|database| database.name.as_str()));
        know("role", role.map(|role| role.name.as_str()));
        let (Some(database), Some(role), Some(compute)) = (database, role, writing(&endpoints, at.branch)) else {
            if text("database").is_none() && databases.len() != 1 {
                let message =
                    format!("it has {} databases; name the one that is meant with `database`", databases.len());
                object.state = ObjectState::Failed { message };
            }
            return Ok(());
        };
        let (uri, pooled, password) = futures::try_join!(
            self.reader.connection_uri(compute, &database.name, &role.name, false),
            self.reader.connection_uri(compute, &database.name, &role.name, true),
            self.reader.password(at, &role.name)
        )?;
        let outputs = [
            ("uri", uri),
            ("pooledUri", pooled),
            ("password", password),
            ("host", SecretText::new(compute.host.as_str())),
        ];
        object.outputs.extend(outputs.map(|(name, value)| (name.to_owned(), value)));
        Ok(())
    }

    /// How many more branches the project may have, with so many that are there. Of paid plans no limit is known: what is beyond
    /// those that are included is billed.
    async fn room(&self, there: usize) -> Option<Room> {
        let project = match self.reader.project(self.project()).await {
            Ok(project) => project,
            Err(error) => {
                // The answer to the creation says it then.
                tracing::warn!(%error, "how many branches the project may have is not known");
                return None;
            }
        };
        let owner = project.owner.filter(ProjectOwner::is_free)?;
        let most = usize::try_from(owner.branches_limit).ok().filter(|most| *most > 0)?;
        Some(Room { left: most.saturating_sub(there), limit: format!("{most} branches") })
    }

    async fn find(&self, name: &str) -> Result<Option<Object>, NeonError> {
        let Some(found) = self.reader.branch_named(self.project(), name).await? else { return Ok(None) };
        let endpoints = self.reader.endpoints(self.at(&found.branch.id)).await?;
        Ok(Some(self.object(&found, &endpoints, &[])))
    }
}

impl Writes {
    /// A name that is taken may be our own, made by an attempt whose answer was lost.
    async fn after_refusal(&self, write: &ObjectWrite, error: NeonError) -> Result<Written, ObjectError> {
        if matches!(error.problem(), NeonProblem::NameTaken { .. }) {
            let found = self.reads.find(&write.key.name).await?;
            if let Some(found) = found.filter(|found| found.marker.as_ref() == Some(&write.marker)) {
                return Ok(Written { id: Some(found.id.clone()), shown: Some(found.id) });
            }
        }
        Err(error.into())
    }

    /// The id of the branch that a new one is made from.
    async fn parent(&self, parent: &str) -> Result<String, ObjectError> {
        let named = self.reads.reader.branch_named(self.reads.project(), parent).await?;
        if let Some(found) = named {
            return Ok(found.branch.id);
        }
        let by_id = self.reads.reader.branch(self.reads.at(parent)).await;
        match by_id? {
            Some(found) => Ok(found.branch.id),
            None => Err(ObjectError {
                reason: "ParentMissing".to_owned(),
                message: format!("there is no branch `{parent}` in {} to make another one from", self.reads.scope),
                class: Class::Permanent,
            }),
        }
    }

    fn expiry(&self, write: &ObjectWrite) -> Option<DateTime<Utc>> {
        let seconds = write.fields.get("expiresSeconds").and_then(Value::as_i64)?;
        self.reads.clock.now().checked_add_signed(TimeDelta::try_seconds(seconds)?)
    }

    async fn protect(&self, at: BranchRef<'_>, protected: bool) -> Result<(), ObjectError> {
        let change = UpdateBranch { protected: Some(protected), ..UpdateBranch::default() };
        let begun = self.writer.update_branch(at, &change).await?;
        self.finished(&begun.operations).await
    }

    /// Lets a branch become what its parent is.
    async fn reset(&self, at: BranchRef<'_>, write: &ObjectWrite) -> Result<(), ObjectError> {
        let Some(parent) = self.parent_to_reset_to(at, &write.fields).await? else {
            return Err(ObjectError {
                reason: "NoParent".to_owned(),
                message: format!("{} has no parent whose state it could be given; remove `reset`", write.key),
                class: Class::Permanent,
            });
        };
        // Without a place for the note it would be reset again and again.
        let compute = self.compute(at, &write.key).await?;
        let begun = self.writer.reset_to_parent(at, &parent).await?;
        self.finished(&begun.operations).await?;
        let reset = write.fields.get("reset").map(ToString::to_string);
        self.rename(&compute, &BTreeMap::from([(marks::RESET.to_owned(), reset)])).await
    }

    /// The compute of a branch, whose name holds our marks.
    async fn compute(&self, at: BranchRef<'_>, key: &ObjectKey) -> Result<Endpoint, ObjectError> {
        let endpoints = self.reads.reader.endpoints(at).await?;
        writing(&endpoints, at.branch).cloned().ok_or_else(|| ObjectError {
            reason: "NoCompute".to_owned(),
            message: format!("{key} has no compute whose name could hold our marks; add one in Neon's console"),
            class: Class::Permanent,
        })
    }

    /// The branch whose state a reset gives. One that was restored hangs from what it was, which is not what a reset is about.
    async fn parent_to_reset_to(&self, at: BranchRef<'_>, fields: &Fields) -> Result<Option<String>, ObjectError> {
        if !restore::is_wanted(fields) {
            let found = self.reads.reader.branch(at).await?;
            return Ok(found.and_then(|found| found.branch.parent_id));
        }
        if let Some(parent) = fields.get("parent").and_then(Value::as_str) {
            return self.parent(parent).await.map(Some);
        }
        let all = self.reads.reader.branches(at.project).await?;
        Ok(all.into_iter().map(|one| one.branch).find(|one| one.default && one.id != at.branch).map(|one| one.id))
    }

    async fn rename(&self, compute: &Endpoint, change: &BTreeMap<String, Option<String>>) -> Result<(), ObjectError> {
        let marks = marks::changed(marks::read(compute.name.as_deref()), change);
        let begun = self.writer.name_endpoint(self.reads.project(), &compute.id, &marks::write(&marks)).await;
        self.finished(&begun?.operations).await
    }

    async fn create_role(&self, at: BranchRef<'_>, role: &str) -> Result<(), ObjectError> {
        match self.writer.create_role(at, role).await {
            Ok(begun) => self.finished(&begun.operations).await,
            Err(error) if matches!(error.problem(), NeonProblem::NameTaken { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn create_database(&self, at: BranchRef<'_>, name: &str, owner: Option<&str>) -> Result<(), ObjectError> {
        let owner = if let Some(owner) = owner {
            owner.to_owned()
        } else {
            let roles = self.reads.reader.roles(at).await?;
            roles.first().map(|role| role.name.clone()).unwrap_or_default()
        };
        match self.writer.create_database(at, name, &owner).await {
            Ok(begun) => self.finished(&begun.operations).await,
            Err(error) if matches!(error.problem(), NeonProblem::NameTaken { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the further roles and databases that are wanted and not there.
    async fn create_further(&self, at: BranchRef<'_>, fields: &Fields) -> Result<(), ObjectError> {
        let names =
            |field: &str| fields.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        if names("roles").chain(names("databases")).next().is_none() {
            return Ok(());
        }
        let reader = &self.reads.reader;
        let (roles, databases) = futures::try_join!(reader.roles(at), reader.databases(at))?;
        for role in names("roles").filter(|name| roles.iter().all(|one| one.name != *name)) {
            self.create_role(at, role).await?;
        }
        let owner = fields.get("role").and_then(Value::as_str);
        for database in names("databases").filter(|name| databases.iter().all(|one| one.name != *name)) {
            self.create_database(at, database, owner).await?;
        }
        Ok(())
    }

    /// Leaves the branch, without its compute, under a name by which it is nobody's. No room is needed for that, and no copy, of which
    /// Neon would not let go while it lives.
    async fn put_aside(&self, at: BranchRef<'_>, name: &str, endpoints: &[Endpoint]) -> Result<Written, ObjectError> {
        let kept = format!("{name}-before-deletion-{}", self.reads.clock.now().format("%Y%m%d-%H%M%S"));
        // The name comes first: that it is to be put aside is noted in the name of its compute, and without that it would be deleted.
        let change = UpdateBranch { name: Some(kept.clone()), expires_at: Some(None), ..UpdateBranch::default() };
        let begun = self.writer.update_branch(at, &change).await?;
        self.finished(&begun.operations).await?;
        for compute in endpoints.iter().filter(|endpoint| endpoint.branch_id == at.branch) {
            let gone = self.writer.delete_endpoint(self.reads.project(), &compute.id).await;
            if let Deleted::Begun(operations) = gone? {
                self.finished(&operations).await?;
            }
        }
        let shown = format!(
            "what was in it is kept as branch `{kept}` ({}) without compute: add one to connect to it, or make branches from it; delete it when nobody needs it",
            at.branch
        );
        Ok(Written { id: None, shown: Some(shown) })
    }

    pub(super) async fn finished(&self, operations: &[Operation]) -> Result<(), ObjectError> {
        let done = self.writer.finished(operations, self.reads.project(), PATIENCE).await;
        done.map_err(|error| ObjectError {
            // Neon has begun: whatever is not over may still come.
            class: if matches!(error.problem(), NeonProblem::OperationFailed { .. }) {
                Class::Permanent
            } else {
                Class::Unknown
            },
            ..ObjectError::from(error)
        })
    }
}

/// The compute of a branch that takes writes: the one that others connect to.
fn writing<'e>(endpoints: &'e [Endpoint], branch: &str) -> Option<&'e Endpoint> {
    endpoints.iter().find(|endpoint| endpoint.branch_id == branch && endpoint.kind == EndpointKind::ReadWrite)
}

/// How long a branch has before Neon deletes it, in seconds: as long as is wanted, as long as three quarters of that are left. So it is
/// begun anew in time while somebody looks after the branch, and ends where nobody does. Where Neon lets nobody set it, it is as it is.
fn time_left(object: &Object, wanted: &Value, now: DateTime<Utc>) -> Value {
    let at = object.fields.get(EXPIRES_AT).and_then(Value::as_str).and_then(|at| at.parse::<DateTime<Utc>>().ok());
    let left = at.map(|at| at.signed_duration_since(now).num_seconds());
    let is_set = |field: &str| object.fields.get(field) == Some(&Value::Bool(true));
    let is_fixed = object.held_by.is_some() || is_set("protected") || is_set(IS_DEFAULT);
    match (left, wanted.as_i64()) {
        (_, Some(_)) if is_fixed => wanted.clone(),
        (None, _) => Value::Null,
        (Some(left), Some(seconds)) if left > seconds / 4 * 3 && left <= seconds => wanted.clone(),
        (Some(left), _) => json!(left),
    }
}

/// The sizes among `fields` that `is_wanted` names.
fn sizes(fields: &Fields, is_wanted: impl Fn(&str) -> bool) -> UpdateEndpoint {
    let number = |name: &str| fields.get(name).filter(|_| is_wanted(name));
    UpdateEndpoint {
        min_cu: number("minCu").and_then(Value::as_f64),
        max_cu: number("maxCu").and_then(Value::as_f64),
        suspend_seconds: number("suspendSeconds").and_then(Value::as_i64),
    }
}

impl From<NeonError> for ObjectError {
    fn from(error: NeonError) -> Self {
        let class = match (error.problem(), error.class()) {
            (_, client::Class::Unknown) => Class::Unknown,
            (NeonProblem::LimitReached { .. }, _) => Class::NoRoom,
            (_, client::Class::Transient) => Class::Transient,
            (_, client::Class::Permanent) => Class::Permanent,
        };
        Self { reason: error.reason().to_owned(), message: format!("{error}; {}", error.advice()), class }
    }
}

#[async_trait]
impl ReadObjects for Reads {
    async fn list(&self) -> ObjectScope {
        let started_at = self.clock.now();
        let listed =
            futures::try_join!(self.reader.branches(self.project()), self.reader.project_endpoints(self.project()));
        let (branches, endpoints) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let advice = (error.class() == client::Class::Permanent).then(|| error.advice().to_string());
                return ObjectScope::unreadable(&self.scope, started_at, error.to_string(), advice);
            }
        };
        let items = branches.iter().map(|branch| self.object(branch, &endpoints, &branches)).collect();
        ObjectScope::complete(items, started_at)
    }

    async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        let is_there = |key: &ObjectKey| scope.objects.items.iter().any(|object| object.key == *key);
        if scope.objects.completeness.is_complete() && !wanted.keys().all(is_there) {
            scope.room = self.room(scope.objects.items.len()).await;
        }
        let is_any_restored = wanted.values().any(restore::is_wanted);
        let all = scope.objects.items.iter().filter(|_| is_any_restored).map(|object| object.key.name.clone());
        let names: &BTreeSet<String> = &all.collect();
        let looks = scope.objects.items.iter_mut().filter_map(|object| {
            let fields = wanted.get(&object.key)?;
            Some(async move {
                if let Err(error) = self.look_at(object, fields).await {
                    tracing::warn!(%error, "a branch could not be looked at closely");
                    object.is_close = false;
                }
                restore::judge(object, fields, names, self.clock.now());
            })
        });
        let _all_looked: Vec<()> = futures::future::join_all(looks).await;
    }
}

#[async_trait]
impl WriteObjects for Writes {
    async fn create(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let text = |name: &str| write.fields.get(name).and_then(Value::as_str);
        let parent_id = match text("parent") {
            Some(parent) => Some(self.parent(parent).await?),
            None => None,
        };
        let mut annotation = write.marker.to_texts();
        // What is new is as its parent is: there is nothing to reset, and no run may die before it says so.
        annotation.extend(write.fields.get("reset").map(|reset| (marks::RESET.to_owned(), reset.to_string())));
        let is_schema_only = write.fields.get("schemaOnly") == Some(&Value::Bool(true));
        let branch = CreateBranch {
            name: write.key.name.clone(),
            parent_id,
            data: if is_schema_only { BranchData::SchemaOnly } else { BranchData::Parent },
            protected: write.fields.get("protected") == Some(&Value::Bool(true)),
            expires_at: self.expiry(write),
            endpoints: vec![CreateEndpoint { kind: EndpointKind::ReadWrite, sizes: sizes(&write.fields, |_| true) }],
            annotation,
        };
        let created = match self.writer.create_branch(self.reads.project(), &branch).await {
            Ok(created) => created,
            Err(error) => return self.after_refusal(write, error).await,
        };
        self.finished(&created.operations).await?;
        let at = self.reads.at(&created.branch.id);
        let is_there = |name: &str| created.roles.iter().any(|role| role.name == name);
        let role = match text("role") {
            Some(role) => {
                if !is_there(role) {
                    self.create_role(at, role).await?;
                }
                Some(role.to_owned())
            }
            None => created.roles.first().map(|role| role.name.clone()),
        };
        if let Some(database) = text("database").filter(|name| created.databases.iter().all(|one| one.name != **name)) {
            self.create_database(at, database, role.as_deref()).await?;
        }
        self.create_further(at, &write.fields).await?;
        Ok(Written { id: Some(created.branch.id.clone()), shown: Some(created.branch.id) })
    }

    async fn update(&self, id: &str, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let at = self.reads.at(id);
        let is_changed = |name: &str| changed.names.contains(name);
        let text = |name: &str| write.fields.get(name).and_then(Value::as_str);
        let protected = write.fields.get("protected").filter(|_| is_changed("protected")).and_then(Value::as_bool);
        if protected == Some(false) {
            self.protect(at, false).await?;
        }
        // Before anything that can be refused: the branch would end. And one that ends cannot be protected.
        if is_changed("expiresSeconds") {
            let change = UpdateBranch { expires_at: Some(self.expiry(write)), ..UpdateBranch::default() };
            let begun = self.writer.update_branch(at, &change).await?;
            self.finished(&begun.operations).await?;
        }
        if is_changed("reset") && is_changed("restore") {
            return Err(ObjectError {
                reason: "ResetAndRestore".to_owned(),
                message: format!("{} cannot be reset and restored at once: ask for one after the other", write.key),
                class: Class::Permanent,
            });
        }
        if is_changed("reset") {
            self.reset(at, write).await?;
        }
        if is_changed("restore") {
            self.restore(at, write).await?;
        }
        let sizes = sizes(&write.fields, |name| is_changed(name));
        if sizes != UpdateEndpoint::default() {
            let endpoints = self.reads.reader.endpoints(at).await?;
            if let Some(compute) = writing(&endpoints, id) {
                let begun = self.writer.update_endpoint(self.reads.project(), &compute.id, &sizes).await;
                self.finished(&begun?.operations).await?;
            }
        }
        if let Some(role) = text("role").filter(|_| is_changed("role")) {
            self.create_role(at, role).await?;
        }
        if let Some(database) = text("database").filter(|_| is_changed("database")) {
            self.create_database(at, database, text("role")).await?;
        }
        if is_changed("databases") || is_changed("roles") {
            self.create_further(at, &write.fields).await?;
        }
        // A branch that is protected takes no reset, so protection comes last, as it goes first.
        if protected == Some(true) {
            self.protect(at, true).await?;
        }
        Ok(Written::default())
    }

    async fn mark(
        &self,
        key: &ObjectKey,
        id: &str,
        change: &BTreeMap<String, Option<String>>,
    ) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let compute = self.compute(self.reads.at(id), key).await?;
        self.rename(&compute, change).await?;
        Ok(Written::default())
    }

    async fn delete(&self, key: &ObjectKey, id: &str, expected: Expected<'_>) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let at = self.reads.at(id);
        let found = self.reads.reader.branch(at).await?;
        let Some(found) = found else { return Ok(Written::default()) };
        let endpoints = self.reads.reader.endpoints(at).await?;
        let object = self.reads.object(&found, &endpoints, &[]);
        if object.key != *key {
            let message = format!("{key} has another name now (`{}`); it is left alone", found.branch.name);
            return Err(ObjectError::overtaken(message));
        }
        expected.check(&object)?;
        if object.marks.contains_key(marks::SNAPSHOT) {
            return self.put_aside(at, &found.branch.name, &endpoints).await;
        }
        if found.branch.protected {
            self.protect(at, false).await?;
        }
        match self.writer.delete_branch(at).await? {
            Deleted::Begun(operations) => self.finished(&operations).await?,
            Deleted::WasGone => {}
        }
        Ok(Written::default())
    }

    async fn look(
        &self,
        key: &ObjectKey,
        wanted: &Fields,
        _marker: Option<&ObjectMarker>,
    ) -> Result<Option<Object>, ObjectError> {
        let Some(mut object) = self.reads.find(&key.name).await? else {
            return Ok(None);
        };
        self.reads.look_at(&mut object, wanted).await?;
        Ok(Some(object))
    }
}
