//! What the person who runs the demo sees.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::{Duration, Instant};

use anyhow::Context as _;

const SPINNER: [char; 4] = ['|', '/', '-', '\\'];
/// Pause between two signs of life in a terminal.
const TERMINAL_BEAT: Duration = Duration::from_millis(120);
/// Pause between two signs of life in a log file.
const LOG_BEAT: Duration = Duration::from_secs(10);

/// Does `work` while it shows what is being done and for how long; an error names the step.
pub(crate) async fn step<T>(
    what: impl Display,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let terminal = stdout().is_terminal();
    let beat = if terminal { TERMINAL_BEAT } else { LOG_BEAT };
    let started = Instant::now();
    let mut ticks = tokio::time::interval(beat);
    let mut spinner = SPINNER.iter().cycle();
    tokio::pin!(work);
    let outcome = loop {
        tokio::select! {
            outcome = &mut work => break outcome,
            _ = ticks.tick() => {
                let elapsed = started.elapsed().as_secs();
                if terminal {
                    let sign = spinner.next().unwrap_or(&' ');
                    print!("\r\x1b[K{sign}  {what} … {elapsed} s");
                    stdout().flush().ok();
                } else {
                    println!("..   {what}, {elapsed} s");
                }
            }
        }
    };
    let erase = if terminal { "\r\x1b[K" } else { "" };
    let sign = if outcome.is_ok() { "ok  " } else { "FAIL" };
    println!(
        "{erase}{sign} {what} ({:.1} s)",
        started.elapsed().as_secs_f64()
    );
    outcome.with_context(|| format!("failed at: {what}"))
}

/// Starts a chapter.
pub(crate) fn chapter(title: impl Display) {
    println!("\n== {title}");
}

/// Shows a text, indented.
pub(crate) fn show(text: impl Display) {
    for line in text.to_string().lines() {
        println!("       {line}");
    }
}

/// Shows a command that is about to be run.
pub(crate) fn command(text: impl Display) {
    println!("     $ {text}");
}
