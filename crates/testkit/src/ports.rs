//! Free ports on loopback, for a server that has to be told its ports. Bind port 0 where that can be.
//!
//! They lie below the ports that the system gives to clients, else a client's connection could take one before the server
//! has it; within a process none is given twice in a row.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use anyhow::{Context as _, Result};

/// The first port: even, and above the usual services.
const FIRST: u16 = 10_240;
/// Pairs of ports from the first one to those that Linux gives to clients, 32,768 and up.
const PAIRS: u16 = (32_768 - FIRST) / 2;

/// A free TCP port.
///
/// # Errors
/// When there is none.
pub fn free_tcp() -> Result<u16> {
    candidates().find(|&port| tcp_is_free(port)).context("no free TCP port")
}

/// A free UDP port.
///
/// # Errors
/// When there is none.
pub fn free_udp() -> Result<u16> {
    candidates().find(|&port| udp_is_free(port)).context("no free UDP port")
}

/// An even free UDP port whose next one is free too.
///
/// # Errors
/// When there is none.
pub fn free_udp_pair() -> Result<(u16, u16)> {
    let first = candidates().find(|&port| udp_is_free(port) && udp_is_free(port + 1));
    first.map(|port| (port, port + 1)).context("no free pair of UDP ports")
}

/// Every even port of the range once, from the one after those already given; the odd one above it goes with it.
fn candidates() -> impl Iterator<Item = u16> {
    /// Processes that run side by side begin far from each other.
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(process::id().wrapping_mul(0x9E37_79B1) >> 16));
    (0..PAIRS).map(|_| FIRST + 2 * (NEXT.fetch_add(1, Ordering::Relaxed) % u32::from(PAIRS)) as u16)
}

fn tcp_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn udp_is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_given_once_and_none_is_a_clients() -> Result<()> {
        let mut given = BTreeSet::new();
        for _ in 0..50 {
            let (rtp, rtcp) = free_udp_pair()?;
            for port in [free_tcp()?, free_udp()?, rtp, rtcp] {
                assert!((FIRST..32_768).contains(&port), "{port} may be a client's");
                assert!(given.insert(port), "{port} is given twice");
            }
            assert!(rtp.is_multiple_of(2) && rtcp == rtp + 1);
        }
        Ok(())
    }
}
