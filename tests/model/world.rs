//! The abstract platform: apps with machines, volumes, secrets and addresses, reduced to what the planner looks at.
//!
//! Calls take effect at once. Moments are seconds of a clock that always shows [`NOW`]: time passes by moving every moment back.

use std::collections::BTreeMap;

use hangar::resource::IpKind;
use hangar::resource::marker::{PREFIX, TOMBSTONE_SECRET, WriterStamp};

/// What the clock shows, always.
pub(crate) const NOW: i64 = 1_800_000_000;
/// How far time moves in one tick. S and F are one tick each, as long as the platform may lag behind; what the controller assumes of
/// them is a second more, so that a rule that counts one of them too little is off by a whole tick.
pub(crate) const TICK: i64 = 60;

/// How many ticks old moments can be. Older ones count as this old: more makes no difference to any rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ages {
    /// Of everything.
    pub(crate) oldest: i64,
    /// Of writers' stamps and the beginnings of runs, which are compared with one another. One is enough as long as no two
    /// controllers run at once.
    pub(crate) writers: i64,
}

impl Ages {
    /// As old as the window of the deletion budget is long, which is the longest time that is asked for; with two controllers, as
    /// much as time passes.
    pub(crate) const fn of(second: bool, ticks: u8) -> Self {
        Self { oldest: 5, writers: if second { ticks as i64 + 1 } else { 1 } }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) apps: BTreeMap<String, LiveApp>,
    /// How many ids were given away.
    minted: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LiveApp {
    pub(crate) id: u16,
    pub(crate) network: String,
    /// Whether somebody else made it. The controller cannot see this.
    pub(crate) stranger: bool,
    pub(crate) machines: Vec<LiveMachine>,
    pub(crate) volumes: Vec<LiveVolume>,
    /// Digest and moment of creation by name.
    pub(crate) secrets: BTreeMap<String, (String, i64)>,
    pub(crate) ips: Vec<(String, IpKind)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LiveMachine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) started: bool,
    pub(crate) version: u16,
    /// Without metadata, as JSON.
    pub(crate) config: String,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Whether somebody else made it.
    pub(crate) stranger: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LiveVolume {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) size_gb: u64,
    pub(crate) attached: Option<String>,
}

/// A request as the platform receives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    CreateApp {
        app: String,
        network: String,
    },
    SetSecrets {
        app: String,
        set: BTreeMap<String, String>,
        unset: Vec<String>,
    },
    CreateVolume {
        app: String,
        name: String,
        region: String,
        size_gb: u64,
    },
    AllocateIp {
        app: String,
        kind: IpKind,
    },
    CreateMachine {
        app: String,
        name: String,
        region: String,
        config: String,
        metadata: BTreeMap<String, String>,
        start: bool,
    },
    UpdateMachine {
        app: String,
        id: String,
        version: String,
        config: String,
        metadata: BTreeMap<String, String>,
        start: bool,
    },
    MarkMachine {
        app: String,
        id: String,
        patch: BTreeMap<String, Option<String>>,
    },
    StartMachine {
        app: String,
        id: String,
    },
    DestroyMachine {
        app: String,
        id: String,
    },
    DeleteVolume {
        app: String,
        id: String,
    },
    ReleaseIp {
        app: String,
        address: String,
    },
    DeleteApp {
        app: String,
    },
}

impl Request {
    pub(crate) fn app(&self) -> &str {
        match self {
            Self::CreateApp { app, .. }
            | Self::SetSecrets { app, .. }
            | Self::CreateVolume { app, .. }
            | Self::AllocateIp { app, .. }
            | Self::CreateMachine { app, .. }
            | Self::UpdateMachine { app, .. }
            | Self::MarkMachine { app, .. }
            | Self::StartMachine { app, .. }
            | Self::DestroyMachine { app, .. }
            | Self::DeleteVolume { app, .. }
            | Self::ReleaseIp { app, .. }
            | Self::DeleteApp { app } => app,
        }
    }

    /// The machine that it changes.
    pub(crate) fn machine(&self) -> Option<&str> {
        match self {
            Self::UpdateMachine { id, .. }
            | Self::MarkMachine { id, .. }
            | Self::StartMachine { id, .. }
            | Self::DestroyMachine { id, .. } => Some(id),
            _ => None,
        }
    }
}

impl Request {
    /// The same request a tick after it was sent, with the moments that it carries.
    pub(crate) fn later(&self, ages: Ages) -> Self {
        let mut request = self.clone();
        match &mut request {
            Self::CreateMachine { metadata, .. } | Self::UpdateMachine { metadata, .. } => {
                metadata.iter_mut().for_each(|(key, value)| age(key, value, ages));
            }
            Self::MarkMachine { patch, .. } => {
                let set = patch.iter_mut().filter_map(|(key, value)| Some((key, value.as_mut()?)));
                set.for_each(|(key, value)| age(key, value, ages));
            }
            _ => {}
        }
        request
    }
}

/// The platform says no: nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

impl World {
    /// Carries out a request. Answers with the id of what was made, if something was.
    pub(crate) fn apply(&mut self, request: &Request) -> Result<Option<String>, Refused> {
        if let Request::CreateApp { app, network } = request {
            if self.apps.contains_key(app) {
                return Err(Refused);
            }
            let made = self.new_app(network, false);
            let id = made.id.to_string();
            self.apps.insert(app.clone(), made);
            return Ok(Some(id));
        }
        let id = self.minted + 1;
        let made = self.apps.get_mut(request.app()).ok_or(Refused)?.apply(request, id)?;
        if made.is_some() {
            self.minted = id;
        }
        if let Request::DeleteApp { app } = request {
            self.apps.remove(app);
        }
        Ok(made)
    }

    pub(crate) fn new_app(&mut self, network: &str, stranger: bool) -> LiveApp {
        LiveApp {
            id: self.mint(),
            network: network.to_owned(),
            stranger,
            machines: Vec::new(),
            volumes: Vec::new(),
            secrets: BTreeMap::new(),
            ips: Vec::new(),
        }
    }

    pub(crate) fn mint(&mut self) -> u16 {
        self.minted += 1;
        self.minted
    }

    /// The same world a tick later.
    pub(crate) fn later(&self, ages: Ages) -> Self {
        let mut world = self.clone();
        for app in world.apps.values_mut() {
            for (name, (_, created)) in &mut app.secrets {
                // Only of a tombstone it is asked how long it stands.
                *created = earlier(*created, if name == TOMBSTONE_SECRET { ages.oldest } else { 1 });
            }
            for machine in &mut app.machines {
                machine.metadata.iter_mut().for_each(|(key, value)| age(key, value, ages));
            }
        }
        world
    }
}

/// What a machine's metadata says, a tick later.
pub(crate) fn age(key: &str, value: &mut String, ages: Ages) {
    match key.strip_prefix(PREFIX) {
        Some("writer") => {
            let mut stamp = WriterStamp::parse(value).unwrap();
            stamp.at = crate::view::moment(earlier(stamp.at.timestamp(), ages.writers));
            *value = stamp.to_string();
        }
        Some("tombstone" | "held") => *value = earlier(value.parse().unwrap(), ages.oldest).to_string(),
        _ => {}
    }
}

/// A moment, a tick later.
pub(crate) fn earlier(moment: i64, oldest: i64) -> i64 {
    (moment - TICK).max(NOW - oldest * TICK)
}

impl LiveApp {
    fn apply(&mut self, request: &Request, id: u16) -> Result<Option<String>, Refused> {
        match request {
            Request::CreateApp { .. } | Request::DeleteApp { .. } => {}
            Request::SetSecrets { set, unset, .. } => {
                for (name, value) in set {
                    let digest = format!("digest of {value}");
                    self.secrets.entry(name.clone()).or_insert((String::new(), NOW)).0 = digest;
                }
                self.secrets.retain(|name, _| !unset.contains(name));
            }
            Request::CreateVolume { name, region, size_gb, .. } => {
                let id = format!("vol{id}");
                let (name, region) = (name.clone(), region.clone());
                self.volumes.push(LiveVolume { id: id.clone(), name, region, size_gb: *size_gb, attached: None });
                return Ok(Some(id));
            }
            Request::AllocateIp { kind, .. } => {
                let address = format!("fd00::{id}");
                self.ips.push((address.clone(), *kind));
                return Ok(Some(address));
            }
            Request::CreateMachine { name, region, config, metadata, start, .. } => {
                // Names are unique in an app.
                if self.machines.iter().any(|machine| machine.name == *name) {
                    return Err(Refused);
                }
                let id = format!("m{id}");
                self.attach(&id, config)?;
                self.machines.push(LiveMachine {
                    id: id.clone(),
                    name: name.clone(),
                    region: region.clone(),
                    started: *start,
                    version: 0,
                    config: config.clone(),
                    metadata: metadata.clone(),
                    stranger: false,
                });
                return Ok(Some(id));
            }
            Request::UpdateMachine { id, version, config, metadata, start, .. } => {
                let machine = self.machine(id)?;
                if machine.version.to_string() != *version {
                    return Err(Refused);
                }
                machine.version += 1;
                machine.config.clone_from(config);
                machine.metadata.clone_from(metadata);
                machine.started |= *start;
            }
            Request::MarkMachine { id, patch, .. } => {
                let machine = self.machine(id)?;
                for (key, value) in patch {
                    match value {
                        Some(value) => drop(machine.metadata.insert(key.clone(), value.clone())),
                        None => drop(machine.metadata.remove(key)),
                    }
                }
            }
            Request::StartMachine { id, .. } => self.machine(id)?.started = true,
            Request::DestroyMachine { id, .. } => {
                self.machine(id)?;
                self.destroy(id);
            }
            Request::DeleteVolume { id, .. } => {
                let index = self.volumes.iter().position(|volume| volume.id == *id && volume.attached.is_none());
                self.volumes.remove(index.ok_or(Refused)?);
            }
            Request::ReleaseIp { address, .. } => {
                let index = self.ips.iter().position(|(known, _)| known == address);
                self.ips.remove(index.ok_or(Refused)?);
            }
        }
        Ok(None)
    }

    fn attach(&mut self, machine: &str, config: &str) -> Result<(), Refused> {
        let config: serde_json::Value = serde_json::from_str(config).unwrap();
        let Some(volume) = config.pointer("/mounts/0/volume").and_then(|id| id.as_str()) else { return Ok(()) };
        let volume =
            self.volumes.iter_mut().find(|seen| seen.id == volume && seen.attached.is_none()).ok_or(Refused)?;
        volume.attached = Some(machine.to_owned());
        Ok(())
    }

    pub(crate) fn machine(&mut self, id: &str) -> Result<&mut LiveMachine, Refused> {
        self.machines.iter_mut().find(|machine| machine.id == id).ok_or(Refused)
    }

    pub(crate) fn destroy(&mut self, id: &str) {
        self.machines.retain(|machine| machine.id != id);
        for volume in self.volumes.iter_mut().filter(|volume| volume.attached.as_deref() == Some(id)) {
            volume.attached = None;
        }
    }
}
