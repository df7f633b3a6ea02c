//! Releases of the product and what each can do, as data.
//!
//! The vendor's change log dates most features. Some camera tasks are in no change log: whether a server has them is
//! asked of that server, whatever its release ([`CameraTask::since`] is nothing).

use std::{fmt, str::FromStr};

use crate::Error;

/// A release of the product, such as 2024 R2. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    year: u16,
    number: u8,
}

impl Release {
    /// The first release with a configuration REST interface; nothing older is supported.
    pub const OLDEST: Self = Self::new(2021, 2);
    /// The newest release whose changes are known.
    pub const NEWEST: Self = Self::new(2025, 2);

    const fn new(year: u16, number: u8) -> Self {
        Self { year, number }
    }

    /// The release of a product version: `25.2.1234.1` is 2025 R2.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        let mut numbers = version.trim().split('.');
        let year: u16 = numbers.next()?.parse().ok()?;
        let number: u8 = numbers.next()?.parse().ok()?;
        ((10..100).contains(&year) && (1..=9).contains(&number)).then(|| Self::new(2000 + year, number))
    }

    /// The begin of its product version, such as `25.2`.
    #[must_use]
    pub fn version(self) -> String {
        format!("{}.{}", self.year % 100, self.number)
    }

    /// Whether it has a feature.
    #[must_use]
    pub fn has(self, feature: Feature) -> bool {
        self >= feature.since()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} R{}", self.year, self.number)
    }
}

impl FromStr for Release {
    type Err = Error;

    /// `2024R2` or `2024 R2`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::unknown("release", text);
        let (year, number) = text.trim().split_once(['R', 'r']).ok_or_else(unknown)?;
        let year: u16 = year.trim().parse().map_err(|_| unknown())?;
        let number: u8 = number.parse().map_err(|_| unknown())?;
        let fits = (2010..2100).contains(&year) && (1..=9).contains(&number);
        fits.then(|| Self::new(year, number)).ok_or_else(unknown)
    }
}

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $year:literal R $number:literal,)*) => {
        /// Something that came with a release.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// Each of them, in the order in which they came.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The first release that has it.
            #[must_use]
            pub const fn since(self) -> Release {
                match self {
                    $(Self::$name => Release::new($year, $number),)*
                }
            }
        }
    };
}

features! {
    /// Access tokens of the identity provider open the management server.
    AccessTokens = 2021 R 1,
    /// The configuration through the API gateway.
    ConfigurationRest = 2021 R 2,
    /// `/api/.well-known/uris`.
    WellKnownUris = 2022 R 1,
    /// Booleans are JSON booleans; before, they are the texts `True` and `False`.
    JsonBooleans = 2022 R 2,
    /// WebRTC sessions, live.
    WebRtc = 2023 R 1,
    /// Events and alarms over REST, as a beta.
    EventsRestBeta = 2023 R 2,
    /// Events and states over a WebSocket.
    EventsWebSocket = 2023 R 3,
    /// The stream of a WebRTC session can be chosen.
    WebRtcStreams = 2023 R 3,
    /// The WebSocket of events takes the token as a command and tells its time-out.
    EventsWebSocketCommands = 2024 R 1,
    /// WebRTC sessions of recordings.
    WebRtcPlayback = 2024 R 1,
    /// Presets can be driven to over REST.
    PresetGoto = 2024 R 2,
    /// Outputs can be switched over REST.
    OutputTasks = 2024 R 2,
    /// A position can be driven to and asked for over REST.
    PtzAbsolute = 2024 R 2,
    /// `/effectivePermissions`.
    EffectivePermissions = 2024 R 2,
    /// `/registeredServices`.
    RegisteredServices = 2024 R 2,
    /// Bookmarks over REST.
    BookmarksRest = 2024 R 2,
    /// Evidence locks over REST.
    EvidenceLocksRest = 2024 R 2,
    /// Events and alarms over REST.
    EventsRest = 2024 R 2,
    /// WebRTC signalling over a WebSocket.
    WebRtcWebSocket = 2025 R 1,
    /// PTZ over the data channel of a WebRTC session.
    WebRtcPtz = 2025 R 1,
    /// WebRTC sessions with H.265, MJPEG and sound; their device is `deviceId`, before `cameraId`.
    WebRtcDevices = 2025 R 2,
}

/// A task of the configuration REST interface on a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameraTask {
    /// Its name, as in `?task=`.
    pub name: &'static str,
    /// The first release that has it; nothing where no change log tells, so that a server has to be asked.
    pub since: Option<Release>,
}

const fn task(name: &'static str, since: Option<Release>) -> CameraTask {
    CameraTask { name, since }
}

/// The tasks of cameras that this product uses or a server lists.
pub const CAMERA_TASKS: [CameraTask; 17] = [
    task("GetPtzAbsolutePosition", Some(Feature::PtzAbsolute.since())),
    task("SetPtzAbsolutePosition", Some(Feature::PtzAbsolute.since())),
    task("JpegGetLive", None),
    task("GetSequences", None),
    task("StartRecording", None),
    task("StopRecording", None),
    task("ReservePTZ", None),
    task("ReleasePTZ", None),
    task("ExtendPTZ", None),
    task("GetPTZSessionInfo", None),
    task("PTZStartPatrolling", None),
    task("PTZStopPatrolling", None),
    task("AuxOn", None),
    task("AuxOff", None),
    task("SendDriverCommand", None),
    task("RetrieveEdgeStorage", None),
    task("TruncateStorage", None),
];

/// What a simulated system pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// A release, without the tasks that no change log dates.
    Release(Release),
    /// The newest release with every task.
    Latest,
}

impl Profile {
    /// Those that are tested.
    pub const ALL: [Self; 10] = [
        Self::Release(Release::new(2021, 2)),
        Self::Release(Release::new(2022, 1)),
        Self::Release(Release::new(2022, 2)),
        Self::Release(Release::new(2023, 1)),
        Self::Release(Release::new(2023, 3)),
        Self::Release(Release::new(2024, 1)),
        Self::Release(Release::new(2024, 2)),
        Self::Release(Release::new(2025, 1)),
        Self::Release(Release::new(2025, 2)),
        Self::Latest,
    ];

    /// Its release.
    #[must_use]
    pub const fn release(self) -> Release {
        match self {
            Self::Release(release) => release,
            Self::Latest => Release::NEWEST,
        }
    }

    /// The names of the tasks that its cameras have.
    pub fn camera_tasks(self) -> impl Iterator<Item = &'static str> {
        let has = move |task: &CameraTask| match task.since {
            Some(since) => self.release() >= since,
            None => self == Self::Latest,
        };
        CAMERA_TASKS.into_iter().filter(has).map(|task| task.name)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(release) => write!(f, "{}R{}", release.year, release.number),
            Self::Latest => f.write_str("latest"),
        }
    }
}

impl FromStr for Profile {
    type Err = Error;

    /// As [`Profile`] is shown; only those of [`Profile::ALL`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|profile| profile.to_string().eq_ignore_ascii_case(text.trim()));
        known.ok_or_else(|| Error::unknown("profile", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_version_tells_its_release() {
        for (version, expected) in [
            ("25.2.1234.1", Some("2025 R2")),
            ("25.1.1804.0", Some("2025 R1")),
            ("21.1", Some("2021 R1")),
            ("24", None),
            ("24.x", None),
            ("2024.2", None),
            ("24.0.1", None),
            ("", None),
        ] {
            assert_eq!(
                Release::of_version(version).map(|release| release.to_string()).as_deref(),
                expected,
                "{version}"
            );
        }
        for name in ["2024R2", "2024 r2", " 2024 R2"] {
            assert_eq!(name.parse::<Release>().unwrap().version(), "24.2");
        }
        assert!(
            ["", "2024", "R2", "24R2", "2024R", "2024R10", "2024Rx"]
                .iter()
                .all(|name| name.parse::<Release>().is_err())
        );
    }

    #[test]
    fn features_come_in_order_and_stay() {
        assert!(Feature::ALL.is_sorted_by_key(|feature| feature.since()));
        let count = |name: &str| {
            let release = name.parse::<Profile>().unwrap().release();
            Feature::ALL.iter().filter(|feature| release.has(**feature)).count()
        };
        for (profile, features) in [("2021R2", 2), ("2022R1", 3), ("2023R3", 8), ("2024R2", 18), ("latest", 21)] {
            assert_eq!(count(profile), features, "{profile}");
        }
    }

    #[test]
    fn tasks_that_no_change_log_dates_are_in_the_latest_profile_alone() {
        for (profile, tasks) in [("2023R3", 0), ("2024R2", 2), ("2025R2", 2), ("latest", 17)] {
            assert_eq!(profile.parse::<Profile>().unwrap().camera_tasks().count(), tasks, "{profile}");
        }
        assert!("2019R1".parse::<Profile>().is_err());
        assert!(Profile::ALL.iter().all(|profile| profile.to_string().parse() == Ok(*profile)));
    }
}
