use bytes::{BufMut, BytesMut};
use domain::WallTime;

use super::Codec;
use crate::Error;

const WHAT: &str = "generic byte data";

/// The bytes of a packet's header.
pub const HEADER_BYTES: usize = 32;
/// The bytes of the other header that one report shows.
pub const ALTERNATE_HEADER_BYTES: usize = 36;
const FLAG_KEYFRAME: u16 = 1;

/// What is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture.
    Video,
    /// A block: packets of pictures one after the other.
    VideoBlock,
    /// Sound.
    Audio,
    /// Metadata.
    Metadata,
}

impl Kind {
    /// The vendor's number.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Video => 0x0010,
            Self::VideoBlock => 0x0011,
            Self::Audio => 0x0020,
            Self::Metadata => 0x0030,
        }
    }

    /// The kind of the vendor's number.
    #[must_use]
    pub const fn of(id: u16) -> Option<Self> {
        Some(match id {
            0x0010 => Self::Video,
            0x0011 => Self::VideoBlock,
            0x0020 => Self::Audio,
            0x0030 => Self::Metadata,
            _ => return None,
        })
    }
}

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is in the packet.
    pub kind: Kind,
    /// The vendor's number of the codec; see [`Codec::of`] for pictures.
    pub codec: u16,
    /// Counts up by one and wraps.
    pub sequence: u16,
    /// The first bit tells a keyframe, the others are not documented.
    pub flags: u16,
    /// The time of the keyframe that the frame belongs to.
    pub keyframe_at: WallTime,
    /// The time of the frame.
    pub at: WallTime,
}

impl Header {
    /// The header of a picture.
    #[must_use]
    pub const fn video(codec: Codec, sequence: u16, is_keyframe: bool, keyframe_at: WallTime, at: WallTime) -> Self {
        let flags = if is_keyframe { FLAG_KEYFRAME } else { 0 };
        Self { kind: Kind::Video, codec: codec.id(), sequence, flags, keyframe_at, at }
    }

    /// Whether it says that the frame is a keyframe.
    #[must_use]
    pub const fn is_keyframe(&self) -> bool {
        self.flags & FLAG_KEYFRAME != 0
    }

    /// Reads the header at the begin of some bytes, and the size of the packet with this header in bytes.
    ///
    /// # Errors
    /// The bytes are too few, the kind is not known, a time is out of range, or the packet is smaller than its header.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), Error> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(Error::malformed(WHAT, "it is too short"))?;
        let mut rest = &header[..];
        let kind = u16::from_be_bytes(next(&mut rest)?);
        let kind = Kind::of(kind).ok_or_else(|| Error::unknown("data type", &format!("{kind:#06x}")))?;
        let size = usize::try_from(u32::from_be_bytes(next(&mut rest)?)).unwrap_or(usize::MAX);
        if size < HEADER_BYTES {
            return Err(Error::malformed(WHAT, "it is smaller than its header"));
        }
        let codec = u16::from_be_bytes(next(&mut rest)?);
        let sequence = u16::from_be_bytes(next(&mut rest)?);
        let flags = u16::from_be_bytes(next(&mut rest)?);
        let mut time = |part| {
            let ms = i64::from_be_bytes(next(&mut rest)?);
            ms.checked_mul(1000).map(WallTime::from_unix_us).ok_or(Error::Unreadable { what: WHAT, part })
        };
        let (keyframe_at, at) = (time("sync timestamp")?, time("picture timestamp")?);
        Ok((Self { kind, codec, sequence, flags, keyframe_at, at }, size))
    }

    /// The header of a packet whose body has so many bytes. A size that four bytes cannot tell is written as the
    /// largest they can.
    #[must_use]
    pub fn bytes(&self, body_bytes: usize) -> [u8; HEADER_BYTES] {
        let size = u32::try_from(HEADER_BYTES + body_bytes).unwrap_or(u32::MAX);
        let mut header = [0; HEADER_BYTES];
        let mut rest = &mut header[..];
        rest.put_u16(self.kind.id());
        rest.put_u32(size);
        rest.put_u16(self.codec);
        rest.put_u16(self.sequence);
        rest.put_u16(self.flags);
        rest.put_i64(self.keyframe_at.unix_us().div_euclid(1000));
        rest.put_i64(self.at.unix_us().div_euclid(1000));
        header
    }
}

fn next<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    let (chunk, after) = rest.split_first_chunk().ok_or(Error::malformed(WHAT, "it is too short"))?;
    *rest = after;
    Ok(*chunk)
}

/// Appends a packet.
pub fn write_packet(header: &Header, body: &[u8], out: &mut BytesMut) {
    out.put_slice(&header.bytes(body.len()));
    out.put_slice(body);
}

/// Appends a block of packets with the times of the first.
pub fn write_block<T: AsRef<[u8]>>(packets: &[(Header, T)], out: &mut BytesMut) {
    let Some((first, _)) = packets.first() else {
        return;
    };
    let size = packets.iter().map(|(_, body)| HEADER_BYTES + body.as_ref().len()).sum();
    out.put_slice(&Header { kind: Kind::VideoBlock, ..*first }.bytes(size));
    for (header, body) in packets {
        write_packet(header, body.as_ref(), out);
    }
}

/// Appends a picture after the other header, as far as the report shows it: codec, six bytes, the size of the body, a
/// time, sixteen bytes.
pub fn write_alternate(header: &Header, body: &[u8], out: &mut BytesMut) {
    out.put_u16(header.codec);
    out.put_bytes(0, 6);
    out.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_i64(header.at.unix_us().div_euclid(1000));
    out.put_bytes(0, 16);
    out.put_slice(body);
}
