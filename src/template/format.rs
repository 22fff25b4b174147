//! Go's `fmt`: the default form of every value, and the verbs of `printf`.

mod quote;

pub(crate) use quote::quoted;
