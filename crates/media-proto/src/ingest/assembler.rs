//! Groups the packets of a track into access units by timestamp and marker.

use crate::{
    Codec, RtpPacket,
    depacketizer::{self, Kinds},
    h264, h265,
    rtp::Packet,
};

/// The largest unit that is put together; what is larger is dropped whole.
const UNIT_BYTES_MAX: usize = 16 << 20;
/// The most packets of one unit: a keyframe of 16 MiB in packets of 512 bytes.
const UNIT_PACKETS_MAX: usize = 32_768;

/// The packets of one unit.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) timestamp: u32,
    pub(super) packets: Vec<RtpPacket>,
    /// The types of its NAL units.
    pub(super) kinds: Kinds,
    /// No packet of it is missing.
    pub(super) whole: bool,
    bytes: usize,
}

impl Group {
    /// Whether decoding can start here.
    pub(super) fn is_keyframe(&self, codec: &Codec) -> bool {
        match codec {
            Codec::H264 { .. } => self.kinds.has(h264::IDR),
            Codec::H265 { .. } => self.kinds.has_one_of((0..64).filter(|kind| h265::is_keyframe(*kind))),
            Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => true,
        }
    }

    /// Whether its picture refers to pictures before the last keyframe.
    pub(super) fn refers_back(&self, codec: &Codec) -> bool {
        matches!(codec, Codec::H265 { .. }) && self.kinds.has_one_of((0..64).filter(|kind| h265::is_rasl(*kind)))
    }

    /// Whether something to show or hear is in it, not only parameter sets and the like.
    pub(super) fn has_content(&self, codec: &Codec) -> bool {
        match codec {
            Codec::H264 { .. } => self.kinds.has_one_of(1..=5),
            Codec::H265 { .. } => self.kinds.has_one_of(0..=31),
            Codec::Aac { .. } | Codec::Opus { .. } | Codec::G711 { .. } | Codec::Generic { .. } => true,
        }
    }

    /// Whether it is a BLA picture, which says itself that what was before is another stream.
    fn breaks_link(&self, codec: &Codec) -> bool {
        matches!(codec, Codec::H265 { .. }) && self.kinds.has_one_of(h265::BLA_W_LP..h265::IDR_W_RADL)
    }

    fn add(&mut self, packet: Packet, codec: &Codec) {
        self.bytes += packet.payload.len();
        self.kinds = self.kinds.and(depacketizer::nal_types(codec, &packet.payload));
        if self.bytes > UNIT_BYTES_MAX || self.packets.len() >= UNIT_PACKETS_MAX {
            self.whole = false;
            self.packets = Vec::new();
        } else {
            self.packets.push(RtpPacket { marker: packet.marker, payload: packet.payload });
        }
    }
}

#[derive(Debug)]
pub(super) struct Assembler {
    open: Option<Group>,
    /// A packet was missing since the last group ended.
    torn: bool,
    /// Something was missing since the last keyframe.
    broken: bool,
    /// Pictures that refer to what came before the last keyframe cannot be decoded.
    drops_referring_back: bool,
}

impl Assembler {
    pub(super) fn new(codec: &Codec) -> Self {
        // A connection may begin in the middle of a picture.
        let torn = matches!(codec, Codec::H264 { .. } | Codec::H265 { .. });
        Self { open: None, torn, broken: torn, drops_referring_back: false }
    }

    /// Something is missing here: the end of the open unit, or the beginning of the next one, or both.
    pub(super) fn tear(&mut self) {
        if let Some(open) = &mut self.open {
            open.whole = false;
        }
        self.torn = true;
        self.broken = true;
    }

    /// Takes the next packet in order. The groups that end with it: none, one, or two.
    pub(super) fn push(&mut self, packet: Packet, codec: &Codec) -> Vec<Group> {
        let mut ended = Vec::new();
        if self.open.as_ref().is_some_and(|open| open.timestamp != packet.timestamp) {
            ended.extend(self.take_open(codec));
        }
        let marker = packet.marker;
        // After a loss between two units, the new one is whole if it shows its beginning.
        let whole = !std::mem::take(&mut self.torn) || depacketizer::begins_unit(codec, &packet.payload);
        let fresh = Group { timestamp: packet.timestamp, whole, ..Group::default() };
        let open = self.open.get_or_insert(fresh);
        open.add(packet, codec);
        let ends = match codec {
            // Cameras exist that mark parameter sets too; they belong to the picture that follows.
            Codec::H264 { .. } | Codec::H265 { .. } => marker && open.has_content(codec),
            Codec::Aac { .. } | Codec::Generic { .. } => marker,
            // The marker of Opus and G.711 means the end of silence (RFC 3551 section 4.1); each packet is a unit.
            Codec::Opus { .. } | Codec::G711 { .. } => true,
        };
        if ends {
            ended.extend(self.take_open(codec));
        }
        ended
    }

    /// The open group, unless nobody can decode it: where the stream begins anew with a CRA or BLA picture, those that
    /// refer to what was before are left out (ITU-T H.265 section 8.1.3).
    fn take_open(&mut self, codec: &Codec) -> Option<Group> {
        let group = self.open.take()?;
        if group.is_keyframe(codec) {
            self.drops_referring_back = self.broken || !group.whole || group.breaks_link(codec);
            self.broken = !group.whole;
        }
        (!self.drops_referring_back || !group.refers_back(codec)).then_some(group)
    }
}
