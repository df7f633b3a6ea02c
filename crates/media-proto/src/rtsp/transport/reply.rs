//! What a server agreed to, read leniently: cameras write this header in many ways, and only its ports matter.

use std::net::IpAddr;

use super::{Refused, pair};

/// The answer to one SETUP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// It says that the packets travel in the RTSP connection, or by UDP; `None`: it says neither.
    pub over_tcp: Option<bool>,
    /// The channels of RTP and RTCP, where it names some that can be read.
    pub interleaved: Option<(u8, u8)>,
    /// The server's ports of RTP and RTCP, where it names some that can be read.
    pub server_port: Option<(u16, u16)>,
    /// The host the packets come from, where it names one by its address.
    pub source: Option<IpAddr>,
}

impl Reply {
    /// Reads the header; of several transports the first counts.
    ///
    /// # Errors
    /// [`Refused::Multicast`] or [`Refused::Srtp`] when the server insists on it, [`Refused::Unknown`] for another profile.
    pub fn parse(header: &str) -> Result<Self, Refused> {
        let first = header.split(',').map(str::trim).find(|transport| !transport.is_empty()).unwrap_or_default();
        let mut reply = Self::default();
        for word in first.split(';').map(str::trim) {
            let (key, value) = word.split_once('=').map_or((word, ""), |(key, value)| (key.trim(), unquoted(value)));
            match key.to_ascii_lowercase().as_str() {
                "multicast" => return Err(Refused::Multicast),
                profile if profile.starts_with("rtp/savp") => return Err(Refused::Srtp),
                profile if profile.starts_with("rtp/avp") && profile.ends_with("/tcp") => reply.over_tcp = Some(true),
                profile if profile.starts_with("rtp/avp") && profile.ends_with("/udp") => reply.over_tcp = Some(false),
                profile if profile.starts_with("rtp/avp") => {}
                profile if profile.contains('/') => return Err(Refused::Unknown(profile.chars().take(32).collect())),
                "interleaved" => reply.interleaved = pair(value, "interleaved").ok(),
                // Port 0 is how some say that they have none.
                "server_port" => {
                    reply.server_port = pair(value, "server_port").ok().filter(|ports: &(u16, u16)| ports.0 != 0);
                }
                "client_port" => {
                    reply.over_tcp.get_or_insert(false);
                }
                "source" => reply.source = value.trim_matches(['[', ']']).parse().ok(),
                // A synchronisation source that is announced wrongly is common; the packets tell.
                _ => {}
            }
        }
        if reply.interleaved.is_some() {
            reply.over_tcp = Some(true);
        } else if reply.server_port.is_some() {
            reply.over_tcp = Some(false);
        }
        Ok(reply)
    }
}

fn unquoted(value: &str) -> &str {
    value.trim().trim_matches(['"', '\'']).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &str) {
        let shown = match Reply::parse(header) {
            Err(refused) => refused.to_string(),
            Ok(Reply { over_tcp, interleaved, server_port, source }) => {
                let over = over_tcp.map_or("?", |tcp| if tcp { "tcp" } else { "udp" });
                let pair = |pair: Option<(u16, u16)>| pair.map_or("-".into(), |(a, b)| format!("{a}-{b}"));
                let channels = interleaved.map(|(a, b)| (a.into(), b.into()));
                let source = source.map_or("-".into(), |source| source.to_string());
                format!("{over} {} {} {source}", pair(channels), pair(server_port))
            }
        };
        assert_eq!(shown, expected, "{header}");
    }

    #[test]
    fn replies_over_tcp_are_read_however_they_are_written() {
        check("RTP/AVP/TCP;unicast;interleaved=0-1", "tcp 0-1 - -");
        check("RTP/AVP/TCP; unicast; interleaved = 2 - 3 ; ssrc=nonsense", "tcp 2-3 - -");
        check("RTP/AVP/TCP;interleaved=4", "tcp 4-5 - -");
        check("RTP/AVP;unicast;interleaved=0-1", "tcp 0-1 - -");
        check("rtp/avp/tcp;UNICAST;INTERLEAVED=6-7;mode=\"PLAY\"", "tcp 6-7 - -");
        check("RTP/AVP/TCP;unicast;interleaved=a-b", "tcp - - -");
        check("RTP/AVP/TCP;unicast;interleaved=999-1000", "tcp - - -");
        check("RTP/AVP/TCP;unicast;interleaved=0-1;client_port=1-2;server_port=3-4", "tcp 0-1 3-4 -");
        check("", "? - - -");
        check("unicast", "? - - -");
        check("RTP/AVP;unicast", "? - - -");
    }

    #[test]
    fn replies_over_udp_are_read_however_they_are_written() {
        check("RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001", "udp - 8000-8001 -");
        check("RTP/AVP/UDP;unicast;source=10.0.0.9;server_port=8000-8001;ssrc=XYZ", "udp - 8000-8001 10.0.0.9");
        check("RTP/AVP;unicast;source=camera.local;server_port=8000", "udp - 8000-8001 -");
        check("RTP/AVP;unicast;source=[fe80::1];server_port=\"8000-8001\"", "udp - 8000-8001 fe80::1");
        check("RTP/AVP;unicast;client_port=5000-5001;server_port=0-0", "udp - - -");
        check("RTP/AVP;unicast;client_port=5000-5001", "udp - - -");
        check("RTP/AVP;unicast;server_port=8000-8001;;", "udp - 8000-8001 -");
        check("RTP/AVP;unicast;server_port=8000-8001,RTP/AVP/TCP;interleaved=0-1", "udp - 8000-8001 -");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        check("RTP/AVP;multicast;destination=224.1.1.1;port=5000-5001", "multicast transport is not supported");
        check("RTP/SAVP;unicast;server_port=8000-8001", "SRTP transport is not supported");
        check("RAW/RAW/UDP;unicast", "transport \"raw/raw/udp\" is not supported");
    }
}
