//! What the commands in a pull request come to. It is derived anew at every look: a command counts for as long as its comment says it.

use std::time::Duration as StdDuration;

use chrono::{DateTime, TimeDelta, Utc};

use super::command::{Command, Order};
use crate::spec::Duration;

/// The most commands of one pull request that are answered; who asks again and again looks at the last answers.
const MOST_ANSWERS: usize = 5;

/// What the commands in one pull request come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Weighed {
    /// Who has asked for the end of the preview, and when; nobody has pushed or asked for it since.
    pub(super) destroyed: Option<Destroyed>,
    /// The last comment that asks for machines to be written again.
    pub(super) redeploy: Option<u64>,
    /// Until when somebody wants it kept.
    pub(super) kept_until: Option<DateTime<Utc>>,
    /// What each of the last commands is answered.
    pub(super) answers: Vec<Answer>,
    /// Why the last command was not done, for people.
    pub(super) note: Option<String>,
}

/// The end of a preview that somebody has asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// When.
    pub at: DateTime<Utc>,
    /// The login of whoever has.
    pub by: String,
}

/// The answer to one comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The id of the comment.
    pub comment: u64,
    /// What is said.
    pub kind: AnswerKind,
}

/// What a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerKind {
    /// It is done.
    Accepted,
    /// It is not understood, or asks for more than is allowed to anybody.
    NotUnderstood,
    /// Whoever asks may not.
    NotAllowed,
}

/// Weighs `orders`, in whatever order they come. `head_at` is when the newest commit was made, `longest` how long one of them may
/// keep a preview.
pub(super) fn weigh(orders: &[Order], head_at: Option<DateTime<Utc>>, longest: Option<StdDuration>) -> Weighed {
    let mut orders: Vec<&Order> = orders.iter().collect();
    orders.sort_by_key(|order| (order.at, order.comment));
    let mut weighed = Weighed::default();
    for order in &orders {
        let answered = weighed.take(order, head_at, longest);
        let kind = match &answered {
            Ok(()) => AnswerKind::Accepted,
            Err(Refusal::NotAllowed) => AnswerKind::NotAllowed,
            Err(Refusal::Because(_)) => AnswerKind::NotUnderstood,
        };
        weighed.answers.push(Answer { comment: order.comment, kind });
        // Whoever may not command does not write into our comment either.
        match answered {
            Ok(()) => weighed.note = None,
            Err(Refusal::Because(why)) => weighed.note = Some(format!("the command of {}: {why}", order.author)),
            Err(Refusal::NotAllowed) => {}
        }
    }
    let old = weighed.answers.len().saturating_sub(MOST_ANSWERS);
    weighed.answers.drain(..old);
    weighed
}

/// Why nothing of a comment is done.
enum Refusal {
    NotAllowed,
    Because(String),
}

impl Weighed {
    fn take(
        &mut self,
        order: &Order,
        head_at: Option<DateTime<Utc>>,
        longest: Option<StdDuration>,
    ) -> Result<(), Refusal> {
        if !order.is_allowed {
            return Err(Refusal::NotAllowed);
        }
        let Some(asks) = &order.asks else {
            let usage = "it is not understood; write `/hangar status`, `/hangar redeploy`, `/hangar extend 48h` or `/hangar destroy` on a line of its own";
            return Err(Refusal::Because(usage.to_owned()));
        };
        let lengths = asks.iter().filter_map(|command| match command {
            Command::Extend(length) => Some(*length),
            _ => None,
        });
        if let Some((length, longest)) = lengths.max().zip(longest).filter(|(length, most)| length.to_std() > *most) {
            return Err(Refusal::Because(too_long(length, longest)));
        }
        for command in asks {
            match command {
                Command::Status => {}
                Command::Extend(length) => {
                    let until =
                        TimeDelta::from_std(length.to_std()).ok().and_then(|by| order.at.checked_add_signed(by));
                    self.kept_until = self.kept_until.max(until);
                }
                Command::Redeploy => {
                    self.redeploy = self.redeploy.max(Some(order.comment));
                    self.destroyed = None;
                }
                Command::Destroy => {
                    // A newer commit has asked for a preview since.
                    let is_overtaken = head_at.is_some_and(|head_at| head_at > order.at);
                    self.destroyed = (!is_overtaken).then(|| Destroyed { at: order.at, by: order.author.clone() });
                }
            }
        }
        Ok(())
    }
}

/// That `length` is more than the policy lets anybody keep a preview, for people.
pub fn too_long(length: Duration, longest: StdDuration) -> String {
    format!(
        "`{length}` is longer than the policy lets anybody keep a preview (`previews.maxTtl: {}`)",
        Duration::from_secs(longest.as_secs())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-03-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    /// An order of `ann` that was given so many minutes after noon; its comment has the same number.
    fn order(minutes: i64, asks: &[Command]) -> Order {
        let comment = u64::try_from(minutes).unwrap();
        Order { comment, author: "ann".into(), at: at(minutes), is_allowed: true, asks: Some(asks.to_vec()) }
    }

    const LONG: Command = Command::Extend(Duration::from_secs(36_000));

    #[test]
    fn a_push_or_a_later_redeploy_takes_a_destroy_back_and_nothing_else_does() {
        let destroyed = |orders: &[Order], head_at| weigh(orders, head_at, None).destroyed.map(|it| it.at);
        let destroy = || order(10, &[Command::Destroy]);
        assert_eq!(destroyed(&[destroy()], Some(at(5))), Some(at(10)));
        assert_eq!(destroyed(&[destroy()], Some(at(10))), Some(at(10)));
        assert_eq!(destroyed(&[destroy()], None), Some(at(10)));
        assert_eq!(destroyed(&[destroy()], Some(at(11))), None);
        let redeploy = |minutes| order(minutes, &[Command::Redeploy]);
        assert_eq!(destroyed(&[redeploy(11), destroy()], Some(at(5))), None);
        assert_eq!(destroyed(&[redeploy(9), destroy()], Some(at(5))), Some(at(10)));
        for other in [Command::Status, LONG] {
            assert_eq!(destroyed(&[destroy(), order(11, &[other])], Some(at(5))), Some(at(10)), "{other:?}");
        }
        let both = order(12, &[Command::Redeploy, Command::Destroy]);
        assert_eq!(destroyed(&[both], None), Some(at(12)));
        assert_eq!(weigh(&[redeploy(3), redeploy(2)], None, None).redeploy, Some(3));
    }

    #[test]
    fn who_may_not_and_what_is_not_understood_does_nothing() {
        let stranger = Order { is_allowed: false, ..order(1, &[Command::Destroy]) };
        let unclear = Order { asks: None, ..order(2, &[]) };
        let weighed = weigh(std::slice::from_ref(&stranger), None, None);
        assert_eq!(
            weighed,
            Weighed { answers: vec![Answer { comment: 1, kind: AnswerKind::NotAllowed }], ..Weighed::default() }
        );
        let weighed = weigh(&[unclear.clone(), stranger], None, None);
        let kinds: Vec<AnswerKind> = weighed.answers.iter().map(|answer| answer.kind).collect();
        assert_eq!(kinds, [AnswerKind::NotAllowed, AnswerKind::NotUnderstood]);
        assert!(weighed.note.is_some_and(|note| note.contains("ann") && note.contains("/hangar extend 48h")));
        assert_eq!(weigh(&[unclear, order(3, &[Command::Status])], None, None).note, None);
    }

    #[test]
    fn an_extension_counts_from_its_comment_and_not_beyond_the_policy() {
        let day = StdDuration::from_hours(24);
        let weighed =
            weigh(&[order(0, &[LONG]), order(30, &[Command::Extend(Duration::from_secs(60))])], None, Some(day));
        assert_eq!(weighed.kept_until, Some(at(600)));
        let exact = weigh(&[order(0, &[Command::Extend(Duration::from_secs(86_400))])], None, Some(day));
        assert_eq!(exact.kept_until, Some(at(1440)));
        let too_long = Command::Extend(Duration::from_secs(86_401));
        let weighed = weigh(&[order(1, &[Command::Destroy, too_long])], None, Some(day));
        assert_eq!((weighed.kept_until, &weighed.destroyed), (None, &None));
        assert_eq!(weighed.answers, [Answer { comment: 1, kind: AnswerKind::NotUnderstood }]);
        assert!(weighed.note.is_some_and(|note| note.contains("maxTtl: 1d")));
    }

    #[test]
    fn only_the_last_commands_are_answered() {
        let orders: Vec<Order> = (0..20).map(|minutes| order(minutes, &[Command::Status])).collect();
        let answered: Vec<u64> = weigh(&orders, None, None).answers.iter().map(|answer| answer.comment).collect();
        assert_eq!(answered, [15, 16, 17, 18, 19]);
    }
}
