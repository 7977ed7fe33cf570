//! A machine of ours, for tests of what its metadata says.

use std::collections::BTreeMap;

use super::{Machine, MachineState};
use crate::resource::marker::MachineMarker;

/// A machine of ours (owner `us`) in app `a` of environment `e` with these changes to its metadata; an empty value takes one away.
pub(crate) fn machine(changes: &[(&str, &str)]) -> Machine {
    let ours = [
        ("hangar_owner", "us"),
        ("hangar_env", "e"),
        ("hangar_app", "a"),
        ("hangar_component", "web"),
        ("hangar_slot", "app/iad/0"),
        ("hangar_name", "app-iad-0"),
    ];
    let all = ours.iter().chain(changes).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let mut metadata: BTreeMap<String, String> = all.collect();
    metadata.retain(|_, value| !value.is_empty());
    Machine {
        app: "a".into(),
        id: "m".to_owned(),
        name: "app-iad-0".to_owned(),
        region: "iad".to_owned(),
        state: MachineState::Started,
        version: String::new(),
        config: None,
        marker: MachineMarker::parse(&metadata),
        metadata,
        image: String::new(),
        image_digest: None,
        host_ok: true,
        checks: Vec::new(),
        last_exit: None,
        started_at: None,
        created_at: None,
    }
}
