//! Projects and their branches. What a branch is at a moment follows from when it was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SimSupabaseProject;
use crate::sim::config::SimConfig;
use crate::sim::world::ids::Ids;
use crate::sim::world::rfc3339;
use crate::sim::world::schedule::after;
use crate::sim::world::vault::SecretText;

/// All projects, those that are branches included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Supabase {
    ids: Ids,
    projects: BTreeMap<String, Project>,
    /// By the fingerprint of each token: since when its minute counts, and how many requests it has sent in it.
    usage: BTreeMap<String, (DateTime<Utc>, u32)>,
}

/// A project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Project {
    pub(super) reference: String,
    pub(super) organization: String,
    pub(super) region: String,
    pub(super) created_at: DateTime<Utc>,
    pub(super) password: SecretText,
    pub(super) jwt_secret: SecretText,
    /// The keys of its API: the name, and the key.
    pub(super) keys: BTreeMap<String, SecretText>,
    /// What makes it a branch of another project.
    pub(super) branch: Option<Branch>,
}

/// What a branch is besides a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Branch {
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    /// The branch in git.
    pub(super) follows: Option<String>,
    pub(super) pr_number: Option<u64>,
    pub(super) persistent: bool,
    pub(super) with_data: bool,
    pub(super) notify_url: Option<String>,
    pub(super) postgres_engine: String,
    pub(super) deletion_scheduled_at: Option<DateTime<Utc>>,
    /// Whether its migrations fail.
    pub(super) fails: bool,
}

impl Default for Supabase {
    fn default() -> Self {
        Self::of(&SimConfig::default())
    }
}

impl Supabase {
    pub(crate) fn of(config: &SimConfig) -> Self {
        let ids = Ids::from_seed(config.seed ^ 0x5b9);
        let mut all = Self { ids, projects: BTreeMap::new(), usage: BTreeMap::new() };
        for SimSupabaseProject { reference, organization, region } in &config.supabase_projects {
            all.add(reference.clone(), organization, region, DateTime::<Utc>::UNIX_EPOCH, None);
        }
        all
    }

    /// Counts a request of `token`; whether it is within the limit.
    pub(super) fn admit(&mut self, token: &str, per_minute: u32, now: DateTime<Utc>) -> bool {
        let key = crate::http::Token::new("", token).map(|token| token.fingerprint()).unwrap_or_default();
        let (since, count) = self.usage.entry(key).or_insert((now, 0));
        if after(*since, Duration::from_mins(1)) <= now {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= per_minute
    }

    /// Makes the project, if its name is one and it is not there.
    pub(super) fn ensure(&mut self, reference: &str, now: DateTime<Utc>) {
        if is_reference(reference) && !self.projects.contains_key(reference) {
            self.add(reference.to_owned(), "demo", "us-east-1", now, None);
        }
    }

    pub(super) fn project(&self, reference: &str) -> Option<&Project> {
        self.projects.get(reference)
    }

    pub(super) fn project_mut(&mut self, reference: &str) -> Option<&mut Project> {
        self.projects.get_mut(reference)
    }

    /// The branches of a project, in the order of their creation.
    pub(super) fn branches(&self, parent: &str) -> Vec<(&Project, &Branch)> {
        let branches = self.projects.values().filter_map(|project| Some((project, project.branch.as_ref()?)));
        let mut found: Vec<_> = branches.filter(|(_, branch)| branch.parent == parent).collect();
        found.sort_by_key(|(project, branch)| (project.created_at, &branch.id));
        found
    }

    /// The branch by its id or by the reference of its project.
    pub(super) fn find(&self, id: &str) -> Option<(&Project, &Branch)> {
        let mut all = self.projects.values().filter_map(|project| Some((project, project.branch.as_ref()?)));
        all.find(|(project, branch)| branch.id == id || project.reference == id)
    }

    /// Makes a branch of a project that is there; the reference of the project that it is.
    pub(super) fn create(&mut self, of: &str, branch: Branch, region: Option<String>, now: DateTime<Utc>) -> String {
        let reference = self.letters();
        let id = self.uuid();
        let parent = self.projects.get(of);
        let organization = parent.map(|parent| parent.organization.clone()).unwrap_or_default();
        let region = region.or_else(|| parent.map(|parent| parent.region.clone())).unwrap_or_default();
        let branch = Branch { id, parent: of.to_owned(), ..branch };
        self.add(reference.clone(), &organization, &region, now, Some(branch));
        reference
    }

    pub(super) fn remove(&mut self, reference: &str) {
        self.projects.remove(reference);
    }

    /// Removes the branches whose time has come.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        let is_due = |branch: &Branch| branch.deletion_scheduled_at.is_some_and(|at| at <= now);
        self.projects.retain(|_, project| !project.branch.as_ref().is_some_and(is_due));
    }

    fn add(
        &mut self,
        reference: String,
        organization: &str,
        region: &str,
        created_at: DateTime<Utc>,
        branch: Option<Branch>,
    ) {
        let mut keys = BTreeMap::new();
        for name in ["anon", "service_role"] {
            keys.insert(name.to_owned(), SecretText(format!("eyJ{}", self.ids.alphanumeric(32))));
        }
        let project = Project {
            organization: organization.to_owned(),
            region: region.to_owned(),
            created_at,
            password: SecretText(self.ids.alphanumeric(24)),
            jwt_secret: SecretText(self.ids.alphanumeric(32)),
            keys,
            branch,
            reference: reference.clone(),
        };
        self.projects.insert(reference, project);
    }

    /// Twenty lower-case letters.
    fn letters(&mut self) -> String {
        let letter = |number: u32| char::from_u32(u32::from(b'a').saturating_add(number % 26)).unwrap_or('a');
        (0..20).map(|_| letter(self.ids.number())).collect()
    }

    /// A random UUID (version 4).
    fn uuid(&mut self) -> String {
        let ids = &mut self.ids;
        [ids.hex(8), ids.hex(4), format!("4{}", ids.hex(3)), format!("a{}", ids.hex(3)), ids.hex(12)].join("-")
    }
}

impl Project {
    /// Whether its database answers; `takes` is how long a branch takes until everything is done.
    pub(super) fn is_up(&self, now: DateTime<Utc>, takes: Duration) -> bool {
        self.branch.is_none() || after(self.created_at, takes / 2) <= now
    }

    pub(super) fn host(&self) -> String {
        format!("db.{}.supabase.co", self.reference)
    }

    /// The branch as lists show it.
    pub(super) fn render(&self, branch: &Branch, now: DateTime<Utc>, takes: Duration) -> Value {
        let is_up = self.is_up(now, takes);
        let mut shown = json!({
            "id": branch.id, "name": branch.name, "project_ref": self.reference,
            "parent_project_ref": branch.parent, "is_default": false, "persistent": branch.persistent,
            "status": self.progress(branch, now, takes), "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.created_at), "with_data": branch.with_data,
            "preview_project_status": health(is_up),
        });
        let more = [
            ("git_branch", branch.follows.clone().map(Value::from)),
            ("pr_number", branch.pr_number.map(Value::from)),
            ("notify_url", branch.notify_url.clone().map(Value::from)),
            ("deletion_scheduled_at", branch.deletion_scheduled_at.map(|at| rfc3339(at).into())),
        ];
        if let Some(map) = shown.as_object_mut() {
            map.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        shown
    }

    /// How far a branch is.
    pub(super) fn progress(&self, branch: &Branch, now: DateTime<Utc>, takes: Duration) -> &'static str {
        let has_passed = |quarters: u32| after(self.created_at, takes.saturating_mul(quarters) / 4) <= now;
        match () {
            () if !has_passed(2) => "CREATING_PROJECT",
            () if !has_passed(3) => "RUNNING_MIGRATIONS",
            () if branch.fails => "MIGRATIONS_FAILED",
            () if !has_passed(4) => "MIGRATIONS_PASSED",
            () => "FUNCTIONS_DEPLOYED",
        }
    }
}

/// How a project does.
pub(super) const fn health(is_up: bool) -> &'static str {
    if is_up { "ACTIVE_HEALTHY" } else { "COMING_UP" }
}

/// Whether this is the reference of a project.
pub(super) fn is_reference(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether this is a UUID of a version from 1 to 8, in its usual form. Clients refuse others.
pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let first = |part: Option<&&str>| part.and_then(|part| part.chars().next());
    lengths == [8, 4, 4, 4, 12]
        && parts.iter().all(is_hex)
        && first(parts.get(2)).is_some_and(|version| matches!(version, '1'..='8'))
        && first(parts.get(3)).is_some_and(|variant| matches!(variant, '8' | '9' | 'a' | 'b' | 'A' | 'B'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strict() {
        assert!(is_uuid("22222222-2222-4222-8222-222222222222"));
        for wrong in ["11111111-1111-1111-1111-111111111111", "22222222-2222-4222-8222-22222222222", "x", ""] {
            assert!(!is_uuid(wrong), "{wrong}");
        }
        let mut all = Supabase::default();
        for _ in 0..50 {
            let (id, reference) = (all.uuid(), all.letters());
            assert!(is_uuid(&id) && is_reference(&reference), "{id} {reference}");
        }
        assert!(!is_reference("abcdefghijklmnopqrs1") && !is_reference("abc"));
    }
}
