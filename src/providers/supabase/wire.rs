//! What the Management API sends, as types. Unknown fields are ignored, and an unknown state is kept as text.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

use crate::secret::SecretText;

/// The database that every project has.
pub(super) const DATABASE: &str = "postgres";

/// A preview branch: a project of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// Its id, a UUID. Everything else takes [`project_ref`](Self::project_ref).
    pub id: String,
    /// Its name, unique among the branches of its project.
    pub name: String,
    /// What the project that it is goes by: 20 lower-case letters.
    pub project_ref: String,
    /// The same of the project that it is a branch of.
    pub parent_project_ref: String,
    /// Whether it stands for the project itself.
    #[serde(default)]
    pub is_default: bool,
    /// The branch in git that it follows.
    #[serde(default)]
    pub git_branch: Option<String>,
    /// The pull request that it was made for, by the GitHub integration.
    #[serde(default)]
    pub pr_number: Option<u64>,
    /// Whether it stays when its pull request is closed.
    #[serde(default)]
    pub persistent: bool,
    /// How far it is: `CREATING_PROJECT`, `RUNNING_MIGRATIONS`, `MIGRATIONS_PASSED` and so on.
    pub status: String,
    /// How the project that it is does: `COMING_UP`, `ACTIVE_HEALTHY` and so on.
    #[serde(default)]
    pub preview_project_status: Option<String>,
    /// Where its changes of status are told.
    #[serde(default)]
    pub notify_url: Option<String>,
    /// When it was asked for.
    #[serde(default)]
    pub created_at: Option<DateTime<Utc>>,
    /// When it is deleted by itself.
    #[serde(default)]
    pub deletion_scheduled_at: Option<DateTime<Utc>>,
}

/// How a branch does, as far as something hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is being made.
    Coming,
    /// It can be used.
    Ready,
    /// It is there, and something in it has failed; the word for it.
    Failed(String),
    /// A word that is not known: do nothing on the strength of it, and report it.
    Unknown(String),
}

impl Branch {
    /// How it does.
    pub fn progress(&self) -> Progress {
        let project = self.preview_project_status.as_deref().unwrap_or("ACTIVE_HEALTHY");
        match (self.status.as_str(), project) {
            (_, "INIT_FAILED" | "RESTORE_FAILED" | "PAUSE_FAILED" | "REMOVED") => Progress::Failed(project.to_owned()),
            ("MIGRATIONS_FAILED" | "FUNCTIONS_FAILED", _) => Progress::Failed(self.status.clone()),
            ("CREATING_PROJECT" | "RUNNING_MIGRATIONS", _) => Progress::Coming,
            ("MIGRATIONS_PASSED" | "FUNCTIONS_DEPLOYED", "ACTIVE_HEALTHY") => Progress::Ready,
            (
                "MIGRATIONS_PASSED" | "FUNCTIONS_DEPLOYED",
                "COMING_UP" | "RESTORING" | "RESTARTING" | "RESIZING" | "UPGRADING",
            ) => Progress::Coming,
            ("MIGRATIONS_PASSED" | "FUNCTIONS_DEPLOYED", other) => Progress::Unknown(other.to_owned()),
            (other, _) => Progress::Unknown(other.to_owned()),
        }
    }
}

/// How to reach the database of a branch.
#[derive(Debug, Clone, Deserialize)]
pub struct BranchConfig {
    /// What the project that it is goes by.
    #[serde(rename = "ref")]
    pub project_ref: String,
    /// How the project does: `COMING_UP`, `ACTIVE_HEALTHY` and so on.
    pub status: String,
    /// The host of the database itself (IPv6 only).
    pub db_host: String,
    /// Its port.
    pub db_port: u16,
    /// Who logs in; not there before the database is.
    #[serde(default)]
    pub db_user: Option<String>,
    /// The password; not there before the database is.
    #[serde(default, deserialize_with = "hidden")]
    pub db_pass: Option<SecretText>,
}

impl BranchConfig {
    /// The connection string of the database itself, once somebody can log in.
    pub fn uri(&self) -> Option<SecretText> {
        uri(self.db_user.as_deref()?, self.db_pass.as_ref()?, &self.db_host, self.db_port, DATABASE)
    }
}

/// A pooler in front of the database of a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pooler {
    /// `PRIMARY` or `READ_REPLICA`.
    pub database_type: String,
    /// Who logs in.
    pub db_user: String,
    /// Its host.
    pub db_host: String,
    /// Its port.
    pub db_port: u16,
    /// The database.
    pub db_name: String,
    /// `transaction` or `session`.
    pub pool_mode: String,
}

impl Pooler {
    /// The connection string through it. The API shows no password here: it is that of the database.
    pub fn uri(&self, password: &SecretText) -> Option<SecretText> {
        uri(&self.db_user, password, &self.db_host, self.db_port, &self.db_name)
    }
}

/// A key of a project's API.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiKey {
    /// Its name; `anon` and `service_role` are there from the beginning.
    pub name: String,
    /// `legacy`, `publishable` or `secret`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// The key.
    #[serde(default, deserialize_with = "hidden")]
    pub api_key: Option<SecretText>,
}

/// A connection string with everything in it escaped that needs it; nothing if the host is none.
fn uri(user: &str, password: &SecretText, host: &str, port: u16, database: &str) -> Option<SecretText> {
    let mut url = url::Url::parse(&format!("postgresql://{host}:{port}")).ok()?;
    url.set_username(user).ok()?;
    url.set_password(Some(password.expose())).ok()?;
    url.set_path(database);
    Some(SecretText::new(String::from(url)))
}

fn hidden<'de, D: Deserializer<'de>>(input: D) -> Result<Option<SecretText>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretText::new))
}
