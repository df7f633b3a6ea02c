//! NAL units in the two forms in which they lie in a body (H.264 Annex B, and each after its length in four bytes).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Codec, NAL_UNITS_MAX};
use crate::Error;

const WHAT: &str = "access unit";
const LENGTH_BYTES: usize = 4;
/// A start code without the zeros that may stand before it.
const START_CODE_BYTES: usize = 3;

/// The NAL units of an access unit, without start codes or lengths. They share its bytes.
///
/// What begins with a start code is Annex B, even where its bytes could be lengths that add up.
///
/// # Errors
/// It begins with no start code and its lengths do not add up, or it has more than [`NAL_UNITS_MAX`] units.
pub fn nal_units(body: &Bytes) -> Result<Vec<Bytes>, Error> {
    let units = if start_code(body).is_some() { from_annex_b(body) } else { from_lengths(body)? };
    if units.is_empty() {
        return Err(Error::malformed(WHAT, "it has no NAL unit"));
    }
    if units.len() > NAL_UNITS_MAX {
        return Err(Error::TooLarge { what: "NAL units of an access unit", limit: NAL_UNITS_MAX });
    }
    Ok(units)
}

/// An Annex B stream of NAL units, each after a start code of four bytes.
#[must_use]
pub fn annex_b<T: AsRef<[u8]>>(units: &[T]) -> Bytes {
    let size = units.iter().map(|unit| LENGTH_BYTES + unit.as_ref().len()).sum();
    let mut stream = BytesMut::with_capacity(size);
    for unit in units {
        stream.put_slice(&[0, 0, 0, 1]);
        stream.put_slice(unit.as_ref());
    }
    stream.freeze()
}

/// Where the first NAL unit begins, if a start code with any zeros before it stands first.
pub(super) fn start_code(body: &[u8]) -> Option<usize> {
    let zeros = body.iter().take_while(|byte| **byte == 0).count();
    (zeros >= 2 && body.get(zeros) == Some(&1)).then_some(zeros + 1)
}

fn from_annex_b(body: &Bytes) -> Vec<Bytes> {
    let begins: Vec<usize> = Begins { body, at: 0 }.collect();
    let ends = begins.iter().skip(1).map(|begin| begin - START_CODE_BYTES).chain([body.len()]);
    begins.iter().zip(ends).filter_map(|(begin, end)| unit(body, *begin, end)).collect()
}

/// Where NAL units of an Annex B stream begin, each after its start code.
struct Begins<'a> {
    body: &'a [u8],
    at: usize,
}

impl Iterator for Begins<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let Some(three) = self.body.get(self.at..self.at + START_CODE_BYTES) {
            // No start code begins at a byte above 1 or at the two before it.
            match three {
                [0, 0, 1] => {
                    self.at += START_CODE_BYTES;
                    return Some(self.at);
                }
                [_, _, last] if *last > 1 => self.at += 3,
                _ => self.at += 1,
            }
        }
        None
    }
}

/// The unit between two start codes, without the zeros after it.
fn unit(body: &Bytes, begin: usize, end: usize) -> Option<Bytes> {
    let unit = body.slice(begin..end);
    let length = unit.iter().rposition(|byte| *byte != 0)? + 1;
    Some(unit.slice(..length))
}

fn from_lengths(body: &Bytes) -> Result<Vec<Bytes>, Error> {
    let mut units = Vec::new();
    let mut rest = body.clone();
    while !rest.is_empty() {
        let length = rest.first_chunk::<LENGTH_BYTES>().map(|length| u32::from_be_bytes(*length));
        let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length > 0);
        let end = length.and_then(|length| length.checked_add(LENGTH_BYTES)).filter(|end| *end <= rest.len());
        let end = end.ok_or(Error::malformed(WHAT, "it has no start code and its lengths do not add up"))?;
        let unit = rest.split_to(end);
        units.push(unit.slice(LENGTH_BYTES..));
        if units.len() > NAL_UNITS_MAX {
            break;
        }
    }
    Ok(units)
}

/// Whether decoding can begin at an access unit: an IDR picture of H.264, an IRAP picture of H.265. It looks no farther
/// than the first slice.
pub(super) fn is_keyframe(codec: Codec, body: &[u8]) -> bool {
    let slice = |at: usize| body.get(at).and_then(|header| slice_of_keyframe(codec, *header));
    let first = if start_code(body).is_some() {
        Begins { body, at: 0 }.find_map(slice)
    } else {
        let after = |at: &usize| {
            let length = body.get(at - LENGTH_BYTES..)?.first_chunk::<LENGTH_BYTES>()?;
            usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_add(at + LENGTH_BYTES)
        };
        std::iter::successors(Some(LENGTH_BYTES), after).find_map(slice)
    };
    first.unwrap_or(false)
}

/// For the header of a slice, whether its picture is a keyframe (H.264 table 7-1, H.265 table 7-1).
fn slice_of_keyframe(codec: Codec, header: u8) -> Option<bool> {
    match codec {
        Codec::Jpeg => Some(true),
        Codec::H264 => match header & 0x1f {
            5 => Some(true),
            1..=4 => Some(false),
            _ => None,
        },
        Codec::H265 => match header >> 1 & 0x3f {
            16..=21 => Some(true),
            0..=31 => Some(false),
            _ => None,
        },
        Codec::Av1 => None,
    }
}
