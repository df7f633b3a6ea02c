//! The wall in a real browser: every tile alive by its pixels, and the same check red when a camera lies.

use crate::site::{Site, said};

#[tokio::test]
async fn sixteen_tiles_are_alive_and_show_the_right_cameras() {
    let site = Site::start(16).await.unwrap();
    let seen = site.browse(&["--suite", "wall", "--slots", "16"]).await.unwrap();
    assert!(seen.status.success(), "{}\n{}", said(&seen), site.cctv.log());
}

#[tokio::test]
async fn the_check_goes_red_when_a_source_freezes() {
    let site = Site::start(4).await.unwrap();
    site.simulator.freeze(&site.cameras[1].id).unwrap();
    let seen = site.browse(&["--suite", "wall", "--slots", "4"]).await.unwrap();
    let complaint = said(&seen);
    assert!(
        !seen.status.success() && complaint.contains("counter"),
        "a frozen camera must not pass for a live one: {complaint}"
    );
}

#[tokio::test]
async fn the_check_goes_red_when_two_cameras_are_swapped() {
    let site = Site::start(4).await.unwrap();
    site.simulator.swap(&site.cameras[1].id, &site.cameras[2].id).unwrap();
    let seen = site.browse(&["--suite", "wall", "--slots", "4"]).await.unwrap();
    let complaint = said(&seen);
    assert!(!seen.status.success() && complaint.contains("shows camera"), "a wrong camera must be found: {complaint}");
}
