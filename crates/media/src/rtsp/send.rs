//! Packets into sockets: one vectored write per access unit over TCP, one datagram per packet over UDP, in rows.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    time::Duration,
};

use smallvec::SmallVec;
use tokio::{
    io::AsyncWriteExt as _,
    net::tcp::OwnedWriteHalf,
    time::{sleep, timeout},
};

use super::{
    connection::{Ending, too_slow},
    outgoing::Stamped,
    udp::Sockets,
};
use crate::datagrams::Datagram;

/// The most slices of one vectored write (`IOV_MAX` of Linux).
const SLICES_MAX: usize = 1024;
/// Slices of a unit that need no memory of their own: 16 packets, more than most pictures have.
const SLICES_AT_HAND: usize = 32;
/// Datagrams that go out in a row; between rows the client's socket gets time to be emptied.
const DATAGRAM_ROW: usize = 32;
const ROW_PAUSE: Duration = Duration::from_millis(1);
const INTERLEAVED_HEADER: usize = 4;

/// Writes the packets of a unit, all within `limit`; the bytes written.
pub(super) async fn write_packets(
    write: &mut OwnedWriteHalf,
    stamped: &Stamped<'_>,
    limit: Duration,
) -> Result<u64, Ending> {
    let mut slices: SmallVec<[IoSlice<'_>; SLICES_AT_HAND]> = SmallVec::new();
    for (header, packet) in stamped.headers.iter().zip(stamped.packets.iter()) {
        slices.push(IoSlice::new(header));
        slices.push(IoSlice::new(&packet.payload));
    }
    let total = slices.iter().map(|slice| slice.len() as u64).sum();
    // Mostly the socket takes all of it at once, and no timer is needed.
    let row = slices.get(..SLICES_MAX).unwrap_or(&slices);
    let written = match write.try_write_vectored(row) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(Ending::io(&error)),
    };
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, written);
    if rest.is_empty() {
        return Ok(total);
    }
    match timeout(limit, write_slices(write, rest)).await {
        Ok(Ok(())) => Ok(total),
        Ok(Err(error)) => Err(Ending::io(&error)),
        Err(_) => Err(too_slow(limit)),
    }
}

async fn write_slices(write: &mut OwnedWriteHalf, mut rest: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !rest.is_empty() {
        let row = rest.get(..SLICES_MAX).unwrap_or(rest);
        let written = write.write_vectored(row).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

/// What became of the datagrams of a unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) bytes: u64,
    /// Packets that the system refused.
    pub(super) refused: u64,
}

/// Sends the packets of a unit to a client.
pub(super) async fn send_datagrams(sockets: &Sockets, stamped: &Stamped<'_>, to: SocketAddr) -> Sent {
    let mut sent = Sent::default();
    let datagrams: Vec<Datagram<'_>> = stamped
        .headers
        .iter()
        .zip(stamped.packets.iter())
        .map(|(header, packet)| [header.get(INTERLEAVED_HEADER..).unwrap_or_default(), &packet.payload[..]])
        .collect();
    for (n, mut row) in datagrams.chunks(DATAGRAM_ROW).enumerate() {
        if n > 0 {
            sleep(ROW_PAUSE).await;
        }
        while !row.is_empty() {
            let result = sockets.send_rtp(row, to).await;
            let (done, rest) = row.split_at(*result.as_ref().unwrap_or(&1));
            match result {
                Ok(_) => sent.bytes += done.iter().flatten().map(|part| part.len() as u64).sum::<u64>(),
                Err(_) => sent.refused += 1,
            }
            row = rest;
        }
    }
    sent
}
