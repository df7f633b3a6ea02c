//! Everything that must pass, each step with the time it took. The last line counts the tests.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{command, tidy};

/// Runs all steps and stops at the first that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let web = root.join("web");
    let mut tests = Tests::default();
    let mut took = vec![
        step("fmt", || command::run("cargo fmt --all --check", root))?,
        step("clippy", || command::run("cargo clippy --workspace --all-targets --locked -- -D warnings", root))?,
        step("tidy", || tidy::run(root))?,
        step("doc", || document(root))?,
    ];
    if web.join("package.json").exists() {
        took.extend([
            step("web packages", || install(&web))?,
            step("web lint", || command::run("npm run --silent lint", &web))?,
            step("web types", || command::run("npm run --silent types", &web))?,
            step("web test", || tests.heed("npm run --silent test", &web))?,
            step("web build", || command::run("npm run --silent build", &web))?,
        ]);
    }
    took.push(step("test", || tests.heed("cargo test --workspace --locked --no-fail-fast", root))?);
    for (name, time) in took {
        eprintln!("{:>8.1} s  {name}", time.as_secs_f32());
    }
    println!("{} passed, {} failed", tests.passed, tests.failed);
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<(String, Duration)> {
    eprintln!("==> {name}");
    let began = Instant::now();
    work()?;
    let took = began.elapsed();
    eprintln!("==> {name}: {:.1} s", took.as_secs_f32());
    Ok((name.to_owned(), took))
}

fn document(root: &Path) -> Result<()> {
    let line = "cargo doc --workspace --no-deps --locked --quiet";
    let status = command::command(line, root).env("RUSTDOCFLAGS", "-D warnings").status();
    if !status.with_context(|| format!("cannot start `{line}`"))?.success() {
        bail!("`{line}` failed");
    }
    Ok(())
}

/// Installs the web packages if their list has changed since the last time.
fn install(web: &Path) -> Result<()> {
    let wanted = fs::read(web.join("package-lock.json")).context("cannot read web/package-lock.json")?;
    let mark = web.join("node_modules/.installed-lock.json");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    command::run("npm ci --no-audit --no-fund", web)?;
    fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tests {
    passed: u64,
    failed: u64,
}

impl Tests {
    /// Runs tests and counts them; fails when one fails, after the counts so far are shown.
    fn heed(&mut self, line: &str, directory: &Path) -> Result<()> {
        let succeeded = command::watch(line, directory, |text| self.count(text))?;
        if !succeeded {
            println!("{} passed, {} failed", self.passed, self.failed.max(1));
            bail!("`{line}` failed");
        }
        Ok(())
    }

    /// Counts a summary line of cargo's tests (`test result: ok. 5 passed; 0 failed; …`) or of vitest's
    /// (`Tests  1 failed | 12 passed (13)`).
    fn count(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if line.starts_with("test result:") || line.starts_with("Tests ") {
            self.passed += before(line, "passed");
            self.failed += before(line, "failed");
        }
    }
}

/// The number before a word; 0 when the word is absent.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> =
        line.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty()).collect();
    let pair = words.windows(2).find(|pair| pair.get(1) == Some(&word));
    pair.and_then(|pair| pair.first()?.parse().ok()).unwrap_or(0)
}

/// A line without the escape sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, text)| text));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, passed: u64, failed: u64) {
        let mut tests = Tests::default();
        tests.count(line);
        assert_eq!(tests, Tests { passed, failed }, "{line:?}");
    }

    #[test]
    fn tests_of_cargo_and_vitest_are_counted() {
        check("test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s", 5, 0);
        check("test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out", 4, 1);
        check("      Tests  1 failed | 12 passed (13)", 12, 1);
        check(
            "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m7 passed\u{1b}[39m\u{1b}[22m\u{1b}[90m (7)\u{1b}[39m",
            7,
            0,
        );
        check("test a::b ... ok", 0, 0);
    }
}
