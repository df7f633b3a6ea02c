//! A UDP relay between viewer and server that loses packets on the way to the viewer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{net::UdpSocket, task::JoinSet};

/// A running relay for one viewer.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) lost: Arc<AtomicU64>,
    /// The part of the packets that is lost.
    pub(crate) percent: Arc<AtomicU64>,
    /// Nothing passes to the viewer while this is set.
    pub(crate) dark: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Loses `percent` of what is media on its way from `server`; the handshake passes.
    pub(crate) async fn start(server: SocketAddr, percent: u64) -> Self {
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        far.connect(server).await.unwrap();
        let address = near.local_addr().unwrap();
        let (lost, dark) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let percent = Arc::new(AtomicU64::new(percent));
        let mut tasks = JoinSet::new();
        tasks.spawn(carry(near, far, Arc::clone(&percent), Arc::clone(&lost), Arc::clone(&dark)));
        Self { address, lost, percent, dark, _tasks: tasks }
    }

    /// The answer with this relay in place of the server.
    pub(crate) fn through(&self, answer: &str, server: SocketAddr) -> String {
        answer.replace(&format!(" {} ", server.port()), &format!(" {} ", self.address.port()))
    }
}

async fn carry(near: UdpSocket, far: UdpSocket, percent: Arc<AtomicU64>, lost: Arc<AtomicU64>, dark: Arc<AtomicBool>) {
    let (mut up, mut down) = ([0; 2048], [0; 2048]);
    let (mut viewer, mut dice) = (None, 1_u64);
    loop {
        tokio::select! {
            Ok((size, from)) = near.recv_from(&mut up) => {
                viewer = Some(from);
                let _ = far.send(&up[..size]).await;
            }
            Ok(size) = far.recv(&mut down) => {
                // Numerical Recipes' generator: the same packets are lost in each run of the same traffic.
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let is_media = down[0] >= 128;
                if is_media && ((dice >> 33) % 100 < percent.load(Ordering::Relaxed) || dark.load(Ordering::Relaxed)) {
                    lost.fetch_add(1, Ordering::Relaxed);
                } else if let Some(viewer) = viewer {
                    let _ = near.send_to(&down[..size], viewer).await;
                }
            }
        }
    }
}
