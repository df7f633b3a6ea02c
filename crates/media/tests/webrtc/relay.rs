//! A UDP relay between viewer and server: a way that loses packets, or takes only so many, on their way to the viewer.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::UdpSocket,
    task::JoinSet,
    time::{sleep, sleep_until},
};

/// What waits for a narrow way; it takes minutes until more would be lost.
const QUEUE: usize = 20_000;
/// When a way is not narrow, nothing waits for it.
const NEVER: Duration = Duration::from_secs(3600);

/// A running relay for one viewer.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) way: Arc<Way>,
    _tasks: JoinSet<()>,
}

/// What happens to packets for the viewer.
#[derive(Default)]
pub(crate) struct Way {
    /// How many were lost.
    pub(crate) lost: AtomicU64,
    /// The part of the packets that is lost.
    pub(crate) percent: AtomicU64,
    /// Nothing passes while this is set.
    pub(crate) dark: AtomicBool,
    /// So many bits per second pass, the others wait; 0 is as many as come.
    pub(crate) bps: AtomicU64,
}

impl Relay {
    /// Loses `percent` of what is media on its way from `server`; the handshake passes.
    pub(crate) async fn start(server: SocketAddr, percent: u64) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        far.connect(server).await.unwrap();
        let address = near.local_addr().unwrap();
        let way = Arc::new(Way { percent: AtomicU64::new(percent), ..Way::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(near, far, Arc::clone(&way)));
        Self { address, way, _tasks: tasks }
    }

    /// The answer with this relay in place of the server.
    pub(crate) fn through(&self, answer: &str, server: SocketAddr) -> String {
        answer.replace(&format!(" {} ", server.port()), &format!(" {} ", self.address.port()))
    }
}

async fn carry(near: UdpSocket, far: UdpSocket, way: Arc<Way>) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let (mut viewer, mut dice) = (None, 1_u64);
    let (mut queue, mut free_at) = (VecDeque::<Vec<u8>>::new(), Instant::now());
    loop {
        let leaves = async {
            match queue.front() {
                Some(_) => sleep_until(free_at.into()).await,
                None => sleep(NEVER).await,
            }
        };
        tokio::select! {
            Ok((size, from)) = near.recv_from(&mut up) => {
                viewer = Some(from);
                let _ = far.send(&up[..size]).await;
            }
            () = leaves => {
                if let (Some(packet), Some(viewer)) = (queue.pop_front(), viewer) {
                    let _ = near.send_to(&packet, viewer).await;
                    free_at = next_free(free_at, packet.len(), way.bps.load(Ordering::Relaxed));
                }
            }
            Ok(size) = far.recv(&mut down) => {
                // Numerical Recipes' generator: the same packets are lost in each run of the same traffic.
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (is_media, bps) = (down[0] >= 128, way.bps.load(Ordering::Relaxed));
                let falls = is_media && (dice >> 33) % 100 < way.percent.load(Ordering::Relaxed);
                if falls || is_media && way.dark.load(Ordering::Relaxed) || queue.len() >= QUEUE {
                    way.lost.fetch_add(1, Ordering::Relaxed);
                } else if bps > 0 {
                    free_at = if queue.is_empty() { free_at.max(Instant::now()) } else { free_at };
                    queue.push_back(down[..size].to_vec());
                } else if let Some(viewer) = viewer {
                    let _ = near.send_to(&down[..size], viewer).await;
                }
            }
        }
    }
}

/// When the way takes the next packet.
fn next_free(free_at: Instant, bytes: usize, bps: u64) -> Instant {
    free_at + if bps > 0 { Duration::from_secs_f64(bytes as f64 * 8.0 / bps as f64) } else { Duration::ZERO }
}
