//! Text that is safe to show, and the small forms that all renderers share: durations, moments, shortening, wrapping.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use unicode_width::UnicodeWidthStr as _;

use super::style::Style;
use crate::resource::output;

/// `text` on one line, with placeholders as `(known after create)` and with everything written out that could steer a terminal,
/// change the direction of writing, or hide: `\u{1b}`, `\n`, `\u{202e}`.
pub fn clean(text: &str) -> String {
    let text = output::display(text);
    if !text.chars().any(is_unsafe) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_unsafe(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The lines of a message for people, each of them clean.
pub fn clean_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| clean(line).trim_end().to_owned()).collect()
}

/// Whether a character acts on what shows it, or cannot be seen.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{FEFF}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// How many columns `text` takes on a terminal. It must not hold colours.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// `text` filled up with spaces to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// `text` in at most `max` columns, with its middle left out where it is longer: both ends of an image reference matter.
pub(super) fn shorten(text: &str, max: usize, style: Style) -> String {
    if columns(text) <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub(columns(style.ellipsis()));
    let tail_room = room / 2;
    let head = take_columns(text.chars(), room.saturating_sub(tail_room));
    let tail: String = take_columns(text.chars().rev(), tail_room).chars().rev().collect();
    format!("{head}{}{tail}", style.ellipsis())
}

/// Two texts shortened so that what differs between them still shows.
pub(super) fn shorten_pair(old: &str, new: &str, max: usize, style: Style) -> (String, String) {
    let (short_old, short_new) = (shorten(old, max, style), shorten(new, max, style));
    if short_old != short_new || old == new {
        return (short_old, short_new);
    }
    // The difference is in the middle that was left out: begin a little before it instead.
    let common = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let from = common.saturating_sub(8);
    let cut = |text: &str| {
        let rest: String = text.chars().skip(from).collect();
        format!("{}{}", style.ellipsis(), shorten(&rest, max.saturating_sub(columns(style.ellipsis())), style))
    };
    (cut(old), cut(new))
}

fn take_columns(characters: impl Iterator<Item = char>, room: usize) -> String {
    let mut taken = String::new();
    for c in characters {
        taken.push(c);
        if columns(&taken) > room {
            taken.pop();
            break;
        }
    }
    taken
}

/// Sentences wrapped to `width` columns at spaces. What stands between backticks, a command to copy, stays in one piece.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words(text) {
        if !line.is_empty() && columns(&line).saturating_add(1).saturating_add(columns(&word)) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut in_code = false;
    for c in text.chars() {
        if c == '`' {
            in_code = !in_code;
        }
        match words.last_mut() {
            Some(word) if c != ' ' || in_code => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A message for people as clean lines of at most `width` columns. Lines that begin with a space keep their form.
pub(super) fn paragraph(text: &str, width: usize) -> Vec<String> {
    clean_lines(text)
        .into_iter()
        .flat_map(|line| if line.starts_with(' ') || line.is_empty() { vec![line] } else { wrap(&line, width) })
        .collect()
}

/// `1 machine`, `2 machines`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A length of time in the two units that matter: `850ms`, `2.1s`, `1m 5s`, `3h 20m`, `4d 2h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let part = |unit: u64, of: u64| seconds.checked_div(unit).unwrap_or(0).checked_rem(of).unwrap_or(0);
    let (days, hours, minutes, rest) = (part(86_400, u64::MAX), part(3600, 24), part(60, 60), part(1, 60));
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit} {small}{small_unit}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => format!("{}ms", duration.as_millis()),
        (0, 0, 0) => match duration.subsec_millis() / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        (0, 0, minutes) => two(minutes, "m", rest, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

/// How long it is from `from` to `to`; nothing where `to` is earlier.
pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Duration> {
    to.signed_duration_since(from).to_std().ok()
}

/// A moment seen from `now`: `12:05:00 UTC (in 4m 10s)`, `2026-12-01 09:00 UTC (in 10d)`, `2026-11-20 09:00 UTC (1d 3h ago)`.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let is_near = at.signed_duration_since(now).abs() < TimeDelta::hours(12);
    let clock = if is_near { at.format("%H:%M:%S UTC") } else { at.format("%Y-%m-%d %H:%M UTC") };
    match (span(now, at), span(at, now)) {
        (Some(ahead), _) if ahead >= Duration::from_secs(1) => format!("{clock} (in {})", whole(ahead)),
        (_, Some(past)) if past >= Duration::from_secs(1) => format!("{clock} ({} ago)", whole(past)),
        _ => format!("{clock} (now)"),
    }
}

/// A length of time in whole seconds.
pub(super) fn whole(time: Duration) -> String {
    match time.as_secs() {
        0 => "0s".to_owned(),
        seconds => duration(Duration::from_secs(seconds)),
    }
}

/// A machine's size as people say it: `shared-cpu-1x 256MB`, `performance-2x 4GB`.
pub fn memory(megabytes: u64) -> String {
    match (megabytes.checked_div(1024), megabytes.checked_rem(1024)) {
        (Some(gigabytes), Some(0)) if gigabytes > 0 => format!("{gigabytes}GB"),
        _ => format!("{megabytes}MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_or_hides_is_left_in_a_value() {
        assert_eq!(clean("a\u{1b}[31mb\u{7}\u{9b}c"), "a\\u{1b}[31mb\\u{7}\\u{9b}c");
        assert_eq!(clean("x\r\ny\tz"), "x\\r\\ny\\tz");
        assert_eq!(clean("user\u{202e}gpj.exe\u{200b}"), "user\\u{202e}gpj.exe\\u{200b}");
        assert_eq!(clean("\u{E000}fly.a.ips.v6\u{E001}/x"), "(known after create)/x");
        assert_eq!(clean("stray \u{E001} close"), "stray \\u{e001} close");
        assert_eq!(clean("plain Grüße 日本"), "plain Grüße 日本");
    }

    #[test]
    fn a_long_value_keeps_both_ends_and_two_values_keep_their_difference() {
        let style = Style::PLAIN;
        assert_eq!(shorten("registry.fly.io/app:deadbeef", 15, style), "registr…eadbeef");
        assert_eq!(shorten("日本語日本語日本語", 8, style), "日本…語", "wide characters count twice");
        let (old, new) =
            (format!("{}1{}", "a".repeat(40), "b".repeat(40)), format!("{}2{}", "a".repeat(40), "b".repeat(40)));
        let (short_old, short_new) = shorten_pair(&old, &new, 24, style);
        assert_eq!((short_old.as_str(), short_new.as_str()), ("…aaaaaaaa1bb…bbbbbbbbbbb", "…aaaaaaaa2bb…bbbbbbbbbbb"));
    }

    #[test]
    fn a_command_between_backticks_is_not_broken() {
        let lines = wrap("look at `hangar diff --env production`, then go on", 20);
        assert_eq!(lines, ["look at", "`hangar diff --env production`,", "then go on"]);
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (850, "850ms"),
            (2_130, "2.1s"),
            (3_000, "3s"),
            (65_000, "1m 5s"),
            (12_000_000, "3h 20m"),
            (352_800_000, "4d 2h"),
        ] {
            assert_eq!(duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn moments_say_how_far_they_are() {
        let now = DateTime::parse_from_rfc3339("2026-11-21T12:00:50Z").unwrap().to_utc();
        assert_eq!(moment(now + TimeDelta::seconds(250), now), "12:05:00 UTC (in 4m 10s)");
        assert_eq!(moment(now - TimeDelta::days(3), now), "2026-11-18 12:00 UTC (3d ago)");
        assert_eq!(moment(now, now), "12:00:50 UTC (now)");
    }
}
