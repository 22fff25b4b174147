//! Go's `text/template`, as External Secrets Operator uses it: same output for the same template, byte
//! for byte, and the same error texts.
//!
//! The module knows neither Kubernetes nor files; time and randomness are passed in. Rendering is
//! bounded in work, depth and output, so that no template can hang or exhaust the process.

pub mod budget;
pub mod error;
mod format;
pub mod funcs;
pub mod value;

pub use error::{Error, Outcome};
pub use value::Value;

/// What a template may see of the world.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// The time it is, and the zone that Go calls local.
    pub now: &'a jiff::Zoned,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}
