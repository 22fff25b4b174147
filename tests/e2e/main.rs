//! Tests against a real control plane, which `tests/controlplane/build.sh` builds on first use.

#[path = "../support.rs"]
mod support;

#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../aws/proxy.rs"]
mod aws_proxy;
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../aws/server.rs"]
mod aws_server;
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
#[path = "../vault/server.rs"]
mod vault_server;

mod admission;
mod burst;
mod certificates;
mod chart;
mod control_plane;
mod crd;
mod external_secret;
mod failover;
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
mod refresh_cost;
mod world;
mod writes;
