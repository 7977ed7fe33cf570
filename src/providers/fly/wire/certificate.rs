//! Certificates of an app's own host names.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::providers::lenient::{moment, or_default};

/// A certificate in a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CertificateSummary {
    /// The host name.
    pub hostname: String,
    /// Whether DNS is right and the certificate is in use.
    #[serde(default, deserialize_with = "or_default")]
    pub configured: bool,
    /// `active`, `pending_ownership`, `pending_validation` …
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// Whether Fly was asked to get one.
    #[serde(default, deserialize_with = "or_default")]
    pub acme_requested: bool,
    /// Whether one was uploaded.
    #[serde(default, deserialize_with = "or_default")]
    pub has_custom_certificate: bool,
    /// When it was added.
    #[serde(default, deserialize_with = "moment")]
    pub created_at: Option<DateTime<Utc>>,
}

/// A certificate with what is still missing for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Certificate {
    /// The host name.
    pub hostname: String,
    /// Whether DNS is right and the certificate is in use.
    #[serde(default, deserialize_with = "or_default")]
    pub configured: bool,
    /// `active`, `pending_ownership`, `pending_validation` …
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
    /// Whether Fly was asked to get one.
    #[serde(default, deserialize_with = "or_default")]
    pub acme_requested: bool,
    /// Until when the certificate authority refuses to be asked.
    #[serde(default, deserialize_with = "moment")]
    pub rate_limited_until: Option<DateTime<Utc>>,
    /// Which ways of proving the name work.
    #[serde(default, deserialize_with = "or_default")]
    pub validation: CertificateValidation,
    /// What has to be in the name's DNS.
    #[serde(default, deserialize_with = "or_default")]
    pub dns_requirements: DnsRequirements,
    /// What went wrong so far.
    #[serde(default, deserialize_with = "or_default")]
    pub validation_errors: Vec<ValidationError>,
}

impl Certificate {
    /// Whether it is in use.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// Which ways of proving a name work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the fields of the answer")]
pub struct CertificateValidation {
    /// The `_acme-challenge` record is there.
    #[serde(default, deserialize_with = "or_default")]
    pub dns_configured: bool,
    /// The name leads to the app over TLS.
    #[serde(default, deserialize_with = "or_default")]
    pub alpn_configured: bool,
    /// The name leads to the app over HTTP.
    #[serde(default, deserialize_with = "or_default")]
    pub http_configured: bool,
    /// The ownership record is there.
    #[serde(default, deserialize_with = "or_default")]
    pub ownership_txt_configured: bool,
}

/// What has to be in a name's DNS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct DnsRequirements {
    /// Addresses for `A` records.
    #[serde(default, deserialize_with = "or_default")]
    pub a: Vec<String>,
    /// Addresses for `AAAA` records.
    #[serde(default, deserialize_with = "or_default")]
    pub aaaa: Vec<String>,
    /// The target of a `CNAME`, in place of addresses.
    #[serde(default)]
    pub cname: Option<String>,
    /// The record that proves the name before traffic moves.
    #[serde(default)]
    pub acme_challenge: Option<AcmeChallenge>,
    /// The record that proves that the name is yours.
    #[serde(default)]
    pub ownership: Option<Ownership>,
}

/// A `CNAME` that proves a name to the certificate authority.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AcmeChallenge {
    /// The record's name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it points to.
    #[serde(default, deserialize_with = "or_default")]
    pub target: String,
}

/// A `TXT` record that proves a name to Fly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Ownership {
    /// The record's name.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// A value that is good for this app.
    #[serde(default)]
    pub app_value: Option<String>,
    /// A value that is good for all apps of the organization.
    #[serde(default)]
    pub org_value: Option<String>,
}

/// Why a name could not be validated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ValidationError {
    /// A word for it.
    #[serde(default, deserialize_with = "or_default")]
    pub code: String,
    /// What is wrong.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
    /// What to do.
    #[serde(default, deserialize_with = "or_default")]
    pub remediation: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::providers::fly) struct CertificatesAnswer {
    #[serde(deserialize_with = "or_default")]
    pub(in crate::providers::fly) certificates: Vec<CertificateSummary>,
    #[serde(default)]
    pub(in crate::providers::fly) next_cursor: Option<String>,
}
