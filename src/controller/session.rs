//! What one run of the controller works with: connections, memory, and who is told what happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checks::CheckAsker;
use super::feedback::Feedback;
use super::load::{LoadError, Loaded};
use super::pass::{BrokenPlan, Planned, Readers, apps_that_fit, former_orgs, plan_checked, writers};
use super::registries::Registries;
use super::scopes;
use super::variables::Variables;
use crate::desired::Wanted;
use crate::event::Observer;
use crate::execute::{Executor, Journal, Report, Stop};
use crate::http::Shared;
use crate::observed::Observed;
use crate::plan::{Plan, Purpose, Request, ended_by_age};
use crate::providers::fly::client::FlyWriter;
use crate::providers::objects::ObjectWriter;
use crate::resource::{EnvName, OrgSlug, ScopeKey};
use crate::store::StoreError;

/// A run of the controller that may write.
#[derive(Debug, Clone)]
pub struct Session {
    /// What the specs say.
    pub loaded: Arc<Loaded>,
    /// Reads.
    pub readers: Readers,
    writers: BTreeMap<OrgSlug, FlyWriter>,
    object_writers: BTreeMap<ScopeKey, ObjectWriter>,
    /// The memory.
    pub journal: Journal,
    /// The run's surroundings: transport, clock, generator, request counter.
    pub shared: Shared,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Says when no new step may begin.
    pub stop: Stop,
    /// Where it leaves what others are to be told.
    pub feedback: Feedback,
}

/// Why a pass could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The specs or tokens.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The planner.
    #[error(transparent)]
    Plan(#[from] BrokenPlan),
}

impl Session {
    /// Connects to everything that `loaded` names, and to where something may be left. Nothing is sent.
    pub fn open(
        loaded: Arc<Loaded>,
        variables: &dyn Variables,
        shared: Shared,
        journal: Journal,
        observer: Arc<dyn Observer>,
        stop: Stop,
    ) -> Result<Self, SessionError> {
        let orgs = loaded.orgs();
        let former = journal.read(|memory| former_orgs(&loaded, memory, variables));
        let mut all_scopes = loaded.object_scopes();
        let former_scopes = journal.read(|memory| scopes::former_scopes(&loaded, memory, variables));
        all_scopes.extend(former_scopes.iter().cloned());
        let readers = Readers::connect_to(&orgs, &former, &loaded, variables, &shared)?
            .and_objects(scopes::readers(&all_scopes, &loaded, variables, &shared)?, former_scopes);
        let writers = writers(&orgs.union(&former).cloned().collect(), &loaded, variables, &shared)?;
        let object_writers = scopes::writers(&all_scopes, &loaded, variables, &shared)?;
        let feedback = Feedback::default();
        Ok(Self { loaded, readers, writers, object_writers, journal, shared, observer, stop, feedback })
    }

    /// The same, leaving out organizations without a usable token, so that one of them does not keep the others waiting. Returns
    /// which those are, and what is wrong with them.
    pub fn open_where_possible(
        loaded: Arc<Loaded>,
        variables: &dyn Variables,
        shared: Shared,
        journal: Journal,
        observer: Arc<dyn Observer>,
    ) -> Result<(Self, BTreeMap<OrgSlug, LoadError>), SessionError> {
        let mut orgs = loaded.orgs();
        let mut problems = BTreeMap::new();
        orgs.retain(|org| match loaded.token(org, variables) {
            Ok(_) => true,
            Err(problem) => {
                problems.insert(org.clone(), problem);
                false
            }
        });
        let former = journal.read(|memory| former_orgs(&loaded, memory, variables));
        let mut all_scopes = loaded.object_scopes();
        all_scopes.retain(|scope| match loaded.scope_token(scope, variables) {
            Ok(_) => true,
            Err(problem) => {
                tracing::warn!(%scope, %problem, "nothing in it is looked at");
                false
            }
        });
        let former_scopes = journal.read(|memory| scopes::former_scopes(&loaded, memory, variables));
        all_scopes.extend(former_scopes.iter().cloned());
        let readers = Readers::connect_to(&orgs, &former, &loaded, variables, &shared)?
            .and_objects(scopes::readers(&all_scopes, &loaded, variables, &shared)?, former_scopes);
        let writers = writers(&orgs.union(&former).cloned().collect(), &loaded, variables, &shared)?;
        let object_writers = scopes::writers(&all_scopes, &loaded, variables, &shared)?;
        Ok((
            Self {
                loaded,
                readers,
                writers,
                object_writers,
                journal,
                shared,
                observer,
                stop: Stop::default(),
                feedback: Feedback::default(),
            },
            problems,
        ))
    }

    /// The same run, whose previews are reported to `feedback`.
    #[must_use]
    pub fn reporting_to(self, feedback: Feedback) -> Self {
        Self { feedback, ..self }
    }

    /// The same run, which asks registries as seldom as `registries` says.
    #[must_use]
    pub fn pacing_by(mut self, registries: Registries) -> Self {
        self.readers = self.readers.pacing_by(registries);
        self
    }

    /// The same run, which asks how checks stand that environments require.
    #[must_use]
    pub fn asking(mut self, checks: CheckAsker) -> Self {
        self.readers = self.readers.asking(checks);
        self
    }

    /// The same run under another stop signal: each environment can be stopped for itself.
    #[must_use]
    pub fn stopped_by(&self, stop: Stop) -> Self {
        Self { stop, ..self.clone() }
    }

    /// Observes these environments in detail and everything else in bulk, and settles the memory with what was seen.
    pub async fn observe(&self, environments: &BTreeSet<EnvName>) -> Result<Observed, StoreError> {
        let mut observed = self.readers.list().await;
        self.readers.read_details(&mut observed, &self.loaded, environments).await;
        self.settle(&observed)?;
        Ok(observed)
    }

    /// The same, with the details of whatever else `request` is about.
    pub async fn observe_for(
        &self,
        request: &Request,
        environments: &BTreeSet<EnvName>,
    ) -> Result<Observed, StoreError> {
        let mut observed = self.readers.list().await;
        let apps = match &request.purpose {
            Purpose::Adopt(adoption) => apps_that_fit(&observed, std::slice::from_ref(&adoption.pattern)),
            _ => BTreeMap::new(),
        };
        self.readers.read_apps(&mut observed, &self.loaded, environments, &apps).await;
        self.settle(&observed)?;
        Ok(observed)
    }

    /// Clears every note that `observed` answers, and takes in where something of ours is and what is gone.
    pub fn settle(&self, observed: &Observed) -> Result<(), StoreError> {
        let (now, policy, fleet) = (self.shared.clock.now(), &self.loaded.policy, &self.loaded.fleet);
        let lived_in = fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => env.org.clone(),
            Wanted::Broken { .. } => None,
        });
        let lived_in = lived_in.collect();
        let scopes = self.loaded.object_scopes();
        self.journal.change(|memory| {
            memory.settle(observed, now, policy.timing, policy.budget.window);
            memory.note_images(&observed.images, now);
            memory.note_expired(ended_by_age(fleet, observed, now), &fleet.environments.keys().collect());
            memory.remember_organizations(observed, &fleet.owner, &lived_in);
            memory.remember_scopes(observed, &fleet.owner, &scopes);
            memory.forget_what_is_gone(observed, policy.timing);
        })
    }

    /// Plans from what was observed.
    pub fn plan(&self, observed: Observed, request: &Request) -> Result<Planned, BrokenPlan> {
        plan_checked(&self.loaded, observed, &self.journal.memory(), request, self.shared.clock.now())
    }

    /// Remembers which deletions the hashes that a person has acknowledged stand for, as `plan` has found them: from now on exactly
    /// these may go, whenever each of them can.
    pub fn remember_consents(&self, plan: &Plan) -> Result<(), StoreError> {
        let Some(acknowledged) = &plan.acknowledged else { return Ok(()) };
        let before = self.journal.read(|memory| memory.acknowledged.clone());
        if before == *acknowledged {
            return Ok(());
        }
        for hash in before.keys().filter(|hash| before.get(*hash).is_some_and(BTreeSet::is_empty)) {
            if !acknowledged.contains_key(hash) {
                tracing::warn!(
                    hash,
                    "no held set of deletions has this hash (any more), so acknowledging it lets nothing go"
                );
            }
        }
        self.journal.change(|memory| memory.acknowledged.clone_from(acknowledged))
    }

    /// Carries out one environment's part of a plan.
    pub async fn execute(&self, planned: &Planned, env: &EnvName) -> Report {
        let executor = Executor {
            writers: self.writers.clone(),
            objects: self.object_writers.clone(),
            owner: self.loaded.fleet.owner.clone(),
            instance: self.journal.read(|memory| memory.instance.clone()),
            fingerprinter: self.loaded.fleet.fingerprinter.clone(),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.shared.clock),
            random: self.shared.random.clone(),
            observer: Arc::clone(&self.observer),
            stop: self.stop.clone(),
        };
        executor.execute(&planned.plan, env).await
    }
}
