//! The writes of the Machines API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{FlyError, Place};
use super::reader::{FlyReader, machine_call};
use super::request::{
    CreateIp, CreateMachine, CreateVolume, CreatedIp, Deleted, Extended, UpdateMachine, UpdateVolume,
};
use crate::http::transport::Method;
use crate::http::{Call, Rate, WriteClient};
use crate::providers::fly::wire::{
    App, Certificate, CreatedApp, ExtendAnswer, Lease, LeaseAnswer, Machine, SecretsChanged, SecretsVersion, Volume,
};
use crate::secret::SecretText;

/// The header that proves a lease.
const NONCE_HEADER: &str = "fly-machine-lease-nonce";

/// Fly allows 100 deletions of apps a minute over all apps. Ten at once and then one every 667 ms never come to more than that in
/// any minute.
const DELETE_APP_RATE: Rate = Rate::new(Duration::from_millis(667), 10);

/// Reads and changes one organization's part of Fly.
#[derive(Debug, Clone)]
pub struct FlyWriter {
    http: WriteClient,
    reader: FlyReader,
}

impl FlyWriter {
    /// Reads and writes through `http`; see [`connection`](super::connection).
    pub fn new(http: WriteClient) -> Self {
        let reader = FlyReader::new(http.reader().clone());
        Self { http, reader }
    }

    /// The same connection, for reading.
    pub const fn reader(&self) -> &FlyReader {
        &self.reader
    }

    /// Creates an app, in the private network `network` if there is one (made on first use, and kept by Fly for ever).
    pub async fn create_app(&self, name: &str, org: &str, network: Option<&str>) -> Result<App, FlyError> {
        let mut body = json!({"name": name, "org_slug": org});
        if let (Some(network), Some(fields)) = (network, body.as_object_mut()) {
            fields.insert("network".to_owned(), Value::from(network));
        }
        let call = Call::new("create app", org, &["v1", "apps"]).json(&body);
        let created: CreatedApp = self.send(Method::Post, call, &Place::app(name).in_org(org)).await?;
        Ok(App {
            id: created.id,
            name: name.to_owned(),
            network: if created.network.is_empty() { network.unwrap_or_default().to_owned() } else { created.network },
            status: created.status,
            machine_count: None,
            volume_count: None,
            organization: created.organization,
        })
    }

    /// Deletes an app with everything in it. Never repeated by itself: by the time of a second attempt the name may be someone else's
    /// new app.
    pub async fn delete_app(&self, name: &str) -> Result<Deleted, FlyError> {
        let call = Call::new("delete app", "", &["v1", "apps", name]).rate(DELETE_APP_RATE);
        self.delete(call, &Place::app(name)).await
    }

    /// Creates a machine. After an unknown outcome, look for it before another attempt.
    pub async fn create_machine(&self, app: &str, machine: &CreateMachine) -> Result<Machine, FlyError> {
        let call = Call::new("create machine", app, &["v1", "apps", app, "machines"]).json(machine);
        let place = Place { name: machine.name.clone(), region: machine.region.clone(), ..Place::app(app) };
        self.send(Method::Post, call, &place).await
    }

    /// Gives a machine a new version. With a lease nonce the same update may be sent twice, and is after an unknown outcome.
    pub async fn update_machine(
        &self,
        app: &str,
        id: &str,
        update: &UpdateMachine,
        nonce: Option<&SecretText>,
    ) -> Result<Machine, FlyError> {
        let mut call = with_nonce(machine_call("update machine", app, id, &[]).json(update), nonce);
        if nonce.is_some() {
            call = call.replay_safe();
        }
        self.send(Method::Post, call, &Place::machine(app, id)).await
    }

    /// Starts a machine.
    pub async fn start_machine(&self, app: &str, id: &str, nonce: Option<&SecretText>) -> Result<(), FlyError> {
        let call = with_nonce(machine_call("start machine", app, id, &["start"]), nonce);
        self.tell(Method::Post, call, &Place::machine(app, id)).await
    }

    /// Stops a machine, with the signal and time limit of its configuration.
    pub async fn stop_machine(&self, app: &str, id: &str, nonce: Option<&SecretText>) -> Result<(), FlyError> {
        let call = machine_call("stop machine", app, id, &["stop"]).json(&json!({}));
        self.tell(Method::Post, with_nonce(call, nonce), &Place::machine(app, id)).await
    }

    /// Stops a machine and keeps its memory. Fly does so only with little memory, no swap and no schedule.
    pub async fn suspend_machine(&self, app: &str, id: &str, nonce: Option<&SecretText>) -> Result<(), FlyError> {
        let call = machine_call("suspend machine", app, id, &["suspend"]);
        self.tell(Method::Post, with_nonce(call, nonce), &Place::machine(app, id)).await
    }

    /// Keeps traffic away from a machine.
    pub async fn cordon_machine(&self, app: &str, id: &str, nonce: Option<&SecretText>) -> Result<(), FlyError> {
        let call = with_nonce(machine_call("cordon machine", app, id, &["cordon"]), nonce).replay_safe();
        self.tell(Method::Post, call, &Place::machine(app, id)).await
    }

    /// Lets traffic reach a machine again.
    pub async fn uncordon_machine(&self, app: &str, id: &str, nonce: Option<&SecretText>) -> Result<(), FlyError> {
        let call = with_nonce(machine_call("uncordon machine", app, id, &["uncordon"]), nonce).replay_safe();
        self.tell(Method::Post, call, &Place::machine(app, id)).await
    }

    /// Destroys a machine; `force` even while it runs. Its volume stays.
    pub async fn delete_machine(
        &self,
        app: &str,
        id: &str,
        force: bool,
        nonce: Option<&SecretText>,
    ) -> Result<Deleted, FlyError> {
        let mut call = with_nonce(machine_call("delete machine", app, id, &[]), nonce).replay_safe();
        if force {
            call = call.query("force", "true");
        }
        self.delete(call, &Place::machine(app, id)).await
    }

    /// Takes the lease on a machine for `ttl` (whole seconds). Not repeated after an unknown outcome: a second attempt would be refused
    /// because of the first.
    pub async fn acquire_lease(&self, app: &str, id: &str, ttl: Duration, purpose: &str) -> Result<Lease, FlyError> {
        let body = json!({"ttl": ttl.as_secs(), "description": purpose});
        let call = machine_call("take lease of machine", app, id, &["lease"]).json(&body);
        self.send::<LeaseAnswer>(Method::Post, call, &Place::machine(app, id)).await.map(Lease::from)
    }

    /// Keeps a lease that is ours for another `ttl` (whole seconds) from now.
    pub async fn refresh_lease(
        &self,
        app: &str,
        id: &str,
        nonce: &SecretText,
        ttl: Duration,
    ) -> Result<Lease, FlyError> {
        let call = machine_call("keep lease of machine", app, id, &["lease"]).json(&json!({"ttl": ttl.as_secs()}));
        let call = with_nonce(call, Some(nonce)).replay_safe();
        self.send::<LeaseAnswer>(Method::Post, call, &Place::machine(app, id)).await.map(Lease::from)
    }

    /// Gives a lease back. One that has ended already counts as given back.
    pub async fn release_lease(&self, app: &str, id: &str, nonce: &SecretText) -> Result<Deleted, FlyError> {
        let call = with_nonce(machine_call("give back lease of machine", app, id, &["lease"]), Some(nonce));
        self.delete(call.replay_safe(), &Place::machine(app, id)).await
    }

    /// Changes some metadata keys of a machine (`None` removes one) without a new version. With `version`, only if the machine still
    /// has that version.
    pub async fn patch_metadata(
        &self,
        app: &str,
        id: &str,
        changes: &BTreeMap<String, Option<String>>,
        version: Option<&str>,
    ) -> Result<(), FlyError> {
        let mut body = json!({"metadata": changes});
        if let (Some(version), Some(fields)) = (version, body.as_object_mut()) {
            fields.insert("machine_version".to_owned(), Value::from(version));
        }
        let call = machine_call("change metadata of machine", app, id, &["metadata"]).json(&body).replay_safe();
        self.tell(Method::Patch, call, &Place::machine(app, id)).await
    }

    /// Sets one metadata key of a machine without a new version.
    pub async fn set_metadata_key(&self, app: &str, id: &str, key: &str, value: &str) -> Result<(), FlyError> {
        let call = machine_call("set metadata of machine", app, id, &["metadata", key]);
        let call = call.json(&json!({"value": value})).replay_safe();
        self.tell(Method::Post, call, &Place::machine(app, id)).await
    }

    /// Removes one metadata key of a machine without a new version.
    pub async fn delete_metadata_key(&self, app: &str, id: &str, key: &str) -> Result<Deleted, FlyError> {
        let call = machine_call("remove metadata of machine", app, id, &["metadata", key]).replay_safe();
        self.delete(call, &Place::machine(app, id)).await
    }

    /// Creates a volume. After an unknown outcome, look for it before another attempt: names are not unique.
    pub async fn create_volume(&self, app: &str, volume: &CreateVolume) -> Result<Volume, FlyError> {
        let call = Call::new("create volume", app, &["v1", "apps", app, "volumes"]).json(volume);
        let place = Place { name: Some(volume.name.clone()), region: Some(volume.region.clone()), ..Place::app(app) };
        self.send(Method::Post, call, &place).await
    }

    /// Makes a volume `size_gb` large.
    pub async fn extend_volume(&self, app: &str, id: &str, size_gb: u64) -> Result<Extended, FlyError> {
        let call = Call::new("extend volume", id, &["v1", "apps", app, "volumes", id, "extend"]);
        let call = call.json(&json!({"size_gb": size_gb})).replay_safe();
        let answer: ExtendAnswer = self.send(Method::Put, call, &Place::volume(app, id)).await?;
        Ok(Extended { volume: answer.volume, needs_restart: answer.needs_restart })
    }

    /// Changes a volume's settings.
    pub async fn update_volume(&self, app: &str, id: &str, update: &UpdateVolume) -> Result<Volume, FlyError> {
        let call = Call::new("update volume", id, &["v1", "apps", app, "volumes", id]).json(update).replay_safe();
        self.send(Method::Put, call, &Place::volume(app, id)).await
    }

    /// Deletes a volume. Fly keeps it as `pending_destroy` for a day.
    pub async fn delete_volume(&self, app: &str, id: &str) -> Result<Deleted, FlyError> {
        let call = Call::new("delete volume", id, &["v1", "apps", app, "volumes", id]).replay_safe();
        self.delete(call, &Place::volume(app, id)).await
    }

    /// Begins a snapshot of a volume.
    pub async fn snapshot_volume(&self, app: &str, id: &str) -> Result<(), FlyError> {
        let call = Call::new("snapshot volume", id, &["v1", "apps", app, "volumes", id, "snapshots"]);
        self.tell(Method::Post, call, &Place::volume(app, id)).await
    }

    /// Sets secrets of an app, and removes those that are `None`. Machines get them with their next update.
    pub async fn set_secrets(
        &self,
        app: &str,
        changes: &BTreeMap<String, Option<SecretText>>,
    ) -> Result<SecretsVersion, FlyError> {
        let values: Map<String, Value> = changes
            .iter()
            .map(|(name, value)| (name.clone(), value.as_ref().map_or(Value::Null, |value| value.expose().into())))
            .collect();
        let call = Call::new("set secrets", app, &["v1", "apps", app, "secrets"]).json(&json!({"values": values}));
        let call = changes.values().flatten().fold(call, |call, value| call.hiding(value.clone())).replay_safe();
        self.send::<SecretsChanged>(Method::Post, call, &Place::app(app)).await.map(SecretsVersion::from)
    }

    /// Assigns an address to an app. After an unknown outcome, look for it before another attempt: each call assigns one more.
    pub async fn create_ip(&self, app: &str, ip: &CreateIp) -> Result<CreatedIp, FlyError> {
        let call = Call::new("assign IP", app, &["v1", "apps", app, "ip_assignments"]).json(ip);
        self.send(Method::Post, call, &Place::app(app)).await
    }

    /// Takes an address from an app.
    pub async fn delete_ip(&self, app: &str, ip: &str) -> Result<Deleted, FlyError> {
        let call = Call::new("release IP", app, &["v1", "apps", app, "ip_assignments", ip]).replay_safe();
        self.delete(call, &Place { name: Some(ip.to_owned()), ..Place::app(app) }).await
    }

    /// Asks Fly to get a certificate for a host name.
    pub async fn add_certificate(&self, app: &str, host: &str) -> Result<Certificate, FlyError> {
        let call = Call::new("add certificate", app, &["v1", "apps", app, "certificates", "acme"]);
        let call = call.json(&json!({"hostname": host}));
        self.send(Method::Post, call, &Place::certificate(app, host)).await
    }

    /// Asks Fly to look at the host name's DNS again.
    pub async fn check_certificate(&self, app: &str, host: &str) -> Result<Certificate, FlyError> {
        let call =
            Call::new("check certificate", app, &["v1", "apps", app, "certificates", host, "check"]).replay_safe();
        self.send(Method::Post, call, &Place::certificate(app, host)).await
    }

    /// Removes a host name and its certificates from an app.
    pub async fn delete_certificate(&self, app: &str, host: &str) -> Result<Deleted, FlyError> {
        let call = Call::new("delete certificate", app, &["v1", "apps", app, "certificates", host]).replay_safe();
        self.delete(call, &Place::certificate(app, host)).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        call: Call,
        place: &Place,
    ) -> Result<T, FlyError> {
        self.http.send(method, call).await.map_err(|error| FlyError::from_http(error, place.clone()))
    }

    pub(super) async fn tell(&self, method: Method, call: Call, place: &Place) -> Result<(), FlyError> {
        match self.http.tell(method, call).await {
            Ok(_) => Ok(()),
            Err(error) => Err(FlyError::from_http(error, place.clone())),
        }
    }

    /// A 404 or 410 means that someone else was faster, which is as good.
    pub(super) async fn delete(&self, call: Call, place: &Place) -> Result<Deleted, FlyError> {
        match self.http.tell(Method::Delete, call.accepting(&[404, 410])).await {
            Ok(404 | 410) => Ok(Deleted::WasGone),
            Ok(_) => Ok(Deleted::Accepted),
            Err(error) => Err(FlyError::from_http(error, place.clone())),
        }
    }
}

fn with_nonce(call: Call, nonce: Option<&SecretText>) -> Call {
    match nonce {
        Some(nonce) => call.header(NONCE_HEADER, nonce.clone()),
        None => call,
    }
}
