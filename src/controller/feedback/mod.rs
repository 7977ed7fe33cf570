//! Tells those who work on a pull request how its preview is doing: a comment, a commit status, a deployment.
//!
//! ```text
//! a pass ──note──> wish (what is to be said: pure) ──> told beside the work ──> say (what is there? write what differs)
//! ```
//!
//! What is to be said is derived anew after every look, and compared with what is there: nothing is remembered but what this process has
//! said already. No pass waits for GitHub, and none fails because of it.

mod say;
mod wish;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use super::credentials::AppTokens;
use super::github::GithubAccess;
use super::load::Loaded;
use super::variables::Variables;
use crate::desired::{Asks, Destroyed};
use crate::execute::Failure;
use crate::http::{Shared, WriteClient};
use crate::observed::Observed;
use crate::plan::{Births, Plan};
use crate::providers::github::client::GithubWriter;
use crate::resource::{EnvName, OwnerId};
use crate::spec::controller::ControllerGithub;
use say::Voice;
use wish::{Pass, Wish};

/// How long after the end of a preview it is seen to that this is said, by a process that has not seen the end itself.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);
/// How soon what could not be said is tried again, the first time; then twice as long, and so on.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest of these.
const AGAIN_AT_MOST: Duration = Duration::from_mins(10);
/// How long a program that is done goes on trying.
const LAST_WORDS: Duration = Duration::from_mins(1);

/// Where passes leave what is to be said. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Feedback(Option<Arc<Speaker>>);

#[derive(Debug)]
struct Speaker {
    shared: Shared,
    variables: Arc<dyn Variables>,
    tokens: AppTokens,
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What is to be said, the latest of each preview.
    wishes: BTreeMap<EnvName, Item>,
    /// What was said last of each preview.
    said: BTreeMap<EnvName, Wish>,
    voices: BTreeMap<(String, String), Arc<Voice>>,
    is_closing: bool,
}

/// Something to be said.
#[derive(Debug, Clone)]
struct Item {
    wish: Wish,
    owner: OwnerId,
    settings: ControllerGithub,
    /// Not before.
    at: DateTime<Utc>,
    tries: u32,
}

impl Feedback {
    /// Tells GitHub, reached through `shared` with the tokens in `variables`. The default tells nobody.
    pub fn new(shared: Shared, variables: Arc<dyn Variables>) -> Self {
        let (state, news) = (Mutex::default(), Notify::new());
        Self(Some(Arc::new(Speaker { shared, variables, tokens: AppTokens::default(), state, news })))
    }

    /// Takes in what a pass knows of one environment: what it has planned, and what did not work.
    pub(super) fn note(&self, loaded: &Loaded, plan: &Plan, observed: &Observed, env: &EnvName, failures: &[Failure]) {
        let Some(speaker) = &self.0 else { return };
        let pass = Pass { fleet: &loaded.fleet, plan, observed, failures, now: speaker.shared.clock.now() };
        if let Some(wish) = pass.wish(env) {
            speaker.take(loaded, wish);
        }
    }

    /// Takes in that nothing is left of previews which nobody asks for any more, where a listing shows it.
    pub(super) fn note_absent(&self, loaded: &Loaded, observed: &Observed) {
        let Some(speaker) = &self.0 else { return };
        let fleet = &loaded.fleet;
        let is_all = observed
            .scopes
            .values()
            .all(|scope| scope.apps.completeness.is_complete() && scope.machines.completeness.is_complete());
        if fleet.audiences.is_empty() || !is_all {
            return;
        }
        let now = speaker.shared.clock.now();
        let births = Births::of(observed, &fleet.owner);
        for (env, audience) in &fleet.audiences {
            let is_news = match &audience.asks {
                Asks::Preview => false,
                // This process has not seen its end, and perhaps nobody has said it.
                Asks::NoneSince { closed_at: at } | Asks::Destroyed(Destroyed { at, .. })
                    if now.signed_duration_since(at) < LOOK_BACK =>
                {
                    true
                }
                // Somebody has asked something, and perhaps nobody has answered.
                Asks::Destroyed(_) if !audience.answers.is_empty() => true,
                Asks::NoneSince { .. } | Asks::Destroyed(_) | Asks::None => speaker.has_said_something_of(env),
            };
            if is_news && !births.has(env) {
                speaker.take(loaded, wish::deleted(env, audience));
            }
        }
    }

    /// Works, and beside it says what there is to say; then what is left of that, for a while.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(speaker) = &self.0 else { return work.await };
        speaker.state().is_closing = false;
        let mut telling = pin!(speaker.tell_all());
        let mut work = pin!(work);
        let result = tokio::select! {
            result = &mut work => result,
            // It ends only once it is told that the work is over.
            () = &mut telling => work.await,
        };
        speaker.state().is_closing = true;
        speaker.news.notify_one();
        let deadline = speaker.shared.clock.sleep(LAST_WORDS);
        tokio::select! {
            () = &mut telling => {}
            () = deadline => tracing::warn!("not all was said at GitHub in time; the next run says it"),
        }
        result
    }
}

impl Speaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_said_something_of(&self, env: &EnvName) -> bool {
        self.state().said.contains_key(env)
    }

    fn take(&self, loaded: &Loaded, wish: Wish) {
        let mut state = self.state();
        let waiting = state.wishes.get(&wish.env).map(|item| &item.wish);
        let last = waiting.or_else(|| state.said.get(&wish.env));
        if last.is_some_and(|last| *last == wish || wish.is_another_try_after(last)) {
            return;
        }
        let item = Item {
            owner: loaded.fleet.owner.clone(),
            settings: loaded.settings.as_ref().and_then(|settings| settings.github.clone()).unwrap_or_default(),
            at: self.shared.clock.now(),
            tries: 0,
            wish,
        };
        state.wishes.insert(item.wish.env.clone(), item);
        drop(state);
        self.news.notify_one();
    }

    /// Says everything as it comes. Ends once the work is over and nothing is left to be said.
    async fn tell_all(&self) {
        loop {
            let now = self.shared.clock.now();
            let next = {
                let state = self.state();
                let next = state.wishes.values().min_by_key(|item| item.at).cloned();
                if next.is_none() && state.is_closing {
                    return;
                }
                next
            };
            match next {
                Some(item) if item.at <= now => self.tell(item).await,
                Some(item) => {
                    let wait = item.at.signed_duration_since(now).to_std().unwrap_or_default();
                    tokio::select! {
                        () = self.shared.clock.sleep(wait) => {}
                        () = self.news.notified() => {}
                    }
                }
                None => self.news.notified().await,
            }
        }
    }

    async fn tell(&self, item: Item) {
        let env = item.wish.env.clone();
        let result = match self.voice(&item.settings).await {
            Ok(voice) => say::say(&voice, &item.owner, &item.wish).await.map_err(|error| {
                (error.is_transient() || error.may_have_had_effect(), format!("{error}; {}", error.advice()))
            }),
            Err(reason) => Err((false, reason)),
        };
        let now = self.shared.clock.now();
        let mut state = self.state();
        let is_latest = state.wishes.get(&env).is_some_and(|latest| latest.wish == item.wish);
        match result {
            Err((true, problem)) => {
                tracing::warn!(%env, problem, "not said at GitHub; it is tried again");
                let wait =
                    AGAIN.saturating_mul(1_u32.checked_shl(item.tries.min(10)).unwrap_or(u32::MAX)).min(AGAIN_AT_MOST);
                let at = now.checked_add_signed(TimeDelta::from_std(wait).unwrap_or_default()).unwrap_or(now);
                if is_latest {
                    state.wishes.insert(env, Item { at, tries: item.tries.saturating_add(1), ..item });
                }
            }
            result => {
                if let Err((_, problem)) = result {
                    tracing::warn!(%env, problem, "not said at GitHub");
                }
                // What is refused for good is not tried again before there is something else to say.
                if is_latest {
                    state.wishes.remove(&env);
                }
                state.said.insert(env, item.wish);
            }
        }
    }

    async fn voice(&self, settings: &ControllerGithub) -> Result<Arc<Voice>, String> {
        let access = GithubAccess::find(settings, &*self.variables, &self.shared, &self.tokens).await?;
        let writer = || GithubWriter::new(WriteClient::new(access.connect(self.shared.clone())));
        let make = || Arc::new(Voice::new(writer()));
        Ok(Arc::clone(self.state().voices.entry(access.key()).or_insert_with(make)))
    }
}
