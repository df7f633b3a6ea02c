//! Access tokens of the identity provider (OAuth 2, RFC 6749).

use domain::Secret;
use serde_json::{Map, Value, json};

use super::{envelope::parse, field::Field};
use crate::{Error, form, milestone::image_server::words};

/// The content type of a request.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";
const WHAT: &str = "token request";

/// For which client of the vendor a token is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Gets an access token alone.
    GrantValidator,
    /// Gets a refresh token too.
    Vms,
}

impl Client {
    /// As it stands on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GrantValidator => "GrantValidatorClient",
            Self::Vms => "VmsClient",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::GrantValidator, Self::Vms].into_iter().find(|client| client.name() == name)
    }
}

/// By what a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Name and password of a basic user.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
        /// The client.
        client: Client,
    },
    /// A refresh token, which is good once: the answer has the next.
    Refresh(Secret),
    /// The Windows user of the connection. Not through a gateway.
    Windows,
}

impl Grant {
    /// The body of the request, percent-encoded.
    #[must_use]
    pub fn form(&self) -> Secret {
        let mut form = String::new();
        let mut push = |name, value: &str| form::push(&mut form, name, value);
        match self {
            Self::Password { user, password, client } => {
                push("grant_type", "password");
                push("username", user);
                push("password", password.expose());
                push("client_id", client.name());
            }
            Self::Refresh(token) => {
                push("grant_type", "refresh_token");
                push("refresh_token", token.expose());
                push("client_id", Client::Vms.name());
            }
            Self::Windows => {
                push("grant_type", "windows_credentials");
                push("client_id", Client::GrantValidator.name());
            }
        }
        Secret::new(form)
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// The grant or the client is not known, or a part is missing.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let body = std::str::from_utf8(body).map_err(|_| Error::malformed(WHAT, "it is not UTF-8"))?;
        let pairs: Vec<(String, String)> = form::pairs(body).collect();
        let part = |part: &'static str| {
            let pair = pairs.iter().find(|(name, _)| name == part);
            pair.map(|(_, value)| value.clone()).ok_or(Error::Missing { what: WHAT, part })
        };
        let (grant, client) = (part("grant_type")?, part("client_id")?);
        let client = Client::of(&client).ok_or_else(|| Error::unknown("client", &client))?;
        match grant.as_str() {
            "password" => {
                Ok(Self::Password { user: part("username")?, password: Secret::new(part("password")?), client })
            }
            "refresh_token" => Ok(Self::Refresh(Secret::new(part("refresh_token")?))),
            "windows_credentials" => Ok(Self::Windows),
            other => Err(Error::unknown("grant type", other)),
        }
    }
}

/// A token that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// For the header `Authorization: Bearer`.
    pub access_token: Secret,
    /// How long it is good, in seconds.
    pub expires_in_s: u64,
    /// What renews it.
    pub refresh_token: Option<Secret>,
}

impl TokenAnswer {
    /// Reads one.
    ///
    /// # Errors
    /// It is not JSON, or has no token or no lifetime.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "token answer";
        let value = parse(WHAT, body)?;
        let secret = |key| value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let access_token = secret("access_token").ok_or(Error::Missing { what: WHAT, part: "access_token" })?;
        let expires: Option<i64> = Field::of(value.get("expires_in")).flatten();
        let expires = expires.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(Self {
            access_token: Secret::new(access_token.to_owned()),
            expires_in_s: expires.ok_or(Error::Missing { what: WHAT, part: "expires_in" })?,
            refresh_token: secret("refresh_token").map(|token| Secret::new(token.to_owned())),
        })
    }

    /// The body with the token.
    #[must_use]
    pub fn body(&self) -> Secret {
        let mut value = json!({
            "access_token": self.access_token.expose(),
            "expires_in": self.expires_in_s,
            "token_type": "Bearer",
            "scope": "managementserver",
        });
        if let (Some(token), Some(map)) = (&self.refresh_token, value.as_object_mut()) {
            map.insert("refresh_token".to_owned(), token.expose().into());
        }
        Secret::new(value.to_string())
    }
}

/// Why no token was given; it comes with status 400.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRefusal {
    /// The kind, such as `invalid_grant`.
    pub error: String,
    /// More about it, such as `invalid_username_or_password`; may be empty.
    pub description: String,
    /// The vendor's addition, such as `LockedOut`; may be empty.
    pub code: String,
}

impl TokenRefusal {
    const LOCKED_OUT: &str = "LockedOut";

    /// Whether the account is locked: asking again keeps it so.
    #[must_use]
    pub fn is_locked_out(&self) -> bool {
        self.code.eq_ignore_ascii_case(Self::LOCKED_OUT)
    }

    /// That of a wrong name or password, or of an account that is locked.
    #[must_use]
    pub fn of_password(is_locked_out: bool) -> Self {
        let code = if is_locked_out { Self::LOCKED_OUT } else { "" };
        Self { error: "invalid_grant".into(), description: "invalid_username_or_password".into(), code: code.into() }
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is not JSON, or names no error.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "token refusal";
        let value = parse(WHAT, body)?;
        let text = |key| value.get(key).and_then(Value::as_str).map(words).unwrap_or_default();
        let error = text("error");
        if error.is_empty() {
            return Err(Error::Missing { what: WHAT, part: "error" });
        }
        Ok(Self { error, description: text("error_description"), code: text("error_code") })
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let parts = [("error", &self.error), ("error_description", &self.description), ("error_code", &self.code)];
        let said = parts.into_iter().filter(|(_, text)| !text.is_empty());
        Value::Object(said.map(|(key, text)| (key.to_owned(), text.as_str().into())).collect::<Map<_, _>>())
    }
}
