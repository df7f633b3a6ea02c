//! The HTTP faces: one listener and one router each.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use api::{control, health, hls, metrics, platform, wall, whep};
use axum::Router;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Engine, taken};
use crate::config::{Loaded, Service};

/// How long open requests may take to end when the program stops.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(3);

/// The running faces.
#[derive(Debug)]
pub(super) struct Faces(TaskTracker);

impl Faces {
    /// Waits until every face has let its requests end.
    pub(super) async fn stopped(&self) {
        self.0.close();
        if tokio::time::timeout(DRAIN, self.0.wait()).await.is_err() {
            tracing::warn!(after_s = DRAIN.as_secs(), "requests were still open and are cut");
        }
    }
}

/// Opens every face that the configuration names. Either all of them listen, or none is left.
pub(super) async fn start(loaded: &Loaded, engine: &Engine, stop: &CancellationToken) -> Result<Faces> {
    let listen = &loaded.config.listen;
    let mut faces = vec![
        ("listen.hls", listen.hls, hls_router(engine)),
        ("listen.webrtc", listen.webrtc, whep_router(engine, loaded)),
        ("listen.control", listen.control, control::router(control_state(engine))),
        ("listen.metrics", listen.metrics, metrics::router(control_state(engine))),
    ];
    if loaded.config.services.runs(Service::Api) {
        faces.push(("listen.web", listen.web, web_router(engine, loaded)));
    }
    let mut opened = Vec::new();
    for (key, address, router) in faces {
        let listener = TcpListener::bind(address).await.map_err(|error| taken(loaded, key, address, error.into()))?;
        opened.push((key, listener, router));
    }
    let tasks = TaskTracker::new();
    for (key, listener, router) in opened {
        tasks.spawn(serve(key, listener, router, stop.child_token()));
    }
    Ok(Faces(tasks))
}

fn hls_router(engine: &Engine) -> Router {
    let routes = hls::router(hls::Hls {
        hub: engine.hub.clone(),
        muxers: engine.muxers.clone(),
        sessions: engine.sessions.clone(),
        global: engine.settings.watch_global(),
    });
    health::router("hls", &[]).merge(routes)
}

fn whep_router(engine: &Engine, loaded: &Loaded) -> Router {
    let hls_port = loaded.config.listen.hls.port();
    let routes = whep::router(whep::Whep { hub: engine.hub.clone(), engine: engine.webrtc.clone(), hls_port });
    health::router("webrtc", &[]).merge(routes)
}

fn control_state(engine: &Engine) -> control::State {
    control::State {
        settings: engine.settings.clone(),
        hub: engine.hub.clone(),
        servers: servers(engine),
        policy: engine.policy.clone(),
        started: engine.started,
    }
}

fn servers(engine: &Engine) -> control::Servers {
    control::Servers {
        rtsp: Some(engine.rtsp.clone()),
        webrtc: Some(Arc::new(engine.webrtc.clone())),
        hls: Some(Arc::new(engine.muxers.clone())),
        hls_sessions: Some(engine.sessions.clone()),
    }
}

fn web_router(engine: &Engine, loaded: &Loaded) -> Router {
    let listen = &loaded.config.listen;
    let ports =
        api::Ports { rtsp: listen.rtsp.port(), hls: Some(listen.hls.port()), webrtc: Some(listen.webrtc.port()) };
    let state = platform::State {
        hub: engine.hub.clone(),
        directory: engine.directory.clone(),
        policy: Arc::clone(engine.policy.operator()),
        ports,
        started: engine.started,
    };
    let wall = wall::router(wall::Wall { engine: engine.webrtc.clone(), policy: Arc::clone(engine.policy.operator()) });
    let live = platform::live(hls_router(engine), whep_router(engine, loaded));
    platform::router(state, wall.merge(live))
}

async fn serve(face: &'static str, listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = api::request_id::layered(router);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(face, %error, "a face has ended");
    }
}
