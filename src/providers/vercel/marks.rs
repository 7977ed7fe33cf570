//! What says that an environment of ours is in a project: the value of a plain variable, which everybody who sees the project can read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::wire::{Variable, VariableKind};
use crate::resource::object::{Marks, ObjectMarker};
use crate::resource::{ComponentName, EnvName, ObjectKey, ObjectKind, OwnerId};

/// How the name of such a variable begins.
const PREFIX: &str = "HANGAR_ENVIRONMENT_";

/// How the comment of a variable of ours begins, and the note of a bypass secret.
const OURS: &str = "hangar ";

/// What ends the comment of a variable that was there before us.
const ADOPTED: &str = "adopted";

/// An environment of ours in a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mark {
    pub(super) owner: String,
    pub(super) env: String,
    pub(super) component: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    pub(super) target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) branch: Option<String>,
    /// Whether the deployments of the branch are part of it.
    #[serde(default)]
    pub(super) deployment: bool,
    /// The domains that are its own. One is noted before it is added.
    #[serde(default)]
    pub(super) domains: BTreeSet<String>,
    /// The aliases that are its own. One is noted before it is made.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) aliases: BTreeSet<String>,
    /// What is noted on each of its objects.
    #[serde(default)]
    pub(super) marks: BTreeMap<String, Marks>,
}

/// A mark with the variable that holds it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) mark: Mark,
    pub(super) id: String,
    pub(super) created_at: Option<DateTime<Utc>>,
    pub(super) updated_at: Option<DateTime<Utc>>,
}

impl Mark {
    /// The name of the variable that holds it. Several environments can be in one project.
    pub(super) fn variable(owner: &str, env: &str) -> String {
        let hash = hex::encode_upper(Sha256::digest(format!("{owner}\n{env}")));
        format!("{PREFIX}{}", hash.chars().take(12).collect::<String>())
    }

    /// What stands beside the variable, for people.
    pub(super) fn comment(&self) -> String {
        format!(
            "Made by Hangar ({}) for its environment {}: which parts of this project are its own. It is removed together with them.",
            self.owner, self.env
        )
    }

    /// The value of the variable.
    pub(super) fn text(&self) -> String {
        // Texts and lists of texts can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn is_of(&self, owner: &str, env: &str) -> bool {
        self.owner == owner && self.env == env
    }

    /// The marker of one of its objects.
    pub(super) fn marker(&self, name: &str) -> ObjectMarker {
        ObjectMarker {
            owner: OwnerId::new(&self.owner),
            env: EnvName::new(&self.env),
            component: ComponentName::new(&self.component),
            name: name.to_owned(),
            set: self.set.clone(),
        }
    }

    /// What is noted on one of its objects.
    pub(super) fn marks_of(&self, kind: ObjectKind, name: &str) -> Marks {
        self.marks.get(&slot(kind, name)).cloned().unwrap_or_default()
    }

    /// Changes what is noted on one of its objects.
    pub(super) fn change(&mut self, key: &ObjectKey, change: &BTreeMap<String, Option<String>>) {
        let marks = self.marks.entry(slot(key.object, &key.name)).or_default();
        for (mark, value) in change {
            match value {
                Some(value) => drop(marks.insert(mark.clone(), value.clone())),
                None => drop(marks.remove(mark)),
            }
        }
        self.marks.retain(|_, marks| !marks.is_empty());
    }

    /// Forgets what was noted on an object that is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        self.marks.remove(&slot(key.object, &key.name));
        match key.object {
            ObjectKind::VercelDomain => drop(self.domains.remove(&key.name)),
            ObjectKind::VercelAlias => drop(self.aliases.remove(&key.name)),
            ObjectKind::VercelDeployment => self.deployment = false,
            _ => {}
        }
    }

    /// The names of this kind that are its own, where it is the mark that says so.
    pub(super) const fn names(&self, kind: ObjectKind) -> Option<&BTreeSet<String>> {
        match kind {
            ObjectKind::VercelDomain => Some(&self.domains),
            ObjectKind::VercelAlias => Some(&self.aliases),
            _ => None,
        }
    }

    /// Whether it notes this name as its own.
    pub(super) fn notes(&self, key: &ObjectKey) -> bool {
        self.names(key.object).is_some_and(|names| names.contains(&key.name))
    }

    /// Notes a name as its own.
    pub(super) fn note(&mut self, key: &ObjectKey) {
        match key.object {
            ObjectKind::VercelDomain => drop(self.domains.insert(key.name.clone())),
            ObjectKind::VercelAlias => drop(self.aliases.insert(key.name.clone())),
            _ => {}
        }
    }
}

/// How an object is called in the mark.
fn slot(kind: ObjectKind, name: &str) -> String {
    match kind {
        ObjectKind::VercelDomain => format!("domain {name}"),
        ObjectKind::VercelAlias => format!("alias {name}"),
        kind => kind.noun().to_owned(),
    }
}

/// All marks among the variables of a project, with the newest of each first.
pub(super) fn read(variables: &[Variable]) -> Vec<Kept> {
    let mut all: Vec<Kept> = variables.iter().filter_map(read_one).collect();
    all.sort_by_key(|kept| std::cmp::Reverse(kept.updated_at));
    all
}

fn read_one(variable: &Variable) -> Option<Kept> {
    if variable.kind() != VariableKind::Plain || !variable.key.starts_with(PREFIX) {
        return None;
    }
    let mark: Mark = serde_json::from_str(variable.value()?.expose()).ok()?;
    // A copy under another name is none.
    (variable.key == Mark::variable(&mark.owner, &mark.env)).then(|| Kept {
        mark,
        id: variable.id.clone(),
        created_at: variable.created_at,
        updated_at: variable.updated_at,
    })
}

/// What the comment of a variable of ours says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) owner: String,
    pub(super) env: String,
    pub(super) fingerprint: String,
    /// Whether it was there before us: then it stays when we go.
    pub(super) adopted: bool,
}

impl Ours {
    pub(super) fn of(variable: &Variable) -> Option<Self> {
        let text = variable.comment.as_deref()?.strip_prefix(OURS)?;
        let mut words = text.split(' ');
        let (owner, env) = words.next()?.rsplit_once('/')?;
        let fingerprint = words.next()?.to_owned();
        let adopted = match (words.next(), words.next()) {
            (None, _) => false,
            (Some(ADOPTED), None) => true,
            _ => return None,
        };
        Some(Self { owner: owner.to_owned(), env: env.to_owned(), fingerprint, adopted })
    }

    pub(super) fn comment(&self) -> String {
        let end = if self.adopted { format!(" {ADOPTED}") } else { String::new() };
        format!("{OURS}{}/{} {}{end}", self.owner, self.env, self.fingerprint)
    }

    pub(super) fn is_of(&self, owner: &str, env: &str) -> bool {
        self.owner == owner && self.env == env
    }
}

/// The note on a bypass secret of an environment.
pub(super) fn note(owner: &str, env: &str) -> String {
    format!("{OURS}{owner}/{env}")
}

/// Owner and environment in such a note.
pub(super) fn noted(note: &str) -> Option<(&str, &str)> {
    let (owner, env) = note.strip_prefix(OURS)?.rsplit_once('/')?;
    (!env.contains(' ')).then_some((owner, env))
}
