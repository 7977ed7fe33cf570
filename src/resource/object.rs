//! Objects at providers other than Fly's machines: how they are named, and what marks them as ours.
//!
//! All of them are compared, ordered, created and collected in one way, whichever provider has them. What differs (which fields a
//! kind has, where its marks are kept, which calls change it) is known to `desired` and to the provider's own module.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ComponentName, EnvName, OwnerId};

/// Who has the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Provider {
    /// Neon.
    Neon,
    /// Vercel.
    Vercel,
    /// Fly's Managed Postgres.
    Postgres,
    /// Supabase.
    Supabase,
}

impl Provider {
    /// The name that specs and expressions use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neon => "neon",
            Self::Vercel => "vercel",
            Self::Postgres => "postgres",
            Self::Supabase => "supabase",
        }
    }

    /// The name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Neon => "Neon",
            Self::Vercel => "Vercel",
            Self::Postgres => "Fly Managed Postgres",
            Self::Supabase => "Supabase",
        }
    }

    /// What a scope is called there.
    const fn scope_noun(self) -> &'static str {
        match self {
            Self::Neon | Self::Vercel | Self::Supabase => "project",
            Self::Postgres => "organization",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What one listing of a provider covers: a Neon or Supabase project, a Vercel project, the clusters of a Fly organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ScopeKey {
    /// The provider.
    pub provider: Provider,
    /// The project's id or name, or the organization's slug. A Vercel project of a team is `team/project`.
    pub name: String,
}

impl ScopeKey {
    /// The scope `name` at `provider`.
    pub fn new(provider: Provider, name: impl Into<String>) -> Self {
        Self { provider, name: name.into() }
    }
}

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} `{}`", self.provider.label(), self.provider.scope_noun(), self.name)
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectKind {
    /// A branch of a Neon project, with its endpoint, roles and databases. Named by its name.
    NeonBranch,
    /// What says that an environment of ours is in a Vercel project, and which domains are its own. Named by the environment.
    VercelMark,
    /// The variables of an environment in a Vercel project: they live in one document and are written together. Named by the environment.
    VercelVariables,
    /// A domain of a Vercel project. Named by its host name.
    VercelDomain,
    /// A host that leads to a deployment of an environment without being a domain of the project. Named by its host name.
    VercelAlias,
    /// A secret that lets automation pass a Vercel project's protection. Named by the environment.
    VercelBypass,
    /// The newest deployment of a branch of a Vercel project, with all before it. Named by the environment.
    VercelDeployment,
    /// A cluster of Managed Postgres. Named by its name.
    PostgresCluster,
    /// A database with a user of its own in a cluster of Managed Postgres, both of one name. Named by that.
    PostgresDatabase,
    /// Fly's record that an app uses a cluster of Managed Postgres. Named by both, the cluster as its spec names it: `cluster/app`. Nothing
    /// on it says whose it is, so it is only ever made. Of its own it goes with its cluster, and in the simulator with its app.
    PostgresAttachment,
    /// A preview branch of a Supabase project. Named by its name.
    SupabaseBranch,
}

impl ObjectKind {
    /// What it is called, for people.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::NeonBranch | Self::SupabaseBranch => "branch",
            Self::VercelMark => "mark",
            Self::VercelVariables => "variables",
            Self::VercelDomain => "domain",
            Self::VercelAlias => "alias",
            Self::VercelBypass => "bypass secret",
            Self::VercelDeployment => "deployment",
            Self::PostgresCluster => "cluster",
            Self::PostgresDatabase => "database",
            Self::PostgresAttachment => "attachment",
        }
    }

    /// Whether two of one name can exist at once, because the server mints the id and no name collides.
    pub const fn is_minted(self) -> bool {
        matches!(self, Self::VercelDeployment | Self::PostgresCluster | Self::SupabaseBranch)
    }

    /// Whether its name says whose it is, so that one of another name can only be taken over, and never made.
    pub const fn is_named_after_its_owner(self) -> bool {
        matches!(self, Self::PostgresCluster | Self::PostgresDatabase | Self::SupabaseBranch)
    }

    /// Whether the mark of its environment alone says that it is ours.
    pub const fn is_noted_by_mark(self) -> bool {
        matches!(self, Self::VercelDomain | Self::VercelAlias)
    }

    /// Whether what is noted on it stands in the mark of its environment, with what is noted on all else that the environment has there.
    pub const fn shares_a_mark(self) -> bool {
        matches!(
            self,
            Self::VercelMark
                | Self::VercelVariables
                | Self::VercelDomain
                | Self::VercelAlias
                | Self::VercelBypass
                | Self::VercelDeployment
        )
    }

    /// Whether it is made only where no earlier write to the mark of its environment, or of itself, can come late: such a write would
    /// take back what the mark notes, or make a second one.
    pub const fn needs_settled_mark(self) -> bool {
        self.is_noted_by_mark() || matches!(self, Self::VercelBypass)
    }

    /// When it goes, as an environment is torn down from the outside in: what people reach first, what holds data last. Fly apps go
    /// between [`Self::BEFORE_APPS`] and the rest.
    pub const fn teardown_stage(self) -> u8 {
        match self {
            Self::VercelDomain | Self::VercelAlias => 0,
            Self::VercelDeployment | Self::VercelBypass => 1,
            Self::VercelVariables | Self::PostgresAttachment => 2,
            Self::VercelMark => 3,
            Self::PostgresDatabase => 5,
            Self::NeonBranch | Self::PostgresCluster | Self::SupabaseBranch => 6,
        }
    }

    /// The last stage of a teardown before the Fly apps.
    pub const BEFORE_APPS: u8 = 3;

    /// Whether it holds data.
    pub const fn holds_data(self) -> bool {
        self.teardown_stage() > Self::BEFORE_APPS
    }

    /// Whether it is changed by making a newer one, which also takes the place of one that has failed.
    pub const fn is_renewed(self) -> bool {
        matches!(self, Self::VercelDeployment)
    }

    /// Whether there is nothing to wait for once it is made.
    pub const fn is_ready_at_once(self) -> bool {
        matches!(self, Self::PostgresAttachment)
    }

    /// The outputs that are another one's once it is renewed.
    pub const fn renewed_outputs(self) -> &'static [&'static str] {
        match self {
            Self::VercelDeployment => &["url", "deploymentId"],
            _ => &[],
        }
    }

    /// What others may use of it, by the last word of the output's path, and whether that is secret.
    pub const fn outputs(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::SupabaseBranch => &[
                ("uri", true),
                ("pooledUri", true),
                ("host", false),
                ("database", false),
                ("role", false),
                ("password", true),
                ("url", false),
                ("anonKey", true),
                ("serviceKey", true),
            ],
            Self::NeonBranch | Self::PostgresCluster | Self::PostgresDatabase => &[
                ("uri", true),
                ("pooledUri", true),
                ("host", false),
                ("database", false),
                ("role", false),
                ("password", true),
            ],
            Self::VercelDeployment => &[("url", false), ("branchUrl", false), ("deploymentId", false)],
            Self::VercelBypass => &[("bypassSecret", true)],
            Self::VercelMark
            | Self::VercelVariables
            | Self::VercelDomain
            | Self::VercelAlias
            | Self::PostgresAttachment => &[],
        }
    }

    /// Whether all of its secret fields are ours, so that one which the spec no longer has is removed.
    pub const fn owns_all_secrets(self) -> bool {
        matches!(self, Self::VercelVariables)
    }
}

/// Names one object, whether or not it exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectKey {
    /// Where it is.
    pub scope: ScopeKey,
    /// What it is.
    pub object: ObjectKind,
    /// Its name, unique for its kind in the scope.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (provider, noun) = (self.scope.provider, self.object.noun());
        write!(f, "{} {noun} {} of {}", provider.label(), self.name, self.scope.name)
    }
}

/// Says whose an object is. It names its object, so that a copy made by hand does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectMarker {
    /// The controller.
    pub owner: OwnerId,
    /// The environment.
    pub env: EnvName,
    /// The component of it.
    pub component: ComponentName,
    /// The object's own name.
    pub name: String,
    /// The set of previews that the environment is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
}

/// The key under which `owner` is found where marks are texts by key: the same words as on machines.
const OWNER: &str = "hangar_owner";
const ENV: &str = "hangar_env";
const COMPONENT: &str = "hangar_component";
const NAME: &str = "hangar_name";
const SET: &str = "hangar_set";

impl ObjectMarker {
    /// The marker as texts by key, for providers that keep such.
    pub fn to_texts(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::from([
            (OWNER.to_owned(), self.owner.to_string()),
            (ENV.to_owned(), self.env.to_string()),
            (COMPONENT.to_owned(), self.component.to_string()),
            (NAME.to_owned(), self.name.clone()),
        ]);
        texts.extend(self.set.iter().map(|set| (SET.to_owned(), set.clone())));
        texts
    }

    /// Reads [`Self::to_texts`]; nothing where there is no marker, or not a whole one.
    pub fn from_texts(texts: &BTreeMap<String, String>) -> Option<Self> {
        let get = |key: &str| texts.get(key).filter(|text| !text.is_empty());
        Some(Self {
            owner: OwnerId::new(get(OWNER)?),
            env: EnvName::new(get(ENV)?),
            component: ComponentName::new(get(COMPONENT)?),
            name: get(NAME)?.clone(),
            set: get(SET).cloned(),
        })
    }
}

/// The fields of an object in normal form, by name.
pub type Fields = BTreeMap<String, Value>;

/// Whether a field among the secret ones is written in plain: anybody who sees the object reads it.
pub fn is_plain(fields: &Fields, name: &str) -> bool {
    fields.get("types").and_then(|types| types.get(name)).and_then(Value::as_str) == Some("plain")
}

/// What the fingerprint of a field among the secret ones is made for: what was written in plain is not taken for what was written as a
/// secret.
pub fn recorded_as(name: &str, is_plain: bool) -> String {
    if is_plain { format!("{name} (plain)") } else { name.to_owned() }
}

/// What is noted on live objects besides whose they are, by the keys that machines' metadata has for it (`hangar_tombstone`, …).
pub type Marks = BTreeMap<String, String>;

/// What an object is created or changed with, every output filled in.
#[derive(Debug, Clone)]
pub struct ObjectWrite {
    /// The object.
    pub key: ObjectKey,
    /// Whose it is to be.
    pub marker: ObjectMarker,
    /// What is noted on it from birth: that it is protected, that it is kept.
    pub marks: Marks,
    /// The wanted fields.
    pub fields: Fields,
    /// The wanted secret fields.
    pub secrets: BTreeMap<String, crate::secret::SecretText>,
    /// The keyed fingerprint of each secret field, to be kept where the provider does not give values back.
    pub fingerprints: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written_and_half_of_one_is_none() {
        let marker = ObjectMarker {
            owner: OwnerId::new("acme"),
            env: EnvName::new("chat-pr-4"),
            component: ComponentName::new("main"),
            name: "preview/chat-pr-4".to_owned(),
            set: Some("chat".to_owned()),
        };
        let mut texts = marker.to_texts();
        texts.insert("github-commit-ref".to_owned(), "feature".to_owned());
        assert_eq!(ObjectMarker::from_texts(&texts), Some(marker));
        texts.remove(NAME);
        assert_eq!(ObjectMarker::from_texts(&texts), None);
    }
}
