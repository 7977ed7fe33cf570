//! Asking GitHub as an App: a key instead of a token.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hangar::controller::{Verdict, WithRepositories};
use hangar::desired::Completeness;
use hangar::http::Shared;
use hangar::random::Random;
use hangar::sim::{GithubAccess, NewPull, SimConfig, SimGithubApp};

use crate::github::{NoSource, REPO};
use crate::previews::set;
use crate::support::{CONTROLLER, seconds};
use crate::world::World;

const KEY: &str = "APP_KEY";

fn pem(title: &str, der: &[u8]) -> String {
    let body: Vec<char> = STANDARD.encode(der).chars().collect();
    let lines: Vec<String> = body.chunks(64).map(|line| line.iter().collect()).collect();
    format!("-----BEGIN {title}-----\n{}\n-----END {title}-----\n", lines.join("\n"))
}

/// A key in both forms that there are, and its public half.
fn key() -> (String, String, Vec<u8>) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).unwrap().as_ref().to_vec();
    // PKCS#8 wraps PKCS#1 behind a head that is always the same for a key of this size.
    let pkcs1 = pkcs8[26..].to_vec();
    (pem("RSA PRIVATE KEY", &pkcs1), pem("PRIVATE KEY", &pkcs8), pair.public_key().as_ref().to_vec())
}

/// A world whose repository only App 7 sees, by its installation 11; and what is asked of GitHub as `app` says.
fn world(key: &str, public_key: Vec<u8>, app: &str) -> (World, WithRepositories) {
    let app_of_sim = SimGithubApp { id: 7, installation: 11, public_key, repos: vec![REPO.to_owned()] };
    let mut config = SimConfig::default().with_org("acme", "sim_acme_token");
    config.github_apps.push(app_of_sim);
    let controller = format!("{CONTROLLER}  github: {{app: {app}}}\n");
    let mut world = World::configured(&[("hangar.yaml", &controller), ("set.yaml", &set(""))], config);
    world.set(KEY, key);
    world.sim.create_repository(REPO);
    let shared = Shared::new(world.sim.transport(), Arc::clone(&world.clock), Random::from_seed(7));
    let eyes = WithRepositories::new(Arc::new(NoSource), shared, Arc::new(world.variables.clone()));
    (world, eyes)
}

const APP: &str = "{id: 7, installation: 11, privateKey: {fromEnv: APP_KEY}}";

async fn look(world: &mut World, eyes: &WithRepositories) -> Completeness {
    world.repos = eyes.complete(world.snapshot()).await.repos;
    world.repos.values().next().unwrap().completeness.clone()
}

/// How many tokens were asked for since the log was cleared.
fn exchanges(world: &World) -> usize {
    world.writes().iter().filter(|write| *write == "POST /app/installations/11/access_tokens").count()
}

#[tokio::test(start_paused = true)]
async fn an_app_makes_previews_and_renews_its_token_before_it_ends() {
    let (pkcs1, pkcs8, public) = key();
    for key in [pkcs1, pkcs8] {
        let (mut world, eyes) = world(&key, public.clone(), APP);
        world.sim.repository(REPO).open_pull(NewPull::from_branch("one")).unwrap();
        assert_eq!(look(&mut world, &eyes).await, Completeness::Complete);
        assert_eq!(exchanges(&world), 1);
        assert_eq!(world.reconcile().await.worst(), Verdict::Converged);
        assert_eq!(world.app_names(), ["pr-1-web"]);
        world.sim.clear_requests();
        // The same token for as long as it is good, and a new one in time: GitHub would refuse the old one after an hour.
        for (minutes, expected) in [(40, 0), (15, 1), (40, 0), (3 * 60, 1)] {
            world.pass_time(seconds(minutes * 60)).await;
            world.sim.clear_requests();
            assert_eq!(look(&mut world, &eyes).await, Completeness::Complete, "{minutes}");
            assert_eq!(exchanges(&world), expected, "{minutes}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_github_does_not_know_deletes_nothing_and_says_what_to_check() {
    let (key_of_app, _, public) = key();
    let (other, _, _) = key();
    let body = key_of_app.lines().nth(3).unwrap().to_owned();
    for (key, app, expected) in [
        (other.as_str(), APP, "check the App's id, its key and the installation"),
        (key_of_app.as_str(), &APP.replace("id: 7", "id: 8"), "check the App's id, its key and the installation"),
        (key_of_app.as_str(), &APP.replace("11", "12"), "check the App's id, its key and the installation"),
        ("no key", APP, "it is not a private key in PEM form"),
        (key_of_app.replace("RSA PRIVATE", "EC PRIVATE").as_str(), APP, "it is not a private key in PEM form"),
        (key_of_app.replace(&body, "AAAA").as_str(), APP, "it is not an RSA key"),
        (key_of_app.as_str(), &APP.replace("APP_KEY", "NO_SUCH_KEY"), "`spec.github.app.privateKey`"),
    ] {
        let (mut world, eyes) = world(key, public.clone(), app);
        world.sim.repository(REPO).open_pull(NewPull::from_branch("one")).unwrap();
        let Completeness::Incomplete { reason } = look(&mut world, &eyes).await else { panic!("{app}") };
        assert!(reason.contains(expected), "{reason}");
        assert!(!reason.contains(&body) && !reason.contains("eyJ"), "{reason}");
    }
}

/// An App knows its own words by the account that it acts by, also with the token of the next hour.
#[tokio::test(start_paused = true)]
async fn an_app_approves_commits_of_forks_by_its_own_statuses_and_by_no_other_apps() {
    let (key, _, public) = key();
    let (mut world, eyes) = world(&key, public, APP);
    world.edit("set.yaml", "pullRequests: {}", "pullRequests: {forks: approved}");
    world.tells = true;
    let repo = world.sim.repository(REPO);
    repo.set_permission("tim", Some(GithubAccess::Triage)).unwrap();
    let number = repo.open_pull(NewPull::from_fork("eve", "evil")).unwrap();
    for other in ["app-8[bot]", "app-7"] {
        let sha = repo.pull(number).unwrap().sha;
        repo.say_status(&sha, "preview:approved #1", "pending", other).unwrap();
        world.pass_time(seconds(60)).await;
        repo.label_as(number, "preview:approved", "tim").unwrap();
        world.pass_time(seconds(60)).await;
        repo.say_status(&sha, "preview:approved #1", "success", other).unwrap();
        for _ in 0..4 {
            world.pass_time(seconds(61)).await;
            look(&mut world, &eyes).await;
            world.reconcile().await;
            assert_eq!(world.app_names(), Vec::<String>::new(), "{other}");
        }
        repo.unlabel(number, "preview:approved").unwrap();
        // Nobody has seen this one when the label is set on it.
        repo.push_to_pull(number).unwrap();
    }
    look(&mut world, &eyes).await;
    world.reconcile().await;
    world.pass_time(seconds(3700)).await;
    repo.label_as(number, "preview:approved", "tim").unwrap();
    for _ in 0..4 {
        world.pass_time(seconds(61)).await;
        look(&mut world, &eyes).await;
        world.reconcile().await;
    }
    assert_eq!(world.app_names(), ["pr-1-web"]);
}
