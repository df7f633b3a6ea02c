use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpStream},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use domain::{PathName, SessionId, WallTime};
use media_proto::{AccessUnit, Codec, MediaTime, Payload, RtpPacket, Track, TrackId, rtsp::server::Lane, unit::Head};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    Stream,
    rtsp::{
        registry::{About, ListedConnection, ListedSession, Registry},
        udp::Sockets,
        writer::Writer,
    },
    stream::{Backlog, Join},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Other;

impl Observer for Other {
    fn pushed(&self, _: usize) {}
}

/// A client that plays, over a connection whose buffers hold little.
struct Playing {
    stream: Stream,
    client: TcpStream,
    /// The beginning of a packet that has not come whole.
    unread: Vec<u8>,
    delivery: Arc<Delivery>,
    pushed: u8,
    _listed: (ListedConnection, ListedSession),
}

impl Playing {
    async fn new(write_timeout: Duration) -> Self {
        let (client, writer, remote) = connect().await;
        let registry = Arc::new(Registry::default());
        let connection = registry.connect(remote, 1).unwrap();
        let path = PathName::new("cam").unwrap();
        let about = About { path, query: String::new(), user: String::new(), user_agent: String::new() };
        let id = SessionId::from_uuid(uuid::Uuid::new_v4());
        let session = registry.begin(&connection.entry, id, about, CancellationToken::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let to = Client {
            session: Arc::clone(&session.entry),
            connection: Arc::clone(&connection.entry),
            writer: Arc::new(writer),
            sockets: Arc::new(Sockets::bind(any, any).unwrap()),
            write_timeout,
        };
        let stream = Stream::new(Instant::now());
        stream.describe(&[track()]);
        let delivery = Arc::new(Delivery::new(stream.description(), to));
        delivery.add(Outgoing::new(track(), Lane::Tcp { rtp: 0, rtcp: 1 }, remote.ip()));
        Self { stream, client, unread: Vec::new(), delivery, pushed: 0, _listed: (connection, session) }
    }

    fn observe(&self) {
        let observer: Arc<dyn Observer> = Arc::<Delivery>::clone(&self.delivery);
        self.stream.observe(Arc::downgrade(&observer));
    }

    fn play(&self) {
        let subscription = self.stream.subscribe(Join::NewestKeyframe, Backlog::Live);
        self.delivery.play(subscription, Clock::starting(self.stream.origin(), Instant::now()));
    }

    /// Pushes a unit whose bytes are its number.
    fn push(&mut self, bytes: usize) {
        let head = Head {
            track: TrackId(0),
            pts: MediaTime::new(i64::from(self.pushed) * 3600, rate()),
            wall: WallTime::from_unix_us(0),
            arrived: Instant::now(),
            keyframe: self.pushed == 0,
            discontinuity: false,
        };
        let packet = RtpPacket { marker: true, payload: Bytes::from(vec![self.pushed; bytes]) };
        let payload = Payload::Rtp(Arc::from([packet]));
        self.stream.push(AccessUnit::new(head, payload));
        self.pushed = self.pushed.wrapping_add(1);
    }

    /// The numbers of the packets of RTP that have come.
    fn received(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.unread);
        match self.client.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let (mut rest, mut numbers) = (&bytes[..], Vec::new());
        while let [b'$', channel, high, low, packet @ ..] = rest {
            let Some((packet, next)) = packet.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))) else {
                break;
            };
            if *channel == 0 {
                numbers.push(*packet.last().unwrap());
            }
            rest = next;
        }
        self.unread = rest.to_vec();
        numbers
    }
}

fn rate() -> NonZeroU32 {
    NonZeroU32::new(90_000).unwrap()
}

fn track() -> Track {
    let codec = Codec::H264 { sps: Bytes::from_static(&[0x67]), pps: Bytes::from_static(&[0x68]) };
    Track { id: TrackId(0), codec, clock_rate: rate(), payload_type: 96 }
}

async fn connect() -> (TcpStream, Writer, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let (server, remote) = listener.accept().await.unwrap();
    server.set_nodelay(true).unwrap();
    socket2::SockRef::from(&server).set_send_buffer_size(4 << 10).unwrap();
    socket2::SockRef::from(&client).set_recv_buffer_size(4 << 10).unwrap();
    let (_, half) = server.into_split();
    (client, Writer::new(half), remote)
}

/// Reads until `count` packets have come; their numbers.
async fn receive(playing: &mut Playing, count: usize) -> Vec<u8> {
    let mut numbers = Vec::new();
    let all = async {
        while numbers.len() < count {
            numbers.extend(playing.received());
            yield_now().await;
        }
    };
    timeout(10 * SECOND, all).await.unwrap();
    numbers
}

#[tokio::test]
async fn a_client_that_keeps_up_is_served_by_the_push_itself() {
    let mut playing = Playing::new(10 * SECOND).await;
    playing.observe();
    playing.play();
    playing.push(100);
    assert!(playing.received().is_empty(), "sent before the reply to PLAY");
    let delivery = Arc::clone(&playing.delivery);
    let task = tokio::spawn(async move { delivery.run().await });
    assert_eq!(receive(&mut playing, 1).await, [0]);
    for number in 1..10 {
        playing.push(100);
        // No task had a turn in between.
        assert_eq!(playing.received(), [number]);
    }
    playing.stream.end();
    let ending = timeout(10 * SECOND, task).await.unwrap().unwrap();
    assert!(matches!(ending, Ending::Wanted("the stream ended")), "{ending:?}");
}

#[tokio::test]
async fn a_client_behind_many_others_is_served_by_its_own_task() {
    let mut playing = Playing::new(10 * SECOND).await;
    let others: Vec<Arc<dyn Observer>> = (0..SERVED_BY_PUSHER).map(|_| Arc::new(Other) as Arc<dyn Observer>).collect();
    for other in &others {
        playing.stream.observe(Arc::downgrade(other));
    }
    playing.observe();
    playing.play();
    let delivery = Arc::clone(&playing.delivery);
    let task = tokio::spawn(async move { delivery.run().await });
    for number in 0..10 {
        playing.push(100);
        assert!(playing.received().is_empty());
        assert_eq!(receive(&mut playing, 1).await, [number]);
    }
    task.abort();
}

#[tokio::test]
async fn a_client_that_is_full_for_a_while_gets_every_unit_in_order() {
    let mut playing = Playing::new(10 * SECOND).await;
    playing.observe();
    playing.play();
    let delivery = Arc::clone(&playing.delivery);
    let task = tokio::spawn(async move { delivery.run().await });
    for _ in 0..200 {
        playing.push(1000);
        yield_now().await;
    }
    assert!(!task.is_finished());
    let want: Vec<u8> = (0..200).collect();
    assert_eq!(receive(&mut playing, 200).await, want);
    task.abort();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up_after_the_time_for_one_unit() {
    let mut playing = Playing::new(SECOND / 10).await;
    playing.observe();
    playing.play();
    for _ in 0..200 {
        playing.push(1000);
    }
    let ending = timeout(10 * SECOND, playing.delivery.run()).await.unwrap();
    assert!(matches!(&ending, Ending::Fault(why) if why.starts_with("the client took nothing")), "{ending:?}");
}

#[tokio::test]
async fn a_client_that_is_gone_ends_its_session_though_the_push_meets_the_error() {
    let mut playing = Playing::new(10 * SECOND).await;
    playing.observe();
    playing.play();
    let delivery = Arc::clone(&playing.delivery);
    let task = tokio::spawn(async move { delivery.run().await });
    playing.push(100);
    receive(&mut playing, 1).await;
    playing.client.shutdown(std::net::Shutdown::Both).unwrap();
    let pushes = async {
        while !task.is_finished() {
            playing.push(100);
            yield_now().await;
        }
    };
    timeout(10 * SECOND, pushes).await.unwrap();
    let ending = task.await.unwrap();
    assert!(matches!(ending, Ending::Wanted("the client broke the connection off")), "{ending:?}");
}
