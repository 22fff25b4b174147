//! The CRDs, made from the types.

/// Name and YAML of each CRD.
#[must_use]
pub fn render() -> Vec<(String, String)> {
    Vec::new()
}
