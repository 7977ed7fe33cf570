//! Faults that are injected on purpose, and the point at which everything ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::http::transport::Method;

/// Which requests a fault hits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Matcher {
    /// The method, such as `POST`; `None` for any.
    pub method: Option<String>,
    /// The path: segments, where `*` stands for any one segment and `**` at the end for any rest. Empty for any path.
    pub path: String,
}

impl Matcher {
    /// Requests with this method and a path of this pattern.
    pub fn new(method: Method, path: &str) -> Self {
        Self { method: Some(method.as_str().to_owned()), path: path.to_owned() }
    }

    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    fn hits(&self, method: Method, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(method.as_str())) {
            return false;
        }
        if self.path.is_empty() {
            return true;
        }
        let mut segments = path.trim_matches('/').split('/');
        for pattern in self.path.trim_matches('/').split('/') {
            match (pattern, segments.next()) {
                ("**", _) => return true,
                ("*", Some(_)) => {}
                (literal, Some(segment)) if literal == segment => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// This answer, and no effect.
    StatusBefore {
        /// The status code.
        status: u16,
        /// The body; JSON if it looks like it.
        body: String,
    },
    /// The effect, and then this answer.
    StatusAfter {
        /// The status code.
        status: u16,
        /// The body; JSON if it looks like it.
        body: String,
    },
    /// No connection, so no effect.
    Refused,
    /// The connection breaks before the effect.
    ResetBefore,
    /// The connection breaks after the effect: the reply is lost.
    ResetAfter,
    /// No answer ever, and no effect.
    TimeoutBefore,
    /// No answer ever, after the effect.
    TimeoutAfter,
    /// The connection breaks, and the effect comes later (the assumption F).
    Late {
        /// How much later.
        after_ms: u64,
    },
    /// The answer takes this much longer; the effect comes at the end of it.
    Latency {
        /// How much longer.
        ms: u64,
    },
    /// 429 without effect. The platform is not known to send `Retry-After`.
    RateLimited {
        /// Seconds for a `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// The first half of the answer's body, after the effect.
    Truncated,
    /// 500 with an HTML page, without effect, as the proxy in front sends it.
    HtmlError,
    /// An organization-wide listing without these regions, which it names in `error_regions`.
    ErrorRegions {
        /// The regions that did not answer.
        regions: Vec<String>,
    },
    /// A page of an organization-wide listing with at most this many objects, although more remain.
    ShortPage {
        /// How many objects.
        keep: usize,
    },
    /// A listing that shows nothing and looks complete.
    EmptyList,
}

impl FaultKind {
    /// 503 without effect.
    pub fn unavailable() -> Self {
        Self::StatusBefore { status: 503, body: r#"{"error":"unavailable: upstream is not ready"}"#.to_owned() }
    }

    /// 500 although the effect took place.
    pub fn lost_in_500() -> Self {
        Self::StatusAfter { status: 500, body: r#"{"error":"internal server error"}"#.to_owned() }
    }

    pub(crate) const fn delay(&self) -> Duration {
        if let Self::Latency { ms } = self { Duration::from_millis(*ms) } else { Duration::ZERO }
    }
}

/// A fault: which requests it hits, when, and what it does to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which requests it hits.
    #[serde(default)]
    pub matches: Matcher,
    /// How many of them it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// How many of them it then hits; `None` for all.
    #[serde(default)]
    pub times: Option<u32>,
    /// What it does.
    pub kind: FaultKind,
}

impl Fault {
    /// Hits the next matching request.
    pub const fn once(matches: Matcher, kind: FaultKind) -> Self {
        Self { matches, skip: 0, times: Some(1), kind }
    }

    /// Hits every matching request.
    pub const fn always(matches: Matcher, kind: FaultKind) -> Self {
        Self { matches, skip: 0, times: None, kind }
    }

    /// Lets `skip` matching requests pass first.
    #[must_use]
    pub const fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Hits `times` requests in all.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// Where in a request everything ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashPoint {
    /// Before it has an effect.
    BeforeEffect,
    /// After it had its effect, before the reply.
    BeforeReply,
}

/// A moment from which on no request gets through: the caller is taken for dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KillPoint {
    pub(crate) remaining: u32,
    pub(crate) writes_only: bool,
    pub(crate) point: CrashPoint,
}

/// The faults that are set, and whether the caller is dead.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    set: Vec<Fault>,
    kill: Option<KillPoint>,
    pub(crate) dead: bool,
}

impl Faults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.set.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.set.clear();
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.set
    }

    pub(crate) const fn kill_at(&mut self, point: KillPoint) {
        self.kill = Some(point);
    }

    pub(crate) const fn revive(&mut self) {
        self.kill = None;
        self.dead = false;
    }

    /// The first fault that hits this request. All faults count it.
    pub(crate) fn strike(&mut self, method: Method, path: &str) -> Option<FaultKind> {
        let mut struck = None;
        for fault in &mut self.set {
            if fault.times == Some(0) || !fault.matches.hits(method, path) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip = fault.skip.saturating_sub(1);
            } else if struck.is_none() {
                fault.times = fault.times.map(|times| times.saturating_sub(1));
                struck = Some(fault.kind.clone());
            }
        }
        self.set.retain(|fault| fault.times != Some(0));
        struck
    }

    /// Counts the request towards the kill point, and says where in this request it lies, if it does.
    pub(crate) fn approach(&mut self, is_read: bool) -> Option<CrashPoint> {
        let kill = self.kill.as_mut()?;
        if kill.writes_only && is_read {
            return None;
        }
        kill.remaining = kill.remaining.saturating_sub(1);
        let point = kill.point;
        if kill.remaining > 0 {
            return None;
        }
        self.kill = None;
        Some(point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_paths() {
        let hits = |pattern: &str, path: &str| Matcher::new(Method::Get, pattern).hits(Method::Get, path);
        assert!(hits("/v1/apps/*/machines", "/v1/apps/a/machines"));
        assert!(!hits("/v1/apps/*/machines", "/v1/apps/a/machines/m"));
        assert!(hits("/v1/apps/**", "/v1/apps/a/machines/m"));
        assert!(!hits("/v1/apps/a/machines", "/v1/apps/a"));
        assert!(!Matcher::new(Method::Post, "/v1/apps").hits(Method::Get, "/v1/apps"));
        assert!(Matcher::any().hits(Method::Delete, "/v1/apps/a"));
    }

    #[test]
    fn a_fault_skips_then_hits_a_number_of_times() {
        let mut faults = Faults::default();
        faults.inject(Fault::always(Matcher::any(), FaultKind::Truncated).after(1).times(2));
        let hits: Vec<bool> = (0..4).map(|_| faults.strike(Method::Get, "/v1/apps").is_some()).collect();
        assert_eq!(hits, [false, true, true, false]);
        assert!(faults.list().is_empty());
    }
}
