//! Query strings of the configuration.

use std::fmt;

use crate::{Error, form};

const WHAT: &str = "query";
/// The most parts of a query.
const PARTS_MAX: usize = 64;

/// A query string: what is asked of a collection or an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Its parts, in order.
    pub parts: Vec<QueryPart>,
}

/// A part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryPart {
    /// Disabled objects too.
    Disabled,
    /// Which page, from 0.
    Page(u32),
    /// How many objects a page has.
    Size(u32),
    /// Objects below, inside.
    IncludeChildren(Vec<String>),
    /// Which tasks the object has.
    Tasks,
    /// Which objects lie below.
    Resources,
    /// What its properties take.
    Definitions,
    /// Not the object itself.
    NoData,
    /// Which task to do.
    Task(String),
    /// In which language names are shown.
    Language(String),
    /// Only objects with a property of some value.
    Filter(Filter),
}

/// Only objects with a property of some value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The property.
    pub property: String,
    /// `lt`, `gt`, `notEquals`, `startsWith`, `contains`; nothing when it equals.
    pub operator: Option<String>,
    /// The value.
    pub value: String,
}

impl Query {
    /// A page of a collection.
    #[must_use]
    pub fn page(page: u32, size: u32) -> Self {
        Self { parts: vec![QueryPart::Page(page), QueryPart::Size(size)] }
    }

    /// A task.
    #[must_use]
    pub fn task(name: &str) -> Self {
        Self { parts: vec![QueryPart::Task(name.to_owned())] }
    }

    /// With a part more.
    #[must_use]
    pub fn with(mut self, part: QueryPart) -> Self {
        self.parts.push(part);
        self
    }

    /// Objects whose property stands in some relation to a value, such as `lastModified`, `gt`, a time.
    #[must_use]
    pub fn filter(self, property: &str, operator: &str, value: &str) -> Self {
        let operator = Some(operator.to_owned());
        self.with(QueryPart::Filter(Filter { property: property.to_owned(), operator, value: value.to_owned() }))
    }

    /// Reads one, without the `?`.
    ///
    /// # Errors
    /// A number or a filter cannot be read, or there are too many parts.
    pub fn read(text: &str) -> Result<Self, Error> {
        let parts: Vec<_> =
            form::pairs(text).map(|(name, value)| QueryPart::of(name, value)).collect::<Result<_, _>>()?;
        if parts.len() > PARTS_MAX {
            return Err(Error::TooLarge { what: "parts of a query", limit: PARTS_MAX });
        }
        Ok(Self { parts })
    }
}

impl QueryPart {
    fn of(name: String, value: String) -> Result<Self, Error> {
        let number = |part| value.parse().map_err(|_| Error::Unreadable { what: WHAT, part });
        Ok(match name.as_str() {
            "disabled" => Self::Disabled,
            "page" => Self::Page(number("page")?),
            "size" => Self::Size(number("size")?),
            "includeChildren" => Self::IncludeChildren(value.split(',').map(|kind| kind.trim().to_owned()).collect()),
            "tasks" => Self::Tasks,
            "resources" => Self::Resources,
            "definitions" => Self::Definitions,
            "noData" => Self::NoData,
            "task" => Self::Task(value),
            "language" => Self::Language(value),
            _ => Self::Filter(Filter::of(name, &value)?),
        })
    }

    fn pair(&self) -> (&str, String) {
        match self {
            Self::Disabled => ("disabled", String::new()),
            Self::Page(page) => ("page", page.to_string()),
            Self::Size(size) => ("size", size.to_string()),
            Self::IncludeChildren(kinds) => ("includeChildren", kinds.join(",")),
            Self::Tasks => ("tasks", String::new()),
            Self::Resources => ("resources", String::new()),
            Self::Definitions => ("definitions", String::new()),
            Self::NoData => ("noData", String::new()),
            Self::Task(name) => ("task", name.clone()),
            Self::Language(language) => ("language", language.clone()),
            Self::Filter(Filter { property, operator, value }) => {
                let operator = operator.as_ref().map(|operator| format!("{operator}:")).unwrap_or_default();
                (property, format!("{operator}'{value}'"))
            }
        }
    }
}

impl Filter {
    fn of(property: String, text: &str) -> Result<Self, Error> {
        let unreadable = Error::Unreadable { what: WHAT, part: "filter" };
        let (operator, quoted) = match text.split_once(":'") {
            Some((operator, _)) if !operator.starts_with('\'') => {
                (Some(operator.to_owned()), text.get(operator.len() + 1..).unwrap_or_default())
            }
            _ => (None, text),
        };
        let value = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).ok_or(unreadable)?;
        Ok(Self { property, operator, value: value.to_owned() })
    }
}

impl fmt::Display for Query {
    /// Without the `?`; sub-delimiters of values are percent-encoded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for part in &self.parts {
            let (name, value) = part.pair();
            form::push(&mut text, name, &value);
        }
        f.write_str(&text)
    }
}
