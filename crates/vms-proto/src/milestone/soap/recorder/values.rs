use std::time::Duration;

use bytes::Bytes;
use domain::WallTime;
use uuid::{Uuid, uuid};

use crate::{
    Error,
    milestone::{
        Sequence,
        soap::part::{Item, Part},
    },
    xml::Element,
};

/// Of which kind sequences are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SequenceKind {
    /// What is recorded.
    Recording,
    /// Where something moved.
    Motion,
    /// What was recorded because of an event, with its time.
    RecordingWithTrigger,
}

impl SequenceKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Recording, Self::Motion, Self::RecordingWithTrigger];

    /// The vendor's id.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Recording => uuid!("f9c62604-d0c5-4050-ae25-72de51639b14"),
            Self::Motion => uuid!("53cb5e33-2183-44bd-9491-8364d2457480"),
            Self::RecordingWithTrigger => uuid!("0601d294-b7e5-4d93-9614-9658561ad5e4"),
        }
    }

    /// The vendor's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recording => "RecordingSequence",
            Self::Motion => "MotionSequence",
            Self::RecordingWithTrigger => "RecordingWithTriggerSequence",
        }
    }
}

impl Part for SequenceKind {
    fn fill(&self, element: &mut Element) {
        self.id().fill(element);
    }

    fn take(element: &Element) -> Result<Self, Error> {
        let id = Uuid::take(element)?;
        let known = Self::ALL.into_iter().find(|kind| kind.id() == id);
        known.ok_or_else(|| Error::unknown("sequence type", &id.to_string()))
    }
}

/// The vendor's `TimeDuration`, whole microseconds.
impl Part for Duration {
    fn fill(&self, element: &mut Element) {
        i64::try_from(self.as_micros()).unwrap_or(i64::MAX).push_as(element, "MicroSeconds");
    }

    fn take(element: &Element) -> Result<Self, Error> {
        u64::pull(element, "TimeDuration", "MicroSeconds").map(Self::from_micros)
    }
}

impl Part for Sequence {
    fn fill(&self, element: &mut Element) {
        self.begin.push_as(element, "TimeBegin");
        self.trigger.push_as(element, "TimeTrigged");
        self.end.push_as(element, "TimeEnd");
    }

    /// A sequence without a trigger began by itself.
    fn take(element: &Element) -> Result<Self, Error> {
        let begin = WallTime::pull(element, "SequenceEntry", "TimeBegin")?;
        let end = WallTime::pull(element, "SequenceEntry", "TimeEnd")?;
        let trigger = WallTime::pull(element, "SequenceEntry", "TimeTrigged").unwrap_or(begin);
        Ok(Self { begin, trigger, end })
    }
}

impl Item for Sequence {
    const ELEMENT: &'static str = "SequenceEntry";
}

parts! {
    /// A kind of sequences that a recorder has.
    SequenceType {
        /// See [`SequenceKind::id`].
        id: Uuid = "Id",
        /// In words.
        name: String = "Name",
    }
}

impl Item for SequenceType {
    const ELEMENT: &'static str = "SequenceType";
}

parts! {
    /// Whether something was recorded, for each interval of a span.
    TimeLine {
        /// The camera.
        device: Uuid = "DeviceId",
        /// Of which kind.
        kind: Uuid = "Type",
        /// The begin of the span.
        begin: WallTime = "BeginTime",
        /// How long an interval is.
        interval: Duration = "Interval",
        /// How many intervals.
        count: u32 = "Count",
        /// A bit for each interval.
        bits: Bytes = "Data",
    }
}

impl Item for TimeLine {
    const ELEMENT: &'static str = "TimeLineInformationData";
}

parts! {
    /// A JPEG picture.
    Still {
        /// When it was taken; nothing when there is no picture.
        at: Option<WallTime> = "Time",
        /// The picture; empty when there is none.
        picture: Bytes = "Data",
    }
}

parts! {
    /// Whether a camera is recorded by hand.
    ManualRecording {
        /// The camera.
        device: Uuid = "DeviceId",
        /// Whether it is.
        is_recording: bool = "IsManualRecording",
    }
}

impl Item for ManualRecording {
    const ELEMENT: &'static str = "ManualRecordingInfo";
}

parts! {
    /// What became of beginning or ending to record a camera by hand.
    ManualRecordingResult {
        /// The camera.
        device: Uuid = "DeviceId",
        /// 0 when it was done.
        code: i32 = "ResultCode",
        /// In words.
        message: String = "Message",
    }
}

impl Item for ManualRecordingResult {
    const ELEMENT: &'static str = "ManualRecordingResult";
}
