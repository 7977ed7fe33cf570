//! How long environments live: age, ends that are put off, sets of previews and their queues.

use super::world::{World, at, fleet, incomplete, is_quiet, tells, tells_of, tells_one, unknown};
use crate::desired::{Completeness, Ended, Environment, NamePattern, Preview, PreviewSet, Wanted};
use crate::memory::Verb;
use crate::plan::Purpose;
use crate::resource::{MachineSlot, ResourceKey};

const ONE: &str = "web: {image: 'x:1'}";

fn wanted<'w>(world: &'w mut World, name: &str) -> &'w mut Environment {
    match world.fleet.environments.get_mut(&name.into()) {
        Some(Wanted::Ready(env)) => env,
        other => panic!("{other:?}"),
    }
}

fn preview(place: usize, limit: Option<usize>) -> Preview {
    let subject = format!("pull request a/b#{place}");
    Preview {
        set: "chat".to_owned(),
        subject,
        url: None,
        sha: None,
        image_deadline: std::time::Duration::from_mins(15),
        limit,
        place,
        kept_until: None,
        redeploy: None,
    }
}

/// A set of previews named `pr-…`.
fn set(is_empty: bool, completeness: Completeness) -> PreviewSet {
    PreviewSet { completeness, is_empty, names: NamePattern::of("pr-${{ pr.number }}") }
}

/// `kept` is wanted, and these previews of the set `chat` are not any more. Their tombstones stand since long.
fn left_by_chat(previews: &[&str]) -> World {
    let mut all: Vec<(&str, &str, &str)> = previews.iter().map(|name| (*name, "", ONE)).collect();
    all.push(("kept", "", ONE));
    let mut world = World::living(&all);
    world.fleet = fleet(&[("kept", "", ONE)]);
    for name in previews {
        world.mark(&format!("{name}-web"), 0, |marker| {
            marker.set = Some("chat".to_owned());
            marker.tombstone = Some(at(-400));
        });
    }
    world.fleet.sets.insert("chat".to_owned(), set(true, Completeness::Complete));
    world
}

#[test]
fn an_environment_ends_at_its_age_counted_from_its_oldest_machine() {
    let aged = |hours: u64| {
        let mut world = World::of("web: {image: 'x:1', count: 2}");
        world.machines("e-web")[1].created_at = Some(at(-7200));
        wanted(&mut world, "e").max_age = Some(std::time::Duration::from_hours(hours));
        world
    };
    is_quiet(&aged(4));
    let soon = "notice ExpiresSoon: expires at 2027-01-15 09:00 UTC; `hangar extend e 48h` keeps it";
    tells(&aged(3), &[soon]);
    let told = aged(2).told();
    assert!(
        told[0].starts_with("mark app e-web: its environment expired at 2027-01-15 08:00 UTC: it is deleted after"),
        "{told:#?}"
    );
    assert_eq!(told[1..], ["notice Expired: expired at 2027-01-15 08:00 UTC"]);
    // At rest nothing ends.
    for change in
        [|env: &mut Environment| env.paused = true, |env: &mut Environment| env.level = crate::desired::Level::NoDelete]
    {
        let world = aged(2).with(|world| change(wanted(world, "e")));
        assert!(world.plan().steps.is_empty(), "{:#?}", world.told());
    }
    let other = aged(2).with(|world| world.mark("e-web", 1, |marker| marker.owner = "them".into()));
    assert!(!other.told().iter().any(|line| line.contains("xpire")), "{:#?}", other.told());
}

#[test]
fn of_several_ends_the_first_counts_and_a_person_puts_it_off() {
    let ending = |fixed: Option<i64>, idle: Option<i64>, kept: Option<i64>| {
        let mut world = World::of(ONE);
        let env = wanted(&mut world, "e");
        (env.expires_at, env.idle_at) = (fixed.map(at), idle.map(at));
        env.preview = Some(Preview { url: Some("https://example.com".to_owned()), ..preview(1, None) });
        world.mark("e-web", 0, |marker| {
            marker.set = Some("chat".to_owned());
            marker.keep_until = kept.map(at);
        });
        world
    };
    let soon = "; `hangar extend e 48h`, or the label `preview:keep` on pull request a/b#1, keeps it";
    is_quiet(&ending(Some(3601), Some(3601), None));
    for (fixed, idle) in [(Some(3600), None), (None, Some(3600)), (Some(3600), Some(9000)), (Some(9000), Some(3600))] {
        tells(&ending(fixed, idle, None), &[&format!("notice ExpiresSoon: expires at 2027-01-15 09:00 UTC{soon}")]);
    }
    tells_of(&ending(Some(0), None, None), &["notice Expired: expired at 2027-01-15 08:00 UTC"]);
    let quiet = "expired at 2027-01-15 08:00 UTC, because nothing had happened in pull request a/b#1 for long; a push brings it back";
    tells_of(&ending(Some(5), Some(0), None), &["notice Expired", quiet]);
    tells_of(&ending(Some(0), Some(5), None), &["notice Expired: expired at 2027-01-15 08:00 UTC"]);
    assert!(!ending(Some(0), Some(5), None).told().join(" ").contains("push"));
    let unlinked = ending(Some(3600), None, None).with(|world| {
        wanted(world, "e").preview.as_mut().unwrap().url = None;
    });
    tells(&unlinked, &["notice ExpiresSoon: expires at 2027-01-15 09:00 UTC; `hangar extend e 48h` keeps it"]);
    is_quiet(&ending(Some(0), None, Some(9000)));
    tells_of(&ending(Some(3600), None, Some(10)), &["notice ExpiresSoon: expires at 2027-01-15 09:00"]);
    // By a comment as well as by a mark.
    let commented = |until: i64| {
        ending(Some(0), None, None).with(|world| {
            wanted(world, "e").preview.as_mut().unwrap().kept_until = Some(at(until));
        })
    };
    is_quiet(&commented(9000));
    tells_of(&commented(3600), &["notice ExpiresSoon: expires at 2027-01-15 09:00"]);
    // A mark whose time is over goes with the next write.
    let past = ending(None, None, Some(-5));
    tells_one(&past, &["mark machine app/iad/0 of e-web: our record of it changes on m1", "hangar_keep_until=-"]);
    let now = ending(None, None, Some(0));
    tells_one(&now, &["hangar_keep_until=-"]);
}

#[test]
fn a_person_extends_a_life_by_marks_on_its_machines() {
    let extended = |change: fn(&mut World)| {
        World::of("web: {image: 'x:1', count: 2}").with(|world| {
            world.request.purpose = Purpose::Extend("e".into(), at(7200));
            change(world);
        })
    };
    let until = at(7200).timestamp();
    let mark = |slot: u32, id: &str, before: &str| {
        format!(
            "mark machine app/iad/{slot} of e-web: a person wants it kept longer [keepUntil={before}>2027-01-15 10:00 UTC] on {id} {{hangar_keep_until={until}}}"
        )
    };
    tells(&extended(|_| {}), &[&mark(0, "m1", ""), &mark(1, "m2", "")]);
    let longer = extended(|world| {
        world.mark("e-web", 0, |marker| marker.keep_until = Some(at(7200)));
        world.mark("e-web", 1, |marker| marker.keep_until = Some(at(3600)));
    });
    tells(&longer, &[&mark(1, "m2", "2027-01-15 09:00 UTC")]);
    let others = extended(|world| {
        world.mark("e-web", 0, |marker| marker.env = "other".into());
        world.machines("e-web")[1].state = crate::observed::MachineState::parse("destroyed");
    });
    is_quiet(&others);
    let slot = MachineSlot { group: "app".to_owned(), region: "iad".to_owned(), ordinal: 0 };
    let key = ResourceKey::Machine { app: "e-web".into(), slot };
    let mut noted = extended(|world| drop(world.machines("e-web").pop()));
    noted.note(key, Verb::Update, "m1");
    tells_one(&noted, &["waits OwnWritePending: mark machine app/iad/0"]);
    let unread = extended(|world| world.detail("e-web").machines = unknown("no answer"));
    tells(&unread, &["waits ObservationIncomplete: app `e-web` was not read completely"]);
    is_quiet(&extended(|world| {
        world.scope.details.clear();
        world.look();
    }));
    let level = extended(|world| wanted(world, "e").level = crate::desired::Level::NoDelete);
    tells(&level, &["notice Level: its level lets nothing end"]);
    let paused = extended(|world| wanted(world, "e").paused = true);
    tells(&paused, &["notice Level: paused: nothing in it is changed"]);
    let unasked = extended(|world| world.request.purpose = Purpose::Extend("other".into(), at(7200)));
    tells(&unasked, &["blocked Expired: no spec asks for `other`, so that a longer life would not keep it"]);
}

#[test]
fn a_closed_preview_goes_at_its_sets_moment_without_a_tombstone() {
    let ended = |second: i64| {
        World::living(&[("kept", "", ONE), ("pr-1", "", ONE)]).with(|world| {
            world.fleet = fleet(&[("kept", "", ONE)]);
            world.mark("pr-1-web", 0, |marker| marker.set = Some("chat".to_owned()));
            let ended =
                Ended { set: "chat".to_owned(), at: at(second), reason: "pull request a/b#1 was merged".to_owned() };
            world.fleet.ended.insert("pr-1".into(), ended);
        })
    };
    tells(&ended(0), &["delete app pr-1-web: pull request a/b#1 was merged [app=pr-1-web>] counts as None"]);
    let text =
        "waits Grace: delete app `pr-1-web` (pull request a/b#1 was merged): the set's grace has not passed (until 1)";
    tells(&ended(1), &[text]);
    // However many they are: a person has closed each.
    tells_one(&ended(0).with(|world| world.policy.budget.max_deletions = 0), &["delete app pr-1-web"]);
    // The name alone proves nothing: a machine in it has to name the preview.
    let bare = ended(0).with(|world| world.machines("pr-1-web").clear());
    tells_one(&bare, &["set secrets of pr-1-web", "HANGAR_TOMBSTONE"]);
}

#[test]
fn several_previews_of_a_set_that_suddenly_names_none_are_held() {
    let deleted = |world: &World| world.told().iter().filter(|line| line.starts_with("delete")).count();
    let three = ["pr-1", "pr-2", "pr-3"];
    let held = left_by_chat(&three);
    let now = at(0).timestamp();
    let mark = format!(
        "its set suddenly names no preview: it stays until a person has looked on m2 {{hangar_emptied={now}, hangar_released=-}}"
    );
    assert!(held.told()[0].ends_with(&mark), "{:#?}", held.told());
    let text = "blocked PreviewsSuddenlyGone: preview set `chat` suddenly names no preview at all, though 3 of its environments are live that nobody has closed; they stay until it names some again, or a person has looked. `hangar gc --acknowledge ";
    tells_of(&held, &[text, " lets exactly this set go: pr-1, pr-2, pr-3"]);
    assert_eq!(deleted(&held), 0);
    assert_eq!(deleted(&left_by_chat(&three[..2])), 2);
    // One that was held stays held though it is alone now, and goes when the set names some again.
    let alone = left_by_chat(&three[..1]).with(|world| {
        world.machines("pr-1-web")[0].metadata.insert("hangar_emptied".to_owned(), now.to_string());
    });
    tells_one(&alone, &["though 1 of its environments is live"]);
    let filled =
        alone.with(|world| drop(world.fleet.sets.insert("chat".to_owned(), set(false, Completeness::Complete))));
    tells(&filled, &["mark app pr-1-web: its set is not empty any more on m2 {hangar_emptied=-}"]);
    for is_counted in [
        held.clone().with(|world| drop(world.fleet.sets.insert("chat".to_owned(), set(false, Completeness::Complete)))),
        held.clone().with(|world| world.fleet.sets.clear()),
    ] {
        assert_eq!(deleted(&is_counted), 3, "{:#?}", is_counted.told());
    }
    // What somebody asks for, or has closed, is not counted as left.
    let closed = held.clone().with(|world| {
        let ended = Ended { set: "chat".to_owned(), at: at(0), reason: "it was closed".to_owned() };
        world.fleet.ended.insert("pr-3".into(), ended);
    });
    assert_eq!(deleted(&closed), 3, "{:#?}", closed.told());
    let mut asked = held.clone();
    asked.fleet.environments.extend(fleet(&[("pr-3", "", ONE)]).environments);
    assert_eq!(deleted(&asked), 2, "{:#?}", asked.told());
    // A person lets them go.
    let hash =
        held.told().iter().find_map(|line| Some(line.split_once("--acknowledge ")?.1.get(..12)?.to_owned())).unwrap();
    let consented = held.clone().with(|world| world.memory.acknowledge(&hash));
    tells_of(
        &consented,
        &["mark app pr-1-web: a person has let its deletion go on", &format!("hangar_released={hash}")],
    );
    // An orphan that is no preview of it goes all the while.
    let beside = held.with(|world| {
        let mut more = World::living(&[("pr-1", "", ONE), ("pr-2", "", ONE), ("pr-3", "", ONE), ("old", "", ONE)]);
        more.mark("old-web", 0, |marker| marker.tombstone = Some(at(-400)));
        let detail = more.scope.details.remove(&"old-web".into()).unwrap();
        world.scope.details.insert("old-web".into(), detail);
    });
    assert_eq!(deleted(&beside), 1, "{:#?}", beside.told());
}

#[test]
fn which_orphans_an_emptied_set_may_have_left() {
    let held = |of: Option<&str>, name: &str| {
        let mut world = left_by_chat(&["pr-1", "pr-2", "pr-3"]);
        let mut more = World::living(&[("x", "", ONE), ("y", "", ONE), ("z", "", ONE), (name, "", ONE)]);
        let app = format!("{name}-web");
        more.mark(&app, 0, |marker| {
            marker.set = of.map(str::to_owned);
            marker.tombstone = Some(at(-400));
        });
        let detail = more.scope.details.remove(&app.as_str().into()).unwrap();
        world.scope.details.insert(app.as_str().into(), detail);
        world.fleet.sets.insert(
            "docs".to_owned(),
            PreviewSet { names: NamePattern::of("docs-${{ pr.number }}"), ..set(false, Completeness::Complete) },
        );
        !world.told().iter().any(|line| line.starts_with(&format!("delete app {app}")))
    };
    for (of, name, expected) in [
        (Some("chat"), "odd", true),
        (Some("docs"), "pr-9", false),
        (Some("renamed"), "pr-9", true),
        (Some("renamed"), "odd", false),
        (None, "pr-9", true),
        (None, "odd", false),
    ] {
        assert_eq!(held(of, name), expected, "{of:?} {name}");
    }
    // Of an app without a machine nothing says whose it was.
    let bare = left_by_chat(&["pr-1", "pr-2", "pr-3", "odd"]).with(|world| {
        world.machines("odd-web").clear();
        let secret = crate::observed::Secret {
            name: "HANGAR_TOMBSTONE".to_owned(),
            digest: String::new(),
            created_at: Some(at(-400)),
        };
        world.secrets("odd-web").push(secret);
    });
    assert!(!bare.told().iter().any(|line| line.starts_with("delete")), "{:#?}", bare.told());
}

#[test]
fn what_a_set_may_want_of_which_not_everything_is_known_is_kept() {
    let kept = |of: Option<&str>, name: &str| {
        let mut world = left_by_chat(&[name]);
        world.mark(&format!("{name}-web"), 0, |marker| marker.set = of.map(str::to_owned));
        world.fleet.sets.insert("chat".to_owned(), set(false, incomplete()));
        world.fleet.sets.insert(
            "docs".to_owned(),
            PreviewSet { names: NamePattern::of("docs-${{ pr.number }}"), ..set(false, Completeness::Complete) },
        );
        let told = world.told();
        if told[0].starts_with("waits") {
            assert_eq!(
                told,
                [
                    "waits SourceIncomplete: it is kept while it is not known whether somebody wants it: iad does not answer"
                ]
            );
        }
        told[0].starts_with("waits")
    };
    for (of, name, expected) in [
        (Some("chat"), "odd", true),
        (Some("docs"), "odd", false),
        (Some("docs"), "pr-9", true),
        (Some("renamed"), "odd", true),
        (None, "odd", true),
    ] {
        assert_eq!(kept(of, name), expected, "{of:?} {name}");
    }
}

#[test]
fn previews_beyond_the_limit_of_their_set_wait_in_its_queue() {
    let queue = |live: &[&str], limit: Option<usize>, change: fn(&mut World)| {
        let environments: Vec<(&str, &str, &str)> = live.iter().map(|name| (*name, "", ONE)).collect();
        let mut world = World::living(&environments);
        world.fleet = fleet(&[("pr-1", "", ONE), ("pr-2", "", ONE), ("pr-3", "", ONE)]);
        world.look();
        for (name, place) in [("pr-1", 3), ("pr-2", 2), ("pr-3", 1)] {
            wanted(&mut world, name).preview = Some(preview(place, limit));
        }
        for name in live {
            world.mark(&format!("{name}-web"), 0, |marker| marker.set = Some("chat".to_owned()));
        }
        change(&mut world);
        let told = world.told();
        told.into_iter().filter(|line| line.contains("Queued")).collect::<Vec<_>>()
    };
    let text = |place: usize, count: usize, limit: &str| {
        format!(
            "waits Queued: waits in the queue of preview set `chat`, at place {place} of {count}: the set has room for {limit} at once"
        )
    };
    assert_eq!(queue(&[], Some(2), |_| {}), [text(1, 1, "2 previews")]);
    assert_eq!(queue(&[], Some(1), |_| {}), [text(2, 2, "1 preview"), text(1, 2, "1 preview")]);
    assert_eq!(queue(&[], Some(3), |_| {}).len() + queue(&[], None, |_| {}).len(), 0);
    assert_eq!(queue(&["pr-1"], Some(2), |_| {}), [text(1, 1, "2 previews")]);
    // One that has expired is not made, and takes no place.
    assert_eq!(queue(&[], Some(2), |world| wanted(world, "pr-3").expires_at = Some(at(0))).len(), 0);
    assert_eq!(queue(&[], Some(2), |world| wanted(world, "pr-3").expires_at = Some(at(1))).len(), 1);
    // What is being deleted counts until it is gone.
    let closing = |world: &mut World| {
        let ended = Ended { set: "chat".to_owned(), at: at(9), reason: "it was closed".to_owned() };
        world.fleet.ended.insert("pr-9".into(), ended.clone());
        world.fleet.ended.insert("pr-8".into(), ended);
    };
    assert_eq!(queue(&["pr-9"], Some(3), closing).len(), 1);
    assert_eq!(queue(&[], Some(3), closing).len(), 0);
    let gone = |world: &mut World| {
        let ended = Ended { set: "chat".to_owned(), at: at(9), reason: "it was closed".to_owned() };
        world.fleet.ended.insert("pr-8".into(), ended);
    };
    assert_eq!(queue(&["pr-9"], Some(3), gone).len(), 0);
}

#[test]
fn a_policy_bounds_how_long_a_person_keeps_a_preview() {
    let extended = |seconds: i64, is_preview: bool| {
        World::of(ONE).with(|world| {
            wanted(world, "e").preview = is_preview.then(|| preview(1, None));
            world.mark("e-web", 0, |marker| marker.set = is_preview.then(|| "chat".to_owned()));
            world.policy.max_preview_ttl = Some(std::time::Duration::from_hours(2));
            world.request.purpose = Purpose::Extend("e".into(), at(seconds));
        })
    };
    let text =
        "blocked PolicyViolation: the policy lets nobody keep a preview for longer than `2h` (`previews.maxTtl`)";
    tells(&extended(7201, true), &[text]);
    tells_of(&extended(7200, true), &["mark machine app/iad/0 of e-web: a person wants it kept longer"]);
    tells_of(&extended(7201, false), &["mark machine app/iad/0 of e-web: a person wants it kept longer"]);
}

#[test]
fn a_comment_that_asks_for_it_has_machines_written_again_once() {
    let asked = |comment: Option<u64>, done: Option<u64>| {
        World::of(ONE).with(|world| {
            wanted(world, "e").preview = Some(Preview { redeploy: comment, ..preview(1, None) });
            world.mark("e-web", 0, |marker| {
                marker.set = Some("chat".to_owned());
                marker.redeploy = done;
            });
        })
    };
    for world in [asked(None, None), asked(Some(42), Some(42)), asked(Some(42), Some(43))] {
        is_quiet(&world);
    }
    let text = "update machine app/iad/0 of e-web: a person has asked for it in a comment [redeploy=>42]";
    tells_of(&asked(Some(42), None), &[text]);
    tells_of(&asked(Some(42), Some(41)), &["[redeploy=41>42]"]);
}

#[test]
fn a_preview_waits_for_its_image_and_says_after_its_deadline_that_it_is_not_there() {
    let image = crate::resource::image::ImageReference::parse("x:2").to_string();
    let waiting = |since: i64, is_preview: bool| {
        World::of(ONE).want("web: {image: 'x:2'}").with(|world| {
            wanted(world, "e").preview =
                is_preview.then(|| Preview { sha: Some("abc".to_owned()), ..preview(1, None) });
            let missing = crate::observed::ImageAnswer::Missing { ask_again: at(30) };
            world.images.insert(image.clone(), missing);
            world.memory.missing_images.insert(image.clone(), at(since));
        })
    };
    let text = format!("waits ImagePending: waits for image `{image}`, until 2027-01-15 08:00 UTC (until 30)");
    tells(&waiting(-899, true), &[&text]);
    let text = format!(
        "blocked ImageMissing: image `{image}` is not in its registry after 15m: see whether the build of commit abc has pushed it under this name (until 30)"
    );
    tells(&waiting(-900, true), &[&text]);
    tells_of(&waiting(-900, false), &["update machine app/iad/0 of e-web"]);
    let there = waiting(0, true).with(|world| {
        world.images.insert(image.clone(), crate::observed::ImageAnswer::Here);
    });
    tells_of(&there, &["update machine app/iad/0 of e-web"]);
    // What a machine runs already is there.
    let running = waiting(0, true).with(|world| {
        let config = world.machines("e-web")[0].config.as_mut().unwrap();
        config["image"] = "x:2".into();
    });
    assert!(!running.told().iter().any(|line| line.contains("Image")), "{:#?}", running.told());
}
