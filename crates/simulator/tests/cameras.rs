//! The cameras over RTSP, seen by ffmpeg.

use std::{net::SocketAddr, time::Duration};

use domain::Rendition;
use simulator::{CameraPlan, Error, Simulator, picture::PERIOD};
use testkit::{picture, workspace};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);
/// Long enough for a picture of a live camera, short enough to wait for one that does not come.
const SILENCE: Duration = Duration::from_secs(4);

async fn simulator(cameras: &[u8]) -> Simulator {
    let plans: Vec<CameraPlan> = cameras.iter().copied().map(CameraPlan::plain).collect();
    let clips = workspace::cache("simulator").expect("the target directory can be written");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    Simulator::start(&plans, &clips, address, CancellationToken::new()).await.expect("cameras start")
}

async fn look(
    simulator: &Simulator,
    camera: &str,
    rendition: Rendition,
    deadline: Duration,
) -> anyhow::Result<Vec<picture::Reading>> {
    let url = simulator.url(camera, rendition)?;
    picture::read(&["-rtsp_transport", "tcp", "-i", &url], 20, deadline).await
}

#[tokio::test]
async fn ffmpeg_reads_a_growing_counter_and_the_cameras_number() {
    let simulator = simulator(&[7, 200]).await;
    for (rendition, number) in [(Rendition::Sub, 200), (Rendition::Main, 0)] {
        let seen = look(&simulator, "camera-200", rendition, DEADLINE).await.unwrap();
        for pair in seen.windows(2) {
            assert_eq!(u32::from(pair[1].counter), (u32::from(pair[0].counter) + 1) % PERIOD);
            assert_eq!(pair[0].camera, number);
        }
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn swapped_cameras_show_each_others_pictures() {
    let simulator = simulator(&[7, 200]).await;
    simulator.swap("camera-007", "camera-200").unwrap();
    for (camera, shown) in [("camera-007", 200), ("camera-200", 7)] {
        let seen = look(&simulator, camera, Rendition::Sub, DEADLINE).await.unwrap();
        assert_eq!(seen.last().unwrap().camera, shown);
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_frozen_camera_sends_nothing_until_it_is_resumed() {
    let simulator = simulator(&[7, 200]).await;
    simulator.freeze("camera-007").unwrap();
    assert!(look(&simulator, "camera-007", Rendition::Sub, SILENCE).await.is_err());
    assert!(look(&simulator, "camera-200", Rendition::Sub, DEADLINE).await.is_ok());
    simulator.resume("camera-007").await.unwrap();
    assert!(look(&simulator, "camera-007", Rendition::Sub, DEADLINE).await.is_ok());
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_stopped_camera_refuses_connections_and_comes_back_on_its_port() {
    let simulator = simulator(&[7, 200]).await;
    let url = simulator.url("camera-007", Rendition::Sub).unwrap();
    let address = url.strip_prefix("rtsp://").and_then(|rest| rest.strip_suffix("/sub")).unwrap();
    simulator.stop_camera("camera-007").await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert!(look(&simulator, "camera-200", Rendition::Sub, DEADLINE).await.is_ok());
    simulator.resume("camera-007").await.unwrap();
    assert!(look(&simulator, "camera-007", Rendition::Sub, DEADLINE).await.is_ok());
    simulator.shutdown().await;
}

#[tokio::test]
async fn unknown_and_contradicting_cameras_are_refused() {
    let clips = workspace::cache("simulator").unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let twice = [CameraPlan::plain(7), CameraPlan::plain(7)];
    let refused = Simulator::start(&twice, &clips, address, CancellationToken::new()).await;
    assert!(matches!(refused, Err(Error::Plan { .. })));
    let simulator = simulator(&[7]).await;
    assert!(matches!(simulator.freeze("nobody"), Err(Error::UnknownCamera(_))));
    simulator.shutdown().await;
}
