//! `[http_service]`, `[[services]]` and `[checks]`.

use serde_json::{Map, Value, json};

use super::groups::Groups;
use super::tree::{Kind, Node, Report, Section};
use super::values::{Bare, duration};
use super::{MACHINE_CHECKS, compact};

/// Reads all services, `http_service` first, and returns its port.
pub(super) fn read(
    root: &mut Section,
    groups: &Groups,
    app: &mut Map<String, Value>,
    report: &mut Report,
) -> Option<i64> {
    let mut services = Vec::new();
    let mut http_port = None;
    if let Some(section) = root.table("http_service", report) {
        let (service, port) = http_service(section, groups, report);
        http_port = port;
        services.push(service);
    }
    // The oldest files say `[[service]]`.
    for section in root.tables("services", report).into_iter().chain(root.tables("service", report)) {
        services.push(service(section, groups, report));
    }
    if !services.is_empty() {
        app.insert("services".to_owned(), Value::from(services));
    }
    http_port
}

/// HTTP on port 80 and HTTPS on port 443 in front of one internal port.
fn http_service(mut section: Section, groups: &Groups, report: &mut Report) -> (Value, Option<i64>) {
    let force = section.boolean("force_https", report).filter(|force| *force);
    let http = section.take("http_options").map(Node::into_json);
    let tls = section.take("tls_options").map(Node::into_json);
    let plain = compact([
        ("port", Some(json!(80))),
        ("handlers", Some(json!(["http"]))),
        ("forceHttps", force.map(Value::from)),
        ("httpOptions", http.clone()),
    ]);
    let secure = compact([
        ("port", Some(json!(443))),
        ("handlers", Some(json!(["http", "tls"]))),
        ("httpOptions", http),
        ("tlsOptions", tls),
    ]);
    let mut service = common(&mut section, groups, report);
    service.insert("protocol".to_owned(), json!("tcp"));
    service.insert("ports".to_owned(), json!([plain, secure]));
    let mut checks = checks_of(&mut section, "checks", "http", report);
    checks.extend(checks_of(&mut section, "tcp_checks", "tcp", report));
    put_checks(&mut service, checks);
    let port = service.get("internalPort").and_then(Value::as_i64);
    section.finish(report);
    (Value::Object(service), port)
}

fn service(mut section: Section, groups: &Groups, report: &mut Report) -> Value {
    let mut service = common(&mut section, groups, report);
    let protocol = section.text("protocol", report).unwrap_or_else(|| "tcp".to_owned());
    service.insert("protocol".to_owned(), Value::from(protocol));
    let ports: Vec<Value> = section.tables("ports", report).into_iter().map(|table| port(table, report)).collect();
    if !ports.is_empty() {
        service.insert("ports".to_owned(), Value::from(ports));
    }
    let mut checks = checks_of(&mut section, "tcp_checks", "tcp", report);
    checks.extend(checks_of(&mut section, "http_checks", "http", report));
    put_checks(&mut service, checks);
    section.refuse("script_checks", "`script_checks` do not exist on Fly Machines; they are ignored", None, report);
    section.finish(report);
    Value::Object(service)
}

/// What `http_service` and `services` have in common.
fn common(section: &mut Section, groups: &Groups, report: &mut Report) -> Map<String, Value> {
    section.refuse("machine_checks", MACHINE_CHECKS, None, report);
    let internal_port = section.integer("internal_port", report);
    if internal_port.is_none() {
        report.error(&section.mark, "a service needs `internal_port`");
    }
    compact([
        ("internalPort", internal_port.map(Value::from)),
        ("processes", groups.scope(section, report)),
        ("concurrency", concurrency(section.take("concurrency"), report)),
        ("autostop", autostop(section.take("auto_stop_machines"), report)),
        ("autostart", section.boolean("auto_start_machines", report).map(Value::from)),
        ("minMachinesRunning", section.integer("min_machines_running", report).map(Value::from)),
    ])
}

fn autostop(node: Option<Node>, report: &mut Report) -> Option<Value> {
    let node = node?;
    match &node.kind {
        Kind::Bool(true) => Some(json!("stop")),
        Kind::Bool(false) => Some(json!("off")),
        Kind::Text(text) if matches!(text.as_str(), "off" | "stop" | "suspend") => Some(json!(text)),
        Kind::Text(text) if text == "true" => Some(json!("stop")),
        Kind::Text(text) if text == "false" => Some(json!("off")),
        _ => node.wrong("`off`, `stop`, `suspend`, `true` or `false`", report),
    }
}

/// A table, or `"soft,hard"` in old files, which counts requests.
fn concurrency(node: Option<Node>, report: &mut Report) -> Option<Value> {
    let node = node?;
    match &node.kind {
        Kind::Table(_) => Some(node.into_json()),
        Kind::Text(text) => {
            let limits = text
                .split_once(',')
                .and_then(|(soft, hard)| Some((soft.trim().parse::<u32>().ok()?, hard.trim().parse::<u32>().ok()?)));
            match limits {
                Some((soft, hard)) => Some(json!({"type": "requests", "softLimit": soft, "hardLimit": hard})),
                None => node.wrong("a table, or two numbers as `\"20,25\"`", report),
            }
        }
        _ => node.wrong("a table", report),
    }
}

fn port(mut section: Section, report: &mut Report) -> Value {
    let mut numbers = Map::new();
    for (key, field) in [("port", "port"), ("start_port", "startPort"), ("end_port", "endPort")] {
        if let Some(number) = section.integer(key, report) {
            numbers.insert(field.to_owned(), Value::from(number));
        }
    }
    let proxy = section.table("proxy_proto_options", report).and_then(|mut options| options.text("version", report));
    let mut port = compact([
        ("handlers", section.texts("handlers", report).map(Value::from)),
        ("forceHttps", section.boolean("force_https", report).map(Value::from)),
        ("tlsOptions", section.take("tls_options").map(Node::into_json)),
        ("httpOptions", section.take("http_options").map(Node::into_json)),
        ("proxyProto", proxy.map(Value::from)),
    ]);
    port.append(&mut numbers);
    section.finish(report);
    Value::Object(port)
}

fn checks_of(section: &mut Section, key: &str, kind: &str, report: &mut Report) -> Vec<Value> {
    section
        .tables(key, report)
        .into_iter()
        .map(|mut table| {
            let mut check = check(&mut table, report);
            check.insert("type".to_owned(), Value::from(kind));
            table.finish(report);
            Value::Object(check)
        })
        .collect()
}

fn put_checks(service: &mut Map<String, Value>, checks: Vec<Value>) {
    if !checks.is_empty() {
        service.insert("checks".to_owned(), Value::from(checks));
    }
}

/// `[checks.name]`, or `[[checks]]` with a `name` in old files.
pub(super) fn checks(
    root: &mut Section,
    groups: &Groups,
    http_port: Option<i64>,
    app: &mut Map<String, Value>,
    report: &mut Report,
) {
    let named: Vec<(Option<String>, Section)> = match root.take("checks") {
        None => return,
        Some(Node { kind: Kind::Table(mut table), .. }) => table
            .take_all()
            .into_iter()
            .filter_map(|(name, node)| match node.kind {
                Kind::Table(section) => Some((Some(name), section)),
                _ => node.wrong("a table", report),
            })
            .collect(),
        Some(Node { kind: Kind::List(items), .. }) => items
            .into_iter()
            .filter_map(|item| match item.kind {
                Kind::Table(mut section) => Some((section.text("name", report), section)),
                _ => item.wrong("a table", report),
            })
            .collect(),
        Some(other) => {
            let _: Option<()> = other.wrong("a table", report);
            return;
        }
    };
    let mut checks = Map::new();
    for (name, mut section) in named {
        let Some(name) = name else {
            report.error(&section.mark, "this check needs a `name`");
            continue;
        };
        let mut check = check(&mut section, report);
        match section.text("type", report) {
            Some(kind) => drop(check.insert("type".to_owned(), Value::from(kind))),
            None => report.error(&section.mark, "a check needs a `type`: `http` or `tcp`"),
        }
        if let Some(scope) = groups.scope(&mut section, report) {
            check.insert("processes".to_owned(), scope);
        }
        match (check.contains_key("port"), http_port) {
            (false, Some(port)) => drop(check.insert("port".to_owned(), Value::from(port))),
            (false, None) => {
                report.error(&section.mark, "this check needs a `port`: there is no `http_service` to take it from");
            }
            (true, _) => {}
        }
        section.finish(report);
        checks.insert(name, Value::Object(check));
    }
    if !checks.is_empty() {
        app.insert("checks".to_owned(), Value::Object(checks));
    }
}

fn check(section: &mut Section, report: &mut Report) -> Map<String, Value> {
    section.ignore(&["restart_limit"]);
    compact([
        ("port", section.integer("port", report).map(Value::from)),
        ("interval", duration(section.take("interval"), Bare::Milliseconds, report).map(Value::from)),
        ("timeout", duration(section.take("timeout"), Bare::Milliseconds, report).map(Value::from)),
        ("gracePeriod", duration(section.take("grace_period"), Bare::Milliseconds, report).map(Value::from)),
        ("method", section.text("method", report).map(|method| Value::from(method.to_uppercase()))),
        ("path", section.text("path", report).map(Value::from)),
        ("protocol", section.text("protocol", report).map(Value::from)),
        ("headers", headers(section.take("headers"), report)),
        ("tlsSkipVerify", section.boolean("tls_skip_verify", report).map(Value::from)),
        ("tlsServerName", section.text("tls_server_name", report).map(Value::from)),
    ])
}

/// A table of headers, or a list of `{name, value}` in old files.
fn headers(node: Option<Node>, report: &mut Report) -> Option<Value> {
    let node = node?;
    let headers: Map<String, Value> = match node.kind {
        Kind::Table(_) => match node.into_json_as_is() {
            Value::Object(map) => map,
            _ => return None,
        },
        Kind::List(items) => items
            .into_iter()
            .filter_map(|item| match item.kind {
                Kind::Table(mut section) => {
                    let name = section.text("name", report)?;
                    let value = section.texts("values", report).map(Value::from);
                    let value = value.or_else(|| section.text("value", report).map(Value::from))?;
                    Some((name, value))
                }
                _ => item.wrong("a table with `name` and `value`", report),
            })
            .collect(),
        _ => return node.wrong("a table of headers", report),
    };
    (!headers.is_empty()).then_some(Value::Object(headers))
}
