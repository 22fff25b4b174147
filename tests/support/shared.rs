//! The one control plane of a test process.

use tokio::sync::OnceCell;

use super::control_plane::{ControlPlane, Options};
use super::latchkey::OWN_NAMESPACE;

/// The control plane that all tests of this process share, with the CRDs installed and
/// latchkey's own namespace made.
///
/// Started by the first caller; if that fails, it fails for all. Nothing drops it: the end of the process
/// ends it, see [`super::daemon::Daemon`] and [`super::workdir::Workdir`].
pub(crate) async fn control_plane() -> anyhow::Result<&'static ControlPlane> {
    static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
    let started = SHARED
        .get_or_init(async || start().await.map_err(|error| format!("{error:#}")))
        .await;
    started.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

async fn start() -> anyhow::Result<ControlPlane> {
    let plane = ControlPlane::start(Options::default()).await?;
    plane.install_crds().await?;
    let create = ["create", "namespace", OWN_NAMESPACE];
    plane.kubectl().run(create).await?;
    Ok(plane)
}
