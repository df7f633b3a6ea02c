//! The sending side of SRTP, and both sides of SRTCP (RFC 3711), with AES-CM and HMAC-SHA1 (RFC 3711), AES-GCM of 128 and of 256 bits
//! (RFC 7714).
//!
//! Packets are protected where they lie, at the end of a buffer that may hold many of them, so that they can be sent with
//! one system call. The keys live for one connection: nothing is derived anew meanwhile (key derivation rate 0).

mod receiver;

use std::fmt;

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    hmac,
    iv::FixedLength,
};

use crate::Error;
pub use receiver::Receiver;

/// The bytes of an RTCP packet that are not encrypted: its header and the SSRC of its sender.
const RTCP_HEADER: usize = 8;
/// Bytes of the index of an RTCP packet, which goes without encryption.
const INDEX: usize = 4;
/// The first bit of the index of a packet that is encrypted (`E`, RFC 3711 section 3.4).
const ENCRYPTED: u32 = 1 << 31;
/// The longest salt: of AES-CM. That of AES-GCM is two bytes shorter and counts as if zeros followed (RFC 7714 section 11).
const SALT_MAX: usize = 14;
/// Where in the salt the label of a key is mixed in, with a key derivation rate of 0 (RFC 3711 section 4.3.1).
const LABEL_AT: usize = 7;
const HMAC_KEY: usize = 20;
/// The bytes of HMAC-SHA1 that are sent (`80` of the profile's name in bits).
const HMAC_TAG: usize = 10;
const GCM_TAG: usize = 16;
const GCM_SALT: usize = 12;

/// How packets are protected (DTLS-SRTP protection profiles, RFC 5764 section 4.1.2 and RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmHmacSha1,
    /// `SRTP_AEAD_AES_128_GCM`.
    Aes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    Aes256Gcm,
}

impl Profile {
    /// Bytes of the master key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1 | Self::Aes128Gcm => 16,
            Self::Aes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1 => SALT_MAX,
            Self::Aes128Gcm | Self::Aes256Gcm => GCM_SALT,
        }
    }
}

/// Protects what one end sends.
pub struct Sender {
    rtp: Keys,
    rtcp: Keys,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    /// With the master key and salt of the sending end.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are not as long as the profile wants.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        check_lengths(profile, key, salt)?;
        let derivation = Derivation::new(key, salt)?;
        Ok(Self { rtp: derivation.keys(profile, 0)?, rtcp: derivation.keys(profile, 3)? })
    }

    /// Protects the RTP packet at the end of `buffer`, from `start` on, with `header` bytes before its payload. `index` is
    /// its sequence number with the number of times that has wrapped above it (RFC 3711 section 3.3.1); no two packets of an
    /// SSRC may have the same one.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the packet is shorter than its header.
    pub fn protect_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        header: usize,
        (ssrc, index): (u32, u64),
    ) -> Result<(), Error> {
        let roc = (index >> 16) as u32;
        match &self.rtp {
            Keys::Cm(keys) => {
                let CounterMode { cipher, hmac, salt } = &**keys;
                let payload = buffer.get_mut(start + header..).ok_or_else(too_short)?;
                crypt(cipher, cm_iv(salt, ssrc, index), payload)?;
                let packet = buffer.get(start..).unwrap_or_default();
                let tag = sign(hmac, &[packet, &roc.to_be_bytes()]);
                buffer.extend_from_slice(&tag);
            }
            Keys::Gcm { cipher, salt } => {
                let packet = buffer.get_mut(start..).unwrap_or_default();
                let (header, payload) = packet.split_at_mut_checked(header).ok_or_else(too_short)?;
                let mut nonce = [0; GCM_SALT];
                nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
                nonce[6..12].copy_from_slice(&index.to_be_bytes()[2..]);
                let tag = seal(cipher, xor(nonce, salt), header, payload)?;
                buffer.extend_from_slice(&tag);
            }
        }
        Ok(())
    }

    /// Protects the compound RTCP packet at the end of `buffer`, from `start` on. `index` counts the RTCP packets of the SSRC
    /// in its header, 31 bits (RFC 3711 section 3.2.1).
    ///
    /// # Errors
    /// [`Error::Malformed`] when the packet is shorter than an RTCP header.
    pub fn protect_rtcp(&self, buffer: &mut Vec<u8>, start: usize, index: u32) -> Result<(), Error> {
        let index = index & !ENCRYPTED;
        let word = (index | ENCRYPTED).to_be_bytes();
        let packet = buffer.get_mut(start..).unwrap_or_default();
        let (header, payload) = packet.split_first_chunk_mut::<RTCP_HEADER>().ok_or_else(too_short)?;
        let [.., a, b, c, d] = *header;
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        match &self.rtcp {
            Keys::Cm(keys) => {
                let CounterMode { cipher, hmac, salt } = &**keys;
                crypt(cipher, cm_iv(salt, ssrc, index.into()), payload)?;
                buffer.extend_from_slice(&word);
                let tag = sign(hmac, &[buffer.get(start..).unwrap_or_default()]);
                buffer.extend_from_slice(&tag);
            }
            Keys::Gcm { cipher, salt } => {
                let (nonce, associated) = rtcp_gcm(salt, header, &word);
                let tag = seal(cipher, nonce, &associated, payload)?;
                buffer.extend_from_slice(&tag);
                buffer.extend_from_slice(&word);
            }
        }
        Ok(())
    }
}

fn check_lengths(profile: Profile, key: &[u8], salt: &[u8]) -> Result<(), Error> {
    if key.len() == profile.key_len() && salt.len() == profile.salt_len() {
        return Ok(());
    }
    Err(Error::malformed("SRTP key", "it or its salt has another length than the profile says"))
}

/// The session keys of RTP or of RTCP.
enum Keys {
    Cm(Box<CounterMode>),
    Gcm { cipher: LessSafeKey, salt: [u8; GCM_SALT] },
}

struct CounterMode {
    cipher: EncryptingKey,
    hmac: hmac::Key,
    salt: [u8; SALT_MAX],
}

impl Keys {
    fn cm(key: &[u8], hmac_key: &[u8; HMAC_KEY], salt: [u8; SALT_MAX]) -> Result<Self, Error> {
        let hmac = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hmac_key);
        Ok(Self::Cm(Box::new(CounterMode { cipher: counter_mode(key)?, hmac, salt })))
    }

    fn gcm(key: &[u8], salt: [u8; GCM_SALT]) -> Result<Self, Error> {
        let algorithm = if key.len() == Profile::Aes256Gcm.key_len() { &AES_256_GCM } else { &AES_128_GCM };
        let cipher = UnboundKey::new(algorithm, key).map_err(|_| unusable())?;
        Ok(Self::Gcm { cipher: LessSafeKey::new(cipher), salt })
    }
}

/// Derives session keys from a master key (RFC 3711 section 4.3).
struct Derivation {
    cipher: EncryptingKey,
    salt: [u8; SALT_MAX],
}

impl Derivation {
    fn new(key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let mut padded = [0; SALT_MAX];
        padded.iter_mut().zip(salt).for_each(|(to, from)| *to = *from);
        Ok(Self { cipher: counter_mode(key)?, salt: padded })
    }

    fn derive<const N: usize>(&self, label: u8) -> Result<[u8; N], Error> {
        let mut iv = [0; 16];
        iv[..SALT_MAX].copy_from_slice(&self.salt);
        iv[LABEL_AT] ^= label;
        let mut derived = [0; N];
        crypt(&self.cipher, iv, &mut derived)?;
        Ok(derived)
    }

    /// The keys whose labels begin at `label`: cipher, authentication, salt.
    fn keys(&self, profile: Profile, label: u8) -> Result<Keys, Error> {
        match profile {
            Profile::Aes128CmHmacSha1 => {
                let (key, hmac) = (self.derive::<16>(label)?, self.derive(label + 1)?);
                Keys::cm(&key, &hmac, self.derive(label + 2)?)
            }
            Profile::Aes128Gcm => Keys::gcm(&self.derive::<16>(label)?, self.derive(label + 2)?),
            Profile::Aes256Gcm => Keys::gcm(&self.derive::<32>(label)?, self.derive(label + 2)?),
        }
    }
}

fn counter_mode(key: &[u8]) -> Result<EncryptingKey, Error> {
    let algorithm = if key.len() == Profile::Aes256Gcm.key_len() { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, key).map_err(|_| unusable())?;
    EncryptingKey::ctr(key).map_err(|_| unusable())
}

/// The initialisation vector of a packet in counter mode (RFC 3711 section 4.1.1).
fn cm_iv(salt: &[u8; SALT_MAX], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[4..8].copy_from_slice(&ssrc.to_be_bytes());
    iv[8..14].copy_from_slice(&index.to_be_bytes()[2..]);
    iv.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    iv
}

/// The nonce and what is authenticated without encryption of an RTCP packet with this index word (RFC 7714 section 9).
fn rtcp_gcm(
    salt: &[u8; GCM_SALT],
    header: &[u8; RTCP_HEADER],
    word: &[u8; INDEX],
) -> ([u8; GCM_SALT], [u8; RTCP_HEADER + INDEX]) {
    let mut nonce = [0; GCM_SALT];
    nonce[2..6].copy_from_slice(&header[4..]);
    nonce[8..].copy_from_slice(word);
    // Without the bit that says that it is encrypted.
    nonce[8] &= 0x7f;
    let mut associated = [0; RTCP_HEADER + INDEX];
    associated[..RTCP_HEADER].copy_from_slice(header);
    associated[RTCP_HEADER..].copy_from_slice(word);
    (xor(nonce, salt), associated)
}

fn xor(mut nonce: [u8; GCM_SALT], salt: &[u8; GCM_SALT]) -> [u8; GCM_SALT] {
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    nonce
}

fn crypt(cipher: &EncryptingKey, iv: [u8; 16], bytes: &mut [u8]) -> Result<(), Error> {
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    cipher.less_safe_encrypt(bytes, context).map(drop).map_err(|_| unusable())
}

fn seal(cipher: &LessSafeKey, nonce: [u8; GCM_SALT], aad: &[u8], bytes: &mut [u8]) -> Result<[u8; GCM_TAG], Error> {
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), bytes).map_err(|_| unusable())?;
    tag.as_ref().try_into().map_err(|_| unusable())
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> [u8; HMAC_TAG] {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    let whole = context.sign();
    let mut tag = [0; HMAC_TAG];
    tag.iter_mut().zip(whole.as_ref()).for_each(|(to, from)| *to = *from);
    tag
}

fn too_short() -> Error {
    Error::malformed("packet to protect", "it is shorter than its header")
}

fn unusable() -> Error {
    Error::malformed("SRTP key", "the cipher does not take it")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711() {
        // Appendix B.3.
        let derivation =
            Derivation::new(&bytes("E1F97A0D3E018BE0D64FA32C06DE4139"), &bytes("0EC675AD498AFEEBB6960B3AABE6"))
                .unwrap();
        assert_eq!(derivation.derive::<16>(0).unwrap().to_vec(), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derivation.derive::<14>(2).unwrap().to_vec(), bytes("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(derivation.derive::<20>(1).unwrap().to_vec(), bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    /// The session keys of RFC 7714 section 16: the same for RTP and RTCP.
    pub(super) fn gcm_keys(key: &str) -> Keys {
        Keys::gcm(&bytes(key), *b"Quid pro quo").unwrap()
    }

    fn gcm(key: &str) -> Sender {
        Sender { rtp: gcm_keys(key), rtcp: gcm_keys(key) }
    }

    const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 696120657374206f6d6e6973206469766973612069 \
                       6e207061727465732074726573";

    fn check_rtp(key: &str, want: &str) {
        let mut buffer = b"before".to_vec();
        buffer.extend(bytes(RTP));
        gcm(key).protect_rtp(&mut buffer, 6, 12, (0x5501_a0b2, 0xf17b)).unwrap();
        assert_eq!(buffer[6..], bytes(want));
    }

    #[test]
    fn rtp_is_protected_as_rfc_7714_shows() {
        // Sections 16.1.1 and 16.2.1.
        check_rtp(
            KEY_128,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
             36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
        check_rtp(
            KEY_256,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
             1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
    }

    /// A report with its protection under each key and the index 0x5d4: sections 17.1 to 17.4, the same both ways.
    pub(super) const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
                                   deadbeef deadbeef deadbeef deadbeef deadbeef";
    pub(super) const RTCP_PROTECTED: [(&str, &str); 2] = [
        (
            KEY_128,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 \
             86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            KEY_256,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 \
             c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
    ];

    #[test]
    fn rtcp_is_protected_as_rfc_7714_shows() {
        for (key, want) in RTCP_PROTECTED {
            let mut buffer = b"before".to_vec();
            buffer.extend(bytes(RTCP));
            gcm(key).protect_rtcp(&mut buffer, 6, 0x5d4).unwrap();
            assert_eq!(buffer[6..], bytes(want));
        }
    }

    #[test]
    fn what_is_shorter_than_its_header_is_refused() {
        let sender = Sender::new(Profile::Aes128CmHmacSha1, &[1; 16], &[2; 14]).unwrap();
        for sender in [&sender, &gcm(KEY_128)] {
            assert!(sender.protect_rtp(&mut vec![0; 11], 0, 12, (1, 1)).is_err());
            assert!(sender.protect_rtcp(&mut vec![0; 7], 0, 1).is_err());
        }
        for (profile, key, salt) in [(Profile::Aes128Gcm, 16, 14), (Profile::Aes256Gcm, 16, 12)] {
            assert!(Sender::new(profile, &vec![0; key], &vec![0; salt]).is_err());
        }
    }
}
