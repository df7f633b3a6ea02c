//! Readers that come and go, politely or not, leave nothing behind in the program.

use std::{net::SocketAddr, time::Duration};

use testkit::{clip, rtsp::visit, server::Cctv};
use tokio::{task::JoinSet, time::interval};

use crate::site::publishing;

const VISITORS: usize = 8;
const VISITS: usize = 2_000;

/// What the program holds, from its own metrics.
#[derive(Clone, Copy, Debug)]
struct Held {
    tasks: f64,
    fds: f64,
    resident_mb: f64,
}

async fn held(cctv: &Cctv) -> Held {
    let url = format!("http://127.0.0.1:{}/metrics", cctv.ports().metrics);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    Held {
        tasks: value("cctv_tasks"),
        fds: value("cctv_process_open_fds"),
        resident_mb: value("cctv_process_resident_bytes") / 1e6,
    }
}

async fn visits(address: SocketAddr, count: usize) {
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        visitors.spawn(async move {
            for n in 0..count / VISITORS {
                visit(address, "test", n % 2 == 0).await.unwrap();
            }
        });
    }
    while let Some(visited) = visitors.join_next().await {
        visited.unwrap();
    }
}

/// What is held once tasks and descriptors have fallen to `most`, or after 30 s.
async fn settled(cctv: &Cctv, most: Held) -> Held {
    let mut ticks = interval(Duration::from_millis(200));
    for _ in 0..150 {
        ticks.tick().await;
        let now = held(cctv).await;
        if now.tasks <= most.tasks && now.fds <= most.fds {
            return now;
        }
    }
    held(cctv).await
}

#[tokio::test]
async fn two_thousand_visits_leave_memory_descriptors_and_tasks_flat() {
    let (cctv, _publisher) = publishing(clip::baseline().unwrap()).await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], cctv.ports().rtsp));
    let at_rest = held(&cctv).await;

    visits(address, VISITS / 4).await;
    let warm = settled(&cctv, at_rest).await;
    visits(address, VISITS).await;
    let after = settled(&cctv, at_rest).await;
    assert!(after.tasks <= at_rest.tasks && after.fds <= at_rest.fds, "{at_rest:?} became {after:?}");
    assert!(after.resident_mb <= warm.resident_mb * 1.05 + 2.0, "{warm:?} grew to {after:?}");
}
