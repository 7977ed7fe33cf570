//! Whose an app is, by the evidence on it.

use std::collections::BTreeSet;

use super::{AppRow, Machine, Secret};
use crate::resource::marker::{self, MachineMarker, network_slot};
use crate::resource::{ComponentName, EnvName, OwnerId};

/// What the markers on an app say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// It is ours.
    Ours {
        /// The environment its machines name; absent while it has no marked machine.
        env: Option<EnvName>,
        /// The component its machines name.
        component: Option<ComponentName>,
        /// Whether we created it, so that everything in it goes with it. An adopted app may hold what is not ours.
        created_by_us: bool,
    },
    /// It is not, or cannot be shown to be.
    NotOurs {
        /// What the evidence says.
        reason: String,
    },
}

/// Reads the evidence on an app: its network's name, the markers on its machines, and the names of its secrets.
pub fn ownership<'a>(
    owner: &OwnerId,
    app: &AppRow,
    machines: impl Iterator<Item = &'a Machine>,
    secrets: &[Secret],
) -> Ownership {
    ownership_by(owner, app, machines, secrets, |machine| machine.owned_by(owner))
}

/// The same, where `marker_on` says which marker on a machine counts.
pub fn ownership_by<'a>(
    owner: &OwnerId,
    app: &AppRow,
    machines: impl Iterator<Item = &'a Machine>,
    secrets: &[Secret],
    marker_on: impl Fn(&'a Machine) -> Option<&'a MachineMarker>,
) -> Ownership {
    let born_ours = network_slot(owner, &app.network).is_some();
    let mut environments = BTreeSet::new();
    let mut component = None;
    let mut others = BTreeSet::new();
    let mut unreadable = None;
    for machine in machines.filter(|machine| machine.is_live()) {
        match marker_on(machine) {
            Some(marker) => {
                environments.insert(marker.env.clone());
                component.get_or_insert_with(|| marker.component.clone());
            }
            None => match &machine.marker {
                Some(Ok(marker)) if marker.owner != *owner => drop(others.insert(marker.owner.clone())),
                Some(Err(error)) => unreadable = Some(format!("machine {}: {error}", machine.id)),
                _ => {}
            },
        }
    }
    let marker_secret = marker::app_marker_secret(owner, &app.name);
    let marked_by_secret = secrets.iter().any(|secret| secret.name == marker_secret);
    if environments.len() > 1 {
        let names: Vec<&str> = environments.iter().map(EnvName::as_str).collect();
        return Ownership::NotOurs {
            reason: format!("its machines carry markers of several environments: {}", names.join(", ")),
        };
    }
    if let Some(env) = environments.pop_first() {
        return Ownership::Ours { env: Some(env), component, created_by_us: born_ours || marked_by_secret };
    }
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(OwnerId::as_str).collect();
        return Ownership::NotOurs { reason: format!("its machines carry the marker of owner {}", names.join(", ")) };
    }
    if let Some(reason) = unreadable {
        return Ownership::NotOurs { reason };
    }
    if born_ours || marked_by_secret {
        return Ownership::Ours { env: None, component: None, created_by_us: true };
    }
    Ownership::NotOurs { reason: "it carries no marker of ours".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::MachineState;
    use crate::observed::fixture::machine;
    use crate::resource::marker::network_name;

    fn row(network: &str) -> AppRow {
        AppRow { id: "1".to_owned(), name: "a".into(), network: network.to_owned(), status: "deployed".to_owned() }
    }

    fn judge(network: &str, machines: &[Machine], secrets: &[&str]) -> Ownership {
        let secret = |name: &&str| Secret { name: (*name).to_owned(), digest: String::new(), created_at: None };
        let secrets: Vec<Secret> = secrets.iter().map(secret).collect();
        ownership(&"us".into(), &row(network), machines.iter(), &secrets)
    }

    fn is_ours(found: &Ownership) -> bool {
        matches!(found, Ownership::Ours { .. })
    }

    #[test]
    fn a_marked_machine_makes_an_app_ours_and_names_its_environment() {
        let expected = Ownership::Ours { env: Some("e".into()), component: Some("web".into()), created_by_us: false };
        assert_eq!(judge("", &[machine(&[])], &[]), expected);
        // That we created it is said by the network or a secret alone, beside a marked machine too.
        let secret = marker::app_marker_secret(&"us".into(), &"a".into());
        for found in
            [judge(&network_name(&"us".into(), 4), &[machine(&[])], &[]), judge("", &[machine(&[])], &[&secret])]
        {
            assert!(matches!(found, Ownership::Ours { created_by_us: true, .. }), "{found:?}");
        }
    }

    #[test]
    fn a_network_or_the_name_of_a_secret_says_that_we_created_it() {
        let secret = marker::app_marker_secret(&"us".into(), &"a".into());
        let network = network_name(&"us".into(), 4);
        for found in [judge(&network, &[], &[]), judge("", &[], &[&secret])] {
            assert_eq!(found, Ownership::Ours { env: None, component: None, created_by_us: true });
        }
        let other = marker::app_marker_secret(&"us".into(), &"b".into());
        assert!(!is_ours(&judge("", &[], &[&other])), "the mark of another app");
        assert!(!is_ours(&judge(&network_name(&"them".into(), 4), &[], &[])));
    }

    #[test]
    fn nothing_that_is_copied_damaged_or_somebody_elses_makes_an_app_ours() {
        for changes in [
            [("hangar_owner", "them")],
            [("hangar_app", "b")],
            [("hangar_name", "app-iad-1")],
            [("hangar_slot", "nonsense")],
            [("hangar_env", "")],
            [("hangar_owner", "")],
        ] {
            assert!(!is_ours(&judge("", &[machine(&changes)], &[])), "{changes:?}");
        }
    }

    #[test]
    fn somebody_elses_marker_and_one_that_cannot_be_read_speak_against_a_network_of_ours() {
        let network = network_name(&"us".into(), 0);
        assert!(!is_ours(&judge(&network, &[machine(&[("hangar_owner", "them")])], &[])));
        assert!(!is_ours(&judge(&network, &[machine(&[("hangar_slot", "nonsense")])], &[])));
        // Machines without any marker, and clones of ours, do not.
        assert!(is_ours(&judge(&network, &[machine(&[("hangar_owner", "")])], &[])));
        assert!(is_ours(&judge(&network, &[machine(&[("hangar_name", "app-iad-1")])], &[])));
        // Nor does a stranger beside a machine that is ours.
        assert!(is_ours(&judge("", &[machine(&[]), machine(&[("hangar_owner", "them")])], &[])));
    }

    #[test]
    fn markers_of_several_environments_make_it_nobodys() {
        assert!(!is_ours(&judge("", &[machine(&[]), machine(&[("hangar_env", "f")])], &[])));
    }

    #[test]
    fn a_machine_that_is_gone_says_nothing() {
        let mut gone = machine(&[]);
        gone.state = MachineState::parse("destroyed");
        assert!(!is_ours(&judge("", &[gone], &[])));
    }
}
