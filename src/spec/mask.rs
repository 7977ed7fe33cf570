//! Secrets that somebody wrote into a spec by mistake: they are not repeated when the line is shown.

use std::ops::Range;

use super::tree::{Node, Shape};
use super::validate::names;

/// The text with every literal secret of the documents starred out, of the same length in bytes.
pub(super) fn masked(text: &str, documents: &[Node]) -> String {
    let mut secrets = Vec::new();
    for spec in documents.iter().filter_map(|document| document.get("spec")) {
        let apps = spec.get("fly").and_then(|fly| fly.get("apps"));
        for secret in
            apps.iter().flat_map(|apps| apps.values()).filter_map(|app| app.get("secrets")).flat_map(Node::values)
        {
            literals(secret, &mut secrets);
        }
        let organizations = spec.get("fly").and_then(|fly| fly.get("organizations"));
        let tokens =
            organizations.iter().flat_map(|all| all.values()).filter_map(|organization| organization.get("token"));
        for credential in tokens.chain(spec.get("masterKey")) {
            literals(credential, &mut secrets);
        }
    }
    let mut masked = text.to_owned();
    for span in secrets {
        if let Some(secret) = text.get(span.clone()) {
            // Line breaks stay, so that lines keep their numbers.
            let stars: String = secret
                .bytes()
                .map(|byte| if byte == b'\n' || byte == b'\r' { char::from(byte) } else { '*' })
                .collect();
            masked.replace_range(span, &stars);
        }
    }
    masked
}

/// Places of texts that are no names, paths or expressions, and so may be the secret itself.
fn literals(source: &Node, found: &mut Vec<Range<usize>>) {
    match &source.shape {
        Shape::Text(_) | Shape::Number(..) => found.push(source.span.clone()),
        Shape::Map(entries) => {
            for entry in entries {
                let harmless = match (entry.key.as_str(), entry.value.as_str()) {
                    ("fromEnv", Some(name)) => names::variable(name).is_none(),
                    ("value", Some(value)) => names::has_expression(value),
                    ("fromFile" | "generate", _) => true,
                    _ => false,
                };
                if !harmless {
                    literals(&entry.value, found);
                }
            }
        }
        Shape::List(items) => items.iter().for_each(|item| literals(item, found)),
        Shape::Null | Shape::Bool(_) => {}
    }
}
