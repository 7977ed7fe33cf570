//! What people see, as snapshots of plans that the planner made; and what nobody must see.

use super::fixture::{HOSTILE, SECRET, World, app, environment, hostile, now, rich, troubled};
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
fn a_rich_plan_as_a_comment() {
    insta::assert_snapshot!(diff_markdown(&rich().plan(), REQUESTS));
}

#[test]
fn a_rich_plan_as_json() {
    let text = diff_json(&rich().plan(), REQUESTS);
    assert!(!text.contains(['\u{e000}', '\u{e001}']));
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_held_says_why_and_what_to_do() {
    let plan = troubled().plan();
    insta::assert_snapshot!(diff_text(&plan, &Style::PLAIN, REQUESTS));
    insta::assert_snapshot!(diff_markdown(&plan, REQUESTS));
}

#[test]
fn a_comment_without_changes_is_short() {
    insta::assert_snapshot!(diff_markdown(&in_sync().plan(), REQUESTS));
}

#[test]
fn collection_says_what_goes_when_and_what_stays() {
    let mut world = rich();
    world.request.purpose = crate::plan::Purpose::Collect;
    insta::assert_snapshot!(gc_text(&world.plan(), &Style::PLAIN, REQUESTS));
    let mut world = in_sync();
    world.request.purpose = crate::plan::Purpose::Collect;
    let nothing = "Nothing to collect: a spec asks for everything that is ours (12 requests, all reads).\n";
    assert_eq!(gc_text(&world.plan(), &Style::PLAIN, REQUESTS), nothing);
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
    let world = troubled();
    summary.environments = EnvironmentSummary::all(&world.fleet, &world.plan());
    summary.environments[2].failures.push("machine app/iad/0 of taken-new: exited with code 1\nlast log: boom".into());
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
    for event in &pass() {
        observer.observe(event);
    }
    insta::assert_snapshot!(paper.text());
}

#[test]
fn a_pass_as_json_lines() {
    let paper = Paper::default();
    let observer = live::JsonLines::new(Box::new(paper.clone()));
    for event in &pass() {
        observer.observe(event);
    }
    for line in paper.text().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].is_string(), "{line}");
    }
    insta::assert_snapshot!(paper.text());
}

/// Everything that is written about a world.
fn everything(world: &World) -> Vec<(&'static str, String)> {
    let plan = world.plan();
    let status = status_of(&world.fleet, &plan, &world.observed, world.now);
    let summary = PassSummary {
        at: now(),
        environments: EnvironmentSummary::all(&world.fleet, &plan),
        requests: REQUESTS,
        took: Duration::from_secs(1),
        try_next: Vec::new(),
    };
    vec![
        ("diff text", diff_text(&plan, &Style::PLAIN, REQUESTS)),
        ("diff markdown", diff_markdown(&plan, REQUESTS)),
        ("diff json", diff_json(&plan, REQUESTS)),
        ("gc text", gc_text(&plan, &Style::PLAIN, REQUESTS)),
        ("summary text", summary_text(&summary, &Style::PLAIN)),
        ("status overview", status_overview_text(&status, now(), &Style::PLAIN, REQUESTS)),
        ("status text", status_text(&status, now(), &Style::PLAIN, REQUESTS)),
        ("status markdown", status_markdown(&status, now(), REQUESTS)),
        ("status json", status_json(&status, REQUESTS)),
    ]
}

#[test]
fn no_secret_value_and_no_raw_placeholder_reaches_any_text() {
    for world in [rich(), troubled(), hostile()] {
        for (name, text) in everything(&world) {
            assert!(!text.contains(SECRET), "{name}:\n{text}");
            assert!(!text.contains(['\u{E000}', '\u{E001}']), "{name}:\n{text}");
        }
    }
}

#[test]
fn no_value_steers_a_terminal() {
    for (name, text) in everything(&hostile()) {
        // The word joiner after a mention in Markdown is our own.
        let ours = |c: char| c == '\n' || (c == '\u{2060}' && name.ends_with("markdown"));
        let acting: Vec<char> = text.chars().filter(|c| text::is_unsafe(*c) && !ours(*c)).collect();
        assert!(acting.is_empty(), "{name}: {acting:?}\n{text}");
    }
    let coloured = diff_text(&hostile().plan(), &COLOR, REQUESTS);
    let (escapes, colours) = (coloured.matches('\u{1b}').count(), coloured.matches("\u{1b}[").count());
    assert_eq!(escapes, colours, "every escape is a colour of ours");
    assert!(!coloured.contains('\u{7}'));
}

#[test]
fn no_value_breaks_out_of_a_comment() {
    let markdown = diff_markdown(&hostile().plan(), REQUESTS);
    insta::assert_snapshot!(markdown);
    assert!(outside_of_fences(&markdown).lines().all(|line| !line.contains("<script")), "{markdown}");
    let text = outside_of_fences(&markdown);
    assert_eq!(text.matches("<details").count(), 2, "{markdown}");
    assert_eq!(text.matches("</details>").count(), 2, "{markdown}");
    assert!(!text.contains("@acme"), "nobody is called:\n{markdown}");
}

/// What Markdown reads as Markdown: everything that is not in a fenced block.
fn outside_of_fences(markdown: &str) -> String {
    let (mut outside, mut fence) = (String::new(), None::<String>);
    for line in markdown.lines() {
        let run: String = line.trim_start().chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if run.len() >= open.len() && line.trim() == run => fence = None,
            Some(_) => {}
            None if run.len() >= 3 => fence = Some(run),
            None => {
                outside.push_str(line);
                outside.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a fence stays open:\n{markdown}");
    outside
}

#[test]
fn a_comment_never_grows_beyond_what_is_accepted() {
    let large = |index: u32| {
        let mut web = app("web", &format!("big-{index}-web"));
        for number in 0..40 {
            web = web.with_env(&format!("VALUE_{number}"), &"v".repeat(300));
        }
        environment(&format!("big-{index}"), vec![web])
    };
    for count in [1_u32, 30, 900] {
        let markdown = diff_markdown(&World::new((0..count).map(large).collect()).plan(), REQUESTS);
        let length = markdown.chars().count();
        assert!(length <= diff_markdown::MOST_CHARACTERS, "{count}: {length}");
        assert_eq!(markdown.contains("has been cut"), count > 1, "{count}");
        let text = outside_of_fences(&markdown);
        assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
        assert!(markdown.trim_end().ends_with("</sub>"));
    }
}

#[test]
fn the_hostile_text_is_still_readable() {
    let text = diff_text(&hostile().plan(), &Style { width: 400, ..Style::PLAIN }, REQUESTS);
    assert!(
        text.contains(r#""\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n```\n</details><script>"#),
        "{text}\n{HOSTILE:?}"
    );
}
