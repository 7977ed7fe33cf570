//! What the paths of one environment's expressions mean.
//!
//! Values that refer to each other (names, images, parameters, secrets) are filled in when they are first asked for. A value that
//! is asked for while it is being filled in is part of a circle.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::objects::{self, Found};
use super::previews::Facts;
use super::problems::Problems;
use super::secrets::SecretKeeper;
use crate::resource::{IpKind, output};
use crate::spec::positions::child;
use crate::spec::validate::names;
use crate::spec::{Broken, Finding, Origin, ParsedEnvironment};
use crate::template::{Destination, Lookup, Path, Scope, TemplateErrorKind, Text, did_you_mean, evaluate, shorten};

/// Roots that only a pull request or branch gives a meaning.
const PREVIEW_ROOTS: [&str; 5] = ["pr", "branch", "head", "base", "repo"];
/// Values of a component that are known before anything is created.
const KNOWN_FIELDS: [&str; 8] = ["name", "url", "hostname", "internal", "flycast", "image", "region", "org"];
const IP_KINDS: [IpKind; 4] = [IpKind::V4, IpKind::V6, IpKind::SharedV4, IpKind::PrivateV6];

/// One app as it was written: the spec's fields over those of its fly.toml.
#[derive(Debug)]
pub(super) struct Component {
    pub json: Map<String, Value>,
    /// Whether all of it is there: it names no fly.toml, or one that could be read.
    pub is_whole: bool,
    /// The fly.toml, for problems with fields that only it has.
    pub config: Option<Origin>,
}

/// Where a text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The component whose text it is; none for the environment's own.
    pub component: Option<String>,
    /// JSON pointer in the environment's document.
    pub pointer: String,
}

/// The use of another component's output.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub place: Place,
    /// The component whose output it is.
    pub of: String,
    /// The path as the expression names it.
    pub path: String,
}

#[derive(Debug)]
pub(super) struct Resolver<'a> {
    pub environment: &'a ParsedEnvironment,
    /// What is known of the pull request, branch or list item, if the environment is a preview of one.
    facts: Option<&'a Facts>,
    pub components: BTreeMap<String, Component>,
    pub secrets: SecretKeeper<'a>,
    pub problems: Problems,
    /// All uses of images and outputs, in the order in which they were found.
    pub uses: Vec<Use>,
    /// Values by path, once they were asked for; nothing where they are wrong.
    known: BTreeMap<String, Option<Text>>,
    /// Pointers of the values whose expressions are wrong.
    failed: BTreeSet<String>,
    /// What is being filled in.
    pending: Vec<String>,
    place: Place,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(environment: &'a ParsedEnvironment, facts: Option<&'a Facts>, secrets: SecretKeeper<'a>) -> Self {
        Self {
            environment,
            facts,
            components: BTreeMap::new(),
            secrets,
            problems: Problems::default(),
            uses: Vec::new(),
            known: BTreeMap::new(),
            failed: BTreeSet::new(),
            pending: Vec::new(),
            place: Place { component: None, pointer: String::new() },
        }
    }

    /// The origin that shows `pointer` best: the spec, or the fly.toml of the component where only that has the field.
    pub(super) fn origin_of(&self, place: &Place) -> (Origin, String) {
        let spec = &self.environment.origin;
        let config = place.component.as_ref().and_then(|name| self.components.get(name)?.config.clone());
        let within = place.component.as_ref().and_then(|name| place.pointer.strip_prefix(&app_pointer(name)));
        match (config, within) {
            (Some(config), Some(within))
                if !spec.positions.contains(&place.pointer) && config.positions.contains(within) =>
            {
                (config, within.to_owned())
            }
            _ => (spec.clone(), place.pointer.clone()),
        }
    }

    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>, help: Option<String>) {
        let (origin, pointer) = self.origin_of(place);
        self.problems.error(&origin, &pointer, message, help);
    }

    /// Notes a finding about a component, whose pointer is that of the environment's document.
    pub(super) fn finding(&mut self, component: &str, finding: Finding) {
        let place = Place { component: Some(component.to_owned()), pointer: finding.pointer.clone() };
        let (origin, pointer) = self.origin_of(&place);
        self.problems.finding(&origin, Finding { pointer, ..finding });
    }

    /// Fills `text` in, which stands at `place`. Nothing where it is wrong; then the problem is noted.
    pub(super) fn fill(&mut self, text: &str, place: Place, destination: Destination) -> Option<Text> {
        let before = std::mem::replace(&mut self.place, place);
        let filled = evaluate(text, destination, self);
        let place = std::mem::replace(&mut self.place, before);
        match filled {
            Ok(text) => Some(text),
            Err(error) => {
                let (origin, pointer) = self.origin_of(&place);
                self.problems.template(&origin, &pointer, text, &error);
                self.failed.insert(place.pointer);
                None
            }
        }
    }

    /// What of the environment is broken: what could not be read, and what could not be filled in.
    pub(super) fn broken(&self) -> Broken {
        let mut broken = self.environment.broken.clone();
        broken.note_values(self.failed.iter().cloned());
        broken
    }

    /// Whether a value may be meant at `pointer` of the environment's document that could not be read.
    pub(super) fn hides(&self, pointer: &str) -> bool {
        self.environment.broken.hides(pointer)
    }

    /// Whether a field of a component that seems absent may only be out of sight.
    fn is_in_doubt(&self, component: &str, field: &str) -> bool {
        self.hides(&format!("{}/{field}", app_pointer(component)))
            || self.components.get(component).is_some_and(|component| !component.is_whole)
    }

    /// A path that names nothing, or the silence about one whose value may only be out of sight.
    fn nothing<'b>(
        in_doubt: bool,
        path: &Path,
        reason: Option<String>,
        word: Option<&str>,
        known: impl IntoIterator<Item = &'b str>,
    ) -> TemplateErrorKind {
        if in_doubt {
            return TemplateErrorKind::Elsewhere { path: path.to_string() };
        }
        unknown(path, reason, word, known)
    }

    /// Fills in a text that may be shown.
    pub(super) fn fill_plain(&mut self, text: &str, place: Place) -> Option<String> {
        match self.fill(text, place, Destination::Plain)? {
            Text::Plain(text) => Some(text),
            Text::Secret(_) | Text::Unavailable(_) => None,
        }
    }

    /// The same of a text that has to be known before anything is created.
    #[expect(clippy::needless_pass_by_value, reason = "a place is made for one value, as for `fill_plain`")]
    pub(super) fn fill_known(&mut self, text: &str, place: Place) -> Option<String> {
        let filled = self.fill_plain(text, place.clone())?;
        if let Some(problem) = late(&filled) {
            self.error(&place, format!("`{}` {problem}", output::display(&filled)), None);
            return None;
        }
        Some(filled)
    }

    /// The value of `path`, made by `make` when it is asked for the first time.
    pub(super) fn once(
        &mut self,
        path: &str,
        make: impl FnOnce(&mut Self) -> Option<Text>,
    ) -> Result<Text, TemplateErrorKind> {
        if let Some(from) = self.pending.iter().position(|pending| pending == path) {
            let mut cycle: Vec<String> = self.pending.iter().skip(from).cloned().collect();
            cycle.push(path.to_owned());
            return Err(TemplateErrorKind::Cycle { cycle });
        }
        if !self.known.contains_key(path) {
            self.pending.push(path.to_owned());
            let value = make(self);
            self.pending.pop();
            self.known.insert(path.to_owned(), value);
        }
        let elsewhere = || TemplateErrorKind::Elsewhere { path: path.to_owned() };
        self.known.get(path).cloned().flatten().ok_or_else(elsewhere)
    }

    fn plain_once(
        &mut self,
        path: &str,
        make: impl FnOnce(&mut Self) -> Option<String>,
    ) -> Result<String, TemplateErrorKind> {
        match self.once(path, |this| make(this).map(Text::Plain))? {
            Text::Plain(text) => Ok(text),
            Text::Secret(_) | Text::Unavailable(_) => Err(TemplateErrorKind::Elsewhere { path: path.to_owned() }),
        }
    }

    /// The name of a component's app at Fly.
    pub(super) fn app_name(&mut self, component: &str) -> Result<String, TemplateErrorKind> {
        self.plain_once(&format!("fly.{component}.name"), |this| {
            let place = app_place(component, "name");
            if this.hides(&place.pointer) {
                return None;
            }
            let name = match this.text_of(component, "name") {
                Some(text) => this.fill_plain(&text, place.clone())?,
                None if this.hides("/metadata/name") => return None,
                None => shorten(&format!("{}-{component}", this.environment.metadata.name), names::MAX_LABEL),
            };
            if let Some(problem) = late(&name).or_else(|| names::label(&name, names::MAX_LABEL)) {
                let help = (name.len() > names::MAX_LABEL).then(|| {
                    format!("shorten it with `| truncate({})`, which keeps it unique with a hash", names::MAX_LABEL)
                });
                this.error(
                    &place,
                    format!("Fly would refuse the app name `{}`: it {problem}", output::display(&name)),
                    help,
                );
                return None;
            }
            Some(name)
        })
    }

    /// The image of a component, where it names one.
    pub(super) fn image(&mut self, component: &str) -> Option<Result<String, TemplateErrorKind>> {
        let text = self.text_of(component, "image")?;
        Some(self.plain_once(&format!("fly.{component}.image"), |this| {
            let place = app_place(component, "image");
            let image = this.fill_plain(&text, place.clone())?;
            if let Some(problem) = late(&image).or_else(|| names::image(&image)) {
                this.error(&place, format!("`{}` {problem}", output::display(&image)), None);
                return None;
            }
            Some(image)
        }))
    }

    /// The primary region of a component: its own, else the environment's.
    pub(super) fn region(&mut self, component: &str) -> Option<Result<String, TemplateErrorKind>> {
        let own = self.text_of(component, "region");
        let place = own.as_ref().map_or_else(
            || Place { component: None, pointer: "/spec/fly/region".to_owned() },
            |_| app_place(component, "region"),
        );
        let text = own.or_else(|| self.environment.spec.fly.as_ref()?.region.clone())?;
        Some(self.plain_once(&format!("fly.{component}.region"), |this| {
            let region = this.fill_plain(&text, place.clone())?;
            if let Some(problem) = late(&region).or_else(|| names::region(&region)) {
                this.error(&place, format!("`{}` {problem}", output::display(&region)), None);
                return None;
            }
            Some(region)
        }))
    }

    /// The organization.
    pub(super) fn org(&mut self) -> Result<String, TemplateErrorKind> {
        let text = self.environment.spec.fly.as_ref().map(|fly| fly.org.clone()).unwrap_or_default();
        self.plain_once("fly.org", |this| {
            this.fill_plain(&text, Place { component: None, pointer: "/spec/fly/org".to_owned() })
        })
    }

    fn text_of(&self, component: &str, key: &str) -> Option<String> {
        self.components.get(component)?.json.get(key)?.as_str().map(str::to_owned)
    }

    fn look_up_env(&self, path: &Path, rest: &[&str]) -> Result<Lookup, TemplateErrorKind> {
        match rest {
            ["name"] if self.hides("/metadata/name") => Err(TemplateErrorKind::Elsewhere { path: path.to_string() }),
            ["name"] => Ok(Lookup::Known(self.environment.metadata.name.clone())),
            ["class"] => {
                let class = serde_json::to_value(self.environment.spec.class).ok();
                Ok(Lookup::Known(class.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()))
            }
            _ => Err(unknown(path, None, rest.first().copied(), ["name", "class"])),
        }
    }

    /// `params.key` and `labels.key`, whose values may use the environment's own values only.
    fn look_up_own(&mut self, path: &Path, root: &str, rest: &[&str]) -> Result<Lookup, TemplateErrorKind> {
        if let Some(value) = self.facts.and_then(|facts| facts.get(&path.to_string())) {
            return Ok(Lookup::Known(value.to_owned()));
        }
        let (map, base) = match root {
            "labels" => (&self.environment.metadata.labels, "/metadata/labels"),
            _ => (&self.environment.spec.params, "/spec/params"),
        };
        let keys: Vec<&str> = map.keys().map(String::as_str).collect();
        let [key] = rest else {
            return Err(unknown(path, Some(format!("write `{root}.<key>`")), None, keys));
        };
        let pointer = child(base, key);
        let Some(text) = map.get(*key) else {
            let reason = keys.is_empty().then(|| format!("the environment has no `{root}`"));
            return Ok(Lookup::Missing(Self::nothing(self.hides(&pointer), path, reason, Some(*key), keys)));
        };
        let (text, place) = (text.as_str().to_owned(), Place { component: None, pointer });
        self.plain_once(&path.to_string(), |this| this.fill_plain(&text, place)).map(Lookup::Known)
    }

    fn look_up_fly(
        &mut self,
        path: &Path,
        rest: &[&str],
        destination: Destination,
    ) -> Result<Lookup, TemplateErrorKind> {
        if self.place.component.is_none() {
            let reason = "only values of apps may refer to apps".to_owned();
            return Err(unknown(path, Some(reason), None, []));
        }
        let names: Vec<String> = self.components.keys().cloned().collect();
        let Some((component, rest)) = rest.split_first() else {
            return Err(unknown(path, Some("name a component".to_owned()), None, names.iter().map(String::as_str)));
        };
        let component = *component;
        if !self.components.contains_key(component) {
            let reason = format!("there is no component `{component}`");
            let in_doubt = self.hides(&app_pointer(component));
            return Err(Self::nothing(in_doubt, path, Some(reason), Some(component), names.iter().map(String::as_str)));
        }
        let suffixed = |name: String, suffix: &str| Lookup::Known(format!("{name}{suffix}"));
        match rest {
            ["name"] => self.app_name(component).map(Lookup::Known),
            ["url"] => self.app_name(component).map(|name| Lookup::Known(format!("https://{name}.fly.dev"))),
            ["hostname"] => self.app_name(component).map(|name| suffixed(name, ".fly.dev")),
            ["internal"] => self.app_name(component).map(|name| suffixed(name, ".internal")),
            ["flycast"] => self.app_name(component).map(|name| suffixed(name, ".flycast")),
            ["org"] => self.org().map(Lookup::Known),
            ["region"] => {
                let in_doubt = self.is_in_doubt(component, "region") || self.hides("/spec/fly/region");
                let absent = || Some(format!("`{component}` has no primary region"));
                let region = self.region(component);
                region.unwrap_or_else(|| Err(Self::nothing(in_doubt, path, absent(), None, []))).map(Lookup::Known)
            }
            ["image"] => {
                self.note_use(component, path);
                let in_doubt = self.is_in_doubt(component, "image");
                let absent = || Some(format!("`{component}` names no image"));
                let image = self.image(component);
                image.unwrap_or_else(|| Err(Self::nothing(in_doubt, path, absent(), None, []))).map(Lookup::Known)
            }
            ["ips", kind] => {
                let kinds = IP_KINDS.map(IpKind::expression_name);
                if !kinds.contains(kind) {
                    return Err(unknown(path, None, Some(*kind), kinds));
                }
                self.note_use(component, path);
                Ok(Lookup::Output(path.to_string()))
            }
            ["volumes", volume, field] => self.look_up_volume(path, component, volume, field),
            ["secrets", name] => self.look_up_secret(path, component, name, destination),
            _ => {
                let known = KNOWN_FIELDS.into_iter().chain(["ips.<kind>", "volumes.<name>.id", "secrets.<NAME>"]);
                Err(unknown(path, None, rest.first().copied(), known))
            }
        }
    }

    fn look_up_volume(
        &mut self,
        path: &Path,
        component: &str,
        volume: &str,
        field: &str,
    ) -> Result<Lookup, TemplateErrorKind> {
        let volumes = self.keys_of(component, "volumes");
        if !volumes.contains(volume) {
            let in_doubt = self.is_in_doubt(component, &format!("volumes/{volume}"));
            return Err(Self::nothing(in_doubt, path, None, Some(volume), volumes.iter().map(String::as_str)));
        }
        if field != "id" {
            return Err(unknown(path, None, Some(field), ["id"]));
        }
        self.note_use(component, path);
        Ok(Lookup::Output(path.to_string()))
    }

    fn look_up_secret(
        &mut self,
        path: &Path,
        component: &str,
        name: &str,
        destination: Destination,
    ) -> Result<Lookup, TemplateErrorKind> {
        let names = self.keys_of(component, "secrets");
        if !names.contains(name) {
            let in_doubt = self.is_in_doubt(component, &format!("secrets/{name}"));
            return Err(Self::nothing(in_doubt, path, None, Some(name), names.iter().map(String::as_str)));
        }
        if destination == Destination::Plain {
            return Err(TemplateErrorKind::Tainted { path: path.to_string() });
        }
        self.secret(component, name).map(|text| match text {
            Text::Plain(value) => Lookup::Secret(value.into()),
            Text::Secret(value) => Lookup::Secret(value),
            Text::Unavailable(reason) => Lookup::Unavailable(reason),
        })
    }

    fn keys_of(&self, component: &str, section: &str) -> BTreeSet<String> {
        self.components
            .get(component)
            .and_then(|component| component.json.get(section)?.as_object())
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// `neon.component.field`, and so on of `postgres`, `supabase` and `vercel`.
    fn look_up_object(&mut self, path: &Path, root: &str, rest: &[&str]) -> Result<Lookup, TemplateErrorKind> {
        if self.place.component.is_none() {
            let reason = "only values of apps and of what is at other providers may refer to it".to_owned();
            return Err(unknown(path, Some(reason), None, []));
        }
        match objects::look_up(self.environment, root, rest) {
            Found::Value(lookup, part) => {
                if let Some(part) = part {
                    self.note_use(&part, path);
                }
                Ok(lookup)
            }
            Found::Text(text, pointer) => {
                let place = Place { component: Some(root.to_owned()), pointer };
                self.plain_once(&path.to_string(), |this| this.fill_known(&text, place)).map(Lookup::Known)
            }
            Found::Project(component) => self.look_up_project(path, &component, rest),
            Found::Nothing(known) => {
                let in_doubt = self.hides(&format!("/spec/{root}"));
                let word = rest.last().copied();
                Err(Self::nothing(in_doubt, path, None, word, known.iter().map(String::as_str)))
            }
        }
    }

    /// What is known of a project at Supabase that others use as it is.
    fn look_up_project(&mut self, path: &Path, component: &str, rest: &[&str]) -> Result<Lookup, TemplateErrorKind> {
        let supabase = self.environment.spec.supabase.as_ref();
        let project = supabase.and_then(|all| all.projects.get(component)).cloned();
        let output = rest.last().copied().unwrap_or_default();
        let Some(project) = project.filter(|project| output != "pooledUri" || project.pooler.is_some()) else {
            let reason = Some("the project has no `pooler`, the host that its dashboard shows".to_owned());
            return Err(unknown(path, reason, None, []));
        };
        let text = self.once(&path.to_string(), |this| objects::project_output(this, component, &project, output))?;
        Ok(match text {
            Text::Plain(value) => Lookup::Known(value),
            Text::Secret(value) => Lookup::Secret(value),
            Text::Unavailable(reason) => Lookup::Unavailable(reason),
        })
    }

    fn note_use(&mut self, of: &str, path: &Path) {
        self.uses.push(Use { place: self.place.clone(), of: of.to_owned(), path: path.to_string() });
    }
}

impl Scope for Resolver<'_> {
    fn look_up(&mut self, path: &Path, destination: Destination) -> Result<Lookup, TemplateErrorKind> {
        let words = path.as_words();
        let (root, rest) = words.split_first().unwrap_or((&"", &[]));
        match *root {
            "env" => self.look_up_env(path, rest),
            "params" | "labels" => self.look_up_own(path, root, rest),
            "fly" => self.look_up_fly(path, rest, destination),
            "neon" | "postgres" | "supabase" | "vercel" => self.look_up_object(path, root, rest),
            preview if PREVIEW_ROOTS.contains(&preview) => match self.facts {
                Some(facts) => facts.look_up(path),
                None => Err(TemplateErrorKind::PreviewOnly { root: preview.to_owned() }),
            },
            other => {
                let known = ["env", "params", "labels", "fly", "neon", "postgres", "supabase", "vercel"];
                Err(unknown(path, None, Some(other), known))
            }
        }
    }
}

fn unknown<'b>(
    path: &Path,
    reason: Option<String>,
    word: Option<&str>,
    known: impl IntoIterator<Item = &'b str>,
) -> TemplateErrorKind {
    let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    let suggestion = word.and_then(|word| {
        let meant = did_you_mean(word, known.iter().map(String::as_str))?;
        let words = path.words.iter().map(|each| if each == word { meant.clone() } else { each.clone() });
        Some(words.collect::<Vec<_>>().join("."))
    });
    TemplateErrorKind::UnknownPath { path: path.to_string(), reason, suggestion, known }
}

/// JSON pointer of a component in its document.
pub(super) fn app_pointer(component: &str) -> String {
    child("/spec/fly/apps", component)
}

/// The place of a field of a component.
pub(super) fn app_place(component: &str, key: &str) -> Place {
    Place { component: Some(component.to_owned()), pointer: child(&app_pointer(component), key) }
}

/// What is wrong with a value that has to be known before anything is created, if it is not.
fn late(text: &str) -> Option<String> {
    (!output::waits_for(text).is_empty()).then(|| "must be known before anything is created".to_owned())
}
