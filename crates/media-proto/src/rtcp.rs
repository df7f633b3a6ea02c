//! RTCP packets, RFC 3550 section 6, with the feedback of RFC 4585, RFC 5104 and transport-wide
//! congestion control.

mod arrivals;

use bytes::{BufMut, Bytes, BytesMut};
use domain::WallTime;

use crate::Error;
pub use arrivals::Arrivals;

/// The packets of a compound packet that matter here. Others are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rtcp {
    /// What a sender says of its clock and counts.
    SenderReport(SenderReport),
    /// What receivers say of the sources they hear; also the blocks inside a sender report.
    ReceiverReport {
        /// The reporting receiver.
        ssrc: u32,
        /// One block per source.
        blocks: Vec<ReportBlock>,
    },
    /// A source leaves.
    Bye {
        /// The source.
        ssrc: u32,
    },
    /// The picture is lost: a keyframe is wanted (PLI or FIR).
    KeyframeWanted {
        /// The source it is wanted of.
        media_ssrc: u32,
    },
    /// Packets are missing (generic NACK).
    Nack {
        /// The source of the packets.
        media_ssrc: u32,
        /// Their sequence numbers.
        sequences: Vec<u16>,
    },
    /// When each packet arrived.
    Arrivals(Arrivals),
}

/// A sender report without its report blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender.
    pub ssrc: u32,
    /// Its 64-bit NTP timestamp.
    pub ntp: u64,
    /// The RTP timestamp of the same instant.
    pub rtp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub bytes: u32,
}

/// One block of a receiver report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: u32,
    /// Part of the packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits signed.
    pub lost: i32,
    /// The highest sequence number with its count of wraps above it.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP timestamp; 0 = none yet.
    pub last_report: u32,
    /// Time since that report, in 1/65536 s.
    pub since_last_report: u32,
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// Reads a compound packet.
///
/// # Errors
/// A wrong version, or a length beyond the datagram.
pub fn parse(mut datagram: &[u8]) -> Result<Vec<Rtcp>, Error> {
    let fault = |reason| Error::malformed("RTCP packet", reason);
    let mut found = Vec::new();
    while !datagram.is_empty() {
        let &[first, kind, l0, l1] = datagram.first_chunk::<4>().ok_or(fault("shorter than its header"))?;
        if first >> 6 != 2 {
            return Err(fault("its version is not 2"));
        }
        let length = 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let (packet, rest) = datagram.split_at_checked(length).ok_or(fault("its length points beyond the datagram"))?;
        read(first & 0x1f, kind, packet.get(4..).unwrap_or_default(), &mut found)
            .ok_or(fault("its fields are cut off"))?;
        datagram = rest;
    }
    Ok(found)
}

fn read(count: u8, kind: u8, body: &[u8], found: &mut Vec<Rtcp>) -> Option<()> {
    match kind {
        SENDER_REPORT => {
            let ntp = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
            let ssrc = word(body, 0)?;
            found.push(Rtcp::SenderReport(SenderReport {
                ssrc,
                ntp,
                rtp: word(body, 12)?,
                packets: word(body, 16)?,
                bytes: word(body, 20)?,
            }));
            if count > 0 {
                found.push(Rtcp::ReceiverReport { ssrc, blocks: blocks(count, body.get(24..)?)? });
            }
        }
        RECEIVER_REPORT => {
            found.push(Rtcp::ReceiverReport { ssrc: word(body, 0)?, blocks: blocks(count, body.get(4..)?)? });
        }
        GOODBYE if count > 0 => found.push(Rtcp::Bye { ssrc: word(body, 0)? }),
        PAYLOAD_FEEDBACK if matches!(count, 1 | 4) => {
            // PLI names its source in the header, FIR in its first entry (RFC 5104 section 4.3.1).
            let at = if count == 1 { 4 } else { 8 };
            found.push(Rtcp::KeyframeWanted { media_ssrc: word(body, at)? });
        }
        TRANSPORT_FEEDBACK if count == 1 => {
            let sequences =
                body.get(8..)?.chunks_exact(4).flat_map(|item| missing([item[0], item[1], item[2], item[3]]));
            found.push(Rtcp::Nack { media_ssrc: word(body, 4)?, sequences: sequences.collect() });
        }
        TRANSPORT_FEEDBACK if count == 15 => found.push(Rtcp::Arrivals(Arrivals::read(body.get(8..)?)?)),
        _ => {}
    }
    Some(())
}

/// The sequence numbers of one NACK item, RFC 4585 section 6.2.1.
fn missing([p0, p1, m0, m1]: [u8; 4]) -> impl Iterator<Item = u16> {
    let first = u16::from_be_bytes([p0, p1]);
    let mask = u16::from_be_bytes([m0, m1]);
    let following = (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
    std::iter::once(first).chain(following)
}

fn blocks(count: u8, body: &[u8]) -> Option<Vec<ReportBlock>> {
    let block = |index: usize| {
        let body = body.get(24 * index..24 * (index + 1))?;
        let lost = word(body, 4)?;
        Some(ReportBlock {
            ssrc: word(body, 0)?,
            fraction_lost: (lost >> 24) as u8,
            lost: ((lost << 8) as i32) >> 8,
            highest_sequence: word(body, 8)?,
            jitter: word(body, 12)?,
            last_report: word(body, 16)?,
            since_last_report: word(body, 20)?,
        })
    };
    (0..usize::from(count)).map(block).collect()
}

fn word(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}

/// Writes a sender report and the sender's canonical name.
#[must_use]
pub fn sender_report(report: &SenderReport, name: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    head(&mut out, 0, SENDER_REPORT, 6);
    out.put_u32(report.ssrc);
    out.put_u64(report.ntp);
    out.put_u32(report.rtp);
    out.put_u32(report.packets);
    out.put_u32(report.bytes);
    put_name(&mut out, report.ssrc, name);
    out.freeze()
}

/// Writes a receiver report of one source and the receiver's canonical name.
#[must_use]
pub fn receiver_report(ssrc: u32, block: &ReportBlock, name: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    head(&mut out, 1, RECEIVER_REPORT, 7);
    out.put_u32(ssrc);
    out.put_u32(block.ssrc);
    out.put_u32(u32::from(block.fraction_lost) << 24 | (block.lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff));
    for field in [block.highest_sequence, block.jitter, block.last_report, block.since_last_report] {
        out.put_u32(field);
    }
    put_name(&mut out, ssrc, name);
    out.freeze()
}

/// Writes the picture loss indication of RFC 4585 section 6.3.1, after the empty report that a compound packet needs.
#[must_use]
pub fn picture_loss(ssrc: u32, media_ssrc: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(20);
    head(&mut out, 0, RECEIVER_REPORT, 1);
    out.put_u32(ssrc);
    head(&mut out, 1, PAYLOAD_FEEDBACK, 2);
    out.put_u32(ssrc);
    out.put_u32(media_ssrc);
    out.freeze()
}

/// Writes a goodbye, after the empty report that a compound packet needs.
#[must_use]
pub fn goodbye(ssrc: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(16);
    head(&mut out, 0, RECEIVER_REPORT, 1);
    out.put_u32(ssrc);
    head(&mut out, 1, GOODBYE, 1);
    out.put_u32(ssrc);
    out.freeze()
}

/// The middle 32 bits of the NTP form of `now`, for round trip times.
#[must_use]
pub fn compact_ntp(now: WallTime) -> u32 {
    (now.to_ntp() >> 16) as u32
}

fn head(out: &mut BytesMut, count: u8, kind: u8, words: u16) {
    out.put_slice(&[0x80 | count, kind]);
    out.put_u16(words);
}

/// One chunk with a CNAME, RFC 3550 section 6.5.
fn put_name(out: &mut BytesMut, ssrc: u32, name: &str) {
    let name = name.as_bytes().get(..name.len().min(255)).unwrap_or_default();
    // The item's two header bytes, the name, and at least one zero, up to a whole word.
    let item = (2 + name.len() + 1).next_multiple_of(4);
    head(out, 1, SOURCE_DESCRIPTION, 1 + (item / 4) as u16);
    out.put_u32(ssrc);
    out.put_slice(&[1, name.len() as u8]);
    out.put_slice(name);
    out.put_bytes(0, item - 2 - name.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_survive_the_way_there_and_back() {
        let report = SenderReport { ssrc: 1, ntp: 0x0102_0304_0506_0708, rtp: 9, packets: 10, bytes: 11 };
        for name in ["", "a", "ab", "abc", "cctv"] {
            assert_eq!(parse(&sender_report(&report, name)).unwrap(), [Rtcp::SenderReport(report)]);
        }
        let block = ReportBlock {
            ssrc: 5,
            fraction_lost: 3,
            lost: -2,
            highest_sequence: 6,
            jitter: 7,
            last_report: 8,
            since_last_report: 9,
        };
        let want = [Rtcp::ReceiverReport { ssrc: 4, blocks: vec![block] }];
        assert_eq!(parse(&receiver_report(4, &block, "x")).unwrap(), want);
    }

    #[test]
    fn feedback_is_understood() {
        let nothing = Rtcp::ReceiverReport { ssrc: 1, blocks: vec![] };
        assert_eq!(parse(&picture_loss(1, 2)).unwrap(), [nothing.clone(), Rtcp::KeyframeWanted { media_ssrc: 2 }]);
        assert_eq!(parse(&goodbye(1)).unwrap(), [nothing, Rtcp::Bye { ssrc: 1 }]);
        let nack = [0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0, 0b101];
        assert_eq!(parse(&nack).unwrap(), [Rtcp::Nack { media_ssrc: 2, sequences: vec![0xffff, 0, 2] }]);
    }

    #[test]
    fn a_report_cut_anywhere_is_refused() {
        let whole = receiver_report(4, &ReportBlock::default(), "name");
        for length in 1..whole.len() {
            let cut = parse(&whole[..length]);
            assert!(cut.is_err() || length == 32, "{length}");
        }
        assert!(parse(&[0x81, 201, 0, 1, 0, 0, 0, 1]).is_err(), "a block that is not there");
    }
}
