//! Sites, recording servers and hardware.

use domain::WallTime;

use super::{Id, Path, Relations};

objects! {
    /// A site: one XProtect system.
    Site {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// In words.
        description: String = "description",
        /// The product version.
        version: String = "version",
        /// The name of its time zone.
        time_zone: String = "timeZone",
        /// The address of the site above it.
        master_site_address: String = "masterSiteAddress",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// A site below another.
    ChildSite {
        /// Its id.
        id: Id = "id",
        /// As it is shown.
        display_name: String = "displayName",
        /// Whether it is connected, in the vendor's words.
        connection_state: String = "connectionState",
        /// The product version.
        version: String = "version",
        /// The vendor's number.
        synchronization_status: Option<i64> = "synchronizationStatus",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// An address of a site below another.
    SiteAddress {
        /// `Internal`, `External` or `Server`.
        address_type: String = "addressType",
        /// The address.
        url: String = "url",
    }

    /// A recording server.
    RecordingServer {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// In words.
        description: String = "description",
        /// Whether it is in use.
        enabled: Option<bool> = "enabled",
        /// Its host, deprecated.
        host_name: String = "hostName",
        /// Its port, deprecated.
        port: Option<i64> = "portNumber",
        /// Its address.
        web_server_uri: String = "webServerUri",
        /// Its address at this time; that of another when it failed.
        active_web_server_uri: String = "activeWebServerUri",
        /// Whether it can be reached from outside.
        public_access_enabled: Option<bool> = "publicAccessEnabled",
        /// Its host from outside.
        public_host_name: String = "publicWebserverHostName",
        /// Its port from outside.
        public_port: Option<i64> = "publicWebserverPort",
        /// Its version.
        version: String = "version",
        /// The name of its time zone.
        time_zone: String = "timeZoneName",
        /// Where it sends multicast.
        multicast_server_address: String = "multicastServerAddress",
        /// The vendor's number.
        synchronization_time: Option<i64> = "synchronizationTime",
        /// Whether it stops when it cannot write.
        shutdown_on_storage_failure: Option<bool> = "shutdownOnStorageFailure",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// Where a recording server keeps recordings.
    Storage {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// For how long, in minutes.
        retain_minutes: Option<i64> = "retainMinutes",
        /// Whether it is what new cameras get.
        is_default: Option<bool> = "isDefault",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// A device with cameras. Its parent is a recording server.
    Hardware {
        /// Its id.
        id: Id = "id",
        /// Its name.
        name: String = "name",
        /// As it is shown.
        display_name: String = "displayName",
        /// In words.
        description: String = "description",
        /// Whether it is in use.
        enabled: Option<bool> = "enabled",
        /// Its address.
        address: String = "address",
        /// With which user the recorder logs in.
        user_name: String = "userName",
        /// The name of its model.
        model: String = "model",
        /// Its driver.
        hardware_driver: Option<Path> = "hardwareDriverPath",
        /// When it was last changed.
        last_modified: Option<WallTime> = "lastModified",
        /// When its password was last changed.
        password_last_modified: Option<WallTime> = "passwordLastModified",
        /// Where it lies.
        relations: Option<Relations> = "relations",
    }

    /// What the site is licensed for.
    License {
        /// The product, such as `XProtect Corporate 2024 R2`.
        display_name: String = "displayName",
        /// The vendor's short name of the product, such as `XPCO`.
        sku: String = "sku",
        /// The software license code.
        slc: String = "slc",
    }

    /// What the user may do in a namespace.
    EffectivePermissions {
        /// The namespace.
        id: Id = "id",
        /// Whether everything is allowed.
        is_administrator: Option<bool> = "isAdministrator",
    }
}

impl RecordingServer {
    /// The address to speak to: the active one, else its own, else host and port.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let uri = [&self.active_web_server_uri, &self.web_server_uri].into_iter().find(|uri| !uri.trim().is_empty());
        let port =
            self.port.filter(|port| (1..=65_535).contains(port)).unwrap_or(crate::milestone::image_server::PORT.into());
        let legacy = || (!self.host_name.is_empty()).then(|| format!("http://{}:{port}/", self.host_name));
        uri.map(|uri| uri.trim().to_owned()).or_else(legacy)
    }
}
