//! The operator's token: from the configuration, or made at the first start and kept in the data directory.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use domain::Secret;
use rand::RngExt as _;

/// The token's file in the data directory, readable by the owner alone.
const FILE: &str = "token";
/// Random bytes in a token that is made here.
const BYTES: usize = 24;

/// The token, and whether it was made just now and should be shown once.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) is_new: bool,
}

/// Reads the token kept in `data`, or makes one.
pub(crate) fn open(data: &Path) -> Result<Token> {
    let file = data.join(FILE);
    match fs::read_to_string(&file) {
        Ok(text) if text.trim().len() >= 16 => {
            return Ok(Token { secret: Secret::new(text.trim().to_owned()), is_new: false });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read the token in {}", file.display())),
    }
    let random: [u8; BYTES] = rand::rng().random();
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
    let written = out.as_mut().map_err(|error| std::io::Error::from(error.kind())).and_then(|out| {
        out.write_all(text.as_bytes())?;
        out.sync_all()
    });
    written.with_context(|| format!("cannot keep the token in {}", file.display()))?;
    Ok(Token { secret: Secret::new(text), is_new: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = std::env::temp_dir().join(format!("cctv-token-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&directory).unwrap();
        let first = open(&directory).unwrap();
        let second = open(&directory).unwrap();
        assert!(first.is_new && !second.is_new);
        assert_eq!(first.secret.expose(), second.secret.expose());
        assert_eq!(first.secret.expose().len(), 2 * BYTES);
        assert_eq!(fs::metadata(directory.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(&directory).unwrap();
    }
}
