//! What Fly's refusals mean: one variant per thing that is to be treated differently.

use chrono::{DateTime, Utc};

use super::error::{Class, Place};
use crate::http::{HttpError, Outcome, Problem};

/// What went wrong. Each variant has a reason code for conditions ([`reason`](Self::reason)) and says what to do
/// ([`advice`](Self::advice)).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlyProblem {
    /// 401.
    #[error("Fly does not accept the token in `{token}`")]
    TokenRejected {
        /// Where the token was read from.
        token: String,
    },
    /// 403.
    #[error("the token in `{token}` may not do this: {message}")]
    Unauthorized {
        /// Where the token was read from.
        token: String,
        /// What Fly said.
        message: String,
    },
    /// 403, at Managed Postgres.
    #[error("the token in `{token}` may not do this at Managed Postgres: {message}")]
    ClustersForbidden {
        /// Where the token was read from.
        token: String,
        /// What Fly said.
        message: String,
    },
    /// The name belongs to someone, or to an app of ours.
    #[error("the app name `{name}` is taken")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Fly does not allow such a name.
    #[error("Fly refuses the name: {message}")]
    InvalidName {
        /// What Fly said.
        message: String,
    },
    /// Another machine of the app has this name.
    #[error("the machine name `{name}` is taken in this app")]
    MachineNameTaken {
        /// The name.
        name: String,
    },
    /// The organization has as many machines as it may.
    #[error("the organization's machine limit is reached: {message}")]
    MachineLimitReached {
        /// What Fly said.
        message: String,
    },
    /// A trial organization wants more than a trial gives.
    #[error("Fly wants a payment method: {message}")]
    PaymentMethodMissing {
        /// What Fly said.
        message: String,
    },
    /// The organization uses as much of a region as it may.
    #[error("the organization's quota for the region is used up: {message}")]
    RegionQuotaExceeded {
        /// What Fly said.
        message: String,
    },
    /// There is no room in the region.
    #[error("there is no room in the region{}", of(region.as_deref()))]
    RegionFull {
        /// The region.
        region: Option<String>,
    },
    /// There is no host for the volume in the region.
    #[error("there is no host for the volume in the region{}", of(region.as_deref()))]
    VolumePlacementFull {
        /// The region.
        region: Option<String>,
    },
    /// The host that the volume is on has no room for the machine.
    #[error("the host of volume{} has no room for the machine", of(volume.as_deref()))]
    VolumeHostFull {
        /// The volume.
        volume: Option<String>,
    },
    /// The host that the machine is on has no room for it.
    #[error("the machine's host has no room for it: {message}")]
    HostFull {
        /// What Fly said.
        message: String,
    },
    /// The host takes no deployments for now.
    #[error("the machine's host takes no deployments for now")]
    HostDisabled,
    /// The host does not answer.
    #[error("the machine's host does not answer: {message}")]
    HostUnreachable {
        /// What Fly said.
        message: String,
    },
    /// Fly finds a mistake in what was asked.
    #[error("Fly refuses the request: {message}")]
    InvalidRequest {
        /// What Fly said.
        message: String,
    },
    /// The registry does not have the image, or not yet.
    #[error("the registry has no image{}", of(image.as_deref()))]
    ManifestUnknown {
        /// The image, as Fly names it.
        image: Option<String>,
    },
    /// The registry does not let Fly have the image.
    #[error("the registry does not let Fly have the image{}", of(image.as_deref()))]
    ManifestDenied {
        /// The image, as Fly names it.
        image: Option<String>,
    },
    /// Someone else holds the machine's lease.
    #[error("its lease is held by `{owner}`{}", until(*expires_at))]
    LeaseHeld {
        /// Who; empty if Fly did not say.
        owner: String,
        /// Until when.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Our lease has ended.
    #[error("the lease is not there any more")]
    LeaseLost,
    /// The machine gets a new version at this moment.
    #[error("the machine is being replaced by its new version")]
    Replacing,
    /// The machine's state does not allow it.
    #[error("the machine's state does not allow it: {message}")]
    WrongState {
        /// What Fly said.
        message: String,
    },
    /// The machine has another version than the one that this was decided upon.
    #[error("the machine was changed by someone else in the meantime: {message}")]
    VersionConflict {
        /// What Fly said.
        message: String,
    },
    /// The volume is still mounted, or was a minute ago.
    #[error("the volume is still bound to machine{}", of(machine.as_deref()))]
    VolumeBound {
        /// The machine.
        machine: Option<String>,
    },
    /// Too many requests.
    #[error("Fly asks for fewer requests")]
    RateLimited,
    /// There is one already.
    #[error("it exists already: {message}")]
    AlreadyExists {
        /// What Fly said.
        message: String,
    },
    /// A Postgres cluster is still being made.
    #[error("the cluster is not ready: {message}")]
    ClusterNotReady {
        /// What Fly said.
        message: String,
    },
    /// 410.
    #[error("it is deleted: {message}")]
    Gone {
        /// What Fly said.
        message: String,
    },
    /// The organization has no such private network.
    #[error("there is no such private network in the organization")]
    NetworkNotFound,
    /// Fly does not know such a kind of address.
    #[error("Fly does not know this kind of address")]
    InvalidIpKind,
    /// Fly calls a machine's id invalid, which happens for machines that exist.
    #[error("Fly calls the machine's id invalid, which it also does for machines that exist: {message}")]
    InvalidMachineId {
        /// What Fly said.
        message: String,
    },
    /// 404.
    #[error("it is not there: {message}")]
    NotFound {
        /// What Fly said.
        message: String,
    },
    /// 409 or 412 for another reason.
    #[error("it is not possible at this moment: {message}")]
    Conflict {
        /// What Fly said.
        message: String,
    },
    /// Any other refusal.
    #[error("Fly answered {status}: {message}")]
    Refused {
        /// The status.
        status: u16,
        /// What Fly said.
        message: String,
    },
    /// Fly has trouble of its own, and there was certainly no effect.
    #[error("Fly's API is in trouble: {message}")]
    Unavailable {
        /// What was seen of it.
        message: String,
    },
    /// Fly cannot be reached, and there was certainly no effect.
    #[error("{message}")]
    NoConnection {
        /// What the network said.
        message: String,
    },
    /// A write that may or may not have had its effect.
    #[error("{message}")]
    UnknownOutcome {
        /// What was seen of it.
        message: String,
    },
    /// An answer that cannot be understood.
    #[error("{message}")]
    UnexpectedAnswer {
        /// What does not fit.
        message: String,
    },
    /// A list whose pages do not end.
    #[error("the pages of the list do not end")]
    EndlessList,
    /// The request cannot be sent as it is.
    #[error("{message}")]
    CannotSend {
        /// Why not.
        message: String,
    },
}

impl FlyProblem {
    /// What `error`, met at `place`, means. Status and code first, then words of the message; some statuses are not documented, so for
    /// those only the words count.
    pub(super) fn of(error: &HttpError, place: &Place) -> Self {
        match error.problem() {
            Problem::Status { status, message, code } => {
                let said = Said { status: *status, lower: message.to_lowercase(), message, code: code.as_deref() };
                said.by_code(place).or_else(|| said.by_words(place)).unwrap_or_else(|| said.by_status(error, place))
            }
            problem if error.outcome() == Outcome::Unknown => Self::UnknownOutcome { message: problem.to_string() },
            problem @ Problem::Transport(_) => Self::NoConnection { message: problem.to_string() },
            problem @ Problem::NotJson { .. } => Self::Unavailable { message: problem.to_string() },
            problem @ Problem::Shape { .. } => Self::UnexpectedAnswer { message: problem.to_string() },
            problem @ Problem::Request { .. } => Self::CannotSend { message: problem.to_string() },
        }
    }

    /// A word for conditions, in CamelCase.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TokenRejected { .. } => "TokenRejected",
            Self::Unauthorized { .. } | Self::ClustersForbidden { .. } => "Unauthorized",
            Self::NameTaken { .. } => "NameTaken",
            Self::InvalidName { .. } => "InvalidName",
            Self::MachineNameTaken { .. } => "MachineNameTaken",
            Self::MachineLimitReached { .. } => "MachineLimitReached",
            Self::PaymentMethodMissing { .. } => "PaymentMethodMissing",
            Self::RegionQuotaExceeded { .. } => "RegionQuotaExceeded",
            Self::RegionFull { .. } => "RegionFull",
            Self::VolumePlacementFull { .. } => "VolumePlacementFull",
            Self::VolumeHostFull { .. } => "VolumeHostFull",
            Self::HostFull { .. } => "HostFull",
            Self::HostDisabled => "HostDisabled",
            Self::HostUnreachable { .. } => "HostUnreachable",
            Self::InvalidRequest { .. } => "InvalidRequest",
            Self::ManifestUnknown { .. } => "ManifestUnknown",
            Self::ManifestDenied { .. } => "ManifestDenied",
            Self::LeaseHeld { .. } => "LeaseHeld",
            Self::LeaseLost => "LeaseLost",
            Self::Replacing => "Replacing",
            Self::WrongState { .. } => "WrongState",
            Self::VersionConflict { .. } => "VersionConflict",
            Self::VolumeBound { .. } => "VolumeBound",
            Self::RateLimited => "RateLimited",
            Self::AlreadyExists { .. } => "AlreadyExists",
            Self::ClusterNotReady { .. } => "ClusterNotReady",
            Self::Gone { .. } => "Gone",
            Self::NetworkNotFound => "NetworkNotFound",
            Self::InvalidIpKind => "InvalidIpKind",
            Self::InvalidMachineId { .. } => "InvalidMachineId",
            Self::NotFound { .. } => "NotFound",
            Self::Conflict { .. } => "Conflict",
            Self::Refused { .. } => "Refused",
            Self::Unavailable { .. } => "Unavailable",
            Self::NoConnection { .. } => "NoConnection",
            Self::UnknownOutcome { .. } => "UnknownOutcome",
            Self::UnexpectedAnswer { .. } => "UnexpectedAnswer",
            Self::EndlessList => "EndlessList",
            Self::CannotSend { .. } => "CannotSend",
        }
    }

    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::TokenRejected { .. } => "make a new organization token with `fly tokens create org` and put it there",
            Self::Unauthorized { .. } => {
                "check that the token belongs to this organization, has not expired, and is an organization token: a deploy token \
                 cannot create apps, a read-only one cannot change anything"
            }
            Self::ClustersForbidden { .. } => {
                "clusters are the organization's: use a token of this organization that may write (`fly tokens create org`); a deploy \
                 token is for one app, a read-only one cannot change anything"
            }
            Self::NameTaken { .. } => {
                "choose another name (app names are one namespace over all of Fly), or set `adopt: true` if the app is yours"
            }
            Self::InvalidName { .. } => "use lower-case letters, digits and dashes, 63 characters at most",
            Self::MachineNameTaken { .. } => "look at the machine of that name: it may be the one that was wanted",
            Self::MachineLimitReached { .. } => "remove machines, or ask Fly for a higher limit",
            Self::PaymentMethodMissing { .. } => "add a payment method to the organization in Fly's dashboard",
            Self::RegionQuotaExceeded { .. } => "use another region, or ask Fly for a higher quota",
            Self::RegionFull { .. } | Self::VolumePlacementFull { .. } => {
                "use another region, or a smaller machine, or wait"
            }
            Self::VolumeHostFull { .. } => {
                "wait, use a smaller machine, or copy the volume to another host (fork it, or restore a snapshot)"
            }
            Self::HostFull { .. } => {
                "a machine without a volume can be replaced on another host; else use a smaller one or wait"
            }
            Self::HostDisabled => "a machine without a volume can be replaced on another host; else wait",
            Self::HostUnreachable { .. } => {
                "wait for Fly to repair or move the host (see its status page); nothing is lost meanwhile"
            }
            Self::InvalidRequest { .. } => "correct what the message names",
            Self::ManifestUnknown { .. } => {
                "check `image` in the spec, name and tag, and that this image was pushed (a fresh push takes about ten seconds to appear)"
            }
            Self::ManifestDenied { .. } => {
                "use a public image, or one under `registry.fly.io/` of an app in the same organization"
            }
            Self::LeaseHeld { .. } => "another deployment is at work: wait until its lease ends",
            Self::LeaseLost => "take the lease again before going on",
            Self::Replacing | Self::WrongState { .. } => "wait until the machine rests",
            Self::VersionConflict { .. } => "look again and decide again",
            Self::VolumeBound { .. } => "destroy the machine first; Fly keeps the bond for up to a minute after that",
            Self::RateLimited => "wait; requests are spaced out",
            Self::AlreadyExists { .. } => "look at the one that is there: it may be the one that was wanted",
            Self::ClusterNotReady { .. } => "wait until it is: that takes minutes",
            Self::Gone { .. } => "use another one, or restore it from a backup",
            Self::NetworkNotFound => "create an app in the network first: that makes the network",
            Self::InvalidIpKind => "use one of the kinds of address that Fly offers",
            Self::InvalidMachineId { .. } => "look again in some seconds",
            Self::NotFound { .. } => "right after its creation, look again in some seconds; else it was removed",
            Self::Conflict { .. } => "look again and decide again",
            Self::Refused { .. } => "see the message",
            Self::Unavailable { .. } => "wait; see Fly's status page if it lasts",
            Self::NoConnection { .. } => {
                "check the network, a proxy if there is one (`HTTPS_PROXY`), and the address of the API if one is set (`FLY_FLAPS_BASE_URL`, or \
                 `spec.fly.baseUrl` of the `Controller`)"
            }
            Self::UnknownOutcome { .. } => "look at what is there before another attempt",
            Self::UnexpectedAnswer { .. } | Self::EndlessList => {
                "Fly's API may have changed: report this with the request id, and try a newer version of Hangar"
            }
            Self::CannotSend { .. } => "correct the value that the message names",
        }
    }

    /// How to go on, if it is certain that there was no effect.
    pub const fn class(&self) -> Class {
        match self {
            Self::InvalidName { .. }
            | Self::InvalidRequest { .. }
            | Self::Gone { .. }
            | Self::InvalidIpKind
            | Self::Refused { .. }
            | Self::UnexpectedAnswer { .. }
            | Self::EndlessList
            | Self::CannotSend { .. } => Class::Permanent,
            Self::TokenRejected { .. }
            | Self::Unauthorized { .. }
            | Self::ClustersForbidden { .. }
            | Self::NameTaken { .. }
            | Self::MachineNameTaken { .. }
            | Self::MachineLimitReached { .. }
            | Self::PaymentMethodMissing { .. }
            | Self::RegionQuotaExceeded { .. }
            | Self::RegionFull { .. }
            | Self::VolumePlacementFull { .. }
            | Self::VolumeHostFull { .. }
            | Self::HostFull { .. }
            | Self::AlreadyExists { .. }
            | Self::ManifestDenied { .. }
            | Self::NetworkNotFound => Class::Blocked,
            Self::HostDisabled
            | Self::HostUnreachable { .. }
            | Self::ManifestUnknown { .. }
            | Self::LeaseHeld { .. }
            | Self::LeaseLost
            | Self::Replacing
            | Self::WrongState { .. }
            | Self::VersionConflict { .. }
            | Self::VolumeBound { .. }
            | Self::ClusterNotReady { .. }
            | Self::RateLimited
            | Self::InvalidMachineId { .. }
            | Self::NotFound { .. }
            | Self::Conflict { .. }
            | Self::Unavailable { .. }
            | Self::NoConnection { .. } => Class::Transient,
            Self::UnknownOutcome { .. } => Class::Unknown,
        }
    }
}

/// What Fly says before the image that it could not look up.
const MANIFEST: &str = "failed to get manifest ";

/// What Fly said, ready to be compared.
struct Said<'a> {
    status: u16,
    message: &'a str,
    lower: String,
    code: Option<&'a str>,
}

impl Said<'_> {
    /// By Fly's own word for it, where there is one.
    fn by_code(&self, place: &Place) -> Option<FlyProblem> {
        match self.code? {
            "name_taken" => Some(FlyProblem::NameTaken { name: place.app.clone().unwrap_or_default() }),
            "insufficient_capacity" => Some(FlyProblem::RegionFull { region: place.region.clone() }),
            "volume_placement_capacity" => Some(FlyProblem::VolumePlacementFull { region: place.region.clone() }),
            _ => None,
        }
    }

    /// By words that mean one thing only.
    fn by_words(&self, place: &Place) -> Option<FlyProblem> {
        let message = self.message.to_owned();
        Some(if self.has("lease currently held") {
            let owner = self.word_after("held by ").unwrap_or_default();
            let expires_at = self.word_after("expires at ").and_then(|word| word.parse().ok());
            FlyProblem::LeaseHeld { owner, expires_at }
        } else if self.has("lease not found") {
            FlyProblem::LeaseLost
        } else if self.has("getting replaced") || self.has("is replacing") || self.has("concurrent update in progress")
        {
            FlyProblem::Replacing
        } else if self.has("insufficient resources") && self.has("existing volume") {
            FlyProblem::VolumeHostFull { volume: self.word_after("existing volume ") }
        } else if self.has("could not reserve resource") {
            FlyProblem::HostFull { message }
        } else if self.has("deploys to this host are temporarily disabled") {
            FlyProblem::HostDisabled
        } else if self.has("host") && self.has("unreachable") {
            FlyProblem::HostUnreachable { message }
        } else if self.has("over the allowed quota") {
            FlyProblem::RegionQuotaExceeded { message }
        } else if self.has("add a payment method") {
            FlyProblem::PaymentMethodMissing { message }
        } else if self.has("machine limit") {
            FlyProblem::MachineLimitReached { message }
        } else if self.has("rate limit exceeded") {
            FlyProblem::RateLimited
        } else if self.has("manifest_unknown") || (self.has(MANIFEST) && self.has("not found")) {
            FlyProblem::ManifestUnknown { image: self.word_after(MANIFEST) }
        } else if self.has(MANIFEST) && ["unauthorized", "denied", "forbidden"].iter().any(|word| self.has(word)) {
            FlyProblem::ManifestDenied { image: self.word_after(MANIFEST) }
        } else if self.has("currently bound to machine") {
            FlyProblem::VolumeBound { machine: self.word_after("bound to machine: ") }
        } else if self.has("cluster is not ready") {
            FlyProblem::ClusterNotReady { message }
        } else if self.has("name has already been taken") && place.cluster.is_none() {
            FlyProblem::NameTaken { name: place.app.clone().unwrap_or_default() }
        } else if self.has("invalid machine id") {
            FlyProblem::InvalidMachineId { message }
        } else if self.has("network not found") {
            FlyProblem::NetworkNotFound
        } else if self.has("invalid ip address type") {
            FlyProblem::InvalidIpKind
        } else if self.has("current state:") || self.has("not currently stopped") {
            FlyProblem::WrongState { message }
        } else {
            return None;
        })
    }

    /// By status alone, with what was being done.
    fn by_status(&self, error: &HttpError, place: &Place) -> FlyProblem {
        let message = self.message.to_owned();
        let token = error.token().to_owned();
        let exists = ["taken", "already", "unique", "exists"].iter().any(|word| self.has(word));
        match (self.status, error.action()) {
            (401, _) => FlyProblem::TokenRejected { token },
            (403, action) if action.contains("cluster") => FlyProblem::ClustersForbidden { token, message },
            (403, _) => FlyProblem::Unauthorized { token, message },
            (404, _) => FlyProblem::NotFound { message },
            (410, _) => FlyProblem::Gone { message },
            (429, _) => FlyProblem::RateLimited,
            (409 | 422, "create app") if exists => {
                FlyProblem::NameTaken { name: place.app.clone().unwrap_or_default() }
            }
            (409 | 422, "create machine") if exists && self.has("name") => {
                FlyProblem::MachineNameTaken { name: place.name.clone().unwrap_or_default() }
            }
            (409 | 422, _) if exists => FlyProblem::AlreadyExists { message },
            (400 | 422, "create app") if self.has("name") => FlyProblem::InvalidName { message },
            (409 | 412, _) if self.has("version") => FlyProblem::VersionConflict { message },
            (409 | 412, _) => FlyProblem::Conflict { message },
            (400 | 422, _) => FlyProblem::InvalidRequest { message },
            (408 | 425 | 500..=599, _) if error.outcome() == Outcome::Unknown => {
                FlyProblem::UnknownOutcome { message: error.problem().to_string() }
            }
            (408 | 425 | 500..=599, _) => FlyProblem::Unavailable { message: error.problem().to_string() },
            (status, _) => FlyProblem::Refused { status, message },
        }
    }

    fn has(&self, words: &str) -> bool {
        self.lower.contains(words)
    }

    /// The word behind `words`, without quotes and punctuation around it.
    fn word_after(&self, words: &str) -> Option<String> {
        let (_, rest) = self.message.split_once(words)?;
        let word = rest
            .split_whitespace()
            .next()?
            .trim_matches(|c: char| matches!(c, '\'' | '"' | '`' | ',' | '.' | ';' | ':'));
        (!word.is_empty()).then(|| word.to_owned())
    }
}

fn of(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" `{name}`"))
}

fn until(moment: Option<DateTime<Utc>>) -> String {
    moment.map_or_else(String::new, |moment| format!(" until {}", moment.format("%Y-%m-%dT%H:%M:%SZ")))
}
