//! What was found out lately: a small memory that forgets by age, and the oldest first when it is full.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest as _, Sha256};

/// Findings by the hash of what they are about. No secret is kept in clear.
pub(super) struct Recent {
    salt: [u8; 16],
    max: usize,
    age: Duration,
    found: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Recent {
    /// A memory of at most `max` findings, each for `age`.
    pub(super) fn new(max: usize, age: Duration) -> Self {
        Self { salt: *uuid::Uuid::new_v4().as_bytes(), max, age, found: Mutex::default() }
    }

    pub(super) fn holds(&self, parts: &[&[u8]]) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(&self.key(parts)).is_some_and(|since| since.elapsed() < self.age)
    }

    pub(super) fn keep(&self, parts: &[&[u8]]) {
        let key = self.key(parts);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= self.max {
            found.retain(|_, since| since.elapsed() < self.age);
        }
        if found.len() >= self.max
            && let Some(oldest) = found.iter().min_by_key(|(_, since)| **since).map(|(key, _)| *key)
        {
            found.remove(&oldest);
        }
        found.insert(key, Instant::now());
    }

    /// What findings about these parts are kept under.
    pub(super) fn key(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_kept_for_a_while_and_the_oldest_goes_first() {
        let recent = Recent::new(2, Duration::from_secs(3600));
        for name in [b"a", b"b", b"c"] {
            recent.keep(&[name, b"x"]);
        }
        let holds = |name: &[u8]| recent.holds(&[name, b"x"]);
        assert_eq!((holds(b"a"), holds(b"b"), holds(b"c")), (false, true, true));
        assert!(!recent.holds(&[b"bx", b""]), "parts do not run into each other");
        let brief = Recent::new(2, Duration::ZERO);
        brief.keep(&[b"a"]);
        assert!(!brief.holds(&[b"a"]));
    }
}
