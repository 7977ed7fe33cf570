use serde_json::json;

use super::*;
use crate::spec::app_from_json;

fn load(path: &str) -> Result<Vec<u8>, String> {
    if path == "motd" { Ok(b"hello".to_vec()) } else { Err("there is no such file".to_owned()) }
}

fn lower(app: &Value, group: &str) -> Result<Value, LowerError> {
    let app = app_from_json(app).unwrap_or_else(|findings| panic!("{findings:?}"));
    let groups = app.groups();
    let group = Group {
        app: &app,
        name: group,
        own: &groups[group],
        image: Some("registry.fly.io/i:1"),
        primary_region: Some("iad"),
        load_file: &load,
    };
    group.config()
}

/// The configuration without what every machine has.
fn own(app: &Value) -> Value {
    let mut config = lower(app, "app").unwrap();
    let fields = config.as_object_mut().unwrap();
    fields.remove("image");
    fields.remove("env");
    config
}

#[test]
fn every_field_has_its_place_in_the_machine() {
    let app = json!({
        "processes": {
            "web": {"size": "performance-2x", "memory": "8GB", "command": "bin/web --port '80 80'", "entrypoint": ["bin/entry"],
                "exec": ["bin/exec"], "tty": true, "swap": "512MB", "kernelArgs": ["quiet"], "hostDedicationId": "h1",
                "env": {"A": "group", "C": true}},
            "other": {},
        },
        "env": {"A": "app", "B": 1},
        "services": [
            {"internalPort": 80, "processes": ["web"], "autostop": "suspend", "autostart": true, "minMachinesRunning": 1,
                "concurrency": {"type": "requests", "softLimit": 10, "hardLimit": 20},
                "ports": [
                    {"port": 80, "handlers": ["http"], "forceHttps": true},
                    {"port": 443, "handlers": ["tls", "http"],
                        "tlsOptions": {"alpn": ["h2"], "versions": ["TLSv1.3"], "defaultSelfSigned": true},
                        "httpOptions": {"compress": true, "h2Backend": true, "idleTimeout": 60, "headersReadTimeout": 5,
                            "response": {"headers": {"X-A": "b", "X-C": ["d", "e"], "Fly-Request-Id": false}, "pristine": true},
                            "replayCache": [{"pathPrefix": "/", "ttlSeconds": 60, "type": "cookie", "name": "s", "allowBypass": true}]}},
                    {"startPort": 1000, "endPort": 1010, "handlers": ["proxy_proto"], "proxyProto": "v2"},
                    {"port": 5432, "handlers": ["pg_tls"]},
                ],
                "checks": [{"type": "http", "port": 81, "interval": "1m30s", "timeout": "1500ms", "gracePeriod": "10s", "method": "get",
                    "path": "/healthz", "protocol": "https", "headers": {"Host": "a", "X": ["b", "c"]}, "tlsSkipVerify": true,
                    "tlsServerName": "a.example.com"}]},
            {"internalPort": 53, "protocol": "udp", "ports": [{"port": 53}]},
            {"internalPort": 99, "processes": ["other"]},
        ],
        "checks": {
            "alive": {"type": "tcp", "kind": "readiness", "interval": "15s", "timeout": "2s"},
            "elsewhere": {"type": "tcp", "port": 1, "processes": ["other"]},
        },
        "containers": [
            {"name": "main", "command": "run it", "dependsOn": [{"name": "db", "condition": "healthy"}], "restart": {"policy": "always"},
                "stop": {"signal": "SIGTERM", "timeout": "10s"}, "secrets": [{"envVar": "KEY", "name": "API_KEY"}],
                "envFrom": [{"envVar": "REGION", "fieldRef": "region"}], "env": {"PORT": 1}, "user": "app",
                "files": [{"path": "/etc/c", "content": "c"}, {"path": "/etc/i", "imageConfig": "main"}]},
            {"name": "db", "image": "postgres:17", "entrypoint": ["pg"], "exec": ["x"],
                "healthchecks": [
                    {"name": "tcp", "kind": "readiness", "interval": "10s", "timeout": "2500ms", "gracePeriod": "1m", "successThreshold": 1,
                        "failureThreshold": 3, "unhealthy": "stop", "tcp": {"port": 5432}},
                    {"name": "http", "http": {"port": 8080, "path": "/h", "method": "GET", "scheme": "https", "headers": {"A": "b"},
                        "tlsSkipVerify": true, "tlsServerName": "x"}},
                    {"name": "exec", "exec": {"command": "pg_isready -q"}},
                ]},
        ],
        "files": [
            {"path": "/etc/motd", "fromFile": "motd", "mode": 420},
            {"path": "/etc/key", "secret": "KEY", "processes": ["web"]},
            {"path": "/etc/raw", "base64": "aGk="},
            {"path": "/etc/other", "content": "x", "processes": ["other"]},
        ],
        "restart": {"policy": "on-failure", "maxRetries": 5},
        "stop": {"signal": "SIGTERM", "timeout": "30s"},
        "schedule": "daily",
        "autoDestroy": true,
        "metrics": {"port": 9091, "path": "/metrics", "https": true},
        "statics": [{"path": "/app/public", "urlPrefix": "/public", "bucket": "b", "indexDocument": "index.html"}],
        "dns": {"skipRegistration": true, "nameservers": ["fdaa::3"], "searches": ["internal"], "options": [{"name": "ndots", "value": 2}],
            "forwardRules": [{"basename": "corp.example", "addr": "fd00::53"}], "hostname": "h", "hostnameFqdn": "h.example.com"},
        "rootfs": {"persist": "restart", "size": "20GB"},
        "cacheDrive": {"size": "1GB"},
        "spot": {"maxPriceFraction": 0.5},
        "processesInVm": [{"command": "side car", "user": "u", "ignoreAppSecrets": true, "env": {"A": "b"}}],
    });
    insta::assert_json_snapshot!(lower(&app, "web").unwrap());
}

#[test]
fn sizes_start_from_a_preset_and_are_refined() {
    let guest = |app: Value| own(&app).get("guest").cloned().unwrap_or_default();
    let cpus = |kind: &str, cpus: u32, memory: u32| json!({"cpu_kind": kind, "cpus": cpus, "memory_mb": memory});
    assert_eq!(guest(json!({})), Value::Null);
    assert_eq!(guest(json!({"size": "shared-cpu-4x"})), cpus("shared", 4, 1024));
    assert_eq!(guest(json!({"memory": "512MB"})), cpus("shared", 1, 512));
    assert_eq!(guest(json!({"cpu": {"count": 2}})), cpus("shared", 2, 512));
    assert_eq!(guest(json!({"cpu": {"kind": "performance"}, "memory": "4GB"})), cpus("performance", 1, 4096));
    assert_eq!(guest(json!({"hostDedicationId": "h"})), json!({"host_dedication_id": "h"}));
    assert_eq!(
        guest(json!({"gpu": {"kind": "a10", "count": 2}})),
        json!({"cpu_kind": "performance", "cpus": 8, "memory_mb": 16384, "gpu_kind": "a10", "gpus": 2})
    );
    assert_eq!(
        guest(json!({"size": "l40s"})),
        json!({"cpu_kind": "performance", "cpus": 8, "memory_mb": 32768, "gpu_kind": "l40s", "gpus": 1})
    );
}

#[test]
fn a_raw_machine_lies_over_the_typed_fields_and_its_containers_run_the_apps_image() {
    let config = lower(
        &json!({"memory": "512MB", "restart": {"policy": "always"}, "machine": {
            "guest": {"max_memory_mb": 1024}, "restart": {"policy": "no"}, "brand_new": {"x": 1}, "metadata": {"a": "b"},
            "containers": [{"name": "a"}, {"name": "b", "image": "own"}]}}),
        "app",
    )
    .unwrap();
    assert_eq!(config["guest"], json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 512, "max_memory_mb": 1024}));
    assert_eq!(config["restart"], json!({"policy": "no"}));
    assert_eq!(config["brand_new"], json!({"x": 1}));
    assert_eq!(
        config["containers"],
        json!([{"name": "a", "image": "registry.fly.io/i:1"}, {"name": "b", "image": "own"}])
    );
    assert_eq!(config.get("metadata"), None, "markers have a form of their own");
}

#[test]
fn files_that_cannot_be_had_are_errors_at_their_place() {
    for (app, pointer, message) in [
        (
            json!({"files": [{"path": "/a", "fromFile": "gone"}]}),
            "/files/0/fromFile",
            "`gone` cannot be read: there is no such file",
        ),
        (
            json!({"files": [{"path": "/a"}]}),
            "/files/0",
            "a file needs exactly one of `content`, `base64`, `fromFile` and `secret`",
        ),
    ] {
        let error = lower(&app, "app").unwrap_err();
        assert_eq!((error.pointer.as_str(), error.message.as_str()), (pointer, message));
    }
}
