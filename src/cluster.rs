//! latchkey's use of the Kubernetes API: the one place that knows how objects are read and written.

pub mod authorize;
pub mod bound_token;
pub mod events;
pub mod existence;
pub(crate) mod finalizer;
pub mod generator_object;
pub mod generator_state;
pub mod injection_key;
pub mod manifest_object;
pub mod reference;
pub mod remote;
pub mod request;
pub mod secret_object;
pub mod secrets;
pub mod status_patch;
pub mod workload;
