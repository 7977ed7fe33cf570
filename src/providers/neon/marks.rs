//! Marks on a branch. Neon's annotations cannot be changed once a branch is made, so what changes is kept in the name of its compute,
//! which nobody else reads: at most 64 characters.

use std::collections::BTreeMap;

use crate::resource::object::Marks;

/// How the name of a compute begins that holds marks.
const PREFIX: &str = "hangar:";

/// The mark that says which reset the branch had last: a number, or the hash of a text.
pub(super) const RESET: &str = "hangar_reset";

/// The mark that says that what is in the branch is put aside before it is deleted.
pub(super) const SNAPSHOT: &str = "hangar_snapshot";

/// Which marks there are, each with its letter, and whether its value is a number (which is kept in base 16).
const LETTERS: [(&str, char, bool); 8] = [
    ("hangar_protect", 'p', true),
    ("hangar_retain", 'k', true),
    (SNAPSHOT, 's', true),
    ("hangar_tombstone", 't', true),
    ("hangar_held", 'h', true),
    ("hangar_emptied", 'e', true),
    (RESET, 'r', true),
    ("hangar_released", 'x', false),
];

/// The marks in the name of a compute; none where it is a name that somebody else has given.
pub(super) fn read(name: Option<&str>) -> Marks {
    let Some(text) = name.and_then(|name| name.strip_prefix(PREFIX)) else { return Marks::new() };
    let mark = |part: &str| {
        let letter = part.chars().next()?;
        let value = part.get(letter.len_utf8()..)?;
        let (mark, _, is_number) = LETTERS.iter().find(|(_, known, _)| *known == letter)?;
        let value = if *is_number { u64::from_str_radix(value, 16).ok()?.to_string() } else { value.to_owned() };
        Some(((*mark).to_owned(), value))
    };
    text.split(',').filter_map(mark).collect()
}

/// The name of a compute that holds these marks.
pub(super) fn write(marks: &Marks) -> String {
    let part = |(mark, letter, is_number): &(&str, char, bool)| {
        let value = marks.get(*mark)?;
        let number = || value.parse::<u64>().ok().map(|number| format!("{number:x}"));
        let value = if *is_number { number()? } else { value.clone() };
        Some(format!("{letter}{value}"))
    };
    format!("{PREFIX}{}", LETTERS.iter().filter_map(part).collect::<Vec<_>>().join(","))
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
    fn marks_are_read_as_they_were_written_and_all_of_them_fit() {
        let texts = [
            ("hangar_protect", "1"),
            ("hangar_retain", "1"),
            (SNAPSHOT, "1"),
            ("hangar_tombstone", "1800000000"),
            ("hangar_held", "1800000000"),
            ("hangar_emptied", "1800000000"),
            (RESET, "4294967295"),
        ];
        let marks: Marks = texts.iter().map(|(mark, value)| ((*mark).to_owned(), (*value).to_owned())).collect();
        let name = write(&marks);
        assert_eq!(name, "hangar:p1,k1,s1,t6b49d200,h6b49d200,e6b49d200,rffffffff");
        assert!(name.len() <= 64);
        assert_eq!(read(Some(&name)), marks);
        // What is let go is neither held nor was its set found empty.
        let released =
            [("hangar_held", None), ("hangar_emptied", None), ("hangar_released", Some("0123456789ab".to_owned()))];
        let change = released.map(|(mark, value)| (mark.to_owned(), value)).into();
        let name = write(&changed(marks, &change));
        assert!(name.ends_with(",x0123456789ab") && name.len() <= 64, "{name}");
        assert_eq!(read(Some("analytics")), Marks::new());
        assert_eq!(read(Some("hangar:tnonsense,p1")).len(), 1);
    }
}
