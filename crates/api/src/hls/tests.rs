use super::*;

#[test]
fn a_url_is_told_by_its_end() {
    let path = |name| PathName::new(name).unwrap();
    for (rest, want) in [
        ("a/index.m3u8", Some(Target::File(path("a"), "index.m3u8".into()))),
        ("a/b/part_1_2.mp4", Some(Target::File(path("a/b"), "part_1_2.mp4".into()))),
        ("a/b/", Some(Target::Page(page::Target::Page))),
        ("a/player.js", Some(Target::Script)),
        ("a.mp4", Some(Target::Page(page::Target::WithoutSlash("a.mp4".into())))),
        ("../index.m3u8", None),
        ("a//index.m3u8", None),
    ] {
        assert_eq!(Target::of(rest), want, "{rest}");
    }
}

#[test]
fn a_range_is_read_as_the_rfc_says() {
    let part = |start, end| Range::Part { start, end };
    for (asked, want) in [
        ("bytes=0-3", part(0, 4)),
        ("bytes=4-", part(4, 10)),
        ("bytes=-3", part(7, 10)),
        ("bytes=-30", part(0, 10)),
        ("bytes=8-99", part(8, 10)),
        ("bytes=10-", Range::Outside),
        ("bytes=10-12", Range::Outside),
        ("bytes=-0", Range::Outside),
        ("bytes=5-2", Range::Whole),
        ("bytes=0-1,3-4", Range::Whole),
        ("lines=0-1", Range::Whole),
        ("bytes=99999999999999999999-", Range::Whole),
    ] {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(asked))]);
        assert_eq!(range(&headers, 10), want, "{asked}");
    }
    assert_eq!(range(&HeaderMap::new(), 10), Range::Whole);
}

#[test]
fn a_token_of_the_query_stands_in_every_uri() {
    let text = "#EXTM3U\n#EXT-X-MAP:URI=\"init_0.mp4\"\n#EXT-X-PART:DURATION=0.2,URI=\"part_1_0.mp4\",INDEPENDENT=YES\nseg_1.mp4\n";
    let want = "#EXTM3U\n#EXT-X-MAP:URI=\"init_0.mp4?token=a\"\n\
        #EXT-X-PART:DURATION=0.2,URI=\"part_1_0.mp4?token=a\",INDEPENDENT=YES\nseg_1.mp4?token=a\n";
    assert_eq!(with_query(text, "token=a"), want);
    assert_eq!(token("_HLS_msn=1&token=a"), Some("token=a"));
    assert_eq!((token("a=b"), token("token=a\"b")), (None, None));
}

mod served {
    //! A clip that ffmpeg makes is published frame by frame and read back by clients over HTTP.

    use std::{
        net::SocketAddr,
        num::NonZeroU32,
        process::Stdio,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    };

    use axum::{Router, body::to_bytes, extract::ConnectInfo, http::Request};
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    use domain::{Camera, CameraId, Secret, SessionId, WallTime};
    use futures_util::future::BoxFuture;
    use media::{
        admission::{Admission, Permit, TokenPolicy},
        catalogue::Catalogue,
        config,
        hub::{Publisher, PublisherKind},
        source::{Connector, Source},
    };
    use media_proto::{AccessUnit, Codec, MediaTime, Payload, Track, TrackId, h264, unit::Head};
    use tokio::{net::TcpListener, process::Command, sync::watch, task::JoinSet, time::timeout};
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;
    use uuid::Uuid;

    use super::*;
    use crate::platform;

    const PICTURE: Duration = Duration::from_millis(40);
    const RATE: NonZeroU32 = NonZeroU32::new(90_000).unwrap();

    #[derive(Debug)]
    struct NoCameras;

    impl Catalogue for NoCameras {
        fn camera(&self, _: CameraId) -> Option<Camera> {
            None
        }

        fn cameras(&self) -> Vec<Camera> {
            vec![]
        }
    }

    impl Connector for NoCameras {
        fn connect(&self, _: &config::Source) -> Option<Box<dyn Source>> {
            None
        }
    }

    /// The pictures of a clip of four seconds with B-frames and a keyframe each second, in decoding order.
    async fn clip() -> Vec<Vec<Bytes>> {
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", "4", "-c:v", "libx264"])
            .args([
                "-preset",
                "veryfast",
                "-g",
                "25",
                "-bf",
                "2",
                "-x264-params",
                "aud=1:scenecut=0:open-gop=0:b-adapt=0",
            ])
            .args(["-f", "h264", "-"])
            .output()
            .await
            .unwrap();
        assert!(made.status.success());
        let mut pictures: Vec<Vec<Bytes>> = Vec::new();
        for nal in h264::annex_b(&Bytes::from(made.stdout)) {
            if nal[0] & 31 == 9 {
                pictures.push(Vec::new());
            }
            pictures.last_mut().unwrap().push(nal);
        }
        assert_eq!(pictures.len(), 100);
        pictures
    }

    /// Where each picture of a GOP of 25 with two B-frames is shown: x264 sends `I P B B P B B …`.
    fn shown_at(coded: i64) -> i64 {
        match coded % 25 {
            0 => coded,
            place if place % 3 == 1 => (coded + 2).min(coded - place + 24),
            _ => coded - 1,
        }
    }

    async fn publish(publisher: Publisher, pictures: Vec<Vec<Bytes>>) {
        let mut tick = tokio::time::interval(PICTURE);
        for (count, nals) in (0i64..).zip(pictures.iter().cycle()) {
            tick.tick().await;
            let head = Head {
                track: TrackId(0),
                pts: MediaTime::new(shown_at(count) * 3600, RATE),
                wall: WallTime::from_unix_us(1_700_000_000_000_000 + count * 40_000),
                arrived: Instant::now(),
                keyframe: nals.iter().any(|nal| nal[0] & 31 == 5),
                discontinuity: false,
            };
            publisher.push(AccessUnit::new(head, Payload::Frames(nals.as_slice().into())));
        }
    }

    /// Lets in by token as long as it is open.
    struct Door {
        policy: Arc<TokenPolicy>,
        shut: AtomicBool,
    }

    impl Admission for Door {
        fn admit<'a>(&'a self, request: media::admission::Request<'a>) -> BoxFuture<'a, Result<Permit, media::Error>> {
            if self.shut.load(Ordering::Relaxed) {
                return Box::pin(std::future::ready(Err(media::Error::Forbidden)));
            }
            self.policy.admit(request)
        }
    }

    struct Server {
        router: Router,
        hub: Hub,
        door: Arc<Door>,
        policy: Arc<TokenPolicy>,
        sessions: Sessions,
        address: SocketAddr,
        tasks: JoinSet<()>,
    }

    fn global() -> Global {
        Global { hls_cdn_secret: Secret::new("cdn".into()), ..Global::default() }
    }

    async fn start() -> Server {
        let policy = Arc::new(TokenPolicy::new(Secret::new("right".into()), true));
        let door = Arc::new(Door { policy: policy.clone(), shut: AtomicBool::new(false) });
        let hub = Hub::new(door.clone(), Arc::new(NoCameras));
        hub.apply(config::Paths { all_others: Some(Arc::default()), ..config::Paths::default() });
        let pictures = clip().await;
        let set = |kind: u8| pictures[0].iter().find(|nal| nal[0] & 31 == kind).unwrap().clone();
        let codec = Codec::H264 { sps: set(7), pps: set(8) };
        let track = Track { id: TrackId(0), codec, clock_rate: RATE, payload_type: 96 };
        let permit = Permit::new("test".into(), ());
        let id = SessionId::from_uuid(Uuid::new_v4());
        let path = PathName::new("yard/gate").unwrap();
        let publisher = hub.publish(&path, permit, PublisherKind::RtspSession, id, &[track]).unwrap();
        let muxers =
            Muxers::new(watch::channel(Arc::default()).1, hub.clone(), Arc::new(NoCameras), CancellationToken::new());
        let (sessions, global) = (Sessions::new(policy.token()), watch::channel(Arc::new(global())).1);
        let router = router(Hls { hub: hub.clone(), muxers, sessions: sessions.clone(), global });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = JoinSet::new();
        tasks.spawn(publish(publisher, pictures));
        tasks.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Server { router, hub, door, policy, sessions, address, tasks }
    }

    impl Server {
        /// The same streams below `/live/` of the dashboard's port.
        async fn under_the_dashboard(mut self) -> Self {
            let state = platform::State {
                hub: self.hub.clone(),
                directory: platform::tests::empty_directory().await,
                policy: self.policy.clone(),
                ports: crate::Ports { rtsp: 8554, hls: None, webrtc: None },
                started: WallTime::from_unix_us(0),
            };
            let whep = Router::new().route("/{*rest}", any(async || "whep"));
            self.router = platform::router(state, platform::live(self.router, whep));
            self
        }

        async fn send(&self, request: axum::http::request::Builder) -> (StatusCode, HeaderMap, Bytes) {
            let mut request: Request<Body> = request.body(Body::empty()).unwrap();
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))));
            let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            (parts.status, parts.headers, to_bytes(body, 1 << 24).await.unwrap())
        }

        async fn get(&self, uri: &str) -> (StatusCode, HeaderMap, Bytes) {
            self.send(Request::get(format!("/yard/gate/{uri}"))).await
        }

        async fn text(&self, uri: &str) -> String {
            let (status, _, body) = self.get(uri).await;
            assert_eq!(status, 200, "{uri}: {body:?}");
            String::from_utf8(body.into()).unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn viewers_get_playlists_and_media_by_the_rules_of_the_draft() {
        let server = start().await;
        let (status, headers, index) = server.get("index.m3u8").await;
        assert_eq!((status.as_u16(), &headers[header::CONTENT_TYPE]), (200, &HeaderValue::from_static(PLAYLIST)));
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(String::from_utf8_lossy(&index).contains("RESOLUTION=320x240"), "{index:?}");

        let text = server.text("main_stream.m3u8").await;
        let hinted = text.split("TYPE=PART,URI=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let asked = Instant::now();
        let (status, headers, part) = server.get(&hinted).await;
        assert_eq!(status, 200, "a hinted part is waited for");
        assert!(asked.elapsed() < Duration::from_secs(3) && headers[header::CACHE_CONTROL] != "no-cache");

        let whole = part.len();
        let ranged = server.send(Request::get(format!("/yard/gate/{hinted}")).header("range", "bytes=0-3")).await;
        assert_eq!((ranged.0.as_u16(), ranged.2.len()), (206, 4));
        assert_eq!(ranged.1[header::CONTENT_RANGE], format!("bytes 0-3/{whole}"));
        let outside =
            server.send(Request::get(format!("/yard/gate/{hinted}")).header("range", "bytes=99999999-")).await;
        assert_eq!(outside.0, 416);

        for (uri, want) in [
            ("main_stream.m3u8?_HLS_part=1", 400),
            ("main_stream.m3u8?_HLS_msn=99999999999", 400),
            ("main_stream.m3u8?_HLS_msn=x", 400),
            ("main_stream.m3u8?_HLS_msn=0&_HLS_part=0", 200),
            ("part_9_99999.mp4", 404),
            ("index.m3u8?token=wrong", 401),
            ("index.m3u8?token=right", 200),
        ] {
            assert_eq!(server.get(uri).await.0.as_u16(), want, "{uri}");
        }
        let packed = server.send(Request::get("/yard/gate/main_stream.m3u8").header("accept-encoding", "gzip")).await;
        assert_eq!(packed.1[header::CONTENT_ENCODING], "gzip");
        assert_eq!(server.send(Request::post("/yard/gate/index.m3u8")).await.0, 405);
        assert_eq!(server.send(Request::options("/yard/gate/index.m3u8")).await.0, 204);
        let (status, headers, _) = server.send(Request::get("/yard/gate")).await;
        assert_eq!((status.as_u16(), &headers[header::LOCATION]), (302, &HeaderValue::from_static("gate/")));
        assert!(server.text("").await.contains("player.js"));
        assert_eq!(server.send(Request::get("/other/index.m3u8")).await.0, 404);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_playlist_of_a_path_that_is_deleted_ends() {
        let server = start().await;
        let text = server.text("index.m3u8").await;
        assert!(!text.contains("ENDLIST"), "{text}");
        let live = server.text("main_stream.m3u8").await;
        let open = live.split("URI=\"part_").last().unwrap().split('_').next().unwrap().parse::<u64>().unwrap();
        let waits = format!("main_stream.m3u8?_HLS_msn={}&_HLS_skip=YES", open + 1);
        let (ended, ()) = tokio::join!(server.text(&waits), async { server.hub.apply(config::Paths::default()) });
        assert!(ended.ends_with("#EXT-X-ENDLIST\n") && !ended.contains("PRELOAD-HINT"), "{ended}");
        let again = server.text("main_stream.m3u8?_HLS_msn=99999999999&_HLS_part=3").await;
        assert_eq!(again, ended, "directives count no longer");
        let last = ended.lines().rfind(|line| line.starts_with("seg_")).unwrap();
        assert_eq!(server.get(last).await.0, 200);
        assert_eq!(server.get("index.m3u8").await.0, 404, "who comes now finds nothing");
        server.hub.apply(config::Paths { all_others: Some(Arc::default()), ..config::Paths::default() });
        let (_, _, refused) = server.get("index.m3u8").await;
        assert!(String::from_utf8_lossy(&refused).contains("NO_STREAM"), "a path that is there again begins anew");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_dashboard_serves_the_same_streams_to_who_may_use_it() {
        let server = start().await.under_the_dashboard().await;
        let cookie = format!("cctv_token={}", BASE64_URL_SAFE_NO_PAD.encode("right"));
        let elsewhere = |uri: &str| Request::get(format!("/live/{uri}")).header("x-forwarded-for", "10.0.0.1");
        for (uri, want) in [("yard/gate/main_stream.m3u8", 200), ("yard%2Fgate/main_stream.m3u8", 200)] {
            assert_eq!(server.send(elsewhere(uri)).await.0, 401, "{uri}");
            let (status, _, body) = server.send(elsewhere(uri).header("cookie", &cookie)).await;
            assert_eq!(status.as_u16(), want, "{uri}");
            let text = String::from_utf8_lossy(&body);
            let map = text.split("MAP:URI=\"").nth(1).unwrap().split('"').next().unwrap();
            let (status, headers, media) =
                server.send(elsewhere(&format!("yard/gate/{map}")).header("cookie", &cookie)).await;
            assert!(status == 200 && headers[header::CONTENT_TYPE] == "video/mp4" && !media.is_empty());
        }
        let foreign = || elsewhere("yard/gate/index.m3u8").header("origin", "http://evil.example");
        assert_eq!(server.send(foreign()).await.0, 401);
        for (method, uri, want) in [
            (Method::GET, "yard/gate/index.m3u8", 200),
            (Method::HEAD, "yard/gate/index.m3u8", 200),
            (Method::POST, "yard/gate/index.m3u8", 405),
            (Method::POST, "yard/gate/whep", 200),
            (Method::GET, "yard/gate/", 200),
            (Method::GET, "other/index.m3u8", 404),
            (Method::GET, "", 404),
        ] {
            let answer = server.send(Request::builder().method(&method).uri(format!("/live/{uri}"))).await;
            assert_eq!(answer.0.as_u16(), want, "{method} {uri}");
        }
        let preflight = Request::options("/live/yard/gate/index.m3u8").header("x-forwarded-for", "10.0.0.1");
        assert_eq!(server.send(preflight.header("origin", "http://evil.example")).await.0, 204);
        let (status, headers, _) = server.send(Request::get("/live/yard/gate")).await;
        assert_eq!((status.as_u16(), &headers[header::LOCATION]), (302, &HeaderValue::from_static("gate/")));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn parts_keep_their_target_and_each_reload_waits_for_the_next() {
        let server = start().await;
        let mut text = server.text("main_stream.m3u8").await;
        let begun = Instant::now();
        let mut reloads = 0;
        while begun.elapsed() < Duration::from_secs(3) {
            let target: f64 = text.split("PART-TARGET=").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("#EXT-X-PART:")) {
                let duration: f64 = line.split("DURATION=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
                let last = lines.get(at + 1).is_none_or(|next| !next.starts_with("#EXT-X-PART:"));
                assert!(
                    duration <= target + 1e-6 && (last || duration >= 0.85 * target),
                    "{duration} of {target}\n{text}"
                );
            }
            let hint = text.split("TYPE=PART,URI=\"part_").nth(1).unwrap().split(".mp4").next().unwrap();
            let (msn, part) = hint.rsplit_once('_').unwrap();
            let msn = msn.rsplit('_').next().unwrap();
            text = server.text(&format!("main_stream.m3u8?_HLS_msn={msn}&_HLS_part={part}")).await;
            reloads += 1;
        }
        assert!((9..=24).contains(&reloads), "{reloads} parts of 200 ms in three seconds");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn ffmpeg_decodes_it_without_a_complaint() {
        let server = start().await;
        for query in ["", "?token=right"] {
            decode(&server, query).await;
        }
        let listed = server.sessions.list();
        let counted = listed.iter().filter(|s| s.user_agent.starts_with("Lavf") && s.outbound_bytes > 1_000);
        assert_eq!(counted.count(), 2, "{listed:?}");
        drop(server.tasks);
    }

    async fn decode(server: &Server, query: &str) {
        let mut ffmpeg = Command::new("ffmpeg");
        let url = format!("http://{}/yard/gate/index.m3u8{query}", server.address);
        ffmpeg.args(["-v", "error", "-i", &url, "-t", "4", "-progress", "-", "-f", "null", "/dev/null"]);
        ffmpeg.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(Duration::from_secs(45), ffmpeg.output()).await.unwrap().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && complaints.is_empty(), "{complaints}");
        let frames = String::from_utf8_lossy(&output.stdout);
        let frames: u32 =
            frames.lines().filter_map(|line| line.strip_prefix("frame=")).next_back().unwrap().trim().parse().unwrap();
        assert!(frames >= 99, "{frames} pictures in four seconds");
    }

    fn remote(uri: &str) -> axum::http::request::Builder {
        Request::get(uri).header("x-forwarded-for", "10.0.0.1").header("user-agent", "a player")
    }

    fn cookies(headers: &HeaderMap) -> Vec<String> {
        let lines = headers.get_all(header::SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned());
        lines.collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_lets_a_viewer_go_on_from_any_address_until_it_is_ended() {
        let server = start().await;
        let admitted = remote("/yard/gate/index.m3u8").header("authorization", "Bearer right");
        let (status, headers, _) = server.send(admitted).await;
        let set = cookies(&headers);
        assert!(status == 200 && set.len() == 1 && set[0].contains("; Path=/yard/gate/; "), "{status} {set:?}");
        assert!(server.sessions.list().is_empty(), "a session counts from its first use");
        let cookie = set[0].split(';').next().unwrap();
        let media = |shown: &str| remote("/yard/gate/main_stream.m3u8").header("cookie", shown);
        let (status, headers, shared) = server.send(media(cookie)).await;
        assert!(status == 200 && cookies(&headers).is_empty());
        let (_, _, local) = server.get("main_stream.m3u8?_HLS_msn=0").await;
        assert!(!String::from_utf8_lossy(&shared).contains('~') && !local.is_empty());
        let [session] =
            &server.sessions.list().into_iter().filter(|s| s.user_agent == "a player").collect::<Vec<_>>()[..]
        else {
            panic!("one session of the player")
        };
        assert_eq!((session.path.as_str(), session.user.as_str(), session.is_cdn), ("yard/gate", "operator", false));
        assert_eq!(session.outbound_bytes, shared.len() as u64);
        for wrong in [&format!("{cookie}x"), "cctv_hls=", "cctv_hls=a.b.c", ""] {
            assert_eq!(server.send(media(wrong)).await.0, 401, "{wrong}");
        }
        let elsewhere = remote("/other/main_stream.m3u8").header("cookie", cookie);
        assert_eq!(server.send(elsewhere).await.0, 401, "it is good for its own path");
        let again = Sessions::new(server.policy.token());
        let path = PathName::new("yard/gate").unwrap();
        let token = cookie.split_once('=').unwrap().1;
        assert!(matches!(again.shown(token, &path), Shown::Good { .. }), "it outlives the program");
        assert!(server.sessions.kick(session.id).await && !server.sessions.kick(session.id).await);
        assert_eq!(server.send(media(cookie)).await.0, 401);
        assert!(server.sessions.list().iter().all(|listed| listed.id != session.id));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_is_judged_anew_when_rights_change_by_what_its_viewer_showed() {
        let server = start().await;
        let (_, headers, _) =
            server.send(remote("/yard/gate/index.m3u8").header("authorization", "Bearer right")).await;
        let cookie = cookies(&headers)[0].split(';').next().unwrap().to_owned();
        let media = async || server.send(remote("/yard/gate/main_stream.m3u8").header("cookie", &cookie)).await.0;
        assert_eq!(media().await, 200);
        server.sessions.rights_changed().await;
        assert_eq!(media().await, 200, "the token that was shown in the beginning is still right");
        server.door.shut.store(true, Ordering::Relaxed);
        assert_eq!(media().await, 200, "nobody is asked again without a change");
        server.sessions.rights_changed().await;
        assert_eq!(media().await, 401);
        server.door.shut.store(false, Ordering::Relaxed);
        assert_eq!(media().await, 401, "it stays ended");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_in_the_query_becomes_a_session_in_the_urls_of_alike_playlists() {
        let server = start().await;
        let (status, headers, index) = server.send(remote("/yard/gate/index.m3u8?token=right")).await;
        assert!(status == 200 && cookies(&headers).is_empty() && headers[header::CACHE_CONTROL] == PERSONAL);
        let text = String::from_utf8(index.into()).unwrap();
        let uri = text.lines().find(|line| !line.starts_with('#')).unwrap();
        assert!(!text.contains("right") && uri.starts_with("../../~") && uri.ends_with("/yard/gate/main_stream.m3u8"));
        let below = uri.trim_start_matches("../..");
        let (status, _, personal) = server.send(remote(below)).await;
        assert_eq!(status, 200);
        let personal = String::from_utf8(personal.into()).unwrap();
        assert!(personal.contains("#EXT-X-PART") && !personal.contains('?') && !personal.contains('~'), "{personal}");
        let map = personal.split("MAP:URI=\"").nth(1).unwrap().split('"').next().unwrap();
        let media = below.replace("main_stream.m3u8", map);
        assert_eq!(server.send(remote(&media)).await.0, 200);
        assert_eq!(server.send(remote(&media.replace("yard/gate", "yard/other"))).await.0, 401);
        assert_eq!(server.send(remote("/~x/yard/gate/main_stream.m3u8")).await.0, 401);
        assert_eq!(server.sessions.list().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_distribution_network_shows_its_secret_and_keeps_media_for_all() {
        let server = start().await;
        let cdn = |uri: &str| remote(uri).header("authorization", "Bearer cdn");
        let (status, headers, text) = server.send(cdn("/yard/gate/main_stream.m3u8")).await;
        assert!(status == 200 && cookies(&headers).is_empty());
        let text = String::from_utf8(text.into()).unwrap();
        let map = text.split("MAP:URI=\"").nth(1).unwrap().split('"').next().unwrap();
        let (_, headers, _) = server.send(cdn(&format!("/yard/gate/{map}"))).await;
        assert_eq!(headers[header::CACHE_CONTROL], CACHED_BY_ALL);
        let listed = server.sessions.list();
        assert!(listed.len() == 1 && listed[0].is_cdn, "{listed:?}");
    }

    #[test]
    fn uris_of_other_paths_climb_to_the_root_before_the_session() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nmain.m3u8\n../../a/sub/main.m3u8\n";
        let want = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n../../~S/a/main/main.m3u8\n../../~S/a/sub/main.m3u8\n";
        assert_eq!(below_session(text, "a/main", "S"), want);
    }
}
