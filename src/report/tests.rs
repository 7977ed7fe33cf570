//! What people see, as snapshots of plans that the planner made; and what nobody must see.

use super::fixture::{HOSTILE, SECRET, World, app, environment, hostile, now, rich, troubled};
use super::*;
use crate::cost::Cost;
use std::time::Duration;

const COST: Cost = Cost::ZERO;
const REQUESTS: RequestCount = RequestCount { reads: 12, writes: 0 };
const COLOR: Style = Style { color: true, ..Style::PLAIN };
const ASCII: Style = Style { color: false, unicode: false, width: 80 };

fn in_sync() -> World {
    let env = |name: &str| environment(name, vec![app("web", &format!("{name}-web"))]);
    World::new(vec![env("production"), env("staging")]).converge()
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
    let world = rich();
    let plan = world.plan();
    let cost = cost_delta(&plan, &world.observed);
    insta::assert_snapshot!(diff_markdown(&plan, cost, REQUESTS));
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
    insta::assert_snapshot!(diff_markdown(&plan, COST, REQUESTS));
}

#[test]
fn a_comment_without_changes_is_short() {
    insta::assert_snapshot!(diff_markdown(&in_sync().plan(), COST, REQUESTS));
}

#[test]
fn collection_says_what_goes_when_and_what_stays() {
    let mut world = rich();
    world.request.purpose = crate::plan::Purpose::Collect;
    let plan = world.plan();
    let collected = collection(&world, &plan);
    insta::assert_snapshot!(gc_text(&collected, &Style::PLAIN, REQUESTS));
    insta::assert_snapshot!(gc_markdown(&collected, REQUESTS));
    insta::assert_snapshot!(gc_json(&collected, REQUESTS));
    let mut world = in_sync();
    world.request.purpose = crate::plan::Purpose::Collect;
    let nothing = "Nothing to collect: a spec asks for everything that is ours (12 requests, all reads).\n";
    let plan = world.plan();
    assert_eq!(gc_text(&collection(&world, &plan), &Style::PLAIN, REQUESTS), nothing);
}

/// What `plan` of `world` collects.
fn collection<'p>(world: &World, plan: &'p crate::plan::Plan) -> Collection<'p> {
    Collection::of(plan, Vec::new(), &world.fleet, &world.observed, world.now, world.policy.grace)
}

#[test]
fn the_summary_says_where_to_look_and_what_to_do() {
    let world = in_sync();
    let mut summary = PassSummary {
        at: now(),
        purpose: crate::plan::Purpose::Reconcile,
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

/// The last line of the summary of a pass for `purpose` over these environments.
fn conclusion(purpose: crate::plan::Purpose, environments: Vec<EnvironmentSummary>) -> String {
    let took = Duration::from_secs(1);
    let summary = PassSummary { at: now(), purpose, environments, requests: REQUESTS, took, try_next: Vec::new() };
    summary_text(&summary, &Style::PLAIN).lines().last().unwrap().to_owned()
}

#[test]
fn the_summary_of_a_collection_says_what_has_gone() {
    use crate::plan::Purpose;
    let deleted = |name: &str, apps: &[&str]| EnvironmentSummary {
        deleted: apps.iter().map(|app| crate::resource::Subject::App((*app).into())).collect(),
        ..EnvironmentSummary::gone(name.into(), apps.len())
    };
    let kept = EnvironmentSummary { kept: vec!["app `c` is retained".to_owned()], ..deleted("c", &[]) };
    let end = "(12 requests, all reads, 1s)";
    let ends = [
        (Purpose::Collect, vec![], "Nothing to collect: a spec asks for everything that is ours"),
        (Purpose::Reconcile, vec![], "Nothing changed: there is no environment"),
        (Purpose::Collect, vec![kept.clone()], "Nothing to collect: 1 environment is kept"),
    ];
    for (purpose, environments, text) in ends {
        assert_eq!(conclusion(purpose, environments), format!("{text} {end}"));
    }
    let two = vec![deleted("a", &["a-web", "a-api"]), deleted("b", &["b-web"])];
    let took = Duration::from_secs(1);
    let all = [two.clone(), vec![kept]].concat();
    assert_eq!(
        conclusion(Purpose::Collect, two),
        "Converged: 2 environments are deleted (3 changes, 12 requests, all reads, 1s)"
    );
    let summary = PassSummary {
        at: now(),
        purpose: Purpose::Collect,
        environments: all,
        requests: REQUESTS,
        took,
        try_next: Vec::new(),
    };
    let expected = "\
✓ a  deleted (2 changes)
    - deleted apps `a-web`, `a-api`
✓ b  deleted (1 change)
    - deleted app `b-web`
✓ c  kept
    · app `c` is retained

Converged: 3 environments: 1 kept, 2 deleted (3 changes, 12 requests, all reads, 1s)
";
    assert_eq!(summary_text(&summary, &Style::PLAIN), expected);
}

/// Everything that is written about a world.
fn everything(world: &World) -> Vec<(&'static str, String)> {
    let plan = world.plan();
    let status = status_of(&world.fleet, &plan, &world.observed, world.now);
    let summary = PassSummary {
        at: now(),
        purpose: crate::plan::Purpose::Reconcile,
        environments: EnvironmentSummary::all(&world.fleet, &plan),
        requests: REQUESTS,
        took: Duration::from_secs(1),
        try_next: Vec::new(),
    };
    vec![
        ("diff text", diff_text(&plan, &Style::PLAIN, REQUESTS)),
        ("diff markdown", diff_markdown(&plan, COST, REQUESTS)),
        ("diff json", diff_json(&plan, REQUESTS)),
        ("gc text", gc_text(&collection(world, &plan), &Style::PLAIN, REQUESTS)),
        ("gc markdown", gc_markdown(&collection(world, &plan), REQUESTS)),
        ("gc json", gc_json(&collection(world, &plan), REQUESTS)),
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
    let markdown = diff_markdown(&hostile().plan(), COST, REQUESTS);
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
        let markdown = diff_markdown(&World::new((0..count).map(large).collect()).plan(), COST, REQUESTS);
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
