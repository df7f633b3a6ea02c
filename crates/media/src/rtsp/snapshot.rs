use std::{net::SocketAddr, time::Duration};

use domain::{ConnectionId, PathName, SessionId, WallTime};

/// An RTSP connection as it is now, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct ConnectionSnapshot {
    /// Its id.
    pub id: ConnectionId,
    /// When it was accepted.
    pub created: WallTime,
    /// The client's address.
    pub remote: SocketAddr,
    /// Its session, once it has one.
    pub session: Option<SessionId>,
    /// Bytes received on it.
    pub inbound_bytes: u64,
    /// Bytes sent on it.
    pub outbound_bytes: u64,
}

/// What an RTSP session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// It is being set up, or pauses.
    Idle,
    /// It receives a stream from us.
    Read,
    /// It feeds a path.
    Publish,
}

/// How the RTP of a session travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams over the server's UDP ports.
    Udp,
    /// Interleaved in the RTSP connection.
    Tcp,
}

/// An RTSP session as it is now, for the control API and metrics.
#[derive(Clone, Debug)]
pub struct SessionSnapshot {
    /// Its id.
    pub id: SessionId,
    /// When it was made.
    pub created: WallTime,
    /// The client's address.
    pub remote: SocketAddr,
    /// What it does.
    pub state: SessionState,
    /// The path it reads or feeds.
    pub path: PathName,
    /// The query of its URL, with tokens hidden.
    pub query: String,
    /// The name the client was recognised under.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// How its RTP travels, once a track is set up. The RTP profile is always AVP.
    pub transport: Option<Transport>,
    /// The connection that controls it.
    pub connection: ConnectionId,
    /// RTP and RTCP bytes received.
    pub inbound_bytes: u64,
    /// RTP packets received.
    pub inbound_rtp_packets: u64,
    /// RTP packets that never came, by their sequence numbers.
    pub inbound_rtp_packets_lost: u64,
    /// RTP packets that could not be used.
    pub inbound_rtp_packets_in_error: u64,
    /// Jitter of the RTP packets received, in seconds, the mean of the tracks.
    pub inbound_jitter_s: f64,
    /// RTCP packets received.
    pub inbound_rtcp_packets: u64,
    /// RTCP packets that could not be used.
    pub inbound_rtcp_packets_in_error: u64,
    /// RTP and RTCP bytes sent.
    pub outbound_bytes: u64,
    /// RTP packets sent.
    pub outbound_rtp_packets: u64,
    /// RTP packets that the client reports as lost.
    pub outbound_rtp_packets_reported_lost: u64,
    /// RTP packets of access units that were skipped because the client was slow, or that the system refused to send.
    pub outbound_rtp_packets_discarded: u64,
    /// RTCP packets sent.
    pub outbound_rtcp_packets: u64,
    /// The jitter that the client last reported, in seconds, the largest of the tracks.
    pub reported_jitter_s: f64,
    /// The round trip to the client by its last report.
    pub round_trip: Option<Duration>,
}
