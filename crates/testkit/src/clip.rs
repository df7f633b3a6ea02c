//! Sample clips, made by ffmpeg on first need and kept below cargo's target directory.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{program, workspace};

/// H.264 constrained baseline, 640×360, 25 frames per second, a keyframe each second, 10 s, no sound. MP4.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn baseline() -> Result<PathBuf> {
    make("baseline-e1.mp4", "-c:v libx264 -preset ultrafast -profile:v baseline -g 25 -b:v 800k -an")
}

/// H.264 high with two B-frames and one keyframe in ten seconds, 20 s, no sound. MP4.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn b_frames_long_gop() -> Result<PathBuf> {
    let video = "-c:v libx264 -preset veryfast -profile:v high -bf 2 -b_strategy 0 -sc_threshold 0";
    make("b-frames-e1.mp4", &format!("{video} -g 250 -keyint_min 250 -b:v 800k -an -t 20"))
}

/// Like [`baseline`], with AAC at 48 kHz in stereo. MP4.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn with_aac() -> Result<PathBuf> {
    make(
        "aac-e1.mp4",
        "-c:v libx264 -preset ultrafast -profile:v baseline -g 25 -b:v 800k -c:a aac -ar 48000 -ac 2 -b:a 96k",
    )
}

/// H.265 main, a keyframe each second, 10 s, no sound. MP4.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn h265() -> Result<PathBuf> {
    make(
        "h265-e1.mp4",
        "-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=0 -tag:v hvc1 -an",
    )
}

/// H.264 baseline of noise, 1920×1080, one picture per second, each third a keyframe of more than 4 MB, 6 s, no sound. MP4.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn large_keyframes() -> Result<PathBuf> {
    let noise = "-vf fps=1,scale=1920:1080,noise=alls=100:allf=t+u -t 6";
    make(
        "large-keyframes-e1.mp4",
        &format!("{noise} -c:v libx264 -preset ultrafast -profile:v baseline -qp 4 -g 3 -an"),
    )
}

/// Like [`baseline`], with five pictures per second and a keyframe every other second, 20 s.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub fn five_fps() -> Result<PathBuf> {
    make("five-fps-e1.mp4", "-vf fps=5 -t 20 -c:v libx264 -preset ultrafast -profile:v baseline -g 10 -b:v 300k -an")
}

fn make(name: &str, encoder: &str) -> Result<PathBuf> {
    let path = workspace::cache("clips")?.join(name);
    if path.exists() {
        return Ok(path);
    }
    program::require("ffmpeg")?;
    let draft = path.with_extension(format!("{}.part", std::process::id()));
    let sources =
        "-f lavfi -i testsrc2=s=640x360:r=25:d=60 -f lavfi -i sine=frequency=440:sample_rate=48000:duration=60";
    let length = if encoder.contains("-t ") { "" } else { "-t 10" };
    let line = format!("-hide_banner -nostdin -v error -y {sources} -pix_fmt yuv420p {encoder} {length} -f mp4");
    let output =
        Command::new("ffmpeg").args(line.split_whitespace()).arg(&draft).output().context("cannot start ffmpeg")?;
    if !output.status.success() {
        bail!("ffmpeg cannot make {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    std::fs::rename(&draft, &path).with_context(|| format!("cannot store {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn check(clip: Result<PathBuf>, entries: &str, expected: &[&str]) {
        let clip = clip.unwrap().display().to_string();
        let arguments = ["-v", "error", "-show_entries", entries, "-of", "default=nk=1:nw=1", &clip];
        let output = program::run("ffprobe", &arguments, Duration::from_secs(30)).await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        for line in expected {
            assert!(said.lines().any(|l| l == *line), "{line:?} not in {said:?}");
        }
    }

    #[tokio::test]
    async fn clips_have_the_traits_their_names_say() {
        let stream = "stream=codec_name,profile,has_b_frames";
        check(baseline(), stream, &["h264", "Constrained Baseline", "0"]).await;
        check(b_frames_long_gop(), stream, &["h264", "High", "2"]).await;
        check(with_aac(), stream, &["h264", "aac"]).await;
    }
}
