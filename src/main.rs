//! Hangar.
fn main() {}
