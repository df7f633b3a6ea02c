//! Foreign programs as child processes. A [`Child`] is killed by its pid when it is dropped.

use std::{
    ffi::OsStr,
    path::Path,
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
    sync::watch,
    task::JoinSet,
    time::timeout,
};

/// Lines of a program's output that are kept.
const LINES_MAX: usize = 10_000;

/// Fails with the program's name when it is not installed.
///
/// # Errors
/// When it cannot be found on the `PATH`.
pub fn require(program: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    if !found {
        bail!("this test needs the program {program}: `make setup` installs it");
    }
    Ok(())
}

/// Runs a program to its end and returns what it wrote.
///
/// # Errors
/// When it is missing, fails, or takes longer than `deadline`; what it wrote to its error output is in the text.
pub async fn run(program: &str, arguments: &[impl AsRef<OsStr>], deadline: Duration) -> Result<Output> {
    let output = run_to_end(program, arguments, deadline).await?;
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output)
}

/// Runs a program to its end, whether it succeeds or not.
///
/// # Errors
/// When it is missing or takes longer than `deadline`.
pub async fn run_to_end(program: &str, arguments: &[impl AsRef<OsStr>], deadline: Duration) -> Result<Output> {
    require(program)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(deadline, command.output()).await;
    let output = ended.with_context(|| format!("{program} took longer than {} s", deadline.as_secs()))?;
    output.with_context(|| format!("cannot start {program}"))
}

/// [`run`] for a program that refuses to be root: as root, it runs as nobody.
///
/// # Errors
/// As [`run`].
pub async fn run_unprivileged(program: &str, arguments: &[&str], deadline: Duration) -> Result<Output> {
    if !nix::unistd::geteuid().is_root() {
        return run(program, arguments, deadline).await;
    }
    run("setpriv", &as_nobody(program, arguments)?, deadline).await
}

/// [`Child::spawn`] for a program that refuses to be root: as root, it runs as nobody. Its pid is the program's own.
///
/// # Errors
/// As [`Child::spawn`].
pub fn spawn_unprivileged(program: &str, arguments: &[&str]) -> Result<Child> {
    if !nix::unistd::geteuid().is_root() {
        return Child::spawn(program, arguments);
    }
    Child::spawn("setpriv", &as_nobody(program, arguments)?)
}

fn as_nobody<'a>(program: &'a str, arguments: &[&'a str]) -> Result<Vec<&'a str>> {
    require(program)?;
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent", program];
    Ok([&nobody, arguments].concat())
}

/// A program that runs beside the test.
#[derive(Debug)]
pub struct Child {
    name: String,
    child: tokio::process::Child,
    said: Arc<Said>,
    readers: JoinSet<()>,
}

#[derive(Debug)]
struct Said {
    lines: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Child {
    /// Starts a program of the `PATH` and collects its output and error output.
    ///
    /// # Errors
    /// When it is missing or cannot be started.
    pub fn spawn(program: &str, arguments: &[impl AsRef<OsStr>]) -> Result<Self> {
        require(program)?;
        let mut command = Command::new(program);
        command.args(arguments);
        Self::start(program, command)
    }

    /// Starts a program by its file.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn_file(file: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Self> {
        let mut command = Command::new(file);
        command.args(arguments);
        Self::start(&file.display().to_string(), command)
    }

    fn start(name: &str, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let said = Arc::new(Said { lines: Mutex::default(), count: watch::Sender::new(0) });
        let mut readers = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            readers.spawn(collect(stdout, Arc::clone(&said)));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.spawn(collect(stderr, Arc::clone(&said)));
        }
        Ok(Self { name: name.to_owned(), child, said, readers })
    }

    /// Its process id; `None` once it was seen to have ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it wrote so far, its output and error output mixed.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lines().join("\n")
    }

    /// Waits until it has written a line that fits and returns that line.
    ///
    /// # Errors
    /// When it does not within `deadline`, or ends before; what it wrote is in the text.
    pub async fn says(&mut self, fits: impl Fn(&str) -> bool, deadline: Duration) -> Result<String> {
        let mut count = self.said.count.subscribe();
        let found = async {
            loop {
                count.borrow_and_update();
                if let Some(line) = self.said.lines().iter().find(|line| fits(line)) {
                    return Some(line.clone());
                }
                tokio::select! {
                    changed = count.changed() => if changed.is_err() { return None },
                    // Both outputs are closed: nothing will follow.
                    () = async { while self.readers.join_next().await.is_some() {} } => {
                        return self.said.lines().iter().find(|line| fits(line)).cloned();
                    }
                }
            }
        };
        let found = timeout(deadline, found).await.ok().flatten();
        found.with_context(|| format!("{} did not say what was awaited; it said:\n{}", self.name, self.said()))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it runs longer than `deadline`; what it wrote is in the text.
    pub async fn ends(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let Ok(ended) = timeout(deadline, self.child.wait()).await else {
            bail!("{} runs longer than {} s; it said:\n{}", self.name, deadline.as_secs(), self.said());
        };
        let status = ended.with_context(|| format!("cannot wait for {}", self.name))?;
        while self.readers.join_next().await.is_some() {}
        Ok(status)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it has ended already.
    pub fn terminate(&self) -> Result<()> {
        self.signal(nix::sys::signal::Signal::SIGTERM)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} has ended", self.name))?;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
        nix::sys::signal::kill(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Kills it and waits for its end.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }
}

impl Said {
    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn collect(output: impl AsyncRead + Unpin, said: Arc<Said>) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let count = {
            let mut lines = said.lines();
            if lines.len() < LINES_MAX {
                lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            lines.len()
        };
        said.count.send_replace(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Child::spawn("no-such-program", &["x"]).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[tokio::test]
    async fn what_a_child_says_is_heard_and_its_end_seen() {
        let mut child = Child::spawn("sh", &["-c", "echo one; echo two >&2; exit 3"]).unwrap();
        assert_eq!(child.says(|line| line == "two", SOON).await.unwrap(), "two");
        assert_eq!(child.ends(SOON).await.unwrap().code(), Some(3));
        assert!(child.says(|line| line == "three", SOON).await.is_err());
    }

    #[tokio::test]
    async fn a_dropped_child_is_gone() {
        let child = Child::spawn("sleep", &["60"]).unwrap();
        let proc = format!("/proc/{}/stat", child.pid().unwrap());
        drop(child);
        let gone = || std::fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z "));
        let waited = timeout(SOON, async {
            while !gone() {
                tokio::task::yield_now().await;
            }
        });
        waited.await.unwrap();
    }
}
