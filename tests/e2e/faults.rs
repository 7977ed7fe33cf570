//! chat-dev on a platform where things go wrong, one named profile at a time: the controller comes to what is wanted, and leaves
//! alone what is not its own.

use std::time::Duration;

use hangar::controller::{Once, Outcome, Verdict};
use hangar::plan::Request;
use hangar::sim::{MachineView, Profile, Simulator};

use crate::given::portrait;
use crate::live::live;
use crate::support::{handmade_in, seconds};
use crate::world::World;

/// How long a cron job that runs every minute goes on in these tests before they give up.
const MOST_RUNS: usize = 60;

impl World {
    /// One run of a cron job, whatever comes of it. Unlike in a world where nothing goes wrong, 429 is an answer like any other.
    async fn run_once(&mut self) -> Outcome {
        self.pass_time(seconds(60)).await;
        let session = self.session();
        Once::new(&session, Request::default(), Duration::from_mins(3)).run(|_| ()).await.unwrap()
    }

    /// Runs every minute until everything is converged; how many runs it took.
    async fn run_until_converged(&mut self) -> usize {
        let mut last = None;
        for run in 1..=MOST_RUNS {
            let outcome = self.run_once().await;
            if outcome.worst() == Verdict::Converged {
                return run;
            }
            last = Some(outcome);
        }
        let last = last.unwrap();
        panic!(
            "not converged after {MOST_RUNS} runs\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
            last.verdicts,
            last.failures,
            last.last.plan.withheld,
            self.sim.edits()
        );
    }

    /// Faults end, what is still open settles, and the live state is compared with that of a world where nothing went wrong.
    async fn must_be_as_undisturbed(&mut self) {
        self.sim.clear_faults();
        self.pass_time(Duration::from_mins(10)).await;
        self.run_until_converged().await;
        self.must_rest().await;
        // What people have stopped and may rest wakes with the next visitor.
        for machine in self.sim.apps().iter().flat_map(|app| self.sim.machines(&app.name)) {
            if machine.state == "stopped" {
                self.sim.autostart_machine(&machine.app, &machine.id).unwrap();
            }
        }
        self.pass_time(seconds(30)).await;
        let mut undisturbed = Self::chat_dev();
        undisturbed.converge().await;
        pretty(&differences(&live(&self.sim), &live(&undisturbed.sim)));
    }
}

fn pretty(differences: &[String]) {
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What is there and should not be (`+`), and what should be and is not (`-`).
///
/// Which number a network has is no difference: one that was seen in use by an old reading is passed over.
fn differences(now: &[String], wanted: &[String]) -> Vec<String> {
    let unnumbered = |lines: &[String]| -> Vec<String> {
        let network = |line: &String| match line.split_once("\"hangar-") {
            Some((before, after)) => {
                let (network, rest) = after.split_once('"').unwrap();
                format!("{before}{}{rest}", network.trim_end_matches(|c: char| c.is_ascii_digit()))
            }
            None => line.clone(),
        };
        lines.iter().map(network).collect()
    };
    let (now, wanted) = (unnumbered(now), unnumbered(wanted));
    let more = now.iter().filter(|line| !wanted.contains(line)).map(|line| format!("+ {line}"));
    let less = wanted.iter().filter(|line| !now.contains(line)).map(|line| format!("- {line}"));
    more.chain(less).collect()
}

/// chat-dev with a profile, nothing created yet.
fn under(profile: Profile, seed: u64) -> World {
    let world = World::chat_dev();
    world.sim.seed_faults(seed);
    world.sim.set_profile(profile);
    world
}

/// chat-dev, created while nothing went wrong, and then a profile.
async fn running_under(profile: Profile, seed: u64) -> World {
    let mut world = World::chat_dev();
    world.converge().await;
    world.sim.seed_faults(seed);
    world.sim.set_profile(profile);
    world
}

#[tokio::test(start_paused = true)]
async fn everything_is_created_on_a_flaky_platform() {
    for seed in 1..=3 {
        let mut world = under(Profile::Flaky, seed);
        world.run_until_converged().await;
        world.must_be_as_undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_created_in_a_storm() {
    for seed in 1..=4 {
        let mut world = under(Profile::Storm, seed);
        world.run_until_converged().await;
        world.must_be_as_undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_storm_over_a_running_system_leaves_it_as_it_was() {
    for seed in 5..=8 {
        let mut world = running_under(Profile::Storm, seed).await;
        for _ in 0..5 {
            world.run_once().await;
        }
        world.must_be_as_undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_of_creation_is_waited_out() {
    for seed in 1..=2 {
        let mut world = under(Profile::Outage, seed);
        let began = world.clock.now();
        let during = world.run_once().await;
        assert_ne!(during.worst(), Verdict::Converged);
        world.run_until_converged().await;
        assert!((world.clock.now() - began).num_minutes() >= 10);
        world.must_be_as_undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_changes_nothing_of_what_runs() {
    let mut world = running_under(Profile::Outage, 1).await;
    world.sim.clear_requests();
    let before = portrait(&world);
    for _ in 0..12 {
        world.run_once().await;
    }
    assert_eq!(world.writes(), Vec::<String>::new());
    assert_eq!(portrait(&world), before);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_or_made_anew_where_listings_are_partial() {
    for seed in 1..=4 {
        let mut world = running_under(Profile::Split, seed).await;
        let before = portrait(&world);
        for _ in 0..10 {
            world.run_once().await;
        }
        assert_eq!(world.writes(), Vec::<String>::new(), "seed {seed}");
        assert_eq!(portrait(&world), before);
        world.must_be_as_undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_spec_asks_for_is_deleted_only_once_listings_are_whole() {
    for seed in 1..=3 {
        let mut world = running_under(Profile::Split, seed).await;
        world.remove("preview.yaml");
        // Grace passes, and longer.
        for _ in 0..20 {
            world.run_once().await;
        }
        let foreign: Vec<String> = world
            .sim
            .requests()
            .iter()
            .filter(|request| request.method == "DELETE" && !request.path.contains("/login-"))
            .map(|request| request.path.clone())
            .filter(|path| !path.ends_with("/lease"))
            .collect();
        assert_eq!(foreign, Vec::<String>::new(), "seed {seed}");
        world.sim.clear_faults();
        world.pass_time(Duration::from_mins(10)).await;
        world.run_until_converged().await;
        assert!(world.app_names().iter().all(|name| !name.starts_with("login-")), "{:?}", world.app_names());
        assert_eq!(world.app_names().len(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_created_where_listings_are_partial() {
    for seed in 1..=3 {
        let mut world = under(Profile::Split, seed);
        world.run_until_converged().await;
        world.must_be_as_undisturbed().await;
    }
}

/// What somebody else has in the organization, as it was made and as it is.
struct Foreign {
    before: Vec<(String, Vec<MachineView>)>,
}

impl Foreign {
    fn of(sim: &Simulator, apps: &[&str]) -> Self {
        Self { before: apps.iter().map(|app| ((*app).to_owned(), sim.machines(app))).collect() }
    }

    fn assert_untouched(&self, sim: &Simulator) {
        for (app, machines) in &self.before {
            assert_eq!(sim.machines(app), *machines, "{app}");
        }
    }
}

/// Every app and machine that edits have made is still there, as it was made.
fn assert_look_alikes_untouched(sim: &Simulator, seed: u64) {
    for edit in sim.edits().iter().filter(|edit| edit.made) {
        let machines = match &edit.machine {
            None => {
                assert!(sim.app(&edit.app).is_some(), "seed {seed}: {edit:?}");
                sim.machines(&edit.app)
            }
            Some(id) => vec![sim.machine(&edit.app, id).unwrap()],
        };
        for machine in machines {
            assert_eq!((machine.versions, machine.state.as_str()), (1, "started"), "seed {seed}: {edit:?}");
            assert!(!machine.leased && !machine.cordoned, "seed {seed}: {edit:?}");
        }
    }
    // No request that could change anything named any of them.
    for edit in sim.edits().iter().filter(|edit| edit.made) {
        let path = match &edit.machine {
            None => format!("/v1/apps/{}", edit.app),
            Some(id) => format!("/v1/apps/{}/machines/{id}", edit.app),
        };
        let touching: Vec<_> = sim
            .requests()
            .into_iter()
            .filter(|request| Some(request.number) > edit.request && !request.is_read())
            .filter(|request| request.path == path || request.path.starts_with(&format!("{path}/")))
            .collect();
        assert!(touching.is_empty(), "seed {seed}: {edit:?}\n{touching:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn look_alikes_and_squatters_are_left_alone_while_everything_is_created() {
    for seed in 1..=4 {
        let mut world = under(Profile::Hostile, seed);
        world.sim.create_app("chat-dev-staging", "theirs", "").unwrap();
        handmade_in(&world.sim, "theirs", "registry.fly.io/theirs:v9");
        world.pass_time(seconds(10)).await;
        let foreign = Foreign::of(&world.sim, &["theirs"]);
        for _ in 0..8 {
            world.run_once().await;
        }
        foreign.assert_untouched(&world.sim);
        assert_look_alikes_untouched(&world.sim, seed);
        assert!(world.sim.edits().iter().any(|edit| edit.made), "seed {seed}: nothing hostile happened");
    }
}

#[tokio::test(start_paused = true)]
async fn look_alikes_of_a_running_system_are_left_alone_and_it_stays_as_wanted() {
    for seed in 1..=4 {
        let mut world = running_under(Profile::Hostile, seed).await;
        let ours: Vec<String> = live(&world.sim);
        for _ in 0..8 {
            world.run_once().await;
        }
        assert_look_alikes_untouched(&world.sim, seed);
        let now = live(&world.sim);
        let changed: Vec<_> = ours.iter().filter(|line| !now.contains(line)).collect();
        assert_eq!(changed, Vec::<&String>::new(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_repeats_from_its_seed() {
    let hash = async |profile, seed| {
        let mut world = under(profile, seed);
        world.run_once().await;
        world.sim.log_hash()
    };
    for profile in Profile::ALL {
        let first = hash(profile, 11).await;
        assert_eq!(first, hash(profile, 11).await, "{profile}");
        assert_ne!(first, hash(profile, 12).await, "{profile}");
    }
}
