//! Hangar as a whole against its simulator, in process, on a paused clock: exact live state, exact requests.

mod adopt;
mod collect;
mod create;
mod destroy;
mod levels;
mod ownership;
mod support;
mod world;
