//! A client of few words, for what real programs do not do.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::world::PATIENCE;

/// One connection.
pub(crate) struct Raw {
    tcp: TcpStream,
    buffer: Vec<u8>,
    url: String,
    cseq: u32,
}

/// Something that came.
#[derive(Debug)]
pub(crate) enum Came {
    /// A response: status and everything up to the empty line.
    Response(u16, String),
    /// A packet: channel and bytes.
    Packet(u8, Vec<u8>),
    /// The end of the connection.
    End,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        Self { tcp, buffer: Vec::new(), url: format!("rtsp://{address}/{path}"), cseq: 0 }
    }

    /// With a receive buffer that is soon full.
    pub(crate) async fn connect_small(address: SocketAddr, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let tcp = socket.connect(address).await.unwrap();
        Self { tcp, buffer: Vec::new(), url: format!("rtsp://{address}/{path}"), cseq: 0 }
    }

    /// Sends bytes to a server that may close meanwhile.
    pub(crate) async fn send_lossy(&mut self, bytes: &[u8]) {
        let _ = self.tcp.write_all(bytes).await;
    }

    /// Says that nothing more is sent.
    pub(crate) async fn finish(&mut self) {
        let _ = self.tcp.shutdown().await;
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.tcp.write_all(bytes).await.unwrap();
    }

    /// Sends a request and waits for its response, past packets.
    pub(crate) async fn request(&mut self, method: &str, track: &str, headers: &str) -> (u16, String) {
        self.cseq += 1;
        let text = format!("{method} {}{track} RTSP/1.0\r\nCSeq: {}\r\n{headers}\r\n", self.url, self.cseq);
        self.send(text.as_bytes()).await;
        loop {
            match self.next().await {
                Came::Response(status, head) => return (status, head),
                Came::Packet(..) => {}
                Came::End => panic!("no answer to {method}"),
            }
        }
    }

    /// Sets up the first track interleaved and plays.
    pub(crate) async fn play(&mut self) {
        let (status, head) =
            self.request("SETUP", "/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n").await;
        assert_eq!(status, 200, "{head}");
        let (status, head) = self.request("PLAY", "", "").await;
        assert_eq!(status, 200, "{head}");
    }

    pub(crate) async fn next(&mut self) -> Came {
        timeout(PATIENCE, self.wait_for_next()).await.expect("nothing came")
    }

    async fn wait_for_next(&mut self) -> Came {
        loop {
            if let Some(came) = self.take() {
                return came;
            }
            let mut chunk = [0; 4096];
            match self.tcp.read(&mut chunk).await {
                Ok(0) | Err(_) => return Came::End,
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }

    fn take(&mut self) -> Option<Came> {
        if let [b'$', channel, high, low, ..] = *self.buffer {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            let packet = self.buffer.get(4..end)?.to_vec();
            self.buffer.drain(..end);
            return Some(Came::Packet(channel, packet));
        }
        let head_end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.buffer[..head_end].to_vec()).unwrap();
        let body: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        if self.buffer.len() < head_end + body {
            return None;
        }
        self.buffer.drain(..head_end + body);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Some(Came::Response(status, head))
    }
}

/// What a reader saw of the RTP of one track.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) packets: u64,
    /// Holes in the sequence numbers.
    pub(crate) holes: u64,
    /// The first payload byte after each hole, which tells the NAL unit's type.
    pub(crate) first_after_hole: Vec<u8>,
    /// The synchronisation sources.
    pub(crate) sources: BTreeSet<[u8; 4]>,
    last: Option<u16>,
}

impl Seen {
    pub(crate) fn take(&mut self, packet: &[u8]) {
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        if self.last.is_some_and(|last| sequence != last.wrapping_add(1)) {
            self.holes += 1;
            self.first_after_hole.push(packet[12]);
        }
        self.sources.insert([packet[8], packet[9], packet[10], packet[11]]);
        self.last = Some(sequence);
        self.packets += 1;
    }
}

/// Reads the RTP of channel 0 for a while, `bytes_per_s` at most.
pub(crate) async fn read_for(raw: &mut Raw, time: Duration, bytes_per_s: f64) -> (Seen, bool) {
    let mut seen = Seen::default();
    let started = Instant::now();
    let mut bytes = 0.0;
    while started.elapsed() < time {
        match raw.next().await {
            Came::Packet(channel, packet) => {
                bytes += packet.len() as f64;
                if channel == 0 {
                    seen.take(&packet);
                }
            }
            Came::Response(..) => {}
            Came::End => return (seen, false),
        }
        let due = Duration::from_secs_f64(bytes / bytes_per_s);
        tokio::time::sleep(due.saturating_sub(started.elapsed())).await;
    }
    (seen, true)
}

/// Connects, plays, takes a few packets and leaves, politely or not.
pub(crate) async fn visit(address: SocketAddr, path: &str, polite: bool) {
    let mut raw = Raw::connect(address, path).await;
    raw.play().await;
    for _ in 0..3 {
        assert!(matches!(raw.next().await, Came::Packet(..)));
    }
    if polite {
        assert_eq!(raw.request("TEARDOWN", "", "").await.0, 200);
    }
}

/// The TCP sockets of the system that are open on this port of ours.
pub(crate) fn open_sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let is_open = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A socket that no process holds any more has no inode.
        fields.get(1).is_some_and(|address| address.ends_with(&local))
            && fields.get(9).is_some_and(|inode| *inode != "0")
    };
    table.lines().filter(is_open).count()
}
