//! Values of messages and how they lie in elements.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::{Secret, WallTime};
use uuid::Uuid;

use crate::{Error, timestamp, xml::Element};

/// A value that is a part of messages. It belongs to this crate: its methods are of no use outside.
pub trait Part: Sized {
    /// Whether it says nothing, so that no element is written for it.
    #[doc(hidden)]
    const IS_EMPTY: bool = false;

    /// Writes it into an element of its own.
    #[doc(hidden)]
    fn fill(&self, element: &mut Element);

    /// Reads it from an element of its own.
    #[doc(hidden)]
    fn take(element: &Element) -> Result<Self, Error>;

    /// Writes it as a child.
    #[doc(hidden)]
    fn push_as(&self, parent: &mut Element, name: &str) {
        let mut child = Element::new(name);
        self.fill(&mut child);
        parent.children.push(child);
    }

    /// Reads it from a child.
    #[doc(hidden)]
    fn pull(parent: &Element, what: &'static str, part: &'static str) -> Result<Self, Error> {
        Self::take(parent.need(what, part)?).map_err(|error| at(error, what, part))
    }
}

/// Where an unreadable value stands, once that is known.
pub(super) fn at(error: Error, what: &'static str, part: &'static str) -> Error {
    if error == UNREADABLE { Error::Unreadable { what, part } } else { error }
}

const UNREADABLE: Error = Error::Unreadable { what: "", part: "" };

impl Part for () {
    const IS_EMPTY: bool = true;

    fn fill(&self, _: &mut Element) {}

    fn take(_: &Element) -> Result<Self, Error> {
        Ok(())
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Part for $type {
            fn fill(&self, element: &mut Element) {
                element.text = self.to_string();
            }

            fn take(element: &Element) -> Result<Self, Error> {
                element.text.trim().parse().map_err(|_| UNREADABLE)
            }
        })*
    };
}

numbers! { i32 u32 i64 u64 }

impl Part for f64 {
    fn fill(&self, element: &mut Element) {
        element.text = self.to_string();
    }

    fn take(element: &Element) -> Result<Self, Error> {
        element.text.trim().parse().ok().filter(|number: &Self| number.is_finite()).ok_or(UNREADABLE)
    }
}

impl Part for bool {
    fn fill(&self, element: &mut Element) {
        element.text = self.to_string();
    }

    fn take(element: &Element) -> Result<Self, Error> {
        match element.text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(UNREADABLE),
        }
    }
}

impl Part for String {
    fn fill(&self, element: &mut Element) {
        element.text.clone_from(self);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        Ok(element.text.clone())
    }

    /// A text that is not there is empty: the WSDLs let every text be left out.
    fn pull(parent: &Element, _: &'static str, part: &'static str) -> Result<Self, Error> {
        Ok(parent.child(part).map(|child| child.text.clone()).unwrap_or_default())
    }
}

impl Part for Secret {
    fn fill(&self, element: &mut Element) {
        self.expose().clone_into(&mut element.text);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        Ok(Self::new(element.text.trim().to_owned()))
    }

    fn pull(parent: &Element, _: &'static str, part: &'static str) -> Result<Self, Error> {
        Ok(Self::new(parent.child(part).map(|child| child.text.trim().to_owned()).unwrap_or_default()))
    }
}

impl Part for Uuid {
    fn fill(&self, element: &mut Element) {
        element.text = self.to_string();
    }

    fn take(element: &Element) -> Result<Self, Error> {
        Self::parse_str(element.text.trim()).map_err(|_| UNREADABLE)
    }
}

impl Part for WallTime {
    fn fill(&self, element: &mut Element) {
        element.text = timestamp::to_iso(*self);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        timestamp::from_iso(&element.text).ok_or(UNREADABLE)
    }
}

/// A time that the vendor writes as the year 1 when there is none.
impl Part for Option<WallTime> {
    fn fill(&self, element: &mut Element) {
        element.text = self.map_or_else(|| timestamp::NO_TIME.to_owned(), timestamp::to_iso);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        Ok(timestamp::from_iso(&element.text))
    }
}

/// Bytes in base64; nothing when there are none.
impl Part for Bytes {
    fn fill(&self, element: &mut Element) {
        element.text = STANDARD.encode(self);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        let text: String = element.text.split_ascii_whitespace().collect();
        STANDARD.decode(text).map(Self::from).map_err(|_| UNREADABLE)
    }

    fn pull(parent: &Element, what: &'static str, part: &'static str) -> Result<Self, Error> {
        parent.child(part).map_or(Ok(Self::new()), |child| Self::take(child).map_err(|error| at(error, what, part)))
    }
}

/// What can stand in a list, with the name of its elements.
#[doc(hidden)]
pub trait Item: Part {
    /// As it is written; it is read whatever its prefix.
    const ELEMENT: &'static str;
    /// The namespace of the element where it is not that of the message.
    const NAMESPACE: Option<&'static str> = None;
}

/// The form that a real recorder took.
impl Item for Uuid {
    const ELEMENT: &'static str = "guid";
    const NAMESPACE: Option<&'static str> = Some("http://microsoft.com/wsdl/types/");
}

impl Item for String {
    const ELEMENT: &'static str = "string";
}

impl<T: Item> Part for Vec<T> {
    fn fill(&self, element: &mut Element) {
        element.children.extend(self.iter().map(|item| {
            let mut child = Element::new(T::ELEMENT);
            child.attributes.extend(T::NAMESPACE.map(|namespace| ("xmlns".to_owned(), namespace.to_owned())));
            item.fill(&mut child);
            child
        }));
    }

    fn take(element: &Element) -> Result<Self, Error> {
        let items = element.children_named(T::ELEMENT).map(T::take);
        items.map(|item| item.map_err(|error| at(error, "list", T::ELEMENT))).collect()
    }

    /// A list that is not there is empty.
    fn pull(parent: &Element, _: &'static str, part: &'static str) -> Result<Self, Error> {
        parent.child(part).map_or(Ok(Self::new()), Self::take)
    }
}
