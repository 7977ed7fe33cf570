//! How what is withheld is told, the same in every renderer.

use chrono::{DateTime, Utc};

use super::text::{moment, span, whole};
use super::view::short_name;
use crate::plan::{Reason, Withheld};

/// Why something is withheld, with its resource where the message does not name it, and when it goes on.
pub(super) fn message(withheld: &Withheld, now: DateTime<Utc>) -> String {
    format!("{}{}", named(withheld), until(withheld, now))
}

/// Why something is withheld, with its resource where the message does not name it.
pub(super) fn named(withheld: &Withheld) -> String {
    let Some(key) = &withheld.key else {
        return withheld.message.clone();
    };
    let name = short_name(key);
    let is_named = withheld.message.contains(&*key.name())
        || name.split(' ').next_back().is_some_and(|last| withheld.message.contains(last));
    if is_named { withheld.message.clone() } else { format!("{name}: {}", withheld.message) }
}

/// `; goes on at 12:05:00 UTC (in 4m)`, or only how long that is where the message says the moment itself.
fn until(withheld: &Withheld, now: DateTime<Utc>) -> String {
    // What runs before a deletion is only looked at again then, and its message says when the deletion goes on.
    let Some(at) = withheld.until.filter(|_| withheld.reason != Reason::Finalizing) else {
        return String::new();
    };
    let is_said = withheld.message.contains(&at.format("%H:%M:%S UTC").to_string());
    match span(now, at) {
        Some(ahead) if is_said => format!(" (in {})", whole(ahead)),
        None if is_said => String::new(),
        _ => format!("; goes on at {}", moment(at, now)),
    }
}
