//! What the faces with a page for each path have in common: URLs that are told by their end, and what the pages are made of.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use domain::{ErrorKind, PathName};

use crate::problem::Problem;

pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// What the end of a URL says, where it names no file of a face.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The page of a path: its name and a slash.
    Page,
    /// The page, but for the slash at the end; the last element of its name.
    WithoutSlash(String),
}

impl Target {
    pub(crate) fn of(rest: &str) -> Option<Self> {
        if let Some(path) = rest.strip_suffix('/') {
            return PathName::new(path).map(|_| Self::Page);
        }
        let last = PathName::new(rest)?.as_str().rsplit('/').next()?.to_owned();
        Some(Self::WithoutSlash(last))
    }

    /// The page itself, or the way to it: relative, so that it also works behind a prefix, and with its query.
    pub(crate) fn answer(&self, html: &'static str, query: Option<&str>) -> Result<Response, Problem> {
        let Self::WithoutSlash(last) = self else { return Ok(asset(HTML, html)) };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let location = HeaderValue::try_from(format!("{last}/{query}")).map_err(|_| not_found())?;
        Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
    }
}

/// A part of a page.
pub(crate) fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// An address that means nothing.
pub(crate) fn not_found() -> Problem {
    Problem::new(ErrorKind::NotFound, "NOT_FOUND", "there is nothing here", "العنصر المطلوب غير موجود")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_by_its_slash_and_found_without_it_with_its_query() {
        for (rest, want) in [
            ("a/b/", Some(Target::Page)),
            ("a/b", Some(Target::WithoutSlash("b".into()))),
            ("../", None),
            ("a//b", None),
        ] {
            assert_eq!(Target::of(rest), want, "{rest}");
        }
        let answer = Target::WithoutSlash("b".into()).answer("", Some("token=x")).unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()[header::LOCATION]),
            (StatusCode::FOUND, &HeaderValue::from_static("b/?token=x"))
        );
    }
}
