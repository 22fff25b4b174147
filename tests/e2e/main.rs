//! Tests against a real control plane, which `tests/controlplane/build.sh` builds on first use.

#[path = "../support.rs"]
mod support;

mod control_plane;
mod external_secret;
mod faults;
mod kinds;
mod pods;
mod world;
mod writes;
