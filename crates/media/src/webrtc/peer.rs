//! One peer connection and the tracks we send on it.

use std::{
    cell::Cell,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use media_proto::rtcp::{ReportBlock, Rtcp};
use smallvec::SmallVec;
use str0m::{
    Event, Input, Output, Rtc, RtcError,
    channel::ChannelId,
    media::{KeyframeRequestKind, Mid},
    net::{Protocol, Receive, Transmit},
    rtp::RtpPacket,
};
use tokio::net::UdpSocket;

use super::{
    offer::{AudioTypes, Negotiated},
    outbound::{Outbound, Row},
    outlet::{Outlet, Sent},
    pace::Pace,
    restart,
    session::Shared,
    socket::{Route, Transport},
    tcp::Links,
};
use crate::{
    Error,
    datagrams::{Datagram, Sender},
};

/// A connection is lost when nothing came from the peer for so long: it checks consent every few seconds (RFC 7675), or
/// sends reports.
const SILENCE: Duration = Duration::from_secs(15);
/// Packets by UDP that leave together at most.
pub(super) const LEAVING: usize = 64;
/// Packets of a row that need no memory of their own: more than most pictures have.
const ROW_AT_HAND: usize = 16;
/// Addresses a peer is known under.
const ROUTES: usize = 8;

/// The ways out to the network.
#[derive(Clone, Copy)]
pub(super) struct Ways<'a> {
    pub(super) udp: (&'a UdpSocket, &'a Sender),
    pub(super) links: &'a Links,
    /// Where packets are written that leave together.
    pub(super) row: &'a Cell<Row>,
}

impl Ways<'_> {
    /// Sends datagrams to one address, as many with a call as the system takes.
    pub(super) fn send_row<'p>(&self, packets: impl Iterator<Item = &'p [u8]>, to: SocketAddr) {
        let (socket, sender) = self.udp;
        let row: SmallVec<[Datagram<'_>; ROW_AT_HAND]> = packets.map(|packet| [packet, &[][..]]).collect();
        let mut rest = &row[..];
        while !rest.is_empty() {
            // What is full drops the packet like any network would; the peer asks for it again.
            let sent = sender.send(socket, rest, to).unwrap_or_else(|error| {
                tracing::trace!(%to, %error, "a packet was not sent");
                1
            });
            rest = rest.get(sent..).unwrap_or_default();
        }
    }
}

/// What a peer wants of its session.
#[derive(Debug)]
pub(super) enum Wish {
    /// Media can flow.
    Connected,
    /// A picture was lost on this track.
    Keyframe(Mid),
    /// A data channel is open.
    Channel(ChannelId, String),
    /// A message came on a data channel.
    Message(ChannelId, Vec<u8>),
    /// The data channel is closed.
    ChannelClosed,
    /// The peer reports that this part of a track's packets was lost, 0 to 1.
    Loss(Mid, f32),
    /// The way takes so many bits per second, and more is sent.
    Limit(u64),
    /// A packet came on this track.
    Packet(Mid, Box<RtpPacket>),
}

/// One peer connection.
pub(super) struct Peer {
    rtc: Rtc,
    pub(super) shared: Arc<Shared>,
    pub(super) ufrag: String,
    offer: String,
    offered: String,
    pub(super) routes: Vec<Route>,
    pub(super) video: Vec<Outlet>,
    pub(super) audio: Option<(Outlet, AudioTypes)>,
    /// The timer under which the thread has this peer in its list.
    pub(super) timer: Option<Instant>,
    created: Instant,
    heard: Instant,
    connected: bool,
    /// What the connection ended of, when the peer did not close it.
    broken: Option<String>,
    turn: usize,
    pace: Pace,
    /// Media on its way out.
    out: Outbound,
    /// Packets of the connection itself by UDP that leave together.
    leaving: Vec<Transmit>,
    /// Something was done with the connection since it was last asked what it has to say.
    touched: bool,
    /// When the connection wants to be asked anew.
    due: Instant,
    /// What the peer wished by its reports.
    wished: Vec<Wish>,
}

impl Peer {
    pub(super) fn new(negotiated: Negotiated, shared: Arc<Shared>, now: Instant) -> Self {
        let video = negotiated.video.into_iter().map(|(look, types)| Outlet::video(look, types, now)).collect();
        let audio = negotiated.audio.map(|(look, types)| (Outlet::audio(look, now), types));
        Self {
            rtc: negotiated.rtc,
            shared,
            ufrag: negotiated.ufrag,
            offer: negotiated.offer,
            offered: negotiated.offered,
            routes: Vec::new(),
            video,
            audio,
            timer: None,
            created: now,
            heard: now,
            connected: false,
            broken: None,
            turn: 0,
            pace: Pace::new(now),
            out: Outbound::new(negotiated.keys, now),
            leaving: Vec::new(),
            touched: true,
            due: now,
            wished: Vec::new(),
        }
    }

    /// Why the session must end, if so.
    pub(super) fn failure(&self, now: Instant, handshake: Duration) -> Option<String> {
        let silent = now.saturating_duration_since(self.heard);
        if !self.rtc.is_alive() {
            Some(self.broken.clone().unwrap_or_else(|| "the peer has closed the connection".into()))
        } else if !self.connected && now.saturating_duration_since(self.created) >= handshake {
            Some(self.explanation(handshake))
        } else if self.connected && silent >= SILENCE {
            Some(format!("nothing was heard of the peer ({}) for {} s", self.ways_in(), SILENCE.as_secs()))
        } else {
            None
        }
    }

    /// The peer has said goodbye.
    pub(super) fn has_left(&self) -> bool {
        self.connected && !self.rtc.is_alive() && self.broken.is_none()
    }

    /// Why the connection did not come about: which candidates, which ports.
    fn explanation(&self, handshake: Duration) -> String {
        let (seconds, offered) = (handshake.as_secs_f32(), &self.offered);
        if self.routes.is_empty() {
            format!("no packet of the peer arrived within {seconds} s; it was offered {offered}")
        } else {
            format!(
                "ICE packets came from {}, but DTLS was not done within {seconds} s; offered were {offered}",
                self.ways_in()
            )
        }
    }

    fn ways_in(&self) -> String {
        let all: Vec<String> = self.routes.iter().map(|(way, address)| format!("{} {address}", way.word())).collect();
        all.join(", ")
    }

    /// Restarts ICE. What the client must know.
    pub(super) fn restart(&mut self, client: &restart::Credentials) -> Result<String, Error> {
        self.touched = true;
        let (ufrag, fragment) = restart::restart(&mut self.rtc, &self.offer, client)?;
        self.ufrag = ufrag;
        Ok(fragment)
    }

    /// Takes a datagram. True when it is this peer's.
    pub(super) fn receive(&mut self, now: Instant, (transport, from): Route, to: SocketAddr, datagram: &[u8]) -> bool {
        if is_rtcp(datagram) && self.hear(datagram, now) {
            return true;
        }
        let protocol = match transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let Ok(received) = Receive::new(protocol, from, to, datagram) else {
            return false;
        };
        let input = Input::Receive(now, received);
        if !self.rtc.accepts(&input) {
            return false;
        }
        self.count_in(datagram, now);
        self.touched = true;
        if let Err(error) = self.rtc.handle_input(input) {
            self.fail(&error);
        }
        true
    }

    fn count_in(&mut self, datagram: &[u8], now: Instant) {
        self.heard = now;
        self.shared.inbound_bytes.fetch_add(datagram.len() as u64, Ordering::Relaxed);
        if is_rtcp(datagram) {
            self.shared.inbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes an address of the peer. False when it has too many.
    pub(super) fn add_route(&mut self, route: Route) -> bool {
        let fits = self.routes.len() < ROUTES;
        if fits {
            self.routes.push(route);
        }
        fits
    }

    /// Sends what waits, lets time pass, and says what the peer wants and when to come again.
    pub(super) fn drive(&mut self, now: Instant, ways: Ways<'_>) -> (Vec<Wish>, Instant) {
        self.out.take(ways.row.take(), ways);
        let waits = self.write(now, ways);
        ways.row.set(self.out.give_back(ways));
        let mut wishes = std::mem::take(&mut self.wished);
        if std::mem::take(&mut self.touched) || self.due <= now {
            self.due = self.attend(now, ways, &mut wishes);
        }
        (wishes, waits.map_or(self.due, |at| at.min(self.due)))
    }

    /// Lets time pass for the connection, sends what it has to say and takes what it has heard. When it wants to be asked
    /// anew.
    fn attend(&mut self, now: Instant, ways: Ways<'_>, wishes: &mut Vec<Wish>) -> Instant {
        if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
            self.fail(&error);
        }
        let next = loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => break at,
                Ok(Output::Transmit(transmit)) => self.send(ways, transmit),
                Ok(Output::Event(event)) => self.wish(event, wishes),
                Err(error) => {
                    self.fail(&error);
                    break now + SILENCE;
                }
            }
        };
        self.flush(ways);
        next
    }

    /// Asks the peer for a keyframe on a track that it sends.
    pub(super) fn ask_for_keyframe(&mut self, mid: Mid) {
        self.touched = true;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// Sends a message. False when the channel does not take it.
    pub(super) fn say(&mut self, channel: ChannelId, text: &str) -> bool {
        self.touched = true;
        self.rtc.channel(channel).is_some_and(|mut channel| channel.write(false, text.as_bytes()).unwrap_or(false))
    }

    /// Says goodbye to the peer.
    pub(super) fn close(&mut self, now: Instant, ways: Ways<'_>) {
        self.touched = true;
        if self.rtc.close().is_ok() {
            self.drive(now, ways);
        }
    }

    /// Writes waiting units, a track after the other, at the peer's pace. When to go on, if not done.
    fn write(&mut self, now: Instant, ways: Ways<'_>) -> Option<Instant> {
        if !self.out.is_ready() {
            return None;
        }
        self.pace.tick(now, self.out.bandwidth.limit_bps());
        while let Some((outlet, _)) = self.audio.as_mut().filter(|(outlet, _)| !outlet.is_empty()) {
            let sent = outlet.write(&mut self.out, usize::MAX, now);
            self.sent(sent, ways);
        }
        let mut idle = 0;
        while idle < self.video.len() {
            let room = self.pace.allowed();
            let next = (self.turn + 1) % self.video.len();
            let Some(outlet) = self.video.get_mut(next).filter(|outlet| !outlet.is_empty()) else {
                self.turn = next;
                idle += 1;
                continue;
            };
            if room == 0 {
                return Some(self.pace.next_at());
            }
            let sent = outlet.write(&mut self.out, room, now);
            // A frame that has left in part goes on before others have their turn.
            if !outlet.is_in_part() {
                self.turn = next;
            }
            idle = 0;
            self.sent(sent, ways);
        }
        None
    }

    /// Counts what was written, and sends it when a row is full.
    fn sent(&mut self, Sent { bytes, packets, reports }: Sent, ways: Ways<'_>) {
        if self.out.is_full() {
            self.out.flush(ways);
        }
        self.shared.outbound_rtcp_packets.fetch_add(reports, Ordering::Relaxed);
        self.pace.sent(bytes);
        self.shared.outbound_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.shared.outbound_rtp_packets.fetch_add(packets as u64, Ordering::Relaxed);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum is open; other protocols need candidates we never add"
    )]
    fn send(&mut self, ways: Ways<'_>, transmit: Transmit) {
        if is_rtcp(&transmit.contents) {
            self.shared.outbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
        }
        // An answer to STUN goes where the question came from, anything else where the connection sends to.
        if !is_stun(&transmit.contents) {
            self.out.goes_to(transmit.proto, transmit.destination);
        }
        match transmit.proto {
            Protocol::Tcp => ways.links.send(transmit.destination, &transmit.contents),
            _ => {
                if self.leaving.last().is_some_and(|last| last.destination != transmit.destination) {
                    self.flush(ways);
                }
                self.leaving.push(transmit);
                if self.leaving.len() >= LEAVING {
                    self.flush(ways);
                }
            }
        }
    }

    /// Sends the packets that leave together, all to one destination.
    fn flush(&mut self, ways: Ways<'_>) {
        let Some(to) = self.leaving.first().map(|first| first.destination) else {
            return;
        };
        ways.send_row(self.leaving.iter().map(|transmit| &transmit.contents[..]), to);
        self.leaving.clear();
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open, and the rest concerns nobody here")]
    fn wish(&mut self, event: Event, wishes: &mut Vec<Wish>) {
        if let Event::Connected = event {
            self.connected = true;
            self.shared.established.store(true, Ordering::Relaxed);
            wishes.push(Wish::Connected);
            return;
        }
        match event {
            Event::ChannelOpen(id, label) => wishes.push(Wish::Channel(id, label)),
            Event::ChannelData(data) => wishes.push(Wish::Message(data.id, data.data)),
            Event::ChannelClose(_) => wishes.push(Wish::ChannelClosed),
            Event::PeerStats(stats) => {
                if let Some(pair) = stats.selected_candidate_pair {
                    self.out.goes_to(pair.protocol, pair.remote.addr);
                }
            }
            Event::RtpPacket(packet) => {
                let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|stream| stream.mid());
                wishes.extend(mid.map(|mid| Wish::Packet(mid, Box::new(packet))));
            }
            // That no binding request came for a while says nothing: some clients keep their way open by binding
            // indications (RFC 8445 section 11) and their reports. `failure` looks at all that comes.
            _ => {}
        }
    }

    /// Takes what the peer reports of the packets it gets. False when that is str0m's: nothing is sent here, or there are no
    /// keys yet.
    fn hear(&mut self, datagram: &[u8], now: Instant) -> bool {
        let sends = self.audio.is_some() || !self.video.is_empty();
        if !sends || !self.out.has_keys() {
            return false;
        }
        // What is not the peer's, or cannot be read, is nobody's.
        let Some(packets) = self.out.heard(datagram) else {
            return true;
        };
        self.count_in(datagram, now);
        for packet in packets {
            match packet {
                Rtcp::Nack { media_ssrc, sequences } => {
                    if let Some(outlet) = self.video.iter_mut().find(|outlet| outlet.ssrc() == media_ssrc) {
                        sequences.into_iter().for_each(|sequence| outlet.again(&mut self.out, sequence, now));
                    }
                }
                Rtcp::ReceiverReport { blocks, .. } => self.lost(&blocks, now),
                Rtcp::KeyframeWanted { media_ssrc } => {
                    let outlet = self.video.iter().find(|outlet| outlet.ssrc() == media_ssrc);
                    self.wished.extend(outlet.map(|outlet| Wish::Keyframe(outlet.mid())));
                }
                Rtcp::Arrivals(arrivals) => {
                    if self.out.bandwidth.reported(&arrivals) {
                        let estimate = self.out.bandwidth.estimate_bps().unwrap_or_default();
                        self.shared.bandwidth_bps.store(estimate, Ordering::Relaxed);
                        self.wished.extend(self.out.bandwidth.limit_bps().map(Wish::Limit));
                    }
                }
                Rtcp::SenderReport(_) | Rtcp::Bye { .. } => {}
            }
        }
        true
    }

    fn lost(&mut self, blocks: &[ReportBlock], now: Instant) {
        for block in blocks {
            let outlet = self.video.iter_mut().find(|outlet| outlet.ssrc() == block.ssrc);
            let Some(outlet) = outlet else { continue };
            let part = outlet.loss(block.fraction_lost, block.highest_sequence, now);
            self.wished.extend(part.map(|part| Wish::Loss(outlet.mid(), part)));
        }
    }

    fn fail(&mut self, error: &RtcError) {
        self.broken = Some(format!("the connection with the peer ({}) failed: {error}", self.ways_in()));
        self.rtc.disconnect();
    }
}

/// RFC 5761 section 4: RTCP packet types lie at 192 to 223.
fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// RFC 7983 section 7: STUN begins with 0 to 3.
fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=3, ..])
}
