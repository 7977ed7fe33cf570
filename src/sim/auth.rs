//! Who is calling: the header forms that the platform accepts, and what the token may see.

use chrono::{DateTime, Utc};

use super::config::{Access, SimConfig};
use super::world::tokens::Tokens;

/// The caller, as its token tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The organization of the token; `None` for a token that sees all of them.
    pub(crate) org: Option<String>,
    /// The id of the one app that a deploy token sees; `None` for a token that sees a whole organization.
    pub(crate) app: Option<String>,
    /// The id of the token, if it was made by request.
    pub(crate) token_id: Option<String>,
    /// What it may do.
    pub(crate) access: Access,
}

impl Caller {
    /// A caller who may do everything everywhere.
    pub(crate) const fn everybody() -> Self {
        Self { org: None, app: None, token_id: None, access: Access::Full }
    }

    /// Whether the caller may see the app with this id, if it may see its organization.
    pub(crate) fn sees_app(&self, id: &str) -> bool {
        self.app.as_deref().is_none_or(|app| app == id)
    }

    /// Whether the caller may see the organization `slug`.
    pub(crate) fn sees(&self, slug: &str) -> bool {
        self.org.as_deref().is_none_or(|org| org == slug)
    }

    /// How the caller is named in logs and leases: never by its token.
    pub(crate) fn label(&self) -> &str {
        self.org.as_deref().unwrap_or("any")
    }
}

/// Why a caller is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The header is missing or has no known form.
    Malformed,
    /// No token in it is accepted.
    Unauthorized,
    /// Its token was accepted once, and has expired since.
    Expired,
}

/// Reads an `Authorization` header: `Bearer x`, `FlyV1 x` or `Bearer FlyV1 x`, where `x` may be several tokens joined by commas.
pub(crate) fn identify(
    config: &SimConfig,
    made: &Tokens,
    header: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Caller, Unknown> {
    let header = header.ok_or(Unknown::Malformed)?.trim();
    let tokens = match (header.strip_prefix("Bearer "), header.strip_prefix("FlyV1 ")) {
        (Some(rest), _) => rest.trim().strip_prefix("FlyV1 ").unwrap_or(rest),
        (None, Some(rest)) => rest,
        (None, None) => return Err(Unknown::Malformed),
    };
    if tokens.trim().is_empty() {
        return Err(Unknown::Malformed);
    }
    let tokens = || tokens.split(',').map(str::trim);
    let valid = tokens().filter(|token| !made.is_expired(token, now)).find_map(|token| find(config, made, token));
    valid.ok_or_else(|| {
        let once = tokens().any(|token| made.is_expired(token, now));
        if once { Unknown::Expired } else { Unknown::Unauthorized }
    })
}

fn find(config: &SimConfig, made: &Tokens, token: &str) -> Option<Caller> {
    if let Some(known) = config.tokens.iter().find(|known| known.token == token) {
        return Some(Caller { org: Some(known.org.clone()), access: known.access, ..Caller::everybody() });
    }
    if let Some(made) = made.find(token) {
        return Some(Caller {
            org: Some(made.org.clone()),
            app: Some(made.app_id.clone()),
            token_id: Some(made.id.clone()),
            access: Access::Full,
        });
    }
    (config.open_orgs && token.starts_with("sim_")).then(Caller::everybody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_header_forms_are_read() {
        let config = SimConfig::default().with_org("acme", "sim_a");
        let (mut made, now) = (Tokens::default(), DateTime::UNIX_EPOCH);
        for header in ["Bearer sim_a", "FlyV1 sim_a", "Bearer FlyV1 sim_a", "FlyV1 other,sim_a"] {
            assert_eq!(identify(&config, &made, Some(header), now).unwrap().org.as_deref(), Some("acme"), "{header}");
        }
        assert_eq!(identify(&config, &made, None, now), Err(Unknown::Malformed));
        assert_eq!(identify(&config, &made, Some("sim_a"), now), Err(Unknown::Malformed));
        assert_eq!(identify(&config, &made, Some("Bearer wrong"), now), Err(Unknown::Unauthorized));
        made.expire("sim_a");
        assert_eq!(identify(&config, &made, Some("Bearer sim_a"), now), Err(Unknown::Expired));
    }
}
