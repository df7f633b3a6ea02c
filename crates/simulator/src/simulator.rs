use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
};

use domain::Rendition;
use tokio::{sync::Mutex, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{
    CameraPlan, Error,
    camera::{Behaviour, Camera, path_name},
    clips::{self, Clips},
};

/// A running fleet of simulated cameras. Dropping it, or cancelling the token it was started with, ends them.
#[derive(Debug)]
pub struct Simulator {
    devices: BTreeMap<String, Device>,
    clips: Arc<Clips>,
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Device {
    plan: CameraPlan,
    address: SocketAddr,
    behaviour: Arc<Behaviour>,
    /// `None` while it is stopped. Held while it starts or stops, hence not a lock of the standard library.
    running: Mutex<Option<Camera>>,
}

impl Simulator {
    /// Makes missing clips in `clips` and starts a camera for each plan.
    ///
    /// With port 0 each camera listens on a free port of its own, else on this port, the next one, and so on in the order
    /// of the plans. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Plan`] for plans that contradict each other, what [`clips::prepare`] says, [`Error::Serve`].
    pub async fn start(
        plans: &[CameraPlan],
        clips: &Path,
        address: SocketAddr,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        check(plans)?;
        let clips = Arc::new(load(clips.to_owned(), plans.to_vec()).await?);
        let mut simulator = Self { devices: BTreeMap::new(), clips, cancel: cancel.child_token() };
        for (nth, plan) in (0..).zip(plans) {
            let port = if address.port() == 0 { Some(0) } else { address.port().checked_add(nth) };
            let Some(port) = port else {
                return Err(Error::Plan { id: plan.id.clone(), reason: "its port would be beyond 65535" });
            };
            let device = simulator.device(plan.clone(), SocketAddr::new(address.ip(), port)).await?;
            simulator.devices.insert(device.plan.id.clone(), device);
        }
        Ok(simulator)
    }

    async fn device(&self, plan: CameraPlan, address: SocketAddr) -> Result<Device, Error> {
        let behaviour =
            Arc::new(Behaviour { shows: AtomicU8::new(plan.picture_number), frozen: AtomicBool::new(false) });
        let camera = self.camera(&plan, address, &behaviour).await?;
        Ok(Device { plan, address: camera.address(), behaviour, running: Mutex::new(Some(camera)) })
    }

    async fn camera(
        &self,
        plan: &CameraPlan,
        address: SocketAddr,
        behaviour: &Arc<Behaviour>,
    ) -> Result<Camera, Error> {
        Camera::start(address, plan.picture_number, behaviour, &self.clips, &self.cancel)
            .await
            .map_err(|source| Error::Serve { id: plan.id.clone(), source })
    }

    /// The cameras, in the order of their ids.
    pub fn plans(&self) -> impl Iterator<Item = &CameraPlan> {
        self.devices.values().map(|device| &device.plan)
    }

    /// The URL of a camera's stream. It stays the same while the simulator lives, also when the camera is stopped.
    ///
    /// # Errors
    /// [`Error::UnknownCamera`].
    pub fn url(&self, camera: &str, rendition: Rendition) -> Result<String, Error> {
        Ok(format!("rtsp://{}/{}", self.find(camera)?.address, path_name(rendition)))
    }

    /// Switches a camera off: its port is closed and its connections are cut.
    ///
    /// # Errors
    /// [`Error::UnknownCamera`].
    pub async fn stop_camera(&self, camera: &str) -> Result<(), Error> {
        if let Some(running) = self.find(camera)?.running.lock().await.take() {
            running.stop().await;
        }
        Ok(())
    }

    /// Lets a camera answer but send no more pictures.
    ///
    /// # Errors
    /// [`Error::UnknownCamera`].
    pub fn freeze(&self, camera: &str) -> Result<(), Error> {
        self.find(camera)?.behaviour.frozen.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Undoes [`stop_camera`](Self::stop_camera) and [`freeze`](Self::freeze).
    ///
    /// # Errors
    /// [`Error::UnknownCamera`]; [`Error::Serve`] when its port was taken meanwhile.
    pub async fn resume(&self, camera: &str) -> Result<(), Error> {
        let device = self.find(camera)?;
        device.behaviour.frozen.store(false, Ordering::Relaxed);
        let mut running = device.running.lock().await;
        if running.is_none() {
            *running = Some(self.camera(&device.plan, device.address, &device.behaviour).await?);
        }
        Ok(())
    }

    /// Lets two cameras show each other's pictures, as crossed cables would.
    ///
    /// # Errors
    /// [`Error::UnknownCamera`].
    pub fn swap(&self, one: &str, other: &str) -> Result<(), Error> {
        let (one, other) = (&self.find(one)?.behaviour, &self.find(other)?.behaviour);
        let shown = one.shows.load(Ordering::Relaxed);
        one.shows.store(other.shows.swap(shown, Ordering::Relaxed), Ordering::Relaxed);
        Ok(())
    }

    /// Ends all cameras and waits for their tasks.
    pub async fn shutdown(self) {
        self.cancel.cancel();
        for device in self.devices.values() {
            if let Some(running) = device.running.lock().await.take() {
                running.stop().await;
            }
        }
    }

    fn find(&self, camera: &str) -> Result<&Device, Error> {
        self.devices.get(camera).ok_or_else(|| Error::UnknownCamera(camera.to_owned()))
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn load(directory: PathBuf, plans: Vec<CameraPlan>) -> Result<Clips, Error> {
    match spawn_blocking(move || clips::prepare(&directory, &plans)).await {
        Ok(loaded) => loaded,
        Err(join) => std::panic::resume_unwind(join.into_panic()),
    }
}

fn check(plans: &[CameraPlan]) -> Result<(), Error> {
    let mut ids = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for plan in plans {
        if !ids.insert(&plan.id) {
            return Err(Error::Plan { id: plan.id.clone(), reason: "another camera has this id" });
        }
        if !numbers.insert(plan.picture_number) {
            return Err(Error::Plan { id: plan.id.clone(), reason: "another camera has its picture number" });
        }
    }
    Ok(())
}
