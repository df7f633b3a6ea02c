//! The sounds of a stream, from units to what goes into each part. No clock, no lock.
//!
//! Sound reaches the server later than the pictures beside it: a packet holds several frames, and a camera sends it when it is
//! full. A part is not held back for its sounds; what comes late goes into the next part, so that nothing is missing.

use std::collections::VecDeque;

use bytes::Bytes;
use media_proto::{AccessUnit, Codec, Track, depacketizer, fmp4::Sample};

/// Samples of an AAC frame.
const AAC_FRAME: u32 = 1024;
/// Packets of 20 ms are what everyone sends (RFC 7587 section 3.2).
const OPUS_FRAME: u32 = 960;
/// Frames that wait for their pictures; beyond it the oldest go. Twenty seconds of AAC at 48 kHz.
const WAITING_MAX: usize = 1_000;
/// Sound that is later than this is of no use to a player at the live edge, in seconds.
const LATE_MAX_S: i64 = 1;

#[derive(Debug)]
pub(super) struct Sounds {
    track: Track,
    waiting: VecDeque<(i64, Bytes)>,
    /// Where the sound written so far ends.
    written: Option<i64>,
}

impl Sounds {
    pub(super) fn new(track: Track) -> Self {
        Self { track, waiting: VecDeque::new(), written: None }
    }

    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    pub(super) fn push(&mut self, unit: &AccessUnit) {
        let step = i64::from(frame_ticks(&self.track.codec));
        let at = unit.head().pts.ticks;
        let frames = unit.frames(|packets| depacketizer::frames(&self.track.codec, packets));
        self.waiting.extend(frames.iter().zip(0_i64..).map(|(frame, index)| (at + index * step, frame.clone())));
        let surplus = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..surplus);
    }

    /// What goes beside the pictures of `from..until`, in ticks of the sound: where it begins, and the frames.
    pub(super) fn take(&mut self, from: i64, until: i64) -> Option<(i64, Vec<Sample>)> {
        let usual = i64::from(frame_ticks(&self.track.codec));
        let late = from - LATE_MAX_S * i64::from(self.track.clock_rate.get());
        let earliest = self.written.map_or(from - usual, |written| (written - usual / 2).max(late));
        let due = self.waiting.iter().position(|(pts, _)| *pts >= until).unwrap_or(self.waiting.len());
        let due: Vec<(i64, Bytes)> = self.waiting.drain(..due).filter(|(pts, _)| *pts >= earliest).collect();
        let first = due.first()?.0;
        let following = due.iter().skip(1).map(|(pts, _)| Some(*pts)).chain([None]);
        let mut length = usual;
        let mut samples = Vec::with_capacity(due.len());
        let mut end = first;
        for ((pts, data), next) in due.iter().zip(following) {
            length = next.map(|next| next - pts).filter(|length| *length > 0).unwrap_or(length.min(usual));
            samples.push(Sample {
                duration: u32::try_from(length).unwrap_or(u32::MAX),
                composition_offset: 0,
                keyframe: true,
                data: data.clone(),
            });
            end += length;
        }
        self.written = Some(end);
        Some((first, samples))
    }

    /// Another timeline begins.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        self.written = None;
    }
}

/// What a frame usually lasts, in samples.
fn frame_ticks(codec: &Codec) -> u32 {
    match codec {
        Codec::Opus { .. } => OPUS_FRAME,
        Codec::H264 { .. } | Codec::H265 { .. } | Codec::Aac { .. } | Codec::G711 { .. } | Codec::Generic { .. } => {
            AAC_FRAME
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, sync::Arc, time::Instant};

    use domain::WallTime;
    use media_proto::{MediaTime, Payload, TrackId, unit::Head};

    use super::*;

    const RATE: NonZeroU32 = NonZeroU32::new(48_000).unwrap();

    fn sounds() -> Sounds {
        let config = Bytes::from_static(&[0x11, 0x90]);
        let codec = Codec::Aac {
            config,
            sample_rate: 48_000,
            channels: 2,
            size_length: 13,
            index_length: 3,
            index_delta_length: 3,
        };
        Sounds::new(Track { id: TrackId(1), codec, clock_rate: RATE, payload_type: 97 })
    }

    /// A unit of `count` frames.
    fn unit(at: i64, count: usize) -> AccessUnit {
        let frames: Vec<Bytes> = vec![Bytes::from_static(b"frame"); count];
        let head = Head {
            track: TrackId(1),
            pts: MediaTime::new(at, RATE),
            wall: WallTime::from_unix_us(0),
            arrived: Instant::now(),
            keyframe: true,
            discontinuity: false,
        };
        AccessUnit::new(head, Payload::Frames(Arc::from(frames)))
    }

    fn taken(sounds: &mut Sounds, from: i64, until: i64) -> (i64, Vec<u32>) {
        let (first, samples) = sounds.take(from, until).unwrap_or_default();
        (first, samples.iter().map(|sample| sample.duration).collect())
    }

    #[test]
    fn what_comes_late_goes_into_the_next_part_and_nothing_is_missing() {
        let mut sounds = sounds();
        sounds.push(&unit(0, 4));
        assert_eq!(taken(&mut sounds, 0, 9_600), (0, vec![1024; 4]));
        sounds.push(&unit(4096, 8));
        assert_eq!(taken(&mut sounds, 9_600, 12_000), (4096, vec![1024; 8]));
        assert_eq!(taken(&mut sounds, 12_000, 14_400), (0, vec![]));
    }

    #[test]
    fn a_hole_lengthens_the_frame_before_it() {
        let mut sounds = sounds();
        sounds.push(&unit(0, 2));
        sounds.push(&unit(5000, 1));
        assert_eq!(taken(&mut sounds, 0, 9_600), (0, vec![1024, 3976, 1024]));
    }

    #[test]
    fn sound_before_the_beginning_again_or_far_too_late_is_left_out() {
        let mut sounds = sounds();
        sounds.push(&unit(0, 6));
        assert_eq!(taken(&mut sounds, 4_096, 6_144), (3072, vec![1024; 3]));
        sounds.push(&unit(1024, 1));
        assert_eq!(taken(&mut sounds, 6_144, 9_600), (0, vec![]));
        sounds.push(&unit(7_168, 1));
        assert_eq!(taken(&mut sounds, 96_000, 105_600), (0, vec![]));
    }

    #[test]
    fn sound_without_pictures_is_bounded() {
        let mut sounds = sounds();
        for at in 0..5_000 {
            sounds.push(&unit(at * 1024, 1));
        }
        assert_eq!(sounds.waiting.len(), WAITING_MAX);
    }
}
