//! Which volume belongs to which slot; what is missing, too small or left over.

use super::world::{World, at, is_quiet, tells, tells_of, tells_one};
use crate::observed::Volume;

fn stored(more: &str) -> String {
    format!("web: {{image: 'x:1', volumes: {{data: {{mount: /data{more}}}}}}}")
}

/// A further volume beside the mounted one.
fn beside(world: World, id: &str, change: impl FnOnce(&mut Volume)) -> World {
    world.with(|world| {
        let mut other = Volume { id: id.to_owned(), attached_machine: None, ..world.volumes("e-web")[0].clone() };
        change(&mut other);
        world.volumes("e-web").push(other);
    })
}

#[test]
fn a_new_volume_is_made_as_the_spec_has_it_before_its_machine() {
    let told = World::new(&stored(", size: 3GB, fromSnapshot: vs_1")).told();
    assert!(told[1].starts_with("create volume data@app/iad/0 of e-web: it does not exist"), "{told:#?}");
    assert!(told[1].ends_with("[region=>iad, size=>3GB, fromSnapshot=>vs_1] after[0]"), "{told:#?}");
    assert!(told[2].starts_with("create machine app/iad/0 of e-web") && told[2].ends_with("after[0, 1]"), "{told:#?}");
    let sized = "web: {image: 'x:1', size: shared-cpu-2x, count: 2, volumes: {data: {mount: /data}}}";
    for step in World::new(sized).plan().steps {
        if let crate::plan::Action::CreateVolume { guest, .. } = step.action {
            assert_eq!(guest.unwrap()["cpus"], 2);
        }
    }
    // Each is put where its own machine fits.
    let groups = "web: {image: 'x:1', processes: {one: {command: a}, two: {command: b, size: shared-cpu-2x}}, volumes: {data: {mount: /data}}}";
    for step in World::new(groups).plan().steps {
        if let crate::plan::Action::CreateVolume { volume, guest } = step.action {
            let cpus = guest.and_then(|guest| guest["cpus"].as_u64()).unwrap_or(1);
            assert_eq!(cpus, if volume.slot.machine.group == "two" { 2 } else { 1 });
        }
    }
}

#[test]
fn a_free_volume_of_the_slots_name_and_region_is_used_and_any_other_is_not() {
    let without_machine = || World::of(&stored("")).with(|world| world.machines("e-web").clear());
    let free = |change: fn(&mut Volume)| {
        without_machine().with(|world| {
            world.volumes("e-web")[0].attached_machine = None;
            change(&mut world.volumes("e-web")[0]);
        })
    };
    let makes_one = |world: &World| world.told().iter().any(|line| line.starts_with("create volume"));
    assert!(!makes_one(&free(|_| {})));
    let others: [fn(&mut Volume); 4] = [
        |volume| volume.state = "destroying".to_owned(),
        |volume| volume.host_ok = false,
        |volume| volume.name = "other".to_owned(),
        |volume| volume.region = "ams".to_owned(),
    ];
    for other in others {
        assert!(makes_one(&free(other)), "{:#?}", free(other).told());
    }
    // Two slots do not share one.
    let two = "web: {image: 'x:1', count: 2, volumes: {data: {mount: /data}}}";
    let world = World::of(two).with(|world| {
        world.machines("e-web").clear();
        world.volumes("e-web").iter_mut().for_each(|volume| volume.attached_machine = None);
    });
    assert!(!makes_one(&world));
    let one = world.with(|world| drop(world.volumes("e-web").pop()));
    assert_eq!(one.told().iter().filter(|line| line.starts_with("create volume")).count(), 1);
}

#[test]
fn of_free_volumes_the_oldest_is_used() {
    let world = World::of(&stored("")).with(|world| {
        world.machines("e-web").clear();
        world.volumes("e-web")[0].attached_machine = None;
    });
    let world = beside(world, "older", |volume| volume.created_at = Some(at(-900)));
    tells_of(&world, &["notice Unmanaged: volume vol1 (`data`, 1 GB, iad) is left alone: no machine uses it"]);
}

#[test]
fn a_mounted_volume_stays_the_slots_also_where_the_list_or_the_host_does_not_show_it() {
    // A migration has given it another id, which the list does not have yet: none is made.
    let moved = |id: &'static str, name: Option<&'static str>| {
        World::of(&stored("")).with(move |world| {
            let mount = world.machines("e-web")[0].config.as_mut().unwrap().pointer_mut("/mounts/0").unwrap();
            mount["volume"] = id.into();
            match name {
                Some(name) => mount["name"] = name.into(),
                None => drop(mount.as_object_mut().unwrap().remove("name")),
            }
        })
    };
    for world in [moved("new", Some("data")), moved("new", None)] {
        assert!(!world.told().iter().any(|line| line.starts_with("create")), "{:#?}", world.told());
    }
    // A mount of another name is another volume.
    let other = moved("new", Some("cache")).with(|world| world.volumes("e-web").clear());
    tells_of(&other, &["create volume data@app/iad/0 of e-web"]);
    // Its host does not answer: only the volume knows that it is mounted.
    let silent = World::of(&stored("")).with(|world| {
        world.machines("e-web")[0].config = None;
        world.machines("e-web")[0].host_ok = false;
    });
    tells_one(&silent, &["waits HostUnreachable: the host of machine app/iad/0 (m2) does not answer"]);
    let lost = silent.with(|world| world.volumes("e-web").clear());
    let text = "waits HostUnreachable: create volume `data`: the host of machine m2 does not answer, so what it mounts is not known";
    tells(&lost, &[text]);
}

#[test]
fn none_is_made_while_one_that_would_do_is_bound_to_a_machine_that_was_not_seen() {
    let bound = |change: fn(&mut Volume)| {
        World::of(&stored("")).with(|world| {
            world.machines("e-web").clear();
            change(&mut world.volumes("e-web")[0]);
        })
    };
    let text = "waits InTransition: create volume `data`: volume vol1 is bound to machine m2, which is not there (yet, or any more)";
    tells(&bound(|_| {}), &[text]);
    let others: [fn(&mut Volume); 4] = [
        |volume| volume.state = "destroying".to_owned(),
        |volume| volume.host_ok = false,
        |volume| volume.name = "other".to_owned(),
        |volume| volume.region = "ams".to_owned(),
    ];
    for other in others {
        tells_of(&bound(other), &["create volume data@app/iad/0 of e-web"]);
    }
    // The machine is there, though not ours: the volume is its own.
    let clone = World::of(&stored("")).with(|world| {
        let machine = &mut world.machines("e-web")[0];
        machine.marker = None;
        machine.name = "clone".to_owned();
    });
    tells_of(&clone, &["create volume data@app/iad/0 of e-web"]);
}

#[test]
fn a_volume_grows_and_never_shrinks() {
    let grown = World::of(&stored(", size: 2GB")).want(&stored(", size: 3GB"));
    tells_of(&grown, &["extend volume data@app/iad/0 of e-web: the spec asks for a larger one [size=2GB>3GB]"]);
    let shrunk = World::of(&stored(", size: 3GB")).want(&stored(", size: 2GB"));
    tells_of(
        &shrunk,
        &["notice Immutable: volume `data` has 3 GB and the spec asks for 2; Fly cannot shrink a volume"],
    );
    is_quiet(&World::of(&stored(", size: 3GB")));
}

#[test]
fn snapshot_settings_follow_the_spec_where_it_has_any() {
    let world = World::of(&stored(", snapshotRetention: 7, autoBackup: true"));
    let kept = world.clone().want(&stored(""));
    assert!(!kept.told().iter().any(|line| line.starts_with("update volume")), "{:#?}", kept.told());
    for (more, changes) in [
        (", snapshotRetention: 9, autoBackup: true", "[snapshotRetention=7>9]"),
        (", snapshotRetention: 7, autoBackup: false", "[autoBackup=true>false]"),
        (", snapshotRetention: 9, autoBackup: false", "[snapshotRetention=7>9, autoBackup=true>false]"),
    ] {
        tells_of(&world.clone().want(&stored(more)), &["update volume data@app/iad/0", "settings differ", changes]);
    }
    // What Fly does not tell is not compared.
    let untold = world.want(&stored(", snapshotRetention: 9, autoBackup: false")).with(|world| {
        world.volumes("e-web")[0].snapshot_retention = None;
        world.volumes("e-web")[0].auto_backup = None;
    });
    assert!(!untold.told().iter().any(|line| line.starts_with("update volume")), "{:#?}", untold.told());
}

#[test]
fn a_left_over_volume_goes_only_if_we_made_it_and_nothing_keeps_data() {
    let left = |apps: &str| {
        let world = beside(World::of(apps), "extra", |volume| volume.name = "old".to_owned());
        world.with(|world| drop(world.memory.volumes.insert("extra".to_owned(), "e-web".into())))
    };
    let plain = stored("");
    tells_one(&left(&plain), &["delete volume old@extra/iad/0 of e-web: no slot uses it any more"]);
    let alone =
        "is left alone: no spec asks for it; delete it with `fly volumes destroy extra` if its data is not needed";
    let unknown = left(&plain).with(|world| world.memory.volumes.clear());
    tells_one(&unknown, &["notice Unmanaged: volume extra (`old`, 1 GB, iad)", alone]);
    let of_another = left(&plain).with(|world| drop(world.memory.volumes.insert("extra".to_owned(), "other".into())));
    tells_one(&of_another, &["notice Unmanaged", alone]);
    tells_one(&left(&stored(", deletionPolicy: retain")), &["notice Unmanaged", alone]);
    tells_one(
        &left("web: {image: 'x:1', deletionPolicy: retain, volumes: {data: {mount: /data}}}"),
        &["notice Unmanaged"],
    );
    let mut production = World::living(&[("e", "class: production,", &plain)]);
    production = beside(production, "extra", |volume| volume.name = "old".to_owned());
    production.memory.volumes.insert("extra".to_owned(), "e-web".into());
    tells_one(&production, &["notice Unmanaged", alone]);
    // What is mounted, used or going is not left over.
    for change in [
        |volume: &mut Volume| volume.attached_machine = Some("m9".to_owned()),
        |volume: &mut Volume| {
            volume.state = "destroying".to_owned();
        },
    ] {
        let world = beside(World::of(&plain), "extra", change);
        is_quiet(&world.with(|world| drop(world.memory.volumes.insert("extra".to_owned(), "e-web".into()))));
    }
    let named = beside(World::of(&plain), "extra", |_| {});
    tells_one(&named, &["volume extra (`data`, 1 GB, iad) is left alone: no machine uses it;"]);
    let quarantined = left(&plain).with(|world| world.memory.blank_since = Some(world.now));
    tells_one(&quarantined, &["waits Quarantine: delete volume extra"]);
}
