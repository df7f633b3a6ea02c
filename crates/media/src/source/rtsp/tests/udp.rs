//! Cameras by UDP: a foreign server, and what a bad network does to it.

use super::{
    relay::{Fate, Relay, Rule},
    *,
};
use media_proto::rtcp::Rtcp;

use crate::config::RtspTransport;

fn hub_by(port: u16, transport: RtspTransport) -> Hub {
    let source =
        config::RtspSource { transport, ..config::RtspSource::new(format!("rtsp://127.0.0.1:{port}/cam"), None) };
    hub_of_source(source)
}

/// Pulls a camera through a relay: units seen, counting from a keyframe, the counters of the stream, and the transport of
/// the last SETUP.
async fn through(rule: Rule, transport: RtspTransport, count: usize) -> (String, u64, String) {
    let (seen, errors, relay) = relayed(rule, transport, count).await;
    (seen, errors, relay.last_setup())
}

async fn relayed(rule: Rule, transport: RtspTransport, count: usize) -> (String, u64, Relay) {
    let camera = Camera::start(0, ("h264", "opus"), "");
    let relay = Relay::start(camera.port, rule).await;
    let hub = hub_by(relay.port, transport);
    let reader = reader(&hub).await;
    timeout(PATIENCE, reader.ready()).await.unwrap().unwrap();
    let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Deep);
    let seen = units(&mut subscription, count).await;
    let errors = reader.stream().counters().inbound_units_in_error.load(std::sync::atomic::Ordering::Relaxed);
    hub.shutdown().await;
    (seen, errors, relay)
}

#[tokio::test]
async fn a_foreign_server_is_pulled_over_udp_without_loss() {
    let (seen, errors, setup) = through(|_| Fate::Pass, RtspTransport::Udp, 200).await;
    assert!(seen.starts_with('K') && seen.matches('K').count() > 1 && seen.matches('a').count() > 20, "{seen}");
    assert!(setup.starts_with("RTP/AVP;unicast;client_port="), "{setup}");
    // The first picture may have begun before we came.
    assert!(errors <= 1, "{errors}");
}

#[tokio::test]
async fn packets_that_overtake_each_other_cost_nothing() {
    let late = |count| if count % 5 == 3 { Fate::Late } else { Fate::Pass };
    let (seen, errors, setup) = through(late, RtspTransport::Udp, 200).await;
    assert!(seen.starts_with('K') && setup.contains("client_port"), "{seen} {setup}");
    assert!(errors <= 1, "{errors}");
}

#[tokio::test]
async fn a_little_loss_is_lived_with_and_the_camera_hears_of_it() {
    let little = |count| if count % 50 == 40 { Fate::Drop } else { Fate::Pass };
    let (seen, errors, relay) = relayed(little, RtspTransport::Udp, 700).await;
    assert!(seen.matches('K').count() > 2 && relay.last_setup().contains("client_port"), "{seen}");
    assert!(errors > 1, "{errors}");
    let reports: Vec<Rtcp> = {
        let sent = relay.reports.lock().unwrap();
        sent.iter().flat_map(|packet| media_proto::rtcp::parse(packet).unwrap()).collect()
    };
    let tells_loss = |report: &Rtcp| matches!(report, Rtcp::ReceiverReport { blocks, .. } if blocks.iter().any(|block| block.lost > 0));
    assert!(reports.iter().any(tells_loss), "{reports:?}");
    let wants_keyframe = |report: &&Rtcp| matches!(report, Rtcp::KeyframeWanted { .. });
    let asked = reports.iter().filter(wants_keyframe).count();
    // At most once in two seconds.
    assert!((1..20).contains(&asked), "{asked}");
}

#[tokio::test]
async fn udp_that_loses_much_gives_way_to_tcp() {
    let (seen, _, setup) =
        through(|count| if count % 10 == 9 { Fate::Drop } else { Fate::Pass }, RtspTransport::Udp, 800).await;
    assert!(setup.contains("interleaved"), "{seen} {setup}");
}

#[tokio::test]
async fn udp_that_does_not_come_through_gives_way_to_tcp() {
    let (seen, _, setup) = through(|_| Fate::Drop, RtspTransport::Udp, 60).await;
    assert!(seen.starts_with('K') && setup.contains("interleaved"), "{seen} {setup}");
}

#[tokio::test]
async fn tcp_comes_first_unless_udp_is_wanted() {
    let (_, _, setup) = through(|_| Fate::Pass, RtspTransport::Automatic, 20).await;
    assert!(setup.contains("interleaved"), "{setup}");
}

#[tokio::test]
async fn a_server_that_refuses_tcp_is_pulled_over_udp_when_the_choice_is_ours() {
    let camera = Camera::start(0, ("h264", "none"), "no-tcp");
    let hub = hub_by(camera.port, RtspTransport::Automatic);
    let reader = reader(&hub).await;
    timeout(PATIENCE, reader.ready()).await.unwrap().unwrap();
    let mut subscription = reader.stream().subscribe(Join::NewestKeyframe, Backlog::Deep);
    assert!(units(&mut subscription, 20).await.starts_with('K'));
    hub.shutdown().await;
}
