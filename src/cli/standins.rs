//! Pull requests and branches in the simulator that stand in for people's, so that a set of previews has something to be made from.

use std::collections::BTreeSet;

use crate::sim::{NewPull, RepositoryHand, Simulator};
use crate::spec::preview::{GithubSource, PreviewSource, PullRequestFilter};
use crate::spec::{ParsedPreviewSet, ParsedSpecs, SourceFile, parse_all};
use crate::template::has_expression;

/// What the branches of stand-ins are called.
const BRANCH: &str = "example";

/// Gives each repository that sets of previews name, and that is not there yet, a pull request for each filter, and the branches that are
/// named, at which all checks that are required have succeeded. Returns the open pull requests that stand in, as `owner/name#number`.
pub(super) fn open(simulator: &Simulator, files: &[SourceFile]) -> Vec<String> {
    let (specs, _) = parse_all(files);
    let there: BTreeSet<String> = simulator.repositories().into_iter().collect();
    for (set, source) in sources(&specs).into_iter().filter(|(_, source)| !there.contains(&source.repo)) {
        let repository = simulator.create_repository(&source.repo);
        connect(simulator, set, &source.repo);
        for (_, branch) in source.named_branches() {
            make_branch(&repository, branch);
        }
        if let Some(filter) = &source.pull_requests {
            open_pull(&repository, filter);
        }
        for name in set.template.spec.requires.checks.iter().flat_map(|checks| &checks.names) {
            succeed(&repository, name);
        }
    }
    let repos: BTreeSet<String> = sources(&specs).into_iter().map(|(_, source)| source.repo.clone()).collect();
    repos.iter().flat_map(|repo| standing_in(simulator, repo)).collect()
}

fn sources(specs: &ParsedSpecs) -> Vec<(&ParsedPreviewSet, &GithubSource)> {
    let mut found = Vec::new();
    for set in &specs.preview_sets {
        for source in set.spec.source.iter().chain(&set.spec.sources) {
            if let PreviewSource::Github(source) = source {
                found.push((set, source));
            }
        }
    }
    found
}

/// Connects the projects at Vercel that previews use with the repository, so that what is pushed there is deployed.
fn connect(simulator: &Simulator, set: &ParsedPreviewSet, repo: &str) {
    let Some(vercel) = &set.template.spec.vercel else { return };
    let Some(team) = vercel.team.as_deref().filter(|team| !has_expression(team)) else { return };
    let names = vercel.projects.values().map(|project| project.project.as_str());
    for name in names.filter(|name| !has_expression(name)) {
        simulator.create_vercel_project(team, name, Some(repo));
    }
}

/// Opens a pull request to which everything applies that the filter asks for.
fn open_pull(repository: &RepositoryHand, filter: &PullRequestFilter) {
    let first = |patterns: &[String], stand_in: &str| patterns.first().map(|pattern| one_of(pattern, stand_in));
    let base = first(&filter.base, "next");
    if let Some(base) = &base {
        make_branch(repository, base);
    }
    let number = repository.pulls().len().saturating_add(1);
    let usual = NewPull::default();
    let pull = NewPull {
        branch: if number == 1 { BRANCH.to_owned() } else { format!("{BRANCH}-{number}") },
        base,
        title: Some("A pull request that stands in for people's".to_owned()),
        author: first(&filter.authors, &usual.author).unwrap_or(usual.author),
        labels: filter.labels.clone(),
        files: first(&filter.paths, "example").map_or(usual.files, |path| vec![path]),
        ..NewPull::default()
    };
    if let Err(error) = repository.open_pull(pull) {
        tracing::warn!(%error, "no pull request stands in");
    }
}

/// The check `name` has succeeded at everything that is there.
fn succeed(repository: &RepositoryHand, name: &str) {
    for (_, sha) in repository.branches() {
        if let Err(error) = repository.check(&sha, name, Some("success")) {
            tracing::warn!(%error, name, "no check stands in");
        }
    }
}

fn make_branch(repository: &RepositoryHand, branch: &str) {
    let is_there = repository.branches().iter().any(|(name, _)| name == branch);
    if let Some(error) = (!is_there).then(|| repository.push(branch).err()).flatten() {
        tracing::warn!(%error, branch, "no branch stands in");
    }
}

/// A text that fits a pattern in which `*` and `**` stand for any text.
fn one_of(pattern: &str, stand_in: &str) -> String {
    pattern.replace("**", stand_in).replace('*', stand_in)
}

fn standing_in(simulator: &Simulator, repo: &str) -> Vec<String> {
    let pulls = simulator.repository(repo).pulls().into_iter();
    let stands_in = pulls.filter(|pull| pull.open && pull.branch.starts_with(BRANCH));
    stands_in.map(|pull| format!("{repo}#{}", pull.number)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::sim::SimConfig;

    fn opened(simulator: &Simulator, source: &str) -> Vec<String> {
        let set = format!(
            "apiVersion: hangar/v1\nkind: PreviewSet\nmetadata: {{name: s}}\nspec:\n  source: {{github: {source}}}\n  template:\n    metadata: {{name: 'e-${{{{ branch.slug }}}}'}}\n    spec: {{fly: {{org: o, region: iad, apps: {{a: {{image: i}}}}}}}}\n"
        );
        open(simulator, &[SourceFile { path: "s.yaml".into(), bytes: set.into_bytes() }])
    }

    #[test]
    fn what_a_filter_asks_for_stands_in_once() {
        let simulator = Simulator::new(SimConfig { open_orgs: true, ..SimConfig::default() }, Arc::new(SystemClock));
        let source = "{repo: acme/chat, branches: [staging, 'feature/*'], pullRequests: {labels: [preview, web], base: ['release/*'], authors: ['*-bot'], paths: ['web/**']}}";
        for _ in 0..2 {
            assert_eq!(opened(&simulator, source), ["acme/chat#1"]);
        }
        let chat = simulator.repository("acme/chat");
        let [pull] = chat.pulls().try_into().unwrap();
        assert_eq!(
            (pull.branch.as_str(), pull.base.as_str(), pull.author.as_str()),
            ("example", "release/next", "ann-bot")
        );
        assert_eq!(pull.labels, ["preview", "web"]);
        let branches: Vec<String> = chat.branches().into_iter().map(|(name, _)| name).collect();
        assert_eq!(branches, ["example", "main", "release/next", "staging"]);
        // What people have made of it stays.
        chat.close(1).unwrap();
        assert_eq!(opened(&simulator, source), Vec::<String>::new());
        assert_eq!(opened(&simulator, "{repo: acme/other, branches: [main]}"), Vec::<String>::new());
    }
}
