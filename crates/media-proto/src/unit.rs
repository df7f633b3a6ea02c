//! The element of the ring: one access unit, shared by every reader, with its derived forms made once on first need.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Instant,
};

use bytes::{BufMut, Bytes, BytesMut};
use domain::WallTime;

use crate::track::TrackId;

/// A point on a track's own clock. Wall time is another type.
///
/// The origin is the moment the stream was first set up; the clock goes on without a jump when the source reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaTime {
    /// Ticks since the origin; may be negative.
    pub ticks: i64,
    /// Ticks per second.
    pub rate: NonZeroU32,
}

impl MediaTime {
    /// A point so many ticks after the origin.
    #[must_use]
    pub const fn new(ticks: i64, rate: NonZeroU32) -> Self {
        Self { ticks, rate }
    }

    /// Microseconds since the origin, rounded towards minus infinity.
    #[must_use]
    pub fn to_us(self) -> i64 {
        let us = (i128::from(self.ticks) * 1_000_000).div_euclid(i128::from(self.rate.get()));
        i64::try_from(us).unwrap_or(if us < 0 { i64::MIN } else { i64::MAX })
    }

    /// The point so many microseconds after the origin on a clock of `rate`, rounded to the nearest tick.
    #[must_use]
    pub fn from_us(us: i64, rate: NonZeroU32) -> Self {
        let ticks = (i128::from(us) * i128::from(rate.get()) + 500_000).div_euclid(1_000_000);
        Self { ticks: i64::try_from(ticks).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX }), rate }
    }

    /// This point in ticks of another clock with the same origin, rounded to the nearest tick.
    #[must_use]
    pub fn ticks_at(self, rate: NonZeroU32) -> i64 {
        if rate == self.rate {
            return self.ticks;
        }
        let own = i128::from(self.rate.get());
        let ticks = (i128::from(self.ticks) * i128::from(rate.get()) + own / 2).div_euclid(own);
        i64::try_from(ticks).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
    }
}

/// An RTP packet without what each sender writes anew (SSRC, sequence number, timestamp), RFC 3550 section 5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// The marker bit.
    pub marker: bool,
    /// The payload, without header, CSRCs, header extension and padding.
    pub payload: Bytes,
}

/// An RTP packet for WebRTC senders, which want its payload on its own and shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallPacket {
    /// The marker bit.
    pub marker: bool,
    /// The payload, shared by every viewer.
    pub payload: Arc<[u8]>,
}

/// How an access unit came.
#[derive(Clone, Debug)]
pub enum Payload {
    /// As RTP packets, forwarded unchanged to RTP readers. Never empty.
    Rtp(Arc<[RtpPacket]>),
    /// As NAL units (video, without start codes or lengths), or as one raw frame (audio, metadata): a source without RTP.
    Frames(Arc<[Bytes]>),
}

/// One access unit: a picture of a video track, one RTP timestamp's worth of audio, or one metadata document.
///
/// Cloning gives another handle to the same unit. A keyframe of H.264 or H.265 always carries its parameter sets.
#[derive(Clone, Debug)]
pub struct AccessUnit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    head: Head,
    payload: Payload,
    size: usize,
    refers_back: bool,
    frames: OnceLock<Arc<[Bytes]>>,
    length_prefixed: OnceLock<Bytes>,
    small_packets: OnceLock<Arc<[RtpPacket]>>,
    shared_packets: OnceLock<Arc<[SmallPacket]>>,
    packets: OnceLock<Arc<[RtpPacket]>>,
}

/// What is known of an access unit besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The track it belongs to.
    pub track: TrackId,
    /// When it is shown, on the track's clock, continuous across reconnects of the source.
    pub pts: MediaTime,
    /// When it was taken, by the sender's RTCP reports where they can be believed, else when it arrived.
    pub wall: WallTime,
    /// When its last byte arrived here.
    pub arrived: Instant,
    /// Decoding can start here: IDR for H.264; IDR, BLA or CRA for H.265. Always true for audio and metadata.
    pub keyframe: bool,
    /// Units of this track were lost, or its clock jumped, just before this one.
    pub discontinuity: bool,
}

impl AccessUnit {
    /// Makes a unit of what arrived.
    #[must_use]
    pub fn new(head: Head, payload: Payload) -> Self {
        Self::made(head, payload, false)
    }

    /// Makes a unit of a picture that follows a keyframe and refers to pictures before it (H.265 RASL).
    #[must_use]
    pub fn referring_back(head: Head, payload: Payload) -> Self {
        Self::made(head, payload, true)
    }

    fn made(head: Head, payload: Payload, refers_back: bool) -> Self {
        let size = match &payload {
            Payload::Rtp(packets) => packets.iter().map(|p| p.payload.len()).sum(),
            Payload::Frames(frames) => frames.iter().map(Bytes::len).sum(),
        };
        Self(Arc::new(Inner {
            head,
            payload,
            size,
            refers_back,
            frames: OnceLock::new(),
            length_prefixed: OnceLock::new(),
            small_packets: OnceLock::new(),
            shared_packets: OnceLock::new(),
            packets: OnceLock::new(),
        }))
    }

    /// What is known of it besides its bytes.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// Whether it refers to pictures before the last keyframe: who began with that keyframe cannot decode it.
    #[must_use]
    pub fn refers_back(&self) -> bool {
        self.0.refers_back
    }

    /// How it came.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.0.payload
    }

    /// Payload bytes as they came: the weight of this unit in a ring.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size
    }

    /// The NAL units (video), raw frames (audio) or document (metadata), made by `make` on first need and then shared.
    ///
    /// `make` is the depacketiser of the track's codec; a unit that came as frames never calls it.
    pub fn frames(&self, make: impl FnOnce(&[RtpPacket]) -> Vec<Bytes>) -> &[Bytes] {
        match &self.0.payload {
            Payload::Frames(frames) => frames,
            Payload::Rtp(packets) => self.0.frames.get_or_init(|| make(packets).into()),
        }
    }

    /// The unit as one MP4 sample, each NAL unit after its 4-byte length (ISO/IEC 14496-15 section 5.3.3), made once.
    pub fn length_prefixed(&self, make_frames: impl FnOnce(&[RtpPacket]) -> Vec<Bytes>) -> Bytes {
        let made = self.0.length_prefixed.get_or_init(|| {
            let frames = self.frames(make_frames);
            let mut sample = BytesMut::with_capacity(frames.iter().map(|nal| nal.len() + 4).sum());
            for nal in frames {
                sample.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
                sample.extend_from_slice(nal);
            }
            sample.freeze()
        });
        made.clone()
    }

    /// The RTP packets for an RTSP reader: as they came, or made by `make` on first need for a source without RTP.
    pub fn packets(&self, make: impl FnOnce(&[Bytes]) -> Vec<RtpPacket>) -> &[RtpPacket] {
        match &self.0.payload {
            Payload::Rtp(packets) => packets,
            Payload::Frames(frames) => self.0.packets.get_or_init(|| make(frames).into()),
        }
    }

    /// The RTP packets small enough for a common MTU with SRTP around them, made by `make` on first need.
    pub fn small_packets(&self, make: impl FnOnce(&Self) -> Vec<RtpPacket>) -> &[RtpPacket] {
        self.0.small_packets.get_or_init(|| make(self).into())
    }

    /// The RTP packets for WebRTC, as small, with payloads that every viewer shares, made by `make` on first need.
    pub fn shared_packets(&self, make: impl FnOnce(&Self) -> Vec<SmallPacket>) -> &[SmallPacket] {
        self.0.shared_packets.get_or_init(|| make(self).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hz: u32) -> NonZeroU32 {
        NonZeroU32::new(hz).unwrap()
    }

    #[test]
    fn media_time_converts_between_clocks() {
        let time = MediaTime::new(135_000, rate(90_000));
        assert_eq!(time.to_us(), 1_500_000);
        assert_eq!(time.ticks_at(rate(48_000)), 72_000);
        assert_eq!(MediaTime::from_us(-1_000_000, rate(8_000)).ticks, -8_000);
    }

    #[test]
    fn a_sample_has_each_nal_unit_after_its_length() {
        let head = Head {
            track: TrackId(0),
            pts: MediaTime::new(0, rate(90_000)),
            wall: WallTime::from_unix_us(0),
            #[expect(clippy::disallowed_methods, reason = "any instant will do")]
            arrived: Instant::now(),
            keyframe: true,
            discontinuity: false,
        };
        let frames: Arc<[Bytes]> = Arc::from([Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
        let unit = AccessUnit::new(head, Payload::Frames(frames));
        assert_eq!(&unit.length_prefixed(|_| vec![])[..], b"\0\0\0\x02ab\0\0\0\x01c");
        assert_eq!(unit.size(), 3);
    }
}
