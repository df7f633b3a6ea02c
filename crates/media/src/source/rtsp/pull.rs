//! One connection to a camera that feeds a stream.

use std::{
    io,
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_proto::{
    Codec, Track, TrackId,
    ingest::Ingest,
    rtsp::{
        client::{ClientSession, Output},
        url::Endpoint,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep_until, timeout},
};
use tracing::{debug, info, trace};

use super::{
    CONNECT_TIMEOUT, Ending, Error, Feed, KEYFRAME_INTERVAL, WRITE_TIMEOUT,
    carrier::Watch,
    datagrams::{Datagram, Datagrams, Kind},
    herd::Place,
    lost, now,
};
use crate::stream;

/// Datagrams that are taken in a row before anything else gets its turn.
const DATAGRAMS_IN_A_ROW: usize = 64;
/// A keyframe that is wanted because of loss waits for this long more, so that loss does not make the load grow.
const TORN_INTERVAL: Duration = Duration::from_secs(1);

/// Connects, and feeds until the connection ends. `ports` are those for UDP.
pub(super) async fn run(
    session: ClientSession,
    place: Place,
    feed: Feed,
    ports: RangeInclusive<u16>,
) -> Result<(), Ending> {
    let socket = connect(&session.endpoint()).await?;
    let datagrams = datagrams(&socket, ports.clone())?;
    let connection = Connection { socket, session };
    let pull =
        Pull { connection, datagrams, ports, feed, place: Some(place), media: None, watch: None, keyframe_at: now() };
    pull.run().await
}

/// A socket with its session. Dropping it says goodbye.
struct Connection {
    socket: TcpStream,
    session: ClientSession,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let now = now();
        self.session.teardown(now);
        while let Ok(Output::Send(bytes)) = self.session.poll(now) {
            // Nobody can wait here; a full or broken connection goes without it.
            if self.socket.try_write(&bytes).is_err() {
                return;
            }
        }
    }
}

/// One connection that feeds.
struct Pull {
    connection: Connection,
    datagrams: Datagrams,
    ports: RangeInclusive<u16>,
    feed: Feed,
    /// Held until the tracks are set up.
    place: Option<Place>,
    media: Option<Media>,
    /// While tracks come by UDP.
    watch: Option<Watch>,
    /// When the camera may be asked for a keyframe again.
    keyframe_at: Instant,
}

/// What is known once the tracks are.
struct Media {
    ingest: Ingest,
    /// The video track.
    video: Option<TrackId>,
    /// Its packets arrive, so that a keyframe can be asked for.
    video_arrives: bool,
    /// The feed knows the tracks; units before that are nobody's.
    described: bool,
    /// Units in error that are counted already.
    errors: u64,
    /// Units that were not whole when a keyframe was last asked for.
    torn: u64,
}

impl Pull {
    async fn run(mut self) -> Result<(), Ending> {
        loop {
            let Some(wake_at) = self.act().await? else { return Ok(()) };
            self.look()?;
            let at = now();
            let can_ask = self.keyframe_at <= at && self.media.as_ref().is_some_and(|media| media.video_arrives);
            let wakes = [
                Some(wake_at),
                Some(self.keyframe_at).filter(|keyframe_at| *keyframe_at > at),
                self.media.as_ref().and_then(|media| media.ingest.wake_at()),
                self.watch.as_ref().map(Watch::next_look),
            ];
            let wake_at = wakes.into_iter().flatten().min().unwrap_or(wake_at);
            let Connection { socket, session } = &mut self.connection;
            tokio::select! {
                read = socket.read_buf(session.space()) => match read {
                    Ok(0) => return Err(lost("the camera closed the connection").into()),
                    Ok(_) => session.filled(now())?,
                    Err(error) => {
                        return Err(lost(&format!("the connection to the camera failed: {}", error.kind())).into());
                    }
                },
                datagram = self.datagrams.receive() => self.datagrams(datagram),
                () = sleep_until(wake_at.into()) => self.expire(),
                () = self.feed.keyframe_wanted(), if can_ask => self.ask_for_keyframe(),
            }
        }
    }

    /// Does what the session wants done, until it waits. `None`: it is over.
    async fn act(&mut self) -> Result<Option<Instant>, Ending> {
        loop {
            match self.connection.session.poll(now())? {
                Output::Send(bytes) => send(&mut self.connection.socket, &bytes).await?,
                Output::Reconnect(endpoint) => {
                    self.connection.socket = connect(&endpoint).await?;
                    self.datagrams = datagrams(&self.connection.socket, self.ports.clone())?;
                }
                Output::Bind => {
                    let ports = self.datagrams.bind()?;
                    self.connection.session.bound(now(), ports);
                }
                Output::Described(tracks) => self.described(&tracks).await,
                Output::Playing => self.watch = self.datagrams.tracks().next().map(|_| Watch::new(now())),
                Output::Rtp(track, packet) => self.rtp(track, packet),
                Output::Rtcp(track, packet) => self.rtcp(track, &packet),
                Output::StartAt(track, timestamp) => {
                    if let Some(media) = &mut self.media {
                        media.ingest.start_at(track, timestamp);
                    }
                }
                Output::WaitUntil(at) => {
                    if !self.report() {
                        return Ok(Some(at));
                    }
                }
                Output::Closed => return Ok(None),
            }
        }
    }

    /// Takes a datagram and those that are here already.
    fn datagrams(&mut self, first: Datagram) {
        self.datagram(first);
        for _ in 1..DATAGRAMS_IN_A_ROW {
            let Some(next) = self.datagrams.try_receive() else { return };
            self.datagram(next);
        }
    }

    fn datagram(&mut self, Datagram { track, kind, data }: Datagram) {
        match kind {
            Kind::Rtp => self.rtp(track, data),
            Kind::Rtcp => self.rtcp(track, &data),
        }
    }

    /// Gives up missing packets that have been waited for long enough.
    fn expire(&mut self) {
        if let Some(media) = &mut self.media {
            media.ingest.expire(now(), stream::wall_now());
            self.deliver();
        }
    }

    /// Whether UDP still does its work.
    fn look(&mut self) -> Result<(), Ending> {
        let (Some(watch), Some(media)) = (&mut self.watch, &self.media) else { return Ok(()) };
        let at = now();
        if watch.next_look() > at {
            return Ok(());
        }
        watch.look(at, &media.ingest.stats()).map_or(Ok(()), |reason| Err(Ending::Udp(lost(&reason))))
    }

    async fn described(&mut self, tracks: &[Track]) {
        let by_udp = self.connection.session.datagram_tracks();
        info!(tracks = tracks.len(), by_udp = by_udp.len(), "camera described its stream");
        self.place = None;
        // The first sets that come in band describe what the session description leaves open; to describe the stream
        // without them first would only interrupt its readers twice.
        let described = tracks.iter().all(|track| is_complete(&track.codec));
        if described {
            self.feed.describe(tracks);
        }
        self.datagrams.open(&by_udp).await;
        let mut ingest = Ingest::new(tracks, self.feed.origin());
        by_udp.iter().for_each(|track| ingest.reorder(track.track));
        let video = tracks.iter().find(|track| matches!(track.codec, Codec::H264 { .. } | Codec::H265 { .. }));
        self.media = Some(Media {
            ingest,
            video: video.map(|track| track.id),
            video_arrives: false,
            described,
            errors: 0,
            torn: 0,
        });
    }

    fn rtp(&mut self, track: TrackId, packet: Bytes) {
        let Some(media) = &mut self.media else { return };
        media.video_arrives |= media.video == Some(track);
        if let Err(error) = media.ingest.rtp(now(), stream::wall_now(), track, packet) {
            trace!(%error, track = track.0, "a packet of the camera is of no use");
        }
        self.deliver();
    }

    fn rtcp(&mut self, track: TrackId, packet: &[u8]) {
        let Some(media) = &mut self.media else { return };
        if media.ingest.rtcp(now(), stream::wall_now(), track, packet).is_err() {
            debug!(track = track.0, "malformed RTCP from the camera");
        }
    }

    fn deliver(&mut self) {
        let Some(media) = &mut self.media else { return };
        while let Some(tracks) = media.ingest.poll_tracks() {
            media.described = true;
            self.feed.describe(&tracks);
        }
        while let Some(unit) = media.ingest.poll_unit() {
            if media.described {
                self.feed.push(unit);
            }
        }
        let stats = media.ingest.stats();
        let errors = stats.units_dropped + stats.in_error;
        if errors > media.errors {
            self.feed.count_errors(errors - media.errors);
            media.errors = errors;
        }
        let at = now();
        // The pictures up to the next keyframe lack what was lost.
        if stats.units_dropped > media.torn && at >= self.keyframe_at + TORN_INTERVAL && media.video_arrives {
            media.torn = stats.units_dropped;
            self.ask_for_keyframe();
        }
    }

    /// Sends the receiver reports that are due. True when the session has some to send.
    fn report(&mut self) -> bool {
        let Some(media) = &mut self.media else { return false };
        let mut due = Vec::new();
        while let Some(report) = media.ingest.poll_report(now()) {
            due.push(report);
        }
        let mut any = false;
        for (track, report) in due {
            any |= self.send_rtcp(track, &report);
        }
        any
    }

    fn ask_for_keyframe(&mut self) {
        let Some(media) = &self.media else { return };
        let Some((track, request)) = media.video.and_then(|track| Some((track, media.ingest.request_keyframe(track)?)))
        else {
            return;
        };
        self.keyframe_at = now() + KEYFRAME_INTERVAL;
        self.send_rtcp(track, &request);
    }

    /// Sends an RTCP packet of ours. True when the session has it to send.
    fn send_rtcp(&mut self, track: TrackId, packet: &[u8]) -> bool {
        if self.datagrams.send_rtcp(track, packet) {
            return false;
        }
        self.connection.session.send_rtcp(track, packet);
        true
    }
}

fn datagrams(socket: &TcpStream, ports: RangeInclusive<u16>) -> Result<Datagrams, Error> {
    let addresses = socket.local_addr().and_then(|local| Ok((local.ip(), socket.peer_addr()?.ip())));
    let (local, peer) =
        addresses.map_err(|error| lost(&format!("the connection to the camera failed: {}", error.kind())))?;
    Ok(Datagrams::new(local, peer, ports))
}

pub(super) fn is_complete(codec: &Codec) -> bool {
    match codec {
        Codec::H264 { .. } => codec.parameter_sets().len() == 2,
        Codec::H265 { .. } => codec.parameter_sets().len() == 3,
        Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => true,
    }
}

async fn connect(endpoint: &Endpoint) -> Result<TcpStream, Error> {
    let Endpoint { host, port } = endpoint;
    let failed = |reason: String| lost(&format!("cannot connect to {host}:{port}: {reason}"));
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect((host.as_str(), *port))).await;
    let socket = connected
        .map_err(|_| failed(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())))?
        .map_err(|error| failed(error.kind().to_string()))?;
    socket.set_nodelay(true).map_err(|error| failed(error.kind().to_string()))?;
    Ok(socket)
}

async fn send(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), Error> {
    let sent = timeout(WRITE_TIMEOUT, socket.write_all(bytes)).await;
    let error = match sent {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.kind(),
        Err(_) => io::ErrorKind::TimedOut,
    };
    Err(lost(&format!("the connection to the camera failed: {error}")))
}
