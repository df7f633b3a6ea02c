//! What the house style asks and a program can check. Everything found is printed at once.

mod conformance;
mod floors;
mod layout;
mod size;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::output;

/// Checks the workspace; prints what is wrong, and the longest functions and files for the reader to judge.
pub(crate) fn run(root: &Path) -> Result<()> {
    let files = files(root)?;
    let mut found = floors::check(root)?;
    found.extend(layout::check(root, &files)?);
    found.extend(conformance::check(root, &files)?);
    size::print(root, &files)?;
    for finding in &found {
        eprintln!("tidy: {finding}");
    }
    if !found.is_empty() {
        bail!("{} things are not tidy", found.len());
    }
    Ok(())
}

/// The files of the repository, committed or about to be.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = output("git ls-files --cached --others --exclude-standard", root)?;
    let files = listed.lines().map(PathBuf::from);
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

fn read(root: &Path, file: &Path) -> Result<String> {
    std::fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {}", file.display()))
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}
