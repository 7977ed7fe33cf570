//! Objects at other providers: when one is made, changed, marked, waited for, left alone, and when it goes.

use super::world::{World, at, fleet, incomplete, is_quiet, tells, tells_of, tells_one};
use crate::desired::{Ended, NamePattern, PreviewSet, Wanted};
use crate::memory::{Rejection, Verb};
use crate::observed::ObjectState;
use crate::plan::{Action, NO_ROOM, Purpose};
use crate::resource::{ObjectKey, ObjectKind, Provider, ResourceKey, ScopeKey};

pub(super) const NEON: &str = "neon: {project: p, branches: {main: {compute: {min: 0.5}}}},";
const RETAINED: &str = "neon: {project: p, branches: {main: {deletionPolicy: retain}}},";
/// An app that uses the branch.
const WEB: &str = "web: {image: 'x:1', env: {DB: '${{ neon.main.host }}'}}";

/// The environment `e` has a branch, and an app that uses it.
fn living() -> World {
    World::living(&[("e", NEON, WEB)])
}

/// The branch alone, of which these lines are changed: its app is not what most of these tests are about.
pub(super) fn alone(change: impl FnOnce(&mut World)) -> World {
    World::living(&[("e", NEON, "")]).with(change)
}

pub(super) fn key(name: &str) -> ResourceKey {
    let scope = ScopeKey::new(Provider::Neon, "p");
    ResourceKey::Object(ObjectKey { scope, object: ObjectKind::NeonBranch, name: name.to_owned() })
}

pub(super) fn listing(world: &mut World) -> &mut crate::desired::Completeness {
    &mut world.objects.values_mut().next().unwrap().objects.completeness
}

/// `kept` is wanted, and `e` is not any more; its branch has stood with a tombstone since this second.
pub(super) fn standing(second: i64) -> World {
    let mut world = World::living(&[("e", NEON, ""), ("kept", NEON, "")]);
    world.fleet = fleet(&[("kept", NEON, "")]);
    mark(&mut world, "tombstone", &at(second).timestamp().to_string());
    world
}

pub(super) fn mark(world: &mut World, mark: &str, value: &str) {
    world.object("e-main").marks.insert(format!("hangar_{mark}"), value.to_owned());
}

/// The names of the steps that change an object.
fn writes(world: &World) -> Vec<String> {
    let plan = world.plan();
    let writes = plan.steps.iter().filter(|step| step.action.verb().is_some() && step.key.object().is_some());
    writes.map(|step| format!("{} {}", step.action.name(), step.key)).collect()
}

#[test]
fn what_is_not_there_is_made_and_what_uses_it_waits_until_it_is_known() {
    let world = World::wanting(&[("e", NEON, WEB)]);
    let plan = world.plan();
    let place = |is_it: fn(&Action) -> bool| plan.steps.iter().find(|step| is_it(&step.action)).unwrap();
    let made = place(|action| matches!(action, Action::CreateObject(_)));
    let ready = place(|action| matches!(action, Action::WaitObject { .. }));
    let used = place(|action| matches!(action, Action::CreateMachine(_)));
    assert!(ready.after.contains(&made.id) && used.after.contains(&ready.id), "{:#?}", world.told());
    is_quiet(&living());
}

#[test]
fn what_waits_for_a_part_that_was_not_asked_for_waits() {
    let world = World::wanting(&[("e", NEON, WEB)]);
    let select = |component: &str| world.clone().with(|world| world.request.component = Some(component.into()));
    assert_eq!(writes(&select("neon.main")), ["create Neon branch e-main of p"]);
    let web = select("web");
    assert_eq!(writes(&web), Vec::<String>::new());
    let waits = "waits DependencyBlocked: machine app/iad/0 of e-web comes after Neon branch e-main of p of `neon.main`, which was not asked for: run that first, or all at once without `--only`";
    tells_of(&web, &[waits]);
    // No half of an app, without a machine that says whose it is.
    assert!(web.plan().steps.is_empty(), "{:#?}", web.told());
}

#[test]
fn what_is_made_from_another_environments_branch_waits_until_that_is_there() {
    const CHILD: &str = "neon: {project: p, branches: {main: {parent: base-main}}},";
    let both = [("base", NEON, ""), ("e", CHILD, "")];
    let begun = World::wanting(&both);
    assert_eq!(writes(&begun), ["create Neon branch base-main of p"]);
    let text = "waits DependencyBlocked: Neon branch e-main of p waits for Neon branch base-main of p, which environment `base` makes";
    tells_of(&begun, &[text]);
    let there = World::living(&[("base", NEON, "")]).with(|world| {
        world.fleet = fleet(&both);
        world.look();
    });
    assert_eq!(writes(&there), ["create Neon branch e-main of p"]);
    // Whether there is one that nobody makes, Neon knows.
    assert_eq!(writes(&World::wanting(&[("e", CHILD, "")])), ["create Neon branch e-main of p"]);
}

#[test]
fn what_cannot_be_seen_is_not_made() {
    let unseen = World::wanting(&[("e", NEON, "")]).with(|world| *listing(world) = incomplete());
    tells_one(&unseen, &["waits ObservationIncomplete: whether Neon branch e-main of p exists cannot be told"]);
    let unread = World::wanting(&[("e", NEON, "")]).with(|world| world.objects.clear());
    tells_one(&unread, &["waits ObservationIncomplete: ", "was not looked at in this pass"]);
    // What is seen is there, whatever else is not.
    is_quiet(&alone(|world| *listing(world) = incomplete()));
    let afar = alone(|world| world.object("e-main").is_close = false);
    tells_one(&afar, &["waits ObservationIncomplete: ", "was not looked at closely"]);
}

#[test]
fn what_is_not_ours_is_left_alone_unless_it_is_adopted() {
    let strange = |adopt: &str| {
        let neon = format!("neon: {{project: p, branches: {{main: {{{adopt}compute: {{min: 2}}}}}}}},");
        let mut world = World::living(&[("e", NEON, "")]);
        world.fleet = fleet(&[("e", &neon, "")]);
        world.object("e-main").marker = None;
        world.object("e-main").made_by = Some("ada".to_owned());
        world
    };
    let text = "blocked NotOurs: Neon branch e-main of p exists and is not ours (made by ada); it is left alone";
    tells_one(&strange(""), &[text]);
    assert_eq!(writes(&strange("adopt: true, ")), ["update Neon branch e-main of p"]);
    // A marker that names another object says nothing of this one.
    let copied = alone(|world| world.object("e-main").marker.as_mut().unwrap().name = "other".to_owned());
    tells_one(&copied, &["blocked NotOurs: Neon branch e-main of p exists and is not ours"]);
    let theirs = alone(|world| world.object("e-main").marker.as_mut().unwrap().owner = "them".into());
    tells_one(&theirs, &["blocked NotOurs: Neon branch e-main of p exists and is not ours"]);
    let shared = alone(|world| {
        world.fleet.environments.insert("other".into(), Wanted::Broken { reason: String::new() });
        world.object("e-main").marker.as_mut().unwrap().env = "other".into();
    });
    tells_of(&shared, &["blocked NotOurs: Neon branch e-main of p belongs to environment `other`"]);
    assert_eq!(writes(&shared), Vec::<String>::new());
}

#[test]
fn what_is_on_its_way_is_waited_for_and_what_has_failed_is_told() {
    let changing = alone(|world| {
        world.object("e-main").state = ObjectState::Changing { what: "it is init".to_owned() };
        world.object("e-main").fields.clear();
    });
    tells(&changing, &["wait Neon branch e-main of p: it is not ready yet"]);
    let failed = alone(|world| {
        world.object("e-main").state = ObjectState::Failed { message: "no disk".to_owned() };
        world.object("e-main").fields.clear();
    });
    tells_one(&failed, &["blocked ObjectFailed: Neon branch e-main of p: no disk"]);
}

#[test]
fn what_differs_is_changed_and_what_counts_only_at_birth_is_not() {
    let changed = alone(|world| drop(world.object("e-main").fields.insert("minCu".to_owned(), 2.into())));
    assert_eq!(writes(&changed), ["update Neon branch e-main of p"]);
    tells_of(&changed, &["update Neon branch e-main of p: it is not as the spec has it [minCu=2>0.5]"]);
    // What the spec does not say is left as it is.
    is_quiet(&alone(|world| drop(world.object("e-main").fields.insert("maxCu".to_owned(), 8.into()))));
    let mut born = World::living(&[("e", "neon: {project: p, branches: {main: {parent: main}}},", "")]);
    born.object("e-main").fields.insert("parent".to_owned(), "another".into());
    is_quiet(&born);
}

#[test]
fn what_was_refused_is_not_asked_for_again_and_no_room_is_a_queue() {
    let refused = |reason: &str, retry: i64| {
        let mut world = World::wanting(&[("e", NEON, "")]);
        let plan = world.plan();
        let Action::CreateObject(change) = &plan.steps[0].action else { panic!() };
        let rejection = Rejection {
            hash: change.hash.clone(),
            reason: reason.to_owned(),
            message: "422".to_owned(),
            at: at(-10),
            retry_at: at(retry),
            attempts: 1,
        };
        world.memory.rejections.insert(key("e-main").to_string(), rejection);
        world
    };
    let text = "blocked RolloutRejected: Neon branch e-main of p: this was tried and refused: 422";
    tells_one(&refused("Refused", 10), &[text]);
    tells_one(&refused(NO_ROOM, 10), &["waits Queued: Neon branch e-main of p waits: 422 (until 10)"]);
    assert_eq!(writes(&refused("Refused", 0)), ["create Neon branch e-main of p"]);
    let changed = refused("Refused", 10).with(|world| {
        world.fleet = fleet(&[("e", "neon: {project: p, branches: {main: {compute: {min: 1}}}},", "")]);
    });
    assert_eq!(writes(&changed), ["create Neon branch e-main of p"]);
}

#[test]
fn an_own_write_without_an_answer_stops_the_next_one() {
    let created = World::wanting(&[("e", NEON, "")]).with(|world| world.note(key("e-main"), Verb::Create, ""));
    tells_one(&created, &["waits OwnWritePending: ", "(until "]);
    let updated = alone(|world| {
        world.object("e-main").fields.clear();
        world.note(key("e-main"), Verb::Update, "");
    });
    tells_one(&updated, &["waits OwnWritePending: an earlier write to Neon branch e-main of p may still take effect"]);
    let marked = alone(|world| {
        mark(world, "tombstone", "1");
        world.note(key("e-main"), Verb::Update, "");
    });
    tells_one(&marked, &["waits OwnWritePending: ", "mark Neon branch e-main of p"]);
    let going = standing(-400).with(|world| world.note(key("e-main"), Verb::Update, ""));
    tells_one(&going, &["waits OwnWritePending: ", "delete Neon branch e-main of p"]);
}

#[test]
fn what_is_wanted_again_loses_the_marks_of_what_was_leaving() {
    for name in ["tombstone", "held", "emptied", "released"] {
        let world = alone(|world| mark(world, name, "1"));
        let text = format!("mark Neon branch e-main of p: its marks are not up to date {{hangar_{name}=-}}");
        tells(&world, &[&text]);
    }
}

#[test]
fn protection_and_retention_are_noted_on_it() {
    let marked = |more: &str, mark: &str| {
        let world = alone(|world| world.fleet = fleet(&[("e", more, "")]));
        let text = format!("mark Neon branch e-main of p: its marks are not up to date {{hangar_{mark}=1}}");
        tells(&world, &[&text]);
        let mut back = world.clone();
        back.settle();
        back.fleet = fleet(&[("e", NEON, "")]);
        tells(&back, &[&text.replace("=1}", "=-}")]);
    };
    marked(&format!("protect: true, {NEON}"), "protect");
    marked(RETAINED, "retain");
    // Where it is made with them, there is nothing to mark.
    is_quiet(&World::living(&[("e", RETAINED, "")]));
}

#[test]
fn a_level_allows_only_so_much() {
    let at_level = |level: &str, change: fn(&mut World)| {
        let more = format!("level: {level}, {NEON}");
        alone(|world| {
            world.fleet = fleet(&[("e", &more, "")]);
            change(world);
        })
    };
    let differs = |world: &mut World| world.object("e-main").fields.clear();
    let gone = |world: &mut World| world.objects.values_mut().for_each(|scope| scope.objects.items.clear());
    for (level, made, changed) in [("observe", 0, 0), ("createOnly", 1, 0), ("noDelete", 1, 1)] {
        assert_eq!(writes(&at_level(level, gone)).len(), made, "{level}");
        assert_eq!(writes(&at_level(level, differs)).len(), changed, "{level}");
        // What such an environment no longer has stays.
        let mut world = at_level(level, |_| ());
        world.fleet = fleet(&[("e", &format!("level: {level},"), WEB_ALONE)]);
        world.look();
        assert!(
            !writes(&world).iter().any(|write| write.starts_with("delete") || write.starts_with("mark")),
            "{level}"
        );
    }
}

const WEB_ALONE: &str = "web: {image: 'x:1'}";

#[test]
fn what_uses_an_object_that_is_stuck_waits() {
    let strange = World::wanting(&[("e", NEON, WEB)]).with(|world| {
        let mut other = living();
        let mut branch = other.object("e-main").clone();
        branch.marker = None;
        world.objects.values_mut().next().unwrap().objects.items.push(branch);
    });
    tells_of(&strange, &["blocked NotOurs: Neon branch e-main of p"]);
    tells_of(&strange, &["waits DependencyBlocked: "]);
    assert!(!strange.told().iter().any(|line| line.starts_with("create machine")), "{:#?}", strange.told());
}

#[test]
fn an_orphan_gets_a_tombstone_and_goes_after_grace() {
    let mut world = standing(0);
    world.object("e-main").marks.clear();
    let text = format!(
        "mark Neon branch e-main of p: no spec asks for its environment: it is deleted after 300 s of grace {{hangar_tombstone={}}}",
        at(0).timestamp()
    );
    tells(&world, &[&text]);
    tells_one(&standing(-299), &["waits Grace: delete Neon branch e-main of p", "(until 1)"]);
    let text =
        "delete Neon branch e-main of p: no spec asks for its environment [branch=e-main>] counts as Some(\"e\")";
    tells(&standing(-300), &[text]);
    // One that its environment no longer has goes the same way.
    let mut part = living();
    part.fleet = fleet(&[("e", "", WEB_ALONE)]);
    assert!(writes(&part)[0].starts_with("mark"), "{:#?}", part.told());
}

#[test]
fn nothing_goes_that_may_be_wanted_or_is_not_ours() {
    let changes: [fn(&mut World); 12] = [
        |world| *listing(world) = incomplete(),
        |world| world.scope.machines.completeness = incomplete(),
        |world| world.fleet.source = incomplete(),
        |world| drop(world.fleet.environments.insert("broken".into(), Wanted::Broken { reason: String::new() })),
        |world| world.fleet.environments.clear(),
        |world| mark(world, "protect", "1"),
        |world| mark(world, "retain", "1"),
        |world| world.policy.protected = vec!["e*".to_owned()],
        |world| world.object("e-main").marker = None,
        |world| world.object("e-main").marker.as_mut().unwrap().name = "other".to_owned(),
        |world| world.object("e-main").marker.as_mut().unwrap().owner = "them".into(),
        |world| world.memory.blank_since = Some(at(-60)),
    ];
    for change in changes {
        let world = standing(-400).with(change);
        let deletes: Vec<_> = writes(&world).into_iter().filter(|write| write.starts_with("delete")).collect();
        assert_eq!(deletes, Vec::<String>::new(), "{:#?}", world.told());
    }
    assert_eq!(writes(&standing(-400)), ["delete Neon branch e-main of p"]);
}

#[test]
fn a_person_ends_it_at_once_also_where_it_is_retained() {
    let destroyed = |change: fn(&mut World)| {
        standing(0).with(|world| {
            world.object("e-main").marks.clear();
            world.request.purpose = Purpose::Destroy("e".into());
            change(world);
        })
    };
    assert_eq!(writes(&destroyed(|_| ())), ["delete Neon branch e-main of p"]);
    assert_eq!(writes(&destroyed(|world| mark(world, "retain", "1"))), ["delete Neon branch e-main of p"]);
    tells_one(&destroyed(|world| mark(world, "protect", "1")), &["blocked Protected: Neon branch e-main of p"]);
    tells_one(&destroyed(|world| *listing(world) = incomplete()), &["waits ObservationIncomplete: nothing is deleted"]);
}

#[test]
fn an_ended_preview_needs_no_tombstone() {
    let ended = |second| {
        standing(0).with(|world| {
            world.object("e-main").marks.clear();
            let ended = Ended { set: "set".to_owned(), at: at(second), reason: "pull request 1 was closed".to_owned() };
            world.fleet.ended.insert("e".into(), ended);
        })
    };
    let text = "delete Neon branch e-main of p: pull request 1 was closed [branch=e-main>] counts as None";
    tells(&ended(0), &[text]);
    tells_one(&ended(1), &["waits Grace: delete Neon branch e-main of p", "(until 1)"]);
}

#[test]
fn too_many_are_held_and_those_without_an_app_count() {
    let names = ["a", "b", "c", "d", "kept"];
    let all: Vec<(&str, &str, &str)> = names.iter().map(|name| (*name, NEON, "")).collect();
    let mut world = World::living(&all);
    world.fleet = fleet(&[("kept", NEON, "")]);
    world.policy.budget.max_deletions = 3;
    tells_of(&world, &["blocked BudgetExceeded: 4 deletions of 5 owned (0 done within the last "]);
    assert!(writes(&world).iter().all(|write| write.starts_with("mark")), "{:#?}", world.told());
    tells_of(&world, &["too many deletions at once: it stays until a person has looked {hangar_held="]);
}

#[test]
fn a_set_of_which_not_everything_is_known_keeps_its_branches() {
    let of = |set: Option<&str>, names: &str| {
        standing(-400).with(|world| {
            world.object("e-main").marker.as_mut().unwrap().set = set.map(str::to_owned);
            let silent = PreviewSet { completeness: incomplete(), is_empty: false, names: NamePattern::of(names) };
            world.fleet.sets.insert("silent".to_owned(), silent);
        })
    };
    for world in [of(Some("silent"), "pr-${{ pr.number }}"), of(None, "e"), of(None, "pr-${{ pr.number }}")] {
        tells_one(&world, &["waits SourceIncomplete: it is kept while it is not known whether somebody wants it"]);
    }
}

#[test]
fn data_goes_last_and_waits_for_an_app_that_is_kept() {
    let ending = |change: fn(&mut World)| {
        let mut world = World::living(&[("e", NEON, WEB), ("kept", NEON, "")]);
        world.fleet = fleet(&[("kept", NEON, "")]);
        mark(&mut world, "tombstone", &at(-400).timestamp().to_string());
        world.mark("e-web", 0, |marker| marker.tombstone = Some(at(-400)));
        world.with(change)
    };
    let plan = ending(|_| ()).plan();
    let order: Vec<&str> = plan.steps.iter().map(|step| step.action.name()).collect();
    assert_eq!(order, ["delete", "delete"]);
    assert!(plan.steps[0].key.app().is_some() && plan.steps[1].after == [plan.steps[0].id], "{:#?}", plan.steps);
    // The app is not due yet, or not at all.
    let later = ending(|world| world.mark("e-web", 0, |marker| marker.tombstone = Some(at(-10))));
    tells_of(&later, &["waits Finalizing: delete Neon branch e-main of p: it waits for other parts"]);
    let kept = ending(|world| {
        let machine = &mut world.machines("e-web")[0];
        machine.metadata.insert("hangar_protect".to_owned(), "true".to_owned());
    });
    for world in [later, kept] {
        assert_eq!(writes(&world), Vec::<String>::new(), "{:#?}", world.told());
    }
}
