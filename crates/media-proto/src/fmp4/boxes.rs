//! Boxes and the sample entries of the codecs.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{h264, h265};

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
pub(super) fn avc1(out: &mut BytesMut, sps: &Bytes, pps: &Bytes, parsed: &h264::Sps) {
    plain(out, *b"avc1", |out| {
        put_picture(out, parsed.width, parsed.height);
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

/// ISO/IEC 14496-15 section 8.4. The sets are VPS, SPS and PPS.
///
/// `hvc1` rather than `hev1`, which Apple's players do not take. Samples may repeat the same sets in front of a keyframe;
/// players pass over them.
pub(super) fn hvc1(out: &mut BytesMut, sets: &[Bytes; 3], parsed: &h265::Sps) {
    plain(out, *b"hvc1", |out| {
        put_picture(out, parsed.width, parsed.height);
        plain(out, *b"hvcC", |out| {
            out.put_slice(&[1, parsed.general.profile]);
            out.put_u32(parsed.general.compatibility);
            out.put_slice(&parsed.general.constraints);
            out.put_u8(parsed.general.level_idc);
            // Segmentation, parallelism, mean rate and constancy of the rate are not told.
            out.put_slice(&[0xf0, 0, 0xfc, 0xfc | parsed.chroma_format_idc]);
            out.put_slice(&[0xf8 | parsed.bit_depth_luma_minus8, 0xf8 | parsed.bit_depth_chroma_minus8, 0, 0]);
            // 4-byte lengths.
            out.put_u8(parsed.temporal_layers << 3 | u8::from(parsed.temporal_id_nested) << 2 | 3);
            out.put_u8(3);
            for set in sets {
                // All sets of the type are here, one.
                out.put_slice(&[0x80 | h265::nal_type(set), 0, 1]);
                put_sized(out, set);
            }
        });
    });
}

/// What every `VisualSampleEntry` begins with, ISO/IEC 14496-12 section 12.1.3.
fn put_picture(out: &mut BytesMut, width: u32, height: u32) {
    out.put_bytes(0, 6);
    out.put_u16(1);
    out.put_bytes(0, 16);
    out.put_u16(u16::try_from(width).unwrap_or(u16::MAX));
    out.put_u16(u16::try_from(height).unwrap_or(u16::MAX));
    out.put_u32(0x0048_0000);
    out.put_u32(0x0048_0000);
    out.put_u32(0);
    out.put_u16(1);
    out.put_bytes(0, 32);
    out.put_u16(0x18);
    out.put_i16(-1);
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
