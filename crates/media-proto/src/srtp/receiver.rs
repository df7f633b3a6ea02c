//! The receiving side of SRTCP (RFC 3711 section 3.4): what a peer that only watches sends.

use std::fmt;

use aws_lc_rs::{
    aead::{Aad, Nonce},
    constant_time::verify_slices_are_equal,
};

use super::{
    CounterMode, Derivation, ENCRYPTED, HMAC_TAG, INDEX, Keys, Profile, RTCP_HEADER, check_lengths, cm_iv, crypt,
    rtcp_gcm, sign,
};
use crate::Error;

/// The label of the first SRTCP key (RFC 3711 section 4.3.2).
const RTCP_LABEL: u8 = 3;
/// Senders that are told apart: one for each section of a session of many.
const SENDERS: usize = 256;

/// Takes the protection off what the other end sends.
pub struct Receiver {
    keys: Keys,
    senders: Vec<Seen>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

/// Which packets of a sender came, so that none is taken twice (RFC 3711 section 3.3.2).
struct Seen {
    ssrc: u32,
    highest: u32,
    /// The bit of `highest` is the lowest, that of the one before it the next.
    before: u64,
}

impl Seen {
    fn is_new(&self, index: u32) -> bool {
        match self.highest.checked_sub(index) {
            None => true,
            Some(behind) => behind < u64::BITS && self.before >> behind & 1 == 0,
        }
    }

    fn note(&mut self, index: u32) {
        if let Some(ahead) = index.checked_sub(self.highest).filter(|ahead| *ahead > 0) {
            self.before = self.before.checked_shl(ahead).unwrap_or(0);
            self.highest = index;
        }
        self.before |= 1 << (self.highest - index);
    }
}

impl Receiver {
    /// With the master key and salt of the other end.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are not as long as the profile wants.
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        check_lengths(profile, key, salt)?;
        let keys = Derivation::new(key, salt)?.keys(profile, RTCP_LABEL)?;
        Ok(Self { keys, senders: Vec::new() })
    }

    /// Takes the protection off a compound RTCP packet, where it lies; what it says.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is too short, not encrypted, not of the other end, came before, or when there are more
    /// than 256 senders.
    pub fn unprotect_rtcp<'a>(&mut self, packet: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let (ssrc, index) = Self::named(packet, &self.keys)?;
        let known = self.senders.iter().find(|seen| seen.ssrc == ssrc);
        if known.is_some_and(|seen| !seen.is_new(index)) {
            return Err(refused("it came before"));
        }
        let is_known = known.is_some();
        if !is_known && self.senders.len() >= SENDERS {
            return Err(refused("there are too many senders"));
        }
        let plain = match &self.keys {
            Keys::Cm(keys) => open_cm(keys, packet, ssrc, index)?,
            Keys::Gcm { cipher, salt } => {
                let (body, word) = packet.split_last_chunk_mut::<INDEX>().ok_or_else(too_short)?;
                let (header, sealed) = body.split_first_chunk_mut::<RTCP_HEADER>().ok_or_else(too_short)?;
                let (nonce, associated) = rtcp_gcm(salt, header, word);
                let nonce = Nonce::assume_unique_for_key(nonce);
                let opened = cipher.open_in_place(nonce, Aad::from(&associated), sealed);
                let length = opened.map_err(|_| refused("it is not of the other end"))?.len();
                RTCP_HEADER + length
            }
        };
        if !is_known {
            self.senders.push(Seen { ssrc, highest: index, before: 0 });
        }
        if let Some(seen) = self.senders.iter_mut().find(|seen| seen.ssrc == ssrc) {
            seen.note(index);
        }
        Ok(packet.get(..plain).unwrap_or_default())
    }

    /// The sender and the index that a packet names.
    fn named(packet: &[u8], keys: &Keys) -> Result<(u32, u32), Error> {
        let after = match keys {
            Keys::Cm(_) => HMAC_TAG,
            Keys::Gcm { .. } => 0,
        };
        let word = packet.len().checked_sub(after).and_then(|end| packet.get(..end)?.last_chunk::<INDEX>());
        let (Some(word), Some(&[_, _, _, _, a, b, c, d])) = (word, packet.first_chunk::<RTCP_HEADER>()) else {
            return Err(too_short());
        };
        let word = u32::from_be_bytes(*word);
        if word & ENCRYPTED == 0 {
            return Err(refused("it is not encrypted"));
        }
        Ok((u32::from_be_bytes([a, b, c, d]), word & !ENCRYPTED))
    }
}

/// The bytes that a packet has without its protection.
fn open_cm(keys: &CounterMode, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, Error> {
    let (signed, tag) = packet.split_last_chunk_mut::<HMAC_TAG>().ok_or_else(too_short)?;
    if verify_slices_are_equal(&sign(&keys.hmac, &[signed]), tag).is_err() {
        return Err(refused("it is not of the other end"));
    }
    let length = signed.len().checked_sub(INDEX).filter(|length| *length >= RTCP_HEADER).ok_or_else(too_short)?;
    let body = signed.get_mut(RTCP_HEADER..length).unwrap_or_default();
    // Counter mode: to decrypt is to encrypt again.
    crypt(&keys.cipher, cm_iv(&keys.salt, ssrc, index.into()), body)?;
    Ok(length)
}

fn too_short() -> Error {
    refused("it is shorter than its header, index and tag")
}

fn refused(reason: &'static str) -> Error {
    Error::malformed("SRTCP packet", reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::{
        Sender,
        tests::{RTCP, RTCP_PROTECTED, bytes, gcm_keys},
    };

    const PROFILES: [Profile; 3] = [Profile::Aes128CmHmacSha1, Profile::Aes128Gcm, Profile::Aes256Gcm];
    const PLAIN: [u8; 20] = [0x80, 206, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

    fn ends(profile: Profile) -> (Sender, Receiver) {
        let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
        (Sender::new(profile, &key, &salt).unwrap(), Receiver::new(profile, &key, &salt).unwrap())
    }

    fn protected(sender: &Sender, index: u32) -> Vec<u8> {
        let mut packet = PLAIN.to_vec();
        sender.protect_rtcp(&mut packet, 0, index).unwrap();
        packet
    }

    #[test]
    fn what_rfc_7714_protects_is_read() {
        for (key, protected) in RTCP_PROTECTED {
            let mut receiver = Receiver { keys: gcm_keys(key), senders: Vec::new() };
            assert_eq!(receiver.unprotect_rtcp(&mut bytes(protected)), Ok(&bytes(RTCP)[..]));
        }
    }

    /// Made by another implementation: `openssl`'s ciphers under the key derivation of RFC 3711.
    #[test]
    fn counter_mode_of_another_implementation_is_read() {
        let protected = "81ce00020000000134cdfcd6fadf92aae001692a37209d7a75d265528000004d693aa2d33deeb2ddf037";
        let (key, salt) = ([7; 16], [9; 14]);
        let mut receiver = Receiver::new(Profile::Aes128CmHmacSha1, &key, &salt).unwrap();
        let plain = bytes("81ce0002 00000001 00000002 81cd0003 00000001 00000002 ffff0005");
        assert_eq!(receiver.unprotect_rtcp(&mut bytes(protected)), Ok(&plain[..]));
    }

    #[test]
    fn what_is_protected_is_read_once_and_only_as_it_was_sent() {
        for profile in PROFILES {
            let (sender, mut receiver) = ends(profile);
            let packet = protected(&sender, 5);
            for at in 0..packet.len() {
                let mut bent = packet.clone();
                bent[at] ^= 1;
                assert!(receiver.unprotect_rtcp(&mut bent).is_err(), "{profile:?}: byte {at}");
                assert!(receiver.unprotect_rtcp(&mut packet[..at].to_vec()).is_err(), "{profile:?}: {at} bytes");
            }
            assert_eq!(receiver.unprotect_rtcp(&mut packet.clone()).unwrap(), PLAIN, "{profile:?}");
            assert!(receiver.unprotect_rtcp(&mut packet.clone()).is_err(), "{profile:?}: again");
        }
    }

    #[test]
    fn packets_come_in_any_order_within_64_and_none_twice() {
        let (sender, mut receiver) = ends(Profile::Aes128Gcm);
        let mut take = |index| receiver.unprotect_rtcp(&mut protected(&sender, index)).is_ok();
        let seen: Vec<bool> = [100, 101, 99, 101, 37, 36, 99, 300, 236, 237, 237].map(&mut take).to_vec();
        assert_eq!(seen, [true, true, true, false, false, false, false, true, false, true, false]);
    }

    #[test]
    fn a_flood_of_senders_is_refused() {
        let (sender, mut receiver) = ends(Profile::Aes256Gcm);
        for ssrc in 0..SENDERS as u32 + 1 {
            let mut packet = PLAIN.to_vec();
            packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
            sender.protect_rtcp(&mut packet, 0, 1).unwrap();
            assert_eq!(receiver.unprotect_rtcp(&mut packet).is_ok(), (ssrc as usize) < SENDERS);
        }
    }
}
