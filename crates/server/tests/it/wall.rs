//! The wall in a real browser: every tile alive by its pixels, and the same check red when cameras are
//! swapped (`faults` shows it red on a frozen one).

use crate::site::{Site, said};

#[tokio::test]
async fn sixteen_tiles_are_alive_and_show_the_right_cameras() {
    let site = Site::start(16).await.unwrap();
    let seen = site.browse(&["--suite", "wall", "--slots", "16"]).await.unwrap();
    assert!(seen.status.success(), "{}\n{}", said(&seen), site.cctv.log());
}

#[tokio::test]
async fn sixty_four_tiles_are_alive() {
    let site = Site::start(48).await.unwrap();
    let seen = site.browse(&["--suite", "wall-64"]).await.unwrap();
    assert!(seen.status.success(), "{}\n{}", said(&seen), site.cctv.log());
}

#[tokio::test]
async fn the_check_goes_red_when_two_cameras_are_swapped() {
    let site = Site::start(4).await.unwrap();
    site.simulator.swap(&site.cameras[1].id, &site.cameras[2].id).unwrap();
    let seen = site.browse(&["--suite", "wall", "--slots", "4"]).await.unwrap();
    let complaint = said(&seen);
    assert!(!seen.status.success() && complaint.contains("shows camera"), "a wrong camera must be found: {complaint}");
}
