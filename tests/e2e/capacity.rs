//! Fly has no room, no quota, or no patience: each refusal has its own reason and advice, and stays where it happened.

use std::time::Duration;

use hangar::controller::Verdict;
use hangar::http::transport::Method;
use hangar::sim::{Fault, FaultKind, Matcher};

use crate::given::web;
use crate::world::World;

/// A refusal as Fly words it, and what is made of it.
struct Refusal {
    method: Method,
    path: &'static str,
    status: u16,
    body: &'static str,
    reason: &'static str,
    /// Words of the message: what happened, and what to do.
    says: [&'static str; 2],
}

const CREATE: &str = "/v1/apps/demo-web/machines";
const VOLUMES: &str = "/v1/apps/demo-web/volumes";
const UPDATE: &str = "/v1/apps/demo-web/machines/*";

const fn refusal(
    path: &'static str,
    status: u16,
    body: &'static str,
    reason: &'static str,
    says: [&'static str; 2],
) -> Refusal {
    Refusal { method: Method::Post, path, status, body, reason, says }
}

fn when_creating() -> Vec<Refusal> {
    vec![
        refusal(
            CREATE,
            412,
            r#"{"error":"insufficient resources to create new machine with existing volume 'vol_123'"}"#,
            "VolumeHostFull",
            ["the host of volume `vol_123` has no room", "copy the volume to another host"],
        ),
        refusal(
            CREATE,
            422,
            r#"{"error":"no capacity","status":"insufficient_capacity"}"#,
            "RegionFull",
            ["there is no room in the region `iad`", "use another region"],
        ),
        refusal(
            VOLUMES,
            422,
            r#"{"error":"no host","status":"volume_placement_capacity"}"#,
            "VolumePlacementFull",
            ["there is no host for the volume in the region `iad`", "use another region"],
        ),
        refusal(
            CREATE,
            403,
            r#"{"error":"organization \"acme\" is using 20480 MB of memory in iad which is over the allowed quota. please consider other regions"}"#,
            "RegionQuotaExceeded",
            ["using 20480 MB of memory in iad", "ask Fly for a higher quota"],
        ),
        refusal(
            CREATE,
            422,
            r#"{"error":"Your organization has reached its machine limit. Please contact billing@fly.io"}"#,
            "MachineLimitReached",
            ["machine limit is reached", "ask Fly for a higher limit"],
        ),
        refusal(
            CREATE,
            422,
            r#"{"error":"To create more than 1 machine per app please add a payment method."}"#,
            "PaymentMethodMissing",
            ["please add a payment method", "in Fly's dashboard"],
        ),
        refusal(
            CREATE,
            400,
            r#"{"error":"invalid config.guest.memory_mb, minimum required 2048 MiB"}"#,
            "InvalidRequest",
            ["minimum required 2048 MiB", "correct what the message names"],
        ),
        refusal(
            "/v1/apps",
            422,
            r#"{"error":"Validation failed: Name has already been taken"}"#,
            "NameTaken",
            ["the app name `demo-web` is taken", "choose another name"],
        ),
        refusal(
            CREATE,
            403,
            r#"{"error":"unauthorized"}"#,
            "Unauthorized",
            ["the token in `FLY_API_TOKEN` may not do this", "a deploy token cannot create apps"],
        ),
    ]
}

fn when_updating() -> Vec<Refusal> {
    vec![
        refusal(
            UPDATE,
            409,
            r#"{"error":"aborted: could not reserve resource for machine: insufficient memory available to fulfill request"}"#,
            "HostFull",
            ["insufficient memory available", "a machine without a volume can be replaced on another host"],
        ),
        refusal(
            UPDATE,
            403,
            r#"{"error":"organization \"acme\" is using 20480 MB of memory in iad which is over the allowed quota. please consider other regions"}"#,
            "RegionQuotaExceeded",
            ["over the allowed quota", "use another region"],
        ),
        refusal(
            UPDATE,
            400,
            r#"{"error":"invalid config.guest.memory_mb, must be a multiple of 256 MiB"}"#,
            "InvalidRequest",
            ["must be a multiple of 256 MiB", "correct what the message names"],
        ),
    ]
}

const STORED: &str = "image: registry.fly.io/demo:v1\nvolumes: {data: {size: 1GB, mount: /data}}";

impl Refusal {
    fn inject(&self, world: &World) {
        let kind = FaultKind::StatusBefore { status: self.status, body: self.body.to_owned() };
        world.sim.inject(Fault::always(Matcher::new(self.method, self.path), kind));
    }

    async fn assert_told_by(&self, world: &mut World) {
        let outcome = world.reconcile().await;
        assert_eq!(
            outcome.verdicts[&"demo".into()],
            Verdict::Failed,
            "{}: {:#?}",
            self.body,
            outcome.last.plan.withheld
        );
        let failures = &outcome.failures[&"demo".into()];
        assert_eq!(failures.len(), 1, "{failures:#?}");
        assert_eq!(failures[0].reason, self.reason);
        for words in self.says {
            assert!(failures[0].message.contains(words), "`{words}` is not in: {}", failures[0].message);
        }
        // No request was tried again that would be refused again.
        let refused = world.sim.requests().iter().filter(|request| request.status == Some(self.status)).count();
        assert_eq!(refused, 1, "{}", self.body);
        // Another environment has nothing to do with it.
        assert_eq!(outcome.verdicts[&"other".into()], Verdict::Converged);
        assert_eq!(world.only_machine("other-web").state, "started");
    }
}

fn two_environments() -> World {
    let demo = web(STORED);
    World::with(&[("demo.yaml", &demo), ("other.yaml", &demo.replace("name: demo", "name: other"))])
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_create_has_its_own_reason_and_advice_and_heals_without_doubles() {
    for refusal in when_creating() {
        let mut world = two_environments();
        if refusal.path == "/v1/apps" {
            // The other environment's app is there already.
            world.files.retain(|path, _| path == "other.yaml");
            world.converge().await;
            world.respec(&web(STORED));
        }
        refusal.inject(&world);
        refusal.assert_told_by(&mut world).await;

        world.sim.clear_faults();
        world.pass_time(Duration::from_mins(3)).await;
        world.converge().await;
        assert_eq!(world.only_machine("demo-web").state, "started");
        assert_eq!(world.sim.volumes("demo-web").len(), 1, "{}", refusal.body);
        world.must_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_update_leaves_the_machine_as_it_was() {
    for refusal in when_updating() {
        let mut world = two_environments();
        world.converge().await;
        let before = world.only_machine("demo-web");
        refusal.inject(&world);
        world.edit("demo.yaml", "demo:v1", "demo:v2");
        refusal.assert_told_by(&mut world).await;
        assert_eq!(world.only_machine("demo-web"), before, "and its lease was given back");

        world.sim.clear_faults();
        world.converge().await;
        assert_eq!(world.only_machine("demo-web").config["image"], "registry.fly.io/demo:v2");
        world.must_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_no_deployments_is_waited_for() {
    let mut world = two_environments();
    world.converge().await;
    let kind = FaultKind::StatusBefore {
        status: 503,
        body: r#"{"error":"unavailable: deploys to this host are temporarily disabled"}"#.to_owned(),
    };
    world.sim.inject(Fault::always(Matcher::new(Method::Post, UPDATE), kind).times(4));
    world.edit("demo.yaml", "demo:v1", "demo:v2");

    world.converge().await;

    assert_eq!(world.only_machine("demo-web").config["image"], "registry.fly.io/demo:v2");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_and_outages_that_pass_are_sat_out() {
    for kind in [
        FaultKind::RateLimited { retry_after: Some(7) },
        FaultKind::RateLimited { retry_after: None },
        FaultKind::Refused,
    ] {
        let mut world = World::of(&web(STORED));
        world.sim.inject(Fault::always(Matcher::any(), kind).after(6).times(3));
        let session = world.session();
        let request = hangar::plan::Request::default();
        let outcome =
            hangar::controller::Once::new(&session, request, Duration::from_mins(3)).run(|_| ()).await.unwrap();
        world.assert_converged(&outcome);
        assert_eq!(world.sim.machines("demo-web").len(), 1);
        assert_eq!(world.sim.volumes("demo-web").len(), 1);
        world.sim.clear_requests();
        world.must_rest().await;
    }
}
