//! What environments of random lives have at other providers than Fly's machines, what others have there, and what people do there by
//! hand.

use hangar::resource::OwnerId;
use hangar::resource::own_name::{last_word, own_name};
use hangar::sim::{SimConfig, SimNeonProject};
use proptest::prelude::*;

use crate::projects::mark_key;
use crate::support::{CONTROLLER, seconds};
use crate::world::World;

/// The project at Neon in which environments may have branches.
const PROJECT: &str = "quiet-sun-123456";
const NEON_KEY: &str = "planted_neon_key_0123456789";
/// The repository of the Vercel project in which environments may have variables, domains and deployments.
const SITE: &str = "acme/site";
const VERCEL_TOKEN: &str = "planted_vercel_token_0123456789";
/// The project at Supabase in which environments may have branches.
const REFERENCE: &str = "abcdefghijklmnopqrst";
const SUPABASE_TOKEN: &str = "sbp_planted0123456789abcdef";
/// The cluster in which environments may have databases.
const PREVIEWS: &str = "previews";

/// What one environment has elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    branch: Option<&'static str>,
    site: Option<&'static str>,
    postgres: Option<&'static str>,
    supabase: Option<&'static str>,
}

/// Most environments have nothing elsewhere: what they have costs requests.
pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let branch = prop::sample::select(vec![
        "",
        "",
        "compute: {min: 0.25, max: 1}",
        "compute: {min: 0.5, max: 2}, protected: true",
        "database: app, role: app",
        "reset: 1",
        "deletionPolicy: retain",
    ]);
    let site = prop::sample::select(vec![
        "env: {A: one}",
        "env: {A: two, B: {generate: {}}}",
        "env: {B: {generate: {generation: 2}}}, domains: ['${{ env.name }}.acme.dev']",
        "domains: ['${{ env.name }}.acme.dev', '${{ env.name }}-b.acme.dev']",
        "env: {A: one}, deployment: {}, bypass: true",
        "env: {B: {plain: text}}, deployment: {}, aliases: ['${{ env.name }}.acme.app']",
    ]);
    let postgres = prop::sample::select(vec![
        "databases: {main: {cluster: previews}}",
        "databases: {main: {cluster: previews}}",
        "databases: {main: {cluster: previews, rotate: 1}}",
        "databases: {main: {cluster: previews, role: reader}}",
        "databases: {main: {cluster: previews, deletionPolicy: snapshot}}",
        "clusters: {main: {plan: basic, rotate: 1}}",
    ]);
    let supabase = prop::sample::select(vec!["", "gitBranch: change-1", "gitBranch: change-2, persistent: true"]);
    let of = |rate: f64, what| prop::option::weighted(rate, what);
    (of(0.12, branch), of(0.05, site), of(0.05, postgres), of(0.04, supabase))
        .prop_map(|(branch, site, postgres, supabase)| Parts { branch, site, postgres, supabase })
}

impl Parts {
    /// The lines of its spec.
    pub(crate) fn spec(&self) -> String {
        let branch = self.branch.map(|it| format!("neon: {{project: {PROJECT}, branches: {{main: {{{it}}}}}}}\n"));
        let site = self.site.map(|it| {
            format!(
                "vercel: {{team: acme, projects: {{web: {{project: web, branch: '${{{{ env.name }}}}', {it}}}}}}}\n"
            )
        });
        let postgres = self.postgres.map(|it| format!("postgres: {{{it}}}\n"));
        let supabase =
            self.supabase.map(|it| format!("supabase: {{project: {REFERENCE}, branches: {{main: {{{it}}}}}}}\n"));
        [branch, site, postgres, supabase].into_iter().flatten().collect()
    }

    /// The secrets of an app that uses it.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let branch = self.branch.map(|_| "DATABASE_URL: {value: '${{ neon.main.uri }}'}");
        let postgres = self.postgres.map(|_| "POSTGRES_URL: {value: '${{ postgres.main.uri }}'}");
        let supabase = self.supabase.map(|_| "SUPABASE_URL: {value: '${{ supabase.main.uri }}'}");
        branch.into_iter().chain(postgres).chain(supabase).map(str::to_owned).collect()
    }

    /// Whether it is there, said to be converged.
    pub(crate) fn are_as_wanted(&self, world: &World, env: &str) {
        if self.branch.is_some() {
            let branch = world.sim.neon(PROJECT).branch(&format!("{env}-main"));
            let noted = branch.as_ref().and_then(|branch| branch.annotation.get("hangar_env"));
            assert_eq!(noted.map(String::as_str), Some(env), "{branch:#?}");
        }
        if self.supabase.is_some() {
            let ours = own_name(&OwnerId::new("hangar"), env, "main", REFERENCE);
            let branches = world.sim.supabase_branches(REFERENCE);
            let named = branches.iter().filter(|branch| branch.name.split('.').next() == Some(ours.as_str()));
            assert_eq!(named.count(), 1, "{env}: {branches:#?}");
        }
        if let Some(site) = self.site {
            let variables = world.sim.vercel("acme", "web").variables();
            let ours = variables.iter().filter(|one| {
                let comment = one.comment.as_deref().unwrap_or_default();
                comment.starts_with(&format!("hangar hangar/{env} ")) && one.branch.as_deref() == Some(env)
            });
            let named: Vec<&str> = ours.map(|one| one.key.as_str()).collect();
            let wanted: Vec<&str> = ["A", "B"].into_iter().filter(|key| site.contains(&format!("{key}: "))).collect();
            assert!(wanted.iter().all(|key| named.contains(key)) && named.len() == wanted.len(), "{env}: {named:?}");
            let domains = world.sim.vercel("acme", "web").domains();
            let named = domains.iter().any(|one| one.name == format!("{env}.acme.dev"));
            assert_eq!(named, site.contains("domains:"), "{env}: {domains:?}");
            let alias = world.sim.vercel("acme", "web").aliases().remove(&format!("{env}.acme.app"));
            let newest = newest_of(world, env);
            assert_eq!(alias, newest.filter(|_| site.contains("aliases:")), "{env}");
        }
        if let Some(postgres) = self.postgres {
            // What others have is called almost the same.
            let ours = |place: &str| own_name(&OwnerId::new("hangar"), env, "main", place);
            let clusters = world.sim.clusters("acme");
            let is_own = |name: &String| *name == ours("acme");
            let own = clusters.iter().filter(|cluster| is_own(&cluster.name) && cluster.status == "ready").count();
            let previews = clusters.iter().find(|cluster| cluster.name == PREVIEWS).unwrap();
            let all = previews.databases.iter().chain(&previews.users);
            let inside = all.filter(|name| **name == ours(PREVIEWS)).count();
            let wanted = if postgres.starts_with("clusters") { (1, 0) } else { (0, 2) };
            assert!((own == 1, inside == 2) == (wanted.0 == 1, wanted.1 == 2), "{env}: {clusters:#?}");
            let used = if wanted.0 == 1 { clusters.iter().find(|one| is_own(&one.name)).unwrap() } else { previews };
            let apps = ["web", "api"].map(|component| format!("{env}-{component}"));
            let is_user = |app: &String| world.sim.secret_names(app).contains(&"POSTGRES_URL".to_owned());
            for app in apps.into_iter().filter(is_user) {
                assert!(used.attached_apps.contains(&app), "{app}: {used:#?}");
            }
        }
    }
}

/// Which providers a life has anything to do with: without one it is as quick as if there were none, for nothing of it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    neon: bool,
    vercel: bool,
    postgres: bool,
    supabase: bool,
}

impl Used {
    pub(crate) fn by<'p>(parts: impl Iterator<Item = &'p Parts>) -> Self {
        parts.fold(Self::default(), |used, parts| Self {
            neon: used.neon || parts.branch.is_some(),
            vercel: used.vercel || parts.site.is_some(),
            postgres: used.postgres || parts.postgres.is_some(),
            supabase: used.supabase || parts.supabase.is_some(),
        })
    }

    pub(crate) fn config(self, mut config: SimConfig) -> SimConfig {
        if self.neon {
            config = config.with_neon(SimNeonProject::new(PROJECT), NEON_KEY);
        }
        if self.vercel {
            config = config.with_vercel("acme", "web", Some(SITE), VERCEL_TOKEN);
        }
        if self.supabase {
            config = config.with_supabase(REFERENCE, SUPABASE_TOKEN);
        }
        config
    }

    /// The controller's settings.
    pub(crate) fn settings(self) -> String {
        let mut settings = CONTROLLER.to_owned();
        let mut say = |from: &str, to: &str| settings = settings.replace(from, to);
        if self.neon {
            say("  fly:", &format!("  neon: {{projects: {{{PROJECT}: {{}}}}}}\n  fly:"));
        }
        if self.vercel {
            say("  fly:", "  vercel: {projects: {acme/web: {}}}\n  fly:");
        }
        if self.supabase {
            say("  fly:", &format!("  supabase: {{projects: {{{REFERENCE}: {{}}}}}}\n  fly:"));
        }
        if self.postgres {
            say("FLY_API_TOKEN}}}", "FLY_API_TOKEN}, postgres: true}}");
        }
        settings
    }

    /// Puts there what others have, much of which looks like what is ours.
    pub(crate) async fn begin(self, world: &mut World) {
        if self.neon {
            world.set("NEON_API_KEY", NEON_KEY);
            world.sim.neon(PROJECT).create_branch("theirs", None).unwrap();
        }
        if self.vercel {
            world.set("VERCEL_TOKEN", VERCEL_TOKEN);
            at_vercel(world);
        }
        if self.supabase {
            world.set("SUPABASE_ACCESS_TOKEN", SUPABASE_TOKEN);
            let theirs = own_name(&OwnerId::new("them"), "e0", "main", REFERENCE);
            for (name, pull) in [("e0-main", 1), ("e1-main-0123456789", 2), (&theirs, 3)] {
                world.sim.create_supabase_branch(REFERENCE, name, pull).unwrap();
            }
        }
        if self.postgres {
            for name in [PREVIEWS, "e0-main", "e1-main-0123456789"] {
                world.sim.create_cluster("acme", name, "iad").unwrap();
            }
            world.pass_time(seconds(60)).await;
            at_postgres(world);
        }
    }
}

fn at_vercel(world: &World) {
    let (web, repo) = (world.sim.vercel("acme", "web"), world.sim.create_repository(SITE));
    assert!(web.id().is_some());
    for env in ["e0", "e1", "e2"] {
        repo.push(env).unwrap();
        web.add_variable("HAND", "by hand", "encrypted", &["preview"], Some(env)).unwrap();
        let theirs = web.add_variable("THEIRS", "theirs", "encrypted", &["preview"], Some(env)).unwrap();
        web.comment_variable(&theirs, &format!("hangar them/{env} 0123456789abcdef")).unwrap();
        let mark = |owner: &str| {
            format!(
                r#"{{"owner":"{owner}","env":"{env}","component":"vercel.web","target":"preview","branch":"{env}","deployment":true,"domains":["{env}-hand.acme.dev"],"aliases":["{env}-hand.acme.app"]}}"#
            )
        };
        web.add_variable(&mark_key("them", env), &mark("them"), "plain", &["preview"], None).unwrap();
        web.add_variable(&format!("HANGAR_ENVIRONMENT_{env}"), &mark("hangar"), "plain", &["preview"], None).unwrap();
        web.add_domain(&format!("{env}-hand.acme.dev"), Some(env)).unwrap();
        web.add_bypass(&format!("hangar them/{env}")).unwrap();
    }
    web.add_variable("A", "of all", "encrypted", &["preview"], None).unwrap();
}

/// The newest deployment of a branch.
fn newest_of(world: &World, branch: &str) -> Option<String> {
    let all = world.sim.vercel("acme", "web").deployments();
    let mut of_branch = all.into_iter().filter(|one| one.branch.as_deref() == Some(branch) && one.state != "DELETED");
    of_branch.next_back().map(|one| one.id)
}

fn at_postgres(world: &World) {
    let clusters = world.sim.clusters("acme");
    let id = |name: &str| clusters.iter().find(|cluster| cluster.name == name).unwrap().id.clone();
    for env in ["e0", "e1", "e2"] {
        let named = |owner: &str| own_name(&OwnerId::new(owner), env, "main", PREVIEWS);
        for name in [format!("{env}-main"), format!("{env}-main-0123456789"), named("them")] {
            world.sim.create_cluster_database(&id(PREVIEWS), &name).unwrap();
        }
        // What is ours in the shared cluster is not in another one.
        let ours = named("hangar");
        for name in [format!("hangar_t6b49d200_{}", last_word(&ours)), ours] {
            world.sim.create_cluster_database(&id("e0-main"), &name).unwrap();
        }
    }
}

/// What somebody does there by hand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    DeleteBranch,
    RenameBranch,
    SetPassword,
    KeepBusy,
    DeleteVariable,
    EditVariable,
    DeleteDomain,
    DeleteAlias,
    DeleteDatabase,
    DeleteUser,
    Detach,
    DeletePreviewBranch,
}

pub(crate) fn deed() -> impl Strategy<Value = Deed> {
    use Deed::{
        DeleteAlias, DeleteBranch, DeleteDatabase, DeleteDomain, DeletePreviewBranch, DeleteUser, DeleteVariable,
        Detach, EditVariable, KeepBusy, RenameBranch, SetPassword,
    };
    prop::sample::select(vec![
        DeleteBranch,
        RenameBranch,
        SetPassword,
        KeepBusy,
        DeleteVariable,
        EditVariable,
        DeleteDomain,
        DeleteAlias,
        DeleteDatabase,
        DeleteUser,
        Detach,
        DeletePreviewBranch,
    ])
}

/// Does something by hand to the thing number `index` of those that are an environment's. What cannot be done is not done.
pub(crate) fn meddle(world: &World, index: usize, deed: Deed) {
    let (neon, web) = (world.sim.neon(PROJECT), world.sim.vercel("acme", "web"));
    let mut branches = neon.branches();
    branches.retain(|branch| !branch.default && branch.name != "theirs");
    let branch = branches.get(index % branches.len().max(1));
    let mut variables = web.variables();
    variables.retain(|one| one.comment.as_deref().is_some_and(|comment| comment.starts_with("hangar hangar/")));
    let variable = variables.get(index % variables.len().max(1));
    let mut domains = web.domains();
    domains.retain(|one| !one.name.contains("-hand."));
    let domain = domains.get(index % domains.len().max(1));
    let previews = world.sim.clusters("acme").into_iter().find(|cluster| cluster.name == PREVIEWS);
    let inside = previews.and_then(|cluster| {
        let ours = |env| own_name(&OwnerId::new("hangar"), env, "main", PREVIEWS);
        let mut names = ["e0", "e1", "e2"].map(ours).into_iter().filter(|name| cluster.databases.contains(name));
        Some((cluster.id.clone(), names.next()?))
    });
    let _done_or_not = match deed {
        Deed::KeepBusy => neon.keep_busy(seconds(20)).and(web.hold_document(seconds(20))),
        Deed::DeleteBranch => branch.map_or(Ok(()), |branch| neon.delete_branch(&branch.id)),
        Deed::RenameBranch => {
            branch.map_or(Ok(()), |branch| neon.rename_branch(&branch.id, &format!("{}-old", branch.name)))
        }
        Deed::SetPassword => {
            branch.map_or(Ok(()), |branch| neon.set_password(&branch.id, &branch.roles[0], "npg_set_by_hand_0123"))
        }
        Deed::DeleteVariable => variable.map_or(Ok(()), |variable| web.delete_variable(&variable.id)),
        Deed::EditVariable => variable.map_or(Ok(()), |variable| web.edit_variable(&variable.id, "set by hand")),
        Deed::DeleteAlias => {
            let alias = web.aliases().into_keys().find(|alias| !alias.contains("-hand."));
            alias.map_or(Ok(()), |alias| web.delete_alias(&alias))
        }
        Deed::DeleteDomain => domain.map_or(Ok(()), |domain| web.delete_domain(&domain.name)),
        Deed::DeleteDatabase => {
            inside.map_or(Ok(()), |(cluster, name)| world.sim.delete_cluster_database(&cluster, &name))
        }
        Deed::DeletePreviewBranch => {
            let ours = ["e0", "e1", "e2"].map(|env| own_name(&OwnerId::new("hangar"), env, "main", REFERENCE));
            let branches = world.sim.supabase_branches(REFERENCE).into_iter();
            let mut branches = branches.filter(|one| ours.iter().any(|name| one.name.split('.').next() == Some(name)));
            branches.next().map_or(Ok(()), |branch| world.sim.delete_supabase_branch(&branch.reference))
        }
        Deed::Detach => {
            let clusters = world.sim.clusters("acme").into_iter();
            let all: Vec<_> =
                clusters.flat_map(|one| one.attached_apps.into_iter().map(move |app| (one.id.clone(), app))).collect();
            all.get(index % all.len().max(1)).map_or(Ok(()), |(cluster, app)| world.sim.detach_cluster(cluster, app))
        }
        Deed::DeleteUser => inside.map_or(Ok(()), |(cluster, name)| world.sim.delete_cluster_user(&cluster, &name)),
    };
}

/// Every secret that is there.
pub(crate) fn planted(world: &World) -> Vec<String> {
    let mut planted = vec![NEON_KEY.to_owned(), VERCEL_TOKEN.to_owned(), SUPABASE_TOKEN.to_owned()];
    for branch in world.sim.supabase_branches(REFERENCE) {
        planted.extend(world.sim.supabase_password(&branch.reference));
    }
    let neon = world.sim.neon(PROJECT);
    for branch in neon.branches() {
        let passwords = branch.roles.iter().filter_map(|role| neon.password(&branch.id, role));
        planted.extend(passwords.map(|password| password.expose().to_owned()));
    }
    let web = world.sim.vercel("acme", "web");
    planted.extend(web.bypasses().into_keys());
    planted.extend(web.variables().into_iter().filter(|one| one.kind == "sensitive").map(|one| one.value));
    for cluster in world.sim.clusters("acme") {
        planted.extend(cluster.users.iter().filter_map(|user| world.sim.cluster_password(&cluster.id, user)));
    }
    planted
}
