//! Durations and sizes as fly.toml writes them.

use super::tree::{Kind, Node, Report};

/// What a bare number means where a duration is expected.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bare {
    /// Checks count in milliseconds.
    Milliseconds,
    /// Everything else counts in seconds.
    Seconds,
}

/// A duration as specs write it.
pub(super) fn duration(node: Option<Node>, bare: Bare, report: &mut Report) -> Option<String> {
    let node = node?;
    let unit = match bare {
        Bare::Milliseconds => 1_u64,
        Bare::Seconds => 1_000,
    };
    let milliseconds = match &node.kind {
        Kind::Integer(number) => u64::try_from(*number).ok().and_then(|number| number.checked_mul(unit)),
        Kind::Text(text) => match text.trim().parse::<u64>() {
            Ok(number) => number.checked_mul(unit),
            Err(_) => go_milliseconds(text.trim()),
        },
        _ => None,
    };
    match milliseconds {
        Some(milliseconds) if milliseconds % 1_000 == 0 => Some(format!("{}s", milliseconds / 1_000)),
        Some(milliseconds) => Some(format!("{milliseconds}ms")),
        None => node.wrong("a duration such as `15s`, or a whole number", report),
    }
}

/// A size in MB as specs write it; a bare number is in MB.
pub(super) fn megabytes(node: Option<Node>, report: &mut Report) -> Option<String> {
    size(&node?, 1, report).map(|megabytes| format!("{megabytes}MB"))
}

/// A size in GB as specs write it, rounded up; a bare number is in GB.
pub(super) fn gigabytes(node: Option<Node>, report: &mut Report) -> Option<String> {
    size(&node?, 1024, report).map(|megabytes| format!("{}GB", megabytes.div_ceil(1024)))
}

fn size(node: &Node, bare: u64, report: &mut Report) -> Option<u64> {
    let text = match &node.kind {
        Kind::Integer(number) => number.to_string(),
        Kind::Text(text) => text.trim().to_ascii_lowercase(),
        _ => return node.wrong("a size such as `512mb`", report),
    };
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    let factor = match unit.trim() {
        "" => Some(bare),
        "m" | "mb" | "mib" => Some(1),
        "g" | "gb" | "gib" => Some(1024),
        "t" | "tb" | "tib" => Some(1024 * 1024),
        _ => None,
    };
    match (number.parse::<u64>(), factor) {
        (Ok(number), Some(factor)) => number.checked_mul(factor).or_else(|| node.wrong("a smaller size", report)),
        _ => node.wrong("a size such as `512mb` or `1gb`", report),
    }
}

/// A Go duration (`1h30m`, `1.5s`, `250ms`) in milliseconds.
fn go_milliseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?)?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(end)?;
        let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut milliseconds = whole.parse::<u64>().ok()?.checked_mul(scale)?;
        let mut place = scale;
        for digit in fraction.chars() {
            place = place.checked_div(10)?;
            milliseconds = milliseconds.checked_add(place.checked_mul(u64::from(digit.to_digit(10)?))?)?;
        }
        total = total.checked_add(milliseconds)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}
