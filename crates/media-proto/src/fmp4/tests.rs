use std::num::NonZeroU32;

use mp4_atom::{Atom as _, DecodeMaybe as _, FourCC, Header};

use super::*;

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x1e, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x0f, 0x16, 0x2d, 0x96,
];

fn track(id: u8, codec: Codec, rate: u32) -> Track {
    Track { id: TrackId(id), codec, clock_rate: NonZeroU32::new(rate).unwrap(), payload_type: 96 + id }
}

fn video() -> Track {
    track(0, Codec::H264 { sps: Bytes::from_static(SPS), pps: Bytes::from_static(&[0x68, 0xeb, 0xe3]) }, 90_000)
}

fn audio() -> Track {
    let config = Bytes::from_static(&[0x11, 0x90]);
    let lengths = (13, 3, 3);
    let codec = Codec::Aac {
        config,
        sample_rate: 48_000,
        channels: 2,
        size_length: lengths.0,
        index_length: lengths.1,
        index_delta_length: lengths.2,
    };
    track(1, codec, 48_000)
}

/// The boxes at the top of a file.
fn top(mut file: &[u8]) -> Vec<(FourCC, usize)> {
    let mut found = Vec::new();
    while let Some(header) = Header::decode_maybe(&mut file).unwrap() {
        let size = header.size.unwrap();
        found.push((header.kind, size));
        file = &file[size..];
    }
    found
}

#[test]
fn the_initialisation_segment_is_read_back_by_another_library() {
    let bytes = init(&[video(), audio()]).unwrap();
    let mut rest = &bytes[..];
    assert!(mp4_atom::Ftyp::decode_maybe(&mut rest).unwrap().is_some());
    let moov = mp4_atom::Moov::decode_maybe(&mut rest).unwrap().unwrap();
    assert!(rest.is_empty());
    assert_eq!(moov.trak.iter().map(|trak| trak.mdia.mdhd.timescale).collect::<Vec<_>>(), [90_000, 48_000]);
    let codecs = format!("{:?}", moov.trak.iter().map(|trak| &trak.mdia.minf.stbl.stsd).collect::<Vec<_>>());
    assert!(codecs.contains("width: 640") && codecs.contains("Avc1") && codecs.contains("Mp4a"), "{codecs}");
}

#[test]
fn a_fragment_is_read_back_with_its_times_and_offsets() {
    let sample = |offset, keyframe, data: &'static [u8]| Sample {
        duration: 3600,
        composition_offset: offset,
        keyframe,
        data: Bytes::from_static(data),
    };
    let pictures = [sample(3600, true, b"abc"), sample(-3600, false, b"de")];
    let sounds = [sample(0, true, b"f")];
    let runs = [
        Run { track: TrackId(0), base_decode_time: 1 << 33, samples: &pictures },
        Run { track: TrackId(1), base_decode_time: 7, samples: &sounds },
    ];
    let bytes = fragment(9, &runs);
    let boxes = top(&bytes);
    assert_eq!(boxes.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [mp4_atom::Moof::KIND, FourCC::new(b"mdat")]);
    let moof = mp4_atom::Moof::decode_maybe(&mut &bytes[..]).unwrap().unwrap();
    assert_eq!(moof.traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 1 << 33);
    let entries = &moof.traf[0].trun[0].samples;
    assert_eq!(entries.iter().map(|entry| entry.cts.unwrap()).collect::<Vec<_>>(), [3600, -3600]);
    let at = |run: usize| usize::try_from(moof.traf[run].trun[0].data_offset.unwrap()).unwrap();
    assert_eq!((&bytes[at(0)..at(0) + 5], &bytes[at(1)..]), (&b"abcde"[..], &b"f"[..]));
}

/// x265, 320x180 at 25 pictures per second.
fn h265(sps: &'static [u8]) -> Track {
    let vps: &[u8] = &[
        0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00,
        0x03, 0x00, 0x3c, 0xba, 0x02, 0x40,
    ];
    let pps: &[u8] = &[0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89];
    let [vps, sps, pps] = [vps, sps, pps].map(Bytes::from_static);
    track(0, Codec::H265 { vps, sps, pps }, 90_000)
}

#[test]
fn the_sample_entry_of_h265_is_read_back_by_another_library() {
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c,
        0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3e, 0x5b, 0xa4, 0xa4, 0xc2, 0xf0, 0x16, 0x80, 0x80, 0x00, 0x00, 0x03, 0x00,
        0x80, 0x00, 0x00, 0x0c, 0x84,
    ];
    let bytes = init(&[h265(SPS)]).unwrap();
    let mut rest = &bytes[..];
    assert!(mp4_atom::Ftyp::decode_maybe(&mut rest).unwrap().is_some());
    let moov = mp4_atom::Moov::decode_maybe(&mut rest).unwrap().unwrap();
    let mp4_atom::Codec::Hvc1(entry) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!("{moov:?}") };
    assert_eq!((entry.visual.width, entry.visual.height), (320, 180));
    let record = &entry.hvcc;
    assert_eq!((record.general_profile_idc, record.general_level_idc, record.length_size_minus_one), (1, 60, 3));
    assert_eq!((record.num_temporal_layers, record.temporal_id_nested), (1, true));
    assert_eq!(record.general_profile_compatibility_flags, [0x60, 0, 0, 0]);
    assert_eq!(record.general_constraint_indicator_flags, [0x90, 0, 0, 0, 0, 0]);
    let arrays = record.arrays.iter().map(|array| (array.nal_unit_type, array.nalus.len(), array.completeness));
    assert_eq!(arrays.collect::<Vec<_>>(), [(32, 1, true), (33, 1, true), (34, 1, true)]);
    assert_eq!(record.arrays[1].nalus[0], SPS);
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let g711 = Codec::G711 { mu_law: true, channels: 1 };
    assert!(init(&[track(0, g711, 8000)]).unwrap_err().to_string().contains("G.711"));
    assert!(init(&[track(0, Codec::H264 { sps: Bytes::new(), pps: Bytes::new() }, 90_000)]).is_err());
    assert!(init(&[h265(&[0x42, 1])]).unwrap_err().to_string().contains("H.265 SPS"));
}
