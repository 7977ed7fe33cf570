//! Small builders and readers that the tests of ownership, collection and crashes share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hangar::controller::{Once, Outcome, Verdict};
use hangar::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use hangar::plan::{Plan, Reason};
use hangar::sim::{MachineView, SimConfig, Simulator};
use serde_json::{Value, json};

use crate::world::World;

/// The controller's settings: they name the organization, so that it is looked at even when no environment is left in it.
pub(crate) const CONTROLLER: &str = r"
apiVersion: hangar/v1
kind: Controller
metadata: {name: hangar}
spec:
  owner: hangar
  fly: {organizations: {acme: {token: {fromEnv: FLY_API_TOKEN}}}}
";

/// Longer than grace (5 minutes unless a policy says otherwise).
pub(crate) const GRACE: Duration = Duration::from_secs(301);

/// Longer than F + S, the quarantine of a run without a store.
pub(crate) const QUARANTINE: Duration = Duration::from_secs(121);

/// A time. (Written so that times in one test have one unit.)
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// An environment with one app, `<name>-web`, of one machine.
pub(crate) fn small(name: &str) -> String {
    environment(name, "", "web: {image: 'registry.fly.io/demo:v1'}")
}

/// An environment of these apps, with `more` lines under `spec`.
pub(crate) fn environment(name: &str, more: &str, apps: &str) -> String {
    let indented =
        |text: &str, by: usize| text.lines().map(|line| format!("{:by$}{line}", "")).collect::<Vec<_>>().join("\n");
    format!(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec:\n{}\n  fly:\n    org: acme\n    region: iad\n    apps:\n{}\n",
        indented(more, 2),
        indented(apps, 6)
    )
}

/// A policy with these lines under `spec`.
pub(crate) fn policy(spec: &str) -> String {
    format!("apiVersion: hangar/v1\nkind: Policy\nmetadata: {{name: policy}}\nspec: {spec}\n")
}

/// A world with the controller's settings and one [`small`] environment per name, nothing created yet.
pub(crate) fn world_of(names: &[&str]) -> World {
    configured(names, SimConfig::default())
}

/// The same on a platform set up like this.
pub(crate) fn configured(names: &[&str], config: SimConfig) -> World {
    let mut world = World::configured(&[("hangar.yaml", CONTROLLER)], config.with_org("acme", "sim_acme_token"));
    for name in names {
        world.put(&format!("{name}.yaml"), &small(name));
    }
    world
}

/// [`world_of`], created and converged, its requests forgotten.
pub(crate) async fn created(names: &[&str]) -> World {
    let mut world = world_of(names);
    world.converge().await;
    world
}

impl World {
    /// Adds or replaces a file.
    pub(crate) fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    /// Removes a file; it has to be there.
    pub(crate) fn remove(&mut self, path: &str) {
        assert!(self.files.remove(path).is_some(), "{path} is not there");
    }

    /// Reconciles, asserts that everything is converged, and forgets the requests.
    pub(crate) async fn converge(&mut self) {
        let outcome = self.reconcile().await;
        assert_eq!(
            outcome.worst(),
            Verdict::Converged,
            "{:#?}\n{:#?}\n{:#?}",
            outcome.failures,
            outcome.last.plan.withheld,
            outcome.last.plan.steps
        );
        self.sim.clear_requests();
    }

    /// Reconciles and asserts that nothing was written.
    pub(crate) async fn reconcile_without_writes(&mut self) -> Outcome {
        self.sim.clear_requests();
        let outcome = self.reconcile().await;
        assert_eq!(self.writes(), Vec::<String>::new());
        outcome
    }

    /// Reconciles and returns what was written.
    pub(crate) async fn reconcile_writing(&mut self) -> Vec<String> {
        self.sim.clear_requests();
        self.reconcile().await;
        self.writes()
    }

    /// Reconciles while somebody meddles.
    pub(crate) async fn reconcile_through(&mut self, meddler: &Arc<Meddler>) -> Outcome {
        let transport: SharedTransport = Arc::<Meddler>::clone(meddler);
        self.reconcile_over(transport).await
    }

    /// The same, over any transport.
    pub(crate) async fn reconcile_over(&mut self, transport: SharedTransport) -> Outcome {
        self.pass_time(seconds(3)).await;
        let session = self.session_through(transport);
        Once::new(&session, hangar::plan::Request::default(), seconds(180)).run(|_| ()).await.unwrap()
    }

    /// Reconciles for that long at most, and is then asked to stop.
    pub(crate) async fn run_for(&mut self, duration: Duration) -> Outcome {
        self.pass_time(seconds(3)).await;
        let session = self.session();
        let stop = session.stop.clone();
        let clock = Arc::clone(&self.clock);
        let run = Once::new(&session, hangar::plan::Request::default(), seconds(180)).run(|_| ());
        let end = async {
            clock.sleep(duration).await;
            stop.request(hangar::execute::StopReason::Stopping);
        };
        let (outcome, ()) = tokio::join!(run, end);
        outcome.unwrap()
    }

    /// Reconciles, whatever becomes of it: it may be killed on the way.
    pub(crate) async fn reconcile_to_death(&mut self) {
        self.pass_time(seconds(3)).await;
        let session = self.session();
        let _cut_short = Once::new(&session, hangar::plan::Request::default(), seconds(180)).run(|_| ()).await;
    }

    /// The names of all live apps.
    pub(crate) fn app_names(&self) -> Vec<String> {
        self.sim.apps().into_iter().map(|app| app.name).collect()
    }

    /// The only machine of an app.
    pub(crate) fn only_machine(&self, app: &str) -> MachineView {
        let mut machines = self.sim.machines(app);
        assert_eq!(machines.len(), 1, "{machines:#?}");
        machines.remove(0)
    }

    pub(crate) fn edit_metadata(&self, app: &str, id: &str, changes: &[(&str, Option<&str>)]) {
        edit_metadata(&self.sim, app, id, changes);
    }
}

/// A person changes the metadata of a machine: `None` removes a key.
pub(crate) fn edit_metadata(sim: &Simulator, app: &str, id: &str, changes: &[(&str, Option<&str>)]) {
    let edit = |config: &mut Value| {
        if config.get("metadata").is_none() {
            config["metadata"] = json!({});
        }
        let metadata = config["metadata"].as_object_mut().unwrap();
        for (key, value) in changes {
            match value {
                Some(value) => drop(metadata.insert((*key).to_owned(), (*value).into())),
                None => drop(metadata.remove(*key)),
            }
        }
    };
    sim.edit_machine_config(app, id, edit).unwrap();
}

/// The reasons for which something is withheld, in the order of the plan, each once.
pub(crate) fn withheld(plan: &Plan) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = plan.withheld.iter().map(|withheld| withheld.reason).collect();
    reasons.dedup();
    reasons
}

/// The reasons of all notices, in the order of the plan.
pub(crate) fn notices(plan: &Plan) -> Vec<Reason> {
    plan.notices.iter().map(|notice| notice.reason).collect()
}

/// What was deleted since the log was cleared last.
pub(crate) fn deletes(world: &World) -> Vec<String> {
    world.writes().into_iter().filter(|write| write.starts_with("DELETE")).collect()
}

/// A machine as a person makes it with flyctl.
pub(crate) fn handmade(world: &World, app: &str, image: &str) -> String {
    handmade_in(&world.sim, app, image)
}

/// The same, in any simulator.
pub(crate) fn handmade_in(sim: &Simulator, app: &str, image: &str) -> String {
    let config = json!({"image": image, "metadata": {"fly_process_group": "app", "fly_platform_version": "v2"}});
    sim.create_machine(app, &config, "iad").unwrap()
}

/// A foreign app `demo-web` with one machine; the world's spec asks for an app of that name.
pub(crate) async fn with_foreign_app() -> (World, String) {
    let world = world_of(&["demo"]);
    world.sim.create_app("acme", "demo-web", "").unwrap();
    let id = handmade(&world, "demo-web", "registry.fly.io/theirs:v9");
    world.pass_time(Duration::from_secs(5)).await;
    (world, id)
}

/// Does something once, just before the first request that `matches` is let through: what other people do at the worst moment.
pub(crate) struct Meddler {
    inner: SharedTransport,
    matches: Box<dyn Fn(&Request) -> bool + Send + Sync>,
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for Meddler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meddler").finish_non_exhaustive()
    }
}

impl Meddler {
    /// Meddles before the first request of this method whose URL ends like this.
    pub(crate) fn before(
        world: &World,
        method: Method,
        end: &'static str,
        act: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            inner: world.sim.transport(),
            matches: Box::new(move |request| request.method == method && request.url.ends_with(end)),
            act: Mutex::new(Some(Box::new(act))),
        })
    }

    /// The same before such a request that comes after so many others.
    pub(crate) fn after(
        count: usize,
        world: &World,
        method: Method,
        end: &'static str,
        act: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        let left = Mutex::new(count);
        let is_it = move |request: &Request| {
            let mut left = left.lock().unwrap();
            let is_such = request.method == method && request.url.ends_with(end);
            let is_due = is_such && *left == 0;
            *left -= usize::from(is_such && *left > 0);
            is_due
        };
        Arc::new(Self { inner: world.sim.transport(), matches: Box::new(is_it), act: Mutex::new(Some(Box::new(act))) })
    }

    /// Whether the moment has come.
    pub(crate) fn has_acted(&self) -> bool {
        self.act.lock().unwrap().is_none()
    }
}

#[async_trait::async_trait]
impl Transport for Meddler {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        if (self.matches)(&request) {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act();
            }
        }
        self.inner.send(request).await
    }
}
