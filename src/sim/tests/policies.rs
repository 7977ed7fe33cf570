//! Network policies.

use serde_json::json;

use super::support::{Client, config};

#[tokio::test(start_paused = true)]
async fn a_policy_is_kept_replaced_and_removed() {
    let client = Client::new(config());
    client.app("web").await;
    let path = "/apps/web/network_policies";
    let rule = json!({"action": "allow", "direction": "ingress", "ports": [{"protocol": "tcp", "port": 80}]});
    let body = json!({"name": "fence", "selector": {"all": true}, "rules": [rule]});
    let (status, policy) = client.post(path, body.clone()).await;
    assert_eq!((status, &policy["rules"]), (200, &body["rules"]));
    let mut changed = body.clone();
    changed["id"] = policy["id"].clone();
    changed["rules"] = json!([]);
    assert_eq!(client.post(path, changed).await.1["id"], policy["id"]);
    let (_, listed) = client.get(path).await;
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["rules"]), (1, &json!([])));
    let one = format!("{path}/{}", policy["id"].as_str().unwrap());
    assert_eq!((client.get(&one).await.0, client.delete(&one).await.0, client.get(&one).await.0), (200, 204, 404));
    for (field, wrong) in [
        ("name", json!("")),
        ("selector", json!({})),
        ("rules", json!([{"action": "deny", "direction": "ingress"}])),
        ("rules", json!([{"action": "allow", "direction": "sideways"}])),
    ] {
        let mut wanted = body.clone();
        wanted[field] = wrong;
        assert_eq!(client.post(path, wanted).await.0, 400, "{field}");
    }
}
