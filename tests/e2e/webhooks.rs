//! What GitHub tells by itself makes the daemon look sooner, and nothing but that: whatever of it is lost, doubled, late or forged.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use hangar::controller::Hints;
use hangar::http::transport::{Response, Transport, TransportError};
use hangar::random::Random;
use hangar::secret::SecretText;
use hangar::server::{WebhookReceiver, router};
use hangar::sim::{GithubAccess, NewPull, RepositoryHand, WebhookDelivery, WebhookTarget};
use tower::ServiceExt as _;

use crate::daemon::Running;
use crate::github::{Github, REPO, image_of};
use crate::previews::set;
use crate::support::CONTROLLER;

const SECRET: &str = "planted-webhook-secret";

/// A daemon that asks GitHub seldom, a repository with a webhook, and the way from one to the other.
struct World {
    daemon: Running,
    repo: RepositoryHand,
    receiver: axum::Router,
}

impl World {
    async fn with(interval: &str, more: &str) -> Self {
        let mut github = Github::of_set(&set(more), GithubAccess::Write).await;
        let settings = format!("{CONTROLLER}  resync: 6h\n  github: {{interval: {interval}}}\n");
        github.world.put("hangar.yaml", &settings);
        let repo = github.world.sim.repository(REPO);
        repo.add_webhook(SECRET).unwrap();
        let (daemon, hints) = Running::start_looking(github.world);
        let world = Self { daemon, repo, receiver: receiver(hints) };
        world.deliver_all().await;
        world.daemon.pass(300).await;
        world
    }

    async fn deliver(&self, delivery: &WebhookDelivery) -> u16 {
        let request = Request::post("/webhooks/github")
            .header("x-github-event", &delivery.event)
            .header("x-github-delivery", &delivery.id)
            .header("x-hub-signature-256", &delivery.signature)
            .body(Body::from(delivery.body.clone()))
            .unwrap();
        self.receiver.clone().oneshot(request).await.unwrap().status().as_u16()
    }

    async fn deliver_all(&self) {
        for delivery in self.repo.take_deliveries().unwrap() {
            assert!(self.deliver(&delivery).await < 300, "{delivery:?}");
        }
    }

    fn previews(&self) -> Vec<String> {
        self.daemon.world.app_names().into_iter().filter(|app| app != "other-web").collect()
    }
}

fn receiver(hints: Hints) -> axum::Router {
    router(Some(WebhookReceiver::new(SecretText::new(SECRET), hints)))
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_has_its_preview_seconds_after_it_was_opened() {
    let world = World::with("1h", "").await;
    let number = world.repo.open_pull(NewPull::from_branch("login")).unwrap();
    world.deliver_all().await;
    world.daemon.pass(20).await;
    assert_eq!(world.previews(), ["pr-1-web"]);
    let sha = world.repo.push_to_pull(number).unwrap();
    world.deliver_all().await;
    world.daemon.pass(20).await;
    assert_eq!(world.daemon.world.only_machine("pr-1-web").config["image"], image_of(&sha));
    world.repo.close(number).unwrap();
    world.deliver_all().await;
    world.daemon.pass(20).await;
    assert_eq!(world.previews(), Vec::<String>::new());
}

/// An address at which the daemon's receiver answers.
#[derive(Debug)]
struct Address {
    receiver: axum::Router,
    /// The ids that arrived, in order.
    arrived: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Transport for Address {
    async fn send(&self, sent: hangar::http::transport::Request) -> Result<Response, TransportError> {
        let mut request = Request::post("/webhooks/github");
        for (name, value) in &sent.headers {
            request = request.header(name, value);
        }
        self.arrived.lock().unwrap().push(sent.headers[3].1.clone());
        let answer = self.receiver.clone().oneshot(request.body(Body::from(sent.body)).unwrap()).await.unwrap();
        Ok(Response { status: answer.status().as_u16(), headers: vec![], body: bytes::Bytes::new() })
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_to_an_address_are_signed_and_fail_as_often_as_they_are_told_to() {
    for (lost, doubled, reordered) in
        [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.3, 0.3, 0.3)]
    {
        let world = World::with("1h", "").await;
        let url = "http://127.0.0.1:8080/webhooks/github".to_owned();
        let target = WebhookTarget { url, secret: SECRET.to_owned(), lost, doubled, reordered };
        assert_eq!(target.problem(), None);
        world.repo.add_webhook_to(target).unwrap();
        for number in 0..20 {
            world.repo.open_pull(NewPull::from_branch(&format!("b{number}"))).unwrap();
        }
        let (sim, receiver) = (&world.daemon.world.sim, world.receiver.clone());
        let address = Arc::new(Address { receiver, arrived: Mutex::default() });
        tokio::select! {
            () = sim.deliver_webhooks(Arc::<Address>::clone(&address)) => {}
            () = world.daemon.world.clock.sleep(std::time::Duration::from_secs(10)) => {}
        }
        let arrived = address.arrived.lock().unwrap().clone();
        let (_, sent) = world.repo.sent_webhooks().unwrap();
        let losses = sent.iter().filter(|delivery| delivery.outcome == "lost").count();
        assert!(sent.iter().all(|delivery| ["200", "202", "lost"].contains(&delivery.outcome.as_str())), "{sent:?}");
        // A ping, a push and an opening for each pull request.
        let told = 1 + 2 * 20;
        match (lost, doubled, reordered) {
            (0.0, 0.0, _) => assert_eq!((arrived.len(), losses), (told, 0)),
            (1.0, _, _) => assert_eq!((arrived.len(), losses), (0, told)),
            (_, 1.0, _) => assert_eq!((arrived.len(), losses), (2 * told, 0)),
            _ => {
                let mut sorted = arrived.clone();
                sorted.sort();
                assert!(losses > 0 && arrived.len() > told - losses && arrived != sorted, "{losses} {arrived:?}");
            }
        }
    }
    let elsewhere = |url: &str| WebhookTarget { url: url.to_owned(), ..WebhookTarget::default() }.problem();
    for url in [
        "http://example.com/hook",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "nonsense",
        "http://127.0.0.1.example.com",
    ] {
        assert!(elsewhere(url).is_some(), "{url}");
    }
    assert_eq!(elsewhere("http://localhost:1/x").or(elsewhere("http://[::1]:1/x")), None);
}

/// What a delivery says counts for nothing: a true one about something that has not happened changes nothing.
#[tokio::test(start_paused = true)]
async fn a_forged_or_stale_delivery_changes_nothing() {
    let world = World::with("1h", "").await;
    let number = world.repo.open_pull(NewPull::from_branch("login")).unwrap();
    let opened = world.repo.take_deliveries().unwrap();
    for forged in &opened {
        let forged = WebhookDelivery { signature: forged.signature.replace("sha256=", "sha256=00"), ..forged.clone() };
        assert_eq!(world.deliver(&forged).await, 401);
    }
    world.daemon.pass(60).await;
    assert_eq!(world.previews(), Vec::<String>::new());
    // Closed before the news of its opening arrives.
    world.repo.close(number).unwrap();
    let closed = world.repo.take_deliveries().unwrap();
    for delivery in closed.iter().chain(&opened) {
        assert_eq!(world.deliver(delivery).await, 202);
    }
    world.daemon.world.sim.clear_requests();
    world.daemon.pass(60).await;
    assert_eq!(world.previews(), Vec::<String>::new());
    assert_eq!(world.daemon.world.writes(), Vec::<String>::new());
}

/// A month of 200 pull requests, whose webhooks are lost, doubled and reordered: four hours after whatever happened, each open one
/// has exactly its environment at its head, every closed one has left nothing, and nothing else was touched.
#[tokio::test(start_paused = true)]
async fn a_month_with_bad_webhooks_ends_as_one_with_good_ones() {
    let world = World::with("3h", "").await;
    let random = Random::from_seed(11);
    let mut open: BTreeMap<u64, String> = BTreeMap::new();
    let (mut opened, mut lost, mut doubled) = (0_usize, 0, 0);
    for day in 0..30 {
        for _ in 0..7 {
            if opened < 200 {
                opened += 1;
                let number = world.repo.open_pull(NewPull::from_branch(&format!("work/{opened}"))).unwrap();
                open.insert(number, world.repo.pull(number).unwrap().sha);
            }
        }
        for number in open.keys().copied().collect::<Vec<_>>() {
            match random.next_u64() % 4 {
                0 => drop(open.insert(number, world.repo.push_to_pull(number).unwrap())),
                1 if open.len() > 2 => {
                    open.remove(&number);
                    world.repo.close(number).unwrap();
                }
                _ => {}
            }
        }
        let mut deliveries = world.repo.take_deliveries().unwrap();
        if random.next_u64().is_multiple_of(2) {
            deliveries.reverse();
        }
        for delivery in &deliveries {
            let copies = random.next_u64() % 3;
            lost += usize::from(copies == 0);
            doubled += usize::from(copies == 2);
            for _ in 0..copies {
                assert_eq!(world.deliver(delivery).await, 202);
            }
        }
        world.daemon.pass(4 * 3600).await;
        let live: BTreeMap<String, String> = world
            .previews()
            .into_iter()
            .map(|app| {
                let image = world.daemon.world.only_machine(&app).config["image"].as_str().unwrap().to_owned();
                (app, image)
            })
            .collect();
        let wanted: BTreeMap<String, String> =
            open.iter().map(|(number, sha)| (format!("pr-{number}-web"), image_of(sha))).collect();
        assert_eq!(live, wanted, "day {day}");
        world.daemon.pass(86_400 - 4 * 3600).await;
    }
    for number in open.keys() {
        world.repo.close(*number).unwrap();
    }
    world.daemon.pass(4 * 3600).await;
    assert_eq!(world.daemon.world.app_names(), ["other-web"]);
    assert!(opened == 200 && lost > 50 && doubled > 50, "{opened} {lost} {doubled}");
    // For people, and not through `println!`, which the test harness keeps to itself.
    let requests = world.daemon.world.sim.requests();
    let of_github = requests.iter().filter(|request| request.path.starts_with("/repos/")).count();
    let for_each = |count: usize| count / opened;
    let text = format!(
        "\nshown: a month of {opened} pull requests: {} requests to Fly and {} to GitHub for each of them\n",
        for_each(requests.len() - of_github),
        for_each(of_github)
    );
    std::io::stdout().write_all(text.as_bytes()).unwrap();
}
