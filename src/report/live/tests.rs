//! One pass, as each observer shows it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Bars, Columns, JsonLines, PlainLines};
use crate::event::{Event, Observer as _, Outcome, StepRef, What};
use crate::plan::{Standing, StepId};
use crate::report::Style;
use crate::report::fixture::{World, app, environment, now, slot};
use crate::resource::ResourceKey;

fn columns() -> Columns {
    let env = |name: &str| environment(name, vec![app("web", &format!("{name}-web"))]);
    Columns::of(&World::new(vec![env("production"), env("staging")]).fleet)
}

/// A place to write to that can be read afterwards.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

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
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
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
fn pass() -> Vec<Event> {
    let machine = ResourceKey::Machine { app: "staging-server".into(), slot: slot(0) };
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
    let observer = PlainLines::new(Box::new(paper.clone()), Style::PLAIN, columns());
    for event in &pass() {
        observer.observe(event);
    }
    insta::assert_snapshot!(paper.text());
}

#[test]
fn a_pass_as_json_lines() {
    let paper = Paper::default();
    let observer = JsonLines::new(Box::new(paper.clone()));
    for event in &pass() {
        observer.observe(event);
    }
    for line in paper.text().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["at"].is_string(), "{line}");
    }
    insta::assert_snapshot!(paper.text());
}

/// A terminal that keeps what is written to it and forgets how the cursor moves.
#[derive(Debug)]
struct Screen(Arc<Mutex<String>>);

impl indicatif::TermLike for Screen {
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push_str(text);
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pass_on_a_terminal_leaves_its_steps_as_lines() {
    let shown = Arc::new(Mutex::new(String::new()));
    let target = indicatif::ProgressDrawTarget::term_like(Box::new(Screen(Arc::clone(&shown))));
    let observer = Bars::new(target, Style::PLAIN, columns());
    for event in &pass() {
        observer.observe(event);
    }
    let shown = shown.lock().unwrap().clone();
    for line in [
        "✓ staging     server  create machine app/iad/0 (2.1s)  148e21000050",
        "✓ staging     server  machine app/iad/0 is healthy (7s)",
        "✗ staging     server  set secrets failed (400ms)",
        "    Refused: Fly refused it (422):",
        "    secret name is too long\\u{1b}[2J",
        "- staging     server  update machine app/iad/0 skipped: `set secrets` did not work",
        "! staging             blocked: 1 step failed",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert!(!shown.contains("\u{1b}[2J"));
}
