//! The SRTP keys that a connection agrees on by DTLS (RFC 5764), for what we protect and take the protection off ourselves.
//!
//! str0m keeps them to itself, but takes its DTLS from a provider: ours hands everything through to the one it stands for
//! and looks at the keys as they pass.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use media_proto::srtp::{Profile, Receiver, Sender};
use str0m::crypto::{
    CryptoError, CryptoProvider,
    dtls::{
        DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial, ProtocolVersion,
        SrtpProfile,
    },
    from_feature_flags,
};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let inner = from_feature_flags();
    let listening: &'static Listening = Box::leak(Box::new(Listening(inner.dtls_provider)));
    Arc::new(CryptoProvider { dtls_provider: listening, ..inner })
});

thread_local! {
    /// Where the keys of the connection that this thread made last will be.
    static LAST: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

/// The cryptography for connections whose keys are wanted.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Where the keys of the connection will be that was made by this thread just now with [`provider`].
pub(super) fn of_last() -> Keys {
    LAST.take().unwrap_or_default()
}

/// The keys of a connection, once it has them.
#[derive(Clone, Default)]
pub(super) struct Keys(Arc<OnceLock<Agreed>>);

struct Agreed {
    sender: Sender,
    receiver: Mutex<Receiver>,
}

impl Keys {
    /// What protects what our end sends.
    pub(super) fn sender(&self) -> Option<&Sender> {
        Some(&self.0.get()?.sender)
    }

    /// Takes the protection off an RTCP packet of the peer; none while there are no keys, or when it is refused.
    pub(super) fn read_rtcp<'a>(&self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let mut receiver = self.0.get()?.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.unprotect_rtcp(packet).ok()
    }

    fn agreed(&self, material: &KeyingMaterial, profile: SrtpProfile, active: bool) {
        let profile = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmHmacSha1,
            SrtpProfile::AEAD_AES_128_GCM => Profile::Aes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::Aes256Gcm,
            _ => return,
        };
        // The client's key, the server's, the client's salt, the server's (RFC 5764 section 4.2).
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let of = |number: usize| {
            let keys = material.get(number * key..(number + 1) * key).unwrap_or_default();
            let salts = material.get(2 * key + number * salt..2 * key + (number + 1) * salt).unwrap_or_default();
            (keys, salts)
        };
        let ((key, salt), (their_key, their_salt)) = if active { (of(0), of(1)) } else { (of(1), of(0)) };
        let agreed = Sender::new(profile, key, salt).and_then(|sender| {
            Ok(Agreed { sender, receiver: Mutex::new(Receiver::new(profile, their_key, their_salt)?) })
        });
        match agreed {
            // A second agreement would be a renegotiation, which DTLS-SRTP does not have.
            Ok(agreed) => drop(self.0.set(agreed)),
            Err(error) => tracing::warn!(%error, "the keys of a WebRTC connection cannot be used"),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.0.get().is_some()).finish()
    }
}

/// Makes DTLS instances that are listened to.
#[derive(Debug)]
struct Listening(&'static dyn DtlsProvider);

impl DtlsProvider for Listening {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let (inner, keys) = (self.0.new_dtls(cert, now, version, mtu)?, Keys::default());
        LAST.set(Some(keys.clone()));
        Ok(Box::new(Listened { inner, keys }))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

#[derive(Debug)]
struct Listened {
    inner: Box<dyn DtlsInstance>,
    keys: Keys,
}

impl DtlsInstance for Listened {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            self.keys.agreed(material, *profile, self.inner.is_active());
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
