//! Structured logs: one JSON object a line, on standard error.

use tracing_subscriber::EnvFilter;

/// What to log.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Level (error, warn, info, debug, trace), or directives such as `info,latchkey=debug`
    #[arg(long = "loglevel", default_value = "info", value_name = "LEVEL")]
    pub level: String,
}

/// Starts logging for the process; a second call changes nothing.
///
/// # Errors
/// When the level cannot be read.
pub fn init(args: &Args) -> Result<(), String> {
    let filter = EnvFilter::try_new(&args.level)
        .map_err(|error| format!("--loglevel {:?}: {error}", args.level))?;
    let logs = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match logs.try_init() {
        Ok(()) | Err(_) => Ok(()),
    }
}
