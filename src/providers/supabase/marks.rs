//! Marks on a branch. Supabase keeps no labels on it, but lets it be renamed, so they follow the name that says whose it is:
//! `demo-main-0123456789.t6b49d200` has a tombstone.

use std::collections::BTreeMap;

use crate::resource::object::Marks;

/// What parts the name from the marks, and each from the next. No name of ours has it.
const BREAK: char = '.';

/// Which marks there are, each with its letter, and whether its value is a number (which is kept in base 16).
const LETTERS: [(&str, char, bool); 6] = [
    ("hangar_protect", 'p', true),
    ("hangar_retain", 'k', true),
    ("hangar_tombstone", 't', true),
    ("hangar_held", 'h', true),
    ("hangar_emptied", 'e', true),
    ("hangar_released", 'x', false),
];

/// The name that says whose a branch is, and the marks that follow it; nothing where what follows are no marks.
pub(super) fn parts(full: &str) -> Option<(&str, Marks)> {
    let mut parts = full.split(BREAK);
    let name = parts.next()?;
    let mark = |part: &str| {
        let letter = part.chars().next()?;
        let value = part.get(letter.len_utf8()..)?;
        let (mark, _, is_number) = LETTERS.iter().find(|(_, known, _)| *known == letter)?;
        let value = if *is_number { u64::from_str_radix(value, 16).ok()?.to_string() } else { value.to_owned() };
        Some(((*mark).to_owned(), value))
    };
    Some((name, parts.map(mark).collect::<Option<Marks>>()?))
}

/// The moments (in seconds since 1970) that marks hold.
pub(super) fn moments(marks: &Marks) -> impl Iterator<Item = i64> {
    let moments = ["hangar_tombstone", "hangar_held", "hangar_emptied"];
    moments.into_iter().filter_map(|mark| marks.get(mark)?.parse().ok())
}

/// The full name of a branch with these marks.
pub(super) fn full(name: &str, marks: &Marks) -> String {
    let mut full = name.to_owned();
    for (mark, letter, is_number) in LETTERS {
        let Some(value) = marks.get(mark) else { continue };
        let number = value.parse::<u64>().ok().filter(|_| is_number).map(|number| format!("{number:x}"));
        full.extend([BREAK, letter]);
        full.push_str(&number.unwrap_or_else(|| value.clone()));
    }
    full
}

/// These marks with a change made to them.
pub(super) fn changed(mut marks: Marks, change: &BTreeMap<String, Option<String>>) -> Marks {
    for (mark, value) in change {
        match value {
            Some(value) => drop(marks.insert(mark.clone(), value.clone())),
            None => drop(marks.remove(mark)),
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_read_as_they_were_written_and_no_other_name_has_any() {
        let texts = [("hangar_protect", "1"), ("hangar_tombstone", "1800000000"), ("hangar_released", "0123456789ab")];
        let marks: Marks = texts.iter().map(|(mark, value)| ((*mark).to_owned(), (*value).to_owned())).collect();
        let name = full("demo-main-0123456789", &marks);
        assert_eq!(name, "demo-main-0123456789.p1.t6b49d200.x0123456789ab");
        assert_eq!(parts(&name), Some(("demo-main-0123456789", marks)));
        assert_eq!(parts("demo-main-0123456789"), Some(("demo-main-0123456789", Marks::new())));
        for other in ["feature/1.2", "demo-main-0123456789.tnonsense", "demo-main-0123456789.", "a..p1"] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
