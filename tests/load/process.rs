//! What Linux says of a process and of the machine (proc(5)).

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks of a second in `/proc/PID/stat`, the same on every architecture (`USER_HZ`).
const TICKS: u64 = 100;
/// Fields of `/proc/PID/stat` behind the name, up to the time in user mode.
const BEFORE_TIMES: usize = 11;

/// A process that runs.
pub(crate) struct Process(PathBuf);

impl Process {
    /// The process of this id.
    pub(crate) fn of(id: u32) -> Self {
        Self(PathBuf::from(format!("/proc/{id}")))
    }

    /// Memory it has in use, shared pages included.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(self.0.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kib.context("status must have VmRSS")? / 1024.0)
    }

    /// Time on processors until now, of all its threads.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        let stat = fs::read_to_string(self.0.join("stat"))?;
        let (_, fields) = stat.rsplit_once(')').context("stat must have a name")?;
        let times = fields.split_whitespace().skip(BEFORE_TIMES).take(2);
        let ticks: u64 = times.map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }
}

/// The machine, in one line.
pub(crate) fn machine() -> anyhow::Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let (_, model) = model.unwrap_or(("", "unknown processor"));
    let count = std::thread::available_parallelism()?;
    Ok(format!("{count} processors: {model}"))
}

/// Programs that wanted to run in the last 1, 5 and 15 minutes.
pub(crate) fn load_average() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let words: Vec<&str> = text.split_whitespace().take(3).collect();
    Ok(words.join(" "))
}
