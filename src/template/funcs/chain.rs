//! Certificates, as far as the operator's functions look into them, and their order by key identifiers.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::pem;
use crate::template::error::Outcome;

/// A certificate and the identifiers of its issuer's and its own key; empty where it has none.
pub(super) struct Certificate {
    /// The certificate, DER.
    pub(super) der: Vec<u8>,
    authority: Option<Vec<u8>>,
    subject: Vec<u8>,
}

impl Certificate {
    /// Reads a DER certificate.
    pub(super) fn parse(der: &[u8]) -> Outcome<Self> {
        let certificate = parsed(der)?;
        let (mut authority, mut subject) = (None, Vec::new());
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                    authority = identifier.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    subject = identifier.0.to_vec();
                }
                _ => {}
            }
        }
        Ok(Self {
            der: der.to_vec(),
            authority,
            subject,
        })
    }

    /// Whether it names no other key as its issuer's.
    pub(super) fn is_root(&self) -> bool {
        self.authority
            .as_ref()
            .is_none_or(|authority| *authority == self.subject)
    }

    fn issued_by(&self, other: &Self) -> bool {
        self.authority.as_deref().unwrap_or_default() == other.subject
    }
}

/// Reads a DER certificate that nothing follows.
pub(super) fn parsed(der: &[u8]) -> Outcome<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("x509: trailing data".to_owned()),
        Err(_) => Err("x509: malformed certificate".to_owned()),
    }
}

/// The certificates of a PEM text from the leaf to the root.
///
/// # Errors
/// When they are not one chain, or a block is not a certificate.
pub(super) fn ordered(text: &[u8]) -> Outcome<Vec<Certificate>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let (Some(block), after) = pem::decode(rest) {
        found.push(Certificate::parse(&block.bytes)?);
        rest = after;
    }
    let mut is_parent = vec![false; found.len()];
    let mut parents = vec![None; found.len()];
    for (at, one) in found.iter().enumerate() {
        let mut others = found.iter().enumerate();
        if let Some((parent, _)) = others.find(|(i, other)| *i != at && one.issued_by(other)) {
            is_parent[parent] = true;
            parents[at] = Some(parent);
        }
    }
    let mut leaves = (0..found.len()).filter(|at| !is_parent[*at]);
    let mut next = leaves.next();
    if next.is_none() {
        return Err("no leaf certificate found".to_owned());
    }
    if leaves.next().is_some() {
        return Err("found multiple leaf or disjunct certificates".to_owned());
    }
    let mut order = Vec::new();
    while let Some(at) = next {
        if order.len() == found.len() {
            return Err("constructing chain resulted in cycle".to_owned());
        }
        order.push(at);
        next = parents[at];
    }
    let mut found: Vec<Option<Certificate>> = found.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .filter_map(|at| found[at].take())
        .collect())
}

/// The alternative names of a DER certificate, by their kinds: DNS, address, e-mail, URI.
pub(super) fn alternative_names(der: &[u8]) -> Outcome<Vec<String>> {
    let certificate = parsed(der)?;
    let extension = certificate.subject_alternative_name();
    let extension = extension.map_err(|_| "x509: invalid subject alternative names".to_owned())?;
    let mut kinds: [Vec<String>; 4] = Default::default();
    let names = extension
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    for name in names {
        match name {
            GeneralName::DNSName(name) => kinds[0].push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => kinds[1].push(address(bytes)?),
            GeneralName::RFC822Name(name) => kinds[2].push((*name).to_owned()),
            GeneralName::URI(name) => kinds[3].push((*name).to_owned()),
            _ => {}
        }
    }
    Ok(kinds.concat())
}

/// Go's text of an address.
fn address(bytes: &[u8]) -> Outcome<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Ok(Ipv4Addr::from(bytes).to_string());
    }
    let bytes = <[u8; 16]>::try_from(bytes)
        .map_err(|_| format!("x509: cannot parse IP address of length {}", bytes.len()))?;
    let address = Ipv6Addr::from(bytes);
    Ok(address
        .to_ipv4_mapped()
        .map_or_else(|| address.to_string(), |v4| v4.to_string()))
}
