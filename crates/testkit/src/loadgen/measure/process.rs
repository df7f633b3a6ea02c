//! What a server costs: the processor time of a process and its children over a window, and its memory at the end.

use std::{collections::HashMap, fs};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::clock::now_ns;
use crate::process::cpu_ms;

/// One look at a process and its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at_ns: u64,
    /// Processor time so far, user and system.
    pub cpu_ms: u64,
    /// Memory, what is shared with others counted in part.
    pub pss_kb: u64,
    /// Memory that is resident and no file's.
    pub anonymous_kb: u64,
}

/// The cost of a window.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    begin: Sample,
    end: Sample,
}

impl Sample {
    /// Looks at process `pid`.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: u32) -> Result<Self> {
        ensure!(fs::metadata(format!("/proc/{pid}")).is_ok(), "there is no process {pid}");
        let mut sample = Self { at_ns: now_ns(), ..Self::default() };
        for member in family(pid) {
            // A child that has ended meanwhile costs no more.
            sample.cpu_ms += cpu_ms(member).unwrap_or(0);
            let memory = fs::read_to_string(format!("/proc/{member}/smaps_rollup")).unwrap_or_default();
            sample.pss_kb += kilobytes(&memory, "Pss:");
            sample.anonymous_kb += kilobytes(&memory, "Anonymous:");
        }
        Ok(sample)
    }
}

impl Cost {
    /// Between two looks.
    #[must_use]
    pub fn between(begin: Sample, end: Sample) -> Self {
        Self { begin, end }
    }

    /// Processor seconds.
    #[must_use]
    pub fn cpu_s(&self) -> f64 {
        self.end.cpu_ms.saturating_sub(self.begin.cpu_ms) as f64 / 1e3
    }

    /// The mean number of busy cores.
    #[must_use]
    pub fn cores(&self) -> f64 {
        self.cpu_s() / self.seconds()
    }

    /// As JSON, related to what was delivered.
    #[must_use]
    pub fn to_json(&self, delivered_bytes: u64) -> Value {
        let per_gb = (delivered_bytes > 0).then(|| self.cpu_s() / (delivered_bytes as f64 / 1e9));
        json!({
            "seconds": self.seconds(),
            "cpu_s": self.cpu_s(),
            "cores": self.cores(),
            "cpu_s_per_gb": per_gb,
            "pss_mb": self.end.pss_kb as f64 / 1024.0,
            "anonymous_mb": self.end.anonymous_kb as f64 / 1024.0,
        })
    }

    fn seconds(&self) -> f64 {
        (self.end.at_ns.saturating_sub(self.begin.at_ns).max(1)) as f64 / 1e9
    }
}

/// A process and all that descend from it.
fn family(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut members, mut at) = (vec![root], 0);
    while let Some(&member) = members.get(at) {
        members.extend(children.remove(&member).unwrap_or_default());
        at += 1;
    }
    members
}

fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn kilobytes(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_process_is_measured_with_its_children() {
        // A process of its own: children of other tests come and go.
        let script = "while :; do :; done & echo $!; wait";
        let shell = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn();
        let mut shell = shell.unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child: u32 = line.trim().parse().unwrap();
        let begin = Sample::of(shell.id()).unwrap();
        let busy = || Cost::between(begin, Sample::of(shell.id()).unwrap()).cpu_s();
        let until = now_ns() + 30_000_000_000;
        while busy() < 0.1 && now_ns() < until {
            std::thread::yield_now();
        }
        let (members, end) = (family(shell.id()), Sample::of(shell.id()).unwrap());
        Command::new("kill").arg(child.to_string()).status().unwrap();
        shell.wait().unwrap();
        assert_eq!(members, [shell.id(), child]);
        assert!(Cost::between(begin, end).cpu_s() >= 0.1);
        assert!(end.pss_kb > 100 && end.anonymous_kb > 100, "{end:?}");
        assert!(Sample::of(u32::MAX).is_err());
    }

    #[test]
    fn cost_relates_time_to_what_was_delivered() {
        let begin = Sample { at_ns: 0, cpu_ms: 500, pss_kb: 0, anonymous_kb: 0 };
        let end = Sample { at_ns: 2_000_000_000, cpu_ms: 1_500, pss_kb: 2_048, anonymous_kb: 1_024 };
        let cost = Cost::between(begin, end).to_json(500_000_000);
        let expected = json!({"seconds": 2.0, "cpu_s": 1.0, "cores": 0.5, "cpu_s_per_gb": 2.0, "pss_mb": 2.0, "anonymous_mb": 1.0});
        assert_eq!(cost, expected);
    }
}
