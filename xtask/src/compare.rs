//! The server beside others on the same work: each scenario of `docs/ref/performance.md` in turn on each server, in one run.
//!
//! The load comes from `mediaload`, a load generator that shares no code with the product. Servers listen on loopback, on the
//! ports of `servers.rs`, one at a time; each is started anew for each scenario and stopped by its process id.

mod scenario;
mod servers;

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use serde_json::Value;

use scenario::{SCENARIOS, Scenario, Watcher};
use servers::Server;

/// The longest a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(30);
/// The longest a server may take to end after SIGTERM, before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How often a start or an end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long publishers run before the first viewer joins.
const PUBLISH_FIRST: Duration = Duration::from_secs(3);
/// A publisher whose access units leave later than this (p99) makes a run invalid.
const LAG_MAX_MS: f64 = 20.0;
/// A generator that needs more of a core than this makes a run invalid.
const GENERATOR_CORES_MAX: f64 = 0.95;

/// What to compare.
#[derive(Args)]
pub(crate) struct Compare {
    /// The program `mediaload`.
    #[arg(long)]
    mediaload: PathBuf,
    /// A server and its program: `cctv=PATH`, `mediamtx=PATH`, `zlm=PATH` (RTSP alone), `zlm-gop=PATH` (with its GOP cache) or
    /// `floor`, the sockets of `mediaload` without any protocol work. Repeat it; the order counts within each scenario.
    #[arg(long = "server", required = true)]
    servers: Vec<String>,
    /// Scenarios, separated by commas; all when absent.
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Directory for clips, logs and `results.jsonl`.
    #[arg(long, default_value = "target/compare")]
    directory: PathBuf,
    /// Seconds between the last join and the measurement.
    #[arg(long, default_value_t = 8)]
    warmup: u64,
    /// Seconds measured.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Runs each scenario on each server and prints one line of a table for each.
pub(crate) fn run(compare: &Compare) -> Result<()> {
    fs::create_dir_all(&compare.directory).with_context(|| format!("cannot make {}", compare.directory.display()))?;
    let directory = compare.directory.canonicalize()?;
    let servers = compare.servers.iter().map(|text| Server::parse(text)).collect::<Result<Vec<_>>>()?;
    if let Some(unknown) = compare.scenarios.iter().find(|name| SCENARIOS.iter().all(|known| known.name != **name)) {
        let known: Vec<&str> = SCENARIOS.iter().map(|known| known.name).collect();
        bail!("there is no scenario {unknown}; there are: {}", known.join(", "));
    }
    println!(
        "| scenario | server | CPU-s/GB | cores | PSS, MB | latency p50 / p99, ms | first picture p50 / p99, ms | delivered | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let wanted = |scenario: &&Scenario| {
        compare.scenarios.is_empty() || compare.scenarios.iter().any(|name| scenario.name == name)
    };
    for scenario in SCENARIOS.iter().filter(wanted) {
        for server in servers.iter().filter(|server| server.takes(scenario)) {
            let line = match measure(compare, &directory, scenario, server) {
                Ok(measured) => measured.line(scenario, server),
                Err(error) => format!("| {} | {} | | | | | | | failed: {error:#} |", scenario.name, server.name()),
            };
            println!("{line}");
        }
    }
    Ok(())
}

/// The reports of both sides of a run.
struct Measured {
    viewers: Value,
    publishers: Value,
}

fn measure(compare: &Compare, directory: &Path, scenario: &Scenario, server: &Server) -> Result<Measured> {
    let clip = scenario.clip.make(directory)?;
    let running = Running(server.start(&compare.mediaload, directory)?);
    let pid = running.0.id();
    wait_for(servers::RTSP_PORT)?;
    let window = PUBLISH_FIRST.as_secs() + scenario.joining_s() + compare.warmup + compare.seconds + 5;
    let publishers = spawn(
        Command::new(&compare.mediaload)
            .args(["publish", "--url-prefix", &server.rtsp_prefix(), "--fps", "25", "--transport", scenario.transport])
            .args(["-n", &scenario.streams.to_string(), "--seconds", &window.to_string()])
            .arg("--clip")
            .arg(&clip),
        directory,
    )?;
    thread::sleep(PUBLISH_FIRST);
    if scenario.watcher == Watcher::Nobody {
        // The publishers need time to be set up and to run evenly.
        thread::sleep(Duration::from_secs(compare.warmup));
    }
    let mut viewers = watcher(compare, scenario, server, pid);
    let viewers = report(spawn(&mut viewers, directory)?)?;
    let publishers = report(publishers)?;
    drop(running);
    let mut results = OpenOptions::new().create(true).append(true).open(directory.join("results.jsonl"))?;
    writeln!(
        results,
        "{}",
        serde_json::json!({
            "scenario": scenario.name, "server": server.name(), "viewers": viewers, "publishers": publishers,
        })
    )?;
    Ok(Measured { viewers, publishers })
}

/// The command that watches as the scenario says and measures the process.
fn watcher(compare: &Compare, scenario: &Scenario, server: &Server, pid: u32) -> Command {
    let mut command = Command::new(&compare.mediaload);
    let (streams, viewers) = (scenario.streams.to_string(), scenario.viewers.to_string());
    match scenario.watcher {
        Watcher::Nobody => {
            command.args(["watch", "--pid", &pid.to_string()]);
        }
        Watcher::Rtsp | Watcher::FirstPicture => {
            let each = (scenario.viewers / scenario.streams).to_string();
            command.args(["read", "--url-prefix", &server.rtsp_prefix(), "--transport", scenario.transport]);
            command.args(["-n", &streams, "--per-stream", &each]);
        }
        Watcher::LowLatencyHls => {
            command.args(["hls", "--url", &server.hls_pattern(), "--streams", &streams, "-n", &viewers]);
        }
        Watcher::Whep => {
            let (prefix, suffix) = server.whep();
            command.args(["whep", "--url-prefix", &prefix, "--suffix", suffix, "--streams", &streams, "-n", &viewers]);
        }
    }
    if scenario.watcher == Watcher::FirstPicture {
        command.args(["--first-picture", "--ramp-ms", &scenario.ramp_ms.to_string()]);
    }
    if scenario.watcher != Watcher::Nobody {
        command.args(["--warmup", &compare.warmup.to_string(), "--server-pid", &pid.to_string()]);
    }
    command.args(["--seconds", &compare.seconds.to_string()]);
    command
}

impl Measured {
    fn line(&self, scenario: &Scenario, server: &Server) -> String {
        let number = |pointer: &str, digits: usize| {
            self.viewers
                .pointer(pointer)
                .and_then(Value::as_f64)
                .map_or(String::new(), |value| format!("{value:.digits$}"))
        };
        let pair = |first: &str, second: &str| match (number(first, 1), number(second, 1)) {
            (first, _) if first.is_empty() => first,
            (first, second) => format!("{first} / {second}"),
        };
        let latency = match scenario.watcher {
            Watcher::LowLatencyHls => "/newest_frame_latency_ms",
            Watcher::Whep | Watcher::Rtsp | Watcher::FirstPicture | Watcher::Nobody => "/au_latency_ms",
        };
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            scenario.name,
            server.name(),
            number("/server/cpu_s_per_gb", 2),
            number("/server/cores", 2),
            number("/server/pss_mb", 1),
            pair(&format!("{latency}/p50"), &format!("{latency}/p99")),
            pair("/first_picture_ms/p50", "/first_picture_ms/p99"),
            number("/delivered_ratio", 3),
            self.doubts().join("; "),
        )
    }

    /// Why the run should not be used.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let viewers = |pointer: &str| self.viewers.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
        let publishers = |pointer: &str| self.publishers.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
        if publishers("/lag_ms/p99") > LAG_MAX_MS {
            doubts.push(format!("publishers were {:.0} ms late", publishers("/lag_ms/p99")));
        }
        for count in ["/dropped_aus", "/udp_send_errors", "/dead_streams"] {
            if publishers(count) > 0.0 {
                doubts.push(format!("publishers: {} {}", publishers(count), &count[1..]));
            }
        }
        for count in
            ["/setup_errors", "/silent_readers", "/silent_viewers", "/silent_clients", "/errors", "/no_picture"]
        {
            if viewers(count) > 0.0 {
                doubts.push(format!("viewers: {} {}", viewers(count), &count[1..]));
            }
        }
        if viewers("/gen_cores") > GENERATOR_CORES_MAX {
            doubts.push(format!("viewers took {:.2} cores", viewers("/gen_cores")));
        }
        doubts
    }
}

fn spawn(command: &mut Command, directory: &Path) -> Result<Child> {
    let errors = OpenOptions::new().create(true).append(true).open(directory.join("mediaload.log"))?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))
}

fn report(child: Child) -> Result<Value> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("mediaload failed ({}); see mediaload.log", output.status);
    }
    serde_json::from_slice(&output.stdout).context("mediaload wrote no report")
}

fn wait_for(port: u16) -> Result<()> {
    let end = Instant::now() + START_MAX;
    while Instant::now() < end {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        thread::sleep(LOOK_EVERY);
    }
    Err(anyhow!("nothing listens on port {port} after {} s", START_MAX.as_secs()))
}

/// A server that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        let end = Instant::now() + STOP_MAX;
        while asked.is_ok() && Instant::now() < end {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The log of a server, begun anew.
fn log(directory: &Path, server: &str) -> Result<File> {
    let path = directory.join(format!("{server}.log"));
    File::create(&path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_late_or_a_busy_generator_and_a_silent_viewer_make_a_run_doubtful() {
        let check = |viewers: Value, publishers: Value, doubts: usize| {
            assert_eq!(Measured { viewers, publishers }.doubts().len(), doubts);
        };
        let good =
            || (json!({"silent_readers": 0, "gen_cores": 0.4}), json!({"lag_ms": {"p99": 3.0}, "dropped_aus": 0}));
        check(good().0, good().1, 0);
        check(json!({"silent_readers": 2}), good().1, 1);
        check(json!({"gen_cores": 0.99}), good().1, 1);
        check(good().0, json!({"lag_ms": {"p99": 44.0}, "dropped_aus": 7}), 2);
    }

    #[test]
    fn a_server_that_is_not_known_or_has_no_program_is_refused_by_name() {
        let refused = |text: &str| format!("{:#}", Server::parse(text).err().expect("refused"));
        assert!(refused("janus=/bin/true").contains("no server janus"));
        assert!(refused("cctv=/nowhere/cctv").contains("/nowhere/cctv"));
        assert!(Server::parse("floor").is_ok());
    }
}
