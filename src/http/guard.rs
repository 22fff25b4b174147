//! Addresses that servers named by users must not have.
//!
//! Link-local addresses are where clouds keep the credentials of their machines. A name may resolve to
//! one, and to another at the next look, so that the check stands where the connection is made.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services outside of the link-local ranges: of Alibaba, of Oracle, of AWS by IPv6.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether a cloud may keep credentials at the address.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || METADATA_V4.contains(&address),
        IpAddr::V6(address) => address.is_unicast_link_local() || address == METADATA_V6,
    }
}

/// Whether the address stands in the URL itself, where nothing is resolved.
pub(super) fn names_link_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().is_ok_and(is_link_local)
}

/// Resolves names as the system does, to other addresses only.
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(permitted(found)?)
        })
    }
}

fn permitted(found: impl Iterator<Item = SocketAddr>) -> io::Result<Addrs> {
    let mut left = Vec::new();
    let mut is_refused = false;
    for address in found {
        if is_link_local(address.ip()) {
            is_refused = true;
        } else {
            left.push(address);
        }
    }
    if left.is_empty() && is_refused {
        return Err(io::Error::other(super::LINK_LOCAL));
    }
    Ok(Box::new(left.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_told_in_every_spelling() {
        let refused = [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
        ];
        for url in refused {
            assert!(names_link_local(&Url::parse(url).unwrap()), "{url}");
        }
        for url in ["http://127.0.0.1/", "http://10.0.0.1/", "https://host/"] {
            assert!(!names_link_local(&Url::parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn a_name_that_resolves_to_one_is_not_connected_to() {
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let only = [address("169.254.169.254")];
        assert!(permitted(only.into_iter()).is_err());
        let both = [address("169.254.169.254"), address("10.0.0.1")];
        let left: Vec<_> = permitted(both.into_iter()).unwrap().collect();
        assert_eq!(left, [address("10.0.0.1")]);
    }
}
