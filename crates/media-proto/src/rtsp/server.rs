//! One RTSP 1.0 connection (RFC 2326) as a server sees it: bytes in, questions and responses out.
//!
//! The machine knows the order of methods, the wording of responses and which packet belongs to which track. Whether a
//! path exists and who may use it is asked: [`Output::Ask`] waits until one of the answering methods is called, and
//! requests that follow wait with it. A connection has at most one session.
//!
//! Limits: [`sdp::TRACKS_MAX`] tracks, [`WAITING_BYTES`] received while a question waits, and those of the framing.

mod response;
mod target;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::{Bytes, BytesMut};
use domain::{PathName, Secret};
use rtsp_types::{HeaderName, Method, Request, Version, headers};

use super::{
    Error, auth,
    framing::{Decoder, Frame},
    transport::{self, Lower, Mode, Transport},
};
use crate::{Track, TrackId, sdp};
use response::Response;
use target::Target;

/// Bytes taken while a question waits for its answer.
pub const WAITING_BYTES: usize = 1 << 20;
/// What a session without a sign of its client lasts, as announced in the `Session` header.
pub const SESSION_TIMEOUT_S: u64 = 60;

const PUBLIC: &str = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN";
const SDP: &str = "application/sdp";
const REALM: &str = "cctv";
/// The query parameters that carry a token.
const TOKENS: [&str; 2] = ["token", "jwt"];

/// The server's side of one connection.
#[derive(Debug)]
pub struct ServerSession {
    decoder: Decoder,
    out: VecDeque<Output>,
    identity: Identity,
    /// The request that waits for an answer.
    pending: Option<Pending>,
    waiting_bytes: usize,
    session: Option<Session>,
    closed: bool,
}

/// The random parts of a connection, made by the caller.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The id of its session, hard to guess.
    pub session: String,
    /// The nonce of its digest challenges, hard to guess.
    pub nonce: String,
    /// The ways in which a client may show a password.
    pub schemes: Vec<Scheme>,
}

/// A way to show a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616 with MD5.
    DigestMd5,
    /// RFC 7616 with SHA-256.
    DigestSha256,
}

impl Scheme {
    /// Whether a line of `WWW-Authenticate` offers this scheme.
    fn is_offered_by(self, challenge: &str) -> bool {
        match self {
            Self::Basic => challenge.starts_with("Basic "),
            Self::DigestMd5 => challenge.ends_with("algorithm=MD5"),
            Self::DigestSha256 => challenge.ends_with("algorithm=SHA-256"),
        }
    }
}

/// What is to be done next.
#[derive(Debug)]
pub enum Output {
    /// These bytes go to the client.
    Send(Bytes),
    /// A decision is needed.
    Ask(Box<Ask>),
    /// A packet came interleaved.
    Packet {
        /// Its track.
        track: TrackId,
        /// It is RTCP, not RTP.
        rtcp: bool,
        /// The packet.
        data: Bytes,
    },
    /// More bytes or an answer are awaited.
    Nothing,
    /// The connection is to be closed: the client has ended its session.
    Closed,
    /// The connection is to be closed: the client sent what cannot be used.
    Broken(Error),
}

/// A question to the caller.
#[derive(Debug)]
pub struct Ask {
    /// What the client wants.
    pub question: Question,
    /// The path it wants it on.
    pub path: PathName,
    /// The query of its URL.
    pub query: String,
    /// What it shows to be let in.
    pub shown: Shown,
    /// What it calls itself.
    pub user_agent: String,
}

/// What a client wants.
#[derive(Debug)]
pub enum Question {
    /// The description of the stream; answer with [`ServerSession::describe`].
    Describe,
    /// To publish these tracks; answer with [`ServerSession::agree`].
    Announce(Vec<Track>),
    /// A track over a transport; answer with [`ServerSession::set_up`].
    SetUp {
        /// The track.
        track: TrackId,
        /// The transport: complete, but for the server's UDP ports.
        lane: Lane,
        /// The client publishes.
        publishes: bool,
    },
    /// To receive the tracks that are set up; answer with [`ServerSession::play`].
    Play,
    /// To send the tracks that are set up; answer with [`ServerSession::agree`].
    Record,
    /// To receive nothing for a while; answer with [`ServerSession::agree`].
    Pause,
}

/// How the packets of a track travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Interleaved in the connection.
    Tcp {
        /// The channel of RTP.
        rtp: u8,
        /// The channel of RTCP.
        rtcp: u8,
    },
    /// Over UDP.
    Udp {
        /// The client's port of RTP.
        rtp: u16,
        /// The client's port of RTCP.
        rtcp: u16,
    },
}

/// What a client shows to be let in.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// Something that cannot be read or is not allowed.
    Unknown,
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token, in a header or in the query.
    Token(Secret),
    /// A digest, which can be checked against a password.
    Digest(Digest),
}

/// A digest that a client made for one request.
#[derive(Clone, Debug)]
pub struct Digest {
    response: Arc<auth::DigestResponse>,
    method: String,
    nonce: String,
}

impl Digest {
    /// The name the client claims.
    #[must_use]
    pub fn user(&self) -> &str {
        self.response.user()
    }

    /// Whether it was made with this password.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        self.response.verify(&self.method, &self.nonce, self.response.user(), password.expose())
    }
}

/// Where a track starts to play, for the `RTP-Info` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The track.
    pub track: TrackId,
    /// The sequence number of its first packet.
    pub sequence: u16,
    /// The RTP timestamp at which playback begins.
    pub rtp_time: u32,
}

#[derive(Debug)]
struct Session {
    target: Target,
    /// The control attributes of announced tracks; `None` for a reader.
    announced: Option<Vec<String>>,
    lanes: Vec<(TrackId, Lane)>,
    running: bool,
}

#[derive(Debug)]
struct Pending {
    cseq: String,
    /// The request's URL without query.
    url: String,
    next: Next,
}

/// What an answer completes.
#[derive(Debug)]
enum Next {
    Describe,
    Announce(Session),
    SetUp { target: Target, track: TrackId, lane: Lane, publishes: bool },
    Play,
    Record,
    Pause,
}

/// A refusal by the machine itself.
struct Refusal(u16, String);

impl Refusal {
    fn new(status: u16, reason: impl Into<String>) -> Self {
        Self(status, reason.into())
    }
}

impl ServerSession {
    /// A connection before its first byte.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            decoder: Decoder::new(),
            out: VecDeque::new(),
            identity,
            pending: None,
            waiting_bytes: 0,
            session: None,
            closed: false,
        }
    }

    /// Takes bytes from the client.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when too much comes while a question waits.
    pub fn received(&mut self, _now: Instant, bytes: &[u8]) -> Result<(), Error> {
        if self.pending.is_some() {
            self.waiting_bytes += bytes.len();
            if self.waiting_bytes > WAITING_BYTES {
                return Err(Error::TooLarge { what: "what came before a response", limit: WAITING_BYTES });
            }
        }
        self.decoder.push(bytes);
        Ok(())
    }

    /// The buffer with room at its end, for reading a socket straight into it; packets come out as slices of it.
    pub fn space(&mut self) -> &mut BytesMut {
        self.decoder.space()
    }

    /// What is to be done next.
    pub fn poll(&mut self, _now: Instant) -> Output {
        loop {
            if let Some(output) = self.out.pop_front() {
                return output;
            }
            if self.closed {
                return Output::Closed;
            }
            if self.pending.is_some() {
                return Output::Nothing;
            }
            match self.decoder.next() {
                Ok(Some(Frame::Request(request))) => self.request(&request),
                Ok(Some(Frame::Interleaved { channel, data })) => {
                    if let Some((track, rtcp)) = self.track_of(channel) {
                        return Output::Packet { track, rtcp, data };
                    }
                }
                // Nothing is ever asked of a client.
                Ok(Some(Frame::Response(_))) => {}
                Ok(None) => return Output::Nothing,
                Err(error) => {
                    self.send(Response::new(400, "Bad Request", None).end());
                    self.closed = true;
                    self.out.push_back(Output::Broken(error));
                }
            }
        }
    }

    /// The tracks that are set up, with their ways.
    #[must_use]
    pub fn lanes(&self) -> &[(TrackId, Lane)] {
        self.session.as_ref().map_or(&[], |session| &session.lanes)
    }

    /// Answers [`Question::Describe`].
    pub fn describe(&mut self, tracks: &[Track]) {
        let Some(Pending { cseq, url, next: Next::Describe }) = self.take_pending() else {
            return;
        };
        let body = sdp::write(tracks, "");
        let base = format!("{}/", url.trim_end_matches('/'));
        self.send(Response::ok(&cseq).header("Content-Base", &base).body(SDP, &body));
    }

    /// Answers [`Question::SetUp`]: the server's UDP ports and the synchronisation source of what it sends, if it does.
    pub fn set_up(&mut self, server_ports: (u16, u16), ssrc: Option<u32>) {
        let Some(Pending { cseq, next: Next::SetUp { target, track, lane, publishes }, .. }) = self.take_pending()
        else {
            return;
        };
        let session =
            self.session.get_or_insert(Session { target, announced: None, lanes: Vec::new(), running: false });
        session.lanes.push((track, lane));
        let lower = match lane {
            Lane::Tcp { rtp, rtcp } => Lower::Tcp { interleaved: Some((rtp, rtcp)) },
            Lane::Udp { rtp, rtcp } => Lower::Udp { client_port: Some((rtp, rtcp)), server_port: Some(server_ports) },
        };
        let transport = Transport { lower, ssrc, mode: if publishes { Mode::Record } else { Mode::Play } };
        let response = self.with_session(Response::ok(&cseq)).header("Transport", &transport.to_string());
        self.send(response.end());
    }

    /// Answers [`Question::Play`].
    pub fn play(&mut self, starts: &[Start]) {
        let Some(Pending { cseq, url, next: Next::Play }) = self.take_pending() else {
            return;
        };
        self.run(true);
        let base = url.trim_end_matches('/');
        let infos: Vec<String> = starts
            .iter()
            .map(|start| {
                let Start { track, sequence, rtp_time } = start;
                format!("url={base}/{}{};seq={sequence};rtptime={rtp_time}", target::CONTROL, track.0)
            })
            .collect();
        let response = self.with_session(Response::ok(&cseq)).header("Range", "npt=now-");
        self.send(if infos.is_empty() { response } else { response.header("RTP-Info", &infos.join(",")) }.end());
    }

    /// Answers [`Question::Announce`], [`Question::Record`] and [`Question::Pause`] with yes.
    pub fn agree(&mut self) {
        let Some(Pending { cseq, next, .. }) = self.take_pending() else {
            return;
        };
        match next {
            Next::Announce(session) => self.session = Some(session),
            Next::Record => self.run(true),
            Next::Pause => self.run(false),
            Next::Describe | Next::SetUp { .. } | Next::Play => return,
        }
        let response = self.with_session(Response::ok(&cseq));
        self.send(response.end());
    }

    /// Answers any question with no.
    pub fn refuse(&mut self, status: u16, reason: &str) {
        if let Some(Pending { cseq, .. }) = self.take_pending() {
            self.send(Response::new(status, reason, Some(&cseq)).end());
        }
    }

    /// Answers any question with the wish for credentials.
    pub fn challenge(&mut self) {
        if let Some(Pending { cseq, .. }) = self.take_pending() {
            let response = Response::new(401, "Unauthorized", Some(&cseq));
            let known = auth::challenge(REALM, &self.identity.nonce);
            let allowed = |one: &&String| self.identity.schemes.iter().any(|scheme| scheme.is_offered_by(one));
            let challenges = known.iter().filter(allowed);
            let response = challenges.fold(response, |response, one| response.header("WWW-Authenticate", one));
            self.send(response.end());
        }
    }

    fn request(&mut self, request: &Request<Vec<u8>>) {
        let Some(cseq) = header(request, &headers::CSEQ).filter(|cseq| cseq.trim().parse::<u32>().is_ok()) else {
            return self.send(Response::new(400, "CSeq is missing", None).end());
        };
        let cseq = cseq.trim().to_owned();
        if let Err(Refusal(status, reason)) = self.handle(request, &cseq) {
            let response = Response::new(status, &reason, Some(&cseq));
            let response = match (status, header(request, &headers::REQUIRE)) {
                (551, Some(required)) => response.header("Unsupported", required),
                (405, _) => response.header("Allow", PUBLIC),
                _ => response,
            };
            self.send(response.end());
        }
    }

    fn handle(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        if request.version() != Version::V1_0 {
            return Err(Refusal::new(505, "RTSP Version Not Supported"));
        }
        if header(request, &headers::REQUIRE).is_some() {
            return Err(Refusal::new(551, "Option not supported"));
        }
        self.check_session_id(request)?;
        match request.method() {
            Method::Options => {
                let response = self.with_session(Response::ok(cseq)).header("Public", PUBLIC);
                self.send(response.end());
                Ok(())
            }
            Method::GetParameter | Method::SetParameter => self.parameter(request, cseq),
            Method::Teardown => {
                self.send(Response::ok(cseq).end());
                self.closed = true;
                Ok(())
            }
            Method::Describe => self.on_describe(request, cseq),
            Method::Announce => self.on_announce(request, cseq),
            Method::Setup => self.on_set_up(request, cseq),
            Method::Play => self.on_play(request, cseq),
            Method::Record => self.on_record(request, cseq),
            Method::Pause => self.on_pause(request, cseq),
            Method::PlayNotify | Method::Redirect => Err(Refusal::new(405, "Method Not Allowed")),
            Method::Extension(_) => Err(Refusal::new(501, "Not Implemented")),
        }
    }

    fn check_session_id(&self, request: &Request<Vec<u8>>) -> Result<(), Refusal> {
        let Some(shown) = header(request, &headers::SESSION) else {
            return Ok(());
        };
        let id = shown.split(';').next().unwrap_or_default().trim();
        if self.session.is_some() && id == self.identity.session {
            return Ok(());
        }
        Err(Refusal::new(454, "Session Not Found"))
    }

    /// Without a body this is a sign of life; no parameter is known.
    fn parameter(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        if !request.body().iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::new(451, "Parameter Not Understood"));
        }
        let response = self.with_session(Response::ok(cseq));
        self.send(response.end());
        Ok(())
    }

    fn on_describe(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        let accepts = |accept: &str| accept.contains(SDP) || accept.contains("*/*") || accept.contains("application/*");
        if !header(request, &headers::ACCEPT).is_none_or(accepts) {
            return Err(Refusal::new(406, "Not Acceptable"));
        }
        let target = presentation(request)?;
        if self
            .session
            .as_ref()
            .is_some_and(|session| session.announced.is_some() || session.target.path != target.path)
        {
            return Err(wrong_state());
        }
        self.ask(request, cseq, target, Question::Describe, Next::Describe);
        Ok(())
    }

    fn on_announce(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        if self.session.is_some() {
            return Err(wrong_state());
        }
        if !header(request, &headers::CONTENT_TYPE).is_some_and(|kind| kind.trim().starts_with(SDP)) {
            return Err(Refusal::new(415, "Unsupported Media Type"));
        }
        let target = presentation(request)?;
        let base = request.request_uri().map(rtsp_types::Url::as_str).unwrap_or_default();
        let described = sdp::parse(request.body(), base).map_err(|error| Refusal::new(400, error.to_string()))?;
        let (tracks, controls): (Vec<Track>, Vec<String>) =
            described.tracks.into_iter().map(|media| (media.track, media.control)).unzip();
        let session = Session { target: target.clone(), announced: Some(controls), lanes: Vec::new(), running: false };
        self.ask(request, cseq, target, Question::Announce(tracks), Next::Announce(session));
        Ok(())
    }

    fn on_set_up(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        if self.session.as_ref().is_some_and(|session| session.running) {
            return Err(wrong_state());
        }
        let (target, track) = self.track_of_url(request)?;
        let lanes = self.lanes();
        if lanes.iter().any(|(known, _)| *known == track) {
            return Err(Refusal::new(455, "the track is set up already"));
        }
        if lanes.len() >= sdp::TRACKS_MAX {
            return Err(Refusal::new(453, "too many tracks"));
        }
        let publishes = self.session.as_ref().is_some_and(|session| session.announced.is_some());
        let lane = self.choose_lane(header(request, &headers::TRANSPORT).unwrap_or_default(), publishes)?;
        let next = Next::SetUp { target: target.clone(), track, lane, publishes };
        self.ask(request, cseq, target, Question::SetUp { track, lane, publishes }, next);
        Ok(())
    }

    fn on_play(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        let session = self.session.as_ref().ok_or_else(wrong_state)?;
        if session.announced.is_some() || session.lanes.is_empty() {
            return Err(wrong_state());
        }
        let target = session.target.clone();
        if session.running {
            // A second PLAY while playing is a sign of life.
            let response = self.with_session(Response::ok(cseq)).header("Range", "npt=now-");
            self.send(response.end());
            return Ok(());
        }
        self.ask(request, cseq, target, Question::Play, Next::Play);
        Ok(())
    }

    fn on_record(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        let session = self.session.as_ref().ok_or_else(wrong_state)?;
        if session.announced.is_none() || session.lanes.is_empty() || session.running {
            return Err(wrong_state());
        }
        let target = session.target.clone();
        self.ask(request, cseq, target, Question::Record, Next::Record);
        Ok(())
    }

    fn on_pause(&mut self, request: &Request<Vec<u8>>, cseq: &str) -> Result<(), Refusal> {
        let session = self.session.as_ref().ok_or_else(wrong_state)?;
        if session.announced.is_some() || session.lanes.is_empty() {
            return Err(wrong_state());
        }
        let target = session.target.clone();
        self.ask(request, cseq, target, Question::Pause, Next::Pause);
        Ok(())
    }

    /// The track that a SETUP means: by our control for a reader, by the announced one for a publisher.
    fn track_of_url(&self, request: &Request<Vec<u8>>) -> Result<(Target, TrackId), Refusal> {
        let url = request.request_uri().ok_or_else(|| Refusal::new(400, "the URL is missing"))?;
        if let Some(Session { target, announced: Some(controls), lanes, .. }) = &self.session {
            let free = |track: &usize| !lanes.iter().any(|(known, _)| usize::from(known.0) == *track);
            let named = controls.iter().position(|control| target::ends_in_control(url, control));
            let track = named.or_else(|| (0..controls.len()).find(free)).and_then(|track| u8::try_from(track).ok());
            let track = track.ok_or_else(|| Refusal::new(404, "the track was not announced"))?;
            return Ok((target.clone(), TrackId(track)));
        }
        let (target, number) = Target::track(url).ok_or_else(bad_path)?;
        if self.session.as_ref().is_some_and(|session| session.target.path != target.path) {
            return Err(Refusal::new(455, "a connection reads one path"));
        }
        match number {
            None if !self.lanes().is_empty() => Err(Refusal::new(459, "Aggregate Operation Not Allowed")),
            number => Ok((target, TrackId(number.unwrap_or(0)))),
        }
    }

    /// The first transport of an offer that can be had.
    fn choose_lane(&self, offer: &str, publishes: bool) -> Result<Lane, Refusal> {
        let mut reason = "Unsupported Transport".to_owned();
        for one in transport::parse(offer) {
            match one {
                Ok(one) if (one.mode == Mode::Record) != publishes && one.mode == Mode::Record => {
                    return Err(Refusal::new(455, "ANNOUNCE comes before a transport with mode=record"));
                }
                Ok(one) => match self.lane(one.lower) {
                    Some(lane) => return Ok(lane),
                    None => {
                        "the transport lacks ports, or differs from that of the other tracks".clone_into(&mut reason);
                    }
                },
                Err(refused) => reason = refused.to_string(),
            }
        }
        Err(Refusal(461, reason))
    }

    fn lane(&self, lower: Lower) -> Option<Lane> {
        let others = self.lanes().first().map(|(_, lane)| *lane);
        match (lower, others) {
            (Lower::Tcp { interleaved }, None | Some(Lane::Tcp { .. })) => {
                let is_free = |&(rtp, rtcp): &(u8, u8)| {
                    rtp != rtcp && self.track_of(rtp).is_none() && self.track_of(rtcp).is_none()
                };
                let own = (0..=127u8).map(|n| (n * 2, n * 2 + 1));
                let (rtp, rtcp) = interleaved.filter(is_free).or_else(|| own.into_iter().find(is_free))?;
                Some(Lane::Tcp { rtp, rtcp })
            }
            (Lower::Udp { client_port: Some((rtp, rtcp)), .. }, None | Some(Lane::Udp { .. })) => {
                (rtp != 0 && rtcp != 0).then_some(Lane::Udp { rtp, rtcp })
            }
            (Lower::Tcp { .. } | Lower::Udp { .. }, _) => None,
        }
    }

    fn track_of(&self, channel: u8) -> Option<(TrackId, bool)> {
        self.lanes().iter().find_map(|(track, lane)| match *lane {
            Lane::Tcp { rtp, .. } if rtp == channel => Some((*track, false)),
            Lane::Tcp { rtcp, .. } if rtcp == channel => Some((*track, true)),
            Lane::Tcp { .. } | Lane::Udp { .. } => None,
        })
    }

    fn ask(&mut self, request: &Request<Vec<u8>>, cseq: &str, target: Target, question: Question, next: Next) {
        let url = request.request_uri().map(|url| {
            let mut url = url.clone();
            url.set_query(None);
            url.into()
        });
        let shown = self.shown(request, &target.query);
        let user_agent = header(request, &headers::USER_AGENT).unwrap_or_default().chars().take(256).collect();
        self.pending = Some(Pending { cseq: cseq.to_owned(), url: url.unwrap_or_default(), next });
        self.waiting_bytes = 0;
        let Target { path, query } = target;
        self.out.push_back(Output::Ask(Box::new(Ask { question, path, query, shown, user_agent })));
    }

    /// What a request shows: its `Authorization`, else a token in its query.
    fn shown(&self, request: &Request<Vec<u8>>, query: &str) -> Shown {
        let Some(value) = header(request, &headers::AUTHORIZATION) else {
            return target::parameter(query, &TOKENS)
                .map_or(Shown::Nothing, |token| Shown::Token(Secret::new(token.to_owned())));
        };
        let allows = |digest: bool| self.identity.schemes.iter().any(|scheme| (*scheme != Scheme::Basic) == digest);
        match auth::parse_authorization(value) {
            Some(auth::Shown::Basic(auth::Credentials { user, password })) if allows(false) => {
                Shown::Password { user, password }
            }
            Some(auth::Shown::Bearer(token)) => Shown::Token(token),
            Some(auth::Shown::Digest(response)) if allows(true) => Shown::Digest(Digest {
                response: Arc::new(response),
                method: <&str>::from(request.method()).to_owned(),
                nonce: self.identity.nonce.clone(),
            }),
            Some(auth::Shown::Basic(_) | auth::Shown::Digest(_)) | None => Shown::Unknown,
        }
    }

    fn run(&mut self, running: bool) {
        if let Some(session) = &mut self.session {
            session.running = running;
        }
    }

    fn take_pending(&mut self) -> Option<Pending> {
        self.waiting_bytes = 0;
        self.pending.take()
    }

    fn with_session(&self, response: Response) -> Response {
        match self.session {
            Some(_) => response.header("Session", &format!("{};timeout={SESSION_TIMEOUT_S}", self.identity.session)),
            None => response,
        }
    }

    fn send(&mut self, bytes: Bytes) {
        self.out.push_back(Output::Send(bytes));
    }
}

fn header<'a>(request: &'a Request<Vec<u8>>, name: &HeaderName) -> Option<&'a str> {
    request.header(name).map(rtsp_types::HeaderValue::as_str)
}

fn presentation(request: &Request<Vec<u8>>) -> Result<Target, Refusal> {
    request.request_uri().and_then(Target::presentation).ok_or_else(bad_path)
}

fn bad_path() -> Refusal {
    Refusal::new(400, "the URL has no valid path name")
}

fn wrong_state() -> Refusal {
    Refusal::new(455, "Method Not Valid In This State")
}
