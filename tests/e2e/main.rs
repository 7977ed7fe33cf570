//! Hangar as a whole against its simulator, in process, on a paused clock: exact live state, exact requests.

mod collect;
mod create;
mod ownership;
mod support;
mod world;
