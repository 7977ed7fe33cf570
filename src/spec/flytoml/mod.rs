//! Reads a `fly.toml` as the base of an app.
//!
//! The result has the JSON shape of [`AppSpec`](crate::spec::AppSpec), so that the fields of a spec can be laid over it with
//! [`merge_app`]. Sections mean what they mean to flyctl, with its defaults and the spellings of older files; what Hangar cannot
//! express is a warning with its place, never a silent loss. A fly.toml has no expressions: `${{` in it stands for itself.
//!
//! ```text
//! [processes]        -> processes, or the short form of one group `app`
//! processes = [...]  -> processes of services, checks, volumes, files and metrics; without it, the default group
//! [[vm]]             -> size, cpu, memory, gpu of each group: its own section, else the one without `processes`
//! ```

mod groups;
mod merge;
mod services;
mod tree;
mod values;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::diagnostic::{Diagnostics, Origin, Severity};
use super::positions::{Place, Positions};
use groups::Groups;
pub use merge::{merge, merge_app};
use tree::{Mark, Report, Section};
use values::Bare;

/// Reads a local file that a fly.toml names, by its path relative to the fly.toml. The error says why it cannot be read.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// A fly.toml as an app.
#[derive(Debug, Clone)]
pub struct FlyToml {
    /// The app, in the JSON shape of [`AppSpec`](crate::spec::AppSpec).
    pub app: Value,
    /// What Hangar leaves out, and why.
    pub warnings: Diagnostics,
    /// The file, with the places of the app's fields, for later problems.
    pub origin: Origin,
}

/// Reads the text of a fly.toml. The error holds every problem of the file.
pub fn to_app_json(text: &str, path: &Path, read_file: &ReadFile<'_>) -> Result<FlyToml, Diagnostics> {
    let mut report = Report::default();
    let app = tree::read(text, &mut report).map(|root| {
        let mut reader = Reader { read_file, report: &mut report, app: Map::new(), places: Vec::new() };
        reader.root(root);
        (reader.app, reader.places)
    });
    let (app, places) = app.unwrap_or_default();
    let mut positions = Positions::default();
    for mark in places.into_iter().chain(report.0.iter().map(|problem| problem.mark.clone())) {
        positions.insert(mark.pointer, Place { key: None, value: mark.span });
    }
    let origin = Origin { path: path.into(), text: text.into(), positions: Arc::new(positions) };
    let mut diagnostics = Diagnostics::default();
    for problem in report.0 {
        match problem.severity {
            Severity::Error => diagnostics.push(&origin, &problem.mark.pointer, problem.message, problem.help),
            Severity::Warning => diagnostics.warn(&origin, &problem.mark.pointer, problem.message, problem.help),
        }
    }
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    Ok(FlyToml { app: escape(Value::Object(app)), warnings: diagnostics, origin })
}

/// What is being put together.
struct Reader<'a> {
    read_file: &'a ReadFile<'a>,
    report: &'a mut Report,
    app: Map<String, Value>,
    places: Vec<Mark>,
}

impl Reader<'_> {
    fn root(&mut self, mut root: Section) {
        let report = &mut *self.report;
        // The name flyctl deploys to; a spec that names the app itself wins.
        for (key, field) in [("app", "name"), ("primary_region", "region"), ("host_dedication_id", "hostDedicationId")]
        {
            let place = root.mark_of(key);
            if let Some(value) = root.text(key, report) {
                self.app.insert(field.to_owned(), Value::from(value));
                self.places.extend(place.map(|mark| Mark { pointer: format!("/{field}"), ..mark }));
            }
        }
        let stop = compact([
            ("signal", root.text("kill_signal", report).map(Value::from)),
            ("timeout", values::duration(root.take("kill_timeout"), Bare::Seconds, report).map(Value::from)),
        ]);
        self.put("stop", non_empty(stop));
        let swap = values::megabytes(root.take("swap_size_mb"), self.report);
        self.env(&mut root);
        let container = root.text("container", self.report);
        self.build(&mut root);
        self.deploy(&mut root);
        self.experimental(&mut root, container.as_deref());
        let groups = Groups::read(&mut root, &mut self.app, swap, self.report);
        let http_port = services::read(&mut root, &groups, &mut self.app, self.report);
        services::checks(&mut root, &groups, http_port, &mut self.app, self.report);
        groups.mounts(&mut root, &mut self.app, self.report);
        groups.files(&mut root, &mut self.app, self.read_file, self.report);
        groups.metrics(&mut root, &mut self.app, self.report);
        groups.restart(&mut root, &mut self.app, self.report);
        self.statics(&mut root);
        root.refuse("machine_checks", MACHINE_CHECKS, None, self.report);
        root.ignore(&["console_command"]);
        root.finish(self.report);
    }

    fn put(&mut self, key: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.app.insert(key.to_owned(), value);
        }
    }

    fn env(&mut self, root: &mut Section) {
        let mut env = Map::new();
        for mut table in root.tables("env", self.report) {
            for (name, node) in table.take_all() {
                if name.starts_with("FLY_") {
                    self.report.error(&node.mark, "names that begin with `FLY_` are Fly's own");
                } else if let Some(value) = node.into_scalar_text(self.report) {
                    env.insert(name, Value::from(value));
                }
            }
        }
        self.put("env", non_empty(env));
    }

    /// Hangar deploys images and does not build them: only `image` counts.
    fn build(&mut self, root: &mut Section) {
        let Some(mut build) = root.table("build", self.report) else {
            return;
        };
        let place = build.mark_of("image");
        let image = build.text("image", self.report);
        self.places.extend(place.map(|mark| Mark { pointer: "/image".to_owned(), ..mark }));
        self.put("image", image.map(Value::from));
        build.refuse(
            "compose",
            "Hangar does not read compose files",
            Some("list the services as `containers` in the spec"),
            self.report,
        );
    }

    fn deploy(&mut self, root: &mut Section) {
        let Some(mut deploy) = root.table("deploy", self.report) else {
            return;
        };
        let timeout = values::duration(deploy.take("wait_timeout"), Bare::Seconds, self.report);
        self.put("health", timeout.map(|timeout| json!({"timeout": timeout})));
        if let Some(mark) = deploy.mark_of("strategy")
            && let Some(strategy) = deploy.text("strategy", self.report)
            && strategy != "rolling"
        {
            let message = format!("strategy `{strategy}` is ignored: Hangar updates machines one at a time");
            self.report.warn(&mark, message, None);
        }
        for key in ["release_command", "seed_command"] {
            deploy.refuse(
                key,
                &format!("`{key}` is not taken over"),
                Some("write it as a job of the environment: `jobs: {release: {app: web, command: …, before: [web]}}`"),
                self.report,
            );
        }
        deploy.ignore(&["release_command_timeout", "release_command_vm", "release_command_compute", "max_unavailable"]);
        deploy.finish(self.report);
    }

    fn experimental(&mut self, root: &mut Section, container: Option<&str>) {
        let top = root.take("machine_config");
        let mut inner = None;
        if let Some(mut experimental) = root.table("experimental", self.report) {
            for (key, field) in [("cmd", "command"), ("entrypoint", "entrypoint"), ("exec", "exec")] {
                let value = experimental.texts(key, self.report);
                self.put(field, value.map(Value::from));
            }
            inner = experimental.take("machine_config");
            experimental.ignore(&["auto_rollback", "lazy_load_images", "use_zstd", "kill_timeout"]);
            for key in ["enable_consul", "enable_etcd", "attached"] {
                experimental.refuse(
                    key,
                    &format!("`{key}` has no counterpart in the Machines API; it is ignored"),
                    None,
                    self.report,
                );
            }
            experimental.finish(self.report);
        }
        let Some(node) = top.or(inner) else { return };
        let mark = node.mark.clone();
        let Some(text) = node.into_text(self.report) else {
            return;
        };
        let text = if text.trim_start().starts_with('{') {
            Ok(text)
        } else {
            (self.read_file)(&text).and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()))
        };
        match text.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())) {
            Ok(Value::Object(machine)) => self.machine_config(machine, container),
            Ok(_) => self.report.error(&mark, "`machine_config` must hold a JSON object"),
            Err(error) => self.report.error(&mark, format!("`machine_config` cannot be read: {error}")),
        }
    }

    /// The container that is named, else `app`, else the first, runs the app's image.
    fn machine_config(&mut self, mut machine: Map<String, Value>, container: Option<&str>) {
        machine.remove("metadata");
        if let Some(image) = machine.remove("image") {
            self.app.entry("image").or_insert(image);
        }
        if let Some(Value::Array(containers)) = machine.get_mut("containers") {
            let is_named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(container.unwrap_or("app"));
            let chosen = containers.iter().position(is_named).unwrap_or(0);
            if let Some(Value::Object(chosen)) = containers.get_mut(chosen)
                && let Some(image) = chosen.remove("image")
            {
                self.app.entry("image").or_insert(image);
            }
        }
        self.put("machine", non_empty(machine));
    }

    fn statics(&mut self, root: &mut Section) {
        let mut statics = Vec::new();
        for mut table in root.tables("statics", self.report) {
            let mark = table.mark.clone();
            let path = table.text("guest_path", self.report);
            let prefix = table.text("url_prefix", self.report);
            let fields = [
                ("bucket", table.text("tigris_bucket", self.report).map(Value::from)),
                ("indexDocument", table.text("index_document", self.report).map(Value::from)),
            ];
            table.finish(self.report);
            match (path, prefix) {
                (Some(path), Some(prefix)) if path.starts_with('/') => {
                    let mut item = compact(fields);
                    item.insert("path".to_owned(), Value::from(path));
                    item.insert("urlPrefix".to_owned(), Value::from(prefix));
                    statics.push(Value::Object(item));
                }
                (Some(_), Some(_)) => self.report.warn(
                    &mark,
                    "a relative `guest_path` asks flyctl to upload files to a bucket; Hangar does not, and leaves it out",
                    Some("upload the files from CI, and name the bucket with `tigris_bucket` and an absolute `guest_path`"),
                ),
                _ => self.report.error(&mark, "a static needs `guest_path` and `url_prefix`"),
            }
        }
        self.put("statics", (!statics.is_empty()).then(|| Value::from(statics)));
    }
}

const MACHINE_CHECKS: &str = "`machine_checks` are not run by this version of Hangar";

/// The entries that have a value.
fn compact<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn non_empty(map: Map<String, Value>) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Object(map))
}

/// Makes every `${{` stand for itself.
fn escape(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("${{", "$${{")),
        Value::Array(items) => items.into_iter().map(escape).collect(),
        Value::Object(map) => map.into_iter().map(|(key, item)| (key, escape(item))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
