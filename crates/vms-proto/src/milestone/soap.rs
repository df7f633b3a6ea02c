//! SOAP 1.1: the command services of the management server ([`server`]) and of recording servers ([`recorder`]).
//!
//! Each operation is a struct of its parameters with an [`Operation::Answer`]. A client writes it with [`request`] and
//! reads what comes back with [`answer`]; a server reads [`recorder::Request`] or [`server::Request`] and writes with
//! [`write_answer`] or [`Fault::write`]. Elements are written in the order of the vendor's WSDL, in its namespace and
//! without prefixes, because recorders do not decode prefixed bodies; prefixes are read all the same.
//!
//! An envelope is limited to 8 MiB, 32 levels and 65,536 elements, and has no document type.

mod fault;
#[macro_use]
mod message;
mod part;
pub mod recorder;
pub mod server;
#[cfg(test)]
mod tests;

pub use fault::{Fault, FaultKind};
pub use message::{Message, Operation, Received, Service, answer, request, write_answer};

use crate::Error;

/// The content type of a request and of an answer.
pub const CONTENT_TYPE: &str = "text/xml; charset=utf-8";
/// The most bytes of an envelope.
pub const ENVELOPE_BYTES_MAX: usize = crate::xml::BYTES_MAX;

/// Why an operation gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server says that it failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// What came back cannot be read.
    #[error(transparent)]
    Wire(#[from] Error),
}
