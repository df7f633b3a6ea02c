//! A WebRTC client made of str0m: it views, asks for keyframes, and talks on the data channel of a wall.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::Value;
use str0m::{
    Candidate, Event, Input, Output, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::ChannelId,
    format::Codec,
    media::{Direction, KeyframeRequestKind, MediaKind, Mid},
    net::{Protocol, Receive},
};
use tokio::{
    net::UdpSocket,
    time::{sleep_until, timeout},
};

use media::webrtc::Credentials;

use super::world::Picture;

/// The longest a viewer waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a viewer has seen of one track.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) pictures: Vec<Picture>,
    /// Frames that were not what was published.
    pub(crate) torn: usize,
    /// Times a frame did not follow the one before.
    pub(crate) breaks: usize,
    /// The frames of H.265, with start codes.
    pub(crate) h265: Vec<Vec<u8>>,
}

/// One client connection.
pub(crate) struct Viewer {
    rtc: Box<Rtc>,
    socket: UdpSocket,
    address: SocketAddr,
    pending: Option<SdpPendingOffer>,
    pub(crate) mids: Vec<Mid>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) connected: bool,
    channel: Option<ChannelId>,
    channel_open: bool,
    pub(crate) heard: VecDeque<Value>,
}

impl Viewer {
    /// A client that wants `tracks` videos, with the data channel of a wall where there is to be one.
    pub(crate) async fn new(tracks: usize, ctl: bool) -> (Self, String) {
        Self::of((true, false), tracks, ctl).await
    }

    /// A client that takes H.264 and H.265 or only one of them.
    pub(crate) async fn of((h264, h265): (bool, bool), tracks: usize, ctl: bool) -> (Self, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let codecs = Rtc::builder().clear_codecs().enable_h264(h264).enable_h265(h265).enable_opus(true, false);
        let mut rtc = Box::new(codecs.build(Instant::now()));
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let mut add = || api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let mids: Vec<Mid> = (0..tracks).map(|_| add()).collect();
        let channel = ctl.then(|| api.add_channel("ctl".into()));
        let (offer, pending) = api.apply().unwrap();
        let seen = vec![Seen::default(); tracks];
        let viewer = Self {
            rtc,
            socket,
            address,
            pending: Some(pending),
            mids,
            seen,
            connected: false,
            channel,
            channel_open: false,
            heard: VecDeque::new(),
        };
        (viewer, SdpOffer::to_sdp_string(&offer))
    }

    pub(crate) fn answered(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending.take().unwrap(), answer).unwrap();
    }

    /// New ICE credentials of this client, with which a restart is asked for.
    pub(crate) fn restart(&mut self) -> Credentials {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pending = Some(pending);
        Credentials::of_fragment(&offer.to_sdp_string()).unwrap()
    }

    /// Runs until something holds; fails when that takes too long.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "not in time: {what}; heard {:?}", self.heard);
            self.step(end).await;
        }
    }

    /// Runs for a while.
    pub(crate) async fn run(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step(end).await;
        }
    }

    /// Says that the picture of a track was lost.
    pub(crate) fn ask_for_keyframe(&mut self, track: usize) {
        let mut api = self.rtc.direct_api();
        api.stream_rx_by_mid(self.mids[track], None).unwrap().request_keyframe(KeyframeRequestKind::Pli);
    }

    /// Says something to the wall.
    pub(crate) async fn say(&mut self, message: Value) {
        self.until("the data channel", |viewer| viewer.channel_open).await;
        let mut channel = self.rtc.channel(self.channel.unwrap()).unwrap();
        assert!(channel.write(false, message.to_string().as_bytes()).unwrap());
    }

    /// The newest message of this type about a slot.
    pub(crate) fn last(&self, kind: &str, slot: usize) -> Option<&Value> {
        self.heard.iter().rev().find(|message| message["t"] == kind && message["slot"] == slot)
    }

    pub(crate) fn phase(&self, slot: usize) -> Option<&str> {
        self.last("state", slot)?["phase"].as_str()
    }

    async fn step(&mut self, end: Instant) {
        let now = Instant::now();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        let next = loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => break at,
                Output::Transmit(out) => {
                    let _ = self.socket.send_to(&out.contents, out.destination).await;
                }
                Output::Event(event) => self.event(event),
            }
        };
        let next = next.min(end).max(now + Duration::from_millis(1));
        let mut datagram = [0; 2048];
        tokio::select! {
            received = self.socket.recv_from(&mut datagram) => {
                if let Ok((size, from)) = received {
                    self.receive(from, &datagram[..size]);
                }
            }
            () = sleep_until(next.into()) => {}
        }
    }

    fn receive(&mut self, from: SocketAddr, datagram: &[u8]) {
        if let Ok(received) = Receive::new(Protocol::Udp, from, self.address, datagram) {
            self.rtc.handle_input(Input::Receive(Instant::now(), received)).unwrap();
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open")]
    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::ChannelOpen(..) => self.channel_open = true,
            Event::ChannelData(data) => match serde_json::from_slice(&data.data).unwrap() {
                Value::Array(batch) => self.heard.extend(batch),
                one => self.heard.push_back(one),
            },
            Event::MediaData(data) => {
                let track = self.mids.iter().position(|mid| *mid == data.mid).unwrap();
                let seen = &mut self.seen[track];
                seen.breaks += usize::from(!data.contiguous);
                if data.params.spec().codec == Codec::H265 {
                    seen.h265.push(data.data.to_vec());
                    return;
                }
                match Picture::read(&data.data) {
                    Some(picture) => seen.pictures.push(picture),
                    None => seen.torn += 1,
                }
            }
            _ => {}
        }
    }
}

/// Waits, outside of any viewer, until something holds.
pub(crate) async fn wait_for(what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let waited = timeout(limit, async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while !holds() {
            looks.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "not within {limit:?}: {what}");
}
