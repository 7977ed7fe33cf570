//! Profiles: each can be had, repeats from the seed, and does what its name says; and the log that shows it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use super::support::{Client, config};
use crate::http::transport::Method;
use crate::sim::{Fault, FaultFile, FaultKind, Matcher, Profile, RequestListener, RequestRecord, SimConfig};

/// Asks for all sorts of things, whatever the answers are.
async fn ask(client: &Client, rounds: usize) {
    for round in 0..rounds {
        let app = format!("app-{}", round % 3);
        let post = async |path: String, body| client.try_send(Method::Post, &path, Some(body)).await.ok();
        let get = async |path: String| client.try_send(Method::Get, &path, None).await.ok();
        post("/apps".to_owned(), json!({"name": app, "org_slug": "acme"})).await;
        let name = format!("app-iad-{round}");
        let body = json!({"name": name, "region": "iad", "config": {"image": "registry.fly.io/web:v1"}});
        post(format!("/apps/{app}/machines"), body).await;
        get("/apps?org_slug=acme".to_owned()).await;
        get("/orgs/acme/machines".to_owned()).await;
        get(format!("/apps/{app}/machines")).await;
    }
}

/// How each of these requests ended.
async fn run(profile: Profile, seed: u64) -> (Client, Vec<RequestRecord>) {
    let client = Client::new(SimConfig { seed, ..config() });
    client.sim.set_profile(profile);
    ask(&client, 40).await;
    let requests = client.sim.requests();
    (client, requests)
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_and_requests_give_the_same_log() {
    for profile in Profile::ALL {
        let (one, other) = (run(profile, 7).await.0, run(profile, 7).await.0);
        assert_eq!(one.sim.log_hash(), other.sim.log_hash(), "{profile}");
        assert_eq!(one.sim.edits(), other.sim.edits(), "{profile}");
        assert_ne!(one.sim.log_hash(), run(profile, 8).await.0.sim.log_hash(), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_hash_covers_requests_that_were_cleared() {
    let (client, _) = run(Profile::Flaky, 1).await;
    let before = client.sim.log_hash();
    client.sim.clear_requests();
    assert_eq!(client.sim.log_hash(), before);
    client.get("/apps/none").await;
    assert_ne!(client.sim.log_hash(), before);
}

#[tokio::test(start_paused = true)]
async fn each_profile_is_as_bad_as_it_says() {
    let spoilt = async |profile| {
        let (_, requests) = run(profile, 3).await;
        requests.iter().filter(|request| request.faults.iter().any(|fault| fault != "latency")).count()
    };
    assert_eq!(spoilt(Profile::Calm).await, 0);
    let (flaky, storm) = (spoilt(Profile::Flaky).await, spoilt(Profile::Storm).await);
    assert!((8..40).contains(&flaky), "{flaky} of 200");
    assert!((50..120).contains(&storm), "{storm} of 200");
}

#[tokio::test(start_paused = true)]
async fn an_outage_begins_soon_lasts_ten_minutes_and_ends() {
    let client = Client::new(config());
    client.sim.set_profile(Profile::Outage);
    // Whatever happens before the first request does not count.
    client.pass(Duration::from_hours(1)).await;
    let mut at = 0;
    for (seconds, down) in [(0, false), (4, false), (6, true), (300, true), (600, true), (606, false)] {
        client.pass(Duration::from_secs(seconds - at)).await;
        at = seconds;
        let status = client.try_send(Method::Get, "/apps?org_slug=acme", None).await.unwrap().status;
        assert_eq!(status >= 500, down, "{status} after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_platform_makes_listings_partial_and_leaves_writes_alone() {
    let (_, requests) = run(Profile::Split, 1).await;
    let hit = |fault: &str| requests.iter().filter(|request| request.faults.iter().any(|name| name == fault)).count();
    for fault in ["error_regions", "short_page", "stale 45s", "partial_list", "empty_list"] {
        assert!(hit(fault) > 0, "{fault}");
    }
    let writes = requests.iter().filter(|request| !request.is_read());
    assert!(writes.clone().count() > 0 && writes.clone().all(|request| request.faults == ["latency"]));
}

#[tokio::test(start_paused = true)]
async fn a_profile_replaces_what_was_set_and_a_file_adds_to_its_profile() {
    let client = Client::new(config());
    client.sim.inject(Fault::always(Matcher::any(), FaultKind::Refused));
    client.sim.set_profile(Profile::Calm);
    assert_eq!((client.sim.profile(), client.sim.faults()), (Some(Profile::Calm), Profile::Calm.faults()));
    let own = Fault::always(Matcher::any(), FaultKind::Truncated);
    let file = FaultFile { profile: Some(Profile::Flaky), seed: Some(9), faults: vec![own.clone()] };
    client.sim.set_faults(&file);
    assert_eq!(client.sim.faults(), std::iter::once(own).chain(Profile::Flaky.faults()).collect::<Vec<_>>());
    client.sim.clear_faults();
    assert_eq!((client.sim.profile(), client.sim.faults()), (None, vec![]));
}

#[test]
fn profiles_are_sound_and_known_by_name() {
    for profile in Profile::ALL {
        assert_eq!(Profile::named(profile.name()), Some(profile));
        assert_eq!(json!(profile), profile.name());
        for fault in profile.faults() {
            fault.check().unwrap();
            // What can be set can be written down and read again.
            let text = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault, "{text}");
        }
    }
    assert_eq!(Profile::named("sunny"), None);
}

#[derive(Debug, Default)]
struct Heard(Mutex<Vec<(u64, Option<u16>, bool)>>);

impl RequestListener for Heard {
    fn ended(&self, request: &RequestRecord) {
        self.0.lock().unwrap().push((request.number, request.status, request.effect));
    }
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_how_each_request_ended_and_of_late_effects() {
    let client = Client::new(config());
    let heard = Arc::new(Heard::default());
    client.sim.listen(Arc::<Heard>::clone(&heard));
    client.app("one").await;
    for kind in [FaultKind::Late { after_ms: 1_000 }, FaultKind::TimeoutBefore] {
        client.sim.inject(Fault::once(Matcher::any(), kind));
    }
    let create = async |name: &str| {
        drop(client.try_send(Method::Post, "/apps", Some(json!({"name": name, "org_slug": "acme"}))).await);
    };
    create("two").await;
    create("three").await;
    client.get("/apps/two").await;
    let expected = [
        (0, Some(201), true),
        (1, None, false),
        // Nobody waits for the end of a request that gets no answer.
        (2, None, false),
        (1, None, true),
        (3, Some(200), false),
    ];
    assert_eq!(*heard.0.lock().unwrap(), expected);
}
