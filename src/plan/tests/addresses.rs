//! Addresses and certificates: asked for, there, no longer asked for, and remembered until they are gone.

use super::world::{World, fleet_on, is_quiet, known, tells, tells_of, unknown};
use crate::observed::Certificate;

const V6: &str = "web: {image: 'x:1', ips: {v6: true}}";
const NONE: &str = "web: {image: 'x:1', ips: {}}";
const SITE: &str = "web: {image: 'x:1', certificates: [a.example]}";
const BARE: &str = "web: {image: 'x:1'}";

#[test]
fn flycast_is_for_the_network_of_its_own_environment_unless_the_spec_says_more() {
    for (ips, expected) in [
        ("flycast: true", "network Some(\"hangar-us-0\") org None"),
        ("flycast: {network: other}", "network Some(\"other\") org None"),
        ("flycast: {org: b}", "network None org Some"),
        ("v6: true", "network None org None"),
    ] {
        let world = World::of(NONE).want(&format!("web: {{image: 'x:1', ips: {{{ips}}}}}"));
        tells_of(&world, &["allocate ip", "the spec asks for it", expected]);
    }
    let shared = World::living(&[("e", "", NONE)]).with(|world| {
        world.fleet = fleet_on("network: shared,", "web: {image: 'x:1', ips: {flycast: true}}");
    });
    tells_of(&shared, &["allocate ip", "network None org None"]);
}

#[test]
fn an_address_that_is_gone_is_asked_for_again_and_one_that_no_spec_has_named_is_left_alone() {
    let world = World::of(V6).with(|world| world.ips("e-web").clear());
    tells_of(&world, &["allocate ip v6 of e-web: it is gone"]);
    let foreign = World::of(V6).with(|world| {
        let ip = crate::observed::Ip { address: "1.2.3.4".to_owned(), kind: Some(crate::resource::IpKind::V4) };
        world.ips("e-web").push(ip);
    });
    is_quiet(&foreign);
}

#[test]
fn an_address_is_remembered_until_it_is_released() {
    let world = World::of(V6).want(NONE);
    tells(&world, &["release ip v6 of e-web: the spec no longer asks for it [address=address-v6>]"]);
    // It cannot be released now: the record of it stays.
    let waits = world.clone().with(|world| world.memory.blank_since = Some(world.now));
    assert!(waits.told().iter().all(|line| line.starts_with("waits Quarantine: release v6")), "{:#?}", waits.told());
    // Once it is gone, it is forgotten.
    let gone = world.with(|world| world.ips("e-web").clear());
    tells(&gone, &["mark machine app/iad/0 of e-web: our record of it changes on m1 {hangar_ips=-}"]);
}

#[test]
fn a_certificate_is_added_watched_and_removed_once_it_is_no_longer_asked_for() {
    tells_of(&World::of(BARE).want(SITE), &["add certificate a.example of e-web: the spec asks for it"]);
    let pending = World::of(SITE).with(|world| {
        let certificate =
            Certificate { hostname: "a.example".to_owned(), configured: false, status: "Awaiting DNS".to_owned() };
        world.detail("e-web").certificates = known(vec![certificate]);
    });
    let text = "notice InTransition: the certificate for `a.example` is Awaiting DNS: point its DNS at `e-web.fly.dev`";
    tells(&pending, &[text]);
    let dropped = World::of(SITE).want(BARE);
    tells(&dropped, &["remove certificate a.example of e-web: the spec no longer asks for it"]);
    let gone = dropped.clone().with(|world| world.detail("e-web").certificates = known(Vec::new()));
    tells(&gone, &["mark machine app/iad/0 of e-web: our record of it changes on m1 {hangar_certificates=-}"]);
    // What was not read is neither added nor removed nor forgotten.
    for world in [dropped, World::of(SITE)] {
        let unread = world.with(|world| world.detail("e-web").certificates = unknown("no answer"));
        tells(&unread, &["waits ObservationIncomplete: the certificates of `e-web` were not read"]);
    }
    let quarantined = World::of(SITE).want(BARE).with(|world| world.memory.blank_since = Some(world.now));
    tells_of(&quarantined, &["waits Quarantine: remove the certificate for `a.example`"]);
}
