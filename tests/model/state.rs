//! A state of the whole: the platform, the controllers, what is under way between them, and how much may still go wrong.

use std::fmt;

use crate::engine::End;
use crate::view::Missing;

/// How often each kind of disturbance may happen in one history. The time that passes is bounded too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    /// Ticks of time.
    pub(crate) ticks: u8,
    /// Crashes whose store is kept: between two steps, or after a request's effect and before its answer.
    pub(crate) crashes: u8,
    /// The same, and the store is lost.
    pub(crate) losses: u8,
    /// The lease goes to another instance while a request is under way.
    pub(crate) handovers: u8,
    /// Requests that take effect and whose answer is lost.
    pub(crate) lost_replies: u8,
    /// Requests without an answer that take effect within F, or never.
    pub(crate) late_effects: u8,
    /// Passes that see what was true up to S ago.
    pub(crate) stale: u8,
    /// Passes that do not see everything.
    pub(crate) partial: u8,
    /// Changes of the specs.
    pub(crate) specs: u8,
    /// Changes by hand.
    pub(crate) by_hand: u8,
    /// Beginnings of a second controller with a store of its own.
    pub(crate) second: u8,
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("ticks", self.ticks),
            ("crashes", self.crashes),
            ("losses of the store", self.losses),
            ("handovers", self.handovers),
            ("lost replies", self.lost_replies),
            ("late effects", self.late_effects),
            ("stale lists", self.stale),
            ("partial observations", self.partial),
            ("spec changes", self.specs),
            ("edits by hand", self.by_hand),
            ("second controllers", self.second),
        ];
        let used: Vec<_> =
            kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{kind} {count}")).collect();
        f.write_str(&used.join(", "))
    }
}

/// What people and other programs do to what is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Hand {
    DeleteApp,
    DestroyMachine,
    StopMachine,
    EditMachine,
    SetSecret,
    ReleaseIp,
    /// A copy of our machine under another name, with all metadata.
    Clone,
    /// Somebody else makes an app of our name, empty.
    Squat,
    /// Protects what is live.
    Protect,
}

impl Hand {
    pub(crate) const EDITS: [Self; 7] = [
        Self::DeleteApp,
        Self::DestroyMachine,
        Self::StopMachine,
        Self::EditMachine,
        Self::SetSecret,
        Self::ReleaseIp,
        Self::Clone,
    ];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) world: u32,
    /// What was true before, newest first, with the ticks since it was.
    pub(crate) past: [Option<(u32, u8)>; 2],
    pub(crate) spec: u8,
    pub(crate) controllers: [Option<Controller>; 2],
    pub(crate) flights: [Option<Flight>; 2],
    /// Ticks since the specs no longer want each environment; [`WANTED`] while they do.
    pub(crate) unwanted: [u8; 2],
    /// Ticks since each environment was last deleted by a controller that knows of it.
    pub(crate) deleted: [u8; 2],
    /// Whether there was a second controller at some time.
    pub(crate) had_second: bool,
    pub(crate) left: Bounds,
}

/// More ticks than matter; of an environment that is wanted, or was never deleted.
pub(crate) const WANTED: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Controller {
    pub(crate) memory: u32,
    /// Plan and progress of the run it is in.
    pub(crate) run: Option<(u32, u32)>,
}

/// A request that has had no effect yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flight {
    pub(crate) request: u32,
    pub(crate) age: u8,
    /// The app that it was sent for: one made anew under its name has another id.
    pub(crate) app: u16,
    /// Which controller still knows of it.
    pub(crate) known_by: Option<u8>,
}

/// What leads from one state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A pass, by listings of now or of the past. Direct requests show what is true now.
    Pass {
        by: u8,
        listed: Option<u8>,
        missing: Missing,
    },
    Step {
        by: u8,
        end: End,
    },
    /// A crash, between two steps or in one.
    Crash {
        by: u8,
        keeps_store: bool,
        in_step: Option<End>,
    },
    Tick,
    Land {
        flight: u8,
    },
    Hand {
        env: u8,
        hand: Hand,
    },
    Spec {
        to: u8,
    },
    SecondBegins,
    SecondEnds,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |by: u8| if by == 0 { "a" } else { "b" };
        match self {
            Self::Pass { by, listed: None, missing: Missing::Nothing } => {
                write!(f, "{}: pass", name(*by))
            }
            Self::Pass { by, missing: Missing::Nothing, .. } => write!(f, "{}: pass, listings stale", name(*by)),
            Self::Pass { by, missing, .. } => write!(f, "{}: pass without {missing:?}", name(*by)),
            Self::Step { by, end } => write!(f, "{}: step, {end:?}", name(*by)),
            Self::Crash { by, keeps_store, in_step } => {
                let store = if *keeps_store { "store kept" } else { "store lost" };
                write!(f, "{}: crash, {store}", name(*by))?;
                in_step.map_or(Ok(()), |end| write!(f, ", in a step, {end:?}"))
            }
            Self::Tick => f.write_str("time passes"),
            Self::Land { .. } => f.write_str("a late request takes effect"),
            Self::Hand { hand, env } => write!(f, "by hand: {hand:?} (environment {env})"),
            Self::Spec { to } => write!(f, "specs change to {to}"),
            Self::SecondBegins => f.write_str("b begins by mistake"),
            Self::SecondEnds => f.write_str("b ends"),
        }
    }
}
