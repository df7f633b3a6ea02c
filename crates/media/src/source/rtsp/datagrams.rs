//! The sockets of the tracks that a camera sends by UDP: a pair of ports for each track.
//!
//! Datagrams are taken from the host of the RTSP connection alone, and from the ports the camera named; where it may
//! send from any port, the first packet tells it. What the camera says of another host is not believed.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Once,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use domain::ErrorKind;
use media_proto::{TrackId, rtp, rtsp::client::DatagramTrack};
use rand::RngExt as _;
use socket2::SockRef;
use tokio::net::UdpSocket;
use tracing::{debug, warn};

use super::Error;

/// How often a free pair of ports is looked for.
const PAIR_ATTEMPTS: usize = 64;
/// Receive buffer asked of the system, so that a keyframe's burst fits.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Datagrams are cut out of slabs of this size.
const SLAB: usize = 64 << 10;
/// The largest datagram that is expected; a slab with less room is left.
const DATAGRAM_MAX: usize = 9 << 10;
/// An empty receiver report (RFC 3550 section 6.4.2) that opens the way back for RTCP.
const OPENING_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0x63, 0x63, 0x74, 0];

/// RTP or RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp,
    Rtcp,
}

/// A datagram of a track.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) track: TrackId,
    pub(super) kind: Kind,
    pub(super) data: Bytes,
}

/// The sockets of one connection.
#[derive(Debug)]
pub(super) struct Datagrams {
    local: IpAddr,
    peer: IpAddr,
    range: RangeInclusive<u16>,
    bound: Vec<Pair>,
    lanes: Vec<Lane>,
    /// The socket that is looked at first: RTP and RTCP of each lane in turn.
    turn: usize,
    slab: BytesMut,
}

#[derive(Debug)]
struct Pair {
    port: u16,
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

#[derive(Debug)]
struct Lane {
    track: TrackId,
    pair: Pair,
    /// The camera's ports, as far as they are known.
    ports: Option<(u16, u16)>,
}

impl Datagrams {
    /// No socket yet, for a connection between two hosts. Ports are taken from `range`.
    pub(super) fn new(local: IpAddr, peer: IpAddr, range: RangeInclusive<u16>) -> Self {
        let slab = BytesMut::new();
        Self { local, peer: peer.to_canonical(), range, bound: Vec::new(), lanes: Vec::new(), turn: 0, slab }
    }

    /// Binds a pair of ports; the second is the one after the first, which is even.
    pub(super) fn bind(&mut self) -> Result<(u16, u16), Error> {
        let mut last = None;
        for _ in 0..PAIR_ATTEMPTS {
            let port = rand::rng().random_range(self.range.clone()) & !1;
            if !self.range.contains(&port) || !self.range.contains(&port.saturating_add(1)) {
                continue;
            }
            match (self.socket(port), self.socket(port + 1)) {
                (Ok(rtp), Ok(rtcp)) => {
                    self.bound.push(Pair { port, rtp, rtcp });
                    return Ok((port, port + 1));
                }
                (Err(error), _) | (_, Err(error)) => last = Some(error.kind()),
            }
        }
        let why = last.map_or_else(|| "the range has none".to_owned(), |kind| kind.to_string());
        let (first, end) = (self.range.start(), self.range.end());
        let reason = format!("no pair of UDP ports from {first} to {end} can be had: {why}");
        Err(Error { kind: ErrorKind::Unavailable, reason })
    }

    fn socket(&self, port: u16) -> io::Result<UdpSocket> {
        static SMALL: Once = Once::new();
        let socket = std::net::UdpSocket::bind(SocketAddr::new(self.local, port))?;
        socket.set_nonblocking(true)?;
        let options = SockRef::from(&socket);
        options.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let granted_bytes = options.recv_buffer_size()?;
        if granted_bytes < RECEIVE_BUFFER {
            SMALL.call_once(|| {
                warn!(
                    granted_bytes,
                    wanted_bytes = RECEIVE_BUFFER,
                    "the system grants a small UDP receive buffer; bursts of cameras may be lost (raise net.core.rmem_max)"
                );
            });
        }
        UdpSocket::from_std(socket)
    }

    /// Receives these tracks from now on, and opens the way for them through firewalls and address translators.
    pub(super) async fn open(&mut self, tracks: &[DatagramTrack]) {
        for track in tracks {
            if track.source.is_some_and(|source| source.to_canonical() != self.peer) {
                debug!(track = track.track.0, "the camera names another host as its source; that is not believed");
            }
            let Some(at) = self.bound.iter().position(|pair| pair.port == track.own_ports.0) else { continue };
            let lane = Lane { track: track.track, pair: self.bound.swap_remove(at), ports: track.server_ports };
            if let Some((to_rtp, to_rtcp)) = lane.ports {
                let opening = rtp::header(0, false, 0, 0, 0);
                lost(lane.pair.rtp.send_to(&opening, SocketAddr::new(self.peer, to_rtp)).await);
                lost(lane.pair.rtcp.send_to(&OPENING_REPORT, SocketAddr::new(self.peer, to_rtcp)).await);
            }
            self.lanes.push(lane);
        }
        self.bound.clear();
    }

    /// The tracks that are received here.
    pub(super) fn tracks(&self) -> impl Iterator<Item = TrackId> {
        self.lanes.iter().map(|lane| lane.track)
    }

    /// Sends an RTCP packet of ours. False when the track does not travel by UDP.
    pub(super) fn send_rtcp(&self, track: TrackId, packet: &[u8]) -> bool {
        let Some(lane) = self.lanes.iter().find(|lane| lane.track == track) else { return false };
        if let Some((_, port)) = lane.ports {
            lost(lane.pair.rtcp.try_send_to(packet, SocketAddr::new(self.peer, port)));
        }
        true
    }

    /// Waits for a datagram of the camera; for ever when no track travels by UDP.
    pub(super) async fn receive(&mut self) -> Datagram {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// A datagram that is here already.
    pub(super) fn try_receive(&mut self) -> Option<Datagram> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match self.poll_receive(&mut context) {
            Poll::Ready(datagram) => Some(datagram),
            Poll::Pending => None,
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Datagram> {
        for _ in 0..self.lanes.len() * 2 {
            if let Poll::Ready(datagram) = self.poll_socket(context) {
                return Poll::Ready(datagram);
            }
            self.turn = (self.turn + 1) % (self.lanes.len() * 2);
        }
        Poll::Pending
    }

    /// A datagram of the socket whose turn it is.
    fn poll_socket(&mut self, context: &mut Context<'_>) -> Poll<Datagram> {
        let Self { lanes, slab, .. } = self;
        let Some(lane) = lanes.get_mut(self.turn / 2) else { return Poll::Pending };
        let kind = if self.turn.is_multiple_of(2) { Kind::Rtp } else { Kind::Rtcp };
        loop {
            let socket = match kind {
                Kind::Rtp => &lane.pair.rtp,
                Kind::Rtcp => &lane.pair.rtcp,
            };
            // An error of the socket shows when it is read.
            let _ = ready!(socket.poll_recv_ready(context));
            if slab.capacity() < DATAGRAM_MAX {
                *slab = BytesMut::with_capacity(SLAB);
            }
            // A refusal by the camera of what we sent, or no datagram after all.
            let Ok((_, from)) = socket.try_recv_buf_from(slab) else { continue };
            let data = slab.split().freeze();
            if from.ip().to_canonical() == self.peer && lane.takes(kind, from.port()) {
                return Poll::Ready(Datagram { track: lane.track, kind, data });
            }
        }
    }
}

impl Lane {
    /// Whether the camera sends from this port. The first RTP packet tells the ports that are not known.
    fn takes(&mut self, kind: Kind, port: u16) -> bool {
        match (self.ports, kind) {
            (Some((rtp, _)), Kind::Rtp) => port == rtp,
            (Some((_, rtcp)), Kind::Rtcp) => port == rtcp,
            (None, Kind::Rtp) => {
                self.ports = Some((port, port.saturating_add(1)));
                true
            }
            (None, Kind::Rtcp) => false,
        }
    }
}

/// A datagram that cannot be sent is lost, like any other.
fn lost(_: io::Result<usize>) {}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Datagrams of a track whose camera names these ports, and the ports they go to.
    async fn open(server_ports: Option<(u16, u16)>, peer: IpAddr) -> (Datagrams, (u16, u16)) {
        let mut datagrams = Datagrams::new(HOST, peer, 32_768..=60_999);
        let own_ports = datagrams.bind().unwrap();
        assert!(own_ports.0.is_multiple_of(2) && own_ports.1 == own_ports.0 + 1);
        datagrams.open(&[DatagramTrack { track: TrackId(3), own_ports, server_ports, source: None }]).await;
        (datagrams, own_ports)
    }

    async fn camera() -> (UdpSocket, u16) {
        let socket = UdpSocket::bind((HOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    #[tokio::test]
    async fn datagrams_come_from_the_named_ports_alone_and_the_way_is_opened() {
        let ((camera, port), (stranger, _)) = (camera().await, camera().await);
        let (mut datagrams, (rtp, rtcp)) = open(Some((port, port)), HOST).await;
        let mut opening = [0; 64];
        let (_, from) = camera.recv_from(&mut opening).await.unwrap();
        assert!(from.port() == rtp || from.port() == rtcp);
        stranger.send_to(b"no", (HOST, rtp)).await.unwrap();
        camera.send_to(b"yes", (HOST, rtp)).await.unwrap();
        let Datagram { track, kind, data } = datagrams.receive().await;
        assert_eq!((track, kind, &data[..]), (TrackId(3), Kind::Rtp, &b"yes"[..]));
        camera.send_to(b"report", (HOST, rtcp)).await.unwrap();
        let report = datagrams.receive().await;
        assert_eq!((report.kind, &report.data[..]), (Kind::Rtcp, &b"report"[..]));
        assert!(datagrams.try_receive().is_none());
        assert!(datagrams.send_rtcp(TrackId(3), b"x") && !datagrams.send_rtcp(TrackId(0), b"x"));
    }

    #[tokio::test]
    async fn from_any_port_the_first_packet_tells_it() {
        let ((camera, _), (stranger, _)) = (camera().await, camera().await);
        let (mut datagrams, (rtp, _)) = open(None, HOST).await;
        camera.send_to(b"first", (HOST, rtp)).await.unwrap();
        assert_eq!(&datagrams.receive().await.data[..], b"first");
        stranger.send_to(b"no", (HOST, rtp)).await.unwrap();
        camera.send_to(b"second", (HOST, rtp)).await.unwrap();
        assert_eq!(&datagrams.receive().await.data[..], b"second");
    }

    #[tokio::test]
    async fn another_host_is_not_heard() {
        let (camera, port) = camera().await;
        let (mut datagrams, (rtp, _)) = open(Some((port, port)), "127.0.0.9".parse().unwrap()).await;
        camera.send_to(b"no", (HOST, rtp)).await.unwrap();
        tokio::task::yield_now().await;
        assert!(datagrams.try_receive().is_none());
    }

    #[tokio::test]
    async fn a_range_without_a_free_pair_is_named() {
        let mut datagrams = Datagrams::new(HOST, HOST, 50_001..=50_002);
        let error = datagrams.bind().unwrap_err();
        assert_eq!(error.reason, "no pair of UDP ports from 50001 to 50002 can be had: the range has none");
    }
}
