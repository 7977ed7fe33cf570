//! What no spec asks for: a tombstone first, then grace, then the end; and everything that keeps it.

use super::world::{World, at, fleet, incomplete, is_quiet, tells, tells_of, tells_one, unknown};
use crate::desired::Wanted;
use crate::memory::{Conclusion, Verb};
use crate::observed::{Machine, Secret, Volume};
use crate::plan::Purpose;
use crate::resource::ResourceKey;

const ONE: &str = "web: {image: 'x:1'}";

/// `kept` is wanted, and these others are not any more.
fn without(gone: &[&str]) -> World {
    let mut all: Vec<(&str, &str, &str)> = gone.iter().map(|name| (*name, "", ONE)).collect();
    all.push(("kept", "", ONE));
    let mut world = World::living(&all);
    world.fleet = fleet(&[("kept", "", ONE)]);
    world
}

/// `gone` is not wanted any more, and has stood with a tombstone since this second.
fn standing(second: i64) -> World {
    without(&["gone"]).with(|world| world.mark("gone-web", 0, |marker| marker.tombstone = Some(at(second))))
}

fn app(name: &str) -> ResourceKey {
    ResourceKey::App { app: name.into() }
}

fn put(world: &mut World, app: &str, key: &str, value: &str) {
    world.machines(app)[0].metadata.insert(key.to_owned(), value.to_owned());
}

const DELETED: &str = "delete app gone-web: no spec asks for its environment [app=gone-web>] counts as Some(\"gone\")";

#[test]
fn an_orphan_gets_a_tombstone_and_goes_after_grace() {
    let since = at(0).timestamp();
    let text = format!(
        "mark app gone-web: no spec asks for its environment: it is deleted after 300 s of grace on m1 {{hangar_tombstone={since}}}"
    );
    tells(&without(&["gone"]), &[&text]);
    let text = "waits Grace: delete app `gone-web` (no spec asks for its environment): grace lasts until ";
    tells_one(&standing(-299), &[text, "(until 1)"]);
    tells(&standing(-300), &[DELETED]);
    let mut collecting = standing(-300);
    collecting.request.purpose = Purpose::Collect;
    tells(&collecting, &[DELETED]);
}

#[test]
fn an_orphan_without_a_machine_gets_its_tombstone_as_a_secret() {
    let bare = without(&["gone"]).with(|world| world.machines("gone-web").clear());
    let text = "set secrets of gone-web: no spec asks for its environment: it is deleted after 300 s of grace set {HANGAR_TOMBSTONE} unset {} mark {}";
    let in_its_name =
        |world: &World| world.told().iter().map(|line| line.replace("`gone-web`", "")).collect::<Vec<_>>();
    assert_eq!(in_its_name(&bare), [text]);
    let marked = |second| {
        bare.clone().with(|world| {
            let secret =
                Secret { name: "HANGAR_TOMBSTONE".to_owned(), digest: String::new(), created_at: Some(at(second)) };
            world.secrets("gone-web").push(secret);
        })
    };
    tells_one(&marked(-299), &["waits Grace: delete app `gone-web`", "(until 1)"]);
    tells_one(&marked(-300), &["delete app gone-web"]);
    let unread = bare.with(|world| world.detail("gone-web").secrets = unknown("no answer"));
    tells_one(&unread, &["waits ObservationIncomplete: the secrets of `gone-web` were not read"]);
}

#[test]
fn nothing_is_collected_while_something_is_not_known() {
    let text = |why: &str| format!("waits {why}");
    let stopped = |change: fn(&mut World), why: &str| {
        for world in [without(&["gone"]), standing(-400)] {
            tells_of(&world.clone().with(change), &[&text(why)]);
            assert!(world.with(change).plan().steps.is_empty());
        }
    };
    let listing = "ObservationIncomplete: nothing is collected while a listing is incomplete: organization `o`: iad does not answer";
    stopped(|world| world.scope.apps.completeness = incomplete(), listing);
    stopped(|world| world.scope.machines.completeness = incomplete(), listing);
    stopped(|world| world.scope.volumes.completeness = incomplete(), listing);
    let source = "SourceIncomplete: nothing is collected while the specs are incomplete: iad does not answer";
    stopped(|world| world.fleet.source = incomplete(), source);
    let broken = "SourceIncomplete: nothing is collected while the spec of `broken` cannot be evaluated";
    stopped(
        |world| drop(world.fleet.environments.insert("broken".into(), Wanted::Broken { reason: String::new() })),
        broken,
    );
    let empty = "blocked SourceSuddenlyEmpty: the source has no environment at all, so 2 deletions held. `hangar gc --acknowledge ";
    let world = standing(-400).with(|world| world.fleet.environments.clear());
    tells_of(&world, &[empty, " lets exactly this set go: gone, kept"]);
}

#[test]
fn what_is_protected_or_retained_stays() {
    let kept = |change: fn(&mut World)| standing(-400).with(change);
    for world in [
        kept(|world| put(world, "gone-web", "hangar_protect", "true")),
        kept(|world| world.policy.protected = vec!["go*".to_owned()]),
        kept(|world| {
            let secret = Secret { name: "HANGAR_PROTECTED".to_owned(), digest: String::new(), created_at: None };
            world.secrets("gone-web").push(secret);
        }),
    ] {
        tells_one(&world, &["notice Protected: app `gone-web` of `gone` is protected and stays"]);
        let destroyed = world.with(|world| world.request.purpose = Purpose::Destroy("gone".into()));
        tells_one(&destroyed, &["blocked Protected: app `gone-web` of `gone` is protected and stays"]);
    }
    for world in [
        kept(|world| put(world, "gone-web", "hangar_retain", "true")),
        kept(|world| {
            let secret = Secret { name: "HANGAR_RETAINED".to_owned(), digest: String::new(), created_at: None };
            world.secrets("gone-web").push(secret);
        }),
    ] {
        tells(
            &world,
            &["notice Retained: app `gone-web` of `gone` is retained; `hangar destroy --env gone` deletes it"],
        );
        let destroyed = world.with(|world| world.request.purpose = Purpose::Destroy("gone".into()));
        tells(&destroyed, &["delete app gone-web: a person asked for its end [app=gone-web>] counts as None"]);
    }
}

#[test]
fn a_component_that_its_environment_no_longer_has_goes_unless_the_environment_is_at_rest() {
    let two = "web: {image: 'x:1'}, old: {image: 'x:1'}";
    let dropped = |more: &str| {
        let mut world = World::living(&[("e", "", two)]);
        world.mark("e-old", 0, |marker| marker.tombstone = Some(at(-400)));
        world.fleet = fleet(&[("e", more, ONE)]);
        world
    };
    let text =
        "delete app e-old: its environment no longer has this component [app=e-old>] counts as Some(\"e/e-old\")";
    tells(&dropped(""), &[text]);
    for more in ["pause: true,", "level: noDelete,", "level: createOnly,", "level: observe,"] {
        assert!(!dropped(more).told().iter().any(|line| line.contains("e-old")), "{more} {:#?}", dropped(more).told());
    }
    let forbidden = dropped("").with(|world| world.policy.regions = ["ams".to_owned()].into());
    tells_one(&forbidden, &["blocked PolicyViolation"]);
}

#[test]
fn one_that_was_deleted_and_is_listed_still_is_not_counted_again() {
    let listed = |outcome: bool, verb| {
        standing(-400).with(|world| {
            world.note(app("gone-web"), verb, "");
            if outcome {
                world.memory.conclude(&app("gone-web"), verb, Conclusion::Done { at: at(0), id: None });
            }
        })
    };
    let text = "waits OwnWritePending: app `gone-web` is deleted, and the listing may still show it (until 60)";
    tells(&listed(true, Verb::Delete), &[text]);
    for world in [listed(false, Verb::Delete), listed(true, Verb::Update), listed(false, Verb::Update)] {
        tells_one(&world, &["waits OwnWritePending: delete app `gone-web`: our own write to app gone-web may still"]);
    }
    let absent = standing(-400).with(|world| {
        let detail = world.scope.details.remove(&"gone-web".into()).unwrap();
        let crate::observed::Presence::Here(row) = detail.presence else { panic!() };
        world.scope.apps.items.push(row);
        world
            .fleet
            .environments
            .insert("gone".into(), fleet(&[("gone", "", ONE)]).environments.into_values().next().unwrap());
        world.look();
        world.fleet.environments.remove(&"gone".into());
    });
    is_quiet(&absent);
    let marking = without(&["gone"]).with(|world| world.note(app("gone-web"), Verb::Update, "m1"));
    tells_one(&marking, &["waits OwnWritePending: mark app `gone-web`"]);
}

#[test]
fn more_than_the_budget_is_held_marked_and_stays_held() {
    let many = || {
        without(&["a", "b", "c"]).with(|world| {
            world.policy.budget.max_deletions = 2;
            for app in ["a-web", "b-web", "c-web"] {
                world.mark(app, 0, |marker| marker.tombstone = Some(at(-400)));
            }
        })
    };
    let now = at(0).timestamp();
    let told = many().told();
    let marks: Vec<_> = told.iter().filter(|line| line.starts_with("mark")).collect();
    assert_eq!(marks.len(), 3, "{told:#?}");
    let text = format!(
        "too many deletions at once: it stays until a person has looked on m1 {{hangar_held={now}, hangar_released=-}}"
    );
    assert!(marks[0].ends_with(&text), "{told:#?}");
    let message = "blocked BudgetExceeded: 3 deletions of 4 owned (0 done within the last 60 min) exceed the budget of 2 or 30 %: all deletions are held. `hangar gc --acknowledge ";
    assert!(told[3].starts_with(message) && told[3].ends_with(" lets exactly this set go: a, b, c"), "{told:#?}");
    // A held one stays held though it is alone now, and is marked once.
    let held = |world: &mut World| put(world, "gone-web", "hangar_held", "1799999000");
    let latched = standing(-400).with(held);
    tells_one(
        &latched,
        &["blocked BudgetExceeded: 1 deletion held since 2027-01-15 07:43 UTC, when there were too many"],
    );
    let nonsense = standing(-400).with(|world| put(world, "gone-web", "hangar_held", "nonsense"));
    tells_one(&nonsense, &["blocked BudgetExceeded: 1 deletion held since"]);
    // A person lets them go: by the hash that the message says, or for this run.
    let hash = told[3].split("--acknowledge ").nth(1).and_then(|rest| rest.get(..12)).unwrap().to_owned();
    let consented = many().with(|world| world.memory.acknowledge(&hash));
    tells_of(
        &consented,
        &["mark app a-web: a person has let its deletion go on on m1", &format!("hangar_released={hash}")],
    );
    assert_eq!(consented.plan().acknowledged.unwrap()[&hash].len(), 3);
    let another = many().with(|world| world.memory.acknowledge("another"));
    tells_of(&another, &["blocked BudgetExceeded"]);
    assert!(another.plan().acknowledged.unwrap().is_empty());
    let once = many().with(|world| world.request.allow_mass_delete = true);
    tells_of(
        &once,
        &[
            "mark app a-web: a person has let its deletion go on",
            "{hangar_emptied=-, hangar_held=-, hangar_released=mass}",
        ],
    );
    // What is released goes, and costs nothing.
    let released = standing(-400).with(|world| put(world, "gone-web", "hangar_released", "mass"));
    tells(&released, &[&DELETED.replace("Some(\"gone\")", "None")]);
    let held_again = standing(-400).with(|world| {
        put(world, "gone-web", "hangar_released", "mass");
        put(world, "gone-web", "hangar_held", "1799999000");
    });
    tells_one(&held_again, &["blocked BudgetExceeded"]);
}

#[test]
fn consent_to_a_set_holds_for_each_of_its_members_until_it_is_gone() {
    let member = "gone-web id-gone-web".to_owned();
    let world = without(&["gone"]).with(|world| {
        world.memory.acknowledged.insert("hash".to_owned(), [member.clone(), "other id".to_owned()].into());
    });
    let since = at(0).timestamp();
    let marks = format!("{{hangar_emptied=-, hangar_held=-, hangar_released=hash, hangar_tombstone={since}}}");
    tells_one(&world, &["mark app gone-web: no spec asks for its environment: it is deleted after", &marks]);
    let kept = world.plan().acknowledged.unwrap();
    assert_eq!(kept["hash"], [member].into());
    let bare = world.clone().with(|world| world.machines("gone-web").clear());
    tells_of(&bare, &["set secrets of gone-web"]);
    let wanted = world.with(|world| world.fleet = fleet(&[("kept", "", ONE), ("gone", "", ONE)]));
    assert!(wanted.plan().acknowledged.unwrap().is_empty());
}

#[test]
fn what_was_deleted_within_the_window_counts_and_what_is_counted_is_not_counted_twice() {
    let after = |done: &[&str]| {
        standing(-400).with(|world| {
            world.policy.budget.max_deletions = 2;
            let done = done.iter().map(|unit| ((*unit).to_owned(), at(-60)));
            world.memory.deletions.extend(done);
        })
    };
    tells(&after(&["x"]), &[DELETED]);
    tells(&after(&["x", "gone"]), &[DELETED]);
    tells_of(&after(&["x", "y"]), &["blocked BudgetExceeded: 1 deletion of 2 owned (2 done within the last 60 min)"]);
}

/// A volume in `gone-web`.
fn volume(attached: Option<&str>) -> Volume {
    Volume {
        app: "gone-web".into(),
        id: "v".to_owned(),
        name: "data".to_owned(),
        region: "iad".to_owned(),
        state: "created".to_owned(),
        size_gb: 1,
        attached_machine: attached.map(str::to_owned),
        snapshot_retention: None,
        auto_backup: None,
        host_ok: true,
        created_at: None,
    }
}
/// Puts a machine into `gone-web` that is not ours.
fn stranger(world: &mut World) {
    let one = world.machines("gone-web")[0].clone();
    world.machines("gone-web").push(Machine { id: "s".to_owned(), name: "s".to_owned(), marker: None, ..one });
}

#[test]
fn an_adopted_app_with_what_is_not_ours_in_it_is_not_deleted() {
    let adopted = |change: fn(&mut World)| {
        standing(-400).with(|world| {
            let crate::observed::Presence::Here(row) = &mut world.detail("gone-web").presence else { panic!() };
            row.network = String::new();
            change(world);
        })
    };
    let text = |what: &str| format!("blocked ForeignContent: adopted app `gone-web` holds {what} that are not ours");
    let made_by_us = |world: &World| world.plan().steps[0].action.proof().unwrap().created_by_us();
    assert!(made_by_us(&standing(-400)) && !made_by_us(&adopted(|_| {})));
    tells(&adopted(|_| {}), &[DELETED]);
    tells_one(&adopted(stranger), &[&text("1 machine")]);
    tells_one(&adopted(|world| world.volumes("gone-web").push(volume(None))), &[&text("1 volume")]);
    tells_one(&adopted(|world| world.volumes("gone-web").push(volume(Some("other")))), &[&text("1 volume")]);
    let both = adopted(|world| {
        stranger(world);
        world.volumes("gone-web").push(volume(None));
    });
    tells_one(&both, &[&text("1 machine and 1 volume")]);
    for ours in [
        adopted(|world| world.volumes("gone-web").push(volume(Some("m1")))),
        adopted(|world| {
            world.volumes("gone-web").push(volume(None));
            world.memory.volumes.insert("v".to_owned(), "gone-web".into());
        }),
        adopted(|world| {
            let going = Volume { state: "destroying".to_owned(), ..volume(None) };
            world.volumes("gone-web").push(going);
        }),
    ] {
        tells(&ours, &[DELETED]);
    }
}

#[test]
fn of_an_app_that_was_not_looked_at_the_listing_speaks() {
    let unseen = |second: Option<i64>| {
        without(&["gone"]).with(|world| {
            world.mark("gone-web", 0, |marker| marker.tombstone = second.map(at));
            let detail = world.scope.details.remove(&"gone-web".into()).unwrap();
            let crate::observed::Presence::Here(row) = detail.presence else { panic!() };
            world.scope.apps.items.push(row);
            world.scope.machines.items.extend(detail.machines.known().cloned().unwrap());
        })
    };
    tells_one(&unseen(None), &["mark app gone-web"]);
    tells(&unseen(Some(-400)), &[DELETED]);
    let bare = unseen(None).with(|world| world.scope.machines.items.clear());
    tells_one(&bare, &["waits ObservationIncomplete: the secrets of `gone-web` were not read"]);
}

#[test]
fn nothing_is_deleted_in_quarantine_or_by_an_incomplete_listing_at_a_persons_word_either() {
    let destroyed = |change: fn(&mut World)| {
        without(&["gone"]).with(|world| {
            world.request.purpose = Purpose::Destroy("gone".into());
            change(world);
        })
    };
    tells(&destroyed(|_| {}), &["delete app gone-web: a person asked for its end [app=gone-web>] counts as None"]);
    let quarantined = destroyed(|world| world.memory.blank_since = Some(world.now));
    tells_one(&quarantined, &["waits Quarantine: delete app `gone-web`: an earlier run may still", "(until 120)"]);
    let partial = destroyed(|world| world.scope.volumes.completeness = incomplete());
    let text = "waits ObservationIncomplete: nothing is deleted while a listing is incomplete: organization `o`: iad does not answer";
    tells(&partial, &[text]);
    let noted = destroyed(|world| world.note(app("gone-web"), Verb::Update, ""));
    tells_one(&noted, &["waits OwnWritePending: delete app `gone-web`"]);
    let answered = noted.with(|world| {
        world.memory.conclude(&app("gone-web"), Verb::Update, Conclusion::Done { at: at(0), id: None });
    });
    tells_one(&answered, &["delete app gone-web"]);
    let other = without(&["gone"]).with(|world| world.request.purpose = Purpose::Destroy("kept".into()));
    tells_one(&other, &["delete app kept-web: a person asked for its end"]);
    // Inside a wanted app too: its own listing counts.
    let surplus = World::of("web: {image: 'x:1', count: 2}")
        .want(ONE)
        .with(|world| world.scope.machines.completeness = incomplete());
    tells_one(
        &surplus,
        &[
            "waits ObservationIncomplete: destroy machine app/iad/1: nothing is deleted while a listing is incomplete: iad does not answer",
        ],
    );
}
