//! The domains of a team at Vercel, as its clients see them.

use serde_json::json;

use super::vercel::{Client, config};
use crate::http::transport::Method;

#[tokio::test(start_paused = true)]
async fn a_domain_of_the_team_has_those_of_projects_below_it_and_takes_them_along() {
    let client = Client::new(config());
    client.web.add_domain("login.acme.dev", None).unwrap();
    client.web.add_domain("a.other.dev", None).unwrap();
    let (_, below) = client.get("/v1/domains/acme.dev/project-domains?limit=100").await;
    assert_eq!(below["pagination"]["count"], 1);
    let only = &below["projectDomains"][0];
    assert_eq!((&only["name"], &only["projectId"]), (&json!("login.acme.dev"), &json!(client.web.id().unwrap())));
    assert_eq!(client.get("/v1/domains/login.acme.dev/project-domains").await.0, 404);
    assert_eq!(client.get("/v1/registrar/domains/acme.dev/price").await.1["error"]["code"], "tld_not_supported");
    let gone = client.send(Method::Delete, "/v3/domains/acme.dev", None).await;
    assert_eq!(gone, (200, json!({"uid": "acme.dev"})));
    assert_eq!(client.web.domains().into_iter().map(|one| one.name).collect::<Vec<_>>(), ["a.other.dev"]);
    assert_eq!(client.send(Method::Delete, "/v3/domains/acme.dev", None).await.0, 404);
}
