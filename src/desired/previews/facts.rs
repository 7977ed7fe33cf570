//! What is known of one preview, by the paths that expressions name it by.

use std::collections::BTreeMap;

use crate::resource::output;
use crate::template::{Lookup, Path, TemplateErrorKind, did_you_mean};

/// All paths that a preview may have a value for, `params` apart.
const PATHS: [&str; 13] = [
    "pr.number",
    "pr.title",
    "pr.author",
    "pr.labels",
    "pr.url",
    "branch.name",
    "branch.slug",
    "head.sha",
    "head.shortSha",
    "base.ref",
    "repo.owner",
    "repo.name",
    "repo.fullName",
];

/// The values that a pull request, a branch or an item of a list gives to expressions. They are filled in as they are: nothing in
/// them is read as an expression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::desired) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Nothing is known.
    pub(in crate::desired) fn new() -> Self {
        Self::default()
    }

    /// Notes the value of `path`, without the characters that mark outputs: nobody outside may name one.
    pub(in crate::desired) fn set(&mut self, path: &str, value: impl AsRef<str>) {
        let value = value.as_ref().replace([output::OPEN, output::CLOSE], "");
        self.0.insert(path.to_owned(), value);
    }

    /// The value of `path`.
    pub(in crate::desired) fn get(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// What `path` stands for, whose first word is not `params`.
    pub(in crate::desired) fn look_up(&self, path: &Path) -> Result<Lookup, TemplateErrorKind> {
        let text = path.to_string();
        if let Some(value) = self.get(&text) {
            return Ok(Lookup::Known(value.to_owned()));
        }
        let known: Vec<String> = PATHS.iter().map(|path| (*path).to_owned()).collect();
        if PATHS.contains(&text.as_str()) {
            let root = text.split('.').next().unwrap_or_default();
            let reason = match root {
                "pr" => "this preview comes from no pull request",
                "base" => "this preview comes from no pull request, which alone has a base",
                _ => "this preview comes from a list, and has no branch or commit",
            };
            let reason = Some(format!("{reason}; `| default(\"…\")` can stand in"));
            return Ok(Lookup::Missing(TemplateErrorKind::UnknownPath { path: text, reason, suggestion: None, known }));
        }
        let suggestion = did_you_mean(&text, PATHS);
        Err(TemplateErrorKind::UnknownPath { path: text, reason: None, suggestion, known })
    }

    /// Values of the kind that every preview of a pull request has, to read a template by before there is one.
    pub(in crate::desired) fn sample(repo: &str) -> Self {
        let mut facts = Self::new();
        for path in PATHS {
            facts.set(path, path.replace('.', "-").to_lowercase());
        }
        let (owner, name) = repo.split_once('/').unwrap_or_default();
        for (path, value) in [("pr.number", "1"), ("repo.owner", owner), ("repo.name", name), ("repo.fullName", repo)] {
            facts.set(path, value);
        }
        facts.set("head.sha", "0123456789012345678901234567890123456789");
        facts.set("head.shortSha", "0123456");
        facts
    }
}
