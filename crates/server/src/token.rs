//! The operator's token: from the configuration, or made at the first start and kept in the data directory.

use std::path::Path;

use anyhow::{Context as _, Result};
use domain::Secret;

use crate::private_file;

/// The token's file in the data directory, readable by the owner alone.
const FILE: &str = "token";
/// Random bytes in a token that is made here.
const BYTES: usize = 24;
/// A token that a person wrote into the file may be as short.
const CHARS_MIN: usize = 16;

/// The token, and whether it was made just now and should be shown once.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) is_new: bool,
}

/// Reads the token kept in `data`, or makes one.
pub(crate) fn open(data: &Path) -> Result<Token> {
    let file = data.join(FILE);
    let kept = private_file::open_or_make::<BYTES>(&file, CHARS_MIN);
    let (text, is_new) = kept.with_context(|| format!("cannot read or keep the token in {}", file.display()))?;
    Ok(Token { secret: Secret::new(text), is_new })
}

#[cfg(test)]
mod tests {
    use std::fs;

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
