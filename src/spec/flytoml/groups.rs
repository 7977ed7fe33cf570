//! `[processes]` and the sections that belong to process groups.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::tree::{Kind, Mark, Node, Report, Section};
use super::values::{gigabytes, megabytes};
use super::{ReadFile, compact};

/// The group of an app that names none.
const APP: &str = "app";

/// The process groups of a fly.toml.
#[derive(Debug)]
pub(super) struct Groups {
    /// Their names; empty where the file has no `[processes]`.
    names: Vec<String>,
}

impl Groups {
    /// Reads `[processes]` and `[[vm]]` into `app`: the short form, or `processes`.
    pub(super) fn read(
        root: &mut Section,
        app: &mut Map<String, Value>,
        swap: Option<String>,
        report: &mut Report,
    ) -> Self {
        let mut commands = BTreeMap::new();
        match root.take("processes") {
            Some(Node { kind: Kind::Table(mut table), .. }) => {
                for (name, node) in table.take_all() {
                    if let Some(command) = node.into_text(report) {
                        commands.insert(name, command);
                    }
                }
            }
            // Some exported files hold an empty list where there are no processes.
            Some(Node { kind: Kind::List(items), .. }) if items.is_empty() => {}
            Some(other) => drop(other.wrong::<()>("a table of commands", report)),
            None => {}
        }
        let groups = Self { names: commands.keys().cloned().collect() };
        // Old files say `[[compute]]`.
        let sections = root.tables("vm", report).into_iter().chain(root.tables("compute", report));
        let machines: Vec<Vm> = sections.map(|section| groups.vm(section, app, report)).collect();
        let swap = swap.map(Value::from);
        if commands.is_empty() {
            app.extend(size_of(&machines, APP));
            app.extend(swap.map(|swap| ("swap".to_owned(), swap)));
            return groups;
        }
        let shared: Map<String, Value> = ["entrypoint", "exec", "hostDedicationId"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), app.remove(key)?)))
            .chain(swap.map(|swap| ("swap".to_owned(), swap)))
            .collect();
        let default_command = app.remove("command");
        let processes: Map<String, Value> = commands
            .into_iter()
            .map(|(name, command)| {
                let mut group = shared.clone();
                group.extend(size_of(&machines, &name));
                let command = if command.is_empty() { default_command.clone() } else { Some(Value::from(command)) };
                group.extend(command.map(|command| ("command".to_owned(), command)));
                (name, Value::Object(group))
            })
            .collect();
        app.insert("processes".to_owned(), Value::Object(processes));
        groups
    }

    /// The groups that a section with or without `processes` applies to, as a spec says it: nothing where there is only one.
    pub(super) fn scope(&self, section: &mut Section, report: &mut Report) -> Option<Value> {
        let named = self.named(section, report);
        if self.names.is_empty() {
            return None;
        }
        Some(Value::from(if named.is_empty() { vec![self.default_name().to_owned()] } else { named }))
    }

    fn named(&self, section: &mut Section, report: &mut Report) -> Vec<String> {
        let mark = section.mark_of("processes");
        let named = section.texts("processes", report).unwrap_or_default();
        for name in &named {
            let exists = self.names.contains(name) || (self.names.is_empty() && name == APP);
            if let (false, Some(mark)) = (exists, &mark) {
                report.error(mark, format!("there is no process group `{name}`"));
            }
        }
        named
    }

    /// `app` where there is one, else the first by name.
    fn default_name(&self) -> &str {
        let app = self.names.iter().find(|name| *name == APP);
        app.or(self.names.first()).map_or(APP, String::as_str)
    }

    fn vm(&self, mut section: Section, app: &mut Map<String, Value>, report: &mut Report) -> Vm {
        let groups = self.named(&mut section, report);
        let size = section.text("size", report);
        let memory = megabytes(section.take("memory"), report).or_else(|| megabytes(section.take("memory_mb"), report));
        let cpu = compact([
            ("kind", section.text("cpu_kind", report).map(Value::from)),
            ("count", section.integer("cpus", report).map(Value::from)),
        ]);
        let gpus = section.integer("gpus", report);
        let gpu = section.text("gpu_kind", report).map(|kind| {
            let mut gpu = compact([("count", gpus.map(Value::from))]);
            gpu.insert("kind".to_owned(), Value::from(kind));
            Value::Object(gpu)
        });
        // flyctl's presets for a section that names none.
        let preset = if gpu.is_some() { "performance-8x" } else { "shared-cpu-1x" };
        let fields = compact([
            ("size", Some(Value::from(size.unwrap_or_else(|| preset.to_owned())))),
            ("memory", memory.map(Value::from)),
            ("cpu", super::non_empty(cpu)),
            ("gpu", gpu),
            ("hostDedicationId", section.text("host_dedication_id", report).map(Value::from)),
            ("kernelArgs", section.texts("kernel_args", report).map(Value::from)),
        ]);
        if let Some(persist) = section.text("persist_rootfs", report) {
            app.insert("rootfs".to_owned(), json!({"persist": persist}));
        }
        section.finish(report);
        Vm { groups, fields }
    }

    /// `[[mounts]]`: the source becomes a volume that every machine of the groups gets.
    pub(super) fn mounts(&self, root: &mut Section, app: &mut Map<String, Value>, report: &mut Report) {
        let mut volumes = Map::new();
        let sections: Vec<Section> =
            root.tables("mounts", report).into_iter().chain(root.tables("mount", report)).collect();
        for mut section in sections {
            let source = section.text("source", report);
            let destination = section.text("destination", report);
            let (Some(source), Some(destination)) = (source, destination) else {
                report.error(&section.mark, "a mount needs `source` and `destination`");
                continue;
            };
            let size = section.take("initial_size");
            let extend = compact([
                ("threshold", section.integer("auto_extend_size_threshold", report).map(Value::from)),
                ("increment", gigabytes(section.take("auto_extend_size_increment"), report).map(Value::from)),
                ("limit", gigabytes(section.take("auto_extend_size_limit"), report).map(Value::from)),
            ]);
            let scope = self.scope(&mut section, report);
            let volume = compact([
                ("mount", Some(Value::from(destination))),
                ("size", Some(gigabytes(size, report).map_or_else(|| json!("1GB"), Value::from))),
                ("snapshotRetention", section.integer("snapshot_retention", report).map(Value::from)),
                ("autoBackup", section.boolean("scheduled_snapshots", report).map(Value::from)),
                ("autoExtend", super::non_empty(extend)),
                ("processes", scope),
            ]);
            let mark = section.mark.clone();
            section.finish(report);
            put_volume(&mut volumes, &source, volume, &mark, report);
        }
        if !volumes.is_empty() {
            app.insert("volumes".to_owned(), Value::Object(volumes));
        }
    }

    /// `[[files]]`.
    pub(super) fn files(
        &self,
        root: &mut Section,
        app: &mut Map<String, Value>,
        read_file: &ReadFile<'_>,
        report: &mut Report,
    ) {
        let mut files = Vec::new();
        for mut section in root.tables("files", report) {
            let local_mark = section.mark_of("local_path");
            let path = section.text("guest_path", report);
            let local = section.text("local_path", report);
            let secret = section.text("secret_name", report);
            let raw = section.text("raw_value", report);
            let (key, value) = match (local, secret, raw) {
                (Some(local), _, _) => match read_file(&local) {
                    Ok(bytes) => ("base64", base64::engine::general_purpose::STANDARD.encode(bytes)),
                    Err(error) => {
                        let mark = local_mark.unwrap_or_else(|| section.mark.clone());
                        report.error(&mark, format!("`{local}` cannot be read: {error}"));
                        continue;
                    }
                },
                (None, Some(secret), _) => ("secret", secret),
                (None, None, Some(raw)) => ("content", raw),
                (None, None, None) => {
                    report.error(&section.mark, "a file needs `local_path`, `raw_value` or `secret_name`");
                    continue;
                }
            };
            let Some(path) = path else {
                report.error(&section.mark, "a file needs `guest_path`");
                continue;
            };
            // flyctl gives a file without `processes` to every group, unlike other sections.
            let groups = self.named(&mut section, report);
            let scope = (!groups.is_empty()).then(|| Value::from(groups));
            section.finish(report);
            files.push(Value::Object(compact([
                ("path", Some(Value::from(path))),
                (key, Some(Value::from(value))),
                ("processes", scope),
            ])));
        }
        if !files.is_empty() {
            app.insert("files".to_owned(), Value::from(files));
        }
    }

    /// `[metrics]` or `[[metrics]]`, of which each group takes the first that applies to it.
    pub(super) fn metrics(&self, root: &mut Section, app: &mut Map<String, Value>, report: &mut Report) {
        let sections: Vec<Section> =
            root.tables("metrics", report).into_iter().chain(root.tables("metric", report)).collect();
        for mut section in sections {
            let scope = self.scope(&mut section, report);
            let metrics = compact([
                ("port", section.integer("port", report).map(Value::from)),
                ("path", section.text("path", report).map(Value::from)),
                ("https", section.boolean("https", report).map(Value::from)),
                ("processes", scope),
            ]);
            let mark = section.mark.clone();
            section.finish(report);
            if app.contains_key("metrics") {
                report.warn(&mark, "an app has one `metrics` section in Hangar; this one is ignored", None);
            } else {
                app.insert("metrics".to_owned(), Value::Object(metrics));
            }
        }
    }

    /// `[[restart]]`.
    pub(super) fn restart(&self, root: &mut Section, app: &mut Map<String, Value>, report: &mut Report) {
        for mut section in root.tables("restart", report) {
            let mark = section.mark.clone();
            let groups = self.named(&mut section, report);
            let policy =
                section.text("policy", report).map(|policy| if policy == "never" { "no".to_owned() } else { policy });
            let retries = section.integer("retries", report).or_else(|| section.integer("max_retries", report));
            section.finish(report);
            let restart = compact([
                ("policy", policy.map(Value::from)),
                ("maxRetries", retries.filter(|n| *n > 0).map(Value::from)),
            ]);
            let covers_all = self.names.len() <= 1 || self.names.iter().all(|name| groups.contains(name));
            if !covers_all {
                report.warn(
                    &mark,
                    "an app has one restart policy in Hangar: this one applies to all of its groups",
                    None,
                );
            }
            app.insert("restart".to_owned(), Value::Object(restart));
        }
    }
}

/// One `[[vm]]`.
struct Vm {
    groups: Vec<String>,
    fields: Map<String, Value>,
}

/// The size of a group: its own section, else the one for all.
fn size_of(machines: &[Vm], group: &str) -> Map<String, Value> {
    let own = machines.iter().find(|vm| vm.groups.iter().any(|name| name == group));
    let all = machines.iter().find(|vm| vm.groups.is_empty());
    own.or(all).map(|vm| vm.fields.clone()).unwrap_or_default()
}

/// Two mounts of one source in different groups are one volume if they are alike, and two of the same name at Fly if not.
fn put_volume(
    volumes: &mut Map<String, Value>,
    source: &str,
    mut volume: Map<String, Value>,
    mark: &Mark,
    report: &mut Report,
) {
    let Some(Value::Object(first)) = volumes.get_mut(source) else {
        volumes.insert(source.to_owned(), Value::Object(volume));
        return;
    };
    let without_groups = |volume: &Map<String, Value>| {
        let mut volume = volume.clone();
        volume.remove("processes");
        volume
    };
    if without_groups(first) == without_groups(&volume) {
        if let (Some(Value::Array(groups)), Some(Value::Array(more))) =
            (first.get_mut("processes"), volume.remove("processes"))
        {
            groups.extend(more);
        }
        return;
    }
    let group = volume.get("processes").and_then(|groups| groups.get(0)).and_then(Value::as_str);
    let Some(key) = group.map(|group| format!("{source}-{group}")) else {
        report.error(mark, format!("`{source}` is mounted twice"));
        return;
    };
    volume.insert("wireName".to_owned(), Value::from(source));
    volumes.insert(key, Value::Object(volume));
}
