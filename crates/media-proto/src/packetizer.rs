//! From NAL units or raw frames to RTP packets of a bounded size.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Codec, RtpPacket, h264, h265};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// The packets of one access unit, none with a payload above `max_payload`. The marker bit stands on the last one.
///
/// H.264 is packetization-mode 1: single NAL units, STAP-A for small ones that follow each other, FU-A for large ones.
/// H.265 likewise: single NAL units, aggregation packets, fragmentation units, all without decoding order numbers.
#[must_use]
pub fn packets(codec: &Codec, frames: &[Bytes], max_payload: usize) -> Vec<RtpPacket> {
    let payloads = match codec {
        Codec::H264 { .. } => video(frames, max_payload, &H264),
        Codec::H265 { .. } => video(frames, max_payload, &H265),
        Codec::Aac { size_length, index_length, .. } => aac(frames, max_payload, *size_length, *index_length),
        Codec::Opus { .. } | Codec::G711 { .. } => frames.to_vec(),
        Codec::Generic { .. } => frames.iter().flat_map(|frame| chunks(frame, max_payload)).collect(),
    };
    let last = payloads.len().saturating_sub(1);
    payloads.into_iter().enumerate().map(|(at, payload)| RtpPacket { marker: at == last, payload }).collect()
}

/// How one codec wraps NAL units.
trait Wrapping {
    /// The header of an aggregation packet of these units.
    fn aggregation(&self, units: &[Bytes]) -> Vec<u8>;
    /// The header of a fragment, and how many bytes of the unit's own header it replaces.
    fn fragment(&self, unit: &[u8], start: bool, end: bool) -> Vec<u8>;
    /// Bytes of a NAL unit header.
    fn header_bytes(&self) -> usize;
}

struct H264;

impl Wrapping for H264 {
    fn aggregation(&self, units: &[Bytes]) -> Vec<u8> {
        let importance = units.iter().filter_map(|unit| unit.first()).map(|first| first & 0x60).max().unwrap_or(0);
        vec![importance | STAP_A]
    }

    fn fragment(&self, unit: &[u8], start: bool, end: bool) -> Vec<u8> {
        let first = unit.first().copied().unwrap_or(0);
        vec![first & 0xe0 | FU_A, u8::from(start) << 7 | u8::from(end) << 6 | h264::nal_type(unit)]
    }

    fn header_bytes(&self) -> usize {
        1
    }
}

struct H265;

impl Wrapping for H265 {
    fn aggregation(&self, units: &[Bytes]) -> Vec<u8> {
        // The lowest layer and the lowest temporal id of them all, RFC 7798 section 4.4.2.
        let ids = units.iter().filter_map(|unit| unit.first_chunk::<2>());
        let ids = ids.map(|[first, second]| ((first & 1) << 5 | second >> 3, second & 7));
        let (layer, temporal) = ids.fold((63, 7), |(layer, temporal), own| (own.0.min(layer), own.1.min(temporal)));
        vec![h265::AGGREGATION << 1 | layer >> 5, layer << 3 | temporal]
    }

    fn fragment(&self, unit: &[u8], start: bool, end: bool) -> Vec<u8> {
        let (first, second) = (unit.first().copied().unwrap_or(0), unit.get(1).copied().unwrap_or(1));
        let header = u8::from(start) << 7 | u8::from(end) << 6 | h265::nal_type(unit);
        vec![first & 0x81 | h265::FRAGMENTATION << 1, second, header]
    }

    fn header_bytes(&self) -> usize {
        2
    }
}

fn video(units: &[Bytes], max_payload: usize, wrapping: &dyn Wrapping) -> Vec<Bytes> {
    let mut payloads = Vec::new();
    let mut small: Vec<Bytes> = Vec::new();
    let mut small_bytes = wrapping.header_bytes();
    for unit in units.iter().filter(|unit| unit.len() >= wrapping.header_bytes()) {
        if !small.is_empty() && small_bytes + 2 + unit.len() > max_payload {
            flush(&mut small, &mut payloads, wrapping);
            small_bytes = wrapping.header_bytes();
        }
        if unit.len() > max_payload {
            payloads.extend(fragments(unit, max_payload, wrapping));
        } else {
            small_bytes += 2 + unit.len();
            small.push(unit.clone());
        }
    }
    flush(&mut small, &mut payloads, wrapping);
    payloads
}

/// Writes the collected units: one as it is, several as an aggregation packet.
fn flush(small: &mut Vec<Bytes>, payloads: &mut Vec<Bytes>, wrapping: &dyn Wrapping) {
    if let [only] = small.as_slice() {
        payloads.push(only.clone());
    } else if !small.is_empty() {
        let mut packet = BytesMut::from(wrapping.aggregation(small).as_slice());
        for unit in small.iter() {
            packet.put_u16(u16::try_from(unit.len()).unwrap_or(u16::MAX));
            packet.extend_from_slice(unit);
        }
        payloads.push(packet.freeze());
    }
    small.clear();
}

fn fragments(unit: &Bytes, max_payload: usize, wrapping: &dyn Wrapping) -> Vec<Bytes> {
    let own_header = wrapping.header_bytes();
    let room = max_payload.saturating_sub(own_header + 1).max(1);
    let body = unit.slice(own_header..);
    let count = body.len().div_ceil(room);
    let fragment = |index: usize| {
        let part = body.slice(index * room..body.len().min((index + 1) * room));
        let mut packet = BytesMut::from(wrapping.fragment(unit, index == 0, index + 1 == count).as_slice());
        packet.extend_from_slice(&part);
        packet.freeze()
    };
    (0..count).map(fragment).collect()
}

/// One frame per packet; a frame that does not fit is cut, each packet repeating its whole size (RFC 3640 section 3.2.3).
fn aac(frames: &[Bytes], max_payload: usize, size_length: u8, index_length: u8) -> Vec<Bytes> {
    let header_bits = u16::from(size_length) + u16::from(index_length);
    let header_bytes = usize::from(header_bits.div_ceil(8));
    let room = max_payload.saturating_sub(2 + header_bytes).max(1);
    let wrap = |frame: &Bytes, part: &[u8]| {
        let mut packet = BytesMut::with_capacity(2 + header_bytes + part.len());
        packet.put_u16(header_bits);
        let header = (frame.len() as u64) << (64 - u32::from(size_length.clamp(1, 32)));
        packet.extend_from_slice(header.to_be_bytes().get(..header_bytes).unwrap_or_default());
        packet.extend_from_slice(part);
        packet.freeze()
    };
    frames.iter().flat_map(|frame| frame.chunks(room).map(|part| wrap(frame, part)).collect::<Vec<_>>()).collect()
}

fn chunks(frame: &Bytes, max_payload: usize) -> Vec<Bytes> {
    let starts = (0..frame.len()).step_by(max_payload.max(1));
    starts.map(|start| frame.slice(start..frame.len().min(start + max_payload.max(1)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::depacketizer;

    fn aac_codec() -> Codec {
        Codec::Aac {
            config: Bytes::new(),
            sample_rate: 48_000,
            channels: 2,
            size_length: 13,
            index_length: 3,
            index_delta_length: 3,
        }
    }

    fn units(first: &[&[u8]], sizes: &[usize]) -> Vec<Bytes> {
        let make = |(at, size): (usize, &usize)| {
            let mut unit = first[at % first.len()].to_vec();
            unit.extend((unit.len()..*size).map(|byte| (byte % 251) as u8));
            Bytes::from(unit)
        };
        sizes.iter().enumerate().map(make).collect()
    }

    #[test]
    fn every_size_survives_the_way_there_and_back() {
        let empty = Bytes::new();
        let h264 = Codec::H264 { sps: empty.clone(), pps: empty.clone() };
        let h265 = Codec::H265 { vps: empty.clone(), sps: empty.clone(), pps: empty.clone() };
        let generic = Codec::Generic { media: "application".into(), encoding: "x".into(), channels: None, fmtp: None };
        for max_payload in [50, 100, 1150, 1440] {
            for size in [2, 3, 48, 49, 50, 51, 99, 100, 1150, 1151, 5000, 70_000] {
                let sizes = [30, 8, size, size];
                for (codec, first) in [
                    (&h264, &[&[0x67_u8][..], &[0x68], &[0x65]]),
                    (&h265, &[&[0x40_u8, 1][..], &[0x42, 1], &[0x26, 1]]),
                ] {
                    check(codec, &units(first, &sizes), max_payload);
                }
                check(&generic, &units(&[b"<"], &[size]), max_payload);
                if size < 8192 {
                    check(&aac_codec(), &units(&[b"a"], &[size]), max_payload);
                }
            }
        }
    }

    fn check(codec: &Codec, frames: &[Bytes], max_payload: usize) {
        let packets = packets(codec, frames, max_payload);
        assert!(packets.iter().all(|packet| packet.payload.len() <= max_payload), "{codec:?} {max_payload}");
        assert!(packets.iter().rev().skip(1).all(|packet| !packet.marker) && packets.last().unwrap().marker);
        assert_eq!(depacketizer::frames(codec, &packets), frames, "{codec:?} {max_payload}");
    }

    #[test]
    fn an_aggregation_packet_of_h265_has_the_lowest_layer_and_temporal_id() {
        let h265 = Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() };
        let units = [&[0x40, 0x0b][..], &[0x02, 0x12], &[0x02, 0x1b]].map(Bytes::from_static);
        let packets = packets(&h265, &units, 100);
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].payload[..2], [48 << 1, 0x0a], "layer 1, temporal id 2");
        assert_eq!(depacketizer::frames(&h265, &packets), units);
    }

    #[test]
    fn cut_or_bent_packets_never_panic() {
        let h264 = Codec::H264 { sps: Bytes::new(), pps: Bytes::new() };
        let whole = packets(&h264, &units(&[&[0x67], &[0x68], &[0x65]], &[30, 8, 300]), 100);
        for packet in &whole {
            for length in 0..packet.payload.len() {
                for kind in [0x78, 0x7c, 0x65, 0x60, 0x62] {
                    let mut bytes = packet.payload[..length].to_vec();
                    if let Some(first) = bytes.first_mut() {
                        *first = kind;
                    }
                    let bent = [RtpPacket { marker: true, payload: bytes.into() }];
                    for codec in [
                        h264.clone(),
                        Codec::H265 { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() },
                        aac_codec(),
                    ] {
                        let _ = depacketizer::frames(&codec, &bent);
                        let _ = depacketizer::nal_types(&codec, &bent[0].payload);
                    }
                }
            }
        }
    }
}
