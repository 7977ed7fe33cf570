//! One pass: observe, plan, check. Carrying out is a separate act, for which other clients are needed.

use std::collections::{BTreeMap, BTreeSet};

use sha2::Digest as _;

use super::checks::CheckAsker;
use super::load::{LoadError, Loaded};
use super::registries::{Logins, Registries};
use super::scopes;
use super::variables::Variables;
use crate::check::{self, Violation};
use crate::desired::{Environment, NamePattern, Wanted};
use crate::http::{ReadClient, Shared, WriteClient};
use crate::memory::Memory;
use crate::observed::{ByApp, ObjectScope, Observed, Scope};
use crate::plan::{Plan, Request, has_finalizers, plan};
use crate::providers::fly::client::{DEFAULT_BASE_URL, FlyReader, FlyWriter, connection};
use crate::providers::fly::observe::{self, Wish};
use crate::providers::objects::ObjectReader;
use crate::resource::object::Fields;
use crate::resource::{AppName, EnvName, ObjectKey, OrgSlug, ScopeKey};

/// Readers of every organization: all that a dry run gets, so that it cannot write by construction.
#[derive(Debug, Clone)]
pub struct Readers {
    by_org: BTreeMap<OrgSlug, FlyReader>,
    objects: BTreeMap<ScopeKey, ObjectReader>,
    /// Scopes of other providers that no spec names any more.
    former_scopes: BTreeSet<ScopeKey>,
    /// Organizations that no spec names any more.
    former: BTreeSet<OrgSlug>,
    logins: Logins,
    registries: Registries,
    checks: Option<CheckAsker>,
    shared: Shared,
}

impl Readers {
    /// Connects to every organization of `loaded`, and to those in which `memory` knows that something may be left. Nothing is sent.
    pub fn connect(
        loaded: &Loaded,
        memory: &Memory,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<Self, LoadError> {
        let former = scopes::former_scopes(loaded, memory, variables);
        let all = loaded.object_scopes().union(&former).cloned().collect();
        let readers =
            Self::connect_to(&loaded.orgs(), &former_orgs(loaded, memory, variables), loaded, variables, shared)?;
        Ok(readers.and_objects(scopes::readers(&all, loaded, variables, shared)?, former))
    }

    /// Connects to these organizations, and to `former` ones. Nothing is sent.
    pub fn connect_to(
        orgs: &BTreeSet<OrgSlug>,
        former: &BTreeSet<OrgSlug>,
        loaded: &Loaded,
        variables: &dyn Variables,
        shared: &Shared,
    ) -> Result<Self, LoadError> {
        let connect = |org: &OrgSlug| {
            let token = loaded.token(org, variables)?;
            let client = ReadClient::new(connection(&base_url(loaded, variables), token, shared.clone()));
            Ok((org.clone(), FlyReader::new(client)))
        };
        let by_org = orgs.union(former).map(connect).collect::<Result<_, LoadError>>()?;
        let logins = Logins::read(loaded, orgs, variables);
        let (objects, former_scopes) = (BTreeMap::new(), BTreeSet::new());
        Ok(Self {
            by_org,
            objects,
            former_scopes,
            former: former.clone(),
            logins,
            registries: Registries::default(),
            checks: None,
            shared: shared.clone(),
        })
    }

    /// The same, which look at these scopes of other providers as well.
    #[must_use]
    pub fn and_objects(self, objects: BTreeMap<ScopeKey, ObjectReader>, former_scopes: BTreeSet<ScopeKey>) -> Self {
        Self { objects, former_scopes, ..self }
    }

    /// The same, which ask registries as seldom as `registries` says.
    #[must_use]
    pub fn pacing_by(self, registries: Registries) -> Self {
        Self { registries, ..self }
    }

    /// The same, which ask how checks stand that environments require. Without, nobody knows.
    #[must_use]
    pub fn asking(self, checks: CheckAsker) -> Self {
        Self { checks: Some(checks), ..self }
    }

    /// Lists every organization in bulk.
    pub async fn list(&self) -> Observed {
        let listings = self
            .by_org
            .iter()
            .map(|(org, reader)| async move { (org.clone(), observe::list(reader, &self.shared.clock, org).await) });
        let elsewhere = self.objects.iter().map(|(scope, reader)| async move { (scope.clone(), reader.list().await) });
        let (listings, objects) =
            futures::join!(futures::future::join_all(listings), futures::future::join_all(elsewhere));
        let mut scopes: BTreeMap<OrgSlug, Scope> = listings.into_iter().collect();
        scopes.retain(|org, scope| {
            let Some(reason) = scope.out_of_reach.as_ref().filter(|_| self.former.contains(org)) else { return true };
            // Nobody names it any more, and whoever has taken its token away does not have everything else held for it.
            tracing::warn!(
                %org, reason,
                "something may be left in an organization that no spec names any more, and it cannot be read; name it in a `Controller`, under `spec.fly.organizations`, with a token that sees it"
            );
            false
        });
        let mut objects: BTreeMap<ScopeKey, ObjectScope> = objects.into_iter().collect();
        objects.retain(|scope, seen| {
            let Some(reason) = seen.out_of_reach.as_ref().filter(|_| self.former_scopes.contains(scope)) else {
                return true;
            };
            tracing::warn!(%scope, reason, "something may be left where no spec looks any more, and it cannot be read");
            false
        });
        Observed { scopes, objects, ..Observed::default() }
    }

    /// Reads the details of the apps of `environments` into `observed`, and whether images are there that their previews wait for.
    pub async fn read_details(&self, observed: &mut Observed, loaded: &Loaded, environments: &BTreeSet<EnvName>) {
        self.read_apps(observed, loaded, environments, &BTreeMap::new()).await;
    }

    /// The same, and of these apps besides.
    pub async fn read_apps(
        &self,
        observed: &mut Observed,
        loaded: &Loaded,
        environments: &BTreeSet<EnvName>,
        apps: &BTreeMap<OrgSlug, BTreeSet<AppName>>,
    ) {
        let mut wishes = wishes(loaded, environments);
        for (org, app) in with_finalizers(loaded, environments, observed) {
            wishes.entry(org).or_default().entry(app).or_default();
        }
        for (org, names) in apps {
            let of_org = wishes.entry(org.clone()).or_default();
            for name in names {
                of_org.entry(name.clone()).or_default();
            }
        }
        let none = BTreeMap::new();
        let reads = observed.scopes.iter_mut().filter_map(|(org, scope)| {
            let reader = self.by_org.get(org)?;
            let wanted = wishes.get(org).unwrap_or(&none);
            Some(observe::read_details(reader, &self.shared.clock, &loaded.fleet.owner, scope, wanted))
        });
        let wanted = object_wishes(loaded, environments);
        let none_of = BTreeMap::new();
        let closely = observed.objects.iter_mut().filter_map(|(scope, seen)| {
            let reader = self.objects.get(scope)?;
            Some(reader.look_closely(seen, wanted.get(scope).unwrap_or(&none_of)))
        });
        let (_apps, _objects): (Vec<()>, Vec<()>) =
            futures::join!(futures::future::join_all(reads), futures::future::join_all(closely));
        self.registries.look(observed, loaded, environments, &self.logins, &self.shared).await;
        if let Some(checks) = &self.checks {
            // Few environments have such a gate, and what is waited for is in every run's future.
            Box::pin(checks.look(observed, loaded, environments, &self.shared)).await;
        }
    }
}

/// The listed apps whose names fit one of these patterns.
pub fn apps_that_fit(observed: &Observed, patterns: &[NamePattern]) -> BTreeMap<OrgSlug, BTreeSet<AppName>> {
    let fits = |app: &AppName| patterns.iter().any(|pattern| pattern.fits(app.as_str()));
    let of_scope = |(org, scope): (&OrgSlug, &Scope)| {
        let apps = scope.apps.items.iter().map(|row| row.name.clone()).filter(fits);
        (org.clone(), apps.collect())
    };
    observed.scopes.iter().map(of_scope).collect()
}

/// Organizations that no spec names any more, in which something may be left, and for which there is a token.
pub(super) fn former_orgs(loaded: &Loaded, memory: &Memory, variables: &dyn Variables) -> BTreeSet<OrgSlug> {
    let mut former: BTreeSet<OrgSlug> = memory.organizations.difference(&loaded.orgs()).cloned().collect();
    former.retain(|org| match loaded.token(org, variables) {
        Ok(_) => true,
        Err(problem) => {
            tracing::warn!(%org, %problem, "something may be left in an organization that no spec names any more");
            false
        }
    });
    former
}

/// Connects for writing to these organizations. Nothing is sent.
pub fn writers(
    orgs: &BTreeSet<OrgSlug>,
    loaded: &Loaded,
    variables: &dyn Variables,
    shared: &Shared,
) -> Result<BTreeMap<OrgSlug, FlyWriter>, LoadError> {
    let connect = |org: &OrgSlug| {
        let token = loaded.token(org, variables)?;
        let client = WriteClient::new(connection(&base_url(loaded, variables), token, shared.clone()));
        Ok((org.clone(), FlyWriter::new(client)))
    };
    orgs.iter().map(connect).collect()
}

/// Where the Machines API is: as the controller's settings say, or the variable that Fly's own tool reads, or Fly.
pub(super) fn base_url(loaded: &Loaded, variables: &dyn Variables) -> String {
    let set = loaded.settings.as_ref().and_then(|settings| settings.fly.as_ref()).and_then(|fly| fly.base_url.clone());
    let from_variable = || variables.variable("FLY_FLAPS_BASE_URL").map(|url| url.expose().to_owned());
    set.or_else(from_variable).unwrap_or_else(|| DEFAULT_BASE_URL.to_owned())
}

/// What is looked at closely at other providers, with the fields that are wanted of it.
fn object_wishes(loaded: &Loaded, environments: &BTreeSet<EnvName>) -> BTreeMap<ScopeKey, BTreeMap<ObjectKey, Fields>> {
    let mut wishes: BTreeMap<ScopeKey, BTreeMap<ObjectKey, Fields>> = BTreeMap::new();
    for env in with_gates(loaded, environments) {
        for object in &env.objects {
            let of_scope = wishes.entry(object.key.scope.clone()).or_default();
            of_scope.insert(object.key.clone(), object.fields.clone());
        }
    }
    wishes
}

/// What is to be read of each app of these environments and of those that gate them.
fn wishes(loaded: &Loaded, environments: &BTreeSet<EnvName>) -> BTreeMap<OrgSlug, BTreeMap<AppName, Wish>> {
    let mut wishes: BTreeMap<OrgSlug, BTreeMap<AppName, Wish>> = BTreeMap::new();
    for env in with_gates(loaded, environments) {
        let Some(org) = &env.org else { continue };
        let apps = wishes.entry(org.clone()).or_default();
        for app in &env.apps {
            apps.insert(app.name.clone(), Wish { certificates: !app.certificates.is_empty(), ..Wish::default() });
        }
    }
    wishes
}

/// Apps whose end, if it is due, cannot be planned from listings alone, because something is run before: those of `environments`, and
/// those that no spec names.
fn with_finalizers(
    loaded: &Loaded,
    environments: &BTreeSet<EnvName>,
    observed: &Observed,
) -> BTreeSet<(OrgSlug, AppName)> {
    let mut found = BTreeSet::new();
    for (org, scope) in &observed.scopes {
        for machine in scope.machines.items.iter().filter(|machine| has_finalizers(machine)) {
            let Some(marker) = machine.owned_by(&loaded.fleet.owner) else { continue };
            let is_named = match loaded.fleet.environments.get(&marker.env) {
                Some(Wanted::Ready(env)) => env.apps.iter().any(|app| app.name == machine.app),
                Some(Wanted::Broken { .. }) => true,
                None => false,
            };
            if !is_named || environments.contains(&marker.env) {
                found.insert((org.clone(), machine.app.clone()));
            }
        }
    }
    found
}

fn with_gates<'l>(loaded: &'l Loaded, environments: &BTreeSet<EnvName>) -> Vec<&'l Environment> {
    let mut all: BTreeSet<&EnvName> = BTreeSet::new();
    let mut open: Vec<&EnvName> = environments.iter().collect();
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        if let Some((name, Wanted::Ready(env))) = loaded.fleet.environments.get_key_value(name)
            && all.insert(name)
        {
            open.extend(&env.requires.environments);
            found.push(env.as_ref());
        }
    }
    found
}

/// Somewhere that environments live in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whereabouts<'w> {
    /// A Fly organization.
    Org(&'w OrgSlug),
    /// A project at another provider.
    Scope(&'w ScopeKey),
}

impl<'w> Whereabouts<'w> {
    /// Everywhere that `env` has something.
    pub fn of(env: &'w Environment) -> BTreeSet<Self> {
        let scopes = env.objects.iter().map(|object| Self::Scope(&object.key.scope));
        env.org.iter().map(Self::Org).chain(scopes).collect()
    }
}

impl std::fmt::Display for Whereabouts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Org(org) => write!(f, "Fly organization `{org}`"),
            Self::Scope(scope) => scope.fmt(f),
        }
    }
}

/// A plan with what it was made from.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What was seen.
    pub observed: Observed,
}

impl Planned {
    /// What cannot be read at all, where waiting does not help: with why, and what to do.
    pub fn out_of_reach(&self) -> impl Iterator<Item = (Whereabouts<'_>, &str)> {
        let orgs = self.observed.scopes.iter();
        let orgs = orgs.filter_map(|(org, seen)| Some((Whereabouts::Org(org), seen.out_of_reach.as_deref()?)));
        let scopes = self.observed.objects.iter();
        orgs.chain(scopes.filter_map(|(scope, seen)| Some((Whereabouts::Scope(scope), seen.out_of_reach.as_deref()?))))
    }

    /// Why something that `env` lives in cannot be read at all, if that is so.
    pub fn why_out_of_reach(&self, env: &Environment) -> Option<String> {
        let lived_in = Whereabouts::of(env);
        let (place, reason) = self.out_of_reach().find(|(place, _)| lived_in.contains(place))?;
        Some(match place {
            Whereabouts::Org(_) => reason.to_owned(),
            Whereabouts::Scope(_) => format!("{place} cannot be read: {reason}"),
        })
    }
}

/// The plan breaks a rule: a defect of the planner, and so nothing is carried out.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct BrokenPlan(pub Vec<Violation>);

/// Plans from what was observed, and reads the plan with independent eyes.
pub fn plan_checked(
    loaded: &Loaded,
    observed: Observed,
    memory: &Memory,
    request: &Request,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Planned, BrokenPlan> {
    let plan = plan(&loaded.fleet, &observed, memory, &loaded.policy, request, now);
    let violations = check::check(&plan, &loaded.fleet, &observed, memory, &loaded.policy);
    if violations.is_empty() { Ok(Planned { plan, observed }) } else { Err(BrokenPlan(violations)) }
}

/// The bulk view of what one environment has at other providers.
fn objects_fingerprint(observed: &Observed, env: &Environment) -> Option<String> {
    let mut text = String::new();
    for object in &env.objects {
        let scope = observed.objects.get(&object.key.scope)?;
        if !scope.objects.completeness.is_complete() {
            return None;
        }
        let live = observed.object(&object.key);
        let shown = live.map(|live| (&live.id, &live.state, &live.marker, &live.marks, &live.bulk));
        text.push_str(&format!("{} {shown:?}\n", object.key));
    }
    Some(text)
}

/// The bulk view of one environment's apps, as a short text that changes whenever anything in it does. `listed` is of `observed`.
pub fn bulk_fingerprint(
    observed: &Observed,
    listed: &BTreeMap<&OrgSlug, ByApp<'_>>,
    env: &Environment,
) -> Option<String> {
    let mut text = objects_fingerprint(observed, env)?;
    let Some(org) = &env.org else { return Some(hex::encode(sha2::Sha256::digest(text))) };
    let (scope, listed): (&Scope, _) = (observed.scopes.get(org)?, listed.get(org)?);
    let complete = [&scope.apps.completeness, &scope.machines.completeness, &scope.volumes.completeness];
    if complete.iter().any(|completeness| !completeness.is_complete()) {
        return None;
    }
    for app in &env.apps {
        text.extend(listed.rows(&app.name).iter().map(|row| format!("{row:?}\n")));
        let mut machines: Vec<String> = listed
            .machines(&app.name)
            .iter()
            .map(|machine| format!("{} {:?} {} {:?}\n", machine.id, machine.state, machine.version, machine.metadata))
            .collect();
        machines.sort();
        let mut volumes: Vec<String> = listed.volumes(&app.name).iter().map(|volume| format!("{volume:?}\n")).collect();
        volumes.sort();
        text.extend(machines);
        text.extend(volumes);
    }
    Some(hex::encode(sha2::Sha256::digest(text)))
}
