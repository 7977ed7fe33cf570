//! The planner asked about small worlds: what it would do and what it withholds, in the words that people read.

mod addresses;
mod apps;
mod gates;
mod lives;
mod machines;
mod networks;
mod object_rules;
mod objects;
mod orphans;
mod rules;
mod secrets;
mod trials;
mod volumes;
mod world;
