//! Volumes, addresses and certificates.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::SimConfig;

async fn mounted(client: &Client) -> (String, String) {
    client.app("web").await;
    let (_, volume) = client.post("/apps/web/volumes", json!({"name": "data", "size_gb": 1, "region": "iad"})).await;
    let volume = volume["id"].as_str().unwrap().to_owned();
    let config = json!({"image": "a/b:v1", "mounts": [{"volume": volume, "path": "/data"}]});
    (client.machine("web", config).await, volume)
}

#[tokio::test(start_paused = true)]
async fn a_mount_is_filled_in_from_its_volume() {
    let client = Client::new(config());
    let (machine, volume) = mounted(&client).await;
    let (_, shown) = client.get(&format!("/apps/web/machines/{machine}")).await;
    let mount = json!({"volume": volume, "path": "/data", "name": "data", "encrypted": true, "size_gb": 1});
    assert_eq!(shown["config"]["mounts"], json!([mount]));
    let (_, shown) = client.get(&format!("/apps/web/volumes/{volume}")).await;
    assert_eq!(shown["attached_machine_id"].as_str(), Some(machine.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_bound_volume_cannot_be_deleted_until_a_while_after_its_machine() {
    let client = Client::new(SimConfig { volume_bound_after_destroy: Duration::from_secs(30), ..config() });
    let (machine, volume) = mounted(&client).await;
    let path = format!("/apps/web/volumes/{volume}");
    let (status, body) = client.delete(&path).await;
    let text = format!("failed_precondition: volume is currently bound to machine: {machine}");
    assert_eq!((status, body["error"].as_str()), (412, Some(text.as_str())));
    client.delete(&format!("/apps/web/machines/{machine}?force=true")).await;
    client.pass(Duration::from_secs(10)).await;
    assert_eq!(client.delete(&path).await.0, 412);
    client.pass(Duration::from_secs(21)).await;
    assert_eq!(client.delete(&path).await.0, 200);
    assert_eq!(client.get("/apps/web/volumes").await.1[0]["state"], "pending_destroy");
    assert_eq!(client.get("/apps/web").await.1["volume_count"], 0);
    client.pass(Duration::from_hours(24)).await;
    assert_eq!(client.get("/apps/web/volumes").await.1, json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_mounted_once_in_its_own_region_and_for_good() {
    let client = Client::new(config());
    let (machine, volume) = mounted(&client).await;
    let mount = |volume: &str| json!([{"volume": volume, "path": "/data"}]);
    let create = async |region: &str, volume: &str| {
        let config = json!({"image": "a/b:v1", "mounts": mount(volume)});
        client.post("/apps/web/machines", json!({"config": config, "region": region})).await.0
    };
    assert_eq!(create("iad", &volume).await, 412);
    assert_eq!(create("iad", "vol_none").await, 400);
    let (_, other) = client.post("/apps/web/volumes", json!({"name": "data", "region": "fra"})).await;
    let other = other["id"].as_str().unwrap();
    assert_eq!(create("iad", other).await, 400);
    assert_eq!(create("fra", other).await, 200);

    let update = async |mounts: Value| {
        let config = json!({"image": "a/b:v2", "mounts": mounts});
        client.post(&format!("/apps/web/machines/{machine}"), json!({"config": config})).await.0
    };
    assert_eq!(update(json!([])).await, 400);
    assert_eq!(update(mount(other)).await, 400);
    assert_eq!(update(json!([{"volume": volume, "path": "/elsewhere"}])).await, 200);
}

#[tokio::test(start_paused = true)]
async fn volumes_grow_and_are_copied() {
    let client = Client::new(config());
    let (_, volume) = mounted(&client).await;
    let path = format!("/apps/web/volumes/{volume}");
    assert_eq!(client.put(&format!("{path}/extend"), json!({"size_gb": 10})).await.1["volume"]["size_gb"], 10);
    assert_eq!(client.put(&format!("{path}/extend"), json!({"size_gb": 5})).await.0, 400);
    assert_eq!(client.put(&path, json!({"snapshot_retention": 7})).await.1["snapshot_retention"], 7);
    let (_, snapshot) = client.post(&format!("{path}/snapshots"), json!({})).await;
    assert_eq!(client.get(&format!("{path}/snapshots")).await.1.as_array().unwrap().len(), 1);
    let body = json!({"name": "copy", "snapshot_id": snapshot["id"]});
    assert_eq!(client.post("/apps/web/volumes", body).await.0, 200);
    let fork = json!({"name": "fork", "source_volume_id": volume});
    assert_eq!(client.post("/apps/web/volumes", fork).await.1["size_gb"], 10);
    assert_eq!(client.post("/apps/web/volumes", json!({"name": "Not Good"})).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn each_dedicated_address_is_one_more() {
    let client = Client::new(config());
    client.app("web").await;
    let assign = async |kind: &str| client.post("/apps/web/ip_assignments", json!({"type": kind})).await;
    for kind in ["v6", "v6", "shared_v4", "shared_v4", "private_v6"] {
        assert_eq!(assign(kind).await.0, 200, "{kind}");
    }
    assert_eq!(assign("v5").await, (400, json!({"error": "invalid ip address type"})));
    let elsewhere = json!({"type": "private_v6", "network": "nowhere"});
    assert_eq!(client.post("/apps/web/ip_assignments", elsewhere).await, (400, json!({"error": "network not found"})));
    let (_, listed) = client.get("/apps/web/ip_assignments").await;
    assert_eq!(listed["ips"].as_array().unwrap().len(), 4);
    let kinds: Vec<String> = client.sim.ips("web").into_iter().map(|ip| ip.kind).collect();
    assert_eq!(kinds, ["v6", "v6", "shared_v4", "private_v6"]);
    let flycast = &listed["ips"][3];
    assert!(flycast["ip"].as_str().unwrap().starts_with("fdaa:"));
    assert_eq!(flycast["network"], json!({"name": "", "org_slug": "acme"}));
    let path = format!("/apps/web/ip_assignments/{}", listed["ips"][0]["ip"].as_str().unwrap());
    assert_eq!((client.delete(&path).await.0, client.delete(&path).await.0), (204, 404));
    let (_, pair) = assign("egress_pair").await;
    assert!(pair["ip"].is_null() && pair["ip_pair"]["v4"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_waits_for_dns() {
    let client = Client::new(config());
    client.app("web").await;
    let body = json!({"hostname": "*.acme.dev"});
    let (status, certificate) = client.post("/apps/web/certificates/acme", body.clone()).await;
    assert_eq!((status, certificate["status"].as_str()), (201, Some("pending_validation")));
    assert_eq!(certificate["dns_requirements"]["cname"], "web.fly.dev");
    assert_eq!(client.post("/apps/web/certificates/acme", body).await.0, 422);
    client.sim.set_dns("*.acme.dev", true);
    assert_eq!(client.post("/apps/web/certificates/%2A.acme.dev/check", json!({})).await.1["status"], "active");
    assert_eq!(client.get("/apps/web/certificates").await.1["certificates"][0]["configured"], true);
    assert_eq!(client.delete("/apps/web/certificates/%2A.acme.dev").await.0, 204);
    assert_eq!(client.get("/apps/web/certificates/%2A.acme.dev").await.0, 404);
}
