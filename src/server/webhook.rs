//! What GitHub tells, and whether it is GitHub that tells it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::controller::Hints;
use crate::secret::SecretText;

/// How many deliveries are remembered, so that one that comes again is passed over.
const REMEMBERED: usize = 10_000;
/// After these events something may have to be done.
const OF_INTEREST: [&str; 5] = ["pull_request", "push", "create", "delete", "issue_comment"];

/// Takes what GitHub sends.
pub struct WebhookReceiver {
    secret: SecretText,
    hints: Hints,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    order: VecDeque<String>,
    known: BTreeSet<String>,
}

/// The headers of a delivery, as far as they are looked at.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    /// `x-github-event`: what happened.
    pub event: Option<String>,
    /// `x-github-delivery`: its id. It is not signed.
    pub delivery: Option<String>,
    /// `x-hub-signature-256`: `sha256=` and the HMAC of the body.
    pub signature: Option<String>,
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// The controller looks at once.
    Taken,
    /// It is about nothing that a preview depends on.
    Unimportant,
    /// GitHub only tries whether somebody is there.
    Pong,
    /// It was taken before.
    Repeated,
    /// It is not signed, or with another secret.
    Forged,
    /// Its body is too large.
    TooLarge,
}

impl Receipt {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Taken | Self::Unimportant | Self::Repeated => 202,
            Self::Pong => 200,
            Self::Forged => 401,
            Self::TooLarge => 413,
        }
    }

    /// The same for people, who read it in the list of deliveries at GitHub.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Taken => "the controller looks at once",
            Self::Unimportant => "nothing depends on this event",
            Self::Pong => "pong",
            Self::Repeated => "this delivery was taken before",
            Self::Forged => {
                "the signature is missing or wrong: the secret of the webhook has to be that of the controller"
            }
            Self::TooLarge => "the body is too large; the controller will find out by itself",
        }
    }
}

impl WebhookReceiver {
    /// Takes deliveries that are signed with `secret`, and passes them on as hints.
    pub fn new(secret: SecretText, hints: Hints) -> Self {
        Self { secret, hints, seen: Mutex::default() }
    }

    /// Takes one delivery. What is not signed with the secret does nothing at all.
    pub fn receive(&self, headers: &Headers, body: &[u8]) -> Receipt {
        let signature = headers.signature.as_deref().unwrap_or_default();
        if !self.has_signed(signature, body) {
            return Receipt::Forged;
        }
        let event = headers.event.as_deref().unwrap_or_default();
        if event == "ping" {
            return Receipt::Pong;
        }
        // The id is not signed, so that a copy could come under another one: the signature says whether it is the same.
        let delivery = headers.delivery.as_deref().unwrap_or_default();
        if !self.is_new(&format!("id {delivery}"), &format!("signature {signature}")) {
            return Receipt::Repeated;
        }
        if !OF_INTEREST.contains(&event) {
            return Receipt::Unimportant;
        }
        self.hints.give();
        Receipt::Taken
    }

    /// Compares in constant time.
    fn has_signed(&self, signature: &str, body: &[u8]) -> bool {
        let Some(Ok(given)) = signature.strip_prefix("sha256=").map(hex::decode) else { return false };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes()) else { return false };
        mac.update(body);
        mac.verify_slice(&given).is_ok()
    }

    fn is_new(&self, id: &str, signature: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !seen.known.contains(id) && !seen.known.contains(signature);
        for key in [id, signature] {
            if seen.known.insert(key.to_owned()) {
                seen.order.push_back(key.to_owned());
            }
        }
        while seen.order.len() > REMEMBERED {
            if let Some(oldest) = seen.order.pop_front() {
                seen.known.remove(&oldest);
            }
        }
        is_new
    }
}

impl fmt::Debug for WebhookReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookReceiver").finish_non_exhaustive()
    }
}
