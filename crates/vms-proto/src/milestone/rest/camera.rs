//! Cameras with their streams, settings and presets, and groups of cameras.

use domain::WallTime;

use super::{GisPoint, Id, Path, Relations};
use crate::milestone::generic_byte_data::Codec;

objects! {
    /// A camera. Its parent is hardware.
    Camera {
        /// Its id, which every other interface uses as its device id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// For narrow places.
        short_name: String = "shortName",
        /// In words.
        description: String = "description",
        /// Whether it is in use.
        enabled: Option<bool> = "enabled",
        /// Which of the cameras of its hardware it is, from 0.
        channel: Option<i64> = "channel",
        /// Whether it can be moved.
        ptz_enabled: Option<bool> = "ptzEnabled",
        /// Whether it is recorded.
        recording_enabled: Option<bool> = "recordingEnabled",
        /// In frames per second, for JPEG.
        recording_framerate: Option<f64> = "recordingFramerate",
        /// Whether keyframes alone are recorded.
        record_keyframes_only: Option<bool> = "recordKeyframesOnly",
        /// Whether related devices are recorded with it.
        record_on_related_devices: Option<bool> = "recordOnRelatedDevices",
        /// Whether what was before an event is recorded too.
        prebuffer_enabled: Option<bool> = "prebufferEnabled",
        /// Whether that is kept in memory.
        prebuffer_in_memory: Option<bool> = "prebufferInMemory",
        /// How much of that, in seconds.
        prebuffer_seconds: Option<i64> = "prebufferSeconds",
        /// Whether it records by itself.
        edge_storage_enabled: Option<bool> = "edgeStorageEnabled",
        /// Whether its own recordings are played.
        edge_storage_playback_enabled: Option<bool> = "edgeStoragePlaybackEnabled",
        /// Whether recording by hand ends by itself.
        manual_recording_timeout_enabled: Option<bool> = "manualRecordingTimeoutEnabled",
        /// When it does, in minutes.
        manual_recording_timeout_minutes: Option<i64> = "manualRecordingTimeoutMinutes",
        /// `FullSupport`, `LiveOnly` or `Disabled`.
        failover_setting: String = "failoverSetting",
        /// Where its recordings are kept.
        recording_storage: Option<Path> = "recordingStorage",
        /// Where it is.
        gis_point: Option<GisPoint> = "gisPoint",
        /// Where it looks, as a part of a full turn from north.
        coverage_direction: Option<f64> = "coverageDirection",
        /// How far it sees.
        coverage_depth: Option<f64> = "coverageDepth",
        /// How wide it sees, as a part of a full turn.
        coverage_field_of_view: Option<f64> = "coverageFieldOfView",
        /// The vendor's number of its symbol.
        icon: Option<i64> = "icon",
        /// When it was made.
        created: Option<WallTime> = "createdDate",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// A group of cameras, in a tree beside that of the hardware.
    CameraGroup {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// In words.
        description: String = "description",
        /// Whether it cannot be removed.
        built_in: Option<bool> = "builtIn",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// A position of a camera that can be moved, with a name.
    Preset {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// In words.
        description: String = "description",
        /// From -1 to 1.
        pan: Option<f64> = "pan",
        /// From -1 to 1.
        tilt: Option<f64> = "tilt",
        /// From 0 to 1.
        zoom: Option<f64> = "zoom",
        /// Whether the camera keeps it, not the server.
        device_preset: Option<bool> = "devicePreset",
        /// What the camera calls it.
        device_preset_internal_id: String = "devicePresetInternalId",
        /// Whether the camera returns to it.
        default_preset: Option<bool> = "defaultPreset",
        /// Whether it cannot be changed.
        locked: Option<bool> = "locked",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// The streams of a camera.
    Streams {
        /// As it is shown.
        display_name: String = "displayName",
        /// Each of them.
        streams: Vec<StreamUse> = "stream",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// A stream of a camera and what it is used for.
    StreamUse {
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// Its id on the image server and in WebRTC.
        reference_id: Option<Id> = "streamReferenceId",
        /// When it can be watched live: `Always`, `Never` or `WhenNeeded`.
        live_mode: String = "liveMode",
        /// Whether it is what is watched live unless another is asked for.
        live_default: Option<bool> = "liveDefault",
        /// Whether it is what is played unless another is asked for.
        default_playback: Option<bool> = "defaultPlayback",
        /// Where it is recorded.
        record_to: String = "recordTo",
        /// Whether what the camera recorded is fetched.
        use_edge: Option<bool> = "useEdge",
        /// The camera's own id of it.
        edge_track_id: String = "edgeTrackId",
    }

    /// What a camera's driver can be told; its fields depend on the driver.
    Settings {
        /// The encoder of each stream.
        streams: Vec<StreamSettings> = "stream",
        /// After how long PTZ falls back.
        ptz_timeouts: Option<PtzTimeouts> = "ptzSessionTimeouts",
    }

    /// The encoder of a stream, as the driver words it.
    StreamSettings {
        /// As it is shown.
        display_name: String = "displayName",
        /// Its id on the image server and in WebRTC.
        reference_id: Option<Id> = "streamReferenceId",
        /// See [`codec_of_driver`].
        codec: String = "codec",
        /// In frames per second.
        fps: Option<f64> = "FPS",
        /// Such as `1920x1080`; see [`StreamSettings::size`].
        resolution: String = "resolution",
        /// The driver's own scale.
        quality: Option<f64> = "quality",
    }

    /// After how long PTZ falls back, in seconds.
    PtzTimeouts {
        /// From a manual session.
        manual_s: Option<i64> = "manualPTZTimeout",
        /// From a pause to patrolling.
        pause_patrolling_s: Option<i64> = "pausePatrollingTimeout",
        /// From a reserved session.
        reserved_s: Option<i64> = "reservedPTZTimeout",
    }
}

impl StreamSettings {
    /// Width and height in pixels, if the driver tells them so.
    #[must_use]
    pub fn size(&self) -> Option<(u32, u32)> {
        let (width, height) = self.resolution.split_once(['x', 'X', '*'])?;
        let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=16_384).contains(number));
        Some((number(width)?, number(height)?))
    }
}

/// The codec that a driver means. A stream's first frame knows better.
#[must_use]
pub fn codec_of_driver(text: &str) -> Option<Codec> {
    let text = text.to_ascii_lowercase();
    if text.contains("265") || text.contains("hevc") {
        Some(Codec::H265)
    } else if text.contains("264") {
        Some(Codec::H264)
    } else if text.contains("jpeg") || text.contains("jpg") {
        Some(Codec::Jpeg)
    } else if text.contains("av1") {
        Some(Codec::Av1)
    } else {
        None
    }
}
