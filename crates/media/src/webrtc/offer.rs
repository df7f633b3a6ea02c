//! From an SDP offer to a peer connection and its answer. Done on the side of the one who asks, off the media thread.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_proto::{Codec, Track, TrackId};
use str0m::{
    Candidate, Rtc,
    change::SdpOffer,
    format,
    media::{MediaKind, Mid, Pt},
    net::TcpType,
};

use super::socket::Candidates;

use crate::Error;

/// What peers report of loss is looked at this often.
const LOSS_EVERY: Duration = Duration::from_secs(1);
/// How long a packet is kept for retransmission: what a peer asks for later is late for its picture.
const RTX_AGE: Duration = Duration::from_secs(1);
/// What waits to be sent again is dropped when more than this part of what was sent lately was sent again.
const RTX_SHARE: f32 = 0.15;
/// The most media sections in an offer: a wall of 64 tiles, its audio and its data channel.
const SECTIONS: usize = 66;
/// The H.264 payload types we take, by our numbers: payload, RTX, profile and level. All have packetization-mode 1.
const H264: [(u8, u8, u32); 4] =
    [(127, 121, 0x42_001f), (108, 109, 0x42_e01f), (123, 119, 0x4d_001f), (114, 115, 0x64_001f)];
/// The name of the MediaStream of all tracks.
const STREAM: &str = "cctv";

/// Payload types of the audio codecs as they are in [`media_proto::Codec`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AudioTypes {
    pub(super) opus: Option<Pt>,
    pub(super) mu_law: Option<Pt>,
    pub(super) a_law: Option<Pt>,
}

/// An answered offer.
pub(super) struct Negotiated {
    pub(super) rtc: Rtc,
    /// The name the peer uses for us in STUN.
    pub(super) ufrag: String,
    pub(super) answer: String,
    /// The offer, to restart ICE with.
    pub(super) offer: String,
    /// The addresses offered to the peer.
    pub(super) offered: String,
    /// The video sections with their H.264 payload type, in the order of the offer.
    pub(super) video: Vec<(Mid, Pt)>,
    pub(super) audio: Option<(Mid, AudioTypes)>,
}

impl Negotiated {
    /// The peer wants video, but of no codec that can be sent.
    pub(super) fn leaves_out_video(&self) -> bool {
        self.video.is_empty() && self.answer.lines().any(|line| line.starts_with("m=video"))
    }
}

/// Reads an offer, all of it: str0m leaves out what follows something that it cannot read.
pub(super) fn parse(text: &str) -> Result<SdpOffer, Error> {
    let count = sections_in(text);
    if count == 0 || count > SECTIONS {
        return Err(Error::Malformed(format!("an offer has 1 to {SECTIONS} media sections, not {count}")));
    }
    let offer = SdpOffer::from_sdp_string(text)
        .map_err(|error| Error::Malformed(format!("cannot read the SDP offer: {error}")))?;
    let read = sections_in(&offer.to_sdp_string());
    if read != count {
        return Err(Error::Malformed(format!("cannot read the SDP offer after media section {read} of {count}")));
    }
    Ok(offer)
}

fn sections_in(text: &str) -> usize {
    text.lines().filter(|line| line.starts_with("m=")).count()
}

/// The name in ICE of who wrote a session description.
pub(super) fn ufrag(text: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default().trim().to_owned()
}

/// An answered offer of a publisher.
pub(super) struct Taken {
    pub(super) negotiated: Negotiated,
    /// What comes on which section.
    pub(super) incoming: Vec<(Mid, Track)>,
}

/// Answers an offer of media to us: one video, one audio.
pub(super) fn take(offer: SdpOffer, candidates: &Candidates, now: Instant) -> Result<Taken, Error> {
    let mut negotiated = answer(offer, candidates, RTX_UNUSED, now)?;
    // The server only receives, whatever the client could.
    negotiated.answer = negotiated.answer.replace("a=sendrecv", "a=recvonly");
    let incoming = incoming(&negotiated.rtc, &negotiated.answer);
    let wants_video = negotiated.answer.lines().any(|line| line.starts_with("m=video"));
    if incoming.is_empty() || wants_video && !incoming.iter().any(|(_, track)| track.id == VIDEO) {
        let known = "publishing by WHIP takes H.264 (packetization-mode 1), Opus and G.711; the offer has none of them";
        return Err(Error::Unsupported(known.into()));
    }
    Ok(Taken { negotiated, incoming })
}

/// Nothing is sent to a publisher that could be sent again.
const RTX_UNUSED: usize = 1;
const VIDEO: TrackId = TrackId(0);
const AUDIO: TrackId = TrackId(1);

/// The tracks a publisher sends: the first video and the first audio, each of the first codec that both know.
fn incoming(rtc: &Rtc, answer: &str) -> Vec<(Mid, Track)> {
    let mut tracks: Vec<(Mid, Track)> = Vec::new();
    let mids = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    for media in mids.filter_map(|mid| rtc.media(mid.trim().into())) {
        if !media.direction().is_receiving() {
            continue;
        }
        let track = match media.kind() {
            MediaKind::Video => h264_type(rtc, media.remote_pts()).map(|_| video_track()),
            MediaKind::Audio => media.remote_pts().iter().find_map(|pt| audio_track(rtc, *pt)),
        };
        if let Some(track) = track.filter(|track| tracks.iter().all(|(_, known)| known.id != track.id)) {
            tracks.push((media.mid(), track));
        }
    }
    tracks.sort_by_key(|(_, track)| track.id);
    tracks
}

fn video_track() -> Track {
    let codec = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
    Track { id: VIDEO, codec, clock_rate: NonZeroU32::new(90_000).expect("it is not zero"), payload_type: 96 }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is open; other codecs are not negotiated")]
fn audio_track(rtc: &Rtc, pt: Pt) -> Option<Track> {
    let spec = rtc.codec_config().find(|params| params.pt() == pt)?.spec();
    let (codec, rate, payload_type) = match spec.codec {
        format::Codec::Opus => (Codec::Opus { channels: 2 }, 48_000, 97),
        format::Codec::PCMU => (Codec::G711 { mu_law: true, channels: 1 }, 8_000, 0),
        format::Codec::PCMA => (Codec::G711 { mu_law: false, channels: 1 }, 8_000, 8),
        _ => return None,
    };
    Some(Track { id: AUDIO, codec, clock_rate: NonZeroU32::new(rate)?, payload_type })
}

/// Answers an offer for media from us. `rtx_packets` bounds what is kept of each track for retransmission.
pub(super) fn answer(
    offer: SdpOffer,
    candidates: &Candidates,
    rtx_packets: usize,
    now: Instant,
) -> Result<Negotiated, Error> {
    let mut config = Rtc::builder()
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_send_buffer_video(rtx_packets)
        .set_stats_interval(Some(LOSS_EVERY))
        // To a publisher nothing is sent whose way could be measured.
        .enable_raw_packets(rtx_packets != RTX_UNUSED)
        .clear_codecs()
        .enable_opus(true, false)
        .enable_pcmu(true, false)
        .enable_pcma(true, false);
    for (payload, rtx, profile) in H264 {
        config.codec_config().add_h264(payload.into(), Some(rtx.into()), true, profile);
    }
    let mut rtc = config.build(now);
    for address in &candidates.udp {
        let candidate = Candidate::builder().udp().host(*address).build();
        rtc.add_local_candidate(candidate.map_err(|error| not_offered(*address, &error))?);
    }
    for address in &candidates.tcp {
        let candidate = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build();
        rtc.add_local_candidate(candidate.map_err(|error| not_offered(*address, &error))?);
    }
    let offered_sections = sections_in(&offer.to_sdp_string());
    let answer = rtc
        .sdp_api()
        .accept_offer(offer)
        .map_err(|error| Error::Malformed(format!("cannot accept the SDP offer: {error}")))?;
    let answer = completed(&answer.to_sdp_string());
    if sections_in(&answer) != offered_sections {
        // str0m leaves out sections of media that it does not know; without them the answer is none (RFC 8829, 5.3.1).
        return Err(Error::Malformed("a media section of the offer is neither audio, video nor application".into()));
    }
    let ufrag = rtc.direct_api().local_ice_credentials().ufrag;
    let (video, audio) = sections(&rtc, &answer);
    for (mid, _) in &video {
        if let Some(stream) = rtc.direct_api().stream_tx_by_mid(*mid, None) {
            stream.set_rtx_cache(rtx_packets, RTX_AGE, Some(RTX_SHARE));
        }
    }
    let (offer, offered) = (String::new(), candidates.to_string());
    Ok(Negotiated { rtc, ufrag, answer, offer, offered, video, audio })
}

fn not_offered(address: SocketAddr, error: &impl std::fmt::Display) -> Error {
    Error::Malformed(format!("cannot offer the address {address}: {error}"))
}

type Sections = (Vec<(Mid, Pt)>, Option<(Mid, AudioTypes)>);

fn sections(rtc: &Rtc, answer: &str) -> Sections {
    let mids = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    let mut video = Vec::new();
    let mut audio = None;
    for media in mids.filter_map(|mid| rtc.media(mid.trim().into())) {
        if !media.direction().is_sending() {
            continue;
        }
        match media.kind() {
            MediaKind::Video => video.extend(h264_type(rtc, media.remote_pts()).map(|pt| (media.mid(), pt))),
            MediaKind::Audio if audio.is_none() => audio = Some((media.mid(), audio_types(rtc, media.remote_pts()))),
            MediaKind::Audio => {}
        }
    }
    (video, audio)
}

/// Baseline at packetization-mode 1 where it was offered: every browser takes any profile on it.
fn h264_type(rtc: &Rtc, offered: &[Pt]) -> Option<Pt> {
    let profile = |pt: &Pt| {
        let params = rtc.codec_config().find(|params| params.pt() == *pt)?;
        let spec = params.spec();
        let usable = spec.codec == format::Codec::H264 && spec.format.packetization_mode == Some(1);
        usable.then_some(spec.format.profile_level_id.unwrap_or(0x42_001f))
    };
    let usable = || offered.iter().filter_map(|pt| profile(pt).map(|profile| (*pt, profile)));
    let baseline = usable().find(|(_, profile)| profile >> 8 == 0x42_00);
    baseline.or_else(|| usable().next()).map(|(pt, _)| pt)
}

fn audio_types(rtc: &Rtc, offered: &[Pt]) -> AudioTypes {
    let of = |codec| {
        let is = |pt: &&Pt| {
            rtc.codec_config().find(|params| params.pt() == **pt).is_some_and(|params| params.spec().codec == codec)
        };
        offered.iter().find(is).copied()
    };
    AudioTypes { opus: of(format::Codec::Opus), mu_law: of(format::Codec::PCMU), a_law: of(format::Codec::PCMA) }
}

/// What str0m leaves to be said: all tracks are of one MediaStream, so that a player keeps sound and picture together,
/// and none has a port of its own for RTCP. WHIP (RFC 9725, section 4.4) and WHEP want both of an answer too, though
/// RFC 8858 speaks of `rtcp-mux-only` in offers alone.
fn completed(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len());
    for line in answer.lines() {
        match with_msid(line) {
            Some(line) => text.push_str(&line),
            None => text.push_str(line),
        }
        text.push_str("\r\n");
        if line == "a=rtcp-mux" {
            text.push_str("a=rtcp-mux-only\r\n");
        }
    }
    text
}

/// A line that names the MediaStream of a section, of a source or of the session, with ours in it.
fn with_msid(line: &str) -> Option<String> {
    if line.starts_with("a=msid-semantic:") {
        return Some(format!("a=msid-semantic: WMS {STREAM}"));
    }
    let (head, names) = line.split_once("msid:")?;
    let (_, track) = names.split_once(' ')?;
    let is_msid = head == "a=" || head.starts_with("a=ssrc:") && head.ends_with(' ');
    is_msid.then(|| format!("{head}msid:{STREAM} {track}"))
}
