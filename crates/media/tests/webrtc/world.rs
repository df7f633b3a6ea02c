//! A hub, the WebRTC engine on a free port, and streams whose pictures say which they are.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{AgencyId, Camera, CameraId, PathName, Rendition, SessionId, WallTime};
use futures_util::future::BoxFuture;
use media::{
    Error, Hub,
    admission::{Action, Admission, Caller, Credentials, Permit, Request},
    catalogue::Catalogue,
    config,
    hub::{Publisher, PublisherKind, Reader, ReaderKind},
    source::{Connector, Source},
    webrtc::{Config, Engine, Meta, wall},
};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, unit::Head};
use tokio::{task::JoinSet, time::interval};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::viewer::Viewer;

pub(crate) const FPS: u32 = 25;
const RATE: NonZeroU32 = NonZeroU32::new(90_000).unwrap();
const FRAME_BYTES: usize = 5_000;
const KEYFRAME_BYTES: usize = 30_000;
const FILL: u8 = 0xaa;

/// A published picture: its number, and whether it is a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) number: u32,
    pub(crate) keyframe: bool,
}

impl Picture {
    fn slice(self) -> Bytes {
        // The slice header says I or P; what follows is the number and filling.
        let (head, size) = match (self.keyframe, self.number % 2) {
            (true, _) => ([0x65, 0x88], KEYFRAME_BYTES),
            (false, 0) => ([0x41, 0x9a], FRAME_BYTES),
            // No other picture needs this one.
            (false, _) => ([0x01, 0x9a], FRAME_BYTES),
        };
        let mut slice = head.to_vec();
        // Seven bits to a byte, so that nothing looks like a start code.
        slice.extend([21, 14, 7, 0].map(|shift| 0x80 | (self.number >> shift & 0x7f) as u8));
        slice.resize(size, FILL);
        slice.into()
    }

    /// The picture in a received frame, if it is whole.
    pub(crate) fn read(frame: &[u8]) -> Option<Self> {
        let starts = (0..frame.len().saturating_sub(4)).filter(|at| frame[*at..*at + 3] == [0, 0, 1]);
        let slice = starts.map(|at| &frame[at + 3..]).find(|nal| matches!(nal[0] & 0x1f, 1 | 5))?;
        let keyframe = slice[0] & 0x1f == 5;
        let number = slice.get(2..6)?.iter().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f));
        let whole = slice.len() == if keyframe { KEYFRAME_BYTES } else { FRAME_BYTES };
        let filled = slice[6..].iter().all(|byte| *byte == FILL);
        (whole && filled).then_some(Self { number, keyframe })
    }
}

/// Lets everybody in, counts who is in, and can send all out.
#[derive(Default)]
pub(crate) struct Doors {
    inside: Arc<AtomicUsize>,
    revoked: CancellationToken,
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Doors {
    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// Withdraws every right that was given.
    pub(crate) fn revoke(&self) {
        self.revoked.cancel();
    }
}

impl Admission for Doors {
    fn admit<'a>(&'a self, _: Request<'a>) -> BoxFuture<'a, Result<Permit, Error>> {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let held = Place(Arc::clone(&self.inside));
        let permit = Permit::revocable("operator".into(), self.revoked.clone(), held);
        Box::pin(std::future::ready(Ok(permit)))
    }
}

struct NoCameras;

impl Connector for NoCameras {
    fn connect(&self, _: &config::Source) -> Option<Box<dyn Source>> {
        None
    }
}

struct Cameras(Vec<Camera>);

impl Catalogue for Cameras {
    fn camera(&self, id: CameraId) -> Option<Camera> {
        self.0.iter().find(|camera| camera.id == id).cloned()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.0.clone()
    }
}

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) engine: Engine,
    pub(crate) doors: Arc<Doors>,
    pub(crate) cameras: Vec<Camera>,
    cancel: CancellationToken,
    tasks: JoinSet<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

pub(crate) fn name(path: &str) -> PathName {
    PathName::new(path).unwrap()
}

pub(crate) fn caller() -> Caller {
    Caller {
        address: "127.0.0.1:1".parse().unwrap(),
        forwarded: false,
        credentials: Credentials::None,
        about: media::admission::About::default(),
    }
}

pub(crate) fn meta() -> Meta {
    Meta {
        id: SessionId::from_uuid(Uuid::new_v4()),
        remote_addr: caller().address,
        query: String::new(),
        user: "operator".into(),
        user_agent: "test".into(),
    }
}

impl World {
    pub(crate) fn start(handshake: Duration) -> Self {
        let doors = Arc::new(Doors::default());
        let hub = Hub::new(Arc::clone(&doors) as Arc<dyn Admission>, Arc::new(NoCameras));
        hub.apply(config::Paths { all_others: Some(Arc::default()), ..Default::default() });
        let cameras: Vec<Camera> = ["a", "b", "c"].into_iter().map(camera).collect();
        let cancel = CancellationToken::new();
        let config = Config {
            udp_address: "127.0.0.1:0".parse().unwrap(),
            tcp_address: Some("127.0.0.1:0".parse().unwrap()),
            handshake_timeout: handshake,
            max_sessions: 400,
            ..Default::default()
        };
        let catalogue = Arc::new(Cameras(cameras.clone()));
        let engine = Engine::start(config, hub.clone(), catalogue, cancel.clone()).unwrap();
        Self { hub, engine, doors, cameras, cancel, tasks: JoinSet::new() }
    }

    /// Publishes a stream with a keyframe every `gop` pictures; none when that is 0.
    pub(crate) async fn publish(&mut self, path: &PathName, gop: u32) -> media::Stream {
        self.publish_at(path, gop, FPS).await
    }

    /// Publishes a stream of so many pictures per second.
    pub(crate) async fn publish_at(&mut self, path: &PathName, gop: u32, fps: u32) -> media::Stream {
        let permit = Permit::new("publisher".into(), ());
        let id = SessionId::from_uuid(Uuid::new_v4());
        let publisher = self.hub.publish(path, permit, PublisherKind::RtspSession, id, &[track()]).unwrap();
        let stream = publisher.stream().clone();
        self.tasks.spawn(feed(publisher, gop, fps));
        let ready = async {
            let mut state = stream.watch_state();
            state.wait_for(|state| state.is_up()).await.unwrap();
        };
        ready.await;
        stream
    }

    pub(crate) async fn reader(&self, path: &PathName, id: SessionId) -> Reader {
        let permit = self.hub.admit(&caller(), Action::Read, path).await.unwrap();
        self.hub.attach(path, permit, ReaderKind::WebRtcSession, id).unwrap()
    }

    /// A connected wall of one window.
    pub(crate) async fn wall(&self, window: &str, slots: usize) -> (Viewer, SessionId) {
        self.wall_of(Viewer::new(slots, true).await, window, slots).await
    }

    /// A connected wall of a client that made this offer.
    pub(crate) async fn wall_of(
        &self,
        (mut viewer, offer): (Viewer, String),
        window: &str,
        slots: usize,
    ) -> (Viewer, SessionId) {
        let request = wall::Request { offer, slots, window_id: window.into(), caller: caller() };
        let opened = self.engine.open_wall(request, meta()).await.unwrap();
        viewer.answered(&opened.answer);
        viewer.until("the connection", |viewer| viewer.connected).await;
        (viewer, opened.session_id)
    }

    pub(crate) fn readers(&self) -> usize {
        self.hub.paths().iter().map(|path| path.readers.len()).sum()
    }
}

fn camera(device: &str) -> Camera {
    let id = CameraId::derived("test", device);
    Camera {
        main: (device == "b").then(|| Camera::path_of(id, Rendition::Main)),
        sub: Some(Camera::path_of(id, Rendition::Sub)),
        ..Camera::new(id, device, AgencyId::new("OTHER").unwrap())
    }
}

fn track() -> Track {
    // 320x180 baseline.
    let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0xe8, 0x40]);
    let pps = Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80]);
    Track { id: TrackId(0), codec: Codec::H264 { sps, pps }, clock_rate: RATE, payload_type: 96 }
}

async fn feed(publisher: Publisher, gop: u32, fps: u32) {
    let mut ticks = interval(Duration::from_secs(1) / fps);
    for number in 0.. {
        ticks.tick().await;
        let picture = Picture { number, keyframe: gop > 0 && number % gop == 0 };
        let head = Head {
            track: TrackId(0),
            pts: MediaTime::new(i64::from(number * (RATE.get() / fps)), RATE),
            wall: WallTime::from_unix_us(i64::from(number)),
            arrived: Instant::now(),
            keyframe: picture.keyframe,
            discontinuity: false,
        };
        publisher.push(AccessUnit::new(head, Payload::Frames(Arc::new([picture.slice()]))));
    }
}
