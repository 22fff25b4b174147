//! Free TCP ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;

/// Finds `N` different ports that nothing listens on.
///
/// They are free at the time of the call only; a caller that loses the race sees its program fail to bind.
pub(crate) fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("failed to find a free port on 127.0.0.1")?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}
