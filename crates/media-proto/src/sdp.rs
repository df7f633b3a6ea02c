//! Session descriptions (SDP, RFC 8866) as RTSP uses them (RFC 2326 appendix C).
//!
//! Read are the lines that say what the tracks are and how to address them; everything else is skipped, because many
//! cameras write the origin, time and connection lines wrongly and none of those matter. Written are descriptions that
//! ffmpeg, GStreamer and VLC understand. Not there on purpose: SRTP keys, ICE and bundles.

mod codec;
#[cfg(test)]
mod tests;
mod writer;

use std::num::NonZeroU32;

pub use writer::write;

use crate::{Track, TrackId};

/// The most bytes of a description.
pub const BYTES_MAX: usize = 256 << 10;
/// The most tracks of a stream.
pub const TRACKS_MAX: usize = 16;

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is too long or has too many tracks.
    #[error("the session description has more than {limit} {what}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// A line cannot be read.
    #[error("line {line} of the session description is malformed: {reason}")]
    Malformed {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A track has a form that is known and not taken.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// There is no track that plain RTP carries.
    #[error("the session description has no track that plain RTP carries{}", hint(*.secured))]
    NoTrack {
        /// It has tracks that need SRTP.
        secured: bool,
    },
}

fn hint(secured: bool) -> &'static str {
    if secured { " (SRTP is not supported)" } else { "" }
}

/// What a server offers or a publisher announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The address of the whole session, for PLAY and TEARDOWN.
    pub control: String,
    /// Its tracks in their order, numbered from 0.
    pub tracks: Vec<Media>,
}

/// One track with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What it is.
    pub track: Track,
    /// Its address, for SETUP.
    pub control: String,
    /// Marked `sendonly`: in the description of a camera, a back channel that takes sound instead of giving it.
    pub send_only: bool,
}

/// Reads a description. `base` is what relative control addresses belong to: `Content-Base`, `Content-Location`, else
/// the request's own address.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Malformed`] for an unreadable media line, [`Error::Unsupported`], [`Error::NoTrack`].
pub fn parse(description: &[u8], base: &str) -> Result<Session, Error> {
    if description.len() > BYTES_MAX {
        return Err(Error::TooLarge { what: "bytes", limit: BYTES_MAX });
    }
    let text = String::from_utf8_lossy(description);
    let (session_control, sections) = sections(&text)?;
    // A session with an absolute address of its own moves its tracks there.
    let base = session_control.filter(|control| is_absolute(control)).unwrap_or(base);
    let control = session_control.map_or_else(|| base.to_owned(), |control| join(base, control));
    let mut tracks = Vec::new();
    let mut secured = false;
    for section in sections {
        match section.profile.to_ascii_uppercase().as_str() {
            profile if profile.starts_with("RTP/SAVP") => secured = true,
            profile if profile.contains("RTP/AVP") && section.has_format() => {
                tracks.push(section.media(tracks.len(), base)?);
            }
            _ => {}
        }
    }
    if tracks.is_empty() {
        return Err(Error::NoTrack { secured });
    }
    Ok(Session { control, tracks })
}

/// The lines of one track.
#[derive(Debug, Default)]
struct Section<'a> {
    media: &'a str,
    profile: &'a str,
    payload_types: Vec<u8>,
    /// Name and value of each attribute.
    attributes: Vec<(&'a str, &'a str)>,
}

/// The session's control attribute, and its tracks.
fn sections(text: &str) -> Result<(Option<&str>, Vec<Section<'_>>), Error> {
    let mut control = None;
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (index, line) in lines(text).enumerate() {
        match (line.trim().split_once('='), sections.last_mut()) {
            (Some(("m", value)), _) => {
                if sections.len() == TRACKS_MAX {
                    return Err(Error::TooLarge { what: "tracks", limit: TRACKS_MAX });
                }
                let malformed = Error::Malformed { line: index + 1, reason: "it needs a kind, a port and a profile" };
                sections.push(media_line(value).ok_or(malformed)?);
            }
            (Some(("a", value)), Some(section)) => section.attributes.push(attribute(value)),
            (Some(("a", value)), None) => {
                if let ("control", address) = attribute(value) {
                    control = Some(address);
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    Ok((control, sections))
}

/// Lines end with a line feed, alone or after a carriage return; where there is none, with a carriage return.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split(if text.contains('\n') { '\n' } else { '\r' })
}

fn media_line(value: &str) -> Option<Section<'_>> {
    let mut words = value.split_ascii_whitespace();
    let (media, _port, profile) = (words.next()?, words.next()?, words.next()?);
    let payload_types: Vec<u8> = words.filter_map(|word| word.parse().ok()).filter(|number| *number < 128).collect();
    Some(Section { media, profile, payload_types, attributes: Vec::new() })
}

fn attribute(value: &str) -> (&str, &str) {
    value.split_once(':').map_or((value.trim(), ""), |(name, value)| (name.trim(), value.trim()))
}

/// The `rtpmap` of one payload type, RFC 8866 section 6.6.
#[derive(Clone, Copy, Debug)]
struct RtpMap<'a> {
    encoding: &'a str,
    clock_rate: NonZeroU32,
    channels: Option<u8>,
}

impl<'a> Section<'a> {
    fn media(&self, index: usize, base: &str) -> Result<Media, Error> {
        let payload_type = self.best_payload_type();
        let map = self.rtpmap(payload_type);
        let fmtp = self.numbered("fmtp", payload_type);
        if let Some(form) = codec::refused(map, fmtp) {
            return Err(Error::Unsupported(form));
        }
        let clock_rate = map.map_or(codec::VIDEO_CLOCK, |map| map.clock_rate);
        let id = TrackId(u8::try_from(index).expect("there are at most TRACKS_MAX tracks"));
        let codec = codec::read(self.media, map, fmtp);
        let control = self.value("control").unwrap_or_default();
        Ok(Media {
            track: Track { id, codec, clock_rate, payload_type },
            control: join(base, control),
            send_only: self.value("sendonly").is_some(),
        })
    }

    fn has_format(&self) -> bool {
        !self.payload_types.is_empty() || self.mapped_payload_type().is_some()
    }

    /// The first payload type with a codec we know, else the first.
    fn best_payload_type(&self) -> u8 {
        let known = |number: &&u8| self.rtpmap(**number).is_some_and(|map| codec::is_known(map.encoding));
        let best = self.payload_types.iter().find(known).or(self.payload_types.first());
        best.copied().or_else(|| self.mapped_payload_type()).unwrap_or_default()
    }

    /// The payload type of the first `rtpmap`, for a media line that lists none.
    fn mapped_payload_type(&self) -> Option<u8> {
        let number = |(name, value): &(&str, &str)| {
            name.eq_ignore_ascii_case("rtpmap").then(|| value.split_ascii_whitespace().next()?.parse().ok()).flatten()
        };
        self.attributes.iter().find_map(number).filter(|number| *number < 128)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The value of `a=name:number value`.
    fn numbered(&self, name: &str, number: u8) -> Option<&'a str> {
        let of_name = self.attributes.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        of_name
            .filter_map(|(_, value)| value.split_once([' ', '\t']))
            .find_map(|(own, value)| (own.parse() == Ok(number)).then(|| value.trim()))
    }

    fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let written = self.numbered("rtpmap", payload_type).map(|value| {
            let mut parts = value.split('/').map(str::trim);
            let encoding = parts.next().unwrap_or_default();
            let clock_rate =
                parts.next().and_then(|rate| rate.parse().ok()).unwrap_or_else(|| codec::default_clock(encoding));
            RtpMap { encoding, clock_rate, channels: parts.next().and_then(|channels| channels.parse().ok()) }
        });
        written.or_else(|| codec::static_map(payload_type))
    }
}

fn is_absolute(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("rtsp" | "rtsps" | "rtspu"))
}

/// The address of a control attribute. Cameras mean a relative one to be appended, whatever RFC 3986 says of a base
/// without a slash at its end or with a query.
fn join(base: &str, control: &str) -> String {
    match control {
        "" | "*" => base.to_owned(),
        control if is_absolute(control) => control.to_owned(),
        control if control.starts_with('?') => format!("{base}{control}"),
        control => format!("{}/{}", base.trim_end_matches('/'), control.trim_start_matches('/')),
    }
}
