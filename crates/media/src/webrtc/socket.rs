//! The one UDP socket of all sessions: opening it, at which addresses peers reach us, and what a STUN request asks for.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use nix::ifaddrs::getifaddrs;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Error;

/// What the kernel may hold of received packets while the thread is busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// What the kernel may hold of packets to send.
const SEND_BUFFER: usize = 8 << 20;
/// Offered addresses; an answer with more would only slow the peer down.
pub(super) const CANDIDATES: usize = 16;

/// How a peer is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// A peer's end of a connection.
pub(super) type Route = (Transport, SocketAddr);

/// The addresses at which peers reach us.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    pub(super) udp: Vec<SocketAddr>,
    pub(super) tcp: Vec<SocketAddr>,
}

impl Candidates {
    /// Loopback addresses only for who comes from there.
    pub(super) fn for_caller(mut self, caller: SocketAddr) -> Self {
        if !caller.ip().to_canonical().is_loopback() {
            for all in [&mut self.udp, &mut self.tcp] {
                if all.iter().any(|address| !address.ip().is_loopback()) {
                    all.retain(|address| !address.ip().is_loopback());
                }
            }
        }
        self
    }
}

impl std::fmt::Display for Candidates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let udp = self.udp.iter().map(|address| format!("udp {address}"));
        let all: Vec<String> = udp.chain(self.tcp.iter().map(|address| format!("tcp {address}"))).collect();
        f.write_str(&all.join(", "))
    }
}

/// Opens the socket.
pub(super) fn open(address: SocketAddr) -> Result<UdpSocket, Error> {
    let opened = || -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // A smaller buffer than asked for still works; the kernel's limit is the operator's choice.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    opened().map_err(|source| Error::Io { action: format!("cannot open WebRTC UDP address {address}"), source })
}

/// The addresses the socket is reached at: the one it is bound to, else those of the interfaces, and `additional` ones.
pub(super) fn addresses(bound: SocketAddr, from_interfaces: bool, additional: &[IpAddr]) -> Vec<SocketAddr> {
    let mut ips = additional.to_vec();
    if !bound.ip().is_unspecified() {
        ips.push(bound.ip());
    } else if from_interfaces {
        ips.extend(interface_ips().into_iter().filter(|ip| ip.is_ipv4() || bound.is_ipv6()));
    }
    let mut seen = Vec::new();
    for ip in ips {
        let address = SocketAddr::new(ip, bound.port());
        if !seen.contains(&address) && seen.len() < CANDIDATES {
            seen.push(address);
        }
    }
    seen
}

fn interface_ips() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else {
        return vec![];
    };
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces.filter_map(ip).filter(|ip| !is_link_local(*ip)).collect()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Our address towards a peer, as the kernel would choose it.
pub(super) fn local_towards(peer: SocketAddr, port: u16) -> Option<SocketAddr> {
    let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let probe = UdpSocket::bind(any).ok()?;
    probe.connect(peer).ok()?;
    Some(SocketAddr::new(probe.local_addr().ok()?.ip(), port))
}

/// The local part of the user name of a STUN binding request (RFC 8489 section 14.3, RFC 8445 section 7.2.2).
pub(super) fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    const BINDING_REQUEST: [u8; 2] = [0, 1];
    const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const USERNAME: u16 = 6;
    if datagram.get(..2)? != BINDING_REQUEST || datagram.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    let mut rest = datagram.get(20..)?;
    while let [t0, t1, l0, l1, tail @ ..] = rest {
        let size = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = tail.get(..size)?;
        if u16::from_be_bytes([*t0, *t1]) == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = tail.get(size.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_name_of_a_binding_request_is_found() {
        let mut request = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
        request.extend([0; 12]);
        request.extend([0x80, 0x22, 0, 1, b'x', 0, 0, 0]);
        request.extend([0, 6, 0, 7]);
        request.extend(b"ab12:cd\0");
        assert_eq!(stun_ufrag(&request), Some("ab12"));
        request[0] = 1;
        assert_eq!(stun_ufrag(&request), None);
        for cut in 0..request.len() {
            let _ = stun_ufrag(&request[..cut]);
        }
    }

    #[test]
    fn a_bound_address_is_the_only_one_beside_the_additional_ones() {
        let bound = "127.0.0.1:9".parse().unwrap();
        let additional = ["192.0.2.1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let want = ["192.0.2.1:9".parse().unwrap(), "127.0.0.1:9".parse().unwrap()];
        assert_eq!(addresses(bound, true, &additional), want);
    }
}
