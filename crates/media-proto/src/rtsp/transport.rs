//! The `Transport` header, RFC 2326 section 12.39: how RTP and RTCP of one track travel.
//!
//! Known are RTP/AVP interleaved in the RTSP connection and unicast UDP. Multicast and SRTP are refused by name, for a
//! response with status 461.

mod reply;

use std::fmt;

pub use reply::Reply;

/// The transport of one track, asked for or agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// What carries the packets.
    pub lower: Lower,
    /// The sender's synchronisation source, where it is announced.
    pub ssrc: Option<u32>,
    /// Which way the media flows.
    pub mode: Mode,
}

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    /// The RTSP connection itself; the channels of RTP and RTCP where given.
    Tcp {
        /// `interleaved`.
        interleaved: Option<(u8, u8)>,
    },
    /// UDP between the two hosts; ports of RTP and RTCP where given.
    Udp {
        /// `client_port`.
        client_port: Option<(u16, u16)>,
        /// `server_port`.
        server_port: Option<(u16, u16)>,
    },
}

/// Which way the media flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the server.
    Play,
    /// To the server.
    Record,
}

/// Why an offered transport cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Multicast.
    #[error("multicast transport is not supported")]
    Multicast,
    /// A secured profile.
    #[error("SRTP transport is not supported")]
    Srtp,
    /// Something else.
    #[error("transport {0:?} is not supported")]
    Unknown(String),
    /// A parameter cannot be read.
    #[error("transport parameter {0:?} is malformed")]
    Malformed(&'static str),
}

/// The transports a header offers, best first.
#[must_use]
pub fn parse(header: &str) -> Vec<Result<Transport, Refused>> {
    header.split(',').map(str::trim).filter(|offer| !offer.is_empty()).map(parse_one).collect()
}

fn parse_one(offer: &str) -> Result<Transport, Refused> {
    let mut words = offer.split(';').map(str::trim);
    let profile = words.next().unwrap_or_default();
    let mut lower = match profile.to_ascii_uppercase().as_str() {
        "RTP/AVP/TCP" | "RTP/AVPF/TCP" => Lower::Tcp { interleaved: None },
        "RTP/AVP" | "RTP/AVP/UDP" | "RTP/AVPF" | "RTP/AVPF/UDP" => Lower::Udp { client_port: None, server_port: None },
        other if other.starts_with("RTP/SAVP") => return Err(Refused::Srtp),
        _ => return Err(Refused::Unknown(profile.chars().take(32).collect())),
    };
    let mut ssrc = None;
    let mut mode = Mode::Play;
    for word in words {
        let (key, value) = word.split_once('=').map_or((word, ""), |(key, value)| (key.trim(), value.trim()));
        match key.to_ascii_lowercase().as_str() {
            "multicast" => return Err(Refused::Multicast),
            // Some servers announce a synchronisation source that is no number; the packets will tell.
            "ssrc" => ssrc = u32::from_str_radix(value, 16).ok(),
            "mode" => mode = parse_mode(value),
            key => set_ports(&mut lower, key, value)?,
        }
    }
    Ok(Transport { lower, ssrc, mode })
}

fn parse_mode(value: &str) -> Mode {
    let value = value.trim_matches(['"', '\'']);
    if value.eq_ignore_ascii_case("record") || value.eq_ignore_ascii_case("receive") {
        Mode::Record
    } else {
        Mode::Play
    }
}

fn set_ports(lower: &mut Lower, key: &str, value: &str) -> Result<(), Refused> {
    match (lower, key) {
        (Lower::Tcp { interleaved }, "interleaved") => *interleaved = Some(pair(value, "interleaved")?),
        (Lower::Udp { client_port, .. }, "client_port") => *client_port = Some(pair(value, "client_port")?),
        (Lower::Udp { server_port, .. }, "server_port") => *server_port = Some(pair(value, "server_port")?),
        (Lower::Tcp { .. } | Lower::Udp { .. }, _) => {}
    }
    Ok(())
}

/// Two numbers with a dash; of a single one, the second is the next.
fn pair<N: TryFrom<u32>>(value: &str, key: &'static str) -> Result<(N, N), Refused> {
    let (first, second) = value.split_once('-').unwrap_or((value, ""));
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|&number| number <= 0xffff);
    let first = number(first);
    let second = if second.is_empty() { first.map(|first| first + 1) } else { number(second) };
    let both = first.zip(second).and_then(|(first, second)| Some((first.try_into().ok()?, second.try_into().ok()?)));
    both.ok_or(Refused::Malformed(key))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lower {
            Lower::Tcp { interleaved } => {
                f.write_str("RTP/AVP/TCP;unicast")?;
                write_pair(f, "interleaved", interleaved)?;
            }
            Lower::Udp { client_port, server_port } => {
                f.write_str("RTP/AVP;unicast")?;
                write_pair(f, "client_port", client_port)?;
                write_pair(f, "server_port", server_port)?;
            }
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        match self.mode {
            Mode::Play => Ok(()),
            Mode::Record => f.write_str(";mode=record"),
        }
    }
}

fn write_pair(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    pair: Option<(impl fmt::Display, impl fmt::Display)>,
) -> fmt::Result {
    pair.map_or(Ok(()), |(first, second)| write!(f, ";{key}={first}-{second}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &str) {
        let shown: Vec<String> = parse(header)
            .into_iter()
            .map(|offer| offer.map_or_else(|refused| refused.to_string(), |transport| transport.to_string()))
            .collect();
        assert_eq!(shown.join(" | "), expected, "{header}");
    }

    #[test]
    fn interleaved_and_unicast_transports_are_read_and_written() {
        check("RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=0-1");
        check("RTP/AVP/TCP;interleaved=4", "RTP/AVP/TCP;unicast;interleaved=4-5");
        check(
            "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=6D3B;mode=\"PLAY\"",
            "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc=00006D3B",
        );
        check("RTP/AVP;unicast;client_port=5000-5001", "RTP/AVP;unicast;client_port=5000-5001");
        check(
            "RTP/AVP/UDP;unicast;source=10.0.0.1;client_port=5000-5001;server_port=8000-8001",
            "RTP/AVP;unicast;client_port=5000-5001;server_port=8000-8001",
        );
        check("RTP/AVP/TCP;unicast;interleaved=0-1;mode=record", "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record");
        check("RTP/AVP/TCP;interleaved=0-1;ssrc=none", "RTP/AVP/TCP;unicast;interleaved=0-1");
    }

    #[test]
    fn offers_keep_their_order_and_the_impossible_are_refused_by_name() {
        check(
            "RTP/AVP;multicast, RTP/SAVP;unicast,RTP/AVP/TCP;unicast;interleaved=0-1,RAW/RAW/UDP",
            "multicast transport is not supported | SRTP transport is not supported | \
             RTP/AVP/TCP;unicast;interleaved=0-1 | transport \"RAW/RAW/UDP\" is not supported",
        );
        check("RTP/AVP/TCP;interleaved=255", "transport parameter \"interleaved\" is malformed");
        check("RTP/AVP;client_port=70000-1", "transport parameter \"client_port\" is malformed");
        check("RTP/AVP;client_port=65535", "transport parameter \"client_port\" is malformed");
        check("RTP/AVP/TCP;interleaved=-", "transport parameter \"interleaved\" is malformed");
        check(" , ;", "transport \"\" is not supported");
    }
}
