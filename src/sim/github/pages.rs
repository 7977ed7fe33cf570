//! Lists, cut into pages.

use std::hash::Hash;

use serde_json::Value;

use super::Asked;
use super::state::Repo;
use crate::sim::routes::Reply;

/// Rows on a page unless the request says otherwise, and the most that it can say.
const USUAL: usize = 30;
const MOST: usize = 100;

/// The page of `rows` that was asked for; `render` shows one, unless the caller has the page already. The addresses of other pages go by
/// the repository's number.
pub(super) fn page<T: Hash>(
    asked: &Asked<'_>,
    repo: &Repo,
    below: &str,
    rows: &[T],
    render: impl Fn(&T) -> Value,
) -> Reply {
    let number = |name| asked.call.query(name).and_then(|text| text.parse::<usize>().ok()).filter(|number| *number > 0);
    let size = number("per_page").unwrap_or(USUAL).min(MOST);
    let page = number("page").unwrap_or(1);
    let shown: Vec<&T> = rows.iter().skip(page.saturating_sub(1).saturating_mul(size)).take(size).collect();
    let etag = asked.etag(&(&shown, repo.facts()));
    if asked.knows(&etag) {
        let mut reply = Reply::empty(304);
        reply.headers.push(("etag".to_owned(), etag));
        return reply;
    }
    let mut reply = Reply::ok(Value::Array(shown.into_iter().map(render).collect()));
    reply.headers.push(("etag".to_owned(), etag));
    let last = rows.len().div_ceil(size).max(1);
    let link = |page: usize, rel: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(asked.call.query.iter().filter(|(name, _)| name != "page"));
        query.append_pair("page", &page.to_string());
        format!("<{}/repositories/{}/{below}?{}>; rel=\"{rel}\"", asked.base, repo.id, query.finish())
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page.saturating_sub(1).min(last), "prev"));
    }
    if page < last {
        links.push(link(page.saturating_add(1), "next"));
        links.push(link(last, "last"));
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    if !links.is_empty() {
        reply.headers.push(("link".to_owned(), links.join(", ")));
    }
    reply
}
