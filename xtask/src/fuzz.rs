//! Fuzzing with cargo-fuzz, which needs a nightly compiler.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::command::{self, output};

/// The longest input.
const BYTES_MAX: u32 = 8192;
/// The most memory a target may take.
const MEMORY_MB_MAX: u32 = 1024;
/// The longest an input may take.
const INPUT_S_MAX: u32 = 10;

/// Runs one target, or each of them in turn for `all`. Fails at the first that breaks.
pub(crate) fn run(root: &Path, target: &str, seconds: u64) -> Result<()> {
    let known = targets(root);
    let chosen = if target == "all" { &known[..] } else { &[target.to_owned()][..] };
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        bail!("there is no fuzz target {unknown}; there are: all, {}", known.join(", "));
    }
    output("cargo +nightly --version", root)
        .context("fuzzing needs a nightly compiler: `rustup toolchain install nightly --profile minimal`")?;
    output("cargo +nightly fuzz --version", root).context("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`")?;
    for name in chosen {
        // libFuzzer writes what it finds into the first directory; the committed corpus stays as it is.
        let finds = root.join("fuzz/finds").join(name);
        fs::create_dir_all(&finds).with_context(|| format!("cannot make {}", finds.display()))?;
        command::run(
            &format!(
                "cargo +nightly fuzz run {name} fuzz/finds/{name} fuzz/corpus/{name} -- -max_total_time={seconds} \
                 -max_len={BYTES_MAX} -rss_limit_mb={MEMORY_MB_MAX} -timeout={INPUT_S_MAX}"
            ),
            root,
        )
        .with_context(|| format!("{name} is broken; the input lies in fuzz/artifacts/{name}"))?;
    }
    println!("{} of {} targets held for {seconds} s each", chosen.len(), known.len());
    Ok(())
}

fn targets(root: &Path) -> Vec<String> {
    let files = fs::read_dir(root.join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
