//! H.264 NAL units in and out of RTP packets (RFC 6184, packetization-mode 1), as far as a WebRTC sender needs it.

use bytes::{BufMut, Bytes, BytesMut};
use media_proto::{Codec, RtpPacket, SmallPacket};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const TYPE: u8 = 0x1f;

/// The packets of one access unit; the last has the marker.
pub(super) fn packets(codec: &Codec, frames: &[Bytes], limit: usize) -> Vec<SmallPacket> {
    let mut packets = Vec::new();
    for frame in frames {
        match codec {
            Codec::H264 { .. } if frame.len() > limit => fragment(frame, limit, &mut packets),
            Codec::H264 { .. }
            | Codec::H265 { .. }
            | Codec::Aac { .. }
            | Codec::Opus { .. }
            | Codec::G711 { .. }
            | Codec::Generic { .. } => packets.push(SmallPacket { marker: false, payload: frame[..].into() }),
        }
    }
    if let (Codec::H264 { .. }, Some(last)) = (codec, packets.last_mut()) {
        last.marker = true;
    }
    packets
}

/// Section 5.8: fragments of equal size.
fn fragment(nal: &Bytes, limit: usize, packets: &mut Vec<SmallPacket>) {
    let Some((&header, body)) = nal.split_first() else {
        return;
    };
    let room = limit.saturating_sub(2).max(1);
    let count = body.len().div_ceil(room).max(1);
    let size = body.len().div_ceil(count).max(1);
    let last = body.chunks(size).len().saturating_sub(1);
    for (index, chunk) in body.chunks(size).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if index == last { FU_END } else { 0 };
        let mut payload = Vec::with_capacity(chunk.len() + 2);
        payload.extend_from_slice(&[header & !TYPE | FU_A, start | end | header & TYPE]);
        payload.extend_from_slice(chunk);
        packets.push(SmallPacket { marker: false, payload: payload.into() });
    }
}

/// The NAL units in the packets of one access unit; for other codecs the payloads as they are.
pub(super) fn frames(codec: &Codec, packets: &[RtpPacket]) -> Vec<Bytes> {
    if !matches!(codec, Codec::H264 { .. }) {
        return packets.iter().map(|packet| packet.payload.clone()).collect();
    }
    let mut nals = Vec::new();
    let mut open: Option<BytesMut> = None;
    for RtpPacket { payload, .. } in packets {
        match payload.first().map(|header| header & TYPE) {
            Some(STAP_A) => aggregated(payload.slice(1..), &mut nals),
            Some(FU_A) => continue_fragment(payload, &mut open, &mut nals),
            Some(_) => nals.push(payload.clone()),
            None => {}
        }
    }
    nals
}

fn aggregated(mut rest: Bytes, nals: &mut Vec<Bytes>) {
    while let [high, low, ..] = rest[..] {
        let _ = rest.split_to(2);
        let size = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        nals.push(rest.split_to(size));
    }
}

fn continue_fragment(payload: &Bytes, open: &mut Option<BytesMut>, nals: &mut Vec<Bytes>) {
    let [indicator, header, body @ ..] = &payload[..] else {
        return;
    };
    if header & FU_START != 0 {
        let mut nal = BytesMut::with_capacity(64 << 10);
        nal.put_u8(indicator & !TYPE | header & TYPE);
        *open = Some(nal);
    }
    let Some(nal) = open.as_mut() else {
        return;
    };
    nal.extend_from_slice(body);
    if header & FU_END != 0 {
        nals.extend(open.take().map(BytesMut::freeze));
    }
}

/// Whether a NAL unit is a slice of a B picture (ITU-T H.264 section 7.3.3: `first_mb_in_slice`, then `slice_type`).
pub(super) fn is_b_slice(nal: &[u8]) -> bool {
    let Some((&header, body)) = nal.split_first() else {
        return false;
    };
    let mut bits = Bits { bytes: body, at: 0 };
    matches!(header & TYPE, 1 | 2) && bits.exp_golomb().is_some() && bits.exp_golomb().is_some_and(|kind| kind % 5 == 1)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let mut value = 1u32;
        for _ in 0..zeros {
            value = value << 1 | self.bit()?;
        }
        Some(value - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec() -> Codec {
        Codec::H264 { sps: Bytes::new(), pps: Bytes::new() }
    }

    #[test]
    fn a_large_nal_unit_survives_fragmentation() {
        let nal: Bytes = std::iter::once(0x65).chain((0..5000u32).map(|n| n as u8)).collect::<Vec<u8>>().into();
        let small = Bytes::from_static(&[0x67, 1, 2]);
        let sent = packets(&codec(), &[small.clone(), nal.clone()], 1150);
        assert!(sent.iter().all(|packet| packet.payload.len() <= 1150));
        assert_eq!(sent.iter().filter(|packet| packet.marker).count(), 1);
        let received: Vec<RtpPacket> = sent
            .iter()
            .map(|packet| RtpPacket { marker: packet.marker, payload: Bytes::copy_from_slice(&packet.payload) })
            .collect();
        assert_eq!(frames(&codec(), &received), [small, nal]);
    }

    #[test]
    fn b_slices_are_told_by_their_slice_type() {
        // first_mb_in_slice 0 = `1`; slice_type 1 = `010`, 6 = `00111`, 0 = `1`, 5 = `00110`.
        for (nal, b) in [(&[0x41, 0b1010_0000][..], true), (&[0x41, 0b1001_1100], true), (&[0x41, 0b1100_0000], false)]
        {
            assert_eq!(is_b_slice(nal), b, "{nal:?}");
        }
        assert!(!is_b_slice(&[0x65, 0b1010_0000]));
        assert!(!is_b_slice(&[0x41, 0]));
        assert!(!is_b_slice(&[]));
    }
}
