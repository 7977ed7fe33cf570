//! Which names a template, or a pattern that a person has written, stands for.

use std::fmt;

use crate::resource::EnvName;
use crate::template::{Segment, parse};

/// What all names of one template or pattern have in common: the text between what differs, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Vec<String>);

impl NamePattern {
    /// The names that `template` can make, whatever its expressions come to. One that cannot be read can make any.
    pub fn of(template: &str) -> Self {
        Self::filled(template, None)
    }

    /// The names that the template of an app's name can make in environments whose names are `env`.
    pub fn of_app(template: &str, env: &Self) -> Self {
        Self::filled(template, Some(env))
    }

    fn filled(template: &str, env: Option<&Self>) -> Self {
        let mut pieces = vec![String::new()];
        let Ok(parsed) = parse(template) else { return Self(vec![String::new(), String::new()]) };
        let mut parts: Vec<Option<&str>> = Vec::new();
        for segment in &parsed.segments {
            match segment {
                Segment::Literal(literal) => parts.push(Some(literal)),
                // A name that is cut short, say, may be anything.
                Segment::Expression(expression) => match env {
                    Some(Self(env)) if expression.filters.is_empty() && expression.path.to_string() == "env.name" => {
                        for (index, piece) in env.iter().enumerate() {
                            parts.extend((index > 0).then_some(None));
                            parts.push(Some(piece.as_str()));
                        }
                    }
                    _ => parts.push(None),
                },
            }
        }
        for part in parts {
            match part {
                Some(literal) => pieces.last_mut().into_iter().for_each(|piece| piece.push_str(literal)),
                None => pieces.push(String::new()),
            }
        }
        Self(pieces)
    }

    /// The names that fit `pattern`, in which `*` stands for any text. The error says why it is none.
    pub fn written(pattern: &str) -> Result<Self, String> {
        let pieces = Self(pattern.split('*').map(str::to_owned).collect());
        if let Some(strange) =
            pattern.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || "-*".contains(*c)))
        {
            return Err(format!(
                "`{strange}` is in no app's name: write lower-case letters, digits, `-`, and `*` for any text"
            ));
        }
        if !pieces.has_literal() {
            return Err("it fits every app: write a part of the name, as in `pr-*-server`".to_owned());
        }
        Ok(pieces)
    }

    /// Whether there is at least a letter or a digit that all names have.
    pub fn has_literal(&self) -> bool {
        self.0.iter().flat_map(|piece| piece.chars()).any(|c| c.is_ascii_alphanumeric())
    }

    /// Whether the template can have made `name`.
    pub fn can_be(&self, name: &EnvName) -> bool {
        self.fits(name.as_str())
    }

    /// Whether `name` is one of these names.
    pub fn fits(&self, name: &str) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == name);
        };
        let inner = name.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
        let Some(mut rest) = inner else { return false };
        for piece in between {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        true
    }
}

/// As a person would write it: `pr-*-server`.
impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_tells_which_names_a_template_can_make() {
        for (template, name, expected) in [
            ("chat-pr-${{ pr.number }}", "chat-pr-7", true),
            ("chat-pr-${{ pr.number }}", "chat-pr-", true),
            ("chat-pr-${{ pr.number }}", "docs-pr-7", false),
            ("${{ branch.slug }}", "anything", true),
            ("${{ repo.name }}-x-${{ branch.slug | truncate(20) }}-web", "chat-x-y-web", true),
            ("${{ repo.name }}-x-${{ branch.slug }}-web", "chat-x-web", false),
            ("${{ repo.name }}-x-${{ branch.slug }}-web", "chat-y-web", false),
            ("a${{ pr.number }}a", "a", false),
            ("demo", "demo", true),
            ("demo", "demo-1", false),
            ("broken-${{", "anything", true),
        ] {
            assert_eq!(NamePattern::of(template).can_be(&name.into()), expected, "{template} {name}");
        }
    }

    #[test]
    fn an_apps_name_has_what_its_environments_names_have() {
        let env = NamePattern::of("pr-${{ pr.number }}");
        for (template, pattern) in [
            ("${{ env.name }}-web", "pr-*-web"),
            ("x-${{ env.name }}", "x-pr-*"),
            ("${{ env.name | truncate(40) }}-web", "*-web"),
            ("shared", "shared"),
        ] {
            assert_eq!(NamePattern::of_app(template, &env).to_string(), pattern, "{template}");
        }
    }

    #[test]
    fn a_written_pattern_has_a_literal_part_and_nothing_strange() {
        let pattern = NamePattern::written("pr-*-server").unwrap();
        assert!(pattern.fits("pr-12-server") && !pattern.fits("pr-12-server-db") && !pattern.fits("xpr-12-server"));
        for (wrong, why) in
            [("*", "every app"), ("", "every app"), ("*-*", "every app"), ("pr-?", "`?`"), ("PR-*", "`P`")]
        {
            let problem = NamePattern::written(wrong).unwrap_err();
            assert!(problem.contains(why), "{wrong}: {problem}");
        }
    }
}
