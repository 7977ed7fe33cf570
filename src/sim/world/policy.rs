//! Network policies: kept and shown, not enforced, for nothing is routed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A rule set for some machines of an app.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) selector: Value,
    pub(crate) rules: Value,
}

impl Policy {
    pub(crate) fn render(&self) -> Value {
        json!({"id": self.id, "name": self.name, "selector": self.selector, "rules": self.rules})
    }
}
