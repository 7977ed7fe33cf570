//! What approves a commit, moment by moment.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
}

fn event(event: &str, seconds: i64) -> PullEvent {
    let label = event.ends_with("labeled").then(|| "preview:approved".to_owned());
    PullEvent { event: event.to_owned(), actor: "tim".to_owned(), label, at: at(seconds) }
}

fn said(is_success: bool, seconds: i64) -> SaidOfCommit {
    SaidOfCommit { context: "preview:approved #7".to_owned(), by: "hangar-bot".to_owned(), is_success, at: at(seconds) }
}

/// The judgement at noon and an hour, with the label on.
fn judged(events: &[PullEvent], statuses: &[SaidOfCommit]) -> Approval {
    judge(&ApprovalEvidence {
        pull: 7,
        sha: "aaaa",
        label: "preview:approved",
        is_labelled: true,
        own_login: Some("hangar-bot"),
        events,
        statuses,
        may_approve: &BTreeMap::from([("tim".to_owned(), true)]),
        now: at(3600),
    })
}

fn is_given(events: &[PullEvent], statuses: &[SaidOfCommit]) -> bool {
    judged(events, statuses) == Approval::Given
}

#[test]
fn a_status_before_the_label_and_a_confirmed_approval_after_it_approve() {
    let labeled = event("labeled", 600);
    assert!(is_given(std::slice::from_ref(&labeled), &[said(false, 599), said(true, 600)]));
    // Within the same second nobody knows which came first.
    assert!(!is_given(std::slice::from_ref(&labeled), &[said(false, 600), said(true, 601)]));
    assert!(!is_given(std::slice::from_ref(&labeled), &[said(false, 599)]));
    assert!(!is_given(&[labeled], &[said(true, 700)]));
}

#[test]
fn what_could_have_moved_the_head_back_since_shortly_before_the_status_withdraws() {
    let statuses = [said(false, 500), said(true, 600)];
    for (kind, seconds, expected) in [
        ("head_ref_force_pushed", 319, true),
        ("head_ref_force_pushed", 320, false),
        ("head_ref_force_pushed", 550, false),
        ("head_ref_force_pushed", 3000, false),
        ("reopened", 3000, false),
        ("closed", 3000, false),
        ("head_ref_restored", 3000, false),
        ("renamed", 3000, true),
    ] {
        let events = [event("labeled", 600), event(kind, seconds)];
        assert_eq!(is_given(&events, &statuses), expected, "{kind} {seconds}");
    }
    // A later status, before a later label, shows the head again.
    let events =
        [event("labeled", 600), event("head_ref_force_pushed", 700), event("unlabeled", 900), event("labeled", 1000)];
    let mut statuses = vec![said(false, 500), said(true, 600), said(false, 800), said(true, 1000)];
    assert!(!is_given(&events, &statuses));
    statuses.insert(3, said(false, 881));
    assert!(is_given(&events, &statuses));
}

#[test]
fn the_last_word_of_the_label_counts_and_its_confirmation_has_to_stand() {
    let statuses = [said(false, 500), said(true, 600)];
    let taken = [event("labeled", 600), event("unlabeled", 700)];
    assert!(!is_given(&taken, &statuses));
    // Set again: the old confirmation is that of another label.
    let again = [event("labeled", 600), event("unlabeled", 700), event("labeled", 800)];
    assert!(!is_given(&again, &statuses));
    let fresh = [said(false, 500), said(true, 3481)];
    assert!(!is_given(&[event("labeled", 600)], &fresh));
    assert!(is_given(&[event("labeled", 600)], &[said(false, 500), said(true, 3480)]));
    let Approval::Awaited { vouch: Some(vouch), .. } = judged(&again, &statuses) else { panic!("it is not given") };
    assert!(vouch.is_approved && vouch.since == Some(at(800)));
}

#[test]
fn words_of_others_or_of_another_pull_request_show_nothing() {
    let events = [event("labeled", 600)];
    let elsewhere = |said: SaidOfCommit| SaidOfCommit { context: "preview:approved #8".to_owned(), ..said };
    let of_another = |said: SaidOfCommit| SaidOfCommit { by: "mallory".to_owned(), ..said };
    assert!(!is_given(&events, &[elsewhere(said(false, 500)), said(true, 600)]));
    assert!(!is_given(&events, &[of_another(said(false, 500)), said(true, 600)]));
    assert!(!is_given(&events, &[said(false, 500), of_another(said(true, 600))]));
    assert!(!is_given(&events, &[said(false, 500), elsewhere(said(true, 600))]));
}
