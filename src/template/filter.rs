//! The filters: small pure functions on text.

use base64::Engine as _;
use sha2::{Digest, Sha256};

use super::error::{TemplateError, TemplateErrorKind, did_you_mean};
use super::parse::{Argument, Filter};

/// All filters, each with how it is used.
const FILTERS: [(&str, &str); 11] = [
    ("lower", "lower"),
    ("upper", "upper"),
    ("slug", "slug"),
    ("trim", "trim"),
    ("default", "default(\"text\")"),
    ("truncate", "truncate(n), n at least 10"),
    ("sha256", "sha256 or sha256(n), n from 1 to 64"),
    ("json", "json"),
    ("base64", "base64"),
    ("urlencode", "urlencode"),
    ("replace", "replace(\"old\", \"new\")"),
];

/// The names of all filters.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.into_iter().map(|(name, _)| name)
}

/// The longest DNS label (RFC 1035), which is also the longest name of a Fly app.
const LABEL: usize = 63;
/// A shortened text ends in a dash and eight hexadecimal characters of its hash, and something must be left of it.
const SHORTEST: usize = 10;

/// Whether the filter exists and its arguments are right.
pub(super) fn check(filter: &Filter) -> Result<(), TemplateError> {
    use Argument::{Number, Text};
    let name = filter.name.as_str();
    let Some((_, usage)) = FILTERS.into_iter().find(|(known, _)| *known == name) else {
        let kind = TemplateErrorKind::UnknownFilter { name: name.to_owned(), suggestion: did_you_mean(name, names()) };
        return Err(TemplateError::new(filter.span.clone(), kind));
    };
    let fits = match (name, filter.arguments.as_slice()) {
        ("default", arguments) => matches!(arguments, [Text(_)]),
        ("replace", arguments) => matches!(arguments, [Text(_), Text(_)]),
        ("truncate", arguments) => matches!(arguments, [Number(SHORTEST..)]),
        ("sha256", [Number(1..=64)]) => true,
        (_, arguments) => arguments.is_empty(),
    };
    if fits {
        return Ok(());
    }
    let kind = TemplateErrorKind::FilterArguments { name: name.to_owned(), usage };
    Err(TemplateError::new(filter.span.clone(), kind))
}

/// The filtered value. Errors never hold the value: it may be a secret.
pub(super) fn apply(filter: &Filter, value: &str) -> Result<String, TemplateError> {
    use Argument::{Number, Text};
    check(filter)?;
    let failed = |problem: &str| {
        let kind = TemplateErrorKind::FilterFailed { name: filter.name.clone(), problem: problem.to_owned() };
        TemplateError::new(filter.span.clone(), kind)
    };
    Ok(match (filter.name.as_str(), filter.arguments.as_slice()) {
        ("lower", _) => value.to_lowercase(),
        ("upper", _) => value.to_uppercase(),
        ("trim", _) => value.trim().to_owned(),
        ("slug", _) => match slug(value) {
            slug if slug.is_empty() => return Err(failed("the value has no letter or digit of a-z and 0-9")),
            slug => slug,
        },
        ("default", [Text(default)]) if value.is_empty() => default.clone(),
        ("truncate", [Number(length)]) => shorten(value, *length),
        ("sha256", [Number(length)]) => hex::encode(Sha256::digest(value)).chars().take(*length).collect(),
        ("sha256", _) => hex::encode(Sha256::digest(value)),
        ("json", _) => serde_json::to_string(value).map_err(|_error| failed("the value cannot be written as JSON"))?,
        ("base64", _) => base64::engine::general_purpose::STANDARD.encode(value),
        ("urlencode", _) => url_encode(value),
        ("replace", [Text(old), _]) if old.is_empty() => return Err(failed("the text to replace is empty")),
        ("replace", [Text(old), Text(new)]) => value.replace(old, new),
        _ => value.to_owned(),
    })
}

/// A DNS label of `text`: lower case, everything but letters and digits as single dashes, at most 63 characters.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.to_lowercase().chars() {
        if character.is_ascii_alphanumeric() {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    shorten(slug.trim_matches('-'), LABEL)
}

/// `text` in at most `length` characters (10 or more): where it is longer, its beginning and a hash of the whole, so that two long
/// texts that begin alike stay apart, and the same text is always shortened the same way.
pub fn shorten(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let hash: String = hex::encode(Sha256::digest(text)).chars().take(8).collect();
    let kept: String = text.chars().take(length.saturating_sub(9)).collect();
    format!("{}-{hash}", kept.trim_end_matches(['-', '.', '_']))
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub fn url_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | '~') {
            encoded.push(character);
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    encoded
}
