//! Who is calling: the header forms that the platform accepts, and what the token may see.

use super::config::{Access, SimConfig};

/// The caller, as its token tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The organization of the token; `None` for a token that sees all of them.
    pub(crate) org: Option<String>,
    /// What it may do.
    pub(crate) access: Access,
}

impl Caller {
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
}

/// Reads an `Authorization` header: `Bearer x`, `FlyV1 x` or `Bearer FlyV1 x`, where `x` may be several tokens joined by commas.
pub(crate) fn identify(config: &SimConfig, header: Option<&str>) -> Result<Caller, Unknown> {
    let header = header.ok_or(Unknown::Malformed)?.trim();
    let tokens = match (header.strip_prefix("Bearer "), header.strip_prefix("FlyV1 ")) {
        (Some(rest), _) => rest.trim().strip_prefix("FlyV1 ").unwrap_or(rest),
        (None, Some(rest)) => rest,
        (None, None) => return Err(Unknown::Malformed),
    };
    if tokens.trim().is_empty() {
        return Err(Unknown::Malformed);
    }
    tokens.split(',').map(str::trim).find_map(|token| find(config, token)).ok_or(Unknown::Unauthorized)
}

fn find(config: &SimConfig, token: &str) -> Option<Caller> {
    if let Some(known) = config.tokens.iter().find(|known| known.token == token) {
        return Some(Caller { org: Some(known.org.clone()), access: known.access });
    }
    (config.open_orgs && token.starts_with("sim_")).then_some(Caller { org: None, access: Access::Full })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_header_forms_are_read() {
        let config = SimConfig::default().with_org("acme", "sim_a");
        for header in ["Bearer sim_a", "FlyV1 sim_a", "Bearer FlyV1 sim_a", "FlyV1 other,sim_a"] {
            assert_eq!(identify(&config, Some(header)).unwrap().org.as_deref(), Some("acme"), "{header}");
        }
        assert_eq!(identify(&config, None), Err(Unknown::Malformed));
        assert_eq!(identify(&config, Some("sim_a")), Err(Unknown::Malformed));
        assert_eq!(identify(&config, Some("Bearer wrong")), Err(Unknown::Unauthorized));
    }
}
