//! Rules of one set of previews.

use globset::GlobBuilder;

use crate::spec::document::{Document, Manifest};
use crate::spec::duration::Duration;
use crate::spec::finding::Finding;
use crate::spec::manifest::Draft;
use crate::spec::positions::child;
use crate::spec::preview::{Forks, GithubSource, PreviewSetSpec, PreviewSource, PullRequestFilter};

use crate::spec::report::ReportSpec;

use super::environment::{TTL_BOUNDS, check_name, check_spec};
use super::names;

/// The longest context of a commit status that is taken, in characters; it is shown in one line of a pull request.
const LONGEST_CONTEXT: usize = 100;

/// The longest name of a label at GitHub, in characters.
const LONGEST_LABEL: usize = 50;

pub(super) fn check(manifest: &Manifest<PreviewSetSpec>, template: Option<&Draft>) -> Vec<Finding> {
    let mut findings = Vec::new();
    check_name(&manifest.metadata, &mut findings);
    let spec = &manifest.spec;
    match (&spec.source, spec.sources.is_empty()) {
        (Some(_), false) => {
            let finding = Finding::error("/spec/source", "`source` and `sources` exclude each other").at_key();
            findings.push(finding.help("move it into the list `sources`"));
        }
        (None, true) => {
            let finding = Finding::error("/spec", "nothing says where the previews come from");
            let help = "add `source: {github: {repo: owner/name, pullRequests: {}}}`";
            let pointers = ["/spec/source".to_owned(), "/spec/sources".to_owned()];
            findings.push(finding.help(help).relies_on(pointers));
        }
        _ => {}
    }
    for (pointer, source) in spec.all_sources() {
        match source {
            PreviewSource::Github(github) => check_github(github, &child(&pointer, "github"), &mut findings),
            PreviewSource::List(_) => {}
            PreviewSource::File(path) => {
                if path.is_empty() {
                    findings.push(Finding::error(child(&pointer, "file"), "the path is empty"));
                }
            }
        }
    }
    if spec.limit == Some(0) {
        let finding = Finding::error("/spec/limit", "a limit of 0 leaves no room for any preview");
        findings.push(finding.help("to stop all of them, set `template.spec.pause: true` or remove the set"));
    }
    let ttl = spec.ttl.iter().flat_map(|ttl| [("idle", ttl.idle), ("max", ttl.max)]);
    for (field, duration) in ttl.filter_map(|(field, duration)| Some((field, duration?))) {
        check_life(&child("/spec/ttl", field), duration, &mut findings);
    }
    if spec.image_deadline.is_some_and(|deadline| deadline.to_std() > TTL_BOUNDS.1) {
        findings.push(Finding::error("/spec/imageDeadline", "that is longer than `3650d`"));
    }
    if let Some(sleep) = &spec.sleep {
        check_life("/spec/sleep/after", sleep.after, &mut findings);
        if let Some(idle) = spec.ttl.as_ref().and_then(|ttl| ttl.idle).filter(|idle| *idle <= sleep.after) {
            let message = format!("no preview ever sleeps: each is torn down after `{idle}` without a push");
            findings.push(Finding::warning("/spec/sleep/after", message).help("make it shorter than `ttl.idle`"));
        }
    }
    check_template(manifest, template, &mut findings);
    findings
}

fn check_github(github: &GithubSource, pointer: &str, findings: &mut Vec<Finding>) {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if !github.repo.split_once('/').is_some_and(|(owner, name)| is_word(owner) && is_word(name)) {
        let finding = Finding::error(child(pointer, "repo"), format!("`{}` is not a repository", github.repo));
        findings.push(finding.help("write its owner and name, for example `acme/chat`"));
    }
    if github.pull_requests.is_none() && github.branches.is_empty() {
        let finding = Finding::error(pointer, "neither pull requests nor branches are asked for");
        let finding = finding.help("add `pullRequests: {}` for all pull requests, or `branches: [\"feature/*\"]`");
        findings.push(finding.relies_on([child(pointer, "pullRequests"), child(pointer, "branches")]));
    }
    if let Some(filter) = &github.pull_requests {
        check_approval(filter, &child(pointer, "pullRequests"), findings);
    }
    let of_pulls = github
        .pull_requests
        .iter()
        .flat_map(|filter| [("base", &filter.base), ("authors", &filter.authors), ("paths", &filter.paths)]);
    let of_pulls = of_pulls.map(|(field, patterns)| (format!("{pointer}/pullRequests/{field}"), patterns));
    for (pointer, patterns) in of_pulls.chain([(child(pointer, "branches"), &github.branches)]) {
        for (index, pattern) in patterns.iter().enumerate() {
            if let Err(error) = GlobBuilder::new(pattern).literal_separator(true).build() {
                let message = format!("`{pattern}` is not a pattern: {}", error.kind());
                findings.push(Finding::error(format!("{pointer}/{index}"), message));
            }
        }
    }
}

/// A label that approves nothing, or that is no label.
fn check_approval(filter: &PullRequestFilter, pointer: &str, findings: &mut Vec<Finding>) {
    let Some(label) = &filter.approval_label else { return };
    let pointer = child(pointer, "approvalLabel");
    if filter.forks != Forks::Approved {
        let finding = Finding::error(&pointer, "nothing asks for this label").at_key();
        findings.push(finding.help("add `forks: approved`, or remove the label"));
    }
    if label.trim().is_empty() || label.chars().count() > LONGEST_LABEL {
        let message = format!("`{label}` is not a label: it has 1 to {LONGEST_LABEL} characters");
        findings.push(Finding::error(pointer, message));
    }
}

fn check_life(pointer: &str, duration: Duration, findings: &mut Vec<Finding>) {
    if duration.to_std() < TTL_BOUNDS.0 || duration.to_std() > TTL_BOUNDS.1 {
        findings.push(Finding::error(pointer, format!("`{duration}` is not between `1m` and `3650d`")));
    }
}

/// Reports that nobody would ever get.
fn check_report(manifest: &Manifest<PreviewSetSpec>, report: &ReportSpec, findings: &mut Vec<Finding>) {
    const REPORT: &str = "/spec/template/spec/report";
    let Some(github) = &report.github else {
        let finding = Finding::error(REPORT, "`report` says nothing");
        findings.push(finding.help("write for example `report: {github: {comment: true}}`"));
        return;
    };
    let pointer = format!("{REPORT}/github");
    if github.is_silent() {
        let finding = Finding::error(&pointer, "nothing is reported");
        findings.push(finding.help("write for example `github: {comment: true, deployment: true, status: preview}`"));
    }
    let is_github = |source: &PreviewSource| matches!(source, PreviewSource::Github(_));
    if !manifest.spec.all_sources().any(|(_, source)| is_github(source)) {
        let finding = Finding::error(&pointer, "these previews come from no GitHub repository").at_key();
        findings.push(finding.help("remove it, or add a source `github`"));
    }
    let is_context = |context: &str| !context.trim().is_empty() && context.chars().count() <= LONGEST_CONTEXT;
    if let Some(context) = github.status.as_deref().filter(|context| !is_context(context)) {
        let message = format!("`{context}` is not the context of a status: it has 1 to {LONGEST_CONTEXT} characters");
        findings.push(Finding::error(child(&pointer, "status"), message));
    }
}

/// Whether there can be no two previews of the set: it is of one branch, or of a list with one item.
fn makes_one_at_most(manifest: &Manifest<PreviewSetSpec>) -> bool {
    let mut sources = manifest.spec.all_sources().map(|(_, source)| source);
    match (sources.next(), sources.next()) {
        (Some(PreviewSource::List(items)), None) => items.len() < 2,
        (Some(PreviewSource::Github(github)), None) => {
            github.pull_requests.is_none() && github.branches.len() == 1 && github.named_branches().count() == 1
        }
        _ => false,
    }
}

fn check_template(manifest: &Manifest<PreviewSetSpec>, template: Option<&Draft>, findings: &mut Vec<Finding>) {
    const NAME: &str = "/spec/template/metadata/name";
    let name = &manifest.spec.template.metadata.name;
    if names::has_expression(name) {
        // Whether it differs from preview to preview is known once they are.
    } else if makes_one_at_most(manifest) {
        findings.extend(
            names::label(name, names::MAX_LABEL)
                .map(|problem| Finding::error(NAME, format!("the name `{name}` {problem}"))),
        );
    } else {
        let finding = Finding::error(NAME, format!("all previews would have the same name, `{name}`"));
        findings.push(finding.help("use what differs, for example `chat-pr-${{ pr.number }}` or `${{ branch.slug }}`"));
    }
    let spec = &manifest.spec.template.spec;
    if spec.ttl.is_some() || spec.expires_at.is_some() {
        let field = if spec.ttl.is_some() { "ttl" } else { "expiresAt" };
        let pointer = format!("/spec/template/spec/{field}");
        let finding = Finding::error(pointer, format!("`{field}` belongs to the set, not to its template")).at_key();
        findings.push(finding.help("write `ttl: {idle: 72h, max: 14d}` beside `template`"));
    }
    if let Some(report) = &spec.report {
        check_report(manifest, report, findings);
    }
    let Some(draft) = template else { return };
    if let Some(Document::Environment(environment)) = &draft.document {
        let within = draft.made_up.sound(check_spec(environment, &draft.made_up));
        findings.extend(within.into_iter().map(|finding| finding.below("/spec/template")));
    }
}
