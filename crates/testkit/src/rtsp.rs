//! An RTSP client of few words over TCP, for what real programs do not do: reading slowly, leaving rudely, sending nonsense.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// The longest anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
#[derive(Debug)]
pub struct Raw {
    tcp: TcpStream,
    buffer: Vec<u8>,
    url: String,
    cseq: u32,
}

/// Something that came.
#[derive(Debug)]
pub enum Came {
    /// A response: status and everything up to the empty line.
    Response(u16, String),
    /// A packet: channel and bytes.
    Packet(u8, Vec<u8>),
    /// The end of the connection.
    End,
}

impl Raw {
    /// Connects.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn connect(address: SocketAddr, path: &str) -> Result<Self> {
        Ok(Self::over(TcpStream::connect(address).await?, address, path))
    }

    /// With a receive buffer that is soon full.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn connect_small(address: SocketAddr, path: &str) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Ok(Self::over(socket.connect(address).await?, address, path))
    }

    fn over(tcp: TcpStream, address: SocketAddr, path: &str) -> Self {
        Self { tcp, buffer: Vec::new(), url: format!("rtsp://{address}/{path}"), cseq: 0 }
    }

    /// Sends bytes to a server that may close meanwhile.
    pub async fn send_lossy(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes).await;
    }

    /// Says that nothing more is sent.
    pub async fn finish(&mut self) {
        let _ = self.tcp.shutdown().await;
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.tcp.write_all(bytes).await.context("cannot send")
    }

    /// Sends a request and waits for its response, past packets.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn request(&mut self, method: &str, track: &str, headers: &str) -> Result<(u16, String)> {
        self.cseq += 1;
        let text = format!("{method} {}{track} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.url, self.cseq);
        self.send(text.as_bytes()).await?;
        loop {
            match self.next().await? {
                Came::Response(status, head) => return Ok((status, head)),
                Came::Packet(..) => {}
                Came::End => bail!("no answer to {method}"),
            }
        }
    }

    /// Sets up the first track interleaved and plays.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn play(&mut self) -> Result<()> {
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let (status, head) = self.request("SETUP", "/trackID=0", transport).await?;
        ensure!(status == 200, "SETUP: {head}");
        let (status, head) = self.request("PLAY", "", "").await?;
        ensure!(status == 200, "PLAY: {head}");
        Ok(())
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the server refuses, closes or falls silent.
    pub async fn next(&mut self) -> Result<Came> {
        timeout(PATIENCE, self.wait_for_next()).await.context("nothing came")?
    }

    async fn wait_for_next(&mut self) -> Result<Came> {
        loop {
            if let Some(came) = self.take()? {
                return Ok(came);
            }
            let mut chunk = [0; 4096];
            match self.tcp.read(&mut chunk).await {
                Ok(0) | Err(_) => return Ok(Came::End),
                Ok(n) => self.buffer.extend(chunk.iter().take(n)),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Came>> {
        if let [b'$', channel, high, low, ..] = *self.buffer {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            let Some(packet) = self.buffer.get(4..end).map(<[u8]>::to_vec) else { return Ok(None) };
            self.buffer.drain(..end);
            return Ok(Some(Came::Packet(channel, packet)));
        }
        let Some(empty_line) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(self.buffer.get(..empty_line + 4).unwrap_or_default()).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let end = empty_line + 4 + length.map_or(Ok(0), str::parse::<usize>)?;
        if self.buffer.len() < end {
            return Ok(None);
        }
        self.buffer.drain(..end);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Some(Came::Response(status.with_context(|| format!("not a response: {head}"))?, head)))
    }
}

/// What a reader saw of the RTP of one track.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many.
    pub packets: u64,
    /// Holes in the sequence numbers.
    pub holes: u64,
    /// The first payload byte after each hole, which tells the NAL unit's type.
    pub first_after_hole: Vec<u8>,
    /// The synchronisation sources.
    pub sources: BTreeSet<[u8; 4]>,
    last: Option<u16>,
}

impl Seen {
    /// Counts a packet with its header of twelve bytes; one too short is a hole of its own.
    pub fn take(&mut self, packet: &[u8]) {
        let [_, _, high, low, _, _, _, _, a, b, c, d, first, ..] = *packet else {
            self.holes += 1;
            return;
        };
        let sequence = u16::from_be_bytes([high, low]);
        if self.last.is_some_and(|last| sequence != last.wrapping_add(1)) {
            self.holes += 1;
            self.first_after_hole.push(first);
        }
        self.sources.insert([a, b, c, d]);
        self.last = Some(sequence);
        self.packets += 1;
    }
}

/// Reads the RTP of channel 0 for a while, `bytes_per_s` at most.
///
/// # Errors
/// When nothing comes for a minute.
pub async fn read_for(raw: &mut Raw, time: Duration, bytes_per_s: f64) -> Result<(Seen, bool)> {
    let mut seen = Seen::default();
    let started = Instant::now();
    let mut bytes = 0.0;
    while started.elapsed() < time {
        match raw.next().await? {
            Came::Packet(channel, packet) => {
                bytes += packet.len() as f64;
                if channel == 0 {
                    seen.take(&packet);
                }
            }
            Came::Response(..) => {}
            Came::End => return Ok((seen, false)),
        }
        let due = Duration::from_secs_f64(bytes / bytes_per_s);
        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
    }
    Ok((seen, true))
}

/// Connects, plays, takes a few packets and leaves, politely or not.
///
/// # Errors
/// When the server refuses or falls silent.
pub async fn visit(address: SocketAddr, path: &str, polite: bool) -> Result<()> {
    let mut raw = Raw::connect(address, path).await?;
    raw.play().await?;
    for _ in 0..3 {
        let came = raw.next().await?;
        ensure!(matches!(came, Came::Packet(..)), "a packet was awaited: {came:?}");
    }
    if polite {
        let (status, head) = raw.request("TEARDOWN", "", "").await?;
        ensure!(status == 200, "TEARDOWN: {head}");
    }
    Ok(())
}

/// The TCP sockets of the system that are open on this port of ours.
///
/// # Errors
/// When the system does not tell.
pub fn open_sockets(port: u16) -> Result<usize> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let local = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A socket that no process holds any more has no inode.
        fields.get(1).is_some_and(|address| address.ends_with(&local))
            && fields.get(9).is_some_and(|inode| *inode != "0")
    };
    Ok(table.lines().filter(is_open).count())
}
