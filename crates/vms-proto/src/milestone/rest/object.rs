use std::fmt;

use serde_json::{Map, Value};

use super::field::Field;

/// An object of the configuration.
pub trait Object: Sized {
    /// Reads it; nothing when it is no object or lacks what it must have.
    fn of(value: &Value) -> Option<Self>;

    /// As JSON; fields that are empty are left out.
    fn json(&self) -> Value;
}

/// The id of an object, in lower case; mostly a GUID. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

impl Id {
    /// The most characters.
    pub const CHARS_MAX: usize = 128;

    /// Nothing when the text is empty, too long, or has characters that no path takes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '{' | '}');
        let text = text.trim();
        let is_id = !text.is_empty() && text.len() <= Self::CHARS_MAX && text.chars().all(fits);
        is_id.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The GUID that it is, if it is one.
    #[must_use]
    pub fn guid(&self) -> Option<uuid::Uuid> {
        uuid::Uuid::parse_str(&self.0).ok()
    }
}

impl From<uuid::Uuid> for Id {
    fn from(guid: uuid::Uuid) -> Self {
        Self(guid.to_string())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object with its fields, each with its name in JSON. A field is anything that is a `Field`.
macro_rules! objects {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty = $key:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl $crate::milestone::rest::Object for $name {
                fn of(value: &serde_json::Value) -> Option<Self> {
                    let map = value.as_object()?;
                    Some(Self { $($field: $crate::milestone::rest::field::Field::of(map.get($key))?,)* })
                }

                fn json(&self) -> serde_json::Value {
                    let mut map = serde_json::Map::new();
                    $($crate::milestone::rest::object::put(&mut map, $key, &self.$field);)*
                    serde_json::Value::Object(map)
                }
            }

            impl $crate::milestone::rest::field::Field for Option<$name> {
                fn of(value: Option<&serde_json::Value>) -> Option<Self> {
                    Some(value.and_then(<$name as $crate::milestone::rest::Object>::of))
                }

                fn json(&self) -> Option<serde_json::Value> {
                    self.as_ref().map($crate::milestone::rest::Object::json)
                }
            }
        )*
    };
}

pub(super) fn put(map: &mut Map<String, Value>, key: &str, field: &impl Field) {
    if let Some(value) = field.json() {
        map.insert(key.to_owned(), value);
    }
}

objects! {
    /// Where an object lies.
    Path {
        /// Its type in plural, such as `cameras`.
        kind: String = "type",
        /// Its id.
        id: Id = "id",
    }

    /// Where an object and its parent lie. A camera's parent is its hardware, whose parent is its recorder.
    Relations {
        /// The object itself.
        own: Option<Path> = "self",
        /// Its parent.
        parent: Option<Path> = "parent",
    }
}

impl Relations {
    /// The parent, if it is of a type. Recorders also come as `recorders`.
    #[must_use]
    pub fn parent_of(&self, kind: &str) -> Option<&Id> {
        let fits = |told: &str| told.eq_ignore_ascii_case(kind) || (kind == "recordingServers" && told == "recorders");
        self.parent.as_ref().filter(|parent| fits(&parent.kind)).map(|parent| &parent.id)
    }
}
