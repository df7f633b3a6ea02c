//! The real server as a child process, on free ports and with a data directory of its own.

use std::{env, fs, path::PathBuf, process::ExitStatus, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::{Child, ports};

/// The longest a start or a stop may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a starting server is asked for its health.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A running `cctv serve`. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub struct Cctv {
    child: Child,
    ports: Ports,
    directory: Directory,
}

/// The ports of its faces, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Dashboard and application API.
    pub web: u16,
    /// RTSP.
    pub rtsp: u16,
    /// RTP of RTSP.
    pub rtp: u16,
    /// RTCP of RTSP.
    pub rtcp: u16,
    /// HLS.
    pub hls: u16,
    /// WHEP.
    pub webrtc: u16,
    /// WebRTC media.
    pub webrtc_udp: u16,
    /// WebRTC media over TCP.
    pub webrtc_tcp: u16,
    /// Control API.
    pub control: u16,
    /// Metrics.
    pub metrics: u16,
}

impl Cctv {
    /// The operator's token.
    pub const TOKEN: &str = "testkit-operator-token";

    /// Starts the server and waits until it is healthy. `config` is TOML with any keys but `data` and the sections
    /// `access` and `listen`.
    ///
    /// # Errors
    /// When the program is not built, ends, or is not healthy in time; its log is in the text.
    pub async fn start(config: &str) -> Result<Self> {
        let directory = Directory::new()?;
        let ports = Ports::free()?;
        fs::write(directory.config(), format!("data = {:?}\n{config}\n{}", directory.data(), ports.config()))?;
        let child = spawn(&directory)?;
        let mut server = Self { child, ports, directory };
        server.healthy().await?;
        Ok(server)
    }

    /// Starts it again with the same configuration, ports and data after [`stop`](Self::stop) or its death.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.directory)?;
        self.healthy().await
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.child.terminate()?;
        self.child.ends(DEADLINE).await
    }

    /// Kills it at once and waits for its end, as a power cut would.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.child.signal(nix::sys::signal::Signal::SIGKILL)?;
        self.child.ends(DEADLINE).await
    }

    /// The ports of its faces.
    #[must_use]
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Its process id; `None` once it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.data()
    }

    /// What it has logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        self.child.said()
    }

    /// The process itself, to wait for lines of its log.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// `rtsp://127.0.0.1:port/path`.
    #[must_use]
    pub fn rtsp_url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.ports.rtsp)
    }

    async fn healthy(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/health", self.ports.web);
        let deadline = Instant::now() + DEADLINE;
        let mut ticks = interval(ASK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < deadline {
            tokio::select! {
                _ = ticks.tick() => {}
                ended = self.child.ends(DEADLINE) => bail!("the server ended ({}); it said:\n{}", ended?, self.log()),
            }
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
        }
        bail!("the server is not healthy after {} s; it said:\n{}", DEADLINE.as_secs(), self.log())
    }
}

impl Ports {
    fn free() -> Result<Self> {
        let (rtp, rtcp) = ports::free_udp_pair()?;
        Ok(Self {
            web: ports::free_tcp()?,
            rtsp: ports::free_tcp()?,
            rtp,
            rtcp,
            hls: ports::free_tcp()?,
            webrtc: ports::free_tcp()?,
            webrtc_udp: ports::free_udp()?,
            webrtc_tcp: ports::free_tcp()?,
            control: ports::free_tcp()?,
            metrics: ports::free_tcp()?,
        })
    }

    fn config(&self) -> String {
        let faces = [
            ("web", self.web),
            ("rtsp", self.rtsp),
            ("rtp", self.rtp),
            ("rtcp", self.rtcp),
            ("hls", self.hls),
            ("webrtc", self.webrtc),
            ("webrtc_udp", self.webrtc_udp),
            ("webrtc_tcp", self.webrtc_tcp),
            ("control", self.control),
            ("metrics", self.metrics),
        ];
        let listen: String = faces.map(|(face, port)| format!("{face} = \"127.0.0.1:{port}\"\n")).concat();
        format!("\n[access]\ntoken = {:?}\n\n[listen]\n{listen}\n", Cctv::TOKEN)
    }
}

/// A temporary directory that goes with its owner.
#[derive(Debug)]
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("cctv-test-{}", Uuid::new_v4().simple()));
        fs::create_dir_all(path.join("data")).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    fn config(&self) -> PathBuf {
        self.0.join("cctv.toml")
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clean up.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn spawn(directory: &Directory) -> Result<Child> {
    let config = directory.config();
    Child::spawn_file(&program()?, &["serve".as_ref(), "--config".as_ref(), config.as_os_str()])
}

/// The built program: the one cargo names to tests of its package, else the one beside the running test.
///
/// # Errors
/// When it is not built.
pub fn program() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CARGO_BIN_EXE_cctv") {
        return Ok(named.into());
    }
    let test = env::current_exe().context("cannot find the running program")?;
    let built = test.ancestors().skip(1).take(2).map(|directory| directory.join("cctv")).find(|path| path.exists());
    built.with_context(|| format!("{} has no cctv beside it: `cargo build --bin cctv`", test.display()))
}
