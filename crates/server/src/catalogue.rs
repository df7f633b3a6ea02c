//! The durable catalogue: on the engine that the configuration names, sealed with the key in the data directory.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, anyhow};
use db::{Catalogue, Limits, SealingKey};

use crate::{
    config::{Database, Loaded},
    private_file,
};

/// The file of the embedded engine in the data directory.
const FILE: &str = "catalogue.sqlite";
/// The file in the data directory with the key that credentials and settings are sealed with.
const KEY_FILE: &str = "catalogue.key";
const KEY_BYTES: usize = 32;

/// Opens the catalogue; the embedded one is made when absent.
pub(crate) async fn open(loaded: &Loaded, data: &Path) -> Result<Arc<dyn Catalogue>> {
    let key = key(loaded, data)?;
    let limits = Limits::default();
    match &loaded.config.database {
        Database::Embedded => sqlite(&data.join(FILE), key, limits).await,
        Database::Sqlite(file) => sqlite(file, key, limits).await,
        Database::Postgres(address) => {
            let opened = db::postgres::open(address, key, limits).await;
            let opened =
                opened.with_context(|| format!("{}: cannot open the catalogue", loaded.place_of("database")))?;
            Ok(Arc::new(opened))
        }
    }
}

async fn sqlite(file: &Path, key: SealingKey, limits: Limits) -> Result<Arc<dyn Catalogue>> {
    let opened = db::sqlite::open(file, key, limits).await;
    Ok(Arc::new(opened.with_context(|| format!("cannot open the catalogue in {}", file.display()))?))
}

fn key(loaded: &Loaded, data: &Path) -> Result<SealingKey> {
    let file = loaded.config.key_file.clone().unwrap_or_else(|| data.join(KEY_FILE));
    let place = || format!("{}: cannot use the sealing key in {}", loaded.place_of("key_file"), file.display());
    let (digits, _) = private_file::open_or_make::<KEY_BYTES>(&file, 1).with_context(place)?;
    let bytes = bytes_of(&digits).ok_or_else(|| anyhow!("it must have 64 hexadecimal digits")).with_context(place)?;
    Ok(SealingKey::new(&bytes))
}

fn bytes_of(digits: &str) -> Option<[u8; KEY_BYTES]> {
    let digits: Vec<u8> = digits.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 2 * KEY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_64_hexadecimal_digits() {
        assert_eq!(bytes_of(&"0aF1".repeat(16)), Some([0x0a, 0xf1].repeat(16).try_into().unwrap()));
        for wrong in ["", "0a", &"0a".repeat(33), &"0g".repeat(32), &format!("{}0", "0a".repeat(32))] {
            assert_eq!(bytes_of(wrong), None, "{wrong:?}");
        }
    }
}
