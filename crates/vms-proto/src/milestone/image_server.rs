//! The image server: pictures of one camera on one TCP connection, live or recorded, port 7563 of a recording server.
//!
//! A request is one line of XML ended by an empty line. An answer is either such XML or an *image response*: a block of
//! headers, an empty line, as many bytes as the headers say, an empty line. Requests carry an increasing id that the
//! answer repeats; several may be outstanding, answers come in order. After `live`, images and status packages come by
//! themselves until `stop`, and answers to other requests come between them.
//!
//! A client writes a [`Request`] and feeds what it receives to a [`ResponseReader`]; a server feeds a [`RequestReader`]
//! and writes a [`Response`]. A reader survives any cut of the stream. Its first error is final: the two sides no longer
//! agree where a message begins, so the connection cannot go on.
//!
//! The port also answers HTTP. A peer that does so is told apart by name.

mod framing;
mod image;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use framing::{RequestReader, ResponseReader};
pub use image::{ContentType, Image};
pub use request::{Alarms, Call, Connect, Delivery, Method, Request};
pub(crate) use response::words;
pub use response::{Answer, Condition, LivePackage, Outcome, Response, StatusItem};

/// The port of a recording server unless its address says another.
pub const PORT: u16 = 7563;
/// The most bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;
/// The most bytes of an answer in XML; a thousand sequences take about 100 kB.
pub const XML_BYTES_MAX: usize = 1 << 20;
/// The most bytes of the headers of an image response.
pub const HEAD_BYTES_MAX: usize = 4 << 10;
/// The most bytes of a frame.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// What ends a request, an answer, a block of headers, and a frame.
pub const TERMINATOR: &[u8; 4] = b"\r\n\r\n";
