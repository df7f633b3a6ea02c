//! Cameras that are pulled by RTSP, all tracks interleaved in one TCP connection.
//!
//! A connection goes from DESCRIBE to PLAY, feeds access units, sends receiver reports, asks the camera for a keyframe
//! at most once a [`KEYFRAME_INTERVAL`], and says TEARDOWN as well as it can when it is dropped. At most
//! [`CONNECTS_PER_HOST`] connections to one host, and [`CONNECTS`] in all, have not set their tracks up at a time. It knows
//! no retry and does not notice silence: the supervisor does both.

mod herd;
#[cfg(test)]
mod tests;

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::ErrorKind;
use futures_util::future::BoxFuture;
use media_proto::{
    Codec, Track, TrackId,
    ingest::Ingest,
    rtsp::{
        self,
        auth::Credentials,
        client::{ClientSession, Output, Target},
        url::Endpoint,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep_until, timeout},
};
use tracing::{debug, info};
use uuid::Uuid;

use super::{Connector, Error, Feed, Source};
use crate::{config, stream};
use herd::{Herd, Place};

/// The most connections to one host whose tracks are not set up yet.
pub const CONNECTS_PER_HOST: usize = 4;
/// The most connections in all whose tracks are not set up yet.
pub const CONNECTS: usize = 64;
/// The shortest time between two keyframes asked of one camera.
pub const KEYFRAME_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait for a TCP connection, with the look-up of the name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait until a camera takes what is sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes sources of `rtsp://` addresses.
#[derive(Clone, Debug, Default)]
pub struct RtspConnector {
    herd: Arc<Herd>,
}

impl RtspConnector {
    /// A connector with limits of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Connector for RtspConnector {
    fn connect(&self, source: &config::Source) -> Option<Box<dyn Source>> {
        match source {
            config::Source::Publisher => None,
            config::Source::Rtsp(config) => {
                Some(Box::new(RtspSource { config: config.clone(), herd: Arc::clone(&self.herd) }))
            }
        }
    }
}

/// One camera.
#[derive(Debug)]
pub struct RtspSource {
    config: config::RtspSource,
    herd: Arc<Herd>,
}

impl Source for RtspSource {
    fn run(&self, feed: Feed) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.pull(feed))
    }
}

impl RtspSource {
    async fn pull(&self, feed: Feed) -> Result<(), Error> {
        let session = ClientSession::new(now(), self.target())?;
        let place = self.herd.enter(&session.endpoint().host).await;
        let socket = connect(&session.endpoint()).await?;
        let connection = Connection { socket, session };
        Pull { connection, feed, place: Some(place), media: None, keyframe_at: now() }.run().await
    }

    fn target(&self) -> Target {
        let credentials = self.config.credentials.clone();
        Target {
            url: self.config.url.clone(),
            credentials: credentials.map(|(user, password)| Credentials { user, password }),
            cnonce: Uuid::new_v4().simple().to_string(),
        }
    }
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
    feed: Feed,
    /// Held until the tracks are set up.
    place: Option<Place>,
    media: Option<Media>,
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
}

impl Pull {
    async fn run(mut self) -> Result<(), Error> {
        loop {
            let Some(wake_at) = self.act().await? else { return Ok(()) };
            let at = now();
            let can_ask = self.keyframe_at <= at && self.media.as_ref().is_some_and(|media| media.video_arrives);
            let wake_at = if self.keyframe_at > at { wake_at.min(self.keyframe_at) } else { wake_at };
            let Connection { socket, session } = &mut self.connection;
            tokio::select! {
                read = socket.read_buf(session.space()) => match read {
                    Ok(0) => return Err(lost("the camera closed the connection")),
                    Ok(_) => session.filled(now())?,
                    Err(error) => return Err(lost(&format!("the connection to the camera failed: {}", error.kind()))),
                },
                () = sleep_until(wake_at.into()) => {}
                () = self.feed.keyframe_wanted(), if can_ask => self.ask_for_keyframe(),
            }
        }
    }

    /// Does what the session wants done, until it waits. `None`: it is over.
    async fn act(&mut self) -> Result<Option<Instant>, Error> {
        loop {
            match self.connection.session.poll(now())? {
                Output::Send(bytes) => send(&mut self.connection.socket, &bytes).await?,
                Output::Reconnect(endpoint) => self.connection.socket = connect(&endpoint).await?,
                Output::Described(tracks) => self.described(&tracks),
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

    fn described(&mut self, tracks: &[Track]) {
        info!(tracks = tracks.len(), "camera described its stream");
        self.place = None;
        // The first sets that come in band describe what the session description leaves open; to describe the stream
        // without them first would only interrupt its readers twice.
        let described = tracks.iter().all(|track| is_complete(&track.codec));
        if described {
            self.feed.describe(tracks);
        }
        let video = tracks.iter().find(|track| matches!(track.codec, Codec::H264 { .. } | Codec::H265 { .. }));
        self.media = Some(Media {
            ingest: Ingest::new(tracks, self.feed.origin()),
            video: video.map(|track| track.id),
            video_arrives: false,
            described,
        });
    }

    fn rtp(&mut self, track: TrackId, packet: Bytes) {
        let Some(media) = &mut self.media else { return };
        media.video_arrives |= media.video == Some(track);
        if media.ingest.rtp(now(), stream::wall_now(), track, packet).is_err() {
            self.feed.count_errors(1);
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
    }

    /// Hands the receiver reports that are due to the session. False when there is none.
    fn report(&mut self) -> bool {
        let Some(media) = &mut self.media else { return false };
        let mut any = false;
        while let Some((track, report)) = media.ingest.poll_report(now()) {
            self.connection.session.send_rtcp(track, &report);
            any = true;
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
        self.connection.session.send_rtcp(track, &request);
    }
}

fn is_complete(codec: &Codec) -> bool {
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

fn lost(reason: &str) -> Error {
    Error { kind: ErrorKind::Unavailable, reason: reason.to_owned() }
}

impl From<rtsp::Error> for Error {
    fn from(error: rtsp::Error) -> Self {
        Self { kind: error.kind(), reason: error.to_string() }
    }
}

/// The instant of tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
