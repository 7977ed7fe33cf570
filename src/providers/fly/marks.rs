//! Marks on clusters and databases of Managed Postgres. Fly keeps no labels on either, so a mark is an empty database beside them, whose
//! name says it: `hangar_t6b49d200_1c9a0f73be` is a tombstone on what is named `…-1c9a0f73be`. Nobody can log in with one, as he could
//! with a user.

use std::collections::BTreeSet;

use crate::resource::object::Marks;
use crate::resource::own_name::last_word;

/// How the name of a database begins that is a mark.
const PREFIX: &str = "hangar_";

/// The mark that says how often the password was changed.
pub(super) const ROTATE: &str = "hangar_rotate";

/// The mark that says that a backup is made before the deletion.
pub(super) const SNAPSHOT: &str = "hangar_snapshot";

/// Which marks there are, each with its letter, and whether its value is a number (which is kept in base 16).
const LETTERS: [(&str, char, bool); 8] = [
    ("hangar_protect", 'p', true),
    ("hangar_retain", 'k', true),
    (SNAPSHOT, 's', true),
    ("hangar_tombstone", 't', true),
    ("hangar_held", 'h', true),
    ("hangar_emptied", 'e', true),
    (ROTATE, 'r', true),
    ("hangar_released", 'x', false),
];

/// The word by which marks name their bearer.
fn word(bearer: &str) -> String {
    last_word(bearer).replace('_', "-")
}

/// The letter, value and bearer of the mark that the database `name` is, if it is one.
fn parts(name: &str) -> Option<(char, &str, &str)> {
    let (said, bearer) = name.strip_prefix(PREFIX)?.rsplit_once('_')?;
    let letter = said.chars().next()?;
    Some((letter, said.get(letter.len_utf8()..)?, bearer))
}

/// The marks on what is called `bearer`, among the databases of its cluster.
pub(super) fn read(bearer: &str, databases: &BTreeSet<String>) -> Marks {
    let mark = |name: &String| {
        let (letter, value, of) = parts(name)?;
        let (mark, _, is_number) = LETTERS.iter().find(|(_, known, _)| *known == letter && of == word(bearer))?;
        let value = if *is_number { u64::from_str_radix(value, 16).ok()?.to_string() } else { value.to_owned() };
        Some(((*mark).to_owned(), value))
    };
    databases.iter().filter_map(mark).collect()
}

/// The name of the database that says `mark` on what is called `bearer`; nothing where it cannot be said.
pub(super) fn write(bearer: &str, mark: &str, value: &str) -> Option<String> {
    let (_, letter, is_number) = LETTERS.iter().find(|(known, ..)| *known == mark)?;
    let value = if *is_number { format!("{:x}", value.parse::<u64>().ok()?) } else { value.to_owned() };
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_plain.then(|| format!("{PREFIX}{letter}{value}_{}", word(bearer)))
}

/// The databases that say `mark` (or, where none is named, anything) on what is called `bearer`.
pub(super) fn said<'d>(bearer: &str, mark: Option<&str>, databases: &'d BTreeSet<String>) -> Vec<&'d str> {
    let letter = |mark: &str| LETTERS.iter().find(|(known, ..)| *known == mark).map(|(_, letter, _)| *letter);
    let is_meant = |name: &&String| {
        parts(name)
            .is_some_and(|(said, _, of)| of == word(bearer) && mark.is_none_or(|mark| letter(mark) == Some(said)))
    };
    databases.iter().filter(is_meant).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_written_and_only_on_what_they_are_about() {
        let bearer = "demo-main-0123456789";
        let tombstone = write(bearer, "hangar_tombstone", "1800000000").unwrap();
        assert_eq!(tombstone, "hangar_t6b49d200_0123456789");
        let released = write(bearer, "hangar_released", "0123456789ab").unwrap();
        let all = BTreeSet::from([tombstone.clone(), released, "app".to_owned(), "hangar_p1_ffffffffff".to_owned()]);
        let marks = read(bearer, &all);
        assert_eq!(marks["hangar_tombstone"], "1800000000");
        assert_eq!(marks["hangar_released"], "0123456789ab");
        assert_eq!(marks.len(), 2);
        assert_eq!(said(bearer, Some("hangar_tombstone"), &all), [tombstone.as_str()]);
        assert_eq!(said(bearer, None, &all).len(), 2);
        assert_eq!(write(bearer, "hangar_released", "no name; at all"), None);
    }
}
