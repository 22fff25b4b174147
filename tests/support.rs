//! What the tests and the demo share: a real control plane, latchkey's processes, ways to look at what they
//! did, and reviews to send them.
//!
//! Everything started here dies with the process that started it, however that process ends.

#![allow(
    dead_code,
    reason = "two crates include this module and each uses a part of it"
)]
#![expect(
    clippy::print_stderr,
    reason = "stderr is where a test says why it failed"
)]

#[path = "support/control_plane.rs"]
pub(crate) mod control_plane;
#[path = "support/daemon.rs"]
pub(crate) mod daemon;
#[path = "support/helm.rs"]
pub(crate) mod helm;
#[path = "support/kubectl.rs"]
pub(crate) mod kubectl;
#[path = "support/latchkey.rs"]
pub(crate) mod latchkey;
#[path = "support/metrics.rs"]
pub(crate) mod metrics;
#[path = "support/node.rs"]
pub(crate) mod node;
#[path = "support/pki.rs"]
pub(crate) mod pki;
#[path = "support/ports.rs"]
pub(crate) mod ports;
#[path = "support/reviews.rs"]
pub(crate) mod reviews;
#[path = "support/scenario.rs"]
pub(crate) mod scenario;
#[path = "support/script.rs"]
pub(crate) mod script;
#[path = "support/shared.rs"]
pub(crate) mod shared;
#[path = "support/wait.rs"]
pub(crate) mod wait;
#[path = "support/warm.rs"]
pub(crate) mod warm;
#[path = "support/workdir.rs"]
pub(crate) mod workdir;

use std::path::{Path, PathBuf};

/// The checkout this was compiled from.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Folder with the generated CRDs.
pub(crate) fn crds() -> PathBuf {
    repository().join("manifests/crds")
}
