//! A real PostgreSQL of its own for a test: fresh data in a directory of its own, a free port on loopback, ended by pid.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    ports,
    program::{self, Child},
};

/// How long making and starting a server may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// The user that it runs as when the tests are run by root, which it refuses.
const NOBODY: u32 = 65_534;
/// Where Debian puts one folder for each release.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running server. Dropped, it is killed and its data removed.
#[derive(Debug)]
pub struct Postgres {
    // Dropped first: a field's order is the order of its end.
    child: Child,
    port: u16,
    _directory: Directory,
}

impl Postgres {
    /// Makes a cluster in UTF-8 with the locale `C.UTF-8` and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start; what it said is in the text.
    pub async fn start() -> Result<Self> {
        let programs = programs()?;
        let directory = Directory::new()?;
        let data = directory.0.join("data").display().to_string();
        let initdb = programs.join("initdb").display().to_string();
        let make = ["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        program::run_unprivileged(&initdb, &make, DEADLINE).await?;
        let port = ports::free_tcp()?;
        let server = programs.join("postgres").display().to_string();
        let port_text = port.to_string();
        let serve = ["-D", &data, "-p", &port_text, "-h", "127.0.0.1", "-k", "", "-c", "fsync=off"];
        let mut child = program::spawn_unprivileged(&server, &serve)?;
        child.says(|line| line.contains("database system is ready to accept connections"), DEADLINE).await?;
        Ok(Self { child, port, _directory: directory })
    }

    /// The address of a database of it, as the superuser; `postgres` is there from the start.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What it wrote so far: statements that failed among it.
    #[must_use]
    pub fn said(&self) -> String {
        self.child.said()
    }

    /// Ends it and waits until it has: open connections are cut, what is committed is kept until the drop.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.child.signal(nix::sys::signal::Signal::SIGINT)?;
        self.child.ends(DEADLINE).await.map(drop)
    }
}

/// The folder with `initdb` and `postgres`: the newest of Debian's, else that of the `PATH`.
fn programs() -> Result<PathBuf> {
    let releases = fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let release = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = releases.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").is_file());
    if let Some(newest) = newest.max_by_key(|path| release(path)) {
        return Ok(newest.join("bin"));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    found.context("this test needs the program initdb of PostgreSQL: `make setup` installs it")
}

/// A folder that the unprivileged server owns.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("cctv-postgres-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let directory = Self(path);
        fs::set_permissions(&directory.0, fs::Permissions::from_mode(0o700))?;
        if nix::unistd::geteuid().is_root() {
            chown(&directory.0, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(directory)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left lies in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_starts_on_loopback_and_leaves_nothing_behind() -> Result<()> {
        let mut server = Postgres::start().await?;
        let directory = server._directory.0.clone();
        tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await?;
        server.stop().await?;
        assert!(tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.is_err());
        drop(server);
        assert!(!directory.exists());
        Ok(())
    }
}
