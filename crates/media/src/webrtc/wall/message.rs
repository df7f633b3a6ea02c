//! The messages of the `ctl` channel. What cannot be read, and what this version does not know, is ignored.

use domain::WallTime;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::Error;

/// The largest message taken or sent, in bytes.
pub(super) const MESSAGE_BYTES: usize = 16_000;

/// What a client says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum Said {
    Assign {
        seq: u64,
        slot: usize,
        camera: String,
        want: Want,
    },
    Release {
        seq: u64,
        slot: usize,
    },
    Audio {
        seq: u64,
        camera: Option<String>,
    },
    Auth {
        token: String,
    },
    Report {
        #[serde(default)]
        slots: Vec<Report>,
    },
    Ping {
        ts: Number,
    },
    #[serde(other)]
    Unknown,
}

/// What a tile says of its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in super::super) struct Report {
    pub(super) slot: usize,
    /// Frames shown per second.
    pub(in super::super) fps: f32,
    /// Frames dropped since the tile began.
    pub(in super::super) dropped: u64,
    pub(in super::super) jitter_ms: f32,
    /// From the camera's push to the display; absent where it cannot be told.
    pub(in super::super) latency_ms: Option<f32>,
}

/// What a tile wants, in device pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Want {
    #[serde(default)]
    pub(super) w: u32,
    #[serde(default)]
    pub(super) h: u32,
    /// The most frames per second it needs; 0 is all.
    #[serde(default)]
    pub(super) fps: u32,
    #[serde(default)]
    pub(super) mode: Mode,
}

/// What is sent of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// Every frame.
    #[default]
    All,
    /// Keyframes only.
    Key,
    /// Nothing; the place is kept.
    Pause,
}

/// The messages in one text, releases first, so that a full agency can swap tiles.
pub(super) fn read(text: &[u8]) -> Vec<Said> {
    if text.len() > MESSAGE_BYTES {
        return vec![];
    }
    let all = match serde_json::from_slice(text) {
        Ok(Value::Array(batch)) => batch,
        Ok(one) => vec![one],
        Err(_) => vec![],
    };
    let mut said: Vec<Said> = all.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect();
    said.sort_by_key(|message| !matches!(message, Said::Release { .. }));
    said
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub(super) enum Say {
    State(Box<State>),
    Denied { slot: usize, seq: u64, error: Refusal },
    Pong { ts: Number, utc: String },
    Closing { reason: String, retry_ms: u32 },
}

/// A slot as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct State {
    pub(super) slot: usize,
    pub(super) seq: u64,
    pub(super) phase: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rendition: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) codec: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) w: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) h: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fps: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kbps: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gop_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_rtp: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clock: Option<Clock>,
}

/// Ties a timestamp of a slot to the time of day at which its picture was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Clock {
    pub(super) rtp: u32,
    pub(super) utc: String,
}

/// Why a slot gets no picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) message_en: String,
    pub(super) message_ar: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lanes: Vec<&'static str>,
}

impl Refusal {
    pub(super) fn unknown_camera() -> Self {
        Self::new("NOT_FOUND", "there is no such camera", "الكاميرا غير موجودة")
    }

    /// The stream cannot be shown on this lane, but on others.
    pub(super) fn unsuitable(reason: &str) -> Self {
        let refusal = Self::new("LANE_UNSUITABLE", reason, "لا يمكن عرض هذا البث عبر WebRTC");
        Self { lanes: vec!["hls"], ..refusal }
    }

    fn new(code: &'static str, message_en: impl Into<String>, message_ar: &'static str) -> Self {
        Self { code, message_en: message_en.into(), message_ar, ..Self::default() }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Limit { limit, .. } => {
                let refusal = Self::new("RATE_LIMIT_EXCEEDED", text, "تم بلوغ الحد الأقصى للبث");
                Self { limit: Some(*limit), retry_after: Some(5), ..refusal }
            }
            Error::Unauthenticated => Self::new("UNAUTHENTICATED", text, "يلزم تسجيل الدخول"),
            Error::Forbidden => Self::new("FORBIDDEN", text, "الوصول مرفوض"),
            Error::NotConfigured(_) | Error::NoStream(_) | Error::SourceNotReady { .. } | Error::NotFound(_) => {
                Self::new("NOT_FOUND", text, "البث غير موجود")
            }
            Error::Occupied { .. }
            | Error::Unsupported(_)
            | Error::Malformed(_)
            | Error::Config { .. }
            | Error::Store(_)
            | Error::Io { .. }
            | Error::ShuttingDown => Self::new("UNAVAILABLE", text, "الخدمة غير متاحة مؤقتاً"),
        }
    }
}

/// The texts that carry these messages in their order, none above the limit.
pub(super) fn write(messages: &[Say]) -> Vec<String> {
    let mut texts = Vec::new();
    let mut batch = String::new();
    for message in messages.iter().filter_map(|message| serde_json::to_string(message).ok()) {
        if !batch.is_empty() && batch.len() + message.len() + 2 > MESSAGE_BYTES {
            batch.push(']');
            texts.push(std::mem::take(&mut batch));
        }
        batch.push(if batch.is_empty() { '[' } else { ',' });
        batch.push_str(&message);
    }
    if !batch.is_empty() {
        batch.push(']');
        texts.push(batch);
    }
    texts
}

/// A time of day as RFC 3339 writes it, in milliseconds.
pub(super) fn rfc3339(time: WallTime) -> String {
    let ms = i128::from(time.unix_us().div_euclid(1000));
    let stamp = OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    stamp.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[Said]) {
        assert_eq!(read(text.as_bytes()), want, "{text}");
    }

    fn release(slot: usize) -> Said {
        Said::Release { seq: 1, slot }
    }

    #[test]
    fn a_message_or_a_batch_is_read_with_releases_first() {
        let assign = r#"{"t":"assign","seq":2,"slot":0,"camera":"x","want":{"w":320,"h":180,"fps":15,"mode":"key"}}"#;
        let want = Want { w: 320, h: 180, fps: 15, mode: Mode::Key };
        let assigned = Said::Assign { seq: 2, slot: 0, camera: "x".into(), want };
        check(assign, std::slice::from_ref(&assigned));
        check(&format!(r#"[{assign},{{"t":"release","seq":1,"slot":3}}]"#), &[release(3), assigned]);
        check(r#"{"t":"audio","seq":4,"camera":null}"#, &[Said::Audio { seq: 4, camera: None }]);
        let report = Report { slot: 1, fps: 14.5, dropped: 2, jitter_ms: 10.0, latency_ms: None };
        let text = r#"{"t":"report","slots":[{"slot":1,"fps":14.5,"dropped":2,"jitter_ms":10}]}"#;
        check(text, &[Said::Report { slots: vec![report] }]);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        check("nonsense", &[]);
        check(r#"[{"t":"release","seq":-1,"slot":0},7,{"t":"release","seq":1,"slot":2}]"#, &[release(2)]);
        check(r#"{"t":"later","x":1}"#, &[Said::Unknown]);
        check(&format!(r#"{{"t":"auth","token":"{}"}}"#, "x".repeat(MESSAGE_BYTES)), &[]);
    }

    #[test]
    fn no_text_is_above_the_limit() {
        let closing = Say::Closing { reason: "x".repeat(500), retry_ms: 1 };
        let texts = write(&vec![closing; 100]);
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() <= MESSAGE_BYTES));
        let read: usize = texts.iter().map(|text| serde_json::from_str::<Vec<Value>>(text).unwrap().len()).sum();
        assert_eq!(read, 100);
    }

    #[test]
    fn a_time_of_day_is_rfc_3339() {
        assert_eq!(rfc3339(WallTime::from_unix_us(1_700_000_000_123_456)), "2023-11-14T22:13:20.123Z");
    }
}
