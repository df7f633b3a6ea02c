//! A client that plays: its place in the stream, and what is left of the unit on its way.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use media_proto::{AccessUnit, Error, rtsp::server::Lane};
use smallvec::SmallVec;

use super::{
    connection::{Ending, interleaved},
    outgoing::{Addresses, Clock, Header, Outgoing, Stamped},
    registry::{Connection, Session},
    report::{Reports, Said},
    thinning::{Need, Thinning},
    udp::Sockets,
    writer::Writer,
};
use crate::{Pulled, Subscription, datagrams::Datagram};

/// Slices of a unit that need no memory of their own: 16 packets, more than most pictures have.
const SLICES_AT_HAND: usize = 32;
/// Datagrams that go out in a row; between rows the client's socket gets time to be emptied.
const DATAGRAM_ROW: usize = 32;
const ROW_PAUSE: Duration = Duration::from_millis(1);
/// How much faster than real time the first pictures go out over UDP.
const BURST_SPEED: u32 = 4;
/// A unit that arrived this long ago or less is sent at once over UDP.
const BURST_OVER: Duration = Duration::from_millis(20);
/// Sender reports are this far apart.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Whom a session serves, and the ways there.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) session: Arc<Session>,
    pub(super) connection: Arc<Connection>,
    pub(super) writer: Arc<Writer>,
    pub(super) sockets: Arc<Sockets>,
    /// A client that does not take one unit within this is given up.
    pub(super) write_timeout: Duration,
}

/// A client that plays.
#[derive(Debug)]
pub(super) struct Player {
    subscription: Subscription,
    pub(super) clock: Clock,
    /// What it waited for when it last stopped.
    pub(super) wait: Wait,
    /// A unit that is not due yet.
    held: Option<AccessUnit>,
    /// Since when the rest of a unit has been waiting for the connection to take it.
    stuck_since: Option<Instant>,
    rows: Option<Rows>,
    pace: Pace,
    reports: Reports,
    next_report: Instant,
    units_sent: u64,
    thinning: Thinning,
}

/// What stands before the next unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It is not there.
    Push,
    /// Others have their turn.
    Turn,
    /// The connection took only part of the last one until this time.
    Connection(Instant),
    /// The UDP socket is full.
    Socket,
    /// It is not due.
    Until(Instant),
}

/// The rest of a unit that goes out in several rows.
#[derive(Debug)]
struct Rows {
    to: SocketAddr,
    packets: Vec<(Header, Bytes)>,
    /// How many are done with.
    done: usize,
    next: Instant,
}

/// When the units of the first GOP go out over UDP.
#[derive(Debug)]
enum Pace {
    /// At once.
    None,
    /// The first unit will set the pace.
    Ready,
    /// In step with a unit that arrived at `arrived` and went out at `sent`.
    Running { arrived: Instant, sent: Instant },
}

/// What [`Player::next`] found.
#[derive(Debug)]
pub(super) enum Next {
    /// This may go out now.
    Pulled(Pulled),
    /// Nothing before this.
    Wait(Wait),
}

impl Player {
    /// Begins at a cursor; over UDP the first GOP goes out `paced`.
    pub(super) fn new(subscription: Subscription, clock: Clock, paced: bool) -> Self {
        Self {
            subscription,
            clock,
            wait: Wait::Turn,
            held: None,
            stuck_since: None,
            rows: None,
            pace: if paced { Pace::Ready } else { Pace::None },
            reports: Reports::default(),
            next_report: Instant::now(),
            units_sent: 0,
            thinning: Thinning::default(),
        }
    }

    /// Sends what is left of the last unit and takes the next one.
    pub(super) fn next(&mut self, now: Instant, client: &Client) -> Result<Next, Ending> {
        if let Some(wait) = self.send_rest(now, client)? {
            return Ok(Next::Wait(wait));
        }
        let pulled = self.held.take().map(Pulled::Unit).or_else(|| self.subscription.try_pull());
        let Some(pulled) = pulled else {
            return Ok(Next::Wait(Wait::Push));
        };
        if let Pulled::Unit(unit) = &pulled {
            let arrived = unit.head().arrived;
            if let Some(due) = self.pace.due(arrived).filter(|due| now < *due) {
                self.held = Some(unit.clone());
                return Ok(Next::Wait(Wait::Until(due)));
            }
            self.pace.sent(arrived, now);
        }
        Ok(Next::Pulled(pulled))
    }

    /// Sends what is left of a unit; what it waits for.
    fn send_rest(&mut self, now: Instant, client: &Client) -> Result<Option<Wait>, Ending> {
        if let Some(since) = self.stuck_since {
            if !client.writer.resume()? {
                return Ok(Some(Wait::Connection(since + client.write_timeout)));
            }
            self.stuck_since = None;
        }
        let Some(mut rows) = self.rows.take() else {
            return Ok(None);
        };
        if now < rows.next {
            let wait = Wait::Until(rows.next);
            self.rows = Some(rows);
            return Ok(Some(wait));
        }
        let row = send_row(&rows.row(), rows.to, client);
        rows.done += row.done;
        if rows.done >= rows.packets.len() {
            return Ok(None);
        }
        rows.next = if row.full { now } else { now + ROW_PAUSE };
        let wait = if row.full { Wait::Socket } else { Wait::Until(rows.next) };
        self.rows = Some(rows);
        Ok(Some(wait))
    }

    /// Sends the reports of all tracks when it is time and the connection takes them.
    pub(super) fn report_if_due(&mut self, outgoing: &[Outgoing], now: Instant, client: &Client) -> Result<(), Ending> {
        if now < self.next_report || self.stuck_since.is_some() {
            return Ok(());
        }
        self.next_report = now + REPORT_INTERVAL;
        for outgoing in outgoing {
            let report = self.reports.write(outgoing, &self.clock, now);
            match (outgoing.lane(), outgoing.datagram_to()) {
                (Lane::Tcp { rtcp, .. }, _) => {
                    let bytes = interleaved(rtcp, &report);
                    self.write(&mut [IoSlice::new(&bytes)], now, client)?;
                }
                (Lane::Udp { .. }, Some((_, to))) => client.sockets.send_rtcp(&report, to),
                (Lane::Udp { .. }, None) => {}
            }
            client.session.numbers.outbound_rtcp_packets.fetch_add(1, Ordering::Relaxed);
            client.session.numbers.outbound_bytes.fetch_add(report.len() as u64, Ordering::Relaxed);
        }
        self.clock.settle();
        Ok(())
    }

    /// Takes a report of the client.
    pub(super) fn read_report(&self, data: &[u8], outgoing: &mut [Outgoing]) -> Result<Said, Error> {
        self.reports.read(data, outgoing, Instant::now())
    }

    /// Sends a unit, or its beginning; the rest goes out with the next [`next`](Self::next).
    pub(super) fn send(
        &mut self,
        stamped: &Stamped<'_>,
        to: Option<Addresses>,
        now: Instant,
        client: &Client,
    ) -> Result<(), Ending> {
        match to {
            None => self.send_interleaved(stamped, now, client)?,
            Some((to, _)) => self.send_datagrams(stamped, to, now, client),
        }
        self.units_sent += 1;
        client.session.numbers.outbound_rtp_packets.fetch_add(stamped.packets.len() as u64, Ordering::Relaxed);
        let counters = self.subscription.stream().counters();
        counters.outbound_bytes.fetch_add(stamped.payload_bytes() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn send_interleaved(&mut self, stamped: &Stamped<'_>, now: Instant, client: &Client) -> Result<(), Ending> {
        let mut slices: SmallVec<[IoSlice<'_>; SLICES_AT_HAND]> = SmallVec::new();
        for (header, packet) in stamped.headers.iter().zip(stamped.packets.iter()) {
            slices.push(IoSlice::new(header.interleaved()));
            slices.push(IoSlice::new(&packet.payload));
        }
        let bytes = self.write(&mut slices, now, client)?;
        client.session.numbers.outbound_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Writes into the connection; the bytes.
    fn write(&mut self, slices: &mut [IoSlice<'_>], now: Instant, client: &Client) -> Result<u64, Ending> {
        let bytes = slices.iter().map(|slice| slice.len() as u64).sum();
        if !client.writer.write(slices)? {
            self.stuck_since = self.stuck_since.or(Some(now));
        }
        client.connection.outbound_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(bytes)
    }

    fn send_datagrams(&mut self, stamped: &Stamped<'_>, to: SocketAddr, now: Instant, client: &Client) {
        let datagrams = stamped.headers.iter().zip(stamped.packets.iter());
        let row: Row<'_> =
            datagrams.take(DATAGRAM_ROW).map(|(header, packet)| [header.rtp(), &packet.payload[..]]).collect();
        let row = send_row(&row, to, client);
        if row.done < stamped.packets.len() {
            let payloads = stamped.packets.iter().map(|packet| packet.payload.clone());
            let packets = stamped.headers.iter().copied().zip(payloads).collect();
            let next = if row.full { now } else { now + ROW_PAUSE };
            self.rows = Some(Rows { to, packets, done: row.done, next });
        }
    }

    /// Whether a unit goes to a client that may be slow.
    pub(super) fn lets_through(&mut self, now: Instant, need: Need, client: &Client) -> bool {
        let goes = self.thinning.lets_through(now, need);
        if !goes {
            self.count_discarded(1, client);
        }
        goes
    }

    /// The client lost units. True when it gets keyframes only from now on.
    pub(super) fn note_gap(&mut self, units: u64, now: Instant, client: &Client) -> bool {
        self.count_discarded(units, client);
        self.thinning.note_gap(now)
    }

    /// The packets of units that are not sent are not known; their number follows from the mean so far.
    fn count_discarded(&self, units: u64, client: &Client) {
        let mean = client.session.numbers.outbound_rtp_packets.load(Ordering::Relaxed) / self.units_sent.max(1);
        client.session.numbers.outbound_rtp_packets_discarded.fetch_add(units * mean.max(1), Ordering::Relaxed);
    }
}

impl Rows {
    fn row(&self) -> Row<'_> {
        let rest = self.packets.iter().skip(self.done).take(DATAGRAM_ROW);
        rest.map(|(header, payload)| [header.rtp(), &payload[..]]).collect()
    }
}

type Row<'a> = SmallVec<[Datagram<'a>; DATAGRAM_ROW]>;

/// What became of a row of datagrams.
struct RowSent {
    /// Packets that are done with: sent, or refused by the system.
    done: usize,
    /// The socket took no more.
    full: bool,
}

fn send_row(mut row: &[Datagram<'_>], to: SocketAddr, client: &Client) -> RowSent {
    let packets = row.len();
    let numbers = &client.session.numbers;
    while !row.is_empty() {
        let done = match client.sockets.send_rtp(row, to) {
            Ok(done) => {
                let bytes = row.iter().take(done).flatten().map(|part| part.len() as u64).sum();
                numbers.outbound_bytes.fetch_add(bytes, Ordering::Relaxed);
                done
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return RowSent { done: packets - row.len(), full: true };
            }
            Err(_) => {
                numbers.outbound_rtp_packets_discarded.fetch_add(1, Ordering::Relaxed);
                1
            }
        };
        row = row.get(done..).unwrap_or_default();
    }
    RowSent { done: packets, full: false }
}

impl Pace {
    /// When a unit is due, if not at once.
    fn due(&self, arrived: Instant) -> Option<Instant> {
        match self {
            Self::None | Self::Ready => None,
            Self::Running { arrived: earlier, sent } => {
                Some(*sent + arrived.saturating_duration_since(*earlier) / BURST_SPEED)
            }
        }
    }

    fn sent(&mut self, arrived: Instant, now: Instant) {
        let live = now.saturating_duration_since(arrived) <= BURST_OVER;
        match self {
            Self::None => {}
            Self::Ready | Self::Running { .. } if live => *self = Self::None,
            Self::Ready => *self = Self::Running { arrived, sent: now },
            Self::Running { .. } => {}
        }
    }
}
