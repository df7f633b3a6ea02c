//! A stamp in each access unit, for measuring latency and loss without looking at pixels.
//!
//! It is a supplemental enhancement information NAL unit of type `user_data_unregistered` (ITU-T H.264 section D.1.7),
//! which RTSP, HLS and WebRTC carry to the end. After the UUID come, in network order, the camera's number, the frame
//! counter (32 bits each) and the time of sending in nanoseconds of UTC (64 bits).

use bytes::Bytes;

/// What marks a stamp of ours among other user data.
const UUID: [u8; 16] = *b"\x6d\x0b\x5e\x53\xa3\x9c\x4c\x11\x9f\x2e\x77\xd0\x1a\x84\xc6\x35";
const NAL_SEI: u8 = 6;
const USER_DATA_UNREGISTERED: u8 = 5;
const BODY_BYTES: u8 = 32;

/// When and where a picture was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the camera that is shown; that of the camera itself in a main picture too.
    pub camera: u32,
    /// The frame counter of the picture.
    pub counter: u32,
    /// When it was sent, in nanoseconds of UTC since 1970.
    pub sent_unix_ns: u64,
}

impl Stamp {
    /// The stamp as a NAL unit.
    #[must_use]
    pub fn to_nal(self) -> Bytes {
        let mut body = vec![NAL_SEI, USER_DATA_UNREGISTERED, BODY_BYTES];
        body.extend(UUID);
        body.extend(self.camera.to_be_bytes());
        body.extend(self.counter.to_be_bytes());
        body.extend(self.sent_unix_ns.to_be_bytes());
        body.push(0x80);
        escape(&body)
    }

    /// Reads a NAL unit; `None` when it is no stamp.
    #[must_use]
    pub fn of_nal(nal: &[u8]) -> Option<Self> {
        let plain = nal.strip_prefix(&[NAL_SEI, USER_DATA_UNREGISTERED, BODY_BYTES])?;
        let plain = unescape(plain);
        let (camera, rest) = plain.strip_prefix(&UUID)?.split_first_chunk()?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (sent, _) = rest.split_first_chunk()?;
        Some(Self {
            camera: u32::from_be_bytes(*camera),
            counter: u32::from_be_bytes(*counter),
            sent_unix_ns: u64::from_be_bytes(*sent),
        })
    }
}

/// Puts a 3 after two zeros where the next byte could make a start code (section 7.4.1).
fn escape(plain: &[u8]) -> Bytes {
    let mut escaped = Vec::with_capacity(plain.len() + 8);
    let mut zeros = 0;
    for &byte in plain {
        if zeros == 2 && byte <= 3 {
            escaped.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        escaped.push(byte);
    }
    escaped.into()
}

fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(escaped.len());
    let mut zeros = 0;
    for &byte in escaped {
        if zeros == 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_back_and_holds_no_start_code() {
        for (camera, counter, sent_unix_ns) in
            [(7, 511, 1_700_000_000_123_456_789), (0, 0, 0), (1, 0x0000_0300, 0x0300_0000_0001)]
        {
            let stamp = Stamp { camera, counter, sent_unix_ns };
            let nal = stamp.to_nal();
            assert_eq!(Stamp::of_nal(&nal), Some(stamp));
            assert!(!nal.windows(3).any(|window| window[..2] == [0, 0] && window[2] < 3), "{nal:x?}");
        }
    }

    #[test]
    fn other_nal_units_are_no_stamps() {
        let nal = Stamp { camera: 1, counter: 2, sent_unix_ns: 3 }.to_nal();
        for length in 0..nal.len() - 12 {
            assert_eq!(Stamp::of_nal(&nal[..length]), None);
        }
        assert_eq!(Stamp::of_nal(b"\x65\x88\x84"), None);
    }
}
