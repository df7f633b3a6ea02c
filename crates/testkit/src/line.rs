//! The line between a client and an RTSP server, with faults on order: reset in the middle of a packet, or silent while
//! both ends believe it open.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// The first byte of an interleaved packet, RFC 2326 section 10.12.
const DOLLAR: u8 = b'$';
/// A packet shorter than this is not worth cutting: it is RTCP or a small part of a picture.
const PACKET_MIN: usize = 200;

/// What happens on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Sound,
    /// Connections made up to this number are reset within the next packet of the server.
    Cut { up_to: usize },
    /// On connections made up to this number nothing passes any more.
    Silent { up_to: usize },
}

/// A relay on a free loopback port. Dropping it ends its connections.
#[derive(Debug)]
pub struct Line {
    port: u16,
    state: watch::Sender<State>,
    made: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

impl Line {
    /// A sound line to the server on a loopback port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn to(server: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (state, seen) = watch::channel(State::Sound);
        let (made, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, server, seen, Arc::clone(&made), Arc::clone(&cut)));
        Ok(Self { port, state, made, cut, _connections: connections })
    }

    /// Where clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// How many of them were reset in the middle of a packet.
    #[must_use]
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }

    /// Resets the connections there are (RST), each when half of a packet of the server has passed. New ones are sound.
    pub fn reset_within_a_packet(&self) {
        self.state.send_replace(State::Cut { up_to: self.made() });
    }

    /// Lets nothing pass on the connections there are, which stay open at both ends. New ones are sound.
    pub fn fall_silent(&self) {
        self.state.send_replace(State::Silent { up_to: self.made() });
    }
}

async fn accept(
    listener: TcpListener,
    server: u16,
    state: watch::Receiver<State>,
    made: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
        let number = made.fetch_add(1, Ordering::SeqCst) + 1;
        let (state, cut) = (state.clone(), Arc::clone(&cut));
        connections.spawn(async move {
            // What is broken off is so for both ends, which see it.
            if pass(client, server, number, state).await.is_ok_and(|was_cut| was_cut) {
                cut.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

/// Passes bytes on until one end closes; true when the line was cut.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    number: usize,
    mut state: watch::Receiver<State>,
) -> io::Result<bool> {
    let (mut up, mut down) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let now = *state.borrow_and_update();
        if matches!(now, State::Silent { up_to } if number <= up_to) {
            // Both ends stay open for as long as the line is there.
            std::future::pending::<()>().await;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Ok(false) },
            read = client.read(&mut up) => match read? {
                0 => return Ok(false),
                count => server.write_all(up.get(..count).unwrap_or_default()).await?,
            },
            read = server.read(&mut down) => {
                let count = read?;
                let bytes = down.get(..count).unwrap_or_default();
                if matches!(now, State::Cut { up_to } if number <= up_to)
                    && let Some(half) = half_a_packet(bytes)
                {
                    client.write_all(half).await?;
                    // Closing a socket that must not linger resets the connection.
                    SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
                    return Ok(true);
                }
                if count == 0 {
                    return Ok(false);
                }
                client.write_all(bytes).await?;
            }
        }
    }
}

/// The first half of the packet with which the bytes begin, if it is worth cutting.
fn half_a_packet(bytes: &[u8]) -> Option<&[u8]> {
    let [DOLLAR, channel, high, low, ..] = *bytes else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_rtp = channel % 2 == 0;
    (is_rtp && length >= PACKET_MIN).then(|| bytes.get(..length / 2)).flatten()
}
