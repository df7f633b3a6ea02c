//! Which sessions were ended and when rights last changed: known over restarts, for as long as a session is good.
//!
//! A file of short lines, one for each event, written anew when it is opened and when it has grown. Without a file all is
//! forgotten with the program.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::SessionId;
use time::OffsetDateTime;

use super::AGE;

/// The most sessions that are remembered as ended; the one that has been so for longest makes room.
const ENDED_MAX: usize = 10_000;
/// The most lines of the file; then it is written anew.
const LINES_MAX: usize = 2 * ENDED_MAX;
/// The file in the data directory.
const FILE: &str = "hls-sessions";

#[derive(Debug, Default)]
pub(super) struct Ended {
    known: Mutex<Known>,
    /// Locked before `known`, and while the disk works.
    journal: Mutex<Option<Journal>>,
}

#[derive(Debug, Default)]
struct Known {
    /// When each was ended, in seconds since 1970.
    ended: HashMap<SessionId, i64>,
    /// When rights last changed; 0 = never.
    changed: i64,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl Ended {
    /// What is known in this directory, and a place to add to it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut known = Known::default();
        for line in text.lines() {
            known.read(line);
        }
        let journal = Journal::new(path, &mut known)?;
        Ok(Self { known: Mutex::new(known), journal: Mutex::new(Some(journal)) })
    }

    /// Whether the session was ended no longer ago than this.
    pub(super) fn holds(&self, id: SessionId, seconds: u64) -> bool {
        let since = self.known().ended.get(&id).copied();
        since.is_some_and(|since| now().saturating_sub(since) < i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    /// Remembers that a session was ended. Blocks while it is written.
    pub(super) fn add(&self, id: SessionId) -> io::Result<()> {
        self.known().insert(id, now());
        self.write(&format!("ended {id} {}", now()))
    }

    /// Remembers that rights have changed now. Blocks while it is written.
    pub(super) fn rights_changed(&self) -> io::Result<()> {
        self.known().changed = now();
        self.write(&format!("changed {}", now()))
    }

    /// When rights last changed, in seconds since 1970; 0 = never.
    pub(super) fn changed(&self) -> i64 {
        self.known().changed
    }

    fn write(&self, line: &str) -> io::Result<()> {
        let mut kept = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(journal) = &mut *kept else { return Ok(()) };
        if journal.lines >= LINES_MAX {
            let path = journal.path.clone();
            *kept = Some(Journal::new(path, &mut self.known())?);
            return Ok(());
        }
        journal.lines += 1;
        writeln!(journal.file, "{line}")?;
        journal.file.sync_data()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes a line of the file. One that was cut off by a crash says nothing.
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["ended", id, since] => {
                if let (Ok(id), Ok(since)) = (id.parse(), since.parse()) {
                    self.insert(id, since);
                }
            }
            ["changed", since] => self.changed = since.parse().unwrap_or(self.changed).max(self.changed),
            _ => {}
        }
    }

    fn insert(&mut self, id: SessionId, since: i64) {
        if self.ended.len() >= ENDED_MAX
            && let Some(oldest) = self.ended.iter().min_by_key(|(_, since)| **since).map(|(id, _)| *id)
        {
            self.ended.remove(&oldest);
        }
        self.ended.insert(id, since);
    }
}

impl Journal {
    /// The file with what still counts, and nothing else.
    fn new(path: PathBuf, known: &mut Known) -> io::Result<Self> {
        let oldest = now() - i64::try_from(AGE.as_secs()).unwrap_or(i64::MAX);
        known.ended.retain(|_, since| *since > oldest);
        let mut text = String::new();
        if known.changed > oldest {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "changed {}", known.changed);
        }
        for (id, since) in &known.ended {
            let _ = writeln!(text, "ended {id} {since}");
        }
        let draft = path.with_extension("new");
        fs::write(&draft, &text)?;
        fs::rename(&draft, &path)?;
        let file = OpenOptions::new().append(true).open(&path)?;
        Ok(Self { path, file, lines: known.ended.len() + 1 })
    }
}

pub(super) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_ended_is_known_after_a_restart_and_a_torn_line_does_no_harm() {
        let directory = std::env::temp_dir().join(format!("cctv-ended-{}", Uuid::new_v4()));
        fs::create_dir_all(&directory).unwrap();
        let [ended, other] = [(); 2].map(|()| SessionId::from_uuid(Uuid::new_v4()));
        let first = Ended::open(&directory).unwrap();
        first.add(ended).unwrap();
        first.rights_changed().unwrap();
        drop(first);
        let mut file = OpenOptions::new().append(true).open(directory.join(FILE)).unwrap();
        writeln!(file, "ended {other} 1").unwrap();
        write!(file, "ended 12").unwrap();
        let again = Ended::open(&directory).unwrap();
        assert!(again.holds(ended, 60) && !again.holds(other, 60) && !again.holds(ended, 0));
        assert!(again.changed() > 0);
        let text = fs::read_to_string(directory.join(FILE)).unwrap();
        assert_eq!(text.lines().count(), 2, "what counts no longer is gone: {text}");
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut known = Known::default();
        let ids: Vec<_> = (0..=ENDED_MAX).map(|_| SessionId::from_uuid(Uuid::new_v4())).collect();
        for (since, id) in (0..).zip(&ids) {
            known.insert(*id, since);
        }
        assert_eq!(known.ended.len(), ENDED_MAX);
        assert!(!known.ended.contains_key(&ids[0]));
    }
}
