//! Which names a template can make.

use crate::resource::EnvName;
use crate::template::{Segment, parse};

/// What all names of one template have in common: the text between its expressions, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Vec<String>);

impl NamePattern {
    /// The names that `template` can make, whatever its expressions come to. One that cannot be read can make any.
    pub fn of(template: &str) -> Self {
        let mut pieces = vec![String::new()];
        let Ok(parsed) = parse(template) else { return Self(vec![String::new(), String::new()]) };
        for segment in &parsed.segments {
            match segment {
                Segment::Literal(literal) => pieces.last_mut().into_iter().for_each(|piece| piece.push_str(literal)),
                Segment::Expression(_) => pieces.push(String::new()),
            }
        }
        Self(pieces)
    }

    /// Whether the template can have made `name`.
    pub fn can_be(&self, name: &EnvName) -> bool {
        let [first, between @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == name.as_str());
        };
        let inner = name.as_str().strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
        let Some(mut rest) = inner else { return false };
        for piece in between {
            let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
            rest = after;
        }
        true
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
}
