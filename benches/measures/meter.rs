//! Time, memory, and requests, counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hangar::clock::SharedClock;
use hangar::http::transport::{Method, Request, Response, SharedTransport, Transport, TransportError};
use rustix::time::{ClockId, clock_gettime};

use crate::HEAP;

/// Processor time of this thread so far. Everything that is measured runs on one thread.
pub(crate) fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it is not negative")
}

/// What happens between two moments.
pub(crate) struct Span {
    processor: Duration,
    heap: usize,
}

impl Span {
    pub(crate) fn begin() -> Self {
        HEAP.reset_peak_usage();
        Self { processor: processor_time(), heap: HEAP.current_usage() }
    }

    /// Processor time since the beginning.
    pub(crate) fn processor(&self) -> Duration {
        processor_time().saturating_sub(self.processor)
    }

    /// Bytes that were allocated at the highest moment, above what was there at the beginning.
    pub(crate) fn heap_peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.heap)
    }

    /// Bytes that are allocated now, above what was there at the beginning.
    pub(crate) fn heap_kept(&self) -> usize {
        HEAP.current_usage().saturating_sub(self.heap)
    }
}

/// The most memory that this process has had, as the operating system sees it, in bytes; `None` where it does not say.
pub(crate) fn process_peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The processor and how many of its cores there are.
pub(crate) fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(['\t', ' ', ':']).trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

/// One call, as the transport saw it.
#[derive(Debug, Clone)]
pub(crate) struct CallSpan {
    pub(crate) method: Method,
    /// Without host and query.
    pub(crate) path: String,
    /// The app it is about, if it is about one.
    pub(crate) app: Option<String>,
    pub(crate) began: DateTime<Utc>,
    pub(crate) ended: DateTime<Utc>,
}

/// A transport that counts, and that keeps the simulator's processor time apart from Hangar's.
#[derive(Debug)]
pub(crate) struct Metered {
    inner: SharedTransport,
    clock: SharedClock,
    requests: AtomicUsize,
    simulator_nanoseconds: AtomicU64,
    /// Kept only where they are looked at.
    calls: Option<Mutex<Vec<CallSpan>>>,
}

impl Metered {
    pub(crate) fn new(inner: SharedTransport, clock: SharedClock, keep_calls: bool) -> Arc<Self> {
        let calls = keep_calls.then(Mutex::default);
        Arc::new(Self { inner, clock, requests: AtomicUsize::new(0), simulator_nanoseconds: AtomicU64::new(0), calls })
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Processor time that the simulator has taken.
    pub(crate) fn simulator(&self) -> Duration {
        Duration::from_nanos(self.simulator_nanoseconds.load(Ordering::Relaxed))
    }

    pub(crate) fn calls(&self) -> Vec<CallSpan> {
        self.calls.as_ref().map(|calls| calls.lock().unwrap().clone()).unwrap_or_default()
    }

    fn note(&self, request: &Request, began: DateTime<Utc>) -> Option<CallSpan> {
        self.calls.as_ref()?;
        let path = request.url.split('?').next()?.splitn(4, '/').nth(3)?.to_owned();
        let named = path.split('/').nth(2).map(str::to_owned);
        let in_body = || {
            let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
            Some(body.get("name")?.as_str()?.to_owned())
        };
        let app = if path.starts_with("v1/apps") { named.or_else(in_body) } else { None };
        Some(CallSpan { method: request.method, path, app, began, ended: began })
    }
}

#[async_trait::async_trait]
impl Transport for Metered {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let call = self.note(&request, self.clock.now());
        let mut sending = self.inner.send(request);
        let answer = std::future::poll_fn(|context| {
            let before = processor_time();
            let polled: Poll<_> = sending.as_mut().poll(context);
            let spent = u64::try_from(processor_time().saturating_sub(before).as_nanos()).unwrap_or(u64::MAX);
            self.simulator_nanoseconds.fetch_add(spent, Ordering::Relaxed);
            polled
        })
        .await;
        if let (Some(calls), Some(call)) = (&self.calls, call) {
            calls.lock().unwrap().push(CallSpan { ended: self.clock.now(), ..call });
        }
        answer
    }
}
