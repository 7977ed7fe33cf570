//! No room, and no more of anything: each refusal in its own form.

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::sim::{Quotas, Shortage, SimConfig};

async fn create(client: &Client, config: Value) -> (u16, Value) {
    client.post("/apps/web/machines", json!({"config": config, "region": "fra"})).await
}

fn plain() -> Value {
    json!({"image": "a/b:v1"})
}

#[tokio::test(start_paused = true)]
async fn a_full_region_takes_no_new_machines_and_volumes() {
    let shortages = vec![(Shortage::Region, "fra".to_owned()), (Shortage::VolumePlacement, "fra".to_owned())];
    let client = Client::new(SimConfig { shortages, ..config() });
    client.app("web").await;
    let (status, body) = create(&client, plain()).await;
    assert_eq!((status, body["status"].as_str()), (422, Some("insufficient_capacity")));
    let volume = json!({"name": "data", "region": "fra"});
    let (status, body) = client.post("/apps/web/volumes", volume.clone()).await;
    assert_eq!((status, body["status"].as_str()), (422, Some("volume_placement_capacity")));
    let placement = json!({"org_slug": "acme", "region": "fra,ams"});
    assert_eq!(client.post("/platform/placements", placement).await.1["regions"][0]["region"], "ams");
    let nowhere = json!({"org_slug": "acme", "region": "fra"});
    assert_eq!(client.post("/platform/placements", nowhere).await.1["status"], "insufficient_capacity");

    assert_eq!(client.post("/apps/web/machines", json!({"config": plain(), "region": "ams"})).await.0, 200);
    client.sim.set_shortage(Shortage::Region, "fra", false);
    client.sim.set_shortage(Shortage::VolumePlacement, "fra", false);
    assert_eq!(create(&client, plain()).await.0, 200);
    assert_eq!(client.post("/apps/web/volumes", volume).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_host_refuses_what_is_bound_to_it() {
    let client = Client::new(config());
    client.app("web").await;
    let id = client.machine("web", plain()).await;
    let volume = client.sim.create_volume("web", "data", "iad", 1).unwrap();
    client.sim.stop_machine("web", &id).unwrap();
    client.pass(std::time::Duration::from_secs(2)).await;
    for shortage in [Shortage::VolumeHost, Shortage::Host] {
        client.sim.set_shortage(shortage, "iad", true);
    }
    let mounted = json!({"image": "a/b:v1", "mounts": [{"volume": volume, "path": "/data"}]});
    let (status, body) = client.post("/apps/web/machines", json!({"config": mounted})).await;
    let text = format!("insufficient resources to create new machine with existing volume '{volume}'");
    assert_eq!((status, body["error"].as_str()), (412, Some(text.as_str())));
    assert_eq!(client.post("/apps/web/machines", json!({"config": plain()})).await.0, 200);

    let path = format!("/apps/web/machines/{id}");
    for (path, body) in [(path.clone(), json!({"config": plain()})), (format!("{path}/start"), json!({}))] {
        let (status, body) = client.post(&path, body).await;
        assert_eq!(status, 409);
        assert!(body["error"].as_str().unwrap().starts_with("aborted: could not reserve resource for machine"));
    }
    client.sim.set_shortage(Shortage::Maintenance, "iad", true);
    let (status, body) = client.post(&path, json!({"config": plain()})).await;
    let text = "unavailable: deploys to this host are temporarily disabled";
    assert_eq!((status, body["error"].as_str()), (503, Some(text)));
    assert_eq!(client.state("web", &id).await, "stopped");
}

#[tokio::test(start_paused = true)]
async fn an_organization_has_only_so_much() {
    let quotas = Quotas { apps: Some(2), machines: Some(2), volumes: Some(1), ..Quotas::default() };
    let client = Client::new(SimConfig { quotas, ..config() });
    client.app("web").await;
    client.app("api").await;
    let app = json!({"name": "third", "org_slug": "acme"});
    assert_eq!(client.post("/apps", app.clone()).await.0, 422);
    let volume = async || client.post("/apps/api/volumes", json!({"name": "data"})).await.0;
    assert_eq!((volume().await, volume().await), (200, 422));
    assert_eq!(create(&client, plain()).await.0, 200);
    let count = json!({"org_slug": "acme", "region": "iad", "count": 0});
    assert_eq!(client.post("/platform/placements", count).await.1["regions"][0]["count"], 1);
    let (_, machine) = create(&client, plain()).await;
    let (status, body) = create(&client, plain()).await;
    assert_eq!(status, 422);
    assert!(body["error"].as_str().unwrap().contains("machine limit"));
    client.delete(&format!("/apps/web/machines/{}?force=true", machine["id"].as_str().unwrap())).await;
    client.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(create(&client, plain()).await.0, 200);

    client.sim.set_quotas("acme", Quotas { machines_per_app: Some(1), ..Quotas::default() });
    assert_eq!(client.post("/apps", app).await.0, 201);
    let (status, body) = create(&client, plain()).await;
    assert_eq!(status, 422);
    assert!(body["error"].as_str().unwrap().starts_with("To create more than 1 machine per app"));
    assert_eq!(client.post("/apps/third/machines", json!({"config": plain()})).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn memory_is_counted_in_each_region() {
    let client = Client::new(config());
    client.sim.set_quotas("acme", Quotas { memory_mb_per_region: Some(512), ..Quotas::default() });
    client.app("web").await;
    let id = client.machine("web", plain()).await;
    let update = async |mb: u64| {
        let config = json!({"image": "a/b:v1", "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": mb}});
        let answer = client.post(&format!("/apps/web/machines/{id}"), json!({"config": config})).await;
        client.pass(std::time::Duration::from_secs(5)).await;
        answer
    };
    let (status, body) = update(768).await;
    let text = "organization \"acme\" is using 256 MB of memory in iad which is over the allowed quota. \
                please consider other regions";
    assert_eq!((status, body["error"].as_str()), (403, Some(text)));
    assert_eq!(update(512).await.0, 200);
    assert_eq!(client.post("/apps/web/machines", json!({"config": plain()})).await.0, 403);
    assert_eq!(create(&client, plain()).await.0, 200);
}
