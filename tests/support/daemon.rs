//! A background program that cannot outlive us.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A program that was waited for has ended instead.
#[derive(Debug, thiserror::Error)]
#[error("{name} ended with {status}; its last words:\n{tail}")]
pub(crate) struct Ended {
    name: String,
    status: ExitStatus,
    tail: String,
}

/// A running program whose output goes to a file.
///
/// Dropping it ends the program: politely first if it was given a grace period. When our process ends
/// without dropping it, even by SIGKILL, the kernel kills the program.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    child: Child,
    log: PathBuf,
    grace: Duration,
}

impl Daemon {
    /// Starts `command` with stdout and stderr appended to `log`.
    pub(crate) fn start(name: &str, command: &Command, log: &Path) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log);
        let output = output.with_context(|| format!("failed to open {}", log.display()))?;
        let mut tied = tied_to_us(command);
        tied.stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = spawn_from_nursery(tied)
            .with_context(|| format!("failed to start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            grace: Duration::ZERO,
        })
    }

    /// Lets the program drain for up to `grace` after SIGTERM before it is killed.
    pub(crate) fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The file with the program's output.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails with [`Ended`] if the program has ended, which [`super::wait::until`] takes for final.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(Ended {
                name: self.name.clone(),
                status,
                tail: tail(&self.log, 30),
            });
        }
        Ok(())
    }

    /// Ends the program now and returns how it ended.
    pub(crate) fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        if !self.grace.is_zero() {
            kill_process(self.pid()?, Signal::TERM)?;
            let deadline = Instant::now() + self.grace;
            while Instant::now() < deadline {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(status);
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Ends the program with SIGKILL, as a crash would.
    pub(crate) fn crash(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        let raw = i32::try_from(self.child.id())?;
        Pid::from_raw(raw).context("a process id must not be zero")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("failed to stop {}: {error:#}", self.name);
        }
    }
}

/// The last `lines` lines of a log; never fails, for use in messages about failures.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("({}: {error})", log.display()),
    };
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Starts `command` with our own stdin, stdout and stderr; the kernel kills it when our process ends.
pub(crate) fn spawn_attached(command: &Command) -> anyhow::Result<Child> {
    spawn_from_nursery(tied_to_us(command)).with_context(|| format!("failed to start {command:?}"))
}

/// The same command under `setpriv --pdeathsig`, where util-linux is installed.
fn tied_to_us(command: &Command) -> Command {
    static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        let probe = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "true"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let usable = probe.is_ok_and(|status| status.success());
        if !usable {
            eprintln!(
                "setpriv (util-linux) is missing: a SIGKILL of this program leaves its children"
            );
        }
        usable
    });
    let mut tied = if *HAS_SETPRIV {
        let mut setpriv = Command::new("setpriv");
        setpriv
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program());
        setpriv
    } else {
        Command::new(command.get_program())
    };
    tied.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(key, value),
            None => tied.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    // A Ctrl-C in the terminal must reach us alone, so that we end things in order.
    tied.process_group(0);
    tied
}

/// Starts a child from a thread that lives as long as the process.
///
/// The kernel sends the parent-death signal when the parent *thread* ends, and each test has a thread of
/// its own, see prctl(2).
fn spawn_from_nursery(command: Command) -> anyhow::Result<Child> {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static NURSERY: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // The only failure is a caller that no longer listens.
                answer.send(command.spawn()).ok();
            }
        });
        orders
    });
    let (answer, child) = mpsc::channel();
    NURSERY
        .send((command, answer))
        .ok()
        .context("the thread that starts children must be alive")?;
    Ok(child.recv()??)
}
