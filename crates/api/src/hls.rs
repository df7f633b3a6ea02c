//! LL-HLS on port 8888: playlists and media of the packagers, and a small page that plays them.
//!
//! `/{path}/index.m3u8` and the files it names, `/{path}/` the page. A path may contain slashes, so the routes are told
//! apart by the end of the URL. A viewer that is let in gets a session, which is good for the paths of one camera: as a cookie,
//! or, where a token stands in the query, in the URIs of the multivariant playlist, because players do not repeat a query by
//! themselves. Media playlists are alike for all viewers; only one that is asked for with a token itself repeats that token.

mod session;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, OriginalUri, Path, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use domain::{ErrorKind, PathName};
use media::{
    Hub,
    admission::{Action, Credentials, Protocol},
    config::Global,
    hls::{Muxers, Resource, Text},
};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;

use crate::{
    caller::Caller,
    page::{self, JAVASCRIPT, asset, not_found},
    problem::Problem,
};
pub use session::{Listed, Sessions};
use session::{Shown, Standing, Viewer};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
/// How a playlist may be kept that shows a viewer's token.
const PERSONAL: &str = "no-store";
/// How media may be kept: by one viewer, and by a distribution network for all of them.
const CACHED_BY_ONE: &str = "private, max-age=3600, immutable";
const CACHED_BY_ALL: &str = "public, max-age=3600, immutable";
/// The cookie of a session.
const COOKIE: &str = "cctv_hls";
/// What begins the element of a URL that is a session. It stands in no path name.
const SESSION_MARK: char = '~';
const ALLOWED_METHODS: &str = "OPTIONS, GET, HEAD";

/// What the routes work on.
#[derive(Clone, Debug)]
pub struct Hls {
    /// The streams, which know who may watch.
    pub hub: Hub,
    /// The packagers.
    pub muxers: Muxers,
    /// The viewers.
    pub sessions: Sessions,
    /// The configuration, for the secret of distribution networks.
    pub global: watch::Receiver<Arc<Global>>,
}

/// A request for a file.
struct Asked<'a> {
    path: PathName,
    file: String,
    /// The session in the URL.
    session: Option<&'a str>,
    caller: media::admission::Caller,
}

/// Who asks, once let in.
struct Guest {
    viewer: Viewer,
    /// The name, where a new session is to begin.
    begins: Option<String>,
    is_cdn: bool,
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
    Script,
    Page(page::Target),
}

impl Target {
    fn of(rest: &str) -> Option<Self> {
        if let Some((path, file)) = rest.rsplit_once('/') {
            if file == "player.js" {
                return PathName::new(path).map(|_| Self::Script);
            }
            if [".m3u8", ".mp4"].iter().any(|extension| file.ends_with(extension)) {
                return PathName::new(path).map(|path| Self::File(path, file.to_owned()));
            }
        }
        page::Target::of(rest).map(Self::Page)
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
        if let Some((session, rest)) = rest.strip_prefix(SESSION_MARK).and_then(|rest| rest.split_once('/')) {
            return match Target::of(rest) {
                Some(Target::File(path, file)) => self.file(path, file, Some(session), parts).await,
                Some(Target::Page(_) | Target::Script) | None => Err(not_found()),
            };
        }
        match Target::of(rest).ok_or_else(not_found)? {
            Target::File(path, file) => self.file(path, file, None, parts).await,
            Target::Script => Ok(asset(JAVASCRIPT, include_str!("hls/player.js"))),
            Target::Page(page) => page.answer(include_str!("hls/page.html"), parts.uri.query()),
        }
    }

    async fn file(
        &self,
        path: PathName,
        file: String,
        session: Option<&str>,
        parts: &mut Parts,
    ) -> Result<Response, Problem> {
        let caller = <Caller as FromRequestParts<()>>::from_request_parts(parts, &()).await?;
        let asked = Asked { path, file, session, caller: caller.by(Protocol::Hls).0 };
        let guest = self.guest(&asked, &parts.headers).await?;
        let query = parts.uri.query().unwrap_or_default();
        let answer = self.muxers.request(&asked.path, &asked.file, query).await;
        let answer = answer.map_err(|error| problem(error, query.contains("_HLS_msn=")))?;
        let bytes = match &answer {
            Resource::Playlist(text) => text.plain().len(),
            Resource::Media(media) => media.len(),
        };
        // A session counts from its first use, not from the request that it begins with.
        if guest.begins.is_none() {
            self.sessions.count(&guest.viewer, &asked.caller, &asked.path, bytes as u64);
        }
        Ok(match answer {
            Resource::Media(bytes) => media(&bytes, &parts.headers, guest.is_cdn),
            Resource::Playlist(text) => match guest.begins {
                Some(user) => self.opened(&text, &user, &asked, parts).await,
                None => playlist(&text, token(query).filter(|_| session.is_none()), &parts.headers),
            },
        })
    }

    /// Lets a viewer in: by its session, else by what it shows.
    async fn guest(&self, asked: &Asked<'_>, headers: &HeaderMap) -> Result<Guest, Problem> {
        let is_index = asked.file.starts_with("index");
        if self.is_cdn(&asked.caller.credentials) {
            let viewer = self.sessions.without(&asked.caller, &asked.path, String::new(), true).ok_or_else(ended)?;
            return Ok(Guest { viewer, begins: None, is_cdn: true });
        }
        let shown = asked.session.or_else(|| cookie(headers));
        match shown.map_or(Shown::Nothing, |shown| self.sessions.shown(shown, &asked.path)) {
            Shown::Good { viewer, paths, ages } if asked.session.is_some() || !is_index || !ages => {
                self.judge_anew(&viewer, &paths, &asked.caller).await?;
                return Ok(Guest { viewer, begins: None, is_cdn: false });
            }
            Shown::Ended if asked.session.is_some() || !is_index => return Err(ended()),
            Shown::Nothing if asked.session.is_some() => return Err(media::Error::Unauthenticated.into()),
            Shown::Good { .. } | Shown::Ended | Shown::Nothing => {}
        }
        let user = self.hub.admit(&asked.caller, Action::Read, &asked.path).await?.user().to_owned();
        let viewer = self.sessions.without(&asked.caller, &asked.path, user.clone(), false);
        // Who was sent away may come in again by the door.
        let viewer = match viewer {
            Some(viewer) => viewer,
            None if is_index => self.sessions.anew(&user),
            None => return Err(ended()),
        };
        Ok(Guest { viewer, begins: is_index.then_some(user), is_cdn: false })
    }

    /// Ends a session that would no longer be granted. A server that cannot be asked takes nothing away.
    async fn judge_anew(
        &self,
        viewer: &Viewer,
        paths: &[String],
        caller: &media::admission::Caller,
    ) -> Result<(), Problem> {
        let Standing::Judge(remembered) = self.sessions.standing(viewer) else {
            return Ok(());
        };
        let caller = remembered.unwrap_or_else(|| Arc::new(caller.clone()));
        for path in paths.iter().filter_map(|path| PathName::new(path)) {
            let admitted = self.hub.admit(&caller, Action::Read, &path).await;
            if matches!(admitted, Err(media::Error::Unauthenticated | media::Error::Forbidden)) {
                self.sessions.end(viewer.id).await;
                return Err(ended());
            }
        }
        self.sessions.judged(viewer.id, caller);
        Ok(())
    }

    /// Whether a distribution network asks, which lets in its viewers itself.
    fn is_cdn(&self, credentials: &Credentials) -> bool {
        let global = self.global.borrow();
        let secret = global.hls_cdn_secret.expose().as_bytes();
        matches!(credentials, Credentials::Token(shown) if !secret.is_empty() && shown.expose().as_bytes().ct_eq(secret).into())
    }

    /// The multivariant playlist with a new session, for all paths of the camera that the viewer may watch.
    async fn opened(&self, text: &Text, user: &str, asked: &Asked<'_>, parts: &Parts) -> Response {
        let mut paths = vec![asked.path.clone()];
        for other in self.muxers.others(&asked.path) {
            if self.hub.admit(&asked.caller, Action::Read, &other).await.is_ok() {
                paths.push(other);
            }
        }
        let Some(session) = self.sessions.begin(&paths, user, &asked.caller) else {
            return playlist(text, None, &parts.headers);
        };
        if token(parts.uri.query().unwrap_or_default()).is_some() {
            let text = below_session(&String::from_utf8_lossy(&text.plain()), asked.path.as_str(), &session);
            return ([(header::CONTENT_TYPE, PLAYLIST), (header::CACHE_CONTROL, PERSONAL)], text).into_response();
        }
        let mut response = playlist(text, None, &parts.headers);
        let outside = parts.extensions.get::<OriginalUri>().map_or(parts.uri.path(), |uri| uri.0.path());
        if let Some(mount) = outside.strip_suffix(&format!("{}/{}", asked.path, asked.file)) {
            for path in &paths {
                let cookie = format!(
                    "{COOKIE}={session}; Path={mount}{path}/; Max-Age={}; HttpOnly; SameSite=Lax",
                    session::AGE.as_secs()
                );
                if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                }
            }
        }
        response
    }
}

fn ended() -> Problem {
    Problem::new(ErrorKind::Unauthenticated, "SESSION_ENDED", "the session was ended", "تم إنهاء الجلسة")
}

/// The session in the cookie of a request.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, session)| session)
}

/// The multivariant playlist of a path with each URI below the session. URIs of other paths climb to the root first.
fn below_session(text: &str, path: &str, session: &str) -> String {
    let up = "../".repeat(path.split('/').count());
    let mut out = String::with_capacity(text.len() + 2 * session.len());
    for line in text.lines() {
        match line.strip_prefix(&up) {
            Some(other) => out.extend([&up, "~", session, "/", other]),
            None if !line.starts_with('#') && !line.is_empty() => out.extend([&up, "~", session, "/", path, "/", line]),
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
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
fn media(bytes: &Bytes, headers: &HeaderMap, is_cdn: bool) -> Response {
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
        (header::CACHE_CONTROL, if is_cdn { CACHED_BY_ALL } else { CACHED_BY_ONE }),
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
