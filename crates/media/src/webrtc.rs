//! WebRTC: WHEP, WHIP and wall sessions over one port, run by one thread.
//!
//! The server is ICE-lite and names all its addresses in the answer, so a viewer needs one HTTP round trip. A stream is
//! made into packets once, whoever views it. A viewer that joins gets the newest GOP at once, stamped so that its last
//! frame is shown now. Lost packets are sent again from a cache, lost pictures from the ring; the camera is asked only
//! when the ring holds no keyframe. A viewer whose way does not take its camera's main stream gets the sub stream, where
//! there is one, and the main one again after a calm time.
//!
//! Nothing is transcoded: video with B-frames or of a codec the browser did not offer is refused with the reason.

mod bandwidth;
mod congestion;
mod feed;
mod keys;
mod loss;
mod offer;
mod outbound;
mod outlet;
mod pace;
mod payload;
mod peer;
mod restart;
mod session;
mod socket;
mod tcp;
mod timeline;
mod trial;
mod viewing;
pub mod wall;
mod whep;
mod whip;
mod worker;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use domain::{PathName, SessionId};
use tokio::{
    net::{TcpListener, UdpSocket},
    runtime,
    sync::{mpsc, oneshot},
    task,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    Error,
    admission::Permit,
    catalogue::Catalogue,
    datagrams::Sender,
    hub::{Hub, Reader},
};
use session::{Registry, Shared};
use socket::Candidates;
use whep::Whep;
use worker::{COMMANDS, Command, Parts, Worker};

pub use restart::{Credentials, Restarted};
pub use session::{Access, Answer, Failure, Meta, Role, Seen, SessionSnapshot};
pub use trial::Trial;

/// Packets of a WHEP track that are kept for retransmission.
const RTX_PACKETS: usize = 1024;

/// Where and how the engine serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The UDP address of all sessions (`webrtcLocalUDPAddress`).
    pub udp_address: SocketAddr,
    /// The TCP address of all sessions (`webrtcLocalTCPAddress`); none serves UDP alone.
    pub tcp_address: Option<SocketAddr>,
    /// Addresses at which viewers reach us beside those of the interfaces (`webrtcAdditionalHosts`).
    pub additional_hosts: Vec<IpAddr>,
    /// The addresses of the interfaces are offered (`webrtcIPsFromInterfaces`).
    pub ips_from_interfaces: bool,
    /// How long ICE and DTLS may take (`webrtcHandshakeTimeout`).
    pub handshake_timeout: Duration,
    /// The most sessions at a time.
    pub max_sessions: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp_address: SocketAddr::from(([0, 0, 0, 0], 8189)),
            tcp_address: Some(SocketAddr::from(([0, 0, 0, 0], 8189))),
            additional_hosts: Vec::new(),
            ips_from_interfaces: true,
            handshake_timeout: Duration::from_secs(10),
            max_sessions: 10_000,
        }
    }
}

/// The WebRTC side of the engine. Cloning gives another handle.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: Config,
    local: SocketAddr,
    local_tcp: Option<SocketAddr>,
    registry: Arc<Registry>,
    commands: mpsc::Sender<Command>,
    hub: Hub,
    catalogue: Arc<dyn Catalogue>,
    stopped: CancellationToken,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("local", &self.0.local).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the ports and starts the thread, which runs until `cancel`.
    ///
    /// # Errors
    /// [`Error::Io`] when a port or the thread cannot be had.
    pub fn start(
        config: Config,
        hub: Hub,
        catalogue: Arc<dyn Catalogue>,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Io { action: "cannot start the WebRTC thread".into(), source };
        let socket = socket::open(config.udp_address)?;
        let local = socket.local_addr().map_err(failed)?;
        let listener = config.tcp_address.map(tcp::open).transpose()?;
        let local_tcp = listener.as_ref().map(std::net::TcpListener::local_addr).transpose().map_err(failed)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (socket, listener) = {
            let _entered = runtime.enter();
            let listener = listener.map(TcpListener::from_std).transpose().map_err(failed)?;
            (UdpSocket::from_std(socket).map_err(failed)?, listener)
        };
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let registry = Arc::new(Registry::new(config.max_sessions));
        let worker = Worker::new(Parts {
            sender: Sender::new(&socket).map_err(failed)?,
            socket,
            listener,
            candidates: all_candidates(&config, local, local_tcp),
            handshake: config.handshake_timeout,
            registry: Arc::clone(&registry),
            commands: receiver,
            hub: hub.clone(),
            catalogue: Arc::clone(&catalogue),
        });
        let stopped = CancellationToken::new();
        let guard = stopped.clone().drop_guard();
        thread::Builder::new()
            .name("webrtc".into())
            .spawn(move || run(&runtime, worker, cancel, guard))
            .map_err(failed)?;
        Ok(Self(Arc::new(Inner { config, local, local_tcp, registry, commands, hub, catalogue, stopped })))
    }

    /// The UDP address in use.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local
    }

    /// The TCP address in use, if any.
    #[must_use]
    pub fn local_tcp_addr(&self) -> Option<SocketAddr> {
        self.0.local_tcp
    }

    /// Opens a WHEP session on a path that the caller may read. Waits for the source.
    ///
    /// # Errors
    /// What [`Reader::ready`] says; [`Error::Malformed`] for an offer that cannot be read; [`Error::Unsupported`] when
    /// the video has B-frames or a codec outside the offer; [`Error::Limit`].
    pub async fn whep(&self, offer: &str, reader: Reader, meta: Meta) -> Result<Answer, Error> {
        let parsed = offer::parse(offer)?;
        reader.ready().await?;
        let mut negotiated = self.negotiate(parsed, meta.remote_addr, RTX_PACKETS).await?;
        negotiated.offer = offer.to_owned();
        let obstacle = negotiated.wanted_video().and_then(|types| feed::obstacle_in(reader.stream(), types));
        if let Some(reason) = obstacle {
            return Err(Error::Unsupported(reason.into()));
        }
        let path = reader.path().as_str().to_owned();
        let (answer, shared) = self.list(offer, &negotiated, meta, (path, Role::Read))?;
        let sub = self.sub_of(reader.path());
        self.command(Command::Whep(Box::new(negotiated), shared, Box::new(Whep::new(reader, sub)))).await?;
        Ok(answer)
    }

    /// Opens a WHIP session: the caller, who may, publishes to the path.
    ///
    /// # Errors
    /// What [`Hub::publish`] says; [`Error::Malformed`] for an offer that cannot be read; [`Error::Unsupported`] when it
    /// has no codec that can be taken; [`Error::Limit`].
    pub async fn whip(&self, offer: &str, path: PathName, permit: Permit, meta: Meta) -> Result<Answer, Error> {
        offer::parse(offer)?;
        self.0.hub.may_publish(&path)?;
        let candidates = self.candidates(meta.remote_addr);
        let text = offer.to_owned();
        let taken = task::spawn_blocking(move || offer::take(&text, &candidates, Instant::now()));
        let mut taken = taken.await.map_err(|_| Error::Malformed("the SDP offer cannot be answered".into()))??;
        taken.negotiated.offer = offer.to_owned();
        let listed = (path.as_str().to_owned(), Role::Publish);
        let (answer, shared) = self.list(offer, &taken.negotiated, meta, listed)?;
        self.command(Command::Whip(Box::new(taken), shared, path, permit)).await?;
        Ok(answer)
    }

    /// The sub stream of the camera whose main stream is at a path.
    fn sub_of(&self, path: &PathName) -> Option<PathName> {
        let is_main = |camera: &domain::Camera| camera.main.as_ref() == Some(path);
        self.0.catalogue.cameras().into_iter().find(is_main)?.sub
    }

    /// Lists a session under a fresh secret.
    fn list(
        &self,
        offer: &str,
        negotiated: &offer::Negotiated,
        meta: Meta,
        (path, role): (String, Role),
    ) -> Result<(Answer, Arc<Shared>), Error> {
        let answer = Answer { sdp: negotiated.answer.clone(), secret: random_name(), etag: random_name() };
        let access = Access { path: path.clone(), role, etag: answer.etag.clone(), ufrag: offer::ufrag(offer) };
        let shared = Arc::new(Shared::new(meta, path, role));
        self.0.registry.add(&shared, Some((answer.secret.clone(), access)))?;
        Ok((answer, shared))
    }

    /// What requests to the WHEP or WHIP session behind the secret of a URL are checked against.
    #[must_use]
    pub fn access(&self, secret: &str) -> Option<Access> {
        self.0.registry.by_secret(secret).map(|(_, access)| access)
    }

    /// Restarts ICE of the WHEP or WHIP session behind the secret of a URL. A failure leaves the session as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Malformed`] when the credentials do not fit the session's offer.
    pub async fn restart(&self, secret: &str, client: Credentials) -> Result<Restarted, Error> {
        let gone = || Error::NotFound("the session");
        let (id, _) = self.0.registry.by_secret(secret).ok_or_else(gone)?;
        let (reply, replied) = oneshot::channel();
        let ufrag = client.ufrag.clone();
        self.command(Command::Restart(id, client, reply)).await?;
        let fragment = replied.await.map_err(|_| gone())??;
        let etag = random_name();
        self.0.registry.restarted(secret, &etag, &ufrag);
        Ok(Restarted { fragment, etag })
    }

    /// The sessions whose connection did not come about or was lost lately, the newest first.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.0.registry.failures()
    }

    /// Ends the WHEP or WHIP session behind the secret of a URL. False when there is none.
    pub async fn close(&self, secret: &str) -> bool {
        match self.0.registry.by_secret(secret) {
            Some((id, _)) => self.kick(id).await,
            None => false,
        }
    }

    /// Ends a session. False when there is none of this id.
    pub async fn kick(&self, id: SessionId) -> bool {
        let known = self.0.registry.remove(id);
        known && self.command(Command::Close(id)).await.is_ok()
    }

    /// Opens a wall session. A session of the same user and window ends.
    ///
    /// # Errors
    /// [`Error::Malformed`] for an offer that cannot be read or has not a track for each slot; [`Error::Limit`].
    pub async fn open_wall(&self, request: wall::Request, meta: Meta) -> Result<wall::Opened, Error> {
        let parsed = offer::parse(&request.offer)?;
        let negotiated = self.negotiate(parsed, meta.remote_addr, wall::RTX_PACKETS).await?;
        let tracks = negotiated.video.len();
        if tracks != request.slots || !(1..=wall::SLOTS).contains(&tracks) {
            let slots = request.slots;
            return Err(Error::Malformed(format!(
                "{slots} slots are asked for, but the offer has {tracks} tracks of H.264 or H.265"
            )));
        }
        let opened = wall::Opened {
            session_id: meta.id,
            answer: negotiated.answer.clone(),
            slots: negotiated.video.iter().enumerate().map(|(slot, (look, _))| (slot, look.mid.to_string())).collect(),
            audio_mid: negotiated.audio.as_ref().map(|(look, _)| look.mid.to_string()),
        };
        let shared = Arc::new(Shared::new(meta, String::new(), Role::Read));
        self.0.registry.add(&shared, None)?;
        self.command(Command::Wall(Box::new(negotiated), shared, request)).await?;
        Ok(opened)
    }

    /// Ends a wall session. False when there is none of this id.
    pub async fn close_wall(&self, id: SessionId) -> bool {
        self.kick(id).await
    }

    /// All sessions, the oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionSnapshot> {
        self.0.registry.snapshots()
    }

    /// Waits until the thread has ended.
    pub async fn stopped(&self) {
        self.0.stopped.cancelled().await;
    }

    /// Answers an offer on a thread where computing harms nobody.
    async fn negotiate(
        &self,
        offer: str0m::change::SdpOffer,
        caller: SocketAddr,
        rtx_packets: usize,
    ) -> Result<offer::Negotiated, Error> {
        let candidates = self.candidates(caller);
        let answered = task::spawn_blocking(move || offer::answer(offer, &candidates, rtx_packets, Instant::now()));
        answered.await.map_err(|_| Error::Malformed("the SDP offer cannot be answered".into()))?
    }

    /// The addresses offered: loopback ones only to who comes from there.
    fn candidates(&self, caller: SocketAddr) -> Candidates {
        all_candidates(&self.0.config, self.0.local, self.0.local_tcp).for_caller(caller)
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.0.commands.send(command).await.map_err(|_| Error::ShuttingDown)
    }
}

fn all_candidates(config: &Config, udp: SocketAddr, tcp: Option<SocketAddr>) -> Candidates {
    let addresses = |bound| socket::addresses(bound, config.ips_from_interfaces, &config.additional_hosts);
    Candidates { udp: addresses(udp), tcp: tcp.map(addresses).unwrap_or_default() }
}

fn run(runtime: &runtime::Runtime, worker: Worker, cancel: CancellationToken, _stopped: DropGuard) {
    runtime.block_on(worker.run(cancel));
}

/// 128 random bits as text.
fn random_name() -> String {
    format!("{:032x}", rand::random::<u128>())
}
