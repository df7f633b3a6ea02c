//! Bookmarks and evidence locks over REST, from 2024 R2 on.

use domain::WallTime;

use super::{Id, Path};

objects! {
    /// A named span of a device's recordings.
    Bookmark {
        /// Its id; none in what is sent to make one.
        id: Option<Id> = "id",
        /// Its title.
        header: String = "header",
        /// In words.
        description: String = "description",
        /// The server's short name of it.
        reference: String = "reference",
        /// Its begin.
        begin: Option<WallTime> = "timeBegin",
        /// The time it is about.
        trigger: Option<WallTime> = "timeTriggered",
        /// Its end.
        end: Option<WallTime> = "timeEnd",
        /// Who made it; the server's to say.
        user: String = "user",
        /// The name of the device; the server's to say.
        device_name: String = "deviceName",
        /// The device.
        device: Option<Path> = "devicePath",
    }

    /// A span of devices' recordings that is not deleted.
    EvidenceLock {
        /// Its id; none in what is sent to make one.
        id: Option<Id> = "id",
        /// Its title.
        header: String = "header",
        /// In words.
        description: String = "description",
        /// The server's short name of it.
        reference: String = "reference",
        /// Its begin.
        begin: Option<WallTime> = "startTime",
        /// The time it is about.
        tag: Option<WallTime> = "tagTime",
        /// Its end.
        end: Option<WallTime> = "endTime",
        /// Until when it holds; the year 9999 for ever.
        expires: Option<WallTime> = "retentionExpire",
        /// How much it holds, in the vendor's unit; the server's to say.
        size: Option<f64> = "retentionSize",
        /// How long it holds.
        retention: Option<RetentionOption> = "retentionOption",
        /// The devices.
        devices: Vec<Path> = "devicePaths",
        /// Who made it; the server's to say.
        user: String = "user",
        /// When it was made; the server's to say.
        created: Option<WallTime> = "created",
        /// When it was last changed; the server's to say.
        last_modified: Option<WallTime> = "lastModified",
    }

    /// How long an evidence lock holds.
    RetentionOption {
        /// Of `kind`; -1 without an end.
        units: Option<i64> = "retentionUnits",
        /// Such as `Days`, or `Indefinite`.
        kind: String = "retentionType",
    }
}
