//! A random life: a small fleet, edits of its specs, what people do to it by hand, weather, crashes, a lost store, a second controller.
//!
//! Whatever happens: plans repeat exactly and break no rule, every invariant holds after every request, no secret shows anywhere, and
//! once it is calm again everything comes to rest where the specs want it, with what is not ours untouched.

use std::collections::BTreeSet;
use std::sync::Arc;

use hangar::check;
use hangar::controller::{Once, Outcome, Session, Verdict};
use hangar::plan::{Reason, Request, Standing, Withheld, plan};
use hangar::sim::{CrashPoint, Profile, SimConfig};
use hangar::store::MemoryStore;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::elsewhere::{self, Parts, Used};
use crate::invariants::Invariants;
use crate::pulls::{self, Deed};
use crate::scene::until;
use crate::support::{GRACE, environment, policy, seconds};
use crate::world::{MASTER_KEY, World};

/// One app of a random environment.
#[derive(Debug, Clone)]
struct App {
    image: u8,
    count: u8,
    volume: bool,
    secret: Option<u8>,
    v6: bool,
    certificate: bool,
}

/// One random environment.
#[derive(Debug, Clone)]
struct Env {
    web: Option<App>,
    api: Option<App>,
    more: &'static str,
    /// What it has at other providers.
    parts: Parts,
}

/// What somebody does by hand.
#[derive(Debug, Clone, Copy)]
enum Hand {
    Delete,
    Stop,
    Edit,
    Clone,
    Strip,
    Damage,
    ReleaseIp,
    UnsetSecret,
    DeleteApp,
}

fn app() -> impl Strategy<Value = App> {
    (1_u8..4, 0_u8..3, any::<bool>(), prop::option::of(1_u8..3), any::<bool>(), any::<bool>()).prop_map(
        |(image, count, volume, secret, v6, certificate)| App { image, count, volume, secret, v6, certificate },
    )
}

fn env() -> impl Strategy<Value = Env> {
    let more = prop::sample::select(vec![
        "",
        "",
        "",
        "",
        "level: noDelete",
        "level: createOnly",
        "level: observe",
        "pause: true",
        "protect: true",
    ]);
    (prop::option::of(app()), prop::option::of(app()), more, elsewhere::parts())
        .prop_map(|(web, api, more, parts)| Env { web, api, more, parts })
}

fn fleet() -> impl Strategy<Value = Vec<Option<Env>>> {
    prop::collection::vec(prop::option::weighted(0.8, env()), 3)
}

fn hand() -> impl Strategy<Value = Hand> {
    use Hand::{Clone, Damage, Delete, DeleteApp, Edit, ReleaseIp, Stop, Strip, UnsetSecret};
    prop::sample::select(vec![Delete, Stop, Edit, Clone, Strip, Damage, ReleaseIp, UnsetSecret, DeleteApp])
}

fn render(env: &str, component: &str, app: &App, used: Vec<String>) -> String {
    let mut lines = vec![format!("{component}:"), format!("  image: registry.fly.io/demo:v{}", app.image)];
    lines.push(format!("  count: {}", app.count));
    if app.volume {
        lines.push("  volumes: {data: {mount: /data}}".to_owned());
    }
    let token = app.secret.map(|generation| format!("TOKEN: {{generate: {{generation: {generation}}}}}"));
    let secrets: Vec<String> = token.into_iter().chain(used).collect();
    if !secrets.is_empty() {
        lines.push(format!("  secrets: {{{}}}", secrets.join(", ")));
    }
    lines.push(format!("  ips: {{v6: {}}}", app.v6));
    if app.certificate {
        lines.push(format!("  certificates: [{env}-{component}.example.com]"));
    }
    lines.join("\n")
}

fn put(world: &mut World, fleet: &[Option<Env>]) {
    for (index, env) in fleet.iter().enumerate() {
        let (name, path) = (format!("e{index}"), format!("e{index}.yaml"));
        world.files.remove(&path);
        let Some(env) = env else { continue };
        let apps: Vec<String> = [("web", &env.web), ("api", &env.api)]
            .into_iter()
            .filter_map(|(component, app)| {
                let used = if component == "web" { env.parts.secrets() } else { Vec::new() };
                Some(render(&name, component, app.as_ref()?, used))
            })
            .collect();
        if !apps.is_empty() {
            let more = format!("{}{}", env.parts.spec(), env.more);
            world.put(&path, &environment(&name, &more, &apps.join("\n")));
        }
    }
}

/// Does something by hand to the app number `index` of those that are ours. Returns which that is.
fn meddle(world: &World, index: usize, hand: Hand) -> Option<String> {
    let apps: Vec<String> = world.app_names().into_iter().filter(|app| app != "theirs").collect();
    let app = apps.get(index % apps.len().max(1))?;
    let machine = world.sim.machines(app).first().map(|machine| machine.id.clone());
    // What cannot be done is not done.
    let _done_or_not = match (hand, machine) {
        (Hand::DeleteApp, _) => world.sim.delete_app(app),
        (Hand::ReleaseIp, _) => world.sim.ips(app).first().map_or(Ok(()), |ip| world.sim.release_ip(app, &ip.ip)),
        (Hand::UnsetSecret, _) => {
            let secrets = world.sim.secret_names(app);
            secrets.first().map_or(Ok(()), |secret| world.sim.unset_secret(app, secret))
        }
        (_, None) => Ok(()),
        (Hand::Delete, Some(id)) => world.sim.delete_machine(app, &id),
        (Hand::Stop, Some(id)) => world.sim.stop_machine(app, &id),
        (Hand::Edit, Some(id)) => {
            world.sim.edit_machine_config(app, &id, |config| config["image"] = "registry.fly.io/demo:v9".into())
        }
        (Hand::Clone, Some(id)) => world.sim.clone_machine(app, &id).map(drop),
        (Hand::Strip, Some(id)) => world.sim.edit_machine_config(app, &id, |config| drop(config["metadata"].take())),
        (Hand::Damage, Some(id)) => {
            world.sim.edit_machine_config(app, &id, |config| config["metadata"]["hangar_slot"] = "nonsense".into())
        }
    };
    Some(app.clone())
}

/// What happens in a life, one after the other.
#[derive(Debug, Clone)]
enum Act {
    /// A spec is edited, or its file removed.
    Spec(usize, Option<Env>),
    /// Somebody does something by hand.
    Hand(usize, Hand),
    /// The weather changes.
    Weather(Profile),
    /// The next run dies at this request.
    Crash { at: u32, point: CrashPoint, keep_store: bool },
    /// The next run starts with an empty store.
    LoseStore,
    /// Nothing, for so many seconds.
    Wait(u64),
    /// Two controllers with one owner id run at once.
    Both,
    /// Something happens to a pull request.
    Pull(usize, Deed),
    /// Somebody does something by hand at another provider.
    Elsewhere(usize, elsewhere::Deed),
}

/// A whole life.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    first: Vec<Option<Env>>,
    /// How far listings lag behind, in seconds; less than S.
    lag: u64,
    acts: Vec<Act>,
}

/// Any life of a few acts.
pub(crate) fn any_life() -> impl Strategy<Value = Life> {
    let crash = (1_u32..60, any::<bool>(), any::<bool>()).prop_map(|(at, before, keep_store)| Act::Crash {
        at,
        point: if before { CrashPoint::BeforeEffect } else { CrashPoint::BeforeReply },
        keep_store,
    });
    let act = prop_oneof![
        1 => (0_usize..3, elsewhere::deed()).prop_map(|(index, deed)| Act::Elsewhere(index, deed)),
        3 => (0_usize..3, prop::option::weighted(0.8, env())).prop_map(|(index, env)| Act::Spec(index, env)),
        3 => (0_usize..6, hand()).prop_map(|(index, hand)| Act::Hand(index, hand)),
        2 => prop::sample::select(Profile::ALL.to_vec()).prop_map(Act::Weather),
        2 => crash,
        1 => Just(Act::LoseStore),
        1 => prop::sample::select(vec![10_u64, 61, 125, 400]).prop_map(Act::Wait),
        1 => Just(Act::Both),
        4 => (0_usize..3, pulls::deed()).prop_map(|(index, deed)| Act::Pull(index, deed)),
    ];
    let lag = prop::sample::select(vec![0_u64, 0, 5, 30]);
    (fleet(), lag, prop::collection::vec(act, 0..6)).prop_map(|(first, lag, acts)| Life { first, lag, acts })
}

/// What a life leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// A hash of the log of all requests.
    pub(crate) log: String,
    /// How many requests there were.
    pub(crate) requests: usize,
}

/// A life as it is lived.
struct Living {
    world: World,
    fleet: Vec<Option<Env>>,
    invariants: Arc<Invariants>,
    crash: Option<(u32, CrashPoint, bool)>,
    both: bool,
    /// Previews in which people have done something by hand.
    by_hand: BTreeSet<String>,
    looks: u64,
}

impl Life {
    /// What its environments ever have to do with.
    fn uses(&self) -> Used {
        let later = self.acts.iter().filter_map(|act| match act {
            Act::Spec(_, env) => env.as_ref(),
            _ => None,
        });
        Used::by(self.first.iter().flatten().chain(later).map(|env| &env.parts))
    }

    /// Lives it on a platform with this seed, and panics where anything is not as promised.
    pub(crate) async fn live(&self, seed: u64) -> Ended {
        let mut living = Living::born(self, seed).await;
        living.turn().await;
        for act in &self.acts {
            living.suffer(act).await;
            living.turn().await;
        }
        living.calm_down().await;
        living.comes_to_rest().await;
        living.shows_no_secret();
        let requests = living.world.sim.requests();
        let meddled = requests.iter().find(|request| !request.is_read() && request.path.starts_with("/v1/apps/theirs"));
        assert_eq!(meddled, None, "somebody else's app was written to");
        let mut log = Sha256::new();
        for request in &requests {
            log.update(serde_json::to_vec(request).unwrap());
        }
        Ended { log: hex::encode(log.finalize()), requests: requests.len() }
    }
}

impl Living {
    async fn born(life: &Life, seed: u64) -> Self {
        let config = SimConfig { seed, listing_lag: seconds(life.lag), ..SimConfig::default() };
        let config = pulls::with_repository(config.with_org("acme", "sim_acme_token"));
        let used = life.uses();
        let files = [("hangar.yaml", used.settings()), ("policy.yaml", policy("{grace: 1m}"))];
        let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
        let mut world = World::configured(&files, used.config(config));
        used.begin(&mut world).await;
        world.sim.create_app("acme", "theirs", "").unwrap();
        let machine = serde_json::json!({"image": "registry.fly.io/theirs:v1"});
        world.sim.create_machine("theirs", &machine, "iad").unwrap();
        world.put("base.yaml", &environment("base", "", "web: {image: 'registry.fly.io/demo:v1'}"));
        put(&mut world, &life.first);
        pulls::put_set(&mut world);
        let invariants = Invariants::of(&world.sim, "hangar");
        Self {
            world,
            fleet: life.first.clone(),
            invariants,
            crash: None,
            both: false,
            by_hand: BTreeSet::new(),
            looks: 0,
        }
    }

    async fn suffer(&mut self, act: &Act) {
        match act {
            Act::Spec(index, env) => {
                self.fleet[*index].clone_from(env);
                put(&mut self.world, &self.fleet);
            }
            Act::Hand(index, hand) => {
                self.by_hand.extend(meddle(&self.world, *index, *hand));
                self.invariants.look_again(&self.world.sim);
            }
            Act::Weather(profile) => {
                self.world.sim.clear_faults();
                profile.faults().into_iter().for_each(|fault| self.world.sim.inject(fault));
            }
            Act::Crash { at, point, keep_store } => self.crash = Some((*at, *point, *keep_store)),
            Act::LoseStore => {
                self.world.lose_store();
                self.invariants.store_lost();
            }
            Act::Wait(time) => self.world.pass_time(seconds(*time)).await,
            Act::Both => {
                self.both = true;
                self.invariants.two_at_once();
            }
            Act::Pull(index, deed) => pulls::happen(&self.world, *index, *deed),
            Act::Elsewhere(index, deed) => {
                elsewhere::meddle(&self.world, *index, *deed);
                self.invariants.look_again(&self.world.sim);
            }
        }
    }

    /// Asks the repository for its pull requests, as each run does.
    async fn look(&mut self) {
        self.looks += 1;
        pulls::look(&mut self.world, self.looks).await;
    }

    /// One run, or what the weather and a crash leave of it.
    async fn turn(&mut self) {
        self.world.pass_time(seconds(3)).await;
        self.look().await;
        let session = self.world.session();
        let run = Once::new(&session, Request::default(), seconds(60)).run(|_| ());
        if let Some((at, point, keep_store)) = self.crash.take() {
            let kept = self.world.store.load().unwrap();
            self.world.sim.kill_after(at, point);
            until(|| self.world.sim.is_dead(), run).await;
            drop(session);
            self.world.sim.revive();
            self.world.lose_store();
            match kept.filter(|_| keep_store) {
                Some(memory) => self.world.store.save(&memory).unwrap(),
                None => self.invariants.store_lost(),
            }
        } else if std::mem::take(&mut self.both) {
            let own = std::mem::replace(&mut self.world.store, Arc::new(MemoryStore::new()));
            let second = self.world.session();
            let other = Once::new(&second, Request::default(), seconds(60)).run(|_| ());
            let (one, other) = futures::join!(run, other);
            drop((one, other));
            self.world.store = own;
        } else {
            // In bad weather nothing can be asked of a single run.
            drop(run.await);
        }
        self.invariants.hold();
    }

    /// The weather is over, and so is everything that it left under way.
    async fn calm_down(&mut self) {
        self.world.sim.clear_faults();
        self.world.pass_time(GRACE).await;
        self.invariants.look_again(&self.world.sim);
    }

    /// Reconciles until there is nothing to do but to wait for people, and asserts that the next run has nothing to do either.
    async fn comes_to_rest(&mut self) {
        self.look().await;
        self.plans_repeat().await;
        let mut outcome = self.run().await;
        for _ in 0..5 {
            assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
            let (verdicts, withheld) = (&outcome.verdicts, &outcome.last.plan.withheld);
            // For room in the queue nobody has to wait here: there will be none.
            let passes = |held: &&Withheld| verdicts[&held.env] == Verdict::Waiting && held.reason != Reason::Queued;
            if !withheld.iter().any(|held| passes(&held)) {
                break;
            }
            self.world.pass_time(GRACE).await;
            outcome = self.run().await;
        }
        let writes = self.world.sim.writes();
        let outcome = self.run().await;
        assert_eq!(outcome.last.plan.steps.len(), 0, "{:#?}", outcome.last.plan.steps);
        assert_eq!(self.world.sim.writes(), writes, "a run that had nothing to do has written");
        self.is_as_wanted(&outcome);
        pulls::are_as_wanted(&self.world, &outcome, &self.by_hand);
    }

    async fn run(&mut self) -> Outcome {
        self.world.pass_time(seconds(3)).await;
        self.look().await;
        let limited = self.refused_for_speed();
        let session = self.world.session();
        let outcome = Once::new(&session, Request::default(), seconds(180)).run(|_| ()).await.unwrap();
        self.invariants.end_of_pass(&self.world.sim);
        self.invariants.hold();
        assert_eq!(self.refused_for_speed(), limited, "something was sent faster than Fly documents");
        outcome
    }

    fn refused_for_speed(&self) -> usize {
        self.world.sim.requests().iter().filter(|request| request.status == Some(429)).count()
    }

    /// Every environment of which the controller says that it is converged has exactly the machines that its spec asks for.
    fn is_as_wanted(&self, outcome: &Outcome) {
        for (index, env) in self.fleet.iter().enumerate() {
            let name = format!("e{index}");
            let Some(env) = env.as_ref().filter(|env| env.web.is_some() || env.api.is_some()) else { continue };
            let is_free = matches!(env.more, "" | "protect: true");
            if !is_free || outcome.last.plan.standing(&name.as_str().into()) != Standing::Converged {
                continue;
            }
            env.parts.are_as_wanted(&self.world, &name);
            for (component, app) in [("web", &env.web), ("api", &env.api)] {
                let Some(app) = app else { continue };
                let mut machines = self.world.sim.machines(&format!("{name}-{component}"));
                // What people put there stays.
                machines.retain(|machine| machine.metadata("hangar_name") == Some(machine.name.as_str()));
                let images: Vec<&str> =
                    machines.iter().filter_map(|machine| machine.config["image"].as_str()).collect();
                let wanted = format!("registry.fly.io/demo:v{}", app.image);
                assert_eq!(images.len(), usize::from(app.count), "{name}-{component}: {machines:#?}");
                assert!(images.iter().all(|image| image.starts_with(&wanted)), "{name}-{component}: {images:?}");
            }
        }
    }

    /// Observes and plans twice: the same plan, and no rule broken.
    async fn plans_repeat(&mut self) {
        self.world.pass_time(seconds(3)).await;
        let session: Session = self.world.session();
        let loaded = &session.loaded;
        let all: BTreeSet<_> = loaded.fleet.environments.keys().cloned().collect();
        let observed = session.observe(&all).await.unwrap();
        let (memory, now) = (session.journal.memory(), self.world.clock.now());
        let make = || plan(&loaded.fleet, &observed, &memory, &loaded.policy, &Request::default(), now);
        let (one, other) = (make(), make());
        assert_eq!(format!("{one:#?}"), format!("{other:#?}"));
        assert_eq!(check::check(&one, &loaded.fleet, &observed, &memory, &loaded.policy), []);
    }

    /// Neither the master key, nor the token, nor any value of a secret is in any event.
    fn shows_no_secret(&self) {
        let told = format!("{:?}", self.world.recorder.events());
        let mut planted = vec![MASTER_KEY.to_owned(), "sim_acme_token".to_owned(), pulls::TOKEN.to_owned()];
        planted.extend(elsewhere::planted(&self.world));
        for app in self.world.app_names() {
            let values = self.world.sim.secret_names(&app).into_iter();
            planted.extend(
                values.filter_map(|name| self.world.sim.secret_value(&app, &name)).filter(|value| value.len() > 8),
            );
        }
        for value in planted {
            assert!(!told.contains(&value), "a secret is told in an event");
        }
    }
}
