//! The `latchkey` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("A crypto provider was installed already");
    }
    latchkey::cli::main()
}
