use bytes::BytesMut;
use domain::{Secret, WallTime};
use uuid::Uuid;

use super::TERMINATOR;
use crate::{Error, xml::Element};

const WHAT: &str = "image server request";

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the client, increasing; the answer repeats it.
    pub id: u32,
    /// What is asked for.
    pub call: Call,
}

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opens the session; the first request of a connection.
    Connect(Connect),
    /// Renews the token of a running session.
    ConnectUpdate {
        /// The camera of the session.
        camera: Uuid,
        /// The new VMS token.
        token: Secret,
    },
    /// Begins the live stream.
    Live {
        /// The quality of JPEG pictures, 1 to 100; for [`Delivery::Jpeg`] alone.
        compression: Option<u8>,
    },
    /// Ends the live stream.
    Stop,
    /// The recorded picture at a time, or the nearest to it.
    Goto {
        /// The time, to the millisecond.
        at: WallTime,
        /// The quality of JPEG pictures, 1 to 100; for [`Delivery::Jpeg`] alone.
        compression: Option<u8>,
        /// Whether pictures that refer to others are passed over.
        keyframes_only: bool,
    },
    /// The picture after the one last sent.
    Next,
    /// The picture before the one last sent.
    Previous,
    /// The first picture of the next recorded sequence.
    NextSequence,
    /// The first picture of the sequence before.
    PreviousSequence,
    /// The first picture there is.
    Begin,
    /// The last picture there is.
    End,
    /// The recorded sequences of a span.
    Alarms(Alarms),
}

/// How a session is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The device id of the camera.
    pub camera: Uuid,
    /// One of its streams; without it the server takes its default.
    pub stream: Option<Uuid>,
    /// The VMS token.
    pub token: Secret,
    /// The form in which pictures are wanted.
    pub delivery: Delivery,
}

/// The form in which pictures are wanted. A server may send JPEG all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As the camera encoded them.
    Native,
    /// As JPEG, which the recorder has to make.
    Jpeg {
        /// Every picture of a GOP; keyframes alone otherwise.
        all_frames: bool,
    },
}

/// Which recorded sequences are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarms {
    /// Those around a time.
    Around {
        /// The middle.
        center: WallTime,
        /// How far to look, in milliseconds.
        span_ms: u64,
        /// The most that are sent.
        count_max: u32,
    },
    /// Those that touch a span.
    Between {
        /// Its begin.
        start: WallTime,
        /// Its end.
        end: WallTime,
    },
}

/// The name of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the call of the same name")]
pub enum Method {
    Connect,
    ConnectUpdate,
    Live,
    Stop,
    Goto,
    Next,
    Previous,
    NextSequence,
    PreviousSequence,
    Begin,
    End,
    Alarms,
}

impl Method {
    const NAMES: [(Self, &'static str); 12] = [
        (Self::Connect, "connect"),
        (Self::ConnectUpdate, "connectupdate"),
        (Self::Live, "live"),
        (Self::Stop, "stop"),
        (Self::Goto, "goto"),
        (Self::Next, "next"),
        (Self::Previous, "previous"),
        (Self::NextSequence, "nextsequence"),
        (Self::PreviousSequence, "previoussequence"),
        (Self::Begin, "begin"),
        (Self::End, "end"),
        (Self::Alarms, "alarms"),
    ];

    /// As it stands on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// The method of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(method, _)| *method)
    }
}

impl Call {
    /// Its name.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::Connect(_) => Method::Connect,
            Self::ConnectUpdate { .. } => Method::ConnectUpdate,
            Self::Live { .. } => Method::Live,
            Self::Stop => Method::Stop,
            Self::Goto { .. } => Method::Goto,
            Self::Next => Method::Next,
            Self::Previous => Method::Previous,
            Self::NextSequence => Method::NextSequence,
            Self::PreviousSequence => Method::PreviousSequence,
            Self::Begin => Method::Begin,
            Self::End => Method::End,
            Self::Alarms(_) => Method::Alarms,
        }
    }
}

impl Request {
    /// Appends it to what goes to the server. A connection token with an `&` cannot be told on this wire.
    pub fn write(&self, out: &mut BytesMut) {
        let mut root = Element::new("methodcall");
        root.push_text("requestid", &self.id.to_string());
        root.push_text("methodname", self.call.method().name());
        write_parameters(&self.call, &mut root);
        out.extend_from_slice(root.document().as_bytes());
        out.extend_from_slice(TERMINATOR);
    }

    /// Reads one request, without what ends it.
    ///
    /// # Errors
    /// It is no request, its method is not known, or a parameter is missing or unreadable.
    pub fn read(xml: &[u8]) -> Result<Self, Error> {
        let root = Element::read(WHAT, xml)?;
        if !root.is("methodcall") {
            return Err(Error::malformed(WHAT, "it is no methodcall"));
        }
        let id = root.number(WHAT, "requestid")?;
        let name = root.need(WHAT, "methodname")?.text.trim();
        let method = Method::of(name).ok_or_else(|| Error::unknown("image server method", name))?;
        Ok(Self { id, call: read_call(method, &root)? })
    }
}

fn write_parameters(call: &Call, root: &mut Element) {
    match call {
        Call::Connect(connect) => connect.write(root),
        Call::ConnectUpdate { camera, token } => root.push_text("connectparam", &parameters(*camera, None, token)),
        Call::Live { compression } => push_compression(root, *compression),
        Call::Goto { at, compression, keyframes_only } => {
            root.push_text("time", &at.unix_us().div_euclid(1000).to_string());
            push_compression(root, *compression);
            root.push_text("keyframesonly", if *keyframes_only { "yes" } else { "no" });
        }
        Call::Alarms(Alarms::Around { center, span_ms, count_max }) => {
            root.push_text("centertime", &center.unix_us().div_euclid(1000).to_string());
            root.push_text("timespan", &span_ms.to_string());
            root.push_text("numalarms", &count_max.to_string());
        }
        Call::Alarms(Alarms::Between { start, end }) => {
            root.push_text("starttime", &start.unix_us().div_euclid(1000).to_string());
            root.push_text("endtime", &end.unix_us().div_euclid(1000).to_string());
        }
        Call::Stop
        | Call::Next
        | Call::Previous
        | Call::NextSequence
        | Call::PreviousSequence
        | Call::Begin
        | Call::End => {}
    }
}

fn push_compression(root: &mut Element, compression: Option<u8>) {
    if let Some(rate) = compression {
        root.push_text("compressionrate", &rate.to_string());
    }
}

/// The value of `connectparam`. The token stands last, as in the vendor's own samples.
fn parameters(camera: Uuid, stream: Option<Uuid>, token: &Secret) -> String {
    let stream = stream.map(|stream| format!("&streamid={stream}")).unwrap_or_default();
    format!("id={camera}{stream}&connectiontoken={}", token.expose())
}

impl Connect {
    fn write(&self, root: &mut Element) {
        // The token decides; user and password are there because old servers look for them.
        root.push_text("username", "a");
        root.push_text("password", "a");
        root.push_text("cameraid", &self.camera.to_string());
        let (jpeg, all_frames) = match self.delivery {
            Delivery::Native => ("no", false),
            Delivery::Jpeg { all_frames } => ("yes", all_frames),
        };
        root.push_text("alwaysstdjpeg", jpeg);
        if all_frames {
            let mut transcode = Element::new("transcode");
            transcode.push_text("allframes", "yes");
            root.children.push(transcode);
        }
        root.push_text("connectparam", &parameters(self.camera, self.stream, &self.token));
    }

    fn read(root: &Element) -> Result<Self, Error> {
        let (camera, stream, token) = read_parameters(root)?;
        let all_frames = root.child("transcode").is_some_and(|transcode| is_yes(transcode, "allframes"));
        let delivery = if is_yes(root, "alwaysstdjpeg") { Delivery::Jpeg { all_frames } } else { Delivery::Native };
        Ok(Self { camera, stream, token, delivery })
    }
}

fn read_call(method: Method, root: &Element) -> Result<Call, Error> {
    Ok(match method {
        Method::Connect => Call::Connect(Connect::read(root)?),
        Method::ConnectUpdate => {
            let (camera, _, token) = read_parameters(root)?;
            Call::ConnectUpdate { camera, token }
        }
        Method::Live => Call::Live { compression: read_compression(root)? },
        Method::Stop => Call::Stop,
        Method::Goto => Call::Goto {
            at: root.milliseconds(WHAT, "time")?,
            compression: read_compression(root)?,
            keyframes_only: is_yes(root, "keyframesonly"),
        },
        Method::Next => Call::Next,
        Method::Previous => Call::Previous,
        Method::NextSequence => Call::NextSequence,
        Method::PreviousSequence => Call::PreviousSequence,
        Method::Begin => Call::Begin,
        Method::End => Call::End,
        Method::Alarms => Call::Alarms(read_alarms(root)?),
    })
}

fn read_alarms(root: &Element) -> Result<Alarms, Error> {
    Ok(if root.child("starttime").is_some() {
        Alarms::Between { start: root.milliseconds(WHAT, "starttime")?, end: root.milliseconds(WHAT, "endtime")? }
    } else {
        Alarms::Around {
            center: root.milliseconds(WHAT, "centertime")?,
            span_ms: root.number(WHAT, "timespan")?,
            count_max: root.number(WHAT, "numalarms")?,
        }
    })
}

fn read_compression(root: &Element) -> Result<Option<u8>, Error> {
    root.child("compressionrate").map(|_| root.number(WHAT, "compressionrate")).transpose()
}

fn is_yes(root: &Element, name: &str) -> bool {
    root.child(name).is_some_and(|child| child.text.trim().eq_ignore_ascii_case("yes"))
}

fn read_parameters(root: &Element) -> Result<(Uuid, Option<Uuid>, Secret), Error> {
    let text = root.need(WHAT, "connectparam")?.text.trim();
    let (mut camera, mut stream, mut token) = (None, None, None);
    for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        match key {
            "id" => camera = Some(guid(value, "id")?),
            "streamid" => stream = Some(guid(value, "streamid")?),
            "connectiontoken" => token = Some(Secret::new(value.to_owned())),
            _ => {}
        }
    }
    let camera = camera.ok_or(Error::Missing { what: WHAT, part: "id in connectparam" })?;
    Ok((camera, stream, token.ok_or(Error::Missing { what: WHAT, part: "connectiontoken in connectparam" })?))
}

fn guid(text: &str, part: &'static str) -> Result<Uuid, Error> {
    Uuid::parse_str(text).map_err(|_| Error::Unreadable { what: WHAT, part })
}
