//! The host names that Vercel makes up. Nobody else can: names are shortened and characters dropped.

use sha2::{Digest, Sha256};

/// The longest label of a host name.
const LABEL: usize = 63;

/// The host of one deployment: project, nine random characters, scope.
pub(super) fn deployment_host(project: &str, random: &str, scope: &str) -> String {
    let rest = format!("-{random}-{scope}");
    let kept: String = project.chars().take(LABEL.saturating_sub(rest.len())).collect();
    format!("{kept}{rest}.vercel.app")
}

/// The host that follows a branch. What does not fit is cut off, and a hash stands in its place.
pub(super) fn branch_host(project: &str, branch: &str, scope: &str) -> String {
    let written = written(branch);
    let whole = format!("{project}-git-{written}-{scope}");
    if whole.len() <= LABEL {
        return format!("{whole}.vercel.app");
    }
    let hash: String = hex::encode(Sha256::digest(format!("git-{branch}{project}"))).chars().take(6).collect();
    let rest = format!("-{hash}-{scope}");
    let kept: String = format!("{project}-git-{written}").chars().take(LABEL.saturating_sub(rest.len())).collect();
    format!("{}{rest}.vercel.app", kept.trim_end_matches('-'))
}

/// A branch as it stands in a host name: in lower case, with dashes, without underscores.
fn written(branch: &str) -> String {
    let dashed = branch.to_lowercase().replace('_', "");
    let dashed: String = dashed.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    dashed.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_cannot_be_read_back_from_its_host() {
        assert_eq!(branch_host("web", "feat/New_Login", "acme"), "web-git-feat-newlogin-acme.vercel.app");
        let long = branch_host("web", &"x".repeat(80), "acme");
        let label = long.trim_end_matches(".vercel.app");
        assert_eq!(label.len(), 63);
        assert!(label.starts_with("web-git-xxx") && label.ends_with("-acme"), "{label}");
        assert_ne!(long, branch_host("web", &"x".repeat(81), "acme"));
    }
}
