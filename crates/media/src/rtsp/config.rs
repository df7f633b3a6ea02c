use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

use media_proto::rtsp::server::Scheme;

/// How the RTSP server listens and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it accepts connections.
    pub address: SocketAddr,
    /// Where it sends and receives RTP over UDP. Port 0 takes a free pair of ports, whatever `rtcp_address` says.
    pub rtp_address: SocketAddr,
    /// Where it sends and receives RTCP over UDP. Clients expect the port after that of `rtp_address`.
    pub rtcp_address: SocketAddr,
    /// The ways a client may show a password; a Bearer token is always taken.
    pub auth_methods: Vec<AuthMethod>,
    /// A publisher that sends no RTP for this long is closed.
    pub read_timeout: Duration,
    /// A reader that does not take one access unit within this is closed.
    pub write_timeout: Duration,
    /// Connections beyond this are closed at once.
    pub max_connections: usize,
}

/// A way to show a password in RTSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// RFC 7617.
    Basic,
    /// RFC 7616 with MD5.
    DigestMd5,
    /// RFC 7616 with SHA-256.
    DigestSha256,
}

impl From<AuthMethod> for Scheme {
    fn from(method: AuthMethod) -> Self {
        match method {
            AuthMethod::Basic => Self::Basic,
            AuthMethod::DigestMd5 => Self::DigestMd5,
            AuthMethod::DigestSha256 => Self::DigestSha256,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Self {
            address: any(8554),
            rtp_address: any(8000),
            rtcp_address: any(8001),
            auth_methods: vec![AuthMethod::Basic],
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            max_connections: 10_000,
        }
    }
}
