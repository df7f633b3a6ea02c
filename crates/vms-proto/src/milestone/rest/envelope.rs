use serde_json::{Map, Value, json};

use super::{BODY_BYTES_MAX, Object, TaskName, field::Field, object::put};
use crate::{Error, milestone::image_server::words};

const WHAT: &str = "REST answer";

/// A page of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What could be read, in the server's order.
    pub items: Vec<T>,
    /// How many items could not be read: they lack an id.
    pub skipped: usize,
}

impl<T> Page<T> {
    /// Whether it is the last, when so many items were asked for. No server tells how many there are.
    #[must_use]
    pub fn is_last(&self, size: usize) -> bool {
        self.items.len() + self.skipped < size
    }
}

/// Reads a page of a collection.
///
/// # Errors
/// It is above [`BODY_BYTES_MAX`], not JSON (a proxy's page in HTML, for one), or no collection.
pub fn page<T: Object>(body: &[u8]) -> Result<Page<T>, Error> {
    let value = parse(WHAT, body)?;
    let array = value.get("array").and_then(Value::as_array);
    let array = array.ok_or(Error::Missing { what: WHAT, part: "array" })?;
    let items: Vec<T> = array.iter().filter_map(T::of).collect();
    let skipped = array.len() - items.len();
    Ok(Page { items, skipped })
}

/// Reads one object.
///
/// # Errors
/// As [`page`]; or the object cannot be read.
pub fn object<T: Object>(body: &[u8]) -> Result<T, Error> {
    member(body, "data")
}

/// Reads what a task or the making of an object answers.
///
/// # Errors
/// As [`page`]; or the result cannot be read.
pub fn result<T: Object>(body: &[u8]) -> Result<T, Error> {
    member(body, "result")
}

fn member<T: Object>(body: &[u8], part: &'static str) -> Result<T, Error> {
    let value = parse(WHAT, body)?;
    let member = value.get(part).ok_or(Error::Missing { what: WHAT, part })?;
    T::of(member).ok_or(Error::Unreadable { what: WHAT, part })
}

/// Reads which tasks an object has, from an answer to `?tasks`.
///
/// # Errors
/// As [`page`]; or there is no list of tasks.
pub fn tasks(body: &[u8]) -> Result<Vec<TaskName>, Error> {
    let value = parse(WHAT, body)?;
    let tasks = value.get("tasks").filter(|tasks| tasks.is_array());
    let tasks = tasks.ok_or(Error::Missing { what: WHAT, part: "tasks" })?;
    Field::of(Some(tasks)).ok_or(Error::Unreadable { what: WHAT, part: "tasks" })
}

pub(super) fn parse(what: &'static str, body: &[u8]) -> Result<Value, Error> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Error::TooLarge { what: "a REST answer, in bytes,", limit: BODY_BYTES_MAX });
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if body.starts_with(b"<") {
        return Err(Error::malformed(what, "it is markup, not JSON"));
    }
    serde_json::from_slice(body).map_err(|error| Error::Json { what, line: error.line(), column: error.column() })
}

/// The answer with a page of a collection.
#[must_use]
pub fn write_page<T: Object>(items: &[T]) -> Value {
    json!({ "array": items.iter().map(T::json).collect::<Vec<_>>() })
}

/// The answer with one object.
#[must_use]
pub fn write_object<T: Object>(object: &T) -> Value {
    json!({ "data": object.json() })
}

/// The answer of a task, or of the making of an object.
#[must_use]
pub fn write_result<T: Object>(result: &T) -> Value {
    json!({ "result": result.json() })
}

/// What a gateway says when it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, as the body repeats it; 0 when it does not.
    pub http_code: u16,
    /// Why.
    pub details: Vec<Detail>,
    /// The parameters that a task lacks.
    pub parameters: Vec<String>,
}

/// One reason of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// In words, cut to 256 characters and free of tokens.
    pub text: String,
    /// The property that it is about; may be empty.
    pub property: String,
    /// The vendor's number of the text, such as `VMO61008`; may be empty.
    pub text_id: String,
}

impl Detail {
    fn of(value: &Value) -> Self {
        let text = |key| value.get(key).and_then(Value::as_str).map(words).unwrap_or_default();
        Self { text: text("errorText"), property: text("property"), text_id: text("errorTextId") }
    }
}

impl Refusal {
    /// The vendor's number for a user who lacks a permission.
    pub const FORBIDDEN: &'static str = "VMO61008";
    const DETAILS_MAX: usize = 16;
    const PARAMETERS_MAX: usize = 64;

    /// Why, in the words of its first detail; may be empty.
    #[must_use]
    pub fn text(&self) -> &str {
        self.details.first().map_or("", |detail| &detail.text)
    }

    /// Whether the access token is too old: renew it and ask once more.
    #[must_use]
    pub fn is_expired_token(&self) -> bool {
        self.details.iter().any(|detail| detail.text.to_ascii_lowercase().contains("token is expired"))
    }

    /// Whether the user lacks a permission.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.http_code == 403 || self.details.iter().any(|detail| detail.text_id == Self::FORBIDDEN)
    }

    /// Reads one, inside `error` or bare.
    ///
    /// # Errors
    /// As [`page`]; or it is no refusal.
    pub fn read(body: &[u8]) -> Result<Self, Error> {
        let value = parse(WHAT, body)?;
        let error = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        if error.get("httpCode").is_none() && error.get("details").is_none() {
            return Err(Error::Missing { what: WHAT, part: "error" });
        }
        let http_code: Option<i64> = Field::of(error.get("httpCode")).flatten();
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        let parameters = value.get("params").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        Ok(Self {
            http_code: http_code.and_then(|code| u16::try_from(code).ok()).unwrap_or(0),
            details: details.take(Self::DETAILS_MAX).map(Detail::of).collect(),
            parameters: parameters.take(Self::PARAMETERS_MAX).map(|name| words(name)).collect(),
        })
    }

    /// As JSON, inside `error`.
    #[must_use]
    pub fn json(&self) -> Value {
        let details = self.details.iter().map(|detail| {
            let mut map = Map::from_iter([("errorText".to_owned(), Value::from(detail.text.as_str()))]);
            put(&mut map, "property", &detail.property);
            put(&mut map, "errorTextId", &detail.text_id);
            Value::Object(map)
        });
        let mut value = json!({ "error": { "httpCode": self.http_code, "details": details.collect::<Vec<_>>() } });
        if let (false, Some(map)) = (self.parameters.is_empty(), value.as_object_mut()) {
            let parameters = self.parameters.iter().map(|name| (name.clone(), Value::from("")));
            map.insert("params".to_owned(), parameters.collect());
        }
        value
    }

    /// A refusal with one reason.
    #[must_use]
    pub fn new(http_code: u16, text: &str) -> Self {
        let detail = Detail { text: text.to_owned(), ..Detail::default() };
        Self { http_code, details: vec![detail], parameters: vec![] }
    }
}
