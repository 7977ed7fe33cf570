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
    /// JSON pointers of other values that it is concluded from. Where one of them could not be read, the conclusion may be wrong.
    pub relies_on: Vec<String>,
}

impl Finding {
    /// An error about a value.
    pub fn error(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            pointer: pointer.into(),
            at_key: false,
            message: message.into(),
            help: None,
            relies_on: Vec::new(),
        }
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

    /// The same, concluded from these values as well.
    #[must_use]
    pub fn relies_on<P: Into<String>>(mut self, pointers: impl IntoIterator<Item = P>) -> Self {
        self.relies_on.extend(pointers.into_iter().map(Into::into));
        self
    }

    /// The same, of a value whose pointer begins with `base`.
    #[must_use]
    pub fn below(mut self, base: &str) -> Self {
        self.pointer.insert_str(0, base);
        for pointer in &mut self.relies_on {
            pointer.insert_str(0, base);
        }
        self
    }

    /// The known word that the advice says was meant, if that is the advice.
    pub(super) fn meant(&self) -> Option<&str> {
        self.help.as_deref()?.strip_prefix(DID_YOU_MEAN)?.strip_suffix(MEANT_END)
    }
}

/// How the advice for a misspelt word begins and ends.
const DID_YOU_MEAN: &str = "did you mean `";
const MEANT_END: &str = "`?";

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
    nearest(word, &known).map(|meant| format!("{DID_YOU_MEAN}{meant}{MEANT_END}"))
}

/// The known word that was probably meant: the same but for case, separators and number, or few typing errors away.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |word: &str| word.replace(['_', '-'], "").to_lowercase();
    let target = plain(word);
    let is_plural = |many: &str, one: &str| many.strip_prefix(one).is_some_and(|end| matches!(end, "" | "s" | "es"));
    let is_same = |known: &str| is_plural(known, &target) || is_plural(&target, known);
    if let Some(same) = known.iter().find(|known| is_same(&plain(known))) {
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
