//! What servers tell without authentication.

use serde_json::{Value, json};

use super::envelope::parse;
use crate::{Error, milestone::release::Release};

/// The most gateways of a system.
const GATEWAYS_MAX: usize = 64;

/// What a gateway tells about its system, from 2022 R1 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayUris {
    /// The version of the product.
    pub product_version: String,
    /// The management server without TLS; may be empty.
    pub insecure_management_server: String,
    /// The management server with TLS; may be empty.
    pub secure_management_server: String,
    /// The identity provider.
    pub identity_provider: String,
    /// The gateways.
    pub api_gateways: Vec<String>,
}

impl GatewayUris {
    /// The release of the product, if the version tells it.
    #[must_use]
    pub fn release(&self) -> Option<Release> {
        Release::of_version(&self.product_version)
    }

    /// Reads them.
    ///
    /// # Errors
    /// They are not JSON, or tell no version of the product.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "list of gateway addresses";
        let value = parse(WHAT, body)?;
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let gateways = value.get("ApiGateways").and_then(Value::as_array).into_iter().flatten();
        let product_version = text("ProductVersion");
        if product_version.is_empty() {
            return Err(Error::Missing { what: WHAT, part: "ProductVersion" });
        }
        Ok(Self {
            product_version,
            insecure_management_server: text("UnsecureManagementServer"),
            secure_management_server: text("SecureManagementServer"),
            identity_provider: text("IdentityProvider"),
            api_gateways: gateways.filter_map(Value::as_str).take(GATEWAYS_MAX).map(str::to_owned).collect(),
        })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "ProductVersion": self.product_version,
            "UnsecureManagementServer": self.insecure_management_server,
            "SecureManagementServer": self.secure_management_server,
            "IdentityProvider": self.identity_provider,
            "ApiGateways": self.api_gateways,
        })
    }
}

/// What an identity provider tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenIdConfiguration {
    /// Who it says it is.
    pub issuer: String,
    /// Where a person logs in.
    pub authorization_endpoint: String,
    /// Where tokens are given.
    pub token_endpoint: String,
    /// Where other identity providers are listed; the vendor's addition.
    pub external_providers_uri: String,
    /// The version of the product; the vendor's addition.
    pub server_version: String,
}

impl OpenIdConfiguration {
    /// Whether access tokens open the management server: from version 21 on.
    #[must_use]
    pub fn has_access_tokens(&self) -> bool {
        let major = self.server_version.split('.').next().and_then(|major| major.trim().parse::<u32>().ok());
        major.is_some_and(|major| major >= 21)
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is not JSON, or tells no token endpoint.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "OpenID configuration";
        let value = parse(WHAT, body)?;
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let token_endpoint = text("token_endpoint");
        if token_endpoint.is_empty() {
            return Err(Error::Missing { what: WHAT, part: "token_endpoint" });
        }
        Ok(Self {
            issuer: text("issuer"),
            authorization_endpoint: text("authorization_endpoint"),
            token_endpoint,
            external_providers_uri: text("external_providers_uri"),
            server_version: text("server_version"),
        })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "external_providers_uri": self.external_providers_uri,
            "server_version": self.server_version,
        })
    }
}
