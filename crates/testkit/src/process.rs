//! What a process uses, from `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// Resident memory in kilobytes.
///
/// # Errors
/// When there is no such process.
pub fn rss_kb(pid: u32) -> Result<u64> {
    status(pid, "VmRSS:")
}

/// Threads.
///
/// # Errors
/// When there is no such process.
pub fn threads(pid: u32) -> Result<u64> {
    status(pid, "Threads:")
}

/// Open file descriptors.
///
/// # Errors
/// When there is no such process, or it is another user's.
pub fn fds(pid: u32) -> Result<usize> {
    let directory = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&directory).with_context(|| format!("cannot read {directory}"))?.count())
}

/// CPU time used so far, of user and system, in milliseconds.
///
/// # Errors
/// When there is no such process.
pub fn cpu_ms(pid: u32) -> Result<u64> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    // The name of the program, in parentheses, may hold spaces; user and system time are fields 14 and 15.
    let (_, fields) = text.rsplit_once(')').with_context(|| format!("{file} has another form"))?;
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let (user, system) = ticks.next().zip(ticks.next()).with_context(|| format!("{file} has another form"))?;
    // The kernel reports hundredths of a second on every platform we build for.
    Ok((user + system) * 10)
}

fn status(pid: u32, key: &str) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("{file} has no {key}"))?;
    let number = line.split_whitespace().next().unwrap_or_default();
    number.parse().with_context(|| format!("{file}: {key} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_something() {
        let own = std::process::id();
        assert!(rss_kb(own).unwrap() > 100);
        assert!(threads(own).unwrap() >= 1);
        assert!(fds(own).unwrap() >= 3);
        cpu_ms(own).unwrap();
    }
}
