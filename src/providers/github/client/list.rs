//! Whole lists: all pages as they were at one time, or an error.
//!
//! A list is live: while its second page is read, closing a pull request of the first moves a row from the second page to the first,
//! where nobody looks any more. So a list of more than one page is walked again until two walks agree. The second one costs nothing
//! of the hourly limit where nothing has changed.

use serde::de::DeserializeOwned;

use super::error::GithubError;
use super::pages::{Pages, Route};
use super::problem::GithubProblem;
use crate::http::Call;

/// Rows on a page; the most that GitHub gives.
pub(super) const PER_PAGE: usize = 100;

/// The most pages of one list that are read: a hundred thousand rows. More means that the pages do not end.
const MOST_PAGES: usize = 1000;

/// How often a list is walked before it is given up because it does not stand still.
const MOST_WALKS: usize = 5;

/// Every row of the list whose first page `first` asks for, in its order. `id` tells rows apart.
pub(super) async fn whole<T, I>(
    pages: &Pages,
    route: &Route,
    first: &Call,
    id: impl Fn(&T) -> I,
) -> Result<Vec<T>, GithubError>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
    I: Ord,
{
    let mut before: Option<Vec<I>> = None;
    let mut count = 0;
    for _ in 0..MOST_WALKS {
        let walk = walk(pages, route, first, |_: &[T]| true).await?;
        let ids: Vec<I> = walk.rows.iter().map(&id).collect();
        if walk.pages == 1 || before.as_ref() == Some(&ids) {
            return Ok(walk.rows);
        }
        count = walk.pages;
        before = Some(ids);
    }
    Err(route.error(GithubProblem::Unsettled { pages: count }))
}

/// The rows of one walk over the pages.
pub(super) struct Walk<T> {
    pub(super) rows: Vec<T>,
    pages: usize,
}

/// Reads page after page, for as long as there are any and `goes_on` with the rows of the last one.
pub(super) async fn walk<T>(
    pages: &Pages,
    route: &Route,
    first: &Call,
    goes_on: impl Fn(&[T]) -> bool,
) -> Result<Walk<T>, GithubError>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let mut rows: Vec<T> = Vec::new();
    let mut targets = Vec::new();
    let mut call = first.clone();
    while targets.len() < MOST_PAGES {
        let page = pages.read::<Vec<T>>(route, call, |rows| rows.len() < PER_PAGE).await?;
        rows.extend(page.content.iter().cloned());
        targets.push(page.target);
        let Some(next) = page.next.filter(|_| goes_on(&page.content)) else {
            pages.keep_only(route, &targets);
            return Ok(Walk { rows, pages: targets.len() });
        };
        call = Call::following(route.action, &route.place.to_string(), &next);
    }
    Err(route.error(GithubProblem::EndlessList))
}
