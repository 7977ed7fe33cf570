//! Rules.
use super::diagnostic::Diagnostics;
use super::manifest::Draft;
pub(super) fn documents(_drafts: &[Draft], _problems: &mut Diagnostics) {}
