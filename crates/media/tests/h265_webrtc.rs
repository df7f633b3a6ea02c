//! H.265 and WebRTC: a viewer who did not offer it is told so, and where to look instead.

#![expect(clippy::unwrap_used, reason = "a test stops at what it does not expect")]

#[expect(dead_code, reason = "the tests of WebRTC need more of it")]
#[path = "webrtc/viewer.rs"]
mod viewer;
#[expect(dead_code, reason = "the tests of WebRTC need more of it")]
#[path = "webrtc/world.rs"]
mod world;

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{PathName, SessionId, WallTime};
use media::{
    Error,
    admission::Permit,
    hub::{Publisher, PublisherKind},
};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, unit::Head};
use serde_json::json;
use uuid::Uuid;
use viewer::Viewer;
use world::{World, meta, name};

/// Publishes one keyframe of H.265; the stream stays for as long as what comes back is held.
fn publish(world: &World, path: &PathName) -> Publisher {
    let clock_rate = NonZeroU32::new(90_000).unwrap();
    let sets = [&[0x40, 1, 7][..], &[0x42, 1, 7], &[0x44, 1, 7]].map(Bytes::from_static);
    let [vps, sps, pps] = sets.clone();
    let track = Track { id: TrackId(0), codec: Codec::H265 { vps, sps, pps }, clock_rate, payload_type: 96 };
    let id = SessionId::from_uuid(Uuid::new_v4());
    let permit = Permit::new("publisher".into(), ());
    let publisher = world.hub.publish(path, permit, PublisherKind::RtspSession, id, &[track]).unwrap();
    let head = Head {
        track: TrackId(0),
        pts: MediaTime::new(0, clock_rate),
        wall: WallTime::from_unix_us(0),
        arrived: Instant::now(),
        keyframe: true,
        discontinuity: false,
    };
    let nals = sets.into_iter().chain([Bytes::from_static(&[0x28, 1, 0x80])]);
    publisher.push(AccessUnit::new(head, Payload::Frames(nals.collect::<Vec<_>>().into())));
    publisher
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whep_offer_without_h265_is_refused_with_the_reason() {
    let world = World::start(Duration::from_secs(10));
    let _publisher = publish(&world, &name("cam"));
    let (_viewer, offer) = Viewer::new(1, false).await;
    let meta = meta();
    let reader = world.reader(&name("cam"), meta.id).await;
    match world.engine.whep(&offer, reader, meta).await {
        Err(Error::Unsupported(reason)) => assert!(reason.contains("H.265"), "{reason}"),
        other => panic!("{:?}", other.map(|answer| answer.sdp)),
    }
    assert_eq!((world.engine.sessions().len(), world.doors.inside()), (0, 0), "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_slot_is_denied_and_hls_named_instead() {
    let world = World::start(Duration::from_secs(10));
    let camera = world.cameras[0].clone();
    let _publisher = publish(&world, camera.sub.as_ref().unwrap());
    let (mut viewer, _) = world.wall("window", 1).await;
    viewer.say(json!({"t": "assign", "seq": 1, "slot": 0, "camera": camera.id, "want": {"w": 320, "h": 180}})).await;
    viewer.until("the refusal", |viewer| viewer.last("denied", 0).is_some()).await;
    let error = viewer.last("denied", 0).unwrap()["error"].clone();
    assert_eq!((&error["code"], &error["lanes"]), (&json!("LANE_UNSUITABLE"), &json!(["hls"])), "{error}");
    assert!(error["message_en"].as_str().unwrap().contains("H.265"), "{error}");
}
