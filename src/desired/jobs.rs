//! From the jobs of a spec to the machines that they run in, and what comes before and after them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::app::Builder;
use super::graph::{Job, Machine};
use super::lower::Group;
use super::resolver::Place;
use crate::resource::machine::normalise;
use crate::resource::marker::JOB_GROUP;
use crate::resource::{ComponentName, MachineSlot, job};
use crate::spec;
use crate::spec::environment::EnvironmentSpec;
use crate::spec::job::Run;
use crate::spec::positions::child;
use crate::spec::validate::names;

/// How long a run may take where the spec names nothing.
const TIMEOUT: Duration = Duration::from_mins(10);

/// What the parts of job names begin with.
const PREFIX: &str = "jobs.";

/// The name of a job among all parts of its environment.
fn part_of(name: &str) -> ComponentName {
    ComponentName::new(format!("{PREFIX}{name}"))
}

/// The name of the job that is the part `part`, if it is one.
pub fn job_name(part: &ComponentName) -> Option<&str> {
    part.as_str().strip_prefix(PREFIX)
}

/// The pointer of the job that is the part `part`, if it is one.
pub(super) fn pointer_of(part: &str) -> Option<String> {
    part.strip_prefix(PREFIX).map(|name| child("/spec/jobs", name))
}

impl Builder<'_, '_, '_> {
    /// The jobs that run in this app.
    pub(super) fn jobs(&mut self) -> Vec<Job> {
        let all = &self.resolver.environment.spec.jobs;
        let own: Vec<(&String, &spec::job::Job)> = all.iter().filter(|(_, job)| job.app == self.component).collect();
        own.into_iter().filter_map(|(name, written)| self.job(name, written)).collect()
    }

    fn job(&mut self, name: &str, written: &spec::job::Job) -> Option<Job> {
        let (part, pointer) = (part_of(name), child("/spec/jobs", name));
        let at = |below: String| Place { component: Some(part.to_string()), pointer: format!("{pointer}/{below}") };
        let words = written.command.as_slice().iter().enumerate();
        let command: Option<Vec<String>> =
            words.map(|(index, word)| self.resolver.fill_plain(word, at(format!("command/{index}")))).collect();
        let image = match &written.image {
            Some(text) => Some(self.job_image(text, &at("image".to_owned()))?),
            None => None,
        };
        let mut env = BTreeMap::new();
        for (key, text) in &written.env {
            let value =
                self.resolver.fill_plain(text.as_str(), at(child("env", key).trim_start_matches('/').to_owned()));
            env.insert(key.clone(), value?);
        }
        let generation = match &written.generation {
            Some(text) => Some(self.resolver.fill_known(text.as_str(), at("generation".to_owned()))?),
            None => None,
        };
        let groups = self.spec.groups();
        let (group, own) = groups.first()?;
        let mut own = own.clone();
        if written.size.is_some() {
            own = spec::group::ProcessGroup { size: written.size.clone(), cpu: None, memory: None, ..own };
        }
        own.memory = written.memory.or(own.memory);
        let lowered = Group {
            app: self.spec,
            name: group,
            own: &own,
            image: image.as_deref().or(self.image),
            primary_region: self.region,
            load_file: self.load_file,
        };
        // What is wrong with the component's own machines was told with them.
        let like = lowered.config().ok()?;
        if like.get("image").is_none() {
            let message =
                format!("the job `{name}` has no image, because the machines of `{}` have none", self.component);
            let help = "add `image`: a job runs one process, and no containers".to_owned();
            self.resolver.error(&at("app".to_owned()), message, Some(help));
            return None;
        }
        let region =
            own.regions.and_then(|regions| regions.first().cloned()).or_else(|| self.region.map(str::to_owned))?;
        let slot = MachineSlot { group: format!("{JOB_GROUP}{name}"), region, ordinal: 0 };
        let config = config(&like, &command?, env, &slot, written.retries.unwrap_or(0));
        let machine =
            Machine { slot, config, metadata: BTreeMap::new(), volume: None, always_on: false, has_checks: false };
        Some(Job {
            name: name.to_owned(),
            part,
            machine,
            again: written.run == Run::OnChange,
            generation,
            is_first: false,
            after: BTreeSet::new(),
            timeout: written.timeout.map_or(TIMEOUT, spec::Duration::to_std),
        })
    }

    fn job_image(&mut self, text: &str, place: &Place) -> Option<String> {
        let image = self.resolver.fill_known(text, place.clone())?;
        if let Some(problem) = names::image(&image) {
            self.resolver.error(place, format!("`{image}` {problem}"), None);
            return None;
        }
        Some(image)
    }
}

/// The configuration of a job's machine.
fn config(like: &Value, command: &[String], env: BTreeMap<String, String>, slot: &MachineSlot, retries: u32) -> Value {
    let mut config = job::config(like, command);
    if let Value::Object(config) = &mut config {
        let variables = config.entry("env").or_insert_with(|| json!({}));
        if let Value::Object(variables) = variables {
            variables.extend(env.into_iter().map(|(key, value)| (key, Value::from(value))));
            variables.insert("FLY_PROCESS_GROUP".to_owned(), Value::from(slot.group.as_str()));
        }
        if retries > 0 {
            config.insert("restart".to_owned(), json!({"policy": "on-failure", "max_retries": retries}));
        }
    }
    normalise(&config)
}

/// What comes before and after the jobs of an environment, by the names of its parts.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The parts that each part comes after because the spec says so.
    pub after: BTreeMap<ComponentName, BTreeSet<ComponentName>>,
    /// The jobs that come before the machines of their own app.
    pub first: BTreeSet<ComponentName>,
}

impl Sequence {
    /// Reads `spec`. `parts_of` says which parts make up a component at another provider, such as `vercel.web`.
    pub(super) fn of(spec: &EnvironmentSpec, parts_of: impl Fn(&str) -> Vec<ComponentName>) -> Self {
        let parts = |name: &String| {
            if spec.jobs.contains_key(name) {
                return vec![part_of(name)];
            }
            let is_app = spec.fly.iter().any(|fly| fly.apps.contains_key(name));
            if is_app { vec![ComponentName::new(name)] } else { parts_of(name) }
        };
        let mut after: BTreeMap<ComponentName, BTreeSet<ComponentName>> = BTreeMap::new();
        for (name, job) in &spec.jobs {
            let own = part_of(name);
            for later in job.before.iter().flat_map(parts) {
                after.entry(later).or_default().insert(own.clone());
            }
            after.entry(own).or_default().extend(job.after.iter().flat_map(parts));
        }
        for (name, project) in spec.vercel.iter().flat_map(|vercel| &vercel.projects) {
            let before: BTreeSet<ComponentName> = project.after.iter().flat_map(parts).collect();
            for own in parts(&format!("vercel.{name}")) {
                after.entry(own).or_default().extend(before.iter().cloned());
            }
        }
        let mut sequence = Self { after, first: BTreeSet::new() };
        // What comes before something that comes before the machines of an app does so too.
        while let Some(next) = sequence.next_first(spec) {
            sequence.first.insert(next);
        }
        for (name, job) in &spec.jobs {
            if !sequence.first.contains(&part_of(name)) {
                sequence.after.entry(part_of(name)).or_default().insert(ComponentName::new(&job.app));
            }
        }
        sequence
    }

    fn next_first(&self, spec: &EnvironmentSpec) -> Option<ComponentName> {
        let comes_before = |job: &ComponentName, later: &ComponentName| {
            self.after.get(later).is_some_and(|before| before.contains(job))
        };
        let mut jobs = spec.jobs.iter().map(|(name, job)| (part_of(name), ComponentName::new(&job.app)));
        jobs.find_map(|(part, app)| {
            let of_app = spec.jobs.iter().filter(|(_, other)| other.app == app.as_str()).map(|(name, _)| part_of(name));
            let is_first = comes_before(&part, &app)
                || of_app.into_iter().any(|other| self.first.contains(&other) && comes_before(&part, &other));
            (is_first && !self.first.contains(&part)).then_some(part)
        })
    }
}

/// Puts jobs in an order in which each comes after those that it waits for.
pub(super) fn sort(jobs: &mut Vec<Job>) {
    let mut left = std::mem::take(jobs);
    while !left.is_empty() {
        let is_free = |job: &Job| !left.iter().any(|other| job.after.contains(&other.part));
        // In a circle, which is told elsewhere, none is free.
        let at = left.iter().position(is_free).unwrap_or_default();
        jobs.push(left.remove(at));
    }
}
