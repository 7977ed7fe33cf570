//! What every provider client shares.

pub mod transport;
