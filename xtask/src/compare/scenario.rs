//! What is published and who watches.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// A load.
pub(super) struct Scenario {
    /// As in `docs/ref/performance.md`.
    pub name: &'static str,
    /// Streams published.
    pub streams: u32,
    /// What each of them is.
    pub clip: Clip,
    /// `tcp` or `udp`, of publishers and of RTSP readers.
    pub transport: &'static str,
    /// How it is watched.
    pub watcher: Watcher,
    /// Viewers in all, spread evenly over the streams.
    pub viewers: u32,
    /// Between one join and the next.
    pub ramp_ms: u32,
}

/// How a scenario is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watcher {
    Nobody,
    Rtsp,
    /// RTSP readers join one by one; the time to each one's first picture is what counts.
    FirstPicture,
    LowLatencyHls,
    Whep,
}

/// A clip of 20 s, 25 pictures per second, without B-frames.
#[derive(Clone, Copy)]
pub(super) struct Clip {
    name: &'static str,
    size: &'static str,
    kbit_s: u32,
    gop: u32,
}

const SMALL: Clip = Clip { name: "180p", size: "320x180", kbit_s: 500, gop: 50 };
const LONG_GOP: Clip = Clip { name: "180p-gop-250", size: "320x180", kbit_s: 500, gop: 250 };
const LARGE: Clip = Clip { name: "720p", size: "1280x720", kbit_s: 2000, gop: 50 };

const fn scenario(name: &'static str, streams: u32, clip: Clip, watcher: Watcher, viewers: u32) -> Scenario {
    Scenario { name, streams, clip, transport: "tcp", watcher, viewers, ramp_ms: 0 }
}

/// All of them, in the order of the table.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("S2a", 100, SMALL, Watcher::Rtsp, 100),
    scenario("S2b", 500, SMALL, Watcher::Rtsp, 500),
    Scenario { transport: "udp", ..scenario("S3", 100, SMALL, Watcher::Rtsp, 100) },
    scenario("S4", 1, LARGE, Watcher::Rtsp, 200),
    scenario("S7", 4, LARGE, Watcher::LowLatencyHls, 100),
    scenario("W4x50", 4, SMALL, Watcher::Whep, 50),
    scenario("W4x100", 4, SMALL, Watcher::Whep, 100),
    scenario("W4x300", 4, SMALL, Watcher::Whep, 300),
    scenario("W4x100-2M", 4, LARGE, Watcher::Whep, 100),
    scenario("idle", 500, SMALL, Watcher::Nobody, 0),
    Scenario { ramp_ms: 50, ..scenario("FP", 20, LONG_GOP, Watcher::FirstPicture, 100) },
];

impl Scenario {
    /// How long the viewers take to join, about.
    pub(super) fn joining_s(&self) -> u64 {
        // Without a ramp the slowest is WebRTC, whose handshakes take some 20 ms of a core each.
        u64::from(self.viewers * self.ramp_ms.max(30) / 1000) + 2
    }
}

impl Clip {
    /// The file of the clip in `directory`, made when it is not there.
    pub(super) fn make(&self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(format!("{}.h264", self.name));
        if path.exists() {
            return Ok(path);
        }
        let source = format!("testsrc2=size={}:rate=25,noise=alls=12:allf=t", self.size);
        let (rate, buffer) = (format!("{}k", self.kbit_s), format!("{}k", self.kbit_s / 2));
        let made = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &source, "-t", "20"])
            .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", &self.gop.to_string()])
            .args(["-sc_threshold", "0", "-bf", "0", "-b:v", &rate, "-maxrate", &rate, "-bufsize", &buffer])
            .args(["-x264-params", "slices=1:sliced-threads=0", "-f", "h264"])
            .arg(&path)
            .status()
            .context("cannot start ffmpeg")?;
        if !made.success() {
            bail!("ffmpeg cannot make {}", path.display());
        }
        Ok(path)
    }
}
