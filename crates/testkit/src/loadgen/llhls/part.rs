//! The access units of a part (ISO/IEC 14496-12, 14496-15): those of its `mdat`, each from its stamp on.

use crate::loadgen::{measure::Frame, stamp::Stamp};

/// Bytes of a box's size and name.
const BOX_HEAD: usize = 8;
/// Bytes of the length before a NAL unit.
const LENGTH_BYTES: usize = 4;

/// The access units of a part that came at `now_ns`; what cannot be read is a broken one.
pub(super) fn frames(part: &[u8], now_ns: u64) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = part;
    while !rest.is_empty() {
        let Some((name, body, behind)) = split_box(rest) else {
            frames.push(Frame { broken: true, ..empty(now_ns) });
            return frames;
        };
        if name == b"mdat" {
            cut(body, now_ns, &mut frames);
        }
        rest = behind;
    }
    frames
}

fn split_box(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (name, _) = rest.split_first_chunk::<4>()?;
    let (own, behind) = bytes.split_at_checked(usize::try_from(u32::from_be_bytes(*size)).ok()?)?;
    Some((name, own.get(BOX_HEAD..)?, behind))
}

fn cut(mut body: &[u8], now_ns: u64, frames: &mut Vec<Frame>) {
    let mut open = empty(now_ns);
    while !body.is_empty() {
        let Some((nal, behind)) = split_nal(body) else {
            open.broken = true;
            break;
        };
        if open.stamp.is_some() && Stamp::of_nal(nal).is_some() {
            frames.push(std::mem::replace(&mut open, empty(now_ns)));
        }
        open.add_nal(nal);
        body = behind;
    }
    frames.push(open);
}

fn split_nal(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn empty(now_ns: u64) -> Frame {
    Frame { stamp: None, keyframe: false, slice_bytes: 0, broken: false, complete_ns: now_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_length(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn part() -> Vec<u8> {
        let stamp = |counter| Stamp { stream: 1, counter, sent_ns: 5, slice_bytes: 4 }.to_nal();
        let nals: [&[u8]; 5] = [b"\x67SPS", &stamp(8), b"\x65IDR", &stamp(9), b"\x41PPP"];
        let body = nals.map(with_length).concat();
        let mdat = [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), b"mdat".as_slice(), &body].concat();
        [b"\0\0\0\x0cmoofXXXX".as_slice(), &mdat].concat()
    }

    #[test]
    fn access_units_are_cut_at_their_stamps() {
        let got: Vec<_> =
            frames(&part(), 7).iter().map(|f| (f.stamp.unwrap().counter, f.keyframe, f.slice_bytes)).collect();
        assert_eq!(got, [(8, true, 4), (9, false, 4)]);
    }

    #[test]
    fn a_part_that_is_cut_off_is_broken() {
        let whole = part();
        for length in (1..whole.len()).filter(|length| *length != 12) {
            let cut = frames(&whole[..length], 7);
            assert!(cut.last().is_some_and(|frame| frame.broken), "{length} of {}", whole.len());
        }
    }
}
