//! Stands between us and a camera: passes the RTSP connection on and takes the way of UDP packets through itself, where
//! a test can drop and swap them.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU16, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket, tcp},
    task::JoinSet,
};

/// What happens to an RTP packet of the camera; the number counts them from 0.
pub(super) type Rule = fn(u64) -> Fate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    Drop,
    /// It comes after the one that follows it.
    Late,
}

type Setups = Arc<Mutex<Vec<String>>>;
type Reports = Arc<Mutex<Vec<Vec<u8>>>>;

/// A running relay; dropping it ends its tasks.
pub(super) struct Relay {
    pub(super) port: u16,
    /// The `Transport` of each SETUP that passed.
    setups: Setups,
    /// The RTCP packets that were sent to the camera.
    pub(super) reports: Reports,
    _tasks: JoinSet<()>,
}

impl Relay {
    pub(super) async fn start(camera: u16, rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (setups, reports) = (Setups::default(), Reports::default());
        let mut tasks = JoinSet::new();
        let ear = Ear { setups: Arc::clone(&setups), reports: Arc::clone(&reports) };
        tasks.spawn(accept(listener, camera, rule, ear));
        Self { port, setups, reports, _tasks: tasks }
    }

    pub(super) fn last_setup(&self) -> String {
        self.setups.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// Where a relay writes down what it hears.
#[derive(Clone)]
struct Ear {
    setups: Setups,
    reports: Reports,
}

async fn accept(listener: TcpListener, camera: u16, rule: Rule, ear: Ear) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", camera)).await.unwrap();
        connections.spawn(connection(client, server, rule, ear.clone()));
    }
}

/// One connection. The tracks of it share a pair of sockets, in the order of their SETUP.
async fn connection(client: TcpStream, server: TcpStream, rule: Rule, ear: Ear) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut tasks = JoinSet::new();
    let mut way: Option<Arc<Way>> = None;
    loop {
        let request = tokio::select! {
            request = text(&mut from_client) => request,
            response = text(&mut from_server) => {
                let Some(mut response) = response else { return };
                if let (Some(way), Some(ports)) = (&way, between(&response, b"server_port=")) {
                    way.server.store(first_port(&ports), Ordering::Relaxed);
                    response = replaced(&response, &ports, &way.pair());
                }
                if to_client.write_all(&response).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(mut request) = request else { return };
        if let Some(transport) = between(&request, b"Transport: ") {
            ear.setups.lock().unwrap().push(transport);
        }
        if let Some(ports) = between(&request, b"client_port=") {
            let (pair, rtp, rtcp) = Way::bind(first_port(&ports)).await;
            tasks.spawn(Arc::clone(&pair).run(rtp, 0, rule, Arc::default()));
            tasks.spawn(Arc::clone(&pair).run(rtcp, 1, |_| Fate::Pass, Arc::clone(&ear.reports)));
            request = replaced(&request, &ports, &pair.pair());
            way = Some(pair);
        }
        if to_server.write_all(&request).await.is_err() {
            return;
        }
    }
}

async fn text(half: &mut tcp::OwnedReadHalf) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64 << 10);
    matches!(half.read_buf(&mut bytes).await, Ok(1..)).then_some(bytes)
}

/// What follows `key`, up to the end of the parameter or the line.
fn between(bytes: &[u8], key: &[u8]) -> Option<String> {
    let at = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    let end = if key.ends_with(b"=") { &b";\r"[..] } else { b"\r" };
    let value = bytes[at..].iter().take_while(|byte| !end.contains(byte)).copied().collect();
    String::from_utf8(value).ok()
}

fn replaced(bytes: &[u8], ports: &str, other: &str) -> Vec<u8> {
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .replace(&format!("_port={ports}"), &format!("_port={other}"))
        .replace(
            // Servers repeat the ports of the client, which knows its own.
            &format!("client_port={other};server_port"),
            "server_port",
        )
        .into_bytes()
}

fn first_port(pair: &str) -> u16 {
    pair.split('-').next().unwrap().parse().unwrap()
}

/// The way of one track: a pair of ports that both sides take for the other.
struct Way {
    port: u16,
    client: u16,
    server: AtomicU16,
}

impl Way {
    async fn bind(client: u16) -> (Arc<Self>, UdpSocket, UdpSocket) {
        loop {
            let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let port = rtp.local_addr().unwrap().port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1)).await
            {
                return (Arc::new(Self { port, client, server: AtomicU16::new(0) }), rtp, rtcp);
            }
        }
    }

    fn pair(&self) -> String {
        format!("{}-{}", self.port, self.port + 1)
    }

    async fn run(self: Arc<Self>, socket: UdpSocket, offset: u16, rule: Rule, reports: Reports) {
        let mut buffer = [0; 2048];
        let mut held: Option<Vec<u8>> = None;
        let mut count = 0;
        loop {
            let (bytes, from) = socket.recv_from(&mut buffer).await.unwrap();
            let packet = &buffer[..bytes];
            if from.port() == self.client + offset {
                reports.lock().unwrap().push(packet.to_vec());
                let server = self.server.load(Ordering::Relaxed) + offset;
                socket.send_to(packet, ("127.0.0.1", server)).await.unwrap();
                continue;
            }
            let fate = rule(count);
            count += 1;
            if fate == Fate::Late && held.is_none() {
                held = Some(packet.to_vec());
                continue;
            }
            if fate != Fate::Drop {
                socket.send_to(packet, ("127.0.0.1", self.client + offset)).await.unwrap();
            }
            if let Some(late) = held.take() {
                socket.send_to(&late, ("127.0.0.1", self.client + offset)).await.unwrap();
            }
        }
    }
}
