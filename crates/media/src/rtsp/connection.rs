//! One connection: its bytes go through the protocol machine, its questions to the hub.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::SessionId;
use media_proto::{
    Track, TrackId,
    rtsp::server::{Ask, Identity, Lane, Output, Question, SESSION_TIMEOUT_S, ServerSession},
};
use socket2::SockRef;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::mpsc,
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, field, info, warn};

use super::{
    SessionState, Shared, Transport, credentials,
    player::Client,
    publisher::Feed,
    reader::Watch,
    refusals::Refusal,
    registry::{About, ListedConnection, ListedSession},
    udp::Registration,
    writer::Writer,
};
use crate::{
    Error,
    admission::{Action, Permit},
    doze::Doze,
    hub::{PublisherKind, ReaderKind},
};

/// The send buffer asked of the system: some access units, but not seconds of delay.
const SEND_BUFFER: usize = 256 << 10;
/// How often a connection looks at its timers.
const TICK: Duration = Duration::from_secs(1);
/// A client without a session that is not heard of for this long is closed; so is a UDP reader.
const SILENCE_MAX: Duration = Duration::from_secs(SESSION_TIMEOUT_S + 5);
/// Requests with wrong credentials before the connection is closed.
const REFUSALS_MAX: u32 = 5;
/// RTCP packets of a UDP reader that wait to be looked at; more are dropped.
const REPORTS_WAITING: usize = 16;
/// A client that leaves may take this long to hear that nothing more comes.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ending {
    /// As the client, the operator or the stream wanted.
    Wanted(&'static str),
    /// Because of a fault of the client or the network.
    Fault(String),
}

impl Ending {
    pub(super) fn io(error: &io::Error) -> Self {
        // Players that are closed leave so.
        if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted) {
            return Self::Wanted("the client broke the connection off");
        }
        Self::Fault(error.to_string())
    }
}

/// What happens to a session from the side of the stream.
#[derive(Debug)]
pub(super) enum Event {
    /// A reader has nothing more to get.
    Ended(Ending),
    /// A publisher must go.
    Replaced,
    /// A reader of what a publisher sends wants a keyframe.
    KeyframeWanted,
    /// It is time to look at the timers.
    Tick,
}

/// What the connection is used for.
#[derive(Debug)]
enum Role {
    None,
    Reads(Box<Watch>),
    Announces { permit: Permit, tracks: Vec<Track> },
    Feeds(Arc<Feed>),
}

impl Role {
    fn is_revoked(&self) -> bool {
        match self {
            Self::None => false,
            Self::Reads(watch) => watch.is_revoked(),
            Self::Announces { permit, .. } => permit.is_revoked(),
            Self::Feeds(feed) => feed.is_revoked(),
        }
    }
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    listed: ListedConnection,
    session: Option<ListedSession>,
    session_id: SessionId,
    stop: CancellationToken,
    read: OwnedReadHalf,
    writer: Arc<Writer>,
    proto: ServerSession,
    role: Role,
    /// Where datagrams of this session come from; gone with the session.
    registrations: Vec<Registration>,
    reports: (mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>),
    heard: Instant,
    refusals: u32,
}

/// Serves a connection to its end.
pub(super) async fn serve(shared: Arc<Shared>, tcp: TcpStream, peer: SocketAddr) {
    let Some(listed) = shared.registry.connect(peer, shared.config.max_connections) else {
        shared.refusals.note(Refusal::Connection { limit: shared.config.max_connections });
        return;
    };
    if let Err(error) = prepare(&tcp, shared.config.write_timeout) {
        warn!(%peer, %error, "cannot prepare an RTSP connection");
        return;
    }
    let stop = shared.cancel.child_token();
    let mut connection = Connection::new(shared, tcp, listed, stop.clone());
    let ending = {
        let mut stopped = pin!(stop.cancelled());
        tokio::select! {
            biased;
            () = Doze::new(stopped.as_mut()) => Ending::Wanted("closed by the server"),
            ending = connection.run() => ending,
        }
    };
    connection.close(&ending).await;
}

fn prepare(tcp: &TcpStream, write_timeout: Duration) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // A peer that is gone without a word is noticed even when little is sent.
    socket.set_tcp_user_timeout(Some(write_timeout))
}

impl Connection {
    fn new(shared: Arc<Shared>, tcp: TcpStream, listed: ListedConnection, stop: CancellationToken) -> Self {
        let (read, write) = tcp.into_split();
        let session_id = SessionId::from_uuid(uuid::Uuid::new_v4());
        let proto = ServerSession::new(Identity {
            session: session_id.as_uuid().simple().to_string(),
            nonce: uuid::Uuid::new_v4().simple().to_string(),
            schemes: credentials::schemes(&shared.config.auth_methods, shared.hub.takes_digests()),
        });
        Self {
            shared,
            listed,
            session: None,
            session_id,
            stop,
            read,
            writer: Arc::new(Writer::new(write)),
            proto,
            role: Role::None,
            registrations: Vec::new(),
            reports: mpsc::channel(REPORTS_WAITING),
            heard: Instant::now(),
            refusals: 0,
        }
    }

    async fn run(&mut self) -> Ending {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let step = match &self.role {
                Role::Feeds(feed) => self.feed(Arc::clone(feed)).await,
                Role::None | Role::Reads(_) | Role::Announces { .. } => self.step(&mut tick).await,
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// Waits for one thing and does it. What is looked at first cannot be kept waiting by what comes after it.
    async fn step(&mut self, tick: &mut Interval) -> Result<(), Ending> {
        self.drain().await?;
        tokio::select! {
            biased;
            _ = tick.tick() => self.tick().await,
            read = self.read.read_buf(self.proto.space()) => self.read_some(read),
            report = self.reports.1.recv(), if !self.registrations.is_empty() => {
                self.report(report.unwrap_or_default());
                Ok(())
            }
            event = next_event(&self.role) => self.event(event).await,
        }
    }

    /// The same as long as packets of a publisher come: for the rest it waits once, not anew after each read.
    async fn feed(&mut self, feed: Arc<Feed>) -> Result<(), Ending> {
        let mut next_tick = Instant::now() + TICK;
        let mut event = pin!(feed.next(next_tick));
        let mut event = Doze::new(event.as_mut());
        while matches!(&self.role, Role::Feeds(now) if Arc::ptr_eq(now, &feed)) {
            self.drain().await?;
            tokio::select! {
                biased;
                came = &mut event => {
                    if matches!(came, Event::Tick) {
                        next_tick = Instant::now() + TICK;
                    }
                    event.set(feed.next(next_tick));
                    self.event(came).await?;
                }
                read = self.read.read_buf(self.proto.space()) => self.read_some(read)?,
            }
        }
        Ok(())
    }

    /// Does what the protocol machine wants done.
    async fn drain(&mut self) -> Result<(), Ending> {
        loop {
            let now = Instant::now();
            let output = match &self.role {
                Role::Feeds(feed) => feed.take(now, || self.proto.poll(now)),
                Role::None | Role::Reads(_) | Role::Announces { .. } => self.proto.poll(now),
            };
            match output {
                Output::Nothing => return Ok(()),
                Output::Send(bytes) => self.send(&bytes).await?,
                Output::Ask(ask) => self.answer(*ask).await?,
                Output::Packet { rtcp, data, .. } => self.packet(rtcp, &data),
                Output::Closed => return Err(Ending::Wanted("the client ended it")),
                Output::Broken(error) => return Err(Ending::Fault(error.to_string())),
            }
        }
    }

    fn read_some(&mut self, read: io::Result<usize>) -> Result<(), Ending> {
        match read {
            Ok(0) => Err(Ending::Wanted("the client closed the connection")),
            Ok(bytes) => {
                self.heard = Instant::now();
                self.listed.entry.inbound_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(Ending::io(&error)),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        self.writer.send(bytes, self.shared.config.write_timeout).await?;
        self.listed.entry.outbound_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn event(&mut self, event: Event) -> Result<(), Ending> {
        match (&self.role, event) {
            (_, Event::Tick) => self.tick().await,
            (_, Event::Ended(ending)) => Err(ending),
            (_, Event::Replaced) => Err(Ending::Wanted("the path took another publisher or is gone")),
            (Role::Feeds(feed), Event::KeyframeWanted) => {
                let requests = feed.keyframe_requests(Instant::now());
                self.send_rtcp(requests).await
            }
            (Role::None | Role::Announces { .. } | Role::Reads(_), Event::KeyframeWanted) => Ok(()),
        }
    }

    async fn tick(&mut self) -> Result<(), Ending> {
        if self.role.is_revoked() {
            return Err(Ending::Wanted("the right to use the path was withdrawn"));
        }
        let silent = self.heard.elapsed();
        match &mut self.role {
            Role::Reads(watch) if watch.plays() => {
                if watch.uses_udp() && silent > SILENCE_MAX {
                    return Err(Ending::Fault("the reader gives no sign of life".into()));
                }
                watch.tick()?;
            }
            Role::Feeds(feed) => {
                let lost = feed.silent_for();
                if lost > self.shared.config.read_timeout {
                    return Err(Ending::Fault(format!("the publisher sent no RTP for {} s", lost.as_secs())));
                }
                let reports = feed.reports(Instant::now());
                self.send_rtcp(reports).await?;
            }
            Role::None | Role::Reads(_) | Role::Announces { .. } if silent > SILENCE_MAX => {
                return Err(Ending::Wanted("the client was silent"));
            }
            Role::None | Role::Reads(_) | Role::Announces { .. } => {}
        }
        Ok(())
    }

    /// Sends receiver reports and requests to a publisher.
    async fn send_rtcp(&mut self, packets: Vec<(TrackId, Bytes)>) -> Result<(), Ending> {
        for (track, packet) in packets {
            let lane = self.proto.lanes().iter().find(|(known, _)| *known == track).map(|(_, lane)| *lane);
            match lane {
                Some(Lane::Tcp { rtcp, .. }) => self.send(&interleaved(rtcp, &packet)).await?,
                Some(Lane::Udp { rtcp, .. }) => {
                    let to = SocketAddr::new(self.listed.entry.remote.ip(), rtcp);
                    self.shared.sockets.send_rtcp(&packet, to);
                }
                None => {}
            }
            if let Some(session) = &self.session {
                session.entry.numbers.outbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
                session.entry.numbers.outbound_bytes.fetch_add(packet.len() as u64, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Takes a packet of someone who does not publish: a reader's RTP, or packets before RECORD, mean nothing.
    fn packet(&mut self, rtcp: bool, data: &[u8]) {
        if let (Role::Reads(watch), true) = (&self.role, rtcp) {
            watch.report(data);
        }
    }

    fn report(&mut self, data: Bytes) {
        self.heard = Instant::now();
        if let Role::Reads(watch) = &self.role {
            watch.report(&data);
        }
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Ending> {
        let answered = match &ask.question {
            Question::Describe => self.describe(&ask).await,
            Question::Announce(tracks) => self.announce(&ask, tracks.clone()).await,
            Question::SetUp { track, lane, publishes } => self.set_up(&ask, *track, *lane, *publishes).await,
            Question::Play => self.play(),
            Question::Record => self.record(),
            Question::Pause => self.pause(),
        };
        match answered {
            Ok(()) => Ok(()),
            Err(Denied::Ended(ending)) => Err(ending),
            Err(Denied::Because(Error::Unauthenticated)) => self.challenge(&ask),
            Err(Denied::Because(error)) => {
                let refusal = Refusal::Request { path: ask.path.clone(), reason: error.to_string() };
                self.shared.refusals.note(refusal);
                self.proto.refuse(status_of(&error), &error.to_string());
                Ok(())
            }
        }
    }

    fn challenge(&mut self, ask: &Ask) -> Result<(), Ending> {
        if !credentials::are_shown(&ask.shown) {
            self.proto.challenge();
            return Ok(());
        }
        self.refusals += 1;
        let peer = self.listed.entry.remote.ip();
        self.shared.refusals.note(Refusal::Credentials { path: ask.path.clone(), peer });
        self.proto.challenge();
        if self.refusals >= REFUSALS_MAX {
            return Err(Ending::Fault("too many wrong credentials".into()));
        }
        Ok(())
    }

    async fn describe(&mut self, ask: &Ask) -> Result<(), Denied> {
        let tracks = self.watch(ask).await?.tracks();
        self.proto.describe(&tracks);
        Ok(())
    }

    /// Takes a place among the readers of a path and waits until it can be read. A place held already is kept.
    async fn watch(&mut self, ask: &Ask) -> Result<&mut Watch, Denied> {
        let held = matches!(&self.role, Role::Reads(watch) if *watch.path() == ask.path);
        if !held {
            let permit = self.admit(ask, Action::Read).await?;
            self.leave();
            let hub = &self.shared.hub;
            let reader = hub.attach(&ask.path, permit, ReaderKind::RtspSession, self.session_id)?;
            let description = while_connected(&mut self.read, &mut self.proto, reader.ready()).await??;
            let session = self.begin(ask, reader.user().to_owned());
            let client = Client {
                session,
                connection: Arc::clone(&self.listed.entry),
                writer: Arc::clone(&self.writer),
                sockets: Arc::clone(&self.shared.sockets),
                write_timeout: self.shared.config.write_timeout,
            };
            self.role = Role::Reads(Box::new(Watch::new(reader, description, client)));
        }
        match &mut self.role {
            Role::Reads(watch) => Ok(watch),
            Role::None | Role::Announces { .. } | Role::Feeds(_) => Err(wrong_order()),
        }
    }

    async fn announce(&mut self, ask: &Ask, tracks: Vec<Track>) -> Result<(), Denied> {
        let permit = self.admit(ask, Action::Publish).await?;
        self.leave();
        self.begin(ask, permit.user().to_owned());
        self.role = Role::Announces { permit, tracks };
        self.proto.agree();
        Ok(())
    }

    async fn set_up(&mut self, ask: &Ask, track: TrackId, lane: Lane, publishes: bool) -> Result<(), Denied> {
        let ssrc = if publishes {
            None
        } else {
            let peer = self.listed.entry.remote.ip();
            let watch = self.watch(ask).await?;
            Some(watch.add(track, lane, peer).ok_or(Error::NotFound("track"))?)
        };
        if let Lane::Udp { rtcp, .. } = lane
            && !publishes
        {
            let from = SocketAddr::new(self.listed.entry.remote.ip(), rtcp);
            self.registrations.push(self.shared.routes.add_reader(from, self.reports.0.clone())?);
        }
        self.proto.set_up(self.shared.udp_ports, ssrc);
        self.does(SessionState::Idle);
        Ok(())
    }

    fn play(&mut self) -> Result<(), Denied> {
        let Role::Reads(watch) = &mut self.role else {
            return Err(wrong_order());
        };
        let starts = watch.play();
        self.proto.play(&starts);
        self.does(SessionState::Read);
        info!("RTSP reader plays");
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Denied> {
        let Role::Reads(watch) = &mut self.role else {
            return Err(wrong_order());
        };
        watch.pause();
        self.proto.agree();
        self.does(SessionState::Idle);
        Ok(())
    }

    fn record(&mut self) -> Result<(), Denied> {
        let (Role::Announces { permit, tracks }, Some(session)) =
            (std::mem::replace(&mut self.role, Role::None), &self.session)
        else {
            return Err(wrong_order());
        };
        let (path, entry) = (&session.entry.path, Arc::clone(&session.entry));
        let hub = &self.shared.hub;
        let publisher = hub.publish(path, permit, PublisherKind::RtspSession, self.session_id, &tracks)?;
        let feed = Arc::new(Feed::new(publisher, &tracks, entry));
        for (track, lane) in self.proto.lanes() {
            if let Lane::Udp { rtp, rtcp } = *lane {
                let peer = self.listed.entry.remote.ip();
                feed.reorder(*track);
                let added = self.shared.routes.add_publisher((peer, rtp, rtcp), &feed, *track)?;
                self.registrations.extend(added);
            }
        }
        self.role = Role::Feeds(feed);
        self.proto.agree();
        self.does(SessionState::Publish);
        info!("RTSP publisher records");
        Ok(())
    }

    async fn admit(&mut self, ask: &Ask, action: Action) -> Result<Permit, Denied> {
        let caller = credentials::caller(self.listed.entry.remote, self.session_id, ask);
        let hub = self.shared.hub.clone();
        let admission = hub.admit(&caller, action, &ask.path);
        Ok(while_connected(&mut self.read, &mut self.proto, admission).await??)
    }

    fn begin(&mut self, ask: &Ask, user: String) -> Arc<super::registry::Session> {
        let about = About {
            path: ask.path.clone(),
            query: credentials::without_secrets(&ask.query),
            user,
            user_agent: ask.user_agent.clone(),
        };
        let span = Span::current();
        span.record("session.id", field::display(self.session_id));
        span.record("stream.path", field::display(&ask.path));
        let session = self.shared.registry.begin(&self.listed.entry, self.session_id, about, self.stop.clone());
        let entry = Arc::clone(&session.entry);
        self.session = Some(session);
        entry
    }

    /// Gives up what the connection was used for.
    fn leave(&mut self) {
        self.role = Role::None;
        self.registrations.clear();
        self.session = None;
    }

    fn does(&self, state: SessionState) {
        if let Some(session) = &self.session {
            let transport = self.proto.lanes().first().map(|(_, lane)| match lane {
                Lane::Tcp { .. } => Transport::Tcp,
                Lane::Udp { .. } => Transport::Udp,
            });
            session.entry.does(state, transport);
        }
    }

    async fn close(mut self, ending: &Ending) {
        if let (Role::Reads(watch), Ending::Wanted(_)) = (&self.role, ending) {
            watch.say_goodbye(GOODBYE_TIMEOUT).await;
        }
        match (ending, &self.role) {
            (Ending::Fault(reason), _) => self.shared.refusals.note(Refusal::Fault { reason: reason.clone() }),
            (Ending::Wanted(reason), Role::None) => debug!(%reason, "RTSP connection closed"),
            (Ending::Wanted(reason), Role::Reads(_) | Role::Announces { .. } | Role::Feeds(_)) => {
                info!(%reason, "RTSP session ended");
            }
        }
        self.leave();
    }
}

/// Why a request is not granted.
enum Denied {
    Because(Error),
    Ended(Ending),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Because(error)
    }
}

impl From<Ending> for Denied {
    fn from(ending: Ending) -> Self {
        Self::Ended(ending)
    }
}

fn wrong_order() -> Denied {
    Denied::Because(Error::Unsupported("the method is not valid in this state".into()))
}

async fn next_event(role: &Role) -> Event {
    match role {
        Role::Reads(watch) => Event::Ended(watch.run().await),
        Role::None | Role::Announces { .. } | Role::Feeds(_) => std::future::pending().await,
    }
}

/// Waits for `answer`, or for the end of the connection. What the client sends meanwhile is kept for later.
async fn while_connected<T>(
    read: &mut OwnedReadHalf,
    proto: &mut ServerSession,
    answer: impl Future<Output = T>,
) -> Result<T, Ending> {
    let mut answer = pin!(answer);
    let mut early = [0; 1024];
    loop {
        let read = tokio::select! {
            answer = &mut answer => return Ok(answer),
            read = read.read(&mut early) => read,
        };
        let bytes = match read {
            Ok(0) => return Err(Ending::Wanted("the client left before its answer")),
            Ok(bytes) => early.get(..bytes).unwrap_or_default(),
            Err(error) => return Err(Ending::io(&error)),
        };
        proto.received(Instant::now(), bytes).map_err(|error| Ending::Fault(error.to_string()))?;
    }
}

pub(super) fn too_slow(limit: Duration) -> Ending {
    Ending::Fault(format!("the client took nothing for {} s", limit.as_secs()))
}

/// A packet with its interleaved header.
pub(super) fn interleaved(channel: u8, packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let mut bytes = media_proto::rtsp::framing::write_interleaved_header(channel, length).to_vec();
    bytes.extend_from_slice(packet);
    bytes
}

fn status_of(error: &Error) -> u16 {
    match error {
        Error::NotConfigured(_) | Error::NoStream(_) | Error::SourceNotReady { .. } | Error::NotFound(_) => 404,
        Error::Unauthenticated => 401,
        Error::Forbidden | Error::Occupied { .. } => 403,
        Error::Limit { .. } => 453,
        Error::Unsupported(_) => 455,
        Error::Malformed(_) | Error::Config { .. } => 400,
        Error::Store(_) | Error::Io { .. } => 500,
        Error::ShuttingDown => 503,
    }
}
