//! A WHIP session (RFC 9725): one peer that publishes pictures and sound to a path.
//!
//! What comes is treated like an RTSP publisher's packets over UDP: put in order, grouped, put on the stream's clock. The
//! path is taken over once the connection stands, so an offer that nobody follows up replaces no publisher. Encoders of
//! browsers send keyframes only when asked: one is asked for when a picture was lost, when a reader wants one, and when
//! none came for a while.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::{BufMut, Bytes, BytesMut};
use domain::{PathName, WallTime};
use media_proto::{
    Track, TrackId, TrackKind,
    ingest::Ingest,
    rtcp::{self, SenderReport},
    rtp,
};
use str0m::{media::Mid, rtp::RtpPacket};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{peer::Peer, session::wall_now};
use crate::{
    Error, Hub, Stream,
    admission::Permit,
    hub::{Publisher, PublisherKind},
};

/// A publisher is asked for a keyframe this often at most.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// A publisher that sent no keyframe for so long is asked for one: a GOP should not outgrow the ring.
const GOP_MAX: Duration = Duration::from_secs(4);
/// Wishes for keyframes that wait for the thread; a stream has at most one.
pub(super) const WISHES: usize = 256;
/// The name in the reports that are made of what the connection says of the publisher's clock.
const NAME: &str = "cctv";

/// The session as the media thread has it.
#[derive(Debug)]
pub(super) struct Whip {
    waiting: Option<(PathName, Permit)>,
    incoming: Vec<(Mid, Track)>,
    feed: Option<Feed>,
}

#[derive(Debug)]
struct Feed {
    publisher: Publisher,
    ingest: Ingest,
    watch: AbortHandle,
    /// Units in error that are counted in the stream already.
    errors: u64,
    torn: u64,
    asked: Option<Instant>,
    keyframe: Instant,
    /// The newest report of each track's clock.
    clocks: Vec<(TrackId, SystemTime)>,
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Whip {
    /// A session whose connection is being made.
    pub(super) fn new(path: PathName, permit: Permit, incoming: Vec<(Mid, Track)>) -> Self {
        Self { waiting: Some((path, permit)), incoming, feed: None }
    }

    /// Takes over the path. `wishes` hears of readers that want a keyframe.
    pub(super) fn connected(
        &mut self,
        key: u64,
        peer: &mut Peer,
        hub: &Hub,
        (tasks, wishes): (&mut JoinSet<()>, &mpsc::Sender<u64>),
        now: Instant,
    ) -> Result<(), Error> {
        let Some((path, permit)) = self.waiting.take() else {
            return Ok(());
        };
        let tracks: Vec<Track> = self.incoming.iter().map(|(_, track)| track.clone()).collect();
        let publisher = hub.publish(&path, permit, PublisherKind::WebRtcSession, peer.shared.meta.id, &tracks)?;
        let mut ingest = Ingest::new(&tracks, publisher.origin());
        for track in &tracks {
            ingest.reorder(track.id);
        }
        let watch = tasks.spawn(tell(publisher.stream().clone(), key, wishes.clone()));
        let (asked, clocks) = (None, Vec::new());
        self.feed = Some(Feed { publisher, ingest, watch, errors: 0, torn: 0, asked, keyframe: now, clocks });
        Ok(())
    }

    /// Takes a packet that came.
    pub(super) fn packet(&mut self, mid: Mid, packet: &RtpPacket, peer: &mut Peer, now: Instant) {
        let known = self.incoming.iter().find(|(known, _)| *known == mid);
        let (Some((_, track)), Some(feed)) = (known, &mut self.feed) else {
            return;
        };
        feed.note_clock(track.id, packet, now);
        // What cannot be understood is counted.
        let _ = feed.ingest.rtp(now, wall_now(), track.id, datagram(packet, track.payload_type));
        self.forward(peer, now);
    }

    /// When [`Self::expire`] has something to do.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.feed.as_ref()?.ingest.wake_at()
    }

    /// Gives up packets that do not come any more.
    pub(super) fn expire(&mut self, peer: &mut Peer, now: Instant) {
        if let Some(feed) = self.feed.as_mut().filter(|feed| feed.ingest.wake_at().is_some_and(|at| at <= now)) {
            feed.ingest.expire(now, wall_now());
            self.forward(peer, now);
        }
    }

    /// Asks for a keyframe, but not too often.
    pub(super) fn ask_for_keyframe(&mut self, peer: &mut Peer, now: Instant) {
        let recent = |asked: Instant| now.saturating_duration_since(asked) < ASK_EVERY;
        let Some(feed) = self.feed.as_mut().filter(|feed| !feed.asked.is_some_and(recent)) else {
            return;
        };
        feed.asked = Some(now);
        for (mid, _) in self.incoming.iter().filter(|(_, track)| track.kind() == TrackKind::Video) {
            peer.ask_for_keyframe(*mid);
        }
    }

    /// Time passes. Why the session must end, if so.
    pub(super) fn check(&mut self, peer: &mut Peer, now: Instant) -> Option<&'static str> {
        let revoked = self.waiting.as_ref().is_some_and(|(_, permit)| permit.is_revoked());
        let over = self.feed.as_ref().is_some_and(|feed| feed.publisher.is_over());
        if revoked || over {
            return Some("publishing has ended: another publisher took over, no picture came, or the right is gone");
        }
        if self.feed.as_ref().is_some_and(|feed| now.saturating_duration_since(feed.keyframe) >= GOP_MAX) {
            self.ask_for_keyframe(peer, now);
        }
        None
    }

    fn forward(&mut self, peer: &mut Peer, now: Instant) {
        let Some(feed) = &mut self.feed else {
            return;
        };
        if let Some(tracks) = feed.ingest.poll_tracks() {
            feed.publisher.describe(&tracks);
        }
        while let Some(unit) = feed.ingest.poll_unit() {
            if unit.head().keyframe {
                feed.keyframe = now;
            }
            feed.publisher.push(unit);
        }
        if feed.note_stats(peer) {
            self.ask_for_keyframe(peer, now);
        }
    }
}

impl Feed {
    /// Brings the numbers up to date. True when a picture was lost.
    fn note_stats(&mut self, peer: &Peer) -> bool {
        let stats = self.ingest.stats();
        peer.shared.inbound_rtp_packets.store(stats.packets, Ordering::Relaxed);
        peer.shared.inbound_rtp_packets_lost.store(stats.lost, Ordering::Relaxed);
        peer.shared.inbound_rtp_jitter.store(stats.jitter as u64, Ordering::Relaxed);
        let errors = stats.units_dropped + stats.in_error;
        let counters = self.publisher.stream().counters();
        counters.inbound_units_in_error.fetch_add(errors.saturating_sub(self.errors), Ordering::Relaxed);
        self.errors = errors;
        std::mem::replace(&mut self.torn, stats.units_dropped) < stats.units_dropped
    }

    /// Hands on what the publisher last said of its clock.
    fn note_clock(&mut self, track: TrackId, packet: &RtpPacket, now: Instant) {
        let Some(info) = packet.last_sender_info else {
            return;
        };
        let known = self.clocks.iter().any(|(known, at)| *known == track && *at == info.ntp_time);
        let since_epoch = info.ntp_time.duration_since(UNIX_EPOCH).ok();
        let Some(us) = since_epoch.and_then(|time| i64::try_from(time.as_micros()).ok()).filter(|_| !known) else {
            return;
        };
        self.clocks.retain(|(known, _)| *known != track);
        self.clocks.push((track, info.ntp_time));
        let report = SenderReport {
            ssrc: *info.ssrc,
            ntp: WallTime::from_unix_us(us).to_ntp(),
            // Modulo 2^32, as RTP timestamps are.
            rtp: info.rtp_time.numer() as u32,
            packets: info.sender_packet_count,
            bytes: info.sender_octet_count,
        };
        // It was just written, so it can be read.
        let _ = self.ingest.rtcp(now, wall_now(), track, &rtcp::sender_report(&report, NAME));
    }
}

/// The packet as it was on the wire before encryption, without extensions and under the payload type of its track.
fn datagram(packet: &RtpPacket, payload_type: u8) -> Bytes {
    let header = &packet.header;
    let head = rtp::header(payload_type, header.marker, header.sequence_number, header.timestamp, *header.ssrc);
    let mut datagram = BytesMut::with_capacity(head.len() + packet.payload.len());
    datagram.put_slice(&head);
    datagram.put_slice(&packet.payload);
    datagram.freeze()
}

/// Tells the thread when a reader wants a keyframe.
async fn tell(stream: Stream, key: u64, wishes: mpsc::Sender<u64>) {
    loop {
        stream.keyframe_wanted().await;
        if wishes.send(key).await.is_err() {
            return;
        }
    }
}
