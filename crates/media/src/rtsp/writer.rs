//! The sending half of a connection. What it does not take at once is kept, in order, and written later.

use std::{
    io::{self, ErrorKind, IoSlice},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use tokio::{net::tcp::OwnedWriteHalf, time::timeout};

use super::connection::{Ending, too_slow};

/// The most slices of one vectored write (`IOV_MAX` of Linux).
const SLICES_MAX: usize = 1024;

/// Writes whole messages from several tasks. Whoever writes waits until all is gone before it writes again; so what is kept
/// is no more than an access unit, a report and a reply.
#[derive(Debug)]
pub(super) struct Writer {
    half: OwnedWriteHalf,
    /// Accepted, and not yet taken by the connection.
    rest: Mutex<BytesMut>,
}

impl Writer {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        Self { half, rest: Mutex::default() }
    }

    /// Writes, or keeps, the whole of `slices` as one message; whether all is gone.
    pub(super) fn write(&self, mut slices: &mut [IoSlice<'_>]) -> Result<bool, Ending> {
        let mut rest = self.rest();
        while rest.is_empty() && !slices.is_empty() {
            let row = slices.get(..SLICES_MAX).unwrap_or(slices);
            match taken(self.half.try_write_vectored(row))? {
                0 => break,
                written => IoSlice::advance_slices(&mut slices, written),
            }
        }
        for slice in slices {
            rest.extend_from_slice(slice);
        }
        Ok(rest.is_empty())
    }

    /// Writes what was kept, as far as it goes; whether all is gone.
    pub(super) fn resume(&self) -> Result<bool, Ending> {
        let mut rest = self.rest();
        while !rest.is_empty() {
            match taken(self.half.try_write(&rest))? {
                0 => return Ok(false),
                written => rest.advance(written),
            }
        }
        // What a unit needed once is not held for the life of the connection.
        *rest = BytesMut::new();
        Ok(true)
    }

    /// Waits until more may be written. Nothing is lost when the wait is given up.
    pub(super) async fn writable(&self) {
        // An error shows at the next write.
        let _ = self.half.writable().await;
    }

    /// Writes a message and waits until all is gone, `limit` at most.
    pub(super) async fn send(&self, bytes: &[u8], limit: Duration) -> Result<(), Ending> {
        if self.write(&mut [IoSlice::new(bytes)])? {
            return Ok(());
        }
        let flush = async {
            while !self.resume()? {
                self.writable().await;
            }
            Ok(())
        };
        timeout(limit, flush).await.unwrap_or_else(|_| Err(too_slow(limit)))
    }

    fn rest(&self) -> MutexGuard<'_, BytesMut> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes the connection took; 0 when it is full.
fn taken(written: io::Result<usize>) -> Result<usize, Ending> {
    match written {
        Ok(0) => Err(Ending::io(&ErrorKind::WriteZero.into())),
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(Ending::io(&error)),
    }
}
