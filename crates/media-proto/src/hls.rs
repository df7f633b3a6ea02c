//! The text of HLS playlists (draft-pantos-hls-rfc8216bis) and the delivery directives of a request.

use std::{fmt::Write as _, time::Duration};

use domain::WallTime;

use crate::Error;

/// A live media playlist with low-latency parts.
#[derive(Clone, Debug, Default)]
pub struct MediaPlaylist {
    /// No segment is longer, rounded to whole seconds.
    pub target_duration_s: u64,
    /// No part is longer.
    pub part_target: Duration,
    /// Number of the first segment.
    pub media_sequence: u64,
    /// Discontinuities that left the playlist.
    pub discontinuity_sequence: u64,
    /// Whole segments, oldest first.
    pub segments: Vec<Segment>,
    /// Parts of the segment that is being made.
    pub open_parts: Vec<Part>,
    /// What stands before the open parts, when a segment is being made.
    pub open: Option<Opening>,
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
}

impl MediaPlaylist {
    /// How far from the end a low-latency player stays: three parts.
    #[must_use]
    pub fn part_hold_back(&self) -> Duration {
        self.part_target * 3
    }

    /// The playlist as text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(2048);
        let (part, hold_back) = (seconds(self.part_target), seconds(self.part_hold_back()));
        line(&mut text, format_args!("#EXTM3U"));
        line(&mut text, format_args!("#EXT-X-VERSION:9"));
        line(&mut text, format_args!("#EXT-X-TARGETDURATION:{}", self.target_duration_s));
        line(&mut text, format_args!("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}"));
        line(&mut text, format_args!("#EXT-X-PART-INF:PART-TARGET={part}"));
        line(&mut text, format_args!("#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence));
        if self.discontinuity_sequence > 0 {
            line(&mut text, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence));
        }
        let mut map = "";
        for segment in &self.segments {
            put_opening(&mut text, &segment.opening, &mut map);
            put_parts(&mut text, &segment.parts);
            line(&mut text, format_args!("#EXTINF:{},", seconds(segment.duration)));
            line(&mut text, format_args!("{}", segment.uri));
        }
        if let Some(opening) = &self.open {
            put_opening(&mut text, opening, &mut map);
            put_parts(&mut text, &self.open_parts);
        }
        if let Some(uri) = &self.preload_hint {
            line(&mut text, format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\""));
        }
        text
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
        line(text, format_args!("#EXT-X-PART:DURATION={},URI=\"{}\"{independent}", seconds(part.duration), part.uri));
    }
}

/// The one rendition of a multivariant playlist.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Where its media playlist is.
    pub uri: String,
    /// The codecs of its tracks, RFC 6381.
    pub codecs: String,
    /// The most bits per second.
    pub bandwidth: u64,
    /// Width and height of the pictures.
    pub resolution: Option<(u32, u32)>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
}

impl Variant {
    /// A multivariant playlist with this rendition alone.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
        let _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"{}\"", self.bandwidth, self.codecs);
        if let Some((width, height)) = self.resolution {
            let _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(rate) = self.frame_rate {
            let _ = write!(text, ",FRAME-RATE={rate:.3}");
        }
        line(&mut text, format_args!(""));
        line(&mut text, format_args!("{}", self.uri));
        text
    }
}

/// What a request for a media playlist waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`: a segment number.
    pub msn: Option<u64>,
    /// `_HLS_part`: a part of that segment.
    pub part: Option<u64>,
}

impl Directives {
    /// Reads the query of a request. Other parameters, and `_HLS_skip`, which may be ignored, are left alone.
    ///
    /// # Errors
    /// A value that is not a number, or `_HLS_part` without `_HLS_msn`.
    pub fn parse(query: &str) -> Result<Self, Error> {
        let mut directives = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let slot = match key {
                "_HLS_msn" => &mut directives.msn,
                "_HLS_part" => &mut directives.part,
                _ => continue,
            };
            let number =
                value.parse().map_err(|_| Error::malformed("delivery directive", "its value is not a number"))?;
            *slot = Some(number);
        }
        if directives.part.is_some() && directives.msn.is_none() {
            return Err(Error::malformed("delivery directive", "_HLS_part stands without _HLS_msn"));
        }
        Ok(directives)
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

fn seconds(duration: Duration) -> String {
    format!("{}.{:05}", duration.as_secs(), duration.subsec_micros() / 10)
}

/// RFC 3339 in UTC with milliseconds; the civil date by the usual days-from-epoch arithmetic.
fn rfc3339(time: WallTime) -> String {
    let ms = time.unix_us().div_euclid(1000);
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}.{:03}Z", ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_is_written_as_the_draft_says() {
        let opening = |discontinuity| Opening {
            map_uri: "init_0.mp4".into(),
            program_date_time: WallTime::from_unix_us(1_700_000_000_123_000),
            discontinuity,
        };
        let part = |uri: &str, independent| Part { uri: uri.into(), duration: Duration::from_millis(200), independent };
        let playlist = MediaPlaylist {
            target_duration_s: 2,
            part_target: Duration::from_millis(200),
            media_sequence: 7,
            discontinuity_sequence: 1,
            segments: vec![Segment {
                opening: opening(true),
                uri: "seg_7.mp4".into(),
                duration: Duration::from_millis(1000),
                parts: vec![part("part_7_0.mp4", true)],
            }],
            open_parts: vec![part("part_8_0.mp4", false)],
            open: Some(opening(false)),
            preload_hint: Some("part_8_1.mp4".into()),
        };
        let want = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
            #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.60000\n#EXT-X-PART-INF:PART-TARGET=0.20000\n\
            #EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init_0.mp4\"\n\
            #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
            #EXT-X-PART:DURATION=0.20000,URI=\"part_7_0.mp4\",INDEPENDENT=YES\n#EXTINF:1.00000,\nseg_7.mp4\n\
            #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n#EXT-X-PART:DURATION=0.20000,URI=\"part_8_0.mp4\"\n\
            #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part_8_1.mp4\"\n";
        assert_eq!(playlist.to_text(), want);
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        for (s, want) in [
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (-1, "1969-12-31"),
            (1_735_689_599, "2024-12-31"),
        ] {
            assert!(rfc3339(WallTime::from_unix_us(s * 1_000_000)).starts_with(want), "{s}");
        }
    }

    #[test]
    fn directives_are_read_or_refused() {
        let read = |query| Directives::parse(query).map(|d| (d.msn, d.part)).ok();
        assert_eq!(read("token=x&_HLS_msn=5&_HLS_part=2&_HLS_skip=YES"), Some((Some(5), Some(2))));
        assert_eq!(read(""), Some((None, None)));
        assert_eq!((read("_HLS_part=2"), read("_HLS_msn=x"), read("_HLS_msn=-1")), (None, None, None));
    }
}
