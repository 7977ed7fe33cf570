//! Guardrails: what may be asked for, what is protected, and how much may be deleted.

mod spec;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::desired::{Class, Environment};
use crate::memory::Timing;
use crate::resource::EnvName;

/// The guardrails in force. The default allows everything and protects what must never be collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Allowed organizations; all where empty.
    pub orgs: BTreeSet<String>,
    /// Allowed regions; all where empty.
    pub regions: BTreeSet<String>,
    /// Allowed images, as globs; all where empty.
    pub images: Vec<String>,
    /// Allowed machine sizes as `kind` and CPU count (`shared-cpu-1x`); all where empty.
    pub sizes: BTreeSet<String>,
    /// The most machines in one app.
    pub max_machines_per_app: Option<usize>,
    /// The most machines in one environment.
    pub max_machines_per_environment: Option<usize>,
    /// The most environments at once.
    pub max_environments: Option<usize>,
    /// The largest volume, in GB.
    pub max_volume_gb: Option<u64>,
    /// The most memory of one machine, in MB.
    pub max_memory_mb: Option<u64>,
    /// Environments, as globs of their names, that are never collected.
    pub protected: Vec<String>,
    /// Environments, as globs of their names, that need a person's consent for each change.
    pub approval: Vec<String>,
    /// How much may be collected.
    pub budget: DeletionBudget,
    /// How long after an orphan was found it is deleted.
    pub grace: Duration,
    /// The longest that a person may keep a preview by a label, a comment or a command.
    pub max_preview_ttl: Option<Duration>,
    /// What is assumed of the provider.
    pub timing: Timing,
}

/// How much garbage collection may delete within a window before it stops and asks.
///
/// What counts is an environment, or an app that its environment no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionBudget {
    /// The most deletions within the window.
    pub max_deletions: usize,
    /// The largest part of what is owned that may be deleted within the window, in percent.
    pub max_percent: usize,
    /// The percentage does not count while no more than this many are owned.
    pub floor: usize,
    /// The window.
    pub window: Duration,
}

impl Default for Policy {
    /// No limits; 5 minutes of grace; at most 10 deletions or 30 % (from 10 owned) an hour.
    fn default() -> Self {
        Self {
            orgs: BTreeSet::new(),
            regions: BTreeSet::new(),
            images: Vec::new(),
            sizes: BTreeSet::new(),
            max_machines_per_app: None,
            max_machines_per_environment: None,
            max_environments: None,
            max_volume_gb: None,
            max_memory_mb: None,
            protected: Vec::new(),
            approval: Vec::new(),
            budget: DeletionBudget { max_deletions: 10, max_percent: 30, floor: 10, window: Duration::from_hours(1) },
            grace: Duration::from_mins(5),
            max_preview_ttl: None,
            timing: Timing::FLY,
        }
    }
}

impl DeletionBudget {
    /// Whether `wanted` deletions on top of `done` ones are too many for `owned` objects.
    pub fn is_exceeded(&self, wanted: usize, done: usize, owned: usize) -> bool {
        let total = wanted.saturating_add(done);
        let whole = owned.saturating_add(done);
        total > self.max_deletions
            || (whole > self.floor && total.saturating_mul(100) > whole.saturating_mul(self.max_percent))
    }
}

impl Policy {
    /// Whether the environment of this name is protected by the policy.
    pub fn protects(&self, env: &EnvName) -> bool {
        self.protected.iter().any(|glob| glob_matches(glob, env.as_str()))
    }

    /// Whether changes to this environment need a person's consent.
    pub fn needs_approval(&self, env: &EnvName) -> bool {
        self.approval.iter().any(|glob| glob_matches(glob, env.as_str()))
    }

    /// Whether the environment is never collected, for whatever reason.
    pub fn keeps(&self, env: &Environment) -> bool {
        env.protect || env.class == Class::Production || self.protects(&env.name)
    }

    /// Everything that `env` asks for and the policy does not allow, as sentences.
    pub fn violations(&self, env: &Environment) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(org) = env.org.as_ref().filter(|org| !self.orgs.is_empty() && !self.orgs.contains(org.as_str())) {
            found.push(format!("organization `{org}` is not allowed (allowed: {})", list(&self.orgs)));
        }
        let machines: usize = env.apps.iter().map(|app| app.machines.len()).sum();
        if let Some(most) = self.max_machines_per_environment.filter(|most| machines > *most) {
            found.push(format!("{machines} machines are more than the {most} that an environment may have"));
        }
        for app in &env.apps {
            let count = app.machines.len();
            if let Some(most) = self.max_machines_per_app.filter(|most| count > *most) {
                found.push(format!("`{}` asks for {count} machines; an app may have {most}", app.component));
            }
            for volume in &app.volumes {
                if let Some(most) = self.max_volume_gb.filter(|most| volume.size_gb > *most) {
                    found
                        .push(format!("volume `{}` of `{}` is larger than {most} GB", volume.slot.name, app.component));
                }
            }
            let mut told = BTreeSet::new();
            for machine in &app.machines {
                for problem in self.machine_violations(machine) {
                    let problem = format!("`{}`: {problem}", app.component);
                    if told.insert(problem.clone()) {
                        found.push(problem);
                    }
                }
            }
        }
        found
    }

    fn machine_violations(&self, machine: &crate::desired::Machine) -> Vec<String> {
        let mut found = Vec::new();
        if !self.regions.is_empty() && !self.regions.contains(&machine.slot.region) {
            found.push(format!("region `{}` is not allowed (allowed: {})", machine.slot.region, list(&self.regions)));
        }
        let guest = machine.config.get("guest");
        let number = |field: &str, default: u64| {
            guest.and_then(|guest| guest.get(field)).and_then(serde_json::Value::as_u64).unwrap_or(default)
        };
        let memory = number("memory_mb", 256);
        if let Some(most) = self.max_memory_mb.filter(|most| memory > *most) {
            found.push(format!("{memory} MB of memory are more than the {most} MB allowed"));
        }
        if !self.sizes.is_empty() {
            let kind = guest.and_then(|guest| guest.get("cpu_kind")).and_then(|kind| kind.as_str()).unwrap_or("shared");
            let prefix = if kind == "shared" { "shared-cpu" } else { kind };
            let size = format!("{prefix}-{}x", number("cpus", 1));
            if !self.sizes.contains(&size) {
                found.push(format!("size `{size}` is not allowed (allowed: {})", list(&self.sizes)));
            }
        }
        if !self.images.is_empty() {
            let containers = machine.config.get("containers").and_then(|all| all.as_array()).into_iter().flatten();
            let images =
                std::iter::once(&machine.config).chain(containers).filter_map(|holder| holder.get("image")?.as_str());
            for image in images {
                if !self.images.iter().any(|glob| glob_matches(glob, image)) {
                    found.push(format!("image `{image}` is not allowed (allowed: {})", self.images.join(", ")));
                }
            }
        }
        found
    }
}

fn list(items: &BTreeSet<String>) -> String {
    items.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether `text` matches `glob`, in which `*` stands for any run of characters and everything else for itself.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names_only() {
        for (glob, text, expected) in [
            ("production", "production", true),
            ("production", "production-2", false),
            ("prod-*", "prod-eu", true),
            ("prod-*", "my-prod-eu", false),
            ("*-eu", "prod-eu", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
        ] {
            assert_eq!(glob_matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn the_budget_counts_the_window_and_spares_small_sets() {
        let budget = DeletionBudget { max_deletions: 10, max_percent: 30, floor: 10, window: Duration::from_hours(1) };
        assert!(!budget.is_exceeded(10, 0, 10), "a small set has only the absolute limit");
        assert!(budget.is_exceeded(11, 0, 100));
        assert!(budget.is_exceeded(1, 10, 100), "what was deleted within the window counts");
        assert!(budget.is_exceeded(4, 0, 12), "33 % of 12");
        assert!(!budget.is_exceeded(3, 0, 12));
        assert!(budget.is_exceeded(2, 2, 10), "4 of the 12 that there were");
        assert!(!budget.is_exceeded(6, 0, 20), "exactly 30 %");
    }

    /// An environment with two machines of 256 MB and a volume of 2 GB each.
    fn environment() -> Environment {
        environment_with("", "")
    }

    /// The same with this in its spec, and this in that of its app.
    fn environment_with(more: &str, of_app: &str) -> Environment {
        let yaml = format!(
            "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: demo}}\nspec: {{{more} fly: {{org: acme, region: iad, apps: {{web: {{image: 'x:1', {of_app} count: 2, volumes: {{data: {{mount: /data, size: 2GB}}}}}}}}}}}}\n"
        );
        let file = crate::spec::SourceFile { path: "a.yaml".into(), bytes: yaml.into_bytes() };
        let specs = crate::spec::parse(&[file]).unwrap();
        let context = crate::desired::Context {
            owner: &"us".into(),
            secrets: &crate::desired::SecretInputs::default(),
            assets: &std::collections::BTreeMap::new(),
            source: &crate::desired::Completeness::Complete,
            repos: &std::collections::BTreeMap::new(),
            commit: None,
        };
        let fleet = crate::desired::build(&specs, &context).fleet;
        match fleet.environments.into_values().next() {
            Some(crate::desired::Wanted::Ready(env)) => *env,
            other => panic!("{other:?}"),
        }
    }

    /// A policy with one limit.
    type Limit = fn(u64) -> Policy;

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let env = environment();
        let count = |policy: &Policy| policy.violations(&env).len();
        let limits: [(u64, Limit); 4] = [
            (2, |most| Policy { max_machines_per_environment: usize::try_from(most).ok(), ..Policy::default() }),
            (2, |most| Policy { max_machines_per_app: usize::try_from(most).ok(), ..Policy::default() }),
            (2, |most| Policy { max_volume_gb: Some(most), ..Policy::default() }),
            (256, |most| Policy { max_memory_mb: Some(most), ..Policy::default() }),
        ];
        for (asked, limit) in limits {
            assert_eq!(count(&limit(asked)), 0, "{asked}");
            assert!(count(&limit(asked - 1)) > 0, "{asked}");
            assert_eq!(count(&limit(asked + 1)), 0, "{asked}");
        }
    }

    #[test]
    fn what_is_listed_is_allowed_and_nothing_else() {
        let env = environment();
        let set = |word: &str| BTreeSet::from([word.to_owned()]);
        for (word, policy, allowed) in [
            ("acme", Policy { orgs: set("acme"), ..Policy::default() }, true),
            ("elsewhere", Policy { orgs: set("elsewhere"), ..Policy::default() }, false),
            ("iad", Policy { regions: set("iad"), ..Policy::default() }, true),
            ("ams", Policy { regions: set("ams"), ..Policy::default() }, false),
            ("shared-cpu-1x", Policy { sizes: set("shared-cpu-1x"), ..Policy::default() }, true),
            ("performance-1x", Policy { sizes: set("performance-1x"), ..Policy::default() }, false),
            ("x:*", Policy { images: vec!["x:*".to_owned()], ..Policy::default() }, true),
            ("y:*", Policy { images: vec!["y:*".to_owned()], ..Policy::default() }, false),
        ] {
            let violations = policy.violations(&env);
            assert_eq!(violations.is_empty(), allowed, "{word}: {violations:?}");
            assert!(violations.iter().all(|text| text.contains(word)), "it says what is allowed: {violations:?}");
        }
    }
    #[test]
    fn a_size_is_named_by_its_kind_and_count() {
        let sizes =
            |all: &[&str]| Policy { sizes: all.iter().map(|size| (*size).to_owned()).collect(), ..Policy::default() };
        for (asked, name) in [
            ("", "shared-cpu-1x"),
            ("size: shared-cpu-4x,", "shared-cpu-4x"),
            ("size: performance-2x,", "performance-2x"),
            ("cpu: {kind: performance, count: 4}, memory: 8GB,", "performance-4x"),
        ] {
            let env = environment_with("", asked);
            assert_eq!(sizes(&[name, "other"]).violations(&env), Vec::<String>::new(), "{asked}");
            let text = format!("`web`: size `{name}` is not allowed (allowed: a, b)");
            assert_eq!(sizes(&["a", "b"]).violations(&env), [text], "told once for both machines");
        }
    }

    #[test]
    fn images_are_looked_at_in_containers_too() {
        let policy = Policy { images: vec!["x:*".to_owned(), "y:*".to_owned()], ..Policy::default() };
        let of = |image: &str| environment_with("", &format!("containers: [{{name: app, image: '{image}'}}],"));
        assert_eq!(policy.violations(&of("y:2")), Vec::<String>::new());
        let text = "`web`: image `z:1` is not allowed (allowed: x:*, y:*)";
        assert_eq!(policy.violations(&of("z:1")), [text]);
    }

    #[test]
    fn any_of_three_words_keeps_an_environment() {
        let plain = Policy::default();
        assert!(!plain.keeps(&environment()));
        assert!(plain.keeps(&environment_with("protect: true,", "")));
        assert!(plain.keeps(&environment_with("class: production,", "")));
        assert!(Policy { protected: vec!["de*".to_owned()], ..Policy::default() }.keeps(&environment()));
        assert!(!Policy { protected: vec!["other".to_owned()], ..Policy::default() }.keeps(&environment()));
    }

    #[test]
    fn consent_is_asked_for_what_a_glob_names() {
        let policy = Policy { approval: vec!["prod-*".to_owned()], ..Policy::default() };
        assert!(policy.needs_approval(&"prod-eu".into()) && !policy.needs_approval(&"staging".into()));
    }
}
