//! Preview branches of a Supabase project as objects. Whose one is, and what is noted on it, is in its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::client::{CreateBranch, Deleted, SupabaseReader, SupabaseWriter, UpdateBranch};
use super::error::{self, SupabaseError};
use super::marks;
use super::wire::{Branch, Progress};
use crate::clock::SharedClock;
use crate::http::{Lane, ReadClient, Shared, WriteClient};
use crate::observed::{Object, ObjectScope, ObjectState};
use crate::providers::objects::{
    Changed, Class, Expected, ObjectError, ObjectReader, ObjectWriter, ReadObjects, WriteObjects, Written,
};
use crate::resource::object::{Fields, Marks, ObjectMarker, ObjectWrite};
use crate::resource::own_name;
use crate::resource::{ObjectKey, ObjectKind, OwnerId, ScopeKey};
use crate::secret::SecretText;

/// How far Supabase's clock may be ahead of ours, in seconds.
const SKEW: i64 = 60;
/// The section of specs.
const SECTION: &str = "supabase";

/// What reads the branches of the project that `scope` names, and says of them what `owner` has made.
pub fn reader(http: ReadClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectReader {
    Arc::new(Reads {
        reader: SupabaseReader::new(http),
        scope: scope.clone(),
        owner: owner.clone(),
        clock: SharedClock::clone(&shared.clock),
    })
}

/// What writes to them.
pub fn writer(http: WriteClient, scope: &ScopeKey, owner: &OwnerId, shared: &Shared) -> ObjectWriter {
    let writer = SupabaseWriter::new(http);
    let reader = writer.reader().clone();
    let reads = Reads { reader, scope: scope.clone(), owner: owner.clone(), clock: SharedClock::clone(&shared.clock) };
    Arc::new(Writes { writer, reads, lane: shared.lanes.of(&scope.to_string()) })
}

#[derive(Debug)]
struct Reads {
    reader: SupabaseReader,
    scope: ScopeKey,
    owner: OwnerId,
    clock: SharedClock,
}

#[derive(Debug)]
struct Writes {
    writer: SupabaseWriter,
    reads: Reads,
    /// What is noted is read and written: one after the other.
    lane: Arc<Lane>,
}

impl Reads {
    fn project(&self) -> &str {
        &self.scope.name
    }

    /// All branches of the project as objects, the oldest first.
    async fn objects(&self) -> Result<Vec<Object>, SupabaseError> {
        let mut branches = self.reader.branches(self.project()).await?;
        branches.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        let mut objects: Vec<Object> = branches.iter().map(|branch| self.object(branch)).collect();
        // Two may have one name, if not the same marks: only the first one can be ours.
        let mut seen = BTreeSet::new();
        for object in &mut objects {
            if !seen.insert(object.key.clone()) {
                object.marker = None;
            }
        }
        Ok(objects)
    }

    /// Whose a branch of this name is.
    fn marker(&self, name: &str) -> Option<ObjectMarker> {
        own_name::marker(&self.owner, SECTION, name, self.project())
    }

    /// The name, the marks and the owner that the full name of a branch says. What stands for the project itself never is a branch that
    /// we have made, and a branch that is younger than what is noted on it has its name from another one.
    fn said<'n>(&self, branch: &'n Branch) -> (&'n str, Marks, Option<ObjectMarker>) {
        let parts = marks::parts(&branch.name).filter(|(_, marks)| {
            let since = branch.created_at.map_or(i64::MIN, |at| at.timestamp().saturating_sub(SKEW));
            !branch.is_default && marks::moments(marks).all(|moment| moment >= since)
        });
        let ours = parts.and_then(|(name, marks)| Some((name, marks, Some(self.marker(name)?))));
        ours.unwrap_or((&branch.name, Marks::new(), None))
    }

    fn object(&self, branch: &Branch) -> Object {
        let (name, marks, marker) = self.said(branch);
        let mut fields = Fields::from([("persistent".to_owned(), Value::Bool(branch.persistent))]);
        if let Some(git_branch) = &branch.git_branch {
            fields.insert("gitBranch".to_owned(), Value::from(git_branch.as_str()));
        }
        let mut bulk = String::new();
        // Writing to a string does not fail.
        let _infallible = write!(bulk, "{branch:?}");
        Object {
            key: self.key(name),
            id: branch.project_ref.clone(),
            marker,
            made_by: branch.pr_number.map(|number| format!("the GitHub integration, for pull request {number}")),
            marks,
            state: state(branch),
            fields,
            bulk,
            fingerprints: BTreeMap::new(),
            outputs: BTreeMap::new(),
            is_close: false,
            held_by: None,
            created_at: branch.created_at,
        }
    }

    fn key(&self, name: &str) -> ObjectKey {
        ObjectKey { scope: self.scope.clone(), object: ObjectKind::SupabaseBranch, name: name.to_owned() }
    }

    /// Reads how to connect to a branch that is ready.
    async fn look_at(&self, object: &mut Object) -> Result<(), SupabaseError> {
        if object.state != ObjectState::Ready {
            return Ok(());
        }
        let reference = object.id.as_str();
        let (config, poolers, keys) = futures::try_join!(
            self.reader.branch_config(reference),
            self.reader.poolers(reference),
            self.reader.api_keys(reference)
        )?;
        object.is_close = true;
        let Some(config) = config else { return Ok(()) };
        let (Some(user), Some(password), Some(uri)) = (&config.db_user, &config.db_pass, config.uri()) else {
            object.state = ObjectState::Changing { what: "nobody can log in yet".to_owned() };
            return Ok(());
        };
        let pooler = poolers.iter().find(|pooler| pooler.database_type == "PRIMARY");
        let key = |name: &str| keys.iter().find(|key| key.name == name).and_then(|key| key.api_key.clone());
        let outputs = [
            ("uri", Some(uri)),
            ("pooledUri", pooler.and_then(|pooler| pooler.uri(password))),
            ("host", Some(SecretText::new(config.db_host.as_str()))),
            ("database", Some(SecretText::new(super::wire::DATABASE))),
            ("role", Some(SecretText::new(user.as_str()))),
            ("password", Some(password.clone())),
            ("url", Some(SecretText::new(format!("https://{reference}.supabase.co")))),
            ("anonKey", key("anon")),
            ("serviceKey", key("service_role")),
        ];
        object.outputs = outputs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        Ok(())
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<Object>, SupabaseError> {
        Ok(self.objects().await?.into_iter().find(|object| object.key == *key))
    }
}

/// How a branch is.
fn state(branch: &Branch) -> ObjectState {
    if let Some(at) = branch.deletion_scheduled_at {
        return ObjectState::Changing { what: format!("Supabase deletes it at {at}") };
    }
    let health = branch.preview_project_status.as_deref();
    match branch.progress() {
        Progress::Ready => ObjectState::Ready,
        _ if matches!(health, Some("INACTIVE" | "PAUSING")) => ObjectState::Failed {
            message: "Supabase has paused it, because nobody has used it; restore it in Supabase's dashboard, and `persistent: true` keeps it up".to_owned(),
        },
        Progress::Coming => ObjectState::Changing { what: format!("it is {}", branch.status) },
        Progress::Failed(word) => ObjectState::Failed {
            message: format!("Supabase says {word}; see its log in Supabase's dashboard, or delete it, and it is made anew"),
        },
        Progress::Unknown(word) => ObjectState::Changing { what: format!("it is {word}") },
    }
}

impl Writes {
    /// The branch as it is now, if it still is the one that goes by `id`.
    async fn again(&self, key: &ObjectKey, id: &str) -> Result<Option<Object>, ObjectError> {
        let found = self.reads.find(key).await?;
        Ok(found.filter(|found| found.id == id))
    }

    async fn look(&self, key: &ObjectKey) -> Result<Option<Object>, SupabaseError> {
        let Some(mut object) = self.reads.find(key).await? else { return Ok(None) };
        self.reads.look_at(&mut object).await?;
        Ok(Some(object))
    }
}

impl From<SupabaseError> for ObjectError {
    fn from(error: SupabaseError) -> Self {
        let class = match error.class() {
            error::Class::Unknown => Class::Unknown,
            error::Class::Transient => Class::Transient,
            error::Class::Permanent => Class::Permanent,
        };
        Self { reason: error.reason().to_owned(), message: format!("{error}; {}", error.advice()), class }
    }
}

#[async_trait]
impl ReadObjects for Reads {
    async fn list(&self) -> ObjectScope {
        let started_at = self.clock.now();
        match self.objects().await {
            Ok(objects) => ObjectScope::complete(objects, started_at),
            Err(error) => {
                let advice = (error.class() == error::Class::Permanent).then(|| error.advice().to_string());
                ObjectScope::unreadable(&self.scope, started_at, error.to_string(), advice)
            }
        }
    }

    async fn look_closely(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        let is_wanted = |object: &&mut Object| wanted.contains_key(&object.key);
        let looks = scope.objects.items.iter_mut().filter(is_wanted).map(|object| async move {
            if let Err(error) = self.look_at(object).await {
                tracing::warn!(%error, "a branch could not be looked at closely");
                object.is_close = false;
            }
        });
        let _all_looked: Vec<()> = futures::future::join_all(looks).await;
    }
}

#[async_trait]
impl WriteObjects for Writes {
    async fn create(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        // Supabase does not say why it refuses, so a name that is taken has to be seen before.
        if let Some(found) = self.reads.find(&write.key).await? {
            return Ok(Written { id: Some(found.id.clone()), shown: Some(found.id) });
        }
        if self.reads.marker(&write.key.name).is_none() {
            return Err(ObjectError {
                reason: "BranchMissing".to_owned(),
                message: format!(
                    "there is no {} to take over (yet); wait for whoever makes it, correct its name, or remove `adopt`",
                    write.key
                ),
                class: Class::Permanent,
            });
        }
        let text = |name: &str| write.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| write.fields.get(name).and_then(Value::as_bool);
        let branch = CreateBranch {
            branch_name: marks::full(&write.key.name, &write.marks),
            git_branch: text("gitBranch"),
            persistent: flag("persistent"),
            region: text("region"),
            desired_instance_size: text("size"),
            with_data: flag("withData"),
            notify_url: None,
        };
        let made = self.writer.create_branch(self.reads.project(), &branch).await?;
        Ok(Written { id: Some(made.project_ref.clone()), shown: Some(made.project_ref) })
    }

    async fn update(&self, id: &str, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let field = |name: &str| write.fields.get(name).filter(|_| changed.names.contains(name));
        let change = UpdateBranch {
            branch_name: None,
            git_branch: field("gitBranch").and_then(Value::as_str).map(str::to_owned),
            persistent: field("persistent").and_then(Value::as_bool),
        };
        let _changed: Branch = self.writer.update_branch(id, &change).await?;
        Ok(Written::default())
    }

    async fn mark(
        &self,
        key: &ObjectKey,
        id: &str,
        change: &BTreeMap<String, Option<String>>,
    ) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let found = self.again(key, id).await?.filter(|found| found.owned_by(&self.reads.owner).is_some());
        let Some(found) = found else {
            return Err(ObjectError::overtaken(format!("{key} is not there, or not ours, any more; it is not marked")));
        };
        let branch_name = Some(marks::full(&key.name, &marks::changed(found.marks, change)));
        let change = UpdateBranch { branch_name, ..UpdateBranch::default() };
        let _changed: Branch = self.writer.update_branch(id, &change).await?;
        Ok(Written::default())
    }

    async fn delete(&self, key: &ObjectKey, id: &str, expected: Expected<'_>) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let Some(found) = self.again(key, id).await? else { return Ok(Written::default()) };
        expected.check(&found)?;
        let _: Deleted = self.writer.delete_branch(id).await?;
        Ok(Written::default())
    }

    async fn look(
        &self,
        key: &ObjectKey,
        _wanted: &Fields,
        _marker: Option<&ObjectMarker>,
    ) -> Result<Option<Object>, ObjectError> {
        self.look(key).await.map_err(ObjectError::from)
    }
}
