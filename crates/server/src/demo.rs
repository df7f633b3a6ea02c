//! The demonstration: 48 simulated cameras of four agencies, served over RTSP on a free loopback port.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use simulator::{CameraPlan, Simulator, clips, fleet};
use tokio_util::sync::CancellationToken;

use domain::Rendition;

use crate::config::{Agency, CameraEntry};

/// Where the clips are kept inside the data directory.
const CLIPS: &str = "clips";

/// Makes the clips that are not there yet; the first time this takes half a minute, on a busy machine several.
pub(crate) fn prepare(data: &Path) -> Result<PathBuf> {
    let directory = data.join(CLIPS);
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    drop(clips::prepare(&directory, &fleet::demo()).context("cannot make the clips of the demonstration")?);
    Ok(directory)
}

/// Starts the cameras and says how they are reached.
pub(crate) async fn start(clips: &Path, stop: CancellationToken) -> Result<(Simulator, Vec<CameraEntry>)> {
    let address = ([127, 0, 0, 1], 0).into();
    let plans = fleet::demo();
    let simulator =
        Simulator::start(&plans, clips, address, stop).await.context("cannot start the simulated cameras")?;
    let entries = plans.iter().map(|plan| entry(&simulator, plan)).collect::<Result<_>>()?;
    Ok((simulator, entries))
}

fn entry(simulator: &Simulator, plan: &CameraPlan) -> Result<CameraEntry> {
    Ok(CameraEntry {
        id: plan.id.clone(),
        name: plan.name.clone(),
        name_ar: Some(plan.name_ar.clone()),
        source: Agency(plan.agency.clone()),
        main: Some(simulator.url(&plan.id, Rendition::Main)?),
        sub: Some(simulator.url(&plan.id, Rendition::Sub)?),
        metadata: BTreeMap::from([("picture_number".to_owned(), plan.picture_number.to_string())]),
    })
}
