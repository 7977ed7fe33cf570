//! What people see, as snapshots of plans that the planner made; and what nobody must see.

use super::fixture::{SECRET, World, app, environment, now, rich};
use super::*;
use crate::execute::event::{Event, Observer as _, Outcome, StepRef, What};
use crate::plan::{Standing, StepId};
use crate::resource::ResourceKey;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const REQUESTS: RequestCount = RequestCount { reads: 12, writes: 0 };
const COLOR: Style = Style { color: true, ..Style::PLAIN };
const ASCII: Style = Style { color: false, unicode: false, width: 80 };

fn in_sync() -> World {
    let env = |name: &str| environment(name, vec![app("web", &format!("{name}-web"))]);
    World::new(vec![env("production"), env("staging")]).converge()
}

/// A place to write to that can be read afterwards.
#[derive(Clone, Default)]
pub(super) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_rich_plan_as_text() {
    insta::assert_snapshot!(diff_text(&rich().plan(), &Style::PLAIN, REQUESTS));
}

#[test]
fn a_rich_plan_in_colour() {
    let text = diff_text(&rich().plan(), &COLOR, REQUESTS);
    insta::assert_snapshot!(text.replace('\u{1b}', "␛"));
}

#[test]
fn a_rich_plan_on_a_narrow_terminal_without_unicode() {
    let text = diff_text(&rich().plan(), &ASCII, REQUESTS);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_plan_without_changes_is_one_line_per_environment() {
    insta::assert_snapshot!(diff_text(&in_sync().plan(), &Style::PLAIN, REQUESTS), @r"
    production  ✓ as desired
    staging  ✓ as desired

    Nothing to do: 2 environments are as desired (12 requests, all reads).
    ");
}

#[test]
fn the_summary_says_where_to_look_and_what_to_do() {
    let world = in_sync();
    let mut summary = PassSummary {
        at: now(),
        environments: EnvironmentSummary::all(&world.fleet, &world.plan()),
        requests: RequestCount { reads: 30, writes: 14 },
        took: Duration::from_millis(12_340),
        try_next: vec![
            "hangar diff --sim specs/chat-dev  # what would change".to_owned(),
            "hangar status --sim  # what is live".to_owned(),
        ],
    };
    summary.environments[0].changes = 9;
    insta::assert_snapshot!(summary_text(&summary, &Style::PLAIN));
    let world = rich();
    summary.environments = EnvironmentSummary::all(&world.fleet, &world.plan());
    summary.environments[3]
        .failures
        .push("machine app/iad/0 of pr-9-chat-worker: exited with code 1\nlast log: boom".into());
    summary.try_next.clear();
    insta::assert_snapshot!(summary_text(&summary, &Style::PLAIN));
}

fn step(action: &str, key: ResourceKey) -> StepRef {
    StepRef {
        id: StepId(0),
        component: Some("server".into()),
        key,
        action: action.into(),
        reason: "until it runs".into(),
    }
}

/// A short pass: a create that works, a wait, an update that is refused, what depends on it, and the end.
pub(super) fn pass() -> Vec<Event> {
    let machine = ResourceKey::Machine { app: "staging-server".into(), slot: fixture::slot(0) };
    let secrets = ResourceKey::Secrets { app: "staging-server".into() };
    let at = |second: i64| now() + chrono::TimeDelta::seconds(second);
    let event = |second: i64, what: What| Event { at: at(second), env: "staging".into(), what };
    let finished = |action: &str, key: &ResourceKey, milliseconds: u64, outcome: Outcome| What::StepFinished {
        step: step(action, key.clone()),
        took: Duration::from_millis(milliseconds),
        outcome,
    };
    vec![
        event(0, What::Planned { steps: 4 }),
        event(0, What::StepStarted { step: step("create", machine.clone()) }),
        event(2, finished("create", &machine, 2130, Outcome::Done { produced: Some("148e21000050".into()) })),
        event(2, What::StepStarted { step: step("wait", machine.clone()) }),
        event(
            7,
            What::StepProgress { step: step("wait", machine.clone()), message: "started, 1 of 2 checks pass".into() },
        ),
        event(9, finished("wait", &machine, 7000, Outcome::Done { produced: None })),
        event(9, What::StepStarted { step: step("set", secrets.clone()) }),
        event(
            10,
            finished(
                "set",
                &secrets,
                400,
                Outcome::Failed {
                    reason: "Refused".into(),
                    message: "Fly refused it (422):\nsecret name is too long\u{1b}[2J".into(),
                    transient: false,
                },
            ),
        ),
        event(10, finished("update", &machine, 0, Outcome::Skipped { message: "`set secrets` did not work".into() })),
        event(10, What::Waiting { message: "backing off".into(), until: Some(at(40)) }),
        event(10, What::Finished { standing: Standing::Blocked, message: Some("1 step failed".into()) }),
    ]
}

#[test]
fn a_pass_as_plain_lines() {
    let paper = Paper::default();
    let observer = live::PlainLines::new(Box::new(paper.clone()), Style::PLAIN, live::Columns::of(&in_sync().fleet));
    pass().iter().for_each(|event| observer.observe(event));
    insta::assert_snapshot!(paper.text());
}

#[test]
fn no_secret_value_reaches_any_text() {
    let plan = rich().plan();
    assert!(!diff_text(&plan, &Style::PLAIN, REQUESTS).contains(SECRET));
}
