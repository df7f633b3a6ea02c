//! Other programs, run with their output shown.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// A command line of plain words, to run in `directory`.
pub(crate) fn command(line: &str, directory: &Path) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(directory);
    command
}

/// Runs a command line of plain words and passes its output through.
pub(crate) fn run(line: &str, directory: &Path) -> Result<()> {
    let status = command(line, directory).status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command line of plain words and returns what it writes.
pub(crate) fn output(line: &str, directory: &Path) -> Result<String> {
    let mut command = command(line, directory);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` writes something that is not text"))
}

/// Runs a command line of plain words, passes its output through and shows each line to `heed`. Says whether it succeeded.
pub(crate) fn watch(line: &str, directory: &Path, mut heed: impl FnMut(&str)) -> Result<bool> {
    let mut child =
        command(line, directory).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).lines() {
            let text = text.with_context(|| format!("cannot read what `{line}` writes"))?;
            println!("{text}");
            heed(&text);
        }
    }
    Ok(child.wait()?.success())
}
