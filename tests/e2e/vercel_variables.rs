//! What kinds of variables there are at Vercel: those that everybody may read, those that can be decrypted, and those that nobody reads
//! again.

use hangar::controller::Outcome;
use hangar::resource::{Change, FieldChange};

use crate::support::environment;
use crate::vercel::{REPO, config, configured};
use crate::world::World;

/// `demo`, with these variables of the branch `login`.
fn demo(env: &str) -> String {
    let vercel = format!("vercel: {{team: acme, projects: {{web: {{project: web, branch: login, env: {{{env}}}}}}}}}");
    environment("demo", &vercel, "web: {image: 'registry.fly.io/demo:v1'}")
}

fn world(env: &str) -> World {
    let world = configured(&[("demo.yaml", &demo(env))], config());
    world.sim.repository(REPO).push("login").unwrap();
    world
}

impl World {
    /// Kind and value of each variable.
    fn kinds(&self) -> Vec<(String, String, String)> {
        self.env_of(Some("login")).into_iter().map(|(key, one)| (key, one.kind, one.value)).collect()
    }
}

fn kind(key: &str, kind: &str, value: &str) -> (String, String, String) {
    (key.to_owned(), kind.to_owned(), value.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_variable_is_plain_encrypted_or_sensitive_as_its_spec_says() {
    let mut world = world("A: {plain: 'of ${{ env.name }}'}, B: text, C: {value: hidden}");
    world.converge().await;
    let all = [kind("A", "plain", "of demo"), kind("B", "encrypted", "text"), kind("C", "sensitive", "hidden")];
    assert_eq!(world.kinds(), all);
    world.reconcile_without_writes().await;
    world.lose_store();
    world.reconcile_without_writes().await;
    // Another kind, and another value.
    world.put("demo.yaml", &demo("A: other, B: {plain: text}, C: {value: hidden}"));
    world.converge().await;
    let all = [kind("A", "encrypted", "other"), kind("B", "plain", "text"), kind("C", "sensitive", "hidden")];
    assert_eq!(world.kinds(), all);
    world.tear_down().await;
    assert!(world.left().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_plain_is_shown_and_what_somebody_makes_of_it_is_seen() {
    let mut world = world("A: {plain: one}, B: text, C: {plain: gone}");
    let seen = |change: &FieldChange| (change.path.clone(), change.old.clone(), change.new.clone());
    let plain = |text: &str| Some(Change::Plain(text.into()));
    let changes = async |world: &mut World| -> Vec<_> {
        let planned = world.diff().await.plan;
        let of_variables = planned.steps.iter().filter(|step| step.key.to_string().contains("variables"));
        of_variables.flat_map(|step| &step.changes).filter(|change| change.path.len() == 1).map(seen).collect()
    };
    let (a, b, c) = ("A".to_owned(), "B".to_owned(), "C".to_owned());
    let all =
        [(a.clone(), None, plain("one")), (b.clone(), None, Some(Change::Secret)), (c.clone(), None, plain("gone"))];
    assert_eq!(changes(&mut world).await, all);
    world.converge().await;
    world.put("demo.yaml", &demo("A: {plain: two}, B: other"));
    let all = [
        (a.clone(), plain("one"), plain("two")),
        (b, Some(Change::Secret), Some(Change::Secret)),
        (c, plain("gone"), None),
    ];
    assert_eq!(changes(&mut world).await, all);
    world.converge().await;
    // The note beside it says still that it is as it was written.
    let web = world.web();
    let id = web.variables().into_iter().find(|one| one.key == "A").unwrap().id;
    web.edit_variable(&id, "by hand").unwrap();
    // What somebody has typed there may be a secret.
    assert_eq!(changes(&mut world).await, [(a, Some(Change::Secret), plain("two"))]);
    world.converge().await;
    assert_eq!(world.kinds()[0], kind("A", "plain", "two"));
    world.reconcile_without_writes().await;
}

#[tokio::test(start_paused = true)]
async fn that_somebody_else_wrote_a_value_which_nobody_can_read_is_said() {
    let mut world = world("A: text, B: {value: hidden}");
    world.converge().await;
    // Somebody else's variable is nobody's business here.
    let theirs = world.web().add_variable("THEIRS", "theirs", "encrypted", &["preview"], Some("login")).unwrap();
    world.web().edit_variable(&theirs, "theirs again").unwrap();
    let id = world.web().variables().into_iter().find(|one| one.key == "B").unwrap().id;
    let told = |outcome: &Outcome| -> Vec<String> {
        outcome.last.plan.notices.iter().map(|notice| notice.message.clone()).collect()
    };
    assert_eq!(told(&world.reconcile_without_writes().await), Vec::<String>::new());
    world.web().edit_variable(&id, "by hand").unwrap();
    let said = told(&world.reconcile_without_writes().await);
    assert!(said.len() == 1 && said[0].contains("wrote `B` of Vercel variables demo"), "{said:#?}");
    world.web().delete_variable(&id).unwrap();
    world.converge().await;
    assert_eq!(world.kinds()[1], kind("B", "sensitive", "hidden"));
    assert_eq!(told(&world.reconcile_without_writes().await), Vec::<String>::new());
}

#[test]
fn nothing_secret_is_let_into_a_plain_variable() {
    let world = world("A: {plain: '${{ vercel.web.bypassSecret }}'}");
    let problems = hangar::controller::load(&world.snapshot(), &world.variables).unwrap().diagnostics.render(false);
    assert!(problems.contains("bypassSecret") && problems.contains("a secret"), "{problems}");
}
