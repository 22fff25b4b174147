//! The `latchkey` binary.

fn main() {}
