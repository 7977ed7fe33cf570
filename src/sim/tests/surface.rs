//! Which paths of the published API are simulated, and that the documentation says the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::http::transport::Method;
use crate::sim::routes::NOT_SIMULATED;

/// Every path of the published API document, with its methods, and those of the network policies, which are documented elsewhere.
const PATHS: [(&str, &str); 70] = [
    ("GET POST", "/v1/apps"),
    ("GET DELETE", "/v1/apps/{app_name}"),
    ("GET", "/v1/apps/{app_name}/certificates"),
    ("POST", "/v1/apps/{app_name}/certificates/acme"),
    ("POST", "/v1/apps/{app_name}/certificates/custom"),
    ("GET DELETE", "/v1/apps/{app_name}/certificates/{hostname}"),
    ("DELETE", "/v1/apps/{app_name}/certificates/{hostname}/acme"),
    ("POST", "/v1/apps/{app_name}/certificates/{hostname}/check"),
    ("DELETE", "/v1/apps/{app_name}/certificates/{hostname}/custom"),
    ("POST", "/v1/apps/{app_name}/deploy_token"),
    ("GET POST", "/v1/apps/{app_name}/ip_assignments"),
    ("DELETE", "/v1/apps/{app_name}/ip_assignments/{ip}"),
    ("GET POST", "/v1/apps/{app_name}/machines"),
    ("GET POST DELETE", "/v1/apps/{app_name}/machines/{machine_id}"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/cordon"),
    ("GET", "/v1/apps/{app_name}/machines/{machine_id}/events"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/exec"),
    ("GET POST DELETE", "/v1/apps/{app_name}/machines/{machine_id}/lease"),
    ("GET PUT", "/v1/apps/{app_name}/machines/{machine_id}/memory"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/memory/reclaim"),
    ("GET PUT PATCH", "/v1/apps/{app_name}/machines/{machine_id}/metadata"),
    ("GET POST DELETE", "/v1/apps/{app_name}/machines/{machine_id}/metadata/{key}"),
    ("GET", "/v1/apps/{app_name}/machines/{machine_id}/ps"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/restart"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/signal"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/start"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/stop"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/suspend"),
    ("POST", "/v1/apps/{app_name}/machines/{machine_id}/uncordon"),
    ("GET", "/v1/apps/{app_name}/machines/{machine_id}/versions"),
    ("GET", "/v1/apps/{app_name}/machines/{machine_id}/wait"),
    ("GET", "/v1/apps/{app_name}/secretkeys"),
    ("GET POST DELETE", "/v1/apps/{app_name}/secretkeys/{secret_name}"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/decrypt"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/encrypt"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/generate"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/sign"),
    ("POST", "/v1/apps/{app_name}/secretkeys/{secret_name}/verify"),
    ("GET POST", "/v1/apps/{app_name}/secrets"),
    ("GET POST DELETE", "/v1/apps/{app_name}/secrets/{secret_name}"),
    ("GET POST", "/v1/apps/{app_name}/volumes"),
    ("GET PUT DELETE", "/v1/apps/{app_name}/volumes/{volume_id}"),
    ("PUT", "/v1/apps/{app_name}/volumes/{volume_id}/extend"),
    ("GET POST", "/v1/apps/{app_name}/volumes/{volume_id}/snapshots"),
    ("GET", "/v1/orgs/{org_slug}/machines"),
    ("GET", "/v1/orgs/{org_slug}/volumes"),
    ("POST", "/v1/platform/placements"),
    ("GET", "/v1/platform/regions"),
    ("GET POST", "/v1/postgres"),
    ("GET DELETE", "/v1/postgres/{postgres_cluster_id}"),
    ("POST", "/v1/postgres/{postgres_cluster_id}/attachments"),
    ("DELETE", "/v1/postgres/{postgres_cluster_id}/attachments/{app_name}"),
    ("GET POST", "/v1/postgres/{postgres_cluster_id}/backups"),
    ("GET POST", "/v1/postgres/{postgres_cluster_id}/databases"),
    ("DELETE", "/v1/postgres/{postgres_cluster_id}/databases/{database_name}"),
    ("GET POST", "/v1/postgres/{postgres_cluster_id}/databases/{database_name}/extensions"),
    ("DELETE", "/v1/postgres/{postgres_cluster_id}/databases/{database_name}/extensions/{extension_name}"),
    ("POST", "/v1/postgres/{postgres_cluster_id}/fork"),
    ("POST", "/v1/postgres/{postgres_cluster_id}/restore"),
    ("GET POST", "/v1/postgres/{postgres_cluster_id}/users"),
    ("PATCH DELETE", "/v1/postgres/{postgres_cluster_id}/users/{username}"),
    ("GET", "/v1/postgres/{postgres_cluster_id}/users/{username}/credentials"),
    ("POST", "/v1/postgres/{postgres_cluster_id}/users/{username}/rotate_password"),
    ("POST", "/v1/tokens/authenticate"),
    ("POST", "/v1/tokens/authorize"),
    ("GET", "/v1/tokens/current"),
    ("POST", "/v1/tokens/kms"),
    ("POST", "/v1/tokens/oidc"),
    ("GET POST", "/v1/apps/{app_name}/network_policies"),
    ("GET DELETE", "/v1/apps/{app_name}/network_policies/{id}"),
];

fn method(name: &str) -> Method {
    let all = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];
    all.into_iter().find(|method| method.as_str() == name).unwrap()
}

/// Every segment in braces becomes a name that nothing has.
fn filled(path: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "nothing".to_owned() } else { segment.to_owned() };
    path.trim_start_matches("/v1").split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// What the published document requires to be sent.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "attachments" => json!({"app_name": "nothing"}),
        "backups" => json!({"type": "full"}),
        "databases" | "extensions" => json!({"name": "nothing"}),
        "users" => json!({"username": "nothing", "role": "reader"}),
        "{username}" => json!({"role": "reader"}),
        "placements" => json!({"org_slug": "nothing"}),
        "postgres" => json!({"org_slug": "nothing", "plan": "basic", "region": "iad"}),
        _ => json!({}),
    }
}

#[tokio::test(start_paused = true)]
async fn every_published_path_is_answered_or_listed_as_not_simulated() {
    let client = Client::new(config());
    let mut refused = BTreeSet::new();
    for (methods, path) in PATHS {
        for name in methods.split(' ') {
            let body = (!matches!(name, "GET" | "DELETE")).then(|| body(path));
            let answer = client.try_send(method(name), &filled(path), body).await.unwrap();
            if answer.status == 501 {
                refused.insert((name, path));
                let text = String::from_utf8(answer.body.to_vec()).unwrap();
                assert!(text.contains(&format!("not implemented: {name} {path} is not simulated")), "{text}");
            }
        }
    }
    assert_eq!(refused, BTreeSet::from(NOT_SIMULATED));
}

#[test]
fn the_documentation_lists_exactly_what_is_not_simulated() {
    let text = include_str!("../../../docs/simulator.md");
    let (_, section) = text.split_once("\n## What is not simulated\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let listed: BTreeSet<(&str, &str)> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()?.split_once(' ')).collect();
    assert_eq!(listed, BTreeSet::from(NOT_SIMULATED));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_501_below_v1_and_404_elsewhere() {
    let client = Client::new(config());
    let (status, body) = client.post("/apps/web/unheard-of", json!({})).await;
    assert_eq!(status, 501);
    assert_eq!(body, json!({"error": "not implemented: the simulator has no POST /v1/apps/web/unheard-of"}));
    assert_eq!(client.get("/../elsewhere").await.0, 404);
}
