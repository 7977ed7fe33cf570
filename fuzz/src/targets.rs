//! What is fuzzed: each function takes any bytes. Whatever they are, it returns, and what must always hold is asserted on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hangar::check;
use hangar::clock::{SharedClock, VirtualClock};
use hangar::desired::{
    Branch, Completeness, Context, Fleet, PullRequest, RepoListing, SecretInputs, Wanted, build, needed_listings,
};
use hangar::http::transport::{Method, Request, Response, Transport, TransportError};
use hangar::http::{ReadClient, Shared, Token, WriteClient};
use hangar::memory::Memory;
use hangar::observed::{AppDetail, Listing, Observed, Presence, Reading, Scope};
use hangar::plan::plan;
use hangar::policy::Policy;
use hangar::providers::fly::client::{
    CreateIp, CreateMachine, CreateVolume, FlyError, FlyReader, FlyWriter, IpKind, UpdateMachine, UpdateVolume,
    WaitFor, connection,
};
use hangar::providers::fly::observe::{Wish, list, read_details};
use hangar::random::Random;
use hangar::report::{RequestCount, Style, diff_text};
use hangar::resource::{OrgSlug, OwnerId, RepoName};
use hangar::secret::SecretText;
use hangar::spec::{Diagnostics, ParsedSpecs, SourceFile, app_from_json, flytoml};
use hangar::template::{self, Destination, Lookup, Scope as Names, TemplateErrorKind, Text};
use serde_json::json;

/// A spec file: read, evaluated, and planned where nothing exists yet. The checker agrees with every plan.
pub fn spec(data: &[u8]) {
    if let Some(specs) = read(&[SourceFile { path: "fuzzed.yaml".into(), bytes: data.to_vec() }]) {
        plan_from_nothing(&specs, b"app = 'x'\n[http_service]\ninternal_port = 8080\n");
    }
}

/// A fly.toml: read, laid under an app of a spec, evaluated and planned.
pub fn fly_toml(data: &[u8]) {
    const SPEC: &str = "apiVersion: hangar/v1\nkind: Environment\nmetadata: {name: fuzzed}\nspec:\n  fly:\n    org: acme\n    \
                        region: iad\n    apps:\n      web: {config: fly.toml, env: {A: b}}\n";
    if let Ok(text) = std::str::from_utf8(data) {
        let no_file = |_: &str| Err("there is no such file".to_owned());
        match flytoml::to_app_json(text, Path::new("fly.toml"), &no_file) {
            Ok(read) => {
                let merged = flytoml::merge_app(read.app, json!({"processes": {"web": {}}, "count": 2}));
                if let Err(findings) = app_from_json(&merged) {
                    assert!(!findings.is_empty());
                }
                explained(&read.warnings);
            }
            Err(problems) => explained(&problems),
        }
    }
    let spec = SourceFile { path: "fuzzed.yaml".into(), bytes: SPEC.as_bytes().to_vec() };
    let specs = read(&[spec]).expect("the spec around it is sound");
    plan_from_nothing(&specs, data);
}

/// A text with expressions: taken apart and filled in. A secret never gets into a text that is shown.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = template::parse(text) {
        assert!(text.get(error.span.clone()).is_some(), "{:?} is not a place in {text:?}", error.span);
        assert!(!error.to_string().is_empty());
        assert!(error.help().is_none_or(|help| !help.is_empty()));
        assert!(template::evaluate(text, Destination::Secret, &mut Fixed).is_err());
        return;
    }
    for destination in [Destination::Plain, Destination::Secret] {
        match template::evaluate(text, destination, &mut Fixed) {
            Ok(Text::Plain(filled)) => {
                assert!(text.contains(SECRET_CHARACTER) || !filled.contains(SECRET_CHARACTER), "a secret is shown");
            }
            Ok(Text::Secret(_) | Text::Unavailable(_)) => assert_eq!(destination, Destination::Secret),
            Err(error) => assert!(text.get(error.span.clone()).is_some(), "{:?} is no place in it", error.span),
        }
    }
}

/// One answer of Fly to one call: the first byte says which call, the second which status, the rest is the body. What cannot be read
/// is a typed error that says what to do.
pub fn answer(data: &[u8]) {
    const STATUSES: [u16; 16] = [200, 200, 200, 201, 202, 204, 400, 401, 403, 404, 408, 409, 412, 422, 429, 500];
    let [call, status, body @ ..] = data else { return };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let body = Bytes::copy_from_slice(body);
    let answers = Arc::new(Answers(Box::new(move |_| (status, body.clone()))));
    on_paused_clock(async {
        let shared = Shared::new(answers, clock(), Random::from_seed(1));
        let token = Token::new("PLANTED", PLANTED).expect("it is a token");
        let writer = FlyWriter::new(WriteClient::new(connection("https://fly.test", token, shared)));
        let result = ask(usize::from(*call), &writer).await;
        if let Err(error) = result {
            let said = error.to_string();
            assert!(!said.is_empty() && !error.reason().is_empty() && !error.advice().is_empty(), "{error:?}");
            assert!(!said.contains(PLANTED) && !format!("{error:?}").contains(PLANTED), "the token is shown");
        }
    });
}

/// What Fly answers to all reads of a pass, as bodies one after the other, separated by lines of `---`: the apps, machines and volumes
/// of the organization, and then of one app the app itself, its machines, volumes, secrets, addresses and certificates. Observed,
/// planned, checked and shown.
pub fn observation(data: &[u8]) {
    const SPEC: &str = include_str!("../observed.yaml");
    let mut bodies = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        bodies.push(Bytes::copy_from_slice(&rest[..at]));
        rest = &rest[at + SEPARATOR.len()..];
    }
    bodies.push(Bytes::copy_from_slice(rest));
    let answers = Answers(Box::new(move |request| {
        let path = request.url.trim_start_matches("https://fly.test/v1/").split('?').next().unwrap_or_default();
        let number = match path.split('/').collect::<Vec<_>>()[..] {
            ["apps"] => 0,
            ["orgs", _, "machines"] => 1,
            ["orgs", _, "volumes"] => 2,
            ["apps", _] => 3,
            ["apps", _, "machines"] => 4,
            ["apps", _, "volumes"] => 5,
            ["apps", _, "secrets"] => 6,
            ["apps", _, "ip_assignments"] => 7,
            _ => 8,
        };
        bodies.get(number).map_or((404, Bytes::from_static(b"{}")), |body| (200, body.clone()))
    }));
    let specs = read(&[SourceFile { path: "fuzzed.yaml".into(), bytes: SPEC.as_bytes().to_vec() }]);
    let (fleet, policy) = fleet(&specs.expect("the spec around it is sound"), b"");
    let observed = on_paused_clock(async {
        let clock = clock();
        let shared = Shared::new(Arc::new(answers), Arc::clone(&clock), Random::from_seed(1));
        let token = Token::new("PLANTED", PLANTED).expect("it is a token");
        let reader = FlyReader::new(ReadClient::new(connection("https://fly.test", token, shared)));
        let org = OrgSlug::new("acme");
        let mut scope = list(&reader, &clock, &org).await;
        let apps = fleet.environments.values().filter_map(|wanted| match wanted {
            Wanted::Ready(env) => Some(&env.apps),
            Wanted::Broken { .. } => None,
        });
        let wishes =
            apps.flatten().map(|app| (app.name.clone(), Wish { certificates: true, ..Wish::default() })).collect();
        read_details(&reader, &clock, &fleet.owner, &mut scope, &wishes).await;
        Observed { scopes: BTreeMap::from([(org, scope)]), ..Observed::default() }
    });
    planned(&fleet, &observed, &policy);
}

const SEPARATOR: &[u8] = b"\n---\n";
/// A token that may be shown nowhere.
pub(crate) const PLANTED: &str = "planted-token-0123456789";
/// Stands in no text that is not a secret.
const SECRET_CHARACTER: char = '☃';

/// Reads specs; `None` where they have problems, each of which is explained.
fn read(files: &[SourceFile]) -> Option<ParsedSpecs> {
    match hangar::spec::parse(files) {
        Ok(specs) => Some(specs),
        Err(problems) => {
            assert!(problems.has_errors());
            explained(&problems);
            None
        }
    }
}

fn explained(problems: &Diagnostics) {
    assert_eq!(problems.is_empty(), problems.render(false).is_empty());
    assert!(problems.iter().all(|problem| !problem.message.is_empty()));
}

fn fleet(specs: &ParsedSpecs, fly_toml: &[u8]) -> (Fleet, Policy) {
    let secrets = SecretInputs {
        master_key: Some(SecretText::new("a-master-key-0123456789abcdef0123456789")),
        ..SecretInputs::default()
    };
    let assets: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::from([(PathBuf::from("fly.toml"), fly_toml.to_vec())]);
    let context = Context {
        owner: &OwnerId::new("fuzz"),
        secrets: &secrets,
        assets: &assets,
        source: &Completeness::Complete,
        commit: None,
        repos: &repositories(specs),
    };
    let built = build(specs, &context);
    explained(&built.diagnostics);
    (built.fleet, Policy::from_specs(&specs.policies))
}

/// Every repository that the specs name, each with a pull request and a branch whose names nobody would choose.
fn repositories(specs: &ParsedSpecs) -> BTreeMap<RepoName, RepoListing> {
    let pull = PullRequest {
        number: 7,
        title: "${{ secrets.X }} \u{2603}\n".to_owned(),
        author: "somebody".to_owned(),
        labels: vec!["a".to_owned(), String::new()],
        is_draft: false,
        is_fork: false,
        branch: "Feature/-_.--\u{e000}ü/".repeat(9),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        base: "main".to_owned(),
        url: "https://github.com/acme/chat/pull/7".to_owned(),
        created_at: now(),
        active_at: now(),
        closed_at: None,
        head_at: None,
        files: None,
        approvals: BTreeMap::new(),
        orders: vec![],
    };
    let branch = Branch { name: "feature/x".to_owned(), sha: pull.sha.clone(), active_at: Some(now()) };
    let fork = PullRequest { number: 8, is_fork: true, branch: String::new(), ..pull.clone() };
    let (pulls, branches, completeness) = (vec![pull, fork], vec![branch], Completeness::Complete);
    let listing = RepoListing { pulls, branches, completeness };
    needed_listings(specs).into_keys().map(|repo| (repo, listing.clone())).collect()
}

/// Plans everything that the specs ask for, in organizations where nothing is.
fn plan_from_nothing(specs: &ParsedSpecs, fly_toml: &[u8]) {
    let (fleet, policy) = fleet(specs, fly_toml);
    let mut observed = Observed::default();
    for wanted in fleet.environments.values() {
        let Wanted::Ready(env) = wanted else { continue };
        let Some(org) = &env.org else { continue };
        let scope = observed.scopes.entry(org.clone()).or_insert_with(nothing);
        scope.details.extend(env.apps.iter().map(|app| (app.name.clone(), absent())));
    }
    planned(&fleet, &observed, &policy);
}

fn planned(fleet: &Fleet, observed: &Observed, policy: &Policy) {
    let memory = Memory::blank("fuzz", now());
    let made = plan(fleet, observed, &memory, policy, &hangar::plan::Request::default(), now());
    assert_eq!(check::check(&made, fleet, observed, &memory, policy), []);
    assert!(!diff_text(&made, &Style::PLAIN, RequestCount::default()).is_empty());
}

fn nothing() -> Scope {
    fn listing<T>() -> Listing<T> {
        Listing { items: Vec::new(), completeness: Completeness::Complete, started_at: now() }
    }
    Scope { apps: listing(), machines: listing(), volumes: listing(), details: BTreeMap::new(), out_of_reach: None }
}

fn absent() -> AppDetail {
    fn unread<T>() -> Reading<T> {
        Reading::Unknown { reason: "the app is not there".to_owned() }
    }
    AppDetail {
        presence: Presence::Absent { started_at: now() },
        machines: unread(),
        volumes: unread(),
        secrets: unread(),
        ips: unread(),
        certificates: unread(),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).expect("it is a moment")
}

/// Names for expressions: what a path stands for is said by its first word.
struct Fixed;

impl Names for Fixed {
    fn look_up(&mut self, path: &template::Path, destination: Destination) -> Result<Lookup, TemplateErrorKind> {
        let first = path.words.first().map(String::as_str).unwrap_or_default();
        let secret = || SecretText::new(SECRET_CHARACTER.to_string().repeat(3));
        Ok(match first {
            "secret" => Lookup::Secret(secret()),
            "unavailable" => Lookup::Unavailable("it is not set".to_owned()),
            "output" if destination == Destination::Plain => Lookup::Output(path.to_string()),
            "missing" => Lookup::Missing(TemplateErrorKind::Unclosed),
            "none" => return Err(TemplateErrorKind::Unclosed),
            _ => Lookup::Known(path.to_string()),
        })
    }
}

/// Answers every request by a rule.
pub(crate) struct Answers(pub(crate) Box<Rule>);

pub(crate) type Rule = dyn Fn(&Request) -> (u16, Bytes) + Send + Sync;

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Transport for Answers {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (status, body) = (self.0)(&request);
        assert!(request.method != Method::Get || request.body.is_empty());
        Ok(Response { status, headers: vec![("content-type".to_owned(), "application/json".to_owned())], body })
    }
}

pub(crate) fn clock() -> SharedClock {
    Arc::new(VirtualClock::starting_at(now()))
}

pub(crate) fn on_paused_clock<T>(run: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime starts").block_on(run)
}

/// Every call of which the answer is read.
async fn ask(number: usize, writer: &FlyWriter) -> Result<(), FlyError> {
    const CALLS: usize = 30;
    let (app, id) = ("fuzzed-web", "148e2d1c7e9d89");
    let reader = writer.reader();
    let nonce = SecretText::new("nonce");
    let config = json!({"image": "registry.fly.io/demo:v1"});
    match number % CALLS {
        0 => reader.app(app).await.map(drop),
        1 => reader.apps("acme").await.map(drop),
        2 => reader.machines(app).await.map(drop),
        3 => reader.machine(app, id).await.map(drop),
        4 => reader.machine_events(app, id, 5).await.map(drop),
        5 => reader.wait(app, id, &WaitFor::settled(None, Duration::from_secs(5))).await.map(drop),
        6 => reader.lease(app, id).await.map(drop),
        7 => reader.metadata(app, id).await.map(drop),
        8 => reader.volumes(app).await.map(drop),
        9 => reader.volume(app, "vol_1").await.map(drop),
        10 => reader.snapshots(app, "vol_1").await.map(drop),
        11 => reader.secrets(app, None).await.map(drop),
        12 => reader.ips(app).await.map(drop),
        13 => reader.certificates(app).await.map(drop),
        14 => reader.certificate(app, "chat.example.com").await.map(drop),
        15 => reader.org_machines("acme").await.map(drop),
        16 => reader.org_volumes("acme").await.map(drop),
        17 => reader.regions().await.map(drop),
        18 => writer.create_app(app, "acme", Some("network")).await.map(drop),
        19 => {
            let machine = CreateMachine {
                name: Some("app-iad-0".to_owned()),
                region: Some("iad".to_owned()),
                config,
                skip_launch: false,
                lease_ttl: None,
                min_secrets_version: None,
            };
            writer.create_machine(app, &machine).await.map(drop)
        }
        20 => {
            let update = UpdateMachine { config, current_version: None, min_secrets_version: None, skip_launch: false };
            writer.update_machine(app, id, &update, Some(&nonce)).await.map(drop)
        }
        21 => writer.acquire_lease(app, id, Duration::from_secs(30), "fuzz").await.map(drop),
        22 => writer.refresh_lease(app, id, &nonce, Duration::from_secs(30)).await.map(drop),
        23 => writer.create_volume(app, &CreateVolume::default()).await.map(drop),
        24 => writer.extend_volume(app, "vol_1", 10).await.map(drop),
        25 => writer.update_volume(app, "vol_1", &UpdateVolume::default()).await.map(drop),
        26 => {
            let secrets = BTreeMap::from([("A".to_owned(), Some(SecretText::new(PLANTED)))]);
            writer.set_secrets(app, &secrets).await.map(drop)
        }
        27 => {
            let ip = CreateIp { kind: IpKind::V6, region: None, org_slug: None, network: None };
            writer.create_ip(app, &ip).await.map(drop)
        }
        28 => writer.add_certificate(app, "chat.example.com").await.map(drop),
        _ => writer.delete_machine(app, id, true, None).await.map(drop),
    }
}
