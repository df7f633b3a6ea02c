//! The tracks of a session: which are set up, on which channels, under which address.

use bytes::Bytes;
use rtsp_types::Url;

use super::{Error, Output, url};
use crate::{
    Track, TrackId, TrackKind,
    rtsp::transport::{Lower, Mode, Transport},
    sdp,
};

/// All tracks of one session.
#[derive(Debug)]
pub(super) struct Tracks {
    control: Url,
    /// Offered, and not set up yet; the next one is last.
    offered: Vec<(Track, Url)>,
    playing: Vec<Playing>,
    first_refusal: Option<Error>,
}

/// A track that is set up.
#[derive(Debug)]
struct Playing {
    track: Track,
    control: Url,
    channels: (u8, u8),
}

impl Tracks {
    /// Before the description is known.
    pub(super) fn none(control: Url) -> Self {
        Self { control, offered: Vec::new(), playing: Vec::new(), first_refusal: None }
    }

    /// Those of a description, without back channels. `own` stands for a session address that cannot be read.
    pub(super) fn of(session: &sdp::Session, own: &Url) -> Result<Self, Error> {
        let mut offered = Vec::new();
        let has_other = session.tracks.iter().any(|media| !media.send_only);
        // When everything is marked so, the mark means something else.
        for media in session.tracks.iter().rev().filter(|media| !media.send_only || !has_other) {
            offered.push((media.track.clone(), url::parse(&media.control)?));
        }
        let control = url::parse(&session.control).unwrap_or_else(|_| own.clone());
        Ok(Self { control, offered, playing: Vec::new(), first_refusal: None })
    }

    pub(super) fn control(&self) -> &Url {
        &self.control
    }

    /// Address and transport for the next SETUP.
    pub(super) fn next_setup(&self) -> Option<(Url, String)> {
        let (_, control) = self.offered.last()?;
        let transport =
            Transport { lower: Lower::Tcp { interleaved: Some(self.free_channels()) }, ssrc: None, mode: Mode::Play };
        Some((control.clone(), transport.to_string()))
    }

    /// The kind of the track whose SETUP is next or on its way.
    pub(super) fn next_kind(&self) -> Option<TrackKind> {
        self.offered.last().map(|(track, _)| track.kind())
    }

    /// The track whose SETUP was on its way plays, on these channels where the server names some.
    pub(super) fn accepted(&mut self, channels: Option<(u8, u8)>) {
        let channels = channels.unwrap_or_else(|| self.free_channels());
        let Some((mut track, control)) = self.offered.pop() else { return };
        track.id = TrackId(u8::try_from(self.playing.len()).expect("there are at most sdp::TRACKS_MAX tracks"));
        self.playing.push(Playing { track, control, channels });
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

    /// One more than the highest channel in use.
    pub(super) fn channel_count(&self) -> u16 {
        let highest = self.playing.iter().map(|playing| playing.channels.0.max(playing.channels.1)).max();
        highest.map_or(0, |highest| u16::from(highest) + 1)
    }

    fn free_channels(&self) -> (u8, u8) {
        // At most 16 tracks: a server that takes the highest channels gets the lowest for the next track.
        let first =
            u8::try_from(self.channel_count().next_multiple_of(2)).ok().filter(|first| *first < 254).unwrap_or(0);
        (first, first + 1)
    }

    pub(super) fn packet(&self, channel: u8, data: Bytes) -> Option<Output> {
        let on_channel = |playing: &&Playing| playing.channels.0 == channel || playing.channels.1 == channel;
        let playing = self.playing.iter().find(on_channel).filter(|_| !data.is_empty())?;
        let id = playing.track.id;
        Some(if playing.channels.0 == channel { Output::Rtp(id, data) } else { Output::Rtcp(id, data) })
    }

    pub(super) fn rtcp_channel(&self, track: TrackId) -> Option<u8> {
        self.playing.iter().find(|playing| playing.track.id == track).map(|playing| playing.channels.1)
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
