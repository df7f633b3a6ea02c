//! The command service of the management server: the VMS token.
//!
//! A request is authenticated by its `Authorization` header: the access token, or a basic user's password.

use std::time::Duration;

use domain::{Secret, WallTime};
use uuid::Uuid;

use super::Service;

operations! { Service::Server;
    /// Gives a VMS token, or renews it: the same instance with the token it has.
    Login = "Login" -> LoggedIn {
        /// Chosen by the client and always the same.
        instance: Uuid = "instanceId",
        /// The token to renew; empty at first.
        current_token: Secret = "currentToken",
    }

    /// Ends a token.
    Logout = "Logout" -> () {
        /// That of the log-in.
        instance: Uuid = "instanceId",
        /// The token.
        current_token: Secret = "currentToken",
    }

    /// The version of the service.
    GetVersion = "GetVersion" -> i32 {}

    /// Tells the server which product is talking to it. Old servers do not have it.
    RegisterIntegration = "RegisterIntegration" -> () {
        /// The VMS token; may be empty where an access token authenticates.
        token: Secret = "token",
        /// That of the log-in.
        instance: Uuid = "instanceId",
        /// The id of the product.
        integration: Uuid = "integrationId",
        /// The version of the product.
        version: String = "integrationVersion",
        /// The name of the product.
        name: String = "integrationName",
        /// Who makes it.
        manufacturer: String = "manufacturerName",
    }
}

parts! {
    /// A VMS token.
    LoggedIn {
        /// When it was given.
        registered_at: WallTime = "RegistrationTime",
        /// How long it is good.
        time_to_live: Duration = "TimeToLive",
        /// Whether it ends at all.
        is_limited: bool = "TimeToLiveLimited",
        /// The token.
        token: Secret = "Token",
    }
}
