use std::fmt::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{Codec, Track, TrackKind};

/// The description of a live stream for a DESCRIBE response. Each track is addressed as `trackID=N` below the stream's
/// own address.
#[must_use]
pub fn write(tracks: &[Track], session_name: &str) -> String {
    let name: String = session_name.chars().filter(|c| !c.is_control()).collect();
    // RFC 8866 section 5.3: a session without a name is called by a single space or a dash.
    let name = if name.is_empty() { "-" } else { &name };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n"
    );
    for track in tracks {
        write_track(&mut sdp, track);
    }
    sdp
}

fn write_track(sdp: &mut String, track: &Track) {
    let number = track.payload_type;
    push_line(sdp, &format!("m={} 0 RTP/AVP {number}", media(track)));
    if let Some(map) = rtpmap(track) {
        push_line(sdp, &format!("a=rtpmap:{number} {map}"));
    }
    if let Some(parameters) = fmtp(&track.codec) {
        push_line(sdp, &format!("a=fmtp:{number} {parameters}"));
    }
    push_line(sdp, &format!("a=control:trackID={}", track.id.0));
}

/// Adds one line. Control characters, which a source may have put into a codec's name or parameters, are left out.
fn push_line(sdp: &mut String, line: &str) {
    sdp.extend(line.chars().filter(|c| !c.is_control()));
    sdp.push_str("\r\n");
}

fn media(track: &Track) -> &str {
    match (&track.codec, track.kind()) {
        (Codec::Generic { media, .. }, _) => media,
        (_, TrackKind::Video) => "video",
        (_, TrackKind::Audio) => "audio",
        (_, TrackKind::Metadata) => "application",
    }
}

fn rtpmap(track: &Track) -> Option<String> {
    let rate = track.clock_rate;
    let mono_is_silent = |channels: u8| if channels == 1 { String::new() } else { format!("/{channels}") };
    Some(match &track.codec {
        Codec::H264 { .. } => format!("H264/{rate}"),
        Codec::H265 { .. } => format!("H265/{rate}"),
        Codec::Aac { channels, .. } => format!("mpeg4-generic/{rate}/{channels}"),
        // Always 2 channels, RFC 7587 section 7.
        Codec::Opus { .. } => format!("opus/{rate}/2"),
        Codec::G711 { mu_law: true, channels } => format!("PCMU/{rate}{}", mono_is_silent(*channels)),
        Codec::G711 { mu_law: false, channels } => format!("PCMA/{rate}{}", mono_is_silent(*channels)),
        Codec::Generic { encoding, .. } if encoding.is_empty() => return None,
        Codec::Generic { encoding, channels, .. } => match channels {
            Some(channels) => format!("{encoding}/{rate}/{channels}"),
            None => format!("{encoding}/{rate}"),
        },
    })
}

fn fmtp(codec: &Codec) -> Option<String> {
    match codec {
        Codec::H264 { sps, pps } => {
            let mut parameters = "packetization-mode=1".to_owned();
            if let Some([profile, constraints, level]) = sps.get(1..4) {
                let _ = write!(parameters, "; profile-level-id={profile:02X}{constraints:02X}{level:02X}");
            }
            if !sps.is_empty() && !pps.is_empty() {
                let sets = [sps, pps].map(|set| BASE64_STANDARD.encode(set)).join(",");
                let _ = write!(parameters, "; sprop-parameter-sets={sets}");
            }
            Some(parameters)
        }
        Codec::H265 { vps, sps, pps } => {
            let sets = [("vps", vps), ("sps", sps), ("pps", pps)];
            let known = sets.iter().filter(|(_, set)| !set.is_empty());
            let list: Vec<String> =
                known.map(|(name, set)| format!("sprop-{name}={}", BASE64_STANDARD.encode(set))).collect();
            (!list.is_empty()).then(|| list.join("; "))
        }
        Codec::Aac { config, size_length, index_length, index_delta_length, .. } => {
            let config = config.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            let mode = if *size_length == 6 { "AAC-lbr" } else { "AAC-hbr" };
            Some(format!(
                "streamtype=5; profile-level-id=1; mode={mode}; sizelength={size_length}; indexlength={index_length}; \
                 indexdeltalength={index_delta_length}; config={config}"
            ))
        }
        Codec::Opus { channels } => Some(format!("sprop-stereo={}", u8::from(*channels == 2))),
        Codec::G711 { .. } => None,
        Codec::Generic { fmtp, .. } => fmtp.clone(),
    }
}
