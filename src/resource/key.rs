//! How resources are named, before and after they exist.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name that the spec's validation, or the provider, has already accepted.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }
    };
}

name_type! {
    /// The name of an environment: a DNS label, unique within a controller.
    EnvName
}
name_type! {
    /// The name of a component inside an environment (`server`, `worker`).
    ComponentName
}
name_type! {
    /// The controller's identity, stamped on everything it creates.
    OwnerId
}
name_type! {
    /// The slug of a Fly organization: a provider scope.
    OrgSlug
}
name_type! {
    /// The name of a Fly app: global over all of Fly's customers, at most 63 characters.
    AppName
}

/// The place of one machine in an app: process group, region, and ordinal from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MachineSlot {
    /// The process group (`app` where the spec names none).
    pub group: String,
    /// The region code.
    pub region: String,
    /// Counts from 0 within group and region.
    pub ordinal: u32,
}

impl MachineSlot {
    /// The machine's name: the same on every pass, so that a second create of one slot collides instead of making a double.
    pub fn machine_name(&self) -> String {
        format!("{}-{}-{}", self.group, self.region, self.ordinal)
    }

    /// Reads the form that [`fmt::Display`] writes, `group/region/ordinal`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (group, region, ordinal) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || group.is_empty() || region.is_empty() {
            return None;
        }
        Some(Self { group: group.to_owned(), region: region.to_owned(), ordinal: ordinal.parse().ok()? })
    }
}

impl fmt::Display for MachineSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group, self.region, self.ordinal)
    }
}

/// The place of one volume in an app: the volume's name and the machine slot that mounts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VolumeSlot {
    /// The volume's name at Fly (not unique there: one per machine).
    pub name: String,
    /// The machine slot that mounts it.
    pub machine: MachineSlot,
}

impl fmt::Display for VolumeSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.machine)
    }
}

/// The kinds of public and private addresses that an app can hold, one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IpKind {
    /// A dedicated IPv4 address (paid).
    V4,
    /// A dedicated IPv6 address.
    V6,
    /// Fly's shared IPv4 address.
    SharedV4,
    /// A private Flycast address.
    PrivateV6,
}

impl IpKind {
    /// The name the Machines API uses.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
            Self::SharedV4 => "shared_v4",
            Self::PrivateV6 => "private_v6",
        }
    }

    /// The name that expressions use: `fly.<component>.ips.<name>`.
    pub const fn expression_name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
            Self::SharedV4 => "sharedV4",
            Self::PrivateV6 => "flycast",
        }
    }

    /// Reads the wire name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::V4, Self::V6, Self::SharedV4, Self::PrivateV6].into_iter().find(|kind| kind.wire_name() == text)
    }
}

impl fmt::Display for IpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire_name())
    }
}

/// Names one resource of one provider, whether or not it exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ResourceKey {
    /// A Fly app.
    App {
        /// The app.
        app: AppName,
    },
    /// All secrets of a Fly app: they are written in one call and versioned together.
    Secrets {
        /// The app.
        app: AppName,
    },
    /// A volume in its slot.
    Volume {
        /// The app.
        app: AppName,
        /// The slot.
        slot: VolumeSlot,
    },
    /// A machine in its slot.
    Machine {
        /// The app.
        app: AppName,
        /// The slot.
        slot: MachineSlot,
    },
    /// An address.
    Ip {
        /// The app.
        app: AppName,
        /// The kind of address.
        ip: IpKind,
    },
    /// A certificate for a host name.
    Certificate {
        /// The app.
        app: AppName,
        /// The host name.
        hostname: String,
    },
    /// An object at a provider other than Fly's machines.
    Object(super::ObjectKey),
}

impl ResourceKey {
    /// The Fly app that the resource is or belongs to, if it is of Fly's machines.
    pub const fn app(&self) -> Option<&AppName> {
        match self {
            Self::App { app }
            | Self::Secrets { app }
            | Self::Volume { app, .. }
            | Self::Machine { app, .. }
            | Self::Ip { app, .. }
            | Self::Certificate { app, .. } => Some(app),
            Self::Object(_) => None,
        }
    }

    /// Whether two objects of this key can exist at once, because the server mints the id and no name collides.
    ///
    /// Machines carry a name that is unique in their app, and apps and certificates are named by the caller.
    pub const fn is_minted(&self) -> bool {
        match self {
            Self::Volume { .. } | Self::Ip { .. } => true,
            Self::Object(key) => key.object.is_minted(),
            _ => false,
        }
    }

    /// What a deletion of it is about: the app that it is or belongs to, or itself.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Object(key) => Subject::Object(key.clone()),
            Self::App { app }
            | Self::Secrets { app }
            | Self::Volume { app, .. }
            | Self::Machine { app, .. }
            | Self::Ip { app, .. }
            | Self::Certificate { app, .. } => Subject::App(app.clone()),
        }
    }

    /// The name of that, for people.
    pub fn name(&self) -> String {
        self.subject().to_string()
    }

    /// The object's key, if it is at another provider.
    pub const fn object(&self) -> Option<&super::ObjectKey> {
        match self {
            Self::Object(key) => Some(key),
            _ => None,
        }
    }
}

/// What is deleted as a whole: an app of Fly's machines, or an object at another provider.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An app.
    App(AppName),
    /// An object.
    Object(super::ObjectKey),
}

impl Serialize for Subject {
    /// As its name.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl fmt::Display for Subject {
    /// Its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => app.fmt(f),
            Self::Object(key) => key.name.fmt(f),
        }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App { app } => write!(f, "app {app}"),
            Self::Secrets { app } => write!(f, "secrets of {app}"),
            Self::Volume { app, slot } => write!(f, "volume {slot} of {app}"),
            Self::Machine { app, slot } => write!(f, "machine {slot} of {app}"),
            Self::Ip { app, ip } => write!(f, "ip {ip} of {app}"),
            Self::Certificate { app, hostname } => write!(f, "certificate {hostname} of {app}"),
            Self::Object(key) => key.fmt(f),
        }
    }
}
