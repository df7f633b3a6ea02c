//! The command service of a recording server: recorded sequences, PTZ, stills, manual recording.
//!
//! Every operation but `GetVersion` carries the VMS token and the device id of a camera.

mod ptz;
mod values;

use std::time::Duration;

use domain::{Secret, WallTime};
use uuid::Uuid;

use super::Service;
use crate::milestone::Sequence;

pub use ptz::{Axis, PtzArguments, PtzSession, Velocity};
pub use values::{ManualRecording, ManualRecordingResult, SequenceKind, SequenceType, Still, TimeLine};

operations! { Service::Recorder;
    /// The version of the service.
    GetVersion = "GetVersion" -> i32 {}

    /// Moves until [`PtzMoveStop`]. Pan and tilt go together, zoom by itself.
    PtzMoveStart = "PTZMoveStart" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Directions and speeds.
        arguments: PtzArguments = "ptzArgs",
    }

    /// Ends what [`PtzMoveStart`] began.
    PtzMoveStop = "PTZMoveStop" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Moves to a position.
    PtzMoveAbsolute = "PTZMoveAbsolute" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Positions and speeds.
        arguments: PtzArguments = "ptzArgs",
    }

    /// Moves by a distance.
    PtzMoveRelative = "PTZMoveRelative" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Distances and speeds.
        arguments: PtzArguments = "ptzArgs",
    }

    /// Moves to the home position.
    PtzMoveHome = "PTZMoveHome" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Where the camera looks.
    PtzGetAbsolutePosition = "PTZGetAbsolutePosition" -> PtzArguments {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Who holds the camera's PTZ.
    PtzGetSession = "PTZGetSessionInfo" -> PtzSession {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Reserves the camera's PTZ.
    PtzReserve = "PTZReserveSession" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Keeps a manual session from timing out.
    PtzExtend = "PTZExtendedManualSession" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Releases the camera's PTZ.
    PtzRelease = "PTZReleaseSession" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// The names of the presets.
    PresetGetList = "PresetGetList" -> Vec<String> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// Moves to a preset.
    PresetMoveTo = "PresetMoveTo" -> () {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// The name of the preset.
        preset: String = "presetName",
    }

    /// The kinds of sequences there are.
    SequencesGetTypes = "SequencesGetTypes" -> Vec<SequenceType> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
    }

    /// The sequences that touch a span, in order, as many as asked for from its begin on.
    SequencesGet = "SequencesGet" -> Vec<Sequence> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Of which kind.
        kind: SequenceKind = "sequenceType",
        /// The begin of the span.
        from: WallTime = "minTime",
        /// The end of the span.
        to: WallTime = "maxTime",
        /// The most that are sent.
        count_max: u32 = "maxCount",
    }

    /// The sequences next to a time.
    SequencesGetAround = "SequencesGetAround" -> Vec<Sequence> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Of which kind.
        kind: SequenceKind = "sequenceType",
        /// The time.
        center: WallTime = "centerTime",
        /// The most that are sent of those before it.
        before_max: u32 = "maxCountBefore",
        /// The most that are sent of those after it.
        after_max: u32 = "maxCountAfter",
    }

    /// The sequences next to a time, as far away as asked for.
    SequencesGetAroundWithSpan = "SequencesGetAroundWithSpan" -> Vec<Sequence> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Of which kind.
        kind: SequenceKind = "sequenceType",
        /// The time.
        center: WallTime = "centerTime",
        /// How far back to look.
        before: Duration = "maxTimeBefore",
        /// The most that are sent of those before it.
        before_max: u32 = "maxCountBefore",
        /// How far ahead to look.
        after: Duration = "maxTimeAfter",
        /// The most that are sent of those after it.
        after_max: u32 = "maxCountAfter",
    }

    /// Whether something was recorded, for each interval of a span.
    TimeLineGet = "TimeLineInformationGet" -> Vec<TimeLine> {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// Of which kinds; those of sequences are among them.
        kinds: Vec<Uuid> = "timeLineInformationTypes",
        /// The begin of the span.
        from: WallTime = "timeLineInformationBeginTime",
        /// How long an interval is.
        interval: Duration = "timeLineInformationInterval",
        /// How many intervals.
        count: u32 = "timeLineInformationCount",
    }

    /// The present picture.
    JpegGetLive = "JPEGGetLive" -> Still {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// The most pixels across; servers take 100 and more.
        width_max: u32 = "maxWidth",
        /// The most pixels down; servers take 100 and more.
        height_max: u32 = "maxHeight",
    }

    /// The recorded picture of exactly a time.
    JpegGetAt = "JPEGGetAt" -> Still {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// The time.
        at: WallTime = "time",
    }

    /// The recorded picture at a time or the first after it.
    JpegGetAtOrAfter = "JPEGGetAtOrAfter" -> Still {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// The time.
        at: WallTime = "time",
    }

    /// The recorded picture at a time or the last before it.
    JpegGetAtOrBefore = "JPEGGetAtOrBefore" -> Still {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// The time.
        at: WallTime = "time",
    }

    /// An operation that the WSDL lists and servers answer with a fault.
    StartRecording = "StartRecording" -> bool {
        /// The VMS token.
        token: Secret = "token",
        /// The camera.
        device: Uuid = "deviceId",
        /// For how long, in microseconds.
        us: i64 = "recordingTimeMicroSeconds",
    }

    /// Which cameras are recorded by hand.
    IsManualRecording = "IsManualRecording" -> Vec<ManualRecording> {
        /// The VMS token.
        token: Secret = "token",
        /// The cameras.
        devices: Vec<Uuid> = "deviceIds",
    }

    /// Begins recording by hand.
    StartManualRecording = "StartManualRecording" -> Vec<ManualRecordingResult> {
        /// The VMS token.
        token: Secret = "token",
        /// The cameras.
        devices: Vec<Uuid> = "deviceIds",
    }

    /// Ends recording by hand.
    StopManualRecording = "StopManualRecording" -> Vec<ManualRecordingResult> {
        /// The VMS token.
        token: Secret = "token",
        /// The cameras.
        devices: Vec<Uuid> = "deviceIds",
    }
}
