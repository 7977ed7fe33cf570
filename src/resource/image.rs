//! Image references, and when two of them name the same image.

use std::fmt;

/// A parsed image reference: `repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Registry and repository, with Docker Hub's short forms written out.
    pub repository: String,
    /// The tag, if one is named.
    pub tag: Option<String>,
    /// The digest (`sha256:…`), if one is named.
    pub digest: Option<String>,
}

impl ImageReference {
    /// Reads a reference. `alpine` is read as `docker.io/library/alpine:latest`, as every container runtime does.
    pub fn parse(text: &str) -> Self {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let host = repository.split('/').next().unwrap_or_default();
        let has_host = repository.contains('/') && (host.contains('.') || host.contains(':') || host == "localhost");
        let repository = match (has_host, repository.contains('/')) {
            (true, _) => repository.replacen("registry-1.docker.io/", "docker.io/", 1),
            (false, true) => format!("docker.io/{repository}"),
            (false, false) => format!("docker.io/library/{repository}"),
        };
        let tag = if tag.is_none() && digest.is_none() { Some("latest".to_owned()) } else { tag };
        Self { repository, tag, digest }
    }

    /// Whether the image `live`, which Fly resolved to `live_digest`, is what this reference asks for.
    ///
    /// A digest decides where this reference names one; otherwise repository and tag do. Whether a tag has moved since is not
    /// for a pass to guess: Fly resolves a tag when a machine is created or updated.
    pub fn is_satisfied_by(&self, live: &Self, live_digest: Option<&str>) -> bool {
        if self.repository != live.repository {
            return false;
        }
        match &self.digest {
            Some(digest) => live.digest.as_ref() == Some(digest) || live_digest == Some(digest.as_str()),
            None => self.tag == live.tag,
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_and_ports_are_understood() {
        assert_eq!(ImageReference::parse("alpine").to_string(), "docker.io/library/alpine:latest");
        assert_eq!(ImageReference::parse("acme/web:v1").to_string(), "docker.io/acme/web:v1");
        assert_eq!(ImageReference::parse("localhost:5000/x/y").to_string(), "localhost:5000/x/y:latest");
        assert_eq!(ImageReference::parse("registry.fly.io/a@sha256:ab").to_string(), "registry.fly.io/a@sha256:ab");
    }

    #[test]
    fn a_tag_is_compared_with_the_tag_and_a_digest_with_the_resolved_digest() {
        let live = ImageReference::parse("registry.fly.io/a:v1");
        assert!(ImageReference::parse("registry.fly.io/a:v1").is_satisfied_by(&live, Some("sha256:ab")));
        assert!(ImageReference::parse("registry.fly.io/a@sha256:ab").is_satisfied_by(&live, Some("sha256:ab")));
        assert!(!ImageReference::parse("registry.fly.io/a@sha256:cd").is_satisfied_by(&live, Some("sha256:ab")));
        assert!(!ImageReference::parse("registry.fly.io/a:v2").is_satisfied_by(&live, Some("sha256:ab")));
    }
}
