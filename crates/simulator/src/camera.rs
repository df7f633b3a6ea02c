//! One camera: an RTSP server with a main and a sub stream, and the tasks that play its clips into them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use domain::{PathName, Rendition, SessionId, WallTime};
use futures_util::future::BoxFuture;
use media::{
    Hub,
    admission::{Action, Admission, Caller, Credentials, Permit, Request},
    config,
    hub::{Publisher, PublisherKind},
    rtsp,
    source::{Connector, Source},
};
use media_proto::{AccessUnit, MediaTime, Payload, unit::Head};
use tokio::time::{interval_at, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{Clip, Stamp, clip::Picture, clips::Clips};

/// Connections one camera takes: few, as real ones do, but enough for a test.
const CONNECTIONS_MAX: usize = 64;
/// The wait before a camera publishes to itself again after its hub gave it up for silent.
const REPUBLISH_AFTER: Duration = Duration::from_millis(200);

/// What can be changed while a camera runs; outlives its restarts.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// The number of the camera whose pictures are shown.
    pub(crate) shows: AtomicU8,
    /// No picture comes, though the camera answers.
    pub(crate) frozen: AtomicBool,
}

/// A running camera. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Camera {
    server: rtsp::Server,
    hub: Hub,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Camera {
    /// Listens on `address` and plays.
    pub(crate) async fn start(
        address: SocketAddr,
        number: u8,
        behaviour: &Arc<Behaviour>,
        clips: &Arc<Clips>,
        cancel: &CancellationToken,
    ) -> Result<Self, media::Error> {
        let cancel = cancel.child_token();
        let hub = Hub::new(Arc::new(LetIn), Arc::new(NoSources));
        hub.apply(paths());
        let any_port = SocketAddr::new(address.ip(), 0);
        let config = rtsp::Config {
            address,
            rtp_address: any_port,
            rtcp_address: any_port,
            max_connections: CONNECTIONS_MAX,
            ..rtsp::Config::default()
        };
        let server = rtsp::Server::start(config, hub.clone(), cancel.clone())?;
        let tasks = TaskTracker::new();
        for rendition in [Rendition::Main, Rendition::Sub] {
            let player = Player {
                hub: hub.clone(),
                rendition,
                number,
                behaviour: Arc::clone(behaviour),
                clips: Arc::clone(clips),
            };
            let cancel = cancel.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = player.play() => {}
                }
            });
        }
        tasks.close();
        Ok(Self { server, hub, tasks, cancel })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Ends it: its port is closed, its connections are cut.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.tasks.wait().await;
        self.server.shutdown().await;
        self.hub.shutdown().await;
    }
}

/// The path of a rendition in a camera's URL.
pub(crate) fn path_name(rendition: Rendition) -> PathName {
    let name = match rendition {
        Rendition::Main => "main",
        Rendition::Sub => "sub",
    };
    PathName::new(name).expect("it is a well-formed name")
}

fn paths() -> config::Paths {
    let exact = [Rendition::Main, Rendition::Sub].map(|rendition| (path_name(rendition), Arc::default()));
    config::Paths { exact: BTreeMap::from(exact), ..config::Paths::default() }
}

/// Plays one rendition for ever.
struct Player {
    hub: Hub,
    rendition: Rendition,
    number: u8,
    behaviour: Arc<Behaviour>,
    clips: Arc<Clips>,
}

impl Player {
    async fn play(&self) {
        let Some(clip) = self.clip() else { return };
        let mut at = clip.keyframe_before(spread(self.number, clip.pictures.len()));
        let interval = Duration::from_secs(1) / clip.fps;
        let phase = interval.mul_f64(spread(self.number, 1_000) as f64 / 1_000.0);
        let mut ticks = interval_at(tokio::time::Instant::now() + phase, interval);
        loop {
            let Some(publisher) = self.publish(&clip).await else { return };
            // When the machine was busy, late pictures follow at once, as from a camera's buffer.
            let playing = async {
                loop {
                    let due = ticks.tick().await;
                    self.show(&publisher, &mut at, due.into_std());
                }
            };
            tokio::select! {
                () = publisher.replaced() => {}
                () = playing => {}
            }
            drop(publisher);
            sleep(REPUBLISH_AFTER).await;
        }
    }

    /// The clip that is shown now; all clips of a rendition are alike in rate and length.
    fn clip(&self) -> Option<Clip> {
        let shown = self.behaviour.shows.load(Ordering::Relaxed);
        match self.rendition {
            Rendition::Main => Some(self.clips.main(shown).clone()),
            Rendition::Sub => self.clips.sub(shown).cloned(),
        }
    }

    async fn publish(&self, clip: &Clip) -> Option<Publisher> {
        let name = path_name(self.rendition);
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let caller = Caller {
            address: loopback,
            forwarded: false,
            credentials: Credentials::None,
            about: media::admission::About::default(),
        };
        let permit = self.hub.admit(&caller, Action::Publish, &name).await.ok()?;
        let id = SessionId::from_uuid(Uuid::new_v4());
        self.hub.publish(&name, permit, PublisherKind::RtspSession, id, std::slice::from_ref(&clip.track)).ok()
    }

    fn show(&self, publisher: &Publisher, at: &mut usize, due: Instant) {
        if self.behaviour.frozen.load(Ordering::Relaxed) {
            return;
        }
        let Some(clip) = self.clip() else { return };
        let Some(picture) = clip.pictures.get(*at) else { return };
        let now = since_1970();
        let nal_units = self.stamped(picture, *at, now);
        *at = (*at + 1) % clip.pictures.len();
        let since_origin = due.saturating_duration_since(publisher.origin());
        let head = Head {
            track: clip.track.id,
            pts: MediaTime::from_us(i64::try_from(since_origin.as_micros()).unwrap_or(i64::MAX), clip.track.clock_rate),
            wall: WallTime::from_unix_us(i64::try_from(now.as_micros()).unwrap_or(i64::MAX)),
            arrived: Instant::now(),
            keyframe: picture.keyframe,
            discontinuity: false,
        };
        if picture.keyframe {
            publisher.describe(std::slice::from_ref(&clip.track));
        }
        publisher.push(AccessUnit::new(head, Payload::Frames(nal_units)));
    }

    /// The picture's NAL units with a stamp before its first slice.
    fn stamped(&self, picture: &Picture, at: usize, now: Duration) -> Arc<[Bytes]> {
        let stamp = Stamp {
            camera: u32::from(self.behaviour.shows.load(Ordering::Relaxed)),
            counter: u32::try_from(at).unwrap_or(u32::MAX),
            sent_unix_ns: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
        };
        let (sets, slices) = picture.nal_units.split_at(picture.first_slice());
        sets.iter().cloned().chain([stamp.to_nal()]).chain(slices.iter().cloned()).collect()
    }
}

/// A number below `below` that differs well between neighbouring cameras, so that their keyframes do not fall together.
fn spread(number: u8, below: usize) -> usize {
    usize::from(number) * 618 % 1_000 * below / 1_000
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A camera on loopback lets everyone in.
struct LetIn;

impl Admission for LetIn {
    fn admit<'a>(&'a self, _request: Request<'a>) -> BoxFuture<'a, Result<Permit, media::Error>> {
        Box::pin(std::future::ready(Ok(Permit::new("viewer".to_owned(), ()))))
    }
}

/// A camera pulls from nobody.
struct NoSources;

impl Connector for NoSources {
    fn connect(&self, _source: &config::Source) -> Option<Box<dyn Source>> {
        None
    }
}
