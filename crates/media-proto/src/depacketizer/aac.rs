//! RFC 3640: an AU header section, then the frames it measures. A frame may run over several packets.

use bytes::{Bytes, BytesMut};

use crate::RtpPacket;

/// The bit lengths of an AU header's fields.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    pub(super) size: u8,
    pub(super) index: u8,
    pub(super) delta: u8,
}

pub(super) fn frames(packets: &[RtpPacket], lengths: Lengths) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut partial = BytesMut::new();
    for RtpPacket { payload, .. } in packets {
        let Some((sizes, mut at)) = headers(payload, lengths) else { continue };
        // A frame without bytes is none.
        for size in sizes.into_iter().filter(|size| *size > 0) {
            let available = payload.len() - at;
            if size <= available {
                frames.push(payload.slice(at..at + size));
                at += size;
                continue;
            }
            // A fragment: each packet of it repeats the size of the whole frame (section 3.2.3.2).
            partial.extend_from_slice(payload.get(at..).unwrap_or_default());
            if partial.len() >= size {
                let whole = std::mem::take(&mut partial).freeze();
                frames.push(whole.slice(..size));
            }
            break;
        }
    }
    frames
}

/// The sizes of the frames and where the first begins.
fn headers(payload: &[u8], lengths: Lengths) -> Option<(Vec<usize>, usize)> {
    let &[high, low] = payload.first_chunk::<2>()?;
    let section_bits = usize::from(u16::from_be_bytes([high, low]));
    let section = payload.get(2..2 + section_bits.div_ceil(8))?;
    let mut sizes = Vec::new();
    let mut bit = 0;
    while bit < section_bits {
        let index = if sizes.is_empty() { lengths.index } else { lengths.delta };
        let header = usize::from(lengths.size) + usize::from(index);
        if header == 0 || bit + header > section_bits {
            break;
        }
        sizes.push(bits(section, bit, lengths.size));
        bit += header;
    }
    Some((sizes, 2 + section.len()))
}

fn bits(bytes: &[u8], from: usize, count: u8) -> usize {
    (from..from + usize::from(count.min(32))).fold(0, |value, bit| {
        let byte = bytes.get(bit / 8).copied().unwrap_or(0);
        value << 1 | usize::from(byte >> (7 - bit % 8) & 1)
    })
}
