//! Reads the machine-readable pictures of the simulated cameras out of any file or URL that ffmpeg can read.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use simulator::picture::{GRID_HEIGHT, GRID_WIDTH};
pub use simulator::picture::{PERIOD, Reading, colour};

use crate::program;

/// Reads the first `frames` pictures of what `input` says: arguments of ffmpeg up to and including `-i` and a URL.
///
/// # Errors
/// When ffmpeg fails, finds fewer pictures, or takes longer than `deadline`.
pub async fn read(input: &[&str], frames: usize, deadline: Duration) -> Result<Vec<Reading>> {
    let (size, count) = (format!("{GRID_WIDTH}x{GRID_HEIGHT}"), frames.to_string());
    let mut arguments = vec!["-hide_banner", "-nostdin", "-v", "error"];
    arguments.extend(input);
    arguments.extend(["-map", "0:v:0", "-fps_mode", "passthrough", "-frames:v", &count]);
    arguments.extend(["-s", &size, "-sws_flags", "neighbor", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    let output = program::run("ffmpeg", &arguments, deadline).await?;
    let bytes = 3 * (GRID_WIDTH * GRID_HEIGHT) as usize;
    let pictures = output.stdout.chunks_exact(bytes);
    if pictures.len() < frames {
        bail!("{} of {frames} pictures: {}", pictures.len(), String::from_utf8_lossy(&output.stderr).trim());
    }
    let readings = pictures.map(|rgb| simulator::picture::read(rgb, GRID_WIDTH, GRID_HEIGHT));
    readings.collect::<Option<_>>().context("a picture is too short")
}
