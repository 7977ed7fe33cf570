//! One JSON object per event and line, for programs that follow a pass.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::event::{Event, Observer, What};
use crate::report::json;

/// Writes every event as one line of JSON. Lengths of time are in milliseconds (`tookMs`).
pub struct JsonLines {
    out: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

impl JsonLines {
    /// Writes to `out`. A line that cannot be written is lost; progress is not worth a failed pass.
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out: Mutex::new(out) }
    }
}

impl Observer for JsonLines {
    fn observe(&self, event: &Event) {
        let mut value = serde_json::to_value(event).as_ref().map_or(Value::Null, json::displayed);
        if let What::StepFinished { took, .. } = &event.what
            && let Some(what) = value.get_mut("what").and_then(Value::as_object_mut)
        {
            what.remove("took");
            what.insert("tookMs".to_owned(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into());
        }
        let line = format!("{}\n", json::line(&value));
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can be told that the place where things are told is gone.
        drop(out.write_all(line.as_bytes()));
        drop(out.flush());
    }
}
