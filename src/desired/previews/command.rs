//! What people ask of Hangar in comments: `/hangar extend 48h` as a line of its own.

use chrono::{DateTime, Utc};

use crate::spec::Duration;
use crate::spec::validate::TTL_BOUNDS;

/// How a line that asks for something begins.
const WORD: &str = "/hangar";
/// How every comment begins that Hangar writes itself: what it quotes there is no command.
const OWN: &str = "<!-- hangar";
/// A line that is indented so far is code (`CommonMark`, "Indented code blocks").
const CODE_INDENT: usize = 4;

/// Something that is asked of a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// To say anew how it is.
    Status,
    /// To write its machines again, and to bring back what was destroyed.
    Redeploy,
    /// To keep it so long from the moment of the comment on, whatever its time to live.
    Extend(Duration),
    /// To delete it, until somebody pushes or asks for it again.
    Destroy,
}

/// A comment in a pull request that asks something of Hangar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The id of the comment.
    pub comment: u64,
    /// The login of whoever wrote it.
    pub author: String,
    /// When it was written. Editing it later changes nothing of that.
    pub at: DateTime<Utc>,
    /// Whether its author may command.
    pub is_allowed: bool,
    /// What it asks for, in its order. Nothing where a part of it is not understood: then nothing of it is done.
    pub asks: Option<Vec<Command>>,
}

/// The commands in the body of a comment. Nothing where it asks nothing of Hangar; `Some(None)` where it does, and is not understood.
pub fn commands(body: &str) -> Option<Option<Vec<Command>>> {
    if body.trim_start().starts_with(OWN) {
        return None;
    }
    let asked = asked(body);
    (!asked.is_empty()).then(|| asked.into_iter().map(command).collect())
}

/// What follows the word on each line that begins with it. Code, quotations and what the page does not show are passed over.
fn asked(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fence: Option<(char, usize)> = None;
    let mut is_hidden = false;
    for line in body.lines() {
        let text = line.trim_start();
        let indent: usize = line.chars().map_while(|c| width(c)).sum();
        if let Some((mark, length)) = fence {
            let (run, rest) = run_of(text, mark);
            if indent < CODE_INDENT && run >= length && rest.trim().is_empty() {
                fence = None;
            }
            continue;
        }
        let was_hidden = is_hidden;
        is_hidden = is_hidden_after(line, is_hidden);
        if was_hidden || indent >= CODE_INDENT {
            continue;
        }
        if let Some(mark) = text.chars().next().filter(|first| matches!(first, '`' | '~')) {
            let (run, _) = run_of(text, mark);
            fence = (run >= 3).then_some((mark, run));
            continue;
        }
        let rest = text.strip_prefix(WORD).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        found.extend(rest);
    }
    found
}

/// How far a character indents what follows it; nothing where it is no blank.
const fn width(c: char) -> Option<usize> {
    match c {
        ' ' => Some(1),
        '\t' => Some(CODE_INDENT),
        _ => None,
    }
}

/// How often `mark` stands at the beginning of `text`, and what follows.
fn run_of(text: &str, mark: char) -> (usize, &str) {
    let rest = text.trim_start_matches(mark);
    (text.len().saturating_sub(rest.len()), rest)
}

/// Whether what comes after `line` is inside an HTML comment, which no page shows.
fn is_hidden_after(line: &str, is_hidden: bool) -> bool {
    let (opened, closed) = (line.rfind("<!--"), line.rfind("-->"));
    match (opened, closed) {
        (Some(opened), Some(closed)) => opened > closed,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (None, None) => is_hidden,
    }
}

fn command(words: &str) -> Option<Command> {
    match words.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["status"] => Some(Command::Status),
        ["redeploy"] => Some(Command::Redeploy),
        ["destroy"] => Some(Command::Destroy),
        ["extend", length @ ..] if !length.is_empty() => {
            let length = Duration::parse(&length.join(" ")).ok()?;
            let (least, most) = TTL_BOUNDS;
            (least..=most).contains(&length.to_std()).then_some(Command::Extend(length))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 3600)
    }

    #[test]
    fn a_line_of_its_own_is_a_command() {
        for (body, commands_in_it) in [
            ("/hangar status", vec![Command::Status]),
            ("  /hangar   redeploy  \r\n", vec![Command::Redeploy]),
            ("Thanks!\n\n/hangar extend 48h\nIt is needed on Monday.", vec![Command::Extend(hours(48))]),
            ("/hangar extend 1h 30m", vec![Command::Extend(Duration::from_secs(5400))]),
            ("/hangar\tdestroy", vec![Command::Destroy]),
            ("/hangar redeploy\n/hangar extend 2h", vec![Command::Redeploy, Command::Extend(hours(2))]),
            ("> /hangar destroy\n\n/hangar status", vec![Command::Status]),
            ("```\n/hangar destroy\n```\n/hangar status", vec![Command::Status]),
            ("<!-- a note -->\n/hangar status", vec![Command::Status]),
        ] {
            assert_eq!(commands(body), Some(Some(commands_in_it)), "{body:?}");
        }
    }

    #[test]
    fn what_is_quoted_shown_as_code_hidden_or_said_in_passing_is_none() {
        for body in [
            "",
            "destroy",
            "please run /hangar destroy",
            "`/hangar destroy`",
            "- /hangar destroy",
            "> /hangar destroy",
            "   > > /hangar destroy",
            "```\n/hangar destroy\n```",
            "```sh\n/hangar destroy\n",
            "````\n```\n/hangar destroy\n````",
            "~~~\n/hangar destroy\n```\n/hangar destroy\n~~~",
            "```\n    ```\n/hangar destroy\n```",
            "    /hangar destroy",
            "\t/hangar destroy",
            "<!--\n/hangar destroy\n-->",
            "<!-- a --> <!-- b\n/hangar destroy",
            "/hangars destroy",
            "/hangar-destroy",
            "/Hangar destroy",
            "<!-- hangar preview 0123 -->\n/hangar destroy",
            "<!-- hangar diff -->\r\n/hangar destroy",
        ] {
            assert_eq!(commands(body), None, "{body:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_done_and_neither_is_what_stands_beside_it() {
        for body in [
            "/hangar",
            "/hangar help",
            "/hangar destroy now",
            "/hangar DESTROY",
            "/hangar extend",
            "/hangar extend soon",
            "/hangar extend 7",
            "/hangar extend 1s",
            "/hangar extend 99999d",
            "/hangar extend -1h",
            "/hangar destroy\n/hangar extend for ever",
        ] {
            assert_eq!(commands(body), Some(None), "{body:?}");
        }
    }
}
