//! Each rule, broken once: a sound plan is read against a world, a memory or a policy in which it is not sound any more.

mod adoption;
mod case;
mod deletion;
mod gates;
mod objects;
mod ownership;
mod previews;
mod steps;
