//! The normal form of a machine's configuration, and the difference between what is wanted and what is live.
//!
//! One normal form is used to compare *and* to send (a pass over its own result finds nothing to do). Fly accepts and returns
//! several spellings of the same thing; [`normalise`] folds them. [`three_way`] then decides per field: what the spec sets is
//! wanted, what the spec set before and no longer sets goes, and what no spec ever set stays as it is.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::diff::FieldChange;
use super::field::FieldSet;
use super::image::ImageReference;

/// The normal form of a machine configuration, as sent to and received from the Machines API.
///
/// Nulls and empty maps and lists are dropped, durations become Go duration strings (`15s`), autostop becomes `off`, `stop` or
/// `suspend`, a preset in `size` becomes `guest`, handlers are sorted. Metadata is taken out: markers have a form of their own.
pub fn normalise(config: &Value) -> Value {
    let mut config = prune(config);
    if let Value::Object(map) = &mut config {
        map.remove("metadata");
        if let Some(preset) = map.remove("size").and_then(|size| size.as_str().and_then(guest_preset)) {
            let guest = map.entry("guest").or_insert_with(|| Value::Object(Map::new()));
            if let (Value::Object(guest), Value::Object(preset)) = (guest, preset) {
                for (key, value) in preset {
                    guest.entry(key).or_insert(value);
                }
            }
        }
        if let Some(Value::Object(stop)) = map.get_mut("stop_config") {
            normalise_durations(stop);
        }
        if let Some(Value::Object(checks)) = map.get_mut("checks") {
            checks.values_mut().for_each(normalise_check);
        }
        if let Some(Value::Array(services)) = map.get_mut("services") {
            services.iter_mut().for_each(normalise_service);
        }
        if let Some(Value::Object(guest)) = map.get_mut("guest") {
            normalise_persist(guest.get_mut("persist_rootfs"));
        }
    }
    config
}

/// The guest of a machine size preset (`shared-cpu-2x`, `performance-4x`), or nothing for an unknown name.
///
/// Memory is the preset's smallest: 256 MB per shared and 2,048 MB per performance CPU.
pub fn guest_preset(name: &str) -> Option<Value> {
    let (kind, per_cpu, count) = match (name.strip_prefix("shared-cpu-"), name.strip_prefix("performance-")) {
        (Some(rest), _) => ("shared", 256_u64, rest),
        (_, Some(rest)) => ("performance", 2048_u64, rest),
        _ => return None,
    };
    let cpus: u64 = count.strip_suffix('x')?.parse().ok()?;
    let known: &[u64] = if kind == "shared" { &[1, 2, 4, 6, 8] } else { &[1, 2, 4, 6, 8, 10, 12, 14, 16] };
    known
        .contains(&cpus)
        .then(|| serde_json::json!({"cpu_kind": kind, "cpus": cpus, "memory_mb": cpus.saturating_mul(per_cpu)}))
}

fn prune(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().map(|(key, item)| (key.clone(), prune(item))).filter(|(_, item)| !is_empty(item)).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(prune).collect()),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn normalise_service(service: &mut Value) {
    let Value::Object(service) = service else { return };
    if let Some(autostop) = service.get_mut("autostop") {
        match autostop {
            Value::Bool(true) => *autostop = Value::from("stop"),
            Value::Bool(false) => *autostop = Value::from("off"),
            _ => {}
        }
    }
    if let Some(Value::Array(checks)) = service.get_mut("checks") {
        checks.iter_mut().for_each(normalise_service_check);
    }
    if let Some(Value::Array(ports)) = service.get_mut("ports") {
        for port in ports {
            if let Some(Value::Array(handlers)) = port.get_mut("handlers") {
                handlers.sort_by_key(ToString::to_string);
            }
        }
    }
}

/// The bounds to which Fly clamps the durations of a service's checks, in nanoseconds (1 s and 60 s).
const SERVICE_CHECK_BOUNDS: (u64, u64) = (1_000_000_000, 60_000_000_000);

fn normalise_service_check(check: &mut Value) {
    normalise_check(check);
    let (least, most) = SERVICE_CHECK_BOUNDS;
    for key in ["interval", "timeout"] {
        if let Some(value) = check.get_mut(key)
            && let Some(nanoseconds) = duration_nanoseconds(value)
        {
            *value = Value::from(go_duration(nanoseconds.clamp(least, most)));
        }
    }
}

fn normalise_check(check: &mut Value) {
    let Value::Object(check) = check else { return };
    normalise_durations(check);
    if let Some(Value::String(method)) = check.get_mut("method") {
        method.make_ascii_uppercase();
    }
}

fn normalise_durations(map: &mut Map<String, Value>) {
    for key in ["interval", "timeout", "grace_period"] {
        if let Some(value) = map.get_mut(key)
            && let Some(nanoseconds) = duration_nanoseconds(value)
        {
            *value = Value::from(go_duration(nanoseconds));
        }
    }
}

fn normalise_persist(value: Option<&mut Value>) {
    if let Some(value) = value
        && let Some(name) =
            value.as_u64().and_then(|n| ["none", "never", "restart", "always"].get(usize::try_from(n).ok()?).copied())
    {
        *value = Value::from(name);
    }
}

/// A duration as the Machines API writes it, in nanoseconds: a Go duration string, or a bare integer of nanoseconds.
fn duration_nanoseconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => parse_go_duration(text),
        _ => None,
    }
}

/// Reads a Go duration (`1h30m`, `1.5s`, `250ms`) into nanoseconds.
pub fn parse_go_duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
    if text == "0" {
        return Some(0);
    }
    let mut total = 0.0_f64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at_checked(unit_end)?;
        let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        total += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "float to integer saturates"
    )]
    Some(total.round() as u64)
}

/// Writes nanoseconds as the shortest Go duration of whole units.
pub fn go_duration(nanoseconds: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let mut rest = nanoseconds;
    let mut text = String::new();
    for (size, unit) in UNITS {
        let count = rest.checked_div(size).unwrap_or(0);
        if count > 0 {
            text.extend([count.to_string(), unit.to_owned()]);
            rest = rest.checked_rem(size).unwrap_or(0);
        }
    }
    text
}

/// The key by which elements of the list named `list` are matched, or nothing where the list is compared whole.
pub fn list_key(list: &str, item: &Value) -> Option<String> {
    let text =
        |field: &str| item.get(field).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    match list {
        "services" => {
            Some(format!("{}:{}", text("protocol").unwrap_or_else(|| "tcp".to_owned()), text("internal_port")?))
        }
        "ports" => text("port").or_else(|| Some(format!("{}-{}", text("start_port")?, text("end_port")?))),
        "containers" | "volumes" | "headers" | "healthchecks" => text("name"),
        "mounts" => text("path"),
        "files" | "statics" => text("guest_path"),
        "secrets" | "env_from" => text("env_var"),
        _ => None,
    }
}

/// Whether every element of the list named `list` has a key of its own.
fn is_keyed(list: &str, items: &[Value]) -> bool {
    let mut seen = BTreeSet::new();
    items.iter().all(|item| list_key(list, item).is_some_and(|key| seen.insert(key)))
}

/// What [`three_way`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct ThreeWay {
    /// The whole configuration to send, in normal form.
    pub config: Value,
    /// The fields that differ from what is live, in path order.
    pub changes: Vec<FieldChange>,
}

/// Decides per field between `desired`, what is `live`, and what the spec `managed` before. All in normal form.
pub fn three_way(desired: &Value, live: &Value, live_digest: Option<&str>, managed: &FieldSet) -> ThreeWay {
    let mut changes = Vec::new();
    let context = Context { live_digest };
    let config = context
        .merge(Path::Root, "", Some(desired), Some(live), Some(managed), &mut changes)
        .unwrap_or_else(|| desired.clone());
    ThreeWay { config, changes }
}

/// Where in a configuration: written out only where something differs.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    /// A field of a map.
    Field(&'p Path<'p>, &'p str),
    /// The item of a list that has this key.
    Item(&'p Path<'p>, &'p str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(above, name) => write!(f, "{above}.{name}"),
            Self::Item(above, key) => write!(f, "{above}[{key}]"),
        }
    }
}

struct Context<'a> {
    live_digest: Option<&'a str>,
}

impl Context<'_> {
    fn merge(
        &self,
        path: Path<'_>,
        name: &str,
        desired: Option<&Value>,
        live: Option<&Value>,
        managed: Option<&FieldSet>,
        changes: &mut Vec<FieldChange>,
    ) -> Option<Value> {
        match (desired, live) {
            (None, None) => None,
            (None, Some(live)) => self.leave_or_remove(path, live, managed, changes),
            (Some(Value::Object(desired)), live @ (Some(Value::Object(_)) | None)) => {
                let empty = Map::new();
                let live = live.and_then(Value::as_object).unwrap_or(&empty);
                Some(self.merge_maps(path, desired, live, managed, changes))
            }
            (Some(Value::Array(desired)), live @ (Some(Value::Array(_)) | None))
                if !desired.is_empty()
                    && is_keyed(name, desired)
                    && is_keyed(name, live.and_then(Value::as_array).map_or(&[], Vec::as_slice)) =>
            {
                let empty = Vec::new();
                let live = live.and_then(Value::as_array).unwrap_or(&empty);
                Some(self.merge_lists(path, name, desired, live, managed, changes))
            }
            (Some(desired), live) => {
                if !self.same(path, desired, live) {
                    changes.push(change(&path.to_string(), live.cloned(), Some(desired.clone())));
                }
                Some(desired.clone())
            }
        }
    }

    /// A field that the spec does not set: removed where the spec set it before, otherwise left alone.
    fn leave_or_remove(
        &self,
        path: Path<'_>,
        live: &Value,
        managed: Option<&FieldSet>,
        changes: &mut Vec<FieldChange>,
    ) -> Option<Value> {
        let Some(managed) = managed else {
            return Some(live.clone());
        };
        match live {
            Value::Object(live) if !managed.is_empty() => {
                let merged = self.merge_maps(path, &Map::new(), live, Some(managed), changes);
                (!is_empty(&merged)).then_some(merged)
            }
            _ => {
                let path = path.to_string();
                if !is_default(&path, live) {
                    changes.push(change(&path, Some(live.clone()), None));
                }
                None
            }
        }
    }

    fn merge_maps(
        &self,
        path: Path<'_>,
        desired: &Map<String, Value>,
        live: &Map<String, Value>,
        managed: Option<&FieldSet>,
        changes: &mut Vec<FieldChange>,
    ) -> Value {
        let mut keys: Vec<&String> =
            desired.keys().chain(live.keys().filter(|key| !desired.contains_key(*key))).collect();
        keys.sort();
        let mut merged = Map::new();
        for key in keys {
            let below = Path::Field(&path, key);
            let managed = managed.and_then(|fields| fields.below(key));
            if let Some(value) = self.merge(below, key, desired.get(key), live.get(key), managed, changes) {
                merged.insert(key.clone(), value);
            }
        }
        Value::Object(merged)
    }

    /// A list that the spec sets is the spec's as a whole: elements it does not have go; inside an element the field rules hold.
    fn merge_lists(
        &self,
        path: Path<'_>,
        name: &str,
        desired: &[Value],
        live: &[Value],
        managed: Option<&FieldSet>,
        changes: &mut Vec<FieldChange>,
    ) -> Value {
        // A machine has one mount: another path is the same mount elsewhere.
        let is_one_mount = name == "mounts" && desired.len() == 1 && live.len() == 1;
        let is_same = |one: &Value, other: &Value| is_one_mount || list_key(name, one) == list_key(name, other);
        let label = |item: &Value| list_key(name, item).unwrap_or_else(|| "?".to_owned());
        let mut merged = Vec::new();
        for item in desired {
            let Some(counterpart) = live.iter().find(|other| is_same(item, other)) else {
                changes.push(change(&format!("{path}[{}]", label(item)), None, Some(item.clone())));
                merged.push(item.clone());
                continue;
            };
            let key = label(counterpart);
            let managed = managed.and_then(|fields| fields.below(&key));
            merged.extend(self.merge(Path::Item(&path, &key), "", Some(item), Some(counterpart), managed, changes));
        }
        for item in live.iter().filter(|item| !desired.iter().any(|other| is_same(item, other))) {
            changes.push(change(&format!("{path}[{}]", label(item)), Some(item.clone()), None));
        }
        Value::Array(merged)
    }

    fn same(&self, path: Path<'_>, desired: &Value, live: Option<&Value>) -> bool {
        match (desired, live) {
            (desired, Some(live)) if desired == live => true,
            (Value::String(desired), Some(Value::String(live))) => {
                let path = path.to_string();
                let digest = if path == "image" { self.live_digest } else { None };
                is_image(&path) && ImageReference::parse(desired).is_satisfied_by(&ImageReference::parse(live), digest)
            }
            (desired, Some(live)) => numbers_equal(desired, live),
            (desired, None) => is_default(&path.to_string(), desired),
        }
    }
}

fn numbers_equal(a: &Value, b: &Value) -> bool {
    matches!((a.as_f64(), b.as_f64()), (Some(a), Some(b)) if (a - b).abs() < f64::EPSILON)
}

fn is_image(path: &str) -> bool {
    path == "image" || (path.starts_with("containers[") && path.ends_with("].image"))
}

fn change(path: &str, old: Option<Value>, new: Option<Value>) -> FieldChange {
    let replaces = needs_replacement(path);
    let change = FieldChange::plain(path, old, new);
    if replaces { change.replacing() } else { change }
}

/// Fields that an update call cannot change: the set of mounts, the volume of a mount, and the dedicated host.
fn needs_replacement(path: &str) -> bool {
    let whole_mount = path == "mounts" || (path.starts_with("mounts[") && path.ends_with(']'));
    whole_mount || (path.starts_with("mounts[") && path.ends_with("].volume")) || path == "guest.host_dedication_id"
}

/// Whether `value` at `path` is what Fly assumes where the field is absent, so that stating it changes nothing.
fn is_default(path: &str, value: &Value) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let first = path.split(['.', '[']).next().unwrap_or(path);
    match (first, last, value) {
        // A stated `autostart: false` keeps the proxy from waking the machine; absent it is not known to mean the same.
        (_, "autostart", _) => false,
        (_, _, Value::Bool(false)) => true,
        ("guest", "cpu_kind", value) => value == "shared",
        ("guest", "cpus", value) => value == 1,
        ("guest", "memory_mb", value) => value == 256,
        ("services", "autostop", value) => value == "off",
        ("services", "min_machines_running", value) => value == 0,
        ("stop_config", "signal", value) => value == "SIGINT",
        ("stop_config", "timeout", value) => value == "5s",
        ("rootfs", "persist", value) => value == "never",
        ("checks", "kind", value) => value == "informational",
        ("mounts", "encrypted", Value::Bool(true)) => true,
        _ => is_empty(value),
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
