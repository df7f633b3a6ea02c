//! RTP and what shares its port on a byte stream (RFC 4571): each packet after its length in two bytes. ICE over TCP
//! (RFC 6544) carries STUN, DTLS and SRTP so.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::Error;

/// The largest packet taken; what a browser sends fits an Ethernet frame.
pub const PACKET_MAX: usize = 2048;

const LENGTH_BYTES: usize = 2;

/// Cuts a byte stream into packets. It holds less than one packet and what was received last.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// Takes the next bytes of the stream.
    pub fn received(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole packet. Take all there are before more bytes are received.
    ///
    /// # Errors
    /// The other side announces a packet above [`PACKET_MAX`] bytes; the connection cannot go on.
    pub fn poll(&mut self) -> Result<Option<Bytes>, Error> {
        let [high, low, ..] = self.buffer[..] else {
            return Ok(None);
        };
        let size = usize::from(u16::from_be_bytes([high, low]));
        if size > PACKET_MAX {
            return Err(Error::malformed("RFC 4571 frame", "it is larger than any packet"));
        }
        if self.buffer.len() < LENGTH_BYTES + size {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(size).freeze()))
    }
}

/// Appends a packet to what goes onto the stream. A packet that no length can tell is left out.
pub fn put(stream: &mut BytesMut, packet: &[u8]) {
    if let Ok(size) = u16::try_from(packet.len()) {
        stream.put_u16(size);
        stream.put_slice(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_survive_the_stream_however_it_is_cut() {
        let packets: [&[u8]; 4] = [b"one", b"", &[7; PACKET_MAX], b"four"];
        let mut stream = BytesMut::new();
        for packet in packets {
            put(&mut stream, packet);
        }
        for cut in [1, 2, 3, 5, 1000, stream.len()] {
            let mut deframer = Deframer::default();
            let mut seen = Vec::new();
            for bytes in stream.chunks(cut) {
                deframer.received(bytes);
                while let Some(packet) = deframer.poll().unwrap() {
                    seen.push(packet);
                }
            }
            assert_eq!(seen, packets, "cut every {cut} bytes");
        }
    }

    #[test]
    fn a_packet_that_is_too_large_ends_the_stream() {
        let mut deframer = Deframer::default();
        deframer.received(&[0x08, 0x01]);
        assert!(deframer.poll().is_err());
        deframer = Deframer::default();
        deframer.received(&[0x08]);
        assert_eq!(deframer.poll().unwrap(), None);
        let mut none = BytesMut::new();
        put(&mut none, &[0; 70_000]);
        assert!(none.is_empty());
    }
}
