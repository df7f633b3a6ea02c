//! One RTSP session that plays, on the product's own client machine.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use media_proto::rtsp::client::{Carrier, ClientSession, Output, Target};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream, UdpSocket, lookup_host},
    sync::watch,
    time::sleep_until,
};

use crate::{
    loadgen::{
        measure::{RtpFrames, clock::now_ns, rtp::Packet},
        options::Transport,
        window::Phase,
    },
    ports,
};

/// Receive buffer of UDP asked of the system, so that a keyframe's burst fits.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The largest datagram taken.
const DATAGRAM_MAX: usize = 9 << 10;
/// Datagrams that are taken in a row before another reader gets its turn.
const DATAGRAMS_IN_A_ROW: usize = 64;

/// Bytes a slow reader takes at once.
const SIP: u64 = 2_048;
/// Receive buffer of a slow reader, small so that the server feels it.
const SLOW_BUFFER: usize = 16 << 10;

/// What is to be played, and how.
#[derive(Debug)]
pub struct Player {
    target: Target,
    manner: Manner,
}

/// How a reader behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    /// It takes what comes until the run ends.
    Steady,
    /// It takes so many bytes per second from the connection.
    Slow(f64),
    /// It leaves at the first picture, with TEARDOWN where `polite`, else by closing the connection.
    Visit {
        /// It says goodbye.
        polite: bool,
    },
}

/// A connection with its machine.
struct Playing {
    tcp: TcpStream,
    session: ClientSession,
    datagrams: Vec<(UdpSocket, UdpSocket)>,
    /// When a slow reader takes more.
    thirsty_at: Instant,
}

impl Player {
    /// Plays `url`, by this transport alone.
    #[must_use]
    pub fn new(url: &str, transport: Transport, manner: Manner) -> Self {
        let carrier = match transport {
            Transport::Tcp => Carrier::Tcp,
            Transport::Udp => Carrier::Udp { any_port: true },
        };
        let cnonce = uuid::Uuid::new_v4().simple().to_string();
        Self { target: Target { url: url.to_owned(), credentials: None, cnonce, carrier, alternative: None }, manner }
    }

    /// Plays into `packets` until the run ends.
    ///
    /// # Errors
    /// When the server refuses, or ends the session first.
    pub async fn play(self, packets: &mut RtpFrames, mut phase: watch::Receiver<Phase>) -> Result<()> {
        let manner = self.manner;
        let mut playing = self.connect().await?;
        let mut buffer = vec![0; DATAGRAM_MAX];
        loop {
            let Some(wake_at) = playing.act(packets).await? else { bail!("the server ended the session") };
            if let Manner::Visit { polite } = manner
                && packets.frames.totals().first_picture.count() > 0
            {
                return if polite { playing.leave().await } else { Ok(()) };
            }
            let now = Instant::now();
            let thirsty = playing.thirsty_at <= now;
            let wake_at = if thirsty { wake_at } else { wake_at.min(playing.thirsty_at) };
            let Playing { tcp, session, datagrams, thirsty_at } = &mut playing;
            let mut tap = tcp.take(if matches!(manner, Manner::Slow(_)) { SIP } else { u64::MAX });
            tokio::select! {
                biased;
                changed = phase.changed() => {
                    let now = changed.map_or(Phase::End, |()| *phase.borrow_and_update());
                    if enter(now, packets) {
                        return playing.leave().await;
                    }
                }
                read = tap.read_buf(session.space()), if thirsty => match read.context("the connection failed")? {
                    0 => bail!("the server closed the connection"),
                    length => {
                        session.filled(Instant::now())?;
                        if let Manner::Slow(rate) = manner {
                            *thirsty_at = now + Duration::from_secs_f64(length as f64 / rate);
                        }
                    }
                },
                came = readable(datagrams) => { came?; take(datagrams, &mut buffer, packets); }
                () = sleep_until(wake_at.into()) => {}
            }
        }
    }

    async fn connect(self) -> Result<Playing> {
        let session = ClientSession::new(Instant::now(), self.target)?;
        let endpoint = session.endpoint();
        let addresses =
            lookup_host((endpoint.host.as_str(), endpoint.port)).await.context("the host has no address")?;
        let address = addresses.into_iter().next().context("the host has no address")?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if matches!(self.manner, Manner::Slow(_)) {
            SockRef::from(&socket).set_recv_buffer_size(SLOW_BUFFER)?;
        }
        let tcp = socket.connect(address).await.context("cannot connect")?;
        tcp.set_nodelay(true)?;
        Ok(Playing { tcp, session, datagrams: Vec::new(), thirsty_at: Instant::now() })
    }
}

/// Enters a phase; true when it is the end.
pub(in crate::loadgen) fn enter(phase: Phase, packets: &mut RtpFrames) -> bool {
    match phase {
        Phase::WarmUp => false,
        Phase::Measure => {
            packets.begin();
            false
        }
        Phase::End => {
            packets.frames.end(now_ns());
            true
        }
    }
}

impl Playing {
    /// Does what the machine wants done, until it waits. `None`: it is over.
    async fn act(&mut self, packets: &mut RtpFrames) -> Result<Option<Instant>> {
        let now = now_ns();
        loop {
            match self.session.poll(Instant::now())? {
                Output::Send(bytes) => self.tcp.write_all(&bytes).await.context("the connection failed")?,
                Output::Rtp(_, datagram) => {
                    if let Some(packet) = Packet::parse(&datagram) {
                        packets.take(now, &packet);
                    }
                }
                Output::Bind => self.bind()?,
                Output::Reconnect(_) => bail!("the server redirects"),
                Output::Playing | Output::Described(_) | Output::Rtcp(..) | Output::StartAt(..) => {}
                Output::WaitUntil(at) => return Ok(Some(at)),
                Output::Closed => return Ok(None),
            }
        }
    }

    fn bind(&mut self) -> Result<()> {
        let local = self.tcp.local_addr()?.ip();
        let (rtp, rtcp) = ports::free_udp_pair()?;
        let bind = |port| -> Result<UdpSocket> {
            let socket = std::net::UdpSocket::bind((local, port)).context("the UDP port is taken")?;
            socket.set_nonblocking(true)?;
            SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
            Ok(UdpSocket::from_std(socket)?)
        };
        self.datagrams.push((bind(rtp)?, bind(rtcp)?));
        self.session.bound(Instant::now(), (rtp, rtcp));
        Ok(())
    }

    async fn leave(mut self) -> Result<()> {
        self.session.teardown(Instant::now());
        while let Output::Send(bytes) = self.session.poll(Instant::now())? {
            self.tcp.write_all(&bytes).await?;
        }
        Ok(())
    }
}

/// Waits until a datagram of RTP is there; for ever where there are none.
async fn readable(datagrams: &[(UdpSocket, UdpSocket)]) -> Result<()> {
    match datagrams.first() {
        Some((rtp, _)) => rtp.readable().await.context("the datagrams failed"),
        None => std::future::pending().await,
    }
}

/// Takes the datagrams that are there.
fn take(datagrams: &[(UdpSocket, UdpSocket)], buffer: &mut [u8], packets: &mut RtpFrames) {
    let now = now_ns();
    let Some((rtp, _)) = datagrams.first() else { return };
    for _ in 0..DATAGRAMS_IN_A_ROW {
        let Ok(length) = rtp.try_recv(buffer) else { return };
        if let Some(packet) = buffer.get(..length).and_then(Packet::parse) {
            packets.take(now, &packet);
        }
    }
}
