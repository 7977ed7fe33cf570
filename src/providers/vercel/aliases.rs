//! Aliases: hosts that lead to a deployment without being domains of the project. They are known to be ours by the mark alone, as
//! domains are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::VercelError;
use super::marks::{Kept, Mark};
use super::objects::Writes;
use super::reads::Reads;
use super::wire::Alias;
use crate::observed::{Object, ObjectScope};
use crate::providers::objects::{Class, ObjectError, Written};
use crate::resource::object::{Fields, Marks, ObjectWrite};
use crate::resource::{ObjectKey, ObjectKind};

impl Reads {
    /// The aliases that marks note, as far as they are there.
    pub(super) async fn noted_aliases(&self, marks: &[Kept]) -> Result<Vec<Alias>, VercelError> {
        let is_noted = |alias: &Alias| marks.iter().any(|kept| kept.mark.aliases.contains(&alias.alias));
        if marks.iter().all(|kept| kept.mark.aliases.is_empty()) {
            return Ok(Vec::new());
        }
        let mut all = self.reader.aliases(&self.project().await?.id).await?;
        all.retain(is_noted);
        Ok(all)
    }

    pub(super) fn alias_object(&self, alias: &Alias, mark: Option<&Mark>) -> Object {
        let mut object = match mark {
            Some(mark) => self.of_mark(ObjectKind::VercelAlias, &alias.alias, &alias.alias, mark),
            None => self.object(ObjectKind::VercelAlias, &alias.alias, &alias.alias, None, Marks::new()),
        };
        object.fields.extend(alias.deployment_id.iter().map(|id| ("deployment".to_owned(), json!(id))));
        object.bulk = format!("{:?}", alias.deployment_id);
        object.created_at = alias.created_at;
        object
    }

    /// Adds the aliases that are wanted and that no mark notes: those of somebody else.
    pub(super) async fn look_for_aliases(&self, scope: &mut ObjectScope, wanted: &BTreeMap<ObjectKey, Fields>) {
        for key in wanted.keys().filter(|key| key.object == ObjectKind::VercelAlias) {
            if scope.objects.items.iter().any(|object| object.key == *key) {
                continue;
            }
            match self.reader.alias(&key.name).await {
                Ok(found) => {
                    let theirs = found.map(|alias| Object { is_close: true, ..self.alias_object(&alias, None) });
                    scope.objects.items.extend(theirs);
                }
                // Before one is made it is asked for once more.
                Err(error) => tracing::warn!(%error, "whether an alias is somebody else's could not be told"),
            }
        }
    }
}

impl Writes {
    /// Lets the host lead to the deployment that is wanted.
    pub(super) async fn lead_alias(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let deployment = write.fields.get("deployment").and_then(Value::as_str).unwrap_or_default();
        let assigned = self.writer.assign_alias(deployment, &write.key.name).await;
        assigned?;
        Ok(Written { id: Some(write.key.name.clone()), shown: None })
    }

    /// Makes one that is noted already.
    pub(super) async fn add_alias(&self, write: &ObjectWrite) -> Result<Written, ObjectError> {
        let made = self.lead_alias(write).await;
        // What may have had its effect stays noted: it is ours if it is there.
        if made.as_ref().is_err_and(|error| error.class != Class::Unknown) {
            let seen = self.reads.see(false, false).await?;
            let whose = (write.marker.owner.as_str(), write.marker.env.as_str());
            self.change_mark(&seen, whose, |mark| mark.forget(&write.key)).await?;
        }
        made
    }
}
