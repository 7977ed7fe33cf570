//! `hangar diff`: what would change, by reads alone.

use hangar::controller::{Planned, Readers, plan_checked};
use hangar::http::Shared;
use hangar::memory::Memory;
use hangar::plan::{Action, Reason, Request, Standing};
use hangar::random::Random;
use hangar::report::{self, RequestCount, Style};
use hangar::resource::Change;
use hangar::sim::SimConfig;

use crate::given::{component, demo, noticed, steps, web};
use crate::world::World;

const READ_ONLY: &str = "sim_acme_read_only";

impl World {
    /// What the command does: readers alone, and a memory that nobody keeps.
    async fn look(&mut self, request: Request) -> Planned {
        self.pass_time(std::time::Duration::from_secs(3)).await;
        self.sim.clear_requests();
        let loaded = self.load();
        let shared = Shared::new(self.sim.transport(), std::sync::Arc::clone(&self.clock), Random::from_seed(9));
        let readers =
            Readers::connect(&loaded, &Memory::blank("diff", self.clock.now()), &self.variables, &shared).unwrap();
        let environments = match &request.env {
            Some(env) => [env.clone()].into(),
            None => loaded.fleet.environments.keys().cloned().collect(),
        };
        let mut observed = readers.list().await;
        readers.read_details(&mut observed, &loaded, &environments).await;
        let mut memory = Memory::blank("diff", self.clock.now());
        memory.blank_since = None;
        let request = Request { dry_run: true, ..request };
        let planned = plan_checked(&loaded, observed, &memory, &request, self.clock.now()).unwrap();
        assert_eq!(self.writes(), Vec::<String>::new(), "a diff sends nothing but reads");
        planned
    }
}

/// A world with a token that may only read beside the usual one.
fn readable(text: &str) -> World {
    let config = SimConfig::default().with_org("acme", "sim_acme_token").with_read_only_token("acme", READ_ONLY);
    World::configured(&[("demo.yaml", text)], config)
}

fn text_of(planned: &Planned) -> String {
    report::diff_text(&planned.plan, &Style::default(), RequestCount { reads: 7, writes: 0 })
}

const APP: &str = "image: registry.fly.io/demo:v1
env: {PORT: '8080'}
ips: {v6: true}
secrets: {KEY: {generate: {}}, TOKEN: {fromEnv: TOKEN}}
volumes: {data: {size: 1GB, mount: /data}}";

#[tokio::test(start_paused = true)]
async fn a_diff_of_nothing_live_shows_what_would_be_created_with_a_read_only_token() {
    let mut world = readable(&web(APP));
    world.set("FLY_API_TOKEN", READ_ONLY);
    world.set("TOKEN", "planted");

    let planned = world.look(Request::default()).await;

    assert_eq!(
        steps(&planned),
        [
            "create app demo-web [+org +network]",
            "allocate ip v6 of demo-web []",
            "create volume data@app/iad/0 of demo-web [+region +size]",
            "set secrets of demo-web [+secrets.KEY +secrets.TOKEN]",
            "create machine app/iad/0 of demo-web [+region +image +env.FLY_PROCESS_GROUP +env.PORT +env.PRIMARY_REGION +mount]",
        ]
    );
    // Three listings, and whether the app's name is free.
    assert_eq!(world.sim.reads(), 4);
    assert!(text_of(&planned).contains("(secret"), "{}", text_of(&planned));
    assert_eq!(world.sim.apps().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_diff_of_what_is_converged_is_empty_for_a_read_only_token_too() {
    let mut world = readable(&web(APP));
    world.set("TOKEN", "planted");
    world.converge().await;
    world.set("FLY_API_TOKEN", READ_ONLY);

    let planned = world.look(Request::default()).await;

    assert_eq!(steps(&planned), Vec::<String>::new());
    assert_eq!(planned.plan.standing(&"demo".into()), Standing::Converged);
    assert_eq!(world.sim.reads(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_diff_shows_old_and_new_of_every_field_and_what_is_known_only_later() {
    let api = "image: registry.fly.io/api:v1\nenv: {LEVEL: info}";
    let apps = |api: &str, web: &str| demo(&format!("{}{}", component("api", api), component("web", web)));
    let mut world = readable(&apps(api, APP));
    world.set("TOKEN", "planted");
    world.converge().await;
    let api_with_address = "image: registry.fly.io/api:v2\nenv: {LEVEL: debug}\nips: {flycast: true}";
    let web_with_address = APP.replace("PORT: '8080'", "PORT: '8080', API: 'http://[${{ fly.api.ips.flycast }}]/'");
    world.respec(&apps(api_with_address, &web_with_address));
    world.set("TOKEN", "planted again");

    let planned = world.look(Request::default()).await;

    assert_eq!(
        steps(&planned),
        [
            "allocate ip private_v6 of demo-api []",
            "update machine app/iad/0 of demo-api [~env.LEVEL ~image]",
            "set secrets of demo-web [~secrets.TOKEN]",
            "update machine app/iad/0 of demo-web [+env.API ~secrets.TOKEN]",
        ]
    );
    let text = text_of(&planned);
    for line in ["info", "debug", "registry.fly.io/api:v1", "registry.fly.io/api:v2", "(known after create)"] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    assert!(!text.contains("planted"), "{text}");
    let update = planned.plan.steps.iter().find(|step| matches!(&step.action, Action::UpdateMachine { .. })).unwrap();
    let level = update.changes.iter().find(|change| change.path == "env.LEVEL").unwrap();
    assert_eq!((&level.old, &level.new), (&Some(Change::Plain("info".into())), &Some(Change::Plain("debug".into()))));
    // And carrying it out leaves exactly nothing.
    world.converge().await;
    assert_eq!(steps(&world.look(Request::default()).await), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_diff_without_any_secret_value_says_what_it_cannot_know() {
    let mut world = readable(&web(APP));
    world.set("TOKEN", "planted");
    world.converge().await;
    world.variables.variables.remove("TOKEN");
    world.variables.variables.remove("HANGAR_MASTER_KEY");
    world.edit("demo.yaml", "demo:v1", "demo:v2");

    let planned = world.look(Request::default()).await;

    assert_eq!(steps(&planned), ["update machine app/iad/0 of demo-web [~image]"]);
    assert_eq!(noticed(&planned), [Reason::CannotCompare, Reason::CannotCompare]);
    let messages: Vec<_> = planned.plan.notices.iter().map(|notice| notice.message.as_str()).collect();
    assert!(
        messages.iter().any(|message| message.contains("`TOKEN`") && message.contains("is not set")),
        "{messages:?}"
    );

    // Nothing live and no values: the secrets are shown as unknown, and the rest as ever.
    let mut world = readable(&web(APP));
    world.variables.variables.remove("HANGAR_MASTER_KEY");
    let planned = world.look(Request::default()).await;
    let unknown: Vec<_> = planned
        .plan
        .steps
        .iter()
        .flat_map(|step| &step.changes)
        .filter(|change| matches!(change.new, Some(Change::Unknown(_))))
        .map(|change| change.path.as_str())
        .collect();
    assert_eq!(unknown, ["secrets.KEY", "secrets.TOKEN"]);
    assert_eq!(planned.plan.steps.iter().filter(|step| matches!(step.action, Action::CreateMachine(_))).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_diff_can_be_of_one_environment_or_one_component() {
    let two = demo(&format!(
        "{}{}",
        component("api", "image: registry.fly.io/api:v1"),
        component("web", "image: registry.fly.io/web:v1")
    ));
    let config = SimConfig::default().with_org("acme", "sim_acme_token");
    let other = two.replace("name: demo", "name: other");
    let mut world = World::configured(&[("demo.yaml", &two), ("other.yaml", &other)], config);

    let all = world.look(Request::default()).await;
    let one = world.look(Request { env: Some("demo".into()), ..Request::default() }).await;
    let component = Request { env: Some("demo".into()), component: Some("web".into()), ..Request::default() };
    let component = world.look(component).await;

    let apps = |planned: &Planned| {
        let created = planned.plan.steps.iter().filter(|step| matches!(step.action, Action::CreateApp { .. }));
        created.map(|step| step.key.name()).collect::<Vec<_>>()
    };
    assert_eq!(apps(&all), ["demo-api", "demo-web", "other-api", "other-web"]);
    assert_eq!(apps(&one), ["demo-api", "demo-web"]);
    assert_eq!(apps(&component), ["demo-web"]);
}

#[tokio::test(start_paused = true)]
async fn a_diff_of_chat_dev_after_an_edit_shows_that_edit_alone() {
    let mut world = World::chat_dev();
    world.converge().await;
    world.edit("staging.yaml", "NEXT_PUBLIC_ENABLE_MIXPANEL: \"0\"", "NEXT_PUBLIC_ENABLE_MIXPANEL: \"1\"");

    let planned = world.look(Request::default()).await;

    assert_eq!(steps(&planned), ["update machine app/iad/0 of chat-dev-web-dev [~env.NEXT_PUBLIC_ENABLE_MIXPANEL]"]);
    assert_eq!(world.sim.reads(), 3 * 3 + 9 * 4);
}
