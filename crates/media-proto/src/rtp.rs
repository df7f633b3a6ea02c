//! RTP packets, RFC 3550 section 5.1.

use bytes::Bytes;

use crate::Error;

/// Bytes of a header without CSRCs and extension.
pub const HEADER_BYTES: usize = 12;

/// A parsed packet. The payload is without CSRCs, header extension and padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// The marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in ticks of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The payload.
    pub payload: Bytes,
}

impl Packet {
    /// Reads one datagram.
    ///
    /// # Errors
    /// A wrong version, or lengths that point beyond the datagram.
    pub fn parse(datagram: Bytes) -> Result<Self, Error> {
        let fault = |reason| Error::malformed("RTP packet", reason);
        let &[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] =
            datagram.first_chunk::<HEADER_BYTES>().ok_or(fault("shorter than its header"))?;
        if first >> 6 != 2 {
            return Err(fault("its version is not 2"));
        }
        let mut start = HEADER_BYTES + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = datagram.get(start + 2..start + 4).ok_or(fault("the header extension is cut off"))?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let padding = if first & 0x20 == 0 { 0 } else { usize::from(datagram.last().copied().unwrap_or(0)) };
        let end = datagram.len().checked_sub(padding).filter(|&end| end >= start);
        let end = end.ok_or(fault("header and padding are longer than the packet"))?;
        Ok(Self {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: datagram.slice(start..end),
        })
    }
}

/// Writes a header without CSRCs and extension.
#[must_use]
pub fn header(payload_type: u8, marker: bool, sequence: u16, timestamp: u32, ssrc: u32) -> [u8; HEADER_BYTES] {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    let [c0, c1, c2, c3] = ssrc.to_be_bytes();
    [0x80, (u8::from(marker) << 7) | (payload_type & 0x7f), s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(tail: &[u8], first: u8) -> Bytes {
        let mut bytes = header(96, true, 7, 90_000, 0xdead_beef).to_vec();
        bytes[0] = first;
        bytes.extend_from_slice(tail);
        bytes.into()
    }

    #[test]
    fn a_header_survives_the_way_there_and_back() {
        let parsed = Packet::parse(packet(b"pay", 0x80)).unwrap();
        let want = Packet {
            payload_type: 96,
            marker: true,
            sequence: 7,
            timestamp: 90_000,
            ssrc: 0xdead_beef,
            payload: "pay".into(),
        };
        assert_eq!(parsed, want);
    }

    #[test]
    fn sources_extension_and_padding_are_no_payload() {
        let with_csrc_and_extension = packet(b"csrc\xbe\xde\0\x01extnpay\0\x02", 0xb1);
        assert_eq!(Packet::parse(with_csrc_and_extension).unwrap().payload, "pay");
    }

    #[test]
    fn a_packet_cut_anywhere_or_lying_about_its_lengths_is_refused() {
        let whole = packet(b"csrc\xbe\xde\0\x01extn", 0x91);
        for length in 0..whole.len() {
            assert!(Packet::parse(whole.slice(..length)).is_err(), "{length}");
        }
        assert!(Packet::parse(packet(b"ab\x09", 0xa0)).is_err());
        assert!(Packet::parse(packet(b"", 0x40)).is_err());
    }
}
