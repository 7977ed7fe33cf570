//! Hangar as a whole against its simulator, in process, on a paused clock: exact live state, exact requests.

mod create;
mod world;
