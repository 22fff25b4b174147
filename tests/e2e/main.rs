//! Tests against a real control plane, which `tests/controlplane/build.sh` builds on first use.

#[path = "../support.rs"]
mod support;

mod admission;
mod burst;
mod certificates;
mod chart;
mod control_plane;
mod crd;
mod external_secret;
mod faults;
mod generated;
mod injection;
mod kinds;
mod latency;
mod memory;
mod migrate;
mod node;
mod pods;
mod policies;
mod world;
mod writes;
