//! Checked domain types: the only way from what a user wrote to what latchkey does.
//!
//! The controllers and the webhook share this parser, so that what admission accepts a controller can
//! read. Everything here is pure.

pub mod remote;
pub mod secret_store;
