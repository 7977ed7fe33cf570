//! Rules of what is done to objects at other providers.

use super::{BEHIND_GATES, Checker};
use crate::desired::{self, Level, Wanted};
use crate::memory::{Note, NoteOutcome, Verb};
use crate::observed::Object;
use crate::plan::{Action, Evidence, Proof, Step, StepId};
use crate::resource::{ObjectKey, ObjectKind, output};

impl Checker<'_> {
    pub(super) fn rules_broken_at_object(&self, index: usize, step: &Step) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let mut rule = |holds: bool, rule: &'static str| {
            if !holds {
                broken.push(rule);
            }
        };
        let Some(key) = step.key.object() else {
            rule(false, "a step names an app and its organization, or an object");
            return broken;
        };
        rule(step.id == StepId(index), "a step's id is its place");
        rule(step.after.iter().all(|id| id.0 < index), "a step comes after every step it waits for");
        rule(self.plan.environments.contains_key(&step.env), "a step belongs to an environment of the plan");
        rule(self.is_only_write(index, step), "one plan does not do two things to one object");
        rule(self.object_level_allows(step), "a step is within the level of its environment");
        rule(self.gates_are_open(step), BEHIND_GATES);
        rule(self.is_at_rest(step), "nothing is done in an environment that is paused, broken or not allowed");
        rule(
            self.object_outputs_are_produced(step),
            "an output that a step uses is known, or produced by a step before it",
        );
        match &step.action {
            Action::CreateObject(change) => {
                rule(self.is_absent(key), "an object is created only where a whole listing does not show it");
                rule(self.is_key_closed(step, false), "nothing is created while its key is open");
                rule(
                    change.marker.owner == self.fleet.owner
                        && change.marker.env == step.env
                        && change.marker.name == key.name,
                    "what is created is marked as ours from birth",
                );
                rule(
                    !step.key.is_minted()
                        || self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none(),
                    "what a provider mints an id for is not made in quarantine",
                );
                rule(
                    self.is_mark_settled(step, key),
                    "nothing is made beside a mark while an earlier write there may come late",
                );
            }
            Action::UpdateObject { .. } | Action::MarkObject { .. } => {
                let makes_another = matches!(step.action, Action::UpdateObject { .. }) && key.object.is_renewed();
                rule(
                    !makes_another || self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none(),
                    "what a provider mints an id for is not made in quarantine",
                );
                rule(
                    self.is_our_object(step, key) || self.is_adopted_object(step, key),
                    "nothing is written where no evidence says that it is ours, except to adopt it",
                );
            }
            Action::DeleteObject { id, proof } => {
                for (holds, text) in self.object_deletion_rules(step, key, id, proof) {
                    rule(holds, text);
                }
            }
            _ => {}
        }
        broken
    }

    fn object_deletion_rules(
        &self,
        step: &Step,
        key: &ObjectKey,
        id: &str,
        proof: &Proof,
    ) -> [(bool, &'static str); 11] {
        let live = self.observed.object(key);
        let is_complete =
            self.observed.objects.get(&key.scope).is_some_and(|scope| scope.objects.completeness.is_complete());
        let has_mark = |mark: &str| live.is_some_and(|live| live.marks.contains_key(mark));
        let is_requested = *proof.evidence() == Evidence::Requested;
        [
            (*proof.subject() == step.key.subject(), "a delete carries the proof for its own object"),
            (
                self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none(),
                "nothing is deleted in quarantine",
            ),
            (self.is_key_closed(step, is_requested), "nothing is deleted while its key is open"),
            (
                self.is_our_object(step, key) && live.is_some_and(|live| live.id == id),
                "nothing is deleted that is not marked as ours, under the id that was seen",
            ),
            (is_complete, "nothing is deleted while a listing is incomplete"),
            (!has_mark("hangar_protect") && !self.policy.protects(&step.env), "nothing protected is deleted"),
            (is_requested || !has_mark("hangar_retain"), "nothing retained is deleted, except at a person's word"),
            (
                self.object_evidence_holds(step, live, proof),
                "an orphan is deleted only on complete specs and after grace from its tombstone, or because a person ended it",
            ),
            (
                is_requested || self.is_of_whole_sets(step, live),
                "nothing is deleted that a set of previews may want of which not everything is known",
            ),
            (
                !self.is_suddenly_gone(live, proof),
                "what a set of previews leaves that suddenly names none is deleted only when a person has let it go",
            ),
            (self.is_within_budget(step), "no more is deleted than the budget allows or a person has let go"),
        ]
    }

    /// Whether no set of which not everything is known may want the object.
    fn is_of_whole_sets(&self, step: &Step, live: Option<&Object>) -> bool {
        let marked = live.and_then(|live| live.owned_by(&self.fleet.owner)).and_then(|marker| marker.set.as_ref());
        let its_set = marked.and_then(|name| self.fleet.sets.get(name));
        let is_of_a_whole_set = its_set.is_some_and(|set| set.completeness.is_complete());
        let mut incomplete = self.fleet.sets.values().filter(|set| !set.completeness.is_complete());
        incomplete.all(|set| is_of_a_whole_set && !set.names.can_be(&step.env))
    }

    /// Whether an orphan that nobody has let go is one of several that a set has left which names no preview any more.
    fn is_suddenly_gone(&self, live: Option<&Object>, proof: &Proof) -> bool {
        let Some(live) = live.filter(|_| proof.unit().is_some()) else { return false };
        let set = live.owned_by(&self.fleet.owner).and_then(|marker| marker.set.as_ref());
        let emptied = set.filter(|name| self.fleet.sets.get(*name).is_some_and(|set| set.is_empty));
        let is_held = live.marks.contains_key("hangar_emptied");
        matches!(proof.evidence(), Evidence::Orphan { .. })
            && emptied.is_some_and(|set| is_held || self.left_by(set).len() >= 3)
    }

    fn object_evidence_holds(&self, step: &Step, live: Option<&Object>, proof: &Proof) -> bool {
        let is_asked_for = match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) => env.objects.iter().any(|object| step.key.object() == Some(&object.key)),
            Some(Wanted::Broken { .. }) => true,
            None => false,
        };
        let marked = live.and_then(|live| live.marks.get("hangar_tombstone")).and_then(|text| text.parse().ok());
        let tombstone = marked.or(live.filter(|live| live.is_remnant()).map(|_| 0));
        match proof.evidence() {
            Evidence::Requested => true,
            Evidence::Ended { .. } => {
                let ended = self.fleet.ended.get(&step.env).is_some_and(|ended| ended.at <= self.plan.made_at);
                ended && self.fleet.source.is_complete() && !self.fleet.environments.contains_key(&step.env)
            }
            Evidence::Orphan { since } => {
                let grace = chrono::TimeDelta::from_std(self.policy.grace).unwrap_or(chrono::TimeDelta::MAX);
                let is_over = since.checked_add_signed(grace).is_some_and(|until| until <= self.plan.made_at);
                let has_expired = self
                    .plan
                    .notices
                    .iter()
                    .any(|notice| notice.env == step.env && notice.reason == crate::plan::Reason::Expired);
                self.fleet.source.is_complete()
                    && (!is_asked_for || has_expired)
                    && tombstone == Some(since.timestamp())
                    && is_over
            }
            _ => false,
        }
    }

    fn is_only_write(&self, index: usize, step: &Step) -> bool {
        let writes = |step: &Step| step.action.verb().is_some() && !matches!(step.action, Action::MarkObject { .. });
        let before = self.plan.steps.iter().take(index);
        !writes(step) || !before.into_iter().any(|other| other.key == step.key && writes(other))
    }

    fn object_level_allows(&self, step: &Step) -> bool {
        let Some(Wanted::Ready(env)) = self.fleet.environments.get(&step.env) else { return true };
        if step.action.proof().is_some_and(|proof| *proof.evidence() == Evidence::Requested) {
            return true;
        }
        match env.level {
            Level::Full => true,
            Level::NoDelete => step.action.verb() != Some(Verb::Delete),
            Level::CreateOnly => matches!(step.action.verb(), None | Some(Verb::Create)),
            Level::Observe => false,
        }
    }

    fn object_outputs_are_produced(&self, step: &Step) -> bool {
        let (Action::CreateObject(change) | Action::UpdateObject { change, .. }) = &step.action else { return true };
        let in_fields = change.fields.values().flat_map(output::waits_for_in);
        let in_secrets = change.secrets.values().flat_map(|value| output::waits_for(value.expose()));
        in_fields.chain(in_secrets).next().is_none() || self.waits_for_a_producer(step)
    }

    fn is_absent(&self, key: &ObjectKey) -> bool {
        let scope = self.observed.objects.get(&key.scope);
        scope.is_some_and(|scope| scope.objects.absent(|object| object.key == *key))
    }

    /// Whether no earlier write to the mark, or of what stands beside it, can come late. Beside one that is not there yet nothing can.
    fn is_mark_settled(&self, step: &Step, key: &ObjectKey) -> bool {
        let is_mark = |object: &Object| object.key.object == ObjectKind::VercelMark && object.key.scope == key.scope;
        let mut marks = self.observed.all_objects().filter(|object| is_mark(object));
        if !key.object.needs_settled_mark() || !marks.any(|mark| mark.is_of(&self.fleet.owner, &step.env)) {
            return true;
        }
        let may_come = |note: &Note| {
            note.env == step.env
                && note.outcome == NoteOutcome::Unknown
                && note.key.object().is_some_and(|noted| noted.scope == key.scope)
                && self.plan.made_at < note.open_until(self.policy.timing)
        };
        self.memory.quarantined_until(self.plan.made_at, self.policy.timing).is_none()
            && !self.memory.notes.iter().any(may_come)
    }

    fn is_our_object(&self, step: &Step, key: &ObjectKey) -> bool {
        self.observed.object(key).is_some_and(|object| object.is_of(&self.fleet.owner, &step.env))
    }

    fn is_adopted_object(&self, step: &Step, key: &ObjectKey) -> bool {
        let adopts = |object: &desired::Object| object.key == *key && object.adopt;
        match self.fleet.environments.get(&step.env) {
            Some(Wanted::Ready(env)) => env.objects.iter().any(adopts),
            _ => false,
        }
    }

    /// Whether no write to the object may still take effect. At a person's word, one that was answered is no obstacle.
    fn is_key_closed(&self, step: &Step, is_requested: bool) -> bool {
        self.tables.notes.about(&step.key).iter().all(|note| {
            let is_over = note.open_until(self.policy.timing) <= self.plan.made_at;
            let is_answered = note.verb == Verb::Update && note.outcome != NoteOutcome::Unknown;
            is_over || (is_requested && is_answered)
        })
    }
}
