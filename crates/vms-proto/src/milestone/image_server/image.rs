use bytes::{Bytes, BytesMut};
use domain::WallTime;

use super::{FRAME_BYTES_MAX, TERMINATOR};
use crate::{Error, timestamp};

const WHAT: &str = "image response";
const FIRST_LINE: &str = "ImageResponse";

/// A picture, or word that there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// The id of the request; live pictures carry that of `live`.
    pub request_id: Option<u32>,
    /// What the server says the frame is. It may be wrong: [`super::super::generic_byte_data::frames`] looks.
    pub content_type: ContentType,
    /// The time of this picture.
    pub current: Option<WallTime>,
    /// The time of the picture before it.
    pub previous: Option<WallTime>,
    /// The time of the picture after it: the same as `current` at the end of all recordings, later than the frame rate
    /// tells before a gap.
    pub next: Option<WallTime>,
    /// The frame; nothing when there is no picture. Never empty.
    pub frame: Option<Bytes>,
}

/// What a server says a frame is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// A JPEG picture.
    Jpeg,
    /// The vendor's frame format.
    GenericByteData,
    /// Something else, or nothing is said.
    #[default]
    Other,
}

impl ContentType {
    const JPEG: &str = "image/jpeg";
    const GENERIC_BYTE_DATA: &str = "application/x-genericbytedata-octet-stream";

    fn read(value: &str) -> Self {
        if value.eq_ignore_ascii_case(Self::JPEG) {
            Self::Jpeg
        } else if value.eq_ignore_ascii_case(Self::GENERIC_BYTE_DATA) {
            Self::GenericByteData
        } else {
            Self::Other
        }
    }
}

impl Image {
    /// Appends it with its frame.
    pub fn write(&self, out: &mut BytesMut) {
        let frame = self.frame.as_deref().unwrap_or_default();
        self.write_head(frame.len(), out);
        if !frame.is_empty() {
            out.extend_from_slice(frame);
            out.extend_from_slice(TERMINATOR);
        }
    }

    /// Appends the headers for a frame of so many bytes, for a sender that keeps frames apart. The frame follows and
    /// after it [`TERMINATOR`]; neither does when there are no bytes.
    pub fn write_head(&self, frame_bytes: usize, out: &mut BytesMut) {
        let ms = |time: WallTime| time.unix_us().div_euclid(1000).to_string();
        let content_type = match self.content_type {
            ContentType::Jpeg => Some(ContentType::JPEG.to_owned()),
            ContentType::GenericByteData => Some(ContentType::GENERIC_BYTE_DATA.to_owned()),
            ContentType::Other => None,
        };
        let length = (frame_bytes > 0).then(|| frame_bytes.to_string());
        let headers = [
            ("RequestId", self.request_id.map(|id| id.to_string())),
            ("Content-type", content_type),
            ("Content-length", length),
            ("Current", self.current.map(ms)),
            ("Prev", self.previous.map(ms)),
            ("Next", self.next.map(ms)),
        ];
        out.extend_from_slice(FIRST_LINE.as_bytes());
        for (name, value) in headers {
            if let Some(value) = value {
                out.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
            }
        }
        out.extend_from_slice(TERMINATOR);
    }

    /// Reads the headers, without what ends them, and how many bytes of a frame follow.
    ///
    /// Names count in either case; a value follows after `:` or `=` with or without spaces. Headers that are not known
    /// are passed over, and so are times that cannot be read.
    pub(super) fn read_head(head: &[u8]) -> Result<(Self, usize), Error> {
        let head = std::str::from_utf8(head).map_err(|_| Error::malformed(WHAT, "its headers are not UTF-8"))?;
        let mut lines = head.split('\n').map(|line| line.trim_matches(['\r', ' ']));
        if lines.next() != Some(FIRST_LINE) {
            return Err(Error::malformed(WHAT, "its first line is not ImageResponse"));
        }
        let (mut image, mut length) = (Self::default(), None);
        for (name, value) in lines.filter_map(|line| line.split_once([':', '='])) {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "requestid" => image.request_id = value.parse().ok(),
                "content-type" => image.content_type = ContentType::read(value),
                "content-length" if length.is_some() => {
                    return Err(Error::malformed(WHAT, "it has two lengths"));
                }
                "content-length" => length = Some(read_length(value)?),
                "current" => image.current = timestamp::from_ms(value),
                "prev" => image.previous = timestamp::from_ms(value),
                "next" => image.next = timestamp::from_ms(value),
                _ => {}
            }
        }
        Ok((image, length.unwrap_or(0)))
    }
}

fn read_length(value: &str) -> Result<usize, Error> {
    let length = value.parse::<u64>().map_err(|_| Error::Unreadable { what: WHAT, part: "Content-length" })?;
    let fits = usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    fits.ok_or(Error::TooLarge { what: "a frame, in bytes,", limit: FRAME_BYTES_MAX })
}
