//! What flyctl asks beside the Machines API. The queries are those that it sends, as it writes them.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Client, config};
use crate::http::transport::Method;
use crate::sim::SimConfig;

const APP_COMPACT: &str = "query ($appName: String!) { appcompact:app(name: $appName) { id internalNumericId name hostname \
    deployed status appUrl platformVersion organization { id internalNumericId slug paidPlan } postgresAppRole: role { name } } }";

const APP_BASIC: &str = "query ($appName: String!) { appbasic:app(name: $appName) { id name platformVersion organization \
    { id internalNumericId slug rawSlug paidPlan } } }";

const APPS: &str = "query($org: ID, $role: String, $after: String) { apps(type: \"container\", first: 200, after: $after, \
    organizationId: $org, role: $role) { pageInfo { hasNextPage endCursor } nodes { id name deployed hostname platformVersion \
    organization { slug name } currentRelease { createdAt status } status } } }";

const ORGANIZATION: &str = "query($slug: String!) { organization(slug: $slug) { id internalNumericId slug name type billable \
    limitedAccessTokens { nodes { id name expiresAt user { email } } } } }";

const IMAGE: &str = "query ($appName: String!, $imageRef: String!) { app(name: $appName) { id image(ref: $imageRef) { id digest \
    ref compressedSize: compressedSizeFull } } }";

const CURRENT_CONFIG: &str = "query FlyctlConfigCurrentRelease ($appName: String!) { app(name: $appName) { currentReleaseUnprocessed { configDefinition } } }";

const EGRESS: &str = "query ($appName: String!) { app(name: $appName) { machines { nodes { id egressIpAddresses { nodes \
    { id ip version region } } } } } }";

async fn demo() -> Client {
    let client = Client::new(config());
    client.app("demo").await;
    client
}

#[tokio::test(start_paused = true)]
async fn an_app_is_shown_as_status_and_the_lists_want_it() {
    let client = demo().await;
    let shown = client.query(APP_COMPACT, json!({"appName": "demo"})).await;
    let app = &shown["appcompact"];
    assert!(app["internalNumericId"].is_u64() && app["organization"]["internalNumericId"].is_string(), "{app}");
    assert_eq!(
        (
            &app["id"],
            &app["hostname"],
            &app["status"],
            &app["deployed"],
            &app["platformVersion"],
            &app["postgresAppRole"]
        ),
        (&json!("demo"), &json!("demo.fly.dev"), &json!("pending"), &json!(false), &json!("machines"), &Value::Null)
    );
    client.machine("demo", json!({"image": "registry.fly.io/demo:v1"})).await;
    let basic = client.query(APP_BASIC, json!({"appName": "demo"})).await;
    assert_eq!(basic["appbasic"]["organization"]["rawSlug"], "acme");
    assert_eq!(client.query(APP_COMPACT, json!({"appName": "demo"})).await["appcompact"]["status"], "deployed");
}

#[tokio::test(start_paused = true)]
async fn apps_are_listed_by_page_and_only_those_that_the_token_sees() {
    let client = demo().await;
    client.app("another").await;
    let other = client.with_token("sim_other");
    other.post("/apps", json!({"name": "theirs", "org_slug": "other"})).await;
    let names = |shown: &Value| -> Vec<String> {
        let nodes = shown["apps"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| {
                format!("{} {}", node["organization"]["slug"].as_str().unwrap(), node["name"].as_str().unwrap())
            })
            .collect()
    };
    let all = client.query(APPS, json!({"after": ""})).await;
    assert_eq!(names(&all), ["acme another", "acme demo"]);
    assert_eq!(all["apps"]["pageInfo"], json!({"hasNextPage": false, "endCursor": "demo"}));
    assert_eq!(all["apps"]["nodes"][0]["currentRelease"], Value::Null);
    let org = client.query(ORGANIZATION, json!({"slug": "acme"})).await["organization"].take();
    assert_eq!(
        (&org["name"], &org["type"], &org["limitedAccessTokens"]),
        (&json!("acme"), &json!("SHARED"), &json!({"nodes": []}))
    );
    assert_eq!(names(&client.query(APPS, json!({"org": org["id"]})).await), ["acme another", "acme demo"]);
    assert_eq!(names(&client.query(APPS, json!({"org": "unknown"})).await), [""; 0]);
    assert_eq!(names(&client.query(APPS, json!({"role": "postgres_cluster"})).await), [""; 0]);
    let page = client.query(&APPS.replace("200", "1"), json!({})).await;
    assert_eq!(
        (names(&page), &page["apps"]["pageInfo"]["hasNextPage"]),
        (vec!["acme another".to_owned()], &json!(true))
    );
    let rest = client.query(&APPS.replace("200", "1"), json!({"after": page["apps"]["pageInfo"]["endCursor"]})).await;
    assert_eq!((names(&rest), &rest["apps"]["pageInfo"]["hasNextPage"]), (vec!["acme demo".to_owned()], &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn errors_come_with_status_200() {
    let client = demo().await;
    let missing = client.ask(APP_COMPACT, json!({"appName": "nobody"})).await;
    assert_eq!(missing["data"], json!({"appcompact": null}));
    assert_eq!(
        missing["errors"],
        json!([{"message": "Could not find App \"nobody\"", "path": ["appcompact"], "extensions": {"code": "NOT_FOUND"}}])
    );
    let other = client.with_token("sim_other").ask(APP_BASIC, json!({"appName": "demo"})).await;
    assert_eq!(other["errors"][0]["message"], "Could not find App \"demo\"", "apps of others do not show");
    let details = "query($image: String!, $flyVersion: String) { latestImageDetails(image: $image, flyVersion: $flyVersion) { tag } }";
    let unknown = client.ask(details, json!({"image": "flyio/demo:v1", "flyVersion": ""})).await;
    assert_eq!(unknown["errors"][0]["message"], "Unknown repository flyio/demo");
    for (query, code) in [
        ("{ app(name: \"demo\") { wireGuardPeers } }", "undefinedField"),
        ("{ app(name: \"demo\") }", "selectionMismatch"),
        ("{ app(name: \"demo\") { name { first } } }", "selectionMismatch"),
        ("{ app(name: \"demo\") { ...Lost } }", "useAndDefineFragment"),
        ("{ app(name: \"demo\") { ...Ring } } fragment Ring on App { ...Ring }", "queryTooDeep"),
        ("mutation { createApp(input: {}) { app { id } } }", "notImplemented"),
        ("query A { a } query B { b }", "operationNotFound"),
        ("{ app(", "parseError"),
    ] {
        let answer = client.ask(query, json!({})).await;
        assert_eq!((&answer["errors"][0]["extensions"]["code"], answer.get("data")), (&json!(code), None), "{query}");
    }
    assert_eq!(client.web(Method::Post, "/graphql", Some(json!({"text": 1}))).await.0, 400);
    assert_eq!(client.with_token("nobody").web(Method::Post, "/graphql", Some(json!({}))).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn fragments_aliases_and_type_conditions_work_as_the_generated_client_uses_them() {
    let client = demo().await;
    let query = "query GetApp($name: String!) { app(name: $name) { ... AppData organization { type } } viewer { __typename \
        ... on User { email } ... on Macaroon { token } } } fragment AppData on App { id organization { id slug } }";
    let shown = client.query(query, json!({"name": "demo"})).await;
    let organization = shown["app"]["organization"].as_object().unwrap();
    assert_eq!(
        organization.keys().collect::<Vec<_>>(),
        ["id", "slug", "type"],
        "two selections of one object become one"
    );
    assert_eq!(shown["viewer"], json!({"__typename": "User", "email": "acme@tokens.fly.io"}));
}

#[tokio::test(start_paused = true)]
async fn a_query_is_a_read_and_a_token_that_may_only_read_is_enough() {
    let client = demo().await;
    client.sim.clear_requests();
    client.with_token("sim_reader").query(APP_COMPACT, json!({"appName": "demo"})).await;
    assert_eq!((client.sim.reads(), client.sim.writes()), (1, 0));
    let release = json!({"app_name": "demo", "image": "x", "strategy": "ROLLING"});
    assert_eq!(client.with_token("sim_reader").web(Method::Post, "/api/v1/releases", Some(release)).await.0, 403);
}

#[tokio::test(start_paused = true)]
async fn organizations_are_shown_as_the_web_interface_does() {
    let client = Client::new(config());
    let (status, shown) = client.web(Method::Get, "/api/v1/organizations/acme", None).await;
    assert_eq!(status, 200);
    let org = &shown["organization"];
    assert_eq!(
        (&org["slug"], &org["billing_status"], &org["personal"]),
        (&json!("acme"), &json!("CURRENT"), &json!(false))
    );
    assert!(org["internal_numeric_id"].is_u64(), "{org}");
    let (_, all) = client.web(Method::Get, "/api/v1/organizations?admin=false", None).await;
    assert_eq!(all["organizations"].as_array().unwrap().len(), 1, "only the token's own");
    assert_eq!(client.web(Method::Get, "/api/v1/organizations/other", None).await.0, 403);
    assert_eq!(client.web(Method::Get, "/api/v1/organizations/nobody", None).await.0, 404);
    assert_eq!(client.web(Method::Get, "/api/v1/organizations/acme/postgres", None).await.0, 501);
    let open = Client::new(SimConfig { open_orgs: true, ..SimConfig::default() }).with_token("sim_demo");
    open.post("/apps", json!({"name": "x", "org_slug": "mine"})).await;
    let (_, all) = open.web(Method::Get, "/api/v1/organizations?admin=false", None).await;
    let slugs: Vec<&str> =
        all["organizations"].as_array().unwrap().iter().map(|org| org["slug"].as_str().unwrap()).collect();
    assert_eq!(slugs, ["mine", "personal"]);
}

/// The calls of `fly deploy --image`, in its order.
#[tokio::test(start_paused = true)]
async fn a_first_deployment_goes_through_and_a_second_one_updates() {
    let client = demo().await;
    let toml = json!({"app": "demo", "primary_region": "iad", "http_service": {"internal_port": 8080}});
    for version in 1..=2_u64 {
        assert_eq!(client.get("/apps/demo").await.0, 200);
        assert_eq!(client.web(Method::Get, "/api/v1/organizations/acme", None).await.0, 200);
        let build =
            json!({"app_name": "demo", "builder_type": "remote", "strategies_available": ["Local Image Reference"]});
        let (status, build) = client.web(Method::Post, "/api/v1/builds", Some(build)).await;
        assert_eq!((status, &build["id"]), (200, &json!(version)));
        let variables = json!({"appName": "demo", "imageRef": format!("registry.fly.io/demo:v{version}")});
        let image = client.query(IMAGE, variables).await["app"]["image"].take();
        let reference = image["ref"].as_str().unwrap().to_owned();
        assert!(reference.starts_with(&format!("registry.fly.io/demo:v{version}@sha256:")), "{reference}");
        assert!(image["compressedSize"].is_string());
        let finish = json!({"build_id": build["id"], "app_name": "demo", "machine_id": "", "status": "completed"});
        let (status, finished) = client.web(Method::Post, "/api/v1/builds/finish", Some(finish)).await;
        assert_eq!((status, &finished["status"]), (200, &json!("completed")));

        let machines = client.get("/apps/demo/machines").await.1;
        let asked = json!({
            "app_name": "demo", "build_id": build["id"], "definition": toml, "image": reference, "strategy": "ROLLING",
        });
        let (status, made) = client.web(Method::Post, "/api/v1/releases", Some(asked)).await;
        assert_eq!(
            (status, &made["release"]["version"], &made["release"]["in_progress"]),
            (201, &json!(version), &json!(true))
        );
        client.query(EGRESS, json!({"appName": "demo"})).await;
        let release = format!("/api/v1/releases/{}", made["release"]["id"].as_str().unwrap());
        let running = json!({"status": "running", "metadata": null});
        assert_eq!(client.web(Method::Patch, &release, Some(running)).await.0, 200);

        let config = json!({
            "image": reference, "metadata": {"fly_platform_version": "v2", "fly_process_group": "app", "fly_release_version": version.to_string()},
        });
        match machines.as_array().unwrap().as_slice() {
            [] => drop(client.machine("demo", config).await),
            [machine] => {
                let path = format!("/apps/demo/machines/{}", machine["id"].as_str().unwrap());
                let (status, lease) = client.post(&format!("{path}/lease?ttl=13"), Value::Null).await;
                assert_eq!(status, 201);
                let holder = client.with_header("fly-machine-lease-nonce", lease["data"]["nonce"].as_str().unwrap());
                assert_eq!(holder.post(&path, json!({"config": config})).await.0, 200);
                assert_eq!(client.get(&format!("{path}/wait?state=started&timeout=60")).await.0, 200);
                assert_eq!(holder.delete(&format!("{path}/lease")).await.0, 200);
            }
            more => panic!("{more:?}"),
        }
        let (_, done) = client.web(Method::Patch, &release, Some(json!({"status": "complete", "metadata": {}}))).await;
        assert_eq!((&done["release"]["stable"], &done["release"]["in_progress"]), (&json!(true), &json!(false)));
    }
    assert_eq!(client.sim.machines("demo").len(), 1);
    assert_eq!(client.sim.machines("demo")[0].config["metadata"]["fly_release_version"], "2");
    let current = client.query(CURRENT_CONFIG, json!({"appName": "demo"})).await;
    assert_eq!(current["app"]["currentReleaseUnprocessed"]["configDefinition"], toml);
}

#[tokio::test(start_paused = true)]
async fn releases_are_kept_with_the_app_and_not_with_its_name() {
    let client = demo().await;
    assert_eq!(client.web(Method::Get, "/api/v1/apps/demo/releases/current", None).await.0, 404);
    for image in ["a", "b"] {
        let asked = json!({"app_name": "demo", "image": image, "strategy": "ROLLING", "definition": {}});
        client.web(Method::Post, "/api/v1/releases", Some(asked)).await;
    }
    let (_, shown) = client.web(Method::Get, "/api/v1/apps/demo/releases?limit=1", None).await;
    assert_eq!((&shown["releases"][0]["version"], shown["releases"].as_array().unwrap().len()), (&json!(2), 1));
    let (_, current) = client.web(Method::Get, "/api/v1/apps/demo/releases/current", None).await;
    assert_eq!((&current["image_ref"], &current["user"]), (&json!("b"), &json!("acme@tokens.fly.io")));
    let (_, all) = client.web(Method::Get, "/api/v1/releases/all_current", None).await;
    assert_eq!(all, json!({"demo": current["created_at"]}));
    let foreign = format!("/api/v1/releases/{}", current["id"].as_str().unwrap());
    let status = json!({"status": "failed"});
    assert_eq!(client.with_token("sim_other").web(Method::Patch, &foreign, Some(status.clone())).await.0, 403);
    assert_eq!(client.web(Method::Patch, "/api/v1/releases/unknown", Some(status)).await.0, 404);
    assert_eq!(client.web(Method::Patch, &foreign, Some(json!({"status": "nonsense"}))).await.0, 400);

    client.delete("/apps/demo").await;
    client.pass(Duration::from_secs(1)).await;
    client.app("demo").await;
    assert_eq!(client.web(Method::Get, "/api/v1/apps/demo/releases", None).await, (200, json!({"releases": []})));
}

#[tokio::test(start_paused = true)]
async fn an_image_that_does_not_exist_is_null() {
    let client = demo().await;
    let variables = json!({"appName": "demo", "imageRef": "registry.fly.io/demo:missing-1"});
    assert_eq!(client.query(IMAGE, variables).await["app"], json!({"id": "demo", "image": null}));
}
