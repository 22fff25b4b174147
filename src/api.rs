//! The kinds latchkey serves, exactly as they travel on the wire; no behaviour.
//!
//! Field names, defaults and limits are those of External Secrets Operator 2.9.0, so that manifests
//! written for it work unchanged. What a field *means* is decided in [`crate::model`].

pub mod crds;
pub mod generators;
pub mod meta;
pub mod v1;
pub mod v1alpha1;
pub mod well_known;
