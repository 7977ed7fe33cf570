//! A problem at a JSON pointer, before it is known in which file.

use super::diagnostic::Severity;

/// A problem with one value, named by its JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops Hangar.
    pub severity: Severity,
    /// JSON pointer of the value.
    pub pointer: String,
    /// Whether the key is wrong, and not the value.
    pub at_key: bool,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Finding {
    /// An error about a value.
    pub fn error(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, pointer: pointer.into(), at_key: false, message: message.into(), help: None }
    }

    /// A warning about a value.
    pub fn warning(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(pointer, message) }
    }

    /// The same, about the key.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        self.at_key = true;
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with advice if there is any.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Advice for a word that is none of `known`: the one that was probably meant, or all of them if they are few.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    nearest_help(word, known.iter().copied()).or_else(|| {
        let list = known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
        matches!(known.len(), 1..=10).then(|| format!("known are {list}"))
    })
}

/// Advice for a word that is none of `known`: the one that was probably meant, if there is one.
pub fn nearest_help<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    nearest(word, &known).map(|meant| format!("did you mean `{meant}`?"))
}

/// The known word that was probably meant: the same but for case and separators, or few typing errors away.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    let target = plain(word);
    if let Some(same) = known.iter().find(|known| plain(known) == target) {
        return Some(same);
    }
    // One letter or two are too little to guess from.
    let allowed = match word.chars().count() {
        0..=2 => 0,
        length => length / 3,
    };
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&target, &plain(known)), *known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
