//! One page at a time: conditional requests, redirects, and the hourly limit.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;

use super::error::{GithubError, Place};
use super::problem::GithubProblem;
use crate::http::transport::Response;
use crate::http::{Call, Rate, ReadClient};
use crate::secret::SecretText;

/// GitHub allows 900 points a minute, of which a read costs one. 20 at once and then ten a second stay far below that for any list of
/// a size that people look at.
const READ_RATE: Rate = Rate::new(Duration::from_millis(100), 20);

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 3;

/// How many routes (lists, or single objects) are remembered. The least recently read is forgotten first.
const MOST_ROUTES: usize = 512;

/// Reads pages, and remembers them with their ETags.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    http: ReadClient,
    memory: Arc<Mutex<Memory>>,
}

/// What was read last, and until when there is no use in asking.
#[derive(Debug, Default)]
struct Memory {
    /// By route (what is read, whatever page of it), then by the address of the page.
    routes: IndexMap<String, IndexMap<String, Known>>,
    exhausted_until: Option<DateTime<Utc>>,
}

/// A page as it was last read.
#[derive(Debug, Clone)]
struct Known {
    etag: String,
    content: Arc<dyn Any + Send + Sync>,
    next: Option<String>,
}

/// A page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) content: Arc<T>,
    /// Where the next one is: path and query behind the base URL.
    pub(super) next: Option<String>,
    /// Its own address.
    pub(super) target: String,
}

/// What is read.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) action: &'static str,
    pub(super) place: Place,
}

impl Pages {
    pub(super) fn new(http: ReadClient) -> Self {
        Self { http, memory: Arc::default() }
    }

    pub(super) const fn http(&self) -> &ReadClient {
        &self.http
    }

    /// The page that `call` asks for. `is_whole` says whether a page that has no next one can be believed to stay the last one for as
    /// long as its ETag is the same; one that is full cannot, for the next row begins a page of its own.
    pub(super) async fn read<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
        route: &Route,
        call: Call,
        is_whole: impl Fn(&T) -> bool,
    ) -> Result<Page<T>, GithubError> {
        self.check_limit(route)?;
        let target = call.target();
        let key = format!("{}{}", route.action, route.place);
        let known = self.known::<T>(&key, &target);
        let mut call = call.rate(READ_RATE).accepting(&[301, 304, 307, 308]);
        for _ in 0..=MOST_REDIRECTS {
            let asked = match &known {
                Some((etag, ..)) => call.clone().header("if-none-match", SecretText::new(etag.as_str())),
                None => call.clone(),
            };
            let response = self.http.fetch(&asked).await.map_err(|error| self.note_limit(error, route))?;
            match (response.status, &known) {
                (304, Some((_, content, next))) => {
                    return Ok(Page { content: Arc::clone(content), next: next.clone(), target });
                }
                (301 | 307 | 308, _) => {
                    let location = response.header("location").unwrap_or_default();
                    let to = self.below_base(location).map_err(|problem| route.error(problem))?;
                    call = Call::following(route.action, &route.place.to_string(), &to)
                        .rate(READ_RATE)
                        .accepting(&[301, 304, 307, 308]);
                }
                _ => {
                    let content: Arc<T> = self
                        .http
                        .decode(&asked, &response)
                        .map(Arc::new)
                        .map_err(|error| self.note_limit(error, route))?;
                    let next = self.next_of(&response).map_err(|problem| route.error(problem))?;
                    let etag = response.header("etag").filter(|_| next.is_some() || is_whole(&content));
                    self.remember(key, &target, etag, &content, next.as_deref());
                    return Ok(Page { content, next, target });
                }
            }
        }
        Err(route.error(GithubProblem::EndlessRedirect))
    }

    /// Forgets the pages of a route that were not among `targets`, the ones that it has now.
    pub(super) fn keep_only(&self, route: &Route, targets: &[String]) {
        let key = format!("{}{}", route.action, route.place);
        if let Some(pages) = self.lock().routes.get_mut(&key) {
            pages.retain(|target, _| targets.contains(target));
        }
    }

    /// Asks for nothing while GitHub is known to refuse everything: who goes on asking is locked out for longer.
    fn check_limit(&self, route: &Route) -> Result<(), GithubError> {
        let connection = self.http.connection();
        let Some(resets_at) = self.lock().exhausted_until else { return Ok(()) };
        if connection.shared.clock.now() >= resets_at {
            return Ok(());
        }
        let token = connection.token.label().to_owned();
        Err(route.error(GithubProblem::LimitReached { token, resets_at }))
    }

    fn note_limit(&self, error: crate::http::HttpError, route: &Route) -> GithubError {
        if let Some(until) = error.exhausted_until() {
            // GitHub counts by the hour: a clock that differs from ours must not cost more than that.
            let latest = self.http.connection().shared.clock.now() + TimeDelta::hours(1);
            self.lock().exhausted_until = Some(until.min(latest));
        }
        GithubError::from_http(error, route.place.clone())
    }

    fn known<T: Send + Sync + 'static>(&self, key: &str, target: &str) -> Option<(String, Arc<T>, Option<String>)> {
        let mut memory = self.lock();
        let index = memory.routes.get_index_of(key)?;
        let last = memory.routes.len().saturating_sub(1);
        memory.routes.move_index(index, last);
        let known = memory.routes.get(key)?.get(target)?.clone();
        Some((known.etag, known.content.downcast().ok()?, known.next))
    }

    fn remember<T: Send + Sync + 'static>(
        &self,
        key: String,
        target: &str,
        etag: Option<&str>,
        content: &Arc<T>,
        next: Option<&str>,
    ) {
        let mut memory = self.lock();
        let Some(etag) = etag else {
            if let Some(pages) = memory.routes.get_mut(&key) {
                pages.shift_remove(target);
            }
            return;
        };
        let content: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(content);
        let known = Known { etag: etag.to_owned(), content, next: next.map(str::to_owned) };
        memory.routes.entry(key).or_default().insert(target.to_owned(), known);
        while memory.routes.len() > MOST_ROUTES {
            memory.routes.shift_remove_index(0);
        }
    }

    /// The page after `response`, by its `Link` header.
    fn next_of(&self, response: &Response) -> Result<Option<String>, GithubProblem> {
        let Some(link) = response.header("link").and_then(next_link) else { return Ok(None) };
        self.below_base(link).map(Some)
    }

    /// What comes behind the base URL in an address that GitHub has named. The token goes nowhere else.
    fn below_base(&self, address: &str) -> Result<String, GithubProblem> {
        let base = self.http.connection().base_url.trim_end_matches('/');
        let same_host = |url: &url::Url, other: &url::Url| url.origin() == other.origin();
        let elsewhere = || {
            let origin = url::Url::parse(address).map(|url| url.origin().ascii_serialization());
            GithubProblem::LeadsElsewhere { to: origin.unwrap_or_else(|_no_address| "no address".to_owned()) }
        };
        let base_url = url::Url::parse(base).map_err(|_no_address| elsewhere())?;
        // A redirect may name only a path.
        let url = base_url.join(address).map_err(|_no_address| elsewhere())?;
        let prefix = base_url.path().trim_end_matches('/');
        let path = url.path().strip_prefix(prefix).filter(|path| path.starts_with('/'));
        match path {
            Some(path) if same_host(&url, &base_url) => {
                Ok(url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")))
            }
            _ => Err(elsewhere()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route {
    pub(super) fn error(&self, problem: GithubProblem) -> GithubError {
        GithubError::new(self.action, problem, self.place.clone())
    }
}

/// The address with `rel="next"` in a `Link` header.
fn next_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = |parameter: &str| {
            let (name, value) = parameter.split_once('=')?;
            let rels = value.trim().trim_matches('"');
            (name.trim().eq_ignore_ascii_case("rel") && rels.split_whitespace().any(|rel| rel == "next")).then_some(())
        };
        parameters.split(';').find_map(is_next).map(|()| address)
    })
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn only_the_next_link_is_followed() {
        let header =
            r#"<https://a/x?page=1>; rel="prev", <https://a/x?page=3>; rel="next", <https://a/x?page=9>; rel="last""#;
        assert_eq!(next_link(header), Some("https://a/x?page=3"));
        assert_eq!(next_link(r#"<https://a/x?page=1>; title="x"; rel="first next""#), Some("https://a/x?page=1"));
        for header in ["", "next", r#"<https://a>; rel="last""#, "<https://a; rel=next", r#"<https://a>; rev="next""#] {
            assert_eq!(next_link(header), None, "{header}");
        }
    }
}
