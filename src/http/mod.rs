//! What every provider client shares: pacing, retries, error mapping and the request log, over one transport.
//!
//! ```text
//! typed client ─> Call ─> ReadClient / WriteClient ─> limiter ─> Transport
//!                              └─ retry: only what is certain to be harmless
//! ```
//!
//! A [`ReadClient`] has no method that writes, so whoever is given only that (a dry run) cannot write by construction.

mod call;
mod client;
mod cookies;
mod error;
mod exchange;
mod lanes;
mod limiter;
mod quotas;
mod requests;
mod reqwest_transport;
mod retry;
mod token;
pub mod transport;

#[cfg(test)]
pub(crate) mod fake;

pub use call::Call;
pub use client::{Answer, Connection, ReadClient, Shared, WriteClient};
pub use error::{HttpError, Problem};
pub use lanes::{Lane, Lanes};
pub use limiter::{LimitKey, Limiter, Rate};
pub use quotas::{Quota, Quotas};
pub use requests::Requests;
pub use reqwest_transport::{ReqwestTransport, StartError};
pub use retry::{Outcome, RetryPolicy};
pub use token::{Token, TokenError};

#[cfg(test)]
mod tests;
