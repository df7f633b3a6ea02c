//! The media thread: one UDP socket, one TCP port, all peers, and one wake for each stream they view.
//!
//! A datagram finds its peer by its address, a first STUN request by the user name in it; nothing is searched. The loop
//! never waits for anything but its sockets, its commands, its streams and its timers.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::{PathName, SessionId};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    feed::{Feeds, Place, WAKES},
    offer::{Negotiated, Taken},
    outbound::Row,
    peer::{Peer, Ways, Wish},
    restart::Credentials,
    session::{Registry, Shared},
    socket::{self, Candidates, Route, Transport},
    tcp::{Came, Links},
    wall::{self, Admitted, Tools, Wall},
    whep::Whep,
    whip::{self, Whip},
};
use crate::{Error, Hub, admission::Permit, catalogue::Catalogue, datagrams::Sender};

/// Commands that wait for the thread.
pub(super) const COMMANDS: usize = 256;
/// Datagrams taken at a time before others have their turn.
const BATCH: usize = 64;
/// The largest datagram read; what is larger is cut and then refused.
const DATAGRAM_BYTES: usize = 2048;
/// Sessions are checked for life this often.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// Failed connections are told of this often at most.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Addresses whose route is remembered.
const ROUTES: usize = 16_384;

/// What others ask of the thread.
pub(super) enum Command {
    /// Start a WHEP session.
    Whep(Box<Negotiated>, Arc<Shared>, Box<Whep>),
    /// Start a WHIP session.
    Whip(Box<Taken>, Arc<Shared>, PathName, Permit),
    /// Start a wall session.
    Wall(Box<Negotiated>, Arc<Shared>, wall::Request),
    /// Restart ICE of a session; the answer is what the client must know.
    Restart(SessionId, Credentials, oneshot::Sender<Result<String, Error>>),
    /// End a session.
    Close(SessionId),
}

/// What the thread is made of.
pub(super) struct Worker {
    exits: Exits,
    port: u16,
    handshake: Duration,
    registry: Arc<Registry>,
    members: HashMap<u64, Member>,
    ids: HashMap<SessionId, u64>,
    by_route: HashMap<Route, (u64, SocketAddr)>,
    by_ufrag: HashMap<String, u64>,
    timers: BTreeSet<(Instant, u64)>,
    feeds: Feeds,
    wakes: mpsc::Receiver<usize>,
    commands: mpsc::Receiver<Command>,
    candidates: Candidates,
    next_key: u64,
    hub: Hub,
    catalogue: Arc<dyn Catalogue>,
    admissions: JoinSet<Admitted>,
    /// The wall session of each user's window.
    windows: HashMap<(String, String), u64>,
    /// What waits for readers that want a keyframe of a publisher.
    watches: JoinSet<()>,
    /// Failures since the last report, the newest of them, and when that was.
    failed: u64,
    newest_failure: Option<(SessionId, String)>,
    reported: Instant,
    wishes: (mpsc::Sender<u64>, mpsc::Receiver<u64>),
}

/// The ways out to the network of all peers.
struct Exits {
    socket: UdpSocket,
    sender: Sender,
    links: Links,
    row: Cell<Row>,
}

impl Exits {
    fn ways(&self) -> Ways<'_> {
        Ways { udp: (&self.socket, &self.sender), links: &self.links, row: &self.row }
    }
}

struct Member {
    /// Large, and a map keeps room for as many as there ever were.
    peer: Box<Peer>,
    session: Session,
}

enum Session {
    Whep(Box<Whep>),
    Whip(Box<Whip>),
    Wall(Box<Wall>),
}

/// What the thread gets from outside.
pub(super) struct Parts {
    pub(super) socket: UdpSocket,
    pub(super) sender: Sender,
    pub(super) listener: Option<TcpListener>,
    pub(super) candidates: Candidates,
    pub(super) handshake: Duration,
    pub(super) registry: Arc<Registry>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) hub: Hub,
    pub(super) catalogue: Arc<dyn Catalogue>,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        let (wake, wakes) = mpsc::channel(WAKES);
        Self {
            port: parts.candidates.udp.first().map_or(0, SocketAddr::port),
            exits: Exits {
                socket: parts.socket,
                sender: parts.sender,
                links: Links::new(parts.listener),
                row: Cell::default(),
            },
            handshake: parts.handshake,
            registry: parts.registry,
            members: HashMap::new(),
            ids: HashMap::new(),
            by_route: HashMap::new(),
            by_ufrag: HashMap::new(),
            timers: BTreeSet::new(),
            feeds: Feeds::new(wake),
            wakes,
            commands: parts.commands,
            candidates: parts.candidates,
            next_key: 0,
            hub: parts.hub,
            catalogue: parts.catalogue,
            admissions: JoinSet::new(),
            windows: HashMap::new(),
            watches: JoinSet::new(),
            failed: 0,
            newest_failure: None,
            reported: Instant::now(),
            wishes: mpsc::channel(whip::WISHES),
        }
    }

    /// Works until cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let mut datagram = [0; DATAGRAM_BYTES];
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = self.timers.first().map_or_else(|| Instant::now() + CHECK_EVERY, |(at, _)| *at);
            tokio::select! {
                () = cancel.cancelled() => break,
                received = self.exits.socket.recv_from(&mut datagram) => self.received(received, &mut datagram),
                came = self.exits.links.next() => self.came(came),
                Some(command) = self.commands.recv() => self.command(command),
                Some(stream) = self.wakes.recv() => self.pushed(stream),
                Some(key) = self.wishes.1.recv() => self.keyframe_wanted(key),
                Some(Ok(admitted)) = self.admissions.join_next() => self.admitted(admitted),
                () = sleep_until(next.into()) => self.timers(),
                _ = checks.tick() => self.check(),
            }
        }
        for key in self.members.keys().copied().collect::<Vec<_>>() {
            self.end(key, "the server is shutting down");
        }
    }

    fn received(&mut self, first: io::Result<(usize, SocketAddr)>, datagram: &mut [u8]) {
        let mut received = first;
        for _ in 0..BATCH {
            match received {
                Ok((size, from)) => {
                    self.packet((Transport::Udp, from), None, datagram.get(..size).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP answer to something sent earlier; the peer's silence will show.
                Err(error) => tracing::trace!(%error, "the UDP socket reports a failure"),
            }
            received = self.exits.socket.try_recv_from(datagram);
        }
    }

    /// What came by TCP, some at a time before others have their turn.
    fn came(&mut self, first: Came) {
        self.came_by_tcp(first);
        for _ in 1..BATCH {
            let Some(came) = self.exits.links.try_next() else {
                return;
            };
            self.came_by_tcp(came);
        }
    }

    fn came_by_tcp(&mut self, Came { from, to, packet, .. }: Came) {
        let route = (Transport::Tcp, from);
        match packet {
            Some(packet) => self.packet(route, Some(to), &packet),
            // The peer may connect again; its silence will show if it does not.
            None => {
                let owner = self.by_route.remove(&route).and_then(|(key, _)| self.members.get_mut(&key));
                if let Some(member) = owner {
                    member.peer.routes.retain(|known| *known != route);
                }
            }
        }
    }

    /// Gives a packet to the peer it is of. `to` is our end where it is known.
    fn packet(&mut self, from: Route, to: Option<SocketAddr>, datagram: &[u8]) {
        let now = Instant::now();
        let known = self.by_route.get(&from).copied();
        let named = socket::stun_ufrag(datagram).and_then(|ufrag| self.by_ufrag.get(ufrag)).copied();
        let Some(key) = named.or(known.map(|(key, _)| key)) else {
            if from.0 == Transport::Tcp {
                self.exits.links.close(from.1);
            }
            return;
        };
        let to = match known {
            Some((_, to)) => to,
            None => self.local_towards(from, to),
        };
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if !member.peer.receive(now, from, to, datagram) {
            return;
        }
        if known.is_none_or(|(owner, _)| owner != key) && self.by_route.len() < ROUTES && member.peer.add_route(from) {
            member.peer.shared.set_route(to, from);
            self.by_route.insert(from, (key, to));
            if from.0 == Transport::Tcp {
                self.exits.links.keep(from.1);
            }
        }
        self.drive(key, now);
    }

    /// The candidate at which a peer reached us.
    fn local_towards(&self, (transport, peer): Route, to: Option<SocketAddr>) -> SocketAddr {
        let (candidates, local) = match transport {
            Transport::Udp => (&self.candidates.udp, socket::local_towards(peer, self.port)),
            Transport::Tcp => (&self.candidates.tcp, to),
        };
        let local = local.filter(|local| candidates.contains(local));
        local.or_else(|| candidates.first().copied()).unwrap_or(peer)
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Whep(negotiated, shared, whep) => {
                self.join(*negotiated, shared, |_, _| Session::Whep(whep));
            }
            Command::Whip(taken, shared, path, permit) => {
                let Taken { negotiated, incoming } = *taken;
                let session = Session::Whip(Box::new(Whip::new(path, permit, incoming)));
                self.join(negotiated, shared, |_, _| session);
            }
            Command::Wall(negotiated, shared, request) => {
                let owner = (shared.meta.user.clone(), request.window_id);
                if let Some(old) = self.windows.get(&owner).copied() {
                    self.end(old, "replaced");
                }
                let (slots, caller) = (negotiated.video.len(), request.caller);
                let window = owner.clone();
                let id = shared.meta.id;
                let wall = |key, now| Session::Wall(Box::new(Wall::new((key, id), slots, caller, owner, now)));
                let key = self.join(*negotiated, shared, wall);
                self.windows.insert(window, key);
            }
            Command::Restart(id, client, reply) => {
                // Who asked may have gone meanwhile.
                let _ = reply.send(self.restart(id, &client));
            }
            Command::Close(id) => {
                if let Some(key) = self.ids.get(&id).copied() {
                    self.end(key, "kicked");
                }
            }
        }
    }

    fn restart(&mut self, id: SessionId, client: &Credentials) -> Result<String, Error> {
        let gone = || Error::NotFound("the session");
        let key = self.ids.get(&id).copied().ok_or_else(gone)?;
        let member = self.members.get_mut(&key).ok_or_else(gone)?;
        let before = member.peer.ufrag.clone();
        let fragment = member.peer.restart(client)?;
        self.by_ufrag.remove(&before);
        self.by_ufrag.insert(member.peer.ufrag.clone(), key);
        self.drive(key, Instant::now());
        Ok(fragment)
    }

    fn join(
        &mut self,
        negotiated: Negotiated,
        shared: Arc<Shared>,
        session: impl FnOnce(u64, Instant) -> Session,
    ) -> u64 {
        self.next_key += 1;
        let now = Instant::now();
        let key = self.next_key;
        let peer = Box::new(Peer::new(negotiated, shared, now));
        tracing::debug!(session.id = %peer.shared.meta.id, "a WebRTC session was opened");
        self.ids.insert(peer.shared.meta.id, key);
        self.by_ufrag.insert(peer.ufrag.clone(), key);
        self.members.insert(key, Member { peer, session: session(key, now) });
        self.drive(key, now);
        key
    }

    /// A reader wants a keyframe of a publisher.
    fn keyframe_wanted(&mut self, key: u64) {
        let now = Instant::now();
        if let Some(Member { peer, session: Session::Whip(whip) }) = self.members.get_mut(&key) {
            whip.ask_for_keyframe(peer, now);
            self.drive(key, now);
        }
    }

    fn admitted(&mut self, admitted: Admitted) {
        let now = Instant::now();
        let key = admitted.key;
        self.with_wall(key, now, |wall, peer, tools| wall.admitted(admitted, peer, tools));
        self.drive(key, now);
    }

    /// Lets a wall session work with the streams.
    fn with_wall(&mut self, key: u64, now: Instant, act: impl FnOnce(&mut Wall, &mut Peer, &mut Tools<'_>)) {
        let Some(Member { peer, session: Session::Wall(wall) }) = self.members.get_mut(&key) else {
            return;
        };
        let mut tools = Tools {
            now,
            hub: &self.hub,
            catalogue: &*self.catalogue,
            feeds: &mut self.feeds,
            admissions: &mut self.admissions,
        };
        act(wall, peer, &mut tools);
    }

    fn pushed(&mut self, stream: usize) {
        let now = Instant::now();
        let Some(feed) = self.feeds.get_mut(stream) else {
            return;
        };
        feed.observe();
        for (key, place) in feed.viewers() {
            self.flow(key, place, now);
        }
    }

    fn flow(&mut self, key: u64, place: Place, now: Instant) {
        let goes_on = match (self.members.get_mut(&key), place) {
            (Some(Member { peer, session: Session::Whep(whep) }), Place::Whole) => {
                whep.flow(key, peer, &mut self.feeds, now)
            }
            (Some(Member { session: Session::Wall(_), .. }), Place::Slot(number)) => {
                self.with_wall(key, now, |wall, peer, tools| wall.flow(number, peer, tools));
                true
            }
            (Some(_), Place::Whole | Place::Slot(_)) => true,
            (None, Place::Whole | Place::Slot(_)) => return,
        };
        if goes_on {
            self.drive(key, now);
        } else {
            self.end(key, "the stream is gone");
        }
    }

    fn timers(&mut self) {
        let now = Instant::now();
        while let Some((_, key)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.drive(key, now);
            // Whatever the peer answered, it has its next turn later than now.
            let due = self.members.get(&key).and_then(|member| member.peer.timer).filter(|at| *at <= now);
            if due.is_some() {
                self.schedule(key, now + Duration::from_millis(1));
            }
        }
    }

    /// Lets a peer work off what it has, does what it wishes, and notes when it wants to be called again.
    fn drive(&mut self, key: u64, now: Instant) {
        loop {
            let Some(member) = self.members.get_mut(&key) else {
                return;
            };
            if let Session::Whip(whip) = &mut member.session {
                whip.expire(&mut member.peer, now);
            }
            let (wishes, next) = member.peer.drive(now, self.exits.ways());
            if wishes.is_empty() {
                let own = if let Session::Whip(whip) = &member.session { whip.wake_at() } else { None };
                self.schedule(key, own.map_or(next, |own| own.min(next)));
                return;
            }
            for wish in wishes {
                self.grant(key, wish, now);
            }
        }
    }

    fn grant(&mut self, key: u64, wish: Wish, now: Instant) {
        match self.members.get_mut(&key) {
            Some(Member { peer, session: Session::Whep(whep) }) => match wish {
                Wish::Keyframe(mid) => whep.keyframe(key, mid, peer, &mut self.feeds, now),
                Wish::Connected => whep.connected(key, peer, &mut self.feeds, now),
                Wish::Loss(mid, part) => whep.lost(mid, part, peer, now),
                Wish::Limit(bps) => whep.limited(bps, &self.feeds, now),
                Wish::Channel(..) | Wish::Message(..) | Wish::ChannelClosed | Wish::Packet(..) => {}
            },
            Some(Member { peer, session: Session::Whip(whip) }) => match wish {
                Wish::Packet(mid, packet) => whip.packet(mid, &packet, peer, now),
                Wish::Connected => {
                    let tools = (&mut self.watches, &self.wishes.0);
                    if let Err(error) = whip.connected(key, peer, &self.hub, tools, now) {
                        self.end(key, &error.to_string());
                    }
                }
                Wish::Keyframe(_)
                | Wish::Channel(..)
                | Wish::Message(..)
                | Wish::ChannelClosed
                | Wish::Loss(..)
                | Wish::Limit(_) => {}
            },
            Some(Member { session: Session::Wall(_), .. }) => {
                self.with_wall(key, now, |wall, peer, tools| match wish {
                    Wish::Keyframe(mid) => wall.keyframe(mid, peer, tools),
                    Wish::Channel(id, label) => wall.opened(id, &label),
                    Wish::Message(id, text) => wall.hear(id, &text, peer, tools),
                    Wish::Loss(mid, part) => wall.lost(mid, part, peer, tools.now),
                    Wish::Limit(bps) => wall.limited(bps, tools),
                    Wish::Connected | Wish::ChannelClosed | Wish::Packet(..) => {}
                });
            }
            None => {}
        }
    }

    fn schedule(&mut self, key: u64, at: Instant) {
        let Some(member) = self.members.get_mut(&key) else {
            return;
        };
        if let Some(before) = member.peer.timer.replace(at) {
            self.timers.remove(&(before, key));
        }
        self.timers.insert((at, key));
    }

    fn check(&mut self) {
        let now = Instant::now();
        while self.watches.try_join_next().is_some() {}
        self.exits.links.check(now);
        let failed = |(key, member): (&u64, &mut Member)| {
            let given_up = match &mut member.session {
                Session::Whip(whip) => whip.check(&mut member.peer, now),
                Session::Whep(whep) => {
                    whep.check(*key, &mut self.feeds, now);
                    whep.is_revoked().then_some("the right to watch was withdrawn")
                }
                Session::Wall(wall) => wall.is_lost(now).then_some("the window has fallen silent"),
            };
            if let Some(reason) = member.peer.failure(now, self.handshake) {
                return Some((*key, reason, true));
            }
            Some((*key, given_up?.to_owned(), false))
        };
        for (key, reason, is_failure) in self.members.iter_mut().filter_map(failed).collect::<Vec<_>>() {
            if is_failure {
                self.explain(key, &reason);
            }
            self.end(key, &reason);
        }
        self.report(now);
        let is_wall = |(key, member): (&u64, &Member)| matches!(member.session, Session::Wall(_)).then_some(*key);
        for key in self.members.iter().filter_map(is_wall).collect::<Vec<_>>() {
            self.with_wall(key, now, |wall, peer, tools| wall.check(peer, tools));
            self.drive(key, now);
        }
    }

    /// Remembers why a connection failed.
    fn explain(&mut self, key: u64, reason: &str) {
        let Some(Member { peer, .. }) = self.members.get(&key) else {
            return;
        };
        if peer.has_left() {
            return;
        }
        self.registry.note_failure(&peer.shared, reason);
        self.failed += 1;
        self.newest_failure = Some((peer.shared.meta.id, reason.to_owned()));
    }

    /// Tells of connections that failed, all of an interval at once.
    fn report(&mut self, now: Instant) {
        if now.saturating_duration_since(self.reported) < REPORT_EVERY {
            return;
        }
        if let Some((id, reason)) = self.newest_failure.take() {
            self.reported = now;
            let failures = std::mem::take(&mut self.failed);
            tracing::info!(session.id = %id, reason, failures, "WebRTC connections failed; the newest is named");
        }
    }

    fn end(&mut self, key: u64, reason: &str) {
        let Some(Member { mut peer, session }) = self.members.remove(&key) else {
            return;
        };
        let id = peer.shared.meta.id;
        tracing::debug!(session.id = %id, reason, "a WebRTC session has ended");
        // Before the peer hears of it: who then looks must not find it.
        self.registry.remove(id);
        match session {
            Session::Whep(whep) => whep.end(key, &mut self.feeds),
            // Dropping it gives the path back.
            Session::Whip(_) => {}
            Session::Wall(mut wall) => {
                wall.end(reason, &mut peer, &mut self.feeds);
                peer.drive(Instant::now(), self.exits.ways());
                if self.windows.get(&wall.owner) == Some(&key) {
                    self.windows.remove(&wall.owner);
                }
            }
        }
        peer.close(Instant::now(), self.exits.ways());
        if let Some(at) = peer.timer {
            self.timers.remove(&(at, key));
        }
        for route in &peer.routes {
            if self.by_route.get(route).is_some_and(|(owner, _)| *owner == key) {
                self.by_route.remove(route);
                if route.0 == Transport::Tcp {
                    self.exits.links.close(route.1);
                }
            }
        }
        self.by_ufrag.remove(&peer.ufrag);
        self.ids.remove(&id);
    }
}
