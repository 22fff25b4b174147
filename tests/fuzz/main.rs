//! Holds the template engine against Go's with templates made at random.
//!
//! `cargo run --example fuzz-template -- --minutes 30 [--seed N]` builds the Go program in
//! `tests/fixtures/template` (so it needs `go`), and stops at the first templates that the two render
//! differently: it prints the seed, the smallest form of each that still differs, and both results.

#![expect(clippy::print_stdout, reason = "the result is for whoever runs it")]

mod generator;
#[path = "../it/template_vectors/oracle.rs"]
mod oracle;
mod shrink;

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use generator::Case;
use serde::Deserialize;

/// Templates that the Go program is given at once.
const BATCH: u64 = 200;

#[derive(Parser)]
struct Args {
    /// How long to go on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The first template's seed; the next have the next.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many differences to show before ending.
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    output: Option<String>,
    output_base64: Option<String>,
    error: Option<String>,
}

type Rendered = std::result::Result<Vec<u8>, String>;

/// The Go program, which answers a case a line.
struct Go {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Go {
    fn start() -> Result<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/template");
        let program = std::env::temp_dir().join("latchkey-template-vectors");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source)
            .status()
            .context("failed to run go")?;
        if !built.success() {
            bail!("failed to build the Go program");
        }
        let mut child = Command::new(program)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the Go program")?;
        let to = child.stdin.take().context("must have a standard input")?;
        let from = child.stdout.take().context("must have a standard output")?;
        Ok(Self {
            child,
            to: BufWriter::new(to),
            from: BufReader::new(from),
        })
    }

    /// Asks on a thread of its own, so that neither side waits for the other with full pipes.
    fn render(&mut self, cases: &[Case]) -> Result<Vec<Rendered>> {
        let mut lines = Vec::new();
        for case in cases {
            serde_json::to_writer(&mut lines, case)?;
            lines.push(b'\n');
        }
        let (to, from) = (&mut self.to, &mut self.from);
        std::thread::scope(|scope| {
            let sender = scope.spawn(move || to.write_all(&lines).and_then(|()| to.flush()));
            let mut answers = Vec::new();
            for _ in cases {
                let mut line = String::new();
                from.read_line(&mut line)?;
                answers.push(rendered(serde_json::from_str(&line)?)?);
            }
            sender.join().expect("must not panic")?;
            Ok(answers)
        })
    }
}

impl Drop for Go {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn rendered(answer: Answer) -> Result<Rendered> {
    Ok(match answer {
        Answer {
            error: Some(error), ..
        } => Err(error),
        Answer {
            output: Some(output),
            ..
        } => Ok(output.into_bytes()),
        Answer { output_base64, .. } => Ok(STANDARD.decode(output_base64.unwrap_or_default())?),
    })
}

fn ours(case: &Case) -> Rendered {
    let render = || oracle::render(&case.template, &case.data, case.dot, case.missing_key);
    catch_unwind(AssertUnwindSafe(render)).unwrap_or_else(|_| Err("PANIC".to_owned()))
}

fn agree(case: &Case, go: &Rendered, ours: &Rendered) -> bool {
    let same = match (go, ours) {
        (Ok(go), Ok(ours)) => go == ours,
        (Err(go), Err(ours)) => oracle::is_same_error(go, ours),
        _ => false,
    };
    let is_bytes = |rendered: &Rendered| {
        let output = rendered.as_ref().ok();
        output.is_some_and(|output| std::str::from_utf8(output).is_err())
    };
    // Ours takes nil for an empty dictionary, which Go's JSON tells apart.
    let without_nil = |output: &[u8]| String::from_utf8_lossy(output).replace("{}", "null");
    let is_nil_dictionary = case.template.contains("unset nil")
        && matches!((go, ours), (Ok(go), Ok(ours)) if without_nil(go) == without_nil(ours));
    // Go's library takes such bytes for a part of the next word.
    let is_word_of_bytes = ["snakecase", "kebabcase"]
        .iter()
        .any(|name| case.template.contains(name))
        && (is_bytes(go) || case.template.contains("b64dec"));
    same || is_nil_dictionary || is_word_of_bytes || is_accepted(go, ours)
}

/// What the two are known to do differently, by design or for want of importance.
fn is_accepted(go: &Rendered, ours: &Rendered) -> bool {
    let holds = |rendered: &Rendered, text: &str| match rendered {
        Ok(output) => String::from_utf8_lossy(output).contains(text),
        Err(error) => error.contains(text),
    };
    is_bounded(ours)
        // Go lets a slice grow into the memory behind it, which holds zeros by chance.
        || holds(ours, "slice index out of bounds")
        // Go walks into the private fields of a version under a verb that is not for text.
        || holds(ours, "(*semver.Version=")
        || holds(go, "&semver.Version{")
        // Go shows where in memory a version within a list or a dictionary is.
        || (holds(go, "%!") && (holds(go, "=[0x") || holds(go, ":0x")))
        // The words of the YAML parsers.
        || (holds(go, "error converting YAML") && holds(ours, "error converting YAML"))
        // Go stops before what follows a scalar and misses a mapping, ours refuses what follows.
        || (holds(go, "error unmarshaling JSON") && holds(ours, "error converting YAML"))
        // Go merges in a random order, and fails at what comes first.
        || ["merge", "mergeOverwrite", "mustMerge", "mustMergeOverwrite"].iter().any(|name| {
            let failed = format!("error calling {name}: ");
            holds(go, &failed) && holds(ours, &failed) && go.is_err() && ours.is_err()
        })
        // Ours takes nil for an empty dictionary.
        || holds(go, "assignment to entry in nil map")
}

/// Whether ours gave up a template for the work or the text it makes, or for a value that holds itself. Go is not
/// asked for such: it would fill the machine's memory, or its stack.
fn is_bounded(ours: &Rendered) -> bool {
    let bounds = [
        "more work than is allowed",
        "more deeply than is allowed",
        "cannot contain itself",
        "the output is larger than",
    ];
    let holds_one = |error: &String| bounds.iter().any(|bound| error.contains(bound));
    ours.as_ref().is_err_and(holds_one)
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut go = Go::start()?;
    let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
    let (mut seed, mut bounded, mut refused, mut found) = (args.seed, 0_u64, 0_u64, 0);
    while Instant::now() < end && found < args.differences {
        let (mut seeds, mut cases, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
        for seed in seed..seed + BATCH {
            let case = generator::case(seed);
            let ours = ours(&case);
            if is_bounded(&ours) {
                bounded += 1;
                continue;
            }
            seeds.push(seed);
            cases.push(case);
            rendered.push(ours);
        }
        let answers = match go.render(&cases) {
            Ok(answers) => answers,
            Err(_) => {
                go = Go::start()?;
                fatal(&mut go, &seeds, &cases)?
            }
        };
        for (number, (answer, ours)) in answers.iter().zip(&rendered).enumerate() {
            refused += u64::from(answer.is_err());
            if !agree(&cases[number], answer, ours) {
                found += 1;
                report(&mut go, seeds[number], &cases[number])?;
            }
        }
        seed += BATCH;
    }
    let count = seed - args.seed;
    println!(
        "{count} templates, {refused} of them errors in Go, {bounded} too much work, {found} rendered \
         differently"
    );
    if found > 0 {
        bail!("the engines differ");
    }
    Ok(())
}

/// The answers to cases one of which ends Go, asked for one by one; what has no answer is shown.
fn fatal(go: &mut Go, seeds: &[u64], cases: &[Case]) -> Result<Vec<Rendered>> {
    let mut answers = Vec::new();
    for (seed, case) in seeds.iter().zip(cases) {
        let answer = match go.render(std::slice::from_ref(case)) {
            Ok(mut answer) => answer.remove(0),
            Err(_) => {
                println!(
                    "seed {seed} ended Go\n{}\n  ours: {}",
                    case.template,
                    shown(&ours(case))
                );
                *go = Go::start()?;
                Err("ended Go".to_owned())
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

fn report(go: &mut Go, seed: u64, case: &Case) -> Result<()> {
    let case = shrink::smallest(case, |case| {
        let ours = ours(case);
        if is_bounded(&ours) {
            return Ok(false);
        }
        let answers = go.render(std::slice::from_ref(case))?;
        Ok(!agree(case, &answers[0], &ours))
    })?;
    let answers = go.render(std::slice::from_ref(&case))?;
    println!(
        "seed {seed} ({} {})\n{}",
        case.dot, case.missing_key, case.template
    );
    println!(
        "  go:   {}\n  ours: {}",
        shown(&answers[0]),
        shown(&ours(&case))
    );
    Ok(())
}

fn shown(rendered: &Rendered) -> String {
    match rendered {
        Ok(output) => format!("{:?}", String::from_utf8_lossy(output)),
        Err(error) => format!("error: {error}"),
    }
}
