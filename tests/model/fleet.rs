//! What the specs say in the model: a few variants of a small fleet, read from YAML as a user writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hangar::desired::{Completeness, Context, Fleet, SecretInputs, Wanted, build};
use hangar::memory::Timing;
use hangar::policy::{DeletionBudget, Policy};
use hangar::resource::OwnerId;
use hangar::spec::{SourceFile, parse};

use crate::world::TICK;

/// The specs of a model, in variants that a change leads from one to another.
#[derive(Debug)]
pub(crate) struct Specs {
    pub(crate) variants: Vec<Variant>,
    pub(crate) policy: Policy,
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) fleet: Fleet,
}

/// S and F of the platform are a tick each; what is assumed of them is a second more. Grace is four ticks, and the window of the
/// deletion budget five, in which one environment may go.
pub(crate) fn policy() -> Policy {
    let assumed = Duration::from_secs(TICK.unsigned_abs() + 1);
    Policy {
        timing: Timing { listing_lag: assumed, in_flight: assumed },
        grace: Duration::from_secs(4 * TICK.unsigned_abs()),
        budget: DeletionBudget {
            max_deletions: 1,
            max_percent: 100,
            floor: 10,
            window: Duration::from_secs(5 * TICK.unsigned_abs()),
        },
        ..Policy::default()
    }
}

/// An environment of one app with one machine, and whatever `app` adds to it.
pub(crate) fn environment(name: &str, image: &str, app: &str) -> String {
    format!(
        "---\napiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec: {{fly: {{org: acme, region: iad, apps: {{web: {{image: 'x:{image}', {app}}}}}}}}}\n"
    )
}

/// An environment that is left exactly as it is, so that the source is never empty.
const KEEPER: &str = "---\napiVersion: hangar/v1\nkind: Environment\nmetadata: {name: keeper}\nspec: {pause: true, fly: {org: acme, region: iad, apps: {web: {image: 'x:1'}}}}\n";

/// The fleet that `yaml` asks for.
pub(crate) fn fleet(yaml: &str) -> Fleet {
    let specs = parse(&[SourceFile { path: "fleet.yaml".into(), bytes: yaml.as_bytes().to_vec() }]).unwrap();
    let none: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let secrets =
        SecretInputs { master_key: Some("0123456789abcdef0123456789abcdef".into()), ..SecretInputs::default() };
    let owner = OwnerId::from("us");
    let (source, repos) = (&Completeness::Complete, &BTreeMap::new());
    let context = Context { owner: &owner, secrets: &secrets, assets: &none, source, repos, commit: None };
    let built = build(&specs, &context);
    for (name, wanted) in &built.fleet.environments {
        assert!(matches!(wanted, Wanted::Ready(_)), "{name}: {wanted:?}");
    }
    built.fleet
}

fn variant(name: &'static str, environments: &[String]) -> Variant {
    Variant { name, fleet: fleet(&format!("{KEEPER}{}", environments.concat())) }
}

/// One environment with everything that an app can hold; changed, gone, and not to be read.
pub(crate) fn one() -> Specs {
    one_with("ips: {v6: true}, volumes: {data: {size: 1GB, mount: /data}}, secrets: {KEY: {generate: {length: 32}}}")
}

/// The same on the organization's default network, where nothing but a secret's name can say that an app is ours.
pub(crate) fn one_on_the_shared_network() -> Specs {
    one_as("ips: {v6: true}", |yaml| yaml.replace("org: acme", "org: acme, network: shared"))
}

/// One environment with `app` in it.
pub(crate) fn one_with(app: &str) -> Specs {
    one_as(app, |yaml| yaml)
}

fn one_as(app: &str, with: impl Fn(String) -> String) -> Specs {
    let environment = |name, image, app| with(environment(name, image, app));
    let mut unread = variant("a source does not answer", &[]);
    unread.fleet.source = Completeness::Incomplete { reason: "a source did not answer".to_owned() };
    let mut broken = variant("its spec is broken", &[]);
    broken.fleet.environments.insert("one".into(), Wanted::Broken { reason: "a mistake".to_owned() });
    let specs = vec![
        variant("wanted", &[environment("one", "1", app)]),
        variant("changed", &[environment("one", "2", app)]),
        variant("gone", &[]),
        unread,
        broken,
    ];
    Specs { variants: specs, policy: policy() }
}

/// Two small environments, together and alone.
pub(crate) fn two() -> Specs {
    let of = |name: &str, image: &str| environment(name, image, "ips: {v6: true}");
    let specs = vec![
        variant("both", &[of("one", "1"), of("two", "1")]),
        variant("one changed", &[of("one", "2"), of("two", "1")]),
        variant("only one", &[of("one", "1")]),
        variant("neither", &[]),
    ];
    Specs { variants: specs, policy: policy() }
}
