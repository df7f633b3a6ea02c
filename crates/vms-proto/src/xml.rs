//! A small tree of XML: what the messages of this crate are read from and written as.
//!
//! Names are local names; a namespace prefix is noted and otherwise passed over, and names count in either case,
//! because servers differ in both. Document types and entities other than the five of XML are refused, so nothing
//! expands. Bytes, depth and elements have limits. Text between child elements is kept only where there is no child.

mod write;

use domain::WallTime;
use quick_xml::{
    XmlVersion,
    events::{BytesStart, Event},
};

use crate::{Error, timestamp};

/// The most bytes of a document; a still in base64 is the largest thing sent.
pub(crate) const BYTES_MAX: usize = 8 << 20;
/// How deep elements may lie in each other.
const DEPTH_MAX: usize = 32;
/// The most elements of a document.
const ELEMENTS_MAX: usize = 1 << 16;
/// The most attributes of an element.
const ATTRIBUTES_MAX: usize = 64;

/// An element with what is inside. Nothing of it is of use outside of this crate.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// The local name.
    pub(crate) name: String,
    /// Whether the name was written with a prefix.
    pub(crate) is_prefixed: bool,
    /// Name as written and value.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

/// Its text may be a secret.
impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.name)
    }
}

impl Element {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn with_text(name: &str, text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::new(name) }
    }

    pub(crate) fn push_text(&mut self, name: &str, text: &str) {
        self.children.push(Self::with_text(name, text));
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    pub(crate) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// The elements of a name at any depth, in order.
    pub(crate) fn descendants(&self, name: &str) -> impl Iterator<Item = &Self> {
        let mut found = Vec::new();
        self.find(name, &mut found);
        found.into_iter()
    }

    fn find<'a>(&'a self, name: &str, found: &mut Vec<&'a Self>) {
        for child in &self.children {
            if child.is(name) {
                found.push(child);
            }
            child.find(name, found);
        }
    }

    pub(crate) fn descendant(&self, name: &str) -> Option<&Self> {
        self.descendants(name).next()
    }

    /// The value of an attribute, whatever prefix it has.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let local = |written: &str| written.rsplit(':').next().is_some_and(|local| local.eq_ignore_ascii_case(name));
        self.attributes.iter().find(|(written, _)| local(written)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn need(&self, what: &'static str, part: &'static str) -> Result<&Self, Error> {
        self.child(part).ok_or(Error::Missing { what, part })
    }

    /// The number in a child.
    pub(crate) fn number<T: std::str::FromStr>(&self, what: &'static str, part: &'static str) -> Result<T, Error> {
        self.need(what, part)?.text.trim().parse().map_err(|_| Error::Unreadable { what, part })
    }

    /// The time in a child, in milliseconds since 1970.
    pub(crate) fn milliseconds(&self, what: &'static str, part: &'static str) -> Result<WallTime, Error> {
        timestamp::from_ms(&self.need(what, part)?.text).ok_or(Error::Unreadable { what, part })
    }

    /// Reads a document.
    pub(crate) fn read(what: &'static str, bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > BYTES_MAX {
            return Err(Error::TooLarge { what: "an XML document, in bytes,", limit: BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Error::malformed(what, "it is not UTF-8"))?;
        let mut reader = quick_xml::Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        let mut tree = Tree { what, ..Tree::default() };
        loop {
            let event = reader.read_event().map_err(|_| Error::malformed(what, "it is not well-formed XML"))?;
            if matches!(event, Event::Eof) {
                return tree.finish();
            }
            tree.take(event)?;
        }
    }
}

/// A document as far as it was read.
#[derive(Default)]
struct Tree {
    what: &'static str,
    root: Option<Element>,
    /// The elements that are open, the innermost last.
    open: Vec<Element>,
    elements: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<(), Error> {
        match event {
            Event::Start(start) | Event::Empty(start) => self.open(&start),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "apos" => Some('\''),
                    "quot" => Some('"'),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                let character = character.ok_or(Error::malformed(self.what, "it refers to an entity of its own"))?;
                self.text(character.encode_utf8(&mut [0; 4]))
            }
            Event::DocType(_) => Err(Error::malformed(self.what, "it has a document type")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Error> {
        self.elements += 1;
        if self.root.is_some() {
            return Err(Error::malformed(self.what, "it goes on after its end"));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(Error::TooLarge { what: "the depth of XML", limit: DEPTH_MAX });
        }
        if self.elements > ELEMENTS_MAX {
            return Err(Error::TooLarge { what: "elements of XML", limit: ELEMENTS_MAX });
        }
        let name = start.name();
        let mut element = Element::new(name.local_name().as_ref());
        element.is_prefixed = name.prefix().is_some();
        for attribute in start.attributes() {
            if element.attributes.len() == ATTRIBUTES_MAX {
                return Err(Error::TooLarge { what: "attributes of an element", limit: ATTRIBUTES_MAX });
            }
            let bad = |_| Error::malformed(self.what, "it has a bad attribute");
            let attribute = attribute.map_err(|_| Error::malformed(self.what, "it has a bad attribute"))?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(bad)?;
            element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let mut closed = self.open.pop().ok_or(Error::malformed(self.what, "it closes what is not open"))?;
        if !closed.children.is_empty() {
            closed.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(closed),
            None => self.root = Some(closed),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(Error::malformed(self.what, "it has text outside its root")),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, Error> {
        if !self.open.is_empty() {
            return Err(Error::malformed(self.what, "it ends too early"));
        }
        self.root.ok_or(Error::malformed(self.what, "it has no element"))
    }
}

/// The text with each word that looks like a token (`TOKEN#…`, a JWT) as `***`, for words of a peer that are shown.
pub(crate) fn without_tokens(text: &str) -> String {
    let is_token = |word: &str| word.contains("TOKEN#") || word.contains("eyJ");
    let hidden = text.split(' ').map(|word| if is_token(word) { "***" } else { word });
    hidden.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
