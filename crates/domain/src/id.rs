use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The name space of ids that are derived from a source system and a device id (RFC 9562 version 5).
const NAMESPACE: Uuid = Uuid::from_u128(0x8f1f_6c0a_2f5e_5c8e_9a53_61c3_7c74_76d1);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is already known.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id! {
    /// A camera, the same across restarts and re-syncs.
    CameraId
}

id! {
    /// A session of a reader, a publisher or a wall. Random, and unguessable where it is part of a URL.
    SessionId
}

id! {
    /// One connection of a client to a server of ours, random.
    ConnectionId
}

impl CameraId {
    /// The stable id of a device whose source system gives it a name but no UUID.
    #[must_use]
    pub fn derived(system: &str, device: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{system}\n{device}").as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_stable_and_differs_by_system_and_device() {
        let id = CameraId::derived("config", "metro-01");
        assert_eq!(id, CameraId::derived("config", "metro-01"));
        assert_ne!(id, CameraId::derived("config", "metro-02"));
        assert_ne!(id, CameraId::derived("xprotect", "metro-01"));
        assert_eq!(id.to_string().parse::<CameraId>().unwrap(), id);
    }
}
