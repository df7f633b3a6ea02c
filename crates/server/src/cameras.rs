//! The configured cameras as a catalogue, and as the paths their streams are served under.

use std::collections::BTreeMap;

use domain::{Camera, CameraId};
use media::catalogue::Catalogue;

use crate::config::CameraEntry;

/// The cameras of the configuration, in its order.
#[derive(Debug)]
pub(crate) struct Cameras {
    listed: Vec<Camera>,
    by_id: BTreeMap<CameraId, usize>,
}

impl Cameras {
    pub(crate) fn new(entries: &[CameraEntry]) -> Self {
        let listed: Vec<Camera> = entries.iter().map(CameraEntry::camera).collect();
        let by_id = listed.iter().enumerate().map(|(index, camera)| (camera.id, index)).collect();
        Self { listed, by_id }
    }
}

impl Catalogue for Cameras {
    fn camera(&self, id: CameraId) -> Option<Camera> {
        self.by_id.get(&id).and_then(|&index| self.listed.get(index)).cloned()
    }

    fn cameras(&self) -> Vec<Camera> {
        self.listed.clone()
    }
}
