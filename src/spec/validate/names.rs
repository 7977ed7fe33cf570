//! The rules that names of all sorts follow. Each function returns what is wrong, if anything is.

/// Longest name of a Fly app, and of a DNS label.
pub const MAX_LABEL: usize = 63;

/// Whether a text is not final, because it holds an expression.
pub fn has_expression(text: &str) -> bool {
    text.contains("${{")
}

/// Lower case letters, digits and dashes, not beginning or ending with a dash, at most `most` characters.
pub fn label(text: &str, most: usize) -> Option<String> {
    let wrong = text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-'));
    if text.is_empty() {
        Some("is empty".to_owned())
    } else if let Some(wrong) = wrong {
        Some(format!("contains `{}`; only `a` to `z`, `0` to `9` and `-` are allowed", wrong.escape_debug()))
    } else if text.starts_with('-') || text.ends_with('-') {
        Some("begins or ends with a dash".to_owned())
    } else if text.len() > most {
        Some(format!("has {} characters; at most {most} are allowed", text.len()))
    } else {
        None
    }
}

/// A region's code, as in `iad`.
pub fn region(text: &str) -> Option<String> {
    let sound = text.len() == 3 && text.chars().all(|c| c.is_ascii_lowercase());
    (!sound).then(|| "is not a region code; they have three lower case letters, for example `iad`".to_owned())
}

/// The name of an environment variable or of a secret.
pub fn variable(text: &str) -> Option<String> {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let sound = first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!sound).then(|| "is not a variable name; it may have letters, digits and `_`, and no digit first".to_owned())
}

/// Variables that Fly sets in every machine, and that a spec therefore cannot set. Other names that begin with `FLY_` are free:
/// flyctl refuses them in fly.toml, the Machines API takes them.
pub const SET_BY_FLY: [&str; 10] = [
    "FLY_APP_NAME",
    "FLY_MACHINE_ID",
    "FLY_ALLOC_ID",
    "FLY_MACHINE_VERSION",
    "FLY_REGION",
    "FLY_PUBLIC_IP",
    "FLY_PRIVATE_IP",
    "FLY_IMAGE_REF",
    "FLY_PROCESS_GROUP",
    "FLY_VM_MEMORY_MB",
];

/// A volume's name at Fly.
pub fn volume(text: &str) -> Option<String> {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || !text.chars().all(sound) {
        Some("may have only `a` to `z`, `0` to `9` and `_`".to_owned())
    } else if text.len() > 30 {
        Some(format!("has {} characters; at most 30 are allowed", text.len()))
    } else {
        None
    }
}

/// The name of a process group or container.
pub fn group(text: &str) -> Option<String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || !text.chars().all(sound) || text.len() > MAX_LABEL {
        Some("may have only letters, digits, `-` and `_`, at most 63 of them".to_owned())
    } else if text.starts_with("fly_") {
        Some("is reserved: names that begin with `fly_` are Fly's own".to_owned())
    } else {
        None
    }
}

/// An absolute path inside a machine.
pub fn absolute_path(text: &str) -> Option<String> {
    (!text.starts_with('/')).then(|| "is not an absolute path; begin it with `/`".to_owned())
}

/// A host name; a first label `*` is allowed.
pub fn host(text: &str) -> Option<String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let sound = name.contains('.')
        && name.len() <= 253
        && name.split('.').all(|part| label(&part.to_lowercase(), MAX_LABEL).is_none());
    (!sound).then(|| "is not a host name, for example `www.example.com`".to_owned())
}

/// An image reference: `[registry/]path[:tag][@sha256:digest]`.
pub fn image(text: &str) -> Option<String> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    if text.contains("://") {
        return Some("is an address; leave out the part up to `://`".to_owned());
    }
    if let Some(digest) = digest {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.chars().all(|c| c.is_ascii_digit() || matches!(c, 'a'..='f')) {
            return Some("has a malformed digest; it is `@sha256:` and 64 hexadecimal digits".to_owned());
        }
    }
    if let Some(tag) = tag {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if tag.is_empty() || tag.len() > 128 || tag.starts_with(['.', '-']) || !tag.chars().all(sound) {
            return Some(
                "has a malformed tag; it may have letters, digits, `_`, `.` and `-`, at most 128 of them".to_owned(),
            );
        }
    }
    // Only a registry's host, which has a dot, a port or is `localhost`, may have capital letters or a colon.
    let path = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => path,
    };
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
    let malformed = path.split('/').any(|part| part.is_empty() || !part.chars().all(sound));
    malformed.then(|| "is not an image reference such as `registry.fly.io/acme-images:server-1f3c`".to_owned())
}

/// Whether an image names a tag or digest.
pub fn image_is_pinned(text: &str) -> bool {
    text.contains('@') || text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}
