//! One API call, described before it is sent: where it goes, what it counts as, and what may be done when it fails.

use std::fmt::{Debug, Formatter};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::limiter::Rate;
use crate::secret::SecretText;

/// The pace of a call that names none: Fly's documented default of one per second and object, three at once.
const DEFAULT_RATE: Rate = Rate::new(Duration::from_secs(1), 3);

/// One API call. Its method is chosen by the client method that sends it.
#[derive(Clone)]
pub struct Call {
    pub(super) action: &'static str,
    pub(super) object: String,
    pub(super) account: String,
    pub(super) lane: Option<&'static str>,
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    /// A query that is encoded already; comes before the other one.
    raw_query: Option<String>,
    pub(super) headers: Vec<(&'static str, SecretText)>,
    pub(super) body: Option<Bytes>,
    pub(super) accepted: &'static [u16],
    pub(super) harmless: &'static [u16],
    pub(super) rate: Rate,
    pub(super) replay_safe: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) hidden: Vec<SecretText>,
    pub(super) defect: Option<String>,
}

impl Call {
    /// A call of the kind `action` (such as `update machine`) about `object` (a machine's id, an app's name), which together are what
    /// the rate limit counts, for the path made of `segments`. Each segment is encoded, so that no name can change the path.
    pub fn new(action: &'static str, object: &str, segments: &[&str]) -> Self {
        let mut path = String::new();
        let mut defect = None;
        for segment in segments {
            if matches!(*segment, "" | "." | "..") {
                defect =
                    Some(format!("`{segment}` cannot be a part of the path, so the call would go to another object"));
            }
            path.push('/');
            path.push_str(&encode(segment));
        }
        Self {
            action,
            object: object.to_owned(),
            account: String::new(),
            lane: None,
            path,
            query: Vec::new(),
            raw_query: None,
            headers: Vec::new(),
            body: None,
            accepted: &[],
            harmless: &[],
            rate: DEFAULT_RATE,
            replay_safe: false,
            timeout: None,
            hidden: Vec::new(),
            defect,
        }
    }

    /// A call for a path and query that the provider itself has named (the next page of a list), sent as they are. `target` begins with a
    /// slash and comes behind the connection's base URL.
    pub fn following(action: &'static str, object: &str, target: &str) -> Self {
        let mut call = Self::new(action, object, &[]);
        match target.split_once('?') {
            Some((path, query)) => {
                path.clone_into(&mut call.path);
                call.raw_query = Some(query.to_owned());
            }
            None => target.clone_into(&mut call.path),
        }
        let sound = target.starts_with('/') && target.chars().all(|c| c.is_ascii_graphic());
        if !sound {
            call.defect = Some("the provider has named an address that is not one".to_owned());
        }
        call
    }

    /// Adds `name=value` to the query.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header; `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: SecretText) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Sends `body` as JSON.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(Bytes::from(bytes)),
            Err(error) => self.defect = Some(format!("its body cannot be written as JSON: {error}")),
        }
        self
    }

    /// These statuses are answers to be told apart by the caller, not errors: they are neither retried nor reported.
    #[must_use]
    pub const fn accepting(mut self, statuses: &'static [u16]) -> Self {
        self.accepted = statuses;
        self
    }

    /// Of these statuses the provider promises that nothing was done, whatever they mean elsewhere: the call may be sent again.
    #[must_use]
    pub const fn harmless(mut self, statuses: &'static [u16]) -> Self {
        self.harmless = statuses;
        self
    }

    /// The account that the provider counts it for, where one token is for several.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        account.clone_into(&mut self.account);
        self
    }

    /// The pace that the provider allows for this action and object.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.rate = rate;
        self
    }

    /// What the rate limit counts instead of action and object: all calls of a lane wait for each other.
    #[must_use]
    pub const fn lane(mut self, lane: &'static str) -> Self {
        self.lane = Some(lane);
        self
    }

    /// The kind of call.
    pub const fn action(&self) -> &'static str {
        self.action
    }

    /// Sending it twice does no more than sending it once, so it may be repeated after an unknown outcome.
    #[must_use]
    pub const fn replay_safe(mut self) -> Self {
        self.replay_safe = true;
        self
    }

    /// How long to wait for the answer of one attempt, in place of the connection's default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cuts `secret` out of every message that comes back, should the provider repeat it.
    #[must_use]
    pub fn hiding(mut self, secret: SecretText) -> Self {
        self.hidden.push(secret);
        self
    }

    /// Path and query, encoded.
    pub(crate) fn target(&self) -> String {
        let mut target = self.path.clone();
        if let Some(query) = &self.raw_query {
            target.push('?');
            target.push_str(query);
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 && self.raw_query.is_none() { '?' } else { '&' });
            target.push_str(&encode(name));
            target.push('=');
            target.push_str(&encode(value));
        }
        target
    }
}

impl Debug for Call {
    /// Leaves out query, headers and body: they may hold secret values.
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("action", &self.action).field("path", &self.path).finish_non_exhaustive()
    }
}

/// Percent-encodes everything but the characters that RFC 3986 calls unreserved.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let escape = format!("%{byte:02X}");
            encoded.push_str(&escape);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_change_the_path() {
        let call = Call::new("read certificate", "chat", &["v1", "apps", "chat/../x", "certificates", "*.acme.dev"]);
        assert_eq!(call.target(), "/v1/apps/chat%2F..%2Fx/certificates/%2A.acme.dev");
        assert_eq!(call.defect, None);
        for segment in ["", ".", ".."] {
            assert!(Call::new("delete machine", "m", &["v1", "apps", "chat", "machines", segment]).defect.is_some());
        }
    }

    #[test]
    fn the_query_is_encoded() {
        let call = Call::new("list", "acme", &["v1"]).query("cursor", "a b&c=ü").query("limit", "5");
        assert_eq!(call.target(), "/v1?cursor=a%20b%26c%3D%C3%BC&limit=5");
    }

    #[test]
    fn what_the_provider_names_is_sent_as_it_is() {
        let call = Call::following("list", "acme", "/repositories/7/pulls?state=open&page=2");
        assert_eq!(
            (call.target().as_str(), call.path.as_str()),
            ("/repositories/7/pulls?state=open&page=2", "/repositories/7/pulls")
        );
        assert_eq!(call.query("a", "b c").target(), "/repositories/7/pulls?state=open&page=2&a=b%20c");
        for target in ["", "pulls", "/a b", "/a\r\nb"] {
            assert!(Call::following("list", "acme", target).defect.is_some(), "{target:?}");
        }
    }
}
