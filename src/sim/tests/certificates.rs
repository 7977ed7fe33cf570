//! Certificates: the platform's own and those that customers bring.

use serde_json::{Value, json};

use super::support::{Client, config};

const PATH: &str = "/apps/web/certificates/app.acme.dev";

fn custom() -> Value {
    json!({
        "hostname": "app.acme.dev",
        "fullchain": "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
        "private_key": "-----BEGIN PRIVATE KEY-----\nsimulated\n-----END PRIVATE KEY-----\n",
    })
}

#[tokio::test(start_paused = true)]
async fn a_customers_certificate_stands_beside_the_platforms() {
    let client = Client::new(config());
    client.app("web").await;
    let (status, shown) = client.post("/apps/web/certificates/custom", custom()).await;
    assert_eq!((status, shown["status"].as_str()), (201, Some("pending_ownership")));
    assert_eq!(shown["certificates"][0]["source"], "custom");
    assert_eq!(client.post("/apps/web/certificates/custom", custom()).await.0, 422);
    client.sim.set_dns("app.acme.dev", true);
    assert_eq!(client.post("/apps/web/certificates/acme", json!({"hostname": "app.acme.dev"})).await.0, 201);
    let sources = async || -> Vec<String> {
        let shown = client.get(PATH).await.1;
        let all = shown["certificates"].as_array().unwrap();
        all.iter().map(|one| one["source"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(sources().await, ["fly", "custom"]);
    let (status, removed) = client.delete(&format!("{PATH}/custom")).await;
    assert_eq!((status, removed["warning"].as_str()), (200, Some("")));
    assert_eq!(client.delete(&format!("{PATH}/custom")).await.0, 404);
    assert_eq!(sources().await, ["fly"]);
    let (status, shown) = client.delete(&format!("{PATH}/acme")).await;
    assert_eq!((status, &shown["acme_requested"], &shown["configured"]), (200, &json!(false), &json!(false)));
    assert_eq!(client.delete(&format!("{PATH}/acme")).await.0, 404);
    assert!(!client.sim.snapshot().to_string().contains("simulated\\n"), "the key is not kept");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_certificate_is_refused() {
    let client = Client::new(config());
    client.app("web").await;
    for (field, value) in [("hostname", "nodots"), ("fullchain", "nonsense"), ("private_key", "nonsense")] {
        let mut body = custom();
        body[field] = json!(value);
        assert_eq!(client.post("/apps/web/certificates/custom", body).await.0, 422, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostname_belongs_to_one_app_until_it_goes() {
    let client = Client::new(config());
    client.app("web").await;
    client.app("api").await;
    let ask = async |app: &str| {
        client.post(&format!("/apps/{app}/certificates/acme"), json!({"hostname": "app.acme.dev"})).await.0
    };
    assert_eq!((ask("web").await, ask("api").await), (201, 422));
    client.delete("/apps/web").await;
    client.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(ask("api").await, 201);
    assert_eq!(client.delete("/apps/api/certificates/app.acme.dev").await.0, 204);
    assert_eq!(ask("api").await, 201);
}
