//! The clips of a fleet: made once by ffmpeg, kept in a directory, read into memory.
//!
//! A sub clip for each camera (320×180, 15 frames per second, constrained baseline, a keyframe each second, 150 kbit/s)
//! and six main clips that all cameras share (1280×720, 25 frames per second, a keyframe every two seconds, 2 Mbit/s).
//! All 54 take about 60 MB. A clip appears under its name only when it is complete, so a start that was cut short or two
//! at the same time do no harm.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tracing::info;
use uuid::Uuid;

use crate::{
    CameraPlan, Clip, Error,
    picture::{MAIN_SCENES, PERIOD},
    scene::{self, View},
};

/// Part of every file name; a change of what is drawn changes it.
const EDITION: &str = "e2";
/// How often it is said how far the making has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// The end of what ffmpeg said that goes into an error.
const SAID_BYTES: usize = 400;

/// The clips of a fleet. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Clips {
    subs: BTreeMap<u8, Clip>,
    mains: Vec<Clip>,
}

impl Clips {
    /// The sub clip of the camera with this number, if it was asked for.
    #[must_use]
    pub fn sub(&self, camera: u8) -> Option<&Clip> {
        self.subs.get(&camera)
    }

    /// The main clip that the camera with this number shows.
    #[must_use]
    pub fn main(&self, camera: u8) -> &Clip {
        &self.mains[usize::from(camera % MAIN_SCENES)]
    }
}

/// Reads the clips of these cameras from `directory`, and makes those that are missing. Blocks: half a minute when all
/// clips of the demonstration are missing, a few hundredths of a second when none is.
///
/// # Errors
/// [`Error::NoFfmpeg`] and [`Error::Ffmpeg`] when a missing clip cannot be made, [`Error::Io`], [`Error::Clip`].
pub fn prepare(directory: &Path, plans: &[CameraPlan]) -> Result<Clips, Error> {
    fs::create_dir_all(directory).map_err(io("make", directory))?;
    let subs = plans.iter().map(|plan| Recipe::sub(plan.picture_number));
    let recipes: Vec<Recipe> = (0..MAIN_SCENES).map(Recipe::main).chain(subs).collect();
    make_missing(directory, &recipes)?;
    let mut clips = Clips { subs: BTreeMap::new(), mains: Vec::new() };
    for recipe in &recipes {
        let clip = recipe.read(directory)?;
        match recipe.view.camera {
            Some(camera) => drop(clips.subs.insert(camera, clip)),
            None => clips.mains.push(clip),
        }
    }
    Ok(clips)
}

fn make_missing(directory: &Path, recipes: &[Recipe]) -> Result<(), Error> {
    let missing: Vec<(Recipe, PathBuf)> = recipes
        .iter()
        .map(|recipe| (*recipe, directory.join(recipe.file_name())))
        .filter(|(_, path)| !path.exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let count = missing.len();
    info!(
        clips = count, directory = %directory.display(),
        "making the pictures that the simulated cameras show; this happens once and may take some minutes"
    );
    let progress = Progress::new(count);
    let queue = Mutex::new(missing.into_iter());
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let work = || {
        while let Some((recipe, path)) = next() {
            recipe.make(&path)?;
            progress.made_one();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once(count)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    info!(clips = count, took_s = progress.began.elapsed().as_secs(), "pictures of the simulated cameras made");
    Ok(())
}

/// How far the making has come, for whoever waits for it.
struct Progress {
    count: usize,
    began: Instant,
    /// How many are made, and when that was last said.
    made: Mutex<(usize, Instant)>,
}

impl Progress {
    fn new(count: usize) -> Self {
        let began = Instant::now();
        Self { count, began, made: Mutex::new((0, began)) }
    }

    fn made_one(&self) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.0 += 1;
        if made.1.elapsed() >= PROGRESS_EVERY {
            made.1 = Instant::now();
            info!(
                "pictures of the simulated cameras: {} of {} clips made after {} s",
                made.0,
                self.count,
                self.began.elapsed().as_secs()
            );
        }
    }
}

fn at_once(clips: usize) -> usize {
    available_parallelism().map_or(1, usize::from).min(clips)
}

/// How one clip is made.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    view: View,
    gop: u32,
    rate_kbps: u32,
}

impl Recipe {
    fn sub(camera: u8) -> Self {
        let view = View { scene: camera % MAIN_SCENES, scale: 1, fps: 15, camera: Some(camera) };
        Self { view, gop: 15, rate_kbps: 150 }
    }

    fn main(scene: u8) -> Self {
        Self { view: View { scene, scale: 4, fps: 25, camera: None }, gop: 50, rate_kbps: 2_000 }
    }

    fn file_name(&self) -> String {
        match self.view.camera {
            Some(camera) => format!("sub-{camera:03}-{EDITION}.h264"),
            None => format!("main-{}-{EDITION}.h264", self.view.scene),
        }
    }

    fn read(&self, directory: &Path) -> Result<Clip, Error> {
        let path = directory.join(self.file_name());
        let stream = Bytes::from(fs::read(&path).map_err(io("read", &path))?);
        let clip = Clip::parse(&stream, self.view.fps, &path)?;
        if clip.pictures.len() != PERIOD as usize {
            return Err(Error::Clip { path, reason: "its length is not the counter's period" });
        }
        Ok(clip)
    }

    fn make(&self, path: &Path) -> Result<(), Error> {
        let draft = path.with_extension(format!("{}.part", Uuid::new_v4().simple()));
        let output = self.ffmpeg(&draft).output().map_err(Error::NoFfmpeg)?;
        if !output.status.success() {
            // It may not exist; what ffmpeg said counts.
            let _ = fs::remove_file(&draft);
            let end = output.stderr.len().saturating_sub(SAID_BYTES);
            let said = String::from_utf8_lossy(output.stderr.get(end..).unwrap_or_default()).trim().to_owned();
            return Err(Error::Ffmpeg { clip: path.to_owned(), said });
        }
        fs::rename(&draft, path).map_err(io("store", path))
    }

    fn ffmpeg(&self, output: &Path) -> Command {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-hide_banner", "-nostdin", "-v", "error", "-y"])
            // One thread each: as many run at a time as there are processors.
            .args(["-filter_complex_threads", "1", "-filter_complex"])
            .arg(scene::graph(self.view))
            .args(self.encoder())
            .arg(output)
            .stdin(Stdio::null());
        ffmpeg
    }

    fn encoder(&self) -> Vec<String> {
        let Self { gop, rate_kbps, .. } = self;
        let profile = if self.view.camera.is_some() { "baseline" } else { "main" };
        format!(
            "-frames:v {PERIOD} -c:v libx264 -preset ultrafast -profile:v {profile} -pix_fmt yuv420p -bf 0 -refs 1 \
             -g {gop} -keyint_min {gop} -sc_threshold 0 -b:v {rate_kbps}k -maxrate {max}k -bufsize {rate_kbps}k \
             -threads 1 -f h264",
            max = rate_kbps * 3 / 2,
        )
        .split_whitespace()
        .map(str::to_owned)
        .collect()
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
