use crate::{
    Error,
    milestone::image_server::words,
    milestone::soap::message::{body, envelope},
    xml::Element,
};

/// A server's word that an operation failed (SOAP 1.1 section 4.4), with the vendor's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the server answers with fault {}.{}: {text}", number.unwrap_or(0), sub_number.unwrap_or(0))]
pub struct Fault {
    /// The vendor's `ErrorNumber`, if there is one.
    pub number: Option<u32>,
    /// The vendor's `SubErrorNumber`, if there is one.
    pub sub_number: Option<u32>,
    /// In the server's words, cut to 256 characters and free of tokens.
    pub text: String,
}

/// What a fault means, as far as numbers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Another user with a higher priority holds the camera's PTZ.
    PtzBusy,
    /// No token was given.
    NoToken,
    /// The token is not valid, or no longer: renew it.
    InvalidToken,
    /// The user may not do this.
    Forbidden,
    /// The server does not have this operation.
    NotSupported,
    /// Anything else.
    Other,
}

impl FaultKind {
    /// The numbers of each kind whose numbers are known; a sub number of 0 is any.
    const NUMBERS: [(Self, u32, u32); 3] =
        [(Self::PtzBusy, 40_295, 20), (Self::NotSupported, 40_000, 0), (Self::Forbidden, 51_000, 0)];
}

impl Fault {
    /// The fault that means something.
    #[must_use]
    pub fn of(kind: FaultKind, text: &str) -> Self {
        let known = FaultKind::NUMBERS.iter().find(|(known, ..)| *known == kind);
        let number = known.map(|(_, number, _)| *number);
        let sub_number = known.map(|(.., sub)| *sub).filter(|sub| *sub != 0).or(match kind {
            FaultKind::NoToken => Some(1),
            FaultKind::InvalidToken => Some(2),
            FaultKind::PtzBusy | FaultKind::Forbidden | FaultKind::NotSupported | FaultKind::Other => None,
        });
        Self { number, sub_number, text: text.to_owned() }
    }

    /// What it means.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        let sub = self.sub_number.unwrap_or(0);
        let fits = |number: u32, known_sub: u32| self.number == Some(number) && (known_sub == 0 || known_sub == sub);
        let known = FaultKind::NUMBERS.iter().find(|(_, number, known_sub)| fits(*number, *known_sub));
        match (known, sub) {
            (Some((kind, ..)), _) => *kind,
            (None, 1) => FaultKind::NoToken,
            (None, 2) => FaultKind::InvalidToken,
            (None, _) => FaultKind::Other,
        }
    }

    /// The envelope with the fault; it goes with HTTP status 500.
    #[must_use]
    pub fn write(&self) -> String {
        let mut detail = Element::new("detail");
        let numbers = [("ErrorNumber", self.number), ("SubErrorNumber", self.sub_number)];
        for (name, number) in numbers {
            if let Some(number) = number {
                detail.push_text(name, &number.to_string());
            }
        }
        let mut fault = Element::new("s:Fault");
        fault.push_text("faultcode", "s:Server");
        fault.push_text("faultstring", &self.text);
        fault.children.push(detail);
        envelope(fault)
    }

    /// The fault in an envelope, for an HTTP status that tells of one.
    ///
    /// # Errors
    /// There is none: a proxy's page, for one.
    pub fn of_envelope(envelope: &[u8]) -> Result<Self, Error> {
        let element = body(envelope)?;
        if element.is("Fault") { Ok(Self::read(&element)) } else { Err(Error::unknown("SOAP fault", &element.name)) }
    }

    /// The numbers stand as elements somewhere in the detail, or as attributes of one of them.
    pub(super) fn read(element: &Element) -> Self {
        let detail = element.child("detail");
        let number = |name: &str| {
            let detail = detail?;
            let text = detail.descendant(name).map(|element| element.text.as_str());
            text.or_else(|| attribute(detail, name))?.trim().parse().ok()
        };
        let text = element.child("faultstring").map(|text| words(&text.text)).unwrap_or_default();
        Self { number: number("ErrorNumber"), sub_number: number("SubErrorNumber"), text }
    }
}

fn attribute<'a>(element: &'a Element, name: &str) -> Option<&'a str> {
    element.attribute(name).or_else(|| element.children.iter().find_map(|child| attribute(child, name)))
}
