//! The text of a response.

use std::fmt::Write as _;

use bytes::Bytes;

/// The longest reason that is put into a status line.
const REASON_CHARS: usize = 200;

/// A response under construction.
#[derive(Debug)]
pub(super) struct Response(String);

impl Response {
    pub(super) fn ok(cseq: &str) -> Self {
        Self::new(200, "OK", Some(cseq))
    }

    /// Of any status, with a reason that need not come from the standard.
    pub(super) fn new(status: u16, reason: &str, cseq: Option<&str>) -> Self {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect();
        let response = Self(format!("RTSP/1.0 {status} {reason}\r\n"));
        match cseq {
            Some(cseq) => response.header("CSeq", cseq),
            None => response,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    pub(super) fn end(mut self) -> Bytes {
        self.0.push_str("\r\n");
        self.0.into()
    }

    pub(super) fn body(self, content_type: &str, body: &str) -> Bytes {
        let mut response = self.header("Content-Type", content_type).header("Content-Length", &body.len().to_string());
        response.0.push_str("\r\n");
        response.0.push_str(body);
        response.0.into()
    }
}
