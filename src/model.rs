//! Checked domain types: the only way from what a user wrote to what latchkey does.
//!
//! The controllers and the webhook share this parser, so that what admission accepts a controller can
//! read. Everything here is pure.

pub mod complaint;
pub mod controller_class;
pub mod duration;
pub mod external_secret;
pub mod failover;
pub mod field_path;
pub mod hash;
pub mod keys;
pub mod pod_injection;
pub mod push;
pub mod push_secret;
pub mod remote;
pub mod request_rate;
pub mod rewrite;
pub mod secret_store;
pub mod store_use;
pub mod value;
