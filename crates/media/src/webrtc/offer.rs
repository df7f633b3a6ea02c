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
    rtp::Extension,
};

use super::{
    keys::{self, Keys},
    outbound::Look,
    socket::Candidates,
};

use crate::Error;

/// The address that the connection sends to is looked at this often.
const STATS_EVERY: Duration = Duration::from_secs(1);
/// str0m reports of no track that is sent to a viewer: it knows nothing of what is sent.
const REPORT_NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// The most media sections in an offer: a wall of 64 tiles, its audio and its data channel.
const SECTIONS: usize = 66;
/// The H.264 payload types we take, by our numbers: payload, RTX, profile and level. All have packetization-mode 1.
const H264: [(u8, u8, u32); 4] =
    [(127, 121, 0x42_001f), (108, 109, 0x42_e01f), (123, 119, 0x4d_001f), (114, 115, 0x64_001f)];
/// The H.265 payload type we take: payload, RTX, and of the main profile the main tier up to level 6.
const H265: (u8, u8, [u8; 3]) = (102, 103, [1, 0, 180]);
/// The name of the MediaStream of all tracks.
const STREAM: &str = "cctv";

/// Payload types of the video codecs as they are in [`media_proto::Codec`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct VideoTypes {
    pub(super) h264: Option<Pt>,
    pub(super) h265: Option<Pt>,
}

impl VideoTypes {
    /// The payload type for this codec. None when the peer offered none.
    pub(super) fn of(self, codec: &Codec) -> Option<Pt> {
        match codec {
            Codec::H264 { .. } => self.h264,
            Codec::H265 { .. } => self.h265,
            Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => None,
        }
    }
}

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
    /// The video sections of which one codec at least can be sent, in the order of the offer.
    pub(super) video: Vec<(Look, VideoTypes)>,
    pub(super) audio: Option<(Look, AudioTypes)>,
    pub(super) keys: Keys,
}

impl Negotiated {
    /// What the peer takes of video; None when it wants no video.
    pub(super) fn wanted_video(&self) -> Option<VideoTypes> {
        let wants = has_video(&self.answer);
        wants.then(|| self.video.first().map_or_else(VideoTypes::default, |(_, types)| *types))
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

fn has_video(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("m=video"))
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

/// Answers an offer of media to us: one video, one audio. The answer has one video codec alone, so that the publisher can
/// send no other: the one that the offer names first of those that can be taken.
pub(super) fn take(offer: &str, candidates: &Candidates, now: Instant) -> Result<Taken, Error> {
    let first = first_video(offer);
    for video in [first, first.other()] {
        let mut negotiated = answer_with(parse(offer)?, &[video], candidates, None, now)?;
        // The server only receives, whatever the client could.
        negotiated.answer = negotiated.answer.replace("a=sendrecv", "a=recvonly");
        let incoming = incoming(&negotiated.rtc, &negotiated.answer);
        let missing = has_video(&negotiated.answer) && !incoming.iter().any(|(_, track)| track.id == VIDEO);
        if !incoming.is_empty() && !missing {
            return Ok(Taken { negotiated, incoming });
        }
    }
    let known = "publishing by WHIP takes H.264 (packetization-mode 1), H.265 (main profile), Opus and G.711; the offer \
                 has none of them";
    Err(Error::Unsupported(known.into()))
}

/// A video codec that can be negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Video {
    H264,
    H265,
}

impl Video {
    fn other(self) -> Self {
        match self {
            Self::H264 => Self::H265,
            Self::H265 => Self::H264,
        }
    }
}

/// The codec that the first video section of an offer prefers: its payload types stand in that order (RFC 8866,
/// section 5.14).
fn first_video(offer: &str) -> Video {
    let section = offer.split("m=video ").nth(1).unwrap_or_default();
    let section = section.split("\nm=").next().unwrap_or_default();
    let types = section.lines().next().unwrap_or_default().split_whitespace().skip(2);
    let codec = |pt: &str| {
        let name = section.lines().find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_prefix(pt)?.strip_prefix(' '));
        match name?.split('/').next()?.to_ascii_uppercase().as_str() {
            "H264" => Some(Video::H264),
            "H265" => Some(Video::H265),
            _ => None,
        }
    };
    types.into_iter().find_map(codec).unwrap_or(Video::H264)
}

/// Packets that str0m keeps of what goes out through it, which is nothing; it takes no smaller number.
const STR0M_KEEPS: usize = 1;
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
            MediaKind::Video => video_track(video_types(rtc, media.remote_pts())),
            MediaKind::Audio => media.remote_pts().iter().find_map(|pt| audio_track(rtc, *pt)),
        };
        if let Some(track) = track.filter(|track| tracks.iter().all(|(_, known)| known.id != track.id)) {
            tracks.push((media.mid(), track));
        }
    }
    tracks.sort_by_key(|(_, track)| track.id);
    tracks
}

fn video_track(types: VideoTypes) -> Option<Track> {
    let codec = match (types.h264, types.h265) {
        (Some(_), _) => Codec::H264 { sps: Bytes::new(), pps: Bytes::new() },
        (None, Some(_)) => Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() },
        (None, None) => return None,
    };
    Some(Track { id: VIDEO, codec, clock_rate: NonZeroU32::new(90_000)?, payload_type: 96 })
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
    answer_with(offer, &[Video::H264, Video::H265], candidates, Some(rtx_packets), now)
}

fn answer_with(
    offer: SdpOffer,
    videos: &[Video],
    candidates: &Candidates,
    rtx_packets: Option<usize>,
    now: Instant,
) -> Result<Negotiated, Error> {
    let mut config = Rtc::builder()
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .set_crypto_provider(keys::provider())
        .set_send_buffer_video(STR0M_KEEPS)
        .set_stats_interval(Some(STATS_EVERY))
        .clear_codecs()
        .enable_opus(true, false)
        .enable_pcmu(true, false)
        .enable_pcma(true, false);
    for (payload, rtx, profile) in H264.into_iter().filter(|_| videos.contains(&Video::H264)) {
        config.codec_config().add_h264(payload.into(), Some(rtx.into()), true, profile);
    }
    if videos.contains(&Video::H265) {
        let (payload, rtx, [profile, tier, level]) = H265;
        config.codec_config().add_h265(payload.into(), Some(rtx.into()), profile, tier, level);
    }
    if rtx_packets.is_some() {
        config = config.set_rtcp_report_interval_video(REPORT_NEVER).set_rtcp_report_interval_audio(REPORT_NEVER);
    }
    let mut rtc = config.build(now);
    let keys = keys::of_last();
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
    let video = video
        .into_iter()
        .filter_map(|(mid, types)| Some((look(&mut rtc, mid, rtx_packets.unwrap_or(0))?, types)))
        .collect();
    let audio = audio.and_then(|(mid, types)| Some((look(&mut rtc, mid, 0)?, types)));
    let (offer, offered) = (String::new(), candidates.to_string());
    Ok(Negotiated { rtc, ufrag, answer, offer, offered, video, audio, keys })
}

fn not_offered(address: SocketAddr, error: &impl std::fmt::Display) -> Error {
    Error::Malformed(format!("cannot offer the address {address}: {error}"))
}

/// How the packets of a section look that keeps so many of them to be sent again.
fn look(rtc: &mut Rtc, mid: Mid, keeps: usize) -> Option<Look> {
    let media = rtc.media(mid)?;
    let number_of = |extension| media.remote_extmap().id_of(extension);
    let (numbers, names) = (number_of(Extension::TransportSequenceNumber), number_of(Extension::RtpMid));
    let types: Vec<Pt> = media.remote_pts().to_vec();
    let again = |pt: Pt| Some((pt, rtc.codec_config().find(|params| params.pt() == pt)?.resend()?));
    let again_types = types.into_iter().filter_map(again).collect();
    let mut api = rtc.direct_api();
    let stream = api.stream_tx_by_mid(mid, None)?;
    let (ssrc, again) = (*stream.ssrc(), stream.rtx().map(|ssrc| *ssrc));
    Some(Look { mid, ssrc, again, again_types, numbers, names, keeps })
}

type Sections = (Vec<(Mid, VideoTypes)>, Option<(Mid, AudioTypes)>);

fn sections(rtc: &Rtc, answer: &str) -> Sections {
    let mids = answer.lines().filter_map(|line| line.strip_prefix("a=mid:"));
    let mut video = Vec::new();
    let mut audio = None;
    for media in mids.filter_map(|mid| rtc.media(mid.trim().into())) {
        if !media.direction().is_sending() {
            continue;
        }
        match media.kind() {
            MediaKind::Video => {
                let types = video_types(rtc, media.remote_pts());
                video.extend((types.h264.or(types.h265)).map(|_| (media.mid(), types)));
            }
            MediaKind::Audio if audio.is_none() => audio = Some((media.mid(), audio_types(rtc, media.remote_pts()))),
            MediaKind::Audio => {}
        }
    }
    (video, audio)
}

fn video_types(rtc: &Rtc, offered: &[Pt]) -> VideoTypes {
    let is_h265 = |pt: &&Pt| {
        let params = rtc.codec_config().find(|params| params.pt() == **pt);
        params.is_some_and(|params| params.spec().codec == format::Codec::H265)
    };
    VideoTypes { h264: h264_type(rtc, offered), h265: offered.iter().find(is_h265).copied() }
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
