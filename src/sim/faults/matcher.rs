//! Which requests a fault is meant for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::transport::Method;
use crate::sim::log::is_read;

/// Which requests a fault hits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// The method, such as `POST`; `None` for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path: segments, where `*` stands for any one segment and `**` at the end for any rest. Empty for any path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Only requests that can have an effect, or only those that cannot; `None` for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
}

/// Reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Requests that cannot have an effect.
    Reads,
    /// Requests that can have an effect.
    Writes,
}

impl Matcher {
    /// Requests with this method and a path of this pattern.
    pub fn new(method: Method, path: &str) -> Self {
        Self { method: Some(method.as_str().to_owned()), path: path.to_owned(), only: None }
    }

    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests that cannot have an effect.
    pub fn reads() -> Self {
        Self { only: Some(Only::Reads), ..Self::default() }
    }

    /// Requests that can have an effect.
    pub fn writes() -> Self {
        Self { only: Some(Only::Writes), ..Self::default() }
    }

    /// Whether this request is meant.
    pub(crate) fn hits(&self, method: Method, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method.as_str())) {
            return false;
        }
        if self.only.is_some_and(|only| is_read(method, path) != (only == Only::Reads)) {
            return false;
        }
        self.path.is_empty() || is_path_like(path, &self.path)
    }
}

/// Whether `path` is of the form `pattern`.
pub(crate) fn is_path_like(path: &str, pattern: &str) -> bool {
    let mut segments = path.trim_matches('/').split('/');
    for wanted in pattern.trim_matches('/').split('/') {
        match (wanted, segments.next()) {
            ("**", _) => return true,
            ("*", Some(_)) => {}
            (literal, Some(segment)) if literal == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let hits = |pattern: &str, path: &str| Matcher::new(Method::Get, pattern).hits(Method::Get, path);
        assert!(hits("/v1/apps/*/machines", "/v1/apps/a/machines"));
        assert!(!hits("/v1/apps/*/machines", "/v1/apps/a/machines/m"));
        assert!(hits("/v1/apps/**", "/v1/apps/a/machines/m"));
        assert!(!hits("/v1/apps/a/machines", "/v1/apps/a"));
        assert!(!Matcher::new(Method::Post, "/v1/apps").hits(Method::Get, "/v1/apps"));
        assert!(Matcher::any().hits(Method::Delete, "/v1/apps/a"));
    }

    #[test]
    fn reads_and_writes_can_be_told_apart() {
        for (method, path, read) in [
            (Method::Get, "/v1/apps", true),
            (Method::Post, "/v1/platform/placements", true),
            (Method::Post, "/v1/apps", false),
            (Method::Delete, "/v1/apps/a", false),
        ] {
            assert_eq!(Matcher::reads().hits(method, path), read, "{method:?} {path}");
            assert_eq!(Matcher::writes().hits(method, path), !read, "{method:?} {path}");
        }
    }
}
