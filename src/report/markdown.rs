//! Markdown that no value can break out of.

use super::text::{clean, clean_lines};

/// Text for a place where Markdown and HTML are read, with what stands between backticks as code. Nothing in it is read as markup,
/// as a mention, or as a reference to an issue.
pub(super) fn inline(text: &str) -> String {
    let text = clean(text);
    let parts: Vec<&str> = text.split('`').collect();
    // An odd number of backticks leaves the last one without a partner: then it is only a character.
    let is_paired = parts.len() % 2 == 1;
    let mut shown = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 && (is_paired || index.saturating_add(1) < parts.len()) {
            shown.push_str(&code(part));
        } else {
            if index % 2 == 1 {
                shown.push_str("\\`");
            }
            shown.push_str(&escape(part));
        }
    }
    shown
}

/// A name as code.
pub(super) fn code(text: &str) -> String {
    let text = clean(text);
    match (text.trim().is_empty(), text.contains('`')) {
        (true, _) => escape(&text),
        (false, false) => format!("`{text}`"),
        (false, true) => {
            let fence = "`".repeat(longest_run(&text, '`').saturating_add(1));
            format!("{fence} {text} {fence}")
        }
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A word joiner after it: invisible, and neither a person is called nor an issue is linked.
            '@' | '#' => {
                escaped.push('\\');
                escaped.push(c);
                escaped.push('\u{2060}');
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text in a cell of a table: a bar would end it, even between backticks.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// An address to open. Host names come from specs: shown as text, which GitHub links where it is an address.
pub(super) fn address(url: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '-');
    if url.chars().all(is_plain) { url.to_owned() } else { cell(&inline(url)) }
}

/// Text for a place where HTML is read and Markdown is not.
pub(super) fn html(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A fenced block whose fence is longer than any run of backticks in it. The lines must be clean.
pub(super) fn fenced(language: &str, lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line, '`')).max().unwrap_or(0);
    let fence = "`".repeat(longest.saturating_add(1).max(3));
    format!("{fence}{language}\n{}\n{fence}", lines.join("\n"))
}

/// A message for people as a list item; one of several lines keeps its form in a block.
pub(super) fn item(label: &str, message: &str) -> String {
    let lines = clean_lines(message);
    match lines.as_slice() {
        [] => format!("- {label}\n"),
        [only] => format!("- {label} {}\n", inline(only)),
        lines => {
            let block = fenced("text", lines).replace('\n', "\n  ");
            format!("- {label}\n\n  {block}\n")
        }
    }
}

fn longest_run(text: &str, of: char) -> usize {
    let (mut longest, mut run) = (0_usize, 0_usize);
    for c in text.chars() {
        run = if c == of { run.saturating_add(1) } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_mentions_and_references_stay_text() {
        assert_eq!(inline("run `a <b>` or *c*"), "run `a <b>` or \\*c\\*");
        assert_eq!(inline("</details><img src=x>"), "&lt;/details&gt;&lt;img src=x&gt;");
        assert_eq!(inline("@acme #12"), "\\@\u{2060}acme \\#\u{2060}12");
        assert_eq!(inline("odd ` tick <b>"), "odd \\` tick &lt;b&gt;");
        assert_eq!(inline("[x](javascript:y)"), "\\[x\\](javascript:y)");
        assert_eq!(inline("two\nlines"), "two\\\\nlines");
    }

    #[test]
    fn a_fence_is_longer_than_any_run_of_backticks_in_it() {
        let text = fenced("diff", &["+ a: ```".to_owned(), "+ b: `````".to_owned()]);
        assert!(text.starts_with("``````diff\n") && text.ends_with("\n``````"), "{text}");
    }

    #[test]
    fn a_name_with_backticks_stays_in_its_code() {
        assert_eq!(code("a`b"), "`` a`b ``");
    }
}
