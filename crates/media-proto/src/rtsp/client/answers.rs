//! What the client makes of each response.

use std::time::{Duration, Instant};

use rtsp_types::{HeaderName, Response, Url, headers};

use super::{Carrier, ClientSession, Error, KeepAlive, Output, Pending, SESSION_TIMEOUT, Step, tracks::Tracks, url};
use crate::{TrackKind, rtsp::transport::Reply, sdp};

/// The most characters of a session's name.
const SESSION_NAME_MAX: usize = 256;

impl ClientSession {
    pub(super) fn answered(&mut self, now: Instant, response: &Response<Vec<u8>>) -> Result<(), Error> {
        let number = text(response, &headers::CSEQ).and_then(|cseq| cseq.trim().parse::<u32>().ok());
        // A number that no request ever had says nothing; one that was given up may be answered late.
        let used = 1..=self.cseq;
        let answers =
            |pending: &mut Pending| number.is_none_or(|number| number == pending.cseq || !used.contains(&number));
        let status = u16::from(response.status());
        let is_final = status >= 200;
        // A late answer to a request that was given up, or a mere sign of work.
        let Some(pending) = self.pending.take_if(|pending| is_final && answers(pending)) else { return Ok(()) };
        self.note_session(response);
        if status == 401 {
            return self.authenticate(pending, response);
        }
        let refused = Error::Refused { method: pending.step.name(), status };
        let ok = status < 300;
        match pending.step {
            // Whoever does not like OPTIONS may still describe the stream.
            Step::Options => {
                if ok {
                    self.keep_alive = keep_alive(response);
                }
                self.ask(now, Step::Describe, self.url.clone(), None);
                Ok(())
            }
            Step::Describe if matches!(status, 301 | 302 | 303 | 305 | 307 | 308) => {
                let location = text(response, &headers::LOCATION).ok_or(refused)?;
                self.redirect(now, location)
            }
            Step::Describe if ok => self.described(now, response),
            Step::Setup => self.set_up(now, response, ok.then_some(()).ok_or(refused)),
            Step::Play if ok => {
                self.keep_alive_at = Some(now + self.keep_alive_interval());
                self.outputs.push_back(Output::Playing);
                let info = text(response, &headers::RTP_INFO).unwrap_or_default();
                self.outputs.extend(self.tracks.starts(info).into_iter().map(|(track, at)| Output::StartAt(track, at)));
                Ok(())
            }
            Step::Play if status == 457 && !self.without_range => {
                self.without_range = true;
                self.transmit(pending);
                Ok(())
            }
            Step::KeepAlive => self.kept_alive(status, refused),
            Step::Teardown => {
                self.closed = true;
                Ok(())
            }
            Step::Describe | Step::Play => Err(refused),
        }
    }

    fn kept_alive(&mut self, status: u16, refused: Error) -> Result<(), Error> {
        match status {
            // Session not found: it is over, whatever still flows.
            454 => return Err(refused),
            400.. => self.keep_alive = KeepAlive::Options,
            _ => {}
        }
        Ok(())
    }

    fn described(&mut self, now: Instant, response: &Response<Vec<u8>>) -> Result<(), Error> {
        let own = self.url.as_str().to_owned();
        let bases = [text(response, &headers::CONTENT_BASE), text(response, &headers::CONTENT_LOCATION)];
        let mut readable = bases.into_iter().flatten().filter_map(|base| rooted(base, &self.url));
        let base = readable.next().unwrap_or(own);
        let session = sdp::parse(response.body(), &base).map_err(|error| Error::Unsupported(error.to_string()))?;
        self.tracks = Tracks::of(&session, &self.url);
        self.set_up_next(now)
    }

    fn set_up(&mut self, now: Instant, response: &Response<Vec<u8>>, accepted: Result<(), Error>) -> Result<(), Error> {
        match accepted {
            Ok(()) => {
                let header = text(response, &headers::TRANSPORT).unwrap_or_default();
                let reply = Reply::parse(header).map_err(|refused| {
                    Error::Unsupported(format!("the server answers SETUP with what cannot be used: {refused}"))
                })?;
                self.tracks.accepted(&reply, self.carrier)?;
            }
            Err(Error::Refused { status: 400 | 406 | 461 | 500 | 501 | 551, .. })
                if self.alternative.is_some() && self.tracks.none_plays() =>
            {
                self.carrier = self.alternative.take().unwrap_or(self.carrier);
            }
            Err(refused) if self.tracks.next_kind() == Some(TrackKind::Video) => return Err(refused),
            Err(refused) => self.tracks.refused(refused),
        }
        self.set_up_next(now)
    }

    fn set_up_next(&mut self, now: Instant) -> Result<(), Error> {
        match (self.tracks.next_setup(None), self.carrier) {
            (None, _) => {}
            (Some(_), Carrier::Udp { .. }) => {
                self.outputs.push_back(Output::Bind);
                return Ok(());
            }
            (Some((control, transport)), Carrier::Tcp) => {
                self.ask(now, Step::Setup, control, Some(transport));
                return Ok(());
            }
        }
        let tracks = self.tracks.playing()?;
        self.decoder.set_channels(self.tracks.channel_count());
        self.outputs.push_back(Output::Described(tracks));
        self.ask(now, Step::Play, self.tracks.control().clone(), None);
        Ok(())
    }

    /// Remembers `Session: name;timeout=seconds`.
    fn note_session(&mut self, response: &Response<Vec<u8>>) {
        let Some(header) = text(response, &headers::SESSION) else { return };
        let mut words = header.split(';').map(str::trim);
        let name = words.next().unwrap_or_default();
        if name.is_empty() || name.len() > SESSION_NAME_MAX {
            return;
        }
        let timeouts = words.filter_map(|word| word.split_once('=')).filter(|(key, _)| key.trim() == "timeout");
        let seconds = timeouts.filter_map(|(_, value)| leading_number(value)).next().filter(|seconds| *seconds > 0);
        let timeout = seconds.map(Duration::from_secs);
        let known = self.session.as_ref().filter(|(own, _)| own == name).map(|(_, timeout)| *timeout);
        self.session = Some((name.to_owned(), timeout.or(known).unwrap_or(SESSION_TIMEOUT)));
    }
}

fn text<'a>(response: &'a Response<Vec<u8>>, name: &HeaderName) -> Option<&'a str> {
    response.header(name).map(|value| value.as_str())
}

/// The best request for a sign of life among those the server says it knows.
fn keep_alive(response: &Response<Vec<u8>>) -> KeepAlive {
    let listed = text(response, &headers::PUBLIC).or_else(|| text(response, &headers::ALLOW)).unwrap_or_default();
    let knows = |name: &str| listed.split([',', ' ']).any(|method| method.trim().eq_ignore_ascii_case(name));
    if knows("GET_PARAMETER") {
        KeepAlive::GetParameter
    } else if knows("SET_PARAMETER") {
        KeepAlive::SetParameter
    } else {
        KeepAlive::Options
    }
}

/// An absolute address as it is, one from the root of the server made absolute; `None` for anything else.
fn rooted(base: &str, own: &Url) -> Option<String> {
    let base = base.trim();
    if url::parse(base).is_ok() {
        return Some(base.to_owned());
    }
    url::resolve(base, own).ok().map(|url| url.to_string())
}

fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim().trim_matches('"');
    text.get(..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))?.parse().ok()
}
