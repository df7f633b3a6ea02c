//! The program with the first cameras of the demonstration, whose faults the test decides.

use std::{
    fmt::Write as _,
    net::Ipv4Addr,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use domain::Rendition;
use simulator::{CameraPlan, Simulator, fleet};
use testkit::{server::Cctv, workspace};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{Mutex, MutexGuard},
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

pub(crate) struct Site {
    pub(crate) cctv: Cctv,
    pub(crate) simulator: Simulator,
    pub(crate) cameras: Vec<CameraPlan>,
}

impl Site {
    pub(crate) async fn start(cameras: usize) -> Result<Self> {
        let cameras: Vec<_> = fleet::demo().into_iter().take(cameras).collect();
        let clips = workspace::cache("clips")?;
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let simulator = Simulator::start(&cameras, &clips, address, CancellationToken::new()).await?;
        let mut config = String::new();
        for plan in &cameras {
            let main = simulator.url(&plan.id, Rendition::Main)?;
            let sub = simulator.url(&plan.id, Rendition::Sub)?;
            write!(
                config,
                "[[cameras]]\nid = {:?}\nname = {:?}\nname_ar = {:?}\nsource = \"{}\"\nmain = \"{main}\"\nsub = \"{sub}\"\n\
                 metadata = {{ picture_number = \"{}\" }}\n",
                plan.id, plan.name, plan.name_ar, plan.agency, plan.picture_number
            )?;
        }
        Ok(Self { cctv: Cctv::start(&config).await?, simulator, cameras })
    }

    /// Runs a suite of `web/e2e` against the dashboard.
    pub(crate) async fn browse(&self, arguments: &[&str]) -> Result<Output> {
        let url = self.url();
        browse(&[&["--url", &url], arguments].concat()).await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.cctv.ports().web)
    }
}

/// Browsers and heavy loads share the machine's few cores: one at a time, so that what they measure is the server.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// Waits for a turn with the machine.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    MACHINE.lock().await
}

/// The longest a suite may run.
const SUITE_DEADLINE: Duration = Duration::from_secs(240);

/// Runs a suite of `web/e2e`.
pub(crate) async fn browse(arguments: &[&str]) -> Result<Output> {
    let _turn = turn().await;
    let output = timeout(SUITE_DEADLINE, suite(arguments).output()).await;
    output.context("the browser did not end in time")?.context("cannot start node")
}

fn suite(arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.arg("e2e/run.mjs").args(arguments).current_dir(workspace::root().join("web")).kill_on_drop(true);
    command
}

/// A wall in a browser that says what it sees while the test does things to the cameras.
pub(crate) struct Watch {
    _node: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _turn: MutexGuard<'static, ()>,
}

impl Watch {
    /// Opens a wall of so many tiles and waits until it has settled.
    pub(crate) async fn open(site: &Site, slots: usize) -> Result<Self> {
        let turn = turn().await;
        let mut command = suite(&["--suite", "watch", "--url", &site.url(), "--slots", &slots.to_string()]);
        let mut node = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start node")?;
        let questions = node.stdin.take().context("node has no input")?;
        let answers = BufReader::new(node.stdout.take().context("node has no output")?).lines();
        let mut watch = Self { _node: node, questions, answers, _turn: turn };
        let ready = watch.answer().await?;
        ensure!(ready == "ready", "the wall did not come up: {ready}");
        Ok(watch)
    }

    /// What the wall answers to a command: `Ok` with what it measured, `Err` with what it complains about.
    pub(crate) async fn ask(&mut self, command: &str) -> Result<Result<String, String>> {
        self.questions.write_all(format!("{command}\n").as_bytes()).await.context("the browser has ended")?;
        let answer = self.answer().await?;
        Ok(match answer.split_once(' ') {
            Some(("ok", measured)) => Ok(measured.to_owned()),
            _ => Err(answer.trim_start_matches("fail ").to_owned()),
        })
    }

    async fn answer(&mut self) -> Result<String> {
        let line = timeout(SUITE_DEADLINE, self.answers.next_line()).await.context("the browser does not answer")?;
        line?.context("the browser has ended")
    }
}

/// A server on which ffmpeg publishes a clip as `test`, over and over.
pub(crate) async fn publishing(clip: PathBuf) -> Result<(Cctv, testkit::Child)> {
    let cctv = Cctv::start("").await?;
    let (clip, url) = (clip.display().to_string(), cctv.rtsp_url("test"));
    // By TCP: a busy machine loses datagrams of a large keyframe.
    let input = ["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", &clip, "-c", "copy"];
    let output = ["-f", "rtsp", "-rtsp_transport", "tcp", &url];
    let publisher = testkit::Child::spawn("ffmpeg", &[&input[..], &output].concat())?;
    ready(&cctv, "test").await?;
    Ok((cctv, publisher))
}

/// Waits until a path has pictures for its readers.
pub(crate) async fn ready(cctv: &Cctv, path: &str) -> Result<()> {
    let url = format!("http://127.0.0.1:{}/v3/paths/get/{path}", cctv.ports().control);
    let mut ticks = interval(Duration::from_millis(100));
    let waited = timeout(Duration::from_secs(30), async {
        loop {
            ticks.tick().await;
            let answer = reqwest::get(&url).await?.json::<serde_json::Value>().await?;
            if answer.get("ready") == Some(&serde_json::Value::Bool(true)) {
                return Ok(());
            }
        }
    });
    waited.await.with_context(|| format!("{path} is not ready; the server said:\n{}", cctv.log()))?
}

/// What a program said, for a test that fails.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
