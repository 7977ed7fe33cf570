//! Histories by hand, for rules that guard what the explorers' small platform does not have. Each says what happens under `rules`:
//! no harm under all of them, and harm without the one that it is about.

use chrono::TimeDelta;
use hangar::desired::{Completeness, Ended, NamePattern, PreviewSet, Sleep, SleepMode, Wanted};
use hangar::memory::{Note, NoteOutcome, Verb};
use hangar::observed::{Presence, Reading};
use hangar::plan::{Action, Adoption, Purpose};
use hangar::resource::ResourceKey;
use hangar::rules::Rules;

use crate::fleet::environment;
use crate::script::{Outcome, Script, deletes_app, scope};
use crate::view::{moment, now};
use crate::world::{LiveMachine, LiveVolume, NOW, TICK, World};

/// An environment that is left as it is, so that the source is not empty.
const KEEPER: &str = "---\napiVersion: hangar/v1\nkind: Environment\nmetadata: {name: keeper}\nspec: {pause: true, fly: {org: acme, region: iad, apps: {web: {image: 'x:1'}}}}\n";

fn wanted(name: &str, app: &str) -> String {
    environment(name, "1", app)
}

fn key(app: &str) -> ResourceKey {
    ResourceKey::App { app: app.into() }
}

/// Environment `one` is renamed to `other`, and its app keeps its name.
pub(crate) fn another_environment_names_our_app(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", ""), &environment("other", "2", "name: one-web")]);
    script.spec(1);
    script.look(rules, |_| ()).harm(|step| step.env.as_str() == "other")
}

/// An adopted app, in which somebody else has a machine too, is wanted no longer.
pub(crate) fn adopted_app_with_foreign_machines(rules: Rules) -> Outcome {
    let mut world = World::default();
    let mut app = world.new_app("", true);
    for name in ["old", "theirs"] {
        let id = format!("m{}", world.mint());
        app.machines.push(LiveMachine {
            id,
            name: name.to_owned(),
            region: "iad".to_owned(),
            started: true,
            version: 0,
            config: r#"{"image":"x:0"}"#.to_owned(),
            metadata: std::collections::BTreeMap::new(),
            stranger: name == "theirs",
        });
    }
    world.apps.insert("one-web".to_owned(), app);
    let mut script = Script::converged_in(rules, &[&(wanted("one", "adopt: true") + KEEPER), KEEPER], world);
    script.spec(1);
    script.pass();
    script.tick(4);
    script.look(rules, |_| ()).harm(deletes_app)
}

/// What comes of the adoption of what fits `pattern`, where `app` was left without a machine and with these secrets.
fn adopting(
    rules: Rules,
    spec: &str,
    (app, secrets): (&str, &[&str]),
    pattern: &str,
    consent: Option<&str>,
) -> Outcome {
    let mut world = World::default();
    let mut left = world.new_app("", true);
    left.secrets.extend(secrets.iter().map(|name| ((*name).to_owned(), ("digest".to_owned(), NOW))));
    world.apps.insert(app.to_owned(), left);
    let script = Script::converged_in(rules, &[spec], world);
    let pattern = NamePattern::written(pattern).unwrap();
    let purpose = Purpose::Adopt(Adoption { pattern, consent: consent.map(str::to_owned) });
    let looked = script.look_for(purpose, consent.is_none(), rules);
    looked.harm(|step| matches!(step.action, Action::AdoptApp { .. }))
}

/// Older tooling has left an app that another controller has marked.
pub(crate) fn left_with_anothers_mark(rules: Rules) -> Outcome {
    adopting(rules, KEEPER, ("left-web", &["HANGAR_OWNED_0123456789ABCDEF"]), "left-*", None)
}

/// An app that a spec asks for fits the pattern, and is not ours.
pub(crate) fn left_and_wanted(rules: Rules) -> Outcome {
    adopting(rules, &(wanted("one", "") + KEEPER), ("one-web", &[]), "one-*", None)
}

/// A person has seen another list.
pub(crate) fn left_and_not_seen(rules: Rules) -> Outcome {
    adopting(rules, KEEPER, ("left-web", &[]), "left-*", Some("0123456789ab"))
}

/// Somebody has made a volume in our app by hand.
pub(crate) fn volume_made_by_hand(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", "volumes: {data: {size: 1GB, mount: /data}}")]);
    script.edit(|world| {
        world.apps.get_mut("one-web").unwrap().volumes.push(LiveVolume {
            id: "vol99".to_owned(),
            name: "backup".to_owned(),
            region: "iad".to_owned(),
            size_gb: 9,
            attached: None,
        });
    });
    script.look(rules, |_| ()).harm(|step| matches!(&step.action, Action::DeleteVolume { .. }))
}

/// The volume's machine came to be between the reading of the machines and that of the volumes.
pub(crate) fn volume_bound_to_an_unseen_machine(rules: Rules) -> Outcome {
    let script = Script::converged(rules, &[&wanted("one", "volumes: {data: {size: 1GB, mount: /data}}")]);
    let looked = script.look(rules, |observed| {
        let scope = scope(observed);
        scope.machines.items.clear();
        if let Reading::Known { value, .. } = &mut scope.details.get_mut(&"one-web".into()).unwrap().machines {
            value.clear();
        }
    });
    looked.harm(|step| matches!(step.action, Action::CreateVolume { .. }))
}

/// The apps were not listed completely, and a new environment needs a private network of its own.
pub(crate) fn network_by_an_incomplete_listing(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", ""), &wanted("two", "")]);
    script.spec(1);
    let looked = script.look(rules, |observed| {
        let scope = scope(observed);
        scope.apps.items.clear();
        scope.apps.completeness = Completeness::Incomplete { reason: "a page is missing".to_owned() };
        // A direct request says that the new app's name is free.
        let detail = scope.details.get_mut(&"two-web".into()).unwrap();
        detail.presence = Presence::Absent { started_at: now() };
    });
    takes_the_network_of_one(looked)
}

/// The app of one environment is being created and not listed yet, and another environment needs a network.
pub(crate) fn network_of_an_open_creation(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[KEEPER, &(wanted("one", "") + &wanted("two", ""))]);
    script.spec(1);
    script.remember(|memory| {
        memory.note(Note {
            key: key("one-web"),
            env: "one".into(),
            verb: Verb::Create,
            detail: "hangar-us-0".to_owned(),
            sent_at: now(),
            outcome: NoteOutcome::Unknown,
        });
    });
    takes_the_network_of_one(script.look(rules, |_| ()))
}

fn takes_the_network_of_one(looked: crate::script::Looked) -> Outcome {
    looked.harm(|step| {
        let network = match &step.action {
            Action::CreateApp { network } => network.as_deref(),
            _ => None,
        };
        step.env.as_str() == "two" && network == Some("hangar-us-0")
    })
}

/// Two machines hold one slot, as an adoption under a stale view leaves it.
fn two_in_a_slot(rules: Rules) -> Script {
    let mut script = Script::converged(rules, &[&wanted("one", "")]);
    script.edit(|world| {
        let id = format!("m{}", world.mint());
        let app = world.apps.get_mut("one-web").unwrap();
        let mut younger = LiveMachine { id, name: "younger".to_owned(), ..app.machines[0].clone() };
        younger.metadata.insert("hangar_name".to_owned(), "younger".to_owned());
        app.machines.push(younger);
    });
    script
}

/// A pull request was closed, and its set's grace ends in a minute.
pub(crate) fn pull_request_just_closed(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&(wanted("one", "") + KEEPER), KEEPER]);
    script.spec(1);
    let (set, reason) = ("previews".to_owned(), "its pull request is closed".to_owned());
    let ended = Ended { set, at: moment(NOW + TICK), reason };
    script.tell(|fleet| drop(fleet.ended.insert("one".into(), ended)));
    script.look(rules, |_| ()).harm(deletes_app)
}

/// A preview's pull request is closed, and another one that may be open by now could not be listed.
pub(crate) fn set_not_wholly_listed(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&(wanted("one", "") + KEEPER), KEEPER]);
    script.spec(1);
    let completeness = Completeness::Incomplete { reason: "page 2 did not answer".to_owned() };
    let set = PreviewSet { completeness, is_empty: false, names: NamePattern::of("${{ branch.slug }}") };
    let ended = Ended { set: "previews".to_owned(), at: moment(NOW), reason: "its pull request is closed".to_owned() };
    script.tell(|fleet| {
        fleet.sets.insert("previews".to_owned(), set);
        fleet.ended.insert("one".into(), ended);
    });
    script.look(rules, |_| ()).harm(deletes_app)
}

/// A set of three previews suddenly has none.
pub(crate) fn set_without_previews(rules: Rules) -> Outcome {
    let set = |items: &str| {
        let template =
            "metadata: {name: 'p-${{ params.n }}'}, spec: {fly: {org: acme, region: iad, apps: {web: {image: 'x:1'}}}}";
        let spec = format!("{{source: {{list: [{items}]}}, template: {{{template}}}}}");
        format!("---\napiVersion: hangar/v1\nkind: PreviewSet\nmetadata: {{name: previews}}\nspec: {spec}\n{KEEPER}")
    };
    let mut script = Script::converged(rules, &[&set("{n: a}, {n: b}, {n: c}"), &set("")]);
    script.allow(10);
    script.spec(1);
    script.pass();
    script.tick(5);
    script.look(rules, |_| ()).harm(deletes_app)
}

pub(crate) fn surplus_in_grace(rules: Rules) -> Outcome {
    let mut script = two_in_a_slot(rules);
    script.pass();
    script.tick(3);
    script.look(rules, |_| ()).harm(|step| matches!(step.action, Action::DestroyMachine { .. }))
}

/// Two controllers see the two machines in different order: each must choose the same survivor.
pub(crate) fn survivors_by_order_of_listing(rules: Rules) -> Outcome {
    let script = two_in_a_slot(rules);
    let looked = script.look(rules, |observed| {
        let detail = scope(observed).details.get_mut(&"one-web".into()).unwrap();
        if let Reading::Known { value, .. } = &mut detail.machines {
            value.reverse();
        }
    });
    looked.harm(|step| matches!(&step.action, Action::MarkMachine { id, metadata } if id != "m3" && metadata.contains_key("hangar_tombstone")))
}

/// Too many were wanted no longer, and so held; then most of them are wanted again.
pub(crate) fn held_set_becomes_smaller(rules: Rules) -> Outcome {
    let both = KEEPER.to_owned() + &wanted("one", "") + &wanted("two", "");
    let mut script = Script::converged(rules, &[&both, KEEPER, &(KEEPER.to_owned() + &wanted("one", ""))]);
    script.spec(1);
    script.pass();
    script.tick(2);
    script.spec(2);
    script.pass();
    script.tick(2);
    script.pass();
    script.tick(4);
    script.look(rules, |_| ()).harm(deletes_app)
}

/// Too many are wanted no longer, and a person has let another set go.
pub(crate) fn another_set_is_let_go(rules: Rules) -> Outcome {
    let both = KEEPER.to_owned() + &wanted("one", "") + &wanted("two", "");
    let mut script = Script::converged(rules, &[&both, KEEPER]);
    script.spec(1);
    script.remember(|memory| {
        let others = ["three-web 9".to_owned(), "four-web 10".to_owned()].into();
        memory.acknowledged.insert("0123456789ab".to_owned(), others);
    });
    script.pass();
    script.tick(4);
    script.look(rules, |_| ()).harm(deletes_app)
}

/// The source has no environment at all.
pub(crate) fn source_without_environments(rules: Rules) -> Outcome {
    let mut script = Script::converged(
        rules,
        &[&wanted("one", ""), "---\napiVersion: hangar/v1\nkind: Policy\nmetadata: {name: p}\nspec: {}\n"],
    );
    script.spec(1);
    script.pass();
    script.tick(4);
    script.look(rules, |_| ()).harm(deletes_app)
}

fn gone_with(rules: Rules, more: &str) -> Outcome {
    let spec = wanted("one", "").replace("spec: {", &format!("spec: {{{more}, "));
    let mut script = Script::converged(rules, &[&(spec + KEEPER), KEEPER]);
    script.spec(1);
    script.pass();
    script.tick(4);
    script.look(rules, |_| ()).harm(deletes_app)
}

/// The spec of a protected environment is gone.
pub(crate) fn protected_and_gone(rules: Rules) -> Outcome {
    gone_with(rules, "protect: true")
}

/// The spec of a retained environment is gone.
pub(crate) fn retained_and_gone(rules: Rules) -> Outcome {
    gone_with(rules, "deletionPolicy: retain")
}

/// The spec of an environment is gone in which something is run before anything is deleted.
pub(crate) fn gone_with_a_finalizer(rules: Rules) -> Outcome {
    gone_with(rules, FINALIZER)
}

const FINALIZER: &str = "finalizers: [{name: dump, component: web, command: /bin/dump}]";

/// The same, when that has ended, and somebody has taken its machine away.
pub(crate) fn finalizer_has_ended(rules: Rules) -> Outcome {
    let spec = wanted("one", "").replace("spec: {", &format!("spec: {{{FINALIZER}, "));
    let mut script = Script::converged(rules, &[&(spec + KEEPER), KEEPER]);
    script.spec(1);
    script.pass();
    script.tick(4);
    script.edit(|world| {
        let metadata = &mut world.apps.get_mut("one-web").unwrap().machines[0].metadata;
        metadata.insert("hangar_finalizing".to_owned(), now().timestamp().to_string());
        metadata.insert("hangar_finalized".to_owned(), "dump=0".to_owned());
    });
    let looked = script.look(rules, |_| ());
    looked.harm(|step| matches!(step.action, Action::Finalize { .. }))
}

/// Somebody has set a field that no spec sets.
pub(crate) fn field_set_by_hand(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", "")]);
    script.edit(|world| {
        let machine = &mut world.apps.get_mut("one-web").unwrap().machines[0];
        machine.config = machine.config.replacen('{', r#"{"dns":{"skip_registration":true},"#, 1);
        machine.version += 1;
    });
    script.look(rules, |_| ()).harm(|step| matches!(step.action, Action::UpdateMachine { .. }))
}

/// Autostop has stopped a machine for want of traffic.
pub(crate) fn stopped_for_want_of_traffic(rules: Rules) -> Outcome {
    let service = "services: [{internalPort: 8080, ports: [{port: 443, handlers: [tls, http]}], autostop: stop, autostart: true}]";
    let mut script = Script::converged(rules, &[&wanted("one", service)]);
    script.edit(|world| world.apps.get_mut("one-web").unwrap().machines[0].started = false);
    script.look(rules, |_| ()).harm(|step| matches!(step.action, Action::StartMachine { .. }))
}

/// A preview is asleep, and a request has woken its machine a minute ago.
pub(crate) fn woken_by_a_request(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", "")]);
    script.tell(|fleet| {
        let Some(Wanted::Ready(env)) = fleet.environments.get_mut(&"one".into()) else { return };
        let after = std::time::Duration::from_secs(3600);
        env.sleep = Some(Sleep { at: moment(NOW - TICK), after, mode: SleepMode::Stop });
    });
    let looked = script.look(rules, |observed| {
        let detail = scope(observed).details.get_mut(&"one-web".into()).unwrap();
        if let Reading::Known { value, .. } = &mut detail.machines {
            value[0].started_at = Some(moment(NOW - TICK));
        }
    });
    looked.harm(|step| matches!(step.action, Action::StopMachine { .. }))
}

/// Fly has moved a machine to another host, and its volume has another id since.
pub(crate) fn migrated(rules: Rules) -> Outcome {
    let mut script = Script::converged(rules, &[&wanted("one", "volumes: {data: {size: 1GB, mount: /data}}")]);
    script.edit(|world| {
        let app = world.apps.get_mut("one-web").unwrap();
        let old = std::mem::replace(&mut app.volumes[0].id, "vol99".to_owned());
        app.machines[0].config = app.machines[0].config.replace(&old, "vol99");
    });
    script.look(rules, |_| ()).harm(|_| true)
}

/// `two` was deleted because a person asked for it, which costs nothing of the budget, and a listing still shows it; then nobody
/// wants `one` any more. One deletion is within the budget.
fn deleted_and_still_listed(rules: Rules, started: i64) -> Outcome {
    let both = KEEPER.to_owned() + &wanted("one", "") + &wanted("two", "");
    let mut script = Script::converged(rules, &[&both, KEEPER]);
    let listed = script.world;
    script.edit(|world| drop(world.apps.remove("two-web")));
    script.spec(1);
    script.remember(|memory| {
        let outcome = NoteOutcome::Done { at: now() };
        let (key, env, verb) = (key("two-web"), "two".into(), Verb::Delete);
        memory.note(Note { key, env, verb, detail: String::new(), sent_at: now(), outcome });
        // What an earlier pass read directly clears the note if it proves that the app is gone.
        let mut observed = hangar::observed::Observed::default();
        let detail = hangar::observed::AppDetail {
            presence: Presence::Absent { started_at: moment(NOW - started) },
            machines: unread(),
            volumes: unread(),
            secrets: unread(),
            ips: unread(),
            certificates: unread(),
        };
        let listing = || Completeness::Complete;
        observed.scopes.insert(
            crate::view::ORG.into(),
            hangar::observed::Scope {
                apps: empty(listing()),
                machines: empty(listing()),
                volumes: empty(listing()),
                details: [("two-web".into(), detail)].into(),
                out_of_reach: None,
            },
        );
        let policy = crate::fleet::policy();
        memory.settle_by(rules, &observed, now(), policy.timing, policy.budget.window);
    });
    script.look_from(listed, rules, |_| ()).harm(|step| {
        matches!(&step.action, Action::MarkMachine { metadata, .. } if metadata.get("hangar_held").is_some_and(Option::is_some))
    })
}

/// The direct request that said so began before the deletion was answered.
pub(crate) fn absent_before_the_answer(rules: Rules) -> Outcome {
    deleted_and_still_listed(rules, TICK)
}

/// No direct request has been made since.
pub(crate) fn listed_after_the_answer(rules: Rules) -> Outcome {
    deleted_and_still_listed(rules, TimeDelta::days(1).num_seconds())
}

fn unread<T>() -> Reading<T> {
    Reading::Unknown { reason: "the app is not there".to_owned() }
}

fn empty<T>(completeness: Completeness) -> hangar::observed::Listing<T> {
    hangar::observed::Listing { items: Vec::new(), completeness, started_at: now() }
}
