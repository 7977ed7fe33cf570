//! Lists, cut into pages that a cursor leads through.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::{Asked, invalid};
use crate::sim::routes::{Refusal, Reply};

/// How a list is cut.
pub(super) struct Cut {
    /// The most rows on a page, and how many there are unless the request says.
    pub(super) most: usize,
    pub(super) usual: usize,
}

/// A row: the key that it is sorted by, and what is shown.
pub(super) struct Row {
    pub(super) key: String,
    pub(super) shown: Value,
}

/// A page.
pub(super) struct Page {
    pub(super) rows: Vec<Value>,
    /// Behind its last row, or where it began if it has none.
    pub(super) cursor: String,
    /// Whether there are rows after it.
    pub(super) has_more: bool,
}

/// The page of `rows`, sorted by their keys already, that was asked for. A cursor names the key of the last row that was shown, so
/// rows that come and go elsewhere move nothing.
pub(super) fn page(asked: &Asked<'_>, rows: Vec<Row>, descending: bool, cut: &Cut) -> Result<Page, Refusal> {
    let limit = match asked.call.query("limit") {
        None => cut.usual,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=cut.most).contains(limit))
            .ok_or_else(|| invalid(&format!("limit must be from 1 to {}", cut.most)))?,
    };
    let limit = asked.call.listing.page.unwrap_or(limit).min(limit);
    let after = asked.call.query("cursor").filter(|cursor| !cursor.is_empty());
    let after = after.map(|cursor| decode(cursor).ok_or_else(|| invalid("the cursor is not valid"))).transpose()?;
    // An empty first page ends before the first row.
    let after = after.filter(|after| !after.is_empty());
    let is_later = |key: &str| after.as_deref().is_none_or(|after| if descending { key < after } else { key > after });
    let mut rest = rows.into_iter().filter(|row| is_later(&row.key)).peekable();
    let mut shown = Vec::new();
    let mut last = after.clone().unwrap_or_default();
    while shown.len() < limit
        && let Some(row) = rest.next()
    {
        last = row.key;
        shown.push(row.shown);
    }
    Ok(Page { rows: shown, cursor: URL_SAFE_NO_PAD.encode(format!("after:{last}")), has_more: rest.peek().is_some() })
}

fn decode(cursor: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix("after:").map(str::to_owned)
}

/// An answer whose cursor is there on the last page too.
pub(super) fn with_cursor(name: &str, page: Page, mut more: Map<String, Value>) -> Reply {
    more.insert(name.to_owned(), Value::Array(page.rows));
    more.insert("pagination".to_owned(), json!({"cursor": page.cursor}));
    Reply::ok(Value::Object(more))
}
