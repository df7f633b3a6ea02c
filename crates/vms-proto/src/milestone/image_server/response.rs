use bytes::BytesMut;
use domain::WallTime;

use super::{Image, Method, TERMINATOR};
use crate::{Error, milestone::Sequence, xml::Element};

const WHAT: &str = "image server answer";
/// The most characters of what a peer says in words.
const WORDS_CHARS_MAX: usize = 256;

/// What a server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// A picture, or word that there is none.
    Image(Image),
    /// The answer to a request that asks for no picture.
    Answer(Answer),
    /// How the camera is, now and then beside live pictures.
    Live(LivePackage),
}

/// The answer to a request that asks for no picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The id of the request, if it is told.
    pub request_id: Option<u32>,
    /// The method of the request, if it is told and known.
    pub method: Option<Method>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The session is open, or goes on with the new token.
    Connected,
    /// The session is not opened or ends.
    Refused {
        /// Why, in the server's words and free of tokens; may be empty.
        reason: String,
    },
    /// The sequences that were asked for.
    Sequences(Vec<Sequence>),
    /// Nothing more is said.
    Done,
}

/// How the camera is. Its form is not documented for every release, so what is unreadable is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePackage {
    /// When this was so.
    pub at: Option<WallTime>,
    /// What is told.
    pub items: Vec<StatusItem>,
}

/// One thing a live package tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusItem {
    /// What it is about; see [`StatusItem::condition`].
    pub id: u32,
    /// 0 or 1 for the known ones.
    pub value: i64,
    /// In words; may be empty.
    pub description: String,
}

/// What a status item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Live pictures come from the camera.
    LiveFeed,
    /// Something moves.
    Motion,
    /// The camera is recorded.
    Recording,
    /// An event was notified.
    Event,
    /// The recorder lost the camera.
    ConnectionLost,
    /// The recorder cannot write its database.
    DatabaseFailed,
    /// The recorder's disk is full.
    DiskFull,
}

impl StatusItem {
    /// What it is about, if that is known.
    #[must_use]
    pub const fn condition(&self) -> Option<Condition> {
        Some(match self.id {
            1 => Condition::LiveFeed,
            2 => Condition::Motion,
            3 => Condition::Recording,
            4 => Condition::Event,
            5 => Condition::ConnectionLost,
            6 => Condition::DatabaseFailed,
            7 => Condition::DiskFull,
            _ => return None,
        })
    }
}

impl Response {
    /// Appends it to what goes to the client.
    pub fn write(&self, out: &mut BytesMut) {
        let document = match self {
            Self::Image(image) => return image.write(out),
            Self::Answer(answer) => answer.element().document(),
            Self::Live(package) => package.element().document(),
        };
        out.extend_from_slice(document.as_bytes());
        out.extend_from_slice(TERMINATOR);
    }

    /// Reads one answer in XML, without what ends it.
    ///
    /// # Errors
    /// It is not XML, or neither a method response nor a live package.
    pub fn read(xml: &[u8]) -> Result<Self, Error> {
        let root = Element::read(WHAT, xml)?;
        if root.is("livepackage") {
            return Ok(Self::Live(LivePackage::read(&root)));
        }
        if root.is("methodresponse") {
            return Ok(Self::Answer(Answer::read(&root)?));
        }
        Err(Error::unknown(WHAT, &root.name))
    }
}

impl Answer {
    fn element(&self) -> Element {
        let mut root = Element::new("methodresponse");
        if let Some(id) = self.request_id {
            root.push_text("requestid", &id.to_string());
        }
        if let Some(method) = self.method {
            root.push_text("methodname", method.name());
        }
        match &self.outcome {
            Outcome::Connected => root.push_text("connected", "yes"),
            Outcome::Refused { reason } => {
                root.push_text("connected", "no");
                root.push_text("errorreason", reason);
            }
            Outcome::Sequences(sequences) => root.children.push(alarms(sequences)),
            Outcome::Done => root.push_text("status", "success"),
        }
        root
    }

    fn read(root: &Element) -> Result<Self, Error> {
        let request_id = root.child("requestid").and_then(|id| id.text.trim().parse().ok());
        let method = root.child("methodname").and_then(|name| Method::of(name.text.trim()));
        let outcome = match root.child("connected") {
            Some(connected) if connected.text.trim().eq_ignore_ascii_case("yes") => Outcome::Connected,
            Some(_) => Outcome::Refused { reason: reason(root) },
            None if method == Some(Method::Alarms) || root.descendant("alarm").is_some() => {
                Outcome::Sequences(root.descendants("alarm").map(sequence).collect::<Result<_, _>>()?)
            }
            None => Outcome::Done,
        };
        Ok(Self { request_id, method, outcome })
    }
}

fn reason(root: &Element) -> String {
    root.descendant("errorreason").map(|reason| words(&reason.text)).unwrap_or_default()
}

fn alarms(sequences: &[Sequence]) -> Element {
    let ms = |time: WallTime| time.unix_us().div_euclid(1000).to_string();
    let mut list = Element::new("alarms");
    list.children.extend(sequences.iter().map(|sequence| {
        let mut alarm = Element::new("alarm");
        alarm.attributes.push(("starttime".into(), ms(sequence.begin)));
        alarm.attributes.push(("endtime".into(), ms(sequence.end)));
        alarm.attributes.push(("alarmtime".into(), ms(sequence.trigger)));
        alarm
    }));
    list
}

fn sequence(alarm: &Element) -> Result<Sequence, Error> {
    let time = |part| {
        let value = alarm.attribute(part).ok_or(Error::Missing { what: "alarm", part })?;
        crate::timestamp::from_ms(value).ok_or(Error::Unreadable { what: "alarm", part })
    };
    let begin = time("starttime")?;
    Ok(Sequence { begin, end: time("endtime")?, trigger: time("alarmtime").unwrap_or(begin) })
}

impl LivePackage {
    fn element(&self) -> Element {
        let mut status = Element::new("status");
        if let Some(at) = self.at {
            status.push_text("statustime", &at.unix_us().div_euclid(1000).to_string());
        }
        status.children.extend(self.items.iter().map(|item| {
            let mut element = Element::new("statusitem");
            element.push_text("statusid", &item.id.to_string());
            element.push_text("value", &item.value.to_string());
            element.push_text("description", &item.description);
            element
        }));
        let mut root = Element::new("livepackage");
        root.children.push(status);
        root
    }

    fn read(root: &Element) -> Self {
        let at = root.descendant("statustime").and_then(|time| crate::timestamp::from_ms(&time.text));
        let item = |element: &Element| {
            let part = |name| element.child(name).map_or("", |child| child.text.trim());
            Some(StatusItem {
                id: part("statusid").parse().ok()?,
                value: part("value").parse().ok()?,
                description: words(part("description")),
            })
        };
        Self { at, items: root.descendants("statusitem").filter_map(item).collect() }
    }
}

/// What a peer says, cut to a bearable length and without tokens it may repeat.
pub(crate) fn words(text: &str) -> String {
    crate::xml::without_tokens(text.trim()).chars().take(WORDS_CHARS_MAX).collect()
}
