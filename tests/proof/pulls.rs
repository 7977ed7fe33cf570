//! Pull requests in random lives: what people do with them, how GitHub answers, and what is live of them in the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use hangar::controller::{Outcome, WithRepositories};
use hangar::http::Shared;
use hangar::http::transport::Method;
use hangar::plan::Standing;
use hangar::random::Random;
use hangar::resource::EnvName;
use hangar::sim::{Fault, FaultKind, MachineView, Matcher, NewPull, PullView, RepositoryHand, SimConfig, Simulator};
use hangar::source::{Snapshot, Source, SourceError};
use proptest::prelude::*;

use crate::world::World;

const REPO: &str = "acme/chat";
pub(crate) const TOKEN: &str = "ghp_planted_0123456789abcdef";
/// How many previews there may be at once; lives have up to three pull requests.
const LIMIT: usize = 2;
/// Who has this label gets no preview.
const EXCLUDED: &str = "wip";

const SET: &str = "apiVersion: hangar/v1
kind: PreviewSet
metadata: {name: chat}
spec:
  source: {github: {repo: acme/chat, pullRequests: {excludeLabels: [wip]}}}
  limit: 2
  template:
    metadata: {name: 'pr-${{ pr.number }}'}
    spec:
      fly:
        org: acme
        region: iad
        apps:
          web: {image: 'registry.fly.io/demo:${{ head.shortSha }}', secrets: {TOKEN: {generate: {}}}}
";

/// What happens to one of the pull requests.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// It is opened: for the first time, or again.
    Open,
    Push,
    Label,
    Unlabel,
    Close,
    /// GitHub does not answer, for some requests.
    Down,
    /// GitHub answers from the past, now and then.
    Stale,
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    use Deed::{Close, Down, Label, Open, Push, Stale, Unlabel};
    prop::sample::select(vec![Open, Open, Push, Push, Close, Close, Label, Unlabel, Down, Stale])
}

/// Pull requests are asked for here, and nothing else.
#[derive(Debug)]
struct NoSource;

#[async_trait::async_trait]
impl Source for NoSource {
    async fn load(&self) -> Result<Snapshot, SourceError> {
        unreachable!("a world has its specs itself")
    }

    async fn changed(&self) {}

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

/// A platform with a repository.
pub(crate) fn with_repository(config: SimConfig) -> SimConfig {
    config.with_repo(REPO, TOKEN)
}

/// Gives `world` the set of previews of the repository.
pub(crate) fn put_set(world: &mut World) {
    world.put("set.yaml", SET);
    world.set("GITHUB_TOKEN", TOKEN);
}

/// Asks the repository what it has, as a run does that begins with nothing known.
pub(crate) async fn look(world: &mut World, seed: u64) {
    let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(seed));
    let eyes = WithRepositories::new(Arc::new(NoSource), shared, Arc::new(world.variables.clone()));
    world.repos = eyes.complete(world.snapshot()).await.repos;
}

fn repository(world: &World) -> RepositoryHand {
    world.sim.repository(REPO)
}

/// Does something to the pull request at `index`, in the order in which they were opened. What cannot be done is not done.
pub(crate) fn happen(world: &World, index: usize, deed: Deed) {
    let repo = repository(world);
    let pull = repo.pulls().into_iter().nth(index);
    let on_github = |kind: FaultKind| Fault::always(Matcher::new(Method::Get, "/repos/**"), kind);
    let _done_or_not = match (deed, pull) {
        (Deed::Open, None) => repo.open_pull(NewPull::from_branch(&format!("change/{index}"))).map(drop),
        (Deed::Open, Some(pull)) if !pull.open => repo.reopen(pull.number),
        (Deed::Push, Some(pull)) => repo.push_to_pull(pull.number).map(drop),
        (Deed::Label, Some(pull)) => repo.label(pull.number, EXCLUDED),
        (Deed::Unlabel, Some(pull)) => repo.unlabel(pull.number, EXCLUDED),
        (Deed::Close, Some(pull)) => repo.close(pull.number),
        (Deed::Down, _) => {
            world.sim.inject(on_github(FaultKind::unavailable()).times(8));
            Ok(())
        }
        (Deed::Stale, _) => {
            world.sim.inject(on_github(FaultKind::Stale { seconds: 45 }).with_probability(0.5));
            Ok(())
        }
        _ => Ok(()),
    };
}

/// Whether an app is the preview of a pull request that has been open, and without a label against it, for longer than any listing lags.
pub(crate) fn is_wanted(sim: &Simulator, app: &str, now: DateTime<Utc>) -> bool {
    let number = app.strip_prefix("pr-").and_then(|rest| rest.strip_suffix("-web")?.parse().ok());
    let pull = number.and_then(|number| sim.repository(REPO).pull(number));
    pull.is_some_and(|pull| is_selected(&pull) && now - pull.updated_at > TimeDelta::minutes(3))
}

fn is_selected(pull: &PullView) -> bool {
    pull.open && pull.labels.iter().all(|label| label != EXCLUDED)
}

/// Every open pull request that has no label against it has exactly its preview, at its head, as far as there is room; and no other
/// has anything live. What people have put out of reach (`by_hand`), and what the controller says that it leaves, is left out.
pub(crate) fn are_as_wanted(world: &World, outcome: &Outcome, by_hand: &BTreeSet<String>) {
    let plan = &outcome.last.plan;
    let apps: BTreeSet<String> = world.app_names().into_iter().collect();
    let (mut wanted, mut live, mut judged) = (0, 0, true);
    for pull in repository(world).pulls() {
        let (env, app) = (EnvName::new(format!("pr-{}", pull.number)), format!("pr-{}-web", pull.number));
        let is_told = plan.withheld.iter().any(|withheld| withheld.env == env);
        let is_there = apps.contains(&app);
        if !is_selected(&pull) {
            let is_left = is_there && !is_told && !by_hand.contains(&app);
            assert!(!is_left, "{app} is left of {pull:#?}");
            judged &= !is_there;
            continue;
        }
        wanted += 1;
        live += usize::from(is_there);
        judged &= !by_hand.contains(&app);
        if is_there && plan.standing(&env) == Standing::Converged && !by_hand.contains(&app) {
            // Somebody may have cloned it by hand: a copy's marker does not name the copy, so it is not ours, and stays.
            let is_ours = |machine: &MachineView| machine.config["metadata"]["hangar_name"] == machine.name.as_str();
            let ours: Vec<MachineView> = world.sim.machines(&app).into_iter().filter(is_ours).collect();
            let image = format!("registry.fly.io/demo:{}", pull.sha.get(..7).unwrap());
            let shows =
                |machine: &MachineView| machine.config["image"].as_str().is_some_and(|it| it.starts_with(&image));
            assert!(ours.len() == 1 && ours.iter().all(shows), "{ours:#?}");
        }
    }
    if judged {
        assert_eq!(live, LIMIT.min(wanted), "{apps:?}\n{:#?}", plan.withheld);
    }
}
