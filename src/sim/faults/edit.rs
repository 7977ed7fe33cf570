//! What other people and the platform do between two requests.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::matcher::is_path_like;
use crate::http::transport::Method;

/// A change that no request of the caller makes. What it strikes is drawn from what requests have made: never from what was made by
/// hand, so that earlier edits are not undone by later ones. Where there is nothing to strike, nothing happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What is done.
    pub action: EditAction,
    /// Only in this app, or in the apps whose name begins so if it ends with `*`; `None` for any app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EditAction {
    /// A person destroys a machine.
    DeleteMachine,
    /// A person deletes an app with all that is in it.
    DeleteApp,
    /// A person stops a machine.
    StopMachine,
    /// A person adds a machine: an exact copy, metadata included, with a volume of its own.
    ScaleCount,
    /// A person doubles the memory of a machine.
    ScaleMemory,
    /// A person changes an environment variable in the config of a machine; if it has none, `EDITED_BY_HAND` is added.
    EditMachine,
    /// A person sets a secret.
    SetSecret {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A person removes one of the secrets.
    UnsetSecret,
    /// Somebody else's deploy holds the lease of a machine.
    LeaseMachine {
        /// For how long.
        seconds: u64,
    },
    /// The main process of a machine ends with code 1.
    CrashMachine,
    /// The platform moves a machine to another host.
    MigrateHost,
    /// The host of a machine does not answer: the machine shows no config, and nothing can be done to it.
    HostUnreachable {
        /// For how long.
        seconds: u64,
    },
    /// Somebody adds a machine that looks like another one of its app: its config and metadata, and a name that goes on from its name.
    LookAlikeMachine,
    /// Somebody adds an app that looks like another one: a name that begins like its name, machines with the same config and
    /// metadata, secrets of the same names.
    LookAlikeApp,
    /// Somebody takes the name of an app just before the request that would create it. Strikes only such requests.
    SquatApp {
        /// The organization of the app; `None` for the organization of the request.
        #[serde(default)]
        org: Option<String>,
    },
    /// Somebody takes the name of a machine just before the request that would create it. Strikes only such requests.
    SquatMachine,
    /// Somebody makes a branch at Neon that looks like another one: what is noted of it, and a name that goes on from its name.
    LookAlikeBranch,
    /// Somebody takes the name of a branch at Neon just before the request that would make it. Strikes only such requests.
    SquatBranch,
}

impl Edit {
    /// This, in any app.
    pub const fn new(action: EditAction) -> Self {
        Self { action, app: None }
    }

    /// Only in this app, or in the apps whose name begins so if it ends with `*`.
    #[must_use]
    pub fn in_app(mut self, app: &str) -> Self {
        self.app = Some(app.to_owned());
        self
    }

    /// Whether the edit can come before this request.
    pub(crate) fn concerns(&self, method: Method, path: &str) -> bool {
        match self.action {
            EditAction::SquatApp { .. } => method == Method::Post && is_path_like(path, "/v1/apps"),
            EditAction::SquatBranch => method == Method::Post && is_path_like(path, "/api/v2/projects/*/branches"),
            EditAction::SquatMachine => method == Method::Post && is_path_like(path, "/v1/apps/*/machines"),
            _ => true,
        }
    }

    /// Whether things in the app `name` may be struck.
    pub(crate) fn is_about(&self, name: &str) -> bool {
        self.app.as_deref().is_none_or(|app| match app.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == app,
        })
    }
}

impl EditAction {
    /// The action as it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DeleteMachine => "delete_machine",
            Self::DeleteApp => "delete_app",
            Self::StopMachine => "stop_machine",
            Self::ScaleCount => "scale_count",
            Self::ScaleMemory => "scale_memory",
            Self::EditMachine => "edit_machine",
            Self::SetSecret { .. } => "set_secret",
            Self::UnsetSecret => "unset_secret",
            Self::LeaseMachine { .. } => "lease_machine",
            Self::CrashMachine => "crash_machine",
            Self::MigrateHost => "migrate_host",
            Self::HostUnreachable { .. } => "host_unreachable",
            Self::LookAlikeMachine => "look_alike_machine",
            Self::LookAlikeApp => "look_alike_app",
            Self::SquatApp { .. } => "squat_app",
            Self::SquatMachine => "squat_machine",
            Self::LookAlikeBranch => "look_alike_branch",
            Self::SquatBranch => "squat_branch",
        }
    }
}

/// An edit that took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EditRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// The number of the request before which it took place; `None` if it was asked for.
    pub request: Option<u64>,
    /// What was done, as it is written in a fault.
    pub action: &'static str,
    /// The app that it struck, or that it made; of a branch at Neon, its name.
    pub app: String,
    /// The machine that it struck, or that it made.
    pub machine: Option<String>,
    /// Whether it made the machine, or (without a machine) the app.
    pub made: bool,
}
