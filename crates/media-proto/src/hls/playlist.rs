//! Live media playlists.

use std::time::Duration;

use domain::WallTime;

use super::{date::rfc3339, line};

/// A live media playlist.
#[derive(Clone, Debug, Default)]
pub struct MediaPlaylist {
    /// No segment is longer, rounded to whole seconds.
    pub target_duration_s: u64,
    /// Number of the first segment.
    pub media_sequence: u64,
    /// Discontinuities that left the playlist.
    pub discontinuity_sequence: u64,
    /// Whole segments, oldest first.
    pub segments: Vec<Segment>,
    /// What makes it a low-latency playlist; without it, parts are not written.
    pub low_latency: Option<LowLatency>,
    /// Where the other renditions are.
    pub reports: Vec<RenditionReport>,
    /// Nothing follows any more.
    pub ended: bool,
}

/// The newest end of a low-latency playlist.
#[derive(Clone, Debug, Default)]
pub struct LowLatency {
    /// No part is longer.
    pub part_target: Duration,
    /// What stands before the open parts, when a segment is being made.
    pub open: Option<Opening>,
    /// Parts of the segment that is being made.
    pub open_parts: Vec<Part>,
    /// The part that comes next.
    pub preload_hint: Option<String>,
}

/// One whole segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// What stands before it.
    pub opening: Opening,
    /// Where it is.
    pub uri: String,
    /// Its length.
    pub duration: Duration,
    /// Its parts; empty once it is old.
    pub parts: Vec<Part>,
    /// The source gave nothing in this time; there is nothing to fetch.
    pub gap: bool,
}

/// What stands before a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its initialisation segment.
    pub map_uri: String,
    /// When its first picture was taken.
    pub program_date_time: WallTime,
    /// Timestamps or codecs do not follow from the segment before.
    pub discontinuity: bool,
}

/// One part.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it is.
    pub uri: String,
    /// Its length.
    pub duration: Duration,
    /// It begins with a keyframe.
    pub independent: bool,
    /// There is nothing to fetch.
    pub gap: bool,
}

/// How far another rendition has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionReport {
    /// Its media playlist.
    pub uri: String,
    /// The number of its newest segment, whole or not.
    pub last_msn: u64,
    /// The newest part of that segment.
    pub last_part: u64,
}

impl MediaPlaylist {
    /// How far from the end a delta update must still list everything: six target durations.
    #[must_use]
    pub fn skip_until(&self) -> Duration {
        Duration::from_secs(self.target_duration_s * 6)
    }

    /// The playlist as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.written(0)
    }

    /// The playlist without its oldest segments, as text; `None` when every segment is too near to the end for that, or
    /// when nothing follows any more.
    #[must_use]
    pub fn to_delta_text(&self) -> Option<String> {
        if self.ended {
            return None;
        }
        let open = self.low_latency.iter().flat_map(|newest| &newest.open_parts).map(|part| part.duration);
        let mut from_end: Duration = open.sum();
        let mut kept = 0;
        for segment in self.segments.iter().rev() {
            if from_end > self.skip_until() {
                break;
            }
            from_end += segment.duration;
            kept += 1;
        }
        let skipped = self.segments.len() - kept;
        (skipped > 0).then(|| self.written(skipped))
    }

    fn written(&self, skipped: usize) -> String {
        let mut text = String::with_capacity(4096);
        line(&mut text, format_args!("#EXTM3U"));
        // EXT-X-MAP needs 6, EXT-X-SKIP needs 9 (rfc8216bis section 8).
        line(&mut text, format_args!("#EXT-X-VERSION:{}", if skipped > 0 { 9 } else { 6 }));
        line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", self.target_duration_s));
        self.put_control(&mut text);
        line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence));
        if self.discontinuity_sequence > 0 {
            line(&mut text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence));
        }
        if skipped > 0 {
            line(&mut text, format_args!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"));
        }
        let mut map = "";
        for segment in self.segments.iter().skip(skipped) {
            put_opening(&mut text, &segment.opening, &mut map);
            if self.low_latency.is_some() {
                put_parts(&mut text, &segment.parts);
            }
            if segment.gap {
                line(&mut text, format_args!("#EXT-X-GAP"));
            }
            line(&mut text, format_args!("#EXTINF:{},", seconds(segment.duration)));
            line(&mut text, format_args!("{}", segment.uri));
        }
        if let Some(newest) = &self.low_latency {
            newest.put(&mut text, &mut map);
        }
        for RenditionReport { uri, last_msn, last_part } in &self.reports {
            let numbers = format_args!("LAST-MSN={last_msn},LAST-PART={last_part}");
            line(&mut text, format_args!("#EXT-X-RENDITION-REPORT:URI=\"{uri}\",{numbers}"));
        }
        if self.ended {
            line(&mut text, format_args!("#EXT-X-ENDLIST"));
        }
        text
    }

    fn put_control(&self, text: &mut String) {
        let until = seconds(self.skip_until());
        let hold_back = seconds(Duration::from_secs(self.target_duration_s * 3));
        let common = format_args!("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={until},HOLD-BACK={hold_back}");
        match &self.low_latency {
            Some(newest) => {
                let part_hold_back = seconds(newest.part_target * 3);
                line(text, format_args!("#EXT-X-SERVER-CONTROL:{common},PART-HOLD-BACK={part_hold_back}"));
                line(text, format_args!("#EXT-X-PART-INF:PART-TARGET={}", seconds(newest.part_target)));
            }
            None => line(text, format_args!("#EXT-X-SERVER-CONTROL:{common}")),
        }
    }
}

impl LowLatency {
    fn put<'a>(&'a self, text: &mut String, map: &mut &'a str) {
        if let Some(opening) = &self.open {
            put_opening(text, opening, map);
            put_parts(text, &self.open_parts);
        }
        if let Some(uri) = &self.preload_hint {
            line(text, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\""));
        }
    }
}

fn put_opening<'a>(text: &mut String, opening: &'a Opening, map: &mut &'a str) {
    if opening.discontinuity {
        line(text, format_args!("#EXT-X-DISCONTINUITY"));
    }
    if *map != opening.map_uri {
        line(text, format_args!("#EXT-X-MAP:URI=\"{}\"", opening.map_uri));
        *map = &opening.map_uri;
    }
    line(text, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", rfc3339(opening.program_date_time)));
}

fn put_parts(text: &mut String, parts: &[Part]) {
    for part in parts {
        let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
        let gap = if part.gap { ",GAP=YES" } else { "" };
        let duration = seconds(part.duration);
        line(text, format_args!("#EXT-X-PART:DURATION={duration},URI=\"{}\"{independent}{gap}", part.uri));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:05}", duration.as_secs(), duration.subsec_micros() / 10)
}

#[cfg(test)]
mod tests;
