//! The markers that say what is ours: metadata on machines, the private network's name, and the name of a secret.
//!
//! A marker names its object (owner, environment, app, slot, the machine's own name), so that a clone made by hand does not count
//! as ours, and its writer, so that a second controller under the same owner id is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::field::FieldSet;
use super::key::{AppName, ComponentName, EnvName, IpKind, MachineSlot, OwnerId};
use super::secret_record::SecretRecord;

/// All of our metadata keys begin with this.
pub const PREFIX: &str = "hangar_";

/// Who wrote a marker, and when: compared to find a second controller under the same owner id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WriterStamp {
    /// The instance: one run of the program.
    pub instance: String,
    /// The moment of writing, by the writer's clock.
    pub at: DateTime<Utc>,
}

impl fmt::Display for WriterStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.instance, self.at.timestamp_millis())
    }
}

impl WriterStamp {
    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (instance, at) = text.split_once('@')?;
        Some(Self { instance: instance.to_owned(), at: DateTime::from_timestamp_millis(at.parse().ok()?)? })
    }
}

/// What is run before anything of an environment is deleted. It is marked on the machines of the component that it is run for, because
/// there may be no spec any more when its time comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finalizer {
    /// How many seconds after the end of the environment has begun its time is over. It grows from each finalizer of an environment to
    /// the next, and so gives their order.
    pub within: u64,
    /// Its name.
    pub name: String,
    /// The command.
    pub command: Vec<String>,
}

/// What the process group of the machine that a finalizer runs in begins with; the rest is the finalizer's name.
pub const FINALIZER_GROUP: &str = "finalizer-";

/// What the process group of the machine that a job runs in begins with; the rest is the job's name.
pub const JOB_GROUP: &str = "job-";

/// The metadata key that says how the run of a job has ended: an exit code, or a word.
pub const ENDED: &str = "hangar_ended";

/// Whether a machine of this process group is there for one run of a command, a job or a finalizer, and not to serve.
pub fn runs_to_its_end(group: &str) -> bool {
    group.starts_with(FINALIZER_GROUP) || group.starts_with(JOB_GROUP)
}

/// The metadata key that says since when what is run before a deletion is due.
pub const FINALIZING: &str = "hangar_finalizing";

/// The metadata key that says how what is run before a deletion has ended: `dump=0,notify=1`.
pub const FINALIZED: &str = "hangar_finalized";

/// Our metadata on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineMarker {
    /// The controller that owns the machine.
    pub owner: OwnerId,
    /// The environment it belongs to.
    pub env: EnvName,
    /// The set of previews that its environment is one of.
    pub set: Option<String>,
    /// The app it was made in.
    pub app: AppName,
    /// The component it is part of.
    pub component: ComponentName,
    /// Its slot.
    pub slot: MachineSlot,
    /// The machine's own name: a clone has another.
    pub name: String,
    /// The attempt that created it, to recognise it after a lost reply.
    pub launch: String,
    /// Who wrote the marker last.
    pub writer: Option<WriterStamp>,
    /// Hash of the configuration that was wanted when it was last written.
    pub hash: String,
    /// Which configuration fields the spec has set.
    pub fields: FieldSet,
    /// The secrets that the machine has taken.
    pub secrets: SecretRecord,
    /// The vault version that the machine was last created or updated with.
    pub secrets_version: Option<u64>,
    /// The kinds of addresses that the spec has asked for.
    pub ips: BTreeSet<IpKind>,
    /// The certificates that the spec has asked for.
    pub certificates: BTreeSet<String>,
    /// Never deleted by garbage collection.
    pub protect: bool,
    /// Kept when its environment goes.
    pub retain: bool,
    /// What is run before anything of its environment is deleted.
    pub finalizers: Vec<Finalizer>,
    /// Whatever its time to live, its environment is kept until then: a person has said so.
    pub keep_until: Option<DateTime<Utc>>,
    /// The last comment that asked for it to be written again, and that it was written again for.
    pub redeploy: Option<u64>,
    /// Of a job's machine: the generation that it was run for.
    pub generation: Option<String>,
    /// Garbage collection found no spec for it at this moment; grace counts from here.
    pub tombstone: Option<DateTime<Utc>>,
}

impl MachineMarker {
    /// The metadata entries of this marker, with the two keys by which Fly's own tools find the machine
    /// (`fly_platform_version`, `fly_process_group`).
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::from([
            ("fly_platform_version".to_owned(), "v2".to_owned()),
            ("fly_process_group".to_owned(), self.slot.group.clone()),
        ]);
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                entries.insert(format!("{PREFIX}{key}"), value);
            }
        };
        put("owner", self.owner.to_string());
        put("env", self.env.to_string());
        put("set", self.set.clone().unwrap_or_default());
        put("app", self.app.to_string());
        put("component", self.component.to_string());
        put("slot", self.slot.to_string());
        put("name", self.name.clone());
        put("launch", self.launch.clone());
        put("writer", self.writer.as_ref().map(ToString::to_string).unwrap_or_default());
        put("hash", self.hash.clone());
        put("fields", self.fields.to_string());
        put("secrets", self.secrets.to_string());
        put("secrets_version", self.secrets_version.map(|version| version.to_string()).unwrap_or_default());
        put("ips", join(self.ips.iter().map(ToString::to_string)));
        put("certificates", join(self.certificates.iter().cloned()));
        put("protect", flag(self.protect));
        put("retain", flag(self.retain));
        put("finalizers", finalizers_text(&self.finalizers));
        put("keep_until", self.keep_until.map(|at| at.timestamp().to_string()).unwrap_or_default());
        put("redeploy", self.redeploy.map(|comment| comment.to_string()).unwrap_or_default());
        put("generation", self.generation.clone().unwrap_or_default());
        put("tombstone", self.tombstone.map(|at| at.timestamp().to_string()).unwrap_or_default());
        entries
    }

    /// All metadata keys that a marker can use: a patch sets those that are absent from it to null.
    pub const KEYS: [&'static str; 22] = [
        "owner",
        "env",
        "set",
        "app",
        "component",
        "slot",
        "name",
        "launch",
        "writer",
        "hash",
        "fields",
        "secrets",
        "secrets_version",
        "ips",
        "certificates",
        "protect",
        "retain",
        "finalizers",
        "keep_until",
        "redeploy",
        "generation",
        "tombstone",
    ];

    /// Reads a machine's metadata. Nothing where there is no owner at all; an unreadable marker is an error, and an object with
    /// an unreadable marker is left alone.
    pub fn parse(metadata: &BTreeMap<String, String>) -> Option<Result<Self, UnreadableMarker>> {
        metadata.get("hangar_owner")?;
        Some(Self::parse_present(metadata))
    }

    fn parse_present(metadata: &BTreeMap<String, String>) -> Result<Self, UnreadableMarker> {
        let optional = |key: &str| metadata.get(&format!("{PREFIX}{key}")).map(String::as_str);
        let required = |key: &str| {
            optional(key)
                .ok_or_else(|| UnreadableMarker { key: format!("{PREFIX}{key}"), problem: "is missing".to_owned() })
        };
        let unreadable =
            |key: &str| UnreadableMarker { key: format!("{PREFIX}{key}"), problem: "cannot be read".to_owned() };
        Ok(Self {
            owner: OwnerId::new(required("owner")?),
            env: EnvName::new(required("env")?),
            set: optional("set").map(str::to_owned),
            app: AppName::new(required("app")?),
            component: ComponentName::new(required("component")?),
            slot: MachineSlot::parse(required("slot")?).ok_or_else(|| unreadable("slot"))?,
            name: required("name")?.to_owned(),
            launch: optional("launch").unwrap_or_default().to_owned(),
            writer: optional("writer").and_then(WriterStamp::parse),
            hash: optional("hash").unwrap_or_default().to_owned(),
            fields: FieldSet::parse(optional("fields").unwrap_or_default()),
            secrets: SecretRecord::parse(optional("secrets").unwrap_or_default()),
            secrets_version: optional("secrets_version").and_then(|text| text.parse().ok()),
            ips: split(optional("ips")).filter_map(IpKind::parse).collect(),
            certificates: split(optional("certificates")).map(str::to_owned).collect(),
            // A protection that cannot be read still protects.
            protect: optional("protect").is_some(),
            retain: optional("retain").is_some(),
            // What was to be run and cannot be read must not be left out unnoticed.
            finalizers: match optional("finalizers") {
                None => Vec::new(),
                Some(text) => serde_json::from_str(text).map_err(|_error| unreadable("finalizers"))?,
            },
            keep_until: optional("keep_until")
                .and_then(|text| text.parse().ok())
                .and_then(|at| DateTime::from_timestamp(at, 0)),
            redeploy: optional("redeploy").and_then(|text| text.parse().ok()),
            generation: optional("generation").map(str::to_owned),
            tombstone: match optional("tombstone") {
                None => None,
                Some(text) => Some(
                    text.parse()
                        .ok()
                        .and_then(|at| DateTime::from_timestamp(at, 0))
                        .ok_or_else(|| unreadable("tombstone"))?,
                ),
            },
        })
    }
}

/// A marker that is there and cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the marker's `{key}` {problem}")]
pub struct UnreadableMarker {
    /// The metadata key.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

fn split(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').filter(|item| !item.is_empty())
}

fn finalizers_text(finalizers: &[Finalizer]) -> String {
    if finalizers.is_empty() {
        return String::new();
    }
    serde_json::json!(finalizers).to_string()
}

fn flag(on: bool) -> String {
    if on { "true".to_owned() } else { String::new() }
}

/// The name of the private network in pool place `slot` of `owner`: the marker that an isolated app carries from birth.
///
/// The pool is bounded and its places are used again, because Fly keeps a network for ever once it was named.
pub fn network_name(owner: &OwnerId, slot: u32) -> String {
    format!("hangar-{owner}-{slot}")
}

/// The pool place that a network's name stands for, if it is one of `owner`'s.
pub fn network_slot(owner: &OwnerId, network: &str) -> Option<u32> {
    let digits = network.strip_prefix("hangar-")?.strip_prefix(owner.as_str())?.strip_prefix('-')?;
    let slot: u32 = digits.parse().ok()?;
    (slot.to_string() == digits).then_some(slot)
}

/// The name of the secret that marks an app which cannot carry the marker otherwise: an app on a shared network before its first
/// machine. Only the name speaks; the value means nothing.
pub fn app_marker_secret(owner: &OwnerId, app: &AppName) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(format!("{owner}/{app}").as_bytes());
    format!("HANGAR_OWNED_{}", hex::encode_upper(digest.get(..8).unwrap_or_default()))
}

/// The name of the secret that is the tombstone of an app without machines; its `created_at` is when grace began.
pub const TOMBSTONE_SECRET: &str = "HANGAR_TOMBSTONE";

/// The name of the secret that protects an app also when all of its machines, which carry the same mark, are gone.
pub const PROTECTED_SECRET: &str = "HANGAR_PROTECTED";

/// The same for an app that is kept when its environment goes.
pub const RETAINED_SECRET: &str = "HANGAR_RETAINED";

/// Whether a secret of this name is one of our markers, and so none of the spec's business.
pub fn is_marker_secret(name: &str) -> bool {
    [TOMBSTONE_SECRET, PROTECTED_SECRET, RETAINED_SECRET].contains(&name) || name.starts_with("HANGAR_OWNED_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> MachineMarker {
        MachineMarker {
            owner: "acme".into(),
            env: "pr-1".into(),
            set: Some("chat".to_owned()),
            app: "pr-1-web".into(),
            component: "web".into(),
            slot: MachineSlot { group: "app".into(), region: "iad".into(), ordinal: 1 },
            name: "app-iad-1".into(),
            launch: "l1".into(),
            writer: WriterStamp::parse("i1@1700000000000"),
            hash: "h".into(),
            fields: FieldSet::parse("env(A)image"),
            secrets: SecretRecord::parse("A=1.2"),
            secrets_version: Some(7),
            ips: [IpKind::V6, IpKind::SharedV4].into(),
            certificates: ["a.example.com".to_owned()].into(),
            protect: true,
            retain: false,
            finalizers: vec![Finalizer {
                within: 600,
                name: "dump".to_owned(),
                command: vec!["/bin/dump".to_owned(), "a \"b\", c".to_owned()],
            }],
            keep_until: DateTime::from_timestamp(1_700_000_100, 0),
            redeploy: Some(42),
            generation: Some("2".to_owned()),
            tombstone: DateTime::from_timestamp(1_700_000_000, 0),
        }
    }

    #[test]
    fn a_marker_survives_a_round_trip() {
        assert_eq!(MachineMarker::parse(&marker().to_metadata()), Some(Ok(marker())));
    }

    #[test]
    fn a_machine_without_an_owner_has_no_marker_and_a_broken_marker_is_an_error() {
        assert_eq!(MachineMarker::parse(&BTreeMap::new()), None);
        let mut metadata = marker().to_metadata();
        metadata.insert("hangar_slot".into(), "nonsense".into());
        assert!(MachineMarker::parse(&metadata).unwrap().is_err());
    }

    #[test]
    fn a_network_of_another_owner_or_by_another_spelling_is_not_ours() {
        let owner = OwnerId::from("acme");
        assert_eq!(network_slot(&owner, &network_name(&owner, 3)), Some(3));
        for other in [
            "hangar-acme-03",
            "hangar-acme-x-3",
            "hangar-acm-3",
            "hangar-acme-",
            "default",
            "xhangar-acme-3",
            "hangar-acme-+3",
        ] {
            assert_eq!(network_slot(&owner, other), None, "{other}");
        }
    }
    #[test]
    fn the_names_of_our_own_secrets_are_known() {
        for name in [TOMBSTONE_SECRET, PROTECTED_SECRET, RETAINED_SECRET, &app_marker_secret(&"us".into(), &"a".into())]
        {
            assert!(is_marker_secret(name), "{name}");
        }
        for name in ["KEY", "HANGAR_KEY", "MY_HANGAR_OWNED_1"] {
            assert!(!is_marker_secret(name), "{name}");
        }
    }
}
