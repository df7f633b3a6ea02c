//! The pictures that are published: a clip cut into RTP payloads once, for all publishers.
//!
//! The stamp is a packet of its own before the slices, or in one with the parameter sets; packets of slices are never
//! written to. B-frames are shown in the order of an encoder that does not predict from them (`b-pyramid=none`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use media_proto::{Track, h264, packetizer};

use super::stamp::{self, Stamp};

/// What a publisher sends, over and over.
#[derive(Debug)]
pub struct Clip {
    /// Its one track.
    pub track: Track,
    /// Access units per second.
    pub fps: u32,
    /// Its access units in decoding order; the first is a keyframe.
    pub units: Vec<Unit>,
}

/// One access unit.
#[derive(Debug)]
pub struct Unit {
    /// The payloads of its packets; the first holds the stamp.
    pub payloads: Vec<Bytes>,
    /// Where the fields of the stamp are in the first one.
    pub stamp_at: usize,
    /// Bytes of its slices.
    pub slice_bytes: u32,
    /// How many frame times after the clip's begin it is shown.
    pub shown: u32,
}

/// A kind of clip that is made when it is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// 320×180, 25 pictures per second, 0.5 Mbit/s, GOP of 50, no B-frames.
    Light,
    /// 1280×720, 25 pictures per second, 2 Mbit/s, GOP of 50, no B-frames.
    Hd,
    /// 1280×720, 25 pictures per second, 4 Mbit/s, GOP of 50, no B-frames.
    Busy,
    /// 1920×1080, 25 pictures per second, 8 Mbit/s, keyframes of some 250 kB, B-frames.
    Hard,
}

impl Clip {
    /// Reads an H.264 byte stream.
    ///
    /// # Errors
    /// When the file cannot be read or is no such stream.
    pub fn load(path: &Path, fps: u32, payload_max: usize) -> Result<Self> {
        let stream = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let clip = simulator::Clip::parse(&stream.into(), fps, path)?;
        let pictures: Vec<&[Bytes]> = clip.pictures.iter().map(|picture| &*picture.nal_units).collect();
        let shown = shown(&pictures);
        let units = pictures.iter().zip(shown).map(|(nals, shown)| Unit::new(nals, shown, &clip.track, payload_max));
        Ok(Self { units: units.collect::<Result<_>>()?, track: clip.track, fps })
    }
}

impl Unit {
    fn new(nals: &[Bytes], shown: u32, track: &Track, payload_max: usize) -> Result<Self> {
        let first_slice = nals.iter().position(is_slice).context("a picture without slices")?;
        let (before, slices) = nals.split_at(first_slice);
        let bytes: usize = slices.iter().filter(|nal| is_slice(nal)).map(Bytes::len).sum();
        let slice_bytes = u32::try_from(bytes).context("a picture above 4 GiB")?;
        let stamp = Stamp { stream: 0, counter: 0, sent_ns: 0, slice_bytes }.to_nal();
        let head: Vec<Bytes> = before.iter().cloned().chain([stamp]).collect();
        let packets = packetizer::packets(&track.codec, &head, payload_max);
        ensure!(packets.len() == 1, "a picture whose parameter sets do not fit into one packet");
        let slices = packetizer::packets(&track.codec, slices, payload_max);
        let payloads: Vec<Bytes> = packets.into_iter().chain(slices).map(|packet| packet.payload).collect();
        let stamp_at =
            payloads.first().and_then(|first| stamp::fields_at(first)).context("a stamp that is not found")?;
        Ok(Self { payloads, stamp_at, slice_bytes, shown })
    }
}

fn is_slice(nal: &Bytes) -> bool {
    matches!(h264::nal_type(nal), 1..=5)
}

/// When each picture is shown: one that others refer to after the B-frames that follow it, a B-frame one place before its own.
fn shown(pictures: &[&[Bytes]]) -> Vec<u32> {
    let b_frame: Vec<bool> = pictures.iter().map(|nals| nals.iter().any(|nal| h264::is_b_slice(nal))).collect();
    let followers = |at: usize| b_frame.iter().skip(at + 1).take_while(|b| **b).count();
    let place = |at: usize| if b_frame.get(at) == Some(&true) { at.saturating_sub(1) } else { at + followers(at) };
    (0..pictures.len()).map(|at| u32::try_from(place(at)).unwrap_or(u32::MAX)).collect()
}

impl Profile {
    /// Its file in `directory`, made by ffmpeg where it is absent.
    ///
    /// # Errors
    /// When ffmpeg is missing or fails.
    pub fn file(self, directory: &Path) -> Result<PathBuf> {
        let path = directory.join(format!("loadgen-{}.h264", self.name()));
        if path.exists() {
            return Ok(path);
        }
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let draft = path.with_extension(format!("{}.part", std::process::id()));
        let output = Command::new("ffmpeg").args(self.arguments().split_whitespace()).arg(&draft).output();
        let output = output.context("cannot start ffmpeg")?;
        if !output.status.success() {
            bail!("ffmpeg cannot make {}: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        fs::rename(&draft, &path).with_context(|| format!("cannot store {}", path.display()))?;
        Ok(path)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Hd => "hd",
            Self::Busy => "busy",
            Self::Hard => "hard",
        }
    }

    fn arguments(self) -> String {
        let (size, kbit, b_frames) = match self {
            Self::Light => ("320x180", 500, 0),
            Self::Hd => ("1280x720", 2_000, 0),
            Self::Busy => ("1280x720", 4_000, 0),
            Self::Hard => ("1920x1080", 8_000, 2),
        };
        let buffer = if b_frames == 0 { kbit / 2 } else { kbit };
        format!(
            "-hide_banner -nostdin -v error -y -f lavfi -i testsrc2=size={size}:rate=25,noise=alls=12:allf=t -t 10 \
             -pix_fmt yuv420p -c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -bf {b_frames} -b_strategy 0 \
             -b:v {kbit}k -maxrate {kbit}k -bufsize {buffer}k \
             -x264-params slices=1:sliced-threads=0:b-pyramid=none:open-gop=0 -f h264"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The slice headers of I, P and B pictures: `first_mb_in_slice` 0, then `slice_type` 7, 5, 6.
    fn picture(kind: char) -> Vec<Bytes> {
        let nal: &[u8] = match kind {
            'I' => b"\x65\x88\x80",
            'P' => b"\x41\x9a\x80",
            _ => b"\x01\x9e\x80",
        };
        vec![Bytes::copy_from_slice(nal)]
    }

    fn check(kinds: &str, expected: &[u32]) {
        let pictures: Vec<Vec<Bytes>> = kinds.chars().map(picture).collect();
        let pictures: Vec<&[Bytes]> = pictures.iter().map(Vec::as_slice).collect();
        assert_eq!(shown(&pictures), expected, "{kinds}");
    }

    #[test]
    fn pictures_are_shown_in_the_order_of_an_encoder_without_b_pyramid() {
        check("IPPP", &[0, 1, 2, 3]);
        check("IPBBPBB", &[0, 3, 1, 2, 6, 4, 5]);
        check("IPBP", &[0, 2, 1, 3]);
    }

    #[test]
    fn the_light_clip_has_its_traits() {
        let file = Profile::Light.file(&crate::workspace::cache("clips").unwrap()).unwrap();
        let clip = Clip::load(&file, 25, 1_400).unwrap();
        assert_eq!(clip.units.len(), 250);
        let bytes: usize = clip.units.iter().flat_map(|unit| &unit.payloads).map(Bytes::len).sum();
        let mbit = bytes as f64 * 8e-6 / 10.0;
        assert!((0.4..0.6).contains(&mbit), "{mbit} Mbit/s");
        let largest = clip.units.iter().flat_map(|unit| &unit.payloads).map(Bytes::len).max();
        assert!(largest <= Some(1_400));
    }
}
