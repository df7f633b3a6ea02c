//! Finding frames in what a server calls generic byte data.

use bytes::Bytes;

use super::{ALTERNATE_HEADER_BYTES, Codec, Form, Frame, HEADER_BYTES, Header, Kind, Media, PACKETS_MAX, nal};
use crate::Error;

const WHAT: &str = "generic byte data";
const JPEG_BEGINS: [u8; 2] = [0xff, 0xd8];
/// Where the body behind the other header may begin.
const ALTERNATE_BODY: std::ops::RangeInclusive<usize> = 24..=64;
/// How far an unknown beginning is looked through.
const SEARCHED_BYTES_MAX: usize = 128;

/// The frames in the body of an image response, at least one.
///
/// # Errors
/// There is none to be found, packets are cut or do not add up, or there are more than [`PACKETS_MAX`].
pub fn frames(bytes: &Bytes) -> Result<Vec<Frame>, Error> {
    if bytes.starts_with(&JPEG_BEGINS) {
        return Ok(vec![bare(Form::Bare, Codec::Jpeg, bytes.clone())]);
    }
    let kind = bytes.first_chunk().map(|kind| u16::from_be_bytes(*kind));
    let kind = kind.ok_or(Error::malformed(WHAT, "it is too short"))?;
    if Kind::of(kind).is_some() {
        let mut frames = Vec::new();
        packets(bytes.clone(), Depth::Outer, &mut frames)?;
        return match frames.is_empty() {
            true => Err(Error::malformed(WHAT, "it has no frame")),
            false => Ok(frames),
        };
    }
    let alternate = Codec::of(kind).and_then(|codec| alternate(codec, bytes));
    let found = alternate.or_else(|| searched(bytes)).ok_or(Error::malformed(WHAT, "no frame begins in it"))?;
    Ok(vec![found])
}

/// Where packets lie. A block holds packets, not blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Outer,
    Block,
}

fn packets(mut rest: Bytes, depth: Depth, frames: &mut Vec<Frame>) -> Result<(), Error> {
    while !rest.is_empty() {
        let (header, size) = Header::read(&rest)?;
        if size > rest.len() {
            return Err(Error::malformed(WHAT, "a packet is cut"));
        }
        let body = rest.split_to(size).slice(HEADER_BYTES..);
        match (header.kind, depth) {
            (Kind::VideoBlock, Depth::Outer) => packets(body, Depth::Block, frames)?,
            (Kind::VideoBlock, Depth::Block) => return Err(Error::malformed(WHAT, "a block lies in a block")),
            (Kind::Video | Kind::Audio | Kind::Metadata, _) => frames.push(frame(&header, body)?),
        }
        if frames.len() > PACKETS_MAX {
            return Err(Error::TooLarge { what: "packets in an image", limit: PACKETS_MAX });
        }
    }
    Ok(())
}

fn frame(header: &Header, body: Bytes) -> Result<Frame, Error> {
    let media = match header.kind {
        Kind::Audio => Media::Audio(header.codec),
        Kind::Metadata => Media::Metadata(header.codec),
        Kind::Video | Kind::VideoBlock => {
            let told = Codec::of(header.codec);
            let codec = if body.starts_with(&JPEG_BEGINS) { Some(Codec::Jpeg) } else { told };
            let codec = codec.ok_or_else(|| Error::unknown("codec", &format!("{:#06x}", header.codec)))?;
            // AV1 is not looked into.
            let is_keyframe = if codec == Codec::Av1 { header.is_keyframe() } else { is_keyframe(codec, &body) };
            Media::Video { codec, is_keyframe }
        }
    };
    let (at, keyframe_at) = (Some(header.at), Some(header.keyframe_at));
    Ok(Frame { form: Form::Packet, media, at, keyframe_at, sequence: Some(header.sequence), body })
}

fn alternate(codec: Codec, bytes: &Bytes) -> Option<Frame> {
    let begins = |at: &usize| {
        bytes.get(*at..).is_some_and(|rest| match codec {
            Codec::Jpeg => rest.starts_with(&JPEG_BEGINS),
            Codec::H264 | Codec::H265 => rest.starts_with(&[0, 0, 0, 1]) || rest.starts_with(&[0, 0, 1]),
            Codec::Av1 => false,
        })
    };
    // Zeros may end the header, so the place that is known goes first.
    let body = std::iter::once(ALTERNATE_HEADER_BYTES).chain(ALTERNATE_BODY).find(begins)?;
    Some(bare(Form::Alternate, codec, bytes.slice(body..)))
}

fn searched(bytes: &Bytes) -> Option<Frame> {
    let annex_b = |form, body: Bytes| bare(form, Codec::of_annex_b(&body), body);
    if nal::start_code(bytes).is_some() {
        return Some(annex_b(Form::Bare, bytes.clone()));
    }
    (0..SEARCHED_BYTES_MAX.min(bytes.len())).find_map(|at| {
        let rest = bytes.get(at..)?;
        if rest.starts_with(&[0xff, 0xd8, 0xff]) {
            return Some(bare(Form::Unknown, Codec::Jpeg, bytes.slice(at..)));
        }
        let begins = rest.starts_with(&[0, 0, 0, 1]) || rest.starts_with(&[0, 0, 1]);
        begins.then(|| annex_b(Form::Unknown, bytes.slice(at..)))
    })
}

fn bare(form: Form, codec: Codec, body: Bytes) -> Frame {
    let media = Media::Video { codec, is_keyframe: is_keyframe(codec, &body) };
    Frame { form, media, at: None, keyframe_at: None, sequence: None, body }
}

fn is_keyframe(codec: Codec, body: &Bytes) -> bool {
    codec == Codec::Jpeg || nal::is_keyframe(codec, body)
}
