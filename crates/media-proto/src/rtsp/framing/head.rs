//! The lines of a message before its body.

use rtsp_types::{Empty, HeaderName, Method, Request, Response, StatusCode, Url, Version, headers};

use super::{BODY_BYTES, Error, Frame, SINGLE};

/// A message without its body.
pub(super) enum Head {
    Request(Request<Empty>),
    Response(Response<Empty>),
}

/// Where the body begins: after the first empty line. None ends before `searched`.
pub(super) fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    let tail = bytes.get(searched..)?;
    let line_ends = tail.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    for after in line_ends {
        match tail.get(after..)? {
            [b'\r', b'\n', ..] => return Some(searched + after + 2),
            [b'\n', ..] => return Some(searched + after + 1),
            _ => {}
        }
    }
    None
}

/// Reads the lines up to and with the empty one.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut head = first_line(lines.next().unwrap_or_default())?;
    let mut field = String::new();
    for line in lines {
        // A line that begins with white space continues the one before, RFC 2326 section 4.2.
        if line.starts_with([' ', '\t']) {
            field.push(' ');
            field.push_str(line.trim());
            continue;
        }
        head.add(&field);
        field.clear();
        field.push_str(line);
    }
    head.add(&field);
    Ok(head)
}

fn first_line(line: &str) -> Result<Head, Error> {
    if line.starts_with("RTSP/") { status_line(line) } else { request_line(line) }
}

fn status_line(line: &str) -> Result<Head, Error> {
    let mut words = line.splitn(3, ' ');
    let version = version(words.next().unwrap_or_default())?;
    let status = words.next().and_then(|word| word.trim().parse::<u16>().ok());
    let status = status.filter(|status| (100..1000).contains(status));
    let status = status.ok_or_else(|| Error::Malformed("a status line without a status".into()))?;
    let reason = words.next().unwrap_or_default().trim().to_owned();
    let builder = Response::builder(version, StatusCode::from(status));
    Ok(Head::Response(builder.reason_phrase(reason).empty()))
}

fn request_line(line: &str) -> Result<Head, Error> {
    let parts = line.split_once(' ').and_then(|(method, rest)| rest.rsplit_once(' ').map(|(uri, v)| (method, uri, v)));
    let (method, uri, words) = parts.ok_or_else(|| Error::Malformed("a request line of fewer than 3 words".into()))?;
    let builder = Request::builder(Method::from(method), version(words)?);
    let request = match uri.trim() {
        "*" => builder.empty(),
        // The address is not repeated in the text: it may hold a password or a token.
        uri => {
            let url = Url::parse(uri).map_err(|_| Error::Malformed("a request without an absolute address".into()))?;
            builder.request_uri(url).empty()
        }
    };
    Ok(Head::Request(request))
}

fn version(word: &str) -> Result<Version, Error> {
    match word {
        "RTSP/1.0" => Ok(Version::V1_0),
        "RTSP/2.0" => Ok(Version::V2_0),
        _ => Err(Error::Malformed("a message of an unknown protocol version".into())),
    }
}

impl Head {
    /// Adds a header line; one that is not a header is ignored.
    fn add(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let Ok(name) = HeaderName::try_from(name.trim()) else { return };
        if SINGLE.contains(&name) && self.header(&name).is_some() {
            return;
        }
        match self {
            Self::Request(request) => request.append_header(name, value.trim()),
            Self::Response(response) => response.append_header(name, value.trim()),
        }
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        let value = match self {
            Self::Request(request) => request.header(name),
            Self::Response(response) => response.header(name),
        };
        value.map(|value| value.as_str())
    }

    pub(super) fn content_length(&self) -> Result<usize, Error> {
        let Some(value) = self.header(&headers::CONTENT_LENGTH) else { return Ok(0) };
        let length =
            value.parse::<usize>().map_err(|_| Error::Malformed("a Content-Length that is no number".into()))?;
        if length > BODY_BYTES {
            return Err(Error::TooLarge { what: "the body of a message", limit: BODY_BYTES });
        }
        Ok(length)
    }

    pub(super) fn with_body(self, body: Vec<u8>) -> Frame {
        match self {
            Self::Request(request) => Frame::Request(request.replace_body(body)),
            Self::Response(response) => Frame::Response(response.replace_body(body)),
        }
    }
}
