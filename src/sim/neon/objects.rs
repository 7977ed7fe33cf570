//! What Neon shows of its objects.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::setup::NeonPlan;
use super::state::{Branch, Database, Endpoint, Project, Role};
use super::work::Operation;

/// A moment in whole seconds, as Neon writes it.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// An object without the properties that have no value.
fn given(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        other => other,
    }
}

pub(super) fn branch(project: &Project, branch: &Branch) -> Value {
    given(json!({
        "id": branch.id,
        "project_id": project.id,
        "parent_id": branch.parent_id,
        "parent_lsn": branch.parent_lsn,
        "parent_timestamp": branch.parent_timestamp.map(moment),
        "name": branch.name,
        "current_state": branch.state.name(),
        "pending_state": branch.pending.map(super::state::BranchState::name),
        "state_changed_at": moment(branch.state_changed_at),
        "logical_size": 30_785_536,
        "creation_source": "console",
        "primary": branch.default,
        "default": branch.default,
        "protected": branch.protected,
        "cpu_used_sec": 0,
        "compute_time_seconds": 0,
        "active_time_seconds": 0,
        "written_data_bytes": 0,
        "data_transfer_bytes": 0,
        "created_at": moment(branch.created_at),
        "updated_at": moment(branch.updated_at),
        "expires_at": branch.expires_at.map(moment),
        "ttl_interval_seconds": branch.ttl_seconds,
        "last_reset_at": branch.last_reset_at.map(moment),
        "created_by": {"name": "hangar-bot", "image": ""},
        "init_source": branch.init_source,
        "restored_from": branch.restored_from,
        "restored_as": branch.restored_as,
    }))
}

/// What somebody has noted of a branch. One that has none shows an empty one.
pub(super) fn annotation(branch: &Branch) -> Value {
    let at = branch.annotation.is_some().then(|| moment(branch.created_at));
    given(json!({
        "object": {"type": "console/branch", "id": branch.id},
        "value": branch.annotation.clone().unwrap_or_default(),
        "created_at": at,
        "updated_at": at,
    }))
}

pub(super) fn endpoint(project: &Project, endpoint: &Endpoint) -> Value {
    let host = project.host(&endpoint.id, false);
    given(json!({
        "host": host,
        "id": endpoint.id,
        "name": endpoint.name,
        "project_id": project.id,
        "branch_id": endpoint.branch_id,
        "autoscaling_limit_min_cu": endpoint.min_cu,
        "autoscaling_limit_max_cu": endpoint.max_cu,
        "region_id": project.region,
        "type": if endpoint.read_write { "read_write" } else { "read_only" },
        "current_state": endpoint.state.name(),
        "pending_state": endpoint.pending.map(super::state::EndpointState::name),
        "settings": endpoint.settings,
        "pooler_enabled": false,
        "pooler_mode": "transaction",
        "disabled": endpoint.disabled,
        "passwordless_access": true,
        "last_active": endpoint.last_active.map(moment),
        "creation_source": "console",
        "created_at": moment(endpoint.created_at),
        "updated_at": moment(endpoint.updated_at),
        "proxy_host": host.split_once('.').map_or(host.as_str(), |(_, proxy)| proxy),
        "suspend_timeout_seconds": endpoint.suspend_seconds,
        "provisioner": "k8s-neonvm",
    }))
}

pub(super) fn operation(project: &Project, operation: &Operation, now: DateTime<Utc>) -> Value {
    given(json!({
        "id": operation.id,
        "project_id": project.id,
        "branch_id": operation.branch_id,
        "endpoint_id": operation.endpoint_id,
        "action": operation.action,
        "status": operation.status(now),
        "error": operation.error,
        "failures_count": operation.failures,
        "retry_at": operation.retry_at.map(moment),
        "created_at": moment(operation.created_at),
        "updated_at": moment(operation.updated_at(now)),
        "total_duration_ms": operation.duration_ms(now),
    }))
}

/// A role; its password only where it was made at this moment.
pub(super) fn role(branch: &Branch, role: &Role, password: Option<&str>) -> Value {
    given(json!({
        "branch_id": branch.id,
        "name": role.name,
        "password": password,
        "protected": false,
        "created_at": moment(role.created_at),
        "updated_at": moment(role.updated_at),
    }))
}

pub(super) fn database(branch: &Branch, database: &Database) -> Value {
    json!({
        "id": database.id,
        "branch_id": branch.id,
        "name": database.name,
        "owner_name": database.owner,
        "created_at": moment(database.created_at),
        "updated_at": moment(database.updated_at),
    })
}

/// A project in a list.
pub(super) fn listed_project(project: &Project) -> Map<String, Value> {
    let shown = json!({
        "id": project.id,
        "platform_id": "aws",
        "region_id": project.region,
        "name": project.name,
        "provisioner": "k8s-neonvm",
        "default_endpoint_settings": {
            "autoscaling_limit_min_cu": 0.25,
            "autoscaling_limit_max_cu": 2,
            "suspend_timeout_seconds": 0,
        },
        "settings": {"allowed_ips": {"ips": [], "protected_branches_only": false}},
        "pg_version": 17,
        "proxy_host": project.host("", false).trim_start_matches('.'),
        "branch_logical_size_limit": if project.plan == NeonPlan::Free { 512 } else { 16_777_216 },
        "branch_logical_size_limit_bytes": if project.plan == NeonPlan::Free { 536_870_912_u64 } else { 17_592_186_044_416 },
        "store_passwords": project.store_passwords,
        "active_time": 0,
        "cpu_used_sec": 0,
        "creation_source": "console",
        "created_at": moment(project.created_at),
        "updated_at": moment(project.created_at),
        "owner_id": project.org,
        "org_id": project.org,
        "history_retention_seconds": project.history_seconds,
    });
    match shown {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A whole project.
pub(super) fn project(project: &Project) -> Value {
    let mut shown = listed_project(project);
    shown.remove("active_time");
    let period = moment(project.created_at);
    for name in ["data_storage_bytes_hour", "data_transfer_bytes", "written_data_bytes"] {
        shown.insert(name.to_owned(), json!(0));
    }
    for name in ["compute_time_seconds", "active_time_seconds"] {
        shown.insert(name.to_owned(), json!(0));
    }
    let (included, subscription) = match project.plan {
        NeonPlan::Free => (10, "free_v3"),
        NeonPlan::Launch => (10, "launch_v3"),
        NeonPlan::Scale => (25, "scale_v3"),
    };
    let owner = json!({
        "email": "team@acme.test",
        "name": project.org,
        "branches_limit": project.limits.branches.unwrap_or(included),
        "subscription_type": subscription,
    });
    shown.insert("owner".to_owned(), owner);
    shown.insert("consumption_period_start".to_owned(), json!(period));
    shown.insert("consumption_period_end".to_owned(), json!(period));
    Value::Object(shown)
}

/// How to connect to a database through a compute.
pub(super) fn uri(project: &Project, endpoint: &str, role: &Role, database: &str, pooled: bool) -> String {
    let host = project.host(endpoint, pooled);
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (name, password, database) = (encode(&role.name), encode(&role.password), encode(database));
    format!("postgresql://{name}:{password}@{host}/{database}?sslmode=require&channel_binding=require")
}
