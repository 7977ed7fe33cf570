//! From the sources of secrets to their values, as far as this machine knows them.

use serde_json::Value;

use super::inputs::SecretInputs;
use super::resolver::{Place, Resolver, app_place};
use crate::resource::{OwnerId, marker, output};
use crate::secret::SecretText;
use crate::spec::positions::child;
use crate::spec::secret::{Charset, Generate, SecretSource};
use crate::template::{self, Destination, SecretIdentity, TemplateErrorKind, Text, has_expression};

/// Length of a generated secret that names none: 32 of 62 characters are 190 bits.
const DEFAULT_LENGTH: u32 = 32;

/// What secrets are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretKeeper<'a> {
    pub owner: &'a OwnerId,
    pub inputs: &'a SecretInputs,
    /// Where the master key should come from, for people.
    pub master_key_place: &'a str,
}

impl Resolver<'_> {
    /// The value of a component's secret. It is made once, and everybody who refers to it gets the same.
    pub(super) fn secret(&mut self, component: &str, name: &str) -> Result<Text, TemplateErrorKind> {
        self.once(&format!("fly.{component}.secrets.{name}"), |this| {
            let mut place = app_place(component, "secrets");
            place.pointer = child(&place.pointer, name);
            if marker::is_marker_secret(name) {
                this.error(&place, format!("the secret name `{name}` is used by Hangar itself"), None);
                return None;
            }
            let source = this.components.get(component)?.json.get("secrets")?.get(name)?.clone();
            this.secret_from(component, name, source, &place)
        })
    }

    /// The value that `source`, which stands at `place`, gives the secret `name` of `component`.
    pub(super) fn secret_from(&mut self, component: &str, name: &str, source: Value, place: &Place) -> Option<Text> {
        let source: SecretSource = match serde_json::from_value(source) {
            Ok(source) => source,
            Err(_) if self.hides(&place.pointer) => return None,
            Err(error) => {
                let help = "give exactly one of `fromEnv`, `fromFile`, `value`, `generate`".to_owned();
                self.error(place, format!("this is not the source of a secret: {error}"), Some(help));
                return None;
            }
        };
        let below = |key: &str| Place { pointer: child(&place.pointer, key), ..place.clone() };
        match source {
            // What this machine has to provide is known before anything is evaluated (see `needed_inputs`).
            SecretSource::FromEnv(text) | SecretSource::FromFile(text) if has_expression(&text) => {
                self.error(place, "`fromEnv` and `fromFile` cannot hold expressions", None);
                None
            }
            SecretSource::FromEnv(variable) => {
                let value = self.secrets.inputs.env.get(&variable).cloned();
                Some(self.given(value, &format!("the environment variable `{variable}`"), "is not set", place))
            }
            SecretSource::FromFile(path) => {
                let value = self.secrets.inputs.files.get(&path).cloned();
                Some(match self.secrets.inputs.unreadable.get(&path) {
                    Some(problem) => self.absent(problem, place),
                    None => self.given(value, &format!("the file `{path}`"), "cannot be read", place),
                })
            }
            SecretSource::Value(text) => self.fill(&text, below("value"), Destination::Secret),
            SecretSource::Generate(generate) => Some(self.generated(component, name, &generate)),
        }
    }

    fn given(&self, value: Option<SecretText>, what: &str, absent: &str, place: &Place) -> Text {
        let problem = match &value {
            None => absent,
            // A variable that a CI system does not know is often passed on as an empty one.
            Some(value) if value.is_empty() => "is empty",
            Some(value) if value.expose().contains([output::OPEN, output::CLOSE]) => {
                "holds U+E000 or U+E001, which Hangar uses itself"
            }
            Some(_) => return value.map_or_else(|| Text::Unavailable(String::new()), Text::Secret),
        };
        self.absent(&format!("{what} {problem}"), place)
    }

    fn absent(&self, problem: &str, place: &Place) -> Text {
        let (origin, pointer) = self.origin_of(place);
        Text::Unavailable(format!("{problem} (needed by {})", describe(&origin, &pointer)))
    }

    fn generated(&self, component: &str, name: &str, generate: &Generate) -> Text {
        let place = self.secrets.master_key_place;
        let Some(master_key) = &self.secrets.inputs.master_key else {
            return Text::Unavailable(match &self.secrets.inputs.master_key_problem {
                Some(problem) => format!("there is no master key: {problem}"),
                None => format!(
                    "the master key is missing: {place} is not set; make one with `openssl rand -hex 32`, and keep it"
                ),
            });
        };
        let identity = SecretIdentity {
            owner: self.secrets.owner.as_str(),
            environment: &self.environment.metadata.name,
            component,
            name,
            generation: u64::from(generate.generation.unwrap_or(1)),
        };
        let charset = match generate.charset.unwrap_or_default() {
            Charset::Alphanumeric => template::Charset::Alphanumeric,
            Charset::Hex => template::Charset::Hex,
            Charset::Base64Url => template::Charset::Base64Url,
            Charset::Lowercase => template::Charset::Lowercase,
        };
        let length = usize::try_from(generate.length.unwrap_or(DEFAULT_LENGTH)).unwrap_or(usize::MAX);
        match template::generate(master_key, &identity, charset, length) {
            Ok(secret) => Text::Secret(secret),
            Err(error) => Text::Unavailable(format!("{error} ({place})")),
        }
    }
}

/// A place as `file:line`.
pub(super) fn describe(origin: &crate::spec::Origin, pointer: &str) -> String {
    let start = origin.positions.at(pointer).value.start;
    let line = origin.text.get(..start).unwrap_or_default().matches('\n').count();
    format!("{}:{}", origin.path.display(), line.saturating_add(1))
}
