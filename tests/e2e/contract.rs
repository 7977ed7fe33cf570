//! Every world of these tests holds all requests and answers against Fly's OpenAPI document, if it is there.

use std::io::Write as _;
use std::sync::Arc;

use hangar::http::transport::Method;
use hangar::sim::contract::VARIABLE;
use hangar::sim::{Exchange, Watcher};

use crate::strict::{contract, hold_to_contract};
use crate::support::world_of;

#[tokio::test(start_paused = true)]
async fn what_the_controller_sends_and_gets_is_as_the_published_document_says() {
    let Some(contract) = contract() else {
        // Not through `println!`, which the test harness keeps to itself.
        let text =
            format!("\nleft out: the contract test, for `{VARIABLE}` names no folder with the OpenAPI document\n");
        std::io::stdout().write_all(text.as_bytes()).unwrap();
        return;
    };
    assert!(contract.len() > 90, "the document has {} operations", contract.len());
    let mut world = world_of(&["demo"]);
    world.converge().await;
    assert_eq!(world.app_names(), ["demo-web"]);
}

#[test]
fn a_difference_fails_the_test() {
    let Some(contract) = contract() else { return };
    let world = world_of(&[]);
    let watcher: Arc<dyn Watcher> = Arc::new(crate::strict::Strict::new(contract));
    let exchange = Exchange {
        number: 0,
        at: world.clock.now(),
        method: Method::Get,
        path: "/v1/apps/demo".to_owned(),
        query: String::new(),
        request: bytes::Bytes::new(),
        status: 200,
        reply: Some(serde_json::json!({"name": 1})),
        faults: Vec::new(),
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watcher.seen(&world.sim, &exchange)));
    let text = caught.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("GET /v1/apps/demo (200): answer `/name`: is an integer, not a string"), "{text}");
    // Even a panic that was caught on its way is not lost.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(watcher))).unwrap_err();
    hold_to_contract(&world.sim);
}
