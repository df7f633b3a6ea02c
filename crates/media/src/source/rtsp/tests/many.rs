//! Many cameras of one host at once.

use std::{num::NonZeroU32, time::Duration};

use bytes::Bytes;
use domain::WallTime;
use media_proto::{AccessUnit, MediaTime, RtpPacket, Track, TrackId, unit::Head};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Error as MediaError,
    hub::PublisherKind,
    rtsp::{Config, Server},
};

const STREAMS: usize = 500;

/// A hub whose path `cam` is published: a keyframe every 40 ms.
async fn camera() -> (Hub, Server, JoinSet<()>) {
    let hub = hub_of_nothing();
    hub.apply(config::Paths {
        exact: [(name(), Arc::new(config::Path::default()))].into(),
        ..config::Paths::default()
    });
    let caller = Caller {
        address: "127.0.0.1:1".parse().unwrap(),
        forwarded: false,
        credentials: Shown::None,
        about: crate::admission::About::default(),
    };
    let permit = hub.admit(&caller, Action::Publish, &name()).await.unwrap();
    let codec =
        Codec::H264 { sps: Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1e]), pps: Bytes::from_static(&[0x68, 0xce]) };
    let rate = NonZeroU32::new(90_000).unwrap();
    let tracks = [Track { id: TrackId(0), codec, clock_rate: rate, payload_type: 96 }];
    let id = SessionId::from_uuid(Uuid::new_v4());
    let publisher = hub.publish(&name(), permit, PublisherKind::RtspSession, id, &tracks).unwrap();
    let mut pictures = JoinSet::new();
    pictures.spawn(async move {
        for picture in 0.. {
            let packet = RtpPacket { marker: true, payload: Bytes::from_static(&[0x65, 0x88, 0x84, 0]) };
            let (pts, wall) = (MediaTime::new(picture * 3600, rate), WallTime::from_unix_us(0));
            let head = Head { track: TrackId(0), pts, wall, arrived: now(), keyframe: true, discontinuity: false };
            publisher.push(AccessUnit::new(head, Payload::Rtp(Arc::from([packet]))));
            sleep(Duration::from_millis(40)).await;
        }
    });
    let any = "127.0.0.1:0".parse().unwrap();
    let config = Config { address: any, rtp_address: any, rtcp_address: any, ..Config::default() };
    let server = Server::start(config, hub.clone(), CancellationToken::new()).unwrap();
    (hub, server, pictures)
}

#[tokio::test]
async fn of_five_hundred_streams_asked_for_at_once_each_gives_a_picture_or_a_reason() {
    let (camera_hub, server, _pictures) = camera().await;
    let url = format!("rtsp://{}/cam", server.local_addr());
    let path = |at: usize| PathName::new(&format!("cam{at}")).unwrap();
    let config = config::Path {
        source: config::Source::Rtsp(config::RtspSource::new(url, None)),
        on_demand: true,
        ..config::Path::default()
    };
    let hub = hub_of_nothing();
    let exact = (0..STREAMS).map(|at| (path(at), Arc::new(config.clone()))).collect();
    hub.apply(config::Paths { exact, ..config::Paths::default() });
    let mut asked = JoinSet::new();
    for at in 0..STREAMS {
        let (hub, name) = (hub.clone(), path(at));
        asked.spawn(async move {
            let caller = Caller {
                address: "127.0.0.1:1".parse().unwrap(),
                forwarded: false,
                credentials: Shown::None,
                about: crate::admission::About::default(),
            };
            let permit = hub.admit(&caller, Action::Read, &name).await.unwrap();
            let id = SessionId::from_uuid(Uuid::new_v4());
            let reader = hub.attach(&name, permit, ReaderKind::Hidden, id).unwrap();
            let ready = reader.ready().await;
            (reader, ready)
        });
    }
    let (mut readers, mut pictures) = (Vec::new(), 0);
    let answers = async {
        while let Some(answer) = asked.join_next().await {
            let (reader, ready) = answer.unwrap();
            match ready {
                Ok(_) => pictures += 1,
                Err(MediaError::SourceNotReady { reason, .. }) => {
                    assert!(reason.contains("its turn did not come within 10 s"), "{reason}");
                }
                Err(error) => panic!("{error}"),
            }
            readers.push(reader);
        }
    };
    timeout(PATIENCE, answers).await.unwrap();
    assert!(pictures >= CONNECTS_PER_HOST, "{pictures}");
    // Whoever waits on gets its picture, too: nobody has lost its place in the queue.
    let waiting: Vec<_> = readers.iter().map(|reader| reader.stream().watch_state()).collect();
    let all = async {
        for mut state in waiting {
            state.wait_for(State::is_up).await.unwrap();
        }
    };
    timeout(PATIENCE * 2, all).await.unwrap();
    assert!(server.connections().len() >= STREAMS);
    drop(readers);
    hub.shutdown().await;
    server.shutdown().await;
    camera_hub.shutdown().await;
}
