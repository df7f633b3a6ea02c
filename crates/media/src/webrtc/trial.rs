//! A session without sockets or streams, for programs that check what peers may send: the fuzz targets.

use std::{net::SocketAddr, time::Instant};

use str0m::{
    Input, Rtc,
    net::{Protocol, Receive},
};

use super::{
    RTX_PACKETS, offer,
    restart::{self, Credentials},
    session::Role,
    socket::{self, Candidates},
};
use crate::Error;

/// A session that was answered and goes nowhere.
pub struct Trial {
    rtc: Rtc,
    offer: String,
    answer: String,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").finish_non_exhaustive()
    }
}

const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8189);
const THERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50_000);

impl Trial {
    /// Answers an offer to view ([`Role::Read`]) or to publish.
    ///
    /// # Errors
    /// What [`super::Engine::whep`] and [`super::Engine::whip`] say of the offer.
    pub fn new(offer: &str, role: Role) -> Result<Self, Error> {
        let (candidates, now) = (Candidates { udp: vec![HERE], tcp: vec![HERE] }, Instant::now());
        let negotiated = match role {
            Role::Read => offer::answer(offer::parse(offer)?, &candidates, RTX_PACKETS, now)?,
            Role::Publish => offer::take(offer, &candidates, now)?.negotiated,
        };
        Ok(Self { rtc: negotiated.rtc, offer: offer.to_owned(), answer: negotiated.answer })
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Restarts ICE. The server's new name and the fragment for the client.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the credentials do not fit the offer.
    pub fn restart(&mut self, client: &Credentials) -> Result<(String, String), Error> {
        restart::restart(&mut self.rtc, &self.offer, client)
    }

    /// Takes a datagram of the peer, and lets time pass until there is nothing to do. The name that a first packet of ICE
    /// is addressed to, and whether the session took the datagram.
    pub fn receive<'a>(&mut self, datagram: &'a [u8]) -> (Option<&'a str>, bool) {
        let now = Instant::now();
        let name = socket::stun_ufrag(datagram);
        let Ok(received) = Receive::new(Protocol::Udp, THERE, HERE, datagram) else {
            return (name, false);
        };
        let input = Input::Receive(now, received);
        let takes = self.rtc.accepts(&input);
        // What is not for this session is given to it all the same; it must bear that. Errors end a session.
        let lives = self.rtc.handle_input(input).is_ok() && self.rtc.handle_input(Input::Timeout(now)).is_ok();
        while lives && !matches!(self.rtc.poll_output(), Ok(str0m::Output::Timeout(_)) | Err(_)) {}
        (name, takes)
    }
}
