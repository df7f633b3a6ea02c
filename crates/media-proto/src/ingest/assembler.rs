//! Groups the packets of a track into access units by timestamp and marker.

use crate::{Codec, RtpPacket, depacketizer, h264, h265, rtp::Packet};

/// The largest unit that is put together; what is larger is dropped whole.
const UNIT_BYTES_MAX: usize = 16 << 20;

/// The packets of one unit.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) timestamp: u32,
    pub(super) packets: Vec<RtpPacket>,
    pub(super) keyframe: bool,
    pub(super) has_parameter_sets: bool,
    pub(super) has_all_parameter_sets: bool,
    /// No packet of it is missing.
    pub(super) whole: bool,
    bytes: usize,
    kinds: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: Option<Group>,
    /// A packet was missing since the last group ended.
    torn: bool,
}

impl Assembler {
    /// Takes the next packet in order, after `missing` lost ones. The groups that end with it: none, one, or two.
    pub(super) fn push(&mut self, packet: Packet, missing: u64, codec: &Codec) -> Vec<Group> {
        let mut ended = Vec::new();
        if missing > 0 {
            // What is missing may be the end of the open unit or the beginning of the next one.
            if let Some(open) = &mut self.open {
                open.whole = false;
            }
            self.torn = true;
        }
        if self.open.as_ref().is_some_and(|open| open.timestamp != packet.timestamp) {
            ended.extend(self.close(codec));
        }
        // After a loss between two units, the new one is whole if it shows its beginning.
        let whole = !std::mem::take(&mut self.torn) || depacketizer::begins_picture(codec, &packet.payload);
        let fresh = || Group { timestamp: packet.timestamp, whole, ..Group::default() };
        let is_new = self.open.is_none();
        let open = self.open.get_or_insert_with(fresh);
        open.whole &= is_new || missing == 0;
        open.bytes += packet.payload.len();
        open.kinds.extend(depacketizer::nal_types(codec, &packet.payload));
        if open.bytes > UNIT_BYTES_MAX {
            open.whole = false;
            open.packets.clear();
        } else {
            open.packets.push(RtpPacket { marker: packet.marker, payload: packet.payload });
        }
        // The marker of Opus and G.711 means the end of silence (RFC 3551 section 4.1); each packet is a unit.
        let ends = match codec {
            Codec::H264 { .. } | Codec::H265 { .. } | Codec::Aac { .. } | Codec::Generic { .. } => packet.marker,
            Codec::Opus { .. } | Codec::G711 { .. } => true,
        };
        if ends {
            ended.extend(self.close(codec));
        }
        ended
    }

    fn close(&mut self, codec: &Codec) -> Option<Group> {
        let mut group = self.open.take()?;
        let has = |kind: u8| group.kinds.contains(&kind);
        let (keyframe, any, all) = match codec {
            Codec::H264 { .. } => (has(h264::IDR), has(h264::SPS) || has(h264::PPS), has(h264::SPS) && has(h264::PPS)),
            Codec::H265 { .. } => {
                let sets = [h265::VPS, h265::SPS, h265::PPS].map(has);
                (group.kinds.iter().any(|kind| h265::is_keyframe(*kind)), sets.contains(&true), !sets.contains(&false))
            }
            Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => (true, false, true),
        };
        (group.keyframe, group.has_parameter_sets, group.has_all_parameter_sets) = (keyframe, any, all);
        Some(group)
    }
}
