//! Whole lists: every page, or an error.
//!
//! The next page begins before the time of the last row of this one. Rows of the same millisecond would be lost between the two, so the
//! next page is asked for from one millisecond later, and rows that come twice are passed over.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::error::{Place, VercelError};
use super::problem::VercelProblem;
use crate::http::{Call, ReadClient};
use crate::providers::vercel::wire::Pagination;

/// Rows on a page; the most that Vercel gives.
pub(super) const PER_PAGE: usize = 100;

/// The most pages of one list that are read.
const MOST_PAGES: usize = 500;

/// A page: its rows, and where the next one begins.
pub(super) trait Page: DeserializeOwned {
    type Row;
    fn into_parts(self) -> (Vec<Self::Row>, Pagination);
}

/// Rows of the list that `first` asks for, newest first: all of them, or as many as `most`. `id` tells rows apart.
pub(super) async fn rows<P: Page>(
    http: &ReadClient,
    first: &Call,
    place: &Place,
    most: usize,
    id: impl Fn(&P::Row) -> String,
) -> Result<Vec<P::Row>, VercelError> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    let mut until: Option<i64> = None;
    for _ in 0..MOST_PAGES {
        let call = match until {
            Some(until) => first.clone().query("until", until.to_string()),
            None => first.clone(),
        };
        let page: P = http.get(call).await.map_err(|error| VercelError::from_http(error, place.clone()))?;
        let (page, pagination) = page.into_parts();
        let before = rows.len();
        rows.extend(page.into_iter().filter(|row| seen.insert(id(row))));
        let Some(next) = pagination.next.filter(|_| rows.len() < most) else {
            rows.truncate(most);
            return Ok(rows);
        };
        // A page that brought nothing new is all of one millisecond: go on behind it.
        let step = i64::from(rows.len() > before);
        until = Some(next.saturating_add(step));
    }
    Err(VercelError::new(first.action(), VercelProblem::EndlessList, place.clone()))
}
