//! Cameras that are pulled by RTSP, the tracks interleaved in one TCP connection or by UDP.
//!
//! A connection goes from DESCRIBE to PLAY, feeds access units, sends receiver reports, asks the camera for a keyframe
//! at most once a [`KEYFRAME_INTERVAL`], and says TEARDOWN as well as it can when it is dropped. At most
//! [`CONNECTS_PER_HOST`] connections to one host, and [`CONNECTS`] in all, have not set their tracks up at a time. UDP that
//! is refused, silent or lossy gives way to TCP at once. Otherwise it knows no retry and does not notice silence: the
//! supervisor does both.

mod carrier;
mod datagrams;
mod herd;
mod pull;
#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::ErrorKind;
use futures_util::future::BoxFuture;
use media_proto::rtsp::{
    self,
    auth::Credentials,
    client::{ClientSession, Target},
};
use tracing::warn;
use uuid::Uuid;

use super::{Connector, Error, Feed, Source};
use crate::config::{self, RtspTransport};
use herd::Herd;

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
    herd: Herd,
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
            config::Source::Publisher | config::Source::Vms(_) => None,
            config::Source::Rtsp(config) => {
                let (config, herd) = (config.clone(), self.herd.clone());
                Some(Box::new(RtspSource { config, herd, udp_failed: Mutex::default() }))
            }
        }
    }
}

/// One camera.
#[derive(Debug)]
pub struct RtspSource {
    config: config::RtspSource,
    herd: Herd,
    /// When UDP was last found to be of no use.
    udp_failed: Mutex<Option<Instant>>,
}

impl Source for RtspSource {
    fn run(&self, feed: Feed) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.pull(feed))
    }
}

/// Why a connection ends.
#[derive(Debug)]
enum Ending {
    /// UDP is of no use; TCP may be.
    Udp(Error),
    /// Whatever carries it.
    Other(Error),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<rtsp::Error> for Ending {
    fn from(error: rtsp::Error) -> Self {
        let of_udp = matches!(error, rtsp::Error::NoUdp(_));
        if of_udp { Self::Udp(error.into()) } else { Self::Other(error.into()) }
    }
}

impl RtspSource {
    async fn pull(&self, feed: Feed) -> Result<(), Error> {
        let before = self.udp_failed();
        match self.connect_once(feed.clone(), before).await {
            Ok(()) => return Ok(()),
            Err(Ending::Other(error)) => return Err(error),
            Err(Ending::Udp(error)) => {
                *self.udp_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
                if self.config.transport != RtspTransport::Udp {
                    return Err(error);
                }
                warn!(reason = %error, "UDP is of no use, the camera is pulled over TCP");
            }
        }
        self.connect_once(feed, true).await.map_err(|(Ending::Udp(error) | Ending::Other(error))| error)
    }

    async fn connect_once(&self, feed: Feed, udp_failed: bool) -> Result<(), Ending> {
        let session = ClientSession::new(now(), self.target(udp_failed))?;
        let place = self.herd.enter(&session.endpoint().host, &feed).await;
        pull::run(session, place, feed, self.config.udp_ports.clone()).await
    }

    fn udp_failed(&self) -> bool {
        let at = *self.udp_failed.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| now().saturating_duration_since(at) < carrier::UDP_RETRY_AFTER)
    }

    fn target(&self, udp_failed: bool) -> Target {
        let (carrier, alternative) = carrier::choose(self.config.transport, udp_failed, self.config.any_port);
        let credentials = self.config.credentials.clone();
        Target {
            url: self.config.url.clone(),
            credentials: credentials.map(|(user, password)| Credentials { user, password }),
            cnonce: Uuid::new_v4().simple().to_string(),
            carrier,
            alternative,
        }
    }
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
