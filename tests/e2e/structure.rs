//! Changes of the spec that make or remove whole objects: machines, volumes, addresses, certificates, components.

use hangar::plan::Reason;

use crate::given::{component, demo, held, noticed, steps, web};
use crate::support::GRACE;
use crate::world::World;

const WITH_VOLUME: &str =
    "image: registry.fly.io/demo:v1\nvolumes: {data: {size: 2GB, mount: /data, snapshotRetention: 7}}";

fn with_volume(volume: &str) -> String {
    web(&format!("image: registry.fly.io/demo:v1\nvolumes: {{{volume}}}"))
}

/// The same, running, and late enough that things may be removed.
async fn settled(text: &str) -> World {
    let mut world = World::running(text).await;
    world.past_quarantine().await;
    world.must_rest().await;
    world.sim.clear_requests();
    world
}

#[tokio::test(start_paused = true)]
async fn a_volume_grows_in_place() {
    let mut world = settled(&web(WITH_VOLUME)).await;
    let before = world.only_machine("demo-web");

    world.respec(&with_volume("data: {size: 5GB, mount: /data, snapshotRetention: 7}"));

    assert_eq!(world.planned_steps().await, ["extend volume data@app/iad/0 of demo-web [~size]"]);
    let volume = world.sim.volumes("demo-web").remove(0);
    let written = world.written_by_reconcile().await;
    assert_eq!(written, [format!("PUT /v1/apps/demo-web/volumes/{}/extend", volume.id)]);
    assert_eq!(world.sim.volumes("demo-web").iter().map(|volume| volume.size_gb).collect::<Vec<_>>(), [5]);
    assert_eq!(world.only_machine("demo-web").version, before.version);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_stands_by_for_the_machines_that_it_names() {
    let mut world = settled(&web("image: registry.fly.io/demo:v1\nprocesses: {work: {}}")).await;
    let id = world.only_machine("demo-web").id;

    let groups = format!("processes: {{work: {{}}, spare: {{standbys: [{id}]}}}}");
    world.respec(&web(&format!("image: registry.fly.io/demo:v1\n{groups}")));
    world.converge().await;

    let machines = world.sim.machines("demo-web");
    let spare = machines.iter().find(|machine| machine.id != id).unwrap();
    assert_eq!(spare.config["standbys"], serde_json::json!([id]));
    assert_eq!(spare.config["env"]["FLY_STANDBY_FOR"], id.as_str());
    assert_ne!(spare.state, "started");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_cannot_shrink_and_that_is_said() {
    let mut world = settled(&web(WITH_VOLUME)).await;

    world.respec(&with_volume("data: {size: 1GB, mount: /data, snapshotRetention: 7}"));

    let planned = world.diff().await;
    assert_eq!(steps(&planned), Vec::<String>::new());
    assert_eq!(noticed(&planned), [Reason::Immutable]);
    assert!(planned.plan.notices[0].message.contains("Fly cannot shrink a volume"));
    world.must_rest().await;
    assert_eq!(world.sim.volumes("demo-web")[0].size_gb, 2);
}

#[tokio::test(start_paused = true)]
async fn snapshots_are_kept_as_long_as_the_spec_says() {
    let mut world = settled(&web(WITH_VOLUME)).await;
    let id = world.sim.volumes("demo-web")[0].id.clone();

    world.respec(&with_volume("data: {size: 2GB, mount: /data, snapshotRetention: 30, autoBackup: false}"));

    assert_eq!(
        world.planned_steps().await,
        ["update volume data@app/iad/0 of demo-web [~snapshotRetention ~autoBackup]"]
    );
    assert_eq!(world.written_by_reconcile().await, [format!("PUT /v1/apps/demo-web/volumes/{id}")]);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_renamed_volume_is_a_new_volume_and_a_new_machine() {
    let mut world = settled(&web(WITH_VOLUME)).await;
    let (machine, volume) = (world.only_machine("demo-web"), world.sim.volumes("demo-web").remove(0));

    world.respec(&with_volume("store: {size: 2GB, mount: /data, snapshotRetention: 7}"));

    assert_eq!(
        world.planned_steps().await,
        [
            "create volume store@app/iad/0 of demo-web [+region +size]",
            "destroy machine app/iad/0 of demo-web [~mounts[/data].volume]",
            "create machine app/iad/0 of demo-web [+image]",
        ]
    );
    world.converge().await;
    let after = world.only_machine("demo-web");
    assert_ne!(after.id, machine.id);
    let volumes: Vec<_> = world.sim.volumes("demo-web").into_iter().filter(|seen| seen.state == "created").collect();
    assert_eq!(
        volumes.len(),
        1,
        "the volume that this controller made and that nothing uses any more is gone: {volumes:?}"
    );
    assert_eq!((volumes[0].name.as_str(), volumes[0].attached_machine.as_ref()), ("store", Some(&after.id)));
    assert_ne!(volumes[0].id, volume.id);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_whose_data_is_retained_stays_when_the_spec_has_another_name_for_it() {
    let retained = "data: {size: 2GB, mount: /data, deletionPolicy: retain}";
    let mut world = settled(&with_volume(retained)).await;

    world.respec(&with_volume("store: {size: 2GB, mount: /data, deletionPolicy: retain}"));
    world.converge().await;

    let names: Vec<_> = world.sim.volumes("demo-web").into_iter().map(|volume| (volume.name, volume.state)).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|(_, state)| state == "created"), "{names:?}");
    let planned = world.diff().await;
    assert_eq!(noticed(&planned), [Reason::Unmanaged]);
    assert!(planned.plan.notices[0].message.contains("`data`"), "{:?}", planned.plan.notices);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_added_to_an_app_and_taken_from_it() {
    let mut world = settled(&web("image: registry.fly.io/demo:v1")).await;
    let first = world.only_machine("demo-web");

    world.respec(&web(WITH_VOLUME));
    world.converge().await;
    let second = world.only_machine("demo-web");
    assert_ne!(second.id, first.id, "a mount cannot be added to a machine");
    assert_eq!(second.config["mounts"][0]["path"], "/data");
    world.must_rest().await;

    world.respec(&web("image: registry.fly.io/demo:v1"));
    world.converge().await;
    let third = world.only_machine("demo-web");
    assert_ne!(third.id, second.id);
    assert_eq!(third.config.get("mounts"), None);
    assert!(world.sim.volumes("demo-web").iter().all(|volume| volume.state != "created"));
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn machines_are_added_and_removed_by_count() {
    let counted = |count: u32| web(&format!("image: registry.fly.io/demo:v1\ncount: {count}"));
    let mut world = settled(&counted(1)).await;
    let first = world.slots("demo-web");

    world.respec(&counted(3));
    assert_eq!(
        world.planned_steps().await,
        [
            "create machine app/iad/1 of demo-web [+region +image +env.FLY_PROCESS_GROUP +env.PRIMARY_REGION]",
            "create machine app/iad/2 of demo-web [+region +image +env.FLY_PROCESS_GROUP +env.PRIMARY_REGION]",
        ]
    );
    assert_eq!(world.written_by_reconcile().await, ["POST /v1/apps/demo-web/machines"; 2]);
    let slots = world.slots("demo-web");
    assert_eq!(slots.keys().collect::<Vec<_>>(), ["app/iad/0", "app/iad/1", "app/iad/2"]);
    assert_eq!(slots["app/iad/0"], first["app/iad/0"]);
    world.must_rest().await;

    world.respec(&counted(1));
    assert_eq!(
        world.planned_steps().await,
        ["destroy machine app/iad/1 of demo-web [-state]", "destroy machine app/iad/2 of demo-web [-state]"]
    );
    world.converge().await;
    assert_eq!(world.slots("demo-web"), first);
    world.must_rest().await;

    world.respec(&counted(0));
    world.converge().await;
    assert_eq!(world.sim.machines("demo-web").len(), 0);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn machines_move_with_their_regions() {
    let in_regions = |regions: &str| {
        web(&format!(
            "image: registry.fly.io/demo:v1\nregions: [{regions}]\nvolumes: {{data: {{size: 1GB, mount: /data}}}}"
        ))
    };
    let mut world = settled(&in_regions("iad, sjc")).await;
    assert_eq!(world.slots("demo-web").keys().collect::<Vec<_>>(), ["app/iad/0", "app/sjc/0"]);

    world.respec(&in_regions("sjc, fra"));
    world.converge().await;

    let machines = world.sim.machines("demo-web");
    assert_eq!(machines.iter().map(|machine| machine.region.as_str()).collect::<Vec<_>>(), ["sjc", "fra"]);
    for volume in world.sim.volumes("demo-web") {
        match volume.attached_machine {
            Some(holder) => {
                let holder = world.sim.machine("demo-web", &holder).unwrap();
                assert_eq!(holder.region, volume.region);
            }
            None => assert_eq!((volume.region.as_str(), volume.state.as_str()), ("iad", "pending_destroy")),
        }
    }
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_process_group_is_added_and_removed() {
    let groups = |groups: &str| web(&format!("image: registry.fly.io/demo:v1\nprocesses: {{{groups}}}"));
    let mut world = settled(&groups("web: {command: serve}")).await;
    let web_before = world.slots("demo-web")["web/iad/0"].clone();

    world.respec(&groups("web: {command: serve}, jobs: {command: work, count: 2}"));
    world.converge().await;
    let slots = world.slots("demo-web");
    assert_eq!(slots.keys().collect::<Vec<_>>(), ["jobs/iad/0", "jobs/iad/1", "web/iad/0"]);
    for machine in world.sim.machines("demo-web") {
        let group = machine.metadata("fly_process_group").unwrap();
        let command = if group == "web" { "serve" } else { "work" };
        assert_eq!(machine.config["init"]["cmd"][0], command);
        assert_eq!(machine.env("FLY_PROCESS_GROUP"), Some(group));
    }
    world.must_rest().await;

    world.respec(&groups("web: {command: serve}"));
    world.converge().await;
    assert_eq!(world.slots("demo-web").into_iter().collect::<Vec<_>>(), [("web/iad/0".to_owned(), web_before)]);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn addresses_are_allocated_and_released() {
    let with_ips = |ips: &str| web(&format!("image: registry.fly.io/demo:v1\nips: {{{ips}}}"));
    let kinds = |world: &World| {
        let mut kinds: Vec<String> = world.sim.ips("demo-web").into_iter().map(|ip| ip.kind).collect();
        kinds.sort();
        kinds
    };
    let mut world = settled(&with_ips("public: true")).await;
    let before = world.only_machine("demo-web").version;
    assert_eq!(kinds(&world), ["shared_v4", "v6"]);

    world.respec(&with_ips("public: true, v4: true, flycast: true"));
    assert_eq!(
        world.planned_steps().await,
        [
            "allocate ip v4 of demo-web []",
            "allocate ip private_v6 of demo-web []",
            "mark machine app/iad/0 of demo-web []"
        ]
    );
    world.converge().await;
    assert_eq!(kinds(&world), ["private_v6", "shared_v4", "v4", "v6"]);
    world.must_rest().await;

    world.respec(&with_ips("v6: true"));
    world.past_quarantine().await;
    assert_eq!(
        world.planned_steps().await,
        [
            "release ip v4 of demo-web [-address]",
            "release ip shared_v4 of demo-web [-address]",
            "release ip private_v6 of demo-web [-address]",
        ]
    );
    world.converge().await;
    assert_eq!(kinds(&world), ["v6"]);
    assert_eq!(world.only_machine("demo-web").version, before, "no machine restarts for an address");
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_no_spec_asked_for_is_left_alone() {
    let mut world = settled(&web("image: registry.fly.io/demo:v1\nips: {v6: true}")).await;
    let config = serde_json::json!({"image": "registry.fly.io/other:v1"});
    world.sim.create_machine("demo-web", &config, "iad").unwrap();
    world.past_quarantine().await;

    world.must_rest().await;

    assert_eq!(noticed(&world.diff().await), [Reason::Unmanaged]);
    assert_eq!(world.sim.machines("demo-web").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn certificates_are_added_and_removed() {
    let with_hosts = |hosts: &str| web(&format!("image: registry.fly.io/demo:v1\ncertificates: [{hosts}]"));
    let mut world = settled(&with_hosts("a.example.com")).await;
    assert_eq!(world.sim.certificates("demo-web").len(), 1);
    assert_eq!(noticed(&world.diff().await), [Reason::InTransition], "its DNS does not point here yet");
    world.sim.set_dns("a.example.com", true);
    assert_eq!(noticed(&world.diff().await), []);

    world.respec(&with_hosts("a.example.com, b.example.com"));
    assert_eq!(
        world.planned_steps().await,
        ["add certificate b.example.com of demo-web []", "mark machine app/iad/0 of demo-web []"]
    );
    world.converge().await;
    world.must_rest().await;

    world.past_quarantine().await;
    world.respec(&with_hosts("b.example.com"));
    world.converge().await;
    let hosts: Vec<_> =
        world.sim.certificates("demo-web").into_iter().map(|certificate| certificate.hostname).collect();
    assert_eq!(hosts, ["b.example.com"]);
    world.must_rest().await;

    world.past_quarantine().await;
    world.respec(&web("image: registry.fly.io/demo:v1"));
    world.converge().await;
    assert_eq!(world.sim.certificates("demo-web").len(), 0);
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_component_is_added_and_one_that_goes_is_collected_after_grace() {
    let image = "image: registry.fly.io/demo:v1";
    let one = demo(&component("web", image));
    let two = demo(&format!("{}{}", component("web", image), component("jobs", image)));
    let mut world = settled(&one).await;

    world.respec(&two);
    assert_eq!(
        world.planned_steps().await,
        [
            "create app demo-jobs [+org +network]",
            "create machine app/iad/0 of demo-jobs [+region +image +env.FLY_PROCESS_GROUP +env.PRIMARY_REGION]",
        ]
    );
    world.converge().await;
    assert_eq!(world.sim.app("demo-jobs").unwrap().network, world.sim.app("demo-web").unwrap().network);
    world.must_rest().await;

    world.past_quarantine().await;
    world.respec(&one);
    world.reconcile().await;
    assert!(world.sim.app("demo-jobs").is_some(), "grace is not over");
    assert!(held(&world.diff().await).iter().any(|(reason, _)| *reason == Reason::Grace));

    world.pass_time(GRACE).await;
    world.converge().await;
    assert_eq!(world.sim.app("demo-jobs"), None);
    assert!(world.sim.app("demo-web").is_some());
    world.must_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_health_timeout_changes_nothing_live() {
    let mut world = settled(&web("image: registry.fly.io/demo:v1")).await;
    world.respec(&web("image: registry.fly.io/demo:v1\nhealth: {timeout: 1m}"));
    assert_eq!(world.planned_steps().await, Vec::<String>::new());
    world.must_rest().await;
}
