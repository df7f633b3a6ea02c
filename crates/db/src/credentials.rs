use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use domain::Secret;

use crate::{Error, ServerId, camera::TEXT_MAX};

/// What a connector logs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user, sealed like the password.
    pub user: Secret,
    /// The password.
    pub password: Secret,
}

/// The key that credentials and settings are sealed with (AES-256-GCM). The catalogue keeps it in memory and never stores it.
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// Takes 256 bits of the caller's.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("the key has the length of the algorithm"))
    }

    pub(crate) fn seal(&self, server: ServerId, credentials: &Credentials) -> Result<Vec<u8>, Error> {
        let (user, password) = (credentials.user.expose(), credentials.password.expose());
        if user.len() > TEXT_MAX || password.len() > TEXT_MAX {
            return Err(Error::Invalid { what: "credentials", why: "are longer than 1,024 bytes" });
        }
        let length = u32::try_from(user.len()).expect("the length is checked above");
        let plain = [&length.to_be_bytes(), user.as_bytes(), password.as_bytes()].concat();
        self.seal_bytes(Bound::Server(server), plain)
    }

    pub(crate) fn open(&self, server: ServerId, sealed: &[u8]) -> Result<Credentials, Error> {
        let bound = Bound::Server(server);
        credentials_of(&self.open_bytes(bound, sealed)?).ok_or_else(|| bound.cannot_be_opened())
    }

    /// The nonce, then the sealed bytes and their tag. They are bound to what they belong to, so a row that is moved does not
    /// open.
    pub(crate) fn seal_bytes(&self, bound: Bound<'_>, mut plain: Vec<u8>) -> Result<Vec<u8>, Error> {
        let nonce = self.0.seal_in_place_append_tag(Aad::from(bound.to_bytes()), &mut plain);
        let nonce = nonce.map_err(|_| bound.cannot_be_opened())?;
        Ok([nonce.as_ref().as_slice(), &plain].concat())
    }

    pub(crate) fn open_bytes(&self, bound: Bound<'_>, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let open = || {
            let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut plain = sealed.to_vec();
            let length = self.0.open_in_place(nonce, Aad::from(bound.to_bytes()), &mut plain).ok()?.len();
            plain.truncate(length);
            Some(plain)
        };
        open().ok_or_else(|| bound.cannot_be_opened())
    }
}

/// What sealed bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound<'a> {
    /// The credentials of a server.
    Server(ServerId),
    /// A settings document.
    Settings(&'a str),
}

impl Bound<'_> {
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Server(server) => server.as_uuid().as_bytes().to_vec(),
            Self::Settings(name) => ["settings ", name].concat().into_bytes(),
        }
    }

    fn cannot_be_opened(self) -> Error {
        Error::Sealed {
            what: match self {
                Self::Server(server) => format!("credentials of server {server}"),
                Self::Settings(name) => format!("settings {name}"),
            },
        }
    }
}

fn credentials_of(plain: &[u8]) -> Option<Credentials> {
    let (length, texts) = plain.split_first_chunk::<4>()?;
    let (user, password) = texts.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let secret = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok().map(Secret::new);
    Some(Credentials { user: secret(user)?, password: secret(password)? })
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_for_the_same_server_only() {
        let (key, server) = (SealingKey::new(&[7; 32]), ServerId::from_uuid(Uuid::from_u128(1)));
        let credentials =
            Credentials { user: Secret::new("operator".into()), password: Secret::new("كلمة/?@ secret".into()) };
        let sealed = key.seal(server, &credentials).unwrap();
        assert_ne!(sealed, key.seal(server, &credentials).unwrap(), "a nonce is used twice");
        assert_eq!(key.open(server, &sealed).unwrap(), credentials);
        assert!(SealingKey::new(&[8; 32]).open(server, &sealed).is_err());
        assert!(key.open(ServerId::from_uuid(Uuid::from_u128(2)), &sealed).is_err());
        assert!(key.open_bytes(Bound::Settings("media"), &sealed).is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(key.open(server, &damaged).is_err(), "byte {at}");
            assert!(key.open(server, &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}
