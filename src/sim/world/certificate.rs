//! The TLS certificates of an app, by hostname: one that the platform obtains, one that the customer brings, or both. They stay
//! pending until the DNS of their hostname is right.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rfc3339;

/// The certificates for one hostname.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) hostname: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Whether the platform was asked to obtain one.
    pub(crate) acme: bool,
    /// When the customer brought one. Neither it nor its key is kept.
    pub(crate) custom: Option<DateTime<Utc>>,
    /// Whether the hostname was found to point to the app, and the certificate issued.
    pub(crate) ready: bool,
    /// The label of its challenge records.
    pub(crate) challenge: String,
}

impl Certificate {
    pub(crate) fn new(hostname: &str, challenge: String, at: DateTime<Utc>) -> Self {
        Self {
            hostname: hostname.to_owned(),
            created_at: at,
            updated_at: at,
            acme: false,
            custom: None,
            ready: false,
            challenge,
        }
    }

    /// Whether the hostname is served with a certificate.
    pub(crate) const fn is_configured(&self) -> bool {
        self.ready && (self.acme || self.custom.is_some())
    }

    pub(crate) const fn status(&self) -> &'static str {
        match (self.is_configured(), self.acme) {
            (true, _) => "active",
            (false, true) => "pending_validation",
            (false, false) => "pending_ownership",
        }
    }

    /// One line of the list.
    pub(crate) fn render_summary(&self) -> Value {
        json!({
            "hostname": self.hostname,
            "status": self.status(),
            "configured": self.is_configured(),
            "acme_requested": self.acme,
            "acme_alpn_configured": self.ready,
            "acme_dns_configured": self.ready,
            "acme_http_configured": self.ready,
            "ownership_txt_configured": false,
            "has_fly_certificate": self.acme && self.ready,
            "has_custom_certificate": self.custom.is_some(),
            "dns_provider": "",
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }

    /// All that is known. `addresses` are those of the app.
    pub(crate) fn render(&self, app: &str, addresses: &[String]) -> Value {
        let (six, four): (Vec<&String>, Vec<&String>) = addresses.iter().partition(|ip| ip.contains(':'));
        let errors = if self.ready {
            json!([])
        } else {
            json!([{
                "code": "dns_not_configured",
                "message": format!("{} does not point to {app}.fly.dev", self.hostname),
                "remediation": "add the records under dns_requirements at your DNS provider",
                "timestamp": rfc3339(self.updated_at),
            }])
        };
        json!({
            "hostname": self.hostname,
            "status": self.status(),
            "configured": self.is_configured(),
            "acme_requested": self.acme,
            "dns_provider": "",
            "certificates": self.entries(),
            "validation": {
                "dns_configured": self.ready,
                "alpn_configured": self.ready,
                "http_configured": self.ready,
                "ownership_txt_configured": false,
            },
            "dns_requirements": {
                "a": four,
                "aaaa": six,
                "cname": format!("{app}.fly.dev"),
                "acme_challenge": {
                    "name": format!("_acme-challenge.{}", self.hostname),
                    "target": format!("{}.{}.flydns.net", self.hostname, self.challenge),
                },
                "ownership": {
                    "name": format!("_fly-ownership.{}", self.hostname),
                    "app_value": format!("app-{}", self.challenge),
                    "org_value": format!("org-{}", self.challenge),
                },
            },
            "validation_errors": errors,
        })
    }

    /// The certificates themselves: the platform's once it is issued, the customer's from the beginning.
    fn entries(&self) -> Vec<Value> {
        let entry = |source: &str, status: &str, issuer: &str, authority: &str, at: DateTime<Utc>| {
            let expires = rfc3339(at.checked_add_signed(TimeDelta::days(90)).unwrap_or(at));
            let issued = |kind: &str| json!({"type": kind, "expires_at": expires, "certificate_authority": authority});
            json!({
                "source": source, "status": status, "issuer": issuer,
                "created_at": rfc3339(at), "expires_at": expires, "issued": [issued("rsa"), issued("ecdsa")],
            })
        };
        let issued = self.acme && self.ready;
        let fly = issued.then(|| entry("fly", "active", "Let's Encrypt", "lets_encrypt", self.updated_at));
        let status = if self.ready { "active" } else { "pending_ownership" };
        let custom = self.custom.map(|at| entry("custom", status, "", "custom", at));
        fly.into_iter().chain(custom).collect()
    }
}
