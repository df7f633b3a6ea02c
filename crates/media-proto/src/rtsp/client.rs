//! The client of one RTSP session that pulls a live stream, its tracks interleaved in the TCP connection or by UDP.
//!
//! It asks OPTIONS, DESCRIBE, SETUP for each track and PLAY, answers a challenge with the strongest scheme it knows,
//! follows up to [`REDIRECTS_MAX`] redirects, keeps the session alive and answers requests of the server. Credentials
//! go only to the host they were given for. The datagrams of UDP are the caller's: the session asks for ports and says
//! which the server uses. Not there on purpose: multicast, TLS, back channels and playback ranges.
//!
//! Quirks that are met, each shown by a test: cameras without `Public`, that refuse OPTIONS or the keep-alive they offer,
//! that never answer it, that assign other channels than asked for or the same to all tracks, whose responses have no
//! `CSeq` or one that was never used, whose `Content-Base`, control address or `Location` is relative or no address, that
//! refuse SETUP of a track besides the video, refuse a `Range`, and that list a back channel nobody asked for.

mod answers;
#[cfg(test)]
mod tests;
mod tracks;

use std::{
    collections::VecDeque,
    net::IpAddr,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rtsp_types::{HeaderName, Method, Request, Response, StatusCode, Url, Version, headers};

use super::{
    Error,
    auth::{self, Challenge, Credentials},
    framing::{self, Decoder, Frame},
    url::{self, Endpoint},
};
use crate::{Track, TrackId};
use tracks::Tracks;

/// The most redirects in a row.
pub const REDIRECTS_MAX: u8 = 3;
/// A request is given up when it is not answered for this long.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end waits for the answer to TEARDOWN.
pub const TEARDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// The longest time between two signs of life to the server.
pub const KEEP_ALIVE_MAX: Duration = Duration::from_secs(30);
/// The session timeout of a server that names none, RFC 2326 section 12.37.
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);
/// The most times one request is sent: without credentials, with them, and with a fresh nonce.
const ATTEMPTS_MAX: u8 = 3;

const USER_AGENT: &str = concat!("cctv/", env!("CARGO_PKG_VERSION"));

/// What the session wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write these bytes to the connection.
    Send(Bytes),
    /// The server is elsewhere: close the connection, and open one to this endpoint.
    Reconnect(Endpoint),
    /// Bind a pair of UDP ports for the next track and say [`ClientSession::bound`].
    Bind,
    /// The tracks that will play; before the first packet. Those of UDP are in [`ClientSession::datagram_tracks`].
    Described(Vec<Track>),
    /// The server has agreed to play.
    Playing,
    /// An RTP packet.
    Rtp(TrackId, Bytes),
    /// An RTCP packet.
    Rtcp(TrackId, Bytes),
    /// The RTP timestamp with which playing begins.
    StartAt(TrackId, u32),
    /// Nothing before this time, unless bytes arrive.
    WaitUntil(Instant),
    /// The session is over; close the connection.
    Closed,
}

/// What to pull.
#[derive(Clone, Debug)]
pub struct Target {
    /// `rtsp://host…`; user and password in it are dropped.
    pub url: String,
    /// What to show when asked.
    pub credentials: Option<Credentials>,
    /// A text nobody can foresee, for digests.
    pub cnonce: String,
    /// What carries the tracks.
    pub carrier: Carrier,
    /// What carries them when the server refuses that.
    pub alternative: Option<Carrier>,
}

/// What carries the tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The RTSP connection.
    Tcp,
    /// Datagrams.
    Udp {
        /// A server that does not say its ports is taken, too: packets of its host are then taken from any port.
        any_port: bool,
    },
}

/// A track whose packets are datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramTrack {
    /// Which.
    pub track: TrackId,
    /// Our ports of RTP and RTCP.
    pub own_ports: (u16, u16),
    /// The server's; `None` when it names none.
    pub server_ports: Option<(u16, u16)>,
    /// The host the server says they come from.
    pub source: Option<IpAddr>,
}

/// One session.
#[derive(Debug)]
pub struct ClientSession {
    url: Url,
    credentials: Option<Credentials>,
    cnonce: String,
    carrier: Carrier,
    alternative: Option<Carrier>,
    challenge: Option<Challenge>,
    decoder: Decoder,
    outputs: VecDeque<Output>,
    pending: Option<Pending>,
    cseq: u32,
    /// The server's name of the session and how long it lives without a sign of ours.
    session: Option<(String, Duration)>,
    keep_alive: KeepAlive,
    /// The server wants PLAY without a range.
    without_range: bool,
    redirects: u8,
    tracks: Tracks,
    /// While playing: when the next sign of life is due.
    keep_alive_at: Option<Instant>,
    closed: bool,
}

/// A request on its way.
#[derive(Debug)]
struct Pending {
    step: Step,
    url: Url,
    transport: Option<String>,
    cseq: u32,
    attempts: u8,
    deadline: Instant,
}

/// The request that is the sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeepAlive {
    GetParameter,
    SetParameter,
    Options,
}

/// The requests of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Options,
    Describe,
    Setup,
    Play,
    KeepAlive,
    Teardown,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::KeepAlive => "the keep-alive",
            Self::Teardown => "TEARDOWN",
        }
    }
}

impl ClientSession {
    /// A session at its start: connect to [`Self::endpoint`], then drain [`Self::poll`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an address that is not `rtsp://host…`.
    pub fn new(now: Instant, target: Target) -> Result<Self, Error> {
        let url = url::parse(&target.url)?;
        let mut session = Self {
            tracks: Tracks::none(url.clone()),
            url,
            credentials: target.credentials,
            cnonce: target.cnonce,
            carrier: target.carrier,
            alternative: target.alternative,
            challenge: None,
            decoder: Decoder::new(),
            outputs: VecDeque::new(),
            pending: None,
            cseq: 0,
            session: None,
            keep_alive: KeepAlive::Options,
            without_range: false,
            redirects: 0,
            keep_alive_at: None,
            closed: false,
        };
        session.ask(now, Step::Options, session.url.clone(), None);
        Ok(session)
    }

    /// The server to connect to.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.url)
    }

    /// Takes bytes of the connection.
    ///
    /// # Errors
    /// When the session cannot go on. Outputs made before can still be polled.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        self.decoder.push(bytes);
        self.filled(now)
    }

    /// A buffer to read the connection into, without a copy; say [`Self::filled`] afterwards.
    pub fn space(&mut self) -> &mut BytesMut {
        self.decoder.space()
    }

    /// Takes what was read into [`Self::space`].
    ///
    /// # Errors
    /// As [`Self::received`].
    pub fn filled(&mut self, now: Instant) -> Result<(), Error> {
        while let Some(frame) = self.decoder.next()? {
            match frame {
                Frame::Interleaved { channel, data } => self.outputs.extend(self.tracks.packet(channel, data)),
                Frame::Response(response) => self.answered(now, &response)?,
                Frame::Request(request) => self.asked(&request)?,
            }
        }
        Ok(())
    }

    /// What to do next. Call it until it says to wait, and again at that time or when bytes have arrived.
    ///
    /// # Errors
    /// [`Error::Unanswered`] when the server is silent.
    pub fn poll(&mut self, now: Instant) -> Result<Output, Error> {
        if let Some(output) = self.outputs.pop_front() {
            return Ok(output);
        }
        if self.closed {
            return Ok(Output::Closed);
        }
        if let Some(late) = self.pending.take_if(|pending| pending.deadline <= now) {
            match late.step {
                // Some cameras never answer it and play on; whether pictures come is watched elsewhere.
                Step::KeepAlive => {}
                Step::Teardown => {
                    self.closed = true;
                    return Ok(Output::Closed);
                }
                step @ (Step::Options | Step::Describe | Step::Setup | Step::Play) => {
                    return Err(Error::Unanswered(step.name()));
                }
            }
        }
        if self.pending.is_none() && self.keep_alive_at.is_some_and(|at| at <= now) {
            self.keep_alive_at = Some(now + self.keep_alive_interval());
            self.ask(now, Step::KeepAlive, self.tracks.control().clone(), None);
        }
        if let Some(output) = self.outputs.pop_front() {
            return Ok(output);
        }
        let deadlines = [self.pending.as_ref().map(|pending| pending.deadline), self.keep_alive_at];
        // Without a request on its way, the session plays; so one of the two is there.
        Ok(Output::WaitUntil(deadlines.into_iter().flatten().min().unwrap_or(now + KEEP_ALIVE_MAX)))
    }

    /// Says which ports of RTP and RTCP were bound, after [`Output::Bind`].
    pub fn bound(&mut self, now: Instant, ports: (u16, u16)) {
        if self.pending.is_none()
            && let Some((control, transport)) = self.tracks.next_setup(Some(ports))
        {
            self.ask(now, Step::Setup, control, Some(transport));
        }
    }

    /// The tracks whose packets are datagrams.
    #[must_use]
    pub fn datagram_tracks(&self) -> Vec<DatagramTrack> {
        self.tracks.datagram_tracks()
    }

    /// Queues an RTCP packet of ours for one track that travels in the connection.
    pub fn send_rtcp(&mut self, track: TrackId, packet: &[u8]) {
        let Some(channel) = self.tracks.rtcp_channel(track) else { return };
        let Ok(length) = u16::try_from(packet.len()) else { return };
        let header = framing::write_interleaved_header(channel, length);
        self.outputs.push_back(Output::Send([&header, packet].concat().into()));
    }

    /// Ends the session: queues TEARDOWN where there is something to tear down. [`Output::Closed`] follows.
    pub fn teardown(&mut self, now: Instant) {
        self.keep_alive_at = None;
        self.pending = None;
        if self.session.is_none() {
            self.closed = true;
            return;
        }
        self.ask(now, Step::Teardown, self.tracks.control().clone(), None);
        if let Some(pending) = &mut self.pending {
            pending.deadline = now + TEARDOWN_TIMEOUT;
        }
    }

    fn keep_alive_interval(&self) -> Duration {
        let timeout = self.session.as_ref().map_or(SESSION_TIMEOUT, |(_, timeout)| *timeout);
        (timeout / 2).clamp(Duration::from_secs(1), KEEP_ALIVE_MAX)
    }

    /// Sends a request of its own.
    fn ask(&mut self, now: Instant, step: Step, url: Url, transport: Option<String>) {
        let deadline = now + RESPONSE_TIMEOUT;
        self.transmit(Pending { step, url, transport, cseq: 0, attempts: 0, deadline });
    }

    /// Sends a request, for the first time or once more.
    fn transmit(&mut self, mut pending: Pending) {
        self.cseq = self.cseq.wrapping_add(1);
        pending.cseq = self.cseq;
        pending.attempts += 1;
        let method = self.method(pending.step);
        let mut request = Request::builder(method.clone(), Version::V1_0)
            .request_uri(pending.url.clone())
            .header(headers::CSEQ, pending.cseq.to_string())
            .header(headers::USER_AGENT, USER_AGENT);
        if let (Some(challenge), Some(credentials)) = (&mut self.challenge, &self.credentials) {
            let value = challenge.authorize(credentials, (&method).into(), pending.url.as_str(), &self.cnonce);
            request = request.header(headers::AUTHORIZATION, value);
        }
        if let Some((name, _)) = &self.session {
            request = request.header(headers::SESSION, name.as_str());
        }
        if let Some((name, value)) = self.own_header(&pending) {
            request = request.header(name, value);
        }
        self.outputs.push_back(Output::Send(framing::write_request(&request.empty())));
        self.pending = Some(pending);
    }

    fn method(&self, step: Step) -> Method {
        match step {
            Step::Options => Method::Options,
            Step::Describe => Method::Describe,
            Step::Setup => Method::Setup,
            Step::Play => Method::Play,
            Step::KeepAlive => match self.keep_alive {
                KeepAlive::GetParameter => Method::GetParameter,
                KeepAlive::SetParameter => Method::SetParameter,
                KeepAlive::Options => Method::Options,
            },
            Step::Teardown => Method::Teardown,
        }
    }

    /// A request of the server.
    fn asked(&mut self, request: &Request<Vec<u8>>) -> Result<(), Error> {
        let (status, ends) = match request.method() {
            Method::Options | Method::GetParameter | Method::SetParameter => (StatusCode::Ok, false),
            Method::Redirect | Method::Teardown => (StatusCode::Ok, true),
            Method::Describe
            | Method::Pause
            | Method::Play
            | Method::PlayNotify
            | Method::Setup
            | Method::Announce
            | Method::Record
            | Method::Extension(_) => (StatusCode::NotImplemented, false),
        };
        let mut response = Response::builder(Version::V1_0, status).header(headers::USER_AGENT, USER_AGENT);
        if let Some(cseq) = request.header(&headers::CSEQ) {
            response = response.header(headers::CSEQ, cseq.as_str());
        }
        self.outputs.push_back(Output::Send(framing::write_response(&response.empty())));
        if ends { Err(Error::Ended) } else { Ok(()) }
    }

    /// Starts again at another server, or at another address of this one.
    fn redirect(&mut self, now: Instant, location: &str) -> Result<(), Error> {
        self.redirects += 1;
        if self.redirects > REDIRECTS_MAX {
            return Err(Error::Unsupported(format!("more than {REDIRECTS_MAX} redirects")));
        }
        let url = url::resolve(location, &self.url)?;
        let (from, to) = (Endpoint::of(&self.url), Endpoint::of(&url));
        self.url = url;
        self.tracks = Tracks::none(self.url.clone());
        self.challenge = None;
        if from.host != to.host {
            self.credentials = None;
        }
        if from == to {
            self.ask(now, Step::Describe, self.url.clone(), None);
            return Ok(());
        }
        self.decoder = Decoder::new();
        self.outputs.push_back(Output::Reconnect(to));
        self.ask(now, Step::Options, self.url.clone(), None);
        Ok(())
    }

    /// Answers a challenge, unless what we have was refused already.
    fn authenticate(&mut self, pending: Pending, response: &Response<Vec<u8>>) -> Result<(), Error> {
        let refused = Error::Refused { method: pending.step.name(), status: response.status().into() };
        let header = response.header(&headers::WWW_AUTHENTICATE).map_or("", |value| value.as_str());
        if self.credentials.is_none() || header.is_empty() {
            return Err(refused);
        }
        let Some(challenge) = auth::strongest(header) else {
            return Err(Error::Unsupported(format!(
                "{} needs an authentication that is neither Basic nor Digest with MD5 or SHA-256",
                pending.step.name()
            )));
        };
        // A nonce grows old between two requests; one that this request has used already has not.
        let renewed = self.challenge.as_ref().is_none_or(|old| old.nonce() != challenge.nonce());
        let again = pending.attempts == 1 && renewed || challenge.is_stale() && pending.attempts < ATTEMPTS_MAX;
        if !again {
            return Err(refused);
        }
        self.challenge = Some(challenge);
        self.transmit(pending);
        Ok(())
    }

    /// The header that one kind of request has besides those all have.
    fn own_header(&self, pending: &Pending) -> Option<(HeaderName, String)> {
        match pending.step {
            Step::Describe => Some((headers::ACCEPT, "application/sdp".into())),
            Step::Setup => pending.transport.clone().map(|transport| (headers::TRANSPORT, transport)),
            Step::Play if !self.without_range => Some((headers::RANGE, "npt=0.000-".into())),
            Step::Options | Step::Play | Step::KeepAlive | Step::Teardown => None,
        }
    }
}
