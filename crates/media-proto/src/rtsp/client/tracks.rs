//! The tracks of a session: which are set up, on which channels or ports, under which address.

use bytes::Bytes;
use rtsp_types::Url;

use super::{Carrier, DatagramTrack, Error, Output, url};
use crate::{
    Track, TrackId, TrackKind,
    rtsp::transport::{Lower, Mode, Reply, Transport},
    sdp,
};

/// All tracks of one session.
#[derive(Debug)]
pub(super) struct Tracks {
    control: Url,
    /// Offered, and not set up yet; the next one is last.
    offered: Vec<(Track, Url)>,
    playing: Vec<Playing>,
    /// Our ports in the SETUP on its way.
    asked_ports: Option<(u16, u16)>,
    first_refusal: Option<Error>,
}

/// A track that is set up.
#[derive(Debug)]
struct Playing {
    track: Track,
    control: Url,
    way: Way,
}

/// How the packets of a track come.
#[derive(Debug)]
enum Way {
    /// On the channels of RTP and RTCP.
    Channels(u8, u8),
    /// As datagrams; the track's number in it is not set.
    Datagrams(DatagramTrack),
}

impl Tracks {
    /// Before the description is known.
    pub(super) fn none(control: Url) -> Self {
        Self { control, offered: Vec::new(), playing: Vec::new(), asked_ports: None, first_refusal: None }
    }

    /// Those of a description, without back channels. `own` stands for a session address that cannot be read.
    pub(super) fn of(session: &sdp::Session, own: &Url) -> Self {
        let mut offered = Vec::new();
        let has_other = session.tracks.iter().any(|media| !media.send_only);
        // When everything is marked so, the mark means something else.
        for media in session.tracks.iter().rev().filter(|media| !media.send_only || !has_other) {
            // What is no address at all cannot be asked for; the session's own is the best guess.
            let control = url::parse(&media.control).or_else(|_| url::parse(&session.control));
            offered.push((media.track.clone(), control.unwrap_or_else(|_| own.clone())));
        }
        let control = url::parse(&session.control).unwrap_or_else(|_| own.clone());
        Self { control, offered, playing: Vec::new(), asked_ports: None, first_refusal: None }
    }

    pub(super) fn control(&self) -> &Url {
        &self.control
    }

    /// Address and transport for the next SETUP, which asks for datagrams to these ports if there are any.
    pub(super) fn next_setup(&mut self, ports: Option<(u16, u16)>) -> Option<(Url, String)> {
        let (_, control) = self.offered.last()?;
        let lower = match ports {
            Some(_) => Lower::Udp { client_port: ports, server_port: None },
            None => Lower::Tcp { interleaved: Some(self.free_channels()) },
        };
        self.asked_ports = ports;
        Some((control.clone(), Transport { lower, ssrc: None, mode: Mode::Play }.to_string()))
    }

    /// The kind of the track whose SETUP is next or on its way.
    pub(super) fn next_kind(&self) -> Option<TrackKind> {
        self.offered.last().map(|(track, _)| track.kind())
    }

    /// The track whose SETUP was on its way plays, as the server replies. What the reply leaves open is as asked.
    pub(super) fn accepted(&mut self, reply: &Reply, carrier: Carrier) -> Result<(), Error> {
        let way = match (self.asked_ports.take(), carrier) {
            (Some(own_ports), Carrier::Udp { any_port }) if reply.over_tcp != Some(true) => {
                if reply.server_port.is_none() && !any_port {
                    return Err(Error::NoUdp("it does not say its ports"));
                }
                let track = TrackId(0);
                let (server_ports, source) = (reply.server_port, reply.source);
                Way::Datagrams(DatagramTrack { track, own_ports, server_ports, source })
            }
            (None, _) if reply.over_tcp == Some(false) => {
                return Err(Error::Unsupported("the server answers SETUP over TCP with UDP".into()));
            }
            // Servers exist that answer UDP with their own connection.
            (Some(_) | None, _) => {
                // Some name the same channels for all tracks, and use those that were asked for.
                let taken = |(rtp, _): &(u8, u8)| self.playing.iter().any(|other| other.is_on(*rtp));
                let named = reply.interleaved.filter(|channels| !taken(channels));
                let (rtp, rtcp) = named.unwrap_or_else(|| self.free_channels());
                Way::Channels(rtp, rtcp)
            }
        };
        let Some((mut track, control)) = self.offered.pop() else { return Ok(()) };
        track.id = TrackId(u8::try_from(self.playing.len()).expect("there are at most sdp::TRACKS_MAX tracks"));
        self.playing.push(Playing { track, control, way });
        Ok(())
    }

    /// No track is set up yet.
    pub(super) fn none_plays(&self) -> bool {
        self.playing.is_empty()
    }

    /// The track whose SETUP was on its way does not play.
    pub(super) fn refused(&mut self, error: Error) {
        self.offered.pop();
        self.first_refusal.get_or_insert(error);
    }

    /// The tracks that play, once all are set up.
    pub(super) fn playing(&self) -> Result<Vec<Track>, Error> {
        match (&self.first_refusal, self.playing.is_empty()) {
            (Some(refusal), true) => Err(refusal.clone()),
            (Some(_) | None, _) => Ok(self.playing.iter().map(|playing| playing.track.clone()).collect()),
        }
    }

    /// The tracks that come as datagrams.
    pub(super) fn datagram_tracks(&self) -> Vec<DatagramTrack> {
        let of = |playing: &Playing| match playing.way {
            Way::Channels(..) => None,
            Way::Datagrams(datagrams) => Some(DatagramTrack { track: playing.track.id, ..datagrams }),
        };
        self.playing.iter().filter_map(of).collect()
    }

    /// One more than the highest channel in use.
    pub(super) fn channel_count(&self) -> u16 {
        let highest = self.playing.iter().filter_map(Playing::channels).map(|(rtp, rtcp)| rtp.max(rtcp)).max();
        highest.map_or(0, |highest| u16::from(highest) + 1)
    }

    fn free_channels(&self) -> (u8, u8) {
        // At most 16 tracks: a server that takes the highest channels gets the lowest for the next track.
        let first =
            u8::try_from(self.channel_count().next_multiple_of(2)).ok().filter(|first| *first < 254).unwrap_or(0);
        (first, first + 1)
    }

    pub(super) fn packet(&self, channel: u8, data: Bytes) -> Option<Output> {
        let mut on_channel = self.playing.iter().filter_map(|playing| Some((playing.channels()?, playing.track.id)));
        let ((rtp, _), id) = on_channel.find(|((rtp, rtcp), _)| *rtp == channel || *rtcp == channel)?;
        if data.is_empty() {
            return None;
        }
        Some(if rtp == channel { Output::Rtp(id, data) } else { Output::Rtcp(id, data) })
    }

    pub(super) fn rtcp_channel(&self, track: TrackId) -> Option<u8> {
        self.playing.iter().find(|playing| playing.track.id == track)?.channels().map(|(_, rtcp)| rtcp)
    }

    /// The first RTP timestamps by an `RTP-Info` header, RFC 2326 section 12.33.
    pub(super) fn starts(&self, header: &str) -> Vec<(TrackId, u32)> {
        let entries: Vec<&str> = header.split(",").map(str::trim).collect();
        let in_order = entries.len() == self.playing.len();
        let start = |(index, entry): (usize, &&str)| {
            let (address, rtptime) = entry_of(entry)?;
            let named = self.playing.iter().find(|playing| playing.is_at(address));
            let playing = named.or_else(|| self.playing.get(index).filter(|_| in_order))?;
            Some((playing.track.id, rtptime))
        };
        entries.iter().enumerate().filter_map(start).collect()
    }
}

impl Playing {
    fn is_on(&self, channel: u8) -> bool {
        self.channels().is_some_and(|(rtp, rtcp)| rtp == channel || rtcp == channel)
    }

    fn channels(&self) -> Option<(u8, u8)> {
        match self.way {
            Way::Channels(rtp, rtcp) => Some((rtp, rtcp)),
            Way::Datagrams(_) => None,
        }
    }

    /// Whether this is the address of the track: whole, or its last part alone, as some cameras write it.
    fn is_at(&self, address: &str) -> bool {
        let own = self.control.as_str();
        !address.is_empty() && (own == address || own.ends_with(&format!("/{}", address.trim_start_matches('/'))))
    }
}

/// Address and timestamp of one entry.
fn entry_of(entry: &str) -> Option<(&str, u32)> {
    let mut address = "";
    let mut rtptime = None;
    for (key, value) in entry.split(';').filter_map(|word| word.split_once('=')) {
        match key.trim() {
            "url" => address = value.trim(),
            "rtptime" => rtptime = value.trim().parse().ok(),
            _ => {}
        }
    }
    Some((address, rtptime?))
}
