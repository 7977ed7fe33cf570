//! What people and their tools see: plans, progress, results and status, as text, Markdown and JSON.
//!
//! Everything here is a function from data to text. Nothing reads a terminal, a clock or an environment variable: how wide and how
//! colourful is said by a [`Style`] that the caller passes in, and moments are those of the data.
//!
//! ```text
//! Plan ──> view (grouped, folded, counted) ──> diff_text, diff_markdown, diff_json, gc_text
//! Plan + Observed ──> status ──> text, Markdown, JSON
//! Event ──> live (bars, lines, JSON lines)        end of a pass ──> summary
//! ```
//!
//! Two rules hold for every renderer. A secret is never shown, because none gets here: secret fields arrive as
//! [`crate::resource::Change::Secret`]. And no value steers what shows it: control characters, terminal escapes, invisible and
//! direction-changing characters are written out ([`text::clean`]), and in Markdown nothing closes a fence or opens a tag.

mod diff_json;
mod diff_markdown;
mod diff_text;
mod gc;
mod held;
mod json;
pub mod live;
mod markdown;
mod plan_cost;
mod preview;
mod problems_markdown;
mod review;
pub mod status;
mod strangers;
mod style;
mod summary;
mod table;
pub mod text;
mod value;
mod view;
pub mod workflow;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use diff_json::{ChangeDocument, EnvironmentDocument, PlanDocument, SideDocument, StepDocument, diff_json};
pub use diff_markdown::{diff_comment, diff_markdown};
pub use diff_text::diff_text;
pub use gc::{Collection, Departure, Goes, gc_json, gc_markdown, gc_text};
pub use plan_cost::cost_delta;
pub use preview::{PreviewNews, PreviewPhase, PreviewProblem, preview_comment};
pub use problems_markdown::problems_markdown;
pub use review::{Compared, review_json, review_markdown, review_text, review_totals};
pub use status::{Status, status_json, status_markdown, status_of, status_of_one, status_overview_text, status_text};
pub use strangers::{
    Stranger, adoption_code, adoption_json, adoption_text, strangers, unowned_json, unowned_markdown, unowned_text,
};
pub use style::Style;
pub use summary::{EnvironmentSummary, PassSummary, summary_text};
pub use view::{Totals, totals};

use serde::Serialize;

/// How many requests a run has sent to providers, retries included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestCount {
    /// Requests that could not change anything.
    pub reads: u64,
    /// Requests that could change something.
    pub writes: u64,
}

impl RequestCount {
    /// `12 requests, all reads`, `14 requests, 2 of them writes`, `no requests`.
    pub fn to_line(self) -> String {
        let total = self.reads.saturating_add(self.writes);
        match (total, self.writes) {
            (0, _) => "no requests".to_owned(),
            (1, 0) => "1 request, a read".to_owned(),
            (_, 0) => format!("{total} requests, all reads"),
            (1, 1) => "1 request, a write".to_owned(),
            (_, 1) => format!("{total} requests, 1 of them a write"),
            (_, writes) => format!("{total} requests, {writes} of them writes"),
        }
    }
}
