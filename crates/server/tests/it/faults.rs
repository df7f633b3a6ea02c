//! Cameras that freeze, stop and come back, seen by an operator: each tile tells the truth, its neighbours notice nothing.

use simulator::CameraPlan;

use crate::site::{Site, Watch};

/// Seconds in which the state of a camera must reach the wall: 3 s to stalled, 10 s to offline, back within 3 s, each with margin.
const STALE_S: u32 = 12;
const OFFLINE_S: u32 = 35;
const BACK_S: u32 = 15;

struct Observer {
    watch: Watch,
}

impl Observer {
    async fn says(&mut self, camera: &CameraPlan, state: &str, seconds: u32) {
        let id = camera_id(camera);
        let answer = self.watch.ask(&format!("state {id} {state} {seconds}")).await.unwrap();
        answer.unwrap_or_else(|complaint| panic!("{} is not {state}: {complaint}", camera.name));
    }

    /// Every tile but these is alive by its pictures.
    async fn alive_but(&mut self, dead: &[&CameraPlan]) {
        let ids: Vec<String> = dead.iter().map(|camera| camera_id(camera)).collect();
        let answer = self.watch.ask(&format!("alive {}", ids.join(" "))).await.unwrap();
        answer.unwrap_or_else(|complaint| panic!("{complaint}"));
    }

    /// The wall's complaint about a camera it takes for alive by what it says.
    async fn complains(&mut self) -> String {
        self.watch.ask("alive").await.unwrap().expect_err("a wall with a dead camera passed for alive")
    }
}

fn camera_id(plan: &CameraPlan) -> String {
    domain::CameraId::derived("config", &plan.id).to_string()
}

#[tokio::test]
async fn a_camera_that_freezes_is_stale_then_offline_then_live_and_its_neighbours_live_on() {
    let site = Site::start(4).await.unwrap();
    let [_, frozen, other, _] = &site.cameras[..] else { panic!("four cameras") };
    let mut wall = Observer { watch: Watch::open(&site, 4).await.unwrap() };
    wall.alive_but(&[]).await;

    site.simulator.freeze(&frozen.id).unwrap();
    let complaint = wall.complains().await;
    assert!(complaint.contains("counter") && complaint.contains(&frozen.name), "{complaint}");
    assert!(!complaint.contains(&other.name), "{complaint}");
    wall.says(frozen, "stale", STALE_S).await;
    wall.says(frozen, "offline", OFFLINE_S).await;
    wall.alive_but(&[frozen]).await;

    site.simulator.resume(&frozen.id).await.unwrap();
    wall.says(frozen, "live", BACK_S).await;
    wall.alive_but(&[]).await;
}

#[tokio::test]
async fn a_camera_that_is_switched_off_is_offline_and_live_again_when_it_returns() {
    let site = Site::start(4).await.unwrap();
    let stopped = &site.cameras[2];
    let mut wall = Observer { watch: Watch::open(&site, 4).await.unwrap() };
    site.simulator.stop_camera(&stopped.id).await.unwrap();
    wall.says(stopped, "offline", OFFLINE_S).await;
    wall.alive_but(&[stopped]).await;
    site.simulator.resume(&stopped.id).await.unwrap();
    wall.says(stopped, "live", BACK_S).await;
    wall.alive_but(&[]).await;
}
