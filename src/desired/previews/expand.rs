//! A set of previews, and what there is to preview, as environments.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::time::Duration as StdDuration;

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;

use super::facts::Facts;
use super::life::{Life, life, sleep};
use super::listing::RepoListing;
use super::name_pattern::NamePattern;
use super::orders::Destroyed;
use super::provenance::Provenance;
use super::report::{Asks, Audience};
use super::select::{self, Awaits, Subject};
use super::slug::{self, MAX_LABEL, Named};
use crate::desired::build::Context;
use crate::desired::graph::{Completeness, Sleep};
use crate::desired::inputs::beside;
use crate::desired::problems::Problems;
use crate::resource::EnvName;
use crate::spec::preview::{GithubSource, PreviewSource};
use crate::spec::report::GithubReport;
use crate::spec::validate::names;
use crate::spec::{ParsedEnvironment, ParsedPreviewSet, Text as WrittenText};
use crate::template::{Destination, Lookup, Path, Scope, Segment, TemplateErrorKind, Text, evaluate, parse};

/// How long images may be missed unless the set says otherwise. Most builds of a commit take less.
const IMAGE_DEADLINE: StdDuration = StdDuration::from_mins(30);
/// Where the template's name stands in the document that the template is.
const NAME: &str = "/metadata/name";

/// What an environment is a preview of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// Name of its set.
    pub set: String,
    /// What it shows, for people: `pull request acme/chat#42`.
    pub subject: String,
    /// The page of that.
    pub url: Option<String>,
    /// The commit that it shows.
    pub sha: Option<String>,
    /// How long its images may be missed before that is a failure.
    pub image_deadline: StdDuration,
    /// Most previews of its set at once.
    pub limit: Option<usize>,
    /// Its place among the set's previews, the oldest first, from 0.
    pub place: usize,
    /// Until when somebody wants it kept by a comment.
    pub kept_until: Option<DateTime<Utc>>,
    /// The last comment that asks for its machines to be written again: later ones have higher numbers.
    pub redeploy: Option<u64>,
}

/// What is known of one set of previews at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewSet {
    /// Whether everything that its previews are made from is known. If not, there may be more of them than the fleet has.
    pub completeness: Completeness,
    /// Whether nothing at all was found that could be one of its previews.
    pub is_empty: bool,
    /// The names that its previews can have.
    pub names: NamePattern,
}

/// A preview whose end a person has declared: nothing has to be concluded from an absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Name of its set.
    pub set: String,
    /// From when on it may be deleted: the end itself and the set's grace.
    pub at: DateTime<Utc>,
    /// What ended it, for people: `pull request acme/chat#42 was closed at …`.
    pub reason: String,
}

/// One preview on its way to a graph.
#[derive(Debug)]
pub(in crate::desired) struct Expanded {
    pub environment: ParsedEnvironment,
    pub facts: Facts,
    pub preview: Preview,
    /// When it expires for lack of activity.
    pub idle_at: Option<DateTime<Utc>>,
    /// How long after its creation it ends.
    pub max_age: Option<StdDuration>,
    /// When it goes to sleep.
    pub sleep: Option<Sleep>,
}

/// What a set of previews is at this moment.
#[derive(Debug)]
pub(in crate::desired) struct Expansion {
    pub previews: Vec<Expanded>,
    pub ended: Vec<(EnvName, Ended)>,
    /// Whom to tell of each preview, and of those that are no more.
    pub audiences: Vec<(EnvName, Audience)>,
    /// Where each preview comes from, and those that have ended.
    pub provenances: BTreeMap<EnvName, Provenance>,
    pub set: PreviewSet,
    pub problems: Problems,
}

impl Expansion {
    /// Notes that not everything is known that previews of `set` are made from.
    fn lack(&mut self, set: &ParsedPreviewSet, what: &str) {
        let reason = format!("preview set `{}`: {what}", set.metadata.name);
        self.set.completeness = Completeness::Incomplete { reason };
    }
}

/// The previews of `set`. `longest` is how long labels and commands may keep one.
pub(in crate::desired) fn expand(
    set: &ParsedPreviewSet,
    context: &Context<'_>,
    longest: Option<StdDuration>,
) -> Expansion {
    let mut expansion = Expansion {
        previews: Vec::new(),
        ended: Vec::new(),
        audiences: Vec::new(),
        provenances: BTreeMap::new(),
        set: PreviewSet {
            completeness: Completeness::Complete,
            is_empty: true,
            names: NamePattern::of(&set.template.metadata.name),
        },
        problems: Problems::default(),
    };
    for (_, facts) in probes(set) {
        // Whatever name comes of it: mistakes show before there is a preview.
        if name_with(set, &facts, &mut expansion.problems).is_none() {
            expansion.lack(set, "the name of its template cannot be evaluated");
        }
    }
    let subjects = subjects(set, context, longest, &mut expansion);
    expansion.set.is_empty = subjects.iter().all(|subject| subject.closed_at.is_some());
    let room = room_for_slug(&set.template);
    // Those that were closed keep theirs for as long as they are listed: what they have left must not become another one's.
    let branches = subjects
        .iter()
        .filter_map(|subject| Some(Named { branch: subject.branch.as_deref()?, is_fork: subject.is_fork }));
    let slugs = slug::slugs(branches, room);
    let mut names: IndexMap<EnvName, String> = IndexMap::new();
    for mut subject in subjects {
        if let Some(slug) = subject.branch.as_deref().and_then(|branch| slugs.get(branch)) {
            subject.facts.set("branch.slug", &*slug.text);
            if let (Some(other), None) = (&slug.collides_with, subject.closed_at) {
                let message = format!(
                    "`{}` and `{other}` have the same slug, so that of {} is `{}`",
                    subject.branch.as_deref().unwrap_or_default(),
                    subject.title,
                    slug.text
                );
                let help = "to keep names apart in any case, use `pr.number` in the name";
                expansion.problems.diagnostics.warn(&set.template.origin, NAME, message, Some(help.to_owned()));
            }
        }
        let Some(name) = name_with(set, &subject.facts, &mut expansion.problems) else {
            // Whatever is live may be this one's.
            expansion.lack(set, &format!("the name of {} cannot be evaluated", subject.title));
            continue;
        };
        let Some(name) = sound_name(set, name, &subject, &mut expansion.problems) else {
            continue;
        };
        let asks = match (subject.closed_at, &subject.orders.destroyed) {
            (Some(closed_at), _) => Asks::NoneSince { closed_at },
            (None, Some(destroyed)) => Asks::Destroyed(destroyed.clone()),
            (None, None) => Asks::Preview,
        };
        let audience = audience_of(set, &subject, asks).map(|audience| (name.clone(), audience));
        if subject.closed_at.is_none() || !names.contains_key(&name) {
            expansion.provenances.insert(name.clone(), Provenance::of(&subject));
        }
        if let Some(closed_at) = subject.closed_at {
            expansion.audiences.extend(audience);
            let grace = set.spec.grace.map(crate::spec::Duration::to_std).unwrap_or_default();
            let at = closed_at.checked_add_signed(TimeDelta::from_std(grace).unwrap_or_default());
            let reason = format!("{} was closed at {}", subject.title, closed_at.format("%Y-%m-%d %H:%M UTC"));
            let at = at.unwrap_or(DateTime::<Utc>::MAX_UTC);
            expansion.ended.push((name, Ended { set: set.metadata.name.clone(), at, reason }));
            continue;
        }
        if let Some(Destroyed { at, by }) = &subject.orders.destroyed {
            expansion.audiences.extend(audience);
            let reason =
                format!("{by} has asked for its end in {} at {}", subject.title, at.format("%Y-%m-%d %H:%M UTC"));
            expansion.ended.push((name, Ended { set: set.metadata.name.clone(), at: *at, reason }));
            continue;
        }
        if let Some(other) = names.get(&name) {
            let message = format!("{other} and {} would both be the environment `{name}`", subject.title);
            let help = "use what differs in the name, for example `${{ pr.number }}` or `${{ branch.slug }}`";
            expansion.problems.error(&set.template.origin, NAME, message, Some(help.to_owned()));
            continue;
        }
        expansion.audiences.extend(audience);
        names.insert(name.clone(), subject.title.clone());
        let place = expansion.previews.len();
        let (life, problems) = life(set.spec.ttl.as_ref(), &subject, longest);
        for problem in problems {
            expansion.problems.diagnostics.warn(&set.origin, "/spec", problem.message, Some(problem.help));
        }
        expansion.previews.push(expanded(set, &name, subject, life, place));
    }
    // The name of an open preview is never that of an ended one, whatever its number was.
    expansion.ended.retain(|(name, _)| !names.contains_key(name));
    let is_current =
        |(name, audience): &(EnvName, Audience)| audience.asks == Asks::Preview || !names.contains_key(name);
    expansion.audiences.retain(is_current);
    for (name, audience) in unselected(set, context, room, &mut expansion.problems) {
        if !names.contains_key(&name) && !expansion.audiences.iter().any(|(other, _)| *other == name) {
            expansion.audiences.push((name, audience));
        }
    }
    expansion
}

/// The template with stand-ins for what each source gives it, so that its mistakes show before there is a preview.
pub(in crate::desired) fn probes(set: &ParsedPreviewSet) -> Vec<(ParsedEnvironment, Facts)> {
    let github = set.spec.all_sources().filter_map(|(_, source)| match source {
        PreviewSource::Github(github) => Some(github),
        PreviewSource::List(_) | PreviewSource::File(_) => None,
    });
    let probe = |github: &GithubSource| {
        let mut environment = set.template.clone();
        "preview".clone_into(&mut environment.metadata.name);
        (environment, Facts::sample(&github.repo))
    };
    github.map(probe).collect()
}

fn expanded(set: &ParsedPreviewSet, name: &EnvName, subject: Subject, life: Life, place: usize) -> Expanded {
    let mut environment = set.template.clone();
    name.as_str().clone_into(&mut environment.metadata.name);
    if subject.is_secretless {
        without_secrets(&mut environment);
    }
    let sleep = sleep(set.spec.sleep.as_ref(), &subject);
    Expanded {
        environment,
        preview: Preview {
            set: set.metadata.name.clone(),
            subject: subject.title,
            url: subject.url,
            sha: subject.sha,
            image_deadline: set.spec.image_deadline.map_or(IMAGE_DEADLINE, crate::spec::Duration::to_std),
            limit: set.spec.limit.and_then(|limit| usize::try_from(limit).ok()),
            place,
            kept_until: subject.orders.kept_until,
            redeploy: subject.orders.redeploy,
        },
        facts: subject.facts,
        idle_at: life.idle_at,
        max_age: life.max_age,
        sleep,
    }
}

/// Takes every secret out: whoever may write the code that runs there could read it.
fn without_secrets(environment: &mut ParsedEnvironment) {
    for json in environment.app_json.values_mut().filter_map(serde_json::Value::as_object_mut) {
        json.remove("secrets");
    }
    for app in environment.spec.fly.iter_mut().flat_map(|fly| fly.apps.values_mut()) {
        app.secrets.clear();
    }
}

/// Whom to tell of open pull requests that are not selected (any more), by the names that their previews would have.
fn unselected(
    set: &ParsedPreviewSet,
    context: &Context<'_>,
    room: usize,
    told: &mut Problems,
) -> Vec<(EnvName, Audience)> {
    let mut found = Vec::new();
    for (_, source) in set.spec.all_sources() {
        let PreviewSource::Github(github) = source else { continue };
        let listing = github.repo.parse().ok().and_then(|repo| context.repos.get(&repo));
        for mut subject in listing.map(|listing| select::unselected(github, listing)).unwrap_or_default() {
            if let Some(Awaits { why, is_refused: true, .. }) = &subject.awaits {
                let message = format!("{} has no preview: {why}", subject.title);
                told.diagnostics.warn(&set.origin, "/spec", message, None);
            }
            let branch = subject.branch.clone().unwrap_or_default();
            let slugs = slug::slugs([Named { branch: &branch, is_fork: subject.is_fork }], room);
            if let Some(slug) = slugs.get(branch.as_str()) {
                subject.facts.set("branch.slug", &*slug.text);
            }
            // Whatever is wrong with its name is nobody's concern.
            let problems = &mut Problems::default();
            let name = name_with(set, &subject.facts, problems);
            let name = name.and_then(|name| sound_name(set, name, &subject, problems));
            found.extend(name.zip(audience_of(set, &subject, Asks::None)));
        }
    }
    found
}

fn audience_of(set: &ParsedPreviewSet, subject: &Subject, asks: Asks) -> Option<Audience> {
    let how = set.template.spec.report.as_ref().and_then(|report| report.github.as_ref());
    let orders = &subject.orders;
    let (why, vouch) = subject.awaits.clone().map(|awaits| (awaits.why, awaits.vouch)).unzip();
    let vouch = vouch.flatten();
    if how.is_none() && orders.answers.is_empty() && vouch.is_none() {
        return None;
    }
    // Who commands is answered, and approval needs our word, also where nothing else is said.
    let audience = Audience::of(&subject.facts, how.unwrap_or(&GithubReport::default()), asks)?;
    Some(Audience { answers: orders.answers.clone(), note: why.or_else(|| orders.note.clone()), vouch, ..audience })
}

/// Everything that the set's sources name: what is older first, and each pull request or branch once.
fn subjects(
    set: &ParsedPreviewSet,
    context: &Context<'_>,
    longest: Option<StdDuration>,
    expansion: &mut Expansion,
) -> Vec<Subject> {
    let mut subjects: IndexMap<String, Subject> = IndexMap::new();
    for (pointer, source) in set.spec.all_sources() {
        let found = match source {
            PreviewSource::Github(github) => {
                let unknown = RepoListing::unknown("the repository was not listed".to_owned());
                let listing = github.repo.parse().ok().and_then(|repo| context.repos.get(&repo)).unwrap_or(&unknown);
                if let Some(reason) = listing.completeness.gap() {
                    expansion.lack(set, &format!("{}: {reason}", github.repo));
                } else {
                    warn_of_missing_branches(set, &pointer, github, listing, &mut expansion.problems);
                }
                select::of_github(github, listing, longest)
            }
            PreviewSource::List(items) => select::of_list(items),
            PreviewSource::File(path) => match items_of_file(set, path, context) {
                Ok(items) => select::of_list(&items),
                Err(problem) => {
                    expansion.lack(set, &format!("`{path}` cannot be read"));
                    let message = format!("`{path}` cannot be read: {problem}");
                    expansion.problems.error(&set.origin, &format!("{pointer}/file"), message, None);
                    Vec::new()
                }
            },
        };
        for subject in found {
            subjects.entry(subject.title.clone()).or_insert(subject);
        }
    }
    let mut subjects: Vec<Subject> = subjects.into_values().collect();
    // Stable: what has no date stays in the order of its source, behind what has one.
    subjects.sort_by_key(|subject| subject.since.unwrap_or(DateTime::<Utc>::MAX_UTC));
    subjects
}

/// A branch that is named as it is and is not there has either not been pushed yet or another name. Without a word, an environment would
/// be missing for no visible reason.
fn warn_of_missing_branches(
    set: &ParsedPreviewSet,
    pointer: &str,
    github: &GithubSource,
    listing: &RepoListing,
    problems: &mut Problems,
) {
    for (index, name) in github.named_branches() {
        if listing.branches.iter().any(|branch| branch.name == name) {
            continue;
        }
        let message = format!("{} has no branch `{name}`, so there is no environment of it", github.repo);
        let help = "push the branch, or correct its name";
        let pointer = format!("{pointer}/github/branches/{index}");
        problems.diagnostics.warn(&set.origin, &pointer, message, Some(help.to_owned()));
    }
}

fn items_of_file(
    set: &ParsedPreviewSet,
    path: &str,
    context: &Context<'_>,
) -> Result<Vec<IndexMap<String, WrittenText>>, String> {
    let path = beside(FilePath::new(&*set.origin.path), path)?;
    let bytes = context.assets.read(&path)?;
    let text = String::from_utf8(bytes).map_err(|_error| "it is not UTF-8 text".to_owned())?;
    crate::spec::preview::items(&text)
}

/// `name` as that of the environment that `subject` becomes. Nothing where none can have it; then the problem is noted.
fn sound_name(set: &ParsedPreviewSet, name: String, subject: &Subject, problems: &mut Problems) -> Option<EnvName> {
    if let Some(problem) = names::label(&name, names::MAX_LABEL) {
        let message = format!("the name `{name}`, made for {}, {problem}", subject.title);
        let help = "`| slug` makes a label of any text, and `branch.slug` is one that fits";
        problems.error(&set.template.origin, NAME, message, Some(help.to_owned()));
        return None;
    }
    Some(EnvName::new(name))
}

/// The template's name with these facts filled in, whatever it looks like. Nothing where it is wrong; then the problem is noted.
fn name_with(set: &ParsedPreviewSet, facts: &Facts, problems: &mut Problems) -> Option<String> {
    let template = &set.template.metadata.name;
    match evaluate(template, Destination::Plain, &mut Names { set, facts }) {
        Ok(Text::Plain(name)) => Some(name),
        Ok(Text::Secret(_) | Text::Unavailable(_)) => None,
        Err(error) => {
            problems.template(&set.template.origin, NAME, template, &error);
            None
        }
    }
}

/// What the expressions of a template's name mean.
struct Names<'a> {
    set: &'a ParsedPreviewSet,
    facts: &'a Facts,
}

impl Scope for Names<'_> {
    fn look_up(&mut self, path: &Path, _: Destination) -> Result<Lookup, TemplateErrorKind> {
        let text = path.to_string();
        if let Some(value) = self.facts.get(&text) {
            return Ok(Lookup::Known(value.to_owned()));
        }
        if let [root, key] = path.as_words().as_slice()
            && *root == "params"
            && let Some(value) = self.set.template.spec.params.get(*key)
        {
            return Ok(Lookup::Known(value.as_str().to_owned()));
        }
        self.facts.look_up(path)
    }
}

/// How many characters a branch's slug may have so that no name of the template becomes too long. Names that shorten themselves, or
/// that hold what differs in length besides, are left to the rules of names.
fn room_for_slug(template: &ParsedEnvironment) -> usize {
    const SLUG: &str = "branch.slug";
    let (around, has_slug) = literals(&template.metadata.name, SLUG);
    let mut room = if has_slug { MAX_LABEL.saturating_sub(around) } else { MAX_LABEL };
    for (component, json) in &template.app_json {
        let name = json.get("name").and_then(serde_json::Value::as_str);
        let default = format!("${{{{ env.name }}}}-{component}");
        let name = name.unwrap_or(&default);
        let (literal, by_slug) = literals(name, SLUG);
        let (_, by_env) = literals(name, "env.name");
        let taken = literal.saturating_add(if by_env && has_slug { around } else { 0 });
        if by_slug || (by_env && has_slug) {
            room = room.min(MAX_LABEL.saturating_sub(taken));
        }
    }
    room
}

/// How many characters of `text` are no expression, and whether it has the bare expression `path`.
fn literals(text: &str, path: &str) -> (usize, bool) {
    let Ok(template) = parse(text) else { return (0, false) };
    let (mut length, mut has_path) = (0_usize, false);
    for segment in &template.segments {
        match segment {
            Segment::Literal(literal) => length = length.saturating_add(literal.chars().count()),
            Segment::Expression(expression) => {
                has_path |= expression.filters.is_empty() && expression.path.to_string() == path;
            }
        }
    }
    (length, has_path)
}
