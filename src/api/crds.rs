//! The CRDs, made from the types.
