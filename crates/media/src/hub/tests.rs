use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::Bytes;
use domain::{ErrorKind, WallTime};
use futures_util::future::BoxFuture;
use media_proto::{Codec, MediaTime, Payload, TrackId, unit::Head};
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::{
    Pulled,
    source::{self, Feed, Source},
    stream::{Backlog, Join, State},
};

const FRAME: Duration = Duration::from_millis(40);
const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);

fn rate() -> NonZeroU32 {
    NonZeroU32::new(90_000).unwrap()
}

fn tracks() -> Vec<Track> {
    let video = Codec::H264 { sps: Bytes::from_static(&[0x67]), pps: Bytes::from_static(&[0x68]) };
    let audio = Codec::Opus { channels: 2 };
    vec![
        Track { id: VIDEO, codec: video, clock_rate: rate(), payload_type: 96 },
        Track { id: AUDIO, codec: audio, clock_rate: NonZeroU32::new(48_000).unwrap(), payload_type: 97 },
    ]
}

fn unit(track: TrackId, keyframe: bool) -> AccessUnit {
    let arrived = tokio::time::Instant::now().into_std();
    let wall = WallTime::from_unix_us(0);
    let head = Head { track, pts: MediaTime::new(0, rate()), wall, arrived, keyframe, discontinuity: false };
    AccessUnit::new(head, Payload::Frames(Arc::from([Bytes::from_static(b"unit")])))
}

/// What a camera of the test does when it is connected to.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    /// Pictures at 25 frames per second, for ever.
    Play,
    /// Pictures for so many seconds, then silence.
    FreezeAfter(u64),
    /// Pictures for so many seconds, then sound alone.
    SoundOnlyAfter(u64),
    /// Pictures for a second, then a panic.
    Panic,
    /// No connection.
    Refuse(ErrorKind),
}

#[derive(Debug)]
struct Camera {
    behaviour: Mutex<Behaviour>,
    connections: AtomicU32,
    open: AtomicU32,
}

impl Camera {
    fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self { behaviour: Mutex::new(behaviour), connections: AtomicU32::new(0), open: AtomicU32::new(0) })
    }

    fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }
}

struct Connection(Arc<Camera>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Cameras(Arc<Camera>);

impl Connector for Cameras {
    fn connect(&self, source: &config::Source) -> Option<Box<dyn Source>> {
        match source {
            config::Source::Publisher | config::Source::Vms(_) => None,
            config::Source::Rtsp(_) => Some(Box::new(Cameras(Arc::clone(&self.0)))),
        }
    }
}

impl Source for Cameras {
    fn run(&self, feed: Feed) -> BoxFuture<'_, Result<(), source::Error>> {
        Box::pin(async move {
            self.0.connections.fetch_add(1, Ordering::Relaxed);
            let behaviour = *self.0.behaviour.lock().unwrap();
            if let Behaviour::Refuse(kind) = behaviour {
                return Err(source::Error { kind, reason: "refused".into() });
            }
            self.0.open.fetch_add(1, Ordering::Relaxed);
            let _open = Connection(Arc::clone(&self.0));
            feed.describe(&tracks());
            for count in 0_u64.. {
                let second = count / 25;
                let pictures = match behaviour {
                    Behaviour::FreezeAfter(end) | Behaviour::SoundOnlyAfter(end) => second < end,
                    Behaviour::Play | Behaviour::Panic | Behaviour::Refuse(_) => true,
                };
                if pictures {
                    feed.push(unit(VIDEO, count % 25 == 0));
                }
                if !matches!(behaviour, Behaviour::FreezeAfter(_)) {
                    feed.push(unit(AUDIO, true));
                }
                assert!(!(matches!(behaviour, Behaviour::Panic) && second == 1), "a fault in one camera's code");
                sleep(FRAME).await;
            }
            Ok(())
        })
    }
}

struct Anyone;

impl Admission for Anyone {
    fn admit<'a>(&'a self, _: Request<'a>) -> BoxFuture<'a, Result<Permit, Error>> {
        Box::pin(std::future::ready(Ok(permit())))
    }
}

fn permit() -> Permit {
    Permit::new("operator".into(), ())
}

fn name(text: &str) -> PathName {
    PathName::new(text).unwrap()
}

fn id() -> SessionId {
    SessionId::from_uuid(Uuid::new_v4())
}

fn camera_path(url: &str, on_demand: bool) -> config::Path {
    let source = config::RtspSource::new(url.into(), None);
    config::Path { source: config::Source::Rtsp(source), on_demand, ..config::Path::default() }
}

fn exact(entries: Vec<(&str, config::Path)>) -> config::Paths {
    let exact = entries.into_iter().map(|(path, config)| (name(path), Arc::new(config))).collect();
    config::Paths { exact, ..config::Paths::default() }
}

fn hub(camera: &Arc<Camera>, paths: config::Paths) -> Hub {
    let hub = Hub::new(Arc::new(Anyone), Arc::new(Cameras(Arc::clone(camera))));
    hub.apply(paths);
    hub
}

fn on_demand_hub(behaviour: Behaviour) -> (Hub, Arc<Camera>) {
    let camera = Camera::new(behaviour);
    (hub(&camera, exact(vec![("cam", camera_path("rtsp://camera/1", true))])), camera)
}

fn read(hub: &Hub, path: &str) -> Result<Reader, Error> {
    hub.attach(&name(path), permit(), ReaderKind::Hidden, id())
}

fn publish(hub: &Hub, path: &str) -> Result<Publisher, Error> {
    hub.publish(&name(path), permit(), PublisherKind::RtspSession, id(), &tracks())
}

fn state(hub: &Hub, path: &str) -> State {
    hub.path_snapshot(&name(path)).unwrap().state
}

async fn seconds(count: u64) {
    sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn an_on_demand_source_runs_only_while_somebody_reads_and_ten_seconds_more() {
    let (hub, camera) = on_demand_hub(Behaviour::Play);
    seconds(5).await;
    assert_eq!((camera.connections(), state(&hub, "cam")), (0, State::Idle));
    let readers = [read(&hub, "cam").unwrap(), read(&hub, "cam").unwrap()];
    readers[0].ready().await.unwrap();
    assert_eq!(camera.connections(), 1, "one connection for any number of readers");
    drop(readers);
    seconds(9).await;
    assert!(camera.is_open());
    seconds(2).await;
    assert_eq!((camera.is_open(), state(&hub, "cam")), (false, State::Idle));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_comes_back_in_time_finds_the_source_running() {
    let (hub, camera) = on_demand_hub(Behaviour::Play);
    drop(read(&hub, "cam").unwrap());
    seconds(9).await;
    let _reader = read(&hub, "cam").unwrap();
    seconds(60).await;
    assert_eq!((camera.is_open(), camera.connections()), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_camera_is_stalled_then_offline_and_then_online_again_for_the_same_reader() {
    let (hub, camera) = on_demand_hub(Behaviour::FreezeAfter(5));
    let reader = read(&hub, "cam").unwrap();
    reader.ready().await.unwrap();
    seconds(4).await;
    assert_eq!(state(&hub, "cam"), State::Online);
    seconds(5).await;
    assert!(matches!(state(&hub, "cam"), State::Stalled { .. }));
    camera.set(Behaviour::Refuse(ErrorKind::Unavailable));
    seconds(7).await;
    assert!(matches!(state(&hub, "cam"), State::Offline { .. } | State::Connecting));
    camera.set(Behaviour::Play);
    seconds(3).await;
    assert_eq!(state(&hub, "cam"), State::Online, "back within 3 s of the camera");
    let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Live);
    assert!(matches!(subscription.pull().await, Pulled::Described(_)));
    assert!(matches!(subscription.pull().await, Pulled::Unit(unit) if unit.head().keyframe));
}

#[tokio::test(start_paused = true)]
async fn sound_alone_does_not_keep_a_camera_alive() {
    let (hub, camera) = on_demand_hub(Behaviour::SoundOnlyAfter(2));
    let reader = read(&hub, "cam").unwrap();
    reader.ready().await.unwrap();
    seconds(20).await;
    assert!(camera.connections() >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_camera_ends_its_connection_alone() {
    let camera = Camera::new(Behaviour::Panic);
    let hub = hub(&camera, exact(vec![("cam", camera_path("rtsp://camera/1", false))]));
    seconds(2).await;
    camera.set(Behaviour::Play);
    seconds(5).await;
    assert_eq!(state(&hub, "cam"), State::Online);
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_refuses_is_asked_ever_more_rarely() {
    let (hub, camera) = on_demand_hub(Behaviour::Refuse(ErrorKind::Unauthenticated));
    let reader = read(&hub, "cam").unwrap();
    let refused = reader.ready().await.unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
    seconds(3600).await;
    let connections = camera.connections();
    assert!((10..40).contains(&connections), "{connections} connections in an hour");
}

#[tokio::test(start_paused = true)]
async fn only_paths_that_differ_are_touched() {
    let camera = Camera::new(Behaviour::Play);
    let entries = |second: &str| vec![("a", camera_path("rtsp://a", false)), ("b", camera_path(second, false))];
    let hub = hub(&camera, exact(entries("rtsp://b")));
    seconds(1).await;
    let (a, b) = (read(&hub, "a").unwrap(), read(&hub, "b").unwrap());
    hub.apply(exact(entries("rtsp://other")));
    seconds(1).await;
    let ended = |reader: &Reader| {
        let mut subscription = reader.stream().subscribe(Join::NextKeyframe, Backlog::Live);
        std::iter::from_fn(|| subscription.try_pull()).take(9).any(|pulled| matches!(pulled, Pulled::End))
    };
    assert_eq!((ended(&a), ended(&b)), (false, true));
    assert_eq!(camera.connections(), 3);
    hub.apply(config::Paths::default());
    assert!(ended(&a) && hub.paths().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_limit_takes_effect_without_a_restart() {
    let (hub, camera) = on_demand_hub(Behaviour::Play);
    let _first = read(&hub, "cam").unwrap();
    seconds(1).await;
    hub.apply(exact(vec![("cam", config::Path { max_readers: 1, ..camera_path("rtsp://camera/1", true) })]));
    assert_eq!(read(&hub, "cam").unwrap_err().kind(), ErrorKind::Exhausted);
    seconds(1).await;
    assert_eq!(camera.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_replaces_the_one_before_and_readers_stay() {
    let camera = Camera::new(Behaviour::Play);
    let hub = hub(&camera, exact(vec![("pub", config::Path::default())]));
    let reader = read(&hub, "pub").unwrap();
    assert_eq!(reader.ready().await.unwrap_err().kind(), ErrorKind::NotFound);
    let first = publish(&hub, "pub").unwrap();
    first.push(unit(VIDEO, true));
    let second = publish(&hub, "pub").unwrap();
    first.replaced().await;
    first.push(unit(VIDEO, true));
    drop(first);
    second.push(unit(VIDEO, true));
    assert_eq!(state(&hub, "pub"), State::Online);
    reader.ready().await.unwrap();
    let inbound = hub.path_snapshot(&name("pub")).unwrap().inbound_bytes;
    assert_eq!(inbound, 2 * "unit".len() as u64, "what the replaced publisher sends is ignored");
}

#[tokio::test(start_paused = true)]
async fn a_path_may_protect_its_publisher_and_a_camera_path_takes_none() {
    let camera = Camera::new(Behaviour::Play);
    let protected = config::Path { override_publisher: false, ..config::Path::default() };
    let hub = hub(&camera, exact(vec![("pub", protected), ("cam", camera_path("rtsp://a", true))]));
    let _first = publish(&hub, "pub").unwrap();
    assert_eq!(publish(&hub, "pub").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(publish(&hub, "cam").unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(publish(&hub, "none").unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_silent_publisher_is_given_up() {
    let camera = Camera::new(Behaviour::Play);
    let hub = hub(&camera, exact(vec![("pub", config::Path::default())]));
    let publisher = publish(&hub, "pub").unwrap();
    publisher.push(unit(VIDEO, true));
    seconds(4).await;
    assert!(matches!(state(&hub, "pub"), State::Stalled { .. }));
    publisher.replaced().await;
    drop(publisher);
    assert!(matches!(state(&hub, "pub"), State::Offline { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_path_of_a_pattern_lives_as_long_as_its_users() {
    let camera = Camera::new(Behaviour::Play);
    let regex = regex::Regex::new("^metro_.+$").unwrap();
    let pattern = config::Pattern { name: "~^metro_.+$".into(), regex, path: Arc::default() };
    let hub = hub(&camera, config::Paths { patterns: vec![pattern], ..config::Paths::default() });
    assert!(read(&hub, "tram_1").is_err());
    let publisher = publish(&hub, "metro_1").unwrap();
    let reader = read(&hub, "metro_1").unwrap();
    drop(publisher);
    assert_eq!(hub.paths()[0].entry, "~^metro_.+$");
    drop(reader);
    assert!(hub.paths().is_empty());
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_every_source_and_lets_nobody_in() {
    let camera = Camera::new(Behaviour::Play);
    let hub = hub(&camera, exact(vec![("cam", camera_path("rtsp://a", false))]));
    seconds(1).await;
    hub.shutdown().await;
    assert!(!camera.is_open());
    assert!(matches!(read(&hub, "cam").unwrap_err(), Error::ShuttingDown));
}
