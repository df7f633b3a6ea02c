//! Where messages begin and end on the byte stream.

use bytes::{Buf, Bytes, BytesMut};

use super::{FRAME_BYTES_MAX, HEAD_BYTES_MAX, Image, REQUEST_BYTES_MAX, Request, Response, TERMINATOR, XML_BYTES_MAX};
use crate::Error;

const WHAT: &str = "image server stream";
/// The most line ends between two messages: the one that ends a frame, and as many again.
const LINE_ENDS_MAX: usize = 2 * TERMINATOR.len();
/// How much may lie unread beyond the largest message; a read from the socket is smaller.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;

/// Cuts what a server sends into responses. It holds at most one frame and what was received after it.
#[derive(Debug, Default)]
pub struct ResponseReader {
    stream: Stream,
    /// An image whose frame has not come yet, and the bytes of that frame.
    awaiting: Option<(Image, usize)>,
    failed: Option<Error>,
}

impl ResponseReader {
    /// Takes the next bytes of the stream. Poll until nothing comes before more are received.
    ///
    /// # Errors
    /// More lies unread than a frame and what may come with it: the caller does not poll.
    pub fn received(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.received(bytes, FRAME_BYTES_MAX)
    }

    /// The next whole response.
    ///
    /// # Errors
    /// The stream makes no sense, or something in it is above its limit. The error is final.
    pub fn poll(&mut self) -> Result<Option<Response>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn next(&mut self) -> Result<Option<Response>, Error> {
        if self.awaiting.is_none() {
            match self.stream.first_byte()? {
                None => return Ok(None),
                Some(b'<') => {
                    let xml = self.stream.message("an answer, in bytes,", XML_BYTES_MAX)?;
                    return xml.map(|xml| Response::read(&xml)).transpose();
                }
                Some(b'I') => {
                    let head = self.stream.message("the headers of an image, in bytes,", HEAD_BYTES_MAX)?;
                    self.awaiting = head.map(|head| Image::read_head(&head)).transpose()?;
                }
                Some(b'H') => return Err(Error::malformed(WHAT, "the server answers in HTTP")),
                Some(_) => return Err(Error::malformed(WHAT, "neither XML nor an image begins here")),
            }
        }
        Ok(self.awaited().map(Response::Image))
    }

    fn awaited(&mut self) -> Option<Image> {
        let (_, bytes) = self.awaiting.as_ref()?;
        let frame = self.stream.take(*bytes)?;
        let (image, _) = self.awaiting.take()?;
        Some(Image { frame: Some(frame).filter(|frame| !frame.is_empty()), ..image })
    }
}

/// Cuts what a client sends into requests. It holds less than one request and what was received last.
#[derive(Debug, Default)]
pub struct RequestReader {
    stream: Stream,
    failed: Option<Error>,
}

impl RequestReader {
    /// Takes the next bytes of the stream. Poll until nothing comes before more are received.
    ///
    /// # Errors
    /// More lies unread than may: the caller does not poll.
    pub fn received(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.received(bytes, REQUEST_BYTES_MAX)
    }

    /// The next whole request.
    ///
    /// # Errors
    /// The stream makes no sense, or something in it is above its limit. The error is final.
    pub fn poll(&mut self) -> Result<Option<Request>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next().inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn next(&mut self) -> Result<Option<Request>, Error> {
        match self.stream.first_byte()? {
            None => Ok(None),
            Some(b'<') => {
                let xml = self.stream.message("a request, in bytes,", REQUEST_BYTES_MAX)?;
                xml.map(|xml| Request::read(&xml)).transpose()
            }
            Some(_) => Err(Error::malformed(WHAT, "no XML begins here")),
        }
    }
}

/// Bytes that were received and belong to no message yet.
#[derive(Default)]
struct Stream {
    buffer: BytesMut,
    /// How many bytes of the buffer hold no terminator.
    searched: usize,
    /// How many line ends were passed over since the last message.
    line_ends: usize,
}

/// The bytes may hold a token.
impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.buffer.len())
    }
}

impl Stream {
    fn received(&mut self, bytes: &[u8], message_bytes_max: usize) -> Result<(), Error> {
        let limit = message_bytes_max + READ_AHEAD_BYTES_MAX;
        if self.buffer.len() + bytes.len() > limit {
            return Err(Error::TooLarge { what: "what lies unread, in bytes,", limit });
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The byte a message begins with. A frame ends with an empty line that some servers leave out, so line ends
    /// before a message are passed over, and no message waits for them.
    fn first_byte(&mut self) -> Result<Option<u8>, Error> {
        while let Some(b'\r' | b'\n') = self.buffer.first() {
            self.buffer.advance(1);
            self.line_ends += 1;
            if self.line_ends > LINE_ENDS_MAX {
                return Err(Error::TooLarge { what: "line ends between messages", limit: LINE_ENDS_MAX });
            }
        }
        Ok(self.buffer.first().copied())
    }

    /// The bytes up to the terminator, which goes too.
    fn message(&mut self, what: &'static str, limit: usize) -> Result<Option<Bytes>, Error> {
        let from = self.searched.saturating_sub(TERMINATOR.len() - 1);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let Some(found) = rest.windows(TERMINATOR.len()).position(|four| four == TERMINATOR) else {
            self.searched = self.buffer.len();
            let too_large = self.searched >= limit + TERMINATOR.len();
            return if too_large { Err(Error::TooLarge { what, limit }) } else { Ok(None) };
        };
        let end = from + found;
        if end > limit {
            return Err(Error::TooLarge { what, limit });
        }
        (self.searched, self.line_ends) = (0, 0);
        let message = self.buffer.split_to(end).freeze();
        self.buffer.advance(TERMINATOR.len());
        Ok(Some(message))
    }

    fn take(&mut self, bytes: usize) -> Option<Bytes> {
        (self.buffer.len() >= bytes).then(|| self.buffer.split_to(bytes).freeze())
    }
}
