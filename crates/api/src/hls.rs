//! LL-HLS on port 8888: playlists and media of the packagers, and a small page that plays them.
//!
//! `/{path}/index.m3u8` and the files it names, `/{path}/` the page. A path may contain slashes, so the routes are told
//! apart by the end of the URL. Playlists are alike for all viewers, but for one who shows a token in the query: its URIs
//! carry the token too, because players do not repeat a query by themselves.

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Path, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use domain::{ErrorKind, PathName};
use media::{
    Hub,
    admission::{Action, Protocol},
    hls::{Muxers, Resource, Text},
};
use tower_http::compression::CompressionLayer;

use crate::{caller::Caller, problem::Problem};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
/// How a playlist may be kept that shows a viewer's token.
const PERSONAL: &str = "no-store";
const ALLOWED_METHODS: &str = "OPTIONS, GET, HEAD";

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct Hls {
    /// The streams, which know who may watch.
    pub hub: Hub,
    /// The packagers.
    pub muxers: Muxers,
}

/// The routes of port 8888.
pub fn router(state: Hls) -> Router {
    Router::new()
        .route("/{*rest}", any(serve))
        .layer(CompressionLayer::new().compress_when(is_personal))
        .with_state(state)
}

/// What is made for one viewer alone is compressed for that viewer; other playlists come compressed.
fn is_personal(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    headers.get(header::CACHE_CONTROL).is_some_and(|value| value == PERSONAL)
}

/// What a URL means.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    File(PathName, String),
    Page,
    Script,
    WithoutSlash(String),
}

impl Target {
    fn of(rest: &str) -> Option<Self> {
        if let Some(path) = rest.strip_suffix('/') {
            return PathName::new(path).map(|_| Self::Page);
        }
        if let Some((path, file)) = rest.rsplit_once('/') {
            if file == "player.js" {
                return PathName::new(path).map(|_| Self::Script);
            }
            if [".m3u8", ".mp4"].iter().any(|extension| file.ends_with(extension)) {
                return PathName::new(path).map(|path| Self::File(path, file.to_owned()));
            }
        }
        let last = PathName::new(rest)?.as_str().rsplit('/').next()?.to_owned();
        Some(Self::WithoutSlash(last))
    }
}

async fn serve(State(hls): State<Hls>, Path(rest): Path<String>, mut parts: Parts) -> Response {
    let served = match parts.method {
        Method::OPTIONS => Ok(StatusCode::NO_CONTENT.into_response()),
        Method::GET | Method::HEAD => hls.answer(&rest, &mut parts).await,
        _ => Err(Problem::method_not_allowed(ALLOWED_METHODS)),
    };
    let mut response = served.unwrap_or_else(refusal);
    cors(response.headers_mut());
    response
}

impl Hls {
    async fn answer(&self, rest: &str, parts: &mut Parts) -> Result<Response, Problem> {
        match Target::of(rest).ok_or_else(not_found)? {
            Target::File(path, file) => self.file(&path, &file, parts).await,
            Target::Page => Ok(asset("text/html; charset=utf-8", include_str!("hls/page.html"))),
            Target::Script => Ok(asset("text/javascript; charset=utf-8", include_str!("hls/player.js"))),
            // Relative, so that it also works behind a prefix.
            Target::WithoutSlash(last) => {
                let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                let location = HeaderValue::try_from(format!("{last}/{query}")).map_err(|_| not_found())?;
                Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
            }
        }
    }

    async fn file(&self, path: &PathName, file: &str, parts: &mut Parts) -> Result<Response, Problem> {
        let caller = <Caller as FromRequestParts<()>>::from_request_parts(parts, &()).await?;
        let caller = caller.by(Protocol::Hls);
        let _permit = self.hub.admit(&caller.0, Action::Read, path).await?;
        let query = parts.uri.query().unwrap_or_default();
        let answer = self.muxers.request(path, file, query).await;
        Ok(match answer.map_err(|error| problem(error, query.contains("_HLS_msn=")))? {
            Resource::Playlist(text) => playlist(&text, token(query), &parts.headers),
            Resource::Media(bytes) => media(&bytes, &parts.headers),
        })
    }
}

/// A blocked reload that waited in vain, or found no room to wait, is told to come again: 503.
fn problem(error: media::Error, blocked: bool) -> Problem {
    let in_vain = matches!(error, media::Error::SourceNotReady { .. } | media::Error::Limit { .. });
    let problem = Problem::from(error);
    if blocked && in_vain { problem.with_status(StatusCode::SERVICE_UNAVAILABLE).retry_after_s(1) } else { problem }
}

/// Players outside the browser show user and password only when they are asked for them.
fn refusal(problem: Problem) -> Response {
    let mut response = problem.into_response();
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"cctv\""));
    }
    response
}

/// A playlist; one that is alike for all viewers was compressed once for all of them.
fn playlist(text: &Text, token: Option<&str>, headers: &HeaderMap) -> Response {
    let common = |cached: &'static str| [(header::CONTENT_TYPE, PLAYLIST), (header::CACHE_CONTROL, cached)];
    if let Some(token) = token {
        let text = with_query(&String::from_utf8_lossy(&text.plain()), token);
        return (common(PERSONAL), text).into_response();
    }
    let vary = [(header::VARY, "accept-encoding")];
    if takes_gzip(headers) {
        let packed = [(header::CONTENT_ENCODING, "gzip")];
        return (common("no-cache"), vary, packed, Body::from(text.gzip())).into_response();
    }
    (common("no-cache"), vary, Body::from(text.plain())).into_response()
}

/// Whether gzip is accepted (RFC 9110 section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|line| line.to_str().ok());
    let mut codings =
        lines.flat_map(|line| line.split(',')).map(|coding| coding.split_once(';').unwrap_or((coding, "")));
    let refused =
        |weight: &str| weight.trim().strip_prefix("q=").is_some_and(|q| q.trim_matches(['0', '.']).is_empty());
    codings.any(|(name, weight)| name.trim().eq_ignore_ascii_case("gzip") && !refused(weight))
}

/// The pair of the query that shows who asks. What could end a URI inside a playlist is left out.
fn token(query: &str) -> Option<&str> {
    let shown = |pair: &&str| matches!(pair.split_once('='), Some(("token" | "jwt", _)));
    query.split('&').find(shown).filter(|pair| pair.bytes().all(|b| b.is_ascii_graphic() && b != b'"'))
}

/// The playlist with a query at the end of each URI.
fn with_query(text: &str, query: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        match line.split_once("URI=\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?))) {
            Some((before, (uri, after))) if line.starts_with('#') => {
                out.extend([before, "URI=\"", uri, "?", query, "\"", after]);
            }
            None if !line.starts_with('#') && !line.is_empty() => out.extend([line, "?", query]),
            Some(_) | None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Media, whole or the one range that is asked for (RFC 9110 section 14).
fn media(bytes: &Bytes, headers: &HeaderMap) -> Response {
    let size = bytes.len();
    let mut response = match range(headers, size) {
        Range::Whole => Body::from(bytes.clone()).into_response(),
        Range::Part { start, end } => {
            let body = Body::from(bytes.slice(start..end));
            let shown = format!("bytes {start}-{}/{size}", end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, shown)], body).into_response()
        }
        Range::Outside => {
            let shown = format!("bytes */{size}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, shown)]).into_response();
        }
    };
    for (name, value) in [
        (header::CONTENT_TYPE, "video/mp4"),
        (header::CACHE_CONTROL, "private, max-age=3600, immutable"),
        (header::ACCEPT_RANGES, "bytes"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    /// From `start` up to, not including, `end`; never empty, never beyond the size.
    Part {
        start: usize,
        end: usize,
    },
    Outside,
}

/// What is asked for. Several ranges at once, and what cannot be read, get the whole, as the RFC allows.
fn range(headers: &HeaderMap, size: usize) -> Range {
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((first, last)) = asked.and_then(|text| text.strip_prefix("bytes=")).and_then(|text| text.split_once('-'))
    else {
        return Range::Whole;
    };
    let (start, end) = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(start), Ok(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if last.trim().is_empty() => (start, size),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (size.saturating_sub(suffix), size),
        (Ok(_), Ok(_) | Err(_)) | (Err(_), Ok(_) | Err(_)) => return Range::Whole,
    };
    if start < end { Range::Part { start, end } } else { Range::Outside }
}

fn not_found() -> Problem {
    Problem::new(ErrorKind::NotFound, "NOT_FOUND", "there is nothing here", "العنصر المطلوب غير موجود")
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn cors(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Range"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length, Content-Range"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests;
