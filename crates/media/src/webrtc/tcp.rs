//! ICE over TCP, passive (RFC 6544): peers whose network lets no UDP pass connect to one port.
//!
//! A connection is a pair of queues: packets that came wait for the media thread, packets to send wait for the peer. A
//! full queue to the peer drops packets like any network would. A connection that does not belong to a session soon, or
//! falls silent, is closed.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use media_proto::rfc4571::{self, Deframer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::mpsc,
    task::JoinSet,
    time::{sleep_until, timeout},
};

use crate::Error;

/// The most connections at a time; one more is closed at once.
const CONNECTIONS: usize = 4096;
/// Connections the kernel holds until they are accepted.
const BACKLOG: i32 = 256;
/// A connection that belongs to no session after this time is closed.
const STRANGER: Duration = Duration::from_secs(10);
/// A connection on which nothing comes for so long is closed; ICE checks consent every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// A write that takes longer means that the peer is gone.
const WRITE: Duration = Duration::from_secs(10);
/// Packets that wait for a peer beyond what the kernel holds.
const OUTGOING: usize = 512;
/// Packets of all connections that wait for the thread.
const INCOMING: usize = 1024;
/// Accepting pauses for so long when it fails: there may be no descriptor left.
const PAUSE: Duration = Duration::from_millis(50);
/// Packets written at a time.
const BATCH: usize = 64;
const READ_BYTES: usize = 16 << 10;

/// A packet that came, or the end of a connection.
pub(super) struct Came {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// None: the connection has ended.
    pub(super) packet: Option<Bytes>,
    /// Which connection, as an address may come again.
    link: u64,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Links {
    listener: Option<TcpListener>,
    links: HashMap<SocketAddr, Link>,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Came>,
    came: mpsc::Receiver<Came>,
    count: u64,
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Link {
    number: u64,
    /// The connection ends with it, once what waits is written.
    outgoing: mpsc::Sender<Bytes>,
    since: Instant,
    /// A session has taken it.
    known: bool,
}

/// Opens the port.
pub(super) fn open(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    let opened = || -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of a run before that linger do not keep the port.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    opened().map_err(|source| Error::Io { action: format!("cannot open WebRTC TCP address {address}"), source })
}

impl Links {
    pub(super) fn new(listener: Option<TcpListener>) -> Self {
        let (sender, came) = mpsc::channel(INCOMING);
        Self { listener, links: HashMap::new(), tasks: JoinSet::new(), sender, came, count: 0, paused_until: None }
    }

    /// Waits for the next packet or end of a connection, and lets new ones in meanwhile.
    pub(super) async fn next(&mut self) -> Came {
        loop {
            let accepted = async {
                if let Some(until) = self.paused_until {
                    sleep_until(until.into()).await;
                }
                match &self.listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives here, so the channel does not end.
                Some(came) = self.came.recv() => return self.look(came),
                accepted = accepted => {
                    self.paused_until = accepted.is_err().then(|| Instant::now() + PAUSE);
                    match accepted {
                        Ok((stream, from)) => self.welcome(stream, from),
                        Err(error) => tracing::debug!(%error, "a TCP connection was not accepted"),
                    }
                }
            }
        }
    }

    /// The next packet or end that is there now.
    pub(super) fn try_next(&mut self) -> Option<Came> {
        self.came.try_recv().ok().map(|came| self.look(came))
    }

    fn look(&mut self, came: Came) -> Came {
        if came.packet.is_none() && self.links.get(&came.from).is_some_and(|link| link.number == came.link) {
            self.links.remove(&came.from);
        }
        came
    }

    fn welcome(&mut self, stream: TcpStream, from: SocketAddr) {
        while self.tasks.try_join_next().is_some() {}
        if self.links.len() >= CONNECTIONS {
            tracing::debug!(limit = CONNECTIONS, "a TCP connection is above the limit");
            return;
        }
        let Ok(to) = stream.local_addr().and_then(|to| stream.set_nodelay(true).map(|()| to)) else {
            return;
        };
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let (outgoing, waiting) = mpsc::channel(OUTGOING);
        self.count += 1;
        let number = self.count;
        let wire = Wire { from, to, link: number, came: self.sender.clone() };
        self.tasks.spawn(carry(stream, wire, waiting));
        self.links.insert(from, Link { number, outgoing, since: Instant::now(), known: false });
    }

    /// A session has taken the connection.
    pub(super) fn keep(&mut self, peer: SocketAddr) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.known = true;
        }
    }

    /// Sends a packet, or drops it when the peer does not keep up.
    pub(super) fn send(&self, peer: SocketAddr, packet: &[u8]) {
        if let Some(link) = self.links.get(&peer) {
            let _ = link.outgoing.try_send(Bytes::copy_from_slice(packet));
        }
    }

    /// Closes a connection once what waits is written.
    pub(super) fn close(&mut self, peer: SocketAddr) {
        self.links.remove(&peer);
    }

    /// Closes connections that belong to nobody.
    pub(super) fn check(&mut self, now: Instant) {
        self.links.retain(|_, link| link.known || now.saturating_duration_since(link.since) < STRANGER);
    }
}

/// Carries packets between a connection and the thread.
async fn carry(stream: TcpStream, wire: Wire, waiting: mpsc::Receiver<Bytes>) {
    let (reading, writing) = stream.into_split();
    tokio::select! {
        () = read(reading, &wire) => {}
        () = write(writing, waiting) => {}
    }
    wire.tell(None).await;
}

/// The thread's end of a connection.
struct Wire {
    from: SocketAddr,
    to: SocketAddr,
    link: u64,
    came: mpsc::Sender<Came>,
}

impl Wire {
    /// False when the thread is gone.
    async fn tell(&self, packet: Option<Bytes>) -> bool {
        let Self { from, to, link, .. } = *self;
        self.came.send(Came { from, to, packet, link }).await.is_ok()
    }
}

async fn read(mut stream: OwnedReadHalf, wire: &Wire) {
    let mut deframer = Deframer::default();
    let mut bytes = [0; READ_BYTES];
    while let Ok(Ok(size @ 1..)) = timeout(SILENCE, stream.read(&mut bytes)).await {
        deframer.received(bytes.get(..size).unwrap_or_default());
        loop {
            match deframer.poll() {
                Ok(Some(packet)) => {
                    if !wire.tell(Some(packet)).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

async fn write(mut stream: OwnedWriteHalf, mut waiting: mpsc::Receiver<Bytes>) {
    let mut packets = Vec::with_capacity(BATCH);
    let mut bytes = BytesMut::new();
    while waiting.recv_many(&mut packets, BATCH).await > 0 {
        bytes.clear();
        for packet in packets.drain(..) {
            rfc4571::put(&mut bytes, &packet);
        }
        if !matches!(timeout(WRITE, stream.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
}
