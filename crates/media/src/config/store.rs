//! Where changes of the configuration are kept, so that they survive a restart.
//!
//! A change names slots and their new contents, so applying it twice, or an old one again before a newer one, ends in
//! the same state. [`FileStore`] writes one line per change with its checksum and syncs it before it answers; a line
//! torn by a crash was never answered and is dropped. The journal is folded into a snapshot when it grows.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::Keys;
use crate::Error;

/// The journal is folded when it has more lines than this.
const JOURNAL_LINES_MAX: usize = 1_000;
/// The journal is folded when it has more bytes than this and than four snapshots.
const JOURNAL_BYTES_MAX: u64 = 4 << 20;
const SNAPSHOT: &str = "media-config.snapshot";
const JOURNAL: &str = "media-config.journal";

/// New contents of some slots of the configuration; a slot that is not named stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// What the user has set of the global configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global: Option<Keys>,
    /// What the user has set of the path defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub defaults: Option<Keys>,
    /// What the user has done to path entries; `None` takes an entry's slot away.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub paths: BTreeMap<String, Option<Stored>>,
}

/// What a user has done to one path entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// Keys over those of the server's file.
    Patched(Keys),
    /// Keys in place of any in the server's file.
    Replaced(Keys),
    /// An entry of the server's file that is not wanted.
    Deleted,
}

impl Change {
    /// This change followed by a newer one, as one.
    pub fn absorb(&mut self, newer: Self) {
        self.global = newer.global.or(self.global.take());
        self.defaults = newer.defaults.or(self.defaults.take());
        self.paths.extend(newer.paths);
    }
}

/// Keeps changes. Only one holder writes at a time.
pub trait ConfigStore: Send + Sync {
    /// All changes so far as one.
    fn load(&self) -> BoxFuture<'_, Result<Change, Error>>;
    /// Keeps a change. When this answers, the change survives a crash.
    fn append(&self, change: Change) -> BoxFuture<'_, Result<(), Error>>;
}

/// A snapshot and a journal in a directory. One process at a time holds it.
#[derive(Clone, Debug)]
pub struct FileStore(Arc<Mutex<Files>>);

#[derive(Debug)]
struct Files {
    directory: PathBuf,
    journal: File,
    /// Bytes of whole lines; what lies behind was never answered.
    length: u64,
    lines: usize,
    snapshot_length: u64,
    folded: Change,
}

impl FileStore {
    /// Opens the store in `directory`, which is made when absent.
    ///
    /// # Errors
    /// [`Error::Store`] when the files cannot be read or written, are damaged, or are held by another process.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let files = Files::open(directory).map_err(Error::Store)?;
        Ok(Self(Arc::new(Mutex::new(files))))
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let files = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&mut files.lock().unwrap_or_else(PoisonError::into_inner)));
        done.await.map_err(io::Error::other).and_then(|done| done).map_err(Error::Store)
    }
}

impl ConfigStore for FileStore {
    fn load(&self) -> BoxFuture<'_, Result<Change, Error>> {
        Box::pin(self.with(|files| Ok(files.folded.clone())))
    }

    fn append(&self, change: Change) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.with(|files| files.append(change)))
    }
}

impl Files {
    fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut journal = private().read(true).create(true).truncate(false).open(directory.join(JOURNAL))?;
        journal.try_lock().map_err(|_| io::Error::other(format!("{JOURNAL} is held by another process")))?;
        let snapshot = match fs::read_to_string(directory.join(SNAPSHOT)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut folded = Change::default();
        for line in snapshot.lines() {
            folded.absorb(decoded(line).ok_or_else(|| damaged(SNAPSHOT, 1))?);
        }
        let mut text = Vec::new();
        journal.read_to_end(&mut text)?;
        let (length, lines) = replay(&text, &mut folded)?;
        journal.set_len(length)?;
        let snapshot_length = snapshot.len() as u64;
        Ok(Self { directory: directory.to_owned(), journal, length, lines, snapshot_length, folded })
    }

    fn append(&mut self, change: Change) -> io::Result<()> {
        let line = encoded(&change)?;
        if let Err(error) = self.write(line.as_bytes()) {
            // Half a line must not stand before the next one.
            self.journal.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        self.lines += 1;
        self.folded.absorb(change);
        let large = self.length > JOURNAL_BYTES_MAX.max(self.snapshot_length.saturating_mul(4));
        if (self.lines > JOURNAL_LINES_MAX || large)
            && let Err(error) = self.fold()
        {
            // The change itself is safe in the journal; the next change tries again.
            warn!(%error, "cannot fold the configuration journal into its snapshot");
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.journal.seek(SeekFrom::Start(self.length))?;
        self.journal.write_all(line)?;
        self.journal.sync_data()
    }

    /// Writes what is known as the new snapshot and empties the journal. A crash in between replays old lines over the
    /// new snapshot, which ends in the same state.
    fn fold(&mut self) -> io::Result<()> {
        self.folded.paths.retain(|_, stored| stored.is_some());
        let line = encoded(&self.folded)?;
        let temporary = self.directory.join(format!("{SNAPSHOT}.new"));
        let mut file = private().create(true).truncate(true).open(&temporary)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, self.directory.join(SNAPSHOT))?;
        File::open(&self.directory)?.sync_all()?;
        self.journal.set_len(0)?;
        self.journal.sync_all()?;
        (self.length, self.lines, self.snapshot_length) = (0, 0, line.len() as u64);
        Ok(())
    }
}

impl Drop for Files {
    /// Closing the journal is not enough: a program that another thread is just starting has a copy of the descriptor until it
    /// runs, and holds the lock with it.
    fn drop(&mut self) {
        let _ = self.journal.unlock();
    }
}

/// The files hold passwords of cameras: nobody else may read them.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Applies the whole lines of a journal; says how many bytes and lines they are.
fn replay(text: &[u8], folded: &mut Change) -> io::Result<(u64, usize)> {
    let mut length = 0;
    let mut lines = 0;
    for line in text.split_inclusive(|&b| b == b'\n') {
        let change = line.strip_suffix(b"\n").and_then(|line| decoded(std::str::from_utf8(line).ok()?));
        let end = length + line.len();
        match change {
            Some(change) => folded.absorb(change),
            None if end == text.len() => {
                warn!(file = JOURNAL, line = lines + 1, "the last line is torn and was never answered; it is dropped");
                break;
            }
            None => return Err(damaged(JOURNAL, lines + 1)),
        }
        length = end;
        lines += 1;
    }
    Ok((length as u64, lines))
}

fn damaged(file: &str, line: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} line {line} is damaged; restore it from a backup"))
}

fn encoded(change: &Change) -> io::Result<String> {
    let json = serde_json::to_string(change)?;
    Ok(format!("{:08x} {json}\n", crc32(json.as_bytes())))
}

fn decoded(line: &str) -> Option<Change> {
    let (checksum, json) = line.split_once(' ')?;
    let right = u32::from_str_radix(checksum, 16).ok()? == crc32(json.as_bytes());
    right.then(|| serde_json::from_str(json).ok())?
}

/// CRC-32 of ISO/IEC/IEEE 8802-3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_free_at_once_though_a_child_still_has_its_file() {
        let directory = std::env::temp_dir().join(format!("cctv-store-{}", uuid::Uuid::new_v4()));
        let store = FileStore::open(&directory).unwrap();
        assert!(FileStore::open(&directory).is_err(), "it is held");
        let child = store.0.lock().unwrap().journal.try_clone().unwrap();
        drop(store);
        FileStore::open(&directory).unwrap();
        drop(child);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
