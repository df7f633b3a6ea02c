//! The clips, decoded by ffmpeg and read from their pixels.

use std::{path::Path, time::Duration};

use simulator::{CameraPlan, clips, picture::PERIOD};
use testkit::{picture, workspace};

const DEADLINE: Duration = Duration::from_secs(60);

async fn check(file: &Path, camera: u8) {
    let file = file.display().to_string();
    let read = picture::read(&["-i", &file], PERIOD as usize, DEADLINE).await.expect("a clip decodes");
    for (expected, reading) in (0..).zip(&read) {
        assert_eq!((reading.counter, reading.camera), (expected, camera));
        if camera > 0 {
            let off = reading.colour.iter().zip(picture::colour(camera)).map(|(a, b)| a.abs_diff(b)).max();
            assert!(off <= Some(8), "{:?} is not {:?}", reading.colour, picture::colour(camera));
        }
    }
}

#[tokio::test]
async fn each_picture_says_its_number_and_its_camera() {
    let directory = workspace::cache("simulator").unwrap();
    let clips = clips::prepare(&directory, &[7, 200].map(CameraPlan::plain)).unwrap();
    check(&directory.join("sub-007-e2.h264"), 7).await;
    check(&directory.join("sub-200-e2.h264"), 200).await;
    check(&directory.join("main-1-e2.h264"), 0).await;

    let sub = clips.sub(200).unwrap();
    let keyframes: Vec<_> = (0..).zip(sub.pictures.iter()).filter(|(_, p)| p.keyframe).map(|(at, _)| at).collect();
    assert_eq!(keyframes, (0..PERIOD as usize).step_by(15).collect::<Vec<_>>());
    assert!(clips.sub(8).is_none());
}

#[test]
fn clips_that_are_there_are_not_made_again() {
    let directory = workspace::cache("simulator").unwrap();
    clips::prepare(&directory, &[CameraPlan::plain(7)]).unwrap();
    let clip = directory.join("sub-007-e2.h264");
    let made = std::fs::metadata(&clip).unwrap().modified().unwrap();
    clips::prepare(&directory, &[CameraPlan::plain(7)]).unwrap();
    assert_eq!(std::fs::metadata(&clip).unwrap().modified().unwrap(), made);
}
