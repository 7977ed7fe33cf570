//! Specs by their public face: what is read, what is refused and in which words.

#[path = "spec/previews.rs"]
mod previews;
#[path = "spec/reading.rs"]
mod reading;
#[path = "spec/refusals.rs"]
mod refusals;
#[path = "spec/robustness.rs"]
mod robustness;
#[path = "spec/rules.rs"]
mod rules;
#[path = "spec/schemas.rs"]
mod schemas;
#[cfg(test)]
#[path = "spec/support.rs"]
mod support;
