//! One RTSP connection as a row of frames: requests, responses, and interleaved RTP and RTCP (RFC 2326 section 10.12).
//!
//! Promises: every frame comes out once it is whole, however the bytes were split. Cameras are forgiven bare line feeds,
//! a missing reason phrase, header lines without a colon and stray bytes between frames. Beyond [`HEAD_BYTES`],
//! [`BODY_BYTES`] or [`STRAY_BYTES`] the connection is given up. Nothing is interpreted but `Content-Length`.

mod head;
#[cfg(test)]
mod tests;

use bytes::{Buf as _, Bytes, BytesMut};
use rtsp_types::{HeaderName, Request, Response, headers};

use super::Error;

/// The most bytes of a message before its body.
pub const HEAD_BYTES: usize = 16 << 10;
/// The most bytes of a message's body.
pub const BODY_BYTES: usize = 256 << 10;
/// The most bytes in a row that belong to no frame.
pub const STRAY_BYTES: usize = 64 << 10;

/// The free room that is worth a read of a socket. A slab with less is left to the packets that lie in it.
const SPACE_MIN: usize = 4 << 10;
/// The size of a slab.
const SPACE: usize = 64 << 10;
/// The longest method name.
const METHOD_BYTES: usize = 32;
/// Bytes of an interleaved frame before its payload.
const INTERLEAVED_HEAD: usize = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A request.
    Request(Request<Vec<u8>>),
    /// A response.
    Response(Response<Vec<u8>>),
    /// A packet of RTP or RTCP; a slice of the buffer it arrived in.
    Interleaved {
        /// Its channel.
        channel: u8,
        /// The packet.
        data: Bytes,
    },
}

/// Cuts the bytes of one direction of a connection into frames.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// No end of a message's head is before this offset.
    searched: usize,
    /// Bytes dropped since the last frame.
    stray: usize,
    /// Bytes other than line ends were dropped, so that a `$` may be payload.
    in_doubt: bool,
    /// Channels from here on do not exist.
    channels: u16,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), searched: 0, stray: 0, in_doubt: false, channels: 256 }
    }
}

/// What the bytes at hand begin with.
enum Start {
    Message,
    Interleaved { channel: u8, length: usize },
    Stray,
    Incomplete,
}

impl Decoder {
    /// A decoder before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how many interleaved channels exist, which helps to tell a frame from stray bytes.
    pub fn set_channels(&mut self, channels: u16) {
        self.channels = channels;
    }

    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.space().extend_from_slice(bytes);
    }

    /// The buffer with room at its end, for reading a socket straight into it; packets come out as slices of it.
    pub fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < SPACE_MIN {
            self.buffer.reserve(SPACE);
        }
        &mut self.buffer
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond a limit, [`Error::Malformed`] for what is not RTSP. The connection is of no more use.
    #[expect(clippy::should_implement_trait, reason = "more bytes may follow after None")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            match self.start() {
                Start::Incomplete => return Ok(None),
                Start::Stray => self.skip()?,
                Start::Message => return self.message(),
                Start::Interleaved { channel, length } => {
                    if self.buffer.len() < INTERLEAVED_HEAD + length {
                        self.buffer.reserve(INTERLEAVED_HEAD + length - self.buffer.len());
                        return Ok(None);
                    }
                    self.buffer.advance(INTERLEAVED_HEAD);
                    let data = self.buffer.split_to(length).freeze();
                    self.synchronised();
                    return Ok(Some(Frame::Interleaved { channel, data }));
                }
            }
        }
    }

    fn start(&self) -> Start {
        match self.buffer.first() {
            None => Start::Incomplete,
            Some(b'$') => self.start_of_interleaved(),
            Some(_) => start_of_message(&self.buffer),
        }
    }

    fn start_of_interleaved(&self) -> Start {
        let (channel, length) = match *self.buffer {
            [_, channel, ..] if u16::from(channel) >= self.channels => return Start::Stray,
            [_, channel, high, low, ..] => (channel, usize::from(u16::from_be_bytes([high, low]))),
            _ => return Start::Incomplete,
        };
        if !self.in_doubt {
            return Start::Interleaved { channel, length };
        }
        // Both RTP and RTCP begin with version 2 and have at least 8 bytes, RFC 3550 sections 5.1 and 6.4.
        match self.buffer.get(INTERLEAVED_HEAD) {
            Some(first) if first >> 6 == 2 && length >= 8 => Start::Interleaved { channel, length },
            Some(_) => Start::Stray,
            None => Start::Incomplete,
        }
    }

    /// Drops one byte that belongs to no frame.
    fn skip(&mut self) -> Result<(), Error> {
        self.stray += 1;
        self.in_doubt |= !matches!(self.buffer.first(), Some(b'\r' | b'\n'));
        self.buffer.advance(1);
        if self.stray > STRAY_BYTES {
            return Err(Error::TooLarge { what: "data between two frames", limit: STRAY_BYTES });
        }
        Ok(())
    }

    fn message(&mut self) -> Result<Option<Frame>, Error> {
        let Some(head_bytes) = head::end(&self.buffer, self.searched) else {
            self.searched = self.buffer.len().saturating_sub(3);
            return if self.buffer.len() > HEAD_BYTES { Err(HEAD_TOO_LARGE) } else { Ok(None) };
        };
        if head_bytes > HEAD_BYTES {
            return Err(HEAD_TOO_LARGE);
        }
        // The end of the head stays known while the body is awaited.
        self.searched = head_bytes.saturating_sub(4);
        let head = head::parse(self.buffer.get(..head_bytes).unwrap_or_default())?;
        let body_bytes = head.content_length()?;
        if self.buffer.len() < head_bytes + body_bytes {
            return Ok(None);
        }
        self.buffer.advance(head_bytes);
        let body = self.buffer.split_to(body_bytes).to_vec();
        self.synchronised();
        Ok(Some(head.with_body(body)))
    }

    fn synchronised(&mut self) {
        self.searched = 0;
        self.stray = 0;
        self.in_doubt = false;
    }
}

const HEAD_TOO_LARGE: Error = Error::TooLarge { what: "the head of a message", limit: HEAD_BYTES };

/// Whether the bytes begin with `RTSP/` or with a method name and a space.
fn start_of_message(bytes: &[u8]) -> Start {
    const RESPONSE: &[u8] = b"RTSP/";
    let compared = bytes.len().min(RESPONSE.len());
    if bytes.get(..compared) == RESPONSE.get(..compared) {
        return if compared == RESPONSE.len() { Start::Message } else { Start::Incomplete };
    }
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    let name = bytes.iter().take(METHOD_BYTES + 1).take_while(|byte| is_method(byte)).count();
    match bytes.get(name) {
        None if name <= METHOD_BYTES => Start::Incomplete,
        Some(b' ') if (3..=METHOD_BYTES).contains(&name) => Start::Message,
        Some(_) | None => Start::Stray,
    }
}

/// What precedes an interleaved packet on a connection.
#[must_use]
pub fn write_interleaved_header(channel: u8, length: u16) -> [u8; 4] {
    let [high, low] = length.to_be_bytes();
    [b'$', channel, high, low]
}

/// The bytes of a request.
#[must_use]
pub fn write_request<B: AsRef<[u8]>>(request: &Request<B>) -> Bytes {
    let mut bytes = Vec::with_capacity(512);
    request.write(&mut bytes).expect("a vector takes every byte");
    bytes.into()
}

/// The bytes of a response.
#[must_use]
pub fn write_response<B: AsRef<[u8]>>(response: &Response<B>) -> Bytes {
    let mut bytes = Vec::with_capacity(512);
    response.write(&mut bytes).expect("a vector takes every byte");
    bytes.into()
}

/// The bytes of a response with one `WWW-Authenticate` line for each challenge; many clients read no list in one line.
#[must_use]
pub fn write_response_with_challenges<B: AsRef<[u8]>>(response: &Response<B>, challenges: &[String]) -> Bytes {
    let plain = write_response(response);
    let status_line = plain.iter().position(|&byte| byte == b'\n').map_or(plain.len(), |at| at + 1);
    let (first, rest) = plain.split_at(status_line);
    let mut bytes = Vec::with_capacity(plain.len() + 256);
    bytes.extend_from_slice(first);
    for challenge in challenges {
        bytes.extend_from_slice(format!("WWW-Authenticate: {challenge}\r\n").as_bytes());
    }
    bytes.extend_from_slice(rest);
    bytes.into()
}

/// Headers of which a message has one; when a peer repeats one, the first counts.
const SINGLE: [HeaderName; 6] = [
    headers::CSEQ,
    headers::CONTENT_LENGTH,
    headers::SESSION,
    headers::CONTENT_BASE,
    headers::CONTENT_LOCATION,
    headers::LOCATION,
];
