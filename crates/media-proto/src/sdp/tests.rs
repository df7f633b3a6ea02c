use super::*;
use crate::Codec;

/// Shows a description as lines of address, payload type, clock and codec.
fn show(sdp: &str, base: &str) -> String {
    let session = match parse(sdp.as_bytes(), base) {
        Ok(session) => session,
        Err(error) => return error.to_string(),
    };
    let mut lines = vec![session.control.clone()];
    for media in &session.tracks {
        let Track { codec, clock_rate, payload_type, .. } = &media.track;
        let back = if media.send_only { " back" } else { "" };
        lines.push(format!("{} {payload_type} {clock_rate} {}{back}", media.control, show_codec(codec)));
    }
    lines.join("\n")
}

fn show_codec(codec: &Codec) -> String {
    match codec {
        Codec::H264 { sps, pps } => format!("H264 {} {}", sps.len(), pps.len()),
        Codec::H265 { vps, sps, pps } => format!("H265 {} {} {}", vps.len(), sps.len(), pps.len()),
        Codec::Aac { config, sample_rate, channels, size_length, index_length, index_delta_length } => {
            format!("AAC {config:x?} {sample_rate} {channels} {size_length}/{index_length}/{index_delta_length}")
        }
        Codec::Opus { channels } => format!("Opus {channels}"),
        Codec::G711 { mu_law, channels } => format!("G711 {mu_law} {channels}"),
        Codec::Generic { media, encoding, channels, fmtp } => format!("{media} {encoding:?} {channels:?} {fmtp:?}"),
    }
}

fn check(sdp: &str, base: &str, expected: &[&str]) {
    assert_eq!(show(sdp, base), expected.join("\n"));
}

#[test]
fn ffmpeg_announces_h264_and_aac() {
    check(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=tool:libavformat 59.27.100\r\n\
         m=video 0 RTP/AVP 96\r\nb=AS:500\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QADazZQUH7ARAAAAMAEAAAAwPA8UKZYA==,aOvjyyLA; profile-level-id=64000D\r\n\
         a=control:streamid=0\r\n\
         m=audio 0 RTP/AVP 97\r\nb=AS:128\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\n\
         a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=120856E500\r\n\
         a=control:streamid=1\r\n",
        "rtsp://127.0.0.1:8554/cam",
        &[
            "rtsp://127.0.0.1:8554/cam",
            "rtsp://127.0.0.1:8554/cam/streamid=0 96 90000 H264 25 6",
            "rtsp://127.0.0.1:8554/cam/streamid=1 97 44100 AAC b\"\\x12\\x08V\\xe5\\0\" 44100 1 13/3/3",
        ],
    );
}

#[test]
fn gstreamer_serves_h264_and_opus() {
    check(
        "v=0\r\no=- 1188340656180883 1 IN IP4 127.0.0.1\r\ns=Session streamed with GStreamer\r\ni=rtsp-server\r\nt=0 0\r\n\
         a=tool:GStreamer\r\na=type:broadcast\r\na=control:*\r\na=range:npt=now-\r\n\
         m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\nb=AS:2048\r\na=rtpmap:96 H264/90000\r\na=framerate:30\r\n\
         a=fmtp:96 packetization-mode=1;profile-level-id=42c015;sprop-parameter-sets=Z0LAFdoFB+hAAAADAEAAAA8DxYuo,aM48gA==\r\n\
         a=control:stream=0\r\na=ts-refclk:local\r\na=mediaclk:sender\r\na=ssrc:2047312735 cname:user1@h\r\n\
         m=audio 0 RTP/AVP 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:97 OPUS/48000/2\r\na=fmtp:97 sprop-stereo=1\r\na=control:stream=1\r\n",
        "rtsp://127.0.0.1:8554/test/",
        &[
            "rtsp://127.0.0.1:8554/test/",
            "rtsp://127.0.0.1:8554/test/stream=0 96 90000 H264 21 4",
            "rtsp://127.0.0.1:8554/test/stream=1 97 48000 Opus 2",
        ],
    );
}

#[test]
fn axis_gives_absolute_addresses_with_queries() {
    check(
        "v=0\r\no=- 17055551923284230935 1 IN IP4 192.168.0.90\r\ns=Session streamed with GStreamer\r\nt=0 0\r\n\
         a=control:rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=4d0029\r\n\
         a=control:rtsp://192.168.0.90/axis-media/media.amp/stream=0?videocodec=h264\r\na=recvonly\r\n\
         m=application 0 RTP/AVP 98\r\na=rtpmap:98 vnd.onvif.metadata/90000\r\na=control:stream=1\r\n",
        "rtsp://10.1.1.1/axis-media/media.amp",
        &[
            "rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264",
            "rtsp://192.168.0.90/axis-media/media.amp/stream=0?videocodec=h264 96 90000 H264 0 0",
            "rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264/stream=1 98 90000 application \"vnd.onvif.metadata\" None None",
        ],
    );
}

#[test]
fn hikvision_appends_tracks_to_a_base_with_a_slash() {
    check(
        "v=0\r\no=- 1699522800 1699522800 IN IP4 192.168.1.64\r\ns=Media Presentation\r\ne=NONE\r\nb=AS:5100\r\nt=0 0\r\n\
         a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/\r\n\
         m=video 0 RTP/AVP 96\r\nc=IN IP4 0.0.0.0\r\nb=AS:5000\r\na=recvonly\r\na=x-dimensions:1920,1080\r\n\
         a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1\r\na=rtpmap:96 H265/90000\r\n\
         a=fmtp:96 sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwBdqgJA;sprop-sps=QgEBAWAAAAMAsAAAAwAAAwBdoAKAgC0WNrkk5TI=;sprop-pps=RAHA8vA8kA==\r\n\
         a=Media_header:MEDIAINFO=494D4B48010300000400000100000000;\r\n\
         m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=control:trackID=2\r\na=rtpmap:8 PCMA/8000\r\n",
        "rtsp://192.168.1.64:554/Streaming/Channels/101/",
        &[
            "rtsp://192.168.1.64:554/Streaming/Channels/101/",
            "rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1 96 90000 H265 24 29 7",
            "rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2 8 8000 G711 false 1",
        ],
    );
}

#[test]
fn dahua_lists_a_back_channel_and_a_base_that_ends_in_a_query() {
    check(
        "v=0\no=- 2252310609 2252310609 IN IP4 0.0.0.0\ns=Media Server\nc=IN IP4 0.0.0.0\nt=0 0\na=control:*\n\
         a=packetization-supported:DH\na=range:npt=now-\n\
         m=video 0 RTP/AVP 96\na=control:trackID=0\na=framerate:25.000000\na=rtpmap:96 H264/90000\n\
         a=fmtp:96 packetization-mode=1;profile-level-id=4D4029;sprop-parameter-sets=Z01AKZZSAoAtyIABdwAAr8gQ,aO48gAA=\na=recvonly\n\
         m=audio 0 RTP/AVP 97\na=control:trackID=1\na=rtpmap:97 MPEG4-GENERIC/16000\n\
         a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408\na=recvonly\n\
         m=audio 0 RTP/AVP 8\na=control:trackID=5\na=rtpmap:8 PCMA/8000\na=sendonly\n",
        "rtsp://192.168.5.21:554/cam/realmonitor?channel=1&subtype=0/",
        &[
            "rtsp://192.168.5.21:554/cam/realmonitor?channel=1&subtype=0/",
            "rtsp://192.168.5.21:554/cam/realmonitor?channel=1&subtype=0/trackID=0 96 90000 H264 18 4",
            "rtsp://192.168.5.21:554/cam/realmonitor?channel=1&subtype=0/trackID=1 97 16000 AAC b\"\\x14\\x08\" 16000 1 13/3/3",
            "rtsp://192.168.5.21:554/cam/realmonitor?channel=1&subtype=0/trackID=5 8 8000 G711 false 1 back",
        ],
    );
}

#[test]
fn sparse_and_sloppy_descriptions_are_understood() {
    // Static payload types without rtpmap, broken origin and time lines, no fmtp, no control, spaces, upper case.
    check(
        "v=0\r\no=bad\r\nt=\r\nm=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 8\r\na=control:/trackID=2\r\n\
         m=video 0 RTP/AVP 26\r\nm=video 0 rtp/avp 96 \r\na=rtpmap: 96 h264/90000\r\na=control:?track=v\r\n\
         m=video 0 RTP/AVP 97\r\na=RTPMAP:97 H264\r\na=fmtp:97 ;sprop-parameter-sets=AAAAAWdCAAqmhAAA,!!,aM4=; x\r\n\
         m=audio 0 RTP/AVP 98\r\na=rtpmap:98 mpeg4-generic/48000/2\r\n\
         m=audio 0 RTP/AVP 99\r\na=rtpmap:99 MP4A-LATM/48000/2\r\na=fmtp:99 cpresent=0;config=400024203fc0\r\n\
         m=audio 0 RTP/AVP 100\r\na=rtpmap:100 mpeg4-generic/48000/2\r\na=fmtp:100 mode=CELP-vbr\r\n\
         m=application 0 RTP/AVP 107\r\nm=application 9 DTLS/SCTP 5000\r\n\
         m=video 0 RTP/AVP 110 96\r\na=rtpmap:110 rtx/90000\r\na=rtpmap:96 H264/90000\r\n",
        "rtsp://h/s",
        &[
            "rtsp://h/s",
            "rtsp://h/s 0 8000 G711 true 1",
            "rtsp://h/s/trackID=2 8 8000 G711 false 1",
            "rtsp://h/s 26 90000 video \"JPEG\" None None",
            "rtsp://h/s?track=v 96 90000 H264 0 0",
            "rtsp://h/s 97 90000 H264 6 2",
            "rtsp://h/s 98 48000 AAC b\"\\x11\\x90\" 48000 2 13/3/3",
            "rtsp://h/s 99 48000 audio \"MP4A-LATM\" Some(2) Some(\"cpresent=0;config=400024203fc0\")",
            "rtsp://h/s 100 48000 audio \"mpeg4-generic\" Some(2) Some(\"mode=CELP-vbr\")",
            "rtsp://h/s 107 90000 application \"\" None None",
            "rtsp://h/s 96 90000 H264 0 0",
        ],
    );
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let no_track = "the session description has no track that plain RTP carries";
    check("", "rtsp://h/", &[no_track]);
    check("v=0\r\nm=application 9 DTLS/SCTP 5000\r\n", "rtsp://h/", &[no_track]);
    check("m=video 0 RTP/SAVP 96\r\n", "rtsp://h/", &[&format!("{no_track} (SRTP is not supported)")]);
    check(
        "v=0\r\nm=video 0\r\n",
        "rtsp://h/",
        &["line 2 of the session description is malformed: it needs a kind, a port and a profile"],
    );
    check(&"m=video 0 RTP/AVP 96\n".repeat(17), "rtsp://h/", &["the session description has more than 16 tracks"]);
    check(&"\n".repeat(BYTES_MAX + 1), "rtsp://h/", &["the session description has more than 262144 bytes"]);
}

fn track(id: u8, payload_type: u8, clock_rate: u32, codec: Codec) -> Track {
    Track { id: TrackId(id), codec, clock_rate: NonZeroU32::new(clock_rate).unwrap(), payload_type }
}

fn tracks_of_all_codecs() -> Vec<Track> {
    let aac = Codec::Aac {
        config: vec![0x11, 0x90].into(),
        sample_rate: 48_000,
        channels: 2,
        size_length: 13,
        index_length: 3,
        index_delta_length: 3,
    };
    let generic = |media: &str, encoding: &str, fmtp: Option<&str>| Codec::Generic {
        media: media.into(),
        encoding: encoding.into(),
        channels: None,
        fmtp: fmtp.map(str::to_owned),
    };
    let h264 =
        Codec::H264 { sps: b"\x67\x42\xc0\x15\xda".as_slice().into(), pps: b"\x68\xce\x3c\x80".as_slice().into() };
    let h265 = Codec::H265 {
        vps: b"\x40\x01\x0c".as_slice().into(),
        sps: b"\x42\x01\x01".as_slice().into(),
        pps: b"\x44\x01\xc0".as_slice().into(),
    };
    vec![
        track(0, 96, 90_000, h264),
        track(1, 97, 90_000, h265),
        track(2, 98, 48_000, aac),
        track(3, 99, 48_000, Codec::Opus { channels: 2 }),
        track(4, 0, 8_000, Codec::G711 { mu_law: true, channels: 1 }),
        track(5, 100, 16_000, Codec::G711 { mu_law: false, channels: 2 }),
        track(6, 101, 90_000, generic("application", "vnd.onvif.metadata", None)),
        track(7, 102, 90_000, generic("video", "VP8", Some("max-fr=30"))),
        track(8, 103, 90_000, Codec::H264 { sps: bytes::Bytes::new(), pps: bytes::Bytes::new() }),
        track(9, 104, 90_000, generic("application", "", None)),
    ]
}

#[test]
fn a_written_description_reads_back_the_same() {
    let tracks = tracks_of_all_codecs();
    let session = parse(write(&tracks, "s").as_bytes(), "rtsp://h/s/").unwrap();
    assert_eq!(session.control, "rtsp://h/s/");
    for (media, track) in session.tracks.iter().zip(&tracks) {
        assert_eq!(media.track, *track);
        assert_eq!(media.control, format!("rtsp://h/s/trackID={}", track.id.0));
    }
}

#[test]
fn a_written_description_follows_the_standard() {
    let text = write(&tracks_of_all_codecs(), "metro\r\n1");
    let session = sdp_types::Session::parse(text.as_bytes()).unwrap();
    assert_eq!(session.session_name, "metro1");
    assert_eq!(session.medias.len(), 10);
    assert!(text.contains(
        "a=fmtp:96 packetization-mode=1; profile-level-id=42C015; sprop-parameter-sets=Z0LAFdo=,aM48gA==\r\n"
    ));
    assert!(text.contains(
        "a=fmtp:98 streamtype=5; profile-level-id=1; mode=AAC-hbr; sizelength=13; indexlength=3; indexdeltalength=3; config=1190\r\n"
    ));
    assert!(text.contains("m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=4\r\n"));
}

#[test]
fn h265_with_decoding_order_numbers_is_refused_by_name() {
    let sdp = |fmtp: &str| format!("v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=fmtp:96 {fmtp}\r\n");
    for (fmtp, name) in [
        ("sprop-max-don-diff=2", "H.265 with decoding order numbers (sprop-max-don-diff)"),
        ("sprop-vps=AA==; tx-mode=MRST", "H.265 over several RTP streams (tx-mode)"),
    ] {
        check(&sdp(fmtp), "rtsp://h/p", &[&format!("{name} is not supported")]);
    }
    check(&sdp("sprop-max-don-diff=0;tx-mode=SRST"), "rtsp://h/p", &["rtsp://h/p", "rtsp://h/p 96 90000 H265 0 0 0"]);
}

/// Descriptions of cameras that break the rules, and what is made of them.
#[test]
fn quirks_of_descriptions_are_met() {
    let h264 = "rtsp://h/s/v 96 90000 H264 0 0";
    for (quirk, sdp, expected) in [
        ("lines end with a carriage return", "v=0\rm=video 0 RTP/AVP 96\ra=rtpmap:96 H264/90000\ra=control:v\r", h264),
        ("lines end in two ways", "v=0\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\na=control:v", h264),
        ("no format in the media line", "m=video 0 RTP/AVP\na=rtpmap:96 H264/90000\na=control:v\n", h264),
        (
            "a track without any format",
            "m=audio 0 RTP/AVP\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n",
            h264,
        ),
        ("attributes in upper case", "m=video 0 RTP/AVP 96\na=RTPMAP:96 H264/90000\na=Control:v\n", h264),
        ("no clock in the map", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264\na=control:v\n", h264),
        ("a clock that is no number", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/x\na=control:v\n", h264),
        (
            "parameter sets that are no base64",
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=%%%,!!\na=control:v\n",
            h264,
        ),
        (
            "parameter sets that are empty",
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=,\na=control:v\n",
            h264,
        ),
        (
            "one parameter set alone",
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=Z0LAFdoFB+hAAAADAEAAAA8DxYuo\na=control:v\n",
            "rtsp://h/s/v 96 90000 H264 21 0",
        ),
        (
            "text before the first line",
            "\u{feff}\n\n garbage\nv=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n",
            h264,
        ),
        ("a zero at the end", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n\0", h264),
        ("a static type alone", "m=audio 0 RTP/AVP 8\na=control:a\n", "rtsp://h/s/a 8 8000 G711 false 1"),
        ("a port that is no number", "m=video x/2 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v\n", h264),
        (
            "a query for an address",
            "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:v?profile=1\n",
            "rtsp://h/s/v?profile=1 96 90000 H264 0 0",
        ),
        (
            "a star for an address",
            "a=control:*\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:*\n",
            "rtsp://h/s 96 90000 H264 0 0",
        ),
    ] {
        let shown = show(sdp, "rtsp://h/s");
        assert_eq!(shown.split_once('\n').map(|(_, tracks)| tracks), Some(expected), "{quirk}: {shown}");
    }
}
