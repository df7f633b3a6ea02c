//! Secrets that are made at the first start and kept in a file of the owner alone.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rand::RngExt as _;

/// The text in the file, or a new one of `bytes` random bytes in hexadecimal digits, and whether it is new. A file with
/// fewer than `digits_min` characters was never finished, and counts as none.
pub(crate) fn open_or_make<const BYTES: usize>(file: &Path, digits_min: usize) -> io::Result<(String, bool)> {
    match fs::read_to_string(file) {
        Ok(text) if text.trim().len() >= digits_min => return Ok((text.trim().to_owned(), false)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let random: [u8; BYTES] = rand::rng().random();
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    Ok((text, true))
}
