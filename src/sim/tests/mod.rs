//! The behaviours that surprise clients, each as a test against the simulator as a client sees it.

mod apps;
mod support;
