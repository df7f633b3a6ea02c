//! One program per data directory, and what to say when another one is there already.
//!
//! The lock goes with the process, however that ends; the process id in its file is for people.

use std::{
    fs::{self, File, TryLockError},
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};

use crate::config::Listen;

/// The file in the data directory that is locked while the program runs.
const FILE: &str = "cctv.lock";
/// How long whoever holds a port may take to say who it is.
const PATIENCE: Duration = Duration::from_millis(300);
/// The most of its answer that is read.
const ANSWER_BYTES: u64 = 4_096;

/// The data directory, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    _file: File,
}

/// Holds the data directory, which is made when absent.
pub(crate) fn hold(data: &Path) -> Result<Hold> {
    fs::create_dir_all(data).with_context(|| format!("data: cannot make {}", data.display()))?;
    let path = data.join(FILE);
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.with_context(|| format!("data: cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(already_running(data, &mut file)),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("data: cannot lock {}", path.display()));
        }
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.with_context(|| format!("data: cannot write {}", path.display()))?;
    Ok(Hold { _file: file })
}

fn already_running(data: &Path, file: &mut File) -> anyhow::Error {
    let mut holder = String::new();
    // Who holds it is told where it can be read.
    let _ = file.take(32).read_to_string(&mut holder);
    let process = holder.trim().parse::<u32>().map(|pid| format!(", as process {pid}")).unwrap_or_default();
    anyhow!(
        "cctv is already running with the data directory {}{process}; stop it, or choose another directory with the key data",
        data.display()
    )
}

/// The address at which another cctv answers, of those where this one would listen.
pub(crate) fn answering(listen: &Listen) -> Option<SocketAddr> {
    let faces = [listen.control, listen.metrics, listen.web, listen.hls, listen.webrtc];
    faces.into_iter().map(reachable).find(|face| is_cctv(*face).unwrap_or(false))
}

/// An address to connect to, for one to listen on.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

fn is_cctv(face: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&face, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET /health HTTP/1.1\r\nHost: {face}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).contains("\"program\":\"cctv\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_held_by_one_and_the_other_is_told_whose_it_is() {
        let data = std::env::temp_dir().join(format!("cctv-hold-{}", uuid::Uuid::new_v4()));
        let first = hold(&data).unwrap();
        let refused = hold(&data).unwrap_err().to_string();
        let pid =
            format!("already running with the data directory {}, as process {}", data.display(), std::process::id());
        assert!(refused.contains(&pid), "{refused}");
        drop(first);
        drop(hold(&data).unwrap());
        fs::remove_dir_all(&data).unwrap();
    }
}
