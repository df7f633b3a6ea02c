//! Tasks: operations on an object, `POST …?task=Name` with parameters in JSON.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use domain::WallTime;
use serde_json::Value;

use super::{Id, Object, Path, field::Field};
use crate::milestone::{Sequence, soap::recorder::SequenceKind};

objects! {
    /// A task that an object has.
    TaskName {
        /// As in `?task=`.
        id: String = "id",
        /// As it is shown.
        display_name: String = "displayName",
    }

    /// How a task stands. A task that is done at once has its other results beside its state.
    TaskResult {
        /// See [`TaskResult::state`].
        state_name: String = "state",
        /// Of 100.
        progress: Option<i64> = "progress",
        /// Where to ask again while it goes on.
        path: Option<Path> = "path",
        /// Why it failed.
        error_code: Option<i64> = "errorCode",
        /// Why it failed, in words.
        error_text: String = "errorText",
    }

    /// The parameters of `GetSequences`.
    GetSequences {
        /// The vendor's name of [`SequenceKind`].
        kind: String = "sequenceType",
        /// The time to look around.
        time: Option<WallTime> = "time",
        /// How far back.
        before: Option<Duration> = "timeBefore",
        /// How far ahead.
        after: Option<Duration> = "timeAfter",
        /// The most that are sent of those before it.
        before_max: Option<i64> = "maxCountBefore",
        /// The most that are sent of those after it.
        after_max: Option<i64> = "maxCountAfter",
    }

    /// The result of `GetSequences`; what in it cannot be read is left out.
    Sequences {
        /// In order of their begin.
        sequences: Vec<Sequence> = "sequences",
    }

    /// The parameters of `SetPtzAbsolutePosition`.
    SetPtzPosition {
        /// From -1 to 1.
        pan: Option<f64> = "pan",
        /// From -1 to 1.
        tilt: Option<f64> = "tilt",
        /// From 0 to 1.
        zoom: Option<f64> = "zoom",
        /// From 0 to 1.
        speed: Option<f64> = "speed",
        /// Whether the same position may be sent again.
        allow_repeats: Option<bool> = "allowRepeats",
    }

    /// The result of `GetPtzAbsolutePosition`.
    PtzPosition {
        /// From -1 to 1.
        pan: Option<f64> = "pan",
        /// From -1 to 1.
        tilt: Option<f64> = "tilt",
        /// From 0 to 1.
        zoom: Option<f64> = "zoom",
    }

    /// The result of `GetPTZSessionInfo`.
    PtzSessionInfo {
        /// Whether somebody reserved it.
        is_reserved: Option<bool> = "reserved",
        /// Whether it patrols.
        is_patrolling: Option<bool> = "isPatrolling",
        /// Whether its patrolling is paused.
        is_paused: Option<bool> = "isPaused",
        /// Of the session; a higher one takes over.
        priority: Option<i64> = "priority",
        /// Who holds it.
        display_name: String = "displayName",
        /// How long the session lasts after its last command, in seconds.
        timeout_s: Option<i64> = "timeoutSec",
        /// What is left of that, in seconds.
        timeout_left_s: Option<i64> = "timeoutLeftSec",
        /// Whether the user who holds it is not told.
        is_anonymous: Option<bool> = "isAnonymous",
        /// The profile by which it patrols.
        patrolling_profile: Option<Id> = "patrollingProfileId",
    }

    /// The parameters of `JpegGetLive`: the most pixels across and down.
    StillSize {
        /// Across.
        width_max: Option<i64> = "width",
        /// Down.
        height_max: Option<i64> = "height",
    }

    /// The result of `JpegGetLive`.
    Still {
        /// When it was taken.
        at: Option<WallTime> = "frameDateTime",
        /// The picture in JPEG; empty when there is none.
        picture: Bytes = "jpegDataAsBase64",
    }
}

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// It has not begun.
    Idle,
    /// It goes on.
    InProgress,
    /// It is done.
    Success,
    /// It failed.
    Failed,
}

impl TaskResult {
    /// How it stands. Results without a state are done.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match self.state_name.to_ascii_lowercase().as_str() {
            "idle" => TaskState::Idle,
            "inprogress" => TaskState::InProgress,
            "success" | "" => TaskState::Success,
            _ => TaskState::Failed,
        }
    }
}

impl GetSequences {
    /// Those of a kind around a time.
    #[must_use]
    pub fn around(kind: SequenceKind, time: WallTime, before: Duration, after: Duration, count_max: u32) -> Self {
        Self {
            kind: kind.name().to_owned(),
            time: Some(time),
            before: Some(before),
            after: Some(after),
            before_max: Some(count_max.into()),
            after_max: Some(count_max.into()),
        }
    }

    /// Their kind, if it is known.
    #[must_use]
    pub fn sequence_kind(&self) -> Option<SequenceKind> {
        SequenceKind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&self.kind))
    }
}

impl Object for Sequence {
    fn of(value: &Value) -> Option<Self> {
        let time = |key| <Option<WallTime> as Field>::of(value.get(key)).flatten();
        let begin = time("timeBegin")?;
        Some(Self { begin, trigger: time("timeTrigger").unwrap_or(begin), end: time("timeEnd")? })
    }

    fn json(&self) -> Value {
        let times = [("timeBegin", self.begin), ("timeTrigger", self.trigger), ("timeEnd", self.end)];
        times.into_iter().map(|(key, at)| (key.to_owned(), Value::from(crate::timestamp::to_iso(at)))).collect()
    }
}

/// Bytes in base64; empty when there are none or they cannot be read.
impl Field for Bytes {
    fn of(value: Option<&Value>) -> Option<Self> {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        Some(STANDARD.decode(text).map(Self::from).unwrap_or_default())
    }

    fn json(&self) -> Option<Value> {
        Some(STANDARD.encode(self).into())
    }
}
