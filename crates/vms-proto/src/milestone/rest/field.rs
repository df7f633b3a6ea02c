//! How fields of objects are read, whatever form a release gives them.

use std::time::Duration;

use domain::WallTime;
use serde_json::{Number, Value, json};

use super::{GisPoint, Id, Object, TimeSpan};
use crate::timestamp;

/// The most characters of a text; more are cut.
const TEXT_CHARS_MAX: usize = 4096;

/// A value that is a field of objects.
pub(crate) trait Field: Sized {
    /// Reads it; nothing when an object cannot be without it.
    #[doc(hidden)]
    fn of(value: Option<&Value>) -> Option<Self>;

    /// As JSON; nothing when it is empty.
    #[doc(hidden)]
    fn json(&self) -> Option<Value>;
}

impl Field for Id {
    fn of(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::String(text) => Self::new(text),
            Value::Number(number) => Self::new(&number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn json(&self) -> Option<Value> {
        Some(self.as_str().into())
    }
}

impl Field for Option<Id> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(Id::of(value))
    }

    fn json(&self) -> Option<Value> {
        self.as_ref().and_then(Field::json)
    }
}

impl Field for String {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(match value {
            Some(Value::String(text)) => text.chars().take(TEXT_CHARS_MAX).collect(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => Self::new(),
        })
    }

    fn json(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.as_str().into())
    }
}

/// JSON booleans, and the texts `True` and `False` of releases before 2022 R2.
impl Field for Option<bool> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(match value {
            Some(Value::Bool(flag)) => Some(*flag),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Some(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Some(false),
            Some(_) | None => None,
        })
    }

    fn json(&self) -> Option<Value> {
        self.map(Value::Bool)
    }
}

impl Field for Option<f64> {
    fn of(value: Option<&Value>) -> Option<Self> {
        let number = match value {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
        };
        Some(number.filter(|number: &f64| number.is_finite()))
    }

    fn json(&self) -> Option<Value> {
        self.and_then(Number::from_f64).map(Value::Number)
    }
}

impl Field for Option<i64> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(match value {
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
        })
    }

    fn json(&self) -> Option<Value> {
        self.map(Value::from)
    }
}

/// A time; nothing for the year 1. The year 9999 says never.
impl Field for Option<WallTime> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(value.and_then(Value::as_str).and_then(timestamp::from_iso))
    }

    fn json(&self) -> Option<Value> {
        self.map(|at| timestamp::to_iso(at).into())
    }
}

impl Field for Option<Duration> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(value.and_then(Value::as_str).and_then(TimeSpan::read).map(|span| span.0))
    }

    fn json(&self) -> Option<Value> {
        self.map(|span| TimeSpan(span).to_string().into())
    }
}

/// `POINT EMPTY` is written for nothing.
impl Field for Option<GisPoint> {
    fn of(value: Option<&Value>) -> Option<Self> {
        Some(value.and_then(Value::as_str).and_then(GisPoint::read))
    }

    fn json(&self) -> Option<Value> {
        Some(GisPoint::write(self.as_ref()).into())
    }
}

/// A list; what in it cannot be read is left out.
impl<T: Object> Field for Vec<T> {
    fn of(value: Option<&Value>) -> Option<Self> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        Some(items.filter_map(T::of).collect())
    }

    fn json(&self) -> Option<Value> {
        Some(json!(self.iter().map(T::json).collect::<Vec<_>>()))
    }
}
