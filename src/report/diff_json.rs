//! A plan for programs.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::view::{self, Totals};
use super::{RequestCount, json};
use crate::desired::Level;
use crate::plan::{Effect, Notice, Plan, Standing, Step, StepId, Withheld};
use crate::resource::{Change, ChangeKind, ComponentName, EnvName, FieldChange, OrgSlug, ResourceKey, output};

/// The version of this form. It rises when a field changes its meaning or goes; fields may be added within a version.
const VERSION: u32 = 1;

/// A plan as JSON: environments, steps in order, what is withheld and why, notices, totals, and the requests it took.
pub fn diff_json(plan: &Plan, requests: RequestCount) -> String {
    json::pretty(&PlanDocument::of(plan, requests))
}

/// A plan as it is written to JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanDocument {
    /// The version of this form.
    pub version: u32,
    /// When the plan was made.
    pub made_at: DateTime<Utc>,
    /// The commit that the specs come from.
    pub commit: Option<String>,
    /// Whether nothing would be changed.
    pub in_sync: bool,
    /// The environments, by name.
    pub environments: Vec<EnvironmentDocument>,
    /// The steps, in an order in which they can be carried out.
    pub steps: Vec<StepDocument>,
    /// What is not planned now, and why.
    pub withheld: Vec<WithheldDocument>,
    /// What people should know.
    pub notices: Vec<Notice>,
    /// Resources of all environments.
    pub totals: Totals,
    /// What it took to find out.
    pub requests: RequestCount,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentDocument {
    /// Its name.
    pub name: EnvName,
    /// Whether no spec asks for it.
    pub orphan: bool,
    /// Where it stands.
    pub standing: Standing,
    /// Its resources, counted once each: a destroy and a create of one resource are a replacement.
    pub totals: Totals,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepDocument {
    /// Its place in the plan.
    pub id: StepId,
    /// The environment.
    pub environment: EnvName,
    /// The component, where that is known.
    pub component: Option<ComponentName>,
    /// The Fly organization, if it is about Fly's machines.
    pub org: Option<OrgSlug>,
    /// `create`, `update`, `wait`, …
    pub action: &'static str,
    /// The resource.
    pub resource: ResourceKey,
    /// The resource's name for people.
    pub name: String,
    /// Why.
    pub reason: String,
    /// The fields that change.
    pub changes: Vec<ChangeDocument>,
    /// The steps that must be done before.
    pub after: Vec<StepId>,
}

/// Something that would be done and is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WithheldDocument {
    /// Where, why and until when.
    #[serde(flatten)]
    pub withheld: Withheld,
    /// The change, where only the level of the environment keeps it from being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<HeldDocument>,
}

/// A change that the level of its environment withholds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldDocument {
    /// The level.
    pub level: Level,
    /// `create`, `update`, `set`, …
    pub action: &'static str,
    /// What it comes to for the resource.
    pub effect: Effect,
    /// Why it would be made.
    pub reason: String,
    /// The fields that would change.
    pub changes: Vec<ChangeDocument>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDocument {
    /// The field.
    pub path: String,
    /// What is live; absent where the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<SideDocument>,
    /// What is wanted; absent where the field goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<SideDocument>,
    /// What it takes.
    pub kind: ChangeKind,
}

/// One side of a change: exactly one of a value, a secret, or the reason why it cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum SideDocument {
    /// A value that may be shown.
    #[serde(rename_all = "camelCase")]
    Value {
        /// The value. What is not known yet reads `(known after create)`.
        value: Value,
        /// The outputs that it waits for.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        waits_for: Vec<String>,
    },
    /// A secret.
    Secret {
        /// Always true.
        secret: bool,
    },
    /// Not known here.
    Unknown {
        /// Why.
        unknown: String,
    },
}

impl PlanDocument {
    /// The document of `plan`.
    pub fn of(plan: &Plan, requests: RequestCount) -> Self {
        let mut totals = Totals::default();
        let environments: Vec<EnvironmentDocument> = view::environments(plan)
            .into_iter()
            .map(|env| {
                totals.add(&env.totals);
                EnvironmentDocument {
                    name: env.name.clone(),
                    orphan: env.is_orphan,
                    standing: env.standing,
                    totals: env.totals,
                }
            })
            .collect();
        let notices =
            plan.notices.iter().cloned().map(|notice| Notice { message: output::display(&notice.message), ..notice });
        Self {
            version: VERSION,
            made_at: plan.made_at,
            commit: plan.commit.clone(),
            in_sync: environments.iter().all(|env| env.standing == Standing::Converged),
            environments,
            steps: plan.steps.iter().map(StepDocument::of).collect(),
            withheld: plan.withheld.iter().map(WithheldDocument::of).collect(),
            notices: notices.collect(),
            totals,
            requests,
        }
    }
}

impl WithheldDocument {
    pub(super) fn of(withheld: &Withheld) -> Self {
        let change = withheld.change.as_deref().map(|held| HeldDocument {
            level: held.level,
            action: held.action,
            effect: held.effect,
            reason: output::display(&held.reason),
            changes: held.changes.iter().map(ChangeDocument::of).collect(),
        });
        Self { withheld: Withheld { message: output::display(&withheld.message), ..withheld.clone() }, change }
    }
}

impl StepDocument {
    fn of(step: &Step) -> Self {
        Self {
            id: step.id,
            environment: step.env.clone(),
            component: step.component.clone(),
            org: step.org.clone(),
            action: step.action.name(),
            resource: step.key.clone(),
            name: step.key.to_string(),
            reason: output::display(&step.reason),
            changes: step.changes.iter().map(ChangeDocument::of).collect(),
            after: step.after.clone(),
        }
    }
}

impl ChangeDocument {
    pub(super) fn of(change: &FieldChange) -> Self {
        Self {
            path: change.path.clone(),
            old: change.old.as_ref().map(SideDocument::of),
            new: change.new.as_ref().map(SideDocument::of),
            kind: change.kind,
        }
    }
}

impl SideDocument {
    fn of(change: &Change) -> Self {
        match change {
            Change::Plain(value) => {
                let waits_for = output::waits_for_in(value);
                Self::Value { value: json::displayed(value), waits_for }
            }
            Change::Secret => Self::Secret { secret: true },
            Change::Unknown(reason) => Self::Unknown { unknown: output::display(reason) },
        }
    }
}
