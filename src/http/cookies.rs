//! The one cookie that matters: which node answers for an object.
//!
//! Fly's API answers the creation of an app with a cookie that sends later requests below that path to the node which created it, so
//! that they see what was just written. Nothing else is ever kept.

use std::sync::{Mutex, PoisonError};

use indexmap::IndexMap;

use super::transport::Response;

/// Paths remembered at once; the oldest makes room. The cookie only matters for some seconds after a write.
const LIMIT: usize = 1024;

/// Affinity cookies by path prefix.
#[derive(Debug, Default)]
pub(super) struct AffinityCookies {
    by_path: Mutex<IndexMap<String, String>>,
}

impl AffinityCookies {
    /// Keeps the cookie called `name` if `response` sets it for a path of its own.
    pub(super) fn remember(&self, name: &str, response: &Response) {
        let lines = response.headers.iter().filter(|(key, _)| key == "set-cookie");
        for (path, value) in lines.filter_map(|(_, line)| parse(name, line)) {
            let mut by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
            by_path.shift_remove(path);
            if value.is_empty() {
                continue;
            }
            if by_path.len() >= LIMIT {
                by_path.shift_remove_index(0);
            }
            by_path.insert(path.to_owned(), value.to_owned());
        }
    }

    /// The value to send back with a request for `path`: that of the longest prefix on a segment boundary.
    pub(super) fn value_for(&self, path: &str) -> Option<String> {
        let by_path = self.by_path.lock().unwrap_or_else(PoisonError::into_inner);
        let mut prefix = path;
        loop {
            if let Some(value) = by_path.get(prefix) {
                return Some(value.clone());
            }
            prefix = prefix.rsplit_once('/')?.0;
        }
    }
}

/// The path and value of a `Set-Cookie` line, if it is for the cookie `name`. A value that is to be forgotten comes back empty.
fn parse<'a>(name: &str, line: &'a str) -> Option<(&'a str, &'a str)> {
    let mut parts = line.split(';').map(str::trim);
    let (key, value) = parts.next()?.split_once('=')?;
    if key.trim() != name || !value.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let mut path = None;
    let mut expired = false;
    for (attribute, setting) in parts.filter_map(|part| part.split_once('=')) {
        if attribute.eq_ignore_ascii_case("path") {
            path = Some(setting.trim_end_matches('/'));
        } else if attribute.eq_ignore_ascii_case("max-age") {
            expired = setting.parse::<i64>().is_ok_and(|seconds| seconds <= 0);
        }
    }
    let path = path.filter(|path| path.len() > 1)?;
    Some((path, if expired { "" } else { value.trim() }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(cookies: &[&str]) -> Response {
        let headers = cookies.iter().map(|line| ("set-cookie".to_owned(), (*line).to_owned())).collect();
        Response { status: 201, headers, body: Bytes::new() }
    }

    #[test]
    fn a_cookie_goes_back_only_below_its_path() {
        let jar = AffinityCookies::default();
        jar.remember("node", &answer(&["node=n1; Path=/v1/apps/chat", "other=x; Path=/v1/apps/chat"]));
        assert_eq!(jar.value_for("/v1/apps/chat").as_deref(), Some("n1"));
        assert_eq!(jar.value_for("/v1/apps/chat/machines/1").as_deref(), Some("n1"));
        assert_eq!(jar.value_for("/v1/apps/chat-2"), None);
        assert_eq!(jar.value_for("/v1/apps"), None);
    }

    #[test]
    fn a_cookie_for_everything_or_an_expired_one_is_not_kept() {
        let jar = AffinityCookies::default();
        jar.remember("node", &answer(&["node=n1", "node=n1; Path=/", "node=n1; path=/v1/apps/a"]));
        assert_eq!(jar.value_for("/v1/apps/b"), None);
        jar.remember("node", &answer(&["node=n1; Max-Age=0; Path=/v1/apps/a"]));
        assert_eq!(jar.value_for("/v1/apps/a"), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let jar = AffinityCookies::default();
        for number in 0..=LIMIT {
            jar.remember("node", &answer(&[&format!("node=n; Path=/v1/apps/a{number}")]));
        }
        assert_eq!(jar.value_for("/v1/apps/a0"), None);
        assert!(jar.value_for("/v1/apps/a1").is_some());
    }
}
