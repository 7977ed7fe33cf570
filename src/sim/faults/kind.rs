//! What can go wrong with a request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::edit::Edit;
use super::matcher::is_path_like;
use crate::http::transport::Method;
use crate::sim::{github, neon, vercel};

/// What goes wrong.
///
/// Latency, edits and clock jumps go together with anything else; of the other kinds, the first fault that matches a request hits it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This answer, and no effect.
    StatusBefore {
        /// The status code.
        status: u16,
        /// The body; JSON if it looks like it.
        #[serde(default)]
        body: String,
    },
    /// The effect, and then this answer.
    StatusAfter {
        /// The status code.
        status: u16,
        /// The body; JSON if it looks like it.
        #[serde(default)]
        body: String,
    },
    /// No connection, so no effect.
    Refused,
    /// The connection breaks before the effect.
    ResetBefore,
    /// The connection breaks after the effect: the reply is lost.
    ResetAfter,
    /// No answer ever, and no effect.
    TimeoutBefore,
    /// No answer ever, after the effect.
    TimeoutAfter,
    /// The connection breaks, and the effect comes later (the assumption F).
    Late {
        /// How much later.
        after_ms: u64,
    },
    /// The answer takes this much longer; the effect comes at the end of it.
    Latency {
        /// How much longer.
        ms: u64,
    },
    /// The answer takes longer, each time by another amount between these two.
    LatencyBetween {
        /// At least this much longer.
        min_ms: u64,
        /// At most this much longer.
        max_ms: u64,
    },
    /// 429 without effect. The platform is not known to send `Retry-After`.
    RateLimited {
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The first half of the answer's body, after the effect.
    Truncated,
    /// The status of the answer with a body that is not JSON, after the effect.
    NotJson,
    /// 500 with an HTML page, without effect, as the proxy in front sends it.
    HtmlError,
    /// A read that is answered from the world as it was this long ago, at most [`FaultKind::MAX_STALE_SECONDS`].
    Stale {
        /// How long ago.
        seconds: u64,
    },
    /// An organization-wide listing without these regions, which it names in `error_regions`.
    ErrorRegions {
        /// The regions that did not answer.
        regions: Vec<String>,
    },
    /// A page of an organization-wide listing, or of the branches of a project of Neon, with at most this many objects, although more remain.
    ShortPage {
        /// How many objects.
        keep: usize,
    },
    /// A listing that shows only this many objects and looks complete.
    PartialList {
        /// How many objects.
        keep: usize,
    },
    /// A listing that shows nothing and looks complete.
    EmptyList,
    /// Somebody, or the platform, changes something just before the request is looked at.
    Edit(Edit),
    /// The platform's clock is set forward, or back if negative, just before the request is looked at. It stays so.
    ClockJump {
        /// By how much.
        seconds: i64,
    },
}

/// How a fault goes together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// It makes the request slower.
    Delay,
    /// It happens beside the request.
    Beside,
    /// It spoils the answer; one such fault is enough for a request.
    Spoil,
}

impl FaultKind {
    /// How far back a read can be stale: the past is kept no longer, and only while such a fault is set.
    pub const MAX_STALE_SECONDS: u64 = 600;

    /// 503 without effect.
    pub fn unavailable() -> Self {
        Self::StatusBefore { status: 503, body: r#"{"error":"unavailable: upstream is not ready"}"#.to_owned() }
    }

    /// 500 although the effect took place.
    pub fn lost_in_500() -> Self {
        Self::StatusAfter { status: 500, body: r#"{"error":"internal server error"}"#.to_owned() }
    }

    /// This status without effect.
    pub const fn status_before(status: u16) -> Self {
        Self::StatusBefore { status, body: String::new() }
    }

    /// This status although the effect took place.
    pub const fn status_after(status: u16) -> Self {
        Self::StatusAfter { status, body: String::new() }
    }

    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::Latency { .. } | Self::LatencyBetween { .. } => Class::Delay,
            Self::Edit(_) | Self::ClockJump { .. } => Class::Beside,
            _ => Class::Spoil,
        }
    }

    /// Whether the fault can be told from the request going well: a listing fault passes over what is not a listing.
    pub(crate) fn concerns(&self, method: Method, path: &str) -> bool {
        match self {
            Self::Stale { .. } => method.is_read() && !path.ends_with("/wait"),
            Self::PartialList { .. } | Self::EmptyList => method.is_read() && is_list(path),
            Self::ErrorRegions { .. } => method.is_read() && is_whole_org(path),
            Self::ShortPage { .. } => {
                method.is_read() && (is_whole_org(path) || is_path_like(path, "/api/v2/projects/*/branches"))
            }
            Self::Edit(edit) => edit.concerns(method, path),
            _ => true,
        }
    }

    /// The fault in a word or two, for the log.
    pub(crate) fn name(&self) -> String {
        let name = match self {
            Self::StatusBefore { status, .. } => return format!("status_before {status}"),
            Self::StatusAfter { status, .. } => return format!("status_after {status}"),
            Self::Late { after_ms } => return format!("late {after_ms}ms"),
            Self::Stale { seconds } => return format!("stale {seconds}s"),
            Self::ClockJump { seconds } => return format!("clock_jump {seconds}s"),
            Self::Edit(edit) => return format!("edit {}", edit.action.name()),
            Self::Refused => "refused",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::TimeoutBefore => "timeout_before",
            Self::TimeoutAfter => "timeout_after",
            Self::Latency { .. } | Self::LatencyBetween { .. } => "latency",
            Self::RateLimited { .. } => "rate_limited",
            Self::Truncated => "truncated",
            Self::NotJson => "not_json",
            Self::HtmlError => "html_error",
            Self::ErrorRegions { .. } => "error_regions",
            Self::ShortPage { .. } => "short_page",
            Self::PartialList { .. } => "partial_list",
            Self::EmptyList => "empty_list",
        };
        name.to_owned()
    }
}

/// Whether this lists what a whole organization has.
fn is_whole_org(path: &str) -> bool {
    is_path_like(path, "/v1/orgs/*/machines") || is_path_like(path, "/v1/orgs/*/volumes")
}

/// Whether a read of this path answers with a list.
fn is_list(path: &str) -> bool {
    const LISTS: [&str; 8] =
        ["apps", "certificates", "events", "ip_assignments", "machines", "secrets", "versions", "volumes"];
    const GITHUB_LISTS: [&str; 7] = ["branches", "comments", "deployments", "files", "labels", "pulls", "statuses"];
    const NEON_LISTS: [&str; 5] = ["branches", "databases", "endpoints", "operations", "roles"];
    let lists: &[&str] = if github::serves(path) {
        &GITHUB_LISTS
    } else if neon::serves(path) {
        &NEON_LISTS
    } else {
        &LISTS
    };
    let last = path.trim_end_matches('/').rsplit('/').next();
    vercel::is_list(path) || last.is_some_and(|last| lists.contains(&last))
}
