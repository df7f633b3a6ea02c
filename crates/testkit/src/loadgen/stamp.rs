//! The stamp each access unit carries: whose it is, which one, when it was sent, and how large its slices are.
//!
//! It is a supplemental enhancement information NAL unit of type `user_data_unregistered` (ITU-T H.264 section D.1.7).
//! All fields are hexadecimal text: its size never changes, no byte needs emulation prevention, and a publisher writes its
//! own numbers over those of a shared packet.

use bytes::Bytes;

/// What marks the stamp among other user data.
pub const UUID: [u8; 16] = *b"cctv-loadgen-\xe5\x1a\x7e";
/// Bytes of the fields after the UUID.
pub const FIELDS_BYTES: usize = 40;

const NAL_SEI: u8 = 6;
const USER_DATA_UNREGISTERED: u8 = 5;
const BODY_BYTES: u8 = 56;
const RBSP_STOP: u8 = 0x80;

/// What one stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the stream.
    pub stream: u32,
    /// Access units of this stream sent before.
    pub counter: u32,
    /// The monotonic clock when it was sent, in nanoseconds.
    pub sent_ns: u64,
    /// Bytes of the slices of the access unit, headers included.
    pub slice_bytes: u32,
}

impl Stamp {
    /// The stamp as a NAL unit.
    #[must_use]
    pub fn to_nal(self) -> Bytes {
        let mut nal = vec![NAL_SEI, USER_DATA_UNREGISTERED, BODY_BYTES];
        nal.extend(UUID);
        nal.extend(self.fields());
        nal.push(RBSP_STOP);
        nal.into()
    }

    /// Reads a NAL unit; `None` when it is no stamp.
    #[must_use]
    pub fn of_nal(nal: &[u8]) -> Option<Self> {
        let body = nal.strip_prefix(&[NAL_SEI, USER_DATA_UNREGISTERED, BODY_BYTES])?.strip_prefix(&UUID)?;
        let (stream, body) = field(body, 8)?;
        let (counter, body) = field(body, 8)?;
        let (sent_ns, body) = field(body, 16)?;
        let (slice_bytes, _) = field(body, 8)?;
        Some(Self {
            stream: u32::try_from(stream).ok()?,
            counter: u32::try_from(counter).ok()?,
            sent_ns,
            slice_bytes: u32::try_from(slice_bytes).ok()?,
        })
    }

    /// Its fields as they stand behind the UUID.
    #[must_use]
    pub fn fields(self) -> [u8; FIELDS_BYTES] {
        let mut text = [0; FIELDS_BYTES];
        let values =
            [(self.stream.into(), 8), (self.counter.into(), 8), (self.sent_ns, 16), (self.slice_bytes.into(), 8)];
        let digits = values.iter().flat_map(|&(value, width)| (0..width).rev().map(move |at| hex(value >> (4 * at))));
        text.iter_mut().zip(digits).for_each(|(place, digit)| *place = digit);
        text
    }
}

/// Where the fields of a stamp begin in a packet that holds one.
#[must_use]
pub fn fields_at(payload: &[u8]) -> Option<usize> {
    payload.windows(UUID.len()).position(|window| window == UUID).map(|at| at + UUID.len())
}

fn hex(value: u64) -> u8 {
    match (value & 15) as u8 {
        digit @ 0..=9 => b'0' + digit,
        digit => b'a' + digit - 10,
    }
}

fn field(body: &[u8], width: usize) -> Option<(u64, &[u8])> {
    let (text, rest) = body.split_at_checked(width)?;
    let value =
        text.iter().try_fold(0, |value: u64, &digit| Some(value << 4 | u64::from(char::from(digit).to_digit(16)?)))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { stream: 499, counter: u32::MAX, sent_ns: u64::MAX >> 1, slice_bytes: 250_000 };

    #[test]
    fn a_stamp_reads_back_and_holds_no_zero_byte() {
        for stamp in [STAMP, Stamp { stream: 0, counter: 0, sent_ns: 0, slice_bytes: 0 }] {
            let nal = stamp.to_nal();
            assert_eq!(Stamp::of_nal(&nal), Some(stamp));
            assert!(!nal.contains(&0), "{nal:x?}");
        }
    }

    #[test]
    fn a_publisher_writes_its_own_numbers_into_a_shared_packet() {
        let mut packet = [b"\x18\0\x02\x67\x42\0\x3c".as_slice(), &STAMP.to_nal()].concat();
        let at = fields_at(&packet).unwrap();
        let own = Stamp { stream: 7, counter: 8, sent_ns: 9, slice_bytes: 10 };
        packet[at..at + FIELDS_BYTES].copy_from_slice(&own.fields());
        assert_eq!(Stamp::of_nal(&packet[7..]), Some(own));
    }

    #[test]
    fn other_nal_units_are_no_stamps() {
        let nal = STAMP.to_nal();
        for length in 0..nal.len() - 1 {
            assert_eq!(Stamp::of_nal(&nal[..length]), None);
        }
        assert_eq!(fields_at(b"\x65\x88\x84"), None);
    }
}
