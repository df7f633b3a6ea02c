//! Boxes and the sample entries of the codecs.

use bytes::{BufMut, Bytes, BytesMut};

use crate::h264::Sps;

/// A box: its size is written when its content is.
pub(super) fn plain(out: &mut BytesMut, kind: [u8; 4], content: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u32(0);
    out.put_slice(&kind);
    content(out);
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// A box with version and flags.
pub(super) fn full(out: &mut BytesMut, kind: [u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut BytesMut)) {
    plain(out, kind, |out| {
        out.put_u32(u32::from(version) << 24 | flags);
        content(out);
    });
}

/// ISO/IEC 14496-15 section 5.4.
pub(super) fn avc1(out: &mut BytesMut, sps: &Bytes, pps: &Bytes, parsed: &Sps) {
    plain(out, *b"avc1", |out| {
        out.put_bytes(0, 6);
        out.put_u16(1);
        out.put_bytes(0, 16);
        out.put_u16(u16::try_from(parsed.width).unwrap_or(u16::MAX));
        out.put_u16(u16::try_from(parsed.height).unwrap_or(u16::MAX));
        out.put_u32(0x0048_0000);
        out.put_u32(0x0048_0000);
        out.put_u32(0);
        out.put_u16(1);
        out.put_bytes(0, 32);
        out.put_u16(0x18);
        out.put_i16(-1);
        plain(out, *b"avcC", |out| {
            // 4-byte lengths, one SPS, one PPS.
            out.put_slice(&[1, parsed.profile_idc, parsed.constraints, parsed.level_idc, 0xff, 0xe1]);
            put_sized(out, sps);
            out.put_u8(1);
            put_sized(out, pps);
            if !matches!(parsed.profile_idc, 66 | 77 | 88) {
                out.put_u8(0xfc | parsed.chroma_format_idc);
                out.put_u8(0xf8 | parsed.bit_depth_luma_minus8);
                out.put_u8(0xf8 | parsed.bit_depth_chroma_minus8);
                out.put_u8(0);
            }
        });
    });
}

/// ISO/IEC 14496-14 section 5.6, descriptors of ISO/IEC 14496-1 section 7.2.6.
pub(super) fn mp4a(out: &mut BytesMut, config: &Bytes, sample_rate: u32, channels: u8) {
    plain(out, *b"mp4a", |out| {
        put_audio(out, channels, sample_rate);
        full(out, *b"esds", 0, 0, |out| {
            let config_bytes = u8::try_from(config.len().min(64)).unwrap_or(64);
            let decoder_bytes = 13 + 2 + config_bytes;
            out.put_slice(&[0x03, 3 + 2 + decoder_bytes + 3, 0, 0, 0]);
            // AAC, audio stream.
            out.put_slice(&[0x04, decoder_bytes, 0x40, 0x15]);
            out.put_bytes(0, 11);
            out.put_slice(&[0x05, config_bytes]);
            out.put_slice(config.get(..usize::from(config_bytes)).unwrap_or_default());
            out.put_slice(&[0x06, 1, 2]);
        });
    });
}

/// Encapsulation of Opus in ISO base media, sections 4.3.1 and 4.3.2.
pub(super) fn opus(out: &mut BytesMut, channels: u8) {
    plain(out, *b"Opus", |out| {
        put_audio(out, channels, 48_000);
        plain(out, *b"dOps", |out| {
            out.put_slice(&[0, channels]);
            out.put_u16(312);
            out.put_u32(48_000);
            out.put_u16(0);
            out.put_u8(0);
        });
    });
}

fn put_audio(out: &mut BytesMut, channels: u8, sample_rate: u32) {
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 8);
    out.put_u16(u16::from(channels));
    out.put_u16(16);
    out.put_bytes(0, 4);
    out.put_u32(u32::from(u16::try_from(sample_rate).unwrap_or(0)) << 16);
}

fn put_sized(out: &mut BytesMut, set: &Bytes) {
    out.put_u16(u16::try_from(set.len()).unwrap_or(u16::MAX));
    out.put_slice(set);
}
