//! Free ports on loopback. Another process may take one before it is used, which is rare; bind port 0 where that can be.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context as _, Result, bail};

/// How often a free pair is looked for.
const PAIR_ATTEMPTS: usize = 100;

/// A free TCP port.
///
/// # Errors
/// When the system has none.
pub fn free_tcp() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free TCP port")?;
    Ok(listener.local_addr()?.port())
}

/// A free UDP port.
///
/// # Errors
/// When the system has none.
pub fn free_udp() -> Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free UDP port")?;
    Ok(socket.local_addr()?.port())
}

/// An even free UDP port whose next one is free too.
///
/// # Errors
/// When none is found.
pub fn free_udp_pair() -> Result<(u16, u16)> {
    for _ in 0..PAIR_ATTEMPTS {
        let first = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("no free UDP port")?;
        let port = first.local_addr()?.port();
        if port.is_multiple_of(2) && UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)).is_ok() {
            return Ok((port, port + 1));
        }
    }
    bail!("no free pair of UDP ports in {PAIR_ATTEMPTS} attempts")
}
