//! The TLS certificates of an app. They stay pending until the DNS of their hostname is right.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rfc3339;

/// A certificate for one hostname.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) hostname: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Whether the hostname was found to point to the app, and the certificate issued.
    pub(crate) configured: bool,
    /// The label of its challenge records.
    pub(crate) challenge: String,
}

impl Certificate {
    pub(crate) const fn status(&self) -> &'static str {
        if self.configured { "active" } else { "pending_validation" }
    }

    /// One line of the list.
    pub(crate) fn render_summary(&self) -> Value {
        json!({
            "hostname": self.hostname,
            "status": self.status(),
            "configured": self.configured,
            "acme_requested": true,
            "acme_alpn_configured": self.configured,
            "acme_dns_configured": self.configured,
            "acme_http_configured": self.configured,
            "ownership_txt_configured": false,
            "has_fly_certificate": self.configured,
            "has_custom_certificate": false,
            "dns_provider": "",
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
        })
    }

    /// The whole certificate. `addresses` are those of the app.
    pub(crate) fn render(&self, app: &str, addresses: &[String]) -> Value {
        let (six, four): (Vec<&String>, Vec<&String>) = addresses.iter().partition(|ip| ip.contains(':'));
        let issued = self.updated_at;
        let expires = issued.checked_add_signed(TimeDelta::days(90)).unwrap_or(issued);
        let certificates = if self.configured {
            json!([{
                "source": "fly", "status": "active", "issuer": "Let's Encrypt",
                "created_at": rfc3339(issued), "expires_at": rfc3339(expires),
                "issued": [
                    {"type": "rsa", "expires_at": rfc3339(expires), "certificate_authority": "lets_encrypt"},
                    {"type": "ecdsa", "expires_at": rfc3339(expires), "certificate_authority": "lets_encrypt"},
                ],
            }])
        } else {
            json!([])
        };
        let errors = if self.configured {
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
            "configured": self.configured,
            "acme_requested": true,
            "dns_provider": "",
            "certificates": certificates,
            "validation": {
                "dns_configured": self.configured,
                "alpn_configured": self.configured,
                "http_configured": self.configured,
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
}
