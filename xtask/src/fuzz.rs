//! Fuzzing with cargo-fuzz, which needs a nightly compiler.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::command::{self, output};

pub(crate) fn run(root: &Path, target: &str, seconds: u32) -> Result<()> {
    let file = root.join("fuzz/fuzz_targets").join(format!("{target}.rs"));
    if !file.exists() {
        bail!("there is no fuzz target {target}; there are: {}", targets(root).join(", "));
    }
    output("cargo +nightly --version", root)
        .context("fuzzing needs a nightly compiler: `rustup toolchain install nightly --profile minimal`")?;
    output("cargo +nightly fuzz --version", root).context("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`")?;
    command::run(&format!("cargo +nightly fuzz run {target} -- -max_total_time={seconds}"), root)
}

fn targets(root: &Path) -> Vec<String> {
    let files = std::fs::read_dir(root.join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
