//! What a review of a pod costs the webhook, warm, from the bytes of the body to those of the answer:
//! instructions and allocations. Both are counts, which a busy machine does not change; times are measured
//! over TLS by `tests/load/run.sh`.
//!
//! `cargo bench` measures every body, `cargo bench -- typical huge` those two. Instructions are counted by
//! valgrind's callgrind and allocations by its dhat, each as the difference of two runs of this program
//! divided by the reviews they differ by. The profile is that of a release, so that one build serves both; to see where instructions go, build
//! once with symbols:
//!
//! ```sh
//! export CARGO_PROFILE_BENCH_STRIP=false CARGO_PROFILE_BENCH_DEBUG=line-tables-only
//! cargo bench --no-run                                   # prints the path of the program
//! valgrind --tool=callgrind PROGRAM answer typical 100
//! callgrind_annotate callgrind.out.*
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program prints a table"
)]

#[path = "../support/reviews.rs"]
mod reviews;
#[path = "../support/warm.rs"]
mod warm;

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};

use reviews::{BODIES, Body};
use warm::Warm;

/// Instructions that the typical review may cost.
const TYPICAL_LIMIT: u64 = 350_000;
/// Reviews of the shorter run, in which caches fill.
const SHORT_RUN: u64 = 5;

fn main() -> anyhow::Result<ExitCode> {
    // Cargo itself adds `--bench`.
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [first, name, count] = &words[..]
        && first == "answer"
    {
        answer(name, count.parse()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = |body: &&Body| words.is_empty() || words.iter().any(|word| word == body.name);
    println!(
        "{:<10} {:>8} {:>14} {:>13} {:>12}  pod",
        "review", "bytes", "instructions", "allocations", "allocated"
    );
    let mut outcome = ExitCode::SUCCESS;
    for body in BODIES.iter().filter(chosen) {
        let cost = measure(body)?;
        println!(
            "{:<10} {:>8} {:>14} {:>13} {:>12}  {}",
            body.name, cost.bytes, cost.instructions, cost.allocations, cost.allocated, body.about
        );
        if body.name == "typical" && cost.instructions > TYPICAL_LIMIT {
            eprintln!("the typical review may cost {TYPICAL_LIMIT} instructions");
            outcome = ExitCode::FAILURE;
        }
    }
    Ok(outcome)
}

/// What one review costs.
struct Cost {
    bytes: usize,
    instructions: u64,
    allocations: u64,
    allocated: u64,
}

fn measure(body: &Body) -> anyhow::Result<Cost> {
    let bytes = body.build();
    // Enough that what differs from run to run, such as the seeds of hash maps, does not show.
    let reviews = if bytes.len() > 50_000 { 10 } else { 100 };
    let each = |short: u64, long: u64| long.saturating_sub(short) / reviews;
    let instructions = |reviews| {
        let text = under("callgrind", body.name, reviews)?;
        number(&text, "Collected : ").with_context(|| format!("no count in {text}"))
    };
    let heap = |reviews| {
        let text = under("dhat", body.name, reviews)?;
        let counts = number(&text, "Total:").zip(number(&text, " bytes in "));
        counts.with_context(|| format!("no totals in {text}"))
    };
    let (short, long) = (instructions(SHORT_RUN)?, instructions(SHORT_RUN + reviews)?);
    let (short_heap, long_heap) = (heap(SHORT_RUN)?, heap(SHORT_RUN + reviews)?);
    Ok(Cost {
        bytes: bytes.len(),
        instructions: each(short, long),
        allocations: each(short_heap.1, long_heap.1),
        allocated: each(short_heap.0, long_heap.0),
    })
}

/// The number, perhaps with commas, that follows this text.
fn number(text: &str, after: &str) -> Option<u64> {
    let rest = text.split_once(after)?.1.trim_start();
    let digits = rest
        .split(|c: char| c != ',' && !c.is_ascii_digit())
        .next()?;
    digits.replace(',', "").parse().ok()
}

/// A webhook that has met this pod, and answers as it should.
fn warmed(body: &[u8]) -> anyhow::Result<Warm> {
    let warm = Warm::new();
    let met = warm.meet(body);
    let answer: serde_json::Value = serde_json::from_slice(&met.body)?;
    if answer["response"]["allowed"] != true {
        bail!("the review was denied: {answer}");
    }
    let questions = warm.questions();
    drop(warm.answer(body));
    if warm.questions() > questions {
        bail!("a warm review asked the API server");
    }
    Ok(warm)
}

/// Answers a review `count` times: what runs under callgrind.
fn answer(name: &str, count: u64) -> anyhow::Result<()> {
    let body = reviews::body(name).with_context(|| format!("there is no review {name:?}"))?;
    let warm = warmed(&body)?;
    for _ in 0..count {
        std::hint::black_box(warm.answer(std::hint::black_box(&body)));
    }
    Ok(())
}

/// What a tool of valgrind says of a whole run of this program.
fn under(tool: &str, name: &str, reviews: u64) -> anyhow::Result<String> {
    let output = Command::new("valgrind")
        .args([
            format!("--tool={tool}"),
            format!("--{tool}-out-file=/dev/null"),
        ])
        .arg(std::env::current_exe()?)
        .args(["answer", name, &reviews.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("failed to run valgrind; install it, for example apt-get install valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("valgrind ended with {}: {text}", output.status);
    }
    Ok(text.into_owned())
}
