//! The RTSP server: readers pull from the ring, publishers feed it.
//!
//! One task per connection; a connection has at most one session. RTP travels interleaved in the connection or over the
//! server's one pair of UDP ports. The protocol itself is `media_proto::rtsp::server`; here are sockets, time and the
//! questions to the hub. Multicast, SRTP and tunnels are not here; a client that asks for them gets 461.

mod config;
mod connection;
mod credentials;
mod delivery;
mod outgoing;
mod player;
mod publisher;
mod reader;
mod refusals;
mod registry;
mod report;
mod snapshot;
mod thinning;
mod udp;
mod writer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use domain::SessionId;
use socket2::{Protocol, Type};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, debug, field, info_span, warn};

use crate::{Error, Hub};

pub use config::{AuthMethod, Config};
use refusals::Refusals;
use registry::Registry;
pub use snapshot::{ConnectionSnapshot, SessionSnapshot, SessionState, Transport};
use udp::{Kind, Routes, Sockets, io_error};

/// The listen queue of the server.
const BACKLOG: i32 = 1024;
/// The wait after an accept that failed, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A running RTSP server. Dropping it, or cancelling the token it was started with, ends its tasks.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    hub: Hub,
    sockets: Arc<Sockets>,
    udp_ports: (u16, u16),
    routes: Arc<Routes>,
    registry: Arc<Registry>,
    refusals: Refusals,
    cancel: CancellationToken,
}

impl Server {
    /// Binds the ports and serves the paths of `hub` until `cancel`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Io`] when a port cannot be had.
    pub fn start(config: Config, hub: Hub, cancel: CancellationToken) -> Result<Self, Error> {
        let listener = listen(config.address)?;
        let address = listener.local_addr().map_err(io_error("cannot read the RTSP server's address"))?;
        let sockets = Arc::new(Sockets::bind(config.rtp_address, config.rtcp_address)?);
        let udp_ports = sockets.ports()?;
        let cancel = cancel.child_token();
        let shared = Arc::new(Shared {
            config,
            hub,
            sockets,
            udp_ports,
            routes: Arc::default(),
            registry: Arc::default(),
            refusals: Refusals::default(),
            cancel,
        });
        let tasks = TaskTracker::new();
        tasks.spawn(accept(Arc::clone(&shared), listener, tasks.clone()));
        tasks.spawn(udp::receive(Arc::clone(&shared), Kind::Rtp));
        tasks.spawn(udp::receive(Arc::clone(&shared), Kind::Rtcp));
        let reporting = Arc::clone(&shared);
        tasks.spawn(async move { reporting.refusals.report(&reporting.cancel).await });
        debug!(%address, udp.rtp_port = udp_ports.0, udp.rtcp_port = udp_ports.1, "RTSP server listens");
        Ok(Self { shared, address, tasks })
    }

    /// Where it accepts connections.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The UDP ports of RTP and RTCP.
    #[must_use]
    pub fn udp_ports(&self) -> (u16, u16) {
        self.shared.udp_ports
    }

    /// The connections, in the order of their ids.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionSnapshot> {
        self.shared.registry.connections()
    }

    /// The sessions, in the order of their ids.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionSnapshot> {
        self.shared.registry.sessions()
    }

    /// Ends a session and its connection.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such session.
    pub fn kick(&self, id: SessionId) -> Result<(), Error> {
        let session = self.shared.registry.session(id).ok_or(Error::NotFound("session"))?;
        session.kicked.cancel();
        Ok(())
    }

    /// Ends all connections and waits for their tasks.
    pub async fn shutdown(&self) {
        self.shared.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = || -> std::io::Result<TcpListener> {
        let (socket, address) = udp::open(address, Type::STREAM, Protocol::TCP)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    bound().map_err(io_error(&format!("cannot listen for RTSP on {address}")))
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, tasks: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = shared.cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                let span = info_span!("rtsp", %peer, session.id = field::Empty, stream.path = field::Empty);
                tasks.spawn(connection::serve(Arc::clone(&shared), tcp, peer).instrument(span));
            }
            Err(error) => {
                warn!(%error, "cannot accept an RTSP connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
