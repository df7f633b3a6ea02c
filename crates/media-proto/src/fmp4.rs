//! Fragmented MP4, ISO/IEC 14496-12: an initialisation segment and fragments (`moof` + `mdat`).
//!
//! One writer serves LL-HLS parts and recorded fragments; each caller gets its own boxes around the same samples.

mod boxes;
#[cfg(test)]
mod tests;

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Codec, Error, Track, TrackId, h264, h265};
use boxes::{full, plain};

/// One sample of a track.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Length in ticks of the track's clock.
    pub duration: u32,
    /// Presentation time minus decoding time in ticks; may be negative.
    pub composition_offset: i32,
    /// Decoding can start here.
    pub keyframe: bool,
    /// The bytes, NAL units after their 4-byte lengths for video.
    pub data: Bytes,
}

/// The samples of one track in a fragment.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The track.
    pub track: TrackId,
    /// Decoding time of the first sample in ticks of the track's clock (`tfdt`).
    pub base_decode_time: u64,
    /// The samples.
    pub samples: &'a [Sample],
}

/// Writes the initialisation segment (`ftyp` + `moov`). The file's track ids are those of `tracks` plus one, the time
/// scales their clock rates.
///
/// # Errors
/// [`Error::Unsupported`] for a codec that is not written here, [`Error::Malformed`] for a parameter set that cannot be
/// read.
pub fn init(tracks: &[Track]) -> Result<Bytes, Error> {
    let entries: Vec<(&Track, Entry)> =
        tracks.iter().map(|track| Ok((track, Entry::of(&track.codec)?))).collect::<Result<_, Error>>()?;
    let mut out = BytesMut::with_capacity(1024);
    plain(&mut out, *b"ftyp", |out| out.put_slice(b"iso6\0\0\0\x01iso6cmfcmp42"));
    plain(&mut out, *b"moov", |out| {
        full(out, *b"mvhd", 0, 0, |out| {
            put_zeros(out, 8);
            out.put_u32(1000);
            put_zeros(out, 4);
            out.put_u32(0x0001_0000);
            out.put_u16(0x0100);
            put_zeros(out, 10);
            put_matrix(out);
            put_zeros(out, 24);
            out.put_u32(u32::MAX);
        });
        for (track, entry) in &entries {
            plain(out, *b"trak", |out| put_track(out, track, entry));
        }
        plain(out, *b"mvex", |out| {
            for (track, _) in &entries {
                full(out, *b"trex", 0, 0, |out| {
                    out.put_u32(file_id(track.id));
                    out.put_u32(1);
                    put_zeros(out, 12);
                });
            }
        });
    });
    Ok(out.freeze())
}

/// Writes one fragment. Runs without samples are left out.
#[must_use]
pub fn fragment(sequence: u32, runs: &[Run<'_>]) -> Bytes {
    let runs: Vec<&Run<'_>> = runs.iter().filter(|run| !run.samples.is_empty()).collect();
    let data_bytes: usize = runs.iter().flat_map(|run| run.samples).map(|sample| sample.data.len()).sum();
    let samples: usize = runs.iter().map(|run| run.samples.len()).sum();
    let mut out = BytesMut::with_capacity(data_bytes + 16 * samples + 128);
    let mut offsets = Vec::with_capacity(runs.len());
    plain(&mut out, *b"moof", |out| {
        full(out, *b"mfhd", 0, 0, |out| out.put_u32(sequence));
        for run in &runs {
            plain(out, *b"traf", |out| offsets.push(put_run(out, run)));
        }
    });
    let mut offset = out.len() + 8;
    for (at, run) in offsets.iter().zip(&runs) {
        if let Some(field) = out.get_mut(*at..at + 4) {
            field.copy_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_be_bytes());
        }
        offset += run.samples.iter().map(|sample| sample.data.len()).sum::<usize>();
    }
    plain(&mut out, *b"mdat", |out| {
        for sample in runs.iter().flat_map(|run| run.samples) {
            out.put_slice(&sample.data);
        }
    });
    out.freeze()
}

/// Writes a `traf` and returns where its data offset stands.
fn put_run(out: &mut BytesMut, run: &Run<'_>) -> usize {
    const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
    const DATA_OFFSET: u32 = 0x1;
    const DURATION_SIZE_FLAGS_COMPOSITION: u32 = 0x100 | 0x200 | 0x400 | 0x800;
    const SYNC: u32 = 0x0200_0000;
    const NOT_SYNC: u32 = 0x0101_0000;
    full(out, *b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |out| out.put_u32(file_id(run.track)));
    full(out, *b"tfdt", 1, 0, |out| out.put_u64(run.base_decode_time));
    let mut offset_at = 0;
    full(out, *b"trun", 1, DATA_OFFSET | DURATION_SIZE_FLAGS_COMPOSITION, |out| {
        out.put_u32(u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
        offset_at = out.len();
        out.put_u32(0);
        for sample in run.samples {
            out.put_u32(sample.duration);
            out.put_u32(u32::try_from(sample.data.len()).unwrap_or(u32::MAX));
            out.put_u32(if sample.keyframe { SYNC } else { NOT_SYNC });
            out.put_i32(sample.composition_offset);
        }
    });
    offset_at
}

/// What the sample description of a track needs.
enum Entry {
    H264 { sps: Bytes, pps: Bytes, parsed: h264::Sps },
    H265 { sets: [Bytes; 3], parsed: h265::Sps },
    Aac { config: Bytes, sample_rate: u32, channels: u8 },
    Opus { channels: u8 },
}

impl Entry {
    fn of(codec: &Codec) -> Result<Self, Error> {
        match codec {
            Codec::H264 { sps, pps } => {
                let parsed = h264::Sps::parse(sps).ok_or(Error::malformed("H.264 SPS", "it cannot be read"))?;
                Ok(Self::H264 { sps: sps.clone(), pps: pps.clone(), parsed })
            }
            Codec::Aac { config, sample_rate, channels, .. } => {
                Ok(Self::Aac { config: config.clone(), sample_rate: *sample_rate, channels: *channels })
            }
            Codec::Opus { channels } => Ok(Self::Opus { channels: *channels }),
            Codec::H265 { vps, sps, pps } => {
                let unreadable = |what| Error::malformed(what, "it cannot be read");
                h265::Vps::parse(vps).ok_or(unreadable("H.265 VPS"))?;
                let parsed = h265::Sps::parse(sps).ok_or(unreadable("H.265 SPS"))?;
                h265::Pps::parse(pps).ok_or(unreadable("H.265 PPS"))?;
                Ok(Self::H265 { sets: [vps.clone(), sps.clone(), pps.clone()], parsed })
            }
            Codec::G711 { .. } => Err(Error::Unsupported("G.711 in fragmented MP4")),
            Codec::Generic { .. } => Err(Error::Unsupported("this codec in fragmented MP4")),
        }
    }
}

fn put_track(out: &mut BytesMut, track: &Track, entry: &Entry) {
    let (width, height, is_video) = match entry {
        Entry::H264 { parsed, .. } => (parsed.width, parsed.height, true),
        Entry::H265 { parsed, .. } => (parsed.width, parsed.height, true),
        Entry::Aac { .. } | Entry::Opus { .. } => (0, 0, false),
    };
    full(out, *b"tkhd", 0, 3, |out| {
        put_zeros(out, 8);
        out.put_u32(file_id(track.id));
        put_zeros(out, 20);
        out.put_u16(if is_video { 0 } else { 0x0100 });
        put_zeros(out, 2);
        put_matrix(out);
        out.put_u32(width << 16);
        out.put_u32(height << 16);
    });
    plain(out, *b"mdia", |out| {
        full(out, *b"mdhd", 0, 0, |out| {
            put_zeros(out, 8);
            out.put_u32(track.clock_rate.get());
            put_zeros(out, 4);
            out.put_u16(0x55c4);
            put_zeros(out, 2);
        });
        full(out, *b"hdlr", 0, 0, |out| {
            put_zeros(out, 4);
            out.put_slice(if is_video { b"vide" } else { b"soun" });
            put_zeros(out, 12);
            out.put_slice(b"cctv\0");
        });
        plain(out, *b"minf", |out| {
            if is_video {
                full(out, *b"vmhd", 0, 1, |out| put_zeros(out, 8));
            } else {
                full(out, *b"smhd", 0, 0, |out| put_zeros(out, 4));
            }
            plain(out, *b"dinf", |out| {
                full(out, *b"dref", 0, 0, |out| {
                    out.put_u32(1);
                    full(out, *b"url ", 0, 1, |_| {});
                });
            });
            plain(out, *b"stbl", |out| put_sample_table(out, entry));
        });
    });
}

fn put_sample_table(out: &mut BytesMut, entry: &Entry) {
    full(out, *b"stsd", 0, 0, |out| {
        out.put_u32(1);
        match entry {
            Entry::H264 { sps, pps, parsed } => boxes::avc1(out, sps, pps, parsed),
            Entry::H265 { sets, parsed } => boxes::hvc1(out, sets, parsed),
            Entry::Aac { config, sample_rate, channels } => boxes::mp4a(out, config, *sample_rate, *channels),
            Entry::Opus { channels } => boxes::opus(out, *channels),
        }
    });
    for (kind, zeros) in [(*b"stts", 4), (*b"stsc", 4), (*b"stsz", 8), (*b"stco", 4)] {
        full(out, kind, 0, 0, |out| put_zeros(out, zeros));
    }
}

fn file_id(track: TrackId) -> u32 {
    u32::from(track.0) + 1
}

fn put_zeros(out: &mut BytesMut, count: usize) {
    out.put_bytes(0, count);
}

/// The unity matrix.
fn put_matrix(out: &mut BytesMut) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        out.put_u32(value);
    }
}
