//! The server's pair of UDP sockets, shared by all sessions that use UDP.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::Error;

/// Receive buffer asked of the system, so that a burst of keyframes of many publishers fits.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often a free pair of ports is looked for.
const PAIR_ATTEMPTS: usize = 64;

/// The sockets of RTP and RTCP.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

impl Sockets {
    pub(super) fn bind(rtp: SocketAddr, rtcp: SocketAddr) -> Result<Self, Error> {
        if rtp.port() != 0 {
            return Ok(Self { rtp: bind_udp(rtp)?, rtcp: bind_udp(rtcp)? });
        }
        let mut last = None;
        for _ in 0..PAIR_ATTEMPTS {
            let first = bind_udp(rtp)?;
            let port = port_of(&first)?;
            if port % 2 == 1 || port == u16::MAX {
                continue;
            }
            match bind_udp(SocketAddr::new(rtcp.ip(), port + 1)) {
                Ok(second) => return Ok(Self { rtp: first, rtcp: second }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(Error::Limit { what: "the search for a pair of UDP ports", limit: PAIR_ATTEMPTS as u64 }))
    }

    /// The ports of RTP and RTCP.
    pub(super) fn ports(&self) -> Result<(u16, u16), Error> {
        Ok((port_of(&self.rtp)?, port_of(&self.rtcp)?))
    }
}

fn port_of(socket: &UdpSocket) -> Result<u16, Error> {
    socket.local_addr().map(|address| address.port()).map_err(io_error("cannot read the port of a UDP socket"))
}

fn bind_udp(address: SocketAddr) -> Result<UdpSocket, Error> {
    let bound = || -> io::Result<UdpSocket> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        socket.0.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.0.bind(&socket.1.into())?;
        UdpSocket::from_std(socket.0.into())
    };
    bound().map_err(io_error(&format!("cannot listen on UDP {address}")))
}

/// A non-blocking socket for an address; `[::]` takes IPv4 too, and means `0.0.0.0` where the system has no IPv6.
pub(super) fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<(Socket, SocketAddr)> {
    let (socket, address) = match Socket::new(Domain::for_address(address), kind, Some(protocol)) {
        Err(_) if address.ip() == IpAddr::from([0u16; 8]) => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            (Socket::new(Domain::IPV4, kind, Some(protocol))?, address)
        }
        opened => (opened?, address),
    };
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

pub(super) fn io_error(action: &str) -> impl FnOnce(io::Error) -> Error {
    let action = action.to_owned();
    move |source| Error::Io { action, source }
}
