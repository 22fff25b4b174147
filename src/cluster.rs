//! latchkey's use of the Kubernetes API: the one place that knows how objects are read and written.

pub mod reference;
pub mod secrets;
