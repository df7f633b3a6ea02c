//! Datagrams out of a UDP socket, many with one system call where the system can.
//!
//! The kernel cuts one large send into datagrams of equal size, of which only the last may be shorter (`UDP_SEGMENT`,
//! udp(7)). Where the system or the way to a destination refuses that, each datagram is sent by itself. Never waits.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    errno::Errno,
    sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg},
};
use tokio::{io::Interest, net::UdpSocket};

/// Datagrams of one call (`UDP_MAX_SEGMENTS` of Linux, in its oldest form).
const SEGMENTS_MAX: usize = 64;
/// Bytes of one call: the largest UDP payload over IPv4, less room for options.
const CALL_BYTES: usize = 65_000;

/// One datagram in two parts, a header and what follows it; either may be empty.
pub(crate) type Datagram<'a> = [&'a [u8]; 2];

/// What is known of sending with one socket.
#[derive(Debug)]
pub(crate) struct Sender {
    segments: AtomicBool,
    ipv6: bool,
}

impl Sender {
    /// For a socket that is bound.
    pub(crate) fn new(socket: &UdpSocket) -> io::Result<Self> {
        Ok(Self { segments: AtomicBool::new(true), ipv6: socket.local_addr()?.is_ipv6() })
    }

    /// Sends the first datagrams of `row` to one address, as many as fit one call; how many those were.
    ///
    /// # Errors
    /// `WouldBlock` when the socket is full; else what the system says of the first datagrams. None was sent then.
    pub(crate) fn send(&self, socket: &UdpSocket, row: &[Datagram<'_>], to: SocketAddr) -> io::Result<usize> {
        let to = SockaddrStorage::from(self.in_family(to));
        let run = if self.segments.load(Ordering::Relaxed) { run_of(row) } else { row.len().min(1) };
        let sent = socket.try_io(Interest::WRITABLE, || call(socket, row.get(..run).unwrap_or(row), &to));
        match sent {
            Ok(()) => Ok(run),
            Err(error) if run > 1 && self.is_refusal(&error) => {
                let alone = row.get(..1).unwrap_or(row);
                socket.try_io(Interest::WRITABLE, || call(socket, alone, &to)).map(|()| 1)
            }
            Err(error) => Err(error),
        }
    }

    /// An address in the family of the socket.
    fn in_family(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(v4) if self.ipv6 => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
            IpAddr::V4(_) | IpAddr::V6(_) => to,
        }
    }

    /// Whether the system does not cut sends. A device that cannot does not for any destination.
    fn is_refusal(&self, error: &io::Error) -> bool {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if matches!(errno, Some(Errno::EIO | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP)) {
            tracing::info!(%error, "the system does not send datagrams in rows; each is sent by itself");
            self.segments.store(false, Ordering::Relaxed);
            return true;
        }
        // The way to this destination takes only smaller datagrams.
        matches!(errno, Some(Errno::EINVAL | Errno::EMSGSIZE))
    }
}

fn size_of(datagram: &Datagram<'_>) -> usize {
    datagram.iter().map(|part| part.len()).sum()
}

/// How many of the first datagrams fit one call.
fn run_of(row: &[Datagram<'_>]) -> usize {
    let Some(size) = row.first().map(size_of) else { return 0 };
    let fits = SEGMENTS_MAX.min(CALL_BYTES / size.max(1)).max(1);
    let row = row.get(..fits).unwrap_or(row);
    let alike = row.iter().take_while(|datagram| size_of(datagram) == size).count();
    let shorter = row.get(alike).is_some_and(|datagram| (1..size).contains(&size_of(datagram)));
    alike + usize::from(shorter)
}

fn call(socket: &UdpSocket, run: &[Datagram<'_>], to: &SockaddrStorage) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = run.iter().flatten().map(|part| IoSlice::new(part)).collect();
    let size = run.first().and_then(|first| u16::try_from(size_of(first)).ok());
    let cut = size.filter(|_| run.len() > 1).map(|size| [size]);
    let control: Option<[ControlMessage<'_>; 1]> = cut.as_ref().map(|[size]| [ControlMessage::UdpGsoSegments(size)]);
    let control = control.as_ref().map_or(&[][..], |control| &control[..]);
    sendmsg(socket.as_raw_fd(), &parts, control, MsgFlags::empty(), Some(to))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sizes: &[usize]) -> usize {
        let bytes = vec![0; 4000];
        let row: Vec<Datagram<'_>> = sizes.iter().map(|size| [&bytes[..12], &bytes[12..*size]]).collect();
        run_of(&row)
    }

    #[test]
    fn a_run_is_of_equal_datagrams_and_at_most_one_shorter_at_its_end() {
        assert_eq!(run(&[]), 0);
        assert_eq!(run(&[1200]), 1);
        assert_eq!(run(&[1200, 1200, 1200]), 3);
        assert_eq!(run(&[1200, 1200, 300, 1200]), 3);
        assert_eq!(run(&[300, 1200]), 1);
        assert_eq!(run(&[100; 100]), SEGMENTS_MAX);
        assert_eq!(run(&[1400; 100]), 46);
        assert_eq!(run(&[1400; 46]), 46);
    }

    async fn arrives(segments: bool, from: &str) {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let socket = UdpSocket::bind(from).await.unwrap();
        let sender = Sender::new(&socket).unwrap();
        sender.segments.store(segments, Ordering::Relaxed);
        let payloads: Vec<Vec<u8>> = [500, 500, 500, 77, 9].iter().map(|size| vec![*size as u8; *size]).collect();
        let row: Vec<Datagram<'_>> = payloads.iter().map(|payload| [&b"head"[..], &payload[..]]).collect();
        let (mut rest, mut calls) = (&row[..], 0);
        while !rest.is_empty() {
            socket.writable().await.unwrap();
            match sender.send(&socket, rest, receiver.local_addr().unwrap()) {
                Ok(sent) => (rest, calls) = (&rest[sent..], calls + 1),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        for payload in &payloads {
            let mut datagram = [0; 2000];
            let received = tokio::time::timeout(std::time::Duration::from_secs(3), receiver.recv(&mut datagram)).await;
            let datagram = &datagram[..received.unwrap().unwrap()];
            assert_eq!((&datagram[..4], &datagram[4..]), (&b"head"[..], &payload[..]));
        }
        assert!(calls == if sender.segments.load(Ordering::Relaxed) { 2 } else { 5 }, "{calls} calls");
    }

    #[tokio::test]
    async fn datagrams_arrive_whole_and_in_order_in_rows_and_one_by_one() {
        for from in ["127.0.0.1:0", "[::]:0"] {
            arrives(true, from).await;
            arrives(false, from).await;
        }
    }
}
