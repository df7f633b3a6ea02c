//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The directory of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("this crate lies two directories below the workspace")
}

/// The directory cargo builds into, found from the program that runs.
///
/// # Errors
/// When the running program does not lie below it.
pub fn target() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find the running program")?;
    let is_target = |directory: &&Path| directory.join("CACHEDIR.TAG").exists();
    let target = program.ancestors().find(is_target);
    Ok(target.context("the running program is not in cargo's target directory")?.to_owned())
}

/// A directory for test files that are worth keeping between runs.
///
/// # Errors
/// When it cannot be made.
pub fn cache(name: &str) -> Result<PathBuf> {
    let directory = target()?.join("testkit").join(name);
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory)
}

/// A file of real footage: from the directory `CCTV_FOOTAGE`, else from `../shared/videos` beside the workspace. `None`
/// where it is absent; a test then takes a generated [`clip`](crate::clip) with the same traits.
#[must_use]
pub fn footage(file: &str) -> Option<PathBuf> {
    let beside = root().parent().map(|parent| parent.join("shared/videos"));
    let directory = env::var_os("CCTV_FOOTAGE").map(PathBuf::from).or(beside)?;
    Some(directory.join(file)).filter(|path| path.exists())
}
