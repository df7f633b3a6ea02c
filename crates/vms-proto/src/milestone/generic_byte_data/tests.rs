use bytes::{Bytes, BytesMut};
use domain::WallTime;

use super::*;
use crate::Error;

const IDR: &[u8] = &[0, 0, 0, 1, 0x67, 0x64, 0, 0x1e, 0, 0, 1, 0x68, 0xee, 0, 0, 1, 0x65, 0x88, 0x84];
const P: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a];
const IRAP: &[u8] = &[0, 0, 0, 1, 0x40, 1, 0x0c, 0, 0, 0, 1, 0x42, 1, 1, 0, 0, 0, 1, 0x26, 1, 0xaf];
const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0xff, 0xd9];

fn ms(ms: i64) -> WallTime {
    WallTime::from_unix_us(ms * 1000)
}

fn header(codec: Codec, sequence: u16) -> Header {
    Header::video(codec, sequence, true, ms(1_767_225_600_000), ms(1_767_225_600_040))
}

/// The packet of the vector in section A4.4 of the specification of this connector.
const VECTOR: [u8; 38] = [
    0x00, 0x10, 0x00, 0x00, 0x00, 0x26, 0x00, 0x0a, 0x00, 0x07, 0x00, 0x01, 0x00, 0x00, 0x01, 0x9b, 0x76, 0xda, 0xa8,
    0x00, 0x00, 0x00, 0x01, 0x9b, 0x76, 0xda, 0xa8, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x09, 0xf0,
];

#[test]
fn the_documented_packet_is_read_and_written() {
    let (read, size) = Header::read(&VECTOR).unwrap();
    assert_eq!((read, size), (header(Codec::H264, 7), 38));
    assert!(read.is_keyframe());
    let mut written = BytesMut::new();
    write_packet(&read, &[0, 0, 0, 1, 9, 0xf0], &mut written);
    assert_eq!(written, &VECTOR[..]);
    let frames = frames(&Bytes::from_static(&VECTOR)).unwrap();
    // The flag says keyframe, the body holds none.
    let media = Media::Video { codec: Codec::H264, is_keyframe: false };
    let body = Bytes::from_static(&[0, 0, 0, 1, 9, 0xf0]);
    let (at, keyframe_at) = (Some(ms(1_767_225_600_040)), Some(ms(1_767_225_600_000)));
    assert_eq!(frames, [Frame { form: Form::Packet, media, at, keyframe_at, sequence: Some(7), body }]);
}

/// Form, codec, K for a keyframe, size of the body, for each frame.
fn told(bytes: &[u8]) -> String {
    match frames(&Bytes::copy_from_slice(bytes)) {
        Ok(frames) => frames.iter().map(shown).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    }
}

fn shown(frame: &Frame) -> String {
    let media = match frame.media {
        Media::Video { codec, is_keyframe } => format!("{codec:?}{}", if is_keyframe { " K" } else { "" }),
        Media::Audio(codec) => format!("audio {codec}"),
        Media::Metadata(format) => format!("metadata {format}"),
    };
    format!("{:?} {media} {}", frame.form, frame.body.len())
}

fn packet(header: &Header, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    write_packet(header, body, &mut out);
    out.to_vec()
}

fn alternate(codec: Codec, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    write_alternate(&header(codec, 0), body, &mut out);
    out.to_vec()
}

#[test]
fn every_form_that_servers_send_is_told_apart() {
    let h264 = |sequence| header(Codec::H264, sequence);
    let mut block = BytesMut::new();
    write_block(&[(h264(1), IDR), (h264(2), P)], &mut block);
    let audio = Header { kind: Kind::Audio, codec: 3, ..h264(0) };
    let metadata = Header { kind: Kind::Metadata, codec: 5, ..h264(0) };
    let unknown = Header { codec: 0x99, ..h264(0) };
    for (bytes, expected) in [
        (packet(&h264(0), IDR), "Packet H264 K 19"),
        (packet(&h264(0), P), "Packet H264 6"),
        (packet(&header(Codec::H265, 0), IRAP), "Packet H265 K 21"),
        (packet(&h264(0), JPEG), "Packet Jpeg K 8"),
        (packet(&unknown, JPEG), "Packet Jpeg K 8"),
        (packet(&unknown, P), "codec \"0x0099\" is not known"),
        (packet(&audio, b"sound"), "Packet audio 3 5"),
        (packet(&metadata, b"<x/>"), "Packet metadata 5 4"),
        ([packet(&h264(0), IDR), packet(&h264(1), P)].concat(), "Packet H264 K 19, Packet H264 6"),
        (block.to_vec(), "Packet H264 K 19, Packet H264 6"),
        (alternate(Codec::H264, IDR), "Alternate H264 K 19"),
        (alternate(Codec::H265, IRAP), "Alternate H265 K 21"),
        (alternate(Codec::Jpeg, JPEG), "Alternate Jpeg K 8"),
        (JPEG.to_vec(), "Bare Jpeg K 8"),
        (IDR.to_vec(), "Bare H264 K 19"),
        (IRAP.to_vec(), "Bare H265 K 21"),
        ([b"something", JPEG].concat(), "Unknown Jpeg K 8"),
        ([b"something", &IDR[1..]].concat(), "Unknown H264 K 18"),
        (b"nothing of use".to_vec(), "malformed generic byte data: no frame begins in it"),
        (vec![0; 200], "malformed generic byte data: no frame begins in it"),
        (vec![], "malformed generic byte data: it is too short"),
        (vec![0, 0x10, 0, 0], "malformed generic byte data: it is too short"),
    ] {
        assert_eq!(told(&bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn packets_that_do_not_add_up_are_refused() {
    let whole = packet(&header(Codec::H264, 0), IDR);
    let block_of = |body: &[u8]| packet(&Header { kind: Kind::VideoBlock, ..header(Codec::H264, 0) }, body);
    let with = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, expected) in [
        (whole[..40].to_vec(), "a packet is cut"),
        ([&whole[..], &[0, 0x10]].concat(), "it is too short"),
        (with(5, 31), "it is smaller than its header"),
        (with(20, 0x7f), "generic byte data has an unreadable picture timestamp"),
        (block_of(&[]), "it has no frame"),
        (block_of(&block_of(&whole)), "a block lies in a block"),
        (block_of(&whole[..50]), "a packet is cut"),
        (packet(&header(Codec::H264, 0), &[]).repeat(PACKETS_MAX + 1), "packets in an image exceeds 3600"),
    ] {
        let told = told(&bytes);
        assert!(told.ends_with(expected), "{told} is not {expected}");
    }
}

#[test]
fn nal_units_are_found_in_either_form() {
    let lengths = [0, 0, 0, 2, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 0, 3, 0x65, 0, 7];
    for (body, expected) in [
        (IDR, Some(vec![&[0x67, 0x64, 0, 0x1e][..], &[0x68, 0xee], &[0x65, 0x88, 0x84]])),
        (&[0, 0, 0, 0, 0, 1, 0x65, 1, 0, 0, 0][..], Some(vec![&[0x65, 1]])),
        (&[0, 0, 1, 0, 0, 1, 0x65], Some(vec![&[0x65]])),
        (&lengths, Some(vec![&[0x67, 1], &[0x68], &[0x65, 0, 7]])),
        (&lengths[..17], None),
        (&[0, 0, 0, 0], None),
        (&[0, 0, 0, 1], None),
        (&[0xff, 0xff, 0xff, 0xff, 1], None),
        (&[], None),
    ] {
        let units = nal_units(&Bytes::copy_from_slice(body));
        assert_eq!(units.as_deref().ok(), expected.as_deref().map(to_bytes).as_deref(), "{body:x?}");
        if let Ok(units) = units {
            assert_eq!(nal_units(&annex_b(&units)).unwrap(), units);
        }
    }
    let many = annex_b(&vec![[0x65_u8]; NAL_UNITS_MAX + 1]);
    assert!(matches!(nal_units(&many), Err(Error::TooLarge { .. })));
}

fn to_bytes(units: &[&[u8]]) -> Vec<Bytes> {
    units.iter().map(|unit| Bytes::copy_from_slice(unit)).collect()
}
