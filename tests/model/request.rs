//! From a step of a plan to the request that the executor would send, as `execute::step` makes it, with what it reads again before.

use std::collections::BTreeMap;

use hangar::desired::Fleet;
use hangar::observed::Secret;
use hangar::observed::deletable::{Deletable, problem_with_deleting};
use hangar::plan::{Action, Evidence, Finalization, MachineWrite, SecretWrite, Step};
use hangar::resource::ResourceKey;
use hangar::resource::marker::{PREFIX, WriterStamp};
use hangar::resource::output::{self, Outputs, volume_id_path};
use hangar::resource::secret_record::short_digest;
use hangar::secret::SecretText;
use serde_json::Value;

use crate::view::{machine, moment, now, row};
use crate::world::{Ages, Request, World, age};

/// What a run knows besides its plan: how far it is, and what its steps have told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Progress {
    /// One bit per step.
    pub(crate) done: u64,
    pub(crate) not_done: u64,
    /// How many ticks ago the plan was made, where it says a moment.
    pub(crate) age: u8,
    /// Outputs by environment.
    pub(crate) outputs: BTreeMap<String, BTreeMap<String, String>>,
    /// Digests and fingerprints of the secrets that were written, by app.
    pub(crate) vaults: BTreeMap<String, BTreeMap<String, (String, String)>>,
}

/// What comes of a step when it begins.
pub(crate) enum Prepared {
    /// There is nothing to do: it is as the step would make it.
    Nothing,
    /// What was read again just now no longer proves that it may go.
    NoLongerProven,
    Send(Request),
}

/// Who carries out a step, and how.
pub(crate) struct Hands<'h> {
    pub(crate) fleet: &'h Fleet,
    pub(crate) instance: &'h str,
    /// Whether markers are read again before a delete: always, except where a test shows what that is for.
    pub(crate) read_again: bool,
    pub(crate) ages: Ages,
}

impl Hands<'_> {
    pub(crate) fn prepare(&self, step: &Step, progress: &Progress, world: &World) -> Prepared {
        match self.request(step, progress, world) {
            Prepared::Send(Request::MarkMachine { app, id, mut patch }) => {
                // What the plan says of now was now when it was made; who writes is said when it is written.
                for (key, value) in patch.iter_mut().filter(|(key, _)| !key.ends_with("writer")) {
                    if let Some(value) = value {
                        (0..progress.age).for_each(|_| age(key, value, self.ages));
                    }
                }
                Prepared::Send(Request::MarkMachine { app, id, patch })
            }
            prepared => prepared,
        }
    }

    fn request(&self, step: &Step, progress: &Progress, world: &World) -> Prepared {
        let app = step.key.name();
        let live = world.apps.get(&app);
        Prepared::Send(match (&step.action, &step.key) {
            (Action::CreateApp { network }, _) => {
                Request::CreateApp { app, network: network.clone().unwrap_or_default() }
            }
            (Action::SetSecrets(write), _) => self.secrets(app, write, &progress.outputs_of(step)),
            (Action::CreateVolume { volume, .. }, _) => Request::CreateVolume {
                app,
                name: volume.slot.name.clone(),
                region: volume.slot.machine.region.clone(),
                size_gb: volume.size_gb,
            },
            (Action::AllocateIp(_), ResourceKey::Ip { ip, .. }) => Request::AllocateIp { app, kind: *ip },
            (
                Action::CreateMachine(write) | Action::Finalize { act: Finalization::Run(write), .. },
                ResourceKey::Machine { slot, .. },
            ) => {
                let (config, metadata) = self.config(step, write, progress);
                let (name, region) = (write.marker.name.clone(), slot.region.clone());
                Request::CreateMachine { app, name, region, config, metadata, start: write.start }
            }
            (Action::UpdateMachine { id, version, write }, _) => {
                let (config, metadata) = self.config(step, write, progress);
                let (id, version) = (id.clone(), version.clone());
                Request::UpdateMachine { app, id, version, config, metadata, start: write.start }
            }
            (
                Action::MarkMachine { id, metadata }
                | Action::Finalize { act: Finalization::Note { id, metadata }, .. },
                _,
            ) => {
                let mut patch = metadata.clone();
                patch.insert(format!("{PREFIX}writer"), Some(self.stamp()));
                Request::MarkMachine { app, id: id.clone(), patch }
            }
            (Action::StartMachine { id }, _) => Request::StartMachine { app, id: id.clone() },
            (Action::DestroyMachine { id, .. }, ResourceKey::Machine { slot, .. }) => {
                let Some(seen) = live.and_then(|live| live.machines.iter().find(|seen| seen.id == *id)) else {
                    return Prepared::Nothing;
                };
                let seen = machine(&app, seen);
                let is_ours = seen.owned_by(&self.fleet.owner).is_some_and(|marker| marker.slot == *slot);
                if self.read_again && !is_ours {
                    return Prepared::NoLongerProven;
                }
                Request::DestroyMachine { app, id: id.clone() }
            }
            (Action::DeleteVolume { id, .. }, _) => {
                let Some(seen) = live.and_then(|live| live.volumes.iter().find(|seen| seen.id == *id)) else {
                    return Prepared::Nothing;
                };
                if seen.attached.is_some() {
                    return Prepared::NoLongerProven;
                }
                Request::DeleteVolume { app, id: id.clone() }
            }
            (Action::ReleaseIp { address, .. }, _) => Request::ReleaseIp { app, address: address.clone() },
            (Action::DeleteApp { proof }, _) => {
                if live.is_none() {
                    return Prepared::Nothing;
                }
                let expected = Deletable {
                    owner: &self.fleet.owner,
                    needs_tombstone: matches!(proof.evidence(), Evidence::Orphan { .. }),
                    created_by_us: proof.created_by_us(),
                    env: &step.env,
                    now: now(),
                };
                if self.read_again && self.is_no_longer_proven(&app, world, expected) {
                    return Prepared::NoLongerProven;
                }
                Request::DeleteApp { app }
            }
            (action, key) => panic!("the model does not know {} {key}", action.name()),
        })
    }

    fn is_no_longer_proven(&self, app: &str, world: &World, expected: Deletable<'_>) -> bool {
        let live = &world.apps[app];
        let machines: Vec<_> = live.machines.iter().map(|seen| machine(app, seen)).collect();
        let has_ours = machines.iter().any(|machine| machine.owned_by(&self.fleet.owner).is_some());
        let secrets = live.secrets.iter().filter(|_| !has_ours).map(|(name, (digest, created))| Secret {
            name: name.clone(),
            digest: digest.clone(),
            created_at: Some(moment(*created)),
        });
        problem_with_deleting(&row(app, live), &machines, &secrets.collect::<Vec<_>>(), expected).is_some()
    }

    fn secrets(&self, app: String, write: &SecretWrite, outputs: &Outputs) -> Request {
        let mut set: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &write.set {
            set.insert(name.clone(), output::resolve_text(value.expose(), outputs));
        }
        set.extend(write.markers.iter().map(|name| (name.clone(), "1".to_owned())));
        Request::SetSecrets { app, set, unset: write.unset.iter().cloned().collect() }
    }

    /// The configuration to send and its metadata, the marker among it.
    fn config(&self, step: &Step, write: &MachineWrite, progress: &Progress) -> (String, BTreeMap<String, String>) {
        let config: Value = output::resolve(&write.config, &progress.outputs_of(step));
        let mut marker = write.marker.clone();
        marker.writer = WriterStamp::parse(&self.stamp());
        let vault = progress.vaults.get(&step.key.name());
        for name in &write.pending_digests {
            let written = vault.and_then(|vault| vault.get(name));
            if let (Some(secret), Some((digest, fingerprint))) = (marker.secrets.0.get_mut(name), written) {
                secret.digest.clone_from(digest);
                secret.fingerprint.clone_from(fingerprint);
            }
        }
        let mut metadata = write.metadata.clone();
        metadata.extend(marker.to_metadata());
        (config.to_string(), metadata)
    }

    fn stamp(&self) -> String {
        WriterStamp { instance: self.instance.to_owned(), at: now() }.to_string()
    }

    /// What a step's answer tells the steps after it.
    pub(crate) fn learn(&self, progress: &mut Progress, step: &Step, request: &Request, id: Option<&String>) {
        let outputs = progress.outputs.entry(step.env.to_string()).or_default();
        let component = step.component.as_ref().map_or("", |component| component.as_str());
        match (&step.key, request, id) {
            (ResourceKey::Volume { slot, .. }, Request::CreateVolume { .. }, Some(id)) => {
                outputs.insert(volume_id_path(component, slot), id.clone());
                outputs.entry(format!("fly.{component}.volumes.{}.id", slot.name)).or_insert_with(|| id.clone());
            }
            (ResourceKey::Ip { ip, .. }, Request::AllocateIp { .. }, Some(address)) => {
                outputs.insert(format!("fly.{component}.ips.{}", ip.expression_name()), address.clone());
            }
            (key, Request::SetSecrets { set, .. }, _) => {
                let fingerprinter = self.fleet.fingerprinter.as_ref().unwrap();
                let vault = set.iter().map(|(name, value)| {
                    let fingerprint =
                        fingerprinter.fingerprint(key.app().unwrap(), name, &SecretText::new(value.clone()));
                    (name.clone(), (short_digest(&format!("digest of {value}")), fingerprint))
                });
                progress.vaults.insert(key.name(), vault.collect());
            }
            _ => {}
        }
    }
}

impl Progress {
    fn outputs_of(&self, step: &Step) -> Outputs {
        let known = self.outputs.get(step.env.as_str()).into_iter().flatten();
        known.map(|(path, value)| (path.clone(), value.as_str().into())).collect()
    }
}
