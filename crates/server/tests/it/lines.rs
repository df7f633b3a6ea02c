//! Lines that fail between a camera and the program: pictures are lost, none is torn, and they come back by themselves.

use std::{net::Ipv4Addr, time::Duration};

use domain::Rendition;
use serde_json::{Value, json};
use simulator::{CameraPlan, Simulator};
use testkit::{
    line::Line,
    picture::{self, PERIOD, Reading},
    server::Cctv,
    workspace,
};
use tokio::{
    task::JoinHandle,
    time::{interval, timeout},
};
use tokio_util::sync::CancellationToken;

/// The longest anything may take here: the program notices a silent camera after 10 s and has three times as long.
const PATIENCE: Duration = Duration::from_secs(60);
const PATH: &str = "metro_line";
/// Pictures a second of the camera, a keyframe every other second.
const FPS: i32 = 15;
/// Bytes after which a reader has seen some pictures.
const SOME_PICTURES: u64 = 40_000;

/// A camera whose stream the program has as [`PATH`], over a line that can fail.
struct Distant {
    _simulator: Simulator,
    plan: CameraPlan,
    line: Line,
    cctv: Cctv,
}

impl Distant {
    async fn start() -> Self {
        let plan = CameraPlan::plain(7);
        let clips = workspace::cache("clips").unwrap();
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        let plans = std::slice::from_ref(&plan);
        let simulator = Simulator::start(plans, &clips, address, CancellationToken::new()).await.unwrap();
        let camera = reqwest::Url::parse(&simulator.url(&plan.id, Rendition::Sub).unwrap()).unwrap();
        let line = Line::to(camera.port().unwrap()).await.unwrap();
        let source = format!("rtsp://127.0.0.1:{}{}", line.port(), camera.path());
        let cctv = Cctv::start("").await.unwrap();
        add(&cctv, PATH, &json!({ "source": source, "rtspTransport": "tcp" })).await;
        let distant = Self { _simulator: simulator, plan, line, cctv };
        wait(&distant.cctv, PATH, |path| path["state"] == "online").await;
        distant
    }

    /// Decodes so many pictures from now on; a picture that cannot be decoded whole is a failure.
    fn watch(&self, pictures: usize) -> JoinHandle<Vec<Reading>> {
        let url = self.cctv.rtsp_url(PATH);
        tokio::spawn(async move {
            let input = ["-xerror", "-err_detect", "explode", "-rtsp_transport", "tcp", "-i", &url];
            picture::read(&input, pictures, PATIENCE).await.unwrap()
        })
    }

    /// Waits until a reader has seen some pictures.
    async fn flows(&self) {
        wait(&self.cctv, PATH, |path| path["outboundBytes"].as_u64().is_some_and(|bytes| bytes > SOME_PICTURES)).await;
    }

    /// Wherever a picture is not the one after the picture before: how many pictures too late it is. It may be too early:
    /// a camera, too, begins with a keyframe of the past.
    fn breaks(&self, seen: &[Reading]) -> Vec<i32> {
        assert!(seen.iter().all(|picture| picture.camera == self.plan.picture_number), "{seen:?}");
        let period = i32::try_from(PERIOD).unwrap();
        let off = |pair: &[Reading]| {
            let [before, after] = [pair[0], pair[1]].map(|picture| i32::from(picture.counter));
            (after - before - 1 + period / 2).rem_euclid(period) - period / 2
        };
        seen.windows(2).map(off).filter(|off| *off != 0).collect()
    }
}

async fn add(cctv: &Cctv, path: &str, body: &Value) {
    let url = format!("http://127.0.0.1:{}/v3/config/paths/add/{path}", cctv.ports().control);
    let answer = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

/// Waits until what the control API says of a path fits.
async fn wait(cctv: &Cctv, path: &str, fits: impl Fn(&Value) -> bool) {
    let url = format!("http://127.0.0.1:{}/v3/paths/get/{path}", cctv.ports().control);
    let mut said = Value::Null;
    let mut ticks = interval(Duration::from_millis(100));
    let waited = timeout(PATIENCE, async {
        while !fits(&said) {
            ticks.tick().await;
            said = reqwest::get(&url).await.unwrap().json().await.unwrap();
        }
    });
    assert!(waited.await.is_ok(), "{path} stays {said}; the program said:\n{}", cctv.log());
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_picture_costs_pictures_and_tears_none() {
    let distant = Distant::start().await;
    let watch = distant.watch(150);
    distant.flows().await;
    distant.line.reset_within_a_packet();
    let seen = watch.await.unwrap();
    assert_eq!(distant.line.cut(), 1, "the line was cut within a packet");
    let breaks = distant.breaks(&seen);
    assert!(matches!(breaks[..], [off] if off.abs() < 6 * FPS), "one break of a few seconds: {breaks:?}");
}

#[tokio::test]
async fn a_camera_whose_line_is_dead_at_both_ends_is_told_offline_and_asked_anew() {
    let distant = Distant::start().await;
    distant.line.fall_silent();
    wait(&distant.cctv, PATH, |path| path["state"] == "stalled").await;
    wait(&distant.cctv, PATH, |path| path["state"] == "online").await;
    assert_eq!(distant.line.made(), 2, "one new connection took the place of the dead one");
    let seen = distant.watch(15).await.unwrap();
    assert!(distant.breaks(&seen).is_empty(), "pictures come again, one after the other: {seen:?}");
}
