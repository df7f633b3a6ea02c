//! The server's pair of UDP sockets, shared by all sessions that use UDP. Datagrams find their session by their source.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use media_proto::TrackId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, sync::mpsc, time::sleep};
use tracing::warn;

use super::{Shared, publisher::Feed};
use crate::{
    Error,
    datagrams::{Datagram, Sender},
};

/// Receive buffer asked of the system, so that a burst of keyframes of many publishers fits.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How often a free pair of ports is looked for.
const PAIR_ATTEMPTS: usize = 64;

/// Datagrams are cut out of slabs of this size.
const SLAB: usize = 64 << 10;
/// The largest datagram that is expected; a slab with less room is left.
const DATAGRAM_MAX: usize = 9 << 10;
/// The wait after a socket failed to receive.
const RECEIVE_RETRY: Duration = Duration::from_millis(10);

/// The sockets of RTP and RTCP.
#[derive(Debug)]
pub(super) struct Sockets {
    rtp: (UdpSocket, Sender),
    rtcp: (UdpSocket, Sender),
}

impl Sockets {
    pub(super) fn bind(rtp: SocketAddr, rtcp: SocketAddr) -> Result<Self, Error> {
        if rtp.port() != 0 {
            return Ok(Self { rtp: bind_udp(rtp)?, rtcp: bind_udp(rtcp)? });
        }
        let mut last = None;
        for _ in 0..PAIR_ATTEMPTS {
            let first = bind_udp(rtp)?;
            let port = port_of(&first.0)?;
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

    /// Sends the first datagrams of a row, as many as one system call takes; how many those were. `WouldBlock` when the
    /// socket is full.
    pub(super) fn send_rtp(&self, row: &[Datagram<'_>], to: SocketAddr) -> io::Result<usize> {
        let (socket, sender) = &self.rtp;
        sender.send(socket, row, to)
    }

    /// Waits until the socket of RTP takes more.
    pub(super) async fn writable(&self) {
        // An error shows at the next send.
        let _ = self.rtp.0.writable().await;
    }

    /// Sends a report. One that cannot be sent is lost; the next one follows.
    pub(super) fn send_rtcp(&self, datagram: &[u8], to: SocketAddr) {
        let (socket, sender) = &self.rtcp;
        let _ = sender.send(socket, &[[datagram, &[]]], to);
    }

    /// The ports of RTP and RTCP.
    pub(super) fn ports(&self) -> Result<(u16, u16), Error> {
        Ok((port_of(&self.rtp.0)?, port_of(&self.rtcp.0)?))
    }
}

/// Which of the two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

/// Who sends from where.
#[derive(Debug, Default)]
pub(super) struct Routes(RwLock<HashMap<(Kind, SocketAddr), Route>>);

#[derive(Debug)]
enum Route {
    Reader(mpsc::Sender<Bytes>),
    Publisher(Arc<Feed>, TrackId),
}

/// Keeps a route. Dropping it forgets the route.
#[derive(Debug)]
pub(super) struct Registration {
    routes: Arc<Routes>,
    key: (Kind, SocketAddr),
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.routes.0.write().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Routes {
    /// Takes the reports of a reader from this address; no other session may use it.
    pub(super) fn add_reader(
        self: &Arc<Self>,
        from: SocketAddr,
        reports: mpsc::Sender<Bytes>,
    ) -> Result<Registration, Error> {
        self.add(Kind::Rtcp, from, Route::Reader(reports))
    }

    /// Takes the packets of one track of a publisher from its ports of RTP and RTCP.
    pub(super) fn add_publisher(
        self: &Arc<Self>,
        (peer, rtp, rtcp): (IpAddr, u16, u16),
        feed: &Arc<Feed>,
        track: TrackId,
    ) -> Result<[Registration; 2], Error> {
        let route = || Route::Publisher(Arc::clone(feed), track);
        Ok([
            self.add(Kind::Rtp, SocketAddr::new(peer, rtp), route())?,
            self.add(Kind::Rtcp, SocketAddr::new(peer, rtcp), route())?,
        ])
    }

    fn add(self: &Arc<Self>, kind: Kind, from: SocketAddr, route: Route) -> Result<Registration, Error> {
        let key = (kind, from);
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if routes.contains_key(&key) {
            return Err(Error::Unsupported(format!("client port {} is used by another session", from.port())));
        }
        routes.insert(key, route);
        Ok(Registration { routes: Arc::clone(self), key })
    }

    /// Hands a datagram to its session. One from elsewhere, such as a packet that opens a firewall, is dropped.
    fn deliver(&self, kind: Kind, from: SocketAddr, data: Bytes) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match (routes.get(&(kind, from)), kind) {
            (Some(Route::Publisher(feed, track)), Kind::Rtp) => {
                let (feed, track) = (Arc::clone(feed), *track);
                drop(routes);
                feed.rtp(track, data);
            }
            (Some(Route::Publisher(feed, track)), Kind::Rtcp) => feed.rtcp(*track, &data),
            // When too many wait, this one is lost like any datagram; the next report says the same.
            (Some(Route::Reader(reports)), _) => drop(reports.try_send(data)),
            (None, _) => {}
        }
    }
}

/// Receives on one of the sockets until the server ends.
pub(super) async fn receive(shared: Arc<Shared>, kind: Kind) {
    let socket = match kind {
        Kind::Rtp => &shared.sockets.rtp.0,
        Kind::Rtcp => &shared.sockets.rtcp.0,
    };
    let mut slab = BytesMut::with_capacity(SLAB);
    loop {
        if slab.capacity() < DATAGRAM_MAX {
            slab = BytesMut::with_capacity(SLAB);
        }
        let received = tokio::select! {
            () = shared.cancel.cancelled() => return,
            received = socket.recv_buf_from(&mut slab) => received,
        };
        match received {
            Ok((_, from)) => shared.routes.deliver(kind, from, slab.split().freeze()),
            Err(error) => {
                warn!(%error, "cannot receive from a UDP socket");
                sleep(RECEIVE_RETRY).await;
            }
        }
    }
}

fn port_of(socket: &UdpSocket) -> Result<u16, Error> {
    socket.local_addr().map(|address| address.port()).map_err(io_error("cannot read the port of a UDP socket"))
}

fn bind_udp(address: SocketAddr) -> Result<(UdpSocket, Sender), Error> {
    let bound = || -> io::Result<(UdpSocket, Sender)> {
        let socket = open(address, Type::DGRAM, Protocol::UDP)?;
        socket.0.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let granted = socket.0.recv_buffer_size()?;
        if granted < RECEIVE_BUFFER {
            warn!(
                %address, granted_bytes = granted, wanted_bytes = RECEIVE_BUFFER,
                "the system grants a small UDP receive buffer; bursts may be lost (raise net.core.rmem_max)"
            );
        }
        socket.0.bind(&socket.1.into())?;
        let socket = UdpSocket::from_std(socket.0.into())?;
        let sender = Sender::new(&socket)?;
        Ok((socket, sender))
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
