//! Feeds the webhook and what it reads with real input that was changed at random.
//!
//! `cargo run --example fuzz-admission -- TARGET --minutes 10 [--seed N]` with TARGET one of `annotations`,
//! `references` and `reviews`. Each input comes from its own seed, so that a finding is had again with
//! `--seed` alone. It stops at the first finding, which it prints with the input.
//!
//! What is held, beside that nothing panics and nothing takes long:
//!
//! - annotations: the same text means the same twice, its canonical form means what it says and is its own
//!   canonical form, and every complaint names its annotation;
//! - references: what was printed reads back as it was, and what can be read prints as what reads the same;
//! - reviews: the answer carries the uid, its patch applies and touches nothing but names of Secrets, values
//!   with references and latchkey's own marks, and a second pass has nothing to do.

#![expect(clippy::print_stdout, reason = "the result is for whoever runs it")]

#[path = "../../it/admission_world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod admission_world;
#[path = "../../it/agent_world.rs"]
#[allow(
    dead_code,
    reason = "another crate includes this module too and each uses a part of it"
)]
mod agent_world;
mod annotations;
mod chance;
mod corpus;
mod mutate;
mod patches;
mod references;
mod reviews;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

use chance::Chance;

/// No input of these sizes is worth more.
const SLOW: Duration = Duration::from_secs(2);

#[derive(Parser)]
struct Args {
    /// What is fed.
    target: Target,
    /// How long to go on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The first input's seed; the next have the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    Annotations,
    References,
    Reviews,
}

/// What is wrong with the answer to an input, and that input.
struct Finding {
    input: String,
    trouble: String,
}

/// Whether an input got far: it was understood, not only refused.
type Tried = std::result::Result<bool, Finding>;

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let reviews = reviews::Target::new();
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let attempt = |seed: u64| {
        let (mut chance, started) = (Chance::new(seed), Instant::now());
        let tried = catch_unwind(AssertUnwindSafe(|| match args.target {
            Target::Annotations => annotations::attempt(&mut chance),
            Target::References => references::attempt(&mut chance),
            Target::Reviews => runtime.block_on(reviews.attempt(&mut chance)),
        }));
        (tried, started.elapsed())
    };
    let (mut seed, mut understood) = (args.seed, 0_u64);
    while Instant::now() < end {
        let (tried, took) = attempt(seed);
        match tried {
            Ok(Ok(got_far)) => understood += u64::from(got_far),
            Ok(Err(finding)) => bail!("seed {seed}: {}\n{}", finding.trouble, finding.input),
            Err(_) => bail!("seed {seed}: panic"),
        }
        // Once may be the machine's fault.
        if took > SLOW && attempt(seed).1 > SLOW {
            bail!("seed {seed}: took {took:?}, and as long again");
        }
        seed += 1;
    }
    let count = seed - args.seed;
    println!(
        "{:?}: {count} inputs, {understood} of them understood, no finding",
        args.target
    );
    Ok(())
}
