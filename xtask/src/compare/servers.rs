//! The servers that can be compared, with the configuration that is fair to each: unmeasured protocols off, no authentication,
//! warnings logged alone, loopback only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{
    log,
    scenario::{Scenario, Watcher},
};

/// Where every server takes and serves RTSP.
pub(super) const RTSP_PORT: u16 = 8554;
/// Names of paths begin with this.
const PATH: &str = "metro_load_";

/// A server and its program.
pub(super) struct Server {
    kind: Kind,
    program: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cctv,
    MediaMtx,
    Zlm,
    ZlmGop,
    Floor,
}

impl Server {
    /// Reads `name=program`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (name, program) = text.split_once('=').unwrap_or((text, ""));
        let kind = match name {
            "cctv" => Kind::Cctv,
            "mediamtx" => Kind::MediaMtx,
            "zlm" => Kind::Zlm,
            "zlm-gop" => Kind::ZlmGop,
            "floor" => Kind::Floor,
            other => bail!("there is no server {other}; there are: cctv, mediamtx, zlm, zlm-gop, floor"),
        };
        if kind != Kind::Floor && !Path::new(program).is_file() {
            return Err(anyhow!("{program:?} is not a program")).context(format!("--server {name}=PROGRAM"));
        }
        Ok(Self { kind, program: PathBuf::from(program) })
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Cctv => "cctv",
            Kind::MediaMtx => "MediaMTX",
            Kind::Zlm => "ZLMediaKit",
            Kind::ZlmGop => "ZLMediaKit, GOP cache",
            Kind::Floor => "floor",
        }
    }

    /// Whether the server can do the work of a scenario.
    pub(super) fn takes(&self, scenario: &Scenario) -> bool {
        match self.kind {
            Kind::Cctv | Kind::MediaMtx => true,
            Kind::Zlm | Kind::ZlmGop => scenario.watcher != Watcher::LowLatencyHls,
            // It passes the bytes of TCP connections on and knows nothing else.
            Kind::Floor => scenario.watcher == Watcher::Rtsp && scenario.transport == "tcp",
        }
    }

    pub(super) fn rtsp_prefix(&self) -> String {
        match self.kind {
            Kind::Zlm | Kind::ZlmGop => format!("rtsp://127.0.0.1:{RTSP_PORT}/live/{PATH}"),
            Kind::Cctv | Kind::MediaMtx | Kind::Floor => format!("rtsp://127.0.0.1:{RTSP_PORT}/{PATH}"),
        }
    }

    pub(super) fn hls_pattern(&self) -> String {
        format!("http://127.0.0.1:8888/{PATH}%d/index.m3u8")
    }

    /// What stands before and after the number of a stream.
    pub(super) fn whep(&self) -> (String, &'static str) {
        match self.kind {
            Kind::Zlm | Kind::ZlmGop => (format!("http://127.0.0.1:8888/index/api/whep?app=live&stream={PATH}"), ""),
            Kind::Cctv | Kind::MediaMtx | Kind::Floor => (format!("http://127.0.0.1:8889/{PATH}"), "/whep"),
        }
    }

    /// Starts it with a configuration in `directory`.
    pub(super) fn start(&self, mediaload: &Path, directory: &Path) -> Result<Child> {
        let mut command = match self.kind {
            Kind::Cctv => {
                let data = directory.join("data");
                if data.exists() {
                    fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))?;
                }
                let file = write(directory, "cctv.toml", &format!("data = {data:?}\n{CCTV}"))?;
                let mut command = Command::new(&self.program);
                command.args(["serve", "--config"]).arg(file);
                command
            }
            Kind::MediaMtx => {
                let mut command = Command::new(&self.program);
                command.arg(write(directory, "mediamtx.yml", MEDIAMTX)?);
                command
            }
            Kind::Zlm | Kind::ZlmGop => self.zlm(directory)?,
            Kind::Floor => {
                let mut command = Command::new(mediaload);
                command.args(["floor", "--listen", &format!("127.0.0.1:{RTSP_PORT}")]);
                command
            }
        };
        let log = log(directory, self.name())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().with_context(|| format!("cannot start {}", self.name()))
    }

    /// Its own `config.ini` beside the program, with the measured protocols alone.
    fn zlm(&self, directory: &Path) -> Result<Command> {
        let home = self.program.parent().context("the program of ZLMediaKit lies in no directory")?;
        let own = fs::read_to_string(home.join("config.ini")).context("ZLMediaKit needs its config.ini beside it")?;
        let rtmp = if self.kind == Kind::ZlmGop { "1" } else { "0" };
        let mut section = String::new();
        let lines = own.lines().map(|line| {
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']).to_owned();
            }
            let key = line.split('=').next().unwrap_or_default();
            let value = match (section.as_str(), key) {
                ("protocol", "enable_rtsp") => "1",
                ("protocol", "enable_rtmp") => rtmp,
                ("protocol", key) if key.starts_with("enable_") => "0",
                ("rtsp", "port") => "8554",
                ("http", "port") => "8888",
                ("rtc", "externIP") => "127.0.0.1",
                ("rtsp" | "rtmp" | "http", "sslport") | ("rtmp" | "rtp_proxy" | "shell" | "srt", "port") => "0",
                ("hook", "enable") => "0",
                _ => return format!("{line}\n"),
            };
            format!("{key}={value}\n")
        });
        let text: String = lines.collect();
        let file = write(directory, "zlm.ini", &text)?;
        let mut command = Command::new(&self.program);
        command.args(["-l", "3", "-s"]).arg(home.join("default.pem")).arg("-c").arg(file).current_dir(home);
        Ok(command)
    }
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

const CCTV: &str = r#"
[log]
level = "warn"

[listen]
web = "127.0.0.1:8000"
rtsp = "127.0.0.1:8554"
rtp = "127.0.0.1:8000"
rtcp = "127.0.0.1:8001"
hls = "127.0.0.1:8888"
webrtc = "127.0.0.1:8889"
webrtc_udp = "127.0.0.1:8189"
webrtc_tcp = "127.0.0.1:8189"
"#;

const MEDIAMTX: &str = "
logLevel: warn
rtsp: yes
rtspAddress: 127.0.0.1:8554
rtpAddress: 127.0.0.1:8000
rtcpAddress: 127.0.0.1:8001
rtspTransports: [tcp, udp]
hls: yes
hlsAddress: 127.0.0.1:8888
webrtc: yes
webrtcAddress: 127.0.0.1:8889
webrtcLocalUDPAddress: 127.0.0.1:8189
webrtcAdditionalHosts: [127.0.0.1]
webrtcIPsFromInterfaces: no
rtmp: no
srt: no
paths:
  all_others:
";
