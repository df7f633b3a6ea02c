use crate::{
    Error,
    milestone::soap::{
        Failure, Fault,
        part::{Part, at},
    },
    xml::Element,
};

const ENVELOPE: &str = "SOAP envelope";
const SOAP_NAMESPACE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// A command service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Of the management server, which authenticates by the `Authorization` header.
    Server,
    /// Of a recording server, which authenticates by the VMS token in the body.
    Recorder,
}

impl Service {
    /// The namespace of its messages.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Server => "http://videoos.net/2/XProtectCSServerCommand",
            Self::Recorder => "http://videoos.net/2/XProtectCSRecorderCommand",
        }
    }

    /// Where it lies: below the recorder's address, or below the management server's, which takes an access token there
    /// (a basic user's password at [`Service::BASIC_PATH`]).
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Server => "/ManagementServer/ServerCommandServiceOAuth.svc",
            Self::Recorder => "/RecorderCommandService/RecorderCommandService.asmx",
        }
    }

    /// Where the management server takes HTTP Basic.
    pub const BASIC_PATH: &str = "/ManagementServer/ServerCommandService.svc";

    fn action(self, operation: &str) -> String {
        match self {
            Self::Server => format!("{}/IServerCommandService/{operation}", self.namespace()),
            Self::Recorder => format!("{}/{operation}", self.namespace()),
        }
    }
}

/// An operation: its parameters, its name, and what it answers.
pub trait Operation: Part {
    /// The name of the element.
    const NAME: &'static str;
    /// Whose it is.
    const SERVICE: Service;
    /// What it answers.
    type Answer: Part;
}

/// A request to be sent by POST. Its body may hold a token, so it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The value of the header `SOAPAction`, without quotes.
    pub action: String,
    /// The envelope.
    pub body: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("action", &self.action).field("bytes", &self.body.len()).finish()
    }
}

/// The request of an operation.
#[must_use]
pub fn request<O: Operation>(operation: &O) -> Message {
    let mut element = Element::new(O::NAME);
    element.attributes.push(("xmlns".into(), O::SERVICE.namespace().into()));
    operation.fill(&mut element);
    Message { action: O::SERVICE.action(O::NAME), body: envelope(element) }
}

/// What a server answers to an operation.
///
/// # Errors
/// It is a fault, or no answer to this operation.
pub fn answer<O: Operation>(envelope: &[u8]) -> Result<O::Answer, Failure> {
    let response = body(envelope)?;
    if response.is("Fault") {
        return Err(Fault::read(&response).into());
    }
    let Some(name) = response.name.strip_suffix("Response").filter(|name| name.eq_ignore_ascii_case(O::NAME)) else {
        return Err(Error::unknown("SOAP answer", &response.name).into());
    };
    let result = response.child(&format!("{name}Result"));
    let read = <O::Answer as Part>::take(result.unwrap_or(&Element::default()));
    Ok(read.map_err(|error| at(error, O::NAME, "result"))?)
}

/// The envelope with what a server answers to an operation.
#[must_use]
pub fn write_answer<O: Operation>(answer: &O::Answer) -> String {
    let mut response = Element::new(&format!("{}Response", O::NAME));
    response.attributes.push(("xmlns".into(), O::SERVICE.namespace().into()));
    if !<O::Answer as Part>::IS_EMPTY {
        let mut result = Element::new(&format!("{}Result", O::NAME));
        answer.fill(&mut result);
        response.children.push(result);
    }
    envelope(response)
}

/// A request as a server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received<R> {
    /// What is asked for.
    pub request: R,
    /// Whether the element of the operation has a namespace prefix, which real recorders do not decode.
    pub is_prefixed: bool,
}

/// The element in the body of an envelope.
pub(super) fn body(envelope: &[u8]) -> Result<Element, Error> {
    let root = Element::read(ENVELOPE, envelope)?;
    if !root.is("Envelope") {
        return Err(Error::malformed(ENVELOPE, "its root is no Envelope"));
    }
    let body = root.children.into_iter().find(|child| child.is("Body"));
    let body = body.ok_or(Error::Missing { what: ENVELOPE, part: "Body" })?;
    body.children.into_iter().next().ok_or(Error::malformed(ENVELOPE, "its Body is empty"))
}

pub(super) fn envelope(inside: Element) -> String {
    let mut body = Element::new("s:Body");
    body.children.push(inside);
    let mut envelope = Element::new("s:Envelope");
    envelope.attributes.push(("xmlns:s".into(), SOAP_NAMESPACE.into()));
    envelope.children.push(body);
    envelope.document()
}

/// A struct that is a part of messages: each field with its element, in the order in which they are written.
macro_rules! parts {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $element:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::milestone::soap::part::Part for $name {
            fn fill(&self, element: &mut $crate::xml::Element) {
                $($crate::milestone::soap::part::Part::push_as(&self.$field, element, $element);)*
                let _ = (self, element);
            }

            fn take(element: &$crate::xml::Element) -> Result<Self, $crate::Error> {
                let _ = element;
                Ok(Self {
                    $($field: $crate::milestone::soap::part::Part::pull(element, stringify!($name), $element)?,)*
                })
            }
        }
    };
}

/// The operations of a service, each with its parameters and its answer, and the request a server reads.
macro_rules! operations {
    ($service:expr; $($(#[$doc:meta])* $name:ident = $element:literal -> $answer:ty {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $part:literal,)*
    })*) => {
        $(
            parts! { $(#[$doc])* $name { $($(#[$field_doc])* $field: $type = $part,)* } }

            impl $crate::milestone::soap::Operation for $name {
                const NAME: &'static str = $element;
                const SERVICE: $crate::milestone::soap::Service = $service;
                type Answer = $answer;
            }
        )*

        /// A request of any operation of this service.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[$doc])* $name($name),)*
        }

        impl Request {
            /// The operations, as they stand on the wire.
            pub const OPERATIONS: &[&'static str] = &[$($element,)*];

            /// The name of its operation.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $element,)*
                }
            }

            /// Reads the request in an envelope.
            ///
            /// # Errors
            /// It is no envelope, its operation is not known, or a parameter is missing or unreadable.
            pub fn read(
                envelope: &[u8],
            ) -> Result<$crate::milestone::soap::Received<Self>, $crate::Error> {
                let element = $crate::milestone::soap::message::body(envelope)?;
                let request = match element.name.as_str() {
                    $($element => Self::$name($crate::milestone::soap::part::Part::take(&element)?),)*
                    other => return Err($crate::Error::unknown("SOAP operation", other)),
                };
                Ok($crate::milestone::soap::Received { request, is_prefixed: element.is_prefixed })
            }
        }
    };
}
