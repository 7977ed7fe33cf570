//! What is wanted again is not on its way out, also where nothing else of it is changed: in a paused environment.
//!
//! A tombstone that stayed would be taken for the beginning of a grace that is long over, once the spec goes for good.

use std::collections::BTreeMap;

use super::planner::{Place, Planner};
use super::step::Action;
use crate::desired::{Environment, Object};
use crate::observed::Machine;
use crate::resource::marker::{FINALIZED, FINALIZING, PREFIX};
use crate::resource::{AppName, ResourceKey};
use crate::rules::Rule;

/// What is said on the spot of an end that is to come.
const OF_AN_END: [&str; 4] = ["tombstone", "held", "emptied", "released"];

impl Planner<'_> {
    /// Takes back what says on live objects of a paused environment that they are to go.
    pub(super) fn lift_tombstones(&mut self, env: &Environment) {
        for app in &env.apps {
            for machine in self.machines_about_to_go(env, &app.name) {
                let Some(marker) = self.marker_on(machine) else { continue };
                let key = ResourceKey::Machine { app: app.name.clone(), slot: marker.slot.clone() };
                let metadata = lifted(machine.metadata.keys());
                let place = Place { env: &env.name, component: Some(&app.component), org: env.org.as_ref() };
                let action = Action::MarkMachine { id: machine.id.clone(), metadata };
                self.lift(&place, key, action);
            }
        }
        for object in &env.objects {
            self.lift_object(env, object);
        }
    }

    fn lift_object(&mut self, env: &Environment, object: &Object) {
        let live = self.observed.object(&object.key).filter(|live| live.is_of(&self.fleet.owner, &env.name));
        let marks = live.map(|live| lifted(live.marks.keys())).unwrap_or_default();
        let Some(live) = live.filter(|_| !marks.is_empty()) else { return };
        let place = Place { env: &env.name, component: Some(&object.component), org: None };
        let key = ResourceKey::Object(object.key.clone());
        self.lift(&place, key, Action::MarkObject { id: live.id.clone(), marks });
    }

    fn lift(&mut self, place: &Place<'_>, key: ResourceKey, action: Action) {
        if let Err(obstacle) = self.is_settled(&key, Rule::OpenKeyStopsMarking) {
            self.withhold(place, &key, &format!("take back the tombstone of {key}"), obstacle);
            return;
        }
        self.step(place, key, action, "it is wanted again", Vec::new(), &[]);
    }
}

impl<'a> Planner<'a> {
    /// The machines of ours in an app that bear a word of an end to come.
    fn machines_about_to_go(&self, env: &Environment, app: &AppName) -> Vec<&'a Machine> {
        let org = env.org.as_ref();
        let direct = self.observed.detail(org, app).and_then(|detail| detail.machines.known());
        let machines: Vec<&'a Machine> = match direct {
            Some(machines) => machines.iter().collect(),
            None => org.and_then(|org| self.listed.get(org)).map(|all| all.machines(app).to_vec()).unwrap_or_default(),
        };
        let is_ours = |machine: &&Machine| {
            machine.is_live() && self.marker_on(machine).is_some_and(|marker| marker.env == env.name)
        };
        let machines = machines.into_iter().filter(is_ours);
        machines.filter(|machine| !lifted(machine.metadata.keys()).is_empty()).collect()
    }
}

/// The marks among `keys` that are taken back.
fn lifted<'k>(keys: impl Iterator<Item = &'k String>) -> BTreeMap<String, Option<String>> {
    keys.filter(|key| is_of_an_end(key)).map(|key| (key.clone(), None)).collect()
}

/// Whether a mark speaks of an end to come.
fn is_of_an_end(key: &str) -> bool {
    let of_prefix = key.strip_prefix(PREFIX).is_some_and(|rest| OF_AN_END.contains(&rest));
    of_prefix || [FINALIZING, FINALIZED].contains(&key)
}
