//! How clusters, databases in them, and the records of which apps use them are made, changed, marked and deleted.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Changed, Content, Deleted, Expected, Fields, FlyError, Object, ObjectError, ObjectKey, ObjectKind, ObjectMarker,
    ObjectWrite, Value, WriteObjects, Writes, Written, marks, permanent,
};
use crate::providers::fly::client::{BackupKind, CreateCluster, Role};
use crate::providers::fly::wire::ClusterBackup;
use crate::providers::objects::Class;

/// How long a backup may take.
const BACKUP: Duration = Duration::from_mins(30);

/// What a write is about: a cluster, and what in it others use.
struct At {
    cluster: String,
    database: Option<String>,
    user: Option<String>,
}

impl At {
    fn new(id: &str, fields: &Fields) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let cluster = id.split_once('/').map_or(id, |(cluster, _)| cluster).to_owned();
        Self { cluster, database: text("database"), user: text("user") }
    }
}

/// What a user may do, by the word that Fly has for it.
fn role(fields: &Fields) -> Role {
    match fields.get("role").and_then(Value::as_str) {
        Some("writer") => Role::Writer,
        Some("reader") => Role::Reader,
        _ => Role::SchemaAdmin,
    }
}

impl Writes {
    async fn create_cluster(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        // Nothing else keeps a second one of the same name from being made.
        if let Some(found) = self.reads.find(&write.key).await? {
            return Ok(Written { id: Some(found.id.clone()), shown: Some(found.id) });
        }
        let text = |name: &str| write.fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = &write.key.name;
        if self.reads.marker(name).is_none() {
            let message = format!("there is no {} to take over; correct its name, or remove `adopt`", write.key);
            return Err(permanent("ClusterMissing", message));
        }
        let made = if let Some(source) = text("forkOf") {
            let source = self.reads.named(&source).await?;
            self.writer.fork_cluster(&source.id, name).await
        } else {
            let cluster = CreateCluster {
                org_slug: self.reads.org().to_owned(),
                name: Some(name.clone()),
                plan: text("plan").unwrap_or_else(|| "basic".to_owned()),
                region: text("region").unwrap_or_default(),
                disk_size_gb: write.fields.get("diskGb").and_then(Value::as_u64),
                pg_major_version: text("version"),
                ..CreateCluster::default()
            };
            self.writer.create_cluster(&cluster).await
        };
        let made = made?;
        Ok(Written { id: Some(made.id.clone()), shown: Some(made.id) })
    }

    async fn create_database(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let named = write.fields.get("cluster").and_then(Value::as_str).unwrap_or_default();
        let cluster = self.reads.named(named).await?.id;
        let mut content = self.reads.content(&cluster).await?;
        let id = format!("{cluster}/{}", write.key.name);
        let at = At::new(&id, &write.fields);
        // The user comes first: nothing is lost with it, and its name says whose it is, so that what is noted beside it can be found
        // again if this ends halfway. The database comes last, for by then everything is noted that is to keep it.
        self.make_user(&at, &write.fields, &content).await?;
        let mut noted = write.marks.clone();
        if let Some(rotate) = write.fields.get("rotate") {
            noted.insert(marks::ROTATE.to_owned(), rotate.to_string());
        }
        for (mark, value) in &noted {
            self.note(&cluster, &write.key.name, mark, Some(value), &mut content).await?;
        }
        self.make_database(&at, &content).await?;
        Ok(Written { id: Some(id.clone()), shown: Some(id) })
    }

    /// Notes that an app uses a cluster. The secret with the address is written like any other of the app.
    async fn attach(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let text = |name: &str| write.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let cluster = self.reads.id_of(text("cluster")).await?;
        self.writer.attach_cluster(&cluster, text("app")).await?;
        let id = format!("{cluster}/{}", text("app"));
        Ok(Written { id: Some(id.clone()), shown: Some(id) })
    }

    /// Makes the user that is wanted, if it is not there.
    async fn make_user(&self, at: &At, fields: &Fields, content: &Content) -> Result<(), ObjectError> {
        if let Some(user) = at.user.as_ref().filter(|name| !content.users.contains_key(*name)) {
            let made = self.writer.create_cluster_user(&at.cluster, user, role(fields)).await;
            made?;
        }
        Ok(())
    }

    /// Makes the database that is wanted, if it is not there.
    async fn make_database(&self, at: &At, content: &Content) -> Result<(), ObjectError> {
        if let Some(database) = at.database.as_ref().filter(|name| !content.databases.contains(*name)) {
            self.writer.create_cluster_database(&at.cluster, database).await?;
        }
        Ok(())
    }

    /// Notes `mark` on what is called `bearer`, or takes it away.
    async fn note(
        &self,
        cluster: &str,
        bearer: &str,
        mark: &str,
        value: Option<&String>,
        content: &mut Content,
    ) -> Result<(), ObjectError> {
        let wanted = match value {
            Some(value) => Some(marks::write(bearer, mark, value).ok_or_else(|| {
                permanent("MarkRefused", format!("`{mark}` of {bearer} cannot be said by the name of a database"))
            })?),
            None => None,
        };
        if let Some(name) = wanted.as_ref().filter(|name| !content.databases.contains(*name)) {
            self.writer.create_cluster_database(cluster, name).await?;
        }
        let said = marks::said(bearer, Some(mark), &content.databases).into_iter();
        let former: Vec<String> = said.filter(|name| wanted.as_deref() != Some(*name)).map(str::to_owned).collect();
        for name in former {
            let _: Deleted = self.writer.delete_cluster_database(cluster, &name).await?;
            content.databases.remove(&name);
        }
        content.databases.extend(wanted);
        Ok(())
    }

    /// The id of a backup of the cluster that begins now and is complete.
    async fn backed_up(&self, cluster: &str) -> Result<String, ObjectError> {
        let clock = &self.reads.clock;
        let list = || self.reads.reader.cluster_backups(cluster);
        let before = list().await?;
        let begun = self.writer.start_cluster_backup(cluster, BackupKind::Full).await;
        begun.map_err(|error| ObjectError { class: Class::Transient, ..ObjectError::from(error) })?;
        let until = clock.now() + BACKUP;
        while clock.now() < until {
            let backups = list().await?;
            let mut fresh = backups.into_iter().filter(|backup| before.iter().all(|old| old.id != backup.id));
            if let Some(backup) = fresh.find(ClusterBackup::is_complete) {
                return Ok(backup.id);
            }
            clock.sleep(Duration::from_secs(5)).await;
        }
        let message = format!("the backup of cluster {cluster} is not complete after {} s", BACKUP.as_secs());
        Err(ObjectError { reason: "BackupPending".to_owned(), message, class: Class::Transient })
    }

    async fn look(&self, key: &ObjectKey, wanted: &Fields) -> Result<Option<Object>, FlyError> {
        let Some(mut object) = self.reads.find(key).await? else { return Ok(None) };
        self.reads.look_at(&mut object, wanted).await?;
        Ok(Some(object))
    }
}

#[async_trait]
impl WriteObjects for Writes {
    async fn create(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        match write.key.object {
            ObjectKind::PostgresCluster => self.create_cluster(write).await,
            ObjectKind::PostgresAttachment => self.attach(write).await,
            _ => self.create_database(write).await,
        }
    }

    async fn update(&self, id: &str, write: &ObjectWrite, changed: &Changed) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let at = At::new(id, &write.fields);
        let mut content = self.reads.content(&at.cluster).await?;
        self.make_user(&at, &write.fields, &content).await?;
        self.make_database(&at, &content).await?;
        let is_changed = |name: &str| changed.names.contains(name);
        let user = at.user.clone().unwrap_or_else(|| super::FIRST_USER.to_owned());
        if is_changed("role") && content.users.contains_key(&user) {
            let set = self.writer.set_cluster_role(&at.cluster, &user, role(&write.fields)).await;
            set?;
        }
        if let Some(rotate) = write.fields.get("rotate").filter(|_| is_changed("rotate")) {
            let rotate = rotate.to_string();
            // It is noted after it was done. Where it is noted already, only the former note is left over.
            let noted = marks::write(&write.key.name, marks::ROTATE, &rotate);
            if !noted.is_some_and(|noted| content.databases.contains(&noted)) {
                // Connections stay until who holds them has the new password.
                let rotated = self.writer.rotate_cluster_password(&at.cluster, &user, false).await;
                rotated?;
            }
            self.note(&at.cluster, &write.key.name, marks::ROTATE, Some(&rotate), &mut content).await?;
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
        let at = At::new(id, &Fields::new());
        let mut content = self.reads.content(&at.cluster).await?;
        for (mark, value) in change {
            self.note(&at.cluster, &key.name, mark, value.as_ref(), &mut content).await?;
        }
        Ok(Written::default())
    }

    async fn delete(&self, key: &ObjectKey, id: &str, expected: Expected<'_>) -> Result<Written, ObjectError> {
        let _alone = self.lane.lock().await;
        let find = || async { self.reads.find(key).await.map(|found| found.filter(|found| found.id == id)) };
        let Some(object) = find().await? else { return Ok(Written::default()) };
        expected.check(&object)?;
        let at = At::new(id, &Fields::new());
        if key.object == ObjectKind::PostgresCluster {
            let _: Deleted = self.writer.delete_cluster(&at.cluster).await?;
            return Ok(Written::default());
        }
        let mut kept = None;
        if object.marks.contains_key(marks::SNAPSHOT) {
            kept = Some(self.backed_up(&at.cluster).await?);
            // That takes long enough for people to change their minds.
            let Some(object) = find().await? else { return Ok(Written::default()) };
            expected.check(&object)?;
        }
        let content = self.reads.content(&at.cluster).await?;
        if object.is_remnant() && content.databases.contains(&key.name) {
            return Err(ObjectError::overtaken(format!("{key} has its database again; it is left alone")));
        }
        // A user that owns something cannot go first. It goes last, for by its name what is noted beside it is known as ours: if this
        // ends before, it is an orphan like any other, without grace.
        if content.databases.contains(&key.name) {
            let gone = self.writer.delete_cluster_database(&at.cluster, &key.name).await;
            let _: Deleted = gone?;
        }
        for name in marks::said(&key.name, None, &content.databases) {
            let gone = self.writer.delete_cluster_database(&at.cluster, name).await;
            let _: Deleted = gone?;
        }
        if content.users.contains_key(&key.name) {
            let gone = self.writer.delete_cluster_user(&at.cluster, &key.name).await;
            let _: Deleted = gone?;
        }
        let shown = kept.map(|backup| {
            format!(
                "what was in it is kept in backup {backup} of cluster {}: restore that to a new cluster",
                at.cluster
            )
        });
        Ok(Written { id: None, shown })
    }

    async fn look(
        &self,
        key: &ObjectKey,
        wanted: &Fields,
        _marker: Option<&ObjectMarker>,
    ) -> Result<Option<Object>, ObjectError> {
        self.look(key, wanted).await.map_err(ObjectError::from)
    }
}
